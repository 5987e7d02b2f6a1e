/* See walk.h. */
#include "walk.h"

#include <assert.h>
#include <stdlib.h>

#include "pgwire/answer.h"
#include "pgwire/encode.h"
#include "pgwire/frame.h"
#include "pgwire/request.h"

/* Greatest size of what a walker writes, besides the body itself. */
enum { SLACK = 64 };

static void check_within(const uint8_t *body, size_t len, struct pgwire_slice slice)
{
    assert(slice.data >= body && slice.data <= body + len);
    assert(slice.len <= (size_t)(body + len - slice.data));
}

static struct pgwire_writer writer_for(size_t len)
{
    uint8_t *memory = malloc(len + SLACK);
    assert(memory != NULL);
    return pgwire_writer_of(memory, len + SLACK);
}

/* What was written must be one message with that very body. */
static void check_same(struct pgwire_writer *writer, size_t header_len, const uint8_t *body,
                       size_t len)
{
    assert(!writer->overflow);
    assert(writer->len == header_len + len);
    assert(pgwire_get_u32(writer->data + header_len - 4) == len + 4);
    assert(memcmp(writer->data + header_len, body, len) == 0);
    free(writer->data);
}

static enum pgwire_status walk_startup(const uint8_t *body, size_t len)
{
    struct pgwire_startup startup;
    enum pgwire_status status = pgwire_read_startup(body, len, &startup);
    if (status != PGWIRE_OK) {
        return status;
    }
    struct pgwire_writer writer = writer_for(len);
    if (startup.kind == PGWIRE_STARTUP_CANCEL) {
        check_within(body, len, startup.cancel_key);
        pgwire_write_cancel(&writer, startup.cancel_pid, startup.cancel_key);
        check_same(&writer, PGWIRE_STARTUP_HEADER_LEN, body, len);
        return status;
    }
    if (startup.kind == PGWIRE_STARTUP_LOGIN && startup.protocol >> 16 == 3) {
        struct pgwire_slice name;
        struct pgwire_slice value;
        size_t at = 0;
        check_within(body, len, startup.params);
        while (pgwire_startup_param(startup.params, &at, &name, &value)) {
            check_within(body, len, name);
            check_within(body, len, value);
            assert(name.len > 0);
        }
        assert(at == startup.params.len);
        pgwire_write_startup(&writer, startup.protocol, startup.params);
        check_same(&writer, PGWIRE_STARTUP_HEADER_LEN, body, len);
        return status;
    }
    free(writer.data);
    return status;
}

static enum pgwire_status walk_parse(const uint8_t *body, size_t len)
{
    struct pgwire_parse parse;
    enum pgwire_status status = pgwire_read_parse(body, len, &parse);
    if (status == PGWIRE_OK) {
        check_within(body, len, parse.types);
        assert(parse.types.len == 4 * (size_t)parse.type_count);
        struct pgwire_writer writer = writer_for(len);
        pgwire_write_parse(&writer, parse.name, parse.query, parse.types);
        check_same(&writer, PGWIRE_HEADER_LEN, body, len);
    }
    return status;
}

static enum pgwire_status walk_bind(const uint8_t *body, size_t len)
{
    struct pgwire_bind bind;
    struct pgwire_slice value;
    enum pgwire_status status = pgwire_read_bind(body, len, &bind);
    if (status == PGWIRE_OK) {
        size_t at = 0;
        size_t count = 0;
        while (pgwire_bind_param(&bind, &at, &value)) {
            if (value.data != NULL) {
                check_within(body, len, value);
            }
            count++;
        }
        assert(count == bind.param_count && at == bind.params.len);
        assert(bind.param_formats.len == 2 * (size_t)bind.param_format_count);
        assert(bind.result_formats.len == 2 * (size_t)bind.result_format_count);
        check_within(body, len, bind.param_formats);
        check_within(body, len, bind.result_formats);
        struct pgwire_writer writer = writer_for(len);
        pgwire_write_bind(&writer, bind.portal, bind.statement, bind.arguments);
        check_same(&writer, PGWIRE_HEADER_LEN, body, len);
    }
    return status;
}

