/* Sets of what was written: small arrays, since almost every transaction writes a handful. */
#include "coherence/write_set.h"

void write_set_clear(struct write_set *set)
{
    set->everything = set->all = set->ddl = false;
    set->count = set->key_count = 0;
}

static bool has_table(const struct write_set *set, uint32_t oid)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->tables[i] == oid)
            return true;
    return false;
}

static void drop_keys(struct write_set *set, uint32_t table)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < set->key_count; i++)
        if (set->keys[i].table != table)
            set->keys[kept++] = set->keys[i];
    set->key_count = (uint16_t)kept;
}

void write_set_add_table(struct write_set *set, uint32_t oid)
{
    if (has_table(set, oid))
        return;
    if (set->count == WRITE_SET_TABLES_MAX) {
        set->all = true;
        return;
    }
    set->tables[set->count++] = oid;
    drop_keys(set, oid);
}

void write_set_add_key(struct write_set *set, uint32_t table, uint64_t token)
{
    if (set->all || has_table(set, table))
        return;
    for (unsigned i = 0; i < set->key_count; i++)
        if (set->keys[i].token == token && set->keys[i].table == table)
            return;
    if (set->key_count < WRITE_SET_KEYS_MAX) {
        set->keys[set->key_count++] = (struct write_key){.token = token, .table = table};
        return;
    }
    write_set_add_table(set, table);
    while (set->key_count && !set->all)
        write_set_add_table(set, set->keys[0].table);
}

void write_set_add(struct write_set *set, const struct write_set *more)
{
    set->everything = set->everything || more->everything;
    set->all = set->all || more->all;
    set->ddl = set->ddl || more->ddl;
    for (unsigned i = 0; i < more->count; i++)
        write_set_add_table(set, more->tables[i]);
    for (unsigned i = 0; i < more->key_count; i++)
        write_set_add_key(set, more->keys[i].table, more->keys[i].token);
}
