/* Logging in to a server: from an address to a backend whose settings are known. The phases are
 * drawn in login.h. A failure of any kind ends in login_fail: it is noted in the pool, the server
 * is closed, and the scheduler tells those for whom nothing else is left. */
#include "login.h"

#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "pgwire/answer.h"
#include "pgwire/request.h"
#include "upstream/statements.h"

#define PROTOCOL_VIOLATION "08P01"

/* --- the end --- */

void login_free(struct login *login)
{
    conf_unref(login->line->conf);
    buf_fini(&login->welcome);
    explicit_bzero(login->scram_key, sizeof(login->scram_key));
    explicit_bzero(login->key, sizeof(login->key));
    mem_free(login);
}

void login_abandon(struct server *server)
{
    struct login *login = server->login;
    if (!login)
        return;
    server->login = NULL;
    login->server = NULL;
    if (login->resolving)
        uv_cancel((uv_req_t *)&login->resolve); /* on_resolved frees it, cancelled or not */
    else
        login_free(login);
}

static void fail(struct server *server, const char *sqlstate, const char *message,
                 const char *detail, bool from_server)
{
    struct pool *pool = server->pool;
    log_warn("login to the server failed", "database", pool->database->name, "role", pool->role,
             "server", log_num((int64_t)server->id), "sqlstate", sqlstate, "error", message, NULL);
    pool_lock(pool);
    pool_login_failed(pool, server->profile, sqlstate, message, detail, from_server);
    pool_unlock(pool);
    server_close(server);
}

void login_fail(struct server *server, const char *sqlstate, const char *message)
{
    fail(server, sqlstate, message, NULL, false);
}

void login_time_out(struct server *server)
{
    struct login *login = server->login;
    if (login && login->phase != LOGIN_RESOLVING) {
        pool_lock(server->pool);
        server->connected_at_ms = monotonic_ms(); /* the next host has as long */
        pool_unlock(server->pool);
    }
    if (login && login->phase == LOGIN_RESOLVING)
        login_fail_to_connect(server, "no connection within server_connect_timeout");
    else if (login)
        login_leave_host(server, server->login->phase <= LOGIN_CONNECTING
                                     ? "no connection within server_connect_timeout"
                                     : "no end of the login within server_connect_timeout");
    else
        server_close(server);
}

/* The server's own words. One that is only starting is passed over, as libpq does. */
static void fail_by_server(struct server *server, const struct pgwire_frame *frame)
{
    struct pgwire_slice code = {0}, message = {0}, detail = {0};
    pgwire_error_field(frame->body, frame->body_len, 'C', &code);
    pgwire_error_field(frame->body, frame->body_len, 'M', &message);
    pgwire_error_field(frame->body, frame->body_len, 'D', &detail);
    char sqlstate[6] = CONNECTION_FAILURE;
    if (code.len == sizeof(sqlstate) - 1)
        memcpy(sqlstate, code.data, code.len);
    if (strcmp(sqlstate, "57P03") == 0 && login_has_more_hosts(server->login)) {
        login_leave_host(server, "it takes no connections now");
        return;
    }
    char *message_text = mem_text_n(message.data, message.len);
    char *detail_text = detail.len ? mem_text_n(detail.data, detail.len) : NULL;
    fail(server, sqlstate, *message_text ? message_text : "the server refused the login",
         detail_text, true);
    mem_free(message_text);
    mem_free(detail_text);
}

/* --- the startup message --- */

static void add_pair(struct buf *pairs, const char *name, const char *value)
{
    buf_append(pairs, name, strlen(name) + 1);
    buf_append(pairs, value, strlen(value) + 1);
}

static bool client_sent(const struct profile *profile, const char *name)
{
    struct pgwire_slice params = {profile->params.data, profile->params.len};
    struct pgwire_slice has, value;
    size_t at = 0;
    while (pgwire_startup_param(params, &at, &has, &value)) {
        if (has.len == strlen(name) && strncasecmp((const char *)has.data, name, has.len) == 0)
            return true;
    }
    return false;
}

static void add_default(struct buf *pairs, const struct profile *profile, const char *name,
                        const char *value)
{
    if (value && *value && !client_sent(profile, name))
        add_pair(pairs, name, value);
}

