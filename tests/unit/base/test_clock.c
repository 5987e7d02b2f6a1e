#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "base/macros.h"

static void never_goes_back(void **state)
{
    (void)state;
    uint64_t before = clock_now_us();
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_now_us();
        assert_true(now >= before);
        before = now;
    }
}

static void the_wall_is_one_in_both_units(void **state)
{
    (void)state;
    uint64_t ms = clock_wall_ms();
    uint64_t us = clock_wall_us();
    assert_true(us / 1000 >= ms && us / 1000 < ms + 60000);
    assert_true(ms > 1700000000000ull);
}

static void chance_fills_all_it_was_asked_for(void **state)
{
    (void)state;
    static uint8_t a[100000], b[100000];
    clock_random(a, sizeof(a));
    clock_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    for (size_t i = 0; i + 64 <= sizeof(a); i += 64)
        assert_memory_not_equal(a + i, b + i, 64);
    uint8_t byte = 0;
    clock_random(&byte, 0);
    assert_int_equal(byte, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_goes_back),
        cmocka_unit_test(the_wall_is_one_in_both_units),
        cmocka_unit_test(chance_fills_all_it_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
