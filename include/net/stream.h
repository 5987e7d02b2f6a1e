/* A connected socket on a loop: reads into the loop's shared buffer, writes at once what the
 * kernel takes and keeps the rest.
 *
 * Input  on_input gets everything that has arrived and was not yet consumed, in one piece, and says
 *        how much it consumed; the rest is kept and shown again when more arrives or after
 *        stream_retry. A stream whose owner does not want more now is paused; while paused the end
 *        of the connection is still noticed, and told at once, before what came ahead of it was
 *        read; with `end_in_order` only after that.
 * Output stream_write hands bytes to the kernel at once if nothing waits, else behind what waits;
 *        stream_queue only appends, for answers that leave together at stream_flush.
 *        stream_pending says how much waits: the owner pauses the other side above its limit and
 *        on_drained tells it when all is gone.
 * End    on_end is called once, when the other side closed or an operation failed; never from
 *        within stream_write, stream_queue or stream_flush (it is put off). After it, or any time
 *        before, the owner calls stream_close.
 *        An owner with on_input_end is told first that nothing more will be read: the other side may
 *        have closed its half only, and still take answers. Everything it sent is read before that.
 *        on_end follows when it turns out to be gone: a reset, or (unix sockets) at once. A TCP peer
 *        that has closed everything looks the same until something is written to it.
 * Moving stream_detach gives the descriptor back, to be attached on another loop.
 *
 * Ownership  The struct is embedded in its owner. It holds a uv handle, so the owner's memory must
 *            live until on_closed, which follows stream_close or stream_detach.
 * Threads    The loop's.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "net/loop.h"

enum { STREAM_KEEP_BUFFER = 16384, STREAM_KEEP_OUTPUT = 2048 };

struct stream;

struct stream_handler {
    size_t (*on_input)(struct stream *stream, const uint8_t *data, size_t len);
    void (*on_drained)(struct stream *stream);
    void (*on_end)(struct stream *stream, enum err err, int error_number);
    void (*on_closed)(struct stream *stream); /* the memory may go now */
    /* A connect that stream_connect began is done; may be NULL when never connecting. */
    void (*on_connected)(struct stream *stream);
    /* The other side will send no more; it can be written to. May be NULL: then that is the end. */
    void (*on_input_end)(struct stream *stream);
};

struct stream {
    uv_poll_t poll;
    struct loop *loop;
    const struct stream_handler *handler;
    int fd; /* -1: closed or detached */
    int events;
    bool open;       /* the poll handle is initialised and not closing */
    bool connecting; /* on_connected has not been called yet */
    bool paused;
    bool ended;        /* on_end was called or is put off */
    bool end_in_order; /* the owner's wish, set after stream_open or stream_connect */
    bool end_waits;    /* the other side has closed; what it sent before is still unread */
    bool input_over;   /* all was read; on_input_end was called or is put off */
    bool inside;       /* on_input is running */
    enum err end_err;
    int end_errno;
    struct loop_task retry;
    struct loop_task end;
    struct loop_task drained;
    struct buf in;
    struct buf out;
};

/* Takes over `fd`, a connected non-blocking socket, and begins to read.
 * ERR_SYSTEM  the loop cannot poll it; fd stays the caller's. */
MUST_USE enum err stream_open(struct stream *stream, struct loop *loop, int fd,
                              const struct stream_handler *handler);

/* As stream_open for a socket whose connect() is in progress. */
MUST_USE enum err stream_connect(struct stream *stream, struct loop *loop, int fd,
                                 const struct stream_handler *handler);

void stream_write(struct stream *stream, const void *data, size_t len);
void stream_queue(struct stream *stream, const void *data, size_t len);
void stream_flush(struct stream *stream);

static inline size_t stream_pending(const struct stream *stream)
{
    return buf_len(&stream->out);
}

void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream); /* also shows unconsumed input again, put off */
void stream_retry(struct stream *stream);  /* shows unconsumed input again, put off */

/* Closes the socket at once; what waits to be written is lost. on_closed follows. */
void stream_close(struct stream *stream);

/* Gives up the descriptor without closing it; input and output must be empty. on_closed follows. */
int stream_detach(struct stream *stream);

/* Options of accepted and connected TCP sockets; failures are ignored. 0: the system's default. */
struct stream_keepalive {
    bool on;
    int idle_s, interval_s, count;
    int user_timeout_ms; /* how long sent data may stay unacknowledged */
    int buffer_bytes;    /* of the kernel, for each direction */
};
void stream_set_tcp_options(int fd, const struct stream_keepalive *keepalive);
