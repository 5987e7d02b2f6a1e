/* A growing byte buffer with a read position: bytes are appended at the end and consumed at the
 * front. Its memory is given back by buf_fini, or by buf_shrink once it is empty.
 *
 * Ownership  The struct belongs to the caller, the bytes to the struct.
 * Threads    None.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

struct buf {
    uint8_t *data;
    size_t start; /* first byte not yet consumed */
    size_t end;   /* one past the last byte */
    size_t cap;
};

void buf_init(struct buf *buf);
void buf_fini(struct buf *buf);

static inline size_t buf_len(const struct buf *buf)
{
    return buf->end - buf->start;
}

static inline const uint8_t *buf_head(const struct buf *buf)
{
    return buf->data ? buf->data + buf->start : NULL;
}

/* Makes room for `len` more bytes and returns where they go; buf_added says how many came. */
uint8_t *buf_reserve(struct buf *buf, size_t len);

static inline void buf_added(struct buf *buf, size_t len)
{
    ASSERT(buf->cap - buf->end >= len);
    buf->end += len;
}

void buf_append(struct buf *buf, const void *data, size_t len);
void buf_append_text(struct buf *buf, const char *text);
void buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);

/* Drops `len` bytes at the front. */
void buf_consume(struct buf *buf, size_t len);
void buf_clear(struct buf *buf);

/* Frees the memory of an empty buffer that has grown beyond `keep` bytes. */
void buf_shrink(struct buf *buf, size_t keep);
