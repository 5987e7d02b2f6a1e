/* A backend connection's states and the events of its stream. What the states mean is drawn in
 * upstream/server.h.
 *
 * Only three things are done to a server by another thread than that of its loop, and all only
 * while it is IDLE: the scheduler promises it to a waiter (ACTIVE on the waiter's own loop, else
 * MOVING), has it checked (RESETTING), or it is to go (CLOSING). The thread then posts the server to its loop, which looks at
 * the state and acts (run_post). */
#include "upstream/server.h"

#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "inside.h"
#include "pgwire/answer.h"
#include "pgwire/encode.h"
#include "pgwire/frame.h"
#include "upstream/statements.h"

enum { IDLE_MESSAGE_MAX = 65536 };

#define TO(name) (1u << SERVER_##name)
static const unsigned moves[SERVER_STATE_COUNT] = {
    [SERVER_CONNECTING] = TO(LOGIN) | TO(CLOSING),
    [SERVER_LOGIN] = TO(IDLE) | TO(CLOSING),
    [SERVER_IDLE] = TO(ACTIVE) | TO(MOVING) | TO(RESETTING) | TO(CLOSING),
    [SERVER_ACTIVE] = TO(IDLE) | TO(RESETTING) | TO(CLOSING),
    [SERVER_RESETTING] = TO(IDLE) | TO(CLOSING),
    [SERVER_MOVING] = TO(IDLE) | TO(ACTIVE) | TO(CLOSING),
};
#undef TO

static _Atomic(uint64_t) last_id;
static void (*on_server_lost)(struct database *database);

void pools_set_on_server_lost(void (*hook)(struct database *database))
{
    on_server_lost = hook;
}

const char *server_state_text(enum server_state state)
{
#define SERVER_TEXT(name, text) [SERVER_##name] = text,
    static const char *const texts[] = {SERVER_STATES(SERVER_TEXT)};
#undef SERVER_TEXT
    return texts[state];
}

static struct server *server_of(struct stream *stream)
{
    return CONTAINER_OF(stream, struct server, stream);
}

static struct link *list_of(struct pool *pool, enum server_state state)
{
    switch (state) {
    case SERVER_CONNECTING:
    case SERVER_LOGIN:
        return &pool->login;
    case SERVER_IDLE:
        return &pool->idle;
    case SERVER_ACTIVE:
        return &pool->active;
    case SERVER_RESETTING:
    case SERVER_MOVING:
        return &pool->resetting;
    case SERVER_CLOSING:
    case SERVER_STATE_COUNT:
        break;
    }
    return &pool->closing;
}

static enum server_state state_of(const struct server *server)
{
    pool_lock(server->pool);
    enum server_state state = server->state;
    pool_unlock(server->pool);
    return state;
}

void server_move_to(struct server *server, enum server_state state)
{
    ASSERT(moves[server->state] & 1u << state);
    if (server->releasing) {
        server->releasing = false;
        server->profile->releasing--;
    }
    link_remove(&server->link);
    if (state == SERVER_ACTIVE)
        server->fresh = false;
    if (server->state == SERVER_IDLE)
        server->idle_since_ms = server->state_since_ms;
    server->state = state;
    server->state_since_ms = monotonic_ms();
    if (state == SERVER_IDLE && !conf_current()->options.server_round_robin)
        link_prepend(&server->pool->idle, &server->link); /* the warmest is used first */
    else
        link_append(list_of(server->pool, state), &server->link);
}

/* --- the end --- */

static void free_if_done(struct server *server)
{
    pool_lock(server->pool);
    bool posted = server->posted;
    pool_unlock(server->pool);
    if (!server->shut || server->handle_open || posted)
        return;
    profile_facts_unref(server->facts);
    statements_destroy(server->statements);
    settings_unref(server->settings);
    explicit_bzero(server->cancel_key, sizeof(server->cancel_key));
    profile_unref(server->profile);
    mem_free(server);
}

static void say_goodbye(struct server *server)
{
    uint8_t memory[16];
    struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
    pgwire_write_empty(&writer, 'X');
    stream_write(&server->stream, writer.data, writer.len);
}

/* Closes the socket of a CLOSING server and gives its place to others. */
static void shut(struct server *server)
{
    if (server->shut)
        return;
    server->shut = true;
    bool logged_in = !server->login;
    login_abandon(server);
    cancels_forget(server);
    if (server->stream.open) {
        if (logged_in)
            say_goodbye(server);
        stream_close(&server->stream);
    } else if (server->fd >= 0) {
        close(server->fd);
    }
    server->fd = -1;
    pool_lock(server->pool);
    link_remove(&server->link);
    pool_give_place(server->pool);
    database_schedule(server->pool->database);
    bool last_stranger = stranger_forget(server);
    pool_unlock(server->pool);
    if (last_stranger)
        stranger_tell(server->pool->database);
}

void server_close_locked(struct server *server)
{
    waiter_revoke(server);
    server_move_to(server, SERVER_CLOSING);
    server_post(server);
}

void server_close(struct server *server)
{
    pool_lock(server->pool);
    if (server->state != SERVER_CLOSING) {
        waiter_revoke(server);
        server_move_to(server, SERVER_CLOSING);
    }
    pool_unlock(server->pool);
    server->user = NULL;
    shut(server);
    free_if_done(server);
}

bool server_unwanted(const struct server *server)
{
    const struct database *database = server->pool->database;
    return server->close_needed || !atomic_load(&database->conf) || atomic_load(&database->paused);
}

void server_ready_locked(struct server *server)
{
    if (server_unwanted(server))
        server_close_locked(server);
    else
        server_move_to(server, SERVER_IDLE);
}

