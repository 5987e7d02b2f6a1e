/* The first byte chooses a step of the exchange, the rest is what the other side says there. The
 * fuzzer knows no password, so it must never prove anything. */
#include "fuzz.h"

#include <assert.h>
#include <stdlib.h>

#include "pgwire/scram.h"

enum step { CLIENT_FIRST, CLIENT_FINAL, SERVER_FIRST, SERVER_FINAL, SECRET, PASSWORD, STEPS };

static const uint8_t chance[18] = "0123456789abcdefg";
static const uint8_t salt[16] = "salt of sixteen";

static void take_client_first(const struct pgwire_scram_secret *secret, struct pgwire_slice message)
{
    static struct pgwire_scram_server server;
    if (pgwire_scram_server_first(&server, secret, message, chance) == PGWIRE_OK) {
        assert(strncmp(server.server_first, "r=", 2) == 0);
        assert(strstr(server.server_first, server.nonce) == server.server_first + 2);
    }
}

static void take_client_final(const struct pgwire_scram_secret *secret, struct pgwire_slice message)
{
    static const uint8_t first[] = "n,,n=,r=abc";
    static struct pgwire_scram_server server;
    struct pgwire_slice client_first = {first, sizeof(first) - 1};
    char out[64];
    bool proven = false;
    enum pgwire_status status = pgwire_scram_server_first(&server, secret, client_first, chance);
    assert(status == PGWIRE_OK);
    pgwire_scram_server_final(&server, message, &proven, out);
    assert(!proven);
}

static void take_server_first(const struct pgwire_scram_secret *secret, struct pgwire_slice message)
{
    static struct pgwire_scram_client client;
    static char first[PGWIRE_SCRAM_TEXT_MAX];
    static char out[PGWIRE_SCRAM_TEXT_MAX];
    size_t len = 0;
    client.client_key = secret->server_key; /* keys, not a password: no costly iterations */
    client.secret = secret;
    pgwire_scram_client_first(&client, chance, first);
    if (pgwire_scram_client_final(&client, message, out, &len) == PGWIRE_OK) {
        assert(strlen(out) == len);
    }
}

static void take_server_final(struct pgwire_slice message)
{
    static struct pgwire_scram_client client;
    bool genuine = false;
    memset(client.server_signature, 0x5a, sizeof(client.server_signature));
    client.answered = true;
    pgwire_scram_client_verify(&client, message, &genuine);
    if (genuine) {
        assert(message.len >= 2 && message.data[0] == 'v');
    }
}

static void take_secret(const char *text)
{
    struct pgwire_scram_secret secret;
    char back[PGWIRE_SCRAM_SECRET_TEXT_MAX];
    struct pgwire_scram_secret again;
    if (pgwire_scram_read_secret(text, &secret) == PGWIRE_OK) {
        pgwire_scram_write_secret(&secret, back);
        enum pgwire_status status = pgwire_scram_read_secret(back, &again);
        assert(status == PGWIRE_OK);
        assert(memcmp(again.stored_key, secret.stored_key, sizeof(again.stored_key)) == 0);
        assert(memcmp(again.salt, secret.salt, secret.salt_len) == 0);
    }
}

static void take_password(const char *text)
{
    struct pgwire_scram_secret secret;
    bool made = pgwire_scram_make_secret(text, salt, sizeof(salt), 1, &secret);
    assert(made && pgwire_scram_knows(&secret, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pgwire_scram_secret secret;
    if (size == 0) {
        return 0;
    }
    if (secret.iterations == 0) {
        bool made = pgwire_scram_make_secret("pencil", salt, sizeof(salt), 1, &secret);
        assert(made);
    }
    struct pgwire_slice message = {data + 1, size - 1};
    char *text = malloc(size);
    assert(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch ((enum step)(data[0] % STEPS)) {
    case CLIENT_FIRST:
        take_client_first(&secret, message);
        break;
    case CLIENT_FINAL:
        take_client_final(&secret, message);
        break;
    case SERVER_FIRST:
        take_server_first(&secret, message);
        break;
    case SERVER_FINAL:
        take_server_final(message);
        break;
    case SECRET:
        take_secret(text);
        break;
    case PASSWORD:
        take_password(text);
        break;
    case STEPS:
        break;
    }
    free(text);
    return 0;
}
