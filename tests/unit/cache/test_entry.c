/* Time windows: see cache/entry.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/entry.h"

enum { WINDOW_MS = 30000 };

static const uint64_t now_ms = 1700000000000;

static struct hash128 hash_number(uint64_t i)
{
    return hash128_of(&i, sizeof(i));
}

static void ends_after_now_and_within_one_window(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t end = window_end_ms(hash_number(i), now_ms + i, WINDOW_MS, NULL);
        assert_true(end > now_ms + i);
        assert_true(end <= now_ms + i + WINDOW_MS);
    }
}

static void numbers_follow_each_other_at_the_end(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t number, same, next;
        uint64_t end = window_end_ms(hash_number(i), now_ms, WINDOW_MS, &number);
        assert_int_equal(window_end_ms(hash_number(i), end - 1, WINDOW_MS, &same), end);
        assert_int_equal(same, number);
        assert_int_equal(window_end_ms(hash_number(i), end, WINDOW_MS, &next), end + WINDOW_MS);
        assert_int_equal(next, number + 1);
    }
}

static void spreads_ends_of_different_keys(void **state)
{
    (void)state;
    unsigned tenths[10] = {0};
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t end = window_end_ms(hash_number(i), now_ms, WINDOW_MS, NULL);
        tenths[(end - now_ms - 1) * 10 / WINDOW_MS]++;
    }
    for (unsigned i = 0; i < 10; i++)
        assert_in_range(tenths[i], 50, 200);
}

static void takes_a_window_of_one_millisecond(void **state)
{
    (void)state;
    assert_int_equal(window_end_ms(hash_number(1), now_ms, 1, NULL), now_ms + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_after_now_and_within_one_window),
        cmocka_unit_test(numbers_follow_each_other_at_the_end),
        cmocka_unit_test(spreads_ends_of_different_keys),
        cmocka_unit_test(takes_a_window_of_one_millisecond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
