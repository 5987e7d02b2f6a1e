/* RFC 4013 (SASLprep) but for normalization; the tables are those of RFC 3454. See saslprep.h. */
#include "saslprep.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct range {
    uint32_t first;
    uint32_t last;
};

/* C.1.2: mapped to a space. U+200B is in B.1 as well; RFC 4013 names this mapping first. */
static const struct range spaces[] = {
    {0x00A0, 0x00A0}, {0x1680, 0x1680}, {0x2000, 0x200B},
    {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000},
};

/* B.1: commonly mapped to nothing. */
static const struct range nothings[] = {
    {0x00AD, 0x00AD}, {0x034F, 0x034F}, {0x1806, 0x1806}, {0x180B, 0x180D},
    {0x200C, 0x200D}, {0x2060, 0x2060}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF},
};

/* C.2.1 to C.9: prohibited. */
static const struct range prohibited[] = {
    {0x0000, 0x001F},     {0x007F, 0x009F},   {0x0340, 0x0341},   {0x06DD, 0x06DD},
    {0x070F, 0x070F},     {0x180E, 0x180E},   {0x200E, 0x200F},   {0x2028, 0x202E},
    {0x2061, 0x2063},     {0x206A, 0x206F},   {0x2FF0, 0x2FFB},   {0xD800, 0xF8FF},
    {0xFDD0, 0xFDEF},     {0xFFF9, 0xFFFF},   {0x1D173, 0x1D17A}, {0x1FFFE, 0x1FFFF},
    {0x2FFFE, 0x2FFFF},   {0x3FFFE, 0x3FFFF}, {0x4FFFE, 0x4FFFF}, {0x5FFFE, 0x5FFFF},
    {0x6FFFE, 0x6FFFF},   {0x7FFFE, 0x7FFFF}, {0x8FFFE, 0x8FFFF}, {0x9FFFE, 0x9FFFF},
    {0xAFFFE, 0xAFFFF},   {0xBFFFE, 0xBFFFF}, {0xCFFFE, 0xCFFFF}, {0xDFFFE, 0xDFFFF},
    {0xE0001, 0xE0001},   {0xE0020, 0xE007F}, {0xEFFFE, 0xEFFFF}, {0xF0000, 0xFFFFF},
    {0x100000, 0x10FFFF},
};

#define IS_IN(table, point) is_in(table, sizeof(table) / sizeof((table)[0]), point)

static bool is_in(const struct range *ranges, size_t count, uint32_t point)
{
    for (size_t i = 0; i < count; i++) {
        if (point >= ranges[i].first && point <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

/* Bytes of the UTF-8 sequence at `text`, its code point in `out`; 0 if it is none. The zero at the
 * end of the text is no continuation byte, so nothing beyond it is read. */
static size_t take_point(const unsigned char *text, uint32_t *out)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = text[0] < 0x80   ? 1
                 : text[0] < 0xC0 ? 0
                 : text[0] < 0xE0 ? 2
                 : text[0] < 0xF0 ? 3
                 : text[0] < 0xF8 ? 4
                                  : 0;
    if (len == 0) {
        return 0;
    }
    uint32_t point = len == 1 ? text[0] : text[0] & (0x7FU >> len);
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xC0) != 0x80) {
            return 0;
        }
        point = point << 6 | (text[i] & 0x3FU);
    }
    if (point < least[len] || point > 0x10FFFF || (point >= 0xD800 && point <= 0xDFFF)) {
        return 0;
    }
    *out = point;
    return len;
}

static bool is_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] >= 0x80) {
            return false;
        }
    }
    return true;
}

const char *pgwire_saslprep(const char *password, char out[SASLPREP_PASSWORD_MAX], size_t *out_len)
{
    size_t len = strlen(password);
    size_t used = 0;

    *out_len = len;
    if (len > SASLPREP_PASSWORD_MAX || is_ascii(password, len)) {
        return password;
    }
    for (size_t at = 0; at < len;) {
        uint32_t point;
        size_t point_len = take_point((const unsigned char *)password + at, &point);
        if (point_len == 0) {
            return password;
        }
        if (IS_IN(spaces, point)) {
            out[used++] = ' ';
        } else if (IS_IN(prohibited, point)) {
            return password;
        } else if (!IS_IN(nothings, point)) {
            memcpy(out + used, password + at, point_len);
            used += point_len;
        }
        at += point_len;
    }
    if (used == 0) {
        return password; /* as in Postgres: an empty password is none */
    }
    *out_len = used;
    return out;
}
