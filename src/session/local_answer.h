/* Statements that are answered here and never reach Postgres: SET, RESET and SHOW of pgrecall.*, and
 * what a comment asks to have explained instead of executed. In the simple protocol, as a unit of the
 * extended one, and as a part of a pipeline whose other parts go to the backend.
 */
#pragma once

#include "session/session.h"

enum local_answer_kind { LOCAL_ANSWER_NONE, LOCAL_ANSWER_SETTING, LOCAL_ANSWER_EXPLAIN };

enum local_answer_kind local_answer_kind_of(struct session *session, const struct query *query);

/* False for nearly all: a look at the first letters. */
static inline bool local_answer_may(const struct query *query)
{
    const uint8_t *at = query->canonical.data;
    if (query->hint.len || (query->scan_flags & SCAN_SEVERAL))
        return true;
    if (query->canonical.len < sizeof("SET pgrecall") || (at[0] | 0x20) == 'i')
        return false;
    uint8_t third = at[2] | 0x20; /* set, reset, show: not select */
    return ((at[0] | 0x20) == 's' && (third == 't' || third == 'o')) ||
           ((at[0] | 0x20) == 'r' && third == 's');
}

/* A whole unit: writes its answer up to ReadyForQuery. False: it is none of these. */
bool local_answer_query(struct session *session, const struct query *query, bool more);
bool local_answer_unit(struct session *session, const struct query *query, bool more);

/* May this client have it now? False: *out (unless NULL) is the ErrorResponse. */
bool local_answer_may_explain(const struct session *session, struct buf *out);
/* True: Redis has been asked what it has under the keys of a statement to be explained; the client's
 * input is shown again when it has answered, by redis_timeout at the latest. */
bool local_answer_waits(struct session *session, const struct query *query);
/* The same for a whole unit: the session waits in LOOKUP. */
bool local_answer_unit_waits(struct session *session, const struct query *query);
bool local_answer_is_waiting(const struct session *session);
/* Nobody waits for an explanation any more. */
void local_answer_stop(struct session *session);

/* The ErrorResponse of one that fails. */
void local_answer_error(struct session *session, const struct query *query, struct buf *out);

/* ---- part of a pipeline: answers are queued between those of the backend ---- */

/* Bind of such a statement: notes its portal. */
void local_answer_bind(struct session *session, const struct pgwire_bind *bind,
                       const struct query *query);
/* A Bind of another statement, or Close: the name means nothing here any more. */
void local_answer_forget(struct session *session, struct slice portal);
void local_answer_fini(struct session *session);
bool local_answer_has(const struct session *session, struct slice portal);
/* The messages that answer Describe: of a statement (with its parameters), of the noted portal. */
void local_answer_describe(struct session *session, const struct query *query, struct buf *out);
void local_answer_describe_portal(struct session *session, struct buf *out);
/* As local_answer_waits, before the noted portal is executed. */
bool local_answer_portal_waits(struct session *session);
/* Executes the noted portal. False: *out is an ErrorResponse. */
bool local_answer_execute(struct session *session, struct buf *out);
