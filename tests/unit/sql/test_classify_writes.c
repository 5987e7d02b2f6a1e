/* Verdicts on a real catalog: what a statement may write or leave behind, and what one more
 * definition of users does to that.
 * The ids in comments are those of the hazards the cases come from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "classify_fixture.h"

static const struct {
    const char *sql;
    const char *tables; /* NULL: any table */
} writes[] = {
    {"INSERT INTO plain VALUES (1)", "plain"},
    {"INSERT INTO plain SELECT a FROM y ON CONFLICT DO NOTHING", "plain"},
    {"UPDATE plain SET a = 2 FROM y WHERE y.a = plain.a", "plain"},
    {"INSERT INTO customers (name) VALUES ('a') RETURNING id", "customers"},
    {"DELETE FROM customers", "customers orders order_items"}, /* W01, W03 */
    {"UPDATE orders SET id = 2", "orders order_items"},        /* W03 */
    {"INSERT INTO orders VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 3", "orders order_items"},
    {"DELETE FROM remarks", "remarks"},
    {"INSERT INTO triggered VALUES (1)", "triggered log"},  /* W04 */
    {"DELETE FROM triggered_key", "triggered_key kin log"}, /* a trigger behind a cascade */
    {"UPDATE triggered SET a = 1", "triggered log"},
    {"INSERT INTO triggered_key VALUES (1)", "triggered_key"},
    {"UPDATE quiet SET a = 1", "quiet"},
    {"INSERT INTO ruled VALUES (1)", "ruled log"},         /* W05 */
    {"UPDATE v_upd SET a = 1", "v_upd plain"},             /* W06 */
    {"UPDATE v_instead SET a = 1", "v_instead plain log"}, /* W40 */
    {"INSERT INTO defaulted DEFAULT VALUES", "defaulted y"},
    {"INSERT INTO indexed VALUES (1)", "indexed"},
    {"INSERT INTO uuids DEFAULT VALUES", "uuids"},
    {"INSERT INTO parts_2 VALUES (1)", "parts"}, /* W07, W08 */
    {"UPDATE parts SET id = 1", "parts"},
    {"INSERT INTO child VALUES (1)", "parent"}, /* W10 */
    {"TRUNCATE plain", "plain"},
    {"TRUNCATE customers CASCADE", "customers orders order_items remarks"},         /* W11 */
    {"WITH w AS (UPDATE plain SET a = 1 RETURNING *) SELECT * FROM w, y", "plain"}, /* W12 */
    {"SELECT f()", "y"},                                                            /* W13 */
    {"SELECT f_dynamic()", NULL},
    {"SELECT f_stable()", "y"},
    {"SELECT * FROM v_f", "y"},
    {"SELECT 1 ==== 2", ""},
    {"SELECT plain.vol FROM plain", ""},
    {"SELECT 1::dm", ""},
    {"SELECT query_to_xml('select f()', true, true, '')", NULL},
    {"SELECT unheard_of(1)", NULL},
    {"SELECT * FROM nowhere", NULL},
    {"SELECT * FROM far_away", NULL},
    {"DO 'BEGIN END'", ""},
    {"DO 'BEGIN UPDATE y SET a = 1; END'", "y"}, /* W14 */
    {"DO $$BEGIN EXECUTE 'UPDATE y SET a = 1'; END$$", NULL},
    {"DO LANGUAGE plperl 'x'", NULL},
    {"CALL p()", NULL},                                                              /* W15 */
    {"COMMIT PREPARED 'g'", NULL},                                                   /* W17 */
    {"REFRESH MATERIALIZED VIEW mv", "mv"},                                          /* W18 */
    {"CREATE OR REPLACE VIEW v AS SELECT 1", NULL},                                  /* W19 */
    {"CREATE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'", NULL},            /* W20 */
    {"ALTER TABLE plain RENAME TO flat", NULL},                                      /* W21 */
    {"CREATE TABLE s1.plain (a int)", NULL},                                         /* W22 */
    {"REVOKE SELECT ON plain FROM alice", NULL},                                     /* W23 */
    {"REVOKE bob FROM alice", NULL},                                                 /* W24 */
    {"ALTER POLICY p ON s2.secret USING (true)", NULL},                              /* W26 */
    {"ALTER ROLE alice BYPASSRLS", NULL},                                            /* W28 */
    {"ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'", NULL},                          /* W29 */
    {"MERGE INTO plain USING y ON y.a = plain.a WHEN MATCHED THEN DELETE", "plain"}, /* W31 */
    {"COPY plain FROM STDIN", "plain"},                                              /* W32 */
    {"COPY (UPDATE plain SET a = 1 RETURNING a) TO STDOUT", "plain"},                /* W33 */
    {"EXECUTE q", NULL},                                                             /* W34 */
    {"DELETE FROM plain WHERE CURRENT OF c", "plain"},                               /* W35 */
    {"EXPLAIN ANALYZE UPDATE plain SET a = 1", "plain"},                             /* W45 */
    {"EXPLAIN (ANALYZE, COSTS off) DELETE FROM plain", "plain"},
    {"ALTER TABLE plain ALTER a TYPE bigint USING a", NULL},    /* W37 */
    {"SELECT dblink_exec('', 'UPDATE plain SET a = 1')", NULL}, /* W42 */
    {"CREATE CAST (int AS mood) WITH INOUT", NULL},             /* W43 */
    {"UPDATE x SET a = 1", "s1.x s2.x"},
    {"INSERT INTO plain VALUES (1); DELETE FROM y", "plain y"},
    {"INSERT INTO plain VALUES (1); SELECT f()", "plain y"},
    {"INSERT INTO plain VALUES (1); SELECT f_dynamic()", NULL},
    {"SELECT FROM WHERE", NULL},
    {"UPDATE pg_class SET relname = 'x'", NULL},
    {"COPY plain FROM PROGRAM 'cat'", NULL},
    {"CREATE TABLE other AS SELECT 1", NULL},
    {"DECLARE c CURSOR FOR SELECT f()", "y"},
};

