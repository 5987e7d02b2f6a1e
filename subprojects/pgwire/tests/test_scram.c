/* scram.c. Known answers are from RFC 7677 and from roles made by PostgreSQL 15. */
#include "torture.h"

#include <stdlib.h>

#include <openssl/evp.h>

#include "pgwire/scram.h"

static const uint8_t chance[18] = "0123456789abcdefg";
static const uint8_t salt[16] = {0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e,
                                 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81};

enum { FEW = 7 }; /* iterations, where their number does not matter */

static void md5_is_that_of_postgres(void **state)
{
    static const uint8_t wire_salt[4] = {1, 2, 3, 4};
    char secret[PGWIRE_MD5_LEN + 1];
    char answer[PGWIRE_MD5_LEN + 1];
    (void)state;
    if (!pgwire_md5_secret("secret", "joe", secret)) {
        assert_string_equal(secret, "");
        skip(); /* this machine forbids md5 */
    }
    assert_string_equal(secret, "md5c59ec932d911ffdf487595b5a2adf973");
    assert_true(pgwire_md5_secret("postgres", "postgres2", secret));
    assert_string_equal(secret, "md5f2f8915a1d20bb8dcb940115f5bf3c05");
    assert_true(pgwire_md5_secret("postgres", "postgres", secret));
    assert_string_equal(secret, "md53175bce1d3201d16594cebf9d7eb3f9d");
    assert_true(pgwire_md5_answer(secret, wire_salt, answer));
    assert_string_equal(answer, "md568be9ed08db75f318087ab337aaea044");
    assert_true(pgwire_md5_proves(secret, wire_salt, slice_of(answer)));
    for (size_t i = 0; i < PGWIRE_MD5_LEN; i++) {
        answer[i] ^= 1;
        assert_false(pgwire_md5_proves(secret, wire_salt, slice_of(answer)));
        answer[i] ^= 1;
        struct pgwire_slice prefix = {(const uint8_t *)answer, i};
        assert_false(pgwire_md5_proves(secret, wire_salt, prefix));
    }
}

static void md5_takes_no_secret_of_another_form(void **state)
{
    static const uint8_t wire_salt[4] = {1, 2, 3, 4};
    char answer[PGWIRE_MD5_LEN + 1] = "x";
    (void)state;
    assert_false(pgwire_md5_answer("", wire_salt, answer));
    assert_string_equal(answer, "");
    assert_false(pgwire_md5_answer("md5c59ec932", wire_salt, answer));
    assert_false(pgwire_md5_proves("", wire_salt, slice_of("")));
}

/* The example of RFC 7677, section 3. */
static const char client_first_bare[] = "n=user,r=rOprNGfwEbeRWgbNEkqO";
static const char rfc_nonce[] = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
static const char server_first[] = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                   "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
static const char client_final[] = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                   "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
static const char server_final[] = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

static void client_says_what_rfc_7677_says(void **state)
{
    struct pgwire_scram_client client = {.password = "pencil"};
    char out[PGWIRE_SCRAM_TEXT_MAX];
    size_t len = 0;
    bool genuine = false;
    (void)state;
    strcpy(client.first_bare, client_first_bare);
    strcpy(client.nonce, "rOprNGfwEbeRWgbNEkqO");
    assert_int_equal(pgwire_scram_client_final(&client, slice_of(server_first), out, &len),
                     PGWIRE_OK);
    assert_string_equal(out, client_final);
    assert_int_equal(len, strlen(client_final));
    assert_int_equal(pgwire_scram_client_verify(&client, slice_of(server_final), &genuine),
                     PGWIRE_OK);
    assert_true(genuine);
}

