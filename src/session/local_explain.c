/* Explanations that wait for Redis, for clients: the input stays in the stream meanwhile, and is shown
 * again when Redis has answered. See local_answer.h.
 */
#include "session/explain.h"
#include "session/local_answer.h"

/* Redis has said what it has. */
static void on_explained(void *context)
{
    struct session *session = context;
    if (session->state == SESSION_LOOKUP)
        session_move(session, SESSION_READY);
    stream_resume(&session->stream);
}

bool local_answer_waits(struct session *session, const struct query *query)
{
    if (local_answer_kind_of(session, query) != LOCAL_ANSWER_EXPLAIN ||
        !local_answer_may_explain(session, NULL))
        return false;
    if (!session->explanation)
        session->explanation = explanation_create(session, query, on_explained, session);
    return explanation_waits(session->explanation);
}

bool local_answer_unit_waits(struct session *session, const struct query *query)
{
    if (!local_answer_waits(session, query))
        return false;
    stream_flush(&session->stream);
    session_move(session, SESSION_LOOKUP);
    return true;
}

bool local_answer_is_waiting(const struct session *session)
{
    return UNLIKELY(session->explanation != NULL) && explanation_waits(session->explanation);
}

void local_answer_stop(struct session *session)
{
    explanation_destroy(session->explanation);
    session->explanation = NULL;
}
