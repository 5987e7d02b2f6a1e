/* Verdicts on a real catalog: what search_path makes of names, and which columns may be keys.
 * The ids in comments are those of the hazards the cases come from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "classify_fixture.h"

/* What a session's search_path makes of names. */
static const struct {
    const char *path; /* NULL: not known */
    const char *user;
    const char *sql;
    enum reason reason;
    const char *reads; /* if it is cached */
} scoped[] = {
    {NULL, "alice", "SELECT a FROM x", REASON_NONE, "s1.x s2.x"},
    {"s1, public", "alice", "SELECT a FROM x", REASON_NONE, "s1.x"}, /* S06 */
    {"s2, public", "alice", "SELECT a FROM x", REASON_NONE, "s2.x"},
    {"s2,s1", "alice", "SELECT a FROM x", REASON_NONE, "s1.x s2.x"}, /* W25: USAGE may be revoked */
    {"\"$user\", public", "s1", "SELECT a FROM x", REASON_NONE, "s1.x"}, /* S07 */
    {"$user, public", "s2", "SELECT a FROM x", REASON_NONE, "s2.x"},
    {"\"$user\", public", "nobody", "SELECT a FROM x", REASON_UNKNOWN_RELATION, NULL},
    {"public", "s1", "SELECT a FROM x", REASON_UNKNOWN_RELATION, NULL},
    {"S1", "alice", "SELECT a FROM x", REASON_NONE, "s1.x"},
    {"\"S1\"", "alice", "SELECT a FROM x", REASON_UNKNOWN_RELATION, NULL},
    {"\"\"", "alice", "SELECT a FROM x", REASON_UNKNOWN_RELATION, NULL},
    {"", "alice", "SELECT a FROM x", REASON_UNKNOWN_RELATION, NULL},
    {"public", "alice", "SELECT a FROM s2.x", REASON_NONE, "s2.x"},
    /* not read with certainty: every schema */
    {"s1,", "alice", "SELECT a FROM x", REASON_NONE, "s1.x s2.x"},
    {"\"s1", "alice", "SELECT a FROM x", REASON_NONE, "s1.x s2.x"},
    {"s1 s2", "alice", "SELECT a FROM x", REASON_NONE, "s1.x s2.x"},
    {"s\xc3\xa9", "alice", "SELECT a FROM x", REASON_NONE, "s1.x s2.x"},
    {"s1", "\xc3\xa9", "SELECT a FROM x", REASON_NONE, "s1.x s2.x"},
    /* odd names */
    {"\"odd,\"\"one\"\"\" , s1", "alice", "SELECT a FROM hidden", REASON_NONE,
     "\"odd,\"\"one\"\"\".hidden"},
    {"odd", "alice", "SELECT a FROM hidden", REASON_UNKNOWN_RELATION, NULL},
    /* functions, operators, types, columns */
    {"s1", "alice", "SELECT lower(s) FROM x", REASON_NONE, "s1.x"}, /* Q35: public.lower */
    {"public, s1", "alice", "SELECT lower(s) FROM x", REASON_FUNCTION, NULL},
    {"s1", "alice", "SELECT public.lower(a) FROM x", REASON_FUNCTION, NULL},
    {"s1", "alice", "SELECT a === 1 FROM x", REASON_OPERATOR, NULL},
    {"s1", "alice", "SELECT a OPERATOR(pg_catalog.+) 1 FROM x", REASON_NONE, "s1.x"},
    {"s1", "alice", "SELECT a FROM public.secret", REASON_NONE, "public.secret"},
    {"public", "alice", "SELECT a FROM secret", REASON_NONE, "public.secret"},
    {"s1", "alice", "SELECT 'ok'::mood", REASON_TYPE, NULL},
    {"s1", "alice", "SELECT 'ok'::public.mood", REASON_NONE, ""},
    {"public", "alice", "SELECT 'ok'::mood", REASON_NONE, ""},
    {"s1", "alice", "SELECT * FROM columns", REASON_UNKNOWN_RELATION, NULL},
    {"public", "alice", "SELECT * FROM columns", REASON_NONE, "public.columns"},
    {"public, information_schema", "alice", "SELECT * FROM columns", REASON_SYSTEM_RELATION, NULL},
    {"public", "alice", "SELECT relname FROM pg_class", REASON_SYSTEM_RELATION, NULL},
    {"public", "alice", "SELECT * FROM temporary", REASON_TEMPORARY, NULL}, /* Q11 */
    /* several statements: the first may move the path */
    {"s1", "alice", "SET search_path = s2; UPDATE x SET a = 1", REASON_SEVERAL_STATEMENTS, NULL},
};

