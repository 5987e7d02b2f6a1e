/* upstream/prototype: what Parse made of a statement, one object for equal ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "upstream/prototype.h"
#include "upstream/statements.h"

static const uint8_t int4_text[] = {0, 0, 0, 23, 0, 0, 0, 25};

static struct slice types(size_t count)
{
    return slice_of(int4_text, 4 * count);
}

static void equal_ones_are_one_object(void **state)
{
    (void)state;
    struct prototype *first = prototype_get(types(2), 7);
    struct prototype *second = prototype_get(types(2), 7);
    assert_ptr_equal(first, second);
    assert_true(slice_equal(first->types, types(2)));
    assert_int_equal(first->columns, 7);
    assert_int_equal(prototype_registry_count(), 1);
    prototype_unref(second);
    assert_int_equal(prototype_registry_count(), 1);
    prototype_unref(first);
    assert_int_equal(prototype_registry_count(), 0);
    prototype_unref(NULL);
    assert_null(prototype_ref(NULL));
}

static void others_are_apart(void **state)
{
    (void)state;
    struct prototype *made[] = {
        prototype_get(types(2), 7),
        prototype_get(types(1), 7),
        prototype_get(types(0), 7),
        prototype_get(types(2), 9),
        prototype_get(types(0), PROTOTYPE_NO_COLUMNS),
    };
    for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(made[i], made[j]);
    for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
        prototype_unref(made[i]);
    assert_int_equal(prototype_registry_count(), 0);
}

static void a_backend_keeps_it_as_long_as_the_statement(void **state)
{
    (void)state;
    struct prototype *one = prototype_get(types(1), 7), *other = prototype_get(types(2), 7);
    struct server_statements *statements = statements_create(2);
    statements_set_prototype(statements, 1, one); /* it does not have it */
    assert_null(statements_prototype(statements, 1));
    for (uint64_t id = 1; id <= 2; id++) {
        assert_int_equal(statements_add(statements, id), 0);
        assert_null(statements_prototype(statements, id));
        statements_set_prototype(statements, id, one);
        assert_ptr_equal(statements_prototype(statements, id), one);
    }
    statements_set_prototype(statements, 1, other);
    statements_set_prototype(statements, 1, other);
    assert_ptr_equal(statements_prototype(statements, 1), other);
    prototype_unref(other);
    prototype_unref(one);
    assert_int_equal(prototype_registry_count(), 2);
    assert_int_equal(statements_add(statements, 3), 1); /* the first one falls off the end */
    assert_int_equal(prototype_registry_count(), 1);
    statements_remove(statements, 2);
    assert_int_equal(prototype_registry_count(), 0);
    statements_restore(statements, 2);
    assert_null(statements_prototype(statements, 2));
    struct prototype *again = prototype_get(types(1), 7);
    statements_set_prototype(statements, 2, again);
    prototype_unref(again);
    statements_destroy(statements);
    assert_int_equal(prototype_registry_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_ones_are_one_object),
        cmocka_unit_test(others_are_apart),
        cmocka_unit_test(a_backend_keeps_it_as_long_as_the_statement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
