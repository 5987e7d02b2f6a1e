/* What the verdict, the rules and the tiers say of one statement, as rows of name and value.
 *
 * The console has no session of the role that it asks for: it borrows the facts of a profile that has
 * logged in, in a session that exists for the call.
 */
#include "session/explain.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"
#include "sql/hint.h"

void explain_put(struct explanation *explanation, const char *name, const char *format, ...)
{
    char text[EXPLAIN_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    buf_append(&explanation->rows, name, strlen(name) + 1);
    buf_append(&explanation->rows, text, strlen(text) + 1);
}

/* ---- tables ---- */

static void put_tables(struct explanation *out, const char *name, const struct catalog *catalog,
                       const uint32_t *tables, unsigned count)
{
    struct buf text = {0};
    for (unsigned i = 0; i < count; i++) {
        const char *table = catalog ? catalog_relation_name(catalog, tables[i]) : NULL;
        buf_append_text(&text, i ? ", " : "");
        if (table)
            buf_append_text(&text, table);
        else
            buf_printf(&text, "oid %" PRIu32, tables[i]);
    }
    explain_put(out, name, "%.*s", (int)buf_len(&text),
                buf_len(&text) ? (const char *)buf_head(&text) : "");
    buf_fini(&text);
}

struct reads {
    struct explanation *out;
    const struct catalog *catalog;
};

/* A relation of the text, and what it stands for: a view's tables, the root of a partition. */
static void on_read(void *context, const char *name, const uint32_t *tables, unsigned count)
{
    const struct reads *reads = context;
    const char *only = count == 1 ? catalog_relation_name(reads->catalog, tables[0]) : NULL;
    char row[EXPLAIN_TEXT_MAX];
    if (only && strcmp(only, name) == 0)
        return; /* "reads" says it */
    snprintf(row, sizeof(row), "reads %.200s through", name);
    put_tables(reads->out, row, reads->catalog, tables, count);
}

static void put_effects(struct explanation *out, const struct verdict *verdict)
{
    static const struct {
        unsigned effect;
        const char *text;
    } texts[] = {
        {EFFECT_ASK, "Postgres can say before COMMIT what it wrote"},
        {EFFECT_DDL, "may change the catalog"},
        {EFFECT_GLOBAL, "may change what other databases show"},
        {EFFECT_TX_BEGIN, "may open a transaction"},
        {EFFECT_TX_END, "may end a transaction"},
        {EFFECT_SEQUENCE, "may take values of sequences"},
        {EFFECT_LASTVAL, "may ask for its session's values of sequences"},
        {EFFECT_PIN, "may leave state in its session"},
        {EFFECT_UNPIN, "clears the state of its session"},
        {EFFECT_DIRTY, "its server connection is not used again"},
        {EFFECT_DEALLOCATE, "may drop prepared statements"},
        {EFFECT_SET_LOCAL, "may change settings up to the end of the transaction"},
    };
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++)
        if (verdict->effects & texts[i].effect)
            explain_put(out, "effect", "%s", texts[i].text);
    if (verdict->pin != PIN_NONE)
        explain_put(out, "pin", "%s", pin_text(verdict->pin));
}

static const char *key_value_text(const struct verdict_key *key, char *text, size_t size)
{
    switch ((enum key_source)key->source) {
    case KEY_FROM_PARAMETER:
        snprintf(text, size, "$%u", key->number);
        return text;
    case KEY_FROM_TRUE:
        return "true";
    case KEY_FROM_FALSE:
        return "false";
    case KEY_FROM_NULL:
        return "null";
    case KEY_FROM_ELSEWHERE:
        return "?";
    case KEY_FROM_LITERAL:
    case KEY_FROM_NEGATIVE:
        break;
    }
    return "a constant";
}

/* Which rows: writes to others leave the answer alone, and answers about others outlive the write. */
static void put_keys(struct explanation *out, const struct catalog *catalog,
                     const struct verdict *verdict)
{
    bool writes = verdict->column_count > 0;
    for (unsigned i = 0; catalog && i < verdict->key_count; i++) {
        const struct verdict_key *key = &verdict->keys[i];
        if (!writes && !(verdict->keyed_reads >> key->table & 1))
            continue;
        uint32_t oid = writes ? verdict->writes[verdict->keyed_write] : verdict->reads[key->table];
        const char *table = catalog_relation_name(catalog, oid);
        const char *column = verdict_key_name(catalog, oid, key->column);
        char value[32];
        explain_put(out, writes ? "writes by key" : "reads by key", "%s.%s = %s%s%s",
                    table ? table : "?", column ? column : "?", key->array ? "any (" : "",
                    key_value_text(key, value, sizeof(value)), key->array ? ")" : "");
    }
}

/* ---- all of it ---- */

