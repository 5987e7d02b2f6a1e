/* The first packets of a connection: requests for encryption (answered N), a CancelRequest, or the
 * StartupMessage, whose parameters become the session's profile.
 *
 * Source  PostgreSQL manual, "Start-up", "Canceling Requests in Progress", "Protocol Versions";
 *         src/backend/tcop/backend_startup.c for what is refused and how.
 */
#include <stdio.h>
#include <strings.h>

#include "base/mem.h"
#include "session/session.h"

enum { STARTUP_OPTIONS_MAX = 32 };

void login_destroy(struct login *login)
{
    if (!login)
        return;
    mem_free(login->user);
    mem_free(login->database);
    buf_fini(&login->params);
    mem_free(login);
}

static bool is_in_list(const char *list, struct slice name)
{
    for (const char *at = list; at && *at;) {
        size_t len = strcspn(at, ", ");
        if (len == name.len && memcmp(at, name.data, len) == 0)
            return true;
        at += len;
        at += strspn(at, ", ");
    }
    return false;
}

static void add_param(struct login *login, struct slice name, struct slice value)
{
    buf_append(&login->params, name.data, name.len);
    buf_append(&login->params, "", 1);
    buf_append(&login->params, value.data, value.len);
    buf_append(&login->params, "", 1);
}

/* Tells a client that asks for more than 3.2, or for options that we do not know, what there is. */
static void negotiate(struct session *session, uint32_t count, struct pgwire_slice options)
{
    size_t room = options.len + 64;
    struct buf out = {0};
    struct pgwire_writer writer = pgwire_writer_of(buf_reserve(&out, room), room);
    pgwire_write_negotiate(&writer, session->login->protocol, count, options);
    stream_queue(&session->stream, writer.data, writer.len);
    buf_fini(&out);
}

static bool refuse_setting(struct session *session, struct slice name, struct slice value)
{
    char text[256];
    snprintf(text, sizeof(text), "invalid value for parameter \"%.*s\": \"%.*s\"",
             (int)size_min(name.len, 64), (const char *)name.data, (int)size_min(value.len, 64),
             (const char *)value.data);
    session_fail(session, "22023", text, NULL);
    return false;
}

/* The startup parameter "options", without what is for us. */
static bool read_options(struct session *session, struct slice options)
{
    char *left = mem_alloc(options.len + 1);
    struct slice bad;
    bool fine = local_startup_options(&session->local, options, left, &bad);
    if (!fine) {
        const uint8_t *equals = memchr(bad.data, '=', bad.len);
        size_t len = equals ? (size_t)(equals - bad.data) : bad.len;
        refuse_setting(
            session, slice_of(bad.data, len),
            slice_of(bad.data + len + (equals ? 1 : 0), bad.len - len - (equals ? 1 : 0)));
    } else if (left[0] && !is_in_list(conf_current()->options.ignore_startup_parameters,
                                      slice_of_text("options"))) {
        add_param(session->login, slice_of_text("options"), slice_of_text(left));
    }
    mem_free(left);
    return fine;
}

static bool is_prefix_of(struct slice value, const char *word)
{
    return value.len && value.len <= strlen(word) &&
           strncasecmp((const char *)value.data, word, value.len) == 0;
}

/* `replication` is a boolean as Postgres reads it, any unique beginning of a word, or "database". False:
 * the session has been refused, because it is anything but no. */
static bool refuse_replication(struct session *session, struct slice value)
{
    if (is_prefix_of(value, "false") || is_prefix_of(value, "no") ||
        slice_equal(value, slice_of_text("0")) || (value.len > 1 && is_prefix_of(value, "off")))
        return true;
    session_fail(session, "0A000", "replication connections are not supported", NULL);
    return false;
}

