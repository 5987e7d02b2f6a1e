/* Pools: making them, the fast path of taking a server, their limits and counts. What is decided
 * when something changes is in schedule.c. */
#include "upstream/pool.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "inside.h"
#include "pgwire/scram.h"

/* Connections by role over all databases: entries live as long as the process. */
static struct {
    pthread_mutex_t mutex; /* after database->mutex */
    struct table by_role;
} limits = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static _Atomic(uint64_t) last_ticket;

void pool_lock(const struct pool *pool)
{
    pthread_mutex_lock(&pool->database->mutex);
}

void pool_unlock(const struct pool *pool)
{
    pthread_mutex_unlock(&pool->database->mutex);
}

static struct role_limit *limit_of(struct slice role)
{
    pthread_mutex_lock(&limits.mutex);
    struct role_limit *limit = table_get(&limits.by_role, role);
    if (!limit) {
        limit = mem_zero(1, sizeof(*limit));
        table_put(&limits.by_role, role, limit);
    }
    pthread_mutex_unlock(&limits.mutex);
    return limit;
}

unsigned role_clients(struct slice role)
{
    pthread_mutex_lock(&limits.mutex);
    struct role_limit *limit = table_get(&limits.by_role, role);
    unsigned clients = limit ? atomic_load(&limit->clients) : 0;
    pthread_mutex_unlock(&limits.mutex);
    return clients;
}

void pools_fini(void)
{
    size_t at = 0;
    void *limit;
    while ((limit = table_next(&limits.by_role, &at)) != NULL)
        mem_free(limit);
    table_fini(&limits.by_role);
}

static struct pool *create(struct database *database, struct slice role)
{
    struct pool *pool = mem_zero(1, sizeof(*pool));
    pool->database = database;
    pool->role = mem_text_n(role.data, role.len);
    table_init(&pool->profiles);
    link_init(&pool->waiters);
    link_init(&pool->idle);
    link_init(&pool->active);
    link_init(&pool->login);
    link_init(&pool->resetting);
    link_init(&pool->closing);
    pool->limit = limit_of(role);
    pool->stats = mem_zero(1, sizeof(*pool->stats));
    unsigned count = database->pool_count + database->pool_spare_count;
    database->pool_list = mem_resize(database->pool_list, (count + 1) * sizeof(struct pool *));
    database->pool_list[count] = database->pool_list[database->pool_count];
    database->pool_list[database->pool_count++] = pool;
    table_put(&database->pools, role, pool);
    return pool;
}

/* One that was there under an earlier name of the database is as good as new. */
static void bring_back(struct pool *pool)
{
    struct database *database = pool->database;
    struct pool **list = database->pool_list;
    unsigned at = database->pool_count;
    while (list[at] != pool)
        at++;
    list[at] = list[database->pool_count];
    list[database->pool_count++] = pool;
    database->pool_spare_count--;
    pool->spare = false;
}

bool pool_is_unused_locked(const struct pool *pool)
{
    return pool->connections == 0 && pool->canceling == 0 && link_is_empty(&pool->waiters);
}

void pool_forget_locked(struct pool *pool)
{
    pool_recycle_locked(pool);
    if (pool->recent)
        profile_unref_locked(pool->recent);
    pool->recent = NULL;
    profiles_forget(pool);
    memset(pool->stats, 0, sizeof(*pool->stats));
    atomic_store(&pool->homeless_until_ms, 0);
    pool->spare = true;
}

struct pool *pool_get(struct database *database, struct slice role)
{
    pthread_mutex_lock(&database->mutex);
    struct pool *pool = table_get(&database->pools, role);
    if (!pool)
        pool = create(database, role);
    else if (pool->spare)
        bring_back(pool);
    pthread_mutex_unlock(&database->mutex);
    return pool;
}

static void forget_scram(struct pool *pool)
{
    if (pool->scram_client_key)
        explicit_bzero(pool->scram_client_key, PGWIRE_SCRAM_KEY_LEN);
    mem_free(pool->scram_client_key);
    mem_free(pool->scram_secret);
}

void pool_destroy(struct pool *pool)
{
    ASSERT(pool->connections == 0 && link_is_empty(&pool->waiters));
    if (pool->recent)
        profile_unref_locked(pool->recent);
    profiles_forget(pool);
    ASSERT(pool->profiles.count == 0);
    table_fini(&pool->profiles);
    login_failure_clear(&pool->failure);
    forget_scram(pool);
    mem_free(pool->stats);
    mem_free(pool->role);
    mem_free(pool);
}

struct pool *pool_at(struct database *database, unsigned index)
{
    pthread_mutex_lock(&database->mutex);
    struct pool *pool = index < database->pool_count ? database->pool_list[index] : NULL;
    pthread_mutex_unlock(&database->mutex);
    return pool;
}

void login_failure_set(struct login_failure *failure, const char *sqlstate, const char *message,
                       const char *detail, bool from_server)
{
    login_failure_clear(failure);
    failure->at_ms = monotonic_ms();
    memcpy(failure->sqlstate, sqlstate, strnlen(sqlstate, sizeof(failure->sqlstate) - 1));
    failure->from_server = from_server;
    failure->message = mem_text(message);
    failure->detail = mem_text(detail);
}

void login_failure_clear(struct login_failure *failure)
{
    mem_free(failure->message);
    mem_free(failure->detail);
    *failure = (struct login_failure){0};
}

/* The idle one that `loop` holds and that is best taken: the client's home, or else one that is
 * nobody's home. NULL also when the home is idle on another loop. */
