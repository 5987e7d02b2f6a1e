/* The relations that a statement reads and writes, with all that belongs to them: what a name may stand for,
 * what a read depends on, and what a write reaches. */
#include <string.h>

#include "base/hash.h"
#include "catalog_read.h"
#include "classify_proof.h"

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

static void closure_write(struct proof *proof, const struct closure *closure)
{
    struct verdict *out = proof->out;

    proof_reach(proof, closure->reach);
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
        proof_pin(proof, PIN_PREPARED, EFFECT_NAMES);
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
        proof_pin(proof, PIN_UNKNOWN, EFFECTS_FUNCTION | EFFECT_GLOBAL);
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
void proof_temporary(struct proof *proof)
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

void proof_relation(struct proof *proof, const struct fact *fact)
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
