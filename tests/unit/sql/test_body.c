/* What the reader of function bodies finds in a text, without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "body.h"

enum { FOUND_MAX = 4096 };

static void on_name(void *context, enum fact_kind kind, const char *schema, const char *name)
{
    static const char marks[] = {
        [FACT_INSERT] = '+', [FACT_WRITE] = '!', [FACT_TRUNCATE_CASCADE] = '0', [FACT_LABEL] = '*'};
    char *found = context;
    size_t len = strlen(found);

    if (kind == FACT_READ || kind == FACT_FUNCTION || kind == FACT_ATTRIBUTE)
        return;
    (void)snprintf(found + len, FOUND_MAX - len, "%s%c%s%s%s", len ? " " : "", marks[kind],
                   schema ? schema : "", schema ? "." : "", name);
}

/* What is written: +name by INSERT, !name by others, 0name by TRUNCATE, *name is made. */
struct body_case {
    const char *text;
    const char *writes;
    unsigned reach;
};

static void check(const struct body_case *cases, size_t count, enum body_language language)
{
    for (size_t i = 0; i < count; i++) {
        char found[FOUND_MAX] = "";
        unsigned reach = body_read(slice_of_text(cases[i].text), language, on_name, found);

        if (reach != cases[i].reach || strcmp(found, cases[i].writes) != 0)
            fail_msg("%s\n  writes \"%s\", reach %x, expected \"%s\", %x", cases[i].text, found,
                     reach, cases[i].writes, cases[i].reach);
    }
}

