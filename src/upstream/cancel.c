/* Cancel requests: each a connection of its own, beside the server it is for.
 *
 * The server's main process delivers the signal before it closes this connection, so its end is the
 * proof that the cancel has hit whatever it could hit. Until then the server is not handed to
 * anybody else (server_release_go_on); if that end does not come in time, it is never reused. */
#include <unistd.h>

#include "address.h"
#include "base/log.h"
#include "base/mem.h"
#include "inside.h"
#include "pgwire/encode.h"

enum { CANCELS_MAX = 8 /* of one server at a time; one more would change nothing */ };

struct cancel {
    struct stream stream;
    struct link link;      /* in side->cancels */
    struct link of_server; /* in server->cancels */
    struct server *server; /* NULL: it is gone */
    struct pool *pool;
    uint64_t since_ms;
    bool ended;
    void (*on_done)(void *context); /* NULL: nobody waits for it */
    void *context;
    uint8_t key[SERVER_KEY_MAX];
    unsigned key_len;
    uint32_t pid;
};

static struct cancel *cancel_of(struct stream *stream)
{
    return CONTAINER_OF(stream, struct cancel, stream);
}

/* Over, however it went. `certain`: it cannot hit anyone any more. */
static void end(struct cancel *cancel, bool certain)
{
    if (cancel->ended)
        return;
    cancel->ended = true;
    struct server *server = cancel->server;
    link_remove(&cancel->link);
    link_remove(&cancel->of_server);
    pool_lock(cancel->pool);
    cancel->pool->canceling--;
    if (server) {
        server->cancels_under_way--;
        if (!certain)
            server->close_needed = true;
    }
    pool_unlock(cancel->pool);
    stream_close(&cancel->stream);
    if (cancel->on_done)
        cancel->on_done(cancel->context);
    if (server && server->releasing && !server->cancels_under_way)
        server_release_go_on(server, false);
}

static size_t on_input(struct stream *stream, const uint8_t *data, size_t len)
{
    (void)stream;
    (void)data;
    return len; /* nothing is ever said here */
}

static void on_drained(struct stream *stream)
{
    (void)stream;
}

static void on_connected(struct stream *stream)
{
    const struct cancel *cancel = cancel_of(stream);
    uint8_t memory[SERVER_KEY_MAX + 64];
    struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
    pgwire_write_cancel(&writer, cancel->pid, (struct pgwire_slice){cancel->key, cancel->key_len});
    ASSERT(!writer.overflow);
    stream_write(stream, writer.data, writer.len);
}

static void on_end(struct stream *stream, enum err err, int error_number)
{
    (void)err;
    (void)error_number;
    end(cancel_of(stream), true);
}

static void on_closed(struct stream *stream)
{
    struct cancel *cancel = cancel_of(stream);
    explicit_bzero(cancel->key, sizeof(cancel->key));
    mem_free(cancel);
}

static const struct stream_handler handler = {
    .on_input = on_input,
    .on_drained = on_drained,
    .on_end = on_end,
    .on_closed = on_closed,
    .on_connected = on_connected,
};

void server_cancel(struct server *server)
{
    (void)server_cancel_tell(server, NULL, NULL);
}

bool server_cancel_tell(struct server *server, void (*on_done)(void *context), void *context)
{
    struct pools_side *side = pools_side_of(server->loop);
    int fd;
    ASSERT(server->state == SERVER_ACTIVE);
    if (!side || !server->cancel_key_len || server->cancels_under_way >= CANCELS_MAX)
        return false;
    if (address_connect_as(server->stream.fd, &fd) != ERR_OK) {
        log_warn("a cancel request could not be sent", "database", server->pool->database->name,
                 "role", server->pool->role, NULL);
        return false;
    }
    struct cancel *cancel = mem_zero(1, sizeof(*cancel));
    if (stream_connect(&cancel->stream, server->loop, fd, &handler) != ERR_OK) {
        close(fd);
        mem_free(cancel);
        return false;
    }
    cancel->server = server;
    cancel->pool = server->pool;
    cancel->on_done = on_done;
    cancel->context = context;
    cancel->since_ms = monotonic_ms();
    cancel->pid = server->backend_pid;
    cancel->key_len = server->cancel_key_len;
    memcpy(cancel->key, server->cancel_key, cancel->key_len);
    link_append(&side->cancels, &cancel->link);
    link_append(&server->cancels, &cancel->of_server);
    pool_lock(server->pool);
    server->cancels_under_way++;
    server->pool->canceling++;
    pool_unlock(server->pool);
    return true;
}

void cancels_forget(struct server *server)
{
    struct link *first;
    while ((first = link_first(&server->cancels)) != NULL) {
        CONTAINER_OF(first, struct cancel, of_server)->server = NULL;
        link_remove(first);
    }
}

void cancels_tick(struct pools_side *side, uint64_t now_ms)
{
    uint64_t timeout_ms = conf_current()->options.cancel_wait_timeout_ms;
    struct link *first;
    while (timeout_ms && (first = link_first(&side->cancels)) != NULL) {
        struct cancel *cancel = CONTAINER_OF(first, struct cancel, link);
        if (elapsed(now_ms, cancel->since_ms) < timeout_ms)
            break;
        end(cancel, false);
    }
}

void cancels_stop(struct pools_side *side)
{
    struct link *first;
    while ((first = link_first(&side->cancels)) != NULL)
        end(CONTAINER_OF(first, struct cancel, link), false);
}
