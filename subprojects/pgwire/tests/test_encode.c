/* encode.c: exact bytes, and what happens where the memory ends. */
#include "torture.h"

#include <stdlib.h>

#include "pgwire/encode.h"
#include "pgwire/frame.h"
#include "pgwire/request.h"

static uint8_t memory[1024];

static struct pgwire_writer fresh(void)
{
    memset(memory, 0xee, sizeof(memory));
    return pgwire_writer_of(memory, sizeof(memory));
}

static void check(const struct pgwire_writer *writer, const uint8_t *bytes, size_t len)
{
    assert_false(writer->overflow);
    assert_int_equal(writer->len, len);
    assert_memory_equal(writer->data, bytes, len);
}

static void writes_packets_before_login(void **state)
{
    struct pgwire_slice pairs = {(const uint8_t *)"user\0joe", 9};
    struct pgwire_writer writer = fresh();
    (void)state;
    pgwire_write_startup(&writer, PGWIRE_PROTOCOL_3_0, pairs);
    check(&writer, BODY("\0\0\0\x12\0\3\0\0user\0joe\0\0"));
    writer = fresh();
    pgwire_write_cancel(&writer, 12345, slice_of("abcd"));
    check(&writer, BODY("\0\0\0\x10\x04\xd2\x16\x2e\0\0\x30\x39"
                        "abcd"));
}

static void writes_what_a_frontend_sends(void **state)
{
    struct pgwire_slice oids = {(const uint8_t *)"\0\0\0\x17", 4};
    struct pgwire_slice none = {NULL, 0};
    struct pgwire_writer writer = fresh();
    (void)state;
    pgwire_write_password(&writer, "pw");
    pgwire_write_sasl_initial(&writer, "M", slice_of("n,,"));
    pgwire_write_sasl_initial(&writer, "M", none);
    pgwire_write_sasl_response(&writer, slice_of("c=x"));
    pgwire_write_query(&writer, "select 1");
    check(&writer, BODY("p\0\0\0\7pw\0"
                        "p\0\0\0\15M\0\0\0\0\3n,,"
                        "p\0\0\0\12M\0\xff\xff\xff\xff"
                        "p\0\0\0\7c=x"
                        "Q\0\0\0\15select 1\0"));
    writer = fresh();
    pgwire_write_parse(&writer, slice_of("s"), slice_of("q"), oids);
    pgwire_write_parse(&writer, none, slice_of("q"), none);
    pgwire_write_bind(&writer, slice_of("p"), slice_of("s"), slice_of("rest"));
    pgwire_write_target(&writer, 'D', 'S', slice_of("s"));
    pgwire_write_execute(&writer, slice_of("p"), 5);
    pgwire_write_empty(&writer, 'S');
    check(&writer, BODY("P\0\0\0\16s\0q\0\0\1\0\0\0\x17"
                        "P\0\0\0\11\0q\0\0\0"
                        "B\0\0\0\14p\0s\0rest"
                        "D\0\0\0\7Ss\0"
                        "E\0\0\0\12p\0\0\0\0\5"
                        "S\0\0\0\4"));
}

static void writes_what_a_backend_sends(void **state)
{
    struct pgwire_slice values[] = {slice_of("7"), {NULL, 0}, slice_of("")};
    struct pgwire_text_column columns[] = {{"a", 23}, {"b", 25}, {"c", 20}, {"d", 16}};
    struct pgwire_slice options = {(const uint8_t *)"_pq_.x", 7};
    struct pgwire_writer writer = fresh();
    (void)state;
    pgwire_write_auth(&writer, 5, slice_of("salt"));
    pgwire_write_param_status(&writer, slice_of("a"), slice_of("b"));
    pgwire_write_key_data(&writer, 1, slice_of("abcd"));
    pgwire_write_ready(&writer, 'I');
    pgwire_write_complete(&writer, "BEGIN");
    pgwire_write_negotiate(&writer, PGWIRE_PROTOCOL_3_0, 1, options);
    check(&writer, BODY("R\0\0\0\14\0\0\0\5salt"
                        "S\0\0\0\10a\0b\0"
                        "K\0\0\0\14\0\0\0\1abcd"
                        "Z\0\0\0\5I"
                        "C\0\0\0\12BEGIN\0"
                        "v\0\0\0\23\0\3\0\0\0\0\0\1_pq_.x\0"));
    writer = fresh();
    pgwire_write_row(&writer, values, 3);
    check(&writer, BODY("D\0\0\0\x13\0\3\0\0\0\1"
                        "7\xff\xff\xff\xff\0\0\0\0"));
    writer = fresh();
    pgwire_write_columns(&writer, columns, 4);
    check(&writer, BODY("T\0\0\0\x56\0\4"
                        "a\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0"
                        "b\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
                        "c\0\0\0\0\0\0\0\0\0\0\x14\0\10\xff\xff\xff\xff\0\0"
                        "d\0\0\0\0\0\0\0\0\0\0\x10\0\1\xff\xff\xff\xff\0\0"));
}

