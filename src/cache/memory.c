/* The memory tier: look-ups, and the way from a key to its shard. See cache/memory.h; storing and
 * evicting are in memory_shard.c, the proof that nothing is freed too early in memory_readers.h. */
#include "cache/memory.h"

#include "base/mem.h"
#include "cache/memory_readers.h"
#include "cache/memory_shard.h"

enum {
    SHARDS_MAX = 64,
    SHARD_ENTRIES_MIN = 8, /* a shard has room for at least so many of the greatest entries */
    RECLAIM_TURNS = 16,    /* each so many quiet points a reader helps to free retired entries */
};

struct cache {
    struct readers readers;
    void *lines; /* the one block that shards and reader slots lie in */
    struct shard *shards;
    unsigned shard_count; /* a power of two */
    unsigned shard_bits;
    size_t fixed_bytes;
    size_t tables_bytes;
    struct cache_limits limits;
};

static unsigned shard_bits_for(const struct cache_limits *limits)
{
    size_t each = size_max(limits->entry_bytes_max, 1) * SHARD_ENTRIES_MIN;
    unsigned bits = 0;
    while ((2u << bits) <= SHARDS_MAX && limits->memory_bytes_max / each >= (2u << bits))
        bits++;
    return bits;
}

struct cache *cache_create(const struct cache_limits *limits, const _Atomic(uint64_t) *words,
                           unsigned readers)
{
    ASSERT(readers > 0);
    struct cache *cache = NULL;
    unsigned bits = shard_bits_for(limits);
    size_t shard_count = (size_t)1 << bits;
    size_t lines =
        sizeof(*cache) + shard_count * sizeof(struct shard) + readers * sizeof(struct reader_slot);
    /* One block, aligned to cache lines; calloc gives less alignment than the structs ask for. */
    uint8_t *block = mem_zero(1, lines + CACHE_LINE);
    uint8_t *at = block + (CACHE_LINE - (uintptr_t)block % CACHE_LINE);
    cache = (struct cache *)(void *)at;
    cache->lines = block;
    cache->shards = (struct shard *)(void *)(at + sizeof(*cache));
    cache->readers.slots = (struct reader_slot *)(void *)(cache->shards + shard_count);
    cache->readers.count = readers;
    atomic_init(&cache->readers.epoch, 1);
    cache->shard_count = (unsigned)shard_count;
    cache->shard_bits = bits;
    cache->fixed_bytes = lines + CACHE_LINE;
    cache->limits = *limits;

    size_t left = limits->memory_bytes_max > cache->fixed_bytes
                      ? limits->memory_bytes_max - cache->fixed_bytes
                      : 0;
    for (size_t i = 0; i < shard_count; i++)
        shard_init(&cache->shards[i], left / shard_count, limits->entry_bytes_max, words,
                   &cache->readers);
    cache->tables_bytes = shard_count * shard_tables_bytes(left / shard_count);
    return cache;
}

void cache_destroy(struct cache *cache)
{
    if (!cache)
        return;
    ASSERT(readers_oldest(&cache->readers) == UINT64_MAX);
    for (unsigned i = 0; i < cache->shard_count; i++)
        shard_fini(&cache->shards[i]);
    mem_free(cache->lines);
}

/* Shards by the high bits of one half of the hash, buckets by the low bits of the other. */
static struct shard *shard_of(struct cache *cache, struct hash128 hash)
{
    return &cache->shards[(hash.high >> 32) >> (32 - cache->shard_bits)];
}

static void visit(struct entry *entry)
{
    uint8_t visits = atomic_load_explicit(&entry->visits, memory_order_relaxed);
    if ((visits & VISITS_MASK) < VISITS_MAX)
        atomic_store_explicit(&entry->visits, (uint8_t)(visits + 1), memory_order_relaxed);
}

/* Counts a dead entry once, whoever comes upon it first. It stays where it is: taking it out needs
 * the lock, which the next store in this shard has anyway. */
static void count_dead(struct entry *entry, _Atomic(uint64_t) *counter)
{
    if (atomic_load_explicit(&entry->visits, memory_order_relaxed) & VISITS_DEAD)
        return;
    uint8_t before = atomic_fetch_or_explicit(&entry->visits, VISITS_DEAD, memory_order_relaxed);
    if (!(before & VISITS_DEAD))
        reader_count(counter);
}

const struct entry *cache_find(struct cache *cache, unsigned reader, const struct entry_key *key,
                               uint64_t now_ms)
{
    ASSERT(reader < cache->readers.count);
    reader_begin(&cache->readers, reader);
    struct shard *shard = shard_of(cache, key->hash);
    struct entry *entry = shard_find(shard, key);
    if (!entry)
        return NULL;
    struct reader_slot *slot = &cache->readers.slots[reader];
    if (UNLIKELY(entry->expires_at_ms <= now_ms)) {
        count_dead(entry, &slot->expirations);
        return NULL;
    }
    if (UNLIKELY(!stamps_hold(shard->words, entry->stamps, entry->stamp_count))) {
        count_dead(entry, &slot->invalidations);
        return NULL;
    }
    visit(entry);
    return entry;
}

