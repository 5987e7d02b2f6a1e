/* What each name that calls or casts something may mean: functions, operators, attributes, types. */
#include "catalog_read.h"
#include "classify_proof.h"

enum { OID_REGCONFIG = 3734 };

/* What a name may mean as a type: the worst of all that it stands for. */
struct type_meaning {
    bool found;
    enum type_class class;
    bool code; /* casting to it runs unknown functions */
    bool time;
    bool cast_user;
    bool cast_source;
    bool scalar;    /* a number, date or time, whichever it is */
    bool regconfig; /* the built-in type of that name and nothing else */
};

/* Names that the grammar gives to columns of their own. */
static bool name_is_made(const char *name)
{
    static const char *const names[] = {"array",    "case",      "coalesce",   "exists",
                                        "greatest", "grouping",  "least",      "nullif",
                                        "row",      "xmlconcat", "xmlelement", "xmlforest",
                                        "xmlparse", "xmlpi",     "xmlroot",    "xmlserialize"};

    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return strncmp(name, "column", strlen("column")) == 0; /* of VALUES */
}

/* Does the statement give this name to anything that is no column of a table? */
static bool name_is_given(const struct proof *proof, const char *name)
{
    for (unsigned i = 0; i < proof->facts->count; i++) {
        const struct fact *fact = &proof->facts->list[i];

        if (strcmp(fact->name, name) != 0)
            continue;
        if ((fact->kind == FACT_LABEL && !(fact->flags & FACT_CHECKED)) ||
            fact->kind == FACT_FUNCTION || fact->kind == FACT_CAST)
            return true;
    }
    return name_is_made(name);
}

/* Is whatever stands under that name in the statement a column, of a type that `is_one` likes in
 * every table that has it? */
static bool column_is(const struct proof *proof, const char *name,
                      bool (*is_one)(const struct catalog_type *type))
{
    const struct catalog *catalog = proof->catalog;
    bool found = false;

    if (proof->facts->function_columns || name_is_given(proof, name))
        return false;
    for (unsigned i = 0; i < proof->facts->count; i++) {
        const struct fact *read = &proof->facts->list[i];
        size_t first;

        found |= read->kind == FACT_LABEL && strcmp(read->name, name) == 0;
        if (read->kind > FACT_WRITE) /* UPDATE and DELETE have columns of their target */
            continue;
        size_t count = catalog_find_named(catalog, read->name, &first);
        for (size_t at = first; at < first + count; at++) {
            const struct catalog_column *column = catalog_find_column(
                catalog, catalog->relations[catalog->relations_by_name[at]].oid, name);

            if (!column)
                continue;
            const struct catalog_type *type = catalog_find_type(catalog, column->type);
            found = true;
            if (!type || !is_one(type))
                return false;
        }
    }
    return found;
}

static bool type_is_datetime(const struct catalog_type *type)
{
    return type->class == TYPE_DATETIME;
}

static bool type_is_scalar(const struct catalog_type *type)
{
    return catalog_type_is_scalar(type->oid);
}

/* --- functions, operators, attributes --- */

static struct type_meaning type_named(const struct proof *proof, const struct fact *fact)
{
    struct type_meaning meaning = {.class = TYPE_SAFE, .scalar = true, .regconfig = true};
    size_t first;
    size_t count = catalog_find_types(proof->catalog, fact->name, &first);

    for (size_t i = first; i < first + count; i++) {
        const struct catalog_type *type = &proof->catalog->types[proof->catalog->types_by_name[i]];

        if (!scope_has(&proof->scope, fact->schema, type->schema))
            continue;
        meaning.found = true;
        if (type->class > meaning.class)
            meaning.class = type->class;
        meaning.code |= type->code || type->cast_code;
        meaning.time |= type->time;
        meaning.cast_user |= type->cast_user;
        meaning.cast_source |= type->cast_source;
        meaning.scalar &= catalog_type_is_scalar(type->oid);
        meaning.regconfig &= type->oid == OID_REGCONFIG;
    }
    return meaning;
}

