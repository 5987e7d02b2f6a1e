/* What the text alone says, without a catalog; limits; names of reasons. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/mem.h"
#include "sql/scan.h"
#include "sql/verdict.h"

enum {
    DDL = EFFECT_WRITES_ALL | EFFECT_DDL,
    SHARED = DDL | EFFECT_GLOBAL,
    DIRTY_PIN = EFFECT_PIN | EFFECT_DIRTY,
    FUNCTION = DDL | DIRTY_PIN,
    UNKNOWN = SHARED | DIRTY_PIN | EFFECT_TX_BEGIN | EFFECT_TX_END | EFFECT_DEALLOCATE,
};

static void prove(const char *sql, struct verdict *out)
{
    struct slice text = slice_of_text(sql);
    uint8_t *space = mem_alloc(text.len + 16);
    struct scan scan = {0};

    if (scan_text(text, space, &scan) != ERR_OK)
        scan.flags = 0;
    verdict_prove(text, scan.flags, NULL, NULL, out);
    mem_free(space);
}

static const struct {
    const char *sql;
    unsigned effects;
    enum pin pin;
} statements[] = {
    {"BEGIN", EFFECT_TX_BEGIN, PIN_NONE},
    {"START TRANSACTION ISOLATION LEVEL SERIALIZABLE", EFFECT_TX_BEGIN, PIN_NONE},
    {"COMMIT", EFFECT_TX_END, PIN_NONE},
    {"END", EFFECT_TX_END, PIN_NONE},
    {"ROLLBACK", EFFECT_TX_END, PIN_NONE},
    {"ABORT", EFFECT_TX_END, PIN_NONE},
    {"COMMIT AND CHAIN", EFFECT_TX_END | EFFECT_TX_BEGIN, PIN_NONE},
    {"ROLLBACK AND CHAIN", EFFECT_TX_END | EFFECT_TX_BEGIN, PIN_NONE},
    {"SAVEPOINT s", EFFECT_TRACK, PIN_NONE},
    {"RELEASE s", EFFECT_TRACK, PIN_NONE},
    {"ROLLBACK TO s", EFFECT_TRACK, PIN_NONE},
    {"PREPARE TRANSACTION 'g'", EFFECT_TX_END, PIN_NONE},
    {"COMMIT PREPARED 'g'", SHARED | EFFECT_TX_END | DIRTY_PIN, PIN_FUNCTION},
    {"ROLLBACK PREPARED 'g'", SHARED | EFFECT_TX_END | DIRTY_PIN, PIN_FUNCTION},
    {"COMMIT; BEGIN", EFFECT_TX_END | EFFECT_TX_BEGIN, PIN_NONE}, /* T13 */
    {"SET datestyle = german", EFFECT_PIN | EFFECT_TRACK, PIN_SETTING},
    {"SET TIME ZONE 'UTC'", EFFECT_PIN | EFFECT_TRACK, PIN_SETTING},
    {"SET NAMES 'latin1'", EFFECT_PIN | EFFECT_TRACK, PIN_SETTING},
    {"SET ROLE bob", EFFECT_PIN | EFFECT_TRACK, PIN_SETTING},
    {"SET SESSION AUTHORIZATION bob", EFFECT_PIN | EFFECT_TRACK, PIN_SETTING},
    {"SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", EFFECT_PIN | EFFECT_TRACK,
     PIN_SETTING},
    {"SET app.tenant = 2", DIRTY_PIN | EFFECT_TRACK, PIN_SETTING}, /* S09 */
    {"SET LOCAL app.tenant = 2", DIRTY_PIN | EFFECT_SET_LOCAL | EFFECT_TRACK, PIN_SETTING},
    {"SET LOCAL extra_float_digits = 0", EFFECT_SET_LOCAL | EFFECT_TRACK, PIN_NONE}, /* S17 */
    {"SET TRANSACTION READ ONLY", 0, PIN_NONE},
    {"RESET ALL", EFFECT_PIN | EFFECT_TRACK, PIN_SETTING},
    {"RESET datestyle", EFFECT_PIN | EFFECT_TRACK, PIN_SETTING},
    {"SHOW datestyle", 0, PIN_NONE},
    {"DISCARD ALL", EFFECT_UNPIN | EFFECT_DEALLOCATE, PIN_NONE},
    {"DISCARD ALL; SET datestyle = german", EFFECT_DEALLOCATE | EFFECT_PIN | EFFECT_TRACK,
     PIN_SETTING},
    {"DISCARD TEMP", 0, PIN_NONE},
    {"LISTEN c", EFFECT_PIN, PIN_LISTEN},
    {"UNLISTEN c", 0, PIN_NONE},
    {"NOTIFY c, 'x'", 0, PIN_NONE},
    {"DECLARE c CURSOR FOR SELECT 1", 0, PIN_NONE},
    {"DECLARE c CURSOR WITH HOLD FOR SELECT 1", EFFECT_PIN, PIN_CURSOR},
    {"FETCH ALL FROM c", 0, PIN_NONE},
    {"MOVE c", 0, PIN_NONE},
    {"CLOSE ALL", 0, PIN_NONE},
    {"PREPARE q AS UPDATE t SET a = 1", FUNCTION | EFFECT_NAMES, PIN_PREPARED},
    {"EXECUTE q (1)", EFFECT_WRITES_ALL | EFFECT_PIN | EFFECT_NAMES | EFFECT_RUNS, PIN_PREPARED},
    {"EXPLAIN EXECUTE q", EFFECT_WRITES_ALL | EFFECT_PIN | EFFECT_NAMES | EFFECT_RUNS,
     PIN_PREPARED},
    {"DEALLOCATE q", EFFECT_DEALLOCATE, PIN_NONE},
    {"LOAD 'auto_explain'", DIRTY_PIN, PIN_UNKNOWN},
    {"DO 'BEGIN END'", UNKNOWN, PIN_UNKNOWN},
    {"CALL p(1)", UNKNOWN, PIN_UNKNOWN},
    {"SELECT FROM FROM", UNKNOWN, PIN_UNKNOWN},
    {"MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE RETURNING *", UNKNOWN, PIN_UNKNOWN},
    {"SELECT 'a", UNKNOWN, PIN_UNKNOWN},
    {"VACUUM t", EFFECT_VACUUM, PIN_NONE},
    {"ANALYZE", EFFECT_VACUUM, PIN_NONE},
    {"CHECKPOINT", 0, PIN_NONE},
    {"REINDEX TABLE t", 0, PIN_NONE},
    {"COMMENT ON TABLE t IS 'x'", EFFECT_WRITES_ALL | DIRTY_PIN, PIN_FUNCTION}, /* event triggers */
    {"LOCK TABLE t", 0, PIN_NONE},
    {"SET CONSTRAINTS ALL IMMEDIATE", 0, PIN_NONE},
    {"CREATE TEMP TABLE t (a int)", EFFECT_WRITES_ALL | DIRTY_PIN, PIN_TEMPORARY},
    {"CREATE TABLE pg_temp.t (a int)", DDL | DIRTY_PIN, PIN_TEMPORARY},
    {"CREATE TEMP TABLE t AS SELECT 1", EFFECT_WRITES_ALL | DIRTY_PIN, PIN_TEMPORARY},
    {"SELECT 1 INTO TEMP t", EFFECT_WRITES_ALL | DIRTY_PIN, PIN_TEMPORARY},
    {"CREATE TEMP VIEW v AS SELECT 1", EFFECT_WRITES_ALL | DIRTY_PIN, PIN_TEMPORARY},
    {"CREATE TEMP SEQUENCE s", EFFECT_WRITES_ALL | DIRTY_PIN, PIN_TEMPORARY},
    {"CREATE TABLE t (a int)", DDL | DIRTY_PIN, PIN_FUNCTION}, /* event triggers */
    {"CREATE INDEX ON t (a)", DDL | DIRTY_PIN, PIN_FUNCTION},
    {"DROP TABLE t", DDL | DIRTY_PIN, PIN_FUNCTION},
    {"GRANT SELECT ON t TO bob", DDL | DIRTY_PIN, PIN_FUNCTION},
    {"CREATE ROLE bob", SHARED | DIRTY_PIN, PIN_FUNCTION},
    {"ALTER ROLE bob SET datestyle = german", SHARED | DIRTY_PIN, PIN_FUNCTION}, /* S22 */
    {"GRANT alice TO bob", SHARED | DIRTY_PIN, PIN_FUNCTION},
    {"ALTER SYSTEM SET datestyle = german", SHARED | DIRTY_PIN, PIN_FUNCTION}, /* S35 */
    {"ALTER DATABASE d SET datestyle = german", SHARED | DIRTY_PIN, PIN_FUNCTION},
    {"ALTER DATABASE d RENAME TO e", SHARED | DIRTY_PIN, PIN_FUNCTION},
    {"ALTER ROLE a RENAME TO b", SHARED | DIRTY_PIN, PIN_FUNCTION},
    {"SELECT 1", 0, PIN_NONE},
    {"SELECT a FROM t", EFFECT_WRITES_ALL, PIN_NONE},
    {"SELECT lower('a')", FUNCTION, PIN_FUNCTION},
    {"INSERT INTO t VALUES (1)", FUNCTION, PIN_FUNCTION},
    {"", 0, PIN_NONE},
    {" ; ; ", 0, PIN_NONE},
};

