/* What follows about relations: the trees they belong to, and what reading one reads. What a write to
 * one reaches: catalog_reach.c.
 *
 * Generations run by tree: a partition stands as its root, so does everything below and above an
 * inheriting table.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "catalog_walk.h"

enum { VIEW_NESTING_MAX = 32 };

static int column_order(const void *a, const void *b)
{
    const struct catalog_column *left = a;
    const struct catalog_column *right = b;

    if (left->relation != right->relation)
        return left->relation < right->relation ? -1 : 1;
    return strcmp(left->name, right->name);
}

static int key_order(const void *a, const void *b)
{
    return catalog_oid_order(&((const struct raw_pair *)a)->to, &((const struct raw_pair *)b)->to);
}

static int trigger_order(const void *a, const void *b)
{
    return catalog_oid_order(&((const struct raw_trigger *)a)->table,
                             &((const struct raw_trigger *)b)->table);
}

static int relation_name_order(const void *a, const void *b, void *context)
{
    const struct catalog_relation *relations = context;
    const struct catalog_relation *left = &relations[*(const uint32_t *)a];
    const struct catalog_relation *right = &relations[*(const uint32_t *)b];
    int order = strcmp(left->name, right->name);

    return order != 0 ? order : strcmp(left->schema, right->schema);
}

ptrdiff_t derive_position(const struct derive *derive, uint32_t oid)
{
    const struct catalog_relation *relation = catalog_find_relation(derive->catalog, oid);

    return relation ? relation - derive->catalog->relations : -1;
}

void catalog_derive_arrays(struct catalog_builder *builder)
{
    struct catalog *catalog = builder->catalog;

    catalog_sort(builder->relations, builder->relations_count, sizeof(*builder->relations),
                 catalog_oid_order);
    catalog_sort(builder->columns, builder->columns_count, sizeof(*builder->columns), column_order);
    catalog_sort(builder->codes, builder->codes_count, sizeof(*builder->codes), catalog_oid_order);
    catalog_sort(builder->foreign_keys, builder->foreign_keys_count, sizeof(*builder->foreign_keys),
                 key_order);
    catalog_sort(builder->triggers, builder->triggers_count, sizeof(*builder->triggers),
                 trigger_order);
    catalog->relations = builder->relations;
    catalog->relation_count = builder->relations_count;
    catalog->columns = builder->columns;
    catalog->column_count = builder->columns_count;
    builder->relations = NULL;
    builder->columns = NULL;
    catalog->relations_by_name = mem_alloc((catalog->relation_count + 1) * sizeof(uint32_t));
    for (size_t i = 0; i < catalog->relation_count; i++)
        catalog->relations_by_name[i] = (uint32_t)i;
    if (catalog->relation_count > 1)
        qsort_r(catalog->relations_by_name, catalog->relation_count, sizeof(uint32_t),
                relation_name_order, catalog->relations);
    catalog->bytes += catalog->relation_count * (sizeof(*catalog->relations) + sizeof(uint32_t)) +
                      catalog->column_count * sizeof(*catalog->columns);
}

static uint32_t root_find(struct node *nodes, uint32_t at)
{
    while (nodes[at].root != at) {
        nodes[at].root = nodes[nodes[at].root].root;
        at = nodes[at].root;
    }
    return at;
}

/* Relations are sorted by OID, so the smallest position is the smallest OID. */
static void trees_derive(struct derive *derive)
{
    struct catalog *catalog = derive->catalog;
    uint32_t count = (uint32_t)catalog->relation_count;
    uint32_t used = 0;

    for (uint32_t i = 0; i < count; i++)
        derive->nodes[i].root = i;
    for (size_t i = 0; i < derive->builder->inherits_count; i++) {
        ptrdiff_t child = derive_position(derive, derive->builder->inherits[i].from);
        ptrdiff_t parent = derive_position(derive, derive->builder->inherits[i].to);

        if (child < 0 || parent < 0)
            continue; /* indexes inherit too */
        uint32_t a = root_find(derive->nodes, (uint32_t)child);
        uint32_t b = root_find(derive->nodes, (uint32_t)parent);
        if (a < b)
            derive->nodes[b].root = a;
        else
            derive->nodes[a].root = b;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t root = root_find(derive->nodes, i);

        derive->nodes[i].root = root;
        derive->nodes[root].member_count++;
        catalog->relations[i].root = catalog->relations[root].oid;
    }
    for (uint32_t i = 0; i < count; i++) {
        derive->nodes[i].first_member = used;
        used += derive->nodes[i].member_count;
        derive->nodes[i].member_count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct node *root = &derive->nodes[derive->nodes[i].root];

        derive->members[root->first_member + root->member_count++] = i;
    }
}

