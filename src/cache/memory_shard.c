/* Storing, evicting, retiring: the writers' side of the memory tier. See memory_shard.h.
 *
 * Source  Yang et al., "FIFO Queues are All You Need for Cache Eviction", SOSP 2023, algorithm 1.
 *         Differences: queues are measured in bytes; dead entries leave first; an eviction gives up
 *         looking for an unvisited entry after EVICT_STEPS_MAX, so that the lock is held briefly.
 */
#include "cache/memory_shard.h"

#include "base/mem.h"

static size_t buckets_for(size_t budget)
{
    size_t count = BUCKETS_MIN;
    while (count * 2 * BUCKET_BUDGET_BYTES <= budget)
        count *= 2;
    return count;
}

size_t shard_tables_bytes(size_t budget)
{
    size_t buckets = buckets_for(budget);
    return buckets * sizeof(_Atomic(struct entry *)) +
           buckets / GHOST_SHARE * sizeof(struct ghost_slot);
}

static size_t round_up(size_t value, size_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static size_t charge_of(size_t block_bytes)
{
    size_t unit = block_bytes < ALLOC_PAGED_MIN ? ALLOC_ROUND_BYTES : ALLOC_PAGE_BYTES;
    return round_up(block_bytes + ALLOC_OVERHEAD_BYTES, unit);
}

size_t entry_charge(const struct entry *entry)
{
    return charge_of(sizeof(*entry) + entry->stamp_count * sizeof(struct stamp) + entry->key_len +
                     entry->answer_len);
}

void shard_init(struct shard *shard, size_t budget, size_t entry_max,
                const _Atomic(uint64_t) *words, struct readers *readers)
{
    size_t buckets = buckets_for(budget);
    size_t tables = shard_tables_bytes(budget);
    size_t bytes = budget > tables ? budget - tables : 0;
    size_t retired = size_max(bytes / RETIRED_SHARE, size_min(charge_of(entry_max), bytes / 8));
    *shard = (struct shard){
        .buckets = mem_zero(buckets, sizeof(_Atomic(struct entry *))),
        .bucket_mask = buckets - 1,
        .words = words,
        .readers = readers,
        .bytes_max = bytes,
        .live_max = bytes - retired,
        .retired_max = retired,
    };
    ghost_init(&shard->ghost, buckets / GHOST_SHARE);
    int failed = pthread_mutex_init(&shard->lock, NULL);
    ASSERT(!failed);
}

static void list_append(struct entry_list *list, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = list->newest;
    if (list->newest)
        list->newest->newer = entry;
    else
        list->oldest = entry;
    list->newest = entry;
    list->bytes += entry_charge(entry);
    list->count++;
}

static void list_remove(struct entry_list *list, struct entry *entry)
{
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        list->newest = entry->older;
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        list->oldest = entry->newer;
    list->bytes -= entry_charge(entry);
    list->count--;
}

static struct entry_list *list_of(struct shard *shard, const struct entry *entry)
{
    ASSERT(entry->queue == QUEUE_SMALL || entry->queue == QUEUE_MAIN);
    return entry->queue == QUEUE_SMALL ? &shard->small : &shard->main;
}

static size_t live_bytes(const struct shard *shard)
{
    return shard->small.bytes + shard->main.bytes;
}

static uint8_t visits_of(const struct entry *entry)
{
    return atomic_load_explicit(&entry->visits, memory_order_relaxed) & VISITS_MASK;
}

/* Readers may be counting at the same time; a visit more or less does no harm. */
static void visits_set(struct entry *entry, uint8_t visits)
{
    uint8_t mark = atomic_load_explicit(&entry->visits, memory_order_relaxed) & VISITS_DEAD;
    atomic_store_explicit(&entry->visits, visits | mark, memory_order_relaxed);
}

static bool is_dead(const struct shard *shard, const struct entry *entry, uint64_t now_ms)
{
    return entry->expires_at_ms <= now_ms ||
           !stamps_hold(shard->words, entry->stamps, entry->stamp_count);
}

static void list_retire(struct shard *shard, struct entry *entry)
{
    struct entry_list *retired = &shard->retired;
    entry->queue = QUEUE_NONE;
    entry->newer = NULL;
    entry->retired_epoch = readers_advance(shard->readers);
    if (retired->newest)
        retired->newest->newer = entry;
    else
        retired->oldest = entry;
    retired->newest = entry;
    retired->bytes += entry_charge(entry);
    retired->count++;
    atomic_store_explicit(&shard->retired_hint, retired->count, memory_order_relaxed);
}

/* Takes `entry` out of its chain and its queue. Readers that stand on it go on along its chain. */
static void retire(struct shard *shard, struct entry *entry)
{
    _Atomic(struct entry *) *at = &shard->buckets[entry->hash.low & shard->bucket_mask];
    struct entry *here = atomic_load_explicit(at, memory_order_relaxed);
    while (here != entry) {
        ASSERT(here);
        at = &here->chain;
        here = atomic_load_explicit(at, memory_order_relaxed);
    }
    atomic_store(at, atomic_load_explicit(&entry->chain, memory_order_relaxed));
    list_remove(list_of(shard, entry), entry);
    list_retire(shard, entry);
}

/* Takes out an entry that no look-up may return any more. One that was worth keeping leaves its
 * hash, so that its successor need not prove itself again. */
static void retire_dead(struct shard *shard, struct entry *entry, uint64_t now_ms)
{
    if (!(atomic_load_explicit(&entry->visits, memory_order_relaxed) & VISITS_DEAD)) {
        if (entry->expires_at_ms <= now_ms)
            shard->expirations++;
        else
            shard->invalidations++;
    }
    if (entry->queue == QUEUE_MAIN || visits_of(entry) > 1)
        ghost_add(&shard->ghost, entry->hash);
    retire(shard, entry);
}

/* Frees up to `count_max` entries that no reader can hold, while more than `bytes_goal` wait. */
static void reclaim(struct shard *shard, size_t count_max, size_t bytes_goal)
{
    struct entry_list *retired = &shard->retired;
    if (!retired->oldest)
        return;
    uint64_t oldest_reader = readers_oldest(shard->readers);
    while (count_max-- > 0 && retired->bytes > bytes_goal) {
        struct entry *entry = retired->oldest;
        if (!entry || entry->retired_epoch >= oldest_reader)
            break;
        retired->oldest = entry->newer;
        if (!retired->oldest)
            retired->newest = NULL;
        retired->bytes -= entry_charge(entry);
        retired->count--;
        mem_free(entry);
    }
    atomic_store_explicit(&shard->retired_hint, retired->count, memory_order_relaxed);
}

void shard_reclaim_some(struct shard *shard)
{
    if (!atomic_load_explicit(&shard->retired_hint, memory_order_relaxed))
        return;
    if (pthread_mutex_trylock(&shard->lock))
        return;
    reclaim(shard, RECLAIM_ENTRIES, 0);
    pthread_mutex_unlock(&shard->lock);
}

/* Looks through a few buckets, going round, so that dead entries nobody asks for do not stay. */
static void sweep(struct shard *shard, uint64_t now_ms)
{
    unsigned looked_at = 0;
    for (unsigned i = 0; i < SWEEP_BUCKETS && looked_at < SWEEP_ENTRIES; i++) {
        if (shard->retired.bytes > shard->retired_max / 2)
            return;
        shard->sweep_at = (shard->sweep_at + 1) & shard->bucket_mask;
        struct entry *at =
            atomic_load_explicit(&shard->buckets[shard->sweep_at], memory_order_relaxed);
        for (; at && looked_at < SWEEP_ENTRIES; looked_at++) {
            struct entry *next = atomic_load_explicit(&at->chain, memory_order_relaxed);
            if (is_dead(shard, at, now_ms))
                retire_dead(shard, at, now_ms);
            at = next;
        }
    }
}

static void evict(struct shard *shard, struct entry *entry, uint64_t now_ms)
{
    if (is_dead(shard, entry, now_ms)) {
        retire_dead(shard, entry, now_ms);
        return;
    }
    shard->evictions++;
    if (entry->queue == QUEUE_SMALL)
        ghost_add(&shard->ghost, entry->hash);
    retire(shard, entry);
}

static void requeue_main(struct shard *shard, struct entry *entry, uint8_t visits)
{
    list_remove(list_of(shard, entry), entry);
    visits_set(entry, visits);
    entry->queue = QUEUE_MAIN;
    list_append(&shard->main, entry);
}

/* Takes out one entry. There is one. */
static void evict_one(struct shard *shard, uint64_t now_ms)
{
    for (unsigned step = 0; step < EVICT_STEPS_MAX; step++) {
        bool small = shard->small.oldest &&
                     (shard->small.bytes >= shard->live_max / SMALL_SHARE || !shard->main.oldest);
        struct entry *tail = small ? shard->small.oldest : shard->main.oldest;
        ASSERT(tail);
        uint8_t visits = visits_of(tail);
        if (is_dead(shard, tail, now_ms) || visits == 0 || (small && visits == 1)) {
            evict(shard, tail, now_ms);
            return;
        }
        requeue_main(shard, tail, small ? 0 : (uint8_t)(visits - 1));
    }
    evict(shard, shard->main.oldest ? shard->main.oldest : shard->small.oldest, now_ms);
}

/* Evicts and frees until `charge` more bytes fit the budget.
 * ERR_AGAIN  they do not: too much of it waits for readers. */
static enum err make_room(struct shard *shard, size_t charge, uint64_t now_ms)
{
    size_t wanted = live_bytes(shard) + charge;
    size_t surplus = wanted > shard->live_max ? wanted - shard->live_max : 0;
    if (shard->retired.bytes + surplus > shard->retired_max)
        reclaim(shard, SIZE_MAX, shard->retired_max > surplus ? shard->retired_max - surplus : 0);
    if (shard->retired.bytes > shard->retired_max)
        return ERR_AGAIN;
    while (live_bytes(shard) + charge > shard->live_max)
        evict_one(shard, now_ms);
    size_t room = shard->bytes_max - charge - live_bytes(shard);
    reclaim(shard, SIZE_MAX, room);
    return shard->retired.bytes <= room ? ERR_OK : ERR_AGAIN;
}

static void link_fresh(struct shard *shard, struct entry *fresh)
{
    _Atomic(struct entry *) *head = &shard->buckets[fresh->hash.low & shard->bucket_mask];
    atomic_store_explicit(&fresh->chain, atomic_load_explicit(head, memory_order_relaxed),
                          memory_order_relaxed);
    list_append(list_of(shard, fresh), fresh);
    atomic_store(head, fresh);
}

static enum err store_locked(struct shard *shard, struct entry *fresh, uint64_t now_ms)
{
    struct entry_key key = {.hash = fresh->hash,
                            .bytes = slice_of(entry_key_bytes(fresh), fresh->key_len)};
    reclaim(shard, RECLAIM_ENTRIES, 0);
    sweep(shard, now_ms);
    struct entry *old = shard_find(shard, &key);
    if (old && is_dead(shard, old, now_ms))
        retire_dead(shard, old, now_ms);
    enum err err = make_room(shard, entry_charge(fresh), now_ms);
    if (err)
        return err;

    old = shard_find(shard, &key); /* may have been evicted meanwhile */
    size_t count = shard->small.count + shard->main.count;
    if (old) {
        fresh->queue = old->queue;
        visits_set(fresh, visits_of(old));
    } else {
        bool known = ghost_take(&shard->ghost, fresh->hash, count);
        fresh->queue = known ? QUEUE_MAIN : QUEUE_SMALL;
    }
    link_fresh(shard, fresh);
    if (old)
        retire(shard, old);
    shard->stores++;
    return ERR_OK;
}

enum err shard_store(struct shard *shard, struct entry *fresh, uint64_t now_ms)
{
    pthread_mutex_lock(&shard->lock);
    enum err err = store_locked(shard, fresh, now_ms);
    pthread_mutex_unlock(&shard->lock);
    return err;
}

void shard_flush(struct shard *shard)
{
    pthread_mutex_lock(&shard->lock);
    while (shard->small.oldest)
        retire(shard, shard->small.oldest);
    while (shard->main.oldest)
        retire(shard, shard->main.oldest);
    ghost_clear(&shard->ghost);
    reclaim(shard, SIZE_MAX, 0);
    pthread_mutex_unlock(&shard->lock);
}

void shard_fini(struct shard *shard)
{
    shard_flush(shard);
    ASSERT(!shard->retired.oldest);
    pthread_mutex_destroy(&shard->lock);
    ghost_fini(&shard->ghost);
    mem_free(shard->buckets);
}
