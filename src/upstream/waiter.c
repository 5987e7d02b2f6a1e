/* One who waits for a server:
 *
 *              ┌──────── revoked ────────┐
 *              ▼                         │
 *   NONE ─► WAITING ─┬─ granted ─► GRANTED ─► on_ready  ─► NONE
 *    ▲               └─ failed  ─► FAILED  ─► on_failed ─► NONE
 *    └── pool_leave, from any
 *
 * WAITING is on pool->waiters. GRANTED has a server that is ACTIVE on the waiter's own loop, or
 * MOVING to it. Callbacks come by a post on the waiter's loop, so never from within pool_wait, and
 * pool_leave (on that loop) can take the post back. */
#include "base/mem.h"
#include "inside.h"

enum { WAITER_NONE, WAITER_WAITING, WAITER_GRANTED, WAITER_FAILED };

static struct pool *pool_of(const struct pool_waiter *waiter)
{
    return waiter->profile->pool;
}

static void fail(struct pool_waiter *waiter)
{
    struct login_failure failure = waiter->failure;
    waiter->failure = (struct login_failure){0};
    struct pool_failure told = {
        .message = failure.message, .detail = failure.detail, .from_server = failure.from_server};
    memcpy(told.sqlstate, failure.sqlstate, sizeof(told.sqlstate));
    waiter->on_failed(waiter, &told); /* may free the waiter */
    login_failure_clear(&failure);
}

static void run_post(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    struct pool_waiter *waiter = CONTAINER_OF(post, struct pool_waiter, post);
    struct pool *pool = pool_of(waiter);
    pool_lock(pool);
    int state = waiter->state;
    struct server *server = waiter->granted;
    bool granted = state == WAITER_GRANTED && server->state == SERVER_ACTIVE;
    pool_unlock(pool);
    if (granted && !server_is_sound(server))
        return; /* closed: it is in the queue again */
    pool_lock(pool);
    if (state == WAITER_GRANTED && server->state == SERVER_ACTIVE)
        waiter_take_grant(waiter, server);
    else if (state == WAITER_FAILED)
        waiter->state = WAITER_NONE;
    else
        state = WAITER_NONE; /* revoked since */
    pool_unlock(pool);
    if (state == WAITER_GRANTED)
        waiter->on_ready(waiter, server);
    else if (state == WAITER_FAILED)
        fail(waiter);
}

void waiter_begin(struct pool_waiter *waiter, uint64_t ticket)
{
    ASSERT(waiter->state == WAITER_NONE);
    waiter->link = (struct link){0};
    waiter->post = (struct loop_post){.run = run_post};
    waiter->failure = (struct login_failure){0};
    waiter->granted = NULL;
    waiter->since_us = clock_now_us();
    waiter->ticket = ticket;
    waiter->state = WAITER_WAITING;
    link_append(&pool_of(waiter)->waiters, &waiter->link);
}

struct server *waiter_end(struct pool_waiter *waiter)
{
    struct server *server = waiter->granted;
    link_remove(&waiter->link);
    if (waiter->state != WAITER_NONE)
        loop_recall(waiter->loop, &waiter->post);
    if (server)
        server->waiter = NULL;
    waiter->granted = NULL;
    waiter->state = WAITER_NONE;
    login_failure_clear(&waiter->failure);
    return server;
}

/* A loop refuses posts only when it has ended, and then nobody on it waits. */
static void tell(struct pool_waiter *waiter)
{
    ASSERT(loop_post(waiter->loop, &waiter->post));
}

void waiter_grant(struct pool_waiter *waiter, struct server *server)
{
    ASSERT(waiter->state == WAITER_WAITING && !server->waiter);
    link_remove(&waiter->link);
    waiter->state = WAITER_GRANTED;
    waiter->granted = server;
    server->waiter = waiter;
    if (server->loop == waiter->loop) {
        server_move_to(server, SERVER_ACTIVE);
        tell(waiter);
    } else {
        server_move_to(server, SERVER_MOVING);
        server_post(server);
    }
}

void waiter_fail(struct pool_waiter *waiter, const struct login_failure *failure)
{
    ASSERT(waiter->state == WAITER_WAITING);
    link_remove(&waiter->link);
    waiter->state = WAITER_FAILED;
    login_failure_set(&waiter->failure, failure->sqlstate, failure->message, failure->detail,
                      failure->from_server);
    tell(waiter);
}

/* The one who has waited longest stays first. */
static void queue_by_ticket(struct pool *pool, struct pool_waiter *waiter)
{
    struct link *before = pool->waiters.next;
    while (before != &pool->waiters &&
           CONTAINER_OF(before, struct pool_waiter, link)->ticket < waiter->ticket)
        before = before->next;
    link_insert_before(before, &waiter->link);
}

/* On the server's loop, or while the server is MOVING. Only a grant on the waiter's own loop has
 * posted the waiter. */
void waiter_revoke(struct server *server)
{
    struct pool_waiter *waiter = server->waiter;
    if (!waiter)
        return;
    if (server->loop == waiter->loop)
        loop_recall(waiter->loop, &waiter->post);
    server->waiter = NULL;
    waiter->granted = NULL;
    waiter->state = WAITER_WAITING;
    queue_by_ticket(pool_of(waiter), waiter);
}

void waiter_take_grant(struct pool_waiter *waiter, struct server *server)
{
    struct pool_stats *stats = pool_of(waiter)->stats;
    stats->assignments++;
    stats->waits++;
    stats->wait_us += elapsed(clock_now_us(), waiter->since_us);
    server->waiter = NULL;
    waiter->granted = NULL;
    waiter->state = WAITER_NONE;
}
