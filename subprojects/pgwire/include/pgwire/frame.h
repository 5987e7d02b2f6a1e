/* Cutting a byte stream into messages.
 *
 * A regular message is a type byte, a 32-bit length that counts itself but not the type byte, and
 * a body. The packets before login have no type byte. Only the header is looked at here: `len` may
 * be more than the bytes at hand, so a body of a gigabyte can be passed on as it arrives.
 */
#pragma once

#include "pgwire/types.h"

enum { PGWIRE_HEADER_LEN = 5, PGWIRE_STARTUP_HEADER_LEN = 4 };

/* Greatest length of a packet before login, its length word included: Postgres counts the word
 * apart (MAX_STARTUP_PACKET_LENGTH, 10000). */
enum { PGWIRE_STARTUP_MAX = 10004 };

/* The greatest length words of messages.def, each with its source. */
enum {
    PGWIRE_LONGEST_SMALL = 10000,        /* PQ_SMALL_MESSAGE_LIMIT */
    PGWIRE_LONGEST_REQUEST = 0x3ffffffe, /* PQ_LARGE_MESSAGE_LIMIT: MaxAllocSize - 1 */
    PGWIRE_LONGEST_TOKEN = 65535,        /* PG_MAX_AUTH_TOKEN_LENGTH */
    PGWIRE_LONGEST_ANSWER = 0x40000002,  /* a StringInfo's greatest content and the word */
    PGWIRE_LONGEST_STANDARD = 30000,     /* libpq: messages that are not "long" */
    PGWIRE_LONGEST_AUTH = 2000,          /* libpq: PQconnectPoll */
    PGWIRE_LONGEST_PARAM = 1 << 20,      /* ours: search_path has no limit of its own */
    PGWIRE_LONGEST_KEY_DATA = 4 + 4 + PGWIRE_CANCEL_KEY_MAX,
    PGWIRE_LONGEST_COPY = 4 + 1 + 2 + 2 * 65535, /* a format for each of 65535 columns */
    PGWIRE_LONGEST_TYPES = 4 + 2 + 4 * 65535     /* an OID for each of 65535 parameters */
};

/* The type bytes: PGWIRE_REQUEST_QUERY is 'Q', PGWIRE_ANSWER_DATA_ROW is 'D'. */
enum pgwire_request {
#define PGWIRE_REQUEST(tag, symbol, name, longest, settled_by) PGWIRE_REQUEST_##symbol = tag,
#include "pgwire/messages.def"
};
enum pgwire_answer {
#define PGWIRE_ANSWER(tag, symbol, name, longest, settled_by) PGWIRE_ANSWER_##symbol = tag,
#include "pgwire/messages.def"
};

struct pgwire_frame {
    uint8_t type;        /* 0 for the packets before login */
    size_t len;          /* the whole message, type byte and length word included */
    const uint8_t *body; /* where the body begins */
    size_t body_len;     /* length of the whole body, of which less may be at hand */
};

/* How many length words each type may have, from 4 on; 0 for a type that is none. So one unsigned
 * comparison finds a wrong type, a length below 4 and one over the maximum. */
extern const uint32_t pgwire_request_spans[256];
extern const uint32_t pgwire_answer_spans[256];

/* Says what is wrong with a header that the comparison did not let through; never OK. */
enum pgwire_status pgwire_frame_refusal(const uint32_t spans[256], const uint8_t *data, size_t len);

static inline enum pgwire_status pgwire_frame_refused(const uint32_t spans[256],
                                                      const uint8_t *data, size_t len)
{
    enum pgwire_status status = pgwire_frame_refusal(spans, data, len);
    if (status == PGWIRE_OK) {
        __builtin_unreachable(); /* so that no compiler thinks `out` might be used unset */
    }
    return status;
}

static inline enum pgwire_status pgwire_frame_of(const uint32_t spans[256], const uint8_t *data,
                                                 size_t len, struct pgwire_frame *out)
{
    if (__builtin_expect(len < PGWIRE_HEADER_LEN, 0)) {
        return pgwire_frame_refused(spans, data, len);
    }
    uint32_t body_len = pgwire_get_u32(data + 1) - 4;
    if (__builtin_expect(body_len >= spans[data[0]], 0)) {
        return pgwire_frame_refused(spans, data, len);
    }
    out->type = data[0];
    out->len = (size_t)body_len + PGWIRE_HEADER_LEN;
    out->body = data + PGWIRE_HEADER_LEN;
    out->body_len = body_len;
    return PGWIRE_OK;
}

/* Looks at the header of the message at `data` that the other side sent us.
 *
 * MORE       fewer than 5 bytes are there (a wrong type byte is seen before the length is)
 * UNKNOWN    a type that the frontend (backend) never sends
 * MALFORMED  a length below 4; as in Postgres it is a signed number
 * TOO_BIG    a length over the type's maximum in messages.def
 */
static inline enum pgwire_status pgwire_frame_request(const uint8_t *data, size_t len,
                                                      struct pgwire_frame *out)
{
    return pgwire_frame_of(pgwire_request_spans, data, len, out);
}

static inline enum pgwire_status pgwire_frame_answer(const uint8_t *data, size_t len,
                                                     struct pgwire_frame *out)
{
    return pgwire_frame_of(pgwire_answer_spans, data, len, out);
}

/* As above for the packets before login: StartupMessage, SSLRequest, GSSENCRequest, CancelRequest.
 * MALFORMED below 8 bytes, TOO_BIG over PGWIRE_STARTUP_MAX. */
enum pgwire_status pgwire_frame_startup(const uint8_t *data, size_t len, struct pgwire_frame *out);

/* "Query", "DataRow" ...; "?" for a type that is none. */
const char *pgwire_request_name(uint8_t type);
const char *pgwire_answer_name(uint8_t type);

/* The type bytes of the other side of which one settles this message, e.g. "Tn" for Describe; ""
 * if it is not answered, or is no message. */
const char *pgwire_request_settled_by(uint8_t type);
const char *pgwire_answer_settled_by(uint8_t type);
