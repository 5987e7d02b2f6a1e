/* A stream, cut into messages: first byte odd for answers, even for requests, 0xff for the packet
 * before login. Each message must be framed alike however little of it is at hand. */
#include "fuzz.h"

#include <assert.h>

#include "pgwire/frame.h"

typedef enum pgwire_status frame_fn(const uint8_t *data, size_t len, struct pgwire_frame *out);

enum { STARTUP = 0xff };

static void check(frame_fn *frame, const uint8_t *data, size_t size, size_t header_len)
{
    while (size > 0) {
        struct pgwire_frame whole = {.len = 0};
        enum pgwire_status status = frame(data, size, &whole);
        for (size_t len = 0; len < size && len <= header_len; len++) {
            struct pgwire_frame part = {.len = 0};
            enum pgwire_status early = frame(data, len, &part);
            assert(len < header_len ? early == PGWIRE_MORE || early == status : early == status);
            assert(early != PGWIRE_OK || (part.len == whole.len && part.type == whole.type));
        }
        if (status != PGWIRE_OK) {
            return;
        }
        assert(whole.body == data + header_len);
        assert(whole.len == whole.body_len + header_len);
        assert(whole.len <= (size_t)PGWIRE_LONGEST_ANSWER + 1);
        if (whole.len > size) {
            return;
        }
        data += whole.len;
        size -= whole.len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (data[0] == STARTUP) {
        check(pgwire_frame_startup, data + 1, size - 1, PGWIRE_STARTUP_HEADER_LEN);
    } else if (data[0] % 2 == 1) {
        check(pgwire_frame_answer, data + 1, size - 1, PGWIRE_HEADER_LEN);
    } else {
        check(pgwire_frame_request, data + 1, size - 1, PGWIRE_HEADER_LEN);
    }
    return 0;
}
