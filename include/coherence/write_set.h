/* What a transaction may have changed: tables by OID, a whole database, or every database. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { WRITE_SET_TABLES_MAX = 64 };

struct write_set {
    bool everything; /* every database of the process: roles, ALTER SYSTEM, unknown server */
    bool all;        /* every table of the database */
    bool ddl;        /* the catalog may change */
    uint16_t count;
    uint32_t tables[WRITE_SET_TABLES_MAX];
};

static inline bool write_set_is_empty(const struct write_set *set)
{
    return !set->everything && !set->all && !set->ddl && set->count == 0;
}

void write_set_clear(struct write_set *set);
/* More than WRITE_SET_TABLES_MAX tables become `all`. */
void write_set_add_table(struct write_set *set, uint32_t oid);
void write_set_add(struct write_set *set, const struct write_set *more);
