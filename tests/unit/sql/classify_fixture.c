#include "classify_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "prove.h"

struct scratch scratch;
struct catalog *catalog;
const struct proof_scope *scope;

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
    "CREATE TABLE bags (h hstore)",
    "CREATE EXTENSION isn",
    "CREATE TABLE isbns (i isbn)",
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

int classify_setup(void **state)
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

int classify_teardown(void **state)
{
    (void)state;
    catalog_unref(catalog);
    scratch_stop(&scratch);
    return 0;
}

void prove(const char *sql, const struct catalog *with, struct verdict *out)
{
    prove_text(sql, with, scope, out);
}

void tables_check(const char *sql, const uint32_t *list, unsigned count, const char *names)
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
