/* The life of a session: its states, its errors, its end. */
#include "session/session.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "session/flight.h"
#include "session/local_answer.h"
#include "session/place.h"
#include "session/settings.h"
#include "session/temporary.h"

enum { SESSION_ERROR_MAX = 2048 };

_Atomic(unsigned) session_clients;
struct console_hooks session_console;

void session_move(struct session *session, enum session_state next)
{
#define SESSION_NEXT(name, allowed, text) [SESSION_##name] = allowed,
    static const unsigned allowed_next[] = {SESSION_STATES(SESSION_NEXT)};
#undef SESSION_NEXT
    ASSERT(allowed_next[session->state] & (1u << next));
    session->state = next;
}

const char *session_state_text(const struct session *session)
{
#define SESSION_TEXT(name, allowed, text) [SESSION_##name] = text,
    static const char *const texts[] = {SESSION_STATES(SESSION_TEXT)};
#undef SESSION_TEXT
    if (session->state == SESSION_READY && session->status != 'I' && session->server)
        return "active";
    return texts[session->state];
}

void session_error_bytes(struct buf *out, const char *severity, const char *sqlstate,
                         const char *message, const char *detail)
{
    struct pgwire_writer writer =
        pgwire_writer_of(buf_reserve(out, SESSION_ERROR_MAX), SESSION_ERROR_MAX);
    pgwire_write_error(&writer, 'E', severity, sqlstate, message, detail, NULL);
    if (!writer.overflow)
        buf_added(out, writer.len);
}

void session_fail(struct session *session, const char *sqlstate, const char *message,
                  const char *detail)
{
    if (session->end_after_flush)
        return;
    if (session->login && session->login->cancels) {
        session_end(session); /* whoever cancels is never told anything */
        return;
    }
    if (conf_current()->options.log_pooler_errors) {
        char address[ENDPOINT_TEXT_MAX];
        log_info("client refused", "session", log_num((int64_t)session->id), "client",
                 endpoint_text(&session->remote_end, address), "user",
                 session->user ? session->user : "-", "sqlstate", sqlstate, "reason", message,
                 NULL);
    }
    /* In the middle of a message the client would take an error for the rest of a row. */
    if (!session->unit.relay_left || session->unit.relay_drop) {
        struct buf bytes = {0};
        session_error_bytes(&bytes, "FATAL", sqlstate, message, detail);
        stream_write(&session->stream, buf_head(&bytes), buf_len(&bytes));
        buf_fini(&bytes);
    }
    session_end(session);
}

void session_fail_frame(struct session *session, enum pgwire_status status, uint8_t type)
{
    char message[64];
    if (status != PGWIRE_OK && status != PGWIRE_UNKNOWN) {
        session_fail(session, "08P01", "invalid frontend message", pgwire_status_text(status));
        return;
    }
    (void)snprintf(message, sizeof(message), "invalid frontend message type %u", type);
    session_fail(session, "08P01", message, NULL);
}

bool session_read_frame(struct session *session, const uint8_t *data, size_t len,
                        struct pgwire_frame *out)
{
    enum pgwire_status status = pgwire_frame_request(data, len, out);
    if (status == PGWIRE_MORE)
        return false;
    if (status == PGWIRE_OK && out->len <= conf_current()->options.max_packet_size_bytes)
        return true;
    session_fail_frame(session, status, *data);
    return false;
}

bool session_is_idle(const struct session *session)
{
    return session->state == SESSION_READY && session->status == 'I' && !session->unit.begun &&
           !session->unit.pass_left && !session->unit.skip_left;
}

/* ---- the backend ---- */

void session_drop_server(struct session *session)
{
    struct server *server = session->server;
    if (!server)
        return;
    lost_await(session);
    sequences_let_go(session);
    unpin_forget(session);
    temporary_forget(session);
    session->server = NULL;
    server_discard(server);
}

void session_release_server(struct session *session)
{
    struct server *server = session->server;
    if (!server)
        return;
    bool idle = session->status == 'I' || transaction_is_ours(&session->transaction);
    bool certain = idle && !session->dirty && !session->owed.count && !session->unit.relay_left &&
                   !closing_is_on(&session->closing) &&
                   (session->state == SESSION_READY || session->state == SESSION_PROVING ||
                    session->state == SESSION_DRAINING) &&
                   !session->unit.pass_left;
    if (!certain) {
        session_drop_server(session);
        return;
    }
    temporary_forget(session);
    bool reset = session->pin != PIN_NONE || pool_mode_of(session->pool) == POOL_MODE_SESSION;
    sequences_let_go(session);
    unpin_forget(session);
    session->server = NULL;
    session->strings_unsafe = session->encoding_unsafe = false;
    if (reset) {
        struct settings *left = settings_reset(server->settings, true);
        settings_unref(server->settings);
        server->settings = left;
    }
    server_release(server, reset);
}

