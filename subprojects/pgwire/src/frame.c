/* The tables of messages.def, and the slow side of cutting a stream into messages. */
#include "pgwire/frame.h"

#define SPAN(longest) ((uint32_t)(longest)-3U)

const uint32_t pgwire_request_spans[256] = {
#define PGWIRE_REQUEST(tag, symbol, name, longest, settled_by) [tag] = SPAN(longest),
#include "pgwire/messages.def"
};

const uint32_t pgwire_answer_spans[256] = {
#define PGWIRE_ANSWER(tag, symbol, name, longest, settled_by) [tag] = SPAN(longest),
#include "pgwire/messages.def"
};

struct message {
    const char *name;
    const char *settled_by;
};

static const struct message requests[256] = {
#define PGWIRE_REQUEST(tag, symbol, name, longest, settled_by) [tag] = {name, settled_by},
#include "pgwire/messages.def"
};

static const struct message answers[256] = {
#define PGWIRE_ANSWER(tag, symbol, name, longest, settled_by) [tag] = {name, settled_by},
#include "pgwire/messages.def"
};

enum pgwire_status pgwire_frame_refusal(const uint32_t spans[256], const uint8_t *data, size_t len)
{
    if (len == 0) {
        return PGWIRE_MORE;
    }
    if (spans[data[0]] == 0) {
        return PGWIRE_UNKNOWN;
    }
    if (len < PGWIRE_HEADER_LEN) {
        return PGWIRE_MORE;
    }
    return (int32_t)pgwire_get_u32(data + 1) < 4 ? PGWIRE_MALFORMED : PGWIRE_TOO_BIG;
}

enum pgwire_status pgwire_frame_startup(const uint8_t *data, size_t len, struct pgwire_frame *out)
{
    enum { CODE_LEN = 4 }; /* the protocol, or what else is asked for */

    if (len < PGWIRE_STARTUP_HEADER_LEN) {
        return PGWIRE_MORE;
    }
    uint32_t word = pgwire_get_u32(data);
    if ((int32_t)word < PGWIRE_STARTUP_HEADER_LEN + CODE_LEN) {
        return PGWIRE_MALFORMED;
    }
    if (word > PGWIRE_STARTUP_MAX) {
        return PGWIRE_TOO_BIG;
    }
    out->type = 0;
    out->len = word;
    out->body = data + PGWIRE_STARTUP_HEADER_LEN;
    out->body_len = word - PGWIRE_STARTUP_HEADER_LEN;
    return PGWIRE_OK;
}

const char *pgwire_request_name(uint8_t type)
{
    return requests[type].name != NULL ? requests[type].name : "?";
}

const char *pgwire_answer_name(uint8_t type)
{
    return answers[type].name != NULL ? answers[type].name : "?";
}

const char *pgwire_request_settled_by(uint8_t type)
{
    return requests[type].settled_by != NULL ? requests[type].settled_by : "";
}

const char *pgwire_answer_settled_by(uint8_t type)
{
    return answers[type].settled_by != NULL ? answers[type].settled_by : "";
}

const char *pgwire_status_text(enum pgwire_status status)
{
    switch (status) {
    case PGWIRE_OK:
        return "ok";
    case PGWIRE_MORE:
        return "more bytes needed";
    case PGWIRE_MALFORMED:
        return "malformed message";
    case PGWIRE_TOO_BIG:
        return "message too long";
    case PGWIRE_UNKNOWN:
        return "unknown message type";
    }
    return "?";
}
