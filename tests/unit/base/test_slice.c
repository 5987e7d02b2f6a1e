#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

static void compares_bytes_and_lengths(void **state)
{
    (void)state;
    assert_true(slice_is(slice_of("abc", 3), "abc"));
    assert_false(slice_is(slice_of("abc", 2), "abc"));
    assert_false(slice_is(slice_of("abd", 3), "abc"));
    assert_true(slice_equal(slice_of("a\0b", 3), slice_of("a\0b", 3)));
    assert_false(slice_equal(slice_of("a\0b", 3), slice_of("a\0c", 3)));
}

static void nothing_equals_nothing_wherever_it_lies(void **state)
{
    (void)state;
    assert_true(slice_equal(slice_of(NULL, 0), slice_of("x", 0)));
    assert_true(slice_is(slice_of(NULL, 0), ""));
    assert_int_equal(slice_of_text(NULL).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_bytes_and_lengths),
        cmocka_unit_test(nothing_equals_nothing_wherever_it_lies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