static enum pgwire_status walk_target(const uint8_t *body, size_t len)
{
    struct pgwire_target target;
    enum pgwire_status status = pgwire_read_target(body, len, &target);
    if (status == PGWIRE_OK) {
        struct pgwire_writer writer = writer_for(len);
        pgwire_write_target(&writer, PGWIRE_REQUEST_DESCRIBE, target.kind, target.name);
        check_same(&writer, PGWIRE_HEADER_LEN, body, len);
    }
    return status;
}

static enum pgwire_status walk_execute(const uint8_t *body, size_t len)
{
    struct pgwire_execute execute;
    enum pgwire_status status = pgwire_read_execute(body, len, &execute);
    if (status == PGWIRE_OK) {
        bool negative = body[len - 4] >= 0x80;
        assert(!negative || execute.row_max == 0);
        struct pgwire_writer writer = writer_for(len);
        pgwire_write_execute(&writer, execute.portal, execute.row_max);
        check_same(&writer, PGWIRE_HEADER_LEN, negative ? writer.data + PGWIRE_HEADER_LEN : body,
                   len);
    }
    return status;
}

static enum pgwire_status walk_text(const uint8_t *body, size_t len)
{
    struct pgwire_slice text;
    enum pgwire_status status = pgwire_read_text(body, len, &text);
    if (status == PGWIRE_OK) {
        assert(text.data == body && text.len + 1 == len);
        struct pgwire_writer writer = writer_for(len);
        pgwire_write_query(&writer, (const char *)body);
        check_same(&writer, PGWIRE_HEADER_LEN, body, len);
    }
    return status;
}

static enum pgwire_status walk_sasl_initial(const uint8_t *body, size_t len)
{
    struct pgwire_sasl_initial initial;
    enum pgwire_status status = pgwire_read_sasl_initial(body, len, &initial);
    if (status == PGWIRE_OK) {
        struct pgwire_writer writer = writer_for(len);
        pgwire_write_sasl_initial(&writer, (const char *)initial.mechanism.data, initial.response);
        check_same(&writer, PGWIRE_HEADER_LEN, body, len);
    }
    return status;
}

static enum pgwire_status walk_function_call(const uint8_t *body, size_t len)
{
    struct pgwire_function_call call;
    enum pgwire_status status = pgwire_read_function_call(body, len, &call);
    if (status == PGWIRE_OK) {
        check_within(body, len, call.argument_formats);
        check_within(body, len, call.arguments);
        assert(4 + 2 + call.argument_formats.len + 2 + call.arguments.len + 2 == len);
    }
    return status;
}

static enum pgwire_status walk_auth(const uint8_t *body, size_t len)
{
    struct pgwire_auth auth;
    enum pgwire_status status = pgwire_read_auth(body, len, &auth);
    if (status == PGWIRE_OK) {
        check_within(body, len, auth.data);
        if (auth.code == PGWIRE_AUTH_SASL) {
            pgwire_sasl_offers(auth.data, "SCRAM-SHA-256");
        }
        struct pgwire_writer writer = writer_for(len);
        pgwire_write_auth(&writer, auth.code, auth.data);
        check_same(&writer, PGWIRE_HEADER_LEN, body, len);
    }
    return status;
}

static enum pgwire_status walk_key_data(const uint8_t *body, size_t len)
{
    struct pgwire_key_data data;
    enum pgwire_status status = pgwire_read_key_data(body, len, &data);
    if (status == PGWIRE_OK) {
        check_within(body, len, data.key);
        struct pgwire_writer writer = writer_for(len);
        pgwire_write_key_data(&writer, data.pid, data.key);
        check_same(&writer, PGWIRE_HEADER_LEN, body, len);
    }
    return status;
}

