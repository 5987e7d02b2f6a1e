/* Values in Redis: what is written is read back, and nothing else is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cache/redis_codec.h"

enum { ANSWER_MAX = 100000, COMPRESS_MIN = 1024, WORDS = 1000 };

static const uint64_t stored_ms = 1700000000000;
static const uint64_t expires_ms = 1700000030000;
static const struct stamp stamps[3] = {
    {.value = 0x1122334455667788, .word = 999}, {.value = 0, .word = 0}, {.value = 7, .word = 1}};

static struct entry_key key_of(const char *text)
{
    struct slice bytes = slice_of_text(text);
    return (struct entry_key){.hash = hash128_of(bytes.data, bytes.len), .bytes = bytes};
}

static void fill(uint8_t *answer, size_t len, bool random)
{
    uint64_t seed = 1;
    for (size_t i = 0; i < len; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        answer[i] = random ? (uint8_t)(seed >> 56) : (uint8_t)("a row, "[i % 7]);
    }
}

static struct buf encode(struct redis_codec *codec, const struct entry_key *key, size_t len,
                         bool random, unsigned stamp_count, size_t *out_saved)
{
    uint8_t *answer = mem_alloc(len);
    fill(answer, len, random);
    struct buf value;
    buf_init(&value);
    *out_saved = redis_encode(codec, key, slice_of(answer, len), stamps, stamp_count, stored_ms,
                              expires_ms, &value);
    mem_free(answer);
    return value;
}

/* Decodes a copy that ends where the bytes end, so that the sanitizer sees what is read beyond. */
static enum err decode(struct redis_codec *codec, const uint8_t *bytes, size_t len,
                       const struct entry_key *key, struct redis_found *out)
{
    uint8_t *copy = mem_copy(bytes, len);
    enum err err = redis_decode(codec, slice_of(copy, len), key, expires_ms, out);
    mem_free(copy);
    return err;
}

static void reads_back_what_was_written(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 9, 10, 1023, 1024, 5000, ANSWER_MAX};
    struct redis_codec codec;
    redis_codec_init(&codec, ANSWER_MAX, COMPRESS_MIN, WORDS);
    struct entry_key key = key_of("SELECT 1");
    uint8_t *expected = mem_alloc(ANSWER_MAX);
    for (unsigned i = 0; i < 2 * ARRAY_COUNT(lens); i++) {
        size_t len = lens[i / 2], saved;
        bool random = i % 2;
        struct buf value = encode(&codec, &key, len, random, i % 4, &saved);
        assert_int_equal(saved > 0, len >= COMPRESS_MIN && !random);
        assert_true(buf_len(&value) <= redis_value_bytes_max(ANSWER_MAX));
        struct redis_found found;
        assert_int_equal(redis_decode(&codec, slice_of(buf_head(&value), buf_len(&value)), &key,
                                      expires_ms, &found),
                         ERR_OK);
        fill(expected, len, random);
        assert_true(slice_equal(found.answer, slice_of(expected, len)));
        assert_int_equal(found.stamp_count, i % 4);
        for (unsigned s = 0; s < found.stamp_count; s++) {
            assert_int_equal(found.stamps[s].value, stamps[s].value);
            assert_int_equal(found.stamps[s].word, stamps[s].word);
        }
        assert_int_equal(found.stored_at_ms, stored_ms);
        assert_int_equal(found.expires_at_ms, expires_ms);
        buf_fini(&value);
    }
    mem_free(expected);
    redis_codec_fini(&codec);
}

