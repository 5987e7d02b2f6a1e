/* Homes: server connections that clients come back to.
 *
 * A client is told a process id when it logs in. Drivers show it, programs look for it in pg_locks and
 * pg_stat_activity and compare it with the sender of a notification. So as long as there is room, a
 * client is told the id of a server connection that becomes its home: it gets that one whenever it is
 * idle, and others take it only when nothing else is idle. It stays a connection of the pool: who is
 * at home has no right to it. It was logged in with its client's own startup parameters, none that is lent:
 * who is at home finds everything as on a direct connection.
 *
 * Threads  Everything under database->mutex.
 */
#include "base/log.h"
#include "inside.h"

static struct server *server_at(struct link *link)
{
    return CONTAINER_OF(link, struct server, link);
}

/* Calls for each list of the pool on which a home may be. */
#define EACH_LIST(pool, list)                                                                      \
    for (struct link * lists_[] = {&(pool)->idle, &(pool)->active, &(pool)->login,                 \
                                   &(pool)->resetting, NULL},                                      \
                       **next_ = lists_, *list;                                                    \
         (list = *next_) != NULL; next_++)

/* Who wants the connections to take turns does not want clients to come back to theirs. */
static bool homes_are_on(void)
{
    return conf_current()->options.home_connections && !conf_current()->options.server_round_robin;
}

static unsigned count_homes(struct pool *pool)
{
    unsigned count = 0;
    EACH_LIST(pool, list)
    {
        LINK_EACH (list, at)
            count += server_at(at)->is_home;
    }
    return count;
}

/* May a connection be opened, or one be closed that nobody has used for a while, so that somebody has a
 * home? One that can be lent is worth more than a home. */
static bool has_room(struct pool *pool, struct profile *profile)
{
    if (pool->failure.at_ms ||
        count_homes(pool) >= (unsigned)conf_current()->options.home_connections)
        return false;
    unsigned database_max = pool_database_max_of(pool);
    unsigned user_max = pool_user_max_of(pool);
    if (pool->connections < pool_size_of(pool) &&
        (!database_max || pool->database->connections < database_max) &&
        (!user_max || atomic_load(&pool->limit->connections) < user_max))
        return true;
    if (profile_to_open(profile, false) != profile)
        return false;
    uint64_t now_ms = monotonic_ms();
    LINK_EACH (&pool->idle, at) {
        if (!server_at(at)->is_home &&
            elapsed(now_ms, server_at(at)->state_since_ms) >= POOL_PROFILE_PATIENCE_MS)
            return true;
    }
    return false;
}

static struct server *find_vacant(const struct profile *profile, const struct loop *loop)
{
    struct server *elsewhere = NULL;
    LINK_EACH (&profile->pool->idle, at) {
        struct server *server = server_at(at);
        if (server->profile != profile || server->is_home)
            continue;
        if (server->loop == loop)
            return server;
        elsewhere = server;
    }
    return elsewhere;
}

static struct pool_home move_in(struct server *server)
{
    server->is_home = true;
    return (struct pool_home){.server_id = server->id, .backend_pid = server->backend_pid};
}

enum home_offer pool_find_home(struct profile *profile, struct loop *loop,
                               struct pool_home *out_home)
{
    struct pool *pool = profile->pool;
    enum home_offer offer = HOME_NONE;
    if (!homes_are_on())
        return HOME_NONE;
    pool_lock(pool);
    if (link_is_empty(&pool->waiters) && !atomic_load(&pool->database->paused)) {
        struct server *server = find_vacant(profile, loop);
        if (server) {
            *out_home = move_in(server);
            offer = HOME_FOUND;
        } else if (!profile->failure.at_ms && has_room(pool, profile)) {
            offer = HOME_MAY_COME;
        }
    }
    pool_unlock(pool);
    return offer;
}

struct pool_home server_make_home(struct server *server)
{
    struct pool_home home = {0};
    pool_lock(server->pool);
    if (!server->is_home && homes_are_on())
        home = move_in(server);
    pool_unlock(server->pool);
    return home;
}

void pool_leave_home(struct pool *pool, struct pool_home *home)
{
    if (!home->server_id)
        return;
    pool_lock(pool);
    EACH_LIST(pool, list)
    {
        LINK_EACH (list, at) {
            struct server *server = server_at(at);
            if (server->id == home->server_id)
                server->is_home = false;
        }
    }
    pool_unlock(pool);
    *home = (struct pool_home){0};
}
