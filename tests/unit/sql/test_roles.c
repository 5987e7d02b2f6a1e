/* Roles in the snapshot: whose privileges a role has, whom row security concerns, and what that lets be
 * cached. A real Postgres judges beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/mem.h"
#include "catalog_read.h"
#include "scratch.h"
#include "sql/catalog.h"
#include "sql/scan.h"
#include "sql/verdict.h"

enum { ROLES = 9, ROUNDS = 12, SQL_MAX = 512 };

static struct scratch scratch;
static uint64_t chance = 20260101;

static unsigned draw(unsigned below)
{
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(chance >> 33) % below;
}

static void run(const char *format, ...) PRINTF_LIKE(1, 2);

static void run(const char *format, ...)
{
    char sql[SQL_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sql, sizeof(sql), format, arguments);
    va_end(arguments);
    scratch_run(&scratch, sql);
}

static bool is_true(const char *format, ...) PRINTF_LIKE(1, 2);

static bool is_true(const char *format, ...)
{
    char sql[SQL_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sql, sizeof(sql), format, arguments);
    va_end(arguments);
    char *value = scratch_value(&scratch, sql);
    bool yes = strcmp(value, "t") == 0;
    mem_free(value);
    return yes;
}

static int setup(void **state)
{
    (void)state;
    if (scratch_start(&scratch) != 0)
        return -1;
    for (unsigned i = 0; i < ROLES; i++)
        run("CREATE ROLE r%u", i);
    run("CREATE TABLE held (a int, who name)");
    run("CREATE TABLE acl (a int); CREATE TABLE other (a int, t timestamptz)");
    run("ALTER TABLE held ENABLE ROW LEVEL SECURITY; GRANT SELECT ON held, acl, other TO public");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_stop(&scratch);
    return 0;
}

static const struct catalog_role *role_at(const struct catalog *catalog, unsigned i)
{
    char name[16];
    (void)snprintf(name, sizeof(name), "r%u", i);
    const struct catalog_role *role = catalog_find_role(catalog, name);
    assert_non_null(role);
    return role;
}

static void shuffle_roles(void)
{
    static const char *const words[] = {"SUPERUSER", "NOSUPERUSER", "BYPASSRLS",   "NOBYPASSRLS",
                                        "INHERIT",   "NOINHERIT",   "NOSUPERUSER", "NOINHERIT"};
    for (unsigned i = 0; i < 3; i++)
        run("ALTER ROLE r%u %s", draw(ROLES), words[draw(ARRAY_COUNT(words))]);
    for (unsigned i = 0; i < 6; i++) {
        unsigned of = draw(ROLES - 1);
        unsigned member = of + 1 + draw(ROLES - 1 - of); /* no circles */
        run(draw(3) ? "GRANT r%u TO r%u" : "REVOKE r%u FROM r%u", of, member);
    }
    run("ALTER TABLE held OWNER TO r%u", draw(ROLES));
    run("ALTER TABLE held %sFORCE ROW LEVEL SECURITY", draw(2) ? "" : "NO ");
}

static void says_of_every_pair_and_table_what_postgres_says(void **state)
{
    (void)state;
    unsigned members = 0, strangers = 0, exempt = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        shuffle_roles();
        struct catalog *catalog = scratch_catalog(&scratch, 1);
        const struct catalog_relation *held =
            catalog_find_relation(catalog, scratch_oid(&scratch, "held"));
        for (unsigned i = 0; i < ROLES; i++) {
            const struct catalog_role *role = role_at(catalog, i);
            for (unsigned j = 0; j < ROLES; j++) {
                bool has = catalog_role_has(catalog, role, role_at(catalog, j)->oid);
                if (has != is_true("SELECT pg_has_role('r%u', 'r%u', 'USAGE')", i, j))
                    fail_msg("round %u: r%u of r%u: %d", round, i, j, has);
                members += has;
                strangers += !has;
            }
            run("SET ROLE r%u", i);
            bool active = is_true("SELECT row_security_active('held')");
            run("RESET ROLE");
            if (catalog_role_is_exempt(catalog, role, held) != !active)
                fail_msg("round %u: r%u is %sexempt", round, i, active ? "not " : "");
            exempt += !active;
        }
        catalog_unref(catalog);
    }
    assert_true(members > 100 && strangers > 100 && exempt > 10);
}

