/* What the cache keeps: a key, an answer, and the stamps under which the answer is true.
 *
 * A stamp is a generation word and the value it had before the statement was sent to Postgres. An
 * entry is valid as long as every word still has that value. A write changes a word while it is
 * under way (closed) and leaves it at a value it never had before, so one comparison says both
 * "nothing is in flight" and "nothing has moved". The words belong to coherence/generations; here
 * they are an array of atomics.
 *
 * Checking stamps one after the other is enough for a read to be linearizable: values never come
 * back, so at the moment when the first word was read all the others still had (or, closed by a
 * write that was rolled back, were about to have again) the values that were seen later.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/flaw.h"
#include "base/hash.h"
#include "base/slice.h"

enum { ENTRY_STAMPS_MAX = 40, ENTRY_KEY_MAX = (1 << 20) + 8192 };

struct stamp {
    uint64_t value;
    uint32_t word; /* index into the generation words */
};

struct entry_key {
    struct hash128 hash; /* of bytes */
    struct slice bytes;  /* compared in full: equal hash and other bytes is a miss */
};

/* An entry in memory. Immutable once it can be found, but for `visits`. Read by any worker between
 * cache_find and the end of its loop turn (see cache/memory.h). */
struct entry {
    struct hash128 hash;
    uint64_t stored_at_ms;  /* wall clock */
    uint64_t expires_at_ms; /* wall clock: end of its time window */
    uint32_t key_len;
    uint32_t answer_len;
    uint16_t stamp_count;
    _Atomic(uint8_t) visits; /* 0..3, for the eviction, and a mark (see src/cache/memory_shard.h) */
    uint8_t queue;           /* under the shard's lock */
    _Atomic(struct entry *) chain; /* written under the shard's lock, followed by readers */
    struct entry *newer;           /* queue links, under the shard's lock */
    union {
        struct entry *older;
        uint64_t retired_epoch; /* once it is on the list of the retired */
    };
    struct stamp stamps[]; /* then key_len bytes of key, then answer_len bytes of answer */
};

static inline const uint8_t *entry_key_bytes(const struct entry *entry)
{
    return (const uint8_t *)(entry->stamps + entry->stamp_count);
}

static inline struct slice entry_answer(const struct entry *entry)
{
    return slice_of(entry_key_bytes(entry) + entry->key_len, entry->answer_len);
}

/* True if every stamp still holds. */
static inline bool stamps_hold(const _Atomic(uint64_t) *words, const struct stamp *stamps,
                               unsigned count)
{
    if (flaw_is_on(FLAW_CHECK_STAMPS))
        return true;
    for (unsigned i = 0; i < count; i++)
        if (atomic_load_explicit(&words[stamps[i].word], memory_order_acquire) != stamps[i].value)
            return false;
    return true;
}

/* The end of the time window that `now_ms` lies in, the phase taken from the key's hash so that
 * windows of different keys end at different times; and the number of that window.
 * window_ms > 0. */
uint64_t window_end_ms(struct hash128 hash, uint64_t now_ms, uint64_t window_ms,
                       uint64_t *out_number);
