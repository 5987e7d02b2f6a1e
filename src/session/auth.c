/* Who is it? The client proves itself by the method of auth_type against auth_file; then it is
 * greeted with what Postgres said at the last login of its profile, learned now if need be.
 *
 * A role that auth_file does not know is asked for a proof like any other and refused with the same
 * words, so that nobody learns which roles exist.
 *
 * Source  PostgreSQL manual, "Start-up", "SASL Authentication".
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "session/session.h"
#include "upstream/control.h"

enum { AUTH_OUT_MAX = 2048, AUTH_SALT_LEN = 16 };

static bool is_scram(const char *secret)
{
    return secret && strncmp(secret, "SCRAM-SHA-256$", 14) == 0;
}

static bool is_md5(const char *secret)
{
    return secret && strncmp(secret, "md5", 3) == 0 && strlen(secret) == PGWIRE_MD5_LEN;
}

static void auth_passed(struct session *session);

static const char *secret_of(struct session *session)
{
    const struct conf_user *user = conf_user_find(conf_current(), slice_of_text(session->user));
    return user ? user->secret : NULL;
}

static void refuse(struct session *session)
{
    char text[192];
    snprintf(text, sizeof(text), "password authentication failed for user \"%.100s\"",
             session->user);
    session_fail(session, "28P01", text, NULL);
}

static void ask(struct session *session, uint32_t code, const void *data, size_t len)
{
    uint8_t space[AUTH_OUT_MAX];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    pgwire_write_auth(&writer, code, (struct pgwire_slice){.data = data, .len = len});
    stream_queue(&session->stream, space, writer.len);
    stream_flush(&session->stream);
}

static uint8_t salt_key[32];

static void salt_key_make(void)
{
    clock_random(salt_key, sizeof(salt_key));
}

/* A salt for a role that has none of its own, the same at each login: a stored one does not change
 * either. */
static void salt_of(const char *user, uint8_t salt[AUTH_SALT_LEN])
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    uint8_t made[EVP_MAX_MD_SIZE];
    unsigned made_len = 0;
    (void)pthread_once(&once, salt_key_make);
    ASSERT(HMAC(EVP_sha256(), salt_key, sizeof(salt_key), (const unsigned char *)user, strlen(user),
                made, &made_len) != NULL &&
           made_len >= AUTH_SALT_LEN);
    memcpy(salt, made, AUTH_SALT_LEN);
}

/* What the client's proof is compared with. An unknown role, or one whose secret is of another kind or
 * spoiled, gets a secret that nobody has: by chance, since making one of a password takes milliseconds,
 * which would tell the two apart and be anybody's to spend. */
static void prepare_scram(struct session *session, const char *secret)
{
    struct login *login = session->login;
    if (is_scram(secret) && pgwire_scram_read_secret(secret, &login->secret) == PGWIRE_OK)
        return;
    uint8_t salt[AUTH_SALT_LEN];
    salt_of(session->user, salt);
    login->mock = login->mock || !secret || is_md5(secret) || is_scram(secret);
    if (!login->mock) {
        pgwire_scram_make_secret(secret, salt, sizeof(salt), PGWIRE_SCRAM_ITERATIONS_DEFAULT,
                                 &login->secret);
        return;
    }
    login->secret.iterations = PGWIRE_SCRAM_ITERATIONS_DEFAULT;
    login->secret.salt_len = sizeof(salt);
    memcpy(login->secret.salt, salt, sizeof(salt));
    clock_random(login->secret.stored_key, sizeof(login->secret.stored_key));
    clock_random(login->secret.server_key, sizeof(login->secret.server_key));
}

void auth_begin(struct session *session)
{
    struct login *login = session->login;
    const char *secret = secret_of(session);
    login->method = conf_current()->options.auth_type;
    /* An empty secret is no password that one could know. */
    login->mock = !secret || !*secret;
    if (login->method == AUTH_TYPE_TRUST) {
        auth_passed(session);
        return;
    }
    session_move(session, SESSION_AUTH);
    if (login->method == AUTH_TYPE_MD5 && is_scram(secret))
        login->method = AUTH_TYPE_SCRAM;
    switch ((enum auth_type)login->method) {
    case AUTH_TYPE_TRUST:
        break;
    case AUTH_TYPE_PLAIN:
        ask(session, PGWIRE_AUTH_CLEARTEXT, NULL, 0);
        break;
    case AUTH_TYPE_MD5:
        clock_random(login->salt, sizeof(login->salt));
        ask(session, PGWIRE_AUTH_MD5, login->salt, sizeof(login->salt));
        break;
    case AUTH_TYPE_SCRAM:
        prepare_scram(session, secret);
        ask(session, PGWIRE_AUTH_SASL, "SCRAM-SHA-256\0", 15);
        break;
    }
}

