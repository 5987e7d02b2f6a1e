/* Verdicts on a real catalog: what may be cached, and on what it depends.
 * The ids in comments are those of the hazards the cases come from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "classify_fixture.h"

struct case_reason {
    const char *sql;
    enum reason reason;
};

static const char *const cached[] = {
    "SELECT 1",
    "VALUES (1, 'a'), (2, 'b')",
    "TABLE plain",
    "SELECT abalance FROM (SELECT 1 AS abalance) q",
    "SELECT * FROM customers WHERE id = $1",
    "SELECT c.id AS c_id, c.name AS c_name FROM customers AS c WHERE c.id IN (1, 2, 3) LIMIT $1",
    "SELECT count(*) FROM orders",
    "SELECT sum(total), avg(total), min(ordered_on) FROM orders WHERE ordered_on >= '2024-01-01'",
    "SELECT COALESCE(name, 'none'), CASE WHEN balance > 0 THEN 'a' ELSE 'b' END FROM customers",
    "SELECT CASE id WHEN 1 THEN 2 END, NULLIF(id, 3), GREATEST(id, 4) FROM customers",
    "SELECT \"customers\".* FROM \"customers\" INNER JOIN \"orders\" ON \"orders\".\"customer_id\""
    " = \"customers\".\"id\" WHERE \"orders\".\"total\" BETWEEN 1 AND 5 ORDER BY 1 DESC OFFSET 5",
    "SELECT name FROM customers WHERE name LIKE 'a%' AND email ILIKE '%b' AND name !~ 'x'",
    "SELECT id FROM customers WHERE tags @> ARRAY['a'] AND meta ->> 'k' = 'v' AND meta @> '{}'",
    "SELECT id FROM customers WHERE m = 'ok' AND m = ANY ($1)",
    "SELECT id FROM customers WHERE m = 'ok'::mood",
    "SELECT id FROM customers WHERE id = ANY ('{1,2}'::int[]) AND name IS DISTINCT FROM 'x'",
    "SELECT id FROM customers c WHERE EXISTS (SELECT 1 FROM orders o WHERE o.customer_id = c.id)",
    "SELECT id FROM customers WHERE id IN (SELECT customer_id FROM orders WHERE total > 5)",
    "WITH big AS (SELECT * FROM orders WHERE total > 100) SELECT * FROM big JOIN customers c"
    " ON c.id = big.customer_id",
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT n FROM r",
    "SELECT id FROM customers UNION SELECT id FROM orders ORDER BY 1",
    "SELECT id, rank() OVER (PARTITION BY customer_id ORDER BY total DESC) FROM orders",
    "SELECT c.id, o.total FROM customers c, LATERAL (SELECT total FROM orders o WHERE"
    " o.customer_id = c.id LIMIT 1) o",
    "SELECT * FROM orders JOIN order_items ON order_id = orders.id LEFT JOIN mv ON true CROSS JOIN"
    " (s1.x JOIN plain USING (a, s)) NATURAL JOIN y",
    "SELECT g FROM generate_series(1, 10) g",
    "SELECT * FROM unnest(ARRAY[1,2]) WITH ORDINALITY AS u(a, b)",
    "SELECT date_trunc('month', created_at)::date, extract(year FROM created_at) FROM customers",
    "SELECT created_at::date, date(created_at) FROM customers GROUP BY created_at::date, 2",
    "SELECT max(created_at)::date FROM customers",
    "SELECT o.ordered_on::timestamp FROM orders o",
    "SELECT date '2024-01-01' + 5, '2024-01-01'::timestamptz + interval '1 day'",
    "SELECT (created_at + '1 day')::date FROM customers",
    "SELECT created_at AT TIME ZONE 'UTC' FROM customers",
    "SELECT $1::date, $2::int, $3::text[]",
    "SELECT id FROM orders WHERE ordered_on >= date '1998-12-01' - interval '90' day",
    "SELECT string_agg(name, ',' ORDER BY name) FILTER (WHERE id > 1) FROM customers",
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total) FROM orders",
    "SELECT customer_id, sum(total) FROM orders GROUP BY ROLLUP (customer_id) HAVING count(*) > 1",
    "SELECT DISTINCT ON (customer_id) customer_id, total FROM orders ORDER BY customer_id, total",
    "SELECT name COLLATE \"C\" FROM customers ORDER BY name COLLATE \"C\"",
    "SELECT to_char(created_at, 'YYYY'), substring(name FROM 1 FOR 3), trim(name) FROM customers",
    "SELECT pg_catalog.lower('A')", /* whatever users call lower */
    "SELECT md5(name), upper(name), length(name), round(balance, 2), replace(name, 'a', 'b'),"
    " concat(name, 1), jsonb_build_object('a', id), row_to_json(customers) FROM customers",
    "SELECT json_agg(o) FROM orders o",
    "SELECT * FROM v_ok",
    "SELECT * FROM v_nested WHERE t <> ''",
    "SELECT * FROM v_upd",
    "SELECT * FROM mv",
    "SELECT * FROM parts",
    "SELECT * FROM parts_1",
    "SELECT * FROM ONLY parent",
    "SELECT * FROM s1.x",
    "SELECT * FROM x",
    "SELECT * FROM domained",
    "SELECT 10 % 3, 2 ^ 3, -id, id::bigint, ~id FROM plain AS p(id)",
    "SELECT a.id FROM customers a WHERE (a.id, a.name) > (1, 'x') AND NOT a.balance IS NULL",
    "/* app:x */ SELECT 1 -- trailing",
    "SELECT o FROM y AS o",
    "SELECT tz::date FROM clocks",
    "SELECT clocks.t FROM clocks WHERE t > '10:00'",
    "SELECT w, w = 'A', 'a'::citext = 'A', max(w) FROM words WHERE w = $1 GROUP BY w", /* K03 */
    "SELECT replace(w, 'a', 'b'), upper(w), w::text FROM words ORDER BY w",
    "SELECT h -> 'a', h ? 'b', hstore('a', 'b') || h FROM bags WHERE h @> 'a=>1'",
    "SELECT uuid_generate_v5(uuid_ns_dns(), name) FROM customers",
    "SELECT to_tsvector('english'::regconfig, name) @@ plainto_tsquery($1::regconfig, 'a') FROM"
    " customers",
    "SELECT created_at::timestamptz AT TIME ZONE 'UTC' AT TIME ZONE 'Asia/Tokyo' FROM customers,"
    " clocks",
};

