/* One spelling for the values of key columns. Texts are only taken in the spelling in which Postgres
 * itself would write the value: ' +01 ' or 1e2 may be the same number, but who asks for keys writes
 * them plainly, and every other spelling costs a hit and never a wrong answer. */
#include "sql/key_value.h"

#include "base/hash.h"
#include "base/macros.h"

enum {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_TEXT = 25,
    OID_OID = 26,
    OID_VARCHAR = 1043,
    OID_UUID = 2950,
    UUID_LEN = 16,
    UUID_TEXT_LEN = 36,
    ARRAY_HEAD_LEN = 12, /* dimensions, flags, type of the elements */
    ARRAY_DIMENSION_LEN = 8,
};

static const struct {
    uint16_t oid;
    uint16_t array_oid;
    enum key_type type;
    const char *name;
} types[] = {
    {OID_BOOL, 1000, KEY_BOOL, "bool"}, {OID_INT8, 1016, KEY_INT8, "int8"},
    {OID_INT2, 1005, KEY_INT2, "int2"}, {OID_INT4, 1007, KEY_INT4, "int4"},
    {OID_TEXT, 1009, KEY_TEXT, "text"}, {OID_OID, 1028, KEY_OID, "oid"},
    {OID_UUID, 2951, KEY_UUID, "uuid"}, {OID_VARCHAR, 1015, KEY_VARCHAR, "varchar"},
};

enum key_type key_type_of(uint32_t type_oid)
{
    for (unsigned i = 0; i < ARRAY_COUNT(types); i++)
        if (types[i].oid == type_oid)
            return types[i].type;
    return KEY_NONE;
}

static uint32_t element_of(uint32_t array_oid)
{
    for (unsigned i = 0; i < ARRAY_COUNT(types); i++)
        if (types[i].array_oid == array_oid)
            return types[i].oid;
    return 0;
}

static bool is_integer(enum key_type type)
{
    return type == KEY_INT2 || type == KEY_INT4 || type == KEY_INT8;
}

static bool is_text(enum key_type type)
{
    return type == KEY_TEXT || type == KEY_VARCHAR;
}

/* True if a value of type `from` is compared with a column of type `column` by the column's own
 * equality, and stored in it unchanged. */
static bool fits(enum key_type column, enum key_type from)
{
    if (column == from)
        return true;
    if (is_integer(column))
        return is_integer(from);
    if (column == KEY_OID)
        return from == KEY_INT4 || from == KEY_INT8;
    return is_text(column) && is_text(from);
}

uint16_t key_cast_of(const char *name, bool array, enum key_type column)
{
    for (unsigned i = 0; i < ARRAY_COUNT(types); i++)
        if (strcmp(types[i].name, name) == 0 && fits(column, types[i].type))
            return array ? types[i].array_oid : types[i].oid;
    return 0;
}

/* ---- values ---- */

static uint64_t of_integer(int64_t value)
{
    return hash64_of(&value, sizeof(value));
}

uint64_t key_of_bool(bool value)
{
    return of_integer(value);
}

static bool add(struct key_values *out, uint64_t value)
{
    for (unsigned i = 0; i < out->count; i++)
        if (out->values[i] == value)
            return true;
    if (out->count == KEY_VALUES_MAX)
        return false;
    out->values[out->count++] = value;
    return true;
}

/* Digits without zeros before them, that fit an int64. */
static bool read_digits(struct slice text, bool negative, int64_t *out)
{
    uint64_t value = 0;
    if (!text.len || text.len > 19 || (text.data[0] == '0' && (text.len > 1 || negative)))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    if (value > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

static bool integer_fits(enum key_type column, int64_t value)
{
    return column != KEY_OID || (value >= 0 && value <= (int64_t)UINT32_MAX);
}

static bool add_integer(const struct key_reading *reading, int64_t value, struct key_values *out)
{
    return integer_fits(reading->column, value) && add(out, of_integer(value));
}

static int hex_of(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_uuid(struct slice text, uint8_t *out)
{
    unsigned at = 0;
    if (text.len != UUID_TEXT_LEN)
        return false;
    for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text.data[i] != '-')
                return false;
            continue;
        }
        int digit = hex_of(text.data[i]);
        if (digit < 0)
            return false;
        out[at / 2] = (uint8_t)(at % 2 ? out[at / 2] | digit : digit << 4);
        at++;
    }
    return true;
}

