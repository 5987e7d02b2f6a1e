/* The three ways of proving a password: md5, and SCRAM-SHA-256 from both sides.
 *
 * The exchange functions hold their state in a struct of the caller and write into its buffers;
 * texts of the peer are bounded by PGWIRE_SCRAM_TEXT_MAX. Comparisons of secrets are constant in
 * time. The iteration count that a server asks of us is bounded, so that it cannot stall us.
 *
 * Passwords of SCRAM are prepared by RFC 4013 but for its normalization (NFKC): ASCII is taken as it
 * is, non-ASCII spaces become a space, what is mapped to nothing goes. So a password that NFKC would
 * change (decomposed accents, ligatures, full-width letters) does not prove a role whose secret
 * Postgres made; the composed spelling that keyboards give does. As in Postgres, a password that is
 * no valid UTF-8 or holds what is prohibited is used as it is.
 *
 * Channel binding is neither offered nor asked for.
 *
 * Source  RFC 5802, RFC 7677, RFC 4013; PostgreSQL manual, "SASL Authentication".
 */
#pragma once

#include "pgwire/types.h"

enum {
    PGWIRE_SCRAM_KEY_LEN = 32,
    PGWIRE_SCRAM_SALT_MAX = 64,
    PGWIRE_SCRAM_TEXT_MAX = 1024,
    PGWIRE_SCRAM_SECRET_TEXT_MAX = 256,
    PGWIRE_SCRAM_ITERATIONS_MAX = 1000000,
    PGWIRE_SCRAM_ITERATIONS_DEFAULT = 4096,
    PGWIRE_MD5_LEN = 35 /* "md5" and 32 hex digits */
};

/* Whether two secrets of one length are equal, in a time that does not tell where they differ. */
bool pgwire_same_secret(const void *left, const void *right, size_t len);

/* "md5" + md5(password + user): what pg_authid stores. `out` has PGWIRE_MD5_LEN + 1 bytes. False,
 * and `out` empty, if the machine has no md5 (FIPS): refuse the login then, "" proves nothing. */
bool pgwire_md5_secret(const char *password, const char *user, char *out);

/* What is sent over the wire: "md5" + md5(secret without "md5" + salt). False as above, and for a
 * secret that is not of that form. */
bool pgwire_md5_answer(const char *secret, const uint8_t salt[4], char *out);

/* Server side: whether a client's answer is the right one. Never true without md5. */
bool pgwire_md5_proves(const char *secret, const uint8_t salt[4], struct pgwire_slice answer);

/* The secret of a role as SCRAM keeps it: "SCRAM-SHA-256$iterations:salt$stored:server". */
struct pgwire_scram_secret {
    uint32_t iterations;
    uint8_t salt[PGWIRE_SCRAM_SALT_MAX];
    size_t salt_len;
    uint8_t stored_key[PGWIRE_SCRAM_KEY_LEN];
    uint8_t server_key[PGWIRE_SCRAM_KEY_LEN];
};
/* MALFORMED for another form, TOO_BIG for iterations over PGWIRE_SCRAM_ITERATIONS_MAX. */
enum pgwire_status pgwire_scram_read_secret(const char *text, struct pgwire_scram_secret *out);
/* False, and *out zero, for a salt or iterations out of their limits, or if OpenSSL fails. A secret
 * of zeros is refused by all that take one. */
bool pgwire_scram_make_secret(const char *password, const uint8_t *salt, size_t salt_len,
                              uint32_t iterations, struct pgwire_scram_secret *out);
void pgwire_scram_write_secret(const struct pgwire_scram_secret *secret,
                               char out[PGWIRE_SCRAM_SECRET_TEXT_MAX]);
/* Whether `password`, got in clear, is the one of `secret`. Takes as long as making a secret. */
bool pgwire_scram_knows(const struct pgwire_scram_secret *secret, const char *password);

/* Server side: we ask a client for its proof. */
struct pgwire_scram_server {
    struct pgwire_scram_secret secret;
    char client_first_bare[PGWIRE_SCRAM_TEXT_MAX];
    char server_first[PGWIRE_SCRAM_TEXT_MAX];
    char nonce[PGWIRE_SCRAM_TEXT_MAX];
    uint8_t channel_flag;                     /* 'n' or 'y' as the client said */
    uint8_t client_key[PGWIRE_SCRAM_KEY_LEN]; /* after success: for pass-through to the backend */
};
/* Takes client-first-message and makes server-first-message (in server->server_first).
 * `random` are 18 bytes of chance. MALFORMED for anything RFC 5802 forbids (but in the
 * user name, which Postgres does not read either), and for a client that asks for channel binding
 * or for another's identity (authzid). */
enum pgwire_status pgwire_scram_server_first(struct pgwire_scram_server *server,
                                             const struct pgwire_scram_secret *secret,
                                             struct pgwire_slice client_first,
                                             const uint8_t random[18]);
/* Takes client-final-message. OK with *out_proven false is a wrong password; with true,
 * server-final-message is in `out` (zero-terminated, at most 64 bytes). */
enum pgwire_status pgwire_scram_server_final(struct pgwire_scram_server *server,
                                             struct pgwire_slice client_final, bool *out_proven,
                                             char out[64]);

/* Client side: we prove ourselves to a backend, by password or by keys learned from a client. */
struct pgwire_scram_client {
    const char *password;      /* borrowed; NULL: use client_key and secret */
    const uint8_t *client_key; /* borrowed, with `secret`: pass-through of a client's proof */
    const struct pgwire_scram_secret *secret;
    char first_bare[PGWIRE_SCRAM_TEXT_MAX];
    char nonce[64];
    uint8_t server_signature[PGWIRE_SCRAM_KEY_LEN];
    bool answered; /* client-final-message is made, so server_signature is too */
};
/* Makes client-first-message in `out`; returns its length. `random` are 18 bytes of chance. */
size_t pgwire_scram_client_first(struct pgwire_scram_client *client, const uint8_t random[18],
                                 char out[PGWIRE_SCRAM_TEXT_MAX]);
/* Takes server-first-message, makes client-final-message in `out`. MALFORMED also when the keys
 * do not fit the server's salt and iterations; TOO_BIG over PGWIRE_SCRAM_ITERATIONS_MAX. */
enum pgwire_status pgwire_scram_client_final(struct pgwire_scram_client *client,
                                             struct pgwire_slice server_first,
                                             char out[PGWIRE_SCRAM_TEXT_MAX], size_t *out_len);
/* Checks server-final-message: *out_genuine says whether the server knows the secret too. MALFORMED
 * also before client-final-message was made. */
enum pgwire_status pgwire_scram_client_verify(struct pgwire_scram_client *client,
                                              struct pgwire_slice server_final, bool *out_genuine);