static bool same_text(const char *a, const char *b)
{
    size_t len = strlen(a);
    return len == strlen(b) && CRYPTO_memcmp(a, b, len) == 0;
}

static bool check_plain(const struct session *session, const char *secret, const char *given)
{
    if (is_md5(secret)) {
        char made[PGWIRE_MD5_LEN + 1];
        pgwire_md5_secret(given, session->user, made);
        return same_text(made, secret);
    }
    if (is_scram(secret)) {
        struct pgwire_scram_secret known, made;
        if (pgwire_scram_read_secret(secret, &known) != PGWIRE_OK)
            return false;
        pgwire_scram_make_secret(given, known.salt, known.salt_len, known.iterations, &made);
        return CRYPTO_memcmp(made.stored_key, known.stored_key, sizeof(made.stored_key)) == 0;
    }
    return same_text(secret, given);
}

static bool check_md5(const struct session *session, const char *secret, const char *given)
{
    char stored[PGWIRE_MD5_LEN + 1], expected[PGWIRE_MD5_LEN + 1];
    if (is_md5(secret))
        snprintf(stored, sizeof(stored), "%s", secret);
    else
        pgwire_md5_secret(secret, session->user, stored);
    pgwire_md5_answer(stored, session->login->salt, expected);
    return same_text(expected, given);
}

static void take_password(struct session *session, const struct pgwire_frame *frame)
{
    struct pgwire_slice text;
    const char *secret = secret_of(session);
    if (pgwire_read_text(frame->body, frame->body_len, &text) != PGWIRE_OK) {
        session_fail(session, "08P01", "invalid password packet", NULL);
        return;
    }
    char *given = mem_text_n(text.data, text.len);
    bool proven = false;
    if (!session->login->mock && secret && given[0])
        proven = (session->login->method == AUTH_TYPE_MD5 ? check_md5 : check_plain)(session,
                                                                                     secret, given);
    OPENSSL_cleanse(given, text.len);
    mem_free(given);
    if (proven)
        auth_passed(session);
    else
        refuse(session);
}

static void take_scram_first(struct session *session, const struct pgwire_frame *frame)
{
    struct login *login = session->login;
    struct pgwire_sasl_initial initial;
    uint8_t random[18];
    clock_random(random, sizeof(random));
    if (pgwire_read_sasl_initial(frame->body, frame->body_len, &initial) != PGWIRE_OK ||
        !pgwire_slice_is(initial.mechanism, "SCRAM-SHA-256") || !initial.response.data ||
        pgwire_scram_server_first(&login->scram, &login->secret, initial.response, random) !=
            PGWIRE_OK) {
        session_fail(session, "08P01", "malformed SCRAM message", NULL);
        return;
    }
    login->scram_started = true;
    ask(session, PGWIRE_AUTH_SASL_CONTINUE, login->scram.server_first,
        strlen(login->scram.server_first));
}

static void take_scram_final(struct session *session, const struct pgwire_frame *frame)
{
    struct login *login = session->login;
    bool proven = false;
    char final[64];
    struct pgwire_slice text = {.data = frame->body, .len = frame->body_len};
    if (pgwire_scram_server_final(&login->scram, text, &proven, final) != PGWIRE_OK) {
        session_fail(session, "08P01", "malformed SCRAM message", NULL);
        return;
    }
    if (!proven || login->mock) {
        refuse(session);
        return;
    }
    ask(session, PGWIRE_AUTH_SASL_FINAL, final, strlen(final));
    login->scram_proven = true;
    auth_passed(session);
}