static void columns_derive(struct derive *derive)
{
    struct catalog *catalog = derive->catalog;

    for (size_t i = 0; i < catalog->column_count; i++) {
        ptrdiff_t at = derive_position(derive, catalog->columns[i].relation);
        const struct catalog_type *type = catalog_find_type(catalog, catalog->columns[i].type);

        if (at < 0)
            continue;
        struct catalog_relation *relation = &catalog->relations[at];
        if (!type || type->class == TYPE_DENIED)
            relation->read_reason = REASON_COLUMN_TYPE;
        if (!type || type->time)
            relation->has_time = true;
        if (!type || type->cast_source)
            relation->has_cast_source = true;
        if (!type || type->code)
            derive->nodes[at].column_code = true;
        derive->nodes[at].identity |= catalog->columns[i].identity;
    }
}

/* Stored code, by owner. */
static void codes_derive(struct derive *derive)
{
    struct catalog_builder *builder = derive->builder;

    for (size_t i = 0; i < builder->codes_count; i++) {
        const struct raw_code *code = &builder->codes[i];
        ptrdiff_t at = derive_position(derive, code->owner);

        if (at < 0)
            continue;
        struct node *node = &derive->nodes[at];
        if (node->code_count++ == 0)
            node->first_code = (uint32_t)i;
        if (raw_code_is_of_relation(code) && (code->kind == 'r' || code->kind == 'R'))
            node->has_rule = true;
    }
    for (size_t i = 0; i < builder->foreign_keys_count; i++) {
        ptrdiff_t at = derive_position(derive, builder->foreign_keys[i].to);

        if (at >= 0 && derive->nodes[at].key_count++ == 0)
            derive->nodes[at].first_key = (uint32_t)i;
    }
    for (size_t i = 0; i < builder->triggers_count; i++) {
        ptrdiff_t at = derive_position(derive, builder->triggers[i].table);

        if (at >= 0 && derive->nodes[at].trigger_count++ == 0)
            derive->nodes[at].first_trigger = (uint32_t)i;
    }
}

static void tree_flags_derive(struct derive *derive)
{
    for (size_t i = 0; i < derive->catalog->relation_count; i++) {
        const struct catalog_relation *relation = &derive->catalog->relations[i];
        const struct node *node = &derive->nodes[i];
        struct node *root = &derive->nodes[node->root];

        root->tree_column_code |= node->column_code;
        root->tree_identity |= node->identity;
        root->tree_has_rule |= node->has_rule;
        root->tree_has_view |= relation->kind == 'v';
        root->tree_elsewhere |= relation->kind == 'f';
        root->tree_temporary |= relation->temporary;
    }
}

static void table_reads_derive(struct derive *derive, size_t at)
{
    struct catalog_relation *relation = &derive->catalog->relations[at];
    const struct node *root = &derive->nodes[derive->nodes[at].root];
    bool ordinary = relation->kind == 'r' || relation->kind == 'p' || relation->kind == 'm';

    if (relation->system)
        relation->read_reason = REASON_SYSTEM_RELATION;
    else if (relation->temporary || root->tree_temporary)
        relation->read_reason = REASON_TEMPORARY;
    else if (!ordinary || root->tree_elsewhere)
        relation->read_reason = REASON_RELATION_KIND;
}

/* Is the definition itself one whose answer may be cached? Its relations are another question. */
static bool read_code_is_known(const struct derive *derive, const struct raw_code *code)
{
    unsigned allowed = code->kind == 'p' ? NODE_ROLE : 0; /* roles are part of every key */

    if (code->flags & ~allowed)
        return false;
    for (size_t i = code->first; i < code->first + code->count; i++) {
        const struct raw_dependency *dependency = &derive->builder->dependencies[i];
        const struct raw_function *function;
        const struct catalog_type *type;

        switch (dependency->kind) {
        case NODE_FUNCTION:
            function = builder_find_function(derive->builder, dependency->oid);
            if (!function || !function->read_allowed)
                return false;
            break;
        case NODE_OPERATOR:
            if (dependency->oid >= CATALOG_FIRST_USER_OID)
                return false;
            break;
        case NODE_TYPE:
        case NODE_TYPE_INPUT:
            type = catalog_find_type(derive->catalog, dependency->oid);
            if (!type || type->class == TYPE_DENIED)
                return false;
            if (dependency->kind == NODE_TYPE_INPUT && type->class != TYPE_SAFE)
                return false;
            break;
        case NODE_RELATION:
            break;
        }
    }
    return true;
}

