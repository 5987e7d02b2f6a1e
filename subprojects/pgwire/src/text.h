/* Building a text in memory of fixed size: it is always zero-terminated, and a piece that does not fit
 * sets `overflow` and ends it. */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base64.h"

/* Greatest number of bytes that text_add_base64 takes. */
enum { TEXT_BASE64_MAX = 64 };

struct text {
    char *data;
    size_t cap;
    size_t len;
    bool overflow;
};

static inline struct text text_of(char *data, size_t cap)
{
    data[0] = '\0';
    return (struct text){.data = data, .cap = cap};
}

static inline void text_add(struct text *text, const void *data, size_t len)
{
    if (text->overflow || text->cap - text->len <= len) {
        text->overflow = true;
        return;
    }
    if (len > 0) {
        memcpy(text->data + text->len, data, len);
    }
    text->len += len;
    text->data[text->len] = '\0';
}

static inline void text_add_string(struct text *text, const char *string)
{
    text_add(text, string, strlen(string));
}

static inline void text_add_base64(struct text *text, const uint8_t *data, size_t len)
{
    char encoded[BASE64_LEN(TEXT_BASE64_MAX) + 1];
    assert(len <= TEXT_BASE64_MAX);
    pgwire_base64_write(data, len, encoded);
    text_add(text, encoded, BASE64_LEN(len));
}

static inline void text_add_number(struct text *text, uint32_t number)
{
    char digits[10];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text_add(text, digits + at, sizeof(digits) - at);
}
