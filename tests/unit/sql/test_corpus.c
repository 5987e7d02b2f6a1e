/* What a cache is worth: statements as applications send them, on a real catalog. Every deterministic
 * one is cached, no other is; and a real Postgres accepts all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "prove.h"
#include "scratch.h"
#include "sql/catalog.h"
#include "sql/verdict.h"

enum { FILE_MAX = 64 * 1024 };

static struct scratch scratch;
static struct catalog *catalog;

typedef void (*on_statement)(const char *sql);

/* Calls `each` for every statement of a file: they end with a ';' at the end of a line. */
static unsigned statements_each(const char *name, on_statement each)
{
    char path[512];
    char *text = mem_zero(1, FILE_MAX);
    unsigned count = 0;

    (void)snprintf(path, sizeof(path), "%s/%s", SHAPES_DIR, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(text, 1, FILE_MAX - 1, file);
    assert_true(len > 0 && len < FILE_MAX - 1);
    (void)fclose(file);
    for (char *at = text, *end; (end = strstr(at, ";\n")) != NULL; at = end + 2) {
        *end = '\0';
        each(at);
        count++;
    }
    mem_free(text);
    return count;
}

static void run(const char *sql)
{
    scratch_run(&scratch, sql);
}

static int setup(void **state)
{
    (void)state;
    if (scratch_start(&scratch) != 0)
        return -1;
    (void)statements_each("schema.sql", run);
    catalog = scratch_catalog(&scratch, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    catalog_unref(catalog);
    scratch_stop(&scratch);
    return 0;
}

static void prove(const char *sql, struct verdict *out)
{
    const struct proof_scope scope = {.search_path = slice_of_text("\"$user\", public"),
                                      .current_user = slice_of_text("app")};

    prove_text(sql, catalog, &scope, out);
}

static unsigned refused;

static void known_to_postgres(const char *sql)
{
    PGresult *result = PQprepare(scratch.connection, "", sql, 0, NULL);

    if (PQresultStatus(result) != PGRES_COMMAND_OK) {
        print_error("%s\n  %s", sql, PQerrorMessage(scratch.connection));
        refused++;
    }
    PQclear(result);
}

static void must_be_cached(const char *sql)
{
    struct verdict verdict;

    known_to_postgres(sql);
    prove(sql, &verdict);
    if (verdict.reason == REASON_NONE && verdict.effects == 0)
        return;
    print_error("%s\n  is not cached: %s (%s)\n", sql, reason_text(verdict.reason), verdict.object);
    refused++;
}

static void must_not_be_cached(const char *sql)
{
    struct verdict verdict;

    known_to_postgres(sql);
    prove(sql, &verdict);
    if (verdict.reason != REASON_NONE)
        return;
    print_error("%s\n  is cached\n", sql);
    refused++;
}

static void must_be_quiet(const char *sql)
{
    struct verdict verdict;

    known_to_postgres(sql);
    prove(sql, &verdict);
    /* Those are for the order of sequences and for who else runs, not for the cache. */
    if (verdict.reason != REASON_NONE && verdict.write_count == 0 &&
        !(verdict.effects & ~(unsigned)(EFFECTS_SEQUENCES | EFFECT_VACUUM)))
        return;
    print_error("%s\n  is cached, or has effects %x on %u tables\n", sql, verdict.effects,
                verdict.write_count);
    refused++;
}

static void all_queries_of_tpch_are_cached(void **state)
{
    (void)state;
    refused = 0;
    assert_int_equal(statements_each("tpch.sql", must_be_cached), 23); /* Q15 twice */
    assert_int_equal(refused, 0);
}

static void what_applications_send_is_cached(void **state)
{
    (void)state;
    refused = 0;
    assert_true(statements_each("cached.sql", must_be_cached) > 100);
    assert_true(statements_each("applications.sql", must_be_cached) > 70);
    assert_true(statements_each("extensions.sql", must_be_cached) > 10);
    assert_true(statements_each("features.sql", must_be_cached) > 40);
    assert_int_equal(refused, 0);
}

static void what_depends_on_more_is_not(void **state)
{
    (void)state;
    refused = 0;
    assert_true(statements_each("never.sql", must_not_be_cached) > 50);
    assert_int_equal(refused, 0);
}

static void what_is_asked_beside_queries_changes_nothing(void **state)
{
    (void)state;
    refused = 0;
    assert_true(statements_each("quiet.sql", must_be_quiet) > 20);
    assert_int_equal(refused, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_queries_of_tpch_are_cached),
        cmocka_unit_test(what_applications_send_is_cached),
        cmocka_unit_test(what_depends_on_more_is_not),
        cmocka_unit_test(what_is_asked_beside_queries_changes_nothing),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