static void looks_where_the_session_looks(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(scoped); i++) {
        const struct proof_scope where = {
            .search_path = scoped[i].path ? slice_of_text(scoped[i].path) : (struct slice){0},
            .current_user = slice_of_text(scoped[i].user)};
        struct verdict verdict;

        scope = &where;
        prove(scoped[i].sql, catalog, &verdict);
        scope = NULL;
        if (verdict.reason != scoped[i].reason)
            fail_msg("%s: %s\n  %s (%s)", scoped[i].path, scoped[i].sql,
                     reason_text(verdict.reason), verdict.object);
        if (scoped[i].reads)
            tables_check(scoped[i].sql, verdict.reads, verdict.read_count, scoped[i].reads);
    }
}

static void a_write_in_several_statements_reaches_every_schema(void **state)
{
    const struct proof_scope where = {slice_of_text("s1"), slice_of_text("alice")};
    struct verdict verdict;

    (void)state;
    scope = &where;
    prove("UPDATE x SET a = 1", catalog, &verdict);
    tables_check("one", verdict.writes, verdict.write_count, "s1.x");
    prove("SET search_path = s2; UPDATE x SET a = 1", catalog, &verdict);
    tables_check("several", verdict.writes, verdict.write_count, "s1.x s2.x");
    scope = NULL;
}

static void what_may_land_in_the_temporary_schema_pins(void **state)
{
    static const struct {
        const char *path;
        const char *sql;
        bool pins;
    } cases[] = {
        {"s1", "CREATE TABLE t (a int)", false},
        {"s1", "CREATE TYPE e AS ENUM ('q')", false},
        {"s1", "SELECT a FROM x -- pg_temp", false},
        {"pg_temp, s1", "SELECT a FROM s1.x", false},
        {"pg_temp, s1", "CREATE TABLE t (a int)", true},
        {"s1, \"pg_temp\"", "CREATE VIEW t AS SELECT 1", true},
        {"PG_TEMP_3", "SELECT 1 INTO t", true},
        {NULL, "CREATE SEQUENCE t", true},
        {"s1", "CREATE TYPE pg_temp.e AS ENUM ('q')", true},
        {"s1", "CREATE FUNCTION PG_Temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", true},
        {"s1", "CREATE DOMAIN U&\"pg\\005ftemp\".d AS int", true},
        {"s1", "SELECT 1; CREATE DOMAIN \"pg_temp\".d AS int", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        const struct proof_scope where = {
            .search_path = cases[i].path ? slice_of_text(cases[i].path) : (struct slice){0},
            .current_user = slice_of_text("alice")};
        struct verdict verdict;

        scope = &where;
        prove(cases[i].sql, catalog, &verdict);
        scope = NULL;
        if (((verdict.effects & EFFECT_PIN) && verdict.pin == PIN_TEMPORARY) != cases[i].pins)
            fail_msg("%s: %s\n  %s", cases[i].path, cases[i].sql, pin_text(verdict.pin));
    }
}

static void scopes_have_keys_of_their_own(void **state)
{
    const struct proof_scope scopes[] = {
        {slice_of_text("a"), slice_of_text("b")},
        {slice_of_text("b"), slice_of_text("a")},
        {slice_of_text("a"), slice_of_text("a")},
        {slice_of_text(""), slice_of_text("a")},
        {{0}, {0}},
    };
    const struct hash128 key = {1, 2};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(scopes); i++) {
        for (size_t j = 0; j < i; j++)
            assert_false(
                hash128_equal(proof_scope_mix(&scopes[i], key), proof_scope_mix(&scopes[j], key)));
    }
    assert_true(hash128_equal(proof_scope_mix(NULL, key), key));
}

