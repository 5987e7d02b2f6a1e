/* What the functions of users may do, as far as their bodies say.
 *
 * Each body becomes edges: to all functions of each name that it calls, to the relations whose
 * reading runs code, to the relations that it writes. From these follows which functions are harmless:
 * catalog_harmless.c. What the others reach is walked for each table and name: catalog_reach.c.
 *
 * Names in a body are looked up in all schemas: its search_path is the caller's, who may change it.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "body.h"
#include "catalog_bodies.h"

enum {
    EDGES_LOOK_BACK = 32, /* a body says the same again and again */
};

/* --- look-ups --- */

static int name_order(const void *a, const void *b, void *context)
{
    const struct raw_function *functions = context;

    return strcmp(functions[*(const uint32_t *)a].name, functions[*(const uint32_t *)b].name);
}

static void names_sort(struct catalog_builder *builder)
{
    size_t count = builder->functions_count;

    builder->functions_by_name = mem_alloc((count + 1) * sizeof(uint32_t));
    for (size_t i = 0; i < count; i++)
        builder->functions_by_name[i] = (uint32_t)i;
    if (count > 1)
        qsort_r(builder->functions_by_name, count, sizeof(uint32_t), name_order,
                builder->functions);
}

size_t builder_functions_named(const struct catalog_builder *builder, const char *name,
                               uint32_t *out_first)
{
    size_t low = 0;
    size_t high = builder->functions_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (strcmp(builder->functions[builder->functions_by_name[middle]].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *out_first = (uint32_t)low;
    while (high < builder->functions_count &&
           strcmp(builder->functions[builder->functions_by_name[high]].name, name) == 0)
        high++;
    return high - low;
}

ptrdiff_t builder_function_position(const struct catalog_builder *builder, uint32_t oid)
{
    const struct raw_function *function = builder_find_function(builder, oid);

    return function ? function - builder->functions : -1;
}

ptrdiff_t builder_relation_position(const struct catalog_builder *builder, uint32_t oid)
{
    const struct catalog_relation *relation = catalog_find_relation(builder->catalog, oid);

    return relation ? relation - builder->catalog->relations : -1;
}

/* --- edges --- */

static void edge_add(struct bodies *bodies, enum edge_kind kind, uint32_t target, uint32_t count)
{
    struct catalog_builder *builder = bodies->builder;
    size_t first = bodies->body->first_edge;

    if (builder->edges_count - first > EDGES_LOOK_BACK)
        first = builder->edges_count - EDGES_LOOK_BACK;
    for (size_t i = first; i < builder->edges_count; i++) {
        if (builder->edges[i].kind == kind && builder->edges[i].target == target)
            return;
    }
    *BUILDER_ADD(builder, edges) =
        (struct raw_edge){.kind = kind, .target = target, .count = count};
}

/* Calls something of that name. In attribute notation only what has an argument. */
static void name_call(struct bodies *bodies, const char *name, bool attribute)
{
    const struct catalog_builder *builder = bodies->builder;
    uint32_t first;
    size_t count = builder_functions_named(builder, name, &first);

    for (size_t i = first; i < first + count; i++) {
        const struct raw_function *function = &builder->functions[builder->functions_by_name[i]];

        if (function->effect == FUNCTION_HARMLESS || (attribute && function->argument_count == 0))
            continue;
        edge_add(bodies, EDGE_FUNCTIONS, first, (uint32_t)count);
        return;
    }
}

static void names_add(struct names *names, const char *name)
{
    if (names->count == BODY_NAMES_MAX || strlen(name) >= BODY_NAME_LEN_MAX) {
        names->full = true;
        return;
    }
    memcpy(names->list[names->count++], name, strlen(name) + 1);
}

static bool names_have(const struct names *names, const char *name)
{
    for (unsigned i = 0; i < names->count; i++) {
        if (strcmp(names->list[i], name) == 0)
            return true;
    }
    return false;
}

static void relations_named(struct bodies *bodies, enum edge_kind kind, const char *schema,
                            const char *name)
{
    const struct catalog *catalog = bodies->catalog;
    size_t first;
    size_t count = catalog_find_named(catalog, name, &first);
    bool found = false;

    for (size_t i = first; i < first + count; i++) {
        uint32_t at = catalog->relations_by_name[i];
        const struct catalog_relation *relation = &catalog->relations[at];

        if (schema && strcmp(schema, relation->schema) != 0)
            continue;
        found = true;
        if (kind == EDGE_READ ? bodies->runs[at] : !relation->system)
            edge_add(bodies, kind, at, 0);
        else if (kind != EDGE_READ)
            bodies->body->reach |= REACH_UNKNOWN; /* the catalog itself */
    }
    if (!found && kind != EDGE_READ)
        names_add(&bodies->unknown, name);
}

static void on_name(void *context, enum fact_kind kind, const char *schema, const char *name)
{
    struct bodies *bodies = context;

    switch ((int)kind) {
    case FACT_FUNCTION:
        name_call(bodies, name, false);
        break;
    case FACT_ATTRIBUTE:
        name_call(bodies, name, true);
        break;
    case FACT_READ:
        relations_named(bodies, EDGE_READ, NULL, name);
        break;
    case FACT_INSERT:
        relations_named(bodies, EDGE_INSERT, schema, name);
        break;
    case FACT_WRITE:
        relations_named(bodies, EDGE_WRITE, schema, name);
        break;
    case FACT_TRUNCATE_CASCADE:
        relations_named(bodies, EDGE_TRUNCATE, schema, name);
        break;
    case FACT_LABEL:
        names_add(&bodies->made, name);
        break;
    }
}

/* A relation that the snapshot does not have: a temporary one of the session, with triggers that
 * are not known, unless the body makes it itself. */
static void unknown_judge(struct bodies *bodies)
{
    bool dynamic = bodies->unknown.full;

    for (unsigned i = 0; i < bodies->unknown.count; i++)
        dynamic |= !names_have(&bodies->made, bodies->unknown.list[i]);
    if (dynamic)
        bodies->body->reach |= REACH_DYNAMIC;
}

/* --- node trees: queries of functions in standard SQL, defaults of arguments --- */

static void on_node(void *context, enum node_dependency kind, uint32_t oid)
{
    struct bodies *bodies = context;
    const struct raw_operator *item;
    ptrdiff_t at = -1;

    switch (kind) {
    case NODE_FUNCTION:
        at = builder_function_position(bodies->builder, oid);
        break;
    case NODE_OPERATOR:
        item = builder_find_operator(bodies->builder, oid);
        at = item ? builder_function_position(bodies->builder, item->function) : -1;
        break;
    case NODE_RELATION:
        at = builder_relation_position(bodies->builder, oid);
        if (at >= 0 && bodies->runs[at])
            edge_add(bodies, EDGE_READ, (uint32_t)at, 0);
        return;
    case NODE_TYPE:
    case NODE_TYPE_INPUT:
        return;
    }
    if (at < 0)
        bodies->body->reach |= REACH_UNKNOWN;
    else if (bodies->builder->functions[at].effect != FUNCTION_HARMLESS)
        edge_add(bodies, EDGE_FUNCTION, (uint32_t)at, 0);
}

/* The relations of a query that writes: whichever of them it writes. */
static void on_written_node(void *context, enum node_dependency kind, uint32_t oid)
{
    struct bodies *bodies = context;

    if (kind != NODE_RELATION)
        return;
    ptrdiff_t at = builder_relation_position(bodies->builder, oid);
    if (at < 0 || bodies->catalog->relations[at].system)
        bodies->body->reach |= at < 0 && oid < CATALOG_FIRST_USER_OID ? 0U : REACH_DYNAMIC;
    else
        edge_add(bodies, EDGE_WRITE, (uint32_t)at, 0);
}

static void tree_read(struct bodies *bodies, struct slice text)
{
    if (!text.data)
        return;
    unsigned flags = node_tree_read(text, on_node, bodies);
    if (flags & NODE_UNREADABLE)
        bodies->body->reach |= REACH_UNKNOWN;
    if (flags & NODE_WRITES)
        (void)node_tree_read(text, on_written_node, bodies);
}

/* --- bodies --- */

static void aggregate_read(struct bodies *bodies, const char *calls)
{
    for (const char *at = calls; at && *at;) {
        char *end;
        unsigned long oid = strtoul(at, &end, 10);

        if (end == at)
            return;
        if (oid != 0)
            on_node(bodies, NODE_FUNCTION, (uint32_t)oid);
        at = end;
    }
}

static void text_read(struct bodies *bodies)
{
    struct raw_body *body = bodies->body;

    bodies->made = bodies->unknown = (struct names){0};
    if (body->source.data)
        body->reach |= body_read(body->source, body->language == 's' ? BODY_SQL : BODY_PLPGSQL,
                                 on_name, bodies);
    unknown_judge(bodies);
    tree_read(bodies, body->query);
}

/* What code in C may do, as far as we know it. Its own label counts where it says immutable. */
static unsigned c_reach(const struct raw_body *body, const struct raw_function *function)
{
    enum function_effect effect = functions_extension_effect(body->extension, function->name);

    if (effect == FUNCTION_PIN_SETTING)
        return REACH_SETTING;
    if (effect == FUNCTION_SEQUENCE)
        return REACH_SEQUENCE;
    return effect == FUNCTION_HARMLESS || function->volatility == 'i' ? 0U : REACH_UNKNOWN;
}

static bool body_is_readable(const struct raw_body *body)
{
    switch (body->language) {
    case 's':
    case 'p':
        return body->settings != 'u' && (body->source.data || body->query.data);
    case 'c':
        return true;
    case 'a':
        return body->source.data != NULL;
    default:
        return false;
    }
}

/* Whether reading a relation may run code of users, by kind alone. */
static void runs_derive(struct bodies *bodies)
{
    const struct catalog_builder *builder = bodies->builder;

    for (size_t i = 0; i < bodies->catalog->relation_count; i++) {
        char kind = bodies->catalog->relations[i].kind;
        bodies->runs[i] = kind == 'f' || (kind == 'v' && !bodies->catalog->relations[i].system);
    }
    for (size_t i = 0; i < builder->codes_count; i++) {
        ptrdiff_t at = builder->codes[i].kind == 'p'
                           ? builder_relation_position(bodies->builder, builder->codes[i].owner)
                           : -1;
        if (at >= 0)
            bodies->runs[at] = true;
    }
}

static void bodies_read(struct bodies *bodies)
{
    struct catalog_builder *builder = bodies->builder;

    for (size_t i = 0; i < builder->bodies_count; i++) { /* first, for a body may call any other */
        struct raw_body *body = &builder->bodies[i];
        ptrdiff_t at = builder_function_position(builder, body->function);

        if (at < 0)
            continue;
        struct raw_function *function = &builder->functions[at];
        function->body = body;
        body->readable = body_is_readable(body);
        function->effect = body->readable ? FUNCTION_BODY : FUNCTION_UNKNOWN;
    }
    for (size_t i = 0; i < builder->bodies_count; i++) {
        struct raw_body *body = &builder->bodies[i];

        if (!body->readable)
            continue;
        bodies->body = body;
        body->first_edge = (uint32_t)builder->edges_count;
        if (body->settings == 'c')
            body->reach |= REACH_SETTING; /* where it was NULL it is '' afterwards */
        if (body->language == 'a')
            aggregate_read(bodies, (const char *)body->source.data);
        else if (body->language == 'c')
            body->reach |= c_reach(body, builder_find_function(builder, body->function));
        else
            text_read(bodies);
        tree_read(bodies, body->defaults);
        body->edge_count = (uint32_t)builder->edges_count - body->first_edge;
    }
}

static void aggregates_take(struct catalog_builder *builder)
{
    for (size_t i = 0; i < builder->aggregates_count; i++) {
        const char *calls = builder->aggregates[i].calls;

        *BUILDER_ADD(builder, bodies) =
            (struct raw_body){.function = builder->aggregates[i].function,
                              .language = 'a',
                              .settings = '-',
                              .extension = "",
                              .source = calls ? slice_of_text(calls) : (struct slice){0}};
    }
}

void catalog_derive_bodies(struct catalog_builder *builder)
{
    size_t relations = builder->catalog->relation_count + 1;
    struct bodies bodies = {.builder = builder,
                            .catalog = builder->catalog,
                            .runs = mem_zero(relations, sizeof(bool)),
                            .dirty = mem_zero(relations, sizeof(bool)),
                            .clean = mem_zero(builder->functions_count + 1, sizeof(bool))};

    for (size_t i = 0; i < builder->catalog->relation_count; i++)
        builder->catalog->outside |= builder->catalog->relations[i].kind == 'f';
    names_sort(builder);
    aggregates_take(builder);
    runs_derive(&bodies);
    bodies_read(&bodies);
    bodies_harmless(&bodies);
    mem_free(bodies.runs);
    mem_free(bodies.dirty);
    mem_free(bodies.clean);
}
