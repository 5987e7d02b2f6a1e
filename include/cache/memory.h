/* The memory tier: one for the process, shared by all workers.
 *
 * Readers take no lock and write nothing but a bounded visit counter, so a hit never waits for
 * another hit nor for a store. Entries that are replaced or evicted are kept until every reader
 * has been through a quiet point since (quiescent-state reclamation): a reader is `reading` from
 * its first cache_find of a loop turn until cache_reader_quiet, which its loop calls before it
 * sleeps. Pointers from cache_find are good until then.
 *
 * Eviction is S3-FIFO (Yang et al., SOSP 2023): a small queue for newcomers, a main queue for what
 * was asked for again, a ghost list of hashes: a scan passes through the small queue and leaves the
 * main one alone, and a hit moves nothing.
 *
 * The budget counts whole entries with keys, stamps and allocator overhead, plus the tables.
 */
#pragma once

#include "base/err.h"
#include "cache/entry.h"

struct cache;

struct cache_limits {
    size_t memory_bytes_max;
    size_t entry_bytes_max; /* of one answer */
};

/* words   The generation words; outlive the cache.
 * readers How many workers will call with reader = 0..readers-1. */
struct cache *cache_create(const struct cache_limits *limits, const _Atomic(uint64_t) *words,
                           unsigned readers);
void cache_destroy(struct cache *cache); /* no reader may be reading */

/* The valid entry of `key`, or NULL. Borrowed until cache_reader_quiet(cache, reader). */
const struct entry *cache_find(struct cache *cache, unsigned reader, const struct entry_key *key,
                               uint64_t now_ms);

/* Says that `reader` holds no entry pointer any more. Cheap; called once a loop turn. */
void cache_reader_quiet(struct cache *cache, unsigned reader);

/* Stores a copy of everything; replaces an entry of the same key.
 * ERR_TOO_BIG  the answer is over entry_bytes_max, or the entry over a shard's budget
 * ERR_STALE    a stamp does not hold any more, or it expires before now_ms
 * ERR_AGAIN    no room just now: too much waits for readers to be quiet, or malloc failed */
MUST_USE enum err cache_store(struct cache *cache, const struct entry_key *key, struct slice answer,
                              const struct stamp *stamps, unsigned stamp_count, uint64_t now_ms,
                              uint64_t expires_at_ms);

/* Drops everything. (Entries also die by their stamps; this gives the memory back.) */
void cache_flush(struct cache *cache);

struct cache_stats {
    uint64_t entries;
    uint64_t bytes; /* as the budget counts */
    uint64_t bytes_max;
    uint64_t stores;
    uint64_t evictions;     /* valid entries that had to go */
    uint64_t invalidations; /* entries found dead by a stamp, by a look-up or by the eviction */
    uint64_t expirations;
    uint64_t retired; /* entries waiting for readers to be quiet */
};
void cache_stats(struct cache *cache, struct cache_stats *out);

/* As cache_find without counting or marking anything: for EXPLAIN CACHE. */
const struct entry *cache_peek(struct cache *cache, unsigned reader, const struct entry_key *key,
                               uint64_t now_ms);
