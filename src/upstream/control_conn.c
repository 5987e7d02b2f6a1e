/* Two traps are avoided here. libpq may close its socket and open another while it connects (several
 * addresses), and the new one may have the old number: so a poll handle of its own goes with every
 * descriptor, and it is started again, which registers it with the kernel again, after every call
 * that may have changed the socket. And a large result must not keep the loop: after some rows the
 * socket is left alone and a timer of no length goes on in the loop's next turn. */
#include "control_conn.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"

/* What is taken from libpq before others have their turn: some 300 us. */
enum { CONTROL_ROWS_PER_TURN = 100, CONTROL_BYTES_PER_TURN = 128 * 1024 };

/* A poll handle outlives its connection until libuv has closed it. */
struct control_poll {
    uv_poll_t handle;
    struct control_conn *conn; /* NULL: closing */
    int fd;
};

struct control_conn {
    PGconn *pg; /* NULL: closed */
    struct loop *loop;
    struct control_poll *poll;
    /* Goes on with what is buffered, or reports a failure, in the next turn of the loop. Not a timer: one
     * that is due at once is run over and over before anybody else has a turn. */
    uv_idle_t again;
    const struct control_conn_handler *handler;
    void *context;
    bool connecting;
    bool querying;
    bool reported; /* on_lost has been called */
    char *lost;    /* over, with this text: on_lost is called before the loop sleeps again */
    char *error;   /* of the running query, or NULL */
    char sqlstate[6];
};

static void on_poll(uv_poll_t *handle, int status, int events);
static void on_again(uv_idle_t *idle);

static void on_poll_closed(uv_handle_t *handle)
{
    mem_free(CONTAINER_OF(handle, struct control_poll, handle));
}

static void drop_poll(struct control_conn *conn)
{
    struct control_poll *poll = conn->poll;
    if (!poll)
        return;
    conn->poll = NULL;
    poll->conn = NULL;
    uv_close((uv_handle_t *)&poll->handle, on_poll_closed);
}

/* Puts on_lost off: the caller may be inside a call of the owner's. The idle handle is for those that
 * do not come from a callback of ours. */
static void lose(struct control_conn *conn, const char *message)
{
    if (conn->lost)
        return;
    drop_poll(conn);
    conn->lost = mem_text(message);
    uv_idle_start(&conn->again, on_again);
}

static void watch(struct control_conn *conn, int events)
{
    int fd = PQsocket(conn->pg);
    if (fd < 0) {
        lose(conn, "libpq has no socket");
        return;
    }
    if (conn->poll && conn->poll->fd != fd)
        drop_poll(conn);
    if (!conn->poll) {
        struct control_poll *poll = mem_zero(1, sizeof(*poll));
        if (uv_poll_init(&conn->loop->uv, &poll->handle, fd) != 0) {
            mem_free(poll);
            lose(conn, "the loop cannot watch the socket");
            return;
        }
        poll->conn = conn;
        poll->fd = fd;
        conn->poll = poll;
    }
    ASSERT(uv_poll_start(&conn->poll->handle, events, on_poll) == 0);
}

/* Sends what libpq still holds; watches for what is needed next. */
static void flush(struct control_conn *conn)
{
    int rest = PQflush(conn->pg);
    if (rest < 0)
        lose(conn, PQerrorMessage(conn->pg));
    else
        watch(conn, rest ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

static void go_on_connecting(struct control_conn *conn)
{
    if (conn->poll)
        uv_poll_stop(&conn->poll->handle);
    switch (PQconnectPoll(conn->pg)) {
    case PGRES_POLLING_READING:
        watch(conn, UV_READABLE);
        break;
    case PGRES_POLLING_WRITING:
    case PGRES_POLLING_ACTIVE: /* not used any more */
        watch(conn, UV_WRITABLE);
        break;
    case PGRES_POLLING_OK:
        conn->connecting = false;
        if (PQsetnonblocking(conn->pg, 1) != 0) {
            lose(conn, PQerrorMessage(conn->pg));
            break;
        }
        watch(conn, UV_READABLE);
        conn->handler->on_connected(conn->context);
        break;
    case PGRES_POLLING_FAILED:
        lose(conn, PQerrorMessage(conn->pg));
        break;
    }
}

/* Keeps the first error of the query. */
static void note_error(struct control_conn *conn, const PGresult *result)
{
    if (conn->error)
        return;
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (sqlstate)
        memcpy(conn->sqlstate, sqlstate, strnlen(sqlstate, sizeof(conn->sqlstate) - 1));
    conn->error = mem_text(message ? message : PQresultErrorMessage(result));
}

static void take_result(struct control_conn *conn, const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_SINGLE_TUPLE) {
        if (!conn->error)
            conn->handler->on_row(conn->context, result);
    } else if (status == PGRES_FATAL_ERROR) {
        note_error(conn, result);
    } else if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
        lose(conn, "an answer of a kind that was not asked for");
    }
}

