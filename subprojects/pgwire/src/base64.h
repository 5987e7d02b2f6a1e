/* base64 (RFC 4648) in one strict form: padded, without white space, unused bits zero. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters that `len` bytes become, without a zero. */
#define BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* Writes BASE64_LEN(len) characters and a zero. */
void pgwire_base64_write(const uint8_t *data, size_t len, char *out);

/* Reads `len` characters into at most `cap` bytes; false if they are no base64 or too many. `out`
 * is undefined then. */
bool pgwire_base64_read(const char *text, size_t len, uint8_t *out, size_t cap, size_t *out_len);
