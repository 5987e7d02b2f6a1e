/* What functions may do, on a real catalog: built-in ones against the server's own list, and what
 * bodies of users bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "functions.h"
#include "prove.h"
#include "scratch.h"
#include "sql/catalog.h"
#include "sql/verdict.h"

static struct scratch scratch;
static struct catalog *catalog;

static const char *const schema[] = {
    "CREATE TABLE t (id int PRIMARY KEY, updated_at timestamptz)",
    "CREATE TABLE u (id int)",
    "CREATE TABLE audit (id int)",
    "CREATE TABLE audit_log (id int)",
    "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN NEW.updated_at := now(); RETURN NEW; END'",
    "CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO audit VALUES (NEW.id); RETURN NULL; END'",
    "CREATE FUNCTION chained() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO audit_log VALUES (NEW.id); RETURN NULL; END'",
    "CREATE TABLE touched (id int PRIMARY KEY, updated_at timestamptz)",
    "CREATE TRIGGER tr BEFORE UPDATE ON touched FOR EACH ROW EXECUTE FUNCTION touch()",
    "CREATE TABLE watched (id int PRIMARY KEY)",
    "CREATE TRIGGER tr AFTER INSERT ON watched FOR EACH ROW EXECUTE FUNCTION audited()",
    "CREATE CONSTRAINT TRIGGER tc AFTER INSERT ON audit DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION chained()", /* W16 */
    "CREATE FUNCTION reads() RETURNS bigint LANGUAGE plpgsql AS"
    " 'DECLARE n bigint; BEGIN SELECT count(*) INTO n FROM t; RETURN n; END'",
    "CREATE FUNCTION reads_sql(int) RETURNS bigint LANGUAGE sql AS"
    " 'SELECT count(*) FROM t WHERE id = $1'",
    "CREATE FUNCTION reads_atomic(a int) RETURNS bigint LANGUAGE sql"
    " BEGIN ATOMIC SELECT count(*) FROM t WHERE id = a; END",
    "CREATE FUNCTION writes() RETURNS void LANGUAGE sql AS 'UPDATE t SET id = 1'",
    "CREATE FUNCTION writes_atomic() RETURNS void LANGUAGE sql"
    " BEGIN ATOMIC UPDATE t SET id = 1; END",
    "CREATE FUNCTION calls() RETURNS bigint LANGUAGE plpgsql AS"
    " 'BEGIN PERFORM writes(); RETURN reads(); END'",
    "CREATE FUNCTION even(n int) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RETURN n = 0; END'",
    "CREATE FUNCTION odd(n int) RETURNS bool LANGUAGE plpgsql AS"
    " 'BEGIN RETURN n <> 0 AND even(n - 1); END'",
    "CREATE OR REPLACE FUNCTION even(n int) RETURNS bool LANGUAGE plpgsql AS"
    " 'BEGIN RETURN n = 0 OR odd(n - 1); END'",
    "CREATE FUNCTION ping(n int) RETURNS void LANGUAGE plpgsql AS 'BEGIN END'",
    "CREATE FUNCTION pong(n int) RETURNS void LANGUAGE plpgsql AS"
    " 'BEGIN DELETE FROM u; PERFORM ping(n - 1); END'",
    "CREATE OR REPLACE FUNCTION ping(n int) RETURNS void LANGUAGE plpgsql AS"
    " 'BEGIN PERFORM pong(n - 1); END'",
    "CREATE FUNCTION dynamic() RETURNS void LANGUAGE plpgsql AS 'BEGIN EXECUTE ''x''; END'",
    "CREATE FUNCTION sets() RETURNS void LANGUAGE plpgsql AS"
    " $$BEGIN PERFORM set_config('app.x', '1', false); END$$",
    "CREATE FUNCTION locks() RETURNS void LANGUAGE sql AS 'SELECT pg_advisory_lock(1)'",
    "CREATE FUNCTION with_path() RETURNS bigint LANGUAGE sql SET search_path = public AS"
    " 'SELECT count(*) FROM t'",
    "CREATE FUNCTION with_custom() RETURNS int LANGUAGE sql SET app.y = '1' AS 'SELECT 1'",
    "CREATE FUNCTION with_strings() RETURNS int LANGUAGE sql"
    " SET standard_conforming_strings = off AS 'SELECT 1'",
    "CREATE FUNCTION defaults(a bigint DEFAULT calls()) RETURNS bigint LANGUAGE sql AS 'SELECT $1'",
    "CREATE FUNCTION temporary() RETURNS void LANGUAGE plpgsql AS"
    " 'BEGIN CREATE TEMP TABLE tmp (a int); INSERT INTO tmp VALUES (1); DELETE FROM u; END'",
    "CREATE FUNCTION missing() RETURNS void LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO nowhere VALUES (1); END'",
    "CREATE AGGREGATE quiet_sum(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0')",
    "CREATE FUNCTION loud(int, int) RETURNS int LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO u VALUES ($2); RETURN $2; END'",
    "CREATE AGGREGATE loud_sum(int) (SFUNC = loud, STYPE = int, INITCOND = '0')",
    "CREATE FUNCTION tenant() RETURNS int STABLE LANGUAGE sql AS"
    " $$SELECT current_setting('app.tenant')::int$$",
    "CREATE TABLE secret (id int)",
    "ALTER TABLE secret ENABLE ROW LEVEL SECURITY",
    "CREATE POLICY p ON secret USING (id = tenant())",
    "CREATE VIEW logs AS SELECT loud(1, id) FROM t",
    "CREATE FUNCTION reads_logs() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM logs'",
    "CREATE PROCEDURE p_plain() LANGUAGE plpgsql AS 'BEGIN DELETE FROM u; END'",
    "CREATE PROCEDURE p_commits() LANGUAGE plpgsql AS 'BEGIN DELETE FROM u; COMMIT; END'",
    "CREATE PROCEDURE p_calls() LANGUAGE plpgsql AS 'BEGIN CALL p_commits(); END'",
    "CREATE PROCEDURE p_dynamic() LANGUAGE plpgsql AS 'BEGIN EXECUTE ''x''; END'",
    "CREATE SEQUENCE counted",
    "CREATE FUNCTION numbers() RETURNS bigint LANGUAGE plpgsql AS"
    " $$BEGIN RETURN nextval('counted'); END$$",
    "CREATE FUNCTION tells() RETURNS bigint LANGUAGE sql AS 'SELECT lastval()'",
    "CREATE FUNCTION numbering() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN NEW.id := numbers(); RETURN NEW; END'",
    "CREATE VIEW tickets AS SELECT nextval('counted')",
    "CREATE TABLE serials (id serial, a int)",
    "CREATE TABLE identities (id int GENERATED BY DEFAULT AS IDENTITY, a int)",
    "CREATE TABLE numbered (id int)",
    "CREATE TRIGGER tr BEFORE INSERT ON numbered FOR EACH ROW EXECUTE FUNCTION numbering()",
    "CREATE TABLE children (parent bigint DEFAULT currval('serials_id_seq'), a int)",
    "CREATE SCHEMA extensions", /* not in the path: hstore has an operator = */
    "CREATE EXTENSION hstore SCHEMA extensions",
    "CREATE EXTENSION \"uuid-ossp\"",
    "CREATE EXTENSION pgcrypto",
    "CREATE EXTENSION pg_trgm",
};

