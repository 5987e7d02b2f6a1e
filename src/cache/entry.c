/* Time windows of entries: see cache/entry.h. */
#include "cache/entry.h"

uint64_t window_end_ms(struct hash128 hash, uint64_t now_ms, uint64_t window_ms,
                       uint64_t *out_number)
{
    ASSERT(window_ms > 0);
    uint64_t phase_ms = hash.high % window_ms;
    uint64_t number = (now_ms + phase_ms) / window_ms;
    if (out_number)
        *out_number = number;
    return (number + 1) * window_ms - phase_ms;
}
