/* Cutting a byte stream into messages.
 *
 * A regular message is a type byte, a 32-bit length that counts itself but not the type byte, and
 * a body. The packets before login have no type byte. Only the header is looked at here: `len` may
 * be more than the bytes at hand, so a body of a gigabyte can be passed on as it arrives.
 */
#pragma once

#include "pgwire/types.h"

enum { PGWIRE_HEADER_LEN = 5, PGWIRE_STARTUP_HEADER_LEN = 4 };

/* Greatest length of a packet before login (PostgreSQL: MAX_STARTUP_PACKET_LENGTH), length word
 * included. */
enum { PGWIRE_STARTUP_MAX = 10000 };

struct pgwire_frame {
    uint8_t type;        /* 0 for the packets before login */
    size_t len;          /* the whole message, type byte and length word included */
    const uint8_t *body; /* where the body begins */
    size_t body_len;     /* length of the whole body, of which less may be at hand */
};

/* Looks at the header of the message at `data` that the other side sent us.
 *
 * MORE       fewer than 5 bytes are there (a wrong type byte is seen before the length is)
 * UNKNOWN    a type that the frontend (backend) never sends
 * MALFORMED  a length below 4
 * TOO_BIG    a length over the type's maximum in messages.def
 */
enum pgwire_status pgwire_frame_request(const uint8_t *data, size_t len, struct pgwire_frame *out);
enum pgwire_status pgwire_frame_answer(const uint8_t *data, size_t len, struct pgwire_frame *out);

/* As above for the packets before login: StartupMessage, SSLRequest, GSSENCRequest, CancelRequest.
 * MALFORMED below 8 bytes, TOO_BIG over PGWIRE_STARTUP_MAX. */
enum pgwire_status pgwire_frame_startup(const uint8_t *data, size_t len, struct pgwire_frame *out);

/* "Query", "DataRow" ...; "?" for a type that is none. */
const char *pgwire_request_name(uint8_t type);
const char *pgwire_answer_name(uint8_t type);
