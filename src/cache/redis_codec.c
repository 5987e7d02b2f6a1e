/* See redis_codec.h. */
#include "cache/redis_codec.h"

#include <lz4.h>

enum { FLAG_LZ4 = 1 };

static const uint8_t magic[4] = {'p', 'g', 'r', 'c'};

struct header {
    uint8_t flags;
    unsigned stamp_count;
    size_t key_len;
    size_t answer_len;
    size_t stored_len;
    uint64_t stored_at_ms;
    uint64_t expires_at_ms;
};

static void number_put(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t number_get(const uint8_t *at, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

void redis_codec_init(struct redis_codec *codec, size_t answer_bytes_max, size_t compress_min_bytes,
                      uint32_t words_count)
{
    *codec = (struct redis_codec){.answer_bytes_max = answer_bytes_max,
                                  .compress_min_bytes = compress_min_bytes,
                                  .words_count = words_count};
    buf_init(&codec->answer);
}

void redis_codec_fini(struct redis_codec *codec)
{
    buf_fini(&codec->answer);
}

/* Writes `answer` as an lz4 block to the end of `out` if that saves enough; else returns 0. */
static size_t pack(const struct redis_codec *codec, struct slice answer, struct buf *out)
{
    size_t worth = answer.len - answer.len / REDIS_COMPRESS_SAVES_MIN;
    if (answer.len < codec->compress_min_bytes || answer.len < REDIS_COMPRESS_SAVES_MIN ||
        answer.len > LZ4_MAX_INPUT_SIZE)
        return 0;
    uint8_t *at = buf_reserve(out, worth);
    int len =
        LZ4_compress_default((const char *)answer.data, (char *)at, (int)answer.len, (int)worth);
    if (len <= 0)
        return 0;
    buf_added(out, (size_t)len);
    return (size_t)len;
}

size_t redis_encode(const struct redis_codec *codec, const struct entry_key *key,
                    struct slice answer, const struct stamp *stamps, unsigned stamp_count,
                    uint64_t stored_at_ms, uint64_t expires_at_ms, struct buf *out)
{
    ASSERT(stamp_count <= ENTRY_STAMPS_MAX && key->bytes.len <= ENTRY_KEY_MAX &&
           answer.len <= size_min(codec->answer_bytes_max, UINT32_MAX));
    size_t before = buf_len(out);
    buf_reserve(out, REDIS_VALUE_HEADER_BYTES);
    buf_added(out, REDIS_VALUE_HEADER_BYTES);
    for (unsigned i = 0; i < stamp_count; i++) {
        uint8_t stamp[REDIS_VALUE_STAMP_BYTES];
        number_put(stamp, stamps[i].value, 8);
        number_put(stamp + 8, stamps[i].word, 4);
        buf_append(out, stamp, sizeof(stamp));
    }
    buf_append(out, key->bytes.data, key->bytes.len);
    size_t packed = pack(codec, answer, out);
    if (!packed)
        buf_append(out, answer.data, answer.len);

    uint8_t *head = out->data + out->start + before; /* only now: the buffer has grown */
    memcpy(head, magic, sizeof(magic));
    head[4] = REDIS_VALUE_VERSION;
    head[5] = packed ? FLAG_LZ4 : 0;
    number_put(head + 6, stamp_count, 2);
    number_put(head + 8, key->bytes.len, 4);
    number_put(head + 12, answer.len, 4);
    number_put(head + 16, packed ? packed : answer.len, 4);
    number_put(head + 20, 0, 4);
    number_put(head + 24, stored_at_ms, 8);
    number_put(head + 32, expires_at_ms, 8);
    uint8_t checksum[REDIS_VALUE_CHECKSUM_BYTES];
    number_put(checksum, hash64_of(head, buf_len(out) - before), sizeof(checksum));
    buf_append(out, checksum, sizeof(checksum));
    return packed ? answer.len - packed : 0;
}

static enum err header_decode(const struct redis_codec *codec, struct slice value,
                              struct header *out)
{
    const uint8_t *at = value.data;
    if (value.len < REDIS_VALUE_HEADER_BYTES + REDIS_VALUE_CHECKSUM_BYTES)
        return ERR_MALFORMED;
    if (memcmp(at, magic, sizeof(magic)) != 0 || at[4] != REDIS_VALUE_VERSION ||
        (at[5] & ~FLAG_LZ4) || number_get(at + 20, 4))
        return ERR_MALFORMED;
    *out = (struct header){
        .flags = at[5],
        .stamp_count = (unsigned)number_get(at + 6, 2),
        .key_len = number_get(at + 8, 4),
        .answer_len = number_get(at + 12, 4),
        .stored_len = number_get(at + 16, 4),
        .stored_at_ms = number_get(at + 24, 8),
        .expires_at_ms = number_get(at + 32, 8),
    };
    /* Three 32-bit lengths and a 16-bit count cannot overflow 64 bits. */
    uint64_t len = (uint64_t)REDIS_VALUE_HEADER_BYTES + REDIS_VALUE_CHECKSUM_BYTES +
                   (uint64_t)out->stamp_count * REDIS_VALUE_STAMP_BYTES + out->key_len +
                   out->stored_len;
    bool packed = out->flags & FLAG_LZ4;
    if (len != value.len || out->stamp_count > ENTRY_STAMPS_MAX || out->key_len > ENTRY_KEY_MAX ||
        out->answer_len > codec->answer_bytes_max ||
        (packed ? out->stored_len >= out->answer_len : out->stored_len != out->answer_len) ||
        out->stored_at_ms >= out->expires_at_ms)
        return ERR_MALFORMED;
    size_t summed = value.len - REDIS_VALUE_CHECKSUM_BYTES;
    if (hash64_of(at, summed) != number_get(at + summed, REDIS_VALUE_CHECKSUM_BYTES))
        return ERR_MALFORMED;
    return ERR_OK;
}

static enum err stamps_decode(struct redis_codec *codec, const uint8_t *at, unsigned count)
{
    for (unsigned i = 0; i < count; i++, at += REDIS_VALUE_STAMP_BYTES) {
        codec->stamps[i] =
            (struct stamp){.value = number_get(at, 8), .word = (uint32_t)number_get(at + 8, 4)};
        if (codec->stamps[i].word >= codec->words_count)
            return ERR_MALFORMED;
    }
    return ERR_OK;
}

static enum err unpack(struct redis_codec *codec, struct slice stored, size_t answer_len,
                       struct slice *out)
{
    buf_clear(&codec->answer);
    buf_shrink(&codec->answer, REDIS_SCRATCH_KEEP_BYTES);
    if (answer_len > LZ4_MAX_INPUT_SIZE)
        return ERR_MALFORMED;
    uint8_t *at = buf_reserve(&codec->answer, answer_len);
    int len = LZ4_decompress_safe((const char *)stored.data, (char *)at, (int)stored.len,
                                  (int)answer_len);
    if (len < 0 || (size_t)len != answer_len)
        return ERR_MALFORMED;
    *out = slice_of(at, answer_len);
    return ERR_OK;
}

enum err redis_decode(struct redis_codec *codec, struct slice value, const struct entry_key *key,
                      uint64_t expires_at_ms, struct redis_found *out)
{
    struct header header;
    enum err err = header_decode(codec, value, &header);
    if (err)
        return err;
    const uint8_t *at = value.data + REDIS_VALUE_HEADER_BYTES;
    err = stamps_decode(codec, at, header.stamp_count);
    if (err)
        return err;
    at += (size_t)header.stamp_count * REDIS_VALUE_STAMP_BYTES;
    if (!slice_equal(slice_of(at, header.key_len), key->bytes))
        return ERR_NOT_FOUND;
    if (header.expires_at_ms != expires_at_ms)
        return ERR_MALFORMED;
    struct slice answer = slice_of(at + header.key_len, header.stored_len);
    if (header.flags & FLAG_LZ4) {
        err = unpack(codec, answer, header.answer_len, &answer);
        if (err)
            return err;
    }
    *out = (struct redis_found){
        .answer = answer,
        .stamps = codec->stamps,
        .stamp_count = header.stamp_count,
        .stored_at_ms = header.stored_at_ms,
        .expires_at_ms = header.expires_at_ms,
    };
    return ERR_OK;
}
