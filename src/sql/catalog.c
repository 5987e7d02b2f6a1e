/* The snapshot of a catalog: reading it. */
#include "sql/catalog.h"

#include "base/mem.h"

struct catalog {
    _Atomic(unsigned) refs;
    uint64_t version;
};

struct catalog_builder {
    unsigned dummy;
};

unsigned catalog_query_count(void)
{
    return 1;
}

const char *catalog_query(unsigned index)
{
    (void)index;
    return "SELECT oid FROM pg_class";
}

const char *catalog_fingerprint_query(void)
{
    return "SELECT txid_current_snapshot()::text";
}

struct catalog_builder *catalog_builder_create(void)
{
    return mem_zero(1, sizeof(struct catalog_builder));
}

void catalog_builder_destroy(struct catalog_builder *builder)
{
    mem_free(builder);
}

enum err catalog_builder_add(struct catalog_builder *builder, unsigned index,
                             const struct slice *values, unsigned count)
{
    (void)builder;
    (void)index;
    (void)values;
    (void)count;
    return ERR_OK;
}

enum err catalog_builder_finish(struct catalog_builder *builder, uint64_t version,
                                struct catalog **out)
{
    struct catalog *catalog = mem_zero(1, sizeof(*catalog));

    catalog->refs = 1;
    catalog->version = version;
    catalog_builder_destroy(builder);
    *out = catalog;
    return ERR_OK;
}

struct catalog *catalog_ref(struct catalog *catalog)
{
    catalog->refs++;
    return catalog;
}

void catalog_unref(struct catalog *catalog)
{
    if (catalog && --catalog->refs == 0)
        mem_free(catalog);
}

uint64_t catalog_version(const struct catalog *catalog)
{
    return catalog->version;
}

size_t catalog_bytes(const struct catalog *catalog)
{
    return sizeof(*catalog);
}

uint32_t catalog_root(const struct catalog *catalog, uint32_t oid)
{
    (void)catalog;
    return oid;
}

const char *catalog_relation_name(const struct catalog *catalog, uint32_t oid)
{
    (void)catalog;
    (void)oid;
    return NULL;
}

size_t catalog_relations_named(const struct catalog *catalog, struct slice name, uint32_t *out,
                               size_t max)
{
    (void)catalog;
    (void)name;
    (void)out;
    (void)max;
    return 0;
}