/* Takes the parameters apart. False: the session has been refused. */
static bool read_params(struct session *session, const struct pgwire_startup *startup)
{
    struct login *login = session->login;
    struct pgwire_slice name, value;
    struct buf unknown = {0};
    uint32_t unknown_count = 0;
    size_t at = 0;
    bool fine = true;
    while (fine && pgwire_startup_param(startup->params, &at, &name, &value)) {
        if (pgwire_slice_is(name, "user")) {
            mem_free(login->user);
            login->user = mem_text_n(value.data, value.len);
        } else if (pgwire_slice_is(name, "database")) {
            mem_free(login->database);
            login->database = mem_text_n(value.data, value.len);
        } else if (pgwire_slice_is(name, "replication")) {
            fine = refuse_replication(session, session_slice(value));
        } else if (name.len >= 5 && memcmp(name.data, "_pq_.", 5) == 0) {
            if (unknown_count++ < STARTUP_OPTIONS_MAX) {
                buf_append(&unknown, name.data, name.len);
                buf_append(&unknown, "", 1);
            }
        } else if (name.len > 9 && strncasecmp((const char *)name.data, "pgrecall.", 9) == 0) {
            fine = local_startup(&session->local, session_slice(name), session_slice(value)) ||
                   refuse_setting(session, session_slice(name), session_slice(value));
        } else if (pgwire_slice_is(name, "options") && value.len) {
            fine = read_options(session, session_slice(value));
        } else if (!is_in_list(conf_current()->options.ignore_startup_parameters,
                               session_slice(name))) {
            if (pgwire_slice_is(name, "application_name")) {
                mem_free(session->application_name);
                session->application_name = mem_text_n(value.data, value.len);
            }
            add_param(login, session_slice(name), session_slice(value));
        }
    }
    local_begin(&session->local);
    if (fine && (unknown_count || startup->protocol > PGWIRE_PROTOCOL_3_2))
        negotiate(session,
                  unknown_count < STARTUP_OPTIONS_MAX ? unknown_count : STARTUP_OPTIONS_MAX,
                  (struct pgwire_slice){.data = buf_head(&unknown), .len = buf_len(&unknown)});
    buf_fini(&unknown);
    return fine;
}

static void begin_login(struct session *session, const struct pgwire_startup *startup)
{
    struct login *login = session->login;
    char text[96];
    if (startup->protocol >> 16 != 3) {
        snprintf(text, sizeof(text),
                 "unsupported frontend protocol %u.%u: server supports 3.0 to 3.2",
                 startup->protocol >> 16, startup->protocol & 0xffff);
        session_fail(session, "0A000", text, NULL);
        return;
    }
    login->protocol =
        startup->protocol > PGWIRE_PROTOCOL_3_2 ? PGWIRE_PROTOCOL_3_2 : startup->protocol;
    if (!read_params(session, startup))
        return;
    if (!login->user || !login->user[0]) {
        session_fail(session, "28000", "no PostgreSQL user name specified in startup packet", NULL);
        return;
    }
    if (!login->database || !login->database[0]) {
        mem_free(login->database);
        login->database = mem_text(login->user);
    }
    session->user = mem_text(login->user);
    session->counted = true; /* only now: a CancelRequest takes nobody's place */
    if ((int64_t)atomic_fetch_add(&session_clients, 1) >= conf_current()->options.max_client_conn) {
        session_fail(session, "53300", "no more connections allowed (max_client_conn)", NULL);
        return;
    }
    if (session->host->stopping) {
        session_fail(session, "57P01", "pgrecall is shutting down", NULL);
        return;
    }
    auth_begin(session);
}

size_t startup_on_input(struct session *session, const uint8_t *data, size_t len)
{
    if (session->login->cancels)
        return len;
    struct pgwire_frame frame;
    enum pgwire_status status = pgwire_frame_startup(data, len, &frame);
    if (status == PGWIRE_MORE || (status == PGWIRE_OK && len < frame.len))
        return 0;
    struct pgwire_startup startup;
    if (status == PGWIRE_OK)
        status = pgwire_read_startup(frame.body, frame.body_len, &startup);
    if (status != PGWIRE_OK) {
        session_fail(session, "08P01", "invalid startup packet", pgwire_status_text(status));
        return len;
    }
    bool again = false;
    switch (startup.kind) {
    case PGWIRE_STARTUP_SSL:
        again = session->login->asked_ssl;
        session->login->asked_ssl = true;
        break;
    case PGWIRE_STARTUP_GSSENC:
        again = session->login->asked_gss;
        session->login->asked_gss = true;
        break;
    case PGWIRE_STARTUP_CANCEL:
        session->login->cancels = true;
        cancel_keys_request(session, startup.cancel_pid, session_slice(startup.cancel_key));
        return len;
    case PGWIRE_STARTUP_LOGIN:
        begin_login(session, &startup);
        return session->end_after_flush ? len : frame.len;
    }
    /* Bytes behind a request for encryption were not meant to be read in the clear. */
    if (again || len > frame.len) {
        session_fail(session, "08P01", "received unencrypted data after SSL request", NULL);
        return len;
    }
    stream_write(&session->stream, "N", 1);
    return frame.len;
}