static void send_startup(struct login *login)
{
    const struct conf_database *line = login->line;
    const struct profile *profile = login->server->profile;
    struct buf pairs;
    buf_init(&pairs);
    add_pair(&pairs, "user", login->user);
    add_pair(&pairs, "database", profile->pool->database->dbname);
    buf_append(&pairs, profile->params.data, profile->params.len);
    add_default(&pairs, profile, "client_encoding", line->client_encoding);
    add_default(&pairs, profile, "DateStyle", line->datestyle);
    add_default(&pairs, profile, "TimeZone", line->timezone);
    add_default(&pairs, profile, "application_name", line->application_name);
    size_t cap = buf_len(&pairs) + 64;
    uint8_t *memory = mem_alloc(cap);
    struct pgwire_writer writer = pgwire_writer_of(memory, cap);
    pgwire_write_startup(&writer, PGWIRE_PROTOCOL_3_0,
                         (struct pgwire_slice){buf_head(&pairs), buf_len(&pairs)});
    login_send(login, &writer);
    mem_free(memory);
    buf_fini(&pairs);
}

void login_connected(struct server *server)
{
    login_note_local(server);
    pool_lock(server->pool);
    if (server->state == SERVER_CONNECTING) /* else it has passed another host over */
        server_move_to(server, SERVER_LOGIN);
    pool_unlock(server->pool);
    server->login->phase = LOGIN_AUTHENTICATING;
    send_startup(server->login);
}

/* --- after authentication --- */

/* Keeps one ParameterStatus; a newer one of the same name takes the place of the older (that of
 * connect_query). */
static void keep_param_status(struct login *login, const struct pgwire_frame *frame)
{
    struct buf *welcome = &login->welcome;
    struct pgwire_param_status status, old_status;
    if (pgwire_read_param_status(frame->body, frame->body_len, &status) != PGWIRE_OK ||
        buf_len(welcome) + frame->len > LOGIN_WELCOME_MAX) {
        login_fail(login->server, PROTOCOL_VIOLATION, "the server's ParameterStatus is malformed");
        return;
    }
    struct buf kept;
    buf_init(&kept);
    struct pgwire_frame old;
    while (buf_len(welcome)) {
        ASSERT(pgwire_frame_answer(buf_head(welcome), buf_len(welcome), &old) == PGWIRE_OK);
        ASSERT(pgwire_read_param_status(old.body, old.body_len, &old_status) == PGWIRE_OK);
        if (old_status.name.len != status.name.len ||
            memcmp(old_status.name.data, status.name.data, status.name.len) != 0)
            buf_append(&kept, buf_head(welcome), old.len);
        buf_consume(welcome, old.len);
    }
    buf_append(&kept, frame->body - PGWIRE_HEADER_LEN, frame->len);
    buf_fini(welcome);
    *welcome = kept;
}

static void keep_key(struct login *login, const struct pgwire_frame *frame)
{
    struct pgwire_key_data key;
    if (pgwire_read_key_data(frame->body, frame->body_len, &key) != PGWIRE_OK ||
        key.key.len > sizeof(login->key)) {
        login_fail(login->server, PROTOCOL_VIOLATION, "the server's BackendKeyData is malformed");
        return;
    }
    login->pid = key.pid;
    memcpy(login->key, key.key.data, key.key.len);
    login->key_len = (unsigned)key.key.len;
}

static void send_query(struct login *login, const char *sql)
{
    size_t cap = strlen(sql) + 64;
    uint8_t *memory = mem_alloc(cap);
    struct pgwire_writer writer = pgwire_writer_of(memory, cap);
    pgwire_write_query(&writer, sql);
    login_send(login, &writer);
    mem_free(memory);
}

static void begin_probe(struct login *login)
{
    struct buf sql;
    buf_init(&sql);
    probe_query(&sql);
    buf_append(&sql, "", 1);
    login->phase = LOGIN_PROBING;
    send_query(login, (const char *)buf_head(&sql));
    buf_fini(&sql);
}

/* What the ParameterStatus messages say of the server, from version 14 on: in time, before
 * connect_query. */
static bool fits_by_welcome(const struct login *login)
{
    const struct profile_facts said = {
        .welcome = slice_of(buf_head(&login->welcome), buf_len(&login->welcome))};
    struct slice standby, read_only;
    if (!profile_facts_param(&said, "in_hot_standby", &standby) ||
        !profile_facts_param(&said, "default_transaction_read_only", &read_only))
        return true;
    bool is_standby = slice_is(standby, "on");
    return hosts_fit(&login->walk, login->line, is_standby,
                     is_standby || slice_is(read_only, "on"));
}

