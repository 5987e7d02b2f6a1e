#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"

static bool holds(const struct buf *buf, const char *text)
{
    return slice_is(slice_of(buf->data ? buf_head(buf) : NULL, buf_len(buf)), text);
}

static void holds_what_was_appended_and_not_consumed(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf);
    assert_true(holds(&buf, ""));
    buf_append_text(&buf, "hello ");
    buf_append(&buf, "world!!", 5);
    buf_append(&buf, NULL, 0);
    assert_true(holds(&buf, "hello world"));
    buf_consume(&buf, 6);
    assert_true(holds(&buf, "world"));
    buf_printf(&buf, " %d%%%s", 42, "");
    assert_true(holds(&buf, "world 42%"));
    buf_clear(&buf);
    assert_true(holds(&buf, ""));
    buf_fini(&buf);
    buf_fini(&buf);
}

static void formats_longer_than_its_memory(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf);
    buf_append_text(&buf, "x");
    buf_printf(&buf, "%*d", 5000, 7);
    assert_int_equal(buf_len(&buf), 5001);
    assert_int_equal(buf_head(&buf)[0], 'x');
    assert_int_equal(buf_head(&buf)[5000], '7');
    buf_fini(&buf);
}

/* Appends and consumes by turns of many sizes, and compares with the running numbers. */
static void keeps_the_order_through_moves_and_growth(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf);
    uint8_t in = 0, out = 0;
    uint32_t chance = 12345;
    for (int turn = 0; turn < 20000; turn++) {
        chance = chance * 1664525u + 1013904223u;
        size_t len = (chance >> 8) % 700;
        uint8_t *to = buf_reserve(&buf, len);
        for (size_t i = 0; i < len; i++)
            to[i] = in++;
        buf_added(&buf, len);
        size_t take = size_min((chance >> 20) % 720, buf_len(&buf));
        for (size_t i = 0; i < take; i++)
            assert_int_equal(buf_head(&buf)[i], out++);
        buf_consume(&buf, take);
        assert_true(buf.start <= buf.end && buf.end <= buf.cap);
    }
    buf_fini(&buf);
}

/* A queue of a steady length must not be moved for each byte that passes through it. */
static void a_steady_queue_moves_each_byte_a_few_times_at_most(void **state)
{
    (void)state;
    enum { QUEUE = 16383, PASSING = 200000 }; /* just below a power of two */
    struct buf buf;
    buf_init(&buf);
    for (size_t i = 0; i < QUEUE; i++)
        buf_append(&buf, "x", 1);
    size_t moved = 0;
    for (size_t i = 0; i < PASSING; i++) {
        const uint8_t *before = buf.data ? buf_head(&buf) : NULL;
        size_t start = buf.start;
        buf_append(&buf, "x", 1);
        if (buf_head(&buf) != before || buf.start != start)
            moved += buf_len(&buf);
        buf_consume(&buf, 1);
    }
    assert_true(moved < (size_t)PASSING * 4);
    assert_true(buf.cap < (size_t)QUEUE * 8);
    buf_fini(&buf);
}

static void gives_back_the_memory_of_an_empty_buffer_only(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf);
    buf_shrink(&buf, 0);
    buf_append(&buf, "abc", 3);
    size_t cap = buf.cap;
    buf_shrink(&buf, 0);
    assert_true(holds(&buf, "abc"));
    buf_consume(&buf, 3);
    buf_shrink(&buf, cap);
    assert_int_equal(buf.cap, cap);
    buf_shrink(&buf, cap - 1);
    assert_int_equal(buf.cap, 0);
    buf_append(&buf, "abc", 3);
    assert_true(holds(&buf, "abc"));
    buf_fini(&buf);
}

static void reserving_nothing_gives_a_place(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf);
    assert_non_null(buf_reserve(&buf, 0));
    assert_int_equal(buf_len(&buf), 0);
    buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_what_was_appended_and_not_consumed),
        cmocka_unit_test(formats_longer_than_its_memory),
        cmocka_unit_test(keeps_the_order_through_moves_and_growth),
        cmocka_unit_test(a_steady_queue_moves_each_byte_a_few_times_at_most),
        cmocka_unit_test(gives_back_the_memory_of_an_empty_buffer_only),
        cmocka_unit_test(reserving_nothing_gives_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
