/* Reading a body from its beginning to its end: what request.c and answer.c are made of.
 *
 * Each step says false if the body does not have what it asks for; then the cursor is spent. The
 * rules are those of Postgres' pq_getmsg* functions.
 */
#pragma once

#include "pgwire/types.h"

struct cursor {
    const uint8_t *at;
    size_t left;
};

static inline bool cursor_bytes(struct cursor *cursor, size_t len, struct pgwire_slice *out)
{
    if (cursor->left < len) {
        return false;
    }
    *out = (struct pgwire_slice){.data = cursor->at, .len = len};
    cursor->at += len;
    cursor->left -= len;
    return true;
}

static inline bool cursor_byte(struct cursor *cursor, uint8_t *out)
{
    struct pgwire_slice raw;
    if (!cursor_bytes(cursor, 1, &raw)) {
        return false;
    }
    *out = raw.data[0];
    return true;
}

static inline bool cursor_u16(struct cursor *cursor, uint16_t *out)
{
    struct pgwire_slice raw;
    if (!cursor_bytes(cursor, 2, &raw)) {
        return false;
    }
    *out = pgwire_get_u16(raw.data);
    return true;
}

static inline bool cursor_u32(struct cursor *cursor, uint32_t *out)
{
    struct pgwire_slice raw;
    if (!cursor_bytes(cursor, 4, &raw)) {
        return false;
    }
    *out = pgwire_get_u32(raw.data);
    return true;
}

/* Text up to its zero byte, which is stepped over. */
static inline bool cursor_text(struct cursor *cursor, struct pgwire_slice *out)
{
    if (cursor->left == 0) {
        return false;
    }
    const uint8_t *zero = memchr(cursor->at, 0, cursor->left);
    if (zero == NULL) {
        return false;
    }
    size_t len = (size_t)(zero - cursor->at);
    *out = (struct pgwire_slice){.data = cursor->at, .len = len};
    cursor->at += len + 1;
    cursor->left -= len + 1;
    return true;
}

/* A 16-bit count and that many items of `item_len` bytes. */
static inline bool cursor_array(struct cursor *cursor, size_t item_len, uint16_t *out_count,
                                struct pgwire_slice *out)
{
    return cursor_u16(cursor, out_count) && cursor_bytes(cursor, item_len * *out_count, out);
}

/* A 32-bit length and its bytes; a length of -1 is NULL, any other negative one is refused. */
static inline bool cursor_value(struct cursor *cursor, struct pgwire_slice *out)
{
    uint32_t len;
    if (!cursor_u32(cursor, &len)) {
        return false;
    }
    if (len == UINT32_MAX) {
        *out = (struct pgwire_slice){.data = NULL, .len = 0};
        return true;
    }
    return len <= INT32_MAX && cursor_bytes(cursor, len, out);
}

/* A 16-bit count and that many values; `out` is the values without the count. */
static inline bool cursor_values(struct cursor *cursor, uint16_t *out_count,
                                 struct pgwire_slice *out)
{
    if (!cursor_u16(cursor, out_count)) {
        return false;
    }
    const uint8_t *begin = cursor->at;
    for (uint16_t i = 0; i < *out_count; i++) {
        struct pgwire_slice value;
        if (!cursor_value(cursor, &value)) {
            return false;
        }
    }
    *out = (struct pgwire_slice){.data = begin, .len = (size_t)(cursor->at - begin)};
    return true;
}