size_t auth_on_input(struct session *session, const uint8_t *data, size_t len)
{
    struct pgwire_frame frame;
    enum pgwire_status status = pgwire_frame_request(data, len, &frame);
    if (status == PGWIRE_MORE)
        return 0;
    if (status != PGWIRE_OK || frame.type != 'p') {
        if (status != PGWIRE_OK || frame.type != 'X')
            session_fail(session, "08P01", "expected password response", NULL);
        else
            session_end(session);
        return len;
    }
    if (len < frame.len)
        return 0;
    if (session->login->method != AUTH_TYPE_SCRAM)
        take_password(session, &frame);
    else if (!session->login->scram_started)
        take_scram_first(session, &frame);
    else
        take_scram_final(session, &frame);
    return session->end_after_flush ? len : frame.len;
}

/* ---- after the proof ---- */

static void greet(struct session *session, struct slice welcome)
{
    cancel_keys_add(session);
    uint8_t space[128];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    pgwire_write_auth(&writer, PGWIRE_AUTH_OK, (struct pgwire_slice){0});
    stream_queue(&session->stream, space, writer.len);
    stream_queue(&session->stream, welcome.data, welcome.len);
    writer.len = 0;
    pgwire_write_key_data(
        &writer, session->cancel_pid,
        (struct pgwire_slice){.data = session->cancel_secret, .len = session->cancel_secret_len});
    pgwire_write_ready(&writer, 'I');
    stream_queue(&session->stream, space, writer.len);
    stream_flush(&session->stream);
    login_destroy(session->login);
    session->login = NULL;
    session->idle_since_ms = loop_now_ms(session->host->loop);
    if (conf_current()->options.log_connections)
        log_debug("client connected", "session", log_num((int64_t)session->id), "user",
                  session->user, NULL);
}

static void enter(struct session *session)
{
    session_move(session, SESSION_READY);
    if (session->host->draining) {
        session_fail(session, "57P01", "pgrecall is shutting down", NULL);
        return;
    }
    counter_add(&session->stats->client_login_count, 1);
    greet(session, session->facts->welcome);
    stream_resume(&session->stream);
}

static void on_ready(struct pool_waiter *waiter, struct server *server)
{
    struct session *session = CONTAINER_OF(waiter, struct session, waiter);
    bool own = server->profile == session->profile;
    if (own)
        session->home = server_make_home(server);
    server_release(server, false);
    if (!own) { /* it was lent, for what it knows: now there may be a home */
        auth_learn_facts(session);
        return;
    }
    session->facts = profile_facts_ref(session->profile);
    ASSERT(session->facts != NULL);
    enter(session);
}

/* No backend comes to be its home: what is known of its profile will do. */
static void stop_looking(struct session *session)
{
    session->login->home_since_ms = 0;
    session->login->homeless = true;
    auth_learn_facts(session);
}

static void on_failed(struct pool_waiter *waiter, const struct pool_failure *failure)
{
    struct session *session = CONTAINER_OF(waiter, struct session, waiter);
    if (session->login->home_since_ms)
        stop_looking(session);
    else
        session_fail(session, failure->sqlstate, failure->message, failure->detail);
}

/* Roles or settings may have changed a moment ago (ALTER ROLE, DO ...): the control connection is
 * looking. Who logs in now waits for what it finds, or would be greeted with what was. */
static bool waits_for_settings(struct session *session)
{
    struct login *login = session->login;
    uint64_t now_ms = loop_now_ms(session->host->loop);
    const struct realm *realm = session->database->realm;
    if (realm_catalog_is_fresh(realm) || !atomic_load(&realm->catalog_loaded))
        return false;
    enum control_state state = control_state(session->database->control);
    if (state == CONTROL_IDLE || state == CONTROL_BACKOFF)
        return false;
    if (state == CONTROL_READY) /* nobody looks: what may change them is not over yet */
        control_refresh(session->database->control);
    if (!login->settings_since_ms)
        login->settings_since_ms = now_ms;
    return now_ms - login->settings_since_ms < SESSION_SETTINGS_MS;
}

