/* SCRAM-SHA-256, both sides. See scram.h; the names of keys and messages are those of RFC 5802. */
#include "pgwire/scram.h"

#include <limits.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base64.h"
#include "saslprep.h"
#include "text.h"

enum {
    KEY_LEN = PGWIRE_SCRAM_KEY_LEN,
    RANDOM_LEN = 18,
    RANDOM_TEXT_LEN = BASE64_LEN(RANDOM_LEN),
    KEY_TEXT_LEN = BASE64_LEN(KEY_LEN),
    AUTH_MESSAGE_MAX = 3 * PGWIRE_SCRAM_TEXT_MAX
};

#define SECRET_PREFIX "SCRAM-SHA-256$"

/* A message of the peer, taken attribute by attribute: "r=abc,s=def,i=4096". */
struct reader {
    const uint8_t *at;
    size_t left;
    bool more; /* an attribute follows, empty though it may be */
};

static struct reader reader_of(struct pgwire_slice message)
{
    return (struct reader){.at = message.data, .left = message.len, .more = true};
}

/* Takes what comes next up to a comma or the end. */
static bool take_item(struct reader *reader, struct pgwire_slice *out)
{
    if (!reader->more) {
        return false;
    }
    const uint8_t *comma = reader->left > 0 ? memchr(reader->at, ',', reader->left) : NULL;
    size_t len = comma != NULL ? (size_t)(comma - reader->at) : reader->left;
    *out = (struct pgwire_slice){.data = reader->at, .len = len};
    reader->more = comma != NULL;
    if (reader->left > 0) {
        size_t step = len + (comma != NULL);
        reader->at += step;
        reader->left -= step;
    }
    return true;
}

/* Takes the value of the attribute that must come next. */
static bool take_attribute(struct reader *reader, char name, struct pgwire_slice *out)
{
    struct pgwire_slice item;
    if (!take_item(reader, &item) || item.len < 2 || item.data[0] != (uint8_t)name ||
        item.data[1] != '=') {
        return false;
    }
    *out = (struct pgwire_slice){.data = item.data + 2, .len = item.len - 2};
    return true;
}

static bool is_extension(struct pgwire_slice item)
{
    return item.len >= 2 && item.data[1] == '=' &&
           ((item.data[0] >= 'a' && item.data[0] <= 'z') ||
            (item.data[0] >= 'A' && item.data[0] <= 'Z'));
}

/* Optional extensions up to the end are not minded. (Mandatory ones, m=, come first of all.) */
static bool skip_extensions(struct reader *reader)
{
    struct pgwire_slice item;
    while (take_item(reader, &item)) {
        if (!is_extension(item)) {
            return false;
        }
    }
    return true;
}

static bool is_nonce(struct pgwire_slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x21 || text.data[i] > 0x7e || text.data[i] == ',') {
            return false;
        }
    }
    return text.len > 0;
}

/* A message has no zero byte, and a length that our buffers have room for. */
static bool is_message(struct pgwire_slice message)
{
    return message.len > 0 && message.len < PGWIRE_SCRAM_TEXT_MAX &&
           memchr(message.data, 0, message.len) == NULL;
}

/* A count of iterations: TOO_BIG over the maximum. */
static enum pgwire_status read_iterations(struct pgwire_slice text, uint32_t *out)
{
    uint32_t number = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return PGWIRE_MALFORMED;
        }
        if (number <= PGWIRE_SCRAM_ITERATIONS_MAX) {
            number = number * 10 + (uint32_t)(text.data[i] - '0');
        }
    }
    if (number == 0) {
        return PGWIRE_MALFORMED;
    }
    if (number > PGWIRE_SCRAM_ITERATIONS_MAX) {
        return PGWIRE_TOO_BIG;
    }
    *out = number;
    return PGWIRE_OK;
}

static bool hmac(const uint8_t key[KEY_LEN], const void *data, size_t len, uint8_t out[KEY_LEN])
{
    unsigned int out_len = 0;
    return HMAC(EVP_sha256(), key, KEY_LEN, data, len, out, &out_len) != NULL && out_len == KEY_LEN;
}

