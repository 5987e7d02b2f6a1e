/* Sets of written tables: small arrays, since almost every transaction writes a handful. */
#include "coherence/write_set.h"

void write_set_clear(struct write_set *set)
{
    set->everything = set->all = set->ddl = false;
    set->count = 0;
}

void write_set_add_table(struct write_set *set, uint32_t oid)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->tables[i] == oid)
            return;
    if (set->count == WRITE_SET_TABLES_MAX) {
        set->all = true;
        return;
    }
    set->tables[set->count++] = oid;
}

void write_set_add(struct write_set *set, const struct write_set *more)
{
    set->everything = set->everything || more->everything;
    set->all = set->all || more->all;
    set->ddl = set->ddl || more->ddl;
    for (unsigned i = 0; i < more->count; i++)
        write_set_add_table(set, more->tables[i]);
}
