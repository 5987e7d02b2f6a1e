/* Verdicts on a real catalog: what may be cached, on what it depends, what a statement may do.
 * The ids in comments are those of the hazards the cases come from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "scratch.h"
#include "sql/catalog.h"
#include "sql/scan.h"
#include "sql/verdict.h"

static struct scratch scratch;
static struct catalog *catalog;
static const struct proof_scope *scope; /* of what prove() proves next */

static const char *const schema[] = {
    "CREATE TYPE mood AS ENUM ('sad', 'ok')",
    "CREATE TABLE customers (id serial PRIMARY KEY, name text, email varchar(100), m mood,"
    " created_at timestamptz DEFAULT now(), balance numeric, tags text[], meta jsonb)",
    "CREATE TABLE orders (id serial PRIMARY KEY, customer_id int REFERENCES customers"
    " ON DELETE CASCADE, total numeric, ordered_on date, note text)",
    "CREATE TABLE order_items (id serial PRIMARY KEY, order_id int REFERENCES orders"
    " ON UPDATE CASCADE, qty int, price numeric)",
    "CREATE TABLE remarks (id int, order_id int REFERENCES orders)",
    "CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at)",
    "CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2023-01-01') TO ('2024-01-01')",
    "CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
    "CREATE TABLE parent (a int)",
    "CREATE TABLE child (b int) INHERITS (parent)",
    "CREATE TABLE log (a int)",
    "CREATE TABLE y (a int)",
    "CREATE TABLE plain (a int PRIMARY KEY, s text)",
    "CREATE SCHEMA s1",
    "CREATE SCHEMA s2",
    "CREATE TABLE s1.x (a int, s text)",
    "CREATE TABLE s2.x (a int, s text)",
    "CREATE TABLE s2.secret (a int, o name)",
    "ALTER TABLE s2.secret ENABLE ROW LEVEL SECURITY",
    "CREATE TABLE secret (a int)",
    "CREATE SCHEMA \"odd,\"\"one\"\"\"",
    "CREATE TABLE \"odd,\"\"one\"\"\".hidden (a int)",
    "CREATE VIEW v_ok AS SELECT c.id, c.name, sum(o.total) AS total, c.created_at FROM customers c"
    " LEFT JOIN orders o ON o.customer_id = c.id WHERE c.name LIKE 'a%' OR c.m = 'ok'"
    " GROUP BY c.id",
    "CREATE VIEW v_nested AS SELECT id, total || ' EUR' AS t FROM v_ok WHERE total > 10",
    "CREATE VIEW v_now AS SELECT id, now() AS n FROM customers",
    "CREATE VIEW v_clock AS SELECT clock_timestamp() AS c",
    "CREATE VIEW v_user AS SELECT current_user AS u",
    "CREATE VIEW v_system AS SELECT relname FROM pg_class",
    "CREATE VIEW v_lock AS SELECT a FROM plain FOR UPDATE",
    "CREATE VIEW v_xmin AS SELECT a, xmin FROM plain",
    "CREATE VIEW v_cast AS SELECT s::date AS d FROM plain",
    "CREATE VIEW v_secret AS SELECT a FROM s2.secret",
    "CREATE VIEW v_upd AS SELECT a, s FROM plain",
    "CREATE VIEW v_instead AS SELECT a FROM plain",
    "CREATE VIEW v_sample AS SELECT a FROM plain TABLESAMPLE bernoulli (50)",
    "CREATE MATERIALIZED VIEW mv AS SELECT id, name FROM customers",
    "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS"
    " 'BEGIN UPDATE y SET a = a + 1; RETURN 1; END'",
    "CREATE FUNCTION f_dynamic() RETURNS int LANGUAGE plpgsql AS"
    " 'BEGIN EXECUTE ''UPDATE y SET a = a + 1''; RETURN 1; END'",
    "CREATE FUNCTION f_stable() RETURNS int STABLE LANGUAGE plpgsql AS 'BEGIN RETURN f(); END'",
    "CREATE FUNCTION f_immutable(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT a FROM y'",
    "CREATE FUNCTION vol(plain) RETURNS float8 LANGUAGE sql AS 'SELECT random()'",
    "CREATE FUNCTION t() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO log VALUES (1); RETURN NEW; END'",
    "CREATE FUNCTION lower(int) RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE VIEW v_f AS SELECT f() AS f",
    "CREATE TABLE triggered (a int)",
    "CREATE TRIGGER tr AFTER INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION t()",
    "CREATE TABLE quiet (a int)",
    "CREATE TRIGGER tr BEFORE UPDATE ON quiet FOR EACH ROW"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE TRIGGER tr INSTEAD OF UPDATE ON v_instead FOR EACH ROW EXECUTE FUNCTION t()",
    "CREATE TABLE ruled (a int)",
    "CREATE RULE r AS ON INSERT TO ruled DO ALSO INSERT INTO log VALUES (NEW.a)",
    "CREATE TABLE defaulted (a int DEFAULT f())",
    "CREATE TABLE kin (a int REFERENCES triggered_key ON DELETE CASCADE)",
    "CREATE TABLE indexed (a int)",
    "CREATE INDEX ON indexed (f_immutable(a))",
    "CREATE DOMAIN dm AS int CHECK (VALUE > f_immutable(1))",
    "CREATE DOMAIN positive AS int CHECK (VALUE > 0)",
    "CREATE TABLE domained (a positive, b text)",
    "CREATE TABLE regs (r regclass)",
    "CREATE TABLE clocks (t time, tz timestamptz)",
    "CREATE TABLE zones (t timetz)",
    "CREATE TYPE pair AS (a int, b int)",
    "CREATE TABLE pairs (p pair)",
    "CREATE TABLE columns (a int)",
    "CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq)",
    "CREATE FUNCTION op_f(int, int) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN true; END'",
    "CREATE OPERATOR ==== (LEFTARG = int, RIGHTARG = int, FUNCTION = op_f)",
    "CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
    "CREATE EXTENSION postgres_fdw",
    "CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw",
    "CREATE FOREIGN TABLE far_away (a int) SERVER far",
    "CREATE EXTENSION citext",
    "CREATE EXTENSION hstore",
    "CREATE EXTENSION \"uuid-ossp\"",
    "CREATE TABLE uuids (a uuid DEFAULT uuid_generate_v4())",
    "CREATE TABLE words (w citext)",
    "CREATE SEQUENCE seq",
    "CREATE TEMP TABLE temporary (a int)",
};

