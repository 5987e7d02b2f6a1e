/* EXPLAIN CACHE: what the proof says of a statement, without running it. */
#include <inttypes.h>
#include <stdio.h>

#include "coherence/realm.h"
#include "conf/conf.h"
#include "console_inside.h"
#include "show.h"
#include "sql/catalog.h"
#include "upstream/pool.h"

SHAPE(explain_cache, TEXT("name"), TEXT("value"));

static void add(struct rows *rows, const char *name, const char *value)
{
    rows_text(rows, name);
    rows_text(rows, value);
}

/* The first database with a catalog, else the first of all. */
static struct database *default_database(void)
{
    struct database *database;
    for (unsigned i = 0; (database = database_at(i)) != NULL; i++) {
        bool stale;
        struct catalog *catalog = realm_catalog(database->realm, &stale);
        catalog_unref(catalog);
        if (catalog)
            return database;
    }
    return database_at(0);
}

static void add_tables(struct rows *rows, const char *name, const struct catalog *catalog,
                       const uint32_t *tables, unsigned count)
{
    struct buf text = {0};
    for (unsigned i = 0; i < count; i++) {
        const char *table = catalog ? catalog_relation_name(catalog, tables[i]) : NULL;
        if (i)
            buf_append_text(&text, ", ");
        if (table)
            buf_append_text(&text, table);
        else
            buf_printf(&text, "oid %" PRIu32, tables[i]);
    }
    rows_text(rows, name);
    rows_slice(rows,
               slice_of(buf_len(&text) ? buf_head(&text) : (const uint8_t *)"", buf_len(&text)));
    buf_fini(&text);
}

static void add_effects(struct rows *rows, const struct verdict *verdict)
{
    static const struct {
        unsigned effect;
        const char *text;
    } texts[] = {
        {EFFECT_DDL, "may change the catalog"},
        {EFFECT_GLOBAL, "may change what other databases show"},
        {EFFECT_TX_BEGIN, "may open a transaction"},
        {EFFECT_TX_END, "may end a transaction"},
        {EFFECT_PIN, "may leave state in its session"},
        {EFFECT_UNPIN, "clears the state of its session"},
        {EFFECT_DIRTY, "its server connection is not used again"},
        {EFFECT_DEALLOCATE, "may drop prepared statements"},
        {EFFECT_SET_LOCAL, "may change settings up to the end of the transaction"},
        {EFFECT_ASK, "Postgres can say before COMMIT what it wrote"},
    };
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++)
        if (verdict->effects & texts[i].effect)
            add(rows, "effect", texts[i].text);
    if (verdict->pin != PIN_NONE)
        add(rows, "pin", pin_text(verdict->pin));
}

static void add_window(struct rows *rows)
{
    rows_text(rows, "window");
    rows_printf(rows, "%" PRIu64 " ms", conf_current()->options.cache_window_ms);
}

static void explain(struct request *request, struct database *database)
{
    struct rows *rows = &request->rows;
    struct pool *pool = pool_at(database, 0);
    struct explain_cache answer;
    bool stale = false;
    session_explain(request_host(request), database, slice_of_text(pool ? pool->role : ""),
                    request->command->sql, &answer);
    const struct verdict *verdict = &answer.verdict;
    struct catalog *catalog = realm_catalog(database->realm, &stale);
    bool cacheable = verdict->reason == REASON_NONE;
    add(rows, "verdict", cacheable ? "cacheable" : "not cacheable");
    if (!cacheable)
        add(rows, "reason", reason_text(verdict->reason));
    if (verdict->object[0])
        add(rows, "object", verdict->object);
    add(rows, "database", database->name);
    char shape[RULE_SHAPE_DIGITS + 1];
    rule_shape_text(answer.shape, shape);
    add(rows, "shape", shape);
    if (cacheable)
        add(rows, "cached now", show_cached(database, catalog, stale));
    if (cacheable) {
        add_tables(rows, "reads", catalog, verdict->reads, verdict->read_count);
        add_window(rows);
    }
    if (verdict->effects & EFFECT_WRITES_ALL)
        add(rows, "may write", "every table of the database");
    else if (verdict->write_count)
        add_tables(rows, "may write", catalog, verdict->writes, verdict->write_count);
    else
        add(rows, "may write", "nothing");
    add_effects(rows, verdict);
    if (cacheable && answer.stored_in_memory) {
        rows_text(rows, "in memory");
        rows_printf(rows, "%" PRIu64 " ms old", answer.age_ms);
    }
    catalog_unref(catalog);
}

void run_explain_cache(struct request *request)
{
    const char *name = request->command->database;
    struct database *database = *name ? show_database(request, name) : default_database();
    if (database)
        explain(request, database);
    else if (!request->sqlstate[0])
        request_fail(request, "55000", "no client has asked for a database yet");
    request_done(request);
}
