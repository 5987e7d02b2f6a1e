/* The proof: every name that a text uses is looked up, and the worst of all that the name could mean
 * decides.
 *
 * Names      An unqualified name stands for every relation, function, operator or type of that name
 *            in any schema of the session's search_path, or in any schema at all where the path is
 *            not known. What Postgres makes of it is among them; which one it is is part of the key
 *            elsewhere.
 * Two sides  Reading (may the answer be cached, and what does it depend on) and effects (what may
 *            the statement do). A reason against caching never ends the walk: effects are collected
 *            to the end.
 */
#include "classify.h"

#include <stdio.h>

#include "catalog_read.h"
#include "scope.h"
#include "sql/scan.h"

struct proof {
    const struct facts *facts;
    const struct catalog *catalog;
    struct verdict *out;
    bool has_time;        /* a value of type time may occur */
    bool has_timezone;    /* AT TIME ZONE: of a time it depends on the day */
    bool has_cast_source; /* a value of a type with cast_source may occur */
    bool has_param;       /* of a type that the client may have chosen */
    bool events;          /* event triggers fire, whether or not it is DDL */
    bool unasked;         /* what may be written, Postgres could not say before COMMIT */
    bool calls_write;     /* some called code writes a table */
    bool unforceable;     /* no rule may overrule what was found */
    struct scope scope;
};

/* What a name may mean as a type: the worst of all that it stands for. */
struct type_meaning {
    bool found;
    enum type_class class;
    bool code; /* casting to it runs unknown functions */
    bool time;
    bool cast_user;
    bool cast_source;
};

static void deny(struct proof *proof, enum reason reason, const char *object)
{
    struct verdict *out = proof->out;

    proof->unforceable |= !reason_is_forceable(reason);
    if (out->reason != REASON_NONE)
        return;
    out->reason = reason;
    (void)snprintf(out->object, sizeof(out->object), "%s", object);
}

static void pin(struct proof *proof, enum pin why, unsigned effects)
{
    proof->out->effects |= EFFECT_PIN | effects;
    if (proof->out->pin == PIN_NONE)
        proof->out->pin = why;
}

static void effect_join(struct proof *proof, enum function_effect effect)
{
    switch (effect) {
    case FUNCTION_HARMLESS:
        break;
    case FUNCTION_PIN_LOCK:
        pin(proof, PIN_LOCK, 0);
        break;
    case FUNCTION_PIN_SETTING:
        pin(proof, PIN_SETTING, EFFECT_DIRTY | EFFECT_TRACK);
        break;
    case FUNCTION_BODY:
        break; /* callables_judge looks at what it reaches */
    case FUNCTION_UNKNOWN:
        pin(proof, PIN_FUNCTION, EFFECTS_FUNCTION);
        proof->unasked = true;
        break;
    }
}

/* What code that is called may do besides writing the tables that are known. */
static void reach_join(struct proof *proof, unsigned reach)
{
    struct verdict *out = proof->out;

    if (reach & REACH_ALL)
        out->effects |= EFFECT_WRITES_ALL;
    if (reach & REACH_DDL)
        out->effects |= EFFECT_DDL;
    if (reach & (REACH_OUTSIDE | REACH_COMMITS))
        proof->unasked = true;
    if (reach & REACH_COMMITS)
        out->effects |= EFFECT_TX_END;
    if (reach & REACH_LOCAL)
        out->effects |= EFFECT_SET_LOCAL;
    if (reach & REACH_SESSION)
        pin(proof, PIN_FUNCTION, EFFECT_DIRTY);
    if (reach & REACH_SETTING)
        pin(proof, PIN_SETTING, EFFECT_DIRTY);
    if (reach & REACH_TEMPORARY)
        pin(proof, PIN_TEMPORARY, 0);
    if (reach & REACH_LOCK)
        pin(proof, PIN_LOCK, 0);
    if (reach & REACH_LISTEN)
        pin(proof, PIN_LISTEN, 0);
    if (reach & REACH_EVENTS)
        proof->events = true;
}