/* For keys: a statement is another's text with a key in it. */
static const char *const key_schema[] = {
    "CREATE TABLE keyed (id bigserial PRIMARY KEY, u uuid UNIQUE, v varchar(10), t text, i int,"
    " n numeric UNIQUE, c char(3) UNIQUE, ci text COLLATE nocase UNIQUE, d date UNIQUE,"
    " g int GENERATED ALWAYS AS (i + 1) STORED UNIQUE, e int, b boolean)",
    "CREATE INDEX ON keyed (v, t)",
    "CREATE INDEX ON keyed USING hash (i)",
    "CREATE INDEX ON keyed ((e + 1))",
    "CREATE UNIQUE INDEX ON keyed (b) WHERE e > 1",
    "CREATE TABLE keyed_parts (gone int, k int NOT NULL, at date NOT NULL) PARTITION BY RANGE (at)",
    "ALTER TABLE keyed_parts DROP COLUMN gone",
    "CREATE INDEX ON keyed_parts (k)",
    "CREATE TABLE keyed_part (at date NOT NULL, k int NOT NULL)",
    "CREATE UNIQUE INDEX ON keyed_part (k)",
    "ALTER TABLE keyed_parts ATTACH PARTITION keyed_part"
    " FOR VALUES FROM ('2023-01-01') TO ('2024-01-01')",
    "CREATE TABLE keyed_parent (k int PRIMARY KEY)",
    "CREATE TABLE keyed_child () INHERITS (keyed_parent)",
    "CREATE TABLE keyed_self (k int PRIMARY KEY, p int REFERENCES keyed_self ON DELETE CASCADE)",
    "CREATE TABLE keyed_before (k int PRIMARY KEY)",
    "CREATE TRIGGER tr BEFORE UPDATE ON keyed_before FOR EACH ROW"
    " EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "CREATE TABLE keyed_ruled (k int PRIMARY KEY)",
    "CREATE RULE r AS ON DELETE TO keyed_ruled DO INSTEAD NOTHING",
    "CREATE TABLE keyed_a (k int PRIMARY KEY, o int)",
    "CREATE TABLE keyed_b (k int PRIMARY KEY, a int REFERENCES keyed_a ON DELETE CASCADE)",
    "ALTER TABLE keyed_a ADD FOREIGN KEY (o) REFERENCES keyed_b ON DELETE SET NULL",
    "CREATE VIEW keyed_view AS SELECT id FROM keyed",
};

