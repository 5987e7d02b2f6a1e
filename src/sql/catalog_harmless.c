/* Which functions of users are harmless: they write nothing and leave nothing in the session.
 *
 * All are taken for it at first, then those are taken out that write, change the session, or call one
 * that is out, until none is left to take out. What is left calls itself at most, and does nothing.
 */
#include "catalog_bodies.h"

enum { ROUNDS_MAX = 64 }; /* of taking out; what is in doubt then is out */

static bool function_is_clean(const struct bodies *bodies, uint32_t oid)
{
    ptrdiff_t at = builder_function_position(bodies->builder, oid);

    return at >= 0 && bodies->clean[at];
}

/* As operator_judge has it: C code of an operator runs no SQL. */
static bool operator_is_clean(const struct bodies *bodies, const struct raw_operator *item)
{
    const struct raw_function *function = builder_find_function(bodies->builder, item->function);

    if (function && (function->builtin || (function->c_language && function->volatility != 'v')))
        return true;
    return function_is_clean(bodies, item->function);
}

/* A default of a domain may take the next value of a sequence: builder->domains_reach. */
static bool code_may_call(const struct bodies *bodies, const struct raw_code *code, uint32_t oid)
{
    const struct raw_function *function = builder_find_function(bodies->builder, oid);

    return function_is_clean(bodies, oid) ||
           (code->kind == 'd' && function && functions_effect_is_quiet(function->effect));
}

static bool code_is_clean(const struct bodies *bodies, const struct raw_code *code)
{
    if (code->flags & NODE_UNREADABLE)
        return false;
    for (size_t i = code->first; i < code->first + code->count; i++) {
        const struct raw_dependency *dependency = &bodies->builder->dependencies[i];
        const struct raw_operator *item;
        ptrdiff_t at;

        switch (dependency->kind) {
        case NODE_FUNCTION:
            if (!code_may_call(bodies, code, dependency->oid))
                return false;
            break;
        case NODE_OPERATOR:
            item = builder_find_operator(bodies->builder, dependency->oid);
            if (!item || !operator_is_clean(bodies, item))
                return false;
            break;
        case NODE_RELATION:
            at = builder_relation_position(bodies->builder, dependency->oid);
            if (at >= 0 ? bodies->dirty[at] : dependency->oid >= CATALOG_FIRST_USER_OID)
                return false;
            break;
        case NODE_TYPE:
        case NODE_TYPE_INPUT:
            break;
        }
    }
    return true;
}

static bool edge_is_clean(const struct bodies *bodies, const struct raw_edge *edge)
{
    const struct catalog_builder *builder = bodies->builder;

    switch (edge->kind) {
    case EDGE_FUNCTION:
        return bodies->clean[edge->target];
    case EDGE_FUNCTIONS:
        for (uint32_t i = edge->target; i < edge->target + edge->count; i++) {
            if (!bodies->clean[builder->functions_by_name[i]])
                return false;
        }
        return true;
    case EDGE_READ:
        return !bodies->dirty[edge->target];
    case EDGE_INSERT:
    case EDGE_WRITE:
    case EDGE_TRUNCATE:
        break;
    }
    return false;
}

static bool body_is_clean(const struct bodies *bodies, const struct raw_body *body)
{
    if (body->reach != 0)
        return false;
    for (uint32_t i = body->first_edge; i < body->first_edge + body->edge_count; i++) {
        if (!edge_is_clean(bodies, &bodies->builder->edges[i]))
            return false;
    }
    return true;
}

/* The functions by which values are compared, hashed and indexed. In C they run no SQL. */
static bool support_is_clean(const struct bodies *bodies)
{
    const struct catalog_builder *builder = bodies->builder;

    for (size_t i = 0; i < builder->support_count; i++) {
        uint32_t oid = builder->support[i].from;
        const struct raw_function *function = builder_find_function(builder, oid);
        if (!(function && function->c_language) && !function_is_clean(bodies, oid))
            return false;
    }
    return true;
}

