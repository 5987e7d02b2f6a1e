/* Values as Redis may return them: see src/cache/redis_codec.h.
 *
 * The first byte of the input says how to take the rest: bit 0 puts a right checksum at the end, as a
 * liar would, so that the fuzzer gets past it. What is decoded must keep within the limits, and must
 * come out the same when it is written and read again. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cache/redis_codec.h"

enum { ANSWER_MAX = 64 * 1024, WORDS = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void checksum_put(uint8_t *bytes, size_t len)
{
    if (len < REDIS_VALUE_CHECKSUM_BYTES)
        return;
    size_t summed = len - REDIS_VALUE_CHECKSUM_BYTES;
    uint64_t checksum = hash64_of(bytes, summed);
    for (unsigned i = 0; i < REDIS_VALUE_CHECKSUM_BYTES; i++)
        bytes[summed + i] = (uint8_t)(checksum >> (8 * i));
}

static void write_and_read_again(const struct redis_found *found, const struct entry_key *key)
{
    struct redis_codec codec;
    redis_codec_init(&codec, ANSWER_MAX, 64, WORDS);
    struct buf value;
    buf_init(&value);
    redis_encode(&codec, key, found->answer, found->stamps, found->stamp_count, found->stored_at_ms,
                 found->expires_at_ms, &value);
    struct redis_found again;
    ASSERT(redis_decode(&codec, slice_of(buf_head(&value), buf_len(&value)), key,
                        found->expires_at_ms, &again) == ERR_OK);
    ASSERT(slice_equal(again.answer, found->answer));
    ASSERT(again.stamp_count == found->stamp_count);
    ASSERT(again.stored_at_ms == found->stored_at_ms);
    for (unsigned i = 0; i < again.stamp_count; i++)
        ASSERT(again.stamps[i].value == found->stamps[i].value &&
               again.stamps[i].word == found->stamps[i].word);
    buf_fini(&value);
    redis_codec_fini(&codec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct redis_codec codec;
    redis_codec_init(&codec, ANSWER_MAX, 64, WORDS);
    const struct entry_key key = {.bytes = slice_of_text("SELECT 1")};
    size_t len = size - 1;
    uint8_t *bytes = mem_copy(data + 1, len); /* ends where the bytes end */
    if (data[0] & 1)
        checksum_put(bytes, len);
    uint64_t expires_at_ms = 1700000030000;
    struct redis_found found;
    if (redis_decode(&codec, slice_of(bytes, len), &key, expires_at_ms, &found) == ERR_OK) {
        ASSERT(found.answer.len <= ANSWER_MAX && found.stamp_count <= ENTRY_STAMPS_MAX);
        ASSERT(found.expires_at_ms == expires_at_ms && found.stored_at_ms < expires_at_ms);
        for (unsigned i = 0; i < found.stamp_count; i++)
            ASSERT(found.stamps[i].word < WORDS);
        write_and_read_again(&found, &key);
    }
    mem_free(bytes);
    redis_codec_fini(&codec);
    return 0;
}
