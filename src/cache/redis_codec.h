/* How an entry lies in Redis. All numbers little-endian.
 *
 *     0  4  magic "pgrc"
 *     4  1  version
 *     5  1  flags: 1 = the answer is an lz4 block
 *     6  2  stamp_count
 *     8  4  key_len
 *    12  4  answer_len, of the answer as it was
 *    16  4  stored_len, of the answer as it lies here
 *    20  4  zero
 *    24  8  stored_at_ms
 *    32  8  expires_at_ms
 *    40     stamps, each: 8 value, 4 word
 *           the key, the answer
 *           8  XXH3-64 of all that is before
 *
 * The checksum finds damage, not malice: a Redis that lies can make a good one. So every length and
 * index is checked as well, and the worst that a forged value can do is to be a wrong answer.
 *
 * Threads  Pure functions; a struct redis_codec is scratch memory for one thread.
 */
#pragma once

#include "base/buf.h"
#include "cache/redis.h"

enum {
    REDIS_VALUE_VERSION = 1,
    REDIS_VALUE_HEADER_BYTES = 40,
    REDIS_VALUE_STAMP_BYTES = 12,
    REDIS_VALUE_CHECKSUM_BYTES = 8,
    REDIS_COMPRESS_SAVES_MIN = 10, /* lz4 is worth it from a tenth saved */
    REDIS_SCRATCH_KEEP_BYTES = 256 * 1024,
};

/* The longest value there can be around an answer of `answer_max` bytes. */
static inline size_t redis_value_bytes_max(size_t answer_max)
{
    return REDIS_VALUE_HEADER_BYTES + (size_t)ENTRY_STAMPS_MAX * REDIS_VALUE_STAMP_BYTES +
           (size_t)ENTRY_KEY_MAX + answer_max + REDIS_VALUE_CHECKSUM_BYTES;
}

struct redis_codec {
    size_t answer_bytes_max;
    size_t compress_min_bytes;
    uint32_t words_count; /* stamps name words below this */
    struct buf answer;    /* what was unpacked */
    struct stamp stamps[ENTRY_STAMPS_MAX];
};

void redis_codec_init(struct redis_codec *codec, size_t answer_bytes_max, size_t compress_min_bytes,
                      uint32_t words_count);
void redis_codec_fini(struct redis_codec *codec);

/* Appends the value to `out` and returns how many bytes compression saved. The caller has checked
 * the limits: key ENTRY_KEY_MAX, answer answer_bytes_max, stamps ENTRY_STAMPS_MAX. */
size_t redis_encode(const struct redis_codec *codec, const struct entry_key *key,
                    struct slice answer, const struct stamp *stamps, unsigned stamp_count,
                    uint64_t stored_at_ms, uint64_t expires_at_ms, struct buf *out);

/* Reads a value that stood under the hash of `key`. What is found borrows from `value` and
 * from the codec, until its next call.
 *
 * expires_at_ms  The end of the window that was asked for.
 *
 * ERR_MALFORMED  Not ours, damaged, or of another window. Delete it.
 * ERR_NOT_FOUND  A good value of another key with the same hash. A miss. */
MUST_USE enum err redis_decode(struct redis_codec *codec, struct slice value,
                               const struct entry_key *key, uint64_t expires_at_ms,
                               struct redis_found *out);