static void server_says_what_rfc_7677_says(void **state)
{
    struct pgwire_scram_server server = {.channel_flag = 'n'};
    char out[64];
    bool proven = false;
    (void)state;
    assert_true(pgwire_scram_make_secret("pencil", salt, sizeof(salt), 4096, &server.secret));
    strcpy(server.client_first_bare, client_first_bare);
    strcpy(server.server_first, server_first);
    strcpy(server.nonce, rfc_nonce);
    assert_int_equal(pgwire_scram_server_final(&server, slice_of(client_final), &proven, out),
                     PGWIRE_OK);
    assert_true(proven);
    assert_string_equal(out, server_final);
}

struct role {
    const char *password;
    const char *secret;
    bool known;
};

/* pg_authid.rolpassword as PostgreSQL 15 made it. */
static const struct role roles[] = {
    {"pencil",
     "SCRAM-SHA-256$4096:SaUlIaNc+fgzNUYeRS4Jqw==$aVpo+PV0dXZlNP+/jYY4BdKCqLTP/5Sp6V354Ftf7+c=:"
     "D7AbursJbSIskEku2SBN0H2szpPd608Zj3ad1zXBz0Y=",
     true},
    {"pass\u00a0w\u00adord\u2009x", /* no-break space, soft hyphen, thin space */
     "SCRAM-SHA-256$4096:eB/w6gupoyNfLTG6085FEA==$bqMxCXa0LRa5dKv26QlBdyX4Ioqlnp1bZhs4HkNfJNA=:"
     "BfFKbUIf1h14fcq6eezzV0PfeZjQeu09JYi6v2fcXh8=",
     true},
    {"pass word x", /* which is the same to SASLprep */
     "SCRAM-SHA-256$4096:eB/w6gupoyNfLTG6085FEA==$bqMxCXa0LRa5dKv26QlBdyX4Ioqlnp1bZhs4HkNfJNA=:"
     "BfFKbUIf1h14fcq6eezzV0PfeZjQeu09JYi6v2fcXh8=",
     true},
    {"Stra\u00dfe \u00e9t\u00e9", /* composed letters: NFKC would not change them */
     "SCRAM-SHA-256$4096:fGzwc5BccoIx/pyRW+VVkA==$vE+k8X9SEbFRpG7cSjGI7nLyf0Cn2RUkZ26B9RXokeY=:"
     "d8LO9Bwbt/KAg04AcyRnoiolaGa3bZqvuLTFGmmQYV0=",
     true},
    {"\u00ad", /* nothing would be left: taken as it is */
     "SCRAM-SHA-256$4096:oIOwC3HlaPScTCOeDmF+dQ==$efjR24e41+roB+R63QodREa+oOsYOZcTHfRSpfnCLAg=:"
     "HB0DfQsAdNZSDQ1eUuQZQ4MVxbGN14ujIM0g+KStXRY=",
     true},
    {"a\u00a0b\177c", /* a control character is prohibited: taken as it is */
     "SCRAM-SHA-256$4096:flHyzrcR9k/McA1r+HYY4A==$Fv2cISkWtuIFI3nC3EQDhcCoPCJnSRbM3tC1Hl0YQeY=:"
     "6rzrnxuGcSpvrcPeVokCznECr1C7jyxeEI0SE7X0PKc=",
     true},
    {"a\u200bb", /* zero-width space: a space here */
     "SCRAM-SHA-256$4096:edADEjI91ppjtDScyOKvDA==$d2XH5orxt1pHajYWiI6sbBK1mR8y9ooJbT3QrzHCkD8=:"
     "00OelBug7118zeN00bkEbizwmux4xO4sHsMnt+g2T+8=",
     true},
    {"a\u200eb\u00a0", /* left-to-right mark: prohibited */
     "SCRAM-SHA-256$4096:DsEybcnNukOghgS49xSCPQ==$lD+Y2Pw5ew7rVu3mAo8gBdxydKlind5BaFIXEGjVLl0=:"
     "z2yv/t592H6k8EjhgwD7zXPBHmVY3tZSKi4ZrXjQTcU=",
     true},
    {"a\u200bb\ufb01", /* the ligature fi: here NFKC is missed, as scram.h says */
     "SCRAM-SHA-256$4096:jCxfKsyKjtXpHEHXn9w9+w==$bWM4zTQBo9dWn5Wk768rMiTrcATKe11zDcyNb2MT82I=:"
     "7hW/fDcHPLYPiCnwRX2MsMJZmXLJUZwF6HtZyhhsSVc=",
     false},
    {"Pencil",
     "SCRAM-SHA-256$4096:SaUlIaNc+fgzNUYeRS4Jqw==$aVpo+PV0dXZlNP+/jYY4BdKCqLTP/5Sp6V354Ftf7+c=:"
     "D7AbursJbSIskEku2SBN0H2szpPd608Zj3ad1zXBz0Y=",
     false},
};

