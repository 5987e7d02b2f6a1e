/* The growing byte buffer of base/buf.h. Growth doubles, so appending is linear in the whole. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

enum { BUF_CAP_FIRST = 256 };

void buf_init(struct buf *buf)
{
    *buf = (struct buf){0};
}

void buf_fini(struct buf *buf)
{
    mem_free(buf->data);
    *buf = (struct buf){0};
}

uint8_t *buf_reserve(struct buf *buf, size_t len)
{
    if (buf->cap - buf->end >= len && buf->data)
        return buf->data + buf->end;
    size_t used = buf_len(buf);
    /* Moving costs `used`: as much was consumed since the last move, or is being added now. */
    if (buf->data && used <= size_max(buf->start, len) && buf->cap - used >= len) {
        memmove(buf->data, buf->data + buf->start, used);
    } else {
        ASSERT(len < SIZE_MAX / 4 && used < SIZE_MAX / 4);
        size_t cap = size_max(size_max(used * 2, used + len), BUF_CAP_FIRST);
        uint8_t *data = mem_alloc(cap);
        if (used)
            memcpy(data, buf->data + buf->start, used);
        mem_free(buf->data);
        buf->data = data;
        buf->cap = cap;
    }
    buf->start = 0;
    buf->end = used;
    return buf->data + buf->end;
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
    if (!len)
        return;
    memcpy(buf_reserve(buf, len), data, len);
    buf_added(buf, len);
}

void buf_append_text(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    ASSERT(format != NULL);
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len > 0) {
        char *at = (char *)buf_reserve(buf, (size_t)len + 1);
        vsnprintf(at, (size_t)len + 1, format, again);
        buf_added(buf, (size_t)len);
    }
    va_end(again);
}

void buf_consume(struct buf *buf, size_t len)
{
    ASSERT(len <= buf_len(buf));
    buf->start += len;
    if (buf->start == buf->end)
        buf->start = buf->end = 0;
}

void buf_clear(struct buf *buf)
{
    buf->start = buf->end = 0;
}

void buf_shrink(struct buf *buf, size_t keep)
{
    if (buf_len(buf) == 0 && buf->cap > keep)
        buf_fini(buf);
}
