/* What follows from the rows about functions, operators, casts and stored code. */
#include <stdlib.h>

#include "base/mem.h"
#include "catalog_build.h"

enum {
    OID_RECORD = 2249,
    OID_TIMETZ = 1266,
    OID_TIMETZ_ARRAY = 1270,
};

/* Polymorphic arguments that take a row. Source: pg_type.dat of PostgreSQL 15. */
static const uint32_t row_pseudo_types[] = {OID_RECORD, 2276, 2283, 2776, 5077, 5079};

const struct raw_function *builder_find_function(const struct catalog_builder *builder,
                                                 uint32_t oid)
{
    if (builder->functions_count == 0)
        return NULL;
    return bsearch(&oid, builder->functions, builder->functions_count, sizeof(*builder->functions),
                   catalog_oid_order);
}

const struct raw_operator *builder_find_operator(const struct catalog_builder *builder,
                                                 uint32_t oid)
{
    if (builder->operators_count == 0)
        return NULL;
    return bsearch(&oid, builder->operators, builder->operators_count, sizeof(*builder->operators),
                   catalog_oid_order);
}

static bool is_timetz(uint32_t oid)
{
    return oid == OID_TIMETZ || oid == OID_TIMETZ_ARRAY;
}

static bool function_has_timetz(const struct catalog_builder *builder,
                                const struct raw_function *function)
{
    for (unsigned i = 0; i < function->argument_count; i++) {
        if (is_timetz(builder->arguments[function->first_argument + i]))
            return true;
    }
    return is_timetz(function->result);
}

/* regclass, aclitem and the like: what they print is not in the arguments. */
static bool result_is_denied(const struct catalog_builder *builder,
                             const struct raw_function *function)
{
    const struct catalog_type *type = catalog_type_mutable(builder->catalog, function->result);

    return !type || (type->kind == 'b' && type->class == TYPE_DENIED);
}

static void function_judge(const struct catalog_builder *builder, struct raw_function *function)
{
    bool computes = function->builtin && function->in_pg_catalog &&
                    (function->kind == 'f' || function->kind == 'a' || function->kind == 'w') &&
                    functions_read_allowed(function->name, function->volatility);
    function->read_allowed = (computes || function->extension_allowed) &&
                             !function_has_timetz(builder, function) &&
                             !result_is_denied(builder, function);
    if (function->kind == 'p')
        function->effect = FUNCTION_UNKNOWN;
    else if (function->builtin)
        function->effect = functions_effect(function->name, function->volatility);
    else if (function->volatility == 'i' && function->c_language && function->kind != 'a')
        function->effect = FUNCTION_HARMLESS;
    else
        function->effect = FUNCTION_UNKNOWN; /* unless its body says otherwise */
}

static unsigned arguments_required(const struct raw_function *function)
{
    unsigned optional = function->default_count + (function->variadic ? 1U : 0U);

    return optional >= function->argument_count ? 0 : function->argument_count - optional;
}

/* C code of an extension that says of itself that it depends on its arguments alone. */
static bool function_is_trusted(const struct raw_function *function)
{
    return function->extension && function->c_language && function->volatility == 'i';
}

/* Can what takes such an argument be left aside in statements without values of foreign types?
 * Where something turns into one by itself (text into PostGIS's geometry), only if it is trusted. */
static bool argument_is_foreign(struct catalog *catalog, uint32_t oid,
                                const struct raw_function *function)
{
    const struct catalog_type *type = catalog_type_mutable(catalog, oid);

    if (!type || !type->foreign)
        return false;
    return !type->reachable || (function && function_is_trusted(function));
}

static bool overload_is_foreign(const struct catalog_builder *builder,
                                const struct raw_function *function)
{
    for (unsigned i = 0; i < arguments_required(function); i++) {
        if (argument_is_foreign(builder->catalog, builder->arguments[function->first_argument + i],
                                function))
            return true;
    }
    return false;
}

/* May t.name call it? */
static bool function_takes_row(const struct catalog_builder *builder,
                               const struct raw_function *function)
{
    if (function->argument_count == 0 || arguments_required(function) > 1)
        return false;
    uint32_t oid = builder->arguments[function->first_argument];
    for (unsigned i = 0; i < ARRAY_COUNT(row_pseudo_types); i++) {
        if (oid == row_pseudo_types[i])
            return true;
    }
    const struct catalog_type *type = catalog_type_mutable(builder->catalog, oid);
    for (unsigned i = 0; type && type->kind == 'd' && i < TYPE_NESTING_MAX; i++)
        type = catalog_type_mutable(builder->catalog, type->base);
    return !type || type->kind == 'c' || type->kind == 'd';
}

