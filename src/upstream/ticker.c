/* What every loop looks at ten times a second (who has waited too long, logins and resets that do
 * not end) and once a second (idle servers too old or too many, min_pool_size). */
#include "base/log.h"
#include "base/mem.h"
#include "inside.h"

enum { SLOW_TICK_MS = 1000 };

static struct {
    pthread_mutex_t mutex;
    struct link list;
} sides = {.mutex = PTHREAD_MUTEX_INITIALIZER, .list = {&sides.list, &sides.list}};

struct pools_side *pools_side_of(const struct loop *loop)
{
    struct pools_side *found = NULL;
    pthread_mutex_lock(&sides.mutex);
    LINK_EACH (&sides.list, at) {
        struct pools_side *side = CONTAINER_OF(at, struct pools_side, link);
        if (side->loop == loop)
            found = side;
    }
    pthread_mutex_unlock(&sides.mutex);
    return found;
}

/* --- ten times a second --- */

static void expire_waiters(struct pool *pool, uint64_t now_us)
{
    uint64_t timeout_us = conf_current()->options.query_wait_timeout_ms * 1000u;
    struct link *first;
    /* PgBouncer's words and code, which its users look for. */
    char message[] = "query_wait_timeout";
    const struct login_failure failure = {.sqlstate = "08P01", .message = message};
    while (timeout_us && (first = link_first(&pool->waiters)) != NULL) {
        struct pool_waiter *waiter = CONTAINER_OF(first, struct pool_waiter, link);
        if (elapsed(now_us, waiter->since_us) < timeout_us)
            break;
        waiter_fail(waiter, &failure);
    }
}

/* The first server of `list` on `loop` that entered its state (or was begun) before the limit. */
static struct server *overdue(struct pool *pool, const struct link *list, const struct loop *loop,
                              bool since_begin, uint64_t limit_ms)
{
    struct server *found = NULL;
    uint64_t now_ms = monotonic_ms();
    pool_lock(pool);
    LINK_EACH (list, at) {
        struct server *server = CONTAINER_OF(at, struct server, link);
        uint64_t since = since_begin ? server->connected_at_ms : server->state_since_ms;
        /* A moving server is posted for and in no danger of hanging. */
        if (server->loop == loop && server->state != SERVER_MOVING &&
            elapsed(now_ms, since) >= limit_ms) {
            found = server;
            break;
        }
    }
    pool_unlock(pool);
    return found;
}

/* Only this loop ends its own logins and resets, so what overdue found stays what it is. */
static void expire_servers(struct pool *pool, const struct loop *loop)
{
    uint64_t login_ms = conf_current()->options.server_connect_timeout_ms;
    struct server *server;
    while (login_ms && (server = overdue(pool, &pool->login, loop, true, login_ms)) != NULL)
        login_time_out(server);
    while ((server = overdue(pool, &pool->resetting, loop, false, SERVER_RESET_TIMEOUT_MS)) != NULL)
        server_close(server);
}

/* --- once a second --- */

static void close_old(struct pool *pool, const struct loop *loop, uint64_t now_ms)
{
    uint64_t idle_ms = conf_current()->options.server_idle_timeout_ms;
    uint64_t life_ms = pool_lifetime_ms_of(pool);
    unsigned min = pool_min_of(pool), count = pool->connections;
    LINK_EACH (&pool->closing, at)
        count--; /* those of other loops may not be closed yet */
    LINK_EACH_SAFE (&pool->idle, at) {
        struct server *server = CONTAINER_OF(at, struct server, link);
        if (server->loop != loop)
            continue;
        bool unused = idle_ms && elapsed(now_ms, server->state_since_ms) >= idle_ms && count > min;
        bool old = life_ms && elapsed(now_ms, server->connected_at_ms) >= life_ms;
        if (!unused && !old)
            continue;
        server_close_locked(server);
        count--;
    }
}