static void knows_the_passwords_of_roles_made_by_postgres(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(roles); i++) {
        struct pgwire_scram_secret secret;
        struct pgwire_scram_secret made;
        char text[PGWIRE_SCRAM_SECRET_TEXT_MAX];
        assert_int_equal(pgwire_scram_read_secret(roles[i].secret, &secret), PGWIRE_OK);
        assert_int_equal(pgwire_scram_knows(&secret, roles[i].password), roles[i].known);
        assert_true(pgwire_scram_make_secret(roles[i].password, secret.salt, secret.salt_len,
                                             secret.iterations, &made));
        pgwire_scram_write_secret(&made, text);
        assert_int_equal(strcmp(text, roles[i].secret) == 0, roles[i].known);
    }
}

static void takes_a_password_that_is_no_utf8_or_very_long_as_it_is(void **state)
{
    struct pgwire_scram_secret secret;
    char password[3000] = "\u00a0";
    (void)state;
    memset(password + 2, 'x', sizeof(password) - 3);
    const char *passwords[] = {"\xff\u00a0",
                               "a\u00a0\xc2",
                               "\xed\xa0\x80\u00a0",
                               "\xc0\x80",
                               "\xf8\x88\x80\x80\x80",
                               password,
                               ""};
    for (size_t i = 0; i < COUNT(passwords); i++) {
        assert_true(pgwire_scram_make_secret(passwords[i], salt, sizeof(salt), FEW, &secret));
        assert_true(pgwire_scram_knows(&secret, passwords[i]));
        assert_false(pgwire_scram_knows(&secret, " "));
    }
}

static void refuses_secrets_of_another_form(void **state)
{
    const char *good = roles[0].secret;
    const char *bad[] = {
        "",
        "md5c59ec932d911ffdf487595b5a2adf973",
        "SCRAM-SHA-256$",
        "SCRAM-SHA-256$0:SaUlIaNc+fgzNUYeRS4Jqw==$aVpo+PV0dXZlNP+/jYY4BdKCqLTP/5Sp6V354Ftf7+c=:"
        "D7AbursJbSIskEku2SBN0H2szpPd608Zj3ad1zXBz0Y=",
        "SCRAM-SHA-256$4096:$aVpo+PV0dXZlNP+/jYY4BdKCqLTP/5Sp6V354Ftf7+c=:"
        "D7AbursJbSIskEku2SBN0H2szpPd608Zj3ad1zXBz0Y=",
        "SCRAM-SHA-256$4096:SaUlIaNc+fgzNUYeRS4Jqw==$aVpo+PV0dXZlNP+/jYY4BdKCqLTP/5Sp6V354Ftf7+c=",
        "SCRAM-SHA-256$4096:SaUlIaNc+fgzNUYeRS4Jqw==$aVpo:D7Ab",
        "SCRAM-SHA-256$4096x:SaUlIaNc+fgzNUYeRS4Jqw==$aVpo+PV0dXZlNP+/jYY4BdKCqLTP/"
        "5Sp6V354Ftf7+c=:D7AbursJbSIskEku2SBN0H2szpPd608Zj3ad1zXBz0Y=",
    };
    struct pgwire_scram_secret secret;
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(pgwire_scram_read_secret(bad[i], &secret), PGWIRE_MALFORMED);
    }
    for (size_t len = 0; len < strlen(good); len++) {
        char *prefix = strndup(good, len);
        assert_int_equal(pgwire_scram_read_secret(prefix, &secret), PGWIRE_MALFORMED);
        free(prefix);
    }
    for (size_t flip = 0; flip < 7 * strlen(good); flip++) {
        char *flipped = strdup(good);
        flipped[flip / 7] ^= (char)(1 << flip % 7);
        pgwire_scram_read_secret(flipped, &secret);
        free(flipped);
    }
    assert_int_equal(
        pgwire_scram_read_secret(
            "SCRAM-SHA-256$99999999999:SaUlIaNc+fgzNUYeRS4Jqw==$aVpo+PV0dXZlNP+/"
            "jYY4BdKCqLTP/5Sp6V354Ftf7+c=:D7AbursJbSIskEku2SBN0H2szpPd608Zj3ad1zXBz0Y=",
            &secret),
        PGWIRE_TOO_BIG);
}

