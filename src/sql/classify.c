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
#include "classify_proof.h"
#include "sql/scan.h"

void proof_deny(struct proof *proof, enum reason reason, const char *object)
{
    struct verdict *out = proof->out;

    proof->unforceable |= !reason_is_forceable(reason);
    if (out->reason != REASON_NONE)
        return;
    out->reason = reason;
    (void)snprintf(out->object, sizeof(out->object), "%s", object);
}

void proof_pin(struct proof *proof, enum pin why, unsigned effects)
{
    proof->out->effects |= EFFECT_PIN | effects;
    if (proof->out->pin == PIN_NONE)
        proof->out->pin = why;
}

void proof_effect(struct proof *proof, enum function_effect effect)
{
    switch (effect) {
    case FUNCTION_HARMLESS:
        break;
    case FUNCTION_SEQUENCE:
        proof->out->effects |= EFFECT_SEQUENCE;
        break;
    case FUNCTION_LASTVAL:
        proof->out->effects |= EFFECT_LASTVAL;
        break;
    case FUNCTION_PIN_LOCK:
        proof_pin(proof, PIN_LOCK, 0);
        break;
    case FUNCTION_PIN_SETTING:
        proof_pin(proof, PIN_SETTING, EFFECT_DIRTY | EFFECT_TRACK);
        break;
    case FUNCTION_BODY:
        break; /* callables_judge looks at what it reaches */
    case FUNCTION_UNKNOWN:
        proof_pin(proof, PIN_FUNCTION, EFFECTS_FUNCTION);
        proof->unasked = true;
        break;
    }
}

void proof_reach(struct proof *proof, unsigned reach)
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
        proof_pin(proof, PIN_FUNCTION, EFFECT_DIRTY);
    if (reach & REACH_SETTING)
        proof_pin(proof, PIN_SETTING, EFFECT_DIRTY);
    if (reach & REACH_TEMPORARY)
        proof_pin(proof, PIN_TEMPORARY, 0);
    if (reach & REACH_LOCK)
        proof_pin(proof, PIN_LOCK, 0);
    if (reach & REACH_LISTEN)
        proof_pin(proof, PIN_LISTEN, 0);
    if (reach & REACH_EVENTS)
        proof->events = true;
    if (reach & REACH_SEQUENCE)
        out->effects |= EFFECT_SEQUENCE;
    if (reach & REACH_LASTVAL)
        out->effects |= EFFECT_LASTVAL;
}

/* A word of a body may stand for what has that name in any schema: the body may move the path. */
bool proof_means(const struct proof *proof, const struct fact *fact, const char *schema)
{
    if ((fact->flags & FACT_BODY) && !fact->schema)
        return true;
    return scope_has(&proof->scope, fact->schema, schema);
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
            proof_call(proof,
                       &catalog->relations[catalog->relations_by_name[i]].closures[CLOSURE_READ]);
        break;
    case FACT_FUNCTION:
    case FACT_ATTRIBUTE:
        count = catalog_find_functions(catalog, fact->name, &callables);
        proof_callables(proof, fact, callables, count, false);
        break;
    case FACT_INSERT:
    case FACT_WRITE:
    case FACT_TRUNCATE_CASCADE:
        proof_relation(proof, fact);
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
        proof_relation(proof, fact);
        break;
    case FACT_FUNCTION:
        proof_function(proof, fact);
        break;
    case FACT_OPERATOR:
        proof_operator(proof, fact);
        break;
    case FACT_CAST:
        proof_cast(proof, fact);
        break;
    case FACT_CAST_COLUMN:
        proof_cast_column(proof, fact);
        break;
    case FACT_ATTRIBUTE:
        proof_attribute(proof, fact);
        break;
    case FACT_COLLATION:
        proof_collation(proof, fact);
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
        proof_pin(proof, PIN_UNKNOWN, EFFECTS_UNKNOWN);
    for (unsigned i = 0; i < proof->facts->count; i++) {
        const struct fact *fact = &proof->facts->list[i];

        if (fact->kind == FACT_FUNCTION)
            proof_effect(proof, FUNCTION_UNKNOWN);
        else if (fact->kind == FACT_READ)
            proof->out->effects |= EFFECT_WRITES_ALL; /* a view can write */
        else if (fact->kind <= FACT_TRUNCATE_CASCADE)
            proof_effect(proof, FUNCTION_UNKNOWN); /* triggers */
    }
    if (proof->facts->reach & REACH_EVENTS)
        proof->out->effects |= EFFECT_WRITES_ALL;
    if ((proof->out->effects & EFFECT_DDL) || (proof->facts->reach & REACH_EVENTS))
        proof_pin(proof, PIN_FUNCTION, EFFECT_DIRTY); /* event triggers */
    proof_deny(proof, REASON_NO_CATALOG, "");
}

