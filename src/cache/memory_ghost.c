/* Evicted hashes in sets of four: see memory_ghost.h. */
#include "cache/memory_ghost.h"

#include "base/mem.h"

void ghost_init(struct ghost *ghost, size_t slots)
{
    ASSERT(slots >= GHOST_WAYS && (slots & (slots - 1)) == 0);
    *ghost = (struct ghost){
        .slots = mem_zero(slots, sizeof(struct ghost_slot)),
        .set_mask = slots / GHOST_WAYS - 1,
    };
}

void ghost_fini(struct ghost *ghost)
{
    mem_free(ghost->slots);
    ghost->slots = NULL;
}

static uint32_t tag_of(struct hash128 hash)
{
    return (uint32_t)(hash.high >> 32) | 1;
}

static struct ghost_slot *set_of(struct ghost *ghost, struct hash128 hash)
{
    return ghost->slots + (hash.high & ghost->set_mask) * GHOST_WAYS;
}

void ghost_add(struct ghost *ghost, struct hash128 hash)
{
    struct ghost_slot *set = set_of(ghost, hash);
    struct ghost_slot *oldest = set;
    for (unsigned i = 0; i < GHOST_WAYS; i++) {
        if (!set[i].tag || set[i].tag == tag_of(hash)) {
            oldest = &set[i];
            break;
        }
        if (ghost->number - set[i].number > ghost->number - oldest->number)
            oldest = &set[i];
    }
    *oldest = (struct ghost_slot){.tag = tag_of(hash), .number = ++ghost->number};
}

bool ghost_take(struct ghost *ghost, struct hash128 hash, size_t age_max)
{
    struct ghost_slot *set = set_of(ghost, hash);
    for (unsigned i = 0; i < GHOST_WAYS; i++) {
        if (set[i].tag != tag_of(hash))
            continue;
        set[i].tag = 0;
        return ghost->number - set[i].number < age_max;
    }
    return false;
}

void ghost_clear(struct ghost *ghost)
{
    memset(ghost->slots, 0, (ghost->set_mask + 1) * GHOST_WAYS * sizeof(struct ghost_slot));
}
