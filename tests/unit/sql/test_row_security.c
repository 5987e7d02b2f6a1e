/* Tables with row security: which policies let an answer be cached, and what it then depends on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/macros.h"
#include "base/mem.h"
#include "prove.h"
#include "scratch.h"
#include "sql/catalog.h"
#include "sql/verdict.h"

static struct scratch scratch;

static int setup(void **state)
{
    (void)state;
    if (scratch_start(&scratch) != 0)
        return -1;
    scratch_run(&scratch, "CREATE ROLE grp");
    scratch_run(&scratch, "CREATE TABLE guarded (a int, o name, t text, n int)");
    scratch_run(&scratch, "ALTER TABLE guarded ENABLE ROW LEVEL SECURITY");
    scratch_run(&scratch, "CREATE TABLE acl (who name, a int)");
    scratch_run(&scratch, "CREATE TABLE acl_guarded (who name, a int)");
    scratch_run(&scratch, "ALTER TABLE acl_guarded ENABLE ROW LEVEL SECURITY");
    scratch_run(&scratch, "CREATE TABLE teams (who name)");
    scratch_run(&scratch, "CREATE POLICY p ON acl_guarded USING"
                          " (who IN (SELECT who FROM teams WHERE who = current_user))");
    scratch_run(&scratch, "CREATE VIEW acl_view AS SELECT who, a FROM acl WHERE a > 0");
    scratch_run(&scratch, "CREATE VIEW over_guarded AS SELECT a FROM guarded WHERE a > 0");
    scratch_run(&scratch, "CREATE VIEW acl_now AS SELECT who FROM acl WHERE now() > '2020-01-01'");
    scratch_run(&scratch, "CREATE FUNCTION f() RETURNS name LANGUAGE plpgsql AS"
                          " 'BEGIN RETURN current_user; END'");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_stop(&scratch);
    return 0;
}

static const struct {
    const char *policy; /* on guarded */
    enum reason reason;
    const char *reads; /* tables, if it is cached */
} policies[] = {
    {"CREATE POLICY p ON guarded USING (true)", REASON_NONE, "guarded"},
    {"CREATE POLICY p ON guarded USING (o = current_user)", REASON_NONE, "guarded"}, /* S08 */
    {"CREATE POLICY p ON guarded USING (o = session_user OR t = user::text)", REASON_NONE,
     "guarded"},
    {"CREATE POLICY p ON guarded TO grp USING (current_role = o AND lower(t) LIKE 'a%')",
     REASON_NONE, "guarded"},
    {"CREATE POLICY p ON guarded USING (a IN (SELECT a FROM acl WHERE who = current_user))",
     REASON_NONE, "guarded acl"}, /* Q47 */
    {"CREATE POLICY p ON guarded USING (EXISTS (SELECT 1 FROM acl_view v WHERE v.a = guarded.a))",
     REASON_NONE, "guarded acl"},
    {"CREATE POLICY p ON guarded USING (a IN (SELECT a FROM acl_guarded))", REASON_NONE,
     "guarded acl_guarded teams"},
    {"CREATE POLICY p ON guarded AS RESTRICTIVE USING (n > 0);"
     "CREATE POLICY q ON guarded USING (a = (SELECT max(a) FROM acl))",
     REASON_NONE, "guarded acl"},
    /* What only writes run says nothing about reads. */
    {"CREATE POLICY p ON guarded USING (true) WITH CHECK (t = current_setting('app.tenant'))",
     REASON_NONE, "guarded"},
    {"CREATE POLICY p ON guarded FOR SELECT USING (true);"
     "CREATE POLICY q ON guarded FOR DELETE USING (t = current_setting('app.tenant'))",
     REASON_NONE, "guarded"},
    {"CREATE POLICY p ON guarded USING (t = current_setting('app.tenant'))", REASON_ROW_SECURITY,
     NULL}, /* S09 */
    {"CREATE POLICY p ON guarded FOR SELECT USING (t = current_setting('app.tenant', true))",
     REASON_ROW_SECURITY, NULL},
    {"CREATE POLICY p ON guarded USING (now() > '2020-01-01')", REASON_ROW_SECURITY, NULL},
    {"CREATE POLICY p ON guarded USING (current_date > '2020-01-01')", REASON_ROW_SECURITY, NULL},
    {"CREATE POLICY p ON guarded USING (localtimestamp > '2020-01-01')", REASON_ROW_SECURITY, NULL},
    {"CREATE POLICY p ON guarded USING (t = current_schema)", REASON_ROW_SECURITY, NULL},
    {"CREATE POLICY p ON guarded USING (o = f())", REASON_ROW_SECURITY, NULL},
    {"CREATE POLICY p ON guarded USING (pg_has_role(o, 'member'))", REASON_ROW_SECURITY, NULL},
    {"CREATE POLICY p ON guarded USING (random() < 0.5)", REASON_ROW_SECURITY, NULL},
    {"CREATE POLICY p ON guarded USING (t::date > '2020-01-01')", REASON_ROW_SECURITY, NULL},
    {"CREATE POLICY p ON guarded USING (o IN (SELECT who FROM acl_now))", REASON_ROW_SECURITY,
     NULL},
    {"CREATE POLICY p ON guarded USING (o IN (SELECT rolname FROM pg_roles))", REASON_ROW_SECURITY,
     NULL},
    {"CREATE POLICY p ON guarded USING (true);"
     "CREATE POLICY q ON guarded TO grp USING (a < extract(epoch FROM now()))",
     REASON_ROW_SECURITY, NULL},
};

