/* Which rule decides, and what it comes to together with what the client says.
 *
 * Which rules a statement can meet is known in two parts, both sets of RULES_MAX bits: what the
 * session is (database, role), worked out once for each set of rules, and what the statement is
 * (tables, shape), kept in the memo beside its verdict. The first bit of both is the rule.
 */
#include "session/policy.h"

#include "session/session.h"
#include "sql/hint.h"

enum { RULE_TABLES_MAX = 256 };

/* ---- rules ---- */

static bool is_or_any(const char *name, const char *is)
{
    return !name || strcmp(name, is) == 0;
}

static uint64_t session_rules(struct session *session, const struct conf *conf)
{
    if (LIKELY(session->rules_number == conf->number))
        return session->rules;
    session->rules = 0;
    for (unsigned i = 0; i < conf->rule_count; i++) {
        const struct rule *rule = &conf->rules[i];
        if (is_or_any(rule->database, session->database->name) &&
            is_or_any(rule->role, session->user))
            session->rules |= UINT64_C(1) << i;
    }
    session->rules_number = conf->number;
    return session->rules;
}

static bool reads_table(const struct verdict *verdict, const struct catalog *catalog,
                        const char *name)
{
    uint32_t oids[RULE_TABLES_MAX];
    size_t count = catalog_relations_named(catalog, slice_of_text(name), oids, RULE_TABLES_MAX);
    for (size_t i = 0; i < size_min(count, RULE_TABLES_MAX); i++) {
        uint32_t root = catalog_root(catalog, oids[i]);
        for (unsigned at = 0; at < verdict->read_count; at++)
            if (verdict->reads[at] == root)
                return true;
    }
    return false;
}

/* Beside the verdict in the memo; worked out again when rules or catalog have changed. */
static uint64_t statement_rules(struct session *session, const struct query *query,
                                const struct conf *conf)
{
    const struct verdict *verdict = lookup_verdict(session, query);
    if (LIKELY(verdict->rules_number == conf->number))
        return verdict->rules;
    bool stale;
    struct catalog *catalog = realm_catalog(session->database->realm, &stale);
    struct hash128 shape = query_shape(query);
    uint64_t set = 0;
    for (unsigned i = 0; i < conf->rule_count; i++) {
        const struct rule *rule = &conf->rules[i];
        if (rule->has_shape && !hash128_equal(rule->shape, shape))
            continue;
        if (rule->table && !(catalog && reads_table(verdict, catalog, rule->table)))
            continue;
        set |= UINT64_C(1) << i;
    }
    if (catalog)
        verdict_set_rules(verdict, conf->number, set);
    catalog_unref(catalog);
    return set;
}

static const struct rule *rule_of(struct session *session, const struct query *query,
                                  const struct conf *conf)
{
    uint64_t set = session_rules(session, conf);
    if (!set)
        return NULL;
    const struct rule *first = &conf->rules[__builtin_ctzll(set)];
    if (!first->table && !first->has_shape)
        return first;
    set &= statement_rules(session, query, conf);
    return set ? &conf->rules[__builtin_ctzll(set)] : NULL;
}

/* ---- all together ---- */

bool policy_forces(const struct policy *policy, const struct query *query,
                   const struct verdict *verdict)
{
    if (!policy->force)
        return false;
    if (verdict->reason != REASON_NONE)
        return verdict->forceable;
    return query->extended && query_has_magic_date(query);
}

uint64_t policy_window_ms(const struct policy *policy)
{
    return policy->window_ms ? policy->window_ms : conf_current()->options.cache_window_ms;
}

/* A client's wish for a window: a longer one than the operator's counts only where `may_grow`. */
static void wish_window(struct policy *policy, uint32_t wish_ms, bool may_grow)
{
    if (wish_ms && (may_grow || wish_ms < policy_window_ms(policy)))
        policy->window_ms = wish_ms;
}

static void take_rule(struct policy *policy, const struct rule *rule)
{
    policy->rule = rule;
    policy->observe = rule->action == RULE_OBSERVE;
    policy->force = rule->action == RULE_FORCE;
    policy->window_ms = rule->window_ms;
    if (rule->name_space)
        policy->name_space = slice_of_text(rule->name_space);
}

static enum reason take_wishes(struct session *session, const struct query *query, int allowed,
                               struct policy *policy)
{
    const struct local_values *local = &session->local.now;
    bool may_grow = allowed == CLIENT_HINTS_ALL && !policy->window_ms;
    bool may_name = !policy->name_space.len;
    if (local->cache == LOCAL_CACHE_OFF)
        return REASON_SESSION_OFF;
    policy->observe = policy->observe || local->cache == LOCAL_CACHE_OBSERVE;
    wish_window(policy, local->window_ms, may_grow);
    if (may_name && local->name_space[0])
        policy->name_space = slice_of_text(local->name_space);
    if (!query->hint.len || allowed == CLIENT_HINTS_OFF)
        return REASON_NONE;
    struct hint hint;
    hint_read(query->hint, &hint);
    if (hint.nocache || hint.unclear)
        return REASON_HINT;
    wish_window(policy, hint.window_ms, may_grow);
    if (may_name && hint.name_space.len)
        policy->name_space = hint.name_space;
    policy->force = policy->force || (hint.force && allowed == CLIENT_HINTS_ALL);
    return REASON_NONE;
}

enum reason policy_decide(struct session *session, const struct query *query, struct policy *out)
{
    const struct conf *conf = conf_current();
    *out = (struct policy){0};
    if (policy_is_plain(conf->rule_count, session->local.plain, query->hint.len > 0))
        return REASON_NONE;
    const struct rule *rule = conf->rule_count ? rule_of(session, query, conf) : NULL;
    if (rule) {
        take_rule(out, rule);
        if (rule->action == RULE_NEVER)
            return REASON_RULE;
    }
    enum reason reason = take_wishes(session, query, conf->options.client_hints, out);
    if (reason != REASON_NONE)
        return reason;
    /* In a block the answer belongs to the transaction's own snapshot: nothing is forced there. */
    out->force = out->force && session->status == 'I';
    out->forced = out->force && policy_forces(out, query, lookup_verdict(session, query));
    return REASON_NONE;
}