static void makes_no_secret_beyond_its_limits(void **state)
{
    uint8_t long_salt[PGWIRE_SCRAM_SALT_MAX + 1] = {1};
    struct pgwire_scram_secret secret;
    struct pgwire_scram_server server;
    char text[PGWIRE_SCRAM_SECRET_TEXT_MAX];
    (void)state;
    assert_false(pgwire_scram_make_secret("x", long_salt, sizeof(long_salt), FEW, &secret));
    assert_false(pgwire_scram_make_secret("x", salt, 0, FEW, &secret));
    assert_false(pgwire_scram_make_secret("x", salt, sizeof(salt), 0, &secret));
    assert_false(pgwire_scram_make_secret("x", salt, sizeof(salt), PGWIRE_SCRAM_ITERATIONS_MAX + 1,
                                          &secret));
    assert_int_equal(secret.iterations, 0);
    assert_false(pgwire_scram_knows(&secret, "x"));
    assert_int_equal(pgwire_scram_server_first(&server, &secret, slice_of("n,,n=,r=abc"), chance),
                     PGWIRE_MALFORMED);
    assert_true(pgwire_scram_make_secret("x", long_salt, PGWIRE_SCRAM_SALT_MAX, FEW, &secret));
    secret.iterations = PGWIRE_SCRAM_ITERATIONS_MAX;
    pgwire_scram_write_secret(&secret, text);
    assert_int_equal(pgwire_scram_read_secret(text, &secret), PGWIRE_OK);
}

/* One whole exchange; `client` is filled but for what client_first makes. */
struct exchange {
    struct pgwire_scram_server server;
    struct pgwire_scram_client client;
    char first[PGWIRE_SCRAM_TEXT_MAX];
    char final[PGWIRE_SCRAM_TEXT_MAX];
    char verdict[64];
    bool proven;
    bool genuine;
};

static enum pgwire_status run(struct exchange *exchange, const struct pgwire_scram_secret *secret)
{
    size_t len = pgwire_scram_client_first(&exchange->client, chance, exchange->first);
    assert_int_equal(len, strlen(exchange->first));
    enum pgwire_status status =
        pgwire_scram_server_first(&exchange->server, secret, slice_of(exchange->first), chance);
    assert_int_equal(status, PGWIRE_OK);
    status = pgwire_scram_client_final(&exchange->client, slice_of(exchange->server.server_first),
                                       exchange->final, &len);
    if (status != PGWIRE_OK) {
        return status;
    }
    assert_int_equal(len, strlen(exchange->final));
    status = pgwire_scram_server_final(&exchange->server, slice_of(exchange->final),
                                       &exchange->proven, exchange->verdict);
    assert_int_equal(status, PGWIRE_OK);
    if (exchange->proven) {
        status = pgwire_scram_client_verify(&exchange->client, slice_of(exchange->verdict),
                                            &exchange->genuine);
    }
    return status;
}

