/* An idle server goes to the loop of the waiter it was promised to:
 *
 *   old loop   run_post: depart ─► stream_detach ─► (handle closed) server_detached ─► post
 *   new loop   run_post: arrive ─► stream_open ─► ACTIVE, on_ready
 *
 * Between the two nobody reads the socket: what the server says meanwhile waits in the kernel. If
 * the waiter leaves on the way, the server becomes idle where it is then. */
#include <unistd.h>

#include "base/log.h"
#include "inside.h"

void server_depart(struct server *server)
{
    struct pool *pool = server->pool;
    const struct stream *stream = &server->stream;
    pool_lock(pool);
    if (!server->waiter) {
        server_ready_locked(server);
        pool_schedule(pool);
        pool_unlock(pool);
        return;
    }
    pool_unlock(pool);
    if (stream->ended || buf_len(&stream->in) || stream_pending(stream)) {
        server_close(server);
        return;
    }
    server->fd = stream_detach(&server->stream);
}

void server_detached(struct server *server)
{
    pool_lock(server->pool);
    if (server->waiter)
        server->loop = server->waiter->loop;
    server->posted = loop_post(server->loop, &server->post);
    bool taken = server->posted;
    pool_unlock(server->pool);
    if (!taken)
        server_close(server); /* that loop has ended */
}

void server_arrive(struct server *server)
{
    struct pool *pool = server->pool;
    if (!pools_side_of(server->loop) ||
        stream_open(&server->stream, server->loop, server->fd, &server_stream_handler) != ERR_OK) {
        server_close(server);
        return;
    }
    server->fd = -1;
    server->handle_open = true;
    server->stream.end_in_order = true;
    if (!server_is_sound(server))
        return;
    pool_lock(pool);
    struct pool_waiter *waiter = server->waiter;
    if (waiter && !server_unwanted(server)) {
        server_move_to(server, SERVER_ACTIVE);
        waiter_take_grant(waiter, server);
    } else {
        waiter = NULL;
        waiter_revoke(server);
        server_ready_locked(server);
        pool_schedule(pool);
    }
    pool->stats->moves++;
    pool_unlock(pool);
    if (waiter)
        waiter->on_ready(waiter, server);
}
