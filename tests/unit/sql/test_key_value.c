/* One spelling for each value of a key: what counts, what does not, and what is the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/macros.h"
#include "sql/key_value.h"
#include "sql/scan.h"

#define BYTES(text) slice_of(text, sizeof(text) - 1)

enum { INT2 = 21, INT4 = 23, INT8 = 20, FLOAT8 = 701, NUMERIC = 1700, BPCHAR = 1042, TEXT = 25 };

static enum key_found token(enum key_type type, const char *text, bool negative, uint64_t *out)
{
    struct key_reading reading = {.column = type};
    struct key_values values = {0};
    enum key_found found = key_of_token(slice_of_text(text), negative, &reading, &values);
    assert_int_equal(values.count, found == KEY_FOUND);
    *out = values.values[0];
    return found;
}

static enum key_found bytes(const struct key_reading *reading, struct slice value, uint64_t *out)
{
    struct key_values values = {0};
    enum key_found found = key_of_bytes(value, reading, &values);
    *out = values.values[0];
    return found == KEY_FOUND && values.count != 1 ? KEY_NULL : found;
}

static void one_integer_has_one_number_in_every_format(void **state)
{
    (void)state;
    const struct {
        struct slice value;
        uint32_t type;
        bool binary;
    } same[] = {
        {BYTES("258"), INT2, false},
        {BYTES("258"), INT4, false},
        {BYTES("258"), INT8, false},
        {BYTES("258"), 0, false},
        {BYTES("\1\2"), INT2, true},
        {BYTES("\0\0\1\2"), INT4, true},
        {BYTES("\0\0\0\0\0\0\1\2"), INT8, true},
        {BYTES("\0\0\1\2"), 0, true},
    };
    uint64_t literal, number;
    assert_int_equal(token(KEY_INT4, "258", false, &literal), KEY_FOUND);
    assert_int_equal(token(KEY_INT8, "'258'", false, &number), KEY_FOUND);
    assert_true(number == literal);
    for (unsigned i = 0; i < ARRAY_COUNT(same); i++) {
        struct key_reading reading = {.column = KEY_INT8,
                                      .type_oid = same[i].type,
                                      .binary = same[i].binary,
                                      .inferred_here = true};
        assert_int_equal(bytes(&reading, same[i].value, &number), KEY_FOUND);
        assert_true(number == literal);
    }
}

static void integer_in_another_spelling_is_not_understood(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "'+1'",
        "' 1'",
        "'1 '",
        "'01'",
        "01",
        "1.0",
        "1e0",
        "'1.0'",
        "'-0'",
        "''",
        "'0x1'",
        "'1_0'",
        "E'1'",
        "$$1$$",
        "B'1'",
        "9223372036854775808",
        "'99999999999999999999'",
        "'1'\n'2'",
    };
    uint64_t number;
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++)
        assert_int_equal(token(KEY_INT8, texts[i], false, &number), KEY_UNKNOWN);
    assert_int_equal(token(KEY_INT8, "0", true, &number), KEY_UNKNOWN);
}

static void integers_at_their_ends_are_told_apart(void **state)
{
    (void)state;
    uint64_t least, greatest, text;
    assert_int_equal(token(KEY_INT8, "9223372036854775807", false, &greatest), KEY_FOUND);
    assert_int_equal(token(KEY_INT8, "9223372036854775808", true, &least), KEY_FOUND);
    assert_int_equal(token(KEY_INT8, "'-9223372036854775808'", false, &text), KEY_FOUND);
    assert_true(least == text && least != greatest);
    assert_int_equal(token(KEY_INT8, "9223372036854775809", true, &text), KEY_UNKNOWN);
}

static void oid_has_no_sign(void **state)
{
    (void)state;
    uint64_t literal, number;
    struct key_reading reading = {.column = KEY_OID, .type_oid = 26, .binary = true};
    assert_int_equal(token(KEY_OID, "4294967295", false, &literal), KEY_FOUND);
    assert_int_equal(bytes(&reading, BYTES("\xff\xff\xff\xff"), &number), KEY_FOUND);
    assert_true(literal == number);
    reading.type_oid = INT4;
    assert_int_equal(bytes(&reading, BYTES("\xff\xff\xff\xff"), &number), KEY_UNKNOWN);
    assert_int_equal(token(KEY_OID, "1", true, &number), KEY_UNKNOWN);
    assert_int_equal(token(KEY_OID, "4294967296", false, &number), KEY_UNKNOWN);
}

static void uuid_is_its_sixteen_bytes(void **state)
{
    (void)state;
    uint64_t lower, upper, binary;
    struct key_reading reading = {.column = KEY_UUID, .type_oid = 2950, .binary = true};
    assert_int_equal(token(KEY_UUID, "'00112233-4455-6677-8899-aabbccddeeff'", false, &lower),
                     KEY_FOUND);
    assert_int_equal(token(KEY_UUID, "'00112233-4455-6677-8899-AABBCCDDEEFF'", false, &upper),
                     KEY_FOUND);
    assert_int_equal(
        bytes(&reading, BYTES("\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc\xdd\xee\xff"),
              &binary),
        KEY_FOUND);
    assert_true(lower == upper && upper == binary);
    assert_int_equal(token(KEY_UUID, "'{00112233-4455-6677-8899-aabbccddeeff}'", false, &lower),
                     KEY_UNKNOWN);
    assert_int_equal(token(KEY_UUID, "'00112233445566778899aabbccddeeff'", false, &lower),
                     KEY_UNKNOWN);
    assert_int_equal(bytes(&reading, BYTES("\x00\x11"), &binary), KEY_UNKNOWN);
}

static void bool_is_told_from_its_plain_spellings(void **state)
{
    (void)state;
    uint64_t number;
    struct key_reading reading = {.column = KEY_BOOL, .type_oid = 16, .binary = true};
    assert_int_equal(token(KEY_BOOL, "'t'", false, &number), KEY_FOUND);
    assert_true(number == key_of_bool(true) && number != key_of_bool(false));
    assert_int_equal(token(KEY_BOOL, "'false'", false, &number), KEY_FOUND);
    assert_true(number == key_of_bool(false));
    assert_int_equal(bytes(&reading, BYTES("\1"), &number), KEY_FOUND);
    assert_true(number == key_of_bool(true));
    assert_int_equal(bytes(&reading, BYTES("\2"), &number), KEY_UNKNOWN);
    assert_int_equal(token(KEY_BOOL, "'yes'", false, &number), KEY_UNKNOWN);
    assert_int_equal(token(KEY_BOOL, "1", false, &number), KEY_UNKNOWN);
}

static void text_is_its_bytes(void **state)
{
    (void)state;
    uint64_t literal, number;
    struct key_reading reading = {.column = KEY_TEXT, .type_oid = TEXT};
    assert_int_equal(token(KEY_TEXT, "'it''s'", false, &literal), KEY_FOUND);
    assert_int_equal(bytes(&reading, BYTES("it's"), &number), KEY_FOUND);
    assert_true(literal == number);
    reading.binary = true;
    reading.type_oid = 1043;
    assert_int_equal(bytes(&reading, BYTES("it's"), &number), KEY_FOUND);
    assert_true(literal == number);
    assert_int_equal(bytes(&reading, BYTES("it's "), &number), KEY_FOUND);
    assert_true(literal != number);
    assert_int_equal(bytes(&reading, BYTES("a\0b"), &number), KEY_UNKNOWN);
    assert_int_equal(token(KEY_TEXT, "5", false, &number), KEY_UNKNOWN);
    assert_int_equal(token(KEY_TEXT, "''", false, &number), KEY_FOUND);
}

static void text_that_is_not_ascii_counts_in_utf8_alone(void **state)
{
    (void)state;
    uint64_t number;
    struct key_reading reading = {.column = KEY_TEXT, .type_oid = TEXT};
    assert_int_equal(bytes(&reading, BYTES("\xc3\xa9"), &number), KEY_FOUND);
    reading.ascii = true;
    assert_int_equal(bytes(&reading, BYTES("\xc3\xa9"), &number), KEY_UNKNOWN);
    assert_int_equal(bytes(&reading, BYTES("e"), &number), KEY_FOUND);
}

static void varchar_that_may_lose_blanks_is_not_understood(void **state)
{
    (void)state;
    uint64_t number;
    struct key_reading reading = {.column = KEY_VARCHAR, .type_oid = TEXT, .assigned = true};
    assert_int_equal(bytes(&reading, BYTES("ab "), &number), KEY_UNKNOWN);
    assert_int_equal(bytes(&reading, BYTES("ab"), &number), KEY_FOUND);
    reading.assigned = false;
    assert_int_equal(bytes(&reading, BYTES("ab "), &number), KEY_FOUND);
}

static void type_that_compares_otherwise_is_not_understood(void **state)
{
    (void)state;
    uint64_t number;
    static const struct {
        enum key_type column;
        uint32_t type;
    } pairs[] = {
        {KEY_INT4, FLOAT8}, {KEY_INT4, NUMERIC}, {KEY_INT4, TEXT}, {KEY_TEXT, BPCHAR},
        {KEY_TEXT, INT4},   {KEY_UUID, TEXT},    {KEY_OID, INT2},  {KEY_BOOL, INT4},
    };
    for (unsigned i = 0; i < ARRAY_COUNT(pairs); i++) {
        struct key_reading reading = {.column = pairs[i].column, .type_oid = pairs[i].type};
        assert_int_equal(bytes(&reading, BYTES("1"), &number), KEY_UNKNOWN);
    }
    struct key_reading elsewhere = {.column = KEY_INT4};
    assert_int_equal(bytes(&elsewhere, BYTES("1"), &number), KEY_UNKNOWN);
    assert_int_equal(bytes(&elsewhere, slice_of(NULL, 0), &number), KEY_NULL);
}

static unsigned array_count(struct slice value, const struct key_reading *reading)
{
    struct key_values values = {0};
    return key_of_bytes(value, reading, &values) == KEY_FOUND ? values.count : 99;
}

static void arrays_are_their_elements(void **state)
{
    (void)state;
    struct key_reading reading = {
        .column = KEY_INT4, .type_oid = 1007, .array = true, .inferred_here = true};
    assert_int_equal(array_count(BYTES("{1,2,3,2}"), &reading), 3);
    assert_int_equal(array_count(BYTES("{}"), &reading), 0);
    static const char *const odd[] = {"{1, 2}",    "{1,NULL}", "{\"1\"}", "{{1}}",
                                      "[1:1]={1}", "{1,}",     "{,}",     "{1",
                                      "1}",        "",         "{1}x",    "{01}"};
    for (unsigned i = 0; i < ARRAY_COUNT(odd); i++)
        assert_int_equal(array_count(slice_of_text(odd[i]), &reading), 99);
    reading.binary = true;
    static const char two[] = "\0\0\0\1\0\0\0\0\0\0\0\x17\0\0\0\2\0\0\0\1"
                              "\0\0\0\4\0\0\0\1\xff\xff\xff\xff";
    assert_int_equal(array_count(slice_of(two, sizeof(two) - 1), &reading), 1);
    for (size_t len = 0; len + 1 < sizeof(two) - 1; len++)
        assert_int_equal(array_count(slice_of(two, len), &reading), 99);
    reading.type_oid = 1022; /* float8[] */
    assert_int_equal(array_count(slice_of(two, sizeof(two) - 1), &reading), 99);
}