static void both_sides_agree(void **state)
{
    struct pgwire_scram_secret secret;
    static struct exchange exchange = {.client = {.password = "pencil"}};
    (void)state;
    assert_true(pgwire_scram_make_secret("pencil", salt, sizeof(salt), FEW, &secret));
    assert_int_equal(run(&exchange, &secret), PGWIRE_OK);
    assert_true(exchange.proven);
    assert_true(exchange.genuine);
    assert_string_equal(exchange.first, "n,,n=,r=MDEyMzQ1Njc4OWFiY2RlZmcA");
}

static void a_wrong_password_proves_nothing(void **state)
{
    static const uint8_t zeros[PGWIRE_SCRAM_KEY_LEN];
    struct pgwire_scram_secret secret;
    static struct exchange exchange = {.client = {.password = "pencils"}};
    (void)state;
    assert_true(pgwire_scram_make_secret("pencil", salt, sizeof(salt), FEW, &secret));
    assert_int_equal(run(&exchange, &secret), PGWIRE_OK);
    assert_false(exchange.proven);
    assert_memory_equal(exchange.server.client_key, zeros, sizeof(zeros));
}

static void a_proof_passes_on_to_a_backend_with_the_same_secret(void **state)
{
    struct pgwire_scram_secret secret;
    struct pgwire_scram_secret other;
    static struct exchange with_client = {.client = {.password = "pencil"}};
    (void)state;
    assert_true(pgwire_scram_make_secret("pencil", salt, sizeof(salt), FEW, &secret));
    assert_int_equal(run(&with_client, &secret), PGWIRE_OK);

    static struct exchange with_backend;
    with_backend.client.client_key = with_client.server.client_key;
    with_backend.client.secret = &secret;
    assert_int_equal(run(&with_backend, &secret), PGWIRE_OK);
    assert_true(with_backend.proven);
    assert_true(with_backend.genuine);

    /* The backend's role has another salt, or another count, by now. */
    assert_true(pgwire_scram_make_secret("pencil", salt, sizeof(salt) - 1, FEW, &other));
    assert_int_equal(run(&with_backend, &other), PGWIRE_MALFORMED);
    assert_true(pgwire_scram_make_secret("pencil", salt, sizeof(salt), FEW + 1, &other));
    assert_int_equal(run(&with_backend, &other), PGWIRE_MALFORMED);
    static struct exchange without_keys = {.client = {.password = NULL}};
    assert_int_equal(run(&without_keys, &secret), PGWIRE_MALFORMED);
}

static void a_server_that_does_not_know_the_secret_is_seen(void **state)
{
    struct pgwire_scram_secret secret;
    static struct exchange exchange = {.client = {.password = "pencil"}};
    bool genuine = true;
    (void)state;
    assert_int_equal(pgwire_scram_client_verify(&exchange.client, slice_of(server_final), &genuine),
                     PGWIRE_MALFORMED);
    assert_true(pgwire_scram_make_secret("pencil", salt, sizeof(salt), FEW, &secret));
    secret.server_key[0] ^= 1;
    assert_int_equal(run(&exchange, &secret), PGWIRE_OK);
    assert_true(exchange.proven);
    assert_false(exchange.genuine);
    genuine = true;
    assert_int_equal(
        pgwire_scram_client_verify(&exchange.client, slice_of("e=invalid-proof"), &genuine),
        PGWIRE_OK);
    assert_false(genuine);
    const char *bad[] = {"",
                         "v=",
                         "x=1",
                         "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4",
                         "v=AAAA",
                         "e",
                         "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=,"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(pgwire_scram_client_verify(&exchange.client, slice_of(bad[i]), &genuine),
                         PGWIRE_MALFORMED);
    }
}

static enum pgwire_status server_first_of(const char *client_first)
{
    struct pgwire_scram_secret secret;
    struct pgwire_scram_server server;
    assert_true(pgwire_scram_make_secret("pencil", salt, sizeof(salt), 1, &secret));
    return pgwire_scram_server_first(&server, &secret, slice_of(client_first), chance);
}

