#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "value.h"

static void switches_have_eight_words(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int value; /* -1: refused */
    } rows[] = {{"1", 1},   {"0", 0},  {"on", 1},   {"off", 0}, {"TRUE", 1}, {"False", 0},
                {"yes", 1}, {"no", 0}, {"", -1},    {"2", -1},  {"10", -1},  {"o", -1},
                {"01", -1}, {"y", -1}, {"on ", -1}, {"-1", -1}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        bool value = !rows[i].value;
        enum err err = value_read_bool(rows[i].text, &value);
        assert_int_equal(err, rows[i].value < 0 ? ERR_INVALID : ERR_OK);
        if (!err)
            assert_int_equal(value, rows[i].value);
    }
}

static void whole_numbers_end_where_they_cannot_be_held(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err err;
        int64_t value;
    } rows[] = {{"0", ERR_OK, 0},
                {"007", ERR_OK, 7},
                {"-5", ERR_OK, -5},
                {"9223372036854775807", ERR_OK, INT64_MAX},
                {"9223372036854775808", ERR_RANGE, 0},
                {"18446744073709551616", ERR_RANGE, 0},
                {"99999999999999999999999999", ERR_RANGE, 0},
                {"", ERR_INVALID, 0},
                {"-", ERR_INVALID, 0},
                {"--1", ERR_INVALID, 0},
                {"+1", ERR_INVALID, 0},
                {" 1", ERR_INVALID, 0},
                {"1 ", ERR_INVALID, 0},
                {"1x", ERR_INVALID, 0},
                {"0x10", ERR_INVALID, 0},
                {"1.0", ERR_INVALID, 0}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        int64_t value = 77;
        assert_int_equal(value_read_int(rows[i].text, &value), rows[i].err);
        assert_true(value == (rows[i].err ? 77 : rows[i].value));
    }
}

struct quantity {
    const char *text;
    enum err err;
    uint64_t value;
};

static void check_quantities(const struct quantity *rows, size_t count,
                             enum err read(const char *, uint64_t *))
{
    for (size_t i = 0; i < count; i++) {
        uint64_t value = 77;
        assert_int_equal(read(rows[i].text, &value), rows[i].err);
        assert_true(value == (rows[i].err ? 77 : rows[i].value));
    }
}

static void durations_are_seconds_unless_they_say_otherwise(void **state)
{
    (void)state;
    static const struct quantity rows[] = {{"0", ERR_OK, 0},
                                           {"30", ERR_OK, 30000},
                                           {"30s", ERR_OK, 30000},
                                           {"30 s", ERR_OK, 30000},
                                           {"50ms", ERR_OK, 50},
                                           {"5MIN", ERR_OK, 300000},
                                           {"1h", ERR_OK, 3600000},
                                           {"2d", ERR_OK, 172800000},
                                           {"0.5", ERR_OK, 500},
                                           {"1.5h", ERR_OK, 5400000},
                                           {"0.001", ERR_OK, 1},
                                           {"0.0001", ERR_INVALID, 0},
                                           {"0.5ms", ERR_INVALID, 0},
                                           {"", ERR_INVALID, 0},
                                           {"s", ERR_INVALID, 0},
                                           {"-1", ERR_INVALID, 0},
                                           {"1.", ERR_INVALID, 0},
                                           {".5", ERR_INVALID, 0},
                                           {"5m", ERR_INVALID, 0},
                                           {"5 parsecs", ERR_INVALID, 0},
                                           {"1s1s", ERR_INVALID, 0},
                                           {"1e3", ERR_INVALID, 0},
                                           {"18446744073709551ms", ERR_OK, 18446744073709551ull},
                                           {"18446744073709552", ERR_RANGE, 0},
                                           {"18446744073709551616ms", ERR_RANGE, 0},
                                           {"18446744073709551615d", ERR_RANGE, 0}};
    check_quantities(rows, ARRAY_COUNT(rows), value_read_duration);
}