static void caches_what_is_proven(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cached); i++) {
        struct verdict verdict;

        prove(cached[i], catalog, &verdict);
        if (verdict.reason != REASON_NONE || verdict.effects != 0)
            fail_msg("%s\n  is not cached: %s (%s), effects %x", cached[i],
                     reason_text(verdict.reason), verdict.object, verdict.effects);
        assert_int_equal(verdict.catalog_version, 7);
    }
}

static const struct case_reason denied[] = {
    {"", REASON_EMPTY},
    {"SELECT 1; SELECT 2", REASON_SEVERAL_STATEMENTS},
    {"SELECT FROM WHERE", REASON_SYNTAX},
    {"SHOW datestyle", REASON_NOT_A_QUERY},
    {"FETCH c", REASON_NOT_A_QUERY},   /* Q42 */
    {"EXECUTE q", REASON_WRITES},      /* Q43 */
    {"SELECT now()", REASON_FUNCTION}, /* Q01 */
    {"SELECT current_timestamp", REASON_SQL_VALUE_FUNCTION},
    {"SELECT current_date FROM plain", REASON_SQL_VALUE_FUNCTION},
    {"SELECT current_user", REASON_SQL_VALUE_FUNCTION},
    {"SELECT 'now'::timestamp", REASON_MAGIC_DATE},                          /* Q02 */
    {"SELECT * FROM customers WHERE created_at < 'now'", REASON_MAGIC_DATE}, /* Q03 */
    {"SELECT E'\\x6eow'::timestamp", REASON_MAGIC_DATE},
    {"SELECT U&'\\006eow'::timestamp", REASON_MAGIC_DATE},
    {"SELECT '{today}'::date[]", REASON_MAGIC_DATE},
    {"SELECT * FROM v_clock", REASON_VIEW}, /* Q04 */
    {"SELECT * FROM v_now", REASON_VIEW},
    {"SELECT * FROM v_user", REASON_VIEW},
    {"SELECT * FROM v_system", REASON_VIEW},
    {"SELECT * FROM v_lock", REASON_VIEW},
    {"SELECT * FROM v_cast", REASON_VIEW},
    {"SELECT * FROM v_xmin", REASON_VIEW},
    {"SELECT * FROM v_sample", REASON_VIEW},
    {"SELECT * FROM v_f", REASON_VIEW},
    {"SELECT 1 ==== 2", REASON_OPERATOR}, /* Q05 */
    {"SELECT 1 === 2", REASON_OPERATOR},
    {"SELECT 1 OPERATOR(public.===) 2", REASON_OPERATOR},
    {"SELECT f()", REASON_FUNCTION},
    {"SELECT f_immutable(1)", REASON_FUNCTION}, /* Q08 */
    {"SELECT lower('A')", REASON_FUNCTION},     /* an overload of users: Q35 */
    {"SELECT table_to_xml('plain', true, true, '')", REASON_FUNCTION},    /* Q09 */
    {"SELECT query_to_xml('select 1', true, true, '')", REASON_FUNCTION}, /* Q10 */
    {"SELECT * FROM temporary", REASON_TEMPORARY},                        /* Q11 */
    {"SELECT * FROM pg_temp.temporary", REASON_TEMPORARY},
    {"SELECT * FROM pg_class", REASON_SYSTEM_RELATION}, /* Q13 */
    {"SELECT * FROM information_schema.tables", REASON_SYSTEM_RELATION},
    {"SELECT * FROM columns", REASON_SYSTEM_RELATION},
    {"SELECT * FROM pg_toast.pg_toast_1255", REASON_SYSTEM_RELATION},
    {"SELECT lo_get(1)", REASON_FUNCTION},            /* Q15 */
    {"SELECT xmax FROM plain", REASON_SYSTEM_COLUMN}, /* Q16 */
    {"SELECT p.xmin FROM plain p", REASON_SYSTEM_COLUMN},
    {"SELECT ctid FROM plain", REASON_SYSTEM_COLUMN}, /* Q17 */
    {"SELECT (p).tableoid FROM plain p", REASON_SYSTEM_COLUMN},
    {"SELECT r FROM regs", REASON_COLUMN_TYPE}, /* Q18 */
    {"SELECT a::regclass FROM plain", REASON_TYPE},
    {"SELECT regclass('plain')", REASON_TYPE},
    {"SELECT t FROM zones", REASON_COLUMN_TYPE},
    {"SELECT p FROM pairs", REASON_COLUMN_TYPE},
    {"SELECT has_table_privilege('plain', 'select')", REASON_FUNCTION}, /* Q20 */
    {"SELECT last_value FROM seq", REASON_RELATION_KIND},               /* Q21 */
    {"SELECT nextval('seq')", REASON_FUNCTION},
    {"SELECT * FROM far_away", REASON_RELATION_KIND},                       /* Q22 */
    {"SELECT * FROM plain TABLESAMPLE bernoulli (50)", REASON_TABLESAMPLE}, /* Q23 */
    {"SELECT pg_try_advisory_lock(1)", REASON_FUNCTION},                    /* Q25 */
    {"SELECT a::dm FROM plain", REASON_TYPE},                               /* Q26 */
    {"SELECT a::positive FROM plain", REASON_TYPE},
    {"SELECT plain.vol FROM plain", REASON_COLUMN_NAME}, /* Q46 */
    {"SELECT (plain).vol FROM plain", REASON_COLUMN_NAME},
    {"SELECT p.vol FROM plain p", REASON_COLUMN_NAME},
    {"SELECT vol(p) FROM plain p", REASON_FUNCTION},
    {"SELECT p.pg_typeof FROM plain p", REASON_COLUMN_NAME},
    {"SELECT s::timestamptz FROM plain", REASON_TYPE}, /* Q49 */
    {"SELECT date(s) FROM plain", REASON_TYPE},
    {"SELECT timestamptz(s) FROM plain", REASON_TYPE},
    {"SELECT (s).timestamptz FROM plain", REASON_TYPE},
    {"SELECT g.timestamptz FROM unnest(array['n' || 'ow']) g", REASON_TYPE},
    {"SELECT (created_at).age FROM customers", REASON_COLUMN_NAME},
    {"SELECT g.age FROM generate_series('2024-01-01'::timestamptz, '2024-01-02', '1 day') g",
     REASON_COLUMN_NAME},
    {"SELECT s::date[] FROM plain", REASON_TYPE},
    {"SELECT s::daterange FROM plain", REASON_TYPE},
    {"SELECT d::date FROM (SELECT s AS d FROM plain) q", REASON_TYPE},
    {"SELECT ordered_on::date FROM (SELECT note AS ordered_on FROM orders) q", REASON_TYPE},
    {"SELECT q.ordered_on::date FROM orders, (SELECT note FROM orders) q(ordered_on)", REASON_TYPE},
    {"SELECT ('no' || 'w')::timestamp", REASON_TYPE},
    {"SELECT $1::text::date", REASON_TYPE},
    {"SELECT * FROM json_to_record('{}') AS r(t timestamptz)", REASON_TYPE}, /* Q50 */
    {"SELECT jsonb_populate_record(c, '{}') FROM customers c", REASON_FUNCTION},
    {"SELECT system_user", REASON_SQL_VALUE_FUNCTION}, /* Q52 */
    {"SELECT age(created_at) FROM customers", REASON_FUNCTION},
    {"SELECT t AT TIME ZONE 'UTC' FROM clocks", REASON_FUNCTION},
    {"SELECT t::timetz FROM clocks", REASON_TYPE},
    {"SELECT t AT TIME ZONE 'UTC' AT TIME ZONE 'UTC' FROM clocks", REASON_FUNCTION},
    {"SELECT s::regconfig FROM plain", REASON_TYPE},
    {"SELECT 'plain'::regclass", REASON_TYPE},
    {"SELECT '{english}'::regconfig[]", REASON_TYPE},
    {"SELECT current_setting('x.y', true)", REASON_FUNCTION}, /* S37 */
    {"SELECT set_config('a.b', '1', false)", REASON_FUNCTION},
    {"SELECT version()", REASON_FUNCTION},
    {"SELECT makeaclitem(10, 10, 'SELECT', false)", REASON_FUNCTION},
    {"SELECT random()", REASON_FUNCTION},
    {"SELECT pg_sleep(1)", REASON_FUNCTION},
    {"SELECT inet_server_addr()", REASON_FUNCTION},
    {"SELECT a FROM plain FOR UPDATE", REASON_ROW_LOCK},
    {"SELECT a FROM (SELECT a FROM plain FOR SHARE) q", REASON_ROW_LOCK},
    {"SELECT a INTO other FROM plain", REASON_SELECT_INTO},
    {"SELECT name COLLATE nocase FROM customers", REASON_TYPE}, /* K04 */
    {"SELECT i FROM isbns", REASON_COLUMN_TYPE},                /* isn_weak says what it takes */
    {"SELECT 1 FROM isbns", REASON_COLUMN_TYPE},
    {"SELECT '978-0-393-04002-9'::isbn", REASON_TYPE},
    {"SELECT is_valid(i) FROM isbns", REASON_FUNCTION},
    {"SELECT w::date FROM words", REASON_TYPE},
    {"SELECT populate_record(c, h) FROM customers c, bags", REASON_FUNCTION},
    {"SELECT c #= h FROM customers c, bags", REASON_OPERATOR},
    {"SELECT uuid_generate_v4()", REASON_FUNCTION},
    {"SELECT a FROM plain ORDER BY a USING >", REASON_OPERATOR},
    {"SELECT * FROM nowhere", REASON_UNKNOWN_RELATION},
    {"SELECT * FROM s1.plain", REASON_UNKNOWN_RELATION},
    {"WITH w AS (DELETE FROM plain RETURNING *) SELECT * FROM w", REASON_WRITES}, /* W12 */
    {"COPY plain TO STDOUT", REASON_NOT_A_QUERY},
    {"EXPLAIN SELECT 1", REASON_NOT_A_QUERY},
    {"INSERT INTO plain VALUES (1)", REASON_WRITES},
    {"SELECT a FROM plain WHERE a = 1e", REASON_DOUBTFUL_TEXT},
    {"SELECT 'tomor'\n'row'", REASON_MAGIC_DATE},
    {"SELECT user", REASON_SQL_VALUE_FUNCTION},
    {"SELECT localtime", REASON_SQL_VALUE_FUNCTION},
    {"SELECT to_regclass('x')", REASON_FUNCTION},
    {"SELECT a::oid::regclass FROM plain", REASON_TYPE},
    {"SELECT s::time FROM plain", REASON_TYPE},
    {"SELECT string_to_array(s, ',')::date[] FROM plain", REASON_TYPE},
    {"SELECT (SELECT s FROM plain)::date", REASON_TYPE},
    {"SELECT column1::date FROM (VALUES ('a')) v", REASON_TYPE},
    {"SELECT (CASE WHEN true THEN s END)::timestamp FROM plain", REASON_TYPE},
    {"SELECT COALESCE(s, '2020-01-01')::date FROM plain", REASON_TYPE},
    {"SELECT txid_current()", REASON_FUNCTION},
    {"SELECT a FROM plain WHERE a = 1 FOR NO KEY UPDATE SKIP LOCKED", REASON_ROW_LOCK},
    {"WITH RECURSIVE c(n) AS (SELECT 1) CYCLE n SET k USING p SELECT * FROM c", REASON_EXPRESSION},
};

