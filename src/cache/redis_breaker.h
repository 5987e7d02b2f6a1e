/* Whether Redis is worth asking: a state machine that knows time only as an argument.
 *
 *   CLOSED ─ failures in a row ─► OPEN ─ after a pause ─► PROBING ─ one good answer ─► CLOSED
 *                                  ▲──────── failure ───────┘
 *
 * A pause begins at BREAKER_PAUSE_MIN_MS and doubles with each probe that fails.
 *
 * Ownership  Embedded. Threads: none.
 */
#pragma once

#include <stdbool.h>

#include "base/macros.h"

enum {
    BREAKER_FAILURES_MAX = 5, /* in a row, and it opens */
    BREAKER_PAUSE_MIN_MS = 1000,
    BREAKER_PAUSE_MAX_MS = 10000,
};

#define BREAKER_STATES(X)                                                                          \
    X(CLOSED, TO(OPEN))                                                                            \
    X(OPEN, TO(PROBING))                                                                           \
    X(PROBING, TO(CLOSED) | TO(OPEN))

#define BREAKER_ENUM(name, moves) BREAKER_##name,
enum breaker_state { BREAKER_STATES(BREAKER_ENUM) BREAKER_STATE_COUNT };
#undef BREAKER_ENUM

struct breaker {
    enum breaker_state state;
    unsigned failures;     /* in a row, in CLOSED */
    uint64_t pause_ms;     /* of the present or the next opening */
    uint64_t open_till_ms; /* in OPEN */
};

void breaker_init(struct breaker *breaker);

/* True if look-ups may be made: in CLOSED only. A probe is somebody's own question, not theirs. */
static inline bool breaker_allows(const struct breaker *breaker)
{
    return breaker->state == BREAKER_CLOSED;
}

/* A good answer came. In OPEN it is a late one and proves nothing. */
void breaker_succeeded(struct breaker *breaker);

/* Something failed at `now_ms`. True if that opened the breaker. */
bool breaker_failed(struct breaker *breaker, uint64_t now_ms);

/* True if the pause is over: it is PROBING then, and the caller owes it a success or a failure. */
bool breaker_probe(struct breaker *breaker, uint64_t now_ms);

/* How long until breaker_probe can say yes; 0 in CLOSED and PROBING. */
uint64_t breaker_wait_ms(const struct breaker *breaker, uint64_t now_ms);