static void tells_statements_without_catalog(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(statements); i++) {
        struct verdict verdict;

        prove(statements[i].sql, &verdict);
        if (verdict.effects != statements[i].effects || verdict.pin != statements[i].pin)
            fail_msg("%s\n  effects %x, expected %x, pin %s", statements[i].sql, verdict.effects,
                     statements[i].effects, pin_text(verdict.pin));
        assert_int_not_equal(verdict.reason, REASON_NONE);
        assert_int_equal(verdict.read_count, 0);
        assert_int_equal(verdict.write_count, 0);
    }
}

struct deep {
    const char *begin;
    const char *repeat;
    const char *middle;
    const char *end;
};

static const struct deep deep[] = {
    {"SELECT ", "1+", "1", ""},
    {"SELECT ", "- ", "a", ""},
    {"SELECT ARRAY", "[", "1", "]"},
    {"SELECT ", "(1,", "1", ")"},
    {"SELECT ", "f(", "1", ")"},
    {"SELECT ", "CASE WHEN true THEN ", "1", " END"},
    {"", "SELECT 1 UNION ", "SELECT 1", ""},
    {"SELECT ", "(SELECT ", "1", ")"},
    {"SELECT ", "a[", "1", "]"},
    {"SELECT ", "NOT ", "a", ""},
    {"SELECT * FROM ", "(SELECT * FROM ", "t", ") x"},
    {"SELECT * FROM t", " NATURAL JOIN t", "", ""},
    {"SELECT 1", " AND 1", "", ""},
    {"SELECT 1", ", 1", "", ""},
    {"SELECT 1 IN (1", ", 1 UNION SELECT 1", ")", ""},
    {"SELECT ", "x.", "a", ""},
    {"SELECT ", "((", "a", ").b).c"},
    {"SELECT a", "::int", "", ""},
    {"SELECT a", " IS NULL", "", ""},
    {"SELECT a", " COLLATE \"C\"", "", ""},
};

