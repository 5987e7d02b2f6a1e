/* Fetches under way: who asks Postgres for which key, and who waits for the answer.
 *
 * Concurrent misses of one key send one query. The first of them leads; another one waits if the
 * stamps that it noted itself are those of the leader's: then no write to what the answer depends on
 * has come between, and if the answer is stored, it is stored under the waiter's own stamps. The
 * waiter is told that the fetch has ended, and looks into the cache again as any reader does.
 *
 *   leader   flight_join: LEADS ─► asks ─► stores, or not ─► flight_end
 *   waiter   flight_join: WAITS ─► wake, or flight_leave ─► looks again, or asks for itself
 *
 * A reader with other stamps than the fetch under way leads a new one, which takes its place: the
 * older answer will not be stored, or only under stamps that do not hold.
 *
 * Ownership  Flights and waiters are embedded in their sessions; key and stamps are borrowed while
 *            the flight is on.
 * Threads    Any; one mutex, taken by misses alone.
 */
#pragma once

#include "base/link.h"
#include "cache/entry.h"

enum { FLIGHT_WAITERS_MAX = 1000 };

/* Zeroed: none. */
struct flight {
    struct flight *next; /* in its bucket */
    struct entry_key key;
    const struct stamp *stamps;
    unsigned stamp_count;
    unsigned waiter_count;
    struct link waiters;
    bool on;
};

struct flight_waiter {
    struct link link;
    struct flight *flight;
    bool again; /* when woken: another fetch may do better */
    /* The fetch has ended. Called by the leader's thread under the mutex: it may only send word to
     * the waiter's thread. */
    void (*wake)(struct flight_waiter *waiter);
};

enum flight_role {
    FLIGHT_LEADS, /* `flight` is on: end it */
    FLIGHT_WAITS, /* `waiter` will be woken: wait, or leave */
    FLIGHT_ALONE, /* neither: ask */
};

/* `waiter` NULL: it does not want to wait. */
enum flight_role flight_join(const struct entry_key *key, const struct stamp *stamps,
                             unsigned stamp_count, struct flight *flight,
                             struct flight_waiter *waiter);

/* The answer was stored, or will not be: wakes all who wait. `again` false: nor will any other answer to
 * this key be, as far as one can tell. Of a flight that is off: nothing. */
void flight_end(struct flight *flight, bool again);

/* Waits no longer. When it returns, wake has been called or will not be. */
void flight_leave(struct flight_waiter *waiter);