/* Adds an OID to a list; false when it is full. */
static bool table_add(uint32_t *list, uint16_t *count, uint32_t oid)
{
    for (unsigned i = 0; i < *count; i++) {
        if (list[i] == oid)
            return true;
    }
    if (*count >= VERDICT_TABLES_MAX)
        return false;
    list[(*count)++] = oid;
    return true;
}

static bool is_cte(const struct proof *proof, const char *name)
{
    for (unsigned i = 0; i < proof->facts->count; i++) {
        const struct fact *fact = &proof->facts->list[i];

        if (fact->kind == FACT_CTE && strcmp(fact->name, name) == 0)
            return true;
    }
    return false;
}

static bool schema_is_system(const char *schema)
{
    return strcmp(schema, "pg_catalog") == 0 || strcmp(schema, "information_schema") == 0 ||
           strcmp(schema, "pg_toast") == 0;
}

/* A word of a body may stand for what has that name in any schema: the body may move the path. */
static bool fact_means(const struct proof *proof, const struct fact *fact, const char *schema)
{
    if ((fact->flags & FACT_BODY) && !fact->schema)
        return true;
    return scope_has(&proof->scope, fact->schema, schema);
}

/* --- relations --- */

static void closure_write(struct proof *proof, const struct closure *closure)
{
    struct verdict *out = proof->out;

    reach_join(proof, closure->reach);
    for (unsigned i = 0; i < closure->count; i++) {
        if (!table_add(out->writes, &out->write_count,
                       proof->catalog->closures[closure->first + i]))
            out->effects |= EFFECT_WRITES_ALL;
    }
}

/* What code that the statement calls reaches: its text says nothing of the rows. */
static void closure_call(struct proof *proof, const struct closure *closure)
{
    proof->calls_write |= closure->count > 0;
    closure_write(proof, closure);
}

static void relation_read(struct proof *proof, const struct catalog_relation *relation)
{
    struct verdict *out = proof->out;

    closure_call(proof, &relation->closures[CLOSURE_READ]);
    if (relation->system && strcmp(relation->full_name, "pg_catalog.pg_prepared_statements") == 0)
        pin(proof, PIN_PREPARED, EFFECT_NAMES);
    proof->has_time |= relation->has_time;
    proof->has_cast_source |= relation->has_cast_source;
    if (relation->read_reason != REASON_NONE) {
        deny(proof, relation->read_reason, relation->full_name);
        if (relation->read_reason != REASON_COLUMN_TYPE)
            return;
        proof->unforceable |= !relation->reads.count;
    }
    for (unsigned i = 0; i < relation->reads.count; i++) {
        if (!table_add(out->reads, &out->read_count,
                       proof->catalog->closures[relation->reads.first + i]))
            deny(proof, REASON_TOO_MANY_TABLES, relation->full_name);
    }
}

static void relation_write(struct proof *proof, enum fact_kind kind,
                           const struct catalog_relation *relation)
{
    proof->has_cast_source |= relation->has_cast_source;
    if (relation->system) { /* the catalog itself, or a view like pg_settings */
        pin(proof, PIN_UNKNOWN, EFFECTS_FUNCTION | EFFECT_GLOBAL);
        proof->unasked = true;
        return;
    }
    if (kind == FACT_INSERT)
        closure_write(proof, &relation->closures[CLOSURE_INSERT]);
    else if (kind == FACT_TRUNCATE || kind == FACT_TRUNCATE_CASCADE)
        closure_write(proof, &relation->closures[CLOSURE_TRUNCATE]);
    else
        closure_write(proof, &relation->closures[CLOSURE_WRITE]);
}

/* A temporary table that the body of DO makes before it writes it. */
static bool is_made(const struct proof *proof, const struct fact *written)
{
    for (unsigned i = 0; i < proof->facts->count && (written->flags & FACT_BODY); i++) {
        const struct fact *fact = &proof->facts->list[i];

        if (fact->kind == FACT_LABEL && (fact->flags & FACT_BODY) &&
            strcmp(fact->name, written->name) == 0)
            return true;
    }
    return false;
}