static char *deep_text(const struct deep *kind, unsigned levels)
{
    struct buf text = {0};

    buf_append_text(&text, kind->begin);
    for (unsigned i = 0; i < levels; i++)
        buf_append_text(&text, kind->repeat);
    buf_append_text(&text, kind->middle);
    for (unsigned i = 0; i < levels; i++)
        buf_append_text(&text, kind->end);
    buf_append(&text, "", 1);
    return (char *)text.data;
}

static void *deep_run(void *argument)
{
    static const unsigned levels[] = {100, 300, 499, 990, 1500, 5000, 30000, 100000};

    (void)argument;
    for (size_t i = 0; i < ARRAY_COUNT(deep); i++) {
        for (size_t n = 0; n < ARRAY_COUNT(levels); n++) {
            char *text = deep_text(&deep[i], levels[n]);
            struct verdict verdict;

            prove(text, &verdict);
            assert_int_not_equal(verdict.reason, REASON_NONE);
            mem_free(text);
        }
    }
    return NULL;
}

/* L02: whatever is nested, a stack of 8 MB holds it or it is not parsed. */
static void survives_depth_on_a_workers_stack(void **state)
{
    pthread_attr_t attributes;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, 8 << 20), 0);
    assert_int_equal(pthread_create(&thread, &attributes, deep_run, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    (void)pthread_attr_destroy(&attributes);
}

static void parses_long_flat_texts(void **state)
{
    static const struct deep flat[] = {
        {"DISCARD ALL; SELECT 1 WHERE 1 IN (1", ", 23", ")", ""},
        {"DISCARD ALL; VALUES (1, 'a')", ", (2, 'b b b', NULL, -3)", "", ""},
        {"DISCARD ALL; SELECT 1 WHERE 1 = 2", " OR 1 = 3 AND 3 = 5", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(flat); i++) {
        char *text = deep_text(&flat[i], 1500);
        struct verdict verdict;

        prove(text, &verdict);
        assert_int_equal(verdict.reason, REASON_SEVERAL_STATEMENTS);
        assert_int_equal(verdict.effects, EFFECT_DEALLOCATE);
        mem_free(text);
    }
}

static void refuses_long_texts_and_zero_bytes(void **state)
{
    static const char zero[] = "SELECT 1\0; DROP TABLE t";
    size_t len = (1 << 20) + 1;
    char *text = mem_alloc(len + 1);
    struct verdict verdict;

    (void)state;
    memset(text, ' ', len);
    memcpy(text, "SELECT 1", strlen("SELECT 1"));
    text[len] = '\0';
    verdict_prove(slice_of(text, len), 0, NULL, NULL, &verdict);
    assert_int_equal(verdict.reason, REASON_TOO_LONG);
    assert_int_equal(verdict.effects, UNKNOWN);
    verdict_prove(slice_of(zero, sizeof(zero) - 1), 0, NULL, NULL, &verdict);
    assert_int_equal(verdict.reason, REASON_DOUBTFUL_TEXT);
    assert_int_equal(verdict.effects, UNKNOWN);
    mem_free(text);
}

static void names_every_reason(void **state)
{
    (void)state;
    for (unsigned i = 0; i < REASON_COUNT; i++) {
        const char *name = reason_name((enum reason)i);

        assert_true(reason_text((enum reason)i)[0] != '\0');
        for (const char *at = name; *at; at++)
            assert_true(islower((unsigned char)*at) || *at == '_');
    }
    assert_string_equal(reason_name(REASON_NOT_A_QUERY), "not_a_query");
    assert_string_equal(pin_text(PIN_LISTEN), "LISTEN");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_statements_without_catalog),
        cmocka_unit_test(survives_depth_on_a_workers_stack),
        cmocka_unit_test(parses_long_flat_texts),
        cmocka_unit_test(refuses_long_texts_and_zero_bytes),
        cmocka_unit_test(names_every_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