/* The next stored code that reading `at` runs: a view's query, the policies of a table; NULL at the
 * end. `*next` counts what has been seen. */
static const struct raw_code *read_code_next(const struct derive *derive, size_t at, uint32_t *next)
{
    const struct catalog_relation *relation = &derive->catalog->relations[at];
    const struct node *node = &derive->nodes[at];
    char kind = relation->kind == 'v' ? 'v' : 'p';

    while (*next < node->code_count) {
        const struct raw_code *code = &derive->builder->codes[node->first_code + (*next)++];

        if (code->kind == kind && (kind == 'v' || relation->row_security))
            return code;
    }
    return NULL;
}

static void code_reads_derive(struct derive *derive, size_t at, unsigned nesting);

/* Takes over what reading `inner` means for the view, or the table with policies, that reads it. */
static void inner_join(struct derive *derive, struct catalog_relation *outer, uint32_t inner_oid,
                       enum reason reason, unsigned nesting)
{
    ptrdiff_t at = derive_position(derive, inner_oid);

    if (inner_oid == outer->oid)
        return; /* the OLD and NEW of its rule; a policy that reads its own table is an error */
    if (at < 0) {
        outer->read_reason = reason;
        return;
    }
    struct catalog_relation *inner = &derive->catalog->relations[at];
    code_reads_derive(derive, (size_t)at, nesting + 1);
    outer->has_time |= inner->has_time;
    if (inner->read_reason != REASON_NONE)
        outer->read_reason = reason;
}

/* What reading a view or a table with policies means: its stored code, and what that reads. */
static void code_reads_derive(struct derive *derive, size_t at, unsigned nesting)
{
    struct catalog_relation *relation = &derive->catalog->relations[at];
    struct node *node = &derive->nodes[at];
    bool is_view = relation->kind == 'v';
    enum reason reason = is_view ? REASON_VIEW : REASON_ROW_SECURITY;
    unsigned codes = 0;
    uint32_t next = 0;

    if (relation->system || node->view == VIEW_DONE || (!is_view && !relation->row_security))
        return;
    if (node->view == VIEW_OPEN || nesting > VIEW_NESTING_MAX) {
        relation->read_reason = reason;
        return;
    }
    node->view = VIEW_OPEN;
    if (relation->temporary)
        relation->read_reason = REASON_TEMPORARY;
    for (const struct raw_code *code; (code = read_code_next(derive, at, &next)); codes++) {
        if (relation->read_reason == REASON_NONE && !read_code_is_known(derive, code))
            relation->read_reason = reason;
        for (size_t i = code->first; i < code->first + code->count; i++) {
            if (derive->builder->dependencies[i].kind == NODE_RELATION)
                inner_join(derive, relation, derive->builder->dependencies[i].oid, reason, nesting);
        }
    }
    if (is_view && codes == 0) {
        relation->read_reason = reason;
    }
    node->view = VIEW_DONE;
}

static void closure_take(struct derive *derive, struct closure *closure, uint32_t root)
{
    if (!closure_add(derive, closure, root))
        closure->reach |= REACH_ALL;
}

/* The roots that a proven relation stands for: all that it reads have been derived by now. A policy
 * that does not apply to a role adds what it reads all the same. */
static void roots_derive(struct derive *derive, struct closure *closure, size_t at)
{
    const struct catalog_relation *relation = &derive->catalog->relations[at];
    uint32_t next = 0;

    if (derive->nodes[at].read_visit == derive->walk)
        return;
    derive->nodes[at].read_visit = derive->walk;
    if (relation->kind != 'v')
        closure_take(derive, closure, relation->root);
    for (const struct raw_code *code; (code = read_code_next(derive, at, &next));) {
        for (size_t i = code->first; i < code->first + code->count && closure->reach == 0; i++) {
            const struct raw_dependency *dependency = &derive->builder->dependencies[i];
            ptrdiff_t inner = derive_position(derive, dependency->oid);

            if (dependency->kind == NODE_RELATION && inner >= 0)
                roots_derive(derive, closure, (size_t)inner);
        }
    }
}

