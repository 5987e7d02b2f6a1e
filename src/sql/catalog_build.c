/* What a snapshot is made in: memory for rows and texts, and the steps from rows to a snapshot. */
#include "catalog_build.h"

#include "base/mem.h"

enum { BLOCK_SIZE = 64 * 1024 };

struct catalog_block {
    struct catalog_block *next;
    size_t used;
    size_t size;
    char data[];
};

char *catalog_text_keep(struct catalog_block **blocks, size_t *bytes, struct slice text)
{
    struct catalog_block *block = *blocks;

    if (!block || block->size - block->used <= text.len) {
        size_t size = size_max(BLOCK_SIZE, text.len + 1);

        block = mem_alloc(sizeof(*block) + size);
        block->next = *blocks;
        block->used = 0;
        block->size = size;
        *blocks = block;
        *bytes += sizeof(*block) + size;
    }
    char *copy = block->data + block->used;
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    block->used += text.len + 1;
    return copy;
}

const char *catalog_text(struct catalog *catalog, struct slice text)
{
    return catalog_text_keep(&catalog->blocks, &catalog->bytes, text);
}

void catalog_blocks_free(struct catalog_block *blocks)
{
    while (blocks) {
        struct catalog_block *next = blocks->next;

        mem_free(blocks);
        blocks = next;
    }
}

void *builder_grow(void *items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return items;
    *cap = *cap ? *cap * 2 : 64;
    return mem_resize(items, *cap * size);
}

struct catalog_builder *catalog_builder_create(void)
{
    struct catalog_builder *builder = mem_zero(1, sizeof(*builder));

    builder->catalog = mem_zero(1, sizeof(*builder->catalog));
    builder->catalog->refs = 1;
    return builder;
}

void catalog_builder_destroy(struct catalog_builder *builder)
{
    if (!builder)
        return;
    catalog_free(builder->catalog);
    mem_free(builder->types);
    mem_free(builder->functions);
    mem_free(builder->operators);
    mem_free(builder->casts);
    mem_free(builder->relations);
    mem_free(builder->columns);
    mem_free(builder->inherits);
    mem_free(builder->foreign_keys);
    mem_free(builder->triggers);
    mem_free(builder->indexes);
    mem_free(builder->event_triggers);
    mem_free(builder->support);
    mem_free(builder->bodies);
    mem_free(builder->aggregates);
    mem_free(builder->edges);
    mem_free(builder->functions_by_name);
    catalog_blocks_free(builder->texts);
    mem_free(builder->codes);
    mem_free(builder->dependencies);
    mem_free(builder->arguments);
    mem_free(builder->collations);
    mem_free(builder->roles);
    mem_free(builder->members);
    mem_free(builder->settings);
    mem_free(builder->policy_roles);
    mem_free(builder);
}

enum err catalog_builder_finish(struct catalog_builder *builder, uint64_t version,
                                struct catalog **out)
{
    struct catalog *catalog = builder->catalog;

    builder_codes_read(builder);
    catalog_derive_types(builder);
    catalog_derive_arrays(builder);
    catalog_derive_functions(builder);
    catalog_derive_code(builder);
    catalog_derive_relations(builder);
    catalog_derive_keys(builder);
    catalog_derive_roles(builder);
    catalog->version = version;
    builder->catalog = NULL;
    catalog_builder_destroy(builder);
    *out = catalog;
    return ERR_OK;
}