/* A pool of another database could not open for this role: one that lies idle here goes. */
static void relieve_role(struct pool *pool)
{
    if (link_is_empty(&pool->idle) || !link_is_empty(&pool->waiters))
        return;
    if (atomic_exchange(&pool->limit->pressed, false)) {
        server_close_locked(pool_oldest_idle(pool));
        pool->stats->evictions++;
    }
}

static void keep_min_size(struct pool *pool, struct loop *loop)
{
    if (!pool->recent || pool->failure.at_ms || pool->recent->failure.at_ms ||
        atomic_load(&pool->database->paused) || !atomic_load(&pool->database->conf))
        return;
    if (pool->connections < pool_min_of(pool))
        pool_open(pool, pool->recent, loop);
}

/* --- all pools --- */

static void tick_pool(struct pool *pool, struct pools_side *side, bool slow)
{
    uint64_t now_us = clock_now_us();
    pool_lock(pool);
    expire_waiters(pool, now_us);
    if (slow) {
        close_old(pool, side->loop, now_us / 1000u);
        keep_min_size(pool, side->loop);
    }
    relieve_role(pool);
    pool->look_at_all = true;
    pool_schedule(pool);
    pool_unlock(pool);
    expire_servers(pool, side->loop);
}

static void tick(struct loop_ticker *ticker, uint64_t now_ms)
{
    struct pools_side *side = CONTAINER_OF(ticker, struct pools_side, ticker);
    bool slow = now_ms >= side->slow_at_ms;
    if (slow)
        side->slow_at_ms = now_ms + SLOW_TICK_MS;
    struct database *database;
    struct pool *pool;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;) {
        for (unsigned j = 0; (pool = pool_at(database, j)) != NULL; j++)
            tick_pool(pool, side, slow);
    }
    cancels_tick(side, monotonic_ms());
}

void pools_start(struct loop *loop)
{
    ASSERT(!pools_side_of(loop));
    struct pools_side *side = mem_zero(1, sizeof(*side));
    side->loop = loop;
    side->ticker.tick = tick;
    link_init(&side->cancels);
    loop_add_ticker(loop, &side->ticker);
    pthread_mutex_lock(&sides.mutex);
    link_append(&sides.list, &side->link);
    pthread_mutex_unlock(&sides.mutex);
}

bool pools_sides_post(unsigned count, void (*run)(struct loop *loop, struct loop_post *post))
{
    pthread_mutex_lock(&sides.mutex);
    LINK_EACH (&sides.list, at)
        count--;
    if (count == 0) {
        LINK_EACH (&sides.list, at) {
            struct pools_side *side = CONTAINER_OF(at, struct pools_side, link);
            side->seen = (struct loop_post){.run = run};
            ASSERT(loop_post(side->loop, &side->seen)); /* it ends only after pools_stop */
        }
    }
    pthread_mutex_unlock(&sides.mutex);
    return count == 0;
}

static struct server *any_of(struct pool *pool, const struct loop *loop)
{
    struct link *lists[] = {&pool->login, &pool->idle, &pool->active, &pool->resetting};
    struct server *found = NULL;
    pool_lock(pool);
    for (size_t i = 0; !found && i < ARRAY_COUNT(lists); i++) {
        LINK_EACH (lists[i], at) {
            struct server *server = CONTAINER_OF(at, struct server, link);
            if (server->loop == loop) {
                waiter_revoke(server);
                server_move_to(server, SERVER_CLOSING);
                found = server;
                break;
            }
        }
    }
    pool_unlock(pool);
    return found;
}

void pools_stop(struct loop *loop)
{
    struct pools_side *side = pools_side_of(loop);
    if (!side)
        return;
    loop_remove_ticker(&side->ticker);
    pthread_mutex_lock(&sides.mutex);
    link_remove(&side->link);
    pthread_mutex_unlock(&sides.mutex);
    loop_recall(loop, &side->seen);
    cancels_stop(side);
    mem_free(side);
    struct database *database;
    struct pool *pool;
    struct server *server;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;) {
        for (unsigned j = 0; (pool = pool_at(database, j)) != NULL; j++) {
            while ((server = any_of(pool, loop)) != NULL)
                server_close(server);
        }
    }
}
