/* EXPLAIN CACHE: what would happen to a statement, without running it. */
#include "coherence/realm.h"
#include "console_inside.h"
#include "show.h"
#include "sql/catalog.h"
#include "upstream/pool.h"

SHAPE(explain_cache, TEXT("name"), TEXT("value"));

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

static void on_row(void *context, const char *name, const char *value)
{
    struct rows *rows = context;
    rows_text(rows, name);
    rows_text(rows, value);
}

static void explain(struct request *request, struct database *database)
{
    const struct command *command = request->command;
    struct pool *pool = pool_at(database, 0);
    const char *role = command->role[0] ? command->role : pool ? pool->role : "";
    bool stale = false;
    struct catalog *catalog = realm_catalog(database->realm, &stale);
    session_explain(request_host(request), database, role, command->sql, on_row, &request->rows);
    on_row(&request->rows, "cached now", show_cached(database, catalog, stale));
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
