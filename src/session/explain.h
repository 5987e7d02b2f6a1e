/* EXPLAIN CACHE: what would happen to a statement, and whether its answer is stored. Nothing is
 * executed, counted or changed.
 *
 *   explanation_create ─► rows but for those of Redis ─► (all look-ups have ended) ─► complete
 *
 * Redis is asked for every key at once; each look-up ends by redis_timeout, so an explanation that waits
 * waits no longer than that.
 *
 * Ownership  Whoever makes an explanation destroys it, complete or not; the statement and the session
 *            are needed for the first call alone.
 * Threads    All of it on the loop of the session's host.
 */
#pragma once

#include "session/session.h"

enum { EXPLAIN_TEXT_MAX = 4096, EXPLAIN_PROBES_MAX = 3 };

/* One key that Redis was asked for. */
struct explain_probe {
    struct explanation *explanation;
    struct redis_lookup *lookup; /* NULL: none is under way */
    const char *protocol;
};

struct explanation {
    struct host *host;
    struct buf rows; /* name\0value\0 pairs */
    struct explain_probe probes[EXPLAIN_PROBES_MAX];
    unsigned probe_count;
    unsigned waiting; /* of them */
    bool stored;      /* an answer was found that would be served */
    bool absent;      /* Redis said of some key that it has none */
    void (*on_complete)(void *context);
    void *context;
};

/* query->arguments decide the key: without them, and with parameters in the text, nothing is looked for.
 * If explanation_waits says so afterwards, `on_complete` is called once when it does not any more. What
 * can be done with one is in session/host.h. */
struct explanation *explanation_create(struct session *session, const struct query *query,
                                       void (*on_complete)(void *context), void *context);
static inline bool explanation_waits(const struct explanation *explanation)
{
    return explanation->waiting > 0;
}
/* ---- between explain.c and explain_stored.c ---- */
void explain_put(struct explanation *explanation, const char *name, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* The keys that a client's look-up would have, and what memory and Redis have under them. */
void explain_stored(struct explanation *explanation, struct session *session,
                    const struct query *query, const struct policy *policy);