static void denies_what_is_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(denied); i++) {
        struct verdict verdict;

        prove(denied[i].sql, catalog, &verdict);
        if (verdict.reason != denied[i].reason)
            fail_msg("%s\n  %s (%s), expected %s", denied[i].sql, reason_text(verdict.reason),
                     verdict.object, reason_text(denied[i].reason));
        assert_int_equal(verdict.forceable ? 0 : verdict.read_count, 0);
    }
}

/* Every place of a query that can hold an expression. */
static const char *const places[] = {
    "SELECT %s",
    "VALUES (1), (%s)",
    "SELECT a FROM plain WHERE a = %s",
    "SELECT a FROM plain WHERE a BETWEEN 1 AND %s",
    "SELECT a FROM plain WHERE a IN (1, %s)",
    "SELECT a FROM plain WHERE a = ANY (ARRAY[1, %s])",
    "SELECT a FROM plain WHERE NOT (a = 1 OR %s = 1)",
    "SELECT a FROM plain WHERE %s IS NULL",
    "SELECT a FROM plain WHERE (%s = 1) IS TRUE",
    "SELECT a FROM plain WHERE (a, 1) < (2, %s)",
    "SELECT CASE %s WHEN 1 THEN 2 END",
    "SELECT CASE WHEN %s = 1 THEN 2 END",
    "SELECT CASE WHEN true THEN %s END",
    "SELECT CASE WHEN true THEN 1 ELSE %s END",
    "SELECT COALESCE(1, %s)",
    "SELECT NULLIF(1, %s)",
    "SELECT GREATEST(1, %s)",
    "SELECT (ARRAY[1])[%s::int]",
    "SELECT (ARRAY[1])[1:%s::int]",
    "SELECT %s::text COLLATE \"C\"",
    "SELECT abs(%s)",
    "SELECT round(v => 1, s => %s)",
    "SELECT count(*) FILTER (WHERE %s = 1) FROM plain",
    "SELECT string_agg(s, ',' ORDER BY %s) FROM plain",
    "SELECT percentile_cont(%s) WITHIN GROUP (ORDER BY a) FROM plain",
    "SELECT sum(a) OVER (PARTITION BY %s) FROM plain",
    "SELECT sum(a) OVER (ORDER BY a ROWS %s PRECEDING) FROM plain",
    "SELECT sum(a) OVER w FROM plain WINDOW w AS (ORDER BY %s)",
    "SELECT a FROM plain GROUP BY a, %s",
    "SELECT a FROM plain GROUP BY GROUPING SETS ((a), (%s))",
    "SELECT a FROM plain GROUP BY a HAVING %s = 1",
    "SELECT a FROM plain ORDER BY %s",
    "SELECT DISTINCT ON (%s) a FROM plain",
    "SELECT a FROM plain LIMIT %s",
    "SELECT a FROM plain OFFSET %s",
    "SELECT p.a FROM plain p JOIN y ON p.a = %s",
    "SELECT q.b FROM (SELECT %s AS b) q",
    "SELECT * FROM plain, LATERAL (SELECT %s) q",
    "SELECT * FROM generate_series(1, %s)",
    "SELECT * FROM ROWS FROM (generate_series(1, 2), generate_series(1, %s))",
    "WITH c AS (SELECT %s) SELECT * FROM c",
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + %s FROM c) SELECT * FROM c",
    "SELECT 1 UNION SELECT %s",
    "SELECT EXISTS (SELECT %s)",
    "SELECT ARRAY(SELECT %s)",
    "SELECT a FROM plain WHERE a > ALL (SELECT %s)",
    "SELECT a FROM plain WHERE %s IN (SELECT a FROM y)",
    "SELECT (ROW(%s, 1)).f1",
    "SELECT xmlforest(%s AS a)",
    "SELECT * FROM plain TABLESAMPLE bernoulli (%s)",
};