static void knows_what_a_write_reaches(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(writes); i++) {
        struct verdict verdict;
        bool all;

        prove(writes[i].sql, catalog, &verdict);
        if (verdict.reason == REASON_NONE)
            fail_msg("%s\n  is cached", writes[i].sql);
        all = (verdict.effects & EFFECT_WRITES_ALL) != 0;
        if (all != (writes[i].tables == NULL))
            fail_msg("%s\n  writes %s", writes[i].sql, all ? "all" : "a list");
        if (!all)
            tables_check(writes[i].sql, verdict.writes, verdict.write_count, writes[i].tables);
    }
}

static const struct {
    const char *sql;
    unsigned effects;
    enum pin pin;
} effects[] = {
    {"SELECT 1", 0, PIN_NONE},
    {"SELECT random(), clock_timestamp(), pg_sleep(0), gen_random_uuid()", 0, PIN_NONE},
    {"SELECT nextval('seq'), currval('seq'), setval('seq', 1)", EFFECTS_SEQUENCES, PIN_NONE},
    {"SELECT uuid_generate_v4()", 0, PIN_NONE},
    {"SELECT * FROM pg_stat_activity", 0, PIN_NONE},
    {"SELECT w FROM words WHERE w = 'x' AND replace(w, 'a', 'b') <> ''", 0, PIN_NONE},
    {"SELECT pg_advisory_xact_lock(1)", 0, PIN_NONE},
    {"SELECT pg_advisory_lock(1)", EFFECT_PIN, PIN_LOCK},
    {"SELECT set_config('a.b', '1', false)", EFFECT_PIN | EFFECT_DIRTY | EFFECT_TRACK, PIN_SETTING},
    {"SELECT f()", 0, PIN_NONE},
    {"SELECT f_dynamic()", EFFECT_WRITES_ALL | EFFECT_DDL | EFFECT_PIN | EFFECT_DIRTY,
     PIN_FUNCTION},
    {"INSERT INTO triggered VALUES (1)", 0, PIN_NONE},
    {"EXPLAIN DELETE FROM customers", 0, PIN_NONE},
    {"BEGIN", EFFECT_TX_BEGIN, PIN_NONE},
    {"BEGIN; UPDATE plain SET a = 1; COMMIT", EFFECT_TX_BEGIN | EFFECT_TX_END, PIN_NONE},
    {"COPY pg_class TO STDOUT", 0, PIN_NONE},
    {"DELETE FROM pg_temp.other", EFFECT_WRITES_ALL | EFFECT_DDL | EFFECT_PIN | EFFECT_DIRTY,
     PIN_FUNCTION}, /* of which the session may know more: see temporary */
};

