/* A hash table from byte strings to pointers: open addressing, grows by itself.
 *
 * Ownership  Keys are copied, values are the caller's.
 * Threads    None: callers that share a table lock around it.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

struct table_slot {
    uint64_t hash;
    uint8_t *key; /* NULL: free */
    size_t key_len;
    void *value;
};

struct table {
    struct table_slot *slots;
    size_t cap; /* a power of two, or 0 */
    size_t count;
};

void table_init(struct table *table);
void table_fini(struct table *table); /* frees keys, not values */

/* The value stored under `key`, or NULL. */
void *table_get(const struct table *table, struct slice key);

/* Stores `value` (not NULL) under `key` and returns what stood there before, or NULL. */
void *table_put(struct table *table, struct slice key, void *value);

/* Takes the value of `key` out and returns it, or NULL. */
void *table_remove(struct table *table, struct slice key);

/* Walks all values: start with *at = 0; NULL at the end. The table must not change meanwhile. */
void *table_next(const struct table *table, size_t *at);