static bool sha256(const uint8_t data[KEY_LEN], uint8_t out[KEY_LEN])
{
    return EVP_Digest(data, KEY_LEN, out, NULL, EVP_sha256(), NULL) == 1;
}

static void mix(uint8_t into[KEY_LEN], const uint8_t with[KEY_LEN])
{
    for (size_t i = 0; i < KEY_LEN; i++) {
        into[i] ^= with[i];
    }
}

enum pgwire_status pgwire_scram_read_secret(const char *text, struct pgwire_scram_secret *out)
{
    struct pgwire_scram_secret secret = {.iterations = 0};
    size_t prefix_len = strlen(SECRET_PREFIX);
    if (strncmp(text, SECRET_PREFIX, prefix_len) != 0) {
        return PGWIRE_MALFORMED;
    }
    const char *iterations = text + prefix_len;
    const char *salt = strchr(iterations, ':');
    const char *stored = salt != NULL ? strchr(salt, '$') : NULL;
    const char *server = stored != NULL ? strchr(stored, ':') : NULL;
    if (server == NULL) {
        return PGWIRE_MALFORMED;
    }
    struct pgwire_slice digits = {(const uint8_t *)iterations, (size_t)(salt - iterations)};
    enum pgwire_status status = read_iterations(digits, &secret.iterations);
    if (status != PGWIRE_OK) {
        return status;
    }
    salt++;
    stored++;
    server++;
    size_t stored_len = 0;
    size_t server_len = 0;
    if (!pgwire_base64_read(salt, (size_t)(stored - salt - 1), secret.salt, sizeof(secret.salt),
                            &secret.salt_len) ||
        !pgwire_base64_read(stored, (size_t)(server - stored - 1), secret.stored_key, KEY_LEN,
                            &stored_len) ||
        !pgwire_base64_read(server, strlen(server), secret.server_key, KEY_LEN, &server_len) ||
        secret.salt_len == 0 || stored_len != KEY_LEN || server_len != KEY_LEN) {
        return PGWIRE_MALFORMED;
    }
    *out = secret;
    OPENSSL_cleanse(&secret, sizeof(secret));
    return PGWIRE_OK;
}

void pgwire_scram_write_secret(const struct pgwire_scram_secret *secret,
                               char out[PGWIRE_SCRAM_SECRET_TEXT_MAX])
{
    struct text text = text_of(out, PGWIRE_SCRAM_SECRET_TEXT_MAX);
    text_add_string(&text, SECRET_PREFIX);
    text_add_number(&text, secret->iterations);
    text_add_string(&text, ":");
    text_add_base64(&text, secret->salt, secret->salt_len);
    text_add_string(&text, "$");
    text_add_base64(&text, secret->stored_key, KEY_LEN);
    text_add_string(&text, ":");
    text_add_base64(&text, secret->server_key, KEY_LEN);
}

/* ClientKey, StoredKey and ServerKey of a password; salt and iterations are taken from `secret`. */
static bool make_keys(const char *password, struct pgwire_scram_secret *secret,
                      uint8_t out_client_key[KEY_LEN])
{
    char prepared[SASLPREP_PASSWORD_MAX];
    uint8_t salted[KEY_LEN];
    size_t len;
    const char *text = pgwire_saslprep(password, prepared, &len);

    bool done = len <= INT_MAX &&
                PKCS5_PBKDF2_HMAC(text, (int)len, secret->salt, (int)secret->salt_len,
                                  (int)secret->iterations, EVP_sha256(), KEY_LEN, salted) == 1 &&
                hmac(salted, "Client Key", strlen("Client Key"), out_client_key) &&
                sha256(out_client_key, secret->stored_key) &&
                hmac(salted, "Server Key", strlen("Server Key"), secret->server_key);
    OPENSSL_cleanse(salted, sizeof(salted));
    if (text == prepared) {
        OPENSSL_cleanse(prepared, len);
    }
    return done;
}

