/* See flight.h. Nobody waits who holds a backend: the fetch that it would wait for may need it.
 *
 * When a write has come between a fetch and its end, all who waited for it miss at once. One of them leads
 * the next fetch and the others wait again, but not for ever: the answer may change faster than it is
 * fetched.
 */
#include "session/flight.h"

enum { FETCHES_AWAITED_MAX = 3 };

/* On the waiter's loop: it looks into the cache again, and asks for itself if that has nothing. */
static void on_landed(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    struct session *session = CONTAINER_OF(post, struct session, landed);
    if (session->state != SESSION_COALESCING)
        return;
    session->unit.alone = !session->flight_waiter.again;
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
    bool may_wait = !unit->alone && unit->fetches_awaited < FETCHES_AWAITED_MAX &&
                    !session->server && session->status == 'I' &&
                    conf_current()->options.coalesce_wait_max_ms;
    struct entry_key key = {.hash = fill->hash,
                            .bytes = slice_of(buf_head(&fill->key), buf_len(&fill->key))};
    session->landed.run = on_landed;
    session->flight_waiter.wake = on_wake;
    if (flight_join(&key, fill->stamps, fill->stamp_count, &fill->flight,
                    may_wait ? &session->flight_waiter : NULL) != FLIGHT_WAITS)
        return false;
    fill_end(session);
    if (!unit->coalesced)
        unit->coalescing_since_ms = loop_now_ms(session->host->loop);
    unit->coalesced = true;
    unit->fetches_awaited++;
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
    session->unit.alone = true;
    session_move(session, SESSION_READY);
    stream_resume(&session->stream);
}