enum {
    DYNAMIC = EFFECT_WRITES_ALL | EFFECT_DDL | EFFECT_PIN | EFFECT_DIRTY | EFFECT_ASK,
    UNKNOWN = EFFECT_WRITES_ALL | EFFECT_DDL | EFFECT_GLOBAL | EFFECT_TX_BEGIN | EFFECT_TX_END |
              EFFECT_PIN | EFFECT_DIRTY | EFFECT_DEALLOCATE,
};

static const struct {
    const char *sql;
    unsigned effects;
    const char *writes; /* separated by spaces */
} cases[] = {
    {"SELECT reads(), reads_sql(1), reads_atomic(1), with_path()", 0, ""},
    {"SELECT even(7), quiet_sum(id) FROM t", 0, ""},
    {"SELECT writes()", 0, "t"},
    {"SELECT writes_atomic()", 0, "t"},
    {"SELECT calls()", 0, "t"},
    {"SELECT defaults()", 0, "t"},
    {"SELECT ping(1)", 0, "u"},
    {"SELECT pong(1)", 0, "u"},
    {"SELECT loud_sum(id) FROM t", 0, "u"},
    {"SELECT * FROM logs", 0, "u"},
    {"SELECT reads_logs()", 0, "u"},
    {"SELECT * FROM secret", 0, ""},
    {"INSERT INTO t VALUES (writes()::text::int)", 0, "t"},
    {"UPDATE touched SET id = 1", 0, "touched"},
    {"INSERT INTO watched VALUES (1)", 0, "watched audit audit_log"}, /* W04, W16 */
    {"UPDATE watched SET id = 1", 0, "watched audit audit_log"},
    {"DELETE FROM u", 0, "u"},
    {"SELECT dynamic()", DYNAMIC, ""},
    {"SELECT missing()", DYNAMIC, ""},
    {"SELECT dynamic(); COMMIT", (DYNAMIC & ~(unsigned)EFFECT_ASK) | EFFECT_TX_END, ""},
    {"SELECT sets()", EFFECT_PIN | EFFECT_DIRTY, ""},
    {"SELECT with_custom()", EFFECT_PIN | EFFECT_DIRTY, ""},
    {"SELECT locks()", EFFECT_PIN, ""},
    {"SELECT temporary()", EFFECT_PIN, "u"},
    {"SELECT with_strings()", DYNAMIC & ~(unsigned)EFFECT_ASK, ""},
    {"CALL p_plain()", 0, "u"},
    {"CALL p_commits()", EFFECT_TX_END, "u"},
    {"CALL p_calls()", EFFECT_TX_END, "u"},
    {"CALL p_dynamic()", UNKNOWN, ""},
    {"CALL nobody()", UNKNOWN, ""},
    {"DO $$BEGIN PERFORM writes(); DELETE FROM u; END$$", 0, "t u"},
    {"DO $$BEGIN CREATE TEMP TABLE x (a int); INSERT INTO x SELECT 1; END$$", EFFECT_PIN, ""},
    {"DO $$BEGIN DELETE FROM u; COMMIT; END$$", EFFECT_TX_END, "u"},
    {"DO $$BEGIN EXECUTE 'x'; END$$", UNKNOWN, ""},
    {"SELECT uuid_generate_v4(), gen_salt('bf'), similarity('a', 'b'), 'a=>1'::extensions.hstore",
     0, ""},
    {"SELECT random(), pg_advisory_xact_lock(1), pg_sleep(0)", 0, ""},
    {"SELECT nextval('x'), random()", EFFECT_SEQUENCE, ""},
    {"SELECT lastval(), currval('x')", EFFECT_LASTVAL, ""},
    {"SELECT tells()", EFFECT_LASTVAL, ""},
    {"SELECT numbers()", EFFECT_SEQUENCE, ""},
    {"SELECT * FROM tickets", EFFECT_SEQUENCE, ""},
    {"INSERT INTO serials (a) VALUES (1)", EFFECT_SEQUENCE, "serials"},
    {"UPDATE serials SET id = DEFAULT", EFFECT_SEQUENCE, "serials"},
    {"INSERT INTO identities (a) VALUES (1)", EFFECT_SEQUENCE, "identities"},
    {"INSERT INTO numbered VALUES (1)", EFFECT_SEQUENCE, "numbered"},
    {"INSERT INTO children (a) VALUES (1)", EFFECT_LASTVAL, "children"},
    {"COPY serials (a) FROM STDIN", EFFECT_SEQUENCE, "serials"},
    {"DO 'BEGIN PERFORM numbers(); END'", EFFECT_SEQUENCE, ""},
    {"DISCARD SEQUENCES", EFFECT_SEQUENCE, ""},
    {"SELECT pg_notify('a', 'b'), lo_create(0), pg_current_xact_id(), pg_stat_reset()", 0, ""},
};