/* Is what stands there known to be a number, date or time? */
static bool operand_is_known(const struct proof *proof, const struct fact *fact, unsigned side)
{
    if (fact->casts[side]) {
        const struct fact cast = {.kind = FACT_CAST, .name = fact->casts[side]};
        struct type_meaning meaning = type_named(proof, &cast);

        return meaning.found && meaning.scalar;
    }
    return (fact->scalars & (1U << side)) ||
           (fact->columns[side] && column_is(proof, fact->columns[side], type_is_scalar));
}

/* A cast to a type of that name. `checked`: of no text that exists only at run time. */
static void meaning_judge(struct proof *proof, const struct type_meaning *meaning, const char *name,
                          bool checked)
{
    if (meaning->code)
        proof_effect(proof, FUNCTION_UNKNOWN);
    proof->has_time |= meaning->time;
    proof->has_cast_source |= meaning->cast_source;
    if (meaning->cast_user || meaning->class > TYPE_DATETIME ||
        (meaning->class == TYPE_DATETIME && !checked))
        proof_deny(proof, REASON_TYPE, name);
}

/* name(x) is a cast where a type has that name. */
static bool call_as_cast_judge(struct proof *proof, const struct fact *fact, unsigned flags)
{
    struct type_meaning meaning = type_named(proof, fact);

    if (meaning.found)
        meaning_judge(proof, &meaning, fact->name,
                      !(flags & FACT_ONE_ARGUMENT) || (flags & FACT_CHECKED));
    return meaning.found;
}

/* All that a name may call, taken together; false if there is nothing. */
static bool callables_join(const struct proof *proof, const struct fact *fact,
                           const struct catalog_callable *callables, size_t count, unsigned scalars,
                           bool attributes, struct callable_meaning *out)
{
    bool found = false;

    *out = (struct callable_meaning){0};
    for (size_t i = 0; i < count; i++) {
        const struct callable_meaning *meaning = &callables[i].meanings[scalars];

        if (!scope_has(&proof->scope, fact->schema, callables[i].schema) ||
            (attributes && !callables[i].attribute))
            continue;
        found = true;
        out->read_allowed |= meaning->read_allowed;
        out->read_denied |= meaning->read_denied;
        if (meaning->effect > out->effect)
            out->effect = meaning->effect;
    }
    if (out->read_denied)
        out->read_allowed = false;
    return found;
}

/* age(x) counts from today, age(x, y) does not. */
static bool is_age_between(const struct proof *proof, const struct fact *fact,
                           const struct catalog_callable *callables, size_t count)
{
    if (strcmp(fact->name, "age") != 0 || !(fact->flags & FACT_TWO_ARGUMENTS))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (scope_has(&proof->scope, fact->schema, callables[i].schema) &&
            strcmp(callables[i].schema, "pg_catalog") != 0)
            return false;
    }
    return true;
}

/* What all that a name may call may do. */
void proof_callables(struct proof *proof, const struct fact *fact,
                     const struct catalog_callable *callables, size_t count, bool attributes)
{
    for (size_t i = 0; i < count; i++) {
        const struct catalog_callable *callable = &callables[i];

        if (!proof_means(proof, fact, callable->schema) || (attributes && !callable->attribute))
            continue;
        proof_effect(proof, callable->meanings[0].effect);
        proof->out->runs_code |= strcmp(callable->schema, "pg_catalog") != 0;
        if (callable->meanings[0].effect == FUNCTION_BODY)
            proof_call(proof, &callable->reach);
    }
}

