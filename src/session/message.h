/* One message of a batch that is looked at as a whole, borrowed from the client's stream. */
#pragma once

#include "pgwire/frame.h"

struct message {
    uint8_t type;
    size_t at; /* offset of its first byte */
    struct pgwire_frame frame;
};