/* One policy by itself: what it means to those that it applies to. */
static void policy_derive(struct derive *derive, const struct catalog_relation *relation,
                          const struct raw_code *code, struct catalog_policy *policy)
{
    struct catalog *catalog = derive->catalog;

    policy->first_role = code->first_role;
    policy->role_count = code->role_count;
    policy->reads.first = (uint32_t)catalog->closure_count;
    if (!read_code_is_known(derive, code))
        policy->reason = REASON_ROW_SECURITY;
    derive->walk++;
    for (size_t i = code->first; i < code->first + code->count; i++) {
        const struct raw_dependency *dependency = &derive->builder->dependencies[i];
        ptrdiff_t at = derive_position(derive, dependency->oid);

        if (dependency->kind != NODE_RELATION || dependency->oid == relation->oid)
            continue; /* a policy that reads its own table is an error */
        if (at < 0 || catalog->relations[at].read_reason != REASON_NONE)
            policy->reason = REASON_ROW_SECURITY;
        if (policy->reason == REASON_NONE)
            roots_derive(derive, &policy->reads, (size_t)at);
    }
    if (policy->reads.reach != 0)
        policy->reason = REASON_TOO_MANY_TABLES;
}

static void policies_derive(struct derive *derive)
{
    struct catalog *catalog = derive->catalog;
    size_t cap = 0;

    for (size_t i = 0; i < catalog->relation_count; i++) {
        struct catalog_relation *relation = &catalog->relations[i];
        uint32_t next = 0;

        relation->first_policy = (uint32_t)catalog->policy_count;
        if (!relation->row_security || relation->kind == 'v')
            continue;
        for (const struct raw_code *code; (code = read_code_next(derive, i, &next));) {
            catalog->policies = builder_grow(catalog->policies, catalog->policy_count, &cap,
                                             sizeof(*catalog->policies));
            struct catalog_policy *policy = &catalog->policies[catalog->policy_count++];

            *policy = (struct catalog_policy){.reason = REASON_NONE};
            policy_derive(derive, relation, code, policy);
            relation->policy_count++;
        }
    }
    catalog->policy_roles = derive->builder->policy_roles;
    catalog->policy_role_count = derive->builder->policy_roles_count;
    derive->builder->policy_roles = NULL;
    catalog->bytes += catalog->policy_count * sizeof(*catalog->policies) +
                      catalog->policy_role_count * sizeof(uint32_t);
}

static void reads_derive(struct derive *derive)
{
    struct catalog *catalog = derive->catalog;

    for (size_t i = 0; i < catalog->relation_count; i++) {
        if (catalog->relations[i].kind != 'v' || catalog->relations[i].system)
            table_reads_derive(derive, i);
        catalog->relations[i].bare_reason = catalog->relations[i].read_reason;
    }
    for (size_t i = 0; i < catalog->relation_count; i++) {
        struct catalog_relation *relation = &catalog->relations[i];

        code_reads_derive(derive, i, 0);
        relation->reads.first = (uint32_t)catalog->closure_count;
        if (relation->read_reason != REASON_NONE)
            continue;
        derive->walk++;
        roots_derive(derive, &relation->reads, i);
        if (relation->reads.reach != 0)
            relation->read_reason = REASON_TOO_MANY_TABLES;
    }
}

void catalog_derive_relations(struct catalog_builder *builder)
{
    struct catalog *catalog = builder->catalog;

    size_t count = catalog->relation_count + 1;
    struct derive derive = {
        .builder = builder,
        .catalog = catalog,
        .nodes = mem_zero(count, sizeof(struct node)),
        .members = mem_zero(count, sizeof(uint32_t)),
    };
    trees_derive(&derive);
    columns_derive(&derive);
    codes_derive(&derive);
    tree_flags_derive(&derive);
    reads_derive(&derive);
    policies_derive(&derive);
    closures_derive(&derive);
    mem_free(derive.nodes);
    mem_free(derive.members);
    catalog->bytes += catalog->closure_count * sizeof(*catalog->closures) + sizeof(*catalog);
}
