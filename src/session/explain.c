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

enum { EXPLAIN_TEXT_MAX = 4096 };

struct output {
    session_explain_add *add;
    void *context;
};

static void put(const struct output *out, const char *name, const char *format, ...)
    PRINTF_LIKE(3, 4);

static void put(const struct output *out, const char *name, const char *format, ...)
{
    char text[EXPLAIN_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    out->add(out->context, name, text);
}

/* ---- tables ---- */

static void put_tables(const struct output *out, const char *name, const struct catalog *catalog,
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
    put(out, name, "%.*s", (int)buf_len(&text),
        buf_len(&text) ? (const char *)buf_head(&text) : "");
    buf_fini(&text);
}

struct reads {
    const struct output *out;
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

static void put_effects(const struct output *out, const struct verdict *verdict)
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
        {EFFECT_PIN, "may leave state in its session"},
        {EFFECT_UNPIN, "clears the state of its session"},
        {EFFECT_DIRTY, "its server connection is not used again"},
        {EFFECT_DEALLOCATE, "may drop prepared statements"},
        {EFFECT_SET_LOCAL, "may change settings up to the end of the transaction"},
    };
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++)
        if (verdict->effects & texts[i].effect)
            put(out, "effect", "%s", texts[i].text);
    if (verdict->pin != PIN_NONE)
        put(out, "pin", "%s", pin_text(verdict->pin));
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
static void put_keys(const struct output *out, const struct catalog *catalog,
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
        put(out, writes ? "writes by key" : "reads by key", "%s.%s = %s%s%s", table ? table : "?",
            column ? column : "?", key->array ? "any (" : "",
            key_value_text(key, value, sizeof(value)), key->array ? ")" : "");
    }
}

/* ---- what is stored ---- */

static const char *const protocols[] = {"simple", "extended, not described", "extended"};

/* The key that a client's look-up would have, and the entry under it, if any. */
static bool look(struct session *session, const struct query *query, const struct policy *policy,
                 const char *protocol, const struct output *out)
{
    struct host *host = session->host;
    struct entry_key key;
    uint64_t now_ms = loop_wall_ms(host->loop);
    lookup_key(session, query, policy, &key);
    const struct entry *entry =
        host->cache ? cache_peek(host->cache, host->reader, &key, now_ms) : NULL;
    put(out, "key", "%016" PRIx64 "%016" PRIx64 " (%s)", key.hash.high, key.hash.low, protocol);
    if (!entry)
        return false;
    put(out, "stored", "memory (%s)", protocol);
    put(out, "age", "%" PRIu64 " ms",
        now_ms > entry->stored_at_ms ? now_ms - entry->stored_at_ms : 0);
    put(out, "expires in", "%" PRIu64 " ms",
        entry->expires_at_ms > now_ms ? entry->expires_at_ms - now_ms : 0);
    put(out, "size", "%" PRIu32 " bytes", entry->answer_len);
    return true;
}

static void put_stored(struct session *session, const struct query *query,
                       const struct policy *policy, const struct output *out)
{
    static const uint8_t none[6] = {0}; /* Bind without formats and values, all in text */
    bool found = false;
    if (!session->profile) {
        put(out, "stored", "unknown: nobody has logged in as this role");
        return;
    }
    if (query->arguments.len) {
        for (unsigned describe = 0; describe < 2; describe++) {
            struct query one = *query;
            one.with_describe = describe;
            found |= look(session, &one, policy, protocols[1 + describe], out);
        }
    } else if (query->scan_flags & SCAN_PARAM) {
        put(out, "stored", "unknown: the values of the parameters are part of the key");
        return;
    } else {
        for (unsigned i = 0; i < ARRAY_COUNT(protocols); i++) {
            struct query one = *query;
            one.extended = i > 0;
            one.with_describe = i > 1;
            one.arguments = slice_of(none, i ? sizeof(none) : 0);
            found |= look(session, &one, policy, protocols[i], out);
        }
    }
    if (!found)
        put(out, "stored", "%s",
            session->host->redis ? "not in memory; Redis is not asked" : "not in memory");
}

/* ---- all of it ---- */