/* Casts of users that apply without being named. */
static void implicit_casts_judge(struct proof *proof)
{
    const struct catalog *catalog = proof->catalog;
    bool users = proof->has_cast_source || proof->has_param || proof->facts->function_table;

    if (!proof->facts->coerces)
        return;
    if (catalog->casts_builtin_code || (users && catalog->casts_users_code))
        proof_effect(proof, FUNCTION_UNKNOWN);
    if (catalog->casts_builtin || (users && catalog->casts_users))
        proof_deny(proof, REASON_TYPE, "user-defined cast");
}

static void judge(struct proof *proof)
{
    const struct catalog *catalog = proof->catalog;

    proof->out->catalog_version = catalog->version;
    for (unsigned i = 0; i < proof->facts->count; i++)
        fact_judge(proof, &proof->facts->list[i]);
    if (proof->has_time && proof->has_timezone)
        proof_deny(proof, REASON_FUNCTION, "timezone");
    implicit_casts_judge(proof);
    if (catalog->operator_classes)
        proof_deny(proof, REASON_TYPE, "user-defined operator class");
    if (catalog->support_code && proof->facts->count > 0)
        proof_reach(proof, REACH_UNKNOWN);
    proof_reach(proof, proof->facts->reach);
    if (proof->facts->body)
        proof_reach(proof, catalog->ambient);
    proof_temporary(proof);
    proof->out->runs_code |= proof->facts->calls;
    if (proof->facts->calls && (proof->out->effects & EFFECT_DDL))
        proof_pin(proof, PIN_UNKNOWN,
                  EFFECTS_UNKNOWN); /* by what is made at run time or is not read */
    /* What lies in pg_temp is the backend's own, with or without the word TEMPORARY. */
    if ((proof->out->effects & EFFECT_DDL) &&
        (proof->facts->temporary || scope_makes_temporary(&proof->scope)))
        proof_pin(proof, PIN_TEMPORARY, 0);
    if ((proof->out->effects & EFFECT_DDL) || proof->events)
        proof_call(proof, &catalog->events);
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
    out->temporary.other = facts->makes_view;
    if (catalog)
        judge(&proof);
    else
        judge_blindly(&proof);
    if (out->effects & EFFECT_WRITES_ALL) {
        proof_deny(&proof, REASON_WRITES, "");
        out->write_count = 0;
        if (can_be_asked(&proof))
            out->effects |= EFFECT_ASK;
    }
    if (out->write_count > 0)
        proof_deny(&proof, REASON_WRITES, "");
    if (out->effects & (EFFECT_PIN | EFFECT_TX_BEGIN | EFFECT_TX_END))
        proof_deny(&proof, REASON_WRITES, "");
    out->forceable = out->reason != REASON_NONE && catalog && !proof.unforceable && !out->effects &&
                     !out->write_count;
    if (out->reason != REASON_NONE && !out->forceable)
        out->read_count = 0;
    if (catalog && !proof.calls_write)
        pins_judge(facts, catalog, &proof.scope, out);
}