static void writes_an_error_as_postgres_orders_it(void **state)
{
    struct pgwire_writer writer = fresh();
    (void)state;
    pgwire_write_error(&writer, 'E', "FATAL", "28P01", "no", NULL, NULL);
    check(&writer, BODY("E\0\0\0\36SFATAL\0VFATAL\0C28P01\0Mno\0\0"));
    writer = fresh();
    pgwire_write_error(&writer, 'N', "NOTICE", "00000", "m", "d", "h");
    check(&writer, BODY("N\0\0\0\x25SNOTICE\0VNOTICE\0C00000\0Mm\0Dd\0Hh\0\0"));
}

static void cuts_a_text_at_its_first_zero(void **state)
{
    struct pgwire_slice name = {(const uint8_t *)"a\0b", 3};
    struct pgwire_writer writer = fresh();
    (void)state;
    pgwire_write_param_status(&writer, name, slice_of("v"));
    check(&writer, BODY("S\0\0\0\10a\0v\0"));
}

/* A good message and one that may not fit, with `cap` bytes of room. */
static void leaves_nothing_of_a_message_that_does_not_fit(void **state)
{
    enum { FIRST_LEN = 6, SECOND_LEN = 31, WHOLE_LEN = FIRST_LEN + SECOND_LEN + 5 };
    (void)state;
    for (size_t cap = 0; cap <= WHOLE_LEN; cap++) {
        uint8_t *room = malloc(cap > 0 ? cap : 1);
        struct pgwire_writer writer = pgwire_writer_of(room, cap);
        pgwire_write_ready(&writer, 'I');
        pgwire_write_error(&writer, 'E', "FATAL", "28P01", "no", NULL, NULL);
        pgwire_write_empty(&writer, 'S');
        size_t fits = cap < FIRST_LEN                ? 0
                      : cap < FIRST_LEN + SECOND_LEN ? FIRST_LEN
                      : cap < WHOLE_LEN              ? FIRST_LEN + SECOND_LEN
                                                     : WHOLE_LEN;
        assert_int_equal(writer.len, fits);
        assert_int_equal(writer.overflow, cap < WHOLE_LEN);
        if (writer.overflow) {
            pgwire_write_empty(&writer, 'S'); /* would fit perhaps, but nothing may follow */
            assert_int_equal(writer.len, fits);
        }
        free(room);
    }
}

static void refuses_types_that_are_no_whole_oids(void **state)
{
    struct pgwire_slice odd = {(const uint8_t *)"\0\0\0", 3};
    struct pgwire_writer writer = fresh();
    (void)state;
    pgwire_write_parse(&writer, slice_of("s"), slice_of("q"), odd);
    assert_true(writer.overflow);
    assert_int_equal(writer.len, 0);
}

static void refuses_a_value_longer_than_a_length_can_say(void **state)
{
    struct pgwire_slice value = {memory, (size_t)INT32_MAX + 1}; /* nothing of it is read */
    struct pgwire_writer writer = fresh();
    (void)state;
    pgwire_write_row(&writer, &value, 1);
    assert_true(writer.overflow);
    assert_int_equal(writer.len, 0);
}

static void needs_no_more_room_than_the_header_says(void **state)
{
    enum { COLUMNS = 30, COLUMN_ROOM = 24, VALUE_ROOM = 4, MESSAGE_ROOM = 64 };
    struct pgwire_text_column columns[COLUMNS];
    struct pgwire_slice values[COLUMNS];
    (void)state;
    for (size_t i = 0; i < COLUMNS; i++) {
        columns[i] = (struct pgwire_text_column){"name", 25};
        values[i] = slice_of("value");
    }
    struct pgwire_writer writer = fresh();
    writer.cap = MESSAGE_ROOM + COLUMNS * (COLUMN_ROOM + strlen("name"));
    pgwire_write_columns(&writer, columns, COLUMNS);
    assert_false(writer.overflow);
    writer = fresh();
    writer.cap = MESSAGE_ROOM + COLUMNS * (VALUE_ROOM + strlen("value"));
    pgwire_write_row(&writer, values, COLUMNS);
    assert_false(writer.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_packets_before_login),
        cmocka_unit_test(writes_what_a_frontend_sends),
        cmocka_unit_test(writes_what_a_backend_sends),
        cmocka_unit_test(writes_an_error_as_postgres_orders_it),
        cmocka_unit_test(cuts_a_text_at_its_first_zero),
        cmocka_unit_test(leaves_nothing_of_a_message_that_does_not_fit),
        cmocka_unit_test(refuses_types_that_are_no_whole_oids),
        cmocka_unit_test(refuses_a_value_longer_than_a_length_can_say),
        cmocka_unit_test(needs_no_more_room_than_the_header_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