static void looks_into_every_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(places); i++) {
        struct verdict verdict;
        char sql[256];
        const char *hole = strstr(places[i], "%s");
        int before = (int)(hole - places[i]);

        (void)snprintf(sql, sizeof(sql), "%.*srandom()%s", before, places[i], hole + 2);
        prove(sql, catalog, &verdict);
        if (verdict.reason == REASON_NONE || verdict.reason == REASON_SYNTAX)
            fail_msg("%s\n  %s", sql, reason_text(verdict.reason));
        assert_int_equal(verdict.effects, 0);
        (void)snprintf(sql, sizeof(sql), "%.*sf()%s", before, places[i], hole + 2);
        prove(sql, catalog, &verdict);
        if (verdict.reason == REASON_NONE || verdict.effects != 0 || verdict.write_count != 1)
            fail_msg("%s\n  %s, effects %x", sql, reason_text(verdict.reason), verdict.effects);
        (void)snprintf(sql, sizeof(sql), "%.*sf_dynamic()%s", before, places[i], hole + 2);
        prove(sql, catalog, &verdict);
        if (verdict.reason == REASON_NONE || !(verdict.effects & EFFECT_WRITES_ALL))
            fail_msg("%s\n  %s, effects %x", sql, reason_text(verdict.reason), verdict.effects);
    }
}

