/* The breaker under a made-up clock: see src/cache/redis_breaker.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/redis_breaker.h"

static void open_it(struct breaker *breaker, uint64_t now_ms)
{
    for (unsigned i = 1; i < BREAKER_FAILURES_MAX; i++)
        assert_false(breaker_failed(breaker, now_ms));
    assert_true(breaker_failed(breaker, now_ms));
}

static void opens_after_failures_in_a_row_only(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker);
    for (unsigned i = 0; i < 10 * BREAKER_FAILURES_MAX; i++) {
        assert_false(breaker_failed(&breaker, i));
        assert_true(breaker_allows(&breaker));
        if (i % (BREAKER_FAILURES_MAX - 1) == BREAKER_FAILURES_MAX - 2)
            breaker_succeeded(&breaker);
    }
    breaker_succeeded(&breaker);
    open_it(&breaker, 1000);
    assert_false(breaker_allows(&breaker));
}

static void stays_open_for_its_pause(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker);
    open_it(&breaker, 5000);
    assert_int_equal(breaker_wait_ms(&breaker, 5000), BREAKER_PAUSE_MIN_MS);
    breaker_succeeded(&breaker); /* a late answer */
    assert_false(breaker_failed(&breaker, 5500));
    assert_false(breaker_probe(&breaker, 5000 + BREAKER_PAUSE_MIN_MS - 1));
    assert_false(breaker_allows(&breaker));
    assert_int_equal(breaker_wait_ms(&breaker, 5000 + BREAKER_PAUSE_MIN_MS), 0);
    assert_true(breaker_probe(&breaker, 5000 + BREAKER_PAUSE_MIN_MS));
    assert_int_equal(breaker.state, BREAKER_PROBING);
    assert_false(breaker_allows(&breaker)); /* the probe is one, not everybody's */
    assert_false(breaker_probe(&breaker, 9999999));
}

static void closes_by_one_good_answer_to_a_probe(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker);
    open_it(&breaker, 0);
    assert_true(breaker_probe(&breaker, BREAKER_PAUSE_MIN_MS));
    breaker_succeeded(&breaker);
    assert_true(breaker_allows(&breaker));
    open_it(&breaker, 50000); /* and counts anew */
}

static void doubles_its_pause_up_to_the_greatest(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker);
    uint64_t now_ms = 100;
    open_it(&breaker, now_ms);
    uint64_t pause_ms = BREAKER_PAUSE_MIN_MS;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(breaker_wait_ms(&breaker, now_ms), pause_ms);
        now_ms += pause_ms;
        assert_true(breaker_probe(&breaker, now_ms));
        assert_true(breaker_failed(&breaker, now_ms));
        pause_ms = size_min(pause_ms * 2, BREAKER_PAUSE_MAX_MS);
    }
    assert_true(breaker_probe(&breaker, now_ms + pause_ms));
    breaker_succeeded(&breaker);
    open_it(&breaker, now_ms);
    assert_int_equal(breaker_wait_ms(&breaker, now_ms), BREAKER_PAUSE_MIN_MS);
}

static void success_while_closed_changes_nothing_else(void **state)
{
    (void)state;
    struct breaker breaker;
    breaker_init(&breaker);
    breaker_succeeded(&breaker);
    assert_true(breaker_allows(&breaker));
    assert_int_equal(breaker_wait_ms(&breaker, 0), 0);
    assert_false(breaker_probe(&breaker, 1000000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opens_after_failures_in_a_row_only),
        cmocka_unit_test(stays_open_for_its_pause),
        cmocka_unit_test(closes_by_one_good_answer_to_a_probe),
        cmocka_unit_test(doubles_its_pause_up_to_the_greatest),
        cmocka_unit_test(success_while_closed_changes_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
