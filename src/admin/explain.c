/* EXPLAIN CACHE: what would happen to a statement, without running it.
 *
 *   console's loop ── a post ──► a worker's loop: judges, looks in memory, asks its Redis
 *        ▲                                                            │ at once, or after
 *        └── rows ◄──────────────────── a post ◄──────────────────────┘ redis_timeout at the latest
 *
 * The keys and both tiers are a worker's: the main loop, where a console may run, has no Redis. If the
 * session goes away meanwhile, the rows go nowhere.
 */
#include "base/mem.h"
#include "bind_values.h"
#include "coherence/realm.h"
#include "console_inside.h"
#include "show.h"
#include "sql/catalog.h"
#include "upstream/pool.h"

SHAPE(explain_cache, TEXT("name"), TEXT("value"));

/* A question on its way; it has copies of everything. */
struct asking {
    struct loop_post post; /* there, then back */
    struct request *request;
    struct host *host; /* that is asked */
    struct session_question question;
    char *role;
    char *sql;
    struct buf types, arguments;
    struct explanation *explanation;
    struct buf rows; /* name\0value\0 pairs */
};

static void asking_free(struct asking *asking)
{
    mem_free(asking->role);
    mem_free(asking->sql);
    buf_fini(&asking->types);
    buf_fini(&asking->arguments);
    buf_fini(&asking->rows);
    mem_free(asking);
}

/* The first database with a catalog, else the first of all. */
static struct database *default_database(void)
{
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;) {
        bool stale;
        struct catalog *catalog = realm_catalog(database->realm, &stale);
        catalog_unref(catalog);
        if (catalog)
            return database;
    }
    unsigned first = 0;
    return database_next(&first);
}

/* ---- back on the console's loop ---- */

static void put_rows(struct request *request, const struct asking *asking)
{
    struct database *database = asking->question.database;
    const char *at = (const char *)buf_head(&asking->rows);
    const char *end = at + buf_len(&asking->rows);
    while (at < end) { /* texts with their zero bytes: names and values in turn */
        rows_text(&request->rows, at);
        at += strlen(at) + 1;
    }
    bool stale = false;
    struct catalog *catalog = realm_catalog(database->realm, &stale);
    rows_text(&request->rows, "cached now");
    rows_text(&request->rows, show_cached(database, catalog, stale));
    catalog_unref(catalog);
}

static void run_home(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    struct asking *asking = CONTAINER_OF(post, struct asking, post);
    struct request *request = asking->request;
    if (request->console)
        put_rows(request, asking);
    asking_free(asking);
    request_done(request);
}

/* ---- on the worker's loop ---- */

static void add_row(void *context, const char *name, const char *value)
{
    struct asking *asking = context;
    buf_append(&asking->rows, name, strlen(name) + 1);
    buf_append(&asking->rows, value, strlen(value) + 1);
}

static void on_complete(void *context)
{
    struct asking *asking = context;
    explanation_each(asking->explanation, add_row, asking);
    explanation_destroy(asking->explanation);
    asking->post = (struct loop_post){.run = run_home};
    if (loop_post(asking->request->loop, &asking->post))
        return;
    request_drop(asking->request);
    asking_free(asking);
}

static void run_there(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    struct asking *asking = CONTAINER_OF(post, struct asking, post);
    bool complete;
    asking->explanation =
        session_explain(asking->host, &asking->question, on_complete, asking, &complete);
    if (complete)
        on_complete(asking);
}

/* ---- the command ---- */

/* Any worker will do: the first that has not ended. */
static void ask_worker(struct asking *asking)
{
    asking->post.run = run_there;
    for (unsigned i = 0; i < console_world.config.host_count; i++) {
        asking->host = console_world.config.hosts[i];
        if (loop_post(asking->host->loop, &asking->post))
            return;
    }
    struct request *request = asking->request;
    asking_free(asking);
    request_fail(request, "57P01", "pgrecall is shutting down");
    request_done(request);
}

static void ask(struct request *request, struct database *database)
{
    const struct command *command = request->command;
    struct pool *pool = pool_at(database, 0);
    struct asking *asking = mem_zero(1, sizeof(*asking));
    char why[COMMAND_WHY_MAX];
    asking->request = request;
    if (command->with_values &&
        bind_values_read(command->values, &asking->types, &asking->arguments, why) != ERR_OK) {
        asking_free(asking);
        request_fail(request, "42601", "%s", why);
        request_done(request);
        return;
    }
    asking->role = mem_text(command->role[0] ? command->role : pool ? pool->role : "");
    asking->sql = mem_text_n(command->sql.data, command->sql.len);
    asking->question = (struct session_question){
        .database = database,
        .role = asking->role,
        .sql = slice_of(asking->sql, command->sql.len),
        .types = slice_of(buf_head(&asking->types), buf_len(&asking->types)),
        .arguments = slice_of(buf_head(&asking->arguments), buf_len(&asking->arguments)),
    };
    ask_worker(asking);
}

void run_explain_cache(struct request *request)
{
    const char *name = request->command->database;
    struct database *database = *name ? show_database(request, name) : default_database();
    if (database) {
        ask(request, database);
        return;
    }
    if (!request->sqlstate[0])
        request_fail(request, "55000", "no client has asked for a database yet");
    request_done(request);
}