static void keys_are_columns_that_lead_an_index_and_are_compared_by_bytes(void **state)
{
    struct catalog_key keys[CATALOG_KEYS_MAX];

    (void)state;
    assert_int_equal(catalog_keys(catalog, scratch_oid(&scratch, "keyed"), keys), 5);
    assert_string_equal(keys[0].name, "id");
    assert_true(keys[0].unique);
    assert_true(keys[0].filled);
    assert_int_equal(keys[0].type, 20);
    assert_int_equal(keys[0].number, 1);
    assert_string_equal(keys[1].name, "u");
    assert_true(keys[1].unique);
    assert_string_equal(keys[2].name, "b"); /* unique only where e > 1 */
    assert_false(keys[2].unique);
    assert_string_equal(keys[3].name, "i");
    assert_false(keys[3].filled);
    assert_string_equal(keys[4].name, "v");
    assert_int_equal(keys[4].typmod, 14);
    assert_false(keys[4].unique);
    assert_true(catalog_writes_by_key(catalog, scratch_oid(&scratch, "keyed")));
    assert_int_equal(catalog_keys(catalog, scratch_oid(&scratch, "keyed_view"), keys), 0);
    assert_false(catalog_writes_by_key(catalog, scratch_oid(&scratch, "keyed_view")));
    assert_int_equal(catalog_keys(catalog, 1, keys), 0);
    assert_false(catalog_writes_by_key(catalog, 1));
}

static void the_keys_of_a_partition_are_those_of_its_table(void **state)
{
    static const char *const members[] = {"keyed_parts", "keyed_part"};
    struct catalog_key keys[CATALOG_KEYS_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(members); i++) {
        uint32_t oid = scratch_oid(&scratch, members[i]);

        assert_int_equal(catalog_keys(catalog, oid, keys), 1);
        assert_string_equal(keys[0].name, "k");
        assert_false(keys[0].unique);
        assert_int_equal(keys[0].number, 2);
        assert_true(catalog_writes_by_key(catalog, oid));
    }
    assert_int_equal(catalog_keys(catalog, scratch_oid(&scratch, "keyed_child"), keys), 0);
    assert_int_equal(catalog_keys(catalog, scratch_oid(&scratch, "keyed_parent"), keys), 0);
}

/* K09, K20 */
static void writes_to_tables_that_change_other_rows_too_are_not_told_by_key(void **state)
{
    static const char *const tables[] = {"keyed_parent", "keyed_child", "keyed_self",
                                         "keyed_before", "keyed_ruled", "keyed_a",
                                         "keyed_b",      "v_upd"};

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(tables); i++)
        assert_false(catalog_writes_by_key(catalog, scratch_oid(&scratch, tables[i])));
    assert_true(catalog_writes_by_key(catalog, scratch_oid(&scratch, "customers")));
    assert_true(catalog_writes_by_key(catalog, scratch_oid(&scratch, "kin"))); /* AFTER: log */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_where_the_session_looks),
        cmocka_unit_test(a_write_in_several_statements_reaches_every_schema),
        cmocka_unit_test(what_may_land_in_the_temporary_schema_pins),
        cmocka_unit_test(scopes_have_keys_of_their_own),
        cmocka_unit_test(keys_are_columns_that_lead_an_index_and_are_compared_by_bytes),
        cmocka_unit_test(the_keys_of_a_partition_are_those_of_its_table),
        cmocka_unit_test(writes_to_tables_that_change_other_rows_too_are_not_told_by_key),
    };

    return cmocka_run_group_tests(tests, classify_setup, classify_teardown);
}
