/* XXH3, the one place that includes xxhash: libpg_query exports an xxHash of its own, so ours is
 * inlined (XXH_INLINE_ALL) and no symbol of it ever meets theirs. */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

#define XXH_INLINE_ALL
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wswitch-enum"
#pragma GCC diagnostic ignored "-Wredundant-decls"
#include <xxhash.h>
#pragma GCC diagnostic pop

struct hash128 {
    uint64_t low;
    uint64_t high;
};

static inline struct hash128 hash128_of(const void *data, size_t len)
{
    XXH128_hash_t hash = XXH3_128bits(data, len);
    return (struct hash128){.low = hash.low64, .high = hash.high64};
}

static inline bool hash128_equal(struct hash128 a, struct hash128 b)
{
    return a.low == b.low && a.high == b.high;
}

static inline uint64_t hash64_of(const void *data, size_t len)
{
    return XXH3_64bits(data, len);
}

/* Mixes two 64-bit values into one; for words that are hashes or small numbers already. */
static inline uint64_t hash64_mix(uint64_t a, uint64_t b)
{
    uint64_t words[2] = {a, b};
    return XXH3_64bits(words, sizeof(words));
}
