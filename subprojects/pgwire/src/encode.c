/* Writing messages. See encode.h: the writer never grows, and never holds half a message. */
#include "pgwire/encode.h"

#include "pgwire/frame.h"
#include "pgwire/request.h"

/* Room for `len` more bytes, or NULL and the writer has overflowed. */
static uint8_t *reserve(struct pgwire_writer *writer, size_t len)
{
    if (writer->overflow || writer->cap - writer->len < len) {
        writer->overflow = true;
        return NULL;
    }
    uint8_t *at = writer->data + writer->len;
    writer->len += len;
    return at;
}

/* The mark is where the message begins. Whether a type byte is there is told by the byte itself:
 * no type is 0, and where there is no type the length word is still 0. */
size_t pgwire_begin(struct pgwire_writer *writer, uint8_t type)
{
    size_t mark = writer->len;
    size_t header_len = type != 0 ? PGWIRE_HEADER_LEN : PGWIRE_STARTUP_HEADER_LEN;
    uint8_t *at = reserve(writer, header_len);

    if (at != NULL) {
        memset(at, 0, header_len);
        at[0] = type;
    }
    return mark;
}

void pgwire_end(struct pgwire_writer *writer, size_t mark)
{
    if (writer->overflow) {
        writer->len = mark;
        return;
    }
    size_t word = mark + (writer->data[mark] != 0);
    if (writer->len - word > INT32_MAX) {
        writer->overflow = true;
        writer->len = mark;
        return;
    }
    pgwire_put_u32(writer->data + word, (uint32_t)(writer->len - word));
}

void pgwire_put_byte(struct pgwire_writer *writer, uint8_t value)
{
    uint8_t *at = reserve(writer, 1);
    if (at != NULL) {
        at[0] = value;
    }
}

void pgwire_put_int16(struct pgwire_writer *writer, uint16_t value)
{
    uint8_t *at = reserve(writer, 2);
    if (at != NULL) {
        at[0] = (uint8_t)(value >> 8);
        at[1] = (uint8_t)value;
    }
}

void pgwire_put_int32(struct pgwire_writer *writer, uint32_t value)
{
    uint8_t *at = reserve(writer, 4);
    if (at != NULL) {
        pgwire_put_u32(at, value);
    }
}

void pgwire_put_bytes(struct pgwire_writer *writer, const void *data, size_t len)
{
    uint8_t *at = reserve(writer, len);
    if (at != NULL && len > 0) {
        memcpy(at, data, len);
    }
}

void pgwire_put_text(struct pgwire_writer *writer, const char *text)
{
    pgwire_put_bytes(writer, text, strlen(text) + 1);
}

void pgwire_put_slice_text(struct pgwire_writer *writer, struct pgwire_slice text)
{
    const uint8_t *zero = text.len > 0 ? memchr(text.data, 0, text.len) : NULL;
    size_t len = zero != NULL ? (size_t)(zero - text.data) : text.len;
    pgwire_put_bytes(writer, text.data, len);
    pgwire_put_byte(writer, 0);
}

static void put_slice(struct pgwire_writer *writer, struct pgwire_slice slice)
{
    pgwire_put_bytes(writer, slice.data, slice.len);
}

/* A value with its length before it; data == NULL is NULL. */
static void put_value(struct pgwire_writer *writer, struct pgwire_slice value)
{
    if (value.data == NULL) {
        pgwire_put_int32(writer, UINT32_MAX);
        return;
    }
    if (value.len > INT32_MAX) {
        writer->overflow = true;
        return;
    }
    pgwire_put_int32(writer, (uint32_t)value.len);
    put_slice(writer, value);
}

void pgwire_write_startup(struct pgwire_writer *writer, uint32_t protocol,
                          struct pgwire_slice params)
{
    size_t mark = pgwire_begin(writer, 0);
    pgwire_put_int32(writer, protocol);
    put_slice(writer, params);
    pgwire_put_byte(writer, 0);
    pgwire_end(writer, mark);
}

