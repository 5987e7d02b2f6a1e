/* Backends that have reached another server than the control connection: after a failover, through
 * an address that leads to several servers, or with several hosts of which any will do. What such a
 * pool answers depends on the backend; the catalog, and the proof that a lost backend is gone, are of
 * one of the servers only. So nothing of the database is cached while there is one: the hook bars it
 * before a stranger is handed out for the first time. The control connection dials anew
 * (control.c); when it is on another server then, the backends of the old one close.
 *
 * A server is known by the start of its postmaster, which every role may read. */
#include "base/log.h"
#include "inside.h"

static void (*on_mixed)(struct database *database);

void databases_set_on_mixed(void (*hook)(struct database *database))
{
    on_mixed = hook;
}

void stranger_tell(struct database *database)
{
    if (on_mixed)
        on_mixed(database);
}

/* Locked. Counts it, if it is one. */
static void judge(struct server *server)
{
    struct database *database = server->pool->database;
    bool stranger = database->server_started_us && server->proven &&
                    server->started_us != database->server_started_us;
    if (stranger == server->stranger)
        return;
    server->stranger = stranger;
    if (stranger)
        database->strangers++;
    else
        database->strangers--;
}

bool stranger_note(struct server *server, uint64_t started_us)
{
    server->started_us = started_us;
    server->proven = true;
    judge(server);
    if (server->stranger)
        log_warn("a server connection has reached another server than the control connection",
                 "database", server->pool->database->name, "server", log_num((int64_t)server->id),
                 NULL);
    return server->stranger;
}

bool stranger_forget(struct server *server)
{
    struct database *database = server->pool->database;
    if (!server->stranger)
        return false;
    server->stranger = false;
    return --database->strangers == 0;
}

/* Locked. */
static void judge_pool(struct pool *pool, bool recycle)
{
    struct link *lists[] = {&pool->idle, &pool->active, &pool->login, &pool->resetting,
                            &pool->closing};
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        LINK_EACH_SAFE (lists[i], at) {
            struct server *server = CONTAINER_OF(at, struct server, link);
            judge(server);
            if (!server->stranger || !recycle)
                continue;
            if (server->state == SERVER_IDLE)
                server_close_locked(server);
            else
                server->close_needed = true;
        }
    }
}

void database_identified(struct database *database, uint64_t started_us, bool standby)
{
    const struct conf_database *line = atomic_load(&database->conf);
    atomic_store(&database->lagging, standby && line && conf_host_count(line) > 1);
    pthread_mutex_lock(&database->mutex);
    uint64_t before = database->server_started_us;
    database->server_started_us = started_us;
    bool moved = before && before != started_us;
    for (unsigned i = 0; i < database->pool_count; i++) {
        judge_pool(database->pool_list[i], moved);
        if (moved)
            pool_schedule(database->pool_list[i]);
    }
    pthread_mutex_unlock(&database->mutex);
}

unsigned database_strangers(struct database *database)
{
    pthread_mutex_lock(&database->mutex);
    unsigned strangers = database->strangers;
    pthread_mutex_unlock(&database->mutex);
    return strangers;
}

bool database_is_barred(struct database *database)
{
    return atomic_load(&database->haunted) || database_is_mixed(database);
}

bool database_is_mixed(struct database *database)
{
    return atomic_load(&database->lagging) || database_strangers(database) > 0;
}