/* ---- the end ---- */

void session_leave_waits(struct session *session)
{
    if (session->lookup) {
        redis_cancel(session->lookup);
        session->lookup = NULL;
    }
    local_answer_stop(session);
    if (session->state == SESSION_COALESCING)
        flight_stop_waiting(session);
    if (session->state == SESSION_WAITING || session->state == SESSION_WELCOME)
        pool_leave(&session->waiter);
}

static void close_now(struct session *session)
{
    if (session->state != SESSION_CLOSING)
        session_move(session, SESSION_CLOSING);
    stream_close(&session->stream);
}

void session_end(struct session *session)
{
    if (session->end_after_flush)
        return;
    session->end_after_flush = true;
    session_leave_waits(session);
    if (session->fill.on)
        fill_end(session);
    session_release_server(session);
    session_move(session, SESSION_CLOSING);
    stream_flush(&session->stream);
    session->idle_since_ms = loop_now_ms(session->host->loop);
    if (!stream_pending(&session->stream))
        stream_close(&session->stream);
    else
        stream_pause(&session->stream);
}

static void on_end(struct stream *stream, enum err err, int error_number)
{
    (void)err;
    (void)error_number;
    struct session *session = CONTAINER_OF(stream, struct session, stream);
    switch (session->state) {
    case SESSION_PROVING:
    case SESSION_COALESCING:
    case SESSION_LOOKUP:
    case SESSION_WAITING:
    case SESSION_ACTIVE:
        /* Nobody who is gone stands in the queue for a backend. */
        if (session->state == SESSION_ACTIVE)
            absent_drain(session);
        else
            session_end(session);
        return;
    case SESSION_CLOSING:
        close_now(session);
        return;
    case SESSION_DRAINING:
        return;
    case SESSION_STARTUP:
    case SESSION_AUTH:
    case SESSION_WELCOME:
    case SESSION_READY:
    case SESSION_CONSOLE:
    case SESSION_STATE_COUNT:
        session_end(session);
        return;
    }
}

static void on_closed(struct stream *stream)
{
    struct session *session = CONTAINER_OF(stream, struct session, stream);
    struct host *host = session->host;
    ASSERT(!session->server && !session->lookup && !session->explanation);
    ASSERT(!closing_is_on(&session->closing));
    ASSERT(!session->fill.flight.on && !session->flight_waiter.flight);
    if (session->console_state && session_console.on_closed)
        session_console.on_closed(session);
    struct database *database = session->database;
    if (database) {
        atomic_fetch_sub(&session->pool->limit->clients, 1);
        if (conf_current()->options.log_disconnections)
            log_debug("client gone", "session", log_num((int64_t)session->id), NULL);
    }
    cancel_keys_remove(session);
    if (session->pool)
        pool_leave_home(session->pool, &session->home);
    link_remove(&session->link);
    host->session_count--;
    atomic_fetch_sub(&host->placed, 1);
    if (session->counted)
        atomic_fetch_sub(&session_clients, 1);
    session_names_fini(session);
    login_destroy(session->login);
    profile_facts_unref(session->facts);
    profile_unref(session->profile);
    owed_fini(&session->owed);
    transaction_fini(&session->transaction);
    local_fini(&session->local);
    local_answer_fini(session);
    settings_fini(session);
    mem_free(session->fill.stamps);
    buf_fini(&session->fill.key);
    buf_fini(&session->fill.answer);
    mem_free(session->user);
    mem_free(session->application_name);
    mem_free(session);
    if (database) /* last: its name may be collected now */
        database_leave(database);
    if (host->stopping && !host->session_count && host->on_empty)
        host->on_empty(host);
}

/* ---- the client's stream ---- */

