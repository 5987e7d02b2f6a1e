/* As fuzz_request.c, for the decoders of answer.c. */
#include "fuzz.h"

#include "walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        answer_walkers[data[0] % answer_walker_count].walk(data + 1, size - 1);
    }
    return 0;
}