void pgwire_write_cancel(struct pgwire_writer *writer, uint32_t pid, struct pgwire_slice key)
{
    size_t mark = pgwire_begin(writer, 0);
    pgwire_put_int32(writer, PGWIRE_CODE_CANCEL);
    pgwire_put_int32(writer, pid);
    put_slice(writer, key);
    pgwire_end(writer, mark);
}

/* A message that is one text. */
static void write_text(struct pgwire_writer *writer, uint8_t type, const char *text)
{
    size_t mark = pgwire_begin(writer, type);
    pgwire_put_text(writer, text);
    pgwire_end(writer, mark);
}

void pgwire_write_password(struct pgwire_writer *writer, const char *password)
{
    write_text(writer, PGWIRE_REQUEST_PASSWORD, password);
}

void pgwire_write_sasl_initial(struct pgwire_writer *writer, const char *mechanism,
                               struct pgwire_slice response)
{
    size_t mark = pgwire_begin(writer, PGWIRE_REQUEST_PASSWORD);
    pgwire_put_text(writer, mechanism);
    put_value(writer, response);
    pgwire_end(writer, mark);
}

void pgwire_write_sasl_response(struct pgwire_writer *writer, struct pgwire_slice response)
{
    size_t mark = pgwire_begin(writer, PGWIRE_REQUEST_PASSWORD);
    put_slice(writer, response);
    pgwire_end(writer, mark);
}

void pgwire_write_query(struct pgwire_writer *writer, const char *sql)
{
    write_text(writer, PGWIRE_REQUEST_QUERY, sql);
}

void pgwire_write_parse(struct pgwire_writer *writer, struct pgwire_slice name,
                        struct pgwire_slice query, struct pgwire_slice types)
{
    size_t mark = pgwire_begin(writer, PGWIRE_REQUEST_PARSE);
    pgwire_put_slice_text(writer, name);
    pgwire_put_slice_text(writer, query);
    if (types.len / 4 > UINT16_MAX || types.len % 4 != 0) {
        writer->overflow = true;
    }
    pgwire_put_int16(writer, (uint16_t)(types.len / 4));
    put_slice(writer, types);
    pgwire_end(writer, mark);
}

void pgwire_write_bind(struct pgwire_writer *writer, struct pgwire_slice portal,
                       struct pgwire_slice statement, struct pgwire_slice arguments)
{
    size_t mark = pgwire_begin(writer, PGWIRE_REQUEST_BIND);
    pgwire_put_slice_text(writer, portal);
    pgwire_put_slice_text(writer, statement);
    put_slice(writer, arguments);
    pgwire_end(writer, mark);
}

void pgwire_write_target(struct pgwire_writer *writer, uint8_t type, uint8_t kind,
                         struct pgwire_slice name)
{
    size_t mark = pgwire_begin(writer, type);
    pgwire_put_byte(writer, kind);
    pgwire_put_slice_text(writer, name);
    pgwire_end(writer, mark);
}

void pgwire_write_execute(struct pgwire_writer *writer, struct pgwire_slice portal,
                          uint32_t row_max)
{
    size_t mark = pgwire_begin(writer, PGWIRE_REQUEST_EXECUTE);
    pgwire_put_slice_text(writer, portal);
    pgwire_put_int32(writer, row_max);
    pgwire_end(writer, mark);
}

void pgwire_write_empty(struct pgwire_writer *writer, uint8_t type)
{
    pgwire_end(writer, pgwire_begin(writer, type));
}

void pgwire_write_auth(struct pgwire_writer *writer, uint32_t code, struct pgwire_slice data)
{
    size_t mark = pgwire_begin(writer, PGWIRE_ANSWER_AUTH);
    pgwire_put_int32(writer, code);
    put_slice(writer, data);
    pgwire_end(writer, mark);
}

