/* The socket to a Redis: bytes out, bytes in, on one loop. It knows nothing of what they mean.
 *
 * Why not hiredis' own asynchronous connection: in 0.14 it resolves names on the calling thread,
 * ends the process by an assertion when the server speaks unasked, bounds neither what it has read
 * nor what it has yet to write, and its libuv adapter ignores polling errors. Its reply reader has
 * none of these and is what redis.c uses.
 *
 *   resolving ─► connecting ─► open ─► closing ─► freed       any ─► closing
 *
 * Ownership  The socket frees itself in its close callback, once redis_socket_close was called.
 * Threads    Its loop's. The process ignores SIGPIPE.
 */
#pragma once

#include <uv.h>

#include "base/buf.h"
#include "cache/redis_url.h"

enum { REDIS_READ_BYTES = 64 * 1024, REDIS_WRITE_KEEP_BYTES = 256 * 1024 };

struct redis_socket;

/* No event comes after redis_socket_close, and none from within a call. on_lost comes once, and the
 * owner then closes the socket. */
struct redis_socket_events {
    void (*on_open)(void *context);
    void (*on_bytes)(void *context, struct slice bytes);
    void (*on_lost)(void *context, const char *reason); /* reason: lives forever */
};

/* Begins to connect. NULL if it cannot even begin.
 *
 * attempt  Counts from 0: a name with several addresses is tried at one of them each time. */
struct redis_socket *redis_socket_create(uv_loop_t *loop, const struct redis_url *url,
                                         unsigned attempt, const struct redis_socket_events *events,
                                         void *context);

/* Sends all of `bytes` in one write, if the former write has ended: takes them, and `bytes` is empty
 * then. Otherwise leaves them where they are.
 * ERR_CLOSED  the connection is gone; on_lost does not come */
MUST_USE enum err redis_socket_send(struct redis_socket *socket, struct buf *bytes);

/* Bytes taken by redis_socket_send that the kernel has not taken yet. */
size_t redis_socket_unsent(const struct redis_socket *socket);

void redis_socket_close(struct redis_socket *socket); /* NULL is fine */