void proof_function(struct proof *proof, const struct fact *fact)
{
    const struct catalog_callable *callables;
    size_t count = catalog_find_functions(proof->catalog, fact->name, &callables);
    struct callable_meaning meaning;
    bool is_type = call_as_cast_judge(proof, fact, fact->flags);

    proof->unforceable |= functions_act(fact->name);
    if (strcmp(fact->name, "timezone") == 0 && !operand_is_known(proof, fact, 0))
        proof->has_timezone = true;
    if (strcmp(fact->name, "make_time") == 0)
        proof->has_time = true;
    if (!callables_join(proof, fact, callables, count, 0, false, &meaning)) {
        /* A cast, or a column in the notation of a function, or something new. */
        if (!is_type) {
            proof_deny(proof, REASON_FUNCTION, fact->name);
            proof_effect(proof, FUNCTION_UNKNOWN);
        }
        return;
    }
    proof_callables(proof, fact, callables, count, false);
    if (proof->catalog->domains_code && functions_fills_rows(fact->name))
        proof_effect(proof, FUNCTION_UNKNOWN);
    if (!meaning.read_allowed && !is_age_between(proof, fact, callables, count))
        proof_deny(proof, REASON_FUNCTION, fact->name);
}

/* (x).name calls any function of one argument, or is a cast. So does t.name where t may be a
 * function in FROM, whose name stands for its values; else t is a row. */
void proof_attribute(struct proof *proof, const struct fact *fact)
{
    const struct catalog_callable *callables;
    size_t count = catalog_find_functions(proof->catalog, fact->name, &callables);
    bool any_type = (fact->flags & FACT_ONE_ARGUMENT) || proof->facts->function_table;
    struct callable_meaning meaning;

    if (any_type)
        (void)call_as_cast_judge(proof, fact, FACT_ONE_ARGUMENT);
    if (!callables_join(proof, fact, callables, count, 0, !any_type, &meaning))
        return;
    proof_callables(proof, fact, callables, count, !any_type);
    proof->unforceable |= functions_act(fact->name);
    if (!meaning.read_allowed)
        proof_deny(proof, REASON_COLUMN_NAME, fact->name);
}

/* --- types --- */

void proof_cast(struct proof *proof, const struct fact *fact)
{
    struct type_meaning meaning = type_named(proof, fact);

    if (!meaning.found) { /* one that came since: its input may run anything */
        proof_deny(proof, REASON_TYPE, fact->name);
        proof_effect(proof, FUNCTION_UNKNOWN);
        return;
    }
    /* 'english'::regconfig is what to_tsvector('english', ..) makes of its first argument too: it is
     * looked up by name, and what changes names is DDL. */
    if (meaning.regconfig && (fact->flags & FACT_CHECKED) && !meaning.code && !meaning.cast_user)
        return;
    meaning_judge(proof, &meaning, fact->name, (fact->flags & FACT_CHECKED) != 0);
}

/* A column that is cast to a date or time must be one in every table that has it. */
void proof_cast_column(struct proof *proof, const struct fact *fact)
{
    if (!column_is(proof, fact->name, type_is_datetime))
        proof_deny(proof, REASON_TYPE, fact->name);
}

void proof_operator(struct proof *proof, const struct fact *fact)
{
    const struct catalog_callable *callables;
    size_t count = catalog_find_operators(proof->catalog, fact->name, &callables);
    unsigned scalars = fact->scalars;
    struct callable_meaning meaning;
    bool found = callables_join(proof, fact, callables, count, scalars, false, &meaning);

    /* Only where it matters what stands in the columns. */
    if (found && (!meaning.read_allowed || meaning.effect != FUNCTION_HARMLESS)) {
        for (unsigned side = 0; side < ARRAY_COUNT(fact->columns); side++) {
            if (operand_is_known(proof, fact, side))
                scalars |= 1U << side;
        }
        found = callables_join(proof, fact, callables, count, scalars, false, &meaning);
    }
    proof_effect(proof, found ? meaning.effect : FUNCTION_UNKNOWN);
    if (!found || !meaning.read_allowed)
        proof_deny(proof, REASON_OPERATOR, fact->name);
}

void proof_collation(struct proof *proof, const struct fact *fact)
{
    bool elsewhere = fact->schema && strcmp(fact->schema, "pg_catalog") != 0;

    if (elsewhere || !catalog_has_collation(proof->catalog, fact->name))
        proof_deny(proof, REASON_TYPE, fact->name);
}