/* A name that the snapshot does not have: it may have come since, as anything. */
static void relation_unknown(struct proof *proof, const struct fact *fact)
{
    if (is_made(proof, fact))
        return;
    bool system = fact->schema && schema_is_system(fact->schema);
    bool temporary = fact->schema && strncmp(fact->schema, "pg_temp", 7) == 0;

    deny(proof,
         system      ? REASON_SYSTEM_RELATION
         : temporary ? REASON_TEMPORARY
                     : REASON_UNKNOWN_RELATION,
         fact->name);
    if (fact->kind == FACT_READ && (system || temporary))
        return;
    if (temporary)
        return; /* nobody else sees it */
    effect_join(proof, FUNCTION_UNKNOWN);
}

static void relation_judge(struct proof *proof, const struct fact *fact)
{
    size_t first;
    size_t count = catalog_find_named(proof->catalog, fact->name, &first);
    bool found = false;

    for (size_t i = first; i < first + count; i++) {
        const struct catalog_relation *relation =
            &proof->catalog->relations[proof->catalog->relations_by_name[i]];

        if (!fact_means(proof, fact, relation->schema))
            continue;
        found = true;
        if (fact->kind == FACT_READ)
            relation_read(proof, relation);
        else
            relation_write(proof, fact->kind, relation);
    }
    if (found || (fact->kind == FACT_READ && !fact->schema && is_cte(proof, fact->name)))
        return;
    relation_unknown(proof, fact);
}

/* --- columns --- */

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

/* Is what stands there known to be a number, date or time? */
static bool operand_is_known(const struct proof *proof, const struct fact *fact, unsigned side)
{
    return (fact->scalars & (1U << side)) ||
           (fact->columns[side] && column_is(proof, fact->columns[side], type_is_scalar));
}

/* --- functions, operators, attributes --- */

static struct type_meaning type_named(const struct proof *proof, const struct fact *fact)
{
    struct type_meaning meaning = {.class = TYPE_SAFE};
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
    }
    return meaning;
}

/* A cast to a type of that name. `checked`: of no text that exists only at run time. */
static void meaning_judge(struct proof *proof, const struct type_meaning *meaning, const char *name,
                          bool checked)
{
    if (meaning->code)
        effect_join(proof, FUNCTION_UNKNOWN);
    proof->has_time |= meaning->time;
    proof->has_cast_source |= meaning->cast_source;
    if (meaning->cast_user || meaning->class > TYPE_DATETIME ||
        (meaning->class == TYPE_DATETIME && !checked))
        deny(proof, REASON_TYPE, name);
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
static void callables_judge(struct proof *proof, const struct fact *fact,
                            const struct catalog_callable *callables, size_t count, bool attributes)
{
    for (size_t i = 0; i < count; i++) {
        const struct catalog_callable *callable = &callables[i];

        if (!fact_means(proof, fact, callable->schema) || (attributes && !callable->attribute))
            continue;
        effect_join(proof, callable->meanings[0].effect);
        if (callable->meanings[0].effect == FUNCTION_BODY)
            closure_call(proof, &callable->reach);
    }
}

static void function_judge(struct proof *proof, const struct fact *fact)
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
            deny(proof, REASON_FUNCTION, fact->name);
            effect_join(proof, FUNCTION_UNKNOWN);
        }
        return;
    }
    callables_judge(proof, fact, callables, count, false);
    if (proof->catalog->domains_code && functions_fills_rows(fact->name))
        effect_join(proof, FUNCTION_UNKNOWN);
    if (!meaning.read_allowed && !is_age_between(proof, fact, callables, count))
        deny(proof, REASON_FUNCTION, fact->name);
}

/* (x).name calls any function of one argument, or is a cast. So does t.name where t may be a
 * function in FROM, whose name stands for its values; else t is a row. */
static void attribute_judge(struct proof *proof, const struct fact *fact)
{
    const struct catalog_callable *callables;
    size_t count = catalog_find_functions(proof->catalog, fact->name, &callables);
    bool any_type = (fact->flags & FACT_ONE_ARGUMENT) || proof->facts->function_table;
    struct callable_meaning meaning;

    if (any_type)
        (void)call_as_cast_judge(proof, fact, FACT_ONE_ARGUMENT);
    if (!callables_join(proof, fact, callables, count, 0, !any_type, &meaning))
        return;
    callables_judge(proof, fact, callables, count, !any_type);
    proof->unforceable |= functions_act(fact->name);
    if (!meaning.read_allowed)
        deny(proof, REASON_COLUMN_NAME, fact->name);
}