const struct entry *cache_peek(struct cache *cache, unsigned reader, const struct entry_key *key,
                               uint64_t now_ms)
{
    ASSERT(reader < cache->readers.count);
    reader_begin(&cache->readers, reader);
    struct shard *shard = shard_of(cache, key->hash);
    const struct entry *entry = shard_find(shard, key);
    if (!entry || entry->expires_at_ms <= now_ms ||
        !stamps_hold(shard->words, entry->stamps, entry->stamp_count))
        return NULL;
    return entry;
}

void cache_reader_quiet(struct cache *cache, unsigned reader)
{
    ASSERT(reader < cache->readers.count);
    reader_end(&cache->readers, reader);
    struct reader_slot *slot = &cache->readers.slots[reader];
    if (++slot->turns % RECLAIM_TURNS)
        return;
    shard_reclaim_some(&cache->shards[slot->turns / RECLAIM_TURNS % cache->shard_count]);
}

static struct entry *entry_make(const struct entry_key *key, struct slice answer,
                                const struct stamp *stamps, unsigned stamp_count)
{
    size_t stamps_bytes = stamp_count * sizeof(*stamps);
    struct entry *entry =
        mem_try_alloc(sizeof(*entry) + stamps_bytes + key->bytes.len + answer.len);
    if (!entry)
        return NULL;
    *entry = (struct entry){
        .hash = key->hash,
        .key_len = (uint32_t)key->bytes.len,
        .answer_len = (uint32_t)answer.len,
        .stamp_count = (uint16_t)stamp_count,
    };
    uint8_t *at = (uint8_t *)entry->stamps;
    if (stamps_bytes)
        memcpy(at, stamps, stamps_bytes);
    at += stamps_bytes;
    if (key->bytes.len)
        memcpy(at, key->bytes.data, key->bytes.len);
    at += key->bytes.len;
    if (answer.len)
        memcpy(at, answer.data, answer.len);
    return entry;
}

enum err cache_store(struct cache *cache, const struct entry_key *key, struct slice answer,
                     const struct stamp *stamps, unsigned stamp_count, uint64_t now_ms,
                     uint64_t expires_at_ms)
{
    ASSERT(stamp_count <= ENTRY_STAMPS_MAX);
    struct shard *shard = shard_of(cache, key->hash);
    if (answer.len > size_min(cache->limits.entry_bytes_max, UINT32_MAX) ||
        key->bytes.len > ENTRY_KEY_MAX)
        return ERR_TOO_BIG;
    if (expires_at_ms <= now_ms || !stamps_hold(shard->words, stamps, stamp_count))
        return ERR_STALE;
    /* Made before the lock is taken: only linking needs it. */
    struct entry *fresh = entry_make(key, answer, stamps, stamp_count);
    if (!fresh)
        return ERR_AGAIN;
    fresh->stored_at_ms = now_ms;
    fresh->expires_at_ms = expires_at_ms;
    enum err err = ERR_TOO_BIG;
    if (entry_charge(fresh) <= shard->live_max)
        err = shard_store(shard, fresh, now_ms);
    if (err)
        mem_free(fresh);
    return err;
}

void cache_flush(struct cache *cache)
{
    for (unsigned i = 0; i < cache->shard_count; i++)
        shard_flush(&cache->shards[i]);
}

void cache_stats(struct cache *cache, struct cache_stats *out)
{
    struct cache_stats sum = {
        .bytes = cache->fixed_bytes + cache->tables_bytes,
        .bytes_max = cache->limits.memory_bytes_max,
    };
    for (unsigned i = 0; i < cache->shard_count; i++) {
        struct shard *shard = &cache->shards[i];
        pthread_mutex_lock(&shard->lock);
        sum.entries += shard->small.count + shard->main.count;
        sum.bytes += shard->small.bytes + shard->main.bytes + shard->retired.bytes;
        sum.stores += shard->stores;
        sum.evictions += shard->evictions;
        sum.invalidations += shard->invalidations;
        sum.expirations += shard->expirations;
        sum.retired += shard->retired.count;
        pthread_mutex_unlock(&shard->lock);
    }
    for (unsigned i = 0; i < cache->readers.count; i++) {
        struct reader_slot *slot = &cache->readers.slots[i];
        sum.invalidations += atomic_load_explicit(&slot->invalidations, memory_order_relaxed);
        sum.expirations += atomic_load_explicit(&slot->expirations, memory_order_relaxed);
    }
    *out = sum;
}
