/* What a transaction may have changed: some rows of tables, tables, a whole database, or every
 * database.
 *
 * A table whose written rows are known by their keys is in the set by tokens of
 * coherence/generations.h; any other by its OID, which stands for its tokens scan and all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { WRITE_SET_TABLES_MAX = 64, WRITE_SET_KEYS_MAX = 48 };

struct write_key {
    uint64_t token;
    uint32_t table;
};

struct write_set {
    bool everything; /* every database of the process: roles, ALTER SYSTEM, unknown server */
    bool all;        /* every table of the database */
    bool ddl;        /* the catalog may change */
    uint16_t count;
    uint16_t key_count;
    uint32_t tables[WRITE_SET_TABLES_MAX];     /* the whole table */
    struct write_key keys[WRITE_SET_KEYS_MAX]; /* of tables that are not in `tables` */
};

static inline bool write_set_is_empty(const struct write_set *set)
{
    return !set->everything && !set->all && !set->ddl && set->count == 0 && set->key_count == 0;
}

void write_set_clear(struct write_set *set);
/* The whole table. More than WRITE_SET_TABLES_MAX tables become `all`. */
void write_set_add_table(struct write_set *set, uint32_t oid);
/* One token of `table`. With more than WRITE_SET_KEYS_MAX tokens, all tables that are known by
 * tokens are taken as a whole. */
void write_set_add_key(struct write_set *set, uint32_t table, uint64_t token);
void write_set_add(struct write_set *set, const struct write_set *more);