static int setup(void **state)
{
    (void)state;
    if (scratch_start(&scratch) != 0)
        return -1;
    for (size_t i = 0; i < ARRAY_COUNT(schema); i++)
        scratch_run(&scratch, schema[i]);
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
    const struct proof_scope scope = {slice_of_text("public"), slice_of_text("nobody")};

    prove_text(sql, catalog, &scope, out);
}

static void bodies_bound_what_a_call_reaches(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct verdict verdict;
        char copy[256];
        char *rest = copy;
        unsigned expected = 0;

        prove(cases[i].sql, &verdict);
        if (verdict.effects != cases[i].effects)
            fail_msg("%s\n  effects %x, expected %x, pin %s", cases[i].sql, verdict.effects,
                     cases[i].effects, pin_text(verdict.pin));
        (void)snprintf(copy, sizeof(copy), "%s", cases[i].writes);
        for (char *name = strsep(&rest, " "); name && name[0]; name = strsep(&rest, " ")) {
            uint32_t oid = scratch_oid(&scratch, name);
            bool found = false;

            for (unsigned at = 0; at < verdict.write_count; at++)
                found |= verdict.writes[at] == oid;
            if (!found)
                fail_msg("%s\n  lacks %s", cases[i].sql, name);
            expected++;
        }
        if (verdict.write_count != expected)
            fail_msg("%s\n  writes %u tables, expected %s", cases[i].sql, verdict.write_count,
                     cases[i].writes);
        if (verdict.reason == REASON_NONE)
            fail_msg("%s\n  is cached", cases[i].sql);
    }
}

