/* The promises of session/transaction.h: when a block may be served, and when its answers are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "session/transaction.h"

static struct transaction begun(enum block_isolation isolation)
{
    struct transaction transaction = {0};
    transaction_defer(&transaction, slice_of_text("begin"), isolation);
    return transaction;
}

static void a_block_of_cacheable_reads_is_served(void **state)
{
    (void)state;
    struct transaction block = begun(BLOCK_ISOLATION_DEFAULT);
    assert_true(transaction_may_hit(&block, true));
    transaction_materialise(&block);
    assert_false(transaction_may_hit(&block, true)); /* Postgres has not seen a query of it */
    transaction_note(&block, true);
    transaction_settle(&block, 'T');
    assert_true(transaction_may_hit(&block, true));
    transaction_settle(&block, 'I');
    assert_int_equal(block.state, TRANSACTION_NONE);
    transaction_fini(&block);
}

static void anything_else_ends_that_until_the_block_ends(void **state)
{
    (void)state;
    struct transaction block = begun(BLOCK_ISOLATION_READ_COMMITTED);
    transaction_note(&block, false);
    transaction_materialise(&block);
    transaction_note(&block, true);
    transaction_settle(&block, 'T');
    assert_false(transaction_may_hit(&block, true));
    transaction_settle(&block, 'I');
    transaction_defer(&block, slice_of_text("begin"), BLOCK_ISOLATION_DEFAULT);
    assert_true(transaction_may_hit(&block, true));
    transaction_forget(&block);
    transaction_fini(&block);
}

static void a_failed_block_is_not_served_even_when_a_savepoint_saves_it(void **state)
{
    (void)state;
    struct transaction block = begun(BLOCK_ISOLATION_READ_COMMITTED);
    transaction_materialise(&block);
    transaction_settle(&block, 'E');
    assert_false(transaction_may_hit(&block, true));
    transaction_settle(&block, 'T');
    assert_false(transaction_may_hit(&block, true));
    transaction_fini(&block);
}

static void a_deferred_block_that_failed_is_not_served_and_ends_or_goes_to_postgres(void **state)
{
    (void)state;
    struct transaction block = begun(BLOCK_ISOLATION_READ_COMMITTED);
    transaction_fail(&block);
    assert_true(transaction_is_ours(&block));
    assert_false(transaction_may_hit(&block, true));
    transaction_forget(&block);
    assert_false(transaction_is_ours(&block));
    transaction_defer(&block, slice_of_text("begin"), BLOCK_ISOLATION_READ_COMMITTED);
    transaction_fail(&block);
    transaction_materialise(&block);
    assert_false(transaction_is_ours(&block));
    transaction_fail(&block); /* Postgres did not read it */
    assert_true(transaction_is_ours(&block));
    transaction_fail(&block);
    transaction_materialise(&block);
    transaction_settle(&block, 'E');
    transaction_settle(&block, 'T'); /* a savepoint, had there been one */
    assert_false(transaction_may_hit(&block, true));
    transaction_settle(&block, 'I');
    transaction_fini(&block);
}

static void one_snapshot_for_the_block_is_never_served(void **state)
{
    (void)state;
    struct transaction block = begun(BLOCK_ISOLATION_SNAPSHOT);
    assert_false(transaction_may_hit(&block, true));
    transaction_fini(&block);
    block = begun(BLOCK_ISOLATION_DEFAULT);
    assert_false(transaction_may_hit(&block, false));
    transaction_fini(&block);
}

static void a_block_that_postgres_began_without_us_is_not_served(void **state)
{
    (void)state;
    struct transaction block = {0};
    transaction_settle(&block, 'T');
    assert_int_equal(block.state, TRANSACTION_OPEN);
    assert_false(transaction_may_hit(&block, true));
    transaction_fini(&block);
}

static void the_first_answer_is_kept_and_later_ones_where_begin_said_so(void **state)
{
    (void)state;
    struct transaction block = begun(BLOCK_ISOLATION_DEFAULT);
    assert_true(transaction_may_fill(&block));
    transaction_materialise(&block);
    assert_false(transaction_may_fill(&block));
    transaction_fini(&block);
    block = begun(BLOCK_ISOLATION_READ_COMMITTED);
    transaction_materialise(&block);
    assert_true(transaction_may_fill(&block));
    transaction_settle(&block, 'I');
    assert_false(transaction_may_fill(&block)); /* what one BEGIN said is not for the next */
    transaction_fini(&block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_of_cacheable_reads_is_served),
        cmocka_unit_test(anything_else_ends_that_until_the_block_ends),
        cmocka_unit_test(a_failed_block_is_not_served_even_when_a_savepoint_saves_it),
        cmocka_unit_test(a_deferred_block_that_failed_is_not_served_and_ends_or_goes_to_postgres),
        cmocka_unit_test(one_snapshot_for_the_block_is_never_served),
        cmocka_unit_test(a_block_that_postgres_began_without_us_is_not_served),
        cmocka_unit_test(the_first_answer_is_kept_and_later_ones_where_begin_said_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
