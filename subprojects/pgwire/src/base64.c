/* See base64.h. */
#include "base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void pgwire_base64_write(const uint8_t *data, size_t len, char *out)
{
    size_t used = 0;

    for (size_t at = 0; at < len; at += 3) {
        size_t left = len - at;
        uint32_t group = (uint32_t)data[at] << 16;
        group |= left > 1 ? (uint32_t)data[at + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)data[at + 2] : 0;
        out[used++] = alphabet[group >> 18];
        out[used++] = alphabet[group >> 12 & 63];
        out[used++] = left > 1 ? alphabet[group >> 6 & 63] : '=';
        out[used++] = left > 2 ? alphabet[group & 63] : '=';
    }
    out[used] = '\0';
}

/* The value of a character, 64 for one that is none. */
static uint32_t value_of(char character)
{
    if (character >= 'A' && character <= 'Z') {
        return (uint32_t)(character - 'A');
    }
    if (character >= 'a' && character <= 'z') {
        return (uint32_t)(character - 'a') + 26;
    }
    if (character >= '0' && character <= '9') {
        return (uint32_t)(character - '0') + 52;
    }
    if (character == '+') {
        return 62;
    }
    return character == '/' ? 63 : 64;
}

bool pgwire_base64_read(const char *text, size_t len, uint8_t *out, size_t cap, size_t *out_len)
{
    size_t used = 0;

    if (len % 4 != 0) {
        return false;
    }
    for (size_t at = 0; at < len; at += 4) {
        bool last = at + 4 == len;
        size_t pads = !last || text[at + 3] != '=' ? 0 : text[at + 2] != '=' ? 1 : 2;
        uint32_t group = 0;
        for (size_t i = 0; i < 4 - pads; i++) {
            uint32_t value = value_of(text[at + i]);
            if (value > 63) {
                return false;
            }
            group |= value << (18 - 6 * i);
        }
        size_t count = 3 - pads;
        if (cap - used < count || (group & (0xFFFFFFU >> (8 * count))) != 0) {
            return false;
        }
        for (size_t i = 0; i < count; i++) {
            out[used++] = (uint8_t)(group >> (16 - 8 * i));
        }
    }
    *out_len = used;
    return true;
}