static const struct {
    const char *sql;
    const char *tables;
} reads[] = {
    {"SELECT * FROM plain", "plain"},
    {"SELECT * FROM x", "s1.x s2.x"}, /* S06, W22, W25 */
    {"SELECT * FROM s2.x", "s2.x"},
    {"SELECT * FROM parts_1", "parts"}, /* W07 */
    {"SELECT * FROM parts", "parts"},
    {"SELECT * FROM child", "parent"}, /* W10 */
    {"SELECT * FROM v_nested", "customers orders"},
    {"SELECT * FROM mv", "mv"},
    {"WITH y AS (SELECT a FROM plain) SELECT * FROM y", "y plain"},
    {"WITH cte AS (SELECT a FROM plain) SELECT * FROM cte", "plain"},
    {"SELECT (SELECT max(a) FROM y) FROM plain WHERE a IN (SELECT a FROM log)", "plain y log"},
};

static void depends_on_every_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(reads); i++) {
        struct verdict verdict;

        prove(reads[i].sql, catalog, &verdict);
        assert_int_equal(verdict.reason, REASON_NONE);
        tables_check(reads[i].sql, verdict.reads, verdict.read_count, reads[i].tables);
    }
}

/* Every statement that is said to be cacheable must at least be one that Postgres accepts in a
 * read-only transaction. */