static int setup(void **state)
{
    (void)state;
    if (scratch_start(&scratch) != 0)
        return -1;
    scratch_run(&scratch, "CREATE TABLE triggered_key (a int PRIMARY KEY)");
    for (size_t i = 0; i < ARRAY_COUNT(schema); i++)
        scratch_run(&scratch, schema[i]);
    scratch_run(&scratch,
                "CREATE TRIGGER tr AFTER DELETE ON kin FOR EACH ROW EXECUTE FUNCTION t()");
    for (size_t i = 0; i < ARRAY_COUNT(key_schema); i++)
        scratch_run(&scratch, key_schema[i]);
    catalog = scratch_catalog(&scratch, 7);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    catalog_unref(catalog);
    scratch_stop(&scratch);
    return 0;
}

static void prove(const char *sql, const struct catalog *with, struct verdict *out)
{
    struct slice text = slice_of_text(sql);
    uint8_t *space = mem_alloc(text.len + 16);
    struct scan scan = {.flags = SCAN_DOUBT};

    (void)!scan_text(text, space, &scan);
    verdict_prove(text, scan.flags, with, scope, out);
    mem_free(space);
}

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
    {"SELECT w FROM words", REASON_COLUMN_TYPE},                /* K03 */
    {"SELECT 'a'::citext = 'A'", REASON_TYPE},
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

/* Relations that the list must hold as roots, separated by spaces, and nothing else. */
static void tables_check(const char *sql, const uint32_t *list, unsigned count, const char *names)
{
    char copy[256];
    unsigned expected = 0;
    char *rest = copy;

    (void)snprintf(copy, sizeof(copy), "%s", names);
    for (char *name = strsep(&rest, " "); name; name = strsep(&rest, " ")) {
        if (!*name)
            continue;
        uint32_t oid = catalog_root(catalog, scratch_oid(&scratch, name));
        bool found = false;

        for (unsigned i = 0; i < count; i++)
            found |= list[i] == oid;
        if (!found)
            fail_msg("%s\n  lacks %s", sql, name);
        expected++;
    }
    if (count != expected)
        fail_msg("%s\n  has %u tables, expected %s", sql, count, names);
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
    {"SELECT nextval('seq'), currval('seq'), setval('seq', 1)", 0, PIN_NONE},
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
    {"DELETE FROM pg_temp.other", 0, PIN_NONE},
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
     REASON_OPERATOR, false},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caches_what_is_proven),
        cmocka_unit_test(denies_what_is_not),
        cmocka_unit_test(looks_into_every_place),
        cmocka_unit_test(depends_on_every_table),
        cmocka_unit_test(knows_what_a_write_reaches),
        cmocka_unit_test(tells_effects),
        cmocka_unit_test(looks_where_the_session_looks),
        cmocka_unit_test(a_write_in_several_statements_reaches_every_schema),
        cmocka_unit_test(scopes_have_keys_of_their_own),
        cmocka_unit_test(bends_to_definitions),
        cmocka_unit_test(cached_statements_are_read_only),
        cmocka_unit_test(names_all_tables_that_postgres_finds),
        cmocka_unit_test(keys_are_columns_that_lead_an_index_and_are_compared_by_bytes),
        cmocka_unit_test(the_keys_of_a_partition_are_those_of_its_table),
        cmocka_unit_test(writes_to_tables_that_change_other_rows_too_are_not_told_by_key),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
