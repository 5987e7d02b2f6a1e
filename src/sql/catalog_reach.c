/* What a write to each table, a read of each view and a call of each name may reach: walks over
 * trees, views and functions, along foreign keys with actions, rules, view definitions, triggers and
 * the bodies of functions. A step is made once in a walk, so circles end it.
 */
#include "base/mem.h"
#include "catalog_walk.h"

bool closure_add(struct derive *derive, struct closure *closure, uint32_t root)
{
    struct catalog *catalog = derive->catalog;

    for (uint32_t i = closure->first; i < closure->first + closure->count; i++) {
        if (catalog->closures[i] == root)
            return true;
    }
    if (closure->count >= VERDICT_TABLES_MAX)
        return false;
    ASSERT(closure->first + closure->count == catalog->closure_count);
    catalog->closures = builder_grow(catalog->closures, catalog->closure_count,
                                     &derive->closures_cap, sizeof(*catalog->closures));
    catalog->closures[catalog->closure_count++] = root;
    closure->count++;
    return true;
}

/* --- steps to make --- */

static void step_push(struct derive *derive, enum step_kind kind, enum closure_kind write,
                      uint32_t at)
{
    if (derive->step_count == WALK_STEPS_MAX) {
        derive->closure->reach |= (uint16_t)derive->builder->all_reach;
        return;
    }
    derive->steps[derive->step_count++] = (struct step){.kind = kind, .write = write, .at = at};
}

static void tree_push(struct derive *derive, enum closure_kind write, ptrdiff_t at)
{
    if (at < 0)
        return;
    uint32_t root = derive->nodes[at].root;
    struct node *node = &derive->nodes[root];
    if (root == derive->start && derive->step_count > 0)
        derive->closure->self = true;
    if (node->tree_visit == derive->walk && node->tree_kind >= write)
        return;
    node->tree_visit = derive->walk;
    node->tree_kind = write;
    step_push(derive, STEP_TREE, write, root);
}

static void read_push(struct derive *derive, ptrdiff_t at)
{
    if (at < 0 || derive->nodes[at].read_visit == derive->walk)
        return;
    derive->nodes[at].read_visit = derive->walk;
    step_push(derive, STEP_READ, CLOSURE_READ, (uint32_t)at);
}

static void function_push(struct derive *derive, const struct raw_function *function)
{
    if (!function) {
        derive->closure->reach |= REACH_UNKNOWN;
        return;
    }
    size_t at = (size_t)(function - derive->builder->functions);
    if (function->effect == FUNCTION_HARMLESS || derive->function_visits[at] == derive->walk)
        return;
    derive->function_visits[at] = derive->walk;
    step_push(derive, STEP_FUNCTION, CLOSURE_READ, (uint32_t)at);
}

/* --- what a step leads to --- */

static void edge_walk(struct derive *derive, const struct raw_edge *edge)
{
    const struct catalog_builder *builder = derive->builder;

    switch (edge->kind) {
    case EDGE_FUNCTION:
        function_push(derive, &builder->functions[edge->target]);
        break;
    case EDGE_FUNCTIONS:
        for (uint32_t i = edge->target; i < edge->target + edge->count; i++)
            function_push(derive, &builder->functions[builder->functions_by_name[i]]);
        break;
    case EDGE_READ:
        read_push(derive, edge->target);
        break;
    case EDGE_INSERT:
        tree_push(derive, CLOSURE_INSERT, edge->target);
        break;
    case EDGE_WRITE:
        tree_push(derive, CLOSURE_WRITE, edge->target);
        break;
    case EDGE_TRUNCATE:
        tree_push(derive, CLOSURE_TRUNCATE, edge->target);
        break;
    }
}

static void function_walk(struct derive *derive, const struct raw_function *function)
{
    unsigned reach = 0;

    switch (function->effect) {
    case FUNCTION_HARMLESS:
        break;
    case FUNCTION_SEQUENCE:
        reach = REACH_SEQUENCE;
        break;
    case FUNCTION_LASTVAL:
        reach = REACH_LASTVAL;
        break;
    case FUNCTION_PIN_LOCK:
        reach = REACH_LOCK;
        break;
    case FUNCTION_PIN_SETTING:
        reach = REACH_SETTING;
        break;
    case FUNCTION_BODY:
        reach = function->body->reach | derive->builder->ambient_reach;
        for (uint32_t i = 0; i < function->body->edge_count; i++)
            edge_walk(derive, &derive->builder->edges[function->body->first_edge + i]);
        break;
    case FUNCTION_UNKNOWN:
        reach = REACH_UNKNOWN | (function->kind == 'p' ? (unsigned)REACH_COMMITS : 0U);
        break;
    }
    derive->closure->reach |= (uint16_t)reach;
}