static void finish_query(struct control_conn *conn)
{
    conn->querying = false;
    if (PQstatus(conn->pg) != CONNECTION_OK) {
        lose(conn, conn->error ? conn->error : PQerrorMessage(conn->pg));
        return;
    }
    char *error = conn->error;
    conn->error = NULL;
    struct control_failure failure = {.message = error};
    memcpy(failure.sqlstate, conn->sqlstate, sizeof(failure.sqlstate));
    conn->handler->on_done(conn->context, error ? &failure : NULL);
    mem_free(error);
}

/* Hands out what libpq has buffered. */
static void drain(struct control_conn *conn)
{
    size_t bytes = 0;
    for (unsigned rows = 0; !conn->lost && conn->querying && !PQisBusy(conn->pg); rows++) {
        if (rows == CONTROL_ROWS_PER_TURN || bytes >= CONTROL_BYTES_PER_TURN) {
            uv_poll_stop(&conn->poll->handle);
            uv_idle_start(&conn->again, on_again);
            return;
        }
        PGresult *result = PQgetResult(conn->pg);
        if (!result) {
            finish_query(conn);
            return;
        }
        bytes += PQresultMemorySize(result);
        take_result(conn, result);
        PQclear(result);
        if (!conn->pg)
            return;
    }
    if (!conn->querying)
        (void)PQisBusy(conn->pg); /* between queries: looks at notices and parameters */
}

/* At the end of every callback of the loop: what was lost on the way is reported at once. */
static void report_lost(struct control_conn *conn)
{
    if (!conn->pg || !conn->lost || conn->reported)
        return;
    conn->reported = true;
    conn->handler->on_lost(conn->context, conn->lost); /* our memory outlives the close in it */
}

static void on_again(uv_idle_t *idle)
{
    struct control_conn *conn = CONTAINER_OF(idle, struct control_conn, again);
    uv_idle_stop(idle);
    if (conn->pg && !conn->lost) {
        flush(conn);
        drain(conn);
    }
    report_lost(conn);
}

static void read_input(struct control_conn *conn)
{
    if (PQconsumeInput(conn->pg))
        drain(conn);
    else
        lose(conn, PQerrorMessage(conn->pg));
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct control_conn *conn = CONTAINER_OF(handle, struct control_poll, handle)->conn;
    if (!conn || !conn->pg || conn->lost)
        return;
    if (conn->connecting) {
        go_on_connecting(conn);
    } else if (status < 0) {
        /* An error of the socket: libuv has stopped the handle, libpq finds out what it is. */
        read_input(conn);
        if (conn->pg)
            lose(conn, uv_strerror(status));
    } else {
        if (events & UV_WRITABLE)
            flush(conn);
        if ((events & UV_READABLE) && !conn->lost)
            read_input(conn);
    }
    report_lost(conn);
}

static void on_notice(void *context, const char *message)
{
    (void)context;
    log_debug("notice from the server", "message", message, NULL);
}

struct control_conn *control_conn_open(struct loop *loop, const char *const *keywords,
                                       const char *const *values,
                                       const struct control_conn_handler *handler, void *context)
{
    struct control_conn *conn = mem_zero(1, sizeof(*conn));
    conn->loop = loop;
    conn->handler = handler;
    conn->context = context;
    conn->connecting = true;
    ASSERT(uv_idle_init(&loop->uv, &conn->again) == 0);
    conn->pg = PQconnectStartParams(keywords, values, 0);
    ASSERT(conn->pg != NULL); /* out of memory */
    PQsetNoticeProcessor(conn->pg, on_notice, NULL);
    if (PQstatus(conn->pg) == CONNECTION_BAD)
        lose(conn, PQerrorMessage(conn->pg));
    else
        watch(conn, UV_WRITABLE);
    return conn;
}

const char *control_conn_address(const struct control_conn *conn)
{
    const char *address = PQhostaddr(conn->pg);
    return address ? address : "";
}

void control_conn_send(struct control_conn *conn, const char *text)
{
    if (conn->lost)
        return;
    ASSERT(!conn->connecting && !conn->querying);
    conn->querying = true;
    memset(conn->sqlstate, 0, sizeof(conn->sqlstate));
    if (!PQsendQuery(conn->pg, text) || !PQsetSingleRowMode(conn->pg))
        lose(conn, PQerrorMessage(conn->pg));
    else
        flush(conn);
}

static void on_again_closed(uv_handle_t *handle)
{
    struct control_conn *conn = CONTAINER_OF(handle, struct control_conn, again);
    mem_free(conn->lost);
    mem_free(conn->error);
    mem_free(conn);
}

void control_conn_close(struct control_conn *conn)
{
    if (!conn)
        return;
    ASSERT(conn->pg);
    drop_poll(conn); /* before its descriptor is closed */
    PQfinish(conn->pg);
    conn->pg = NULL;
    uv_close((uv_handle_t *)&conn->again, on_again_closed);
}
