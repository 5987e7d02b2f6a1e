#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/table.h"

enum { KEYS = 500, TURNS = 60000 };

static int values[KEYS];

static void an_empty_table_has_nothing(void **state)
{
    (void)state;
    struct table table;
    size_t at = 0;
    table_init(&table);
    assert_null(table_get(&table, slice_of_text("a")));
    assert_null(table_remove(&table, slice_of_text("a")));
    assert_null(table_next(&table, &at));
    table_fini(&table);
    table_fini(&table);
}

static void put_returns_what_stood_there(void **state)
{
    (void)state;
    struct table table;
    table_init(&table);
    assert_null(table_put(&table, slice_of_text("a"), &values[0]));
    assert_ptr_equal(table_put(&table, slice_of_text("a"), &values[1]), &values[0]);
    assert_int_equal(table.count, 1);
    assert_ptr_equal(table_get(&table, slice_of_text("a")), &values[1]);
    assert_ptr_equal(table_remove(&table, slice_of_text("a")), &values[1]);
    assert_null(table_get(&table, slice_of_text("a")));
    assert_int_equal(table.count, 0);
    table_fini(&table);
}

static void keys_are_bytes_and_are_copied(void **state)
{
    (void)state;
    struct table table;
    table_init(&table);
    char key[] = {'a', 0, 'b'};
    assert_null(table_put(&table, slice_of(key, 3), &values[0]));
    assert_null(table_put(&table, slice_of(key, 1), &values[1]));
    assert_null(table_put(&table, slice_of(NULL, 0), &values[2]));
    key[0] = 'x';
    assert_ptr_equal(table_get(&table, slice_of("a\0b", 3)), &values[0]);
    assert_ptr_equal(table_get(&table, slice_of_text("a")), &values[1]);
    assert_ptr_equal(table_get(&table, slice_of_text("")), &values[2]);
    assert_ptr_equal(table_get(&table, slice_of_text(NULL)), &values[2]);
    assert_null(table_get(&table, slice_of(key, 3)));
    table_fini(&table);
}

static struct slice key_of(unsigned number, char text[16])
{
    int len = snprintf(text, 16, "key %u", number);
    return slice_of(text, (size_t)len);
}

static size_t count_by_walking(const struct table *table)
{
    size_t at = 0, count = 0;
    while (table_next(table, &at))
        count++;
    return count;
}

/* The same moves on a plain array: both must always say the same. */
static void agrees_with_a_plain_array(void **state)
{
    (void)state;
    struct table table;
    int *model[KEYS] = {NULL};
    char text[16];
    size_t count = 0;
    uint32_t chance = 1;
    table_init(&table);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        chance = chance * 1664525u + 1013904223u;
        unsigned at = (chance >> 8) % KEYS;
        struct slice key = key_of(at, text);
        assert_ptr_equal(table_get(&table, key), model[at]);
        if (chance >> 31) {
            int *value = &values[turn % KEYS];
            assert_ptr_equal(table_put(&table, key, value), model[at]);
            count += model[at] == NULL;
            model[at] = value;
        } else {
            assert_ptr_equal(table_remove(&table, key), model[at]);
            count -= model[at] != NULL;
            model[at] = NULL;
        }
        assert_int_equal(table.count, count);
    }
    for (unsigned i = 0; i < KEYS; i++)
        assert_ptr_equal(table_get(&table, key_of(i, text)), model[i]);
    assert_int_equal(count_by_walking(&table), count);
    table_fini(&table);
}

/* Emptying leaves no mark that later look-ups would have to walk over. */
static void removing_all_leaves_every_slot_free(void **state)
{
    (void)state;
    struct table table;
    char text[16];
    table_init(&table);
    for (unsigned i = 0; i < KEYS; i++)
        assert_null(table_put(&table, key_of(i, text), &values[i]));
    for (unsigned i = KEYS; i-- > 0;)
        assert_ptr_equal(table_remove(&table, key_of(i, text)), &values[i]);
    for (size_t i = 0; i < table.cap; i++)
        assert_null(table.slots[i].key);
    table_fini(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_table_has_nothing),
        cmocka_unit_test(put_returns_what_stood_there),
        cmocka_unit_test(keys_are_bytes_and_are_copied),
        cmocka_unit_test(agrees_with_a_plain_array),
        cmocka_unit_test(removing_all_leaves_every_slot_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