static void tells_effects(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(effects); i++) {
        struct verdict verdict;

        prove(effects[i].sql, catalog, &verdict);
        if (verdict.effects != effects[i].effects || verdict.pin != effects[i].pin)
            fail_msg("%s\n  effects %x pin %s", effects[i].sql, verdict.effects,
                     pin_text(verdict.pin));
    }
}

static const struct {
    const char *sql;
    bool makes, other, keeps;
    unsigned unknown;
} temporaries[] = {
    {"CREATE TEMP TABLE mine (a int PRIMARY KEY, b text DEFAULT 'x')", true, false, false, 0},
    {"CREATE TEMP TABLE mine AS SELECT a FROM plain", true, false, false, 0},
    {"SELECT a INTO TEMP mine FROM plain", true, false, false, 0},
    {"CREATE TEMP TABLE mine (a int DEFAULT f())", false, false, false, 0},
    {"CREATE TEMP TABLE mine (LIKE plain)", false, false, false, 0},
    {"CREATE TEMP TABLE plain (a int CHECK (a > 1))", false, true, false, 0},
    {"CREATE TEMP VIEW mine AS SELECT 1", false, true, false, 0},
    {"CREATE TABLE pg_temp.mine (a int)", false, true, false, 0},
    {"DROP TABLE mine", false, false, true, 0},
    {"CREATE INDEX ON mine (a)", false, false, true, 0},
    {"CREATE INDEX ON mine (f())", false, true, false, 0}, /* the path is not known */
    {"CREATE TRIGGER t AFTER INSERT ON mine EXECUTE FUNCTION t()", false, true, false, 0},
    {"INSERT INTO mine SELECT * FROM other_of_mine", false, false, false, 2},
    {"UPDATE plain SET a = 1 FROM mine", false, false, false, 1},
    {"SELECT * FROM pg_temp.mine", false, false, false, 1},
    {"SELECT * FROM elsewhere.mine", false, false, false, 0},
    {"SELECT f_dynamic() FROM mine", false, false, false, 0},
    {"INSERT INTO mine VALUES (1); SELECT 1", false, false, false, 0},
};

static void tells_temporary_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(temporaries); i++) {
        struct verdict verdict;

        prove(temporaries[i].sql, catalog, &verdict);
        const struct verdict_temporary *found = &verdict.temporary;
        if ((found->makes != 0) != temporaries[i].makes || found->other != temporaries[i].other ||
            found->keeps != temporaries[i].keeps || found->unknown_count != temporaries[i].unknown)
            fail_msg("%s\n  makes %d other %d keeps %d unknown %u", temporaries[i].sql,
                     found->makes != 0, found->other, found->keeps, found->unknown_count);
        if (found->unknown_count && (found->effects & (EFFECT_WRITES_ALL | EFFECT_DIRTY)))
            fail_msg("%s\n  may do anything", temporaries[i].sql);
    }
}

