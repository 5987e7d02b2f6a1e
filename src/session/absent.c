/* Clients that have said their last.
 *
 * A client that closes its side may be gone, or may still read (`printf ... | nc`, shutdown(SHUT_WR)):
 * TCP tells the two apart only when something is sent. Postgres answers all that was sent, and so do
 * we. But a statement that takes long holds a backend, or a place in the queue for one, for nobody:
 * so about once a second such a client gets a ParameterStatus that repeats what it knows. Who still
 * reads may get one at any time and takes no notice; who is gone answers with a reset.
 *
 * Once the client is known to be gone, what it only reads is cancelled. What it writes is done to its
 * end, as it would be at Postgres; what it has not been sent to a backend yet is dropped.
 *
 * Source  PostgreSQL manual, "Asynchronous Operations" (of the protocol); RFC 9293, 3.6 (half-closed).
 */
#include "session/local_answer.h"

/* True if its end changes nothing that would have lasted. */
static bool only_reads(const struct session *session)
{
    if (session->status != 'I') /* it can only be rolled back, unless this very unit ends it */
        return !(session->unit.effects & EFFECT_TX_END);
    return !(session->unit.effects & ~(unsigned)EFFECTS_SEQUENCES) &&
           write_set_is_empty(&session->written) &&
           (!closing_is_on(&session->closing) || write_set_is_empty(&session->closing.set));
}

/* If all of its unit has been passed on, the backend ends it and is used again; else the backend goes
 * the way a client's backend goes. */
void absent_drain(struct session *session)
{
    const struct unit *unit = &session->unit;
    if (unit->open || unit->copying || unit->pass_left) {
        session_drop_server(session);
        session_end(session);
        return;
    }
    local_answer_stop(session);
    if (session->fill.on) {
        flight_end(&session->fill.flight, true);
        fill_spoil(session, REASON_ANSWER);
    }
    if (only_reads(session))
        server_cancel(session->server);
    session_move(session, SESSION_DRAINING);
    stream_resume(&session->server->stream);
}

void absent_go_on(struct session *session)
{
    if (session->end_after_flush || unit_is_busy(session) ||
        link_is_on(&session->stream.retry.link)) /* its input is about to be shown again */
        return;
    if (session->state == SESSION_READY && !stream_pending(&session->stream))
        session_end(session); /* else on_drained comes back to it */
    else if (session->state == SESSION_ACTIVE)
        absent_drain(session);
}

void absent_on_input_end(struct session *session)
{
    switch (session->state) {
    case SESSION_STARTUP:
        if (session->login->cancels)
            return;
        session_end(session);
        return;
    case SESSION_AUTH:
    case SESSION_CONSOLE:
        session_end(session);
        return;
    case SESSION_WELCOME:
    case SESSION_READY:
    case SESSION_PROVING:
    case SESSION_COALESCING:
    case SESSION_LOOKUP:
    case SESSION_WAITING:
    case SESSION_ACTIVE:
        session->no_more_input = true;
        session->asked_ms = loop_now_ms(session->host->loop);
        if (buf_len(&session->stream.in))
            stream_retry(&session->stream); /* what is left of it may be no whole message */
        else
            absent_go_on(session);
        return;
    case SESSION_DRAINING:
    case SESSION_CLOSING:
    case SESSION_STATE_COUNT:
        return;
    }
}

/* Between two messages, with nothing unsent: is anybody there? */
static void ask(struct session *session)
{
    static const uint8_t same[] = "S\0\0\0\31integer_datetimes\0on";
    if (session->unit.relay_left || stream_pending(&session->stream))
        return;
    stream_write(&session->stream, same, sizeof(same));
}

void absent_tick(struct session *session, uint64_t now_ms)
{
    if (now_ms - session->asked_ms < SESSION_ABSENT_MS)
        return;
    session->asked_ms = now_ms;
    switch (session->state) {
    case SESSION_READY:
    case SESSION_ACTIVE:
        if (!buf_len(&session->stream.in))
            absent_go_on(session);
        if (session->state == SESSION_ACTIVE)
            ask(session);
        return;
    case SESSION_PROVING:
    case SESSION_COALESCING:
    case SESSION_LOOKUP:
    case SESSION_WAITING:
        ask(session);
        return;
    case SESSION_STARTUP:
    case SESSION_AUTH:
    case SESSION_WELCOME:
    case SESSION_CONSOLE:
    case SESSION_DRAINING:
    case SESSION_CLOSING:
    case SESSION_STATE_COUNT:
        return;
    }
}
