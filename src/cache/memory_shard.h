/* One shard of the memory tier: a chained hash table, the queues of S3-FIFO, and what is retired.
 *
 *   store ─► SMALL ── tail, visited twice ──► MAIN ◄─┐ tail, visited: goes round once more
 *      │       │ tail, else                    │ ─────┘
 *      │       ▼ (hash into the ghost list)    ▼ tail, not visited
 *      │     RETIRED ── every reader has been quiet since ──► freed
 *      └─► MAIN, when the ghost list knows its hash
 *
 * The bucket array is made once, sized from the budget, and never resized: readers need no more
 * than one atomic load to find a chain. An entry in RETIRED cannot be found any more, but a reader
 * may still stand on it, so its `chain` keeps leading on.
 *
 * Readers touch buckets, chains, the fixed part of entries and `visits`. All else is under `lock`.
 */
#pragma once

#include <pthread.h>

#include "base/err.h"
#include "cache/entry.h"
#include "cache/memory_ghost.h"
#include "cache/memory_readers.h"

enum {
    VISITS_MAX = 3,
    VISITS_MASK = 3,
    VISITS_DEAD = 0x80, /* mark: counted as invalidated or expired already */

    BUCKET_BUDGET_BYTES = 512,    /* one bucket for so much of the budget */
    BUCKETS_MIN = 64,             /* of a shard */
    GHOST_SHARE = 2,              /* one ghost slot for so many buckets */
    SMALL_SHARE = 10,             /* the small queue's part of the budget: 1/10 */
    RETIRED_SHARE = 16,           /* kept free for what waits for readers: 1/16 */
    EVICT_STEPS_MAX = 256,        /* entries that go round before one has to go anyway */
    SWEEP_BUCKETS = 4,            /* looked through for dead entries by each store */
    SWEEP_ENTRIES = 16,           /* of these at most so many */
    RECLAIM_ENTRIES = 64,         /* freed at most at a quiet point */
    ALLOC_OVERHEAD_BYTES = 8,     /* of malloc, for each block */
    ALLOC_ROUND_BYTES = 16,       /* malloc rounds up to this */
    ALLOC_PAGED_MIN = 128 * 1024, /* from here on blocks may be pages of their own */
    ALLOC_PAGE_BYTES = 4096,
};

enum entry_queue { QUEUE_NONE, QUEUE_SMALL, QUEUE_MAIN };

struct entry_list {
    struct entry *oldest;
    struct entry *newest;
    size_t bytes;
    size_t count;
};

struct shard {
    /* Constant once made. */
    _Alignas(CACHE_LINE) _Atomic(struct entry *) *buckets;
    uint64_t bucket_mask;
    const _Atomic(uint64_t) *words;
    struct readers *readers;
    size_t bytes_max; /* of entries, live and retired */
    size_t live_max;
    size_t retired_max;

    _Alignas(CACHE_LINE) pthread_mutex_t lock;
    struct entry_list small;
    struct entry_list main;
    struct entry_list retired; /* in the order of their epochs */
    struct ghost ghost;
    uint64_t sweep_at; /* bucket */
    uint64_t stores;
    uint64_t evictions;
    uint64_t invalidations;
    uint64_t expirations;
    _Atomic(size_t) retired_hint; /* retired.count, for a look without the lock */
};

/* What the tables of one shard take that has `budget` bytes in all. */
size_t shard_tables_bytes(size_t budget);

/* budget     Bytes for tables and entries.
 * entry_max  The greatest answer, for the room kept free for retired entries. */
void shard_init(struct shard *shard, size_t budget, size_t entry_max,
                const _Atomic(uint64_t) *words, struct readers *readers);
void shard_fini(struct shard *shard); /* nobody may be reading */

/* What `entry` counts for in the budget. */
size_t entry_charge(const struct entry *entry);

/* Links `fresh`, which is then the shard's; replaces an entry of the same key.
 * ERR_AGAIN  too much waits for readers to be quiet; `fresh` stays the caller's. */
MUST_USE enum err shard_store(struct shard *shard, struct entry *fresh, uint64_t now_ms);

void shard_flush(struct shard *shard);

/* Frees what no reader can hold any more, if the lock is free and anything waits. */
void shard_reclaim_some(struct shard *shard);

/* The newest entry of `key`, dead or alive, or NULL. The reader is reading, or holds the lock. */
static inline struct entry *shard_find(struct shard *shard, const struct entry_key *key)
{
    struct entry *at = atomic_load(&shard->buckets[key->hash.low & shard->bucket_mask]);
    for (; at; at = atomic_load(&at->chain))
        if (hash128_equal(at->hash, key->hash) && at->key_len == key->bytes.len &&
            memcmp(entry_key_bytes(at), key->bytes.data, at->key_len) == 0)
            return at;
    return NULL;
}
