/* Preparing a password for SCRAM, as far as that goes without Unicode's big tables. */
#pragma once

#include <stddef.h>

/* Greatest password that is prepared; a longer one is used as it is. */
enum { SASLPREP_PASSWORD_MAX = 1024 };

/* Prepares `password`: non-ASCII spaces become a space, what RFC 3454 B.1 maps to nothing goes.
 * NFKC, which would make one password of its composed and decomposed spellings, is not done. As in
 * Postgres, a password that is ASCII, no valid UTF-8, or holds what RFC 4013 prohibits is used as
 * it is.
 *
 * Returns `password` itself or `out`; *out_len is its length without a zero. */
const char *pgwire_saslprep(const char *password, char out[SASLPREP_PASSWORD_MAX], size_t *out_len);
