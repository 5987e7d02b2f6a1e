#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/link.h"

struct item {
    int number;
    struct link link;
};

static int number_of(struct link *link)
{
    return CONTAINER_OF(link, struct item, link)->number;
}

static int digits_of(struct link *head)
{
    int digits = 0;
    LINK_EACH (head, at)
        digits = digits * 10 + number_of(at);
    return digits;
}

static void a_zeroed_link_is_on_no_list(void **state)
{
    (void)state;
    struct item item = {0};
    assert_false(link_is_on(&item.link));
    link_remove(&item.link);
    assert_false(link_is_on(&item.link));
}

static void keeps_the_order_it_was_told(void **state)
{
    (void)state;
    struct link head;
    struct item items[4] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    link_init(&head);
    assert_true(link_is_empty(&head));
    assert_null(link_first(&head));
    link_append(&head, &items[1].link);
    link_append(&head, &items[3].link);
    link_prepend(&head, &items[0].link);
    link_insert_before(&items[3].link, &items[2].link);
    assert_int_equal(digits_of(&head), 1234);
    assert_ptr_equal(link_first(&head), &items[0].link);
    assert_false(link_is_empty(&head));
}

static void removed_links_can_go_on_again(void **state)
{
    (void)state;
    struct link head;
    struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    link_init(&head);
    for (int i = 0; i < 3; i++)
        link_append(&head, &items[i].link);
    link_remove(&items[1].link);
    assert_false(link_is_on(&items[1].link));
    assert_int_equal(digits_of(&head), 13);
    link_append(&head, &items[1].link);
    assert_int_equal(digits_of(&head), 132);
}

static void the_safe_walk_bears_removal(void **state)
{
    (void)state;
    struct link head;
    struct item items[5] = {
        {.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}, {.number = 5}};
    int seen = 0;
    link_init(&head);
    for (int i = 0; i < 5; i++)
        link_append(&head, &items[i].link);
    LINK_EACH_SAFE (&head, at) {
        seen = seen * 10 + number_of(at);
        if (number_of(at) % 2)
            link_remove(at);
    }
    assert_int_equal(seen, 12345);
    assert_int_equal(digits_of(&head), 24);
    LINK_EACH_SAFE (&head, at)
        link_remove(at);
    assert_true(link_is_empty(&head));
    LINK_EACH_SAFE (&head, at)
        fail();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_zeroed_link_is_on_no_list),
        cmocka_unit_test(keeps_the_order_it_was_told),
        cmocka_unit_test(removed_links_can_go_on_again),
        cmocka_unit_test(the_safe_walk_bears_removal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
