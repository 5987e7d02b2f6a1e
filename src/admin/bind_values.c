/* Values for the parameters of a statement. See bind_values.h.
 *
 * Source  PostgreSQL 15 manual, "Message Formats" (Parse, Bind); OIDs: pg_type.dat.
 */
#include "bind_values.h"

#include <stdio.h>
#include <strings.h>

#include "base/macros.h"

enum { SHOWN_MAX = 60, OID_DIGITS_MAX = 10 };

static const struct {
    const char *name;
    uint32_t oid;
} types_known[] = {
    {"bool", 16},      {"boolean", 16},     {"bytea", 17},         {"int8", 20},
    {"bigint", 20},    {"int2", 21},        {"smallint", 21},      {"int4", 23},
    {"int", 23},       {"integer", 23},     {"text", 25},          {"oid", 26},
    {"json", 114},     {"float4", 700},     {"real", 700},         {"float8", 701},
    {"unknown", 705},  {"bpchar", 1042},    {"varchar", 1043},     {"date", 1082},
    {"time", 1083},    {"timestamp", 1114}, {"timestamptz", 1184}, {"interval", 1186},
    {"numeric", 1700}, {"uuid", 2950},      {"jsonb", 3802},
};

struct reader {
    struct slice text;
    size_t at;
};

static bool is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_blank(struct reader *reader)
{
    while (reader->at < reader->text.len && is_blank(reader->text.data[reader->at]))
        reader->at++;
}

static bool stands(const struct reader *reader, const char *what)
{
    size_t len = strlen(what);
    return reader->text.len - reader->at >= len &&
           memcmp(reader->text.data + reader->at, what, len) == 0;
}

static void put_number(struct buf *out, uint32_t number, unsigned bytes)
{
    uint8_t space[4];
    for (unsigned i = 0; i < bytes; i++)
        space[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
    buf_append(out, space, bytes);
}

static enum err refuse(const struct reader *reader, const char *what, char why[COMMAND_WHY_MAX])
{
    char shown[SHOWN_MAX + 1];
    size_t len = size_min(reader->text.len - reader->at, SHOWN_MAX);
    for (size_t i = 0; i < len; i++) {
        uint8_t c = reader->text.data[reader->at + i];
        shown[i] = (char)(c >= ' ' && c < 0x7f ? c : '?');
    }
    shown[len] = 0;
    snprintf(why, COMMAND_WHY_MAX, "%s \"%s\"", what, len ? shown : ")");
    return ERR_INVALID;
}

/* 'it''s' */
static enum err read_quoted(struct reader *reader, struct buf *out, char why[COMMAND_WHY_MAX])
{
    struct slice text = reader->text;
    size_t at = reader->at + 1;
    for (; at < text.len; at++) {
        if (text.data[at] == '\'' && (at + 1 == text.len || text.data[at + 1] != '\''))
            break;
        if (text.data[at] == '\'')
            at++; /* it is doubled */
        buf_append(out, text.data + at, 1);
    }
    if (at >= text.len)
        return refuse(reader, "the value is not closed:", why);
    reader->at = at + 1;
    return ERR_OK;
}

/* As it stands, up to a comma, a type or the end. */
static struct slice read_bare(struct reader *reader)
{
    size_t start = reader->at;
    while (reader->at < reader->text.len && reader->text.data[reader->at] != ',' &&
           !stands(reader, "::"))
        reader->at++;
    size_t end = reader->at;
    while (end > start && is_blank(reader->text.data[end - 1]))
        end--;
    return slice_of(reader->text.data + start, end - start);
}

static bool type_of(struct slice name, uint32_t *out)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(types_known); i++)
        if (name.len == strlen(types_known[i].name) &&
            strncasecmp((const char *)name.data, types_known[i].name, name.len) == 0) {
            *out = types_known[i].oid;
            return true;
        }
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] < '0' || name.data[i] > '9' || i >= OID_DIGITS_MAX)
            return false;
        number = number * 10 + (uint64_t)(name.data[i] - '0');
    }
    *out = (uint32_t)number;
    return name.len > 0 && number <= UINT32_MAX;
}

/* One value with its length, and its type: 0 if none is declared. */
static enum err read_value(struct reader *reader, struct buf *values, uint32_t *out_type,
                           char why[COMMAND_WHY_MAX])
{
    struct buf value = {0};
    bool null = false;
    enum err err = ERR_OK;
    struct reader begin = *reader;
    if (stands(reader, "'")) {
        err = read_quoted(reader, &value, why);
    } else {
        struct slice bare = read_bare(reader);
        null = bare.len == 4 && strncasecmp((const char *)bare.data, "null", 4) == 0;
        buf_append(&value, bare.data, bare.len);
        if (!bare.len || memchr(bare.data, '\'', bare.len))
            err = refuse(&begin, "not a value:", why);
    }
    put_number(values, null ? UINT32_MAX : (uint32_t)buf_len(&value), 4);
    if (!null && buf_len(&value))
        buf_append(values, buf_head(&value), buf_len(&value));
    buf_fini(&value);
    skip_blank(reader);
    *out_type = 0;
    if (err != ERR_OK || !stands(reader, "::"))
        return err;
    reader->at += 2;
    skip_blank(reader);
    begin = *reader;
    return type_of(read_bare(reader), out_type)
               ? ERR_OK
               : refuse(&begin, "a type that is not known here (its OID will do):", why);
}

static enum err read_values(struct reader *reader, struct buf *types, struct buf *values,
                            unsigned *out_count, bool *out_declared, char why[COMMAND_WHY_MAX])
{
    skip_blank(reader);
    if (reader->at == reader->text.len)
        return ERR_OK; /* no parameters */
    for (;;) {
        uint32_t type;
        skip_blank(reader);
        enum err err = read_value(reader, values, &type, why);
        if (err != ERR_OK)
            return err;
        put_number(types, type, 4);
        *out_declared |= type != 0;
        if (++*out_count > BIND_VALUES_MAX)
            return refuse(reader, "too many values at", why);
        skip_blank(reader);
        if (reader->at == reader->text.len)
            return ERR_OK;
        if (!stands(reader, ","))
            return refuse(reader, "syntax error at or near", why);
        reader->at++;
    }
}

enum err bind_values_read(struct slice text, struct buf *types, struct buf *arguments,
                          char why[COMMAND_WHY_MAX])
{
    struct reader reader = {.text = text};
    struct buf values = {0};
    unsigned count = 0;
    bool declared = false;
    enum err err = read_values(&reader, types, &values, &count, &declared, why);
    put_number(arguments, 0, 2); /* every value as text */
    put_number(arguments, count, 2);
    if (buf_len(&values))
        buf_append(arguments, buf_head(&values), buf_len(&values));
    put_number(arguments, 0, 2); /* and the result */
    buf_fini(&values);
    if (!declared)
        buf_clear(types);
    return err;
}