static void server_refuses_what_rfc_5802_forbids(void **state)
{
    char long_text[PGWIRE_SCRAM_TEXT_MAX + 100] = "n,,n=,r=";
    const char *good[] = {"n,,n=,r=abc", "y,,n=,r=abc", "n,,n=joe,r=a,x=1", "n,,n=,r=~!"};
    const char *bad[] = {
        "",
        "n",
        "n,,",
        "n,,n=,r=",               /* no nonce */
        "n,,n=,r=a b",            /* not printable */
        "n,,n=,r=a\177",          /* so here */
        "n,,r=abc,n=",            /* wrong order */
        "n,,n=,r=abc,",           /* an empty attribute */
        "n,,n=,r=abc,1=x",        /* no attribute's name */
        "n,,m=x,n=,r=abc",        /* an extension that must be understood */
        "n,a=joe,n=,r=abc",       /* on behalf of someone */
        "p=tls-unique,,n=,r=abc", /* channel binding */
        "x,,n=,r=abc",
        "nn,,n=,r=abc",
    };
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        assert_int_equal(server_first_of(good[i]), PGWIRE_OK);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(server_first_of(bad[i]), PGWIRE_MALFORMED);
    }
    memset(long_text + 8, 'a', 800);
    assert_int_equal(server_first_of(long_text), PGWIRE_OK);
    memset(long_text + 8, 'a', PGWIRE_SCRAM_TEXT_MAX - 9);
    assert_int_equal(server_first_of(long_text), PGWIRE_MALFORMED);
    memset(long_text + 8, 'a', PGWIRE_SCRAM_TEXT_MAX + 50);
    assert_int_equal(server_first_of(long_text), PGWIRE_MALFORMED);
}

static void server_holds_the_client_to_its_first_message(void **state)
{
    struct pgwire_scram_secret secret;
    struct pgwire_scram_server server;
    bool proven = false;
    char out[64];
    char text[PGWIRE_SCRAM_TEXT_MAX];
    const char proof[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const char *bad[] = {"c=eSws,r=%s,p=%s", "c=biws,r=x%s,p=%s",    "c=biws,p=%s,r=%s",
                         "r=%s,p=%s",        "c=biws,r=%s,p=%s,x=1", "c=biws,r=%s,p=A%s",
                         "c=biws,r=%s,q%s",  "c=biws,r=%s,,p=%s",    "c=biws,r=%s%s"};
    (void)state;
    memset(&server, 0, sizeof(server));
    assert_int_equal(pgwire_scram_server_final(&server, slice_of("c=biws,r=,p="), &proven, out),
                     PGWIRE_MALFORMED);
    assert_true(pgwire_scram_make_secret("pencil", salt, sizeof(salt), 1, &secret));
    assert_int_equal(pgwire_scram_server_first(&server, &secret, slice_of("n,,n=,r=abc"), chance),
                     PGWIRE_OK);
    for (size_t i = 0; i < COUNT(bad); i++) {
        const char *at = bad[i];
        size_t len = 0;
        for (int part = 0; *at != '\0'; at++) {
            if (at[0] == '%') {
                const char *put = part++ == 0 ? server.nonce : proof;
                memcpy(text + len, put, strlen(put));
                len += strlen(put);
                at++;
                continue;
            }
            text[len++] = *at;
        }
        text[len] = '\0';
        assert_int_equal(pgwire_scram_server_final(&server, slice_of(text), &proven, out),
                         PGWIRE_MALFORMED);
    }
}

static void client_refuses_a_server_first_message_that_is_wrong(void **state)
{
    struct pgwire_scram_client client = {.password = "pencil"};
    char first[PGWIRE_SCRAM_TEXT_MAX];
    char out[PGWIRE_SCRAM_TEXT_MAX];
    size_t len;
    const char *bad[] = {
        "",
        "r=MDEyMzQ1Njc4OWFiY2RlZmcA,s=AAAA,i=1",   /* adds nothing to our nonce */
        "r=NDEyMzQ1Njc4OWFiY2RlZmcAx,s=AAAA,i=1",  /* not ours */
        "r=MDEyMzQ1Njc4OWFiY2RlZmcAx,s=,i=1",      /* no salt */
        "r=MDEyMzQ1Njc4OWFiY2RlZmcAx,s=A,i=1",     /* no base64 */
        "r=MDEyMzQ1Njc4OWFiY2RlZmcAx,s=AAAA,i=0",  /* no iterations */
        "r=MDEyMzQ1Njc4OWFiY2RlZmcAx,s=AAAA,i=",   /* none */
        "r=MDEyMzQ1Njc4OWFiY2RlZmcAx,s=AAAA,i=-1", /* no number */
        "r=MDEyMzQ1Njc4OWFiY2RlZmcAx,s=AAAA",
        "m=x,r=MDEyMzQ1Njc4OWFiY2RlZmcAx,s=AAAA,i=1",
        "r=MDEyMzQ1Njc4OWFiY2RlZmcAx,s=AAAA,i=1,",
    };
    (void)state;
    pgwire_scram_client_first(&client, chance, first);
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(pgwire_scram_client_final(&client, slice_of(bad[i]), out, &len),
                         PGWIRE_MALFORMED);
    }
    const char big[] = "r=MDEyMzQ1Njc4OWFiY2RlZmcAx,s=AAAA,i=1000001";
    assert_int_equal(pgwire_scram_client_final(&client, slice_of(big), out, &len), PGWIRE_TOO_BIG);
    const char huge[] = "r=MDEyMzQ1Njc4OWFiY2RlZmcAx,s=AAAA,i=18446744073709551617";
    assert_int_equal(pgwire_scram_client_final(&client, slice_of(huge), out, &len), PGWIRE_TOO_BIG);
    const char good[] = "r=MDEyMzQ1Njc4OWFiY2RlZmcAx,s=AAAA,i=1,x=y";
    assert_int_equal(pgwire_scram_client_final(&client, slice_of(good), out, &len), PGWIRE_OK);
}

