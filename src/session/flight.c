/* See flight.h. Nobody waits who holds a backend: the fetch that it would wait for may need it. */
#include "session/flight.h"

/* On the waiter's loop: it looks into the cache again, and asks for itself if that has nothing. */
static void on_landed(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    struct session *session = CONTAINER_OF(post, struct session, landed);
    if (session->state != SESSION_COALESCING)
        return;
    session_move(session, SESSION_READY);
    stream_resume(&session->stream);
}

/* On the leader's thread. A loop that has ended has no sessions that could miss it. */
static void on_wake(struct flight_waiter *waiter)
{
    struct session *session = CONTAINER_OF(waiter, struct session, flight_waiter);
    if (!loop_post(session->host->loop, &session->landed))
        return;
}

bool flight_waits(struct session *session)
{
    struct fill *fill = &session->fill;
    struct unit *unit = &session->unit;
    bool may_wait = !unit->coalesced && !session->server && session->status == 'I' &&
                    conf_current()->options.coalesce_wait_max_ms;
    struct entry_key key = {.hash = fill->hash,
                            .bytes = slice_of(buf_head(&fill->key), buf_len(&fill->key))};
    session->landed.run = on_landed;
    session->flight_waiter.wake = on_wake;
    if (flight_join(&key, fill->stamps, fill->stamp_count, &fill->flight,
                    may_wait ? &session->flight_waiter : NULL) != FLIGHT_WAITS)
        return false;
    fill_end(session);
    unit->coalesced = true;
    unit->coalescing_since_ms = loop_now_ms(session->host->loop);
    stream_flush(&session->stream);
    session_move(session, SESSION_COALESCING);
    return true;
}

void flight_stop_waiting(struct session *session)
{
    flight_leave(&session->flight_waiter);
    loop_recall(session->host->loop, &session->landed);
}

void flight_tick(struct session *session, uint64_t now_ms)
{
    if (now_ms < session->unit.coalescing_since_ms + conf_current()->options.coalesce_wait_max_ms)
        return;
    flight_stop_waiting(session);
    session_move(session, SESSION_READY);
    stream_resume(&session->stream);
}
