/* Sockets over uv_poll_t: we read and write ourselves, so that one read buffer serves every idle
 * connection, a hit leaves with one write from the entry's own memory, and a backend can move to
 * another worker's loop. */
#include "net/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STREAM_READ_MIN = 16384 };

static void on_poll(uv_poll_t *poll, int status, int events);

static int input_events(const struct stream *stream)
{
    bool half = stream->handler->on_input_end != NULL;
    if (stream->input_over)
        return UV_PRIORITIZED; /* nothing to read: but the kernel says when the rest goes, too */
    if (!stream->paused)
        return UV_READABLE;
    if (stream->end_waits)
        return half ? UV_PRIORITIZED : 0;
    return UV_DISCONNECT;
}

static void update_events(struct stream *stream)
{
    if (!stream->open)
        return;
    int events = 0;
    if (stream->connecting)
        events = UV_WRITABLE;
    else if (!stream->ended)
        events = input_events(stream) | (buf_len(&stream->out) ? UV_WRITABLE : 0);
    if (events == stream->events)
        return;
    stream->events = events;
    if (events == 0)
        uv_poll_stop(&stream->poll);
    else
        ASSERT(uv_poll_start(&stream->poll, events, on_poll) == 0);
}

static void run_end(struct loop_task *task)
{
    struct stream *stream = CONTAINER_OF(task, struct stream, end);
    if (!stream->open)
        return;
    if (stream->ended)
        stream->handler->on_end(stream, stream->end_err, stream->end_errno);
    else
        stream->handler->on_input_end(stream);
}

/* Notes that the connection is over; on_end follows in this turn. */
static void end_stream(struct stream *stream, enum err err, int error_number)
{
    if (stream->ended)
        return;
    stream->ended = true;
    stream->end_err = err;
    stream->end_errno = error_number;
    buf_clear(&stream->out);
    update_events(stream);
    loop_defer(stream->loop, &stream->end);
}

/* The other side has closed, its half at least. */
static void end_input(struct stream *stream)
{
    if (!stream->handler->on_input_end) {
        end_stream(stream, ERR_CLOSED, 0);
        return;
    }
    if (stream->ended || stream->input_over)
        return;
    stream->input_over = true;
    update_events(stream);
    loop_defer(stream->loop, &stream->end);
}

/* Shows kept input to the owner. */
static void show_kept(struct stream *stream)
{
    stream->inside = true;
    size_t consumed =
        stream->handler->on_input(stream, buf_head(&stream->in), buf_len(&stream->in));
    stream->inside = false;
    if (!stream->open)
        return;
    buf_consume(&stream->in, consumed);
    buf_shrink(&stream->in, STREAM_KEEP_BUFFER);
}

static void read_behind_kept(struct stream *stream)
{
    uint8_t *at = buf_reserve(&stream->in, STREAM_READ_MIN);
    ssize_t got = read(stream->fd, at, stream->in.cap - stream->in.end);
    if (got > 0) {
        buf_added(&stream->in, (size_t)got);
        show_kept(stream);
    } else if (got == 0) {
        end_input(stream);
    } else if (errno != EAGAIN && errno != EINTR) {
        end_stream(stream, ERR_SYSTEM, errno);
    }
}

static void read_fresh(struct stream *stream)
{
    uint8_t *data = stream->loop->read_buffer;
    ssize_t got = read(stream->fd, data, LOOP_READ_BUFFER_LEN);
    if (got == 0) {
        end_input(stream);
        return;
    }
    if (got < 0) {
        if (errno != EAGAIN && errno != EINTR)
            end_stream(stream, ERR_SYSTEM, errno);
        return;
    }
    stream->inside = true;
    size_t consumed = stream->handler->on_input(stream, data, (size_t)got);
    stream->inside = false;
    if (stream->open && consumed < (size_t)got)
        buf_append(&stream->in, data + consumed, (size_t)got - consumed);
}

static void run_retry(struct loop_task *task)
{
    struct stream *stream = CONTAINER_OF(task, struct stream, retry);
    /* Paused since it was put off: stream_resume puts it off again. */
    /* What came before the other side closed is still its owner's, who may have been busy. */
    bool gone = stream->ended && stream->end_err != ERR_CLOSED;
    if (stream->open && !gone && !stream->paused && buf_len(&stream->in))
        show_kept(stream);
}

static void write_pending(struct stream *stream)
{
    while (buf_len(&stream->out)) {
        ssize_t put = send(stream->fd, buf_head(&stream->out), buf_len(&stream->out), MSG_NOSIGNAL);
        if (put < 0) {
            if (errno == EINTR)
                continue;
            if (errno != EAGAIN)
                end_stream(stream, ERR_SYSTEM, errno);
            break;
        }
        buf_consume(&stream->out, (size_t)put);
    }
    buf_shrink(&stream->out, STREAM_KEEP_OUTPUT);
    update_events(stream);
}

/* A flush took what had been waiting for the socket: on_drained is owed, but not from within. */
static void run_drained(struct loop_task *task)
{
    struct stream *stream = CONTAINER_OF(task, struct stream, drained);
    if (stream->open && !stream->ended && !buf_len(&stream->out))
        stream->handler->on_drained(stream);
}

static void finish_connect(struct stream *stream)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    stream->connecting = false;
    if (error) {
        end_stream(stream, ERR_SYSTEM, error);
        return;
    }
    update_events(stream);
    stream->handler->on_connected(stream);
}

