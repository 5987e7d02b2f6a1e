/* Fetches under way: who leads, who waits, who is woken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cache/inflight.h"

static unsigned woken;

static void on_wake(struct flight_waiter *waiter)
{
    (void)waiter;
    woken++;
}

static struct entry_key key_of(const char *text)
{
    struct slice bytes = slice_of_text(text);
    return (struct entry_key){.hash = hash128_of(bytes.data, bytes.len), .bytes = bytes};
}

static const struct stamp before[] = {{.word = 1, .value = 65536}, {.word = 2, .value = 0}};
static const struct stamp after[] = {{.word = 1, .value = 131072}, {.word = 2, .value = 0}};

static int reset(void **state)
{
    (void)state;
    woken = 0;
    return 0;
}

static void second_reader_of_a_key_waits_and_is_woken_once(void **state)
{
    (void)state;
    struct entry_key key = key_of("a");
    struct flight flight = {0}, none = {0};
    struct flight_waiter waiter = {.wake = on_wake};
    assert_int_equal(flight_join(&key, before, 2, &flight, &waiter), FLIGHT_LEADS);
    assert_int_equal(flight_join(&key, before, 2, &none, &waiter), FLIGHT_WAITS);
    assert_false(none.on);
    flight_end(&flight, true);
    assert_int_equal(woken, 1);
    flight_end(&flight, true);
    flight_leave(&waiter);
    assert_int_equal(woken, 1);
}

static void reader_with_other_stamps_leads_a_fetch_that_later_ones_wait_for(void **state)
{
    (void)state;
    struct entry_key key = key_of("a");
    struct flight older = {0}, newer = {0}, none = {0};
    struct flight_waiter waiter = {.wake = on_wake};
    assert_int_equal(flight_join(&key, before, 2, &older, NULL), FLIGHT_LEADS);
    assert_int_equal(flight_join(&key, after, 2, &newer, &waiter), FLIGHT_LEADS);
    assert_int_equal(flight_join(&key, after, 2, &none, &waiter), FLIGHT_WAITS);
    flight_end(&older, true);
    assert_int_equal(woken, 0);
    flight_end(&newer, true);
    assert_int_equal(woken, 1);
}

static void reader_with_fewer_stamps_does_not_wait(void **state)
{
    (void)state;
    struct entry_key key = key_of("a");
    struct flight flight = {0}, other = {0};
    struct flight_waiter waiter = {.wake = on_wake};
    assert_int_equal(flight_join(&key, before, 2, &flight, NULL), FLIGHT_LEADS);
    assert_int_equal(flight_join(&key, before, 1, &other, &waiter), FLIGHT_LEADS);
    flight_end(&flight, true);
    flight_end(&other, true);
    assert_int_equal(woken, 0);
}

static void equal_hash_with_other_bytes_is_another_key(void **state)
{
    (void)state;
    struct entry_key one = key_of("a"), two = key_of("b");
    two.hash = one.hash;
    struct flight first = {0}, second = {0};
    struct flight_waiter waiter = {.wake = on_wake};
    assert_int_equal(flight_join(&one, before, 2, &first, NULL), FLIGHT_LEADS);
    assert_int_equal(flight_join(&two, before, 2, &second, &waiter), FLIGHT_LEADS);
    flight_end(&first, true);
    flight_end(&second, true);
    assert_int_equal(woken, 0);
}

static void reader_that_does_not_want_to_wait_asks_alone(void **state)
{
    (void)state;
    struct entry_key key = key_of("a");
    struct flight flight = {0}, none = {0};
    assert_int_equal(flight_join(&key, before, 2, &flight, NULL), FLIGHT_LEADS);
    assert_int_equal(flight_join(&key, before, 2, &none, NULL), FLIGHT_ALONE);
    assert_false(none.on);
    flight_end(&flight, true);
}

static void who_leaves_is_not_woken(void **state)
{
    (void)state;
    struct entry_key key = key_of("a");
    struct flight flight = {0}, none = {0};
    struct flight_waiter stays = {.wake = on_wake}, leaves = {.wake = on_wake};
    assert_int_equal(flight_join(&key, before, 2, &flight, NULL), FLIGHT_LEADS);
    assert_int_equal(flight_join(&key, before, 2, &none, &leaves), FLIGHT_WAITS);
    assert_int_equal(flight_join(&key, before, 2, &none, &stays), FLIGHT_WAITS);
    flight_leave(&leaves);
    flight_leave(&leaves);
    flight_end(&flight, true);
    assert_int_equal(woken, 1);
}

static void one_waiter_too_many_asks_alone(void **state)
{
    (void)state;
    static struct flight_waiter waiters[FLIGHT_WAITERS_MAX + 1];
    struct entry_key key = key_of("a");
    struct flight flight = {0}, none = {0};
    assert_int_equal(flight_join(&key, before, 2, &flight, NULL), FLIGHT_LEADS);
    for (unsigned i = 0; i <= FLIGHT_WAITERS_MAX; i++) {
        waiters[i] = (struct flight_waiter){.wake = on_wake};
        assert_int_equal(flight_join(&key, before, 2, &none, &waiters[i]),
                         i < FLIGHT_WAITERS_MAX ? FLIGHT_WAITS : FLIGHT_ALONE);
    }
    flight_end(&flight, true);
    assert_int_equal(woken, FLIGHT_WAITERS_MAX);
}

static void waiter_is_told_whether_another_fetch_may_do_better(void **state)
{
    (void)state;
    struct entry_key key = key_of("a");
    for (int again = 0; again <= 1; again++) {
        struct flight flight = {0}, none = {0};
        struct flight_waiter waiter = {.wake = on_wake, .again = !again};
        assert_int_equal(flight_join(&key, before, 2, &flight, NULL), FLIGHT_LEADS);
        assert_int_equal(flight_join(&key, before, 2, &none, &waiter), FLIGHT_WAITS);
        flight_end(&flight, again);
        assert_int_equal(waiter.again, again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(second_reader_of_a_key_waits_and_is_woken_once, reset),
        cmocka_unit_test_setup(reader_with_other_stamps_leads_a_fetch_that_later_ones_wait_for,
                               reset),
        cmocka_unit_test_setup(reader_with_fewer_stamps_does_not_wait, reset),
        cmocka_unit_test_setup(equal_hash_with_other_bytes_is_another_key, reset),
        cmocka_unit_test_setup(reader_that_does_not_want_to_wait_asks_alone, reset),
        cmocka_unit_test_setup(who_leaves_is_not_woken, reset),
        cmocka_unit_test_setup(waiter_is_told_whether_another_fetch_may_do_better, reset),
        cmocka_unit_test_setup(one_waiter_too_many_asks_alone, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