bool pgwire_scram_make_secret(const char *password, const uint8_t *salt, size_t salt_len,
                              uint32_t iterations, struct pgwire_scram_secret *out)
{
    uint8_t client_key[KEY_LEN];

    memset(out, 0, sizeof(*out));
    if (salt_len == 0 || salt_len > PGWIRE_SCRAM_SALT_MAX || iterations == 0 ||
        iterations > PGWIRE_SCRAM_ITERATIONS_MAX) {
        return false;
    }
    out->iterations = iterations;
    memcpy(out->salt, salt, salt_len);
    out->salt_len = salt_len;
    bool done = make_keys(password, out, client_key);
    OPENSSL_cleanse(client_key, sizeof(client_key));
    if (!done) {
        memset(out, 0, sizeof(*out));
    }
    return done;
}

bool pgwire_scram_knows(const struct pgwire_scram_secret *secret, const char *password)
{
    struct pgwire_scram_secret made;
    bool same = pgwire_scram_make_secret(password, secret->salt, secret->salt_len,
                                         secret->iterations, &made) &&
                pgwire_same_secret(made.stored_key, secret->stored_key, KEY_LEN);
    OPENSSL_cleanse(&made, sizeof(made));
    return same;
}

/* HMAC over AuthMessage: client-first-bare "," server-first "," client-final-without-proof. */
static bool sign(const uint8_t key[KEY_LEN], const char *client_first_bare,
                 struct pgwire_slice server_first, struct pgwire_slice final_without_proof,
                 uint8_t out[KEY_LEN])
{
    char data[AUTH_MESSAGE_MAX];
    struct text message = text_of(data, sizeof(data));

    text_add_string(&message, client_first_bare);
    text_add_string(&message, ",");
    text_add(&message, server_first.data, server_first.len);
    text_add_string(&message, ",");
    text_add(&message, final_without_proof.data, final_without_proof.len);
    return !message.overflow && hmac(key, message.data, message.len, out);
}

static struct pgwire_slice slice_of(const char *text)
{
    return (struct pgwire_slice){.data = (const uint8_t *)text, .len = strlen(text)};
}

enum pgwire_status pgwire_scram_server_first(struct pgwire_scram_server *server,
                                             const struct pgwire_scram_secret *secret,
                                             struct pgwire_slice client_first,
                                             const uint8_t random[18])
{
    struct pgwire_slice flag;
    struct pgwire_slice authzid;
    struct pgwire_slice user;
    struct pgwire_slice nonce;

    memset(server, 0, sizeof(*server));
    if (!is_message(client_first) || secret->iterations == 0 || secret->salt_len == 0 ||
        secret->salt_len > PGWIRE_SCRAM_SALT_MAX) {
        return PGWIRE_MALFORMED;
    }
    struct reader reader = reader_of(client_first);
    if (!take_item(&reader, &flag) || flag.len != 1 ||
        (flag.data[0] != 'n' && flag.data[0] != 'y') || !take_item(&reader, &authzid) ||
        authzid.len != 0) {
        return PGWIRE_MALFORMED;
    }
    struct pgwire_slice bare = {.data = reader.at, .len = reader.left};
    if (!take_attribute(&reader, 'n', &user) || !take_attribute(&reader, 'r', &nonce) ||
        !is_nonce(nonce) || !skip_extensions(&reader)) {
        return PGWIRE_MALFORMED;
    }
    struct text text = text_of(server->client_first_bare, sizeof(server->client_first_bare));
    text_add(&text, bare.data, bare.len);
    struct text whole = text_of(server->nonce, sizeof(server->nonce));
    text_add(&whole, nonce.data, nonce.len);
    text_add_base64(&whole, random, RANDOM_LEN);
    struct text first = text_of(server->server_first, sizeof(server->server_first));
    text_add_string(&first, "r=");
    text_add_string(&first, server->nonce);
    text_add_string(&first, ",s=");
    text_add_base64(&first, secret->salt, secret->salt_len);
    text_add_string(&first, ",i=");
    text_add_number(&first, secret->iterations);
    if (text.overflow || whole.overflow || first.overflow) {
        memset(server, 0, sizeof(*server));
        return PGWIRE_MALFORMED;
    }
    server->secret = *secret;
    server->channel_flag = flag.data[0];
    return PGWIRE_OK;
}

