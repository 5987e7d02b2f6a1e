/* The ghost list of S3-FIFO: which hashes were evicted of late, without their entries.
 *
 * A table of small sets instead of a queue: each slot has a tag of the hash and the number of the
 * eviction that wrote it; a newcomer overwrites the oldest slot of its set. A slot is believed as
 * long as no more evictions have passed since than the caller allows. A wrong tag match (about one
 * in 2^29) admits one entry to the main queue too early, no more.
 *
 * Ownership  The slots belong to the ghost. Threads: under the shard's lock.
 */
#pragma once

#include "base/hash.h"

enum { GHOST_WAYS = 4 };

struct ghost_slot {
    uint32_t tag; /* 0: empty */
    uint32_t number;
};

struct ghost {
    struct ghost_slot *slots;
    uint64_t set_mask;
    uint32_t number; /* evictions noted so far, wrapping */
};

void ghost_init(struct ghost *ghost, size_t slots); /* a power of two, >= GHOST_WAYS */
void ghost_fini(struct ghost *ghost);
void ghost_add(struct ghost *ghost, struct hash128 hash);

/* True if `hash` was among the last `age_max` that were added; it is then forgotten. */
bool ghost_take(struct ghost *ghost, struct hash128 hash, size_t age_max);
void ghost_clear(struct ghost *ghost);