static enum pgwire_status walk_param_status(const uint8_t *body, size_t len)
{
    struct pgwire_param_status param;
    enum pgwire_status status = pgwire_read_param_status(body, len, &param);
    if (status == PGWIRE_OK) {
        struct pgwire_writer writer = writer_for(len);
        pgwire_write_param_status(&writer, param.name, param.value);
        check_same(&writer, PGWIRE_HEADER_LEN, body, len);
    }
    return status;
}

static enum pgwire_status walk_ready(const uint8_t *body, size_t len)
{
    uint8_t state;
    enum pgwire_status status = pgwire_read_ready(body, len, &state);
    if (status == PGWIRE_OK) {
        struct pgwire_writer writer = writer_for(len);
        pgwire_write_ready(&writer, state);
        check_same(&writer, PGWIRE_HEADER_LEN, body, len);
    }
    return status;
}

static enum pgwire_status walk_complete(const uint8_t *body, size_t len)
{
    struct pgwire_slice tag;
    enum pgwire_status status = pgwire_read_complete(body, len, &tag);
    if (status == PGWIRE_OK) {
        struct pgwire_writer writer = writer_for(len);
        pgwire_write_complete(&writer, (const char *)tag.data);
        check_same(&writer, PGWIRE_HEADER_LEN, body, len);
    }
    return status;
}

/* An error without any field is as good as none: there is nothing to tell them apart by. */
static enum pgwire_status walk_error(const uint8_t *body, size_t len)
{
    enum pgwire_status status = PGWIRE_MALFORMED;
    for (int field = 1; field < 256; field++) {
        struct pgwire_slice text;
        if (pgwire_error_field(body, len, (char)field, &text)) {
            check_within(body, len, text);
            status = PGWIRE_OK;
        }
    }
    return status;
}

static enum pgwire_status walk_row_description(const uint8_t *body, size_t len)
{
    struct pgwire_column column;
    uint16_t count;
    size_t at = 0;
    enum pgwire_status status = pgwire_read_row_count(body, len, &count);
    if (status != PGWIRE_OK) {
        assert(!pgwire_row_column(body, len, &at, &column) && at == SIZE_MAX);
        return status;
    }
    struct pgwire_writer writer = writer_for(len);
    size_t mark = pgwire_begin(&writer, PGWIRE_ANSWER_ROW_DESCRIPTION);
    pgwire_put_int16(&writer, count);
    while (pgwire_row_column(body, len, &at, &column)) {
        check_within(body, len, column.name);
        pgwire_put_slice_text(&writer, column.name);
        pgwire_put_int32(&writer, column.table_oid);
        pgwire_put_int16(&writer, column.attribute);
        pgwire_put_int32(&writer, column.type_oid);
        pgwire_put_int16(&writer, (uint16_t)column.type_len);
        pgwire_put_int32(&writer, (uint32_t)column.type_mod);
        pgwire_put_int16(&writer, column.format);
    }
    assert(at == len);
    pgwire_end(&writer, mark);
    check_same(&writer, PGWIRE_HEADER_LEN, body, len);
    return status;
}

static enum pgwire_status walk_row(const uint8_t *body, size_t len)
{
    struct pgwire_slice value;
    size_t at = 0;
    struct pgwire_writer writer = writer_for(len);
    size_t mark = pgwire_begin(&writer, PGWIRE_ANSWER_DATA_ROW);
    uint16_t count = 0;
    pgwire_put_int16(&writer, 0);
    while (pgwire_row_value(body, len, &at, &value)) {
        pgwire_put_int32(&writer, value.data != NULL ? (uint32_t)value.len : UINT32_MAX);
        if (value.data != NULL) {
            check_within(body, len, value);
            pgwire_put_bytes(&writer, value.data, value.len);
        }
        count++;
    }
    pgwire_end(&writer, mark);
    if (at == SIZE_MAX) {
        assert(count == 0); /* the first step has seen it */
        free(writer.data);
        return PGWIRE_MALFORMED;
    }
    writer.data[PGWIRE_HEADER_LEN] = (uint8_t)(count >> 8);
    writer.data[PGWIRE_HEADER_LEN + 1] = (uint8_t)count;
    check_same(&writer, PGWIRE_HEADER_LEN, body, len);
    return PGWIRE_OK;
}

