/* Rules of coherence that a test build leaves out, to show that the consistency checker would notice.
 *
 * Only with the build option `flaws`; the environment variable PGRECALL_FLAW then names the rule.
 * Without the option nothing of this is compiled: the question is the constant false.
 *
 * Source  tests/consistency/model.py has the same rules under the same names, and one more: a reader who
 *         waits for another's fetch looks into the cache itself, so there is nothing to leave out.
 */
#pragma once

#include <stdbool.h>

/* X(NAME, name in PGRECALL_FLAW) */
#define FLAWS(X)                                                                                   \
    X(CLOSE, "close")               /* words of a write are not closed */                          \
    X(BUMP, "bump")                 /* nor bumped */                                               \
    X(BUMP_ALL, "bump_all")         /* the first of them alone is bumped */                        \
    X(ONE_STEP, "one_step")         /* opened first, bumped a moment later */                      \
    X(STAMPS_FIRST, "stamps_first") /* stamps are read when the answer is there */                 \
    X(STAMPS_OPEN, "stamps_open")   /* a stamp may come from a closed word */                      \
    X(CHECK_STAMPS, "check_stamps") /* a hit compares nothing */                                   \
    X(STAY_CLOSED, "stay_closed")   /* a lost write is opened when its connection is lost */       \
    X(BUMP_LOST, "bump_lost")       /* and not bumped */                                           \
    X(WIDEN, "widen")               /* DDL leaves older writes in flight as they are */            \
    X(OLD_CATALOG, "old_catalog")   /* a write judged on an old snapshot closes its tables only */ \
    X(PINNED_SCAN, "pinned_scan")   /* a write of one key leaves reads without that key alone */   \
    X(PINNED_COLUMN, "pinned_column") /* and reads by other key columns */

#define FLAW_ENUM(name, text) FLAW_##name,
enum flaw { FLAWS(FLAW_ENUM) FLAW_NONE };
#undef FLAW_ENUM

#ifdef PGRECALL_FLAWS
bool flaw_is_on(enum flaw flaw);
#else
static inline bool flaw_is_on(enum flaw flaw)
{
    (void)flaw;
    return false;
}
#endif