static void cached_statements_are_read_only(void **state)
{
    (void)state;
    scratch_run(&scratch, "BEGIN READ ONLY");
    scratch_run(&scratch, "SET LOCAL search_path = public, s1");
    for (size_t i = 0; i < ARRAY_COUNT(cached); i++) {
        PGresult *result = PQprepare(scratch.connection, "", cached[i], 0, NULL);

        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            fail_msg("%s\n  %s", cached[i], PQerrorMessage(scratch.connection));
        PQclear(result);
    }
    scratch_run(&scratch, "ROLLBACK");
}

/* Does the verdict on `sql` name every table that Postgres finds in it? As a view, to have its
 * dependencies listed; -1 if it cannot be one. */
static int dependencies_check(const char *sql)
{
    char *create = mem_alloc(strlen(sql) + 64);
    struct verdict verdict;
    int checked = -1;

    (void)sprintf(create, "CREATE VIEW probe AS %s", sql);
    scratch_run(&scratch, "BEGIN; SET LOCAL search_path = public, s1");
    PGresult *created = PQexec(scratch.connection, create);
    if (PQresultStatus(created) == PGRES_COMMAND_OK) {
        PGresult *found = PQexec(
            scratch.connection,
            "SELECT DISTINCT c.oid, c.relname FROM pg_depend d JOIN pg_rewrite r ON d.objid = r.oid"
            " JOIN pg_class c ON c.oid = d.refobjid WHERE r.ev_class = 'probe'::regclass"
            " AND d.refclassid = 'pg_class'::regclass AND c.relkind <> 'v'");

        assert_int_equal(PQresultStatus(found), PGRES_TUPLES_OK);
        prove(sql, catalog, &verdict);
        for (checked = 0; checked < PQntuples(found); checked++) {
            uint32_t oid = (uint32_t)strtoul(PQgetvalue(found, checked, 0), NULL, 10);
            bool named = false;

            for (unsigned i = 0; i < verdict.read_count; i++)
                named |= verdict.reads[i] == catalog_root(catalog, oid);
            if (!named)
                fail_msg("%s\n  does not depend on %s", sql, PQgetvalue(found, checked, 1));
        }
        PQclear(found);
    }
    PQclear(created);
    scratch_run(&scratch, "ROLLBACK");
    mem_free(create);
    return checked;
}

static void names_all_tables_that_postgres_finds(void **state)
{
    unsigned checked = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cached); i++)
        checked += dependencies_check(cached[i]) > 0;
    for (size_t i = 0; i < ARRAY_COUNT(reads); i++)
        checked += dependencies_check(reads[i].sql) > 0;
    assert_true(checked > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caches_what_is_proven),
        cmocka_unit_test(denies_what_is_not),
        cmocka_unit_test(looks_into_every_place),
        cmocka_unit_test(depends_on_every_table),
        cmocka_unit_test(cached_statements_are_read_only),
        cmocka_unit_test(names_all_tables_that_postgres_finds),
    };

    return cmocka_run_group_tests(tests, classify_setup, classify_teardown);
}
