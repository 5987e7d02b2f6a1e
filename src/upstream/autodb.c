/* Names of databases that clients made up under a "*" line are collected when nobody uses them: after
 * autodb_idle_timeout, or sooner where Postgres says that there is no such database, or where names are
 * many and nobody has ever got through under this one. So clients cannot
 * fill the table of databases for good, and what belongs to a name that is not used (pools' facts,
 * statistics, the control connection and its catalog) goes with it.
 *
 *   in use ─► unused ─► vacant, hidden ─► (control connection and realm are reset) ─► another name
 *
 * The object stays, because pointers to it are not counted. In use is a database with a client, a
 * server connection or a cancel request; what else points to one are walks, which last milliseconds, and
 * closings that wait for a lost backend, for which it stays.
 *
 * Threads  The main loop, which owns the control connections.
 */
#include "base/log.h"
#include "inside.h"
#include "upstream/control.h"

enum { AUTODB_TICK_MS = 1000 };

static struct {
    struct loop_ticker ticker;
    struct autodb_hooks hooks;
    uint64_t due_ms;
    bool started;
} autodb;

static bool is_used(struct database *database)
{
    pthread_mutex_lock(&database->mutex);
    bool used = database->connections != 0;
    for (unsigned i = 0; !used && i < database->pool_count; i++)
        used = !pool_is_unused_locked(database->pool_list[i]);
    pthread_mutex_unlock(&database->mutex);
    return used || atomic_load(&database->client_count);
}

/* Nobody has ever logged in under this name, and Postgres says that it does not exist, or names are
 * many: nothing is lost with it. What Postgres said is kept until it may be asked again. */
static bool is_worthless(struct database *database, bool many, uint64_t now_ms)
{
    uint64_t retry_ms = conf_current()->options.server_login_retry_ms;
    bool missing = false, known = false;
    pthread_mutex_lock(&database->mutex);
    for (unsigned i = 0; i < database->pool_count; i++) {
        const struct pool *pool = database->pool_list[i];
        const struct login_failure *failure = &pool->failure;
        known = known || atomic_load(&pool->stats->logins);
        missing = missing || (failure->at_ms && failure->from_server &&
                              strcmp(failure->sqlstate, "3D000") == 0 &&
                              elapsed(now_ms, failure->at_ms) >= retry_ms);
    }
    pthread_mutex_unlock(&database->mutex);
    return !known && (missing || many);
}

static void collect(struct database *database)
{
    if (database->control && control_awaits_gone(database->control))
        return;
    if (autodb.hooks.may_go && !autodb.hooks.may_go(database))
        return;
    if (!database_vacate(database))
        return; /* a client has come */
    log_debug("a database name is not used any more", "database", database->name, NULL);
    if (database->control)
        control_forget(database->control);
    database_clear(database);
    if (autodb.hooks.on_vacated)
        autodb.hooks.on_vacated(database);
    database_is_vacated(database);
}

static void look_at(struct database *database, bool many, uint64_t now_ms)
{
    uint64_t timeout_ms = conf_current()->options.autodb_idle_timeout_ms;
    if (!database->automatic)
        return;
    if (is_used(database))
        database->used_ms = now_ms;
    else if ((timeout_ms && elapsed(now_ms, database->used_ms) >= timeout_ms) ||
             is_worthless(database, many, now_ms))
        collect(database);
}

static void on_tick(struct loop_ticker *ticker, uint64_t now_ms)
{
    (void)ticker;
    bool many = databases_are_many();
    if (now_ms < autodb.due_ms && !many)
        return;
    autodb.due_ms = now_ms + AUTODB_TICK_MS;
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;)
        look_at(database, many, monotonic_ms());
}

void autodb_start(struct loop *main_loop, const struct autodb_hooks *hooks)
{
    autodb.hooks = *hooks;
    autodb.due_ms = 0;
    autodb.ticker = (struct loop_ticker){.tick = on_tick};
    autodb.started = true;
    loop_add_ticker(main_loop, &autodb.ticker);
}

void autodb_stop(void)
{
    if (autodb.started)
        loop_remove_ticker(&autodb.ticker);
    autodb.started = false;
}
