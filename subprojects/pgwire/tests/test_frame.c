/* frame.c and messages.def. */
#include "torture.h"

#include <stdlib.h>

#include "pgwire/frame.h"

struct row {
    uint8_t tag;
    const char *name;
    uint32_t longest;
};

static const struct row requests[] = {
#define PGWIRE_REQUEST(tag, symbol, name, longest, settled_by) {tag, name, longest},
#include "pgwire/messages.def"
};

static const struct row answers[] = {
#define PGWIRE_ANSWER(tag, symbol, name, longest, settled_by) {tag, name, longest},
#include "pgwire/messages.def"
};

typedef enum pgwire_status frame_fn(const uint8_t *data, size_t len, struct pgwire_frame *out);

static enum pgwire_status frame_word(frame_fn *frame, uint8_t type, uint32_t word,
                                     struct pgwire_frame *out)
{
    uint8_t data[PGWIRE_HEADER_LEN] = {type, (uint8_t)(word >> 24), (uint8_t)(word >> 16),
                                       (uint8_t)(word >> 8), (uint8_t)word};
    return frame(data, sizeof(data), out);
}

static void check_limits(frame_fn *frame, const struct row *rows, size_t count)
{
    struct pgwire_frame out;

    for (size_t i = 0; i < count; i++) {
        uint32_t longest = rows[i].longest;
        assert_int_equal(frame_word(frame, rows[i].tag, 4, &out), PGWIRE_OK);
        assert_int_equal(out.type, rows[i].tag);
        assert_int_equal(out.len, 5);
        assert_int_equal(out.body_len, 0);
        assert_int_equal(frame_word(frame, rows[i].tag, longest, &out), PGWIRE_OK);
        assert_int_equal(out.len, (size_t)longest + 1);
        assert_int_equal(out.body_len, longest - 4);
        assert_int_equal(frame_word(frame, rows[i].tag, longest + 1, &out), PGWIRE_TOO_BIG);
        assert_int_equal(frame_word(frame, rows[i].tag, INT32_MAX, &out), PGWIRE_TOO_BIG);
        assert_int_equal(frame_word(frame, rows[i].tag, 3, &out), PGWIRE_MALFORMED);
        assert_int_equal(frame_word(frame, rows[i].tag, 0, &out), PGWIRE_MALFORMED);
        assert_int_equal(frame_word(frame, rows[i].tag, UINT32_MAX, &out), PGWIRE_MALFORMED);
        assert_int_equal(frame_word(frame, rows[i].tag, 0x80000004, &out), PGWIRE_MALFORMED);
    }
}

static void lets_each_type_have_its_greatest_length(void **state)
{
    (void)state;
    check_limits(pgwire_frame_request, requests, COUNT(requests));
    check_limits(pgwire_frame_answer, answers, COUNT(answers));
}

static bool is_listed(const struct row *rows, size_t count, int type)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].tag == type) {
            return true;
        }
    }
    return false;
}

static void refuses_each_type_that_is_none_by_its_first_byte(void **state)
{
    struct pgwire_frame out;
    (void)state;
    for (int type = 0; type < 256; type++) {
        uint8_t byte = (uint8_t)type;
        bool request = is_listed(requests, COUNT(requests), type);
        bool answer = is_listed(answers, COUNT(answers), type);
        assert_int_equal(pgwire_frame_request(&byte, 1, &out),
                         request ? PGWIRE_MORE : PGWIRE_UNKNOWN);
        assert_int_equal(pgwire_frame_answer(&byte, 1, &out),
                         answer ? PGWIRE_MORE : PGWIRE_UNKNOWN);
        assert_int_equal(frame_word(pgwire_frame_request, byte, 4, &out),
                         request ? PGWIRE_OK : PGWIRE_UNKNOWN);
        assert_int_equal(strcmp(pgwire_request_name(byte), "?") != 0, request);
        assert_int_equal(strcmp(pgwire_answer_name(byte), "?") != 0, answer);
        assert_non_null(pgwire_request_settled_by(byte));
    }
}

static void knows_every_message_of_the_manual(void **state)
{
    (void)state;
    for (const char *tag = "BCDEFHPQSXcdfp"; *tag != '\0'; tag++) {
        assert_true(is_listed(requests, COUNT(requests), *tag));
    }
    for (const char *tag = "123ACDEGHIKNRSTVWZcdnstv"; *tag != '\0'; tag++) {
        assert_true(is_listed(answers, COUNT(answers), *tag));
    }
    assert_int_equal(COUNT(requests), 14);
    assert_int_equal(COUNT(answers), 24);
}

