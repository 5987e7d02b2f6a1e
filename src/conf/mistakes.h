/* What is wrong with a configuration, and where: collected, so that one run shows all of it.
 *
 * A mistake keeps the configuration from being used. A note (something of PgBouncer's that has no
 * meaning here, a name given twice) goes to the log and keeps nothing.
 */
#pragma once

#include "conf/conf.h"

enum { MISTAKES_MAX = 100 }; /* the rest is counted, not written */

/* Where a value came from. line == 0: `file` is a place by itself, e.g. "PGRECALL_CACHE". */
struct place {
    const char *file;
    unsigned line;
};

/* Never pass secrets: what is written here ends in logs. */
void mistakes_add(struct conf_mistakes *mistakes, struct place place, const char *format, ...)
    PRINTF_LIKE(3, 4);
void mistakes_note(struct place place, const char *format, ...) PRINTF_LIKE(2, 3);