static int function_name_order(const void *a, const void *b)
{
    const struct raw_function *left = a;
    const struct raw_function *right = b;
    int order = strcmp(left->name, right->name);

    return order != 0 ? order : strcmp(left->schema, right->schema);
}

static void meaning_join(struct callable_meaning *meaning, bool left_out, bool read_allowed,
                         enum function_effect effect)
{
    if (!left_out && read_allowed)
        meaning->read_allowed = true;
    else if (!left_out)
        meaning->read_denied = true;
    if (effect > meaning->effect)
        meaning->effect = effect;
}

static void function_names_derive(struct catalog_builder *builder)
{
    struct catalog *catalog = builder->catalog;
    size_t count = builder->functions_count;
    struct raw_function *sorted = mem_alloc((count + 1) * sizeof(*sorted));
    struct catalog_callable *name = NULL;

    if (count > 0)
        memcpy(sorted, builder->functions, count * sizeof(*sorted));
    catalog_sort(sorted, count, sizeof(*sorted), function_name_order);
    catalog->function_names = mem_zero(count + 1, sizeof(*catalog->function_names));
    for (size_t i = 0; i < count; i++) {
        const struct raw_function *function = &sorted[i];

        if (!name || strcmp(name->name, function->name) != 0 ||
            strcmp(name->schema, function->schema) != 0) {
            name = &catalog->function_names[catalog->function_name_count++];
            name->name = function->name;
            name->schema = function->schema;
        }
        bool timetz = function->builtin && function_has_timetz(builder, function);
        meaning_join(&name->meanings[0], timetz || overload_is_foreign(builder, function),
                     function->read_allowed, function->effect);
        name->attribute |= function_takes_row(builder, function);
    }
    mem_free(sorted);
    catalog->bytes += count * sizeof(*catalog->function_names);
}

static void operator_judge(const struct catalog_builder *builder, struct raw_operator *item)
{
    const struct raw_function *function = builder_find_function(builder, item->function);

    item->effect = FUNCTION_UNKNOWN;
    if (!function)
        return;
    if (function->builtin || (function->c_language && function->volatility != 'v'))
        item->effect = FUNCTION_HARMLESS; /* an operator of C code runs no SQL */
    else if (function->effect == FUNCTION_BODY)
        item->effect = FUNCTION_UNKNOWN; /* it does something: too odd to follow */
    else
        item->effect = function->effect;
}

static int operator_name_order(const void *a, const void *b)
{
    const struct raw_operator *left = a;
    const struct raw_operator *right = b;
    int order = strcmp(left->name, right->name);

    return order != 0 ? order : strcmp(left->schema, right->schema);
}

/* A text or an array, built in: no scalar turns into one by itself. */
static bool is_no_scalar(struct catalog *catalog, uint32_t oid)
{
    const struct catalog_type *type = catalog_type_mutable(catalog, oid);

    if (!type || !type->builtin)
        return false;
    return type->element != 0 || strcmp(type->name, "text") == 0 ||
           strcmp(type->name, "varchar") == 0 || strcmp(type->name, "bpchar") == 0 ||
           strcmp(type->name, "name") == 0;
}

/* Is an operator of users out of the question when operands are known to be scalars? */
static bool operator_is_elsewhere(struct catalog *catalog, const struct raw_operator *item,
                                  unsigned scalars)
{
    if (item->builtin || catalog->casts_scalar)
        return false;
    return ((scalars & OPERAND_LEFT) && is_no_scalar(catalog, item->left)) ||
           ((scalars & OPERAND_RIGHT) && is_no_scalar(catalog, item->right));
}

static bool operand_is_builtin(struct catalog *catalog, uint32_t oid)
{
    const struct catalog_type *type = catalog_type_mutable(catalog, oid);

    return oid == 0 || (type && type->builtin);
}

/* May the result be cached? Of users' operators where they are functions of known extensions; but what
 * "=" means for built-in types is Postgres' own: keys rest on it (pins.c). */