static const struct body_case plpgsql[] = {
    {"", "", 0},
    {"BEGIN RETURN NEW; END", "", 0},
    {"BEGIN NEW.updated_at := now(); RETURN NEW; END;", "", 0},
    {"BEGIN NEW.updated_at = now(); NEW.\"Mixed\" = 1; RETURN NEW; END", "", 0},
    {"BEGIN INSERT INTO audit VALUES (1); RETURN NULL; END", "+audit", 0},
    {"begin insert into Audit.\"Log\" (a, b) select 1, 2; end", "+audit.Log", 0},
    {"BEGIN IF TG_OP = 'INSERT' THEN INSERT INTO a VALUES (NEW.*); ELSIF TG_OP = 'UPDATE' THEN"
     " UPDATE b SET x = 1; ELSE DELETE FROM c WHERE id = OLD.id; END IF; RETURN NULL; END",
     "+a !b !c", 0},
    {"BEGIN INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET x = 2; END", "!a", 0},
    {"BEGIN INSERT INTO a VALUES (1) ON CONFLICT DO NOTHING; END", "+a", 0},
    {"BEGIN UPDATE ONLY s.t AS x SET a = 1; UPDATE t x SET a = 1; UPDATE t * SET a = 2; END",
     "!s.t !t !t", 0},
    {"BEGIN DELETE FROM ONLY (t) WHERE a = 1; DELETE FROM t USING u; END", "!t !t", 0},
    {"BEGIN MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET a = 1 WHEN MATCHED THEN"
     " DELETE WHEN NOT MATCHED THEN INSERT VALUES (1); END",
     "!t", 0},
    {"BEGIN MERGE INTO t USING u ON true WHEN MATCHED THEN DO NOTHING; END", "!t", 0},
    {"BEGIN TRUNCATE TABLE a, ONLY b, s.c RESTART IDENTITY CASCADE; END", "0a 0b 0s.c", 0},
    {"BEGIN WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM x; END", "!a +b", 0},
    {"BEGIN RETURN QUERY UPDATE a SET b = 1 RETURNING *; END", "!a", 0},
    {"DECLARE r record; BEGIN FOR r IN DELETE FROM a RETURNING * LOOP END LOOP; END", "!a", 0},
    {"DECLARE c CURSOR FOR UPDATE t SET a = 1 RETURNING *; BEGIN OPEN c; END", "!t", 0},
    {"DECLARE c CURSOR (k int) IS SELECT * FROM t FOR UPDATE; BEGIN OPEN c(1); END", "", 0},
    {"DECLARE r record; BEGIN FOR r IN SELECT * FROM t FOR UPDATE LOOP PERFORM f(r.a); END LOOP; "
     "END",
     "", 0},
    {"BEGIN PERFORM 1 FROM t FOR NO KEY UPDATE OF t SKIP LOCKED; END", "", 0},
    {"DECLARE\n a int := 1; b t.c%TYPE; \"order\" t%ROWTYPE; k CONSTANT text DEFAULT 'x';\n"
     "BEGIN SELECT x, y INTO STRICT a, b FROM t WHERE id = a; RETURN a; END",
     "", 0},
    {"#variable_conflict use_column\nDECLARE x int; BEGIN x := 1; END", "", 0},
    {"<<outer>>\nDECLARE i int; BEGIN <<inner>> FOR i IN REVERSE 10..1 BY 2 LOOP CONTINUE inner "
     "WHEN"
     " i = 2; EXIT outer; END LOOP inner; END outer",
     "", 0},
    {"BEGIN WHILE a < 1 LOOP a := a + 1; END LOOP; FOREACH x SLICE 1 IN ARRAY y LOOP NULL; END "
     "LOOP;"
     " CASE a WHEN 1, 2 THEN x := 1; ELSE NULL; END CASE; ASSERT a > 1, 'x'; END",
     "", 0},
    {"BEGIN x := CASE WHEN a THEN b ELSE c END; y := CASE WHEN comment IS NULL THEN comment ELSE "
     "start"
     " END; END",
     "", 0},
    {"BEGIN INSERT INTO a VALUES (1); EXCEPTION WHEN unique_violation OR others THEN GET STACKED"
     " DIAGNOSTICS x = MESSAGE_TEXT; RAISE NOTICE 'it is %', x; RAISE; END",
     "+a", 0},
    {"BEGIN /* DELETE FROM a; */ -- EXECUTE 'x';\n RAISE 'UPDATE a SET b = 1'; END", "", 0},
    {"BEGIN NOTIFY c; PERFORM pg_notify('c', 'x'); LOCK TABLE t; UNLISTEN c; ANALYZE t; END", "",
     0},
    {"BEGIN x.delete := 1; y := x.insert; x.call := x.execute; END", "", 0},
    {"BEGIN x[1] := 2; comment := 'a'; copy = 2; END", "", 0},
    {"BEGIN CALL p(1); END", "", 0},
    {"BEGIN CREATE TEMP TABLE IF NOT EXISTS tmp (a int) ON COMMIT DROP; INSERT INTO tmp VALUES (1);"
     " CREATE LOCAL TEMPORARY TABLE u AS SELECT 1; END",
     "*tmp +tmp *u", REACH_TEMPORARY | REACH_EVENTS},
    {"BEGIN REFRESH MATERIALIZED VIEW CONCURRENTLY s.m; END", "!s.m", REACH_EVENTS},
    {"BEGIN SET LOCAL work_mem = '1MB'; END", "", REACH_LOCAL},
    {"BEGIN SET LOCAL app.tenant = 1; END", "", REACH_SETTING},
    {"BEGIN SET search_path = a; RESET ALL; END", "", REACH_SETTING},
    {"BEGIN SET CONSTRAINTS ALL IMMEDIATE; SET TRANSACTION READ ONLY; END", "", 0},
    {"BEGIN IF a THEN SET ROLE bob; END IF; END", "", REACH_SETTING},
    {"BEGIN LISTEN c; END", "", REACH_LISTEN},
    {"BEGIN COMMIT; ROLLBACK AND CHAIN; END", "", REACH_COMMITS},
    {"BEGIN IF a THEN COMMIT; END IF; END", "", REACH_COMMITS},
    {"BEGIN EXECUTE format('DELETE FROM %I', t); END", "", REACH_DYNAMIC},
    {"BEGIN RETURN QUERY EXECUTE q USING a; END", "", REACH_DYNAMIC},
    {"BEGIN FOR r IN EXECUTE q LOOP END LOOP; OPEN c NO SCROLL FOR EXECUTE q; END", "",
     REACH_DYNAMIC},
    {"BEGIN CREATE TABLE t (a int); END", "", REACH_DYNAMIC},
    {"BEGIN DROP TABLE IF EXISTS t; END", "", REACH_ALL | REACH_DDL},
    {"BEGIN DO 'x'; END", "", REACH_UNKNOWN | REACH_COMMITS},
    /* what nothing may hide */
    {"BEGIN COPY t FROM '/tmp/x'; END", "", REACH_UNKNOWN},
    {"BEGIN IF a THEN COPY t FROM '/tmp/x'; END IF; END", "", REACH_UNKNOWN},
    {"BEGIN ALTER TABLE t ADD a int; END", "", REACH_UNKNOWN},
    {"BEGIN GRANT ALL ON t TO bob; END", "", REACH_UNKNOWN},
    {"BEGIN LOOP VACUUM; END LOOP; END", "", REACH_UNKNOWN},
    {"BEGIN FOR r IN EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1 LOOP END LOOP; END", "",
     REACH_UNKNOWN},
    {"BEGIN RETURN QUERY SHOW a; END", "", REACH_UNKNOWN},
    {"BEGIN x := CASE WHEN a THEN declare END; COPY t FROM 'x'; END", "", REACH_UNKNOWN},
    {"BEGIN SELECT loop declare FROM t; COPY t FROM 'x'; END", "", REACH_UNKNOWN},
    {"DECLARE x int; COPY t FROM 'x'; BEGIN END", "", REACH_UNKNOWN},
    {"BEGIN NULL; frobnicate the_table; END", "", REACH_UNKNOWN},
    {"BEGIN INSERT t VALUES (1); END", "", REACH_UNKNOWN},
    {"BEGIN UPDATE; END", "", REACH_UNKNOWN},
    {"BEGIN UPDATE U&\"t\" SET a = 1; END", "", REACH_UNKNOWN},
    {"BEGIN RAISE 'a", "", REACH_UNKNOWN},
    {"BEGIN /* ", "", REACH_UNKNOWN},
    {"BEGIN x := 'a' -- c\n 'b'; END", "", REACH_UNKNOWN},
    {"BEGIN PERFORM set_config('x', standard_conforming_strings, true); END", "", REACH_UNKNOWN},
    {"BEGIN a2345678901234567890123456789012345678901234567890123456789012345 := 1; END", "",
     REACH_UNKNOWN},
};