/* Calls `take` for each prefix and each flipped bit of `message`, in memory of exactly its size. */
static void mangle(const char *message, void (*take)(struct pgwire_slice, void *), void *data)
{
    size_t len = strlen(message);
    for (size_t variant = 0; variant < len + 8 * len; variant++) {
        size_t variant_len = variant < len ? variant : len;
        uint8_t *copy = malloc(variant_len > 0 ? variant_len : 1);
        memcpy(copy, message, variant_len);
        if (variant >= len) {
            size_t flip = variant - len;
            copy[flip / 8] ^= (uint8_t)(1U << flip % 8);
        }
        take((struct pgwire_slice){.data = copy, .len = variant_len}, data);
        free(copy);
    }
}

static void take_client_first(struct pgwire_slice message, void *data)
{
    struct exchange *exchange = data;
    struct pgwire_scram_server server;
    pgwire_scram_server_first(&server, &exchange->server.secret, message, chance);
}

static void take_client_final(struct pgwire_slice message, void *data)
{
    struct exchange *exchange = data;
    struct pgwire_scram_server server = exchange->server;
    bool proven = false;
    if (pgwire_scram_server_final(&server, message, &proven, exchange->verdict) == PGWIRE_OK) {
        assert_false(proven); /* each byte of it is signed, or is the proof */
    }
}

static void take_server_first(struct pgwire_slice message, void *data)
{
    struct exchange *exchange = data;
    struct pgwire_scram_client client = exchange->client;
    char out[PGWIRE_SCRAM_TEXT_MAX];
    size_t len;
    /* Known keys: a flipped digit must not cost a million iterations here. */
    client.password = NULL;
    client.client_key = exchange->server.client_key;
    client.secret = &exchange->server.secret;
    pgwire_scram_client_final(&client, message, out, &len);
}

static void take_server_final(struct pgwire_slice message, void *data)
{
    struct exchange *exchange = data;
    bool genuine = false;
    if (pgwire_scram_client_verify(&exchange->client, message, &genuine) == PGWIRE_OK) {
        assert_false(genuine);
    }
}

