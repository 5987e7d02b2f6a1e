/* md5 as Postgres uses it, with OpenSSL's digest, which a machine may forbid. See scram.h. */
#include "pgwire/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum { DIGEST_LEN = 16, SALT_LEN = 4, PREFIX_LEN = 3 /* "md5" */ };

bool pgwire_same_secret(const void *left, const void *right, size_t len)
{
    return CRYPTO_memcmp(left, right, len) == 0;
}

/* "md5" and the digest of two parts in hex. */
static bool md5_of(const void *first, size_t first_len, const void *second, size_t second_len,
                   char *out)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len = 0;

    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = context != NULL && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1 &&
                EVP_DigestUpdate(context, first, first_len) == 1 &&
                EVP_DigestUpdate(context, second, second_len) == 1 &&
                EVP_DigestFinal_ex(context, digest, &digest_len) == 1 && digest_len == DIGEST_LEN;
    EVP_MD_CTX_free(context);
    out[0] = '\0';
    if (!done) {
        return false;
    }
    memcpy(out, "md5", PREFIX_LEN);
    for (size_t i = 0; i < digest_len; i++) {
        out[PREFIX_LEN + 2 * i] = hex[digest[i] >> 4];
        out[PREFIX_LEN + 2 * i + 1] = hex[digest[i] & 15];
    }
    out[PGWIRE_MD5_LEN] = '\0';
    return true;
}

bool pgwire_md5_secret(const char *password, const char *user, char *out)
{
    return md5_of(password, strlen(password), user, strlen(user), out);
}

bool pgwire_md5_answer(const char *secret, const uint8_t salt[4], char *out)
{
    if (strlen(secret) != PGWIRE_MD5_LEN || memcmp(secret, "md5", PREFIX_LEN) != 0) {
        out[0] = '\0';
        return false;
    }
    return md5_of(secret + PREFIX_LEN, PGWIRE_MD5_LEN - PREFIX_LEN, salt, SALT_LEN, out);
}

bool pgwire_md5_proves(const char *secret, const uint8_t salt[4], struct pgwire_slice answer)
{
    char wanted[PGWIRE_MD5_LEN + 1];
    bool proven = pgwire_md5_answer(secret, salt, wanted) && answer.len == PGWIRE_MD5_LEN &&
                  pgwire_same_secret(answer.data, wanted, PGWIRE_MD5_LEN);
    OPENSSL_cleanse(wanted, sizeof(wanted));
    return proven;
}
