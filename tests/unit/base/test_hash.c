#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"

/* The published values of XXH3 for no input: another variant, or a seed, would show here. */
static void is_the_hash_it_says(void **state)
{
    (void)state;
    assert_true(hash64_of("", 0) == 0x2d06800538d394c2ull);
    struct hash128 none = hash128_of("", 0);
    assert_true(none.high == 0x99aa06d3014798d8ull && none.low == 0x6001c324468d497full);
}

static void takes_no_bytes_from_nowhere(void **state)
{
    (void)state;
    assert_true(hash64_of(NULL, 0) == hash64_of("", 0));
    assert_true(hash128_equal(hash128_of(NULL, 0), hash128_of("", 0)));
}

/* All short lengths take different ways through the code. */
static void every_flipped_bit_changes_it(void **state)
{
    (void)state;
    uint8_t bytes[300] = {0};
    static const size_t lens[] = {1, 3, 4, 8, 9, 16, 17, 128, 129, 240, 241, 300};
    for (size_t l = 0; l < ARRAY_COUNT(lens); l++) {
        struct hash128 before = hash128_of(bytes, lens[l]);
        uint64_t before64 = hash64_of(bytes, lens[l]);
        for (size_t bit = 0; bit < lens[l] * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            assert_false(hash128_equal(hash128_of(bytes, lens[l]), before));
            assert_true(hash64_of(bytes, lens[l]) != before64);
            bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        }
    }
}

static void both_halves_count_when_compared(void **state)
{
    (void)state;
    struct hash128 a = {1, 2}, b = {1, 3}, c = {0, 2};
    assert_true(hash128_equal(a, a));
    assert_false(hash128_equal(a, b));
    assert_false(hash128_equal(a, c));
}

static void mixing_minds_the_order(void **state)
{
    (void)state;
    assert_true(hash64_mix(1, 2) != hash64_mix(2, 1));
    assert_true(hash64_mix(0, 0) != hash64_mix(0, 1));
    assert_true(hash64_mix(7, 9) == hash64_mix(7, 9));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_the_hash_it_says),
        cmocka_unit_test(takes_no_bytes_from_nowhere),
        cmocka_unit_test(every_flipped_bit_changes_it),
        cmocka_unit_test(both_halves_count_when_compared),
        cmocka_unit_test(mixing_minds_the_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