static void end_while_paused(struct stream *stream)
{
    int unread = 0;
    if ((stream->end_in_order || stream->handler->on_input_end) &&
        (buf_len(&stream->in) || (ioctl(stream->fd, FIONREAD, &unread) == 0 && unread > 0))) {
        stream->end_waits = true; /* reading comes to it after stream_resume */
        update_events(stream);
        return;
    }
    end_input(stream);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = CONTAINER_OF(poll, struct stream, poll);
    if (stream->connecting) {
        finish_connect(stream);
        return;
    }
    if (stream->ended)
        return;
    if (status < 0) {
        /* libuv stopped the handle on EPOLLERR: take the error from the socket. */
        int error = 0;
        socklen_t len = sizeof(error);
        getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        stream->events = 0;
        end_stream(stream, error ? ERR_SYSTEM : ERR_CLOSED, error);
        return;
    }
    if ((events & UV_WRITABLE) && buf_len(&stream->out)) {
        write_pending(stream);
        if (stream->open && !stream->ended && !buf_len(&stream->out))
            stream->handler->on_drained(stream);
    }
    if (!stream->open || stream->ended)
        return;
    if ((events & UV_PRIORITIZED) && (stream->input_over || stream->end_waits)) {
        end_stream(stream, ERR_CLOSED, 0); /* both halves are closed */
        return;
    }
    if ((events & UV_READABLE) && !stream->paused) {
        if (buf_len(&stream->in))
            read_behind_kept(stream);
        else
            read_fresh(stream);
    } else if ((events & UV_DISCONNECT) && stream->paused) {
        end_while_paused(stream);
    }
}

static enum err start(struct stream *stream, struct loop *loop, int fd,
                      const struct stream_handler *handler, bool connecting)
{
    *stream = (struct stream){.loop = loop, .handler = handler, .fd = fd, .connecting = connecting};
    stream->retry.run = run_retry;
    stream->end.run = run_end;
    stream->drained.run = run_drained;
    if (uv_poll_init(&loop->uv, &stream->poll, fd) != 0) {
        stream->fd = -1;
        return ERR_SYSTEM;
    }
    stream->open = true;
    update_events(stream);
    return ERR_OK;
}

enum err stream_open(struct stream *stream, struct loop *loop, int fd,
                     const struct stream_handler *handler)
{
    return start(stream, loop, fd, handler, false);
}

enum err stream_connect(struct stream *stream, struct loop *loop, int fd,
                        const struct stream_handler *handler)
{
    return start(stream, loop, fd, handler, true);
}

void stream_write(struct stream *stream, const void *data, size_t len)
{
    if (stream->ended || !stream->open)
        return;
    size_t done = 0;
    if (!buf_len(&stream->out)) {
        ssize_t put;
        do {
            put = send(stream->fd, data, len, MSG_NOSIGNAL);
        } while (put < 0 && errno == EINTR);
        if (put < 0 && errno != EAGAIN) {
            end_stream(stream, ERR_SYSTEM, errno);
            return;
        }
        done = put > 0 ? (size_t)put : 0;
    }
    if (done < len) {
        buf_append(&stream->out, (const uint8_t *)data + done, len - done);
        update_events(stream);
    }
}

void stream_queue(struct stream *stream, const void *data, size_t len)
{
    if (!stream->ended && stream->open)
        buf_append(&stream->out, data, len);
}

void stream_flush(struct stream *stream)
{
    if (stream->ended || !stream->open || !buf_len(&stream->out))
        return;
    bool waited = (stream->events & UV_WRITABLE) != 0;
    write_pending(stream);
    if (waited && !stream->ended && !buf_len(&stream->out))
        loop_defer(stream->loop, &stream->drained);
}

void stream_pause(struct stream *stream)
{
    if (stream->paused)
        return;
    stream->paused = true;
    update_events(stream);
}

void stream_resume(struct stream *stream)
{
    if (stream->paused) {
        stream->paused = false;
        update_events(stream);
    }
    stream_retry(stream);
}

void stream_retry(struct stream *stream)
{
    if (stream->open && (buf_len(&stream->in) || stream->inside))
        loop_defer(stream->loop, &stream->retry);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct stream *stream = CONTAINER_OF(handle, struct stream, poll);
    buf_fini(&stream->in);
    buf_fini(&stream->out);
    stream->handler->on_closed(stream);
}

static int let_go(struct stream *stream)
{
    ASSERT(stream->open);
    int fd = stream->fd;
    stream->open = false;
    stream->fd = -1;
    loop_forget(&stream->retry);
    loop_forget(&stream->end);
    loop_forget(&stream->drained);
    uv_poll_stop(&stream->poll);
    uv_close((uv_handle_t *)&stream->poll, on_handle_closed);
    return fd;
}

void stream_close(struct stream *stream)
{
    if (!stream->open)
        return;
    close(let_go(stream));
}

int stream_detach(struct stream *stream)
{
    ASSERT(!buf_len(&stream->in) && !buf_len(&stream->out) && !stream->ended);
    return let_go(stream);
}

void stream_set_tcp_options(int fd, const struct stream_keepalive *keepalive)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (keepalive->user_timeout_ms)
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &keepalive->user_timeout_ms, sizeof(int));
    if (keepalive->buffer_bytes) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &keepalive->buffer_bytes, sizeof(int));
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &keepalive->buffer_bytes, sizeof(int));
    }
    if (!keepalive->on)
        return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    if (keepalive->idle_s)
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive->idle_s, sizeof(int));
    if (keepalive->interval_s)
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &keepalive->interval_s, sizeof(int));
    if (keepalive->count)
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &keepalive->count, sizeof(int));
}
