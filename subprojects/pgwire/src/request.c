/* What a frontend sends, taken apart as Postgres does (postmaster.c, postgres.c, auth.c). */
#include "pgwire/request.h"

#include "cursor.h"

/* ProcessStartupPacket: "invalid startup packet layout: expected terminator as last byte". */
static bool read_params(struct cursor *cursor, struct pgwire_slice *out)
{
    const uint8_t *begin = cursor->at;
    struct pgwire_slice name;
    struct pgwire_slice value;

    while (cursor_text(cursor, &name)) {
        if (name.len == 0) {
            *out = (struct pgwire_slice){.data = begin, .len = (size_t)(name.data - begin)};
            return cursor->left == 0;
        }
        if (!cursor_text(cursor, &value)) {
            return false;
        }
    }
    return false;
}

static bool read_cancel(struct cursor *cursor, struct pgwire_startup *out)
{
    return cursor_u32(cursor, &out->cancel_pid) && cursor->left >= PGWIRE_CANCEL_KEY_MIN &&
           cursor->left <= PGWIRE_CANCEL_KEY_MAX &&
           cursor_bytes(cursor, cursor->left, &out->cancel_key);
}

enum pgwire_status pgwire_read_startup(const uint8_t *body, size_t len, struct pgwire_startup *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_startup startup = {.kind = PGWIRE_STARTUP_LOGIN};
    uint32_t code;
    bool good;

    if (!cursor_u32(&cursor, &code)) {
        return PGWIRE_MALFORMED;
    }
    switch (code) {
    case PGWIRE_CODE_CANCEL:
        startup.kind = PGWIRE_STARTUP_CANCEL;
        good = read_cancel(&cursor, &startup);
        break;
    case PGWIRE_CODE_SSL:
        startup.kind = PGWIRE_STARTUP_SSL;
        good = cursor.left == 0;
        break;
    case PGWIRE_CODE_GSSENC:
        startup.kind = PGWIRE_STARTUP_GSSENC;
        good = cursor.left == 0;
        break;
    default:
        startup.protocol = code;
        startup.params = (struct pgwire_slice){.data = cursor.at, .len = 0};
        /* Nobody knows how a packet of another major version goes on. */
        good = code >> 16 != PGWIRE_PROTOCOL_3_0 >> 16 || read_params(&cursor, &startup.params);
        break;
    }
    if (!good) {
        return PGWIRE_MALFORMED;
    }
    *out = startup;
    return PGWIRE_OK;
}

bool pgwire_startup_param(struct pgwire_slice params, size_t *at, struct pgwire_slice *out_name,
                          struct pgwire_slice *out_value)
{
    if (*at >= params.len) {
        return false;
    }
    struct cursor cursor = {.at = params.data + *at, .left = params.len - *at};
    struct pgwire_slice name;
    struct pgwire_slice value;
    if (!cursor_text(&cursor, &name) || !cursor_text(&cursor, &value)) {
        return false;
    }
    *out_name = name;
    *out_value = value;
    *at = params.len - cursor.left;
    return true;
}

enum pgwire_status pgwire_read_parse(const uint8_t *body, size_t len, struct pgwire_parse *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_parse parse;

    if (!cursor_text(&cursor, &parse.name) || !cursor_text(&cursor, &parse.query) ||
        !cursor_array(&cursor, 4, &parse.type_count, &parse.types) || cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    *out = parse;
    return PGWIRE_OK;
}

enum pgwire_status pgwire_read_bind(const uint8_t *body, size_t len, struct pgwire_bind *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_bind bind;

    if (!cursor_text(&cursor, &bind.portal) || !cursor_text(&cursor, &bind.statement)) {
        return PGWIRE_MALFORMED;
    }
    bind.arguments = (struct pgwire_slice){.data = cursor.at, .len = cursor.left};
    if (!cursor_array(&cursor, 2, &bind.param_format_count, &bind.param_formats) ||
        !cursor_values(&cursor, &bind.param_count, &bind.params) ||
        !cursor_array(&cursor, 2, &bind.result_format_count, &bind.result_formats) ||
        cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    *out = bind;
    return PGWIRE_OK;
}

bool pgwire_bind_param(const struct pgwire_bind *bind, size_t *at, struct pgwire_slice *out_value)
{
    if (*at >= bind->params.len) {
        return false;
    }
    struct cursor cursor = {.at = bind->params.data + *at, .left = bind->params.len - *at};
    struct pgwire_slice value;
    if (!cursor_value(&cursor, &value)) {
        return false;
    }
    *out_value = value;
    *at = bind->params.len - cursor.left;
    return true;
}

enum pgwire_status pgwire_read_target(const uint8_t *body, size_t len, struct pgwire_target *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_target target;

    if (!cursor_byte(&cursor, &target.kind) || (target.kind != 'S' && target.kind != 'P') ||
        !cursor_text(&cursor, &target.name) || cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    *out = target;
    return PGWIRE_OK;
}

enum pgwire_status pgwire_read_execute(const uint8_t *body, size_t len, struct pgwire_execute *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_execute execute;

    if (!cursor_text(&cursor, &execute.portal) || !cursor_u32(&cursor, &execute.row_max) ||
        cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    if (execute.row_max > INT32_MAX) {
        execute.row_max = 0; /* to Postgres it is negative: all */
    }
    *out = execute;
    return PGWIRE_OK;
}

enum pgwire_status pgwire_read_text(const uint8_t *body, size_t len, struct pgwire_slice *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_slice text;

    if (!cursor_text(&cursor, &text) || cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    *out = text;
    return PGWIRE_OK;
}

enum pgwire_status pgwire_read_sasl_initial(const uint8_t *body, size_t len,
                                            struct pgwire_sasl_initial *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_sasl_initial initial;

    if (!cursor_text(&cursor, &initial.mechanism) || !cursor_value(&cursor, &initial.response) ||
        cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    *out = initial;
    return PGWIRE_OK;
}

enum pgwire_status pgwire_read_function_call(const uint8_t *body, size_t len,
                                             struct pgwire_function_call *out)
{
    struct cursor cursor = {.at = body, .left = len};
    struct pgwire_function_call call;

    if (!cursor_u32(&cursor, &call.function_oid) ||
        !cursor_array(&cursor, 2, &call.argument_format_count, &call.argument_formats) ||
        !cursor_values(&cursor, &call.argument_count, &call.arguments) ||
        !cursor_u16(&cursor, &call.result_format) || cursor.left != 0) {
        return PGWIRE_MALFORMED;
    }
    *out = call;
    return PGWIRE_OK;
}