static const struct body_case sql[] = {
    {"SELECT 1", "", 0},
    {"SELECT a FROM t WHERE b = $1 ORDER BY 1 LIMIT 1;", "", 0},
    {"(SELECT 1) UNION VALUES (2)", "", 0},
    {"INSERT INTO a VALUES ($1); UPDATE b SET c = 1; SELECT 1", "+a !b", 0},
    {"WITH x AS (DELETE FROM a RETURNING *) SELECT count(*) FROM x", "!a", 0},
    {"SELECT CASE WHEN a THEN reset ELSE copy END FROM t", "", 0},
    {"SELECT * INTO t FROM u", "", REACH_DYNAMIC},
    {"EXECUTE q", "", REACH_DYNAMIC},
    {"SELECT 1; CREATE TEMP TABLE x (a int); SELECT 1", "*x", REACH_TEMPORARY | REACH_EVENTS},
    {"SET LOCAL a = 1; SELECT 1", "", REACH_LOCAL},
    {"TRUNCATE t", "0t", 0},
    {"begin; select 1", "", REACH_UNKNOWN},
    {"COPY t FROM 'x'", "", REACH_UNKNOWN},
    {"SELECT 1; DECLARE c CURSOR FOR SELECT 1", "", REACH_UNKNOWN},
    {"LOAD 'x'", "", REACH_UNKNOWN},
    {"VACUUM", "", REACH_UNKNOWN},
    {"x := 1", "", 0}, /* it does not run */
};

static void finds_what_plpgsql_writes(void **state)
{
    (void)state;
    check(plpgsql, ARRAY_COUNT(plpgsql), BODY_PLPGSQL);
}

static void finds_what_sql_writes(void **state)
{
    (void)state;
    check(sql, ARRAY_COUNT(sql), BODY_SQL);
}

static void long_bodies_are_unknown(void **state)
{
    size_t len = BODY_TEXT_MAX + 1;
    char *text = mem_alloc(len);
    char found[FOUND_MAX] = "";

    (void)state;
    memset(text, ' ', len);
    assert_int_equal(body_read(slice_of(text, len), BODY_SQL, on_name, found), REACH_UNKNOWN);
    assert_int_equal(body_read(slice_of(text, len - 1), BODY_SQL, on_name, found), 0);
    memset(text, ';', len);
    assert_int_equal(body_read(slice_of(text, len - 1), BODY_SQL, on_name, found), REACH_UNKNOWN);
    text[9] = '\0';
    assert_int_equal(body_read(slice_of(text, 10), BODY_SQL, on_name, found), REACH_UNKNOWN);
    mem_free(text);
}

/* Each prefix of a body must be read without a fault, and a body that writes is never quiet. */
static void every_prefix_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(plpgsql); i++) {
        size_t len = strlen(plpgsql[i].text);

        for (size_t at = 0; at <= len; at++) {
            char found[FOUND_MAX] = "";

            (void)body_read(slice_of(plpgsql[i].text, at), BODY_PLPGSQL, on_name, found);
            (void)body_read(slice_of(plpgsql[i].text, at), BODY_SQL, on_name, found);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_plpgsql_writes),
        cmocka_unit_test(finds_what_sql_writes),
        cmocka_unit_test(long_bodies_are_unknown),
        cmocka_unit_test(every_prefix_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
