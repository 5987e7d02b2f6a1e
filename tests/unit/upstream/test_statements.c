/* upstream/statements: the LRU of prepared statements of one backend. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "upstream/statements.h"

static void knows_what_was_added(void **state)
{
    (void)state;
    struct server_statements *statements = statements_create(3);
    assert_false(statements_touch(statements, 1));
    assert_int_equal(statements_add(statements, 1), 0);
    assert_true(statements_touch(statements, 1));
    assert_int_equal(statements_add(statements, 1), 0);
    assert_int_equal(statements_count(statements), 1);
    statements_remove(statements, 1);
    statements_remove(statements, 1);
    assert_false(statements_touch(statements, 1));
    statements_destroy(statements);
}

static void evicts_the_least_recently_used(void **state)
{
    (void)state;
    struct server_statements *statements = statements_create(3);
    for (uint64_t id = 1; id <= 3; id++)
        assert_int_equal(statements_add(statements, id), 0);
    assert_true(statements_touch(statements, 1));
    assert_int_equal(statements_add(statements, 4), 2);
    assert_int_equal(statements_add(statements, 3), 0); /* a use, too */
    assert_int_equal(statements_add(statements, 5), 1);
    assert_int_equal(statements_add(statements, 6), 4);
    assert_int_equal(statements_count(statements), 3);
    assert_true(statements_touch(statements, 3));
    assert_true(statements_touch(statements, 5));
    assert_true(statements_touch(statements, 6));
    statements_destroy(statements);
}

static void clear_forgets_all(void **state)
{
    (void)state;
    struct server_statements *statements = statements_create(100);
    for (uint64_t id = 1; id <= 100; id++)
        assert_int_equal(statements_add(statements, id), 0);
    statements_clear(statements);
    assert_int_equal(statements_count(statements), 0);
    assert_false(statements_touch(statements, 1));
    assert_int_equal(statements_add(statements, 1), 0);
    statements_destroy(statements);
    statements_destroy(NULL);
}

/* A limit of 0 (no sharing) still has room for the one that is being used. */
static void a_limit_of_zero_holds_one(void **state)
{
    (void)state;
    struct server_statements *statements = statements_create(0);
    assert_int_equal(statements_add(statements, 7), 0);
    assert_int_equal(statements_add(statements, 8), 7);
    statements_destroy(statements);
}

static void what_is_taken_can_be_put_back(void **state)
{
    (void)state;
    struct server_statements *statements = statements_create(2);
    statements_add(statements, 1);
    statements_add(statements, 2);
    struct prototype *prototype = prototype_get(slice_of("", 0), PROTOTYPE_NO_COLUMNS);
    statements_set_prototype(statements, 1, prototype);
    struct server_statements *taken = statements_take(statements);
    assert_int_equal(statements_count(statements), 0);
    assert_false(statements_touch(statements, 1));
    assert_int_equal(statements_add(statements, 3), 0);
    statements_put_back(statements, taken);
    statements_destroy(taken);
    assert_int_equal(statements_count(statements), 3);
    assert_ptr_equal(statements_prototype(statements, 1), prototype);
    prototype_unref(prototype);
    assert_int_equal(statements_add(statements, 4), 1); /* behind those of now, in their order */
    taken = statements_take(statements);
    statements_destroy(statements_take(statements));
    statements_put_back(statements, taken);
    statements_destroy(taken);
    assert_true(statements_touch(statements, 4));
    statements_destroy(statements);
}

static void names_are_made_of_ids(void **state)
{
    (void)state;
    char name[STATEMENT_NAME_MAX];
    assert_int_equal(statement_name(1, name), strlen("pgrecall_0123456789abcdef_1"));
    assert_memory_equal(name, "pgrecall_", strlen("pgrecall_"));
    assert_string_equal(name + strlen("pgrecall_0123456789abcdef"), "_1");
    assert_memory_not_equal(name, "pgrecall_0000000000000000", strlen("pgrecall_0000000000000000"));
    assert_int_equal(statement_name(UINT64_MAX, name), STATEMENT_NAME_MAX - 2);
    assert_string_equal(name + strlen("pgrecall_0123456789abcdef"), "_18446744073709551615");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_was_added),
        cmocka_unit_test(evicts_the_least_recently_used),
        cmocka_unit_test(clear_forgets_all),
        cmocka_unit_test(a_limit_of_zero_holds_one),
        cmocka_unit_test(what_is_taken_can_be_put_back),
        cmocka_unit_test(names_are_made_of_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