/* Takes client-final-message apart: what was signed, and the proof. */
static bool read_client_final(const struct pgwire_scram_server *server,
                              struct pgwire_slice client_final, struct pgwire_slice *out_signed,
                              uint8_t out_proof[KEY_LEN])
{
    struct pgwire_slice binding;
    struct pgwire_slice nonce;
    struct pgwire_slice item;
    size_t proof_len = 0;

    if (!is_message(client_final)) {
        return false;
    }
    struct reader reader = reader_of(client_final);
    if (!take_attribute(&reader, 'c', &binding) ||
        !pgwire_slice_is(binding, server->channel_flag == 'y' ? "eSws" : "biws") ||
        !take_attribute(&reader, 'r', &nonce) || !pgwire_slice_is(nonce, server->nonce)) {
        return false;
    }
    do {
        if (!take_item(&reader, &item) || !is_extension(item)) {
            return false;
        }
    } while (item.data[0] != 'p');
    *out_signed = (struct pgwire_slice){
        .data = client_final.data,
        .len = (size_t)(item.data - client_final.data) - 1, /* without the comma */
    };
    return !reader.more &&
           pgwire_base64_read((const char *)item.data + 2, item.len - 2, out_proof, KEY_LEN,
                              &proof_len) &&
           proof_len == KEY_LEN;
}

enum pgwire_status pgwire_scram_server_final(struct pgwire_scram_server *server,
                                             struct pgwire_slice client_final, bool *out_proven,
                                             char out[64])
{
    struct pgwire_slice signed_part;
    uint8_t client_key[KEY_LEN]; /* first the proof, then what it hides */
    uint8_t signature[KEY_LEN];
    uint8_t stored_key[KEY_LEN];

    memset(server->client_key, 0, sizeof(server->client_key));
    if (server->channel_flag == 0 ||
        !read_client_final(server, client_final, &signed_part, client_key)) {
        return PGWIRE_MALFORMED;
    }
    struct pgwire_slice server_first = slice_of(server->server_first);
    bool proven = sign(server->secret.stored_key, server->client_first_bare, server_first,
                       signed_part, signature);
    if (proven) {
        mix(client_key, signature);
        proven = sha256(client_key, stored_key) &&
                 pgwire_same_secret(stored_key, server->secret.stored_key, KEY_LEN) &&
                 sign(server->secret.server_key, server->client_first_bare, server_first,
                      signed_part, signature);
    }
    if (proven) {
        struct text text = text_of(out, 64);
        text_add_string(&text, "v=");
        text_add_base64(&text, signature, KEY_LEN);
        memcpy(server->client_key, client_key, KEY_LEN);
    }
    OPENSSL_cleanse(client_key, sizeof(client_key));
    *out_proven = proven;
    return PGWIRE_OK;
}

size_t pgwire_scram_client_first(struct pgwire_scram_client *client, const uint8_t random[18],
                                 char out[PGWIRE_SCRAM_TEXT_MAX])
{
    pgwire_base64_write(random, RANDOM_LEN, client->nonce);
    client->answered = false;
    struct text bare = text_of(client->first_bare, sizeof(client->first_bare));
    text_add_string(&bare, "n=,r="); /* Postgres takes the user of the startup packet */
    text_add(&bare, client->nonce, RANDOM_TEXT_LEN);
    struct text text = text_of(out, PGWIRE_SCRAM_TEXT_MAX);
    text_add_string(&text, "n,,");
    text_add(&text, bare.data, bare.len);
    return text.len;
}

/* Takes server-first-message: the nonce must go on from ours. Salt and iterations go to `out`. */
static enum pgwire_status read_server_first(const struct pgwire_scram_client *client,
                                            struct pgwire_slice server_first,
                                            struct pgwire_slice *out_nonce,
                                            struct pgwire_scram_secret *out)
{
    struct pgwire_slice salt;
    struct pgwire_slice iterations;
    size_t our_len = strlen(client->nonce);