static void stands_each_prefix_and_each_flipped_bit(void **state)
{
    struct pgwire_scram_secret secret;
    static struct exchange exchange = {.client = {.password = "pencil"}};
    (void)state;
    assert_true(pgwire_scram_make_secret("pencil", salt, sizeof(salt), FEW, &secret));
    assert_int_equal(run(&exchange, &secret), PGWIRE_OK);
    char verdict[64];
    strcpy(verdict, exchange.verdict);
    mangle(exchange.first, take_client_first, &exchange);
    mangle(exchange.final, take_client_final, &exchange);
    mangle(exchange.server.server_first, take_server_first, &exchange);
    mangle(verdict, take_server_final, &exchange);
}

/* As on a machine whose OpenSSL has none of our digests: nothing is proven, nothing crashes. */
static void proves_nothing_without_digests(void **state)
{
    static const uint8_t wire_salt[4] = {1, 2, 3, 4};
    static struct exchange exchange;
    struct pgwire_scram_secret secret;
    struct pgwire_scram_secret made;
    char text[PGWIRE_MD5_LEN + 1] = "x";
    char out[PGWIRE_SCRAM_TEXT_MAX];
    size_t len;
    bool proven = true;
    (void)state;
    exchange.client.password = "pencil";
    assert_true(pgwire_scram_make_secret("pencil", salt, sizeof(salt), FEW, &secret));
    assert_int_equal(run(&exchange, &secret), PGWIRE_OK);

    assert_int_equal(EVP_set_default_properties(NULL, "provider=none"), 1);
    assert_false(pgwire_md5_secret("secret", "joe", text));
    assert_string_equal(text, "");
    assert_false(pgwire_md5_proves("md5c59ec932d911ffdf487595b5a2adf973", wire_salt,
                                   slice_of("md568be9ed08db75f318087ab337aaea044")));
    assert_false(pgwire_scram_make_secret("pencil", salt, sizeof(salt), FEW, &made));
    assert_int_equal(made.iterations, 0);
    assert_false(pgwire_scram_knows(&secret, "pencil"));
    assert_int_equal(pgwire_scram_server_final(&exchange.server, slice_of(exchange.final), &proven,
                                               exchange.verdict),
                     PGWIRE_OK);
    assert_false(proven);
    assert_int_equal(pgwire_scram_client_final(&exchange.client,
                                               slice_of(exchange.server.server_first), out, &len),
                     PGWIRE_MALFORMED);
    assert_int_equal(EVP_set_default_properties(NULL, ""), 1);
    assert_true(pgwire_scram_knows(&secret, "pencil"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(md5_is_that_of_postgres),
        cmocka_unit_test(md5_takes_no_secret_of_another_form),
        cmocka_unit_test(client_says_what_rfc_7677_says),
        cmocka_unit_test(server_says_what_rfc_7677_says),
        cmocka_unit_test(knows_the_passwords_of_roles_made_by_postgres),
        cmocka_unit_test(takes_a_password_that_is_no_utf8_or_very_long_as_it_is),
        cmocka_unit_test(refuses_secrets_of_another_form),
        cmocka_unit_test(makes_no_secret_beyond_its_limits),
        cmocka_unit_test(both_sides_agree),
        cmocka_unit_test(a_wrong_password_proves_nothing),
        cmocka_unit_test(a_proof_passes_on_to_a_backend_with_the_same_secret),
        cmocka_unit_test(a_server_that_does_not_know_the_secret_is_seen),
        cmocka_unit_test(server_refuses_what_rfc_5802_forbids),
        cmocka_unit_test(server_holds_the_client_to_its_first_message),
        cmocka_unit_test(client_refuses_a_server_first_message_that_is_wrong),
        cmocka_unit_test(stands_each_prefix_and_each_flipped_bit),
        cmocka_unit_test(proves_nothing_without_digests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
