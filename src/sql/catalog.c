/* Reading a snapshot: searches by halving over sorted arrays. */
#include "sql/catalog.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/macros.h"
#include "base/mem.h"
#include "catalog_build.h"
#include "catalog_read.h"

enum { NAME_MAX_LEN = 64 }; /* NAMEDATALEN: longer names exist nowhere */

struct catalog *catalog_ref(struct catalog *catalog)
{
    atomic_fetch_add_explicit(&catalog->refs, 1, memory_order_relaxed);
    return catalog;
}

void catalog_unref(struct catalog *catalog)
{
    if (catalog && atomic_fetch_sub_explicit(&catalog->refs, 1, memory_order_acq_rel) == 1)
        catalog_free(catalog);
}

uint64_t catalog_version(const struct catalog *catalog)
{
    return catalog->version;
}

size_t catalog_bytes(const struct catalog *catalog)
{
    return catalog->bytes;
}

uint32_t catalog_root(const struct catalog *catalog, uint32_t oid)
{
    const struct catalog_relation *relation = catalog_find_relation(catalog, oid);

    return relation ? relation->root : oid;
}

const char *catalog_relation_name(const struct catalog *catalog, uint32_t oid)
{
    const struct catalog_relation *relation = catalog_find_relation(catalog, oid);

    return relation ? relation->full_name : NULL;
}

bool catalog_write_closure(const struct catalog *catalog, uint32_t oid, uint32_t *out,
                           size_t *out_count)
{
    const struct catalog_relation *relation = catalog_find_relation(catalog, oid);

    *out_count = 0;
    if (!relation || relation->system)
        return false;
    const struct closure *closure = &relation->closures[CLOSURE_TRUNCATE]; /* the largest */
    if (closure->reach & (REACH_ALL | REACH_DDL))
        return false;
    for (size_t i = 0; i < closure->count; i++)
        out[i] = catalog->closures[closure->first + i];
    *out_count = closure->count;
    return true;
}

size_t catalog_relations_named(const struct catalog *catalog, struct slice name, uint32_t *out,
                               size_t max)
{
    char copy[2 * NAME_MAX_LEN];
    size_t first;
    size_t found = 0;

    if (name.len >= sizeof(copy) || memchr(name.data, 0, name.len))
        return 0;
    memcpy(copy, name.data, name.len);
    copy[name.len] = '\0';
    char *dot = strchr(copy, '.');
    const char *plain = copy;
    if (dot) {
        *dot = '\0';
        plain = dot + 1;
    }
    size_t count = catalog_find_named(catalog, plain, &first);
    for (size_t i = first; i < first + count; i++) {
        const struct catalog_relation *relation =
            &catalog->relations[catalog->relations_by_name[i]];

        if (relation->system || (dot && strcmp(relation->schema, copy) != 0))
            continue;
        if (found < max)
            out[found] = relation->oid;
        found++;
    }
    return found;
}

/* The position of `oid` in an array of items of `size` bytes that begin with their OID. */
static const void *oid_find(const void *items, size_t count, size_t size, uint32_t oid)
{
    const char *base = items;
    size_t low = 0;

    while (low < count) {
        size_t middle = low + (count - low) / 2;
        uint32_t at;

        memcpy(&at, base + middle * size, sizeof(at));
        if (at == oid)
            return base + middle * size;
        if (at < oid)
            low = middle + 1;
        else
            count = middle;
    }
    return NULL;
}

const struct catalog_relation *catalog_find_relation(const struct catalog *catalog, uint32_t oid)
{
    return oid_find(catalog->relations, catalog->relation_count, sizeof(*catalog->relations), oid);
}

const struct catalog_type *catalog_find_type(const struct catalog *catalog, uint32_t oid)
{
    return oid_find(catalog->types, catalog->type_count, sizeof(*catalog->types), oid);
}

size_t catalog_find_named(const struct catalog *catalog, const char *name, size_t *first)
{
    size_t low = 0;
    size_t high = catalog->relation_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(catalog->relations[catalog->relations_by_name[middle]].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    while (high < catalog->relation_count &&
           strcmp(catalog->relations[catalog->relations_by_name[high]].name, name) == 0)
        high++;
    return high - low;
}

size_t catalog_find_types(const struct catalog *catalog, const char *name, size_t *first)
{
    size_t low = 0;
    size_t high = catalog->type_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(catalog->types[catalog->types_by_name[middle]].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *first = low;
    while (high < catalog->type_count &&
           strcmp(catalog->types[catalog->types_by_name[high]].name, name) == 0)
        high++;
    return high - low;
}

static size_t callable_find(const struct catalog_callable *items, size_t count, const char *name,
                            const struct catalog_callable **first)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(items[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *first = items + low;
    while (high < count && strcmp(items[high].name, name) == 0)
        high++;
    return high - low;
}

size_t catalog_find_functions(const struct catalog *catalog, const char *name,
                              const struct catalog_callable **first)
{
    return callable_find(catalog->function_names, catalog->function_name_count, name, first);
}

size_t catalog_find_operators(const struct catalog *catalog, const char *name,
                              const struct catalog_callable **first)
{
    return callable_find(catalog->operator_names, catalog->operator_name_count, name, first);
}

/* int8, int2, int4, float4, float8, date, timestamp, timestamptz, interval, numeric. Source:
 * pg_type.dat and pg_cast.dat of PostgreSQL 15. */
bool catalog_type_is_scalar(uint32_t oid)
{
    static const uint32_t scalars[] = {20, 21, 23, 700, 701, 1082, 1114, 1184, 1186, 1700};

    for (size_t i = 0; i < ARRAY_COUNT(scalars); i++) {
        if (scalars[i] == oid)
            return true;
    }
    return false;
}

size_t catalog_find_columns(const struct catalog *catalog, uint32_t relation,
                            const struct catalog_column **first)
{
    size_t low = 0;
    size_t high = catalog->column_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (catalog->columns[middle].relation < relation)
            low = middle + 1;
        else
            high = middle;
    }
    while (high < catalog->column_count && catalog->columns[high].relation == relation)
        high++;
    if (high > low)
        *first = &catalog->columns[low];
    return high - low;
}

const struct catalog_column *catalog_find_column(const struct catalog *catalog, uint32_t relation,
                                                 const char *name)
{
    size_t low = 0;
    size_t high = catalog->column_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct catalog_column *column = &catalog->columns[middle];
        int order = column->relation < relation   ? -1
                    : column->relation > relation ? 1
                                                  : strcmp(column->name, name);

        if (order == 0)
            return column;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool catalog_has_collation(const struct catalog *catalog, const char *name)
{
    return catalog->collation_count > 0 &&
           bsearch(&name, catalog->collations, catalog->collation_count,
                   sizeof(*catalog->collations), catalog_text_order) != NULL;
}

void catalog_free(struct catalog *catalog)
{
    if (!catalog)
        return;
    mem_free(catalog->relations);
    mem_free(catalog->relations_by_name);
    mem_free(catalog->types);
    mem_free(catalog->types_by_name);
    mem_free(catalog->function_names);
    mem_free(catalog->operator_names);
    mem_free(catalog->columns);
    mem_free(catalog->collations);
    mem_free(catalog->closures);
    mem_free(catalog->policies);
    mem_free(catalog->policy_roles);
    mem_free(catalog->roles);
    mem_free(catalog->grants);
    mem_free(catalog->settings);
    catalog_blocks_free(catalog->blocks);
    mem_free(catalog);
}