/* A cast among built-in types with a function of users. */
#define CAST_OF_USERS(context)                                                                     \
    "CREATE FUNCTION c(text) RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE ''x''; END';"          \
    "CREATE CAST (text AS int) WITH FUNCTION c(text) " context,                                    \
        "DROP CAST (text AS int); DROP FUNCTION c(text)"

/* What one more definition does to all verdicts, each tried on a snapshot of its own. */
static const struct {
    const char *create;
    const char *drop;
    const char *sql;
    enum reason reason;
    bool writes_all;
} hostile[] = {
    {CAST_OF_USERS("AS IMPLICIT"), "SELECT s FROM plain", REASON_NONE, false},
    {CAST_OF_USERS("AS IMPLICIT"), "SELECT 1", REASON_NONE, false},
    {CAST_OF_USERS("AS IMPLICIT"), "SELECT s FROM plain WHERE a = s", REASON_TYPE, true},
    {CAST_OF_USERS("AS IMPLICIT"), "INSERT INTO y SELECT s FROM plain", REASON_WRITES, true},
    {CAST_OF_USERS("AS ASSIGNMENT"), "SELECT s FROM plain LIMIT s::text", REASON_TYPE, true},
    {CAST_OF_USERS("AS ASSIGNMENT"), "INSERT INTO y SELECT s FROM plain", REASON_WRITES, true},
    {CAST_OF_USERS(""), "SELECT s FROM plain WHERE a = 1 AND s = 'x'", REASON_NONE, false},
    {CAST_OF_USERS(""), "SELECT s::date FROM plain", REASON_TYPE, false},
    {CAST_OF_USERS(""), "SELECT s::int FROM plain", REASON_TYPE, true}, /* Q06 */
    {CAST_OF_USERS(""), "SELECT CAST(ARRAY[s] AS int[]) FROM plain", REASON_TYPE, true},
    {CAST_OF_USERS(""), "SELECT int4(s) FROM plain", REASON_TYPE, true},
    {CAST_OF_USERS(""), "SELECT (s).int4 FROM plain", REASON_TYPE, true},
    {CAST_OF_USERS(""), "UPDATE plain SET a = 2", REASON_WRITES, false},
    {"CREATE CAST (text AS timestamptz) WITH INOUT AS IMPLICIT", "DROP CAST (text AS timestamptz)",
     "SELECT s FROM plain WHERE s < '2020-01-01'", REASON_TYPE, false},
    {"CREATE CAST (int AS text) WITH INOUT AS IMPLICIT", "DROP CAST (int AS text)",
     "SELECT a || 'x' FROM plain WHERE a = 1", REASON_NONE, false},
    {"CREATE FUNCTION c(mood) RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE ''x''; END';"
     "CREATE CAST (mood AS int) WITH FUNCTION c(mood) AS IMPLICIT",
     "DROP CAST (mood AS int); DROP FUNCTION c(mood)", "SELECT s FROM plain WHERE a = 1",
     REASON_NONE, false},
    {"CREATE FUNCTION c(mood) RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE ''x''; END';"
     "CREATE CAST (mood AS int) WITH FUNCTION c(mood) AS IMPLICIT",
     "DROP CAST (mood AS int); DROP FUNCTION c(mood)", "SELECT id FROM customers WHERE m > 1",
     REASON_TYPE, true},
    {"CREATE FUNCTION c(mood) RETURNS int LANGUAGE plpgsql AS 'BEGIN EXECUTE ''x''; END';"
     "CREATE CAST (mood AS int) WITH FUNCTION c(mood) AS IMPLICIT",
     "DROP CAST (mood AS int); DROP FUNCTION c(mood)", "SELECT a FROM plain WHERE a = $1",
     REASON_TYPE, true},
    {"CREATE CAST (text AS mood) WITH INOUT AS IMPLICIT", "DROP CAST (text AS mood)",
     "SELECT s FROM plain", REASON_NONE, false},
    {"CREATE FUNCTION e(text, mood) RETURNS bool LANGUAGE sql AS 'SELECT true';"
     "CREATE OPERATOR = (LEFTARG = text, RIGHTARG = mood, FUNCTION = e)",
     "DROP FUNCTION e CASCADE", "SELECT s FROM plain WHERE s = 'ok'", REASON_OPERATOR, false},
    {"CREATE FUNCTION e(text, mood) RETURNS bool LANGUAGE sql AS 'SELECT f() = 1';"
     "CREATE OPERATOR = (LEFTARG = text, RIGHTARG = mood, FUNCTION = e)",
     "DROP FUNCTION e CASCADE", "SELECT s FROM plain WHERE s = 'ok'", REASON_OPERATOR, true},
    {"CREATE FUNCTION e(text, mood) RETURNS bool LANGUAGE sql AS 'SELECT true';"
     "CREATE OPERATOR = (LEFTARG = text, RIGHTARG = mood, FUNCTION = e)",
     "DROP FUNCTION e CASCADE", "SELECT s FROM plain WHERE a = 1", REASON_NONE, false},
    {"CREATE EXTENSION pg_trgm", "DROP EXTENSION pg_trgm", /* S21 */
     "SELECT s FROM plain WHERE s % 'abc'", REASON_OPERATOR, false},
    {"CREATE EXTENSION pg_trgm", "DROP EXTENSION pg_trgm",
     "SELECT a % 2, 7 % a, a % $1, plain.a % y.a FROM plain, y WHERE s LIKE 'a%'", REASON_NONE,
     false},
    {"CREATE EXTENSION pg_trgm", "DROP EXTENSION pg_trgm",
     "SELECT q.a % $1 FROM (SELECT s AS a FROM plain) q", REASON_OPERATOR, false},
    {"CREATE EXTENSION pg_trgm", "DROP EXTENSION pg_trgm", /* its text under its name */
     "SELECT q.a % $1 FROM (SELECT a::text FROM plain) q", REASON_OPERATOR, false},
    {"CREATE EXTENSION pg_trgm", "DROP EXTENSION pg_trgm",
     "SELECT q.a % $1 FROM (SELECT CAST(CASE WHEN s = 'x' THEN 1 ELSE a END AS text) FROM plain) q",
     REASON_OPERATOR, false},
    {"CREATE EXTENSION pg_trgm", "DROP EXTENSION pg_trgm",
     "SELECT q.a % $1 FROM (SELECT (SELECT a)::varchar FROM plain) q", REASON_OPERATOR, false},
    {"CREATE EXTENSION pg_trgm", "DROP EXTENSION pg_trgm",
     "SELECT q.a % $1 FROM (SELECT a::bigint FROM plain) q", REASON_NONE, false},
    {"CREATE EXTENSION intarray", "DROP EXTENSION intarray",
     "SELECT a + 1, a - $1, id & 3 FROM plain, customers", REASON_NONE, false},
    {"CREATE EXTENSION intarray", "DROP EXTENSION intarray", "SELECT tags @> $1 FROM customers",
     REASON_NONE, false},
    {"CREATE FUNCTION op_a(int[], int[]) RETURNS bool LANGUAGE sql AS 'SELECT true';"
     "CREATE OPERATOR @> (LEFTARG = int[], RIGHTARG = int[], FUNCTION = op_a)",
     "DROP FUNCTION op_a CASCADE", "SELECT tags @> $1 FROM customers", REASON_OPERATOR, false},
    {"CREATE EXTENSION intarray;"
     "CREATE OPERATOR = (LEFTARG = int[], RIGHTARG = int[], FUNCTION = _int_overlap)",
     "DROP EXTENSION intarray CASCADE", "SELECT a FROM plain WHERE s = 'x'", REASON_OPERATOR,
     false},
    /* What users add to an extension, or make of its types, is theirs. */
    {"CREATE FUNCTION own(citext) RETURNS text IMMUTABLE LANGUAGE plpgsql AS"
     " 'BEGIN RETURN (SELECT a FROM y); END';"
     "ALTER EXTENSION citext ADD FUNCTION own(citext)",
     "ALTER EXTENSION citext DROP FUNCTION own(citext); DROP FUNCTION own(citext)",
     "SELECT own(w) FROM words", REASON_FUNCTION, false},
    {"CREATE FUNCTION translate(citext, int) RETURNS text IMMUTABLE LANGUAGE sql AS"
     " 'SELECT a::text FROM y'",
     "DROP FUNCTION translate(citext, int)", "SELECT translate(w, 'a', 'b') FROM words",
     REASON_FUNCTION, false},
    {"CREATE FUNCTION eq(citext, text) RETURNS bool IMMUTABLE LANGUAGE sql AS"
     " 'SELECT a > 1 FROM y'; CREATE OPERATOR = (LEFTARG = citext, RIGHTARG = text, FUNCTION = eq)",
     "DROP FUNCTION eq CASCADE", "SELECT w FROM words WHERE w = 'a'", REASON_OPERATOR, false},
    {"CREATE FUNCTION c(citext) RETURNS timestamptz IMMUTABLE LANGUAGE sql AS"
     " 'SELECT now() FROM y'; CREATE CAST (citext AS timestamptz) WITH FUNCTION c(citext) AS"
     " IMPLICIT",
     "DROP CAST (citext AS timestamptz); DROP FUNCTION c(citext)",
     "SELECT w FROM words, customers WHERE w > created_at", REASON_TYPE, false},
    {"CREATE DOMAIN timestamptz AS text", "DROP DOMAIN public.timestamptz",
     "SELECT name::timestamptz AT TIME ZONE 'UTC' FROM customers, clocks", REASON_TYPE, false},
    {"CREATE DOMAIN regconfig AS text", "DROP DOMAIN public.regconfig", "SELECT 'a'::regconfig",
     REASON_TYPE, false},
    {"CREATE FUNCTION s2.op_t(text, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN EXECUTE ''x''; "
     "END';"
     "CREATE OPERATOR + (LEFTARG = text, RIGHTARG = text, FUNCTION = s2.op_t)",
     "DROP FUNCTION s2.op_t CASCADE", "SELECT a + 1 FROM plain", REASON_NONE, false},
    {"CREATE FUNCTION s2.op_t(text, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN EXECUTE ''x''; "
     "END';"
     "CREATE OPERATOR + (LEFTARG = text, RIGHTARG = text, FUNCTION = s2.op_t)",
     "DROP FUNCTION s2.op_t CASCADE", "SELECT s + s FROM plain", REASON_OPERATOR, true},
    {"CREATE FUNCTION s2.op_t(text, text) RETURNS text LANGUAGE plpgsql AS 'BEGIN EXECUTE ''x''; "
     "END';"
     "CREATE OPERATOR + (LEFTARG = text, RIGHTARG = text, FUNCTION = s2.op_t);"
     "CREATE CAST (int AS text) WITH INOUT AS IMPLICIT",
     "DROP CAST (int AS text); DROP FUNCTION s2.op_t CASCADE", "SELECT a + 1 FROM plain",
     REASON_OPERATOR, true},
    {"CREATE TABLE pg_stat_x (a int)", "DROP TABLE pg_stat_x", "SELECT * FROM pg_stat_x",
     REASON_NONE, false},
    {"CREATE TABLE s1.plain (a int, r regtype)", "DROP TABLE s1.plain", "SELECT * FROM plain",
     REASON_COLUMN_TYPE, false}, /* W22 */
    {"CREATE FUNCTION md5(varchar) RETURNS text LANGUAGE sql AS 'SELECT 1::text'",
     "DROP FUNCTION md5(varchar)", "SELECT md5(s) FROM plain", REASON_FUNCTION, false}, /* Q35 */
    {"CREATE FUNCTION md5(varchar) RETURNS text LANGUAGE sql AS 'SELECT f_dynamic()::text'",
     "DROP FUNCTION md5(varchar)", "SELECT md5(s) FROM plain", REASON_FUNCTION, true},
    {"CREATE DOMAIN date AS text", "DROP DOMAIN public.date", "SELECT '2020-01-01'::date",
     REASON_TYPE, false},
    {"CREATE DOMAIN date AS text CHECK (f() > 0)", "DROP DOMAIN public.date",
     "SELECT '2020-01-01'::date", REASON_TYPE, true},
    {"CREATE OR REPLACE FUNCTION vol(plain) RETURNS float8 LANGUAGE plpgsql AS"
     " 'BEGIN EXECUTE ''x''; END'", /* W20 */
     "CREATE OR REPLACE FUNCTION vol(plain) RETURNS float8 LANGUAGE sql AS 'SELECT random()'",
     "SELECT plain.vol FROM plain", REASON_COLUMN_NAME, true},
    {"ALTER TABLE plain ENABLE ROW LEVEL SECURITY", "ALTER TABLE plain DISABLE ROW LEVEL SECURITY",
     "SELECT * FROM v_upd", REASON_NONE, false}, /* W27: without a policy no rows */
    {"CREATE TEMP TABLE small () INHERITS (plain)", "DROP TABLE small", "SELECT * FROM plain",
     REASON_TEMPORARY, false},
    {"CREATE FOREIGN TABLE far_part PARTITION OF parts FOR VALUES FROM ('2030-01-01') TO"
     " ('2031-01-01') SERVER far",
     "DROP FOREIGN TABLE far_part", "SELECT * FROM parts", REASON_RELATION_KIND, true},
    {"CREATE POLICY p ON log USING (f() > 0); ALTER TABLE log ENABLE ROW LEVEL SECURITY",
     "DROP POLICY p ON log; ALTER TABLE log DISABLE ROW LEVEL SECURITY", "SELECT * FROM log",
     REASON_ROW_SECURITY, false},
    {"CREATE POLICY p ON log USING (f_dynamic() > 0); ALTER TABLE log ENABLE ROW LEVEL SECURITY",
     "DROP POLICY p ON log; ALTER TABLE log DISABLE ROW LEVEL SECURITY", "SELECT * FROM log",
     REASON_ROW_SECURITY, true},
    {"CREATE VIEW \":funcid\" AS SELECT a AS \":relid\" FROM plain AS \":opfuncid\"",
     "DROP VIEW \":funcid\"", "SELECT * FROM \":funcid\"", REASON_VIEW, true},
};

