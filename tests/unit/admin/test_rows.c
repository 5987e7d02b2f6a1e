/* Rows of the console as messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rows.h"

static const struct pgwire_text_column columns[] = {
    {"t", ROWS_TEXT}, {"i", ROWS_INT4}, {"q", ROWS_INT8}, {"n", ROWS_NUMERIC}};
static const struct shape shape = {columns, ARRAY_COUNT(columns)};
static const struct formats binary = {.binary = {true, true, true, true}};

static void expect_bytes(struct buf *out, const void *bytes, size_t len)
{
    assert_int_equal(buf_len(out), len);
    assert_memory_equal(buf_head(out), bytes, len);
    buf_fini(out);
}

#define EXPECT_BYTES(out, text) expect_bytes(out, text, sizeof(text) - 1)

static void add_row(struct rows *rows, const char *text, uint64_t number)
{
    rows_text(rows, text);
    rows_num(rows, number);
    rows_num(rows, number);
    rows_num(rows, number);
}

static void describes_columns(void **state)
{
    (void)state;
    struct buf out = {0};
    rows_describe(&shape, NULL, &out);
    EXPECT_BYTES(&out, "T\0\0\0\x56\0\4"
                       "t\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
                       "i\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0"
                       "q\0\0\0\0\0\0\0\0\0\0\x14\0\x08\xff\xff\xff\xff\0\0"
                       "n\0\0\0\0\0\0\0\0\0\6\xa4\xff\xff\xff\xff\xff\xff\0\0");
}

static void describes_formats(void **state)
{
    (void)state;
    struct buf out = {0};
    struct shape first = {columns, 1};
    rows_describe(&first, &binary, &out);
    EXPECT_BYTES(&out, "T\0\0\0\x1a\0\1"
                       "t\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\1");
}

static void writes_text(void **state)
{
    (void)state;
    struct rows rows;
    struct buf out = {0};
    rows_init(&rows, &shape);
    add_row(&rows, "", 7);
    rows_text(&rows, NULL);
    rows_int(&rows, -1);
    rows_null(&rows);
    rows_printf(&rows, "%d", 12);
    assert_int_equal(rows_send(&rows, NULL, 0, &out), 2);
    EXPECT_BYTES(&out, "D\0\0\0\x19\0\4\0\0\0\0\0\0\0\1"
                       "7\0\0\0\1"
                       "7\0\0\0\1"
                       "7"
                       "D\0\0\0\x1a\0\4\xff\xff\xff\xff\0\0\0\2-1\xff\xff\xff\xff\0\0\0\2"
                       "12");
    rows_fini(&rows);
}

static void writes_binary(void **state)
{
    (void)state;
    struct rows rows;
    struct buf out = {0};
    rows_init(&rows, &shape);
    add_row(&rows, "ab", 258);
    rows_send(&rows, &binary, 0, &out);
    EXPECT_BYTES(&out, "D\0\0\0\x2e\0\4\0\0\0\2"
                       "ab\0\0\0\4\0\0\1\2\0\0\0\x08\0\0\0\0\0\0\1\2"
                       "\0\0\0\x0a\0\1\0\0\0\0\0\0\1\2");
    rows_text(&rows, NULL);
    rows_int(&rows, -2);
    rows_int(&rows, INT64_MIN);
    rows_null(&rows);
    rows_send(&rows, &binary, 0, &out);
    EXPECT_BYTES(&out, "D\0\0\0\x22\0\4\xff\xff\xff\xff\0\0\0\4\xff\xff\xff\xfe"
                       "\0\0\0\x08\x80\0\0\0\0\0\0\0\xff\xff\xff\xff");
    rows_fini(&rows);
}

/* The digits to the base 10000 behind the length, and their weight. */
static void expect_numeric(uint64_t value, const char *bytes, size_t len)
{
    static const struct pgwire_text_column column = {"n", ROWS_NUMERIC};
    static const struct shape one = {&column, 1};
    struct rows rows;
    struct buf out = {0};
    rows_init(&rows, &one);
    rows_num(&rows, value);
    rows_send(&rows, &binary, 0, &out);
    buf_consume(&out, 7 + 4); /* header, columns, length of the value */
    expect_bytes(&out, bytes, len);
    rows_fini(&rows);
}

#define EXPECT_NUMERIC(value, bytes) expect_numeric(value, bytes, sizeof(bytes) - 1)

static void writes_numerics_as_postgres_does(void **state)
{
    (void)state;
    /* select encode(numeric_send(...), 'hex') */
    EXPECT_NUMERIC(0, "\0\0\0\0\0\0\0\0");
    EXPECT_NUMERIC(20000, "\0\1\0\1\0\0\0\0\0\2");
    EXPECT_NUMERIC(9999, "\0\1\0\0\0\0\0\0\x27\x0f");
    EXPECT_NUMERIC(10001, "\0\2\0\1\0\0\0\0\0\1\0\1");
    EXPECT_NUMERIC(18446744073709551615u,
                   "\0\5\0\4\0\0\0\0\x07\x34\x1a\x58\x02\xe1\x03\xbb\x06\x4f");
}

static void sends_no_more_than_asked_for(void **state)
{
    (void)state;
    struct rows rows;
    struct buf out = {0};
    rows_init(&rows, &shape);
    for (unsigned i = 0; i < 5; i++)
        add_row(&rows, "x", i);
    assert_int_equal(rows_send(&rows, NULL, 2, &out), 2);
    assert_int_equal(rows.count, 3);
    assert_int_equal(rows_send(&rows, NULL, 3, &out), 3);
    assert_int_equal(rows_send(&rows, NULL, 3, &out), 0);
    buf_fini(&out);
    rows_fini(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describes_columns),
        cmocka_unit_test(describes_formats),
        cmocka_unit_test(writes_text),
        cmocka_unit_test(writes_binary),
        cmocka_unit_test(writes_numerics_as_postgres_does),
        cmocka_unit_test(sends_no_more_than_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