static void code_functions_walk(struct derive *derive, const struct raw_code *code)
{
    const struct catalog_builder *builder = derive->builder;

    if (!code->unknown)
        return;
    if ((code->flags & NODE_UNREADABLE) ||
        ((code->flags & NODE_DOMAIN) && derive->catalog->domains_code))
        derive->closure->reach |= REACH_UNKNOWN;
    for (size_t i = code->first; i < code->first + code->count; i++) {
        const struct raw_dependency *dependency = &builder->dependencies[i];

        if (dependency->kind == NODE_FUNCTION) {
            function_push(derive, builder_find_function(builder, dependency->oid));
        } else if (dependency->kind == NODE_OPERATOR) {
            const struct raw_operator *item = builder_find_operator(builder, dependency->oid);

            if (!item || item->effect != FUNCTION_HARMLESS)
                function_push(derive, item ? builder_find_function(builder, item->function) : NULL);
        }
    }
}

/* The relations of stored code: written as `write`, or read. */
static void code_relations_walk(struct derive *derive, const struct raw_code *code,
                                enum closure_kind write)
{
    for (size_t i = code->first; i < code->first + code->count; i++) {
        const struct raw_dependency *dependency = &derive->builder->dependencies[i];

        if (dependency->kind != NODE_RELATION)
            continue;
        ptrdiff_t at = derive_position(derive, dependency->oid);
        if (at < 0 && dependency->oid >= CATALOG_FIRST_USER_OID)
            derive->closure->reach |= REACH_UNKNOWN;
        if (write == CLOSURE_READ)
            read_push(derive, at);
        else
            tree_push(derive, write, at);
    }
}

static void member_triggers_walk(struct derive *derive, const struct node *node,
                                 enum closure_kind write)
{
    for (uint32_t i = node->first_trigger; i < node->first_trigger + node->trigger_count; i++) {
        const struct raw_trigger *trigger = &derive->builder->triggers[i];

        if (write == CLOSURE_INSERT && !(trigger->type & TRIGGER_INSERT))
            continue;
        function_push(derive, builder_find_function(derive->builder, trigger->function));
    }
}

/* A write to one member of a tree. */
static void member_walk(struct derive *derive, enum closure_kind write, uint32_t at)
{
    const struct catalog_builder *builder = derive->builder;
    const struct node *node = &derive->nodes[at];
    bool is_view = derive->catalog->relations[at].kind == 'v';

    for (uint32_t i = node->first_key; i < node->first_key + node->key_count; i++) {
        const struct raw_pair *key = &builder->foreign_keys[i];

        if (write == CLOSURE_TRUNCATE || (write == CLOSURE_WRITE && key->cascades))
            tree_push(derive, write, derive_position(derive, key->from));
    }
    for (uint32_t i = node->first_code; i < node->first_code + node->code_count; i++) {
        const struct raw_code *code = &builder->codes[i];

        if (!raw_code_is_of_relation(code))
            continue;
        code_functions_walk(derive, code);
        bool written = code->kind == 'r' || (code->kind == 'v' && is_view);
        code_relations_walk(derive, code, written ? write : CLOSURE_READ);
    }
    member_triggers_walk(derive, node, write);
}

static void tree_walk(struct derive *derive, enum closure_kind write, uint32_t root)
{
    const struct node *tree = &derive->nodes[root];
    struct closure *closure = derive->closure;

    if (write == CLOSURE_INSERT && (tree->tree_has_rule || tree->tree_has_view))
        write = CLOSURE_WRITE; /* a rule may turn it into anything */
    if (derive->catalog->relations[root].system)
        closure->reach |= REACH_UNKNOWN;
    if (tree->tree_elsewhere)
        closure->reach |= REACH_ALL | REACH_OUTSIDE;
    if (tree->tree_column_code)
        closure->reach |= REACH_UNKNOWN;
    if (tree->tree_identity && write != CLOSURE_TRUNCATE)
        closure->reach |= REACH_SEQUENCE;
    if (write != CLOSURE_TRUNCATE)
        closure->reach |= (uint16_t)derive->builder->domains_reach;
    if (!closure_add(derive, closure, derive->catalog->relations[root].oid))
        closure->reach |= REACH_ALL;
    for (uint32_t i = 0; i < tree->member_count; i++)
        member_walk(derive, write, derive->members[tree->first_member + i]);
}