static void refuses_every_prefix_and_every_flipped_bit(void **state)
{
    (void)state;
    struct redis_codec codec;
    redis_codec_init(&codec, ANSWER_MAX, COMPRESS_MIN, WORDS);
    struct entry_key key = key_of("SELECT * FROM t WHERE id = 1");
    for (unsigned packed = 0; packed < 2; packed++) {
        size_t saved;
        struct buf value = encode(&codec, &key, packed ? 2000 : 50, false, 3, &saved);
        assert_int_equal(saved > 0, packed);
        uint8_t *bytes = mem_copy(buf_head(&value), buf_len(&value));
        struct redis_found found;
        for (size_t len = 0; len < buf_len(&value); len++)
            assert_int_equal(decode(&codec, bytes, len, &key, &found), ERR_MALFORMED);
        for (size_t bit = 0; bit < buf_len(&value) * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(decode(&codec, bytes, buf_len(&value), &key, &found), ERR_MALFORMED);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        assert_int_equal(decode(&codec, bytes, buf_len(&value), &key, &found), ERR_OK);
        mem_free(bytes);
        buf_append(&value, "", 1); /* and one byte more */
        assert_int_equal(decode(&codec, buf_head(&value), buf_len(&value), &key, &found),
                         ERR_MALFORMED);
        buf_fini(&value);
    }
    redis_codec_fini(&codec);
}

/* Sets one byte and makes the checksum right again: what a liar would do. */
static enum err decode_forged(struct redis_codec *codec, const struct buf *value, size_t at,
                              uint8_t byte, const struct entry_key *key)
{
    size_t len = buf_len(value), summed = len - REDIS_VALUE_CHECKSUM_BYTES;
    uint8_t *bytes = mem_copy(buf_head(value), len);
    bytes[at] = byte;
    uint64_t checksum = hash64_of(bytes, summed);
    for (unsigned i = 0; i < REDIS_VALUE_CHECKSUM_BYTES; i++)
        bytes[summed + i] = (uint8_t)(checksum >> (8 * i));
    struct redis_found found;
    enum err err = decode(codec, bytes, len, key, &found);
    mem_free(bytes);
    return err;
}

static void refuses_forged_lengths_versions_and_words(void **state)
{
    (void)state;
    struct redis_codec codec;
    redis_codec_init(&codec, ANSWER_MAX, COMPRESS_MIN, WORDS);
    struct entry_key key = key_of("SELECT 1");
    for (unsigned packed = 0; packed < 2; packed++) {
        size_t saved;
        struct buf value = encode(&codec, &key, packed ? 2000 : 50, false, 1, &saved);
        for (size_t at = 0; at < 40; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                enum err err = decode_forged(&codec, &value, at, (uint8_t)byte, &key);
                bool same = buf_head(&value)[at] == byte;
                bool is_stored_at = at >= 24 && at < 32;
                if (same || (is_stored_at && !err))
                    assert_int_equal(err, ERR_OK);
                else
                    assert_int_equal(err, ERR_MALFORMED);
            }
        }
        /* The stamp's word, 999 of 1000: one more is one too many. */
        assert_int_equal(decode_forged(&codec, &value, 48, 1000 & 255, &key), ERR_MALFORMED);
        assert_int_equal(decode_forged(&codec, &value, 51, 1, &key), ERR_MALFORMED);
        buf_fini(&value);
    }
    redis_codec_fini(&codec);
}

static void misses_for_another_key_of_the_same_hash(void **state)
{
    (void)state;
    struct redis_codec codec;
    redis_codec_init(&codec, ANSWER_MAX, COMPRESS_MIN, WORDS);
    struct entry_key key = key_of("SELECT 1"), other = key_of("SELECT 2");
    size_t saved;
    struct buf value = encode(&codec, &key, 50, false, 1, &saved);
    struct redis_found found;
    assert_int_equal(decode(&codec, buf_head(&value), buf_len(&value), &other, &found),
                     ERR_NOT_FOUND);
    buf_fini(&value);
    redis_codec_fini(&codec);
}

static void refuses_a_value_of_another_window(void **state)
{
    (void)state;
    struct redis_codec codec;
    redis_codec_init(&codec, ANSWER_MAX, COMPRESS_MIN, WORDS);
    struct entry_key key = key_of("SELECT 1");
    size_t saved;
    struct buf value = encode(&codec, &key, 50, false, 1, &saved);
    struct redis_found found;
    assert_int_equal(redis_decode(&codec, slice_of(buf_head(&value), buf_len(&value)), &key,
                                  expires_ms + 30000, &found),
                     ERR_MALFORMED);
    buf_fini(&value);
    redis_codec_fini(&codec);
}

static void refuses_an_answer_over_its_limit(void **state)
{
    (void)state;
    struct redis_codec codec, small;
    redis_codec_init(&codec, ANSWER_MAX, COMPRESS_MIN, WORDS);
    redis_codec_init(&small, 4999, COMPRESS_MIN, WORDS);
    struct entry_key key = key_of("SELECT 1");
    size_t saved;
    struct buf value = encode(&codec, &key, 5000, false, 1, &saved);
    struct redis_found found;
    assert_int_equal(decode(&small, buf_head(&value), buf_len(&value), &key, &found),
                     ERR_MALFORMED);
    buf_fini(&value);
    redis_codec_fini(&codec);
    redis_codec_fini(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_was_written),
        cmocka_unit_test(refuses_every_prefix_and_every_flipped_bit),
        cmocka_unit_test(refuses_forged_lengths_versions_and_words),
        cmocka_unit_test(misses_for_another_key_of_the_same_hash),
        cmocka_unit_test(refuses_a_value_of_another_window),
        cmocka_unit_test(refuses_an_answer_over_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
