/* Writing messages into memory of the caller.
 *
 * A writer never grows: a message that does not fit leaves `overflow` set and nothing of itself
 * behind, and every later write does nothing. Callers size the memory first (names, texts and
 * payloads plus 64 bytes a message, 24 a column and 4 a value is always enough) and check
 * `overflow` once at the end.
 */
#pragma once

#include "pgwire/types.h"

struct pgwire_writer {
    uint8_t *data;
    size_t cap;
    size_t len;
    bool overflow;
};

static inline struct pgwire_writer pgwire_writer_of(uint8_t *data, size_t cap)
{
    return (struct pgwire_writer){.data = data, .cap = cap};
}

static inline void pgwire_put_u32(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

/* The pieces: a message is begun, filled and ended. A type of 0 writes no type byte. A text that
 * comes as a slice is cut at its first zero byte: it could not be read back otherwise. */
size_t pgwire_begin(struct pgwire_writer *writer, uint8_t type); /* returns a mark for pgwire_end */
void pgwire_put_byte(struct pgwire_writer *writer, uint8_t value);
void pgwire_put_int16(struct pgwire_writer *writer, uint16_t value);
void pgwire_put_int32(struct pgwire_writer *writer, uint32_t value);
void pgwire_put_bytes(struct pgwire_writer *writer, const void *data, size_t len);
void pgwire_put_text(struct pgwire_writer *writer, const char *text); /* with its zero */
void pgwire_put_slice_text(struct pgwire_writer *writer, struct pgwire_slice text); /* adds zero */
void pgwire_end(struct pgwire_writer *writer, size_t mark);

/* Frontend to backend. */
void pgwire_write_startup(struct pgwire_writer *writer, uint32_t protocol,
                          struct pgwire_slice params); /* pairs as in pgwire_startup.params */
void pgwire_write_cancel(struct pgwire_writer *writer, uint32_t pid, struct pgwire_slice key);
void pgwire_write_password(struct pgwire_writer *writer, const char *password);
void pgwire_write_sasl_initial(struct pgwire_writer *writer, const char *mechanism,
                               struct pgwire_slice response);
void pgwire_write_sasl_response(struct pgwire_writer *writer, struct pgwire_slice response);
void pgwire_write_query(struct pgwire_writer *writer, const char *sql);
void pgwire_write_parse(struct pgwire_writer *writer, struct pgwire_slice name,
                        struct pgwire_slice query, struct pgwire_slice types);
void pgwire_write_bind(struct pgwire_writer *writer, struct pgwire_slice portal,
                       struct pgwire_slice statement, struct pgwire_slice arguments);
void pgwire_write_target(struct pgwire_writer *writer, uint8_t type /* 'D' or 'C' */, uint8_t kind,
                         struct pgwire_slice name);
void pgwire_write_execute(struct pgwire_writer *writer, struct pgwire_slice portal,
                          uint32_t row_max);
void pgwire_write_empty(struct pgwire_writer *writer, uint8_t type); /* Sync, Flush, Terminate */

/* Backend to frontend. */
void pgwire_write_auth(struct pgwire_writer *writer, uint32_t code, struct pgwire_slice data);
void pgwire_write_param_status(struct pgwire_writer *writer, struct pgwire_slice name,
                               struct pgwire_slice value);
void pgwire_write_key_data(struct pgwire_writer *writer, uint32_t pid, struct pgwire_slice key);
void pgwire_write_ready(struct pgwire_writer *writer, uint8_t status);
void pgwire_write_complete(struct pgwire_writer *writer, const char *tag);
/* NegotiateProtocolVersion; `options` are zero-terminated names one after the other. */
void pgwire_write_negotiate(struct pgwire_writer *writer, uint32_t newest_minor, uint32_t count,
                            struct pgwire_slice options);

/* ErrorResponse or NoticeResponse. `severity` is "ERROR", "FATAL", "NOTICE" ...; detail and hint
 * may be NULL. */
void pgwire_write_error(struct pgwire_writer *writer, uint8_t type, const char *severity,
                        const char *sqlstate, const char *message, const char *detail,
                        const char *hint);

/* RowDescription of text columns for rows that we make ourselves (the console). */
struct pgwire_text_column {
    const char *name;
    uint32_t type_oid; /* 25 text, 23 int4, 20 int8, 16 bool, 1700 numeric */
};
void pgwire_write_columns(struct pgwire_writer *writer, const struct pgwire_text_column *columns,
                          uint16_t count);
void pgwire_write_row(struct pgwire_writer *writer, const struct pgwire_slice *values,
                      uint16_t count); /* data == NULL: NULL */
