/* What the operator, the session and the statement itself say about the cache, in this order of rank:
 * rules (conf/rules.h), SET pgrecall.* (local_settings.h), a comment (sql/hint.h).
 *
 * A client can always ask for less than the operator allows: less life, no cache, a namespace of its
 * own where no rule names one. It cannot change what another client gets: whatever makes an answer
 * another one, or lets it live otherwise, is part of the key (forced, window, namespace), and what is
 * stored is in any case Postgres' answer to exactly that key.
 *
 * Threads  The session's loop.
 */
#pragma once

#include "conf/conf.h"
#include "sql/verdict.h"

struct query;
struct session;

struct policy {
    const struct rule *rule; /* that decided; NULL: none */
    bool observe;            /* measure, serve nothing */
    bool force;              /* what the proof refuses may be kept */
    bool forced;             /* and this is such a one */
    uint32_t window_ms;      /* 0: cache_window */
    struct slice name_space; /* empty: none */
};

/* What holds for this statement, whose text was cut with certainty. Not REASON_NONE: it bypasses the
 * cache for that reason. */
enum reason policy_decide(struct session *session, const struct query *query, struct policy *out);

/* The same where nothing was ever said: a few compares. */
static inline bool policy_is_plain(unsigned rule_count, bool local_plain, bool hinted)
{
    return LIKELY(!rule_count && local_plain && !hinted);
}

/* The window that an answer under this policy lives in. */
uint64_t policy_window_ms(const struct policy *policy);

/* True if the policy lets this answer be kept although the verdict refuses it. */
bool policy_forces(const struct policy *policy, const struct query *query,
                   const struct verdict *verdict);