static struct server *best_idle(const struct profile *profile, bool native,
                                const struct settings *settings, const struct loop *loop,
                                uint64_t home)
{
    struct server *best = NULL;
    uint64_t now_ms = monotonic_ms();
    LINK_EACH (&profile->pool->idle, at) {
        struct server *server = CONTAINER_OF(at, struct server, link);
        if (!profile_takes(profile, native, server) || server_is_stale(server, now_ms) ||
            !settings_reach(server->settings, settings))
            continue;
        if (server->id == home)
            return server->loop == loop ? server : NULL;
        if (server->loop != loop || (best && (!best->is_home || server->is_home)))
            continue;
        best = server;
        if (!home && !best->is_home)
            break;
    }
    return best;
}

/* An idle one that `loop` holds and that needs no check, ACTIVE now, or NULL. */
static struct server *take_idle(struct profile *profile, bool native,
                                const struct settings *settings, const struct loop *loop,
                                uint64_t home)
{
    struct pool *pool = profile->pool;
    struct server *found = NULL;
    pool_lock(pool);
    if (link_is_empty(&pool->waiters) && !atomic_load(&pool->database->paused))
        found = best_idle(profile, native, settings, loop, home);
    if (found) {
        server_move_to(found, SERVER_ACTIVE);
        pool->stats->assignments++;
    }
    pool_unlock(pool);
    return found;
}

struct server *pool_take(struct profile *profile, bool native, const struct settings *settings,
                         struct loop *loop, uint64_t home)
{
    struct server *server;
    do {
        server = take_idle(profile, native, settings, loop, home);
    } while (server && !server_is_sound(server));
    return server;
}

void pool_recycle_locked(struct pool *pool)
{
    LINK_EACH_SAFE (&pool->idle, at)
        server_close_locked(CONTAINER_OF(at, struct server, link));
    struct link *lists[] = {&pool->active, &pool->login, &pool->resetting};
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        LINK_EACH (lists[i], at)
            CONTAINER_OF(at, struct server, link)->close_needed = true;
    }
    /* What made logins fail may have been changed too. */
    login_failure_clear(&pool->failure);
    size_t at = 0;
    struct profile *profile;
    while ((profile = table_next(&pool->profiles, &at)) != NULL) {
        login_failure_clear(&profile->failure);
        facts_outdate(profile, false);
    }
}

void pool_recycle(struct pool *pool)
{
    pool_lock(pool);
    pool_recycle_locked(pool);
    pool_schedule(pool);
    pool_unlock(pool);
}

void pool_learn_scram(struct pool *pool, const uint8_t client_key[32], const char *secret)
{
    pool_lock(pool);
    bool known = pool->scram_secret && strcmp(pool->scram_secret, secret) == 0 &&
                 memcmp(pool->scram_client_key, client_key, PGWIRE_SCRAM_KEY_LEN) == 0;
    if (!known) {
        forget_scram(pool);
        pool->scram_client_key = mem_copy(client_key, PGWIRE_SCRAM_KEY_LEN);
        pool->scram_secret = mem_text(secret);
        login_failure_clear(&pool->failure); /* it may have been for want of these keys */
        pool_schedule(pool);
    }
    pool_unlock(pool);
}

/* --- waiting --- */

void pool_wait(struct pool_waiter *waiter)
{
    struct pool *pool = waiter->profile->pool;
    pool_lock(pool);
    waiter_begin(waiter, atomic_fetch_add(&last_ticket, 1) + 1);
    pool_schedule(pool);
    pool_unlock(pool);
}

void pool_leave(struct pool_waiter *waiter)
{
    if (!waiter->profile)
        return; /* it never waited */
    struct pool *pool = waiter->profile->pool;
    pool_lock(pool);
    struct server *server = waiter_end(waiter);
    if (server && server->state == SERVER_ACTIVE)
        server_ready_locked(server);
    pool_schedule(pool);
    pool_unlock(pool);
}

/* --- for SHOW --- */

static unsigned length_of(const struct link *list)
{
    unsigned count = 0;
    LINK_EACH (list, at)
        count++;
    return count;
}

void pool_count(struct pool *pool, struct pool_counts *out)
{
    pool_lock(pool);
    *out = (struct pool_counts){
        .idle = length_of(&pool->idle),
        .login = length_of(&pool->login),
        .canceling = pool->canceling,
        .waiting = length_of(&pool->waiters),
    };
    LINK_EACH (&pool->active, at) {
        if (server_is_canceled(CONTAINER_OF(at, struct server, link)))
            out->canceled++;
        else
            out->active++;
    }
    LINK_EACH (&pool->resetting, at) {
        if (CONTAINER_OF(at, struct server, link)->state == SERVER_MOVING)
            out->idle++;
        else
            out->resetting++;
    }
    struct link *first = link_first(&pool->waiters);
    if (first)
        out->maxwait_us =
            elapsed(clock_now_us(), CONTAINER_OF(first, struct pool_waiter, link)->since_us);
    pool_unlock(pool);
}

void pool_each_server(struct pool *pool, void (*visit)(void *context, const struct server *server),
                      void *context)
{
    struct link *lists[] = {&pool->active, &pool->idle, &pool->resetting, &pool->login,
                            &pool->closing};
    pool_lock(pool);
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        LINK_EACH (lists[i], at)
            visit(context, CONTAINER_OF(at, struct server, link));
    }
    pool_unlock(pool);
}
