/* The promises of session/prepared.h: what is shared, what is not, and that nothing is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/mem.h"
#include "session/host.h"
#include "session/prepared.h"
#include "sql/scan.h"

static uint8_t *scratch;

static int make_scratch(void **state)
{
    (void)state;
    scratch = mem_alloc(SCAN_TEXT_MAX + 16);
    return 0;
}

static int free_scratch(void **state)
{
    (void)state;
    mem_free(scratch);
    return 0;
}

static const uint8_t int4[4] = {0, 0, 0, 23};

static void same_text_and_types_are_one_statement(void **state)
{
    (void)state;
    struct slice text = slice_of_text("select  $1 /* x */");
    struct statement *a = statement_get(text, slice_of(int4, 4), 1, 0, scratch);
    struct statement *b = statement_get(text, slice_of(int4, 4), 1, 0, scratch);
    struct statement *other_types = statement_get(text, slice_of("", 0), 1, 0, scratch);
    struct statement *other_text =
        statement_get(slice_of_text("select $2"), slice_of(int4, 4), 1, 0, scratch);
    struct statement *after_ddl = statement_get(text, slice_of(int4, 4), 2, 0, scratch);
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, other_types);
    assert_ptr_not_equal(a, other_text);
    assert_ptr_not_equal(a, after_ddl);
    assert_int_equal(statement_registry_count(), 4);
    statement_unref(after_ddl);
    assert_true(slice_is(a->canonical, "select $1"));
    statement_unref(a);
    statement_unref(b);
    statement_unref(other_types);
    statement_unref(other_text);
    assert_int_equal(statement_registry_count(), 0);
}

/* naive: types and text run together, so that a text could imitate another's types. */
static void types_and_text_cannot_be_confused(void **state)
{
    (void)state;
    struct statement *a = statement_get(slice_of("abcd", 4), slice_of("", 0), 1, 0, scratch);
    struct statement *b = statement_get(slice_of("", 0), slice_of("abcd", 4), 1, 0, scratch);
    assert_ptr_not_equal(a, b);
    statement_unref(a);
    statement_unref(b);
}

static void private_statement_is_nobody_elses(void **state)
{
    (void)state;
    struct slice text = slice_of_text("select 1");
    struct statement *shared = statement_get(text, slice_of("", 0), 1, 0, scratch);
    struct statement *own = statement_private(text, slice_of("", 0), 1, scratch);
    assert_ptr_not_equal(shared, own);
    assert_int_not_equal(shared->id, own->id);
    statement_unref(own);
    struct statement *again = statement_get(text, slice_of("", 0), 1, 0, scratch);
    assert_ptr_equal(again, shared);
    statement_unref(again);
    statement_unref(shared);
    statement_unref(NULL);
    assert_int_equal(statement_registry_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_text_and_types_are_one_statement),
        cmocka_unit_test(types_and_text_cannot_be_confused),
        cmocka_unit_test(private_statement_is_nobody_elses),
    };
    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
