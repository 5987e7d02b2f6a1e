/* Proving to a server who we are: with the secret of the configuration, or with the key that a
 * client's own SCRAM login left us (then the server's secret must be the very one of auth_file). */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "login.h"
#include "pgwire/answer.h"

#define INVALID_PASSWORD "28P01"
#define SCRAM_NAME       "SCRAM-SHA-256"

enum { AUTH_MESSAGE_MAX = 4096 };

void login_choose_secret(struct login *login)
{
    const struct conf_database *line = login->line;
    const char *role = login->server->pool->role;
    login->user = line->user ? line->user : role;
    login->may_pass_through = strcmp(login->user, role) == 0;
    if (line->user && line->password) {
        login->secret = line->password;
        return;
    }
    const struct conf_user *user = conf_user_find(line->conf, slice_of_text(login->user));
    login->secret = user ? user->secret : NULL;
}

static bool is_md5(const char *secret)
{
    return strncmp(secret, "md5", 3) == 0 && strlen(secret) == PGWIRE_MD5_LEN &&
           strspn(secret + 3, "0123456789abcdef") == PGWIRE_MD5_LEN - 3;
}

static bool is_scram(const char *secret)
{
    return strncmp(secret, SCRAM_NAME "$", sizeof(SCRAM_NAME)) == 0;
}

static bool is_plain(const char *secret)
{
    return secret && !is_md5(secret) && !is_scram(secret);
}

void login_send(struct login *login, const struct pgwire_writer *writer)
{
    ASSERT(!writer->overflow);
    stream_write(&login->server->stream, writer->data, writer->len);
}

static void fail_without_secret(struct login *login, const char *method)
{
    char message[256];
    snprintf(message, sizeof(message),
             "the server asks role \"%s\" for %s, and no secret that fits is known", login->user,
             method);
    login_fail(login->server, INVALID_PASSWORD, message);
}

static void answer_cleartext(struct login *login)
{
    if (!is_plain(login->secret)) {
        fail_without_secret(login, "a password in clear");
        return;
    }
    size_t cap = strlen(login->secret) + 64;
    uint8_t *memory = mem_alloc(cap);
    struct pgwire_writer writer = pgwire_writer_of(memory, cap);
    pgwire_write_password(&writer, login->secret);
    login_send(login, &writer);
    explicit_bzero(memory, cap);
    mem_free(memory);
}

static void answer_md5(struct login *login, struct pgwire_slice salt)
{
    char secret[PGWIRE_MD5_LEN + 1], answer[PGWIRE_MD5_LEN + 1];
    if (is_plain(login->secret)) {
        pgwire_md5_secret(login->secret, login->user, secret);
    } else if (login->secret && is_md5(login->secret)) {
        memcpy(secret, login->secret, sizeof(secret));
    } else {
        fail_without_secret(login, "an MD5 password");
        return;
    }
    pgwire_md5_answer(secret, salt.data, answer);
    uint8_t memory[128];
    struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
    pgwire_write_password(&writer, answer);
    login_send(login, &writer);
    explicit_bzero(secret, sizeof(secret));
}

/* The key that a client's login left in the pool, if there is one. */
static bool take_learned_key(struct login *login)
{
    struct pool *pool = login->server->pool;
    pool_lock(pool);
    bool taken = login->may_pass_through && pool->scram_client_key &&
                 pgwire_scram_read_secret(pool->scram_secret, &login->scram_secret) == PGWIRE_OK;
    if (taken)
        memcpy(login->scram_key, pool->scram_client_key, sizeof(login->scram_key));
    pool_unlock(pool);
    return taken;
}

static void begin_scram(struct login *login, struct pgwire_slice mechanisms)
{
    login->scram = (struct pgwire_scram_client){0};
    if (!pgwire_sasl_offers(mechanisms, SCRAM_NAME)) {
        login_fail(login->server, INVALID_PASSWORD,
                   "the server offers no SASL mechanism that we speak");
        return;
    }
    if (is_plain(login->secret)) {
        login->scram.password = login->secret;
    } else if (take_learned_key(login)) {
        login->scram.client_key = login->scram_key;
        login->scram.secret = &login->scram_secret;
    } else {
        fail_without_secret(login, "a SCRAM proof");
        return;
    }
    uint8_t chance[18];
    clock_random(chance, sizeof(chance));
    char first[PGWIRE_SCRAM_TEXT_MAX];
    size_t len = pgwire_scram_client_first(&login->scram, chance, first);
    uint8_t memory[AUTH_MESSAGE_MAX];
    struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
    pgwire_write_sasl_initial(&writer, SCRAM_NAME,
                              (struct pgwire_slice){(const uint8_t *)first, len});
    login->scram_begun = true;
    login_send(login, &writer);
}

static void continue_scram(struct login *login, struct pgwire_slice server_first)
{
    char final[PGWIRE_SCRAM_TEXT_MAX];
    size_t len = 0;
    if (pgwire_scram_client_final(&login->scram, server_first, final, &len) != PGWIRE_OK) {
        login_fail(login->server, INVALID_PASSWORD,
                   login->scram.password
                       ? "the server's SCRAM message is malformed"
                       : "the role's SCRAM secret in auth_file is not the server's");
        return;
    }
    uint8_t memory[AUTH_MESSAGE_MAX];
    struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
    pgwire_write_sasl_response(&writer, (struct pgwire_slice){(const uint8_t *) final, len});
    login_send(login, &writer);
}

static void finish_scram(struct login *login, struct pgwire_slice server_final)
{
    bool genuine = false;
    if (pgwire_scram_client_verify(&login->scram, server_final, &genuine) != PGWIRE_OK || !genuine)
        login_fail(login->server, INVALID_PASSWORD,
                   "the server does not know the role's SCRAM secret: it is not the one it claims "
                   "to be");
    else
        login->scram_proven = true;
}

void login_authenticate(struct login *login, const struct pgwire_frame *frame)
{
    struct pgwire_auth auth;
    if (pgwire_read_auth(frame->body, frame->body_len, &auth) != PGWIRE_OK) {
        login_fail(login->server, "08P01", "the server's authentication request is malformed");
        return;
    }
    bool in_scram = login->scram_begun && !login->scram_proven;
    if (auth.code == PGWIRE_AUTH_OK && !in_scram)
        login->phase = LOGIN_STARTING;
    else if (auth.code == PGWIRE_AUTH_CLEARTEXT && !login->scram_begun)
        answer_cleartext(login);
    else if (auth.code == PGWIRE_AUTH_MD5 && !login->scram_begun && auth.data.len == 4)
        answer_md5(login, auth.data);
    else if (auth.code == PGWIRE_AUTH_SASL && !login->scram_begun)
        begin_scram(login, auth.data);
    else if (auth.code == PGWIRE_AUTH_SASL_CONTINUE && in_scram)
        continue_scram(login, auth.data);
    else if (auth.code == PGWIRE_AUTH_SASL_FINAL && in_scram)
        finish_scram(login, auth.data);
    else
        login_fail(login->server, "28000",
                   "the server asks for an authentication that we do not speak");
}
