/* Linear probing with backward-shift deletion, so there are no tombstones to clean. */
#include "base/table.h"

#include "base/hash.h"
#include "base/mem.h"

enum { TABLE_CAP_FIRST = 16 };

void table_init(struct table *table)
{
    *table = (struct table){0};
}

void table_fini(struct table *table)
{
    for (size_t i = 0; i < table->cap; i++)
        mem_free(table->slots[i].key);
    mem_free(table->slots);
    *table = (struct table){0};
}

static size_t home_of(const struct table *table, uint64_t hash)
{
    return (size_t)hash & (table->cap - 1);
}

/* The slot that holds `key`, or the free one where it would go. */
static struct table_slot *find(const struct table *table, struct slice key, uint64_t hash)
{
    size_t at = home_of(table, hash);
    for (;; at = (at + 1) & (table->cap - 1)) {
        struct table_slot *slot = &table->slots[at];
        if (!slot->key)
            return slot;
        if (slot->hash == hash && slot->key_len == key.len &&
            (key.len == 0 || memcmp(slot->key, key.data, key.len) == 0))
            return slot;
    }
}

void *table_get(const struct table *table, struct slice key)
{
    if (!table->count)
        return NULL;
    const struct table_slot *slot = find(table, key, hash64_of(key.data, key.len));
    return slot->key ? slot->value : NULL;
}

static void grow(struct table *table)
{
    struct table_slot *old = table->slots;
    size_t old_cap = table->cap;
    table->cap = old_cap ? old_cap * 2 : TABLE_CAP_FIRST;
    table->slots = mem_zero(table->cap, sizeof(*table->slots));
    for (size_t i = 0; i < old_cap; i++) {
        if (!old[i].key)
            continue;
        size_t at = home_of(table, old[i].hash);
        while (table->slots[at].key)
            at = (at + 1) & (table->cap - 1);
        table->slots[at] = old[i];
    }
    mem_free(old);
}

void *table_put(struct table *table, struct slice key, void *value)
{
    ASSERT(value != NULL);
    if ((table->count + 1) * 4 > table->cap * 3)
        grow(table);
    uint64_t hash = hash64_of(key.data, key.len);
    struct table_slot *slot = find(table, key, hash);
    void *before = slot->key ? slot->value : NULL;
    if (!slot->key) {
        slot->key = mem_copy(key.data, key.len);
        slot->key_len = key.len;
        slot->hash = hash;
        table->count++;
    }
    slot->value = value;
    return before;
}

void *table_remove(struct table *table, struct slice key)
{
    if (!table->count)
        return NULL;
    struct table_slot *slot = find(table, key, hash64_of(key.data, key.len));
    if (!slot->key)
        return NULL;
    void *value = slot->value;
    mem_free(slot->key);
    table->count--;
    size_t hole = (size_t)(slot - table->slots);
    for (size_t at = (hole + 1) & (table->cap - 1); table->slots[at].key;
         at = (at + 1) & (table->cap - 1)) {
        size_t home = home_of(table, table->slots[at].hash);
        size_t from_home = (at - home) & (table->cap - 1);
        size_t from_hole = (at - hole) & (table->cap - 1);
        if (from_home < from_hole)
            continue;
        table->slots[hole] = table->slots[at];
        hole = at;
    }
    table->slots[hole] = (struct table_slot){0};
    return value;
}

void *table_next(const struct table *table, size_t *at)
{
    while (*at < table->cap) {
        const struct table_slot *slot = &table->slots[(*at)++];
        if (slot->key)
            return slot->value;
    }
    return NULL;
}