static void put_policy(struct explanation *out, const struct query *query,
                       const struct policy *policy)
{
    char text[EXPLAIN_TEXT_MAX];
    if (policy->rule) {
        rule_text(policy->rule, text, sizeof(text));
        explain_put(out, "rule", "%s: %s", policy->rule->name, text);
    } else {
        explain_put(out, "rule", "none");
    }
    if (query->hint.len)
        explain_put(out, "hint", "%.*s", (int)size_min(query->hint.len, 200),
                    (const char *)query->hint.data);
    explain_put(out, "window", "%" PRIu64 " ms", policy_window_ms(policy));
    if (policy->name_space.len)
        explain_put(out, "namespace", "%.*s", (int)policy->name_space.len,
                    (const char *)policy->name_space.data);
    if (policy->observe)
        explain_put(out, "observed", "measured only: nothing is served");
}

static void put_setting(void *context, const char *name, const char *value)
{
    explain_put(context, "role begins with", "%s = %s", name, value);
}

/* What makes it see other rows, or find other names, than others do. */
static void put_role(struct explanation *out, const struct catalog *catalog, const char *role)
{
    explain_put(out, "role", "%s", role);
    if (!catalog)
        return;
    struct catalog_role_facts facts = catalog_role_facts(catalog, role);
    if (!facts.found)
        explain_put(out, "role is", "not in the catalog");
    else if (facts.superuser)
        explain_put(out, "role is", "a superuser: no row security");
    else if (facts.bypasses)
        explain_put(out, "role is", "without row security (BYPASSRLS)");
    catalog_each_role_setting(catalog, role, put_setting, out);
}

static enum reason decide(struct session *session, const struct query *query,
                          const struct verdict *verdict, struct policy *policy)
{
    enum reason said = policy_decide(session, query, policy);
    if (said == REASON_NONE && verdict->reason != REASON_NONE && !policy->forced)
        said = verdict->reason;
    if (said == REASON_NONE && query->arguments.len && query_has_magic_date(query) &&
        !policy->forced)
        said = REASON_MAGIC_DATE;
    return said;
}

static void explain(struct explanation *out, struct session *session, const struct query *query)
{
    struct verdict verdict = *lookup_verdict(session, query);
    struct policy policy = {0};
    bool stale = false;
    struct catalog *catalog = realm_catalog(session->database->realm, &stale);
    enum reason why = query->scanned ? decide(session, query, &verdict, &policy) : REASON_TOO_LONG;
    enum reason now = session->profile ? lookup_reason(session) : REASON_NONE;
    explain_put(out, "verdict", "%s",
                why != REASON_NONE ? "not cacheable"
                : policy.forced    ? "forced"
                                   : "cacheable");
    if (verdict.reason != REASON_NONE || why != REASON_NONE)
        explain_put(out, "reason", "%s", reason_text(why != REASON_NONE ? why : verdict.reason));
    if (verdict.object[0])
        explain_put(out, "object", "%s", verdict.object);
    explain_put(out, "database", "%s", session->database->name);
    put_role(out, catalog, session->user);
    if (query->scanned) {
        char shape[RULE_SHAPE_DIGITS + 1];
        rule_shape_text(query_shape(query), shape);
        explain_put(out, "shape", "%s", shape);
    }
    if (now != REASON_NONE)
        explain_put(out, "not served now", "%s", reason_text(now));
    put_policy(out, query, &policy);
    if (why == REASON_NONE || verdict.forceable)
        put_tables(out, "reads", catalog, verdict.reads, verdict.read_count);
    put_keys(out, catalog, &verdict);
    if (catalog && !(query->scan_flags & SCAN_DOUBT)) {
        struct reads reads = {.out = out, .catalog = catalog};
        verdict_each_read(query->text, catalog, on_read, &reads);
    }
    if (verdict.effects & EFFECT_WRITES_ALL)
        explain_put(out, "may write", "every table of the database");
    else if (verdict.write_count)
        put_tables(out, "may write", catalog, verdict.writes, verdict.write_count);
    else
        explain_put(out, "may write", "nothing");
    put_effects(out, &verdict);
    if (why == REASON_NONE)
        explain_stored(out, session, query, &policy);
    catalog_unref(catalog);
}

struct explanation *explanation_create(struct session *session, const struct query *query,
                                       void (*on_complete)(void *context), void *context)
{
    struct explanation *explanation = mem_zero(1, sizeof(*explanation));
    explanation->host = session->host;
    explanation->on_complete = on_complete;
    explanation->context = context;
    explain(explanation, session, query);
    return explanation;
}

void explanation_destroy(struct explanation *explanation)
{
    if (!explanation)
        return;
    for (unsigned i = 0; i < explanation->probe_count; i++)
        if (explanation->probes[i].lookup)
            redis_cancel(explanation->probes[i].lookup);
    buf_fini(&explanation->rows);
    mem_free(explanation);
}

void explanation_each(const struct explanation *explanation, session_explain_add *add,
                      void *context)
{
    const char *at = (const char *)buf_head(&explanation->rows);
    const char *end = at + buf_len(&explanation->rows);
    while (at < end) {
        const char *value = at + strlen(at) + 1;
        add(context, at, value);
        at = value + strlen(value) + 1;
    }
}
