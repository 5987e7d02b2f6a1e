/* The promises of session/owed.h: order is kept, whatever the ring does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "session/owed.h"

static struct owed_entry *head_of(const struct owed *owed)
{
    struct owed_entry *head = owed_head(owed);
    ASSERT(head != NULL);
    return head;
}

static struct owed_entry *pushed(struct owed *owed, uint8_t request)
{
    struct owed_entry *entry = owed_push(owed, request, OWED_FORWARD);
    ASSERT(entry != NULL);
    return entry;
}

static void answers_come_in_the_order_of_requests(void **state)
{
    (void)state;
    struct owed owed = {0};
    assert_null(owed_head(&owed));
    /* Push three, pop two, many times over: the ring wraps and grows. */
    uint32_t asked = 0, popped = 0;
    for (unsigned round = 0; round < 1000; round++) {
        for (unsigned i = 0; i < 3; i++) {
            pushed(&owed, 'P')->version = asked++;
        }
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(head_of(&owed)->version, popped++);
            owed_pop(&owed);
        }
    }
    assert_int_equal(owed.count, asked - popped);
    while (owed.count) {
        assert_int_equal(head_of(&owed)->version, popped++);
        owed_pop(&owed);
    }
    owed_shrink(&owed);
    assert_null(owed.entries);
}

static void more_than_the_limit_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    struct owed owed = {0};
    for (unsigned i = 0; i < OWED_MAX; i++)
        assert_non_null(owed_push(&owed, 'S', OWED_FORWARD));
    assert_null(owed_push(&owed, 'S', OWED_FORWARD));
    assert_int_equal(owed.count, OWED_MAX);
    owed_fini(&owed);
    assert_int_equal(owed.count, 0);
}

static void a_copy_drops_every_sync(void **state)
{
    (void)state;
    struct owed owed = {0};
    const char requests[] = "EPSBSES";
    for (unsigned i = 0; requests[i]; i++)
        pushed(&owed, (uint8_t)requests[i])->name = mem_text("x");
    owed_drop_syncs(&owed);
    const char left[] = "EPBE";
    assert_int_equal(owed.count, 4);
    for (unsigned i = 0; left[i]; i++) {
        assert_int_equal(head_of(&owed)->request, left[i]);
        owed_pop(&owed);
    }
    owed_fini(&owed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_in_the_order_of_requests),
        cmocka_unit_test(more_than_the_limit_is_refused_and_changes_nothing),
        cmocka_unit_test(a_copy_drops_every_sync),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