/* --- posts --- */

static void run_post(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    struct server *server = CONTAINER_OF(post, struct server, post);
    pool_lock(server->pool);
    server->posted = false;
    enum server_state state = server->state;
    pool_unlock(server->pool);
    if (state == SERVER_CONNECTING && !server->login) {
        login_start(server);
    } else if (state == SERVER_MOVING) {
        if (server->handle_open)
            server_depart(server);
        else
            server_arrive(server);
    } else if (state == SERVER_RESETTING && server->check_needed) {
        server_check_start(server);
    } else if (state == SERVER_CLOSING) {
        shut(server);
        free_if_done(server);
    }
}

/* A loop that has ended holds no server any more: pools_stop saw to it. */
void server_post(struct server *server)
{
    if (server->posted)
        return;
    server->posted = true;
    ASSERT(loop_post(server->loop, &server->post));
}

struct server *server_create(struct pool *pool, struct profile *profile, struct loop *loop)
{
    struct server *server = mem_zero(1, sizeof(*server));
    server->id = atomic_fetch_add(&last_id, 1) + 1;
    server->pool = pool;
    server->profile = profile_ref(profile);
    server->loop = loop;
    server->fd = -1;
    server->stream.fd = -1;
    server->connected_at_ms = monotonic_ms();
    server->state_since_ms = server->connected_at_ms;
    server->connected_wall_ms = clock_wall_ms();
    server->post.run = run_post;
    link_init(&server->cancels);
    server->state = SERVER_CONNECTING;
    link_append(&pool->login, &server->link);
    return server;
}

/* --- events --- */

/* A server that nobody uses is lost: closed by Postgres, or it said what it should not. */
void server_lose(struct server *server, const char *why, struct slice detail)
{
    struct database *database = server->pool->database;
    char text[256];
    snprintf(text, sizeof(text), "%.*s", (int)size_min(detail.len, sizeof(text) - 1),
             detail.len ? (const char *)detail.data : "");
    log_info("an unused server connection was lost", "database", database->name, "role",
             server->pool->role, "server", log_num((int64_t)server->id), "why", why, "detail", text,
             NULL);
    server_close(server);
    if (on_server_lost)
        on_server_lost(database);
}

/* Input of a server that nobody uses. */
static size_t idle_input(struct server *server, const uint8_t *data, size_t len)
{
    size_t done = 0;
    struct pgwire_frame frame;
    while (done < len) {
        enum pgwire_status status = pgwire_frame_answer(data + done, len - done, &frame);
        if (status == PGWIRE_MORE)
            return done;
        if (status != PGWIRE_OK || frame.len > IDLE_MESSAGE_MAX) {
            server_lose(server, "it broke the protocol", (struct slice){0});
            return len;
        }
        if (frame.len > len - done)
            return done;
        struct pgwire_slice text = {0};
        switch (frame.type) {
        case 'N':
        case 'A':
            break;
        case 'S': /* a reload of its configuration: what we know of it does not hold any more */
            profile_outdate(server->profile);
            server_close(server);
            return len;
        case 'E':
            pgwire_error_field(frame.body, frame.body_len, 'M', &text);
            server_lose(server, "it ended", slice_of(text.data, text.len));
            return len;
        default:
            server_lose(server, "it spoke unasked", (struct slice){0});
            return len;
        }
        done += frame.len;
    }
    return done;
}

static size_t user_input(struct server *server, const uint8_t *data, size_t len)
{
    size_t used = server->user->on_input(server->user_context, server, data, len);
    if (server->releasing)
        server_release_go_on(server, used < len);
    return used;
}

static size_t on_input(struct stream *stream, const uint8_t *data, size_t len)
{
    struct server *server = server_of(stream);
    if (server->user) /* so it is ACTIVE, which no other thread changes */
        return user_input(server, data, len);
    if (server->login)
        return login_input(server, data, len);
    switch (state_of(server)) {
    case SERVER_RESETTING:
        if (!server->check_needed)
            return server_reset_input(server, data, len);
        return idle_input(server, data, len);
    case SERVER_IDLE:
    case SERVER_MOVING:
    case SERVER_ACTIVE: /* promised, or held back by a cancel */
        return idle_input(server, data, len);
    case SERVER_CONNECTING:
    case SERVER_LOGIN:
    case SERVER_CLOSING:
    case SERVER_STATE_COUNT:
        break;
    }
    return len;
}

static void on_drained(struct stream *stream)
{
    struct server *server = server_of(stream);
    if (server->user && server->user->on_drained)
        server->user->on_drained(server->user_context, server);
}

static void on_end(struct stream *stream, enum err err, int error_number)
{
    struct server *server = server_of(stream);
    if (server->user)
        server->user->on_lost(server->user_context, server, err, error_number);
    else if (server->login)
        login_end(server, error_number);
    else if (state_of(server) != SERVER_CLOSING)
        server_lose(server, err_text(err), (struct slice){0});
}

static void on_connected(struct stream *stream)
{
    login_connected(server_of(stream));
}

static void on_closed(struct stream *stream)
{
    struct server *server = server_of(stream);
    server->handle_open = false;
    enum server_state state = state_of(server);
    if (state == SERVER_CLOSING)
        free_if_done(server); /* not yet shut: then its post is still to come */
    else if (state == SERVER_MOVING)
        server_detached(server);
    else
        login_closed(server);
}

const struct stream_handler server_stream_handler = {
    .on_input = on_input,
    .on_drained = on_drained,
    .on_end = on_end,
    .on_closed = on_closed,
    .on_connected = on_connected,
};