void pgwire_write_param_status(struct pgwire_writer *writer, struct pgwire_slice name,
                               struct pgwire_slice value)
{
    size_t mark = pgwire_begin(writer, PGWIRE_ANSWER_PARAM_STATUS);
    pgwire_put_slice_text(writer, name);
    pgwire_put_slice_text(writer, value);
    pgwire_end(writer, mark);
}

void pgwire_write_key_data(struct pgwire_writer *writer, uint32_t pid, struct pgwire_slice key)
{
    size_t mark = pgwire_begin(writer, PGWIRE_ANSWER_KEY_DATA);
    pgwire_put_int32(writer, pid);
    put_slice(writer, key);
    pgwire_end(writer, mark);
}

void pgwire_write_ready(struct pgwire_writer *writer, uint8_t status)
{
    size_t mark = pgwire_begin(writer, PGWIRE_ANSWER_READY);
    pgwire_put_byte(writer, status);
    pgwire_end(writer, mark);
}

void pgwire_write_complete(struct pgwire_writer *writer, const char *tag)
{
    write_text(writer, PGWIRE_ANSWER_COMMAND_COMPLETE, tag);
}

void pgwire_write_negotiate(struct pgwire_writer *writer, uint32_t newest_minor, uint32_t count,
                            struct pgwire_slice options)
{
    size_t mark = pgwire_begin(writer, PGWIRE_ANSWER_NEGOTIATE);
    pgwire_put_int32(writer, newest_minor);
    pgwire_put_int32(writer, count);
    put_slice(writer, options);
    pgwire_end(writer, mark);
}

static void put_error_field(struct pgwire_writer *writer, char field, const char *text)
{
    if (text != NULL) {
        pgwire_put_byte(writer, (uint8_t)field);
        pgwire_put_text(writer, text);
    }
}

void pgwire_write_error(struct pgwire_writer *writer, uint8_t type, const char *severity,
                        const char *sqlstate, const char *message, const char *detail,
                        const char *hint)
{
    size_t mark = pgwire_begin(writer, type);
    put_error_field(writer, 'S', severity);
    put_error_field(writer, 'V', severity);
    put_error_field(writer, 'C', sqlstate);
    put_error_field(writer, 'M', message);
    put_error_field(writer, 'D', detail);
    put_error_field(writer, 'H', hint);
    pgwire_put_byte(writer, 0);
    pgwire_end(writer, mark);
}

/* pg_type.typlen of the types that the console speaks of. */
static uint16_t type_len_of(uint32_t type_oid)
{
    enum { BOOL_OID = 16, INT8_OID = 20, INT4_OID = 23 };

    switch (type_oid) {
    case BOOL_OID:
        return 1;
    case INT8_OID:
        return 8;
    case INT4_OID:
        return 4;
    default:
        return UINT16_MAX; /* -1: of any length */
    }
}

void pgwire_write_columns(struct pgwire_writer *writer, const struct pgwire_text_column *columns,
                          uint16_t count)
{
    size_t mark = pgwire_begin(writer, PGWIRE_ANSWER_ROW_DESCRIPTION);
    pgwire_put_int16(writer, count);
    for (uint16_t i = 0; i < count; i++) {
        pgwire_put_text(writer, columns[i].name);
        pgwire_put_int32(writer, 0); /* no table */
        pgwire_put_int16(writer, 0); /* so no attribute of it */
        pgwire_put_int32(writer, columns[i].type_oid);
        pgwire_put_int16(writer, type_len_of(columns[i].type_oid));
        pgwire_put_int32(writer, UINT32_MAX); /* no type modifier */
        pgwire_put_int16(writer, 0);          /* text */
    }
    pgwire_end(writer, mark);
}

void pgwire_write_row(struct pgwire_writer *writer, const struct pgwire_slice *values,
                      uint16_t count)
{
    size_t mark = pgwire_begin(writer, PGWIRE_ANSWER_DATA_ROW);
    pgwire_put_int16(writer, count);
    for (uint16_t i = 0; i < count; i++) {
        put_value(writer, values[i]);
    }
    pgwire_end(writer, mark);
}