/* --- types --- */

static void cast_judge(struct proof *proof, const struct fact *fact)
{
    struct type_meaning meaning = type_named(proof, fact);

    if (!meaning.found) { /* one that came since: its input may run anything */
        deny(proof, REASON_TYPE, fact->name);
        effect_join(proof, FUNCTION_UNKNOWN);
        return;
    }
    meaning_judge(proof, &meaning, fact->name, (fact->flags & FACT_CHECKED) != 0);
}

/* A column that is cast to a date or time must be one in every table that has it. */
static void cast_column_judge(struct proof *proof, const struct fact *fact)
{
    if (!column_is(proof, fact->name, type_is_datetime))
        deny(proof, REASON_TYPE, fact->name);
}

static void operator_judge(struct proof *proof, const struct fact *fact)
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
    effect_join(proof, found ? meaning.effect : FUNCTION_UNKNOWN);
    if (!found || !meaning.read_allowed)
        deny(proof, REASON_OPERATOR, fact->name);
}

static void collation_judge(struct proof *proof, const struct fact *fact)
{
    bool elsewhere = fact->schema && strcmp(fact->schema, "pg_catalog") != 0;

    if (elsewhere || !catalog_has_collation(proof->catalog, fact->name))
        deny(proof, REASON_TYPE, fact->name);
}

/* A word in the body of DO. If nothing has that name it is something else. */
static void word_judge(struct proof *proof, const struct fact *fact)
{
    const struct catalog *catalog = proof->catalog;
    const struct catalog_callable *callables;
    size_t first;
    size_t count;

    switch ((int)fact->kind) {
    case FACT_READ:
        count = catalog_find_named(catalog, fact->name, &first);
        for (size_t i = first; i < first + count; i++)
            closure_call(proof,
                         &catalog->relations[catalog->relations_by_name[i]].closures[CLOSURE_READ]);
        break;
    case FACT_FUNCTION:
    case FACT_ATTRIBUTE:
        count = catalog_find_functions(catalog, fact->name, &callables);
        callables_judge(proof, fact, callables, count, false);
        break;
    case FACT_INSERT:
    case FACT_WRITE:
    case FACT_TRUNCATE_CASCADE:
        relation_judge(proof, fact);
        break;
    }
}

static void fact_judge(struct proof *proof, const struct fact *fact)
{
    if (fact->flags & FACT_BODY) {
        word_judge(proof, fact);
        return;
    }
    switch (fact->kind) {
    case FACT_READ:
    case FACT_INSERT:
    case FACT_WRITE:
    case FACT_TRUNCATE:
    case FACT_TRUNCATE_CASCADE:
        relation_judge(proof, fact);
        break;
    case FACT_FUNCTION:
        function_judge(proof, fact);
        break;
    case FACT_OPERATOR:
        operator_judge(proof, fact);
        break;
    case FACT_CAST:
        cast_judge(proof, fact);
        break;
    case FACT_CAST_COLUMN:
        cast_column_judge(proof, fact);
        break;
    case FACT_ATTRIBUTE:
        attribute_judge(proof, fact);
        break;
    case FACT_COLLATION:
        collation_judge(proof, fact);
        break;
    case FACT_CTE:
    case FACT_LABEL:
        break;
    }
}

/* Without a catalog any name may be anything. */
static void judge_blindly(struct proof *proof)
{
    if (proof->facts->calls)
        pin(proof, PIN_UNKNOWN, EFFECTS_UNKNOWN);
    for (unsigned i = 0; i < proof->facts->count; i++) {
        const struct fact *fact = &proof->facts->list[i];

        if (fact->kind == FACT_FUNCTION)
            effect_join(proof, FUNCTION_UNKNOWN);
        else if (fact->kind == FACT_READ)
            proof->out->effects |= EFFECT_WRITES_ALL; /* a view can write */
        else if (fact->kind <= FACT_TRUNCATE_CASCADE)
            effect_join(proof, FUNCTION_UNKNOWN); /* triggers */
    }
    if (proof->facts->reach & REACH_EVENTS)
        proof->out->effects |= EFFECT_WRITES_ALL;
    if ((proof->out->effects & EFFECT_DDL) || (proof->facts->reach & REACH_EVENTS))
        pin(proof, PIN_FUNCTION, EFFECT_DIRTY); /* event triggers */
    deny(proof, REASON_NO_CATALOG, "");
}