static void sizes_are_bytes_unless_they_say_otherwise(void **state)
{
    (void)state;
    static const struct quantity rows[] = {{"0", ERR_OK, 0},
                                           {"100", ERR_OK, 100},
                                           {"100B", ERR_OK, 100},
                                           {"1kB", ERR_OK, 1024},
                                           {"256MB", ERR_OK, 268435456},
                                           {"256mb", ERR_OK, 268435456},
                                           {"1 GB", ERR_OK, 1073741824},
                                           {"2TB", ERR_OK, 2199023255552ull},
                                           {"1.5kB", ERR_OK, 1536},
                                           {"0.5B", ERR_INVALID, 0},
                                           {"1k", ERR_INVALID, 0},
                                           {"1KiB", ERR_INVALID, 0},
                                           {"1PB", ERR_INVALID, 0},
                                           {"16777216TB", ERR_RANGE, 0},
                                           {"16777215TB", ERR_OK, 16777215ull << 40}};
    check_quantities(rows, ARRAY_COUNT(rows), value_read_size);
}

static void names_are_found_whole(void **state)
{
    (void)state;
    int index = 77;
    assert_int_equal(value_read_name("a", "a|bc|d-e", &index), ERR_OK);
    assert_int_equal(index, 0);
    assert_int_equal(value_read_name("BC", "a|bc|d-e", &index), ERR_OK);
    assert_int_equal(index, 1);
    assert_int_equal(value_read_name("d-e", "a|bc|d-e", &index), ERR_OK);
    assert_int_equal(index, 2);
    static const char *const refused[] = {"", "b", "bcd", "a|bc", "|", "d-", "e"};
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++)
        assert_int_equal(value_read_name(refused[i], "a|bc|d-e", &index), ERR_INVALID);
    assert_int_equal(index, 2);
}

static void what_is_written_reads_back_the_same(void **state)
{
    (void)state;
    char text[VALUE_TEXT_MAX];
    static const uint64_t numbers[] = {0,          1,          999,        1000,
                                       1023,       1024,       1500,       60000,
                                       1048576,    1048577,    3600000,    86400000,
                                       2147483647, 1ull << 40, 1ull << 50, (1ull << 53) + 1024};
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        uint64_t value = 0;
        value_write_duration(text, numbers[i]);
        assert_int_equal(value_read_duration(text, &value), ERR_OK);
        assert_true(value == numbers[i]);
        value_write_size(text, numbers[i]);
        assert_int_equal(value_read_size(text, &value), ERR_OK);
        assert_true(value == numbers[i]);
    }
    int64_t number = 0;
    value_write_int(text, INT64_MAX);
    assert_int_equal(value_read_int(text, &number), ERR_OK);
    assert_true(number == INT64_MAX);
    for (int i = 0; i < 3; i++) {
        int index = -1;
        value_write_name(text, "a|bc|d", i);
        assert_int_equal(value_read_name(text, "a|bc|d", &index), ERR_OK);
        assert_int_equal(index, i);
    }
}

static void writes_as_people_do(void **state)
{
    (void)state;
    char text[VALUE_TEXT_MAX];
    value_write_duration(text, 120000);
    assert_string_equal(text, "120s");
    value_write_duration(text, 50);
    assert_string_equal(text, "50ms");
    value_write_duration(text, 0);
    assert_string_equal(text, "0");
    value_write_size(text, 256 << 20);
    assert_string_equal(text, "256MB");
    value_write_size(text, 2147483647);
    assert_string_equal(text, "2147483647");
    value_write_bool(text, true);
    assert_string_equal(text, "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switches_have_eight_words),
        cmocka_unit_test(whole_numbers_end_where_they_cannot_be_held),
        cmocka_unit_test(durations_are_seconds_unless_they_say_otherwise),
        cmocka_unit_test(sizes_are_bytes_unless_they_say_otherwise),
        cmocka_unit_test(names_are_found_whole),
        cmocka_unit_test(what_is_written_reads_back_the_same),
        cmocka_unit_test(writes_as_people_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