/* A read of a relation: its policies, and if it is a view its definition. */
static void read_walk(struct derive *derive, uint32_t at)
{
    const struct catalog_relation *relation = &derive->catalog->relations[at];
    const struct node *node = &derive->nodes[at];
    bool is_view = relation->kind == 'v' && !relation->system;
    bool defined = false;

    if (derive->nodes[node->root].tree_elsewhere)
        derive->closure->reach |= REACH_ALL | REACH_OUTSIDE;
    for (uint32_t i = node->first_code; i < node->first_code + node->code_count; i++) {
        const struct raw_code *code = &derive->builder->codes[i];

        bool policy = code->kind == 'p' && relation->row_security;
        if (!policy && !(code->kind == 'v' && is_view))
            continue;
        defined |= code->kind == 'v';
        code_functions_walk(derive, code);
        code_relations_walk(derive, code, CLOSURE_READ);
    }
    if (is_view && !defined)
        derive->closure->reach |= REACH_UNKNOWN;
}

/* --- walks --- */

static void walk_begin(struct derive *derive, struct closure *closure, uint32_t start)
{
    *closure = (struct closure){.first = (uint32_t)derive->catalog->closure_count};
    derive->closure = closure;
    derive->start = start;
    derive->step_count = 0;
    derive->walk++;
}

static void walk_run(struct derive *derive)
{
    struct closure *closure = derive->closure;

    for (unsigned i = 0; i < derive->step_count; i++) {
        const struct step step = derive->steps[i];

        switch (step.kind) {
        case STEP_TREE:
            tree_walk(derive, step.write, step.at);
            break;
        case STEP_READ:
            read_walk(derive, step.at);
            break;
        case STEP_FUNCTION:
            function_walk(derive, &derive->builder->functions[step.at]);
            break;
        }
    }
    if ((closure->reach & REACH_DDL) && derive->catalog->outside)
        closure->reach |= REACH_OUTSIDE; /* what is made at run time may call it */
    if (closure->reach & REACH_ALL) {    /* the list says nothing then */
        derive->catalog->closure_count = closure->first;
        closure->count = 0;
    }
}

static void relations_derive(struct derive *derive)
{
    struct catalog *catalog = derive->catalog;

    for (uint32_t i = 0; i < catalog->relation_count; i++) {
        struct catalog_relation *relation = &catalog->relations[i];

        walk_begin(derive, &relation->closures[CLOSURE_READ], UINT32_MAX);
        read_push(derive, i);
        walk_run(derive);
        if (relation->system)
            continue;
        for (int kind = CLOSURE_INSERT; kind <= CLOSURE_TRUNCATE; kind++) {
            walk_begin(derive, &relation->closures[kind], derive->nodes[i].root);
            tree_push(derive, (enum closure_kind)kind, i);
            walk_run(derive);
        }
    }
}

static void names_derive(struct derive *derive)
{
    struct catalog *catalog = derive->catalog;
    const struct catalog_builder *builder = derive->builder;

    for (size_t i = 0; i < catalog->function_name_count; i++) {
        struct catalog_callable *name = &catalog->function_names[i];
        uint32_t first;

        if (name->meanings[0].effect != FUNCTION_BODY)
            continue;
        size_t count = builder_functions_named(builder, name->name, &first);
        walk_begin(derive, &name->reach, UINT32_MAX);
        for (size_t at = first; at < first + count; at++) {
            const struct raw_function *function =
                &builder->functions[builder->functions_by_name[at]];

            if (strcmp(function->schema, name->schema) == 0)
                function_push(derive, function);
        }
        walk_run(derive);
    }
    catalog->event_triggers = builder->event_triggers_count > 0;
    walk_begin(derive, &catalog->events, UINT32_MAX);
    for (size_t i = 0; i < builder->event_triggers_count; i++)
        function_push(derive, builder_find_function(builder, builder->event_triggers[i].from));
    walk_run(derive);
}

void closures_derive(struct derive *derive)
{
    derive->steps = mem_alloc(WALK_STEPS_MAX * sizeof(*derive->steps));
    derive->function_visits =
        mem_zero(derive->builder->functions_count + 1, sizeof(*derive->function_visits));
    relations_derive(derive);
    names_derive(derive);
    mem_free(derive->steps);
    mem_free(derive->function_visits);
}