static enum pgwire_status walk_param_types(const uint8_t *body, size_t len)
{
    struct pgwire_param_types types;
    enum pgwire_status status = pgwire_read_param_types(body, len, &types);
    if (status == PGWIRE_OK) {
        check_within(body, len, types.oids);
        assert(types.oids.len == 4 * (size_t)types.count && types.oids.len + 2 == len);
    }
    return status;
}

static enum pgwire_status walk_copy(const uint8_t *body, size_t len)
{
    struct pgwire_copy copy;
    enum pgwire_status status = pgwire_read_copy(body, len, &copy);
    if (status == PGWIRE_OK) {
        check_within(body, len, copy.column_formats);
        assert(copy.column_formats.len == 2 * (size_t)copy.column_count);
    }
    return status;
}

static enum pgwire_status walk_notification(const uint8_t *body, size_t len)
{
    struct pgwire_notification notification;
    enum pgwire_status status = pgwire_read_notification(body, len, &notification);
    if (status == PGWIRE_OK) {
        check_within(body, len, notification.channel);
        check_within(body, len, notification.payload);
    }
    return status;
}

static enum pgwire_status walk_negotiate(const uint8_t *body, size_t len)
{
    struct pgwire_negotiate negotiate;
    enum pgwire_status status = pgwire_read_negotiate(body, len, &negotiate);
    if (status == PGWIRE_OK) {
        check_within(body, len, negotiate.options);
        struct pgwire_writer writer = writer_for(len);
        pgwire_write_negotiate(&writer, negotiate.newest_minor, negotiate.option_count,
                               negotiate.options);
        check_same(&writer, PGWIRE_HEADER_LEN, body, len);
    }
    return status;
}

static enum pgwire_status walk_function_result(const uint8_t *body, size_t len)
{
    struct pgwire_slice value;
    enum pgwire_status status = pgwire_read_function_result(body, len, &value);
    if (status == PGWIRE_OK && value.data != NULL) {
        check_within(body, len, value);
    }
    return status;
}

/* Append only: the fuzzers' corpora name walkers by their place. */
const struct walker request_walkers[] = {
    {"startup", walk_startup},   {"parse", walk_parse},
    {"bind", walk_bind},         {"target", walk_target},
    {"execute", walk_execute},   {"text", walk_text},
    {"sasl", walk_sasl_initial}, {"function_call", walk_function_call},
};
const size_t request_walker_count = sizeof(request_walkers) / sizeof(request_walkers[0]);

const struct walker answer_walkers[] = {
    {"auth", walk_auth},
    {"key_data", walk_key_data},
    {"param_status", walk_param_status},
    {"ready", walk_ready},
    {"complete", walk_complete},
    {"error", walk_error},
    {"row_description", walk_row_description},
    {"row", walk_row},
    {"param_types", walk_param_types},
    {"copy", walk_copy},
    {"notification", walk_notification},
    {"negotiate", walk_negotiate},
    {"function_result", walk_function_result},
};
const size_t answer_walker_count = sizeof(answer_walkers) / sizeof(answer_walkers[0]);

const struct walker *walker_named(const char *name)
{
    for (size_t i = 0; i < request_walker_count; i++) {
        if (strcmp(request_walkers[i].name, name) == 0) {
            return &request_walkers[i];
        }
    }
    for (size_t i = 0; i < answer_walker_count; i++) {
        if (strcmp(answer_walkers[i].name, name) == 0) {
            return &answer_walkers[i];
        }
    }
    abort();
}
