/* What a backend sends, taken apart. */
#include "pgwire/answer.h"

#include "cursor.h"

/* A list of zero-terminated names with an empty one at the very end. */
static bool is_name_list(struct pgwire_slice list)
{
    struct cursor cursor = {.at = list.data, .left = list.len};
    struct pgwire_slice name;

    while (cursor_text(&cursor, &name)) {
        if (name.len == 0) {
            return cursor.left == 0;
        }
    }
    return false;
}

enum pgwire_status pgwire_read_auth(const uint8_t *body, size_t len, struct pgwire_auth *out)
{
    enum { MD5_SALT_LEN = 4 };
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_auth auth;
    bool good = true;

    if (!cursor_u32(&cursor, &auth.code) || !cursor_bytes(&cursor, cursor.left, &auth.data)) {
        return PGWIRE_MALFORMED;
    }
    switch (auth.code) {
    case PGWIRE_AUTH_OK:
    case PGWIRE_AUTH_CLEARTEXT:
        good = auth.data.len == 0;
        break;
    case PGWIRE_AUTH_MD5:
        good = auth.data.len == MD5_SALT_LEN;
        break;
    case PGWIRE_AUTH_SASL:
        good = is_name_list(auth.data);
        break;
    default:
        break;
    }
    if (!good) {
        return PGWIRE_MALFORMED;
    }
    *out = auth;
    return PGWIRE_OK;
}

bool pgwire_sasl_offers(struct pgwire_slice mechanisms, const char *name)
{
    struct cursor cursor = {.at = mechanisms.data, .left = mechanisms.len};
    struct pgwire_slice offered;

    while (cursor_text(&cursor, &offered) && offered.len > 0) {
        if (pgwire_slice_is(offered, name)) {
            return true;
        }
    }
    return false;
}

enum pgwire_status pgwire_read_key_data(const uint8_t *body, size_t len,
                                        struct pgwire_key_data *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_key_data data;

    if (!cursor_u32(&cursor, &data.pid) || cursor.left < PGWIRE_CANCEL_KEY_MIN ||
        cursor.left > PGWIRE_CANCEL_KEY_MAX || !cursor_bytes(&cursor, cursor.left, &data.key)) {
        return PGWIRE_MALFORMED;
    }
    *out = data;
    return PGWIRE_OK;
}

