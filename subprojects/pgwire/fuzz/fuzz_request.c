/* The first byte chooses a decoder of request.c, the rest is its body. What it reads it also writes
 * again: see walk.c. */
#include "fuzz.h"

#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        request_walkers[data[0] % request_walker_count].walk(data + 1, size - 1);
    }
    return 0;
}
