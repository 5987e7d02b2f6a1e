/* See bind_key.h. */
#include "session/bind_key.h"

struct reader {
    const uint8_t *at;
    size_t left;
};

static bool take_count(struct reader *reader, size_t *out)
{
    if (reader->left < 2)
        return false;
    *out = (size_t)reader->at[0] << 8 | reader->at[1];
    reader->at += 2;
    reader->left -= 2;
    return true;
}

/* The codes of a list; *out_text is set if there are some and each says text. */
static bool take_codes(struct reader *reader, size_t *out_count, bool *out_text)
{
    if (!take_count(reader, out_count) || reader->left < 2 * *out_count)
        return false;
    *out_text = *out_count > 0;
    for (size_t i = 0; i < 2 * *out_count; i++)
        *out_text = *out_text && reader->at[i] == 0;
    reader->at += 2 * *out_count;
    reader->left -= 2 * *out_count;
    return true;
}

static bool skip_values(struct reader *reader, size_t *out_count)
{
    if (!take_count(reader, out_count))
        return false;
    for (size_t i = 0; i < *out_count; i++) {
        if (reader->left < 4)
            return false;
        uint32_t len = (uint32_t)reader->at[0] << 24 | (uint32_t)reader->at[1] << 16 |
                       (uint32_t)reader->at[2] << 8 | reader->at[3];
        size_t size = 4 + (len == UINT32_MAX ? 0 : (size_t)len);
        if (reader->left < size)
            return false;
        reader->at += size;
        reader->left -= size;
    }
    return true;
}

static size_t write_text(uint8_t *out)
{
    out[0] = out[1] = 0;
    return 2;
}

static size_t write_part(uint8_t *out, const uint8_t *from, const uint8_t *end)
{
    size_t len = (size_t)(end - from);
    memcpy(out, from, len);
    return len;
}

size_t bind_key_write(struct slice arguments, uint8_t *out)
{
    struct reader reader = {arguments.data, arguments.len};
    size_t formats, values, results, len = 0;
    bool text, results_text;
    if (!arguments.len)
        return 0;
    if (!take_codes(&reader, &formats, &text))
        return write_part(out, arguments.data, arguments.data + arguments.len);
    const uint8_t *values_at = reader.at;
    if (!skip_values(&reader, &values))
        return write_part(out, arguments.data, arguments.data + arguments.len);
    const uint8_t *results_at = reader.at;
    if (!take_codes(&reader, &results, &results_text) || reader.left)
        return write_part(out, arguments.data, arguments.data + arguments.len);
    /* Other numbers of codes are an error, or, of results, may be. */
    if (text && (formats == 1 || formats == values))
        len += write_text(out);
    else
        len += write_part(out, arguments.data, values_at);
    len += write_part(out + len, values_at, results_at);
    if (results_text && results == 1)
        len += write_text(out + len);
    else
        len += write_part(out + len, results_at, reader.at);
    return len;
}
