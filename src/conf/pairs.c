/* One pair at a time, with one look ahead for the doubled quote. */
#include "pairs.h"

#include <ctype.h>

static size_t skip_space(struct slice text, size_t at)
{
    while (at < text.len && isspace(text.data[at]))
        at++;
    return at;
}

/* Reads a value at `at`; returns where it ends, or 0 when its quote is never closed. */
static size_t read_value(struct slice text, size_t at, struct buf *out)
{
    if (at == text.len || text.data[at] != '\'') {
        size_t from = at;
        while (at < text.len && !isspace(text.data[at]))
            at++;
        buf_append(out, text.data + from, at - from);
        return at;
    }
    for (at++; at < text.len; at++) {
        if (text.data[at] == '\'') {
            at++;
            if (at == text.len || text.data[at] != '\'')
                return at;
        }
        buf_append(out, text.data + at, 1);
    }
    return 0;
}

enum err pairs_next(struct slice *rest, struct slice *out_key, struct buf *out_value)
{
    struct slice text = *rest;
    size_t from = skip_space(text, 0);
    if (from == text.len)
        return ERR_NOT_FOUND;
    size_t end = from;
    while (end < text.len && (isalnum(text.data[end]) || text.data[end] == '_'))
        end++;
    size_t at = skip_space(text, end);
    if (end == from || at == text.len || text.data[at] != '=')
        return ERR_MALFORMED;
    buf_clear(out_value);
    at = read_value(text, skip_space(text, at + 1), out_value);
    if (!at || (at < text.len && !isspace(text.data[at])))
        return ERR_MALFORMED;
    *buf_reserve(out_value, 1) = 0;
    *out_key = slice_of(text.data + from, end - from);
    *rest = slice_of(text.data + at, text.len - at);
    return ERR_OK;
}