static void prove(const char *sql, const struct catalog *catalog, const char *role,
                  struct verdict *out)
{
    const struct proof_scope scope = {slice_of_text("public"), slice_of_text(role)};
    struct slice text = slice_of_text(sql);
    uint8_t *space = mem_alloc(text.len + 16);
    struct scan scan = {.flags = SCAN_DOUBT};

    (void)!scan_text(text, space, &scan);
    verdict_prove(text, scan.flags, catalog, role ? &scope : NULL, out);
    mem_free(space);
}

static bool reads(const struct verdict *verdict, const char *table)
{
    uint32_t oid = scratch_oid(&scratch, table);
    for (unsigned i = 0; i < verdict->read_count; i++)
        if (verdict->reads[i] == oid)
            return true;
    return false;
}

/* Who reads `held`, and with which policies: cached or not, and on what. */
static void policies_count_for_those_that_they_are_for(void **state)
{
    static const struct {
        const char *role;
        enum reason reason;
        bool acl;
    } cases[] = {
        {"keeper", REASON_NONE, false},         /* owns it */
        {"keepers_friend", REASON_NONE, false}, /* member of the owner */
        {"stranger", REASON_NONE, false},       /* no policy: no rows */
        {"reader", REASON_NONE, true},          /* the provable one */
        {"readers_member", REASON_NONE, true},  /* by membership */
        {"shy", REASON_NONE, false},            /* a member that does not inherit: no policy */
        {"tenant", REASON_ROW_SECURITY, false}, /* the one that asks a setting */
        {"twofold", REASON_ROW_SECURITY, false},
        {"passer", REASON_NONE, false},               /* BYPASSRLS */
        {"postgres_like", REASON_NONE, false},        /* superuser */
        {"nobody_knows", REASON_ROW_SECURITY, false}, /* not in the snapshot: every policy */
        {"", REASON_ROW_SECURITY, false},
    };
    (void)state;
    run("CREATE ROLE keeper; CREATE ROLE keepers_friend IN ROLE keeper; CREATE ROLE stranger");
    run("CREATE ROLE reader; CREATE ROLE readers_member IN ROLE reader; CREATE ROLE tenant");
    run("CREATE ROLE shy NOINHERIT IN ROLE tenant; CREATE ROLE twofold IN ROLE reader, tenant");
    run("CREATE ROLE passer BYPASSRLS; CREATE ROLE postgres_like SUPERUSER");
    run("ALTER TABLE held OWNER TO keeper; ALTER TABLE held NO FORCE ROW LEVEL SECURITY");
    run("CREATE POLICY p ON held TO reader USING (a IN (SELECT a FROM acl))");
    run("CREATE POLICY q ON held TO tenant USING (who = current_setting('app.tenant')::name)");
    struct catalog *catalog = scratch_catalog(&scratch, 1);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct verdict verdict;
        const char *role = cases[i].role[0] ? cases[i].role : NULL;
        if (!role) {
            struct slice text = slice_of_text("SELECT * FROM held");
            verdict_prove(text, 0, catalog, NULL, &verdict);
        } else {
            prove("SELECT * FROM held", catalog, role, &verdict);
        }
        if (verdict.reason != cases[i].reason)
            fail_msg("%s: %s", cases[i].role, reason_text(verdict.reason));
        if (verdict.reason != REASON_NONE)
            continue;
        assert_true(reads(&verdict, "held"));
        if (reads(&verdict, "acl") != cases[i].acl)
            fail_msg("%s: acl", cases[i].role);
    }
    catalog_unref(catalog);
}

/* Its tables show what they show to the view's owner, whoever reads it. */
static void views_over_such_tables_are_judged_by_every_policy(void **state)
{
    struct verdict verdict;
    (void)state;
    run("CREATE VIEW shown AS SELECT * FROM held; GRANT SELECT ON shown TO public");
    struct catalog *catalog = scratch_catalog(&scratch, 1);
    prove("SELECT * FROM shown", catalog, "passer", &verdict);
    assert_int_equal(verdict.reason, REASON_VIEW);
    prove("SELECT * FROM shown", catalog, "keeper", &verdict);
    assert_int_equal(verdict.reason, REASON_VIEW);
    catalog_unref(catalog);
    run("DROP VIEW shown");
}