static bool operator_is_allowed(struct catalog *catalog, const struct raw_operator *item,
                                const struct raw_function *function)
{
    if (!function)
        return false;
    if (item->builtin && function->builtin)
        return function->volatility == 'i' || function->volatility == 's';
    if (function->builtin || !function->read_allowed)
        return false;
    return strcmp(item->name, "=") != 0 || !operand_is_builtin(catalog, item->left) ||
           !operand_is_builtin(catalog, item->right);
}

static void operator_names_derive(struct catalog_builder *builder)
{
    struct catalog *catalog = builder->catalog;
    size_t count = builder->operators_count;
    struct raw_operator *sorted = mem_alloc((count + 1) * sizeof(*sorted));
    struct catalog_callable *name = NULL;

    if (count > 0)
        memcpy(sorted, builder->operators, count * sizeof(*sorted));
    catalog_sort(sorted, count, sizeof(*sorted), operator_name_order);
    catalog->operator_names = mem_zero(count + 1, sizeof(*catalog->operator_names));
    for (size_t i = 0; i < count; i++) {
        const struct raw_operator *item = &sorted[i];
        const struct raw_function *function = builder_find_function(builder, item->function);

        if (!name || strcmp(name->name, item->name) != 0 ||
            strcmp(name->schema, item->schema) != 0) {
            name = &catalog->operator_names[catalog->operator_name_count++];
            name->name = item->name;
            name->schema = item->schema;
        }
        bool left_out = item->builtin ? is_timetz(item->left) || is_timetz(item->right)
                                      : argument_is_foreign(catalog, item->left, function) ||
                                            argument_is_foreign(catalog, item->right, function);
        bool allowed = operator_is_allowed(catalog, item, function);
        for (unsigned scalars = 0; scalars < OPERAND_COMBINATIONS; scalars++) {
            if (!operator_is_elsewhere(catalog, item, scalars))
                meaning_join(&name->meanings[scalars], left_out, allowed, item->effect);
        }
    }
    mem_free(sorted);
    catalog->bytes += count * sizeof(*catalog->operator_names);
}

/* Does the cast depend on its value alone, whoever applies it where? The input functions of dates
 * and times do not: they take the word "now". */
static bool cast_is_proven(const struct catalog_type *source, const struct catalog_type *target,
                           const struct raw_cast *cast, const struct raw_function *function)
{
    bool known = (source->class == TYPE_SAFE || source->class == TYPE_DATETIME) &&
                 target->class == TYPE_SAFE && !target->foreign && !source->foreign;

    return known && (cast->function == 0 || (function && function->read_allowed));
}

/* What a cast of users may spoil: what is cast to its target in so many words, and, if it applies by
 * itself, each statement with an expression in which a value of its source may stand. One that is
 * made for assignment applies in conditions and LIMIT too. */
static void cast_judge(const struct catalog_builder *builder, const struct raw_cast *cast)
{
    struct catalog *catalog = builder->catalog;
    struct catalog_type *source = catalog_type_mutable(catalog, cast->source);
    struct catalog_type *target = catalog_type_mutable(catalog, cast->target);
    const struct raw_function *function = builder_find_function(builder, cast->function);

    if (!source || !target) {
        catalog->casts_builtin = catalog->casts_builtin_code = catalog->casts_scalar = true;
        return;
    }
    bool foreign = source->foreign || target->foreign;
    bool spoils = !foreign && !cast_is_proven(source, target, cast, function);
    bool code = cast->function != 0 && (!function || function->effect != FUNCTION_HARMLESS);
    bool by_itself = cast->context == 'i' || (cast->context == 'a' && target->builtin);
    target->cast_user |= spoils;
    target->cast_code |= code;
    if (cast->context != 'e')
        target->code |= code;
    if (catalog_type_is_scalar(source->oid) && cast->context == 'i' &&
        is_no_scalar(catalog, target->oid))
        catalog->casts_scalar = true;
    if (!by_itself || (!spoils && !code))
        return;
    if (source->builtin) {
        catalog->casts_builtin |= spoils;
        catalog->casts_builtin_code |= code;
    } else {
        source->cast_source = true;
        catalog->casts_users |= spoils;
        catalog->casts_users_code |= code;
    }
}

