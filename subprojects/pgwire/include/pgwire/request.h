/* Decoders for what a frontend sends. Each takes a whole body (frame.body, frame.body_len) and
 * returns OK or MALFORMED; slices point into the body. Texts come without their zero byte. A body
 * with bytes left over is MALFORMED, as in Postgres ("invalid message format"). `out` is set on OK
 * only. What needs more than the message to be wrong is left to Postgres: format codes other than
 * 0 and 1, or a count of parameter formats that does not fit the count of parameters. */
#pragma once

#include "pgwire/types.h"

enum {
    PGWIRE_PROTOCOL_3_0 = 196608,
    PGWIRE_PROTOCOL_3_2 = 196610,
    PGWIRE_CODE_CANCEL = 80877102,
    PGWIRE_CODE_SSL = 80877103,
    PGWIRE_CODE_GSSENC = 80877104
};

enum pgwire_startup_kind {
    PGWIRE_STARTUP_LOGIN,
    PGWIRE_STARTUP_CANCEL,
    PGWIRE_STARTUP_SSL,
    PGWIRE_STARTUP_GSSENC
};

struct pgwire_startup {
    enum pgwire_startup_kind kind;
    uint32_t protocol;          /* LOGIN: as asked, e.g. 196608; major is protocol >> 16 */
    struct pgwire_slice params; /* LOGIN: name\0value\0 pairs without the closing zero */
    uint32_t cancel_pid;        /* CANCEL */
    struct pgwire_slice cancel_key;
};

/* Decodes a packet before login. A major protocol other than 3 is OK here and has no params: the
 * caller refuses it with 0A000. Every value of `params` is a whole pair, checked here; a packet
 * that does not end with the closing zero, or goes on after it, is MALFORMED (in Postgres "invalid
 * startup packet layout: expected terminator as last byte"). */
enum pgwire_status pgwire_read_startup(const uint8_t *body, size_t len, struct pgwire_startup *out);

/* Walks the pairs: start with *at = 0; false at the end. */
bool pgwire_startup_param(struct pgwire_slice params, size_t *at, struct pgwire_slice *out_name,
                          struct pgwire_slice *out_value);

struct pgwire_parse {
    struct pgwire_slice name;
    struct pgwire_slice query;
    struct pgwire_slice types; /* 4 bytes a type OID, big-endian */
    uint16_t type_count;
};
enum pgwire_status pgwire_read_parse(const uint8_t *body, size_t len, struct pgwire_parse *out);

struct pgwire_bind {
    struct pgwire_slice portal;
    struct pgwire_slice statement;
    uint16_t param_format_count;
    struct pgwire_slice param_formats; /* 2 bytes each */
    uint16_t param_count;
    struct pgwire_slice params; /* each a 32-bit length (-1: NULL) and its bytes, checked */
    uint16_t result_format_count;
    struct pgwire_slice result_formats; /* 2 bytes each */
    struct pgwire_slice arguments;      /* everything after the two names, as it came */
};
enum pgwire_status pgwire_read_bind(const uint8_t *body, size_t len, struct pgwire_bind *out);

/* Walks bind->params: start with *at = 0; false at the end. NULL has data == NULL. */
bool pgwire_bind_param(const struct pgwire_bind *bind, size_t *at, struct pgwire_slice *out_value);

/* Describe and Close: 'S' for a statement, 'P' for a portal. */
struct pgwire_target {
    uint8_t kind;
    struct pgwire_slice name;
};
enum pgwire_status pgwire_read_target(const uint8_t *body, size_t len, struct pgwire_target *out);

struct pgwire_execute {
    struct pgwire_slice portal;
    uint32_t row_max; /* 0: all, also for what is negative on the wire */
};
enum pgwire_status pgwire_read_execute(const uint8_t *body, size_t len, struct pgwire_execute *out);

/* Query, PasswordMessage and CopyFail: one text with its zero at the very end. */
enum pgwire_status pgwire_read_text(const uint8_t *body, size_t len, struct pgwire_slice *out);

struct pgwire_sasl_initial {
    struct pgwire_slice mechanism;
    struct pgwire_slice response; /* data == NULL: none was sent */
};
enum pgwire_status pgwire_read_sasl_initial(const uint8_t *body, size_t len,
                                            struct pgwire_sasl_initial *out);

/* FunctionCall, the "fast path": its function by OID, its arguments as in pgwire_bind.params. */
struct pgwire_function_call {
    uint32_t function_oid;
    uint16_t argument_format_count;
    struct pgwire_slice argument_formats; /* 2 bytes each */
    uint16_t argument_count;
    struct pgwire_slice arguments;
    uint16_t result_format;
};
enum pgwire_status pgwire_read_function_call(const uint8_t *body, size_t len,
                                             struct pgwire_function_call *out);

/* Sync, Flush, CopyDone, Terminate: nothing may follow the header. (Postgres does not mind what
 * follows Terminate.) */
static inline enum pgwire_status pgwire_read_empty(size_t len)
{
    return len == 0 ? PGWIRE_OK : PGWIRE_MALFORMED;
}
