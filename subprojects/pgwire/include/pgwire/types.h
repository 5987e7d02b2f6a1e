/* What every header of pgwire speaks of: borrowed bytes, and how a decoder ends.
 *
 * pgwire is a pure library: bytes in, facts out. It opens no sockets, logs nothing and allocates
 * nothing. Slices that a decoder returns point into the bytes it was given and live as long.
 *
 * Source     PostgreSQL manual, "Frontend/Backend Protocol" (protocol 3.0 and 3.2).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct pgwire_slice {
    const uint8_t *data;
    size_t len;
};

/* Bytes in the key that cancels a query: 4 in protocol 3.0, up to 256 in 3.2. */
enum { PGWIRE_CANCEL_KEY_MIN = 4, PGWIRE_CANCEL_KEY_MAX = 256 };

enum pgwire_status {
    PGWIRE_OK,
    PGWIRE_MORE,      /* a good beginning: come back with more bytes */
    PGWIRE_MALFORMED, /* no continuation can make this a message */
    PGWIRE_TOO_BIG,   /* a length beyond what the message type allows */
    PGWIRE_UNKNOWN    /* a message type that this side never receives */
};

const char *pgwire_status_text(enum pgwire_status status);

static inline uint32_t pgwire_get_u32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static inline uint16_t pgwire_get_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static inline bool pgwire_slice_is(struct pgwire_slice slice, const char *text)
{
    return slice.len == strlen(text) && memcmp(slice.data, text, slice.len) == 0;
}
