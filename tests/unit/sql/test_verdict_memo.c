#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sql/verdict.h"

static struct hash128 key_of(uint64_t number)
{
    return hash128_of(&number, sizeof(number));
}

static void returns_what_was_put(void **state)
{
    struct verdict_memo *memo = verdict_memo_create(64);
    struct verdict verdict = {.catalog_version = 3, .reason = REASON_WRITES, .write_count = 1};

    (void)state;
    assert_null(verdict_memo_get(memo, key_of(1), 3));
    const struct verdict *put = verdict_memo_put(memo, key_of(1), &verdict);
    assert_memory_equal(put, &verdict, sizeof(verdict));
    assert_ptr_equal(verdict_memo_get(memo, key_of(1), 3), put);
    assert_null(verdict_memo_get(memo, key_of(2), 3));
    verdict_memo_destroy(memo);
}

static void forgets_other_catalog_versions(void **state)
{
    struct verdict_memo *memo = verdict_memo_create(64);
    struct verdict verdict = {.catalog_version = 3};

    (void)state;
    (void)verdict_memo_put(memo, key_of(1), &verdict);
    assert_null(verdict_memo_get(memo, key_of(1), 4));
    verdict.catalog_version = 4;
    (void)verdict_memo_put(memo, key_of(1), &verdict);
    assert_non_null(verdict_memo_get(memo, key_of(1), 4));
    assert_null(verdict_memo_get(memo, key_of(1), 3));
    verdict_memo_destroy(memo);
}

static void keeps_what_is_used_and_stays_bounded(void **state)
{
    struct verdict_memo *memo = verdict_memo_create(64);
    struct verdict verdict = {.catalog_version = 1};

    (void)state;
    (void)verdict_memo_put(memo, key_of(0), &verdict);
    for (uint64_t i = 1; i < 10000; i++) {
        (void)verdict_memo_put(memo, key_of(i), &verdict);
        assert_non_null(verdict_memo_get(memo, key_of(0), 1));
        assert_non_null(verdict_memo_get(memo, key_of(i), 1));
    }
    unsigned there = 0;
    for (uint64_t i = 0; i < 10000; i++)
        there += verdict_memo_get(memo, key_of(i), 1) != NULL;
    assert_in_range(there, 32, 64);
    verdict_memo_destroy(memo);
}

static void takes_null(void **state)
{
    (void)state;
    verdict_memo_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(returns_what_was_put),
        cmocka_unit_test(forgets_other_catalog_versions),
        cmocka_unit_test(keeps_what_is_used_and_stays_bounded),
        cmocka_unit_test(takes_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