static void casts_derive(struct catalog_builder *builder)
{
    struct catalog *catalog = builder->catalog;
    bool code = false;

    for (size_t i = 0; i < builder->casts_count; i++)
        cast_judge(builder, &builder->casts[i]);
    for (size_t i = 0; i < catalog->type_count; i++)
        code |= catalog->types[i].cast_code;
    for (size_t i = 0; i < catalog->type_count; i++) {
        struct catalog_type *type = &catalog->types[i];

        /* Domains and rows are made of values of other types: all of them at once. */
        if (code && !type->builtin && (type->kind == 'd' || type->kind == 'c'))
            type->cast_code = type->code = true;
    }
    for (size_t i = 0; i < catalog->type_count; i++) { /* arrays follow their elements */
        struct catalog_type *type = &catalog->types[i];
        const struct catalog_type *element = catalog_type_mutable(catalog, type->element);

        if (!element)
            continue;
        type->cast_user |= element->cast_user;
        type->cast_code |= element->cast_code;
        type->cast_source |= element->cast_source;
        type->code |= element->code;
    }
}

void catalog_derive_functions(struct catalog_builder *builder)
{
    catalog_sort(builder->functions, builder->functions_count, sizeof(*builder->functions),
                 catalog_oid_order);
    catalog_sort(builder->operators, builder->operators_count, sizeof(*builder->operators),
                 catalog_oid_order);
    for (size_t i = 0; i < builder->functions_count; i++)
        function_judge(builder, &builder->functions[i]);
    catalog_derive_bodies(builder);
    for (size_t i = 0; i < builder->operators_count; i++)
        operator_judge(builder, &builder->operators[i]);
    casts_derive(builder);
    function_names_derive(builder);
    operator_names_derive(builder);
}

/* May running it call a function that is not known to be harmless? */
static bool code_is_unknown(const struct catalog_builder *builder, const struct raw_code *code)
{
    if (code->flags & NODE_UNREADABLE)
        return true;
    if ((code->flags & NODE_DOMAIN) && builder->catalog->domains_code)
        return true;
    for (size_t i = code->first; i < code->first + code->count; i++) {
        const struct raw_dependency *dependency = &builder->dependencies[i];

        if (dependency->kind == NODE_FUNCTION) {
            const struct raw_function *function = builder_find_function(builder, dependency->oid);

            if (!function)
                return true;
            if (code->kind == 'd' && functions_effect_is_quiet(function->effect))
                continue; /* builder->domains_reach */
            if (function->effect != FUNCTION_HARMLESS)
                return true;
        } else if (dependency->kind == NODE_OPERATOR) {
            const struct raw_operator *item = builder_find_operator(builder, dependency->oid);

            if (!item || item->effect != FUNCTION_HARMLESS)
                return true;
        }
    }
    return false;
}

/* What the defaults and checks of a domain do to sequences. */
static unsigned code_sequences(const struct catalog_builder *builder, const struct raw_code *code)
{
    unsigned reach = 0;

    for (size_t i = code->first; i < code->first + code->count; i++) {
        const struct raw_dependency *dependency = &builder->dependencies[i];
        const struct raw_function *function = dependency->kind == NODE_FUNCTION
                                                  ? builder_find_function(builder, dependency->oid)
                                                  : NULL;

        if (function && function->effect == FUNCTION_SEQUENCE)
            reach |= REACH_SEQUENCE;
        if (function && function->effect == FUNCTION_LASTVAL)
            reach |= REACH_LASTVAL;
    }
    return reach;
}

static void domain_code_mark(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->type_count; i++) {
        struct catalog_type *type = &catalog->types[i];

        /* Domains over such, arrays of such, rows with such columns: all of them at once. */
        if (!type->builtin && (type->kind == 'd' || type->kind == 'c' || type->element != 0))
            type->code = true;
    }
}

void catalog_derive_code(struct catalog_builder *builder)
{
    struct catalog *catalog = builder->catalog;

    for (size_t i = 0; i < builder->codes_count; i++) {
        struct raw_code *code = &builder->codes[i];

        if (code->kind != 'd')
            continue;
        catalog->domains_code |= code_is_unknown(builder, code);
        builder->domains_reach |= code_sequences(builder, code);
    }
    if (catalog->domains_code)
        domain_code_mark(catalog);
    for (size_t i = 0; i < builder->codes_count; i++)
        builder->codes[i].unknown = code_is_unknown(builder, &builder->codes[i]);
}