static void bends_to_definitions(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(hostile); i++) {
        struct verdict verdict;
        char *before = scratch_value(&scratch, catalog_fingerprint_query());

        scratch_run(&scratch, hostile[i].create);
        char *after = scratch_value(&scratch, catalog_fingerprint_query());
        bool temporary = hostile[i].reason == REASON_TEMPORARY;
        if (!temporary && strcmp(before, after) == 0)
            fail_msg("%s\n  left the fingerprint as it was", hostile[i].create);
        struct catalog *changed = scratch_catalog(&scratch, 8);
        prove(hostile[i].sql, changed, &verdict);
        if (verdict.reason != hostile[i].reason ||
            ((verdict.effects & EFFECT_WRITES_ALL) != 0) != hostile[i].writes_all)
            fail_msg("%s\n  %s\n  %s (%s), effects %x", hostile[i].create, hostile[i].sql,
                     reason_text(verdict.reason), verdict.object, verdict.effects);
        catalog_unref(changed);
        scratch_run(&scratch, hostile[i].drop);
        mem_free(before);
        mem_free(after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_a_write_reaches),
        cmocka_unit_test(tells_effects),
        cmocka_unit_test(tells_temporary_tables),
        cmocka_unit_test(bends_to_definitions),
    };

    return cmocka_run_group_tests(tests, classify_setup, classify_teardown);
}