static void array_with_too_many_values_is_not_understood(void **state)
{
    (void)state;
    struct key_reading reading = {.column = KEY_INT4, .type_oid = 1007, .array = true};
    assert_int_equal(array_count(BYTES("{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}"), &reading),
                     KEY_VALUES_MAX);
    assert_int_equal(array_count(BYTES("{1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17}"), &reading),
                     99);
}

static void literals_are_counted_as_the_shape_counts_them(void **state)
{
    (void)state;
    static const char text[] =
        "SELECT 'a', $1, -5 , $$x$$, E'\\'' , 1.5 FROM x1 WHERE \"y'2\" = 'b' /* 'c' */ 'd'";
    uint8_t scratch[sizeof(text) + SCAN_SLACK];
    struct slice found[8];
    struct scan scan;
    static const char *const want[] = {"'a'", "5", "$$x$$", "E'\\''", "1.5", "'b'", "'d'"};
    assert_int_equal(scan_text(slice_of(text, sizeof(text) - 1), scratch, &scan), ERR_OK);
    struct slice canonical = slice_of(scan.canonical, scan.canonical_len);
    assert_int_equal(scan_literals(canonical, found, 8), ARRAY_COUNT(want));
    for (unsigned i = 0; i < ARRAY_COUNT(want); i++)
        assert_true(slice_is(found[i], want[i]));
    assert_int_equal(scan_literals(canonical, found, 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_integer_has_one_number_in_every_format),
        cmocka_unit_test(integer_in_another_spelling_is_not_understood),
        cmocka_unit_test(integers_at_their_ends_are_told_apart),
        cmocka_unit_test(oid_has_no_sign),
        cmocka_unit_test(uuid_is_its_sixteen_bytes),
        cmocka_unit_test(bool_is_told_from_its_plain_spellings),
        cmocka_unit_test(text_is_its_bytes),
        cmocka_unit_test(text_that_is_not_ascii_counts_in_utf8_alone),
        cmocka_unit_test(varchar_that_may_lose_blanks_is_not_understood),
        cmocka_unit_test(type_that_compares_otherwise_is_not_understood),
        cmocka_unit_test(arrays_are_their_elements),
        cmocka_unit_test(array_with_too_many_values_is_not_understood),
        cmocka_unit_test(literals_are_counted_as_the_shape_counts_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