static void a_function_that_writes_takes_the_keys_of_a_write(void **state)
{
    struct verdict verdict;

    (void)state;
    prove("UPDATE t SET updated_at = NULL WHERE id = 1", &verdict);
    assert_int_not_equal(verdict.column_count, 0);
    prove("UPDATE t SET updated_at = NULL WHERE id = 1 AND calls() > 0", &verdict);
    assert_int_equal(verdict.column_count, 0);
}

static void every_volatile_function_of_the_server_has_a_class(void **state)
{
    PGresult *result = PQexec(scratch.connection,
                              "SELECT DISTINCT proname FROM pg_proc WHERE provolatile = 'v'"
                              " AND pronamespace = 'pg_catalog'::regnamespace AND oid < 16384");

    (void)state;
    assert_true(PQntuples(result) > 200);
    for (int i = 0; i < PQntuples(result); i++) {
        const char *name = PQgetvalue(result, i, 0);

        if (!functions_volatile_known(name))
            print_error("%s has no class\n", name);
        assert_true(functions_volatile_known(name) ||
                    functions_effect(name, 'v') == FUNCTION_UNKNOWN);
        assert_true(functions_volatile_known(name) ||
                    PQserverVersion(scratch.connection) >= 160000);
    }
    PQclear(result);
    assert_int_equal(functions_effect("of_a_later_server", 'v'), FUNCTION_UNKNOWN);
}

static void a_new_body_moves_the_fingerprint(void **state)
{
    char *before = scratch_value(&scratch, catalog_fingerprint_query());

    (void)state;
    scratch_run(&scratch, "CREATE OR REPLACE FUNCTION reads() RETURNS bigint LANGUAGE plpgsql AS"
                          " 'BEGIN DELETE FROM u; RETURN 1; END'");
    char *after = scratch_value(&scratch, catalog_fingerprint_query());
    assert_string_not_equal(before, after);
    mem_free(before);
    mem_free(after);
    before = scratch_value(&scratch, catalog_fingerprint_query());
    scratch_run(&scratch, "CREATE INDEX ON u (id)");
    after = scratch_value(&scratch, catalog_fingerprint_query());
    assert_string_not_equal(before, after);
    mem_free(before);
    mem_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_bound_what_a_call_reaches),
        cmocka_unit_test(a_function_that_writes_takes_the_keys_of_a_write),
        cmocka_unit_test(every_volatile_function_of_the_server_has_a_class),
        cmocka_unit_test(a_new_body_moves_the_fingerprint),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