static size_t on_input(struct stream *stream, const uint8_t *data, size_t len)
{
    struct session *session = CONTAINER_OF(stream, struct session, stream);
    size_t used = 0;
    switch (session->state) {
    case SESSION_STARTUP:
        used = startup_on_input(session, data, len);
        break;
    case SESSION_AUTH:
        used = auth_on_input(session, data, len);
        break;
    case SESSION_CONSOLE:
        used = session_console.on_input(session, data, len);
        break;
    case SESSION_WELCOME:
    case SESSION_READY:
    case SESSION_PROVING:
    case SESSION_COALESCING:
    case SESSION_LOOKUP:
    case SESSION_WAITING:
    case SESSION_ACTIVE:
        used = session->state == SESSION_WELCOME ? 0 : unit_on_input(session, data, len);
        break;
    case SESSION_DRAINING:
    case SESSION_CLOSING:
    case SESSION_STATE_COUNT:
        used = len;
        break;
    }
    if (session->no_more_input) {
        if (used && used < len)
            stream_retry(stream); /* as far as it goes: what is left then is no whole message */
        absent_go_on(session);
    }
    return session->end_after_flush ? len : used;
}

static void on_drained(struct stream *stream)
{
    struct session *session = CONTAINER_OF(stream, struct session, stream);
    if (session->end_after_flush) {
        stream_close(stream);
        return;
    }
    if (session->server && session->state == SESSION_ACTIVE)
        stream_resume(&session->server->stream);
    stream_resume(stream);
    if (session->no_more_input)
        absent_go_on(session);
}

static void on_input_end(struct stream *stream)
{
    absent_on_input_end(CONTAINER_OF(stream, struct session, stream));
}

static const struct stream_handler client_handler = {
    .on_input = on_input,
    .on_drained = on_drained,
    .on_end = on_end,
    .on_closed = on_closed,
    .on_input_end = on_input_end,
};

struct session *session_create(struct host *host, int fd, bool console, bool unix_socket)
{
    static _Atomic(uint64_t) last_id;
    struct session *session = mem_zero(1, sizeof(*session));
    session->host = host;
    session->id = atomic_fetch_add(&last_id, 1) + 1;
    session->status = 'I';
    local_begin(&session->local);
    session->console_port = console;
    session->unix_socket = unix_socket;
    session->connected_wall_ms = loop_wall_ms(host->loop);
    session->login = mem_zero(1, sizeof(*session->login));
    session->login->deadline_ms =
        loop_now_ms(host->loop) + conf_current()->options.client_login_timeout_ms;
    session_note_ends(session, fd);
    if (stream_open(&session->stream, host->loop, fd, &client_handler) != ERR_OK) {
        close(fd);
        mem_free(session->login);
        mem_free(session);
        return NULL;
    }
    link_append(&host->sessions, &session->link);
    host->session_count++;
    return session;
}

/* Coarse deadlines of one session, about once a second. */
void session_tick(struct session *session, uint64_t now_ms)
{
    const struct options *options = &conf_current()->options;
    if (session->no_more_input)
        absent_tick(session, now_ms);
    switch (session->state) {
    case SESSION_STARTUP:
    case SESSION_AUTH:
        if (options->client_login_timeout_ms && now_ms > session->login->deadline_ms)
            session_fail(session, "08P01", "client_login_timeout", NULL);
        break;
    case SESSION_READY:
    case SESSION_ACTIVE:
        if (UNLIKELY(session->host->draining) && session_is_idle(session))
            session_fail(session, "57P01", "pgrecall is shutting down", NULL);
        else
            times_tick(session, now_ms);
        break;
    case SESSION_CLOSING:
        if (now_ms > session->idle_since_ms + SESSION_FLUSH_TIMEOUT_MS)
            stream_close(&session->stream);
        break;
    case SESSION_COALESCING:
        flight_tick(session, now_ms);
        break;
    case SESSION_PROVING:
        session_move(session, SESSION_READY); /* judged again: it goes on blind in the end */
        stream_resume(&session->stream);
        break;
    case SESSION_WELCOME:
        if (session->login->waits || session->login->home_since_ms)
            auth_learn_facts(session);
        break;
    case SESSION_LOOKUP:
    case SESSION_WAITING:
    case SESSION_CONSOLE:
    case SESSION_DRAINING:
    case SESSION_STATE_COUNT:
        break;
    }
}

/* ---- for the console ---- */

void session_send(struct session *session, const void *data, size_t len)
{
    stream_write(&session->stream, data, len);
}

size_t session_pending(const struct session *session)
{
    return stream_pending(&session->stream);
}

struct host *session_host(struct session *session)
{
    return session->host;
}

bool session_console_admin(const struct session *session)
{
    return session->console_admin;
}

void **session_console_state(struct session *session)
{
    return &session->console_state;
}

void session_retry(struct session *session)
{
    stream_resume(&session->stream);
}