    if (!is_message(server_first) || our_len == 0) {
        return PGWIRE_MALFORMED;
    }
    struct reader reader = reader_of(server_first);
    if (!take_attribute(&reader, 'r', out_nonce) || !is_nonce(*out_nonce) ||
        out_nonce->len <= our_len || memcmp(out_nonce->data, client->nonce, our_len) != 0 ||
        !take_attribute(&reader, 's', &salt) ||
        !pgwire_base64_read((const char *)salt.data, salt.len, out->salt, sizeof(out->salt),
                            &out->salt_len) ||
        out->salt_len == 0 || !take_attribute(&reader, 'i', &iterations) ||
        !skip_extensions(&reader)) {
        return PGWIRE_MALFORMED;
    }
    return read_iterations(iterations, &out->iterations);
}

/* The keys to prove ourselves with: those of a client before us if they fit, or the password's. */
static bool choose_keys(const struct pgwire_scram_client *client, struct pgwire_scram_secret *asked,
                        uint8_t out_client_key[KEY_LEN])
{
    if (client->password != NULL) {
        return make_keys(client->password, asked, out_client_key);
    }
    const struct pgwire_scram_secret *secret = client->secret;
    if (client->client_key == NULL || secret == NULL || secret->iterations != asked->iterations ||
        secret->salt_len != asked->salt_len ||
        memcmp(secret->salt, asked->salt, asked->salt_len) != 0) {
        return false;
    }
    *asked = *secret;
    memcpy(out_client_key, client->client_key, KEY_LEN);
    return true;
}

enum pgwire_status pgwire_scram_client_final(struct pgwire_scram_client *client,
                                             struct pgwire_slice server_first,
                                             char out[PGWIRE_SCRAM_TEXT_MAX], size_t *out_len)
{
    struct pgwire_scram_secret keys = {.iterations = 0};
    struct pgwire_slice nonce;
    uint8_t proof[KEY_LEN] = {0};
    uint8_t signature[KEY_LEN];

    client->answered = false;
    enum pgwire_status status = read_server_first(client, server_first, &nonce, &keys);
    if (status != PGWIRE_OK) {
        return status;
    }
    struct text text = text_of(out, PGWIRE_SCRAM_TEXT_MAX);
    text_add_string(&text, "c=biws,r=");
    text_add(&text, nonce.data, nonce.len);
    struct pgwire_slice signed_part = slice_of(out);
    bool done = !text.overflow && choose_keys(client, &keys, proof) &&
                sign(keys.stored_key, client->first_bare, server_first, signed_part, signature) &&
                sign(keys.server_key, client->first_bare, server_first, signed_part,
                     client->server_signature);
    if (done) {
        mix(proof, signature);
        text_add_string(&text, ",p=");
        text_add_base64(&text, proof, KEY_LEN);
    }
    OPENSSL_cleanse(proof, sizeof(proof));
    OPENSSL_cleanse(&keys, sizeof(keys));
    if (!done || text.overflow) {
        out[0] = '\0';
        return PGWIRE_MALFORMED;
    }
    client->answered = true;
    *out_len = text.len;
    return PGWIRE_OK;
}

enum pgwire_status pgwire_scram_client_verify(struct pgwire_scram_client *client,
                                              struct pgwire_slice server_final, bool *out_genuine)
{
    struct pgwire_slice text;
    uint8_t signature[KEY_LEN];
    size_t len = 0;

    if (!client->answered || !is_message(server_final)) {
        return PGWIRE_MALFORMED;
    }
    struct reader reader = reader_of(server_final);
    if (server_final.data[0] == 'e') {
        if (!take_attribute(&reader, 'e', &text) || !skip_extensions(&reader)) {
            return PGWIRE_MALFORMED;
        }
        *out_genuine = false;
        return PGWIRE_OK;
    }
    if (!take_attribute(&reader, 'v', &text) || !skip_extensions(&reader) ||
        !pgwire_base64_read((const char *)text.data, text.len, signature, KEY_LEN, &len) ||
        len != KEY_LEN) {
        return PGWIRE_MALFORMED;
    }
    *out_genuine = pgwire_same_secret(signature, client->server_signature, KEY_LEN);
    return PGWIRE_OK;
}