/* Casts of users that apply without being named. */
static void implicit_casts_judge(struct proof *proof)
{
    const struct catalog *catalog = proof->catalog;
    bool users = proof->has_cast_source || proof->has_param || proof->facts->function_table;

    if (!proof->facts->coerces)
        return;
    if (catalog->casts_builtin_code || (users && catalog->casts_users_code))
        effect_join(proof, FUNCTION_UNKNOWN);
    if (catalog->casts_builtin || (users && catalog->casts_users))
        deny(proof, REASON_TYPE, "user-defined cast");
}

static void judge(struct proof *proof)
{
    const struct catalog *catalog = proof->catalog;

    proof->out->catalog_version = catalog->version;
    for (unsigned i = 0; i < proof->facts->count; i++)
        fact_judge(proof, &proof->facts->list[i]);
    if (proof->has_time && proof->has_timezone)
        deny(proof, REASON_FUNCTION, "timezone");
    implicit_casts_judge(proof);
    if (catalog->operator_classes)
        deny(proof, REASON_TYPE, "user-defined operator class");
    if (catalog->support_code && proof->facts->count > 0)
        reach_join(proof, REACH_UNKNOWN);
    reach_join(proof, proof->facts->reach);
    if (proof->facts->body)
        reach_join(proof, catalog->ambient);
    if (proof->facts->calls && (proof->out->effects & EFFECT_DDL))
        pin(proof, PIN_UNKNOWN, EFFECTS_UNKNOWN); /* by what is made at run time or is not read */
    if ((proof->out->effects & EFFECT_DDL) || proof->events)
        closure_call(proof, &catalog->events);
}

/* Could Postgres say before COMMIT what was written? Not where the text itself writes what is not
 * known, changes the catalog or ends the transaction. */
static bool can_be_asked(const struct proof *proof)
{
    const unsigned effects =
        EFFECT_WRITES_ALL | EFFECT_DDL | EFFECT_GLOBAL | EFFECT_TX_BEGIN | EFFECT_TX_END;

    return proof->catalog && !proof->unasked && !(proof->facts->effects & effects) &&
           !(proof->out->effects & (EFFECT_GLOBAL | EFFECT_TX_BEGIN | EFFECT_TX_END));
}

void classify_facts(const struct facts *facts, unsigned scan_flags, const struct catalog *catalog,
                    const struct proof_scope *scope, struct verdict *out)
{
    struct proof proof = {
        .facts = facts, .catalog = catalog, .out = out, .unforceable = facts->unforceable};

    proof.has_param = (scan_flags & SCAN_PARAM) != 0;
    scope_init(&proof.scope, scope);

    *out = (struct verdict){.reason = facts->reason, .effects = facts->effects, .pin = facts->pin};
    (void)snprintf(out->object, sizeof(out->object), "%s", facts->object);
    if (catalog)
        judge(&proof);
    else
        judge_blindly(&proof);
    if (out->effects & EFFECT_WRITES_ALL) {
        deny(&proof, REASON_WRITES, "");
        out->write_count = 0;
        if (can_be_asked(&proof))
            out->effects |= EFFECT_ASK;
    }
    if (out->write_count > 0)
        deny(&proof, REASON_WRITES, "");
    if (out->effects & (EFFECT_PIN | EFFECT_TX_BEGIN | EFFECT_TX_END))
        deny(&proof, REASON_WRITES, "");
    out->forceable = out->reason != REASON_NONE && catalog && !proof.unforceable && !out->effects &&
                     !out->write_count;
    if (out->reason != REASON_NONE && !out->forceable)
        out->read_count = 0;
    if (catalog && !proof.calls_write)
        pins_judge(facts, catalog, &proof.scope, out);
}
