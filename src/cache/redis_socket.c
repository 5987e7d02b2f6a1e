/* See redis_socket.h. */
#include "cache/redis_socket.h"

#include "base/mem.h"

struct redis_socket {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    };
    uv_getaddrinfo_t resolving;
    uv_connect_t connecting;
    uv_write_t writing;
    bool is_resolving; /* libuv still holds `resolving` */
    bool is_closing;
    bool is_closed; /* libuv has let go of `handle` */
    unsigned attempt;
    const struct redis_socket_events *events;
    void *context;
    struct buf flying; /* not empty while a write is under way */
    char input[REDIS_READ_BYTES];
};

static void free_if_done(struct redis_socket *socket)
{
    if (!socket->is_closed || socket->is_resolving)
        return;
    buf_fini(&socket->flying);
    mem_free(socket);
}

static void on_closed(uv_handle_t *handle)
{
    struct redis_socket *socket = handle->data;
    socket->is_closed = true;
    free_if_done(socket);
}

void redis_socket_close(struct redis_socket *socket)
{
    if (!socket)
        return;
    ASSERT(!socket->is_closing);
    socket->is_closing = true;
    if (socket->is_resolving)
        uv_cancel((uv_req_t *)&socket->resolving); /* its callback comes, cancelled or not */
    uv_close(&socket->handle, on_closed);
}

static void lost(struct redis_socket *socket, int status)
{
    if (!socket->is_closing)
        socket->events->on_lost(socket->context,
                                status == UV_EOF ? "closed by the server" : uv_strerror(status));
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    (void)suggested;
    struct redis_socket *socket = handle->data;
    *out = uv_buf_init(socket->input, sizeof(socket->input));
}

static void on_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *input)
{
    struct redis_socket *socket = stream->data;
    if (socket->is_closing || len == 0)
        return;
    if (len < 0)
        lost(socket, (int)len);
    else
        socket->events->on_bytes(socket->context, slice_of(input->base, (size_t)len));
}

static void on_connect(uv_connect_t *connecting, int status)
{
    struct redis_socket *socket = connecting->data;
    if (socket->is_closing)
        return;
    if (!status)
        status = uv_read_start(&socket->stream, on_alloc, on_read);
    if (status)
        lost(socket, status);
    else
        socket->events->on_open(socket->context);
}

static void on_resolved(uv_getaddrinfo_t *resolving, int status, struct addrinfo *found)
{
    struct redis_socket *socket = resolving->data;
    socket->is_resolving = false;
    if (socket->is_closing) {
        uv_freeaddrinfo(found);
        free_if_done(socket);
        return;
    }
    if (!status && !found)
        status = UV_EAI_NONAME;
    if (!status) {
        unsigned count = 0;
        for (const struct addrinfo *at = found; at; at = at->ai_next)
            count++;
        const struct addrinfo *chosen = found;
        for (unsigned i = socket->attempt % count; i > 0; i--)
            chosen = chosen->ai_next;
        status = uv_tcp_connect(&socket->connecting, &socket->tcp, chosen->ai_addr, on_connect);
    }
    uv_freeaddrinfo(found);
    if (status)
        lost(socket, status);
}

static int tcp_begin(uv_loop_t *loop, struct redis_socket *socket, const struct redis_url *url)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    uv_tcp_nodelay(&socket->tcp, 1); /* set once there is a socket */
    int status =
        uv_getaddrinfo(loop, &socket->resolving, on_resolved, url->host, url->port, &hints);
    socket->is_resolving = status == 0;
    return status;
}

struct redis_socket *redis_socket_create(uv_loop_t *loop, const struct redis_url *url,
                                         unsigned attempt, const struct redis_socket_events *events,
                                         void *context)
{
    struct redis_socket *socket = mem_zero(1, sizeof(*socket));
    socket->attempt = attempt;
    socket->events = events;
    socket->context = context;
    socket->resolving.data = socket;
    socket->connecting.data = socket;
    socket->writing.data = socket;
    buf_init(&socket->flying);
    int status =
        url->is_unix ? uv_pipe_init(loop, &socket->pipe, 0) : uv_tcp_init(loop, &socket->tcp);
    if (status) {
        mem_free(socket);
        return NULL;
    }
    socket->handle.data = socket;
    if (url->is_unix)
        uv_pipe_connect(&socket->connecting, &socket->pipe, url->path, on_connect);
    else if (tcp_begin(loop, socket, url)) {
        redis_socket_close(socket);
        return NULL;
    }
    return socket;
}

static void on_written(uv_write_t *writing, int status)
{
    struct redis_socket *socket = writing->data;
    buf_clear(&socket->flying);
    buf_shrink(&socket->flying, REDIS_WRITE_KEEP_BYTES);
    if (status)
        lost(socket, status);
}

enum err redis_socket_send(struct redis_socket *socket, struct buf *bytes)
{
    ASSERT(!socket->is_closing);
    if (buf_len(&socket->flying) || !buf_len(bytes))
        return ERR_OK;
    struct buf empty = socket->flying;
    socket->flying = *bytes;
    *bytes = empty;

    uv_buf_t out = uv_buf_init((char *)socket->flying.data + socket->flying.start,
                               (unsigned)buf_len(&socket->flying));
    int status = uv_try_write(&socket->stream, &out, 1);
    if (status < 0 && status != UV_EAGAIN)
        return ERR_CLOSED;
    if (status > 0)
        buf_consume(&socket->flying, (size_t)status);
    if (!buf_len(&socket->flying)) {
        buf_shrink(&socket->flying, REDIS_WRITE_KEEP_BYTES);
        return ERR_OK;
    }
    out = uv_buf_init((char *)socket->flying.data + socket->flying.start,
                      (unsigned)buf_len(&socket->flying));
    status = uv_write(&socket->writing, &socket->stream, &out, 1, on_written);
    return status ? ERR_CLOSED : ERR_OK;
}

size_t redis_socket_unsent(const struct redis_socket *socket)
{
    /* libuv counts down while it writes; `flying` keeps its length until the end. */
    return socket ? uv_stream_get_write_queue_size(&socket->stream) : 0;
}
