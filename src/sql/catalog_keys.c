/* Which columns of a table may be keys: those that lead an index and whose type has no two values
 * that are equal and not the same bytes.
 *
 * Columns are known by name in a partition tree: a partition's are named like those of its table,
 * their numbers may differ. The keys of a tree are those of the table at its top, whichever member
 * a statement names. A tree by inheritance has none: its children may repeat what is unique.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "catalog_build.h"

/* bool, int8, int2, int4, text, oid, varchar, uuid. Left out on purpose: numeric, float, interval,
 * jsonb, arrays and ranges (1 = 1.0), char(n) ('a' = 'a '), name, enums, dates and times (spelt by
 * settings), citext. Source: pg_type.dat of PostgreSQL 15, values byte-compared. */
static const uint32_t key_types[] = {16, 20, 21, 23, 25, 26, 1043, 2950};

static bool type_is_key(uint32_t oid)
{
    for (size_t i = 0; i < ARRAY_COUNT(key_types); i++) {
        if (key_types[i] == oid)
            return true;
    }
    return false;
}

static void index_join(const struct catalog *catalog, const struct raw_index *index)
{
    const struct catalog_column *first;
    size_t count = catalog_find_columns(catalog, index->table, &first);

    for (size_t i = 0; i < count; i++) {
        /* Ours until the build ends. */
        struct catalog_column *column = &catalog->columns[first - catalog->columns] + i;
        if (column->number != index->column)
            continue;
        column->leads = type_is_key(column->type) && column->deterministic && !column->generated;
        column->unique = index->unique;
        return;
    }
}

/* The same array as a mutable one: relations are ours until the build ends. */
static struct catalog_relation *relation_find(struct catalog *catalog, uint32_t oid)
{
    const struct catalog_relation *relation = catalog_find_relation(catalog, oid);

    return relation ? &catalog->relations[relation - catalog->relations] : NULL;
}

/* The top of each partition tree; a tree in which anything inherits otherwise has none. */
static void tops_derive(struct catalog_builder *builder)
{
    struct catalog *catalog = builder->catalog;

    for (size_t i = 0; i < catalog->relation_count; i++) {
        struct catalog_relation *relation = &catalog->relations[i];

        if (!relation->system && (relation->kind == 'r' || relation->kind == 'p'))
            relation->top = relation->oid;
    }
    for (size_t i = 0; i < builder->inherits_count; i++) { /* a child is no top */
        struct catalog_relation *child = relation_find(catalog, builder->inherits[i].from);
        if (child)
            child->top = 0;
    }
    for (size_t i = 0; i < catalog->relation_count; i++) { /* what the tree's root says counts */
        struct catalog_relation *relation = &catalog->relations[i];
        struct catalog_relation *root = relation_find(catalog, relation->root);
        if (root && relation->top != 0 && relation->oid != relation->root)
            root->top = relation->top;
    }
    for (size_t i = 0; i < builder->inherits_count; i++) {
        const struct catalog_relation *parent = relation_find(catalog, builder->inherits[i].to);
        if (!parent || parent->kind == 'p')
            continue;
        struct catalog_relation *root = relation_find(catalog, parent->root);
        if (root)
            root->by_key = true; /* for a moment: inheritance is in the tree */
    }
    for (size_t i = 0; i < catalog->relation_count; i++) {
        struct catalog_relation *relation = &catalog->relations[i];
        const struct catalog_relation *root = relation_find(catalog, relation->root);
        relation->top = root && !root->by_key ? root->top : 0;
    }
    for (size_t i = 0; i < catalog->relation_count; i++)
        catalog->relations[i].by_key = catalog->relations[i].top != 0;
}

/* Takes the whole tree's word back. */
static void by_key_refuse(struct catalog *catalog, uint32_t oid)
{
    const struct catalog_relation *relation = catalog_find_relation(catalog, oid);
    struct catalog_relation *root = relation ? relation_find(catalog, relation->root) : NULL;

    if (root)
        root->by_key = false;
}

void catalog_derive_keys(struct catalog_builder *builder)
{
    struct catalog *catalog = builder->catalog;

    for (size_t i = 0; i < builder->indexes_count; i++)
        index_join(catalog, &builder->indexes[i]);
    tops_derive(builder);
    for (size_t i = 0; i < builder->triggers_count; i++) {
        if (builder->triggers[i].type & TRIGGER_BEFORE)
            by_key_refuse(catalog, builder->triggers[i].table);
    }
    for (size_t i = 0; i < builder->codes_count; i++) {
        if (builder->codes[i].kind == 'r' || builder->codes[i].kind == 'R')
            by_key_refuse(catalog, builder->codes[i].owner);
    }
    for (size_t i = 0; i < catalog->relation_count; i++) {
        const struct catalog_relation *relation = &catalog->relations[i];
        const struct closure *closure = &relation->closures[CLOSURE_WRITE];
        if (closure->self || (closure->reach & REACH_ALL))
            by_key_refuse(catalog, relation->oid);
    }
    for (size_t i = 0; i < catalog->relation_count; i++) {
        struct catalog_relation *relation = &catalog->relations[i];
        const struct catalog_relation *root = relation_find(catalog, relation->root);
        relation->by_key = relation->by_key && root && root->by_key;
    }
}

bool catalog_writes_by_key(const struct catalog *catalog, uint32_t oid)
{
    const struct catalog_relation *relation = catalog_find_relation(catalog, oid);

    return relation && relation->by_key;
}

size_t catalog_keys(const struct catalog *catalog, uint32_t oid, struct catalog_key *out)
{
    const struct catalog_relation *relation = catalog_find_relation(catalog, oid);
    const struct catalog_column *first;
    size_t count = 0;

    if (!relation || relation->top == 0)
        return 0;
    size_t column_count = catalog_find_columns(catalog, relation->top, &first);
    /* Unique columns first, should there be too many. */
    for (int unique = 1; unique >= 0; unique--) {
        for (size_t i = 0; i < column_count; i++) {
            const struct catalog_column *column = &first[i];

            if (!column->leads || column->unique != (unique == 1) || count == CATALOG_KEYS_MAX)
                continue;
            const struct catalog_column *own = catalog_find_column(catalog, oid, column->name);
            if (!own)
                continue;
            out[count++] = (struct catalog_key){.name = own->name,
                                                .type = own->type,
                                                .typmod = own->typmod,
                                                .number = own->number,
                                                .unique = column->unique,
                                                .filled = own->filled};
        }
    }
    return count;
}
