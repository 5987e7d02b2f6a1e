/* Commands that change what pgrecall does: reload, pause, reconnect, kill, the end. */
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "console_inside.h"
#include "gather.h"
#include "show.h"
#include "upstream/database.h"
#include "upstream/pool.h"

/* ---- reload and the end ---- */

/* A reload that found mistakes has left everything as it was. */
static void reloaded(struct request *request)
{
    if ((uintptr_t)request->waits_for == conf_current()->number)
        request_fail(request, "F0000",
                     "the configuration has mistakes, which the log names: it stays as it was");
    request->waits_for = NULL;
}

void run_reload(struct request *request)
{
    request->waits_for = (void *)(uintptr_t)conf_current()->number;
    console_world.config.reload();
    /* What is posted to the main loop now runs when the reload is over. */
    main_call(request, reloaded);
}

static void shut_down(struct request *request, enum console_shutdown mode)
{
    console_world.config.shutdown((int)mode);
    request_done(request);
}

void run_shutdown(struct request *request)
{
    shut_down(request, CONSOLE_SHUTDOWN_NOW);
}

void run_shutdown_servers(struct request *request)
{
    shut_down(request, CONSOLE_SHUTDOWN_SERVERS);
}

void run_shutdown_clients(struct request *request)
{
    shut_down(request, CONSOLE_SHUTDOWN_CLIENTS);
}

/* ---- databases ---- */

struct database *show_database(struct request *request, const char *name)
{
    struct database *database = database_get(slice_of_text(name));
    if (!database)
        request_fail(request, "3D000", "database \"%.100s\" does not exist", name);
    return database;
}

/* Calls `act` for the database that the command names, or for all there are. */
static void each_database(struct request *request, void (*act)(struct database *database))
{
    const char *name = request->command->name;
    struct database *database;
    if (*name) {
        database = show_database(request, name);
        if (database)
            act(database);
        return;
    }
    for (unsigned i = 0; (database = database_next(&i)) != NULL;)
        act(database);
}

/* PAUSE and RESUME of the database that the command names, or of all. False: it failed. */
static bool set_paused(struct request *request, bool paused)
{
    const char *name = request->command->name;
    if (!*name) {
        databases_pause(paused);
        return true;
    }
    struct database *database = show_database(request, name);
    if (database)
        database_pause(database, paused);
    return database != NULL;
}

static void reconnect_one(struct database *database)
{
    struct pool *pool;
    for (unsigned i = 0; (pool = pool_at(database, i)) != NULL; i++)
        pool_recycle(pool);
}

void run_reconnect(struct request *request)
{
    each_database(request, reconnect_one);
    request_done(request);
}

void run_resume(struct request *request)
{
    (void)set_paused(request, false);
    request_done(request);
}

/* ---- PAUSE ---- */

/* Looks at every tick of the session's loop whether all server connections are closed. */
struct pausing {
    struct loop_ticker ticker;
    struct request *request;
    struct database *database; /* NULL: all */
};

static bool is_paused(const struct database *only)
{
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;) {
        /* RESUME ends a PAUSE that is still waiting. */
        if ((!only || database == only) && atomic_load(&database->paused) &&
            database_busy_count(database))
            return false;
    }
    return true;
}

static void end_pausing(struct request *request)
{
    struct pausing *pausing = request->waits_for;
    loop_remove_ticker(&pausing->ticker);
    mem_free(pausing);
    request->waits_for = NULL;
    request_done(request);
}

static void on_tick(struct loop_ticker *ticker, uint64_t now_ms)
{
    (void)now_ms;
    struct pausing *pausing = CONTAINER_OF(ticker, struct pausing, ticker);
    if (is_paused(pausing->database))
        end_pausing(pausing->request);
}

void run_pause(struct request *request)
{
    if (!set_paused(request, true)) {
        request_done(request);
        return;
    }
    const char *name = request->command->name;
    struct database *database = *name ? database_get(slice_of_text(name)) : NULL;
    if (is_paused(database)) {
        request_done(request);
        return;
    }
    struct pausing *pausing = mem_zero(1, sizeof(*pausing));
    pausing->request = request;
    pausing->database = database;
    pausing->ticker.tick = on_tick;
    request->waits_for = pausing;
    request->on_abandoned = end_pausing;
    loop_add_ticker(request->loop, &pausing->ticker);
}

/* ---- KILL_CLIENT ---- */

static void killed(struct request *request, const struct gather *gather)
{
    for (unsigned i = 0; i < gather->count; i++)
        if (gather->parts[i].killed)
            return;
    request_fail(request, "42704", "there is no client with id %llu",
                 (unsigned long long)gather->number);
}

void run_kill_client(struct request *request)
{
    gather_begin(request, request->command->number, gather_kill, killed);
}