static bool add_text(const struct key_reading *reading, struct slice text, struct key_values *out)
{
    if (text.len > KEY_TEXT_MAX)
        return false;
    /* varchar(n) drops blanks that are too many, and refuses everything else. */
    if (reading->assigned && reading->column == KEY_VARCHAR && text.len &&
        text.data[text.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == 0 || (reading->ascii && text.data[i] >= 0x80))
            return false;
    return add(out, hash64_of(text.len ? text.data : (const uint8_t *)"", text.len));
}

/* A value as text, as its type's input function takes it. */
static bool add_spelled(const struct key_reading *reading, struct slice text,
                        struct key_values *out)
{
    int64_t number;
    uint8_t uuid[UUID_LEN];
    bool negative = text.len && text.data[0] == '-';

    switch (reading->column) {
    case KEY_INT2:
    case KEY_INT4:
    case KEY_INT8:
    case KEY_OID:
        if (negative)
            text = slice_of(text.data + 1, text.len - 1);
        return read_digits(text, negative, &number) && add_integer(reading, number, out);
    case KEY_UUID:
        return read_uuid(text, uuid) && add(out, hash64_of(uuid, sizeof(uuid)));
    case KEY_BOOL:
        if (slice_is(text, "t") || slice_is(text, "true"))
            return add(out, key_of_bool(true));
        return (slice_is(text, "f") || slice_is(text, "false")) && add(out, key_of_bool(false));
    case KEY_TEXT:
    case KEY_VARCHAR:
        return add_text(reading, text, out);
    case KEY_NONE:
        break;
    }
    return false;
}

static int64_t read_big_endian(const uint8_t *data, size_t len)
{
    uint64_t value = (data[0] & 0x80) ? UINT64_MAX : 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | data[i];
    return (int64_t)value;
}

/* A value in binary format, of type `from`, or of the column's class if that is KEY_NONE. */
static bool add_binary(const struct key_reading *reading, enum key_type from, struct slice bytes,
                       struct key_values *out)
{
    switch (from == KEY_NONE ? reading->column : from) {
    case KEY_INT2:
    case KEY_INT4:
    case KEY_INT8:
        if (bytes.len != 2 && bytes.len != 4 && bytes.len != 8)
            return false;
        return add_integer(reading, read_big_endian(bytes.data, bytes.len), out);
    case KEY_OID:
        return bytes.len == 4 &&
               add_integer(reading, read_big_endian(bytes.data, 4) & UINT32_MAX, out);
    case KEY_UUID:
        return bytes.len == UUID_LEN && add(out, hash64_of(bytes.data, UUID_LEN));
    case KEY_BOOL:
        return bytes.len == 1 && bytes.data[0] <= 1 && add(out, key_of_bool(bytes.data[0]));
    case KEY_TEXT:
    case KEY_VARCHAR:
        return add_text(reading, bytes, out);
    case KEY_NONE:
        break;
    }
    return false;
}

/* ---- arrays ---- */

/* '{1,2,3}': elements without quotes, blanks or escapes. */
static enum key_found array_of_text(struct slice text, const struct key_reading *reading,
                                    struct key_values *out)
{
    if (text.len < 2 || text.data[0] != '{' || text.data[text.len - 1] != '}')
        return KEY_UNKNOWN;
    size_t start = 1;
    if (text.len == 2)
        return KEY_FOUND;
    for (size_t i = 1; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                     c == '-' || c == '_' || c == '.' || c == '@' || c == ':';
        if (plain)
            continue;
        struct slice element = slice_of(text.data + start, i - start);
        if ((c != ',' && i + 1 < text.len) || !element.len)
            return KEY_UNKNOWN;
        bool null = element.len == 4 && (element.data[0] | 0x20) == 'n' &&
                    (element.data[1] | 0x20) == 'u' && (element.data[2] | 0x20) == 'l' &&
                    (element.data[3] | 0x20) == 'l';
        if (null || !add_spelled(reading, element, out)) /* array_nulls says what NULL is */
            return KEY_UNKNOWN;
        start = i + 1;
    }
    return KEY_FOUND;
}

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)read_big_endian(at, 4);
}

