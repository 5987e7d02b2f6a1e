/* Which values of which types are safe to read and to make. */
#include <stdlib.h>

#include "base/mem.h"
#include "catalog_build.h"

/* Built-in types whose input takes the word "now". Sorted. */
static const char *const datetime_types[] = {
    "date",        "datemultirange", "daterange", "time",           "timestamp",
    "timestamptz", "tsmultirange",   "tsrange",   "tstzmultirange", "tstzrange",
};

/* Built-in types whose input or output asks the catalog, the session or the day; whatever begins
 * with reg, pg_ or any is denied too. */
static const char *const denied_types[] = {"aclitem", "gtsvector", "timetz"};

static int text_compare(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

static bool listed(const char *name, const char *const *list, size_t count)
{
    return bsearch(name, list, count, sizeof(*list), text_compare) != NULL;
}

int catalog_oid_order(const void *a, const void *b)
{
    uint32_t left;
    uint32_t right;

    memcpy(&left, a, sizeof(left));
    memcpy(&right, b, sizeof(right));
    return left < right ? -1 : left > right;
}

void catalog_sort(void *items, size_t count, size_t size,
                  int (*compare)(const void *, const void *))
{
    if (count > 1)
        qsort(items, count, size, compare);
}

int catalog_text_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct catalog_type *catalog_type_mutable(struct catalog *catalog, uint32_t oid)
{
    if (catalog->type_count == 0 || oid == 0)
        return NULL;
    return bsearch(&oid, catalog->types, catalog->type_count, sizeof(*catalog->types),
                   catalog_oid_order);
}

static enum type_class builtin_class(const struct catalog_type *type)
{
    const char *name = type->name;

    if (listed(name, datetime_types, ARRAY_COUNT(datetime_types)))
        return TYPE_DATETIME;
    if (listed(name, denied_types, ARRAY_COUNT(denied_types)))
        return TYPE_DENIED;
    if (strncmp(name, "reg", 3) == 0 || strncmp(name, "any", 3) == 0)
        return TYPE_DENIED;
    if (strncmp(name, "pg_", 3) == 0 && strcmp(name, "pg_lsn") != 0)
        return TYPE_DENIED;
    return type->kind == 'b' || type->kind == 'r' || type->kind == 'm' ? TYPE_SAFE : TYPE_DENIED;
}

static void type_classify(struct catalog *catalog, struct catalog_type *type, unsigned nesting)
{
    type->class = TYPE_DENIED;
    if (nesting >= TYPE_NESTING_MAX)
        return;
    if (type->kind == 'b' && type->element != 0) {
        struct catalog_type *element = catalog_type_mutable(catalog, type->element);

        if (!element)
            return;
        type_classify(catalog, element, nesting + 1);
        type->class = element->class;
        type->foreign = element->foreign;
        type->time = element->time;
    } else if (type->builtin) {
        type->class = builtin_class(type);
        type->time = strcmp(type->name, "time") == 0;
    } else if (type->kind == 'e') {
        type->class = TYPE_SAFE;
    } else if (type->kind == 'd') {
        struct catalog_type *base = catalog_type_mutable(catalog, type->base);

        if (!base)
            return;
        type_classify(catalog, base, nesting + 1);
        type->time = base->time;
        if (base->class != TYPE_DENIED)
            type->class = TYPE_DOMAIN;
    } else if (type->kind == 'b' && type->known) {
        type->class = TYPE_SAFE;
    } else if (type->kind == 'b') {
        type->foreign = true;
    }
}

static int type_name_order(const void *a, const void *b, void *context)
{
    const struct catalog_type *types = context;

    return strcmp(types[*(const uint32_t *)a].name, types[*(const uint32_t *)b].name);
}

static bool type_is_foreign(struct catalog *catalog, uint32_t oid)
{
    const struct catalog_type *type = catalog_type_mutable(catalog, oid);

    return type && type->foreign;
}

/* A foreign type that something else turns into by itself. */
static void cast_reach(struct catalog *catalog, const struct raw_cast *cast)
{
    struct catalog_type *target = catalog_type_mutable(catalog, cast->target);

    if (target && target->foreign && cast->context == 'i' &&
        !type_is_foreign(catalog, cast->source))
        target->reachable = true;
}

void catalog_derive_types(struct catalog_builder *builder)
{
    struct catalog *catalog = builder->catalog;

    catalog_sort(builder->types, builder->types_count, sizeof(*builder->types), catalog_oid_order);
    catalog->types = builder->types;
    catalog->type_count = builder->types_count;
    builder->types = NULL;
    for (size_t i = 0; i < catalog->type_count; i++)
        type_classify(catalog, &catalog->types[i], 0);
    for (size_t i = 0; i < builder->casts_count; i++)
        cast_reach(catalog, &builder->casts[i]);
    for (size_t i = 0; i < catalog->type_count; i++) { /* arrays follow their elements */
        struct catalog_type *element = catalog_type_mutable(catalog, catalog->types[i].element);

        if (element && element->reachable)
            catalog->types[i].reachable = true;
    }
    catalog->types_by_name = mem_alloc((catalog->type_count + 1) * sizeof(uint32_t));
    for (size_t i = 0; i < catalog->type_count; i++)
        catalog->types_by_name[i] = (uint32_t)i;
    if (catalog->type_count > 1)
        qsort_r(catalog->types_by_name, catalog->type_count, sizeof(uint32_t), type_name_order,
                catalog->types);
    catalog->bytes += catalog->type_count * (sizeof(*catalog->types) + sizeof(uint32_t));

    catalog_sort(builder->collations, builder->collations_count, sizeof(*builder->collations),
                 catalog_text_order);
    catalog->collations = builder->collations;
    catalog->collation_count = builder->collations_count;
    builder->collations = NULL;
}
