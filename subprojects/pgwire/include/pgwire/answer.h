/* Decoders for what a backend sends. As in request.h: whole bodies in, OK or MALFORMED out, `out`
 * set on OK only, slices into the body. */
#pragma once

#include "pgwire/types.h"

enum pgwire_auth_code {
    PGWIRE_AUTH_OK = 0,
    PGWIRE_AUTH_CLEARTEXT = 3,
    PGWIRE_AUTH_MD5 = 5,
    PGWIRE_AUTH_SASL = 10,
    PGWIRE_AUTH_SASL_CONTINUE = 11,
    PGWIRE_AUTH_SASL_FINAL = 12
};

struct pgwire_auth {
    uint32_t code;            /* an enum pgwire_auth_code, or another that we do not speak */
    struct pgwire_slice data; /* MD5: 4 bytes of salt; SASL: list of mechanisms; else its data */
};
enum pgwire_status pgwire_read_auth(const uint8_t *body, size_t len, struct pgwire_auth *out);

/* True if `name` is in a SASL mechanism list (zero-terminated names, empty name at the end). */
bool pgwire_sasl_offers(struct pgwire_slice mechanisms, const char *name);

struct pgwire_key_data {
    uint32_t pid;
    struct pgwire_slice key; /* PGWIRE_CANCEL_KEY_MIN to _MAX bytes */
};
enum pgwire_status pgwire_read_key_data(const uint8_t *body, size_t len,
                                        struct pgwire_key_data *out);

struct pgwire_param_status {
    struct pgwire_slice name;
    struct pgwire_slice value;
};
enum pgwire_status pgwire_read_param_status(const uint8_t *body, size_t len,
                                            struct pgwire_param_status *out);

/* The transaction status: 'I', 'T' or 'E'; anything else is MALFORMED. */
enum pgwire_status pgwire_read_ready(const uint8_t *body, size_t len, uint8_t *out_status);

/* CommandComplete: the tag. */
enum pgwire_status pgwire_read_complete(const uint8_t *body, size_t len, struct pgwire_slice *out);

/* One field of ErrorResponse or NoticeResponse ('S' severity, 'V', 'C' SQLSTATE, 'M' message ...).
 * False if it is not there or the body is malformed: an error without a SQLSTATE is possible. */
bool pgwire_error_field(const uint8_t *body, size_t len, char field, struct pgwire_slice *out);

struct pgwire_column {
    struct pgwire_slice name;
    uint32_t table_oid;
    uint16_t attribute;
    uint32_t type_oid;
    int16_t type_len;
    int32_t type_mod;
    uint16_t format;
};
/* Reads the count of a RowDescription and checks that there are as many columns and nothing else;
 * pgwire_row_column walks it: start with *at = 0, false at the end or on malformed bytes (then *at
 * is SIZE_MAX; the first call checks the whole body). */
enum pgwire_status pgwire_read_row_count(const uint8_t *body, size_t len, uint16_t *out_count);
bool pgwire_row_column(const uint8_t *body, size_t len, size_t *at, struct pgwire_column *out);

/* DataRow: walks the values; start with *at = 0; false at the end (SIZE_MAX on malformed bytes; the
 * first call checks the whole body). NULL has data == NULL. */
bool pgwire_row_value(const uint8_t *body, size_t len, size_t *at, struct pgwire_slice *out);

/* ParameterDescription: the types of a statement's parameters. */
struct pgwire_param_types {
    uint16_t count;
    struct pgwire_slice oids; /* 4 bytes each, big-endian */
};
enum pgwire_status pgwire_read_param_types(const uint8_t *body, size_t len,
                                           struct pgwire_param_types *out);

/* CopyInResponse, CopyOutResponse, CopyBothResponse. */
struct pgwire_copy {
    uint8_t format; /* 0 text, 1 binary */
    uint16_t column_count;
    struct pgwire_slice column_formats; /* 2 bytes each */
};
enum pgwire_status pgwire_read_copy(const uint8_t *body, size_t len, struct pgwire_copy *out);

struct pgwire_notification {
    uint32_t pid; /* of the backend that notified */
    struct pgwire_slice channel;
    struct pgwire_slice payload;
};
enum pgwire_status pgwire_read_notification(const uint8_t *body, size_t len,
                                            struct pgwire_notification *out);

/* NegotiateProtocolVersion. The manual calls its first number the newest minor version, but
 * Postgres sends a whole one (196608 for 3.0): the lower 16 bits are the minor either way. */
struct pgwire_negotiate {
    uint32_t newest_minor;
    uint32_t option_count;
    struct pgwire_slice options; /* zero-terminated names one after the other */
};
enum pgwire_status pgwire_read_negotiate(const uint8_t *body, size_t len,
                                         struct pgwire_negotiate *out);

/* FunctionCallResponse: the value; data == NULL: NULL. */
enum pgwire_status pgwire_read_function_result(const uint8_t *body, size_t len,
                                               struct pgwire_slice *out);