static void settles_only_by_messages_of_the_other_side(void **state)
{
    (void)state;
    for (int type = 0; type < 256; type++) {
        for (const char *by = pgwire_request_settled_by((uint8_t)type); *by != '\0'; by++) {
            assert_true(is_listed(answers, COUNT(answers), *by));
        }
        for (const char *by = pgwire_answer_settled_by((uint8_t)type); *by != '\0'; by++) {
            assert_true(is_listed(requests, COUNT(requests), *by));
        }
    }
    assert_string_equal(pgwire_request_settled_by('D'), "Tn");
    assert_string_equal(pgwire_request_settled_by('H'), "");
    assert_string_equal(pgwire_answer_settled_by('G'), "cf");
    assert_string_equal(pgwire_request_name('F'), "FunctionCall");
    assert_string_equal(pgwire_answer_name('W'), "CopyBothResponse");
}

static void asks_for_more_until_the_header_is_there(void **state)
{
    const uint8_t query[] = {'Q', 0, 0, 0, 13, 's', 'e'};
    struct pgwire_frame out;
    (void)state;
    for (size_t len = 0; len < PGWIRE_HEADER_LEN; len++) {
        uint8_t *copy = malloc(len > 0 ? len : 1);
        memcpy(copy, query, len);
        assert_int_equal(pgwire_frame_request(copy, len, &out), PGWIRE_MORE);
        free(copy);
    }
    for (size_t len = PGWIRE_HEADER_LEN; len <= sizeof(query); len++) {
        assert_int_equal(pgwire_frame_request(query, len, &out), PGWIRE_OK);
        assert_int_equal(out.len, 14);
        assert_int_equal(out.body_len, 9);
        assert_ptr_equal(out.body, query + 5);
    }
}

static void survives_each_flipped_bit_of_a_header(void **state)
{
    (void)state;
    for (size_t flip = 0; flip < 8 * PGWIRE_HEADER_LEN; flip++) {
        uint8_t ready[] = {'Z', 0, 0, 0, 5};
        struct pgwire_frame out;
        ready[flip / 8] ^= (uint8_t)(1U << flip % 8);
        enum pgwire_status status = pgwire_frame_answer(ready, sizeof(ready), &out);
        if (status == PGWIRE_OK) {
            assert_int_equal(out.len, out.body_len + PGWIRE_HEADER_LEN);
        }
    }
}

static void frames_packets_before_login(void **state)
{
    const uint8_t ssl[] = {0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f};
    const uint8_t longest[] = {0, 0, 0x27, 0x14};
    const uint8_t too_long[] = {0, 0, 0x27, 0x15};
    const uint8_t too_short[] = {0, 0, 0, 7};
    const uint8_t negative[] = {0xff, 0xff, 0xff, 0xff};
    const uint8_t http[] = "GET / HTTP/1.1";
    struct pgwire_frame out;
    (void)state;

    for (size_t len = 0; len < PGWIRE_STARTUP_HEADER_LEN; len++) {
        assert_int_equal(pgwire_frame_startup(ssl, len, &out), PGWIRE_MORE);
    }
    assert_int_equal(pgwire_frame_startup(ssl, 4, &out), PGWIRE_OK);
    assert_int_equal(out.type, 0);
    assert_int_equal(out.len, 8);
    assert_int_equal(out.body_len, 4);
    assert_ptr_equal(out.body, ssl + 4);
    assert_int_equal(pgwire_frame_startup(longest, 4, &out), PGWIRE_OK);
    assert_int_equal(out.body_len, 10000);
    assert_int_equal(pgwire_frame_startup(too_long, 4, &out), PGWIRE_TOO_BIG);
    assert_int_equal(pgwire_frame_startup(too_short, 4, &out), PGWIRE_MALFORMED);
    assert_int_equal(pgwire_frame_startup(negative, 4, &out), PGWIRE_MALFORMED);
    assert_int_equal(pgwire_frame_startup(http, sizeof(http), &out), PGWIRE_TOO_BIG);
}

static void has_a_text_for_each_status(void **state)
{
    (void)state;
    for (int status = PGWIRE_OK; status <= PGWIRE_UNKNOWN; status++) {
        assert_string_not_equal(pgwire_status_text((enum pgwire_status)status), "?");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_each_type_have_its_greatest_length),
        cmocka_unit_test(refuses_each_type_that_is_none_by_its_first_byte),
        cmocka_unit_test(knows_every_message_of_the_manual),
        cmocka_unit_test(settles_only_by_messages_of_the_other_side),
        cmocka_unit_test(asks_for_more_until_the_header_is_there),
        cmocka_unit_test(survives_each_flipped_bit_of_a_header),
        cmocka_unit_test(frames_packets_before_login),
        cmocka_unit_test(has_a_text_for_each_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