/* Operators, casts and checks of domains run without a name in the text: if any of them is not
 * harmless, no body is. */
static bool ambient_is_clean(const struct bodies *bodies)
{
    const struct catalog_builder *builder = bodies->builder;

    if (!support_is_clean(bodies))
        return false;
    for (size_t i = 0; i < builder->operators_count; i++) {
        if (builder->operators[i].oid >= CATALOG_FIRST_USER_OID &&
            !operator_is_clean(bodies, &builder->operators[i]))
            return false;
    }
    for (size_t i = 0; i < builder->casts_count; i++) {
        uint32_t function = builder->casts[i].function;
        if (function != 0 && !function_is_clean(bodies, function))
            return false;
    }
    for (size_t i = 0; i < builder->codes_count; i++) {
        if (builder->codes[i].kind == 'd' && !code_is_clean(bodies, &builder->codes[i]))
            return false;
    }
    return true;
}

/* Takes out what is not harmless; false if nothing was left to take out. */
static bool round_take(struct bodies *bodies, bool last)
{
    struct catalog_builder *builder = bodies->builder;
    bool changed = false;

    if (builder->ambient_reach == 0 && (last || !ambient_is_clean(bodies))) {
        builder->ambient_reach = REACH_UNKNOWN;
        changed = true;
    }
    for (size_t i = 0; i < builder->functions_count; i++) {
        const struct raw_function *function = &builder->functions[i];

        if (!bodies->clean[i] || function->effect != FUNCTION_BODY)
            continue;
        if (last || builder->ambient_reach != 0 || !body_is_clean(bodies, function->body)) {
            bodies->clean[i] = false;
            changed = true;
        }
    }
    for (size_t i = 0; i < builder->codes_count; i++) {
        const struct raw_code *code = &builder->codes[i];

        if (code->kind != 'v' && code->kind != 'p')
            continue;
        ptrdiff_t at = builder_relation_position(bodies->builder, code->owner);
        if (at >= 0 && !bodies->dirty[at] && (last || !code_is_clean(bodies, code))) {
            bodies->dirty[at] = true;
            changed = true;
        }
    }
    return changed;
}

/* Can it write by ways that its transaction does not show? */
static bool function_is_outside(const struct raw_function *function)
{
    if (!function->body)
        return function->effect == FUNCTION_UNKNOWN;
    if (function->body->language == 'c')
        return (function->body->reach & REACH_OUTSIDE) != 0;
    return function->body->language == 'o';
}

void bodies_harmless(struct bodies *bodies)
{
    struct catalog_builder *builder = bodies->builder;
    unsigned rounds = 0;

    for (size_t i = 0; i < builder->functions_count; i++)
        bodies->clean[i] = builder->functions[i].effect == FUNCTION_HARMLESS ||
                           builder->functions[i].effect == FUNCTION_BODY;
    for (size_t i = 0; i < bodies->catalog->relation_count; i++)
        bodies->dirty[i] = bodies->catalog->relations[i].kind == 'f';
    while (round_take(bodies, rounds >= ROUNDS_MAX))
        rounds++;
    for (size_t i = 0; i < builder->functions_count; i++) {
        struct raw_function *function = &builder->functions[i];

        if (function->effect == FUNCTION_BODY && bodies->clean[i])
            function->effect = FUNCTION_HARMLESS;
        if (function->effect == FUNCTION_BODY)
            builder->all_reach |= function->body->reach;
        if (function->effect == FUNCTION_UNKNOWN)
            builder->all_reach |= REACH_UNKNOWN | REACH_COMMITS;
        if (!function->builtin && function_is_outside(function))
            builder->catalog->outside = true;
    }
    builder->catalog->ambient = (uint16_t)builder->ambient_reach;
    builder->catalog->support_code = !support_is_clean(bodies);
    builder->all_reach |= REACH_ALL | REACH_LOCK | REACH_SETTING | REACH_SEQUENCE | REACH_LASTVAL |
                          builder->ambient_reach;
}