enum pgwire_status pgwire_read_param_status(const uint8_t *body, size_t len,
                                            struct pgwire_param_status *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_param_status status;

    if (!cursor_text(&cursor, &status.name) || !cursor_text(&cursor, &status.value) ||
        cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    *out = status;
    return PGWIRE_OK;
}

enum pgwire_status pgwire_read_ready(const uint8_t *body, size_t len, uint8_t *out_status)
{
    if (len != 1 || (body[0] != 'I' && body[0] != 'T' && body[0] != 'E')) {
        return PGWIRE_MALFORMED;
    }
    *out_status = body[0];
    return PGWIRE_OK;
}

enum pgwire_status pgwire_read_complete(const uint8_t *body, size_t len, struct pgwire_slice *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_slice tag;

    if (!cursor_text(&cursor, &tag) || cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    *out = tag;
    return PGWIRE_OK;
}

bool pgwire_error_field(const uint8_t *body, size_t len, char field, struct pgwire_slice *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_slice found = {.data = NULL, .len = 0};
    struct pgwire_slice text;
    uint8_t type;

    for (;;) {
        if (!cursor_byte(&cursor, &type)) {
            return false;
        }
        if (type == 0) {
            break;
        }
        if (!cursor_text(&cursor, &text)) {
            return false;
        }
        if (type == (uint8_t)field && found.data == NULL) {
            found = text;
        }
    }
    if (cursor.left != 0 || found.data == NULL) {
        return false;
    }
    *out = found;
    return true;
}

static bool take_column(struct cursor *cursor, struct pgwire_column *out)
{
    uint16_t type_len;
    uint32_t type_mod;

    if (!cursor_text(cursor, &out->name) || !cursor_u32(cursor, &out->table_oid) ||
        !cursor_u16(cursor, &out->attribute) || !cursor_u32(cursor, &out->type_oid) ||
        !cursor_u16(cursor, &type_len) || !cursor_u32(cursor, &type_mod) ||
        !cursor_u16(cursor, &out->format)) {
        return false;
    }
    out->type_len = (int16_t)type_len;
    out->type_mod = (int32_t)type_mod;
    return true;
}

enum pgwire_status pgwire_read_row_count(const uint8_t *body, size_t len, uint16_t *out_count)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_column column;
    uint16_t count;

    if (!cursor_u16(&cursor, &count)) {
        return PGWIRE_MALFORMED;
    }
    for (uint16_t i = 0; i < count; i++) {
        if (!take_column(&cursor, &column)) {
            return PGWIRE_MALFORMED;
        }
    }
    if (cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    *out_count = count;
    return PGWIRE_OK;
}

bool pgwire_row_column(const uint8_t *body, size_t len, size_t *at, struct pgwire_column *out)
{
    enum { COUNT_LEN = 2 };
    struct pgwire_column column;
    uint16_t count;

    if (*at == 0) {
        if (pgwire_read_row_count(body, len, &count) != PGWIRE_OK) {
            *at = SIZE_MAX;
            return false;
        }
        *at = COUNT_LEN;
    }
    if (*at >= len) {
        return false;
    }
    struct cursor cursor = {.at = body + *at, .left = len - *at};
    if (!take_column(&cursor, &column)) {
        *at = SIZE_MAX;
        return false;
    }
    *out = column;
    *at = len - cursor.left;
    return true;
}

bool pgwire_row_value(const uint8_t *body, size_t len, size_t *at, struct pgwire_slice *out)
{
    enum { COUNT_LEN = 2 };
    struct pgwire_slice value;
    uint16_t count;

    if (*at == 0) {
        struct cursor whole = {.at = body, .left = len};
        if (!cursor_values(&whole, &count, &value) || whole.left != 0) {
            *at = SIZE_MAX;
            return false;
        }
        *at = COUNT_LEN;
    }
    if (*at >= len) {
        return false;
    }
    struct cursor cursor = {.at = body + *at, .left = len - *at};
    if (!cursor_value(&cursor, &value)) {
        *at = SIZE_MAX;
        return false;
    }
    *out = value;
    *at = len - cursor.left;
    return true;
}

enum pgwire_status pgwire_read_param_types(const uint8_t *body, size_t len,
                                           struct pgwire_param_types *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_param_types types;

    if (!cursor_array(&cursor, 4, &types.count, &types.oids) || cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    *out = types;
    return PGWIRE_OK;
}

enum pgwire_status pgwire_read_copy(const uint8_t *body, size_t len, struct pgwire_copy *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_copy copy;

    if (!cursor_byte(&cursor, &copy.format) ||
        !cursor_array(&cursor, 2, &copy.column_count, &copy.column_formats) || cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    *out = copy;
    return PGWIRE_OK;
}

enum pgwire_status pgwire_read_notification(const uint8_t *body, size_t len,
                                            struct pgwire_notification *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_notification notification;

    if (!cursor_u32(&cursor, &notification.pid) || !cursor_text(&cursor, &notification.channel) ||
        !cursor_text(&cursor, &notification.payload) || cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    *out = notification;
    return PGWIRE_OK;
}

enum pgwire_status pgwire_read_negotiate(const uint8_t *body, size_t len,
                                         struct pgwire_negotiate *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_negotiate negotiate;
    struct pgwire_slice name;

    if (!cursor_u32(&cursor, &negotiate.newest_minor) ||
        !cursor_u32(&cursor, &negotiate.option_count)) {
        return PGWIRE_MALFORMED;
    }
    negotiate.options = (struct pgwire_slice){.data = cursor.at, .len = cursor.left};
    for (uint32_t i = 0; i < negotiate.option_count; i++) {
        if (!cursor_text(&cursor, &name)) {
            return PGWIRE_MALFORMED;
        }
    }
    if (cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    *out = negotiate;
    return PGWIRE_OK;
}

enum pgwire_status pgwire_read_function_result(const uint8_t *body, size_t len,
                                               struct pgwire_slice *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_slice value;

    if (!cursor_value(&cursor, &value) || cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    *out = value;
    return PGWIRE_OK;
}