static void reads_check(const struct catalog *catalog, const struct verdict *verdict,
                        const char *policy, const char *names)
{
    char copy[128];
    char *rest = copy;
    unsigned expected = 0;

    (void)snprintf(copy, sizeof(copy), "%s", names);
    for (char *name = strsep(&rest, " "); name; name = strsep(&rest, " ")) {
        uint32_t oid = catalog_root(catalog, scratch_oid(&scratch, name));
        bool found = false;

        for (unsigned i = 0; i < verdict->read_count; i++)
            found |= verdict->reads[i] == oid;
        if (!found)
            fail_msg("%s\n  lacks %s", policy, name);
        expected++;
    }
    assert_int_equal(verdict->read_count, expected);
}

static void policies_decide_and_what_they_read_counts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(policies); i++) {
        struct verdict verdict;

        scratch_run(&scratch, policies[i].policy);
        struct catalog *catalog = scratch_catalog(&scratch, 1);
        prove_text("SELECT * FROM guarded", catalog, NULL, &verdict);
        if (verdict.reason != policies[i].reason)
            fail_msg("%s\n  %s (%s)", policies[i].policy, reason_text(verdict.reason),
                     verdict.object);
        if (policies[i].reads)
            reads_check(catalog, &verdict, policies[i].policy, policies[i].reads);
        prove_text("SELECT * FROM over_guarded", catalog, NULL, &verdict);
        assert_int_equal(verdict.reason,
                         policies[i].reason == REASON_NONE ? REASON_NONE : REASON_VIEW);
        if (policies[i].reads)
            reads_check(catalog, &verdict, policies[i].policy, policies[i].reads);
        catalog_unref(catalog);
        scratch_run(&scratch, "DROP POLICY p ON guarded; DROP POLICY IF EXISTS q ON guarded");
    }
}

static void policies_that_read_each_other_are_not_cached(void **state)
{
    struct verdict verdict;

    (void)state;
    scratch_run(&scratch, "CREATE TABLE ring_a (a int); CREATE TABLE ring_b (a int)");
    scratch_run(&scratch, "CREATE POLICY p ON ring_a USING (a IN (SELECT a FROM ring_b))");
    scratch_run(&scratch, "CREATE POLICY p ON ring_b USING (a IN (SELECT a FROM ring_a))");
    scratch_run(&scratch, "ALTER TABLE ring_a ENABLE ROW LEVEL SECURITY");
    scratch_run(&scratch, "ALTER TABLE ring_b ENABLE ROW LEVEL SECURITY");
    struct catalog *catalog = scratch_catalog(&scratch, 1);
    prove_text("SELECT * FROM ring_a", catalog, NULL, &verdict);
    assert_int_equal(verdict.reason, REASON_ROW_SECURITY);
    prove_text("SELECT * FROM ring_b", catalog, NULL, &verdict);
    assert_int_equal(verdict.reason, REASON_ROW_SECURITY);
    catalog_unref(catalog);
}

/* Without ENABLE a policy does nothing, whatever it says. */
static void policies_that_are_not_enabled_do_not_count(void **state)
{
    struct verdict verdict;

    (void)state;
    scratch_run(&scratch, "CREATE POLICY p ON acl USING (who = f())");
    struct catalog *catalog = scratch_catalog(&scratch, 1);
    prove_text("SELECT * FROM acl", catalog, NULL, &verdict);
    assert_int_equal(verdict.reason, REASON_NONE);
    assert_int_equal(verdict.effects, 0);
    catalog_unref(catalog);
    scratch_run(&scratch, "DROP POLICY p ON acl");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_decide_and_what_they_read_counts),
        cmocka_unit_test(policies_that_read_each_other_are_not_cached),
        cmocka_unit_test(policies_that_are_not_enabled_do_not_count),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
