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

#include "base/hash.h"
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

static void pin(struct proof *proof, enum pin why, unsigned effects)
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
    if (reach & REACH_SEQUENCE)
        out->effects |= EFFECT_SEQUENCE;
    if (reach & REACH_LASTVAL)
        out->effects |= EFFECT_LASTVAL;
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
bool proof_means(const struct proof *proof, const struct fact *fact, const char *schema)
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
void proof_call(struct proof *proof, const struct closure *closure)
{
    proof->calls_write |= closure->count > 0;
    closure_write(proof, closure);
}

static void reads_add(struct proof *proof, const struct closure *reads, const char *object)
{
    struct verdict *out = proof->out;

    for (unsigned i = 0; i < reads->count; i++) {
        if (!table_add(out->reads, &out->read_count, proof->catalog->closures[reads->first + i]))
            proof_deny(proof, REASON_TOO_MANY_TABLES, object);
    }
}

/* A table with row security, read by a role that is known: the policies that are not for it, or none at
 * all, change nothing of what it sees. */
static void secured_read(struct proof *proof, const struct catalog_relation *relation,
                         const struct catalog_role *role)
{
    const struct catalog *catalog = proof->catalog;

    if (!table_add(proof->out->reads, &proof->out->read_count, relation->root))
        proof_deny(proof, REASON_TOO_MANY_TABLES, relation->full_name);
    if (catalog_role_is_exempt(catalog, role, relation))
        return;
    for (uint32_t i = 0; i < relation->policy_count; i++) {
        const struct catalog_policy *policy = &catalog->policies[relation->first_policy + i];

        if (!catalog_policy_applies(catalog, policy, role))
            continue;
        if (policy->reason != REASON_NONE)
            proof_deny(proof, policy->reason, relation->full_name);
        reads_add(proof, &policy->reads, relation->full_name);
    }
}

/* The role whose rows they are, where it is known and matters. Who reads through a view is another
 * question: its tables show what they show to the view's owner. */
static const struct catalog_role *role_of(const struct proof *proof,
                                          const struct catalog_relation *relation)
{
    if (!relation->row_security || relation->kind == 'v' || relation->bare_reason != REASON_NONE ||
        !proof->scope.known)
        return NULL;
    return catalog_find_role(proof->catalog, proof->scope.user);
}

static void relation_read(struct proof *proof, const struct catalog_relation *relation)
{
    proof_call(proof, &relation->closures[CLOSURE_READ]);
    if (relation->system && strcmp(relation->full_name, "pg_catalog.pg_prepared_statements") == 0)
        pin(proof, PIN_PREPARED, EFFECT_NAMES);
    proof->has_time |= relation->has_time;
    proof->has_cast_source |= relation->has_cast_source;
    const struct catalog_role *role = role_of(proof, relation);
    if (role) {
        secured_read(proof, relation, role);
        return;
    }
    if (relation->read_reason != REASON_NONE) {
        proof_deny(proof, relation->read_reason, relation->full_name);
        if (relation->read_reason != REASON_COLUMN_TYPE)
            return;
        proof->unforceable |= !relation->reads.count;
    }
    reads_add(proof, &relation->reads, relation->full_name);
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

/* Its session may know better than `judge` will have it. */
static void unknown_note(struct proof *proof, const struct fact *fact)
{
    struct verdict_temporary *temporary = &proof->out->temporary;
    bool own = !fact->schema || strcmp(fact->schema, "pg_temp") == 0;
    bool plain = own && !(fact->flags & FACT_BODY) && proof->facts->statements == 1;

    uint64_t name = hash64_of(fact->name, strlen(fact->name));
    unsigned at = 0;

    while (at < temporary->unknown_count && temporary->unknown[at] != name)
        at++;
    if (!plain || at == VERDICT_UNKNOWN_MAX) {
        proof_effect(proof, FUNCTION_UNKNOWN);
        return;
    }
    proof->unknown = true;
    if (at == temporary->unknown_count)
        temporary->unknown[temporary->unknown_count++] = name;
}

/* After all else that the statement does is known. */
static void temporary_judge(struct proof *proof)
{
    const struct catalog *catalog = proof->catalog;
    const struct facts *facts = proof->facts;
    struct verdict *out = proof->out;
    struct verdict_temporary *temporary = &out->temporary;
    const unsigned more = EFFECT_WRITES_ALL | EFFECT_DDL | EFFECT_GLOBAL | EFFECT_DIRTY |
                          EFFECT_TX_BEGIN | EFFECT_TX_END;
    bool quiet = !catalog->ambient && !catalog->domains_code && !catalog->support_code &&
                 !catalog->operator_classes && !catalog->casts_builtin_code &&
                 !catalog->casts_users_code && !catalog->event_triggers;

    size_t first;
    if ((facts->makes_other && catalog_find_named(catalog, facts->makes_other, &first) > 0) ||
        ((facts->effects & EFFECT_DDL) && !facts->keeps_plain &&
         (facts->temporary || scope_makes_temporary(&proof->scope))))
        temporary->other = true;
    if (!proof->unknown)
        temporary->unknown_count = 0;
    if (facts->statements == 1 && quiet) {
        if (facts->makes && !(out->effects & more))
            temporary->makes = hash64_of(facts->makes, strlen(facts->makes));
        temporary->keeps = facts->keeps_plain;
    }
    if (!proof->unknown)
        return;
    temporary->pin = out->pin;
    temporary->effects = out->effects | EFFECT_SEQUENCE; /* of a serial column */
    temporary->write_count = out->write_count;
    if (!quiet || facts->calls || (out->effects & more))
        temporary->unknown_count = 0;
    proof_effect(proof, FUNCTION_UNKNOWN);
}

/* A name that the snapshot does not have: it may have come since, as anything. */
static void relation_unknown(struct proof *proof, const struct fact *fact)
{
    if (is_made(proof, fact))
        return;
    bool system = fact->schema && schema_is_system(fact->schema);
    bool temporary = fact->schema && strncmp(fact->schema, "pg_temp", 7) == 0;

    proof_deny(proof,
               system      ? REASON_SYSTEM_RELATION
               : temporary ? REASON_TEMPORARY
                           : REASON_UNKNOWN_RELATION,
               fact->name);
    if (fact->kind == FACT_READ && system)
        return;
    unknown_note(proof, fact);
}

static void relation_judge(struct proof *proof, const struct fact *fact)
{
    size_t first;
    size_t count = catalog_find_named(proof->catalog, fact->name, &first);
    bool found = false;

    for (size_t i = first; i < first + count; i++) {
        const struct catalog_relation *relation =
            &proof->catalog->relations[proof->catalog->relations_by_name[i]];

        if (!proof_means(proof, fact, relation->schema))
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
        pin(proof, PIN_UNKNOWN, EFFECTS_UNKNOWN);
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
        pin(proof, PIN_FUNCTION, EFFECT_DIRTY); /* event triggers */
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
        reach_join(proof, REACH_UNKNOWN);
    reach_join(proof, proof->facts->reach);
    if (proof->facts->body)
        reach_join(proof, catalog->ambient);
    temporary_judge(proof);
    proof->out->runs_code |= proof->facts->calls;
    if (proof->facts->calls && (proof->out->effects & EFFECT_DDL))
        pin(proof, PIN_UNKNOWN, EFFECTS_UNKNOWN); /* by what is made at run time or is not read */
    /* What lies in pg_temp is the backend's own, with or without the word TEMPORARY. */
    if ((proof->out->effects & EFFECT_DDL) &&
        (proof->facts->temporary || scope_makes_temporary(&proof->scope)))
        pin(proof, PIN_TEMPORARY, 0);
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
