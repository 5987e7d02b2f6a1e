/* Who may still hold a pointer into the memory tier: quiescent-state reclamation.
 *
 *   reader   quiet ── first look-up of a turn: since = epoch ──► reading ── end of turn ──► quiet
 *   writer   unlinks an entry ─► takes the epoch as its retired_epoch, epoch + 1 ─► frees it once
 *            every reader that is reading began at a later epoch
 *
 * Why that is enough. A reader publishes `since` and then loads list heads; a writer unlinks and
 * then loads `since`. All four are sequentially consistent, so either the writer sees that the
 * reader is reading, or the reader sees the list without the entry. A reader with since > r has
 * loaded an epoch that was written after the entry of epoch r had been unlinked, so it cannot have
 * come upon it. Loads cost nothing extra for that on x86 and little on ARM; the one dear store is
 * paid once a loop turn.
 *
 * Ownership  Embedded in the cache.
 * Threads    A slot is written by its reader only, and lies on cache lines of its own.
 * Source     McKenney, "Is Parallel Programming Hard", section "RCU", quiescent states.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/macros.h"

struct reader_slot {
    _Alignas(CACHE_LINE) _Atomic(uint64_t) since; /* 0: quiet */
    _Atomic(uint64_t) invalidations;              /* dead entries this reader came upon */
    _Atomic(uint64_t) expirations;
    unsigned turns; /* quiet points so far; the reader's own */
};

struct readers {
    _Alignas(CACHE_LINE) _Atomic(uint64_t) epoch; /* starts at 1 */
    _Alignas(CACHE_LINE) struct reader_slot *slots;
    unsigned count;
};

static inline bool reader_is_reading(struct readers *readers, unsigned reader)
{
    return atomic_load_explicit(&readers->slots[reader].since, memory_order_relaxed) != 0;
}

static inline void reader_begin(struct readers *readers, unsigned reader)
{
    if (LIKELY(reader_is_reading(readers, reader)))
        return;
    uint64_t epoch = atomic_load_explicit(&readers->epoch, memory_order_acquire);
    atomic_store(&readers->slots[reader].since, epoch);
}

static inline void reader_end(struct readers *readers, unsigned reader)
{
    atomic_store_explicit(&readers->slots[reader].since, 0, memory_order_release);
}

/* The epoch to retire an entry under that was unlinked before this call. */
static inline uint64_t readers_advance(struct readers *readers)
{
    return atomic_fetch_add(&readers->epoch, 1);
}

/* What was retired before this epoch may be freed. */
static inline uint64_t readers_oldest(struct readers *readers)
{
    uint64_t oldest = UINT64_MAX;
    for (unsigned i = 0; i < readers->count; i++) {
        uint64_t since = atomic_load(&readers->slots[i].since);
        if (since && since < oldest)
            oldest = since;
    }
    return oldest;
}

/* A counter with one writer: no locked instruction needed. */
static inline void reader_count(_Atomic(uint64_t) *counter)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + 1, memory_order_relaxed);
}