static bool fits(const struct login *login)
{
    const struct probe *probe = &login->probe;
    return !probe->started_us ||
           hosts_fit(&login->walk, login->line, probe->standby, probe->read_only);
}

static void finish(struct login *login)
{
    struct server *server = login->server;
    struct pool *pool = server->pool;
    if (!login->probe.done)
        probe_give_up(&login->probe);
    server->login = NULL;
    hosts_keep(&login->walk, pool->database);
    pool_lock(pool);
    bool stranger = stranger_note(server, login->probe.started_us);
    pool_unlock(pool);
    if (stranger) /* before anybody can get it */
        stranger_tell(pool->database);
    struct server_statements *statements =
        statements_create((unsigned)conf_current()->options.max_prepared_statements);
    pool_lock(pool);
    server->statements = statements;
    server->backend_pid = login->pid;
    memcpy(server->cancel_key, login->key, login->key_len);
    server->cancel_key_len = login->key_len;
    server->facts = profile_learn(server->profile, &login->probe, &login->welcome);
    struct profile *before = pool->recent;
    pool->recent = profile_ref(profile_to_keep(server->profile));
    if (before)
        profile_unref_locked(before);
    login_failure_clear(&pool->failure);
    login_failure_clear(&server->profile->failure);
    pool->stats->logins++;
    server->fresh = true;
    server_move_to(server, SERVER_IDLE);
    if (server_unwanted(server))
        server_close_locked(server);
    pool_schedule(pool);
    pool_unlock(pool);
    login_free(login);
}

static void ready(struct login *login, const struct pgwire_frame *frame, bool more)
{
    const char *connect_query = login->line->connect_query;
    uint8_t block = 0;
    if (pgwire_read_ready(frame->body, frame->body_len, &block) != PGWIRE_OK || more) {
        login_fail(login->server, PROTOCOL_VIOLATION, "the server broke the protocol in the login");
    } else if (block != 'I') {
        login_fail(login->server, "25001", "connect_query has left a transaction open");
    } else if ((login->phase == LOGIN_STARTING && !fits_by_welcome(login)) ||
               (login->phase == LOGIN_PROBING && !fits(login))) {
        login_leave_host(login->server, hosts_misfit_text(login->line));
    } else if (login->phase == LOGIN_STARTING && connect_query && *connect_query) {
        login->phase = LOGIN_CONNECT_QUERY;
        send_query(login, connect_query);
    } else if (login->phase == LOGIN_PROBING) {
        finish(login);
    } else {
        begin_probe(login);
    }
}

/* One whole message; `more`: others came with it. */
static void handle(struct login *login, const struct pgwire_frame *frame, bool more)
{
    bool in_query = login->phase == LOGIN_CONNECT_QUERY || login->phase == LOGIN_PROBING;
    bool started = in_query || login->phase == LOGIN_STARTING;
    uint8_t type = frame->type;
    if (type == 'N' || type == 'v' || (type == 'A' && started))
        return;
    if (type == 'R' && !started)
        login_authenticate(login, frame);
    else if (type == 'E' && login->phase == LOGIN_PROBING)
        probe_give_up(&login->probe);
    else if (type == 'E')
        fail_by_server(login->server, frame);
    else if (type == 'S' && started)
        keep_param_status(login, frame);
    else if (type == 'K' && login->phase == LOGIN_STARTING)
        keep_key(login, frame);
    else if (type == 'Z' && started)
        ready(login, frame, more);
    else if (type == 'D' && login->phase == LOGIN_PROBING) {
        if (login->probe.done || probe_read(&login->probe, frame->body, frame->body_len) != ERR_OK)
            probe_give_up(&login->probe);
    } else if (!in_query || !strchr("TDCI", type))
        login_fail(login->server, PROTOCOL_VIOLATION,
                   "the server sent a message that has no place in a login");
}

size_t login_input(struct server *server, const uint8_t *data, size_t len)
{
    size_t done = 0;
    while (server->login && server->stream.open && done < len) {
        struct pgwire_frame frame;
        enum pgwire_status status = pgwire_frame_answer(data + done, len - done, &frame);
        if (status == PGWIRE_MORE)
            return done;
        if (status != PGWIRE_OK || frame.len > LOGIN_MESSAGE_MAX) {
            login_fail(server, PROTOCOL_VIOLATION, "the server does not speak Postgres' protocol");
            return len;
        }
        if (frame.len > len - done)
            return done;
        done += frame.len;
        handle(server->login, &frame, done < len);
    }
    return len;
}
