/* See redis_breaker.h. */
#include "cache/redis_breaker.h"

#define TO(name)                   (1u << BREAKER_##name)
#define BREAKER_MOVES(name, moves) [BREAKER_##name] = (moves),
static const unsigned moves_allowed[BREAKER_STATE_COUNT] = {BREAKER_STATES(BREAKER_MOVES)};
#undef BREAKER_MOVES

static void move(struct breaker *breaker, enum breaker_state to)
{
    ASSERT(moves_allowed[breaker->state] & (1u << to));
    breaker->state = to;
}

void breaker_init(struct breaker *breaker)
{
    *breaker = (struct breaker){.state = BREAKER_CLOSED, .pause_ms = BREAKER_PAUSE_MIN_MS};
}

void breaker_succeeded(struct breaker *breaker)
{
    if (breaker->state == BREAKER_OPEN)
        return;
    breaker->failures = 0;
    if (breaker->state == BREAKER_PROBING) {
        move(breaker, BREAKER_CLOSED);
        breaker->pause_ms = BREAKER_PAUSE_MIN_MS;
    }
}

bool breaker_failed(struct breaker *breaker, uint64_t now_ms)
{
    if (breaker->state == BREAKER_OPEN)
        return false;
    if (breaker->state == BREAKER_CLOSED && ++breaker->failures < BREAKER_FAILURES_MAX)
        return false;
    if (breaker->state == BREAKER_PROBING && breaker->pause_ms < BREAKER_PAUSE_MAX_MS)
        breaker->pause_ms = size_min(breaker->pause_ms * 2, BREAKER_PAUSE_MAX_MS);
    move(breaker, BREAKER_OPEN);
    breaker->failures = 0;
    breaker->open_till_ms = now_ms + breaker->pause_ms;
    return true;
}

bool breaker_probe(struct breaker *breaker, uint64_t now_ms)
{
    if (breaker->state != BREAKER_OPEN || now_ms < breaker->open_till_ms)
        return false;
    move(breaker, BREAKER_PROBING);
    return true;
}

uint64_t breaker_wait_ms(const struct breaker *breaker, uint64_t now_ms)
{
    if (breaker->state != BREAKER_OPEN || now_ms >= breaker->open_till_ms)
        return 0;
    return breaker->open_till_ms - now_ms;
}