void auth_learn_facts(struct session *session)
{
    struct login *login = session->login;
    uint64_t now_ms = loop_now_ms(session->host->loop);
    if (login->home_since_ms) {
        if (now_ms - login->home_since_ms >= SESSION_HOME_MS) {
            atomic_store(&session->pool->homeless_until_ms, now_ms + SESSION_HOMELESS_MS);
            pool_leave(&session->waiter);
            stop_looking(session);
        }
        return;
    }
    login->waits = waits_for_settings(session);
    if (login->waits)
        return;
    session->facts = profile_facts_ref(session->profile);
    bool known = session->facts && !session->facts->outdated;
    bool homeless = login->homeless || now_ms < atomic_load(&session->pool->homeless_until_ms);
    if (known && (homeless || pool_find_home(session->profile, session->host->loop,
                                             &session->home) != HOME_MAY_COME)) {
        enter(session);
        return;
    }
    profile_facts_unref(session->facts);
    session->facts = NULL;
    if (known)
        login->home_since_ms = now_ms;
    session->waiter.loop = session->host->loop;
    session->waiter.profile = session->profile;
    session->waiter.native = known; /* a home is of its own profile */
    session->waiter.home = 0;
    session->waiter.wants_home = known;
    session->waiter.on_ready = on_ready;
    session->waiter.on_failed = on_failed;
    pool_wait(&session->waiter);
}

static bool is_console_name(const char *name)
{
    return strcmp(name, "pgrecall") == 0 || strcmp(name, "pgbouncer") == 0;
}

static void enter_console(struct session *session)
{
    static const char *const params[][2] = {
        {"server_version", "15.0 (pgrecall)"},
        {"server_encoding", "UTF8"},
        {"client_encoding", "UTF8"},
        {"DateStyle", "ISO, MDY"},
        {"TimeZone", "GMT"},
        {"integer_datetimes", "on"},
        {"standard_conforming_strings", "on"},
        {"is_superuser", "off"},
    };
    if (!session_console.may_enter ||
        !session_console.may_enter(slice_of_text(session->user), &session->console_admin)) {
        session_fail(session, "28000", "this user may not use the console", NULL);
        return;
    }
    uint8_t space[AUTH_OUT_MAX];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    for (unsigned i = 0; i < ARRAY_COUNT(params); i++) {
        struct pgwire_slice name = {.data = (const uint8_t *)params[i][0],
                                    .len = strlen(params[i][0])};
        struct pgwire_slice value = {.data = (const uint8_t *)params[i][1],
                                     .len = strlen(params[i][1])};
        pgwire_write_param_status(&writer, name, value);
    }
    session_move(session, SESSION_CONSOLE);
    greet(session, slice_of(space, writer.len));
    stream_resume(&session->stream);
}

/* There is none of this name; or there are too many, which is nobody's fault but that of those who
 * make names up under a "*" line. */
static void refuse_database(struct session *session)
{
    char text[192];
    const char *name = session->login->database;
    bool known = conf_database_find(conf_current(), slice_of_text(name)) != NULL;
    snprintf(text, sizeof(text),
             known ? "too many database names are in use for \"%.100s\" to be a new one"
                   : "database \"%.100s\" does not exist",
             name);
    session_fail(session, known ? "53400" : "3D000", text, NULL);
}

static void auth_passed(struct session *session)
{
    struct login *login = session->login;
    if (session->console_port || is_console_name(login->database)) {
        enter_console(session);
        return;
    }
    struct database *database = database_enter(slice_of_text(login->database));
    if (!database) {
        refuse_database(session);
        return;
    }
    session->database = database;
    session->stats = host_stats(session->host, database);
    session->pool = pool_get(database, slice_of_text(session->user));
    atomic_fetch_add(&session->pool->limit->clients, 1);
    const char *refused = pool_refuses_client(session->pool);
    if (refused) {
        session_fail(session, "53300", refused, NULL);
        return;
    }
    const char *secret = secret_of(session);
    if (login->scram_proven && is_scram(secret))
        pool_learn_scram(session->pool, login->scram.client_key, secret);
    /* Also with the cache off: what a statement does to its backend is proven by the catalog. */
    control_want(database->control, session->user,
                 secret && !is_scram(secret) && !is_md5(secret) ? secret : NULL);
    session->profile =
        profile_get(session->pool, slice_of(buf_head(&login->params), buf_len(&login->params)));
    session_move(session, SESSION_WELCOME);
    auth_learn_facts(session);
}
