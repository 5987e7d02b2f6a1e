/* Requests, transactions and clients that take too long. The words are PgBouncer's, the codes those
 * of Postgres. A write that was cut off is as lost as one whose connection broke: its tables stay
 * closed until its backend is gone. */
#include "session/session.h"

static bool is_over(uint64_t limit_ms, uint64_t since_ms, uint64_t now_ms)
{
    return limit_ms && now_ms > since_ms && now_ms - since_ms >= limit_ms;
}

/* The backend is asked to stop, and goes: nobody gets it in this state. */
static void cut_off(struct session *session, const char *sqlstate, const char *message)
{
    if (session->state == SESSION_ACTIVE)
        server_cancel(session->server);
    session_drop_server(session);
    session_fail(session, sqlstate, message, NULL);
}

/* server_fast_close: a backend that is to go does not wait for its client to leave. */
static bool must_let_go(const struct session *session)
{
    return session->server && session->server->close_needed && session->status == 'I' &&
           !session->unit.begun && !session->unit.pass_left &&
           conf_current()->options.server_fast_close &&
           pool_mode_of(session->pool) == POOL_MODE_SESSION;
}

void times_tick(struct session *session, uint64_t now_ms)
{
    struct pool_times times;
    pool_times_of(session->pool, &times);
    bool active = session->state == SESSION_ACTIVE;
    /* A block that Postgres does not know of keeps nobody from anything. */
    bool in_block = session->status != 'I' && !transaction_is_ours(&session->transaction);
    if (active && is_over(times.query_ms, session->active_since_ms, now_ms))
        cut_off(session, "57014", "query_timeout");
    else if (session->server && (active || in_block) &&
             is_over(times.transaction_ms, session->xact_active_ms, now_ms))
        cut_off(session, "25P04", "transaction_timeout");
    else if (!active && in_block &&
             is_over(times.idle_transaction_ms, session->idle_since_ms, now_ms))
        cut_off(session, "25P03", "idle_transaction_timeout");
    else if (!active && !session->server &&
             is_over(times.client_idle_ms, session->idle_since_ms, now_ms))
        session_fail(session, "57P05", "client_idle_timeout", NULL);
    else if (!active && must_let_go(session))
        cut_off(session, "57P01", "server_fast_close");
}