static void a_forced_owner_is_no_exception(void **state)
{
    struct verdict verdict;
    (void)state;
    run("ALTER TABLE held FORCE ROW LEVEL SECURITY; CREATE POLICY r ON held USING (now() > "
        "'2020-01-01')");
    struct catalog *catalog = scratch_catalog(&scratch, 1);
    prove("SELECT * FROM held", catalog, "keeper", &verdict);
    assert_int_equal(verdict.reason, REASON_ROW_SECURITY);
    prove("SELECT * FROM held", catalog, "passer", &verdict);
    assert_int_equal(verdict.reason, REASON_NONE);
    catalog_unref(catalog);
    run("DROP POLICY r ON held; ALTER TABLE held NO FORCE ROW LEVEL SECURITY");
}

/* What a policy reads is read as a whole, also where the statement itself names a row of it. */
static void keys_do_not_narrow_what_a_policy_reads(void **state)
{
    struct verdict verdict;
    (void)state;
    run("ALTER TABLE acl ADD PRIMARY KEY (a)");
    struct catalog *catalog = scratch_catalog(&scratch, 1);
    prove("SELECT * FROM acl WHERE a = 1", catalog, "reader", &verdict);
    assert_int_equal(verdict.keyed_reads, 1);
    prove("SELECT * FROM held, acl WHERE acl.a = 1", catalog, "reader", &verdict);
    assert_int_equal(verdict.reason, REASON_NONE);
    assert_int_equal(verdict.keyed_reads, 0);
    catalog_unref(catalog);
}

static void a_member_of_pg_database_owner_is_not_guessed(void **state)
{
    struct verdict verdict;
    (void)state;
    run("CREATE POLICY s ON held TO pg_database_owner USING (now() > '2020-01-01')");
    struct catalog *catalog = scratch_catalog(&scratch, 1);
    prove("SELECT * FROM held", catalog, "stranger", &verdict);
    assert_int_equal(verdict.reason, REASON_ROW_SECURITY);
    catalog_unref(catalog);
    run("DROP POLICY s ON held");
}

static void on_setting(void *context, const char *name, const char *value)
{
    char *all = context;
    size_t len = strlen(all);
    (void)snprintf(all + len, SQL_MAX - len, "%s=%s;", name, value);
}

static void expect_settings(const char *role, const char *expected)
{
    char all[SQL_MAX] = "";
    struct catalog *catalog = scratch_catalog(&scratch, 1);
    catalog_each_role_setting(catalog, role, on_setting, all);
    assert_string_equal(all, expected);
    catalog_unref(catalog);
}

static void settings_of_roles_and_databases_prevail_as_at_postgres(void **state)
{
    (void)state;
    char *database = scratch_value(&scratch, "SELECT current_database()");
    run("CREATE ROLE set_up");
    run("CREATE DATABASE elsewhere");
    expect_settings("set_up", "");
    run("ALTER ROLE ALL SET search_path = of_all");
    expect_settings("set_up", "search_path=of_all;");
    expect_settings("reader", "search_path=of_all;");
    expect_settings("nobody_knows", "");
    run("ALTER DATABASE %s SET search_path = of_database, \"Odd, name\"", database);
    expect_settings("set_up", "search_path=of_database, \"Odd, name\";");
    run("ALTER ROLE set_up SET search_path = of_role");
    expect_settings("set_up", "search_path=of_role;");
    run("ALTER ROLE set_up IN DATABASE %s SET search_path = of_both", database);
    run("ALTER ROLE set_up IN DATABASE elsewhere SET search_path = of_elsewhere");
    expect_settings("set_up", "search_path=of_both;");
    run("ALTER ROLE set_up RESET ALL");
    run("ALTER ROLE set_up SET datestyle = 'sql, dmy'");
    run("ALTER ROLE set_up IN DATABASE %s RESET ALL; ALTER DATABASE %s RESET ALL; ALTER ROLE ALL "
        "RESET ALL",
        database, database);
    expect_settings("set_up", "DateStyle=sql, dmy;");
    run("ALTER ROLE set_up IN DATABASE elsewhere RESET ALL; DROP ROLE set_up");
    mem_free(database);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_of_every_pair_and_table_what_postgres_says),
        cmocka_unit_test(policies_count_for_those_that_they_are_for),
        cmocka_unit_test(views_over_such_tables_are_judged_by_every_policy),
        cmocka_unit_test(a_forced_owner_is_no_exception),
        cmocka_unit_test(keys_do_not_narrow_what_a_policy_reads),
        cmocka_unit_test(a_member_of_pg_database_owner_is_not_guessed),
        cmocka_unit_test(settings_of_roles_and_databases_prevail_as_at_postgres),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