static enum key_found array_of_binary(struct slice bytes, const struct key_reading *reading,
                                      struct key_values *out)
{
    if (bytes.len < ARRAY_HEAD_LEN)
        return KEY_UNKNOWN;
    uint32_t dimensions = read_u32(bytes.data);
    enum key_type element = key_type_of(read_u32(bytes.data + 8));
    if (dimensions > 1 || element == KEY_NONE || !fits(reading->column, element))
        return KEY_UNKNOWN;
    if (!dimensions)
        return bytes.len == ARRAY_HEAD_LEN ? KEY_FOUND : KEY_UNKNOWN;
    size_t at = ARRAY_HEAD_LEN + ARRAY_DIMENSION_LEN;
    if (bytes.len < at)
        return KEY_UNKNOWN;
    uint32_t count = read_u32(bytes.data + ARRAY_HEAD_LEN);
    for (uint32_t i = 0; i < count; i++) {
        if (bytes.len - at < 4)
            return KEY_UNKNOWN;
        uint32_t len = read_u32(bytes.data + at);
        at += 4;
        if (len == UINT32_MAX)
            continue; /* NULL equals nothing */
        if (len > bytes.len - at ||
            !add_binary(reading, element, slice_of(bytes.data + at, len), out))
            return KEY_UNKNOWN;
        at += len;
    }
    return at == bytes.len ? KEY_FOUND : KEY_UNKNOWN;
}

/* ---- constants and parameters ---- */

/* What type of value `reading` speaks of; false if it does not go with the column. */
static bool type_is_known(const struct key_reading *reading, enum key_type *out)
{
    uint32_t oid = reading->type_oid;
    *out = KEY_NONE;
    if (!oid)
        return true;
    *out = key_type_of(reading->array ? element_of(oid) : oid);
    return *out != KEY_NONE && fits(reading->column, *out);
}

static enum key_found of_text(struct slice text, const struct key_reading *reading,
                              struct key_values *out)
{
    if (reading->array)
        return array_of_text(text, reading, out);
    return add_spelled(reading, text, out) ? KEY_FOUND : KEY_UNKNOWN;
}

enum key_found key_of_token(struct slice token, bool negative, const struct key_reading *reading,
                            struct key_values *out)
{
    enum key_type from;
    if (!token.len || !type_is_known(reading, &from))
        return KEY_UNKNOWN;
    if (token.data[0] != '\'') {
        int64_t number;
        bool takes = is_integer(reading->column) || reading->column == KEY_OID;
        return takes && !reading->array && read_digits(token, negative, &number) &&
                       add_integer(reading, number, out)
                   ? KEY_FOUND
                   : KEY_UNKNOWN;
    }
    if (negative || token.len < 2 || token.data[token.len - 1] != '\'' || token.len > KEY_TEXT_MAX)
        return KEY_UNKNOWN;
    uint8_t text[KEY_TEXT_MAX];
    size_t len = 0;
    for (size_t i = 1; i + 1 < token.len; i++) {
        if (token.data[i] == '\'') {
            if (i + 2 >= token.len || token.data[++i] != '\'')
                return KEY_UNKNOWN; /* it goes on after a gap */
        }
        text[len++] = token.data[i];
    }
    return of_text(slice_of(text, len), reading, out);
}

enum key_found key_of_bytes(struct slice bytes, const struct key_reading *reading,
                            struct key_values *out)
{
    enum key_type from;
    if (!bytes.data)
        return KEY_NULL;
    if (!type_is_known(reading, &from) || (from == KEY_NONE && !reading->inferred_here))
        return KEY_UNKNOWN;
    if (!reading->binary)
        return of_text(bytes, reading, out);
    if (reading->array)
        return array_of_binary(bytes, reading, out);
    return add_binary(reading, from, bytes, out) ? KEY_FOUND : KEY_UNKNOWN;
}