static void put_policy(const struct output *out, const struct query *query,
                       const struct policy *policy)
{
    char text[EXPLAIN_TEXT_MAX];
    if (policy->rule) {
        rule_text(policy->rule, text, sizeof(text));
        put(out, "rule", "%s: %s", policy->rule->name, text);
    } else {
        put(out, "rule", "none");
    }
    if (query->hint.len)
        put(out, "hint", "%.*s", (int)size_min(query->hint.len, 200),
            (const char *)query->hint.data);
    put(out, "window", "%" PRIu64 " ms", policy_window_ms(policy));
    if (policy->name_space.len)
        put(out, "namespace", "%.*s", (int)policy->name_space.len,
            (const char *)policy->name_space.data);
    if (policy->observe)
        put(out, "observed", "measured only: nothing is served");
}

static enum reason decide(struct session *session, const struct query *query,
                          const struct verdict *verdict, struct policy *policy)
{
    enum reason said = policy_decide(session, query, policy);
    if (said == REASON_NONE && verdict->reason != REASON_NONE && !policy->forced)
        said = verdict->reason;
    return said;
}

void explain_query(struct session *session, const struct query *query, session_explain_add *add,
                   void *context)
{
    const struct output out = {.add = add, .context = context};
    struct verdict verdict = *lookup_verdict(session, query);
    struct policy policy = {0};
    bool stale = false;
    struct catalog *catalog = realm_catalog(session->database->realm, &stale);
    enum reason why = query->scanned ? decide(session, query, &verdict, &policy) : REASON_TOO_LONG;
    enum reason now = session->profile ? lookup_reason(session) : REASON_NONE;
    put(&out, "verdict", "%s",
        why != REASON_NONE ? "not cacheable"
        : policy.forced    ? "forced"
                           : "cacheable");
    if (verdict.reason != REASON_NONE || why != REASON_NONE)
        put(&out, "reason", "%s", reason_text(why != REASON_NONE ? why : verdict.reason));
    if (verdict.object[0])
        put(&out, "object", "%s", verdict.object);
    put(&out, "database", "%s", session->database->name);
    put(&out, "role", "%s", session->user);
    if (query->scanned) {
        char shape[RULE_SHAPE_DIGITS + 1];
        rule_shape_text(query_shape(query), shape);
        put(&out, "shape", "%s", shape);
    }
    if (now != REASON_NONE)
        put(&out, "not served now", "%s", reason_text(now));
    put_policy(&out, query, &policy);
    if (why == REASON_NONE || verdict.forceable)
        put_tables(&out, "reads", catalog, verdict.reads, verdict.read_count);
    put_keys(&out, catalog, &verdict);
    if (catalog && !(query->scan_flags & SCAN_DOUBT)) {
        struct reads reads = {.out = &out, .catalog = catalog};
        verdict_each_read(query->text, catalog, on_read, &reads);
    }
    if (verdict.effects & EFFECT_WRITES_ALL)
        put(&out, "may write", "every table of the database");
    else if (verdict.write_count)
        put_tables(&out, "may write", catalog, verdict.writes, verdict.write_count);
    else
        put(&out, "may write", "nothing");
    put_effects(&out, &verdict);
    if (why == REASON_NONE)
        put_stored(session, query, &policy, &out);
    catalog_unref(catalog);
}

/* ---- for the console ---- */

static struct pool *pool_of(struct database *database, const char *role)
{
    struct pool *pool;
    for (unsigned i = 0; (pool = pool_at(database, i)) != NULL; i++)
        if (strcmp(pool->role, role) == 0)
            return pool;
    return NULL;
}

void session_explain(struct host *host, struct database *database, const char *role,
                     struct slice sql, session_explain_add *add, void *context)
{
    struct query query = {.text = sql};
    struct profile_facts nothing = {.refs = 1};
    struct session *session = mem_zero(1, sizeof(*session));
    session->host = host;
    session->database = database;
    session->status = 'I';
    session->local.plain = true;
    session->pool = pool_of(database, role);
    session->profile = session->pool ? profile_known(session->pool) : NULL;
    session->facts = session->profile ? profile_facts_ref(session->profile) : &nothing;
    session->user = mem_text(role);
    query_scan(host, &query);
    explain_query(session, &query, add, context);
    if (session->profile)
        profile_facts_unref(session->facts);
    profile_unref(session->profile);
    mem_free(session->user);
    mem_free(session);
}
