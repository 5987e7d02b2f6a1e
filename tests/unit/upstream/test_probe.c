/* upstream/probe: from a row of settings to a signature, and rows that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../../src/upstream/probe.h"
#include "base/mem.h"

enum { ROW_MAX = 4096, COLUMNS_MAX = 64, SERVER_COLUMNS = 3 };

static char names[COLUMNS_MAX][64]; /* the settings of the query, in its order */
static unsigned setting_count;
static unsigned column_count; /* with the expressions behind them */

static int read_query(void **state)
{
    (void)state;
    struct buf sql;
    buf_init(&sql);
    probe_query(&sql);
    buf_append(&sql, "", 1);
    char *text = mem_text((const char *)buf_head(&sql));
    buf_fini(&sql);
    static const char call[] = "pg_catalog.current_setting('";
    for (const char *at = text; (at = strstr(at, call)) != NULL; setting_count++) {
        at += sizeof(call) - 1;
        size_t len = strcspn(at, "'");
        assert_true(len < sizeof(names[0]) && setting_count < COLUMNS_MAX - 4);
        memcpy(names[setting_count], at, len);
    }
    mem_free(text);
    setting_count--;                                   /* transaction_read_only, the last column */
    column_count = setting_count + 4 + SERVER_COLUMNS; /* 4: current_user, session_user, OIDs */
    return 0;
}

/* A DataRow of default values, with `name` being `value` (NULL: null). */
static size_t make_row(const char *name, const char *value, uint8_t out[ROW_MAX])
{
    size_t len = 2;
    out[0] = 0;
    out[1] = (uint8_t)column_count;
    for (unsigned i = 0; i < column_count; i++) {
        const char *text = i >= setting_count ? "alice" : "default";
        if (i < setting_count && strcmp(names[i], "standard_conforming_strings") == 0)
            text = "on";
        if (i < setting_count && strcmp(names[i], "gin_fuzzy_search_limit") == 0)
            text = "0";
        if (i < setting_count && name && strcmp(names[i], name) == 0)
            text = value;
        size_t text_len = text ? strlen(text) : 0;
        uint32_t word = text ? (uint32_t)text_len : UINT32_MAX;
        out[len++] = (uint8_t)(word >> 24);
        out[len++] = (uint8_t)(word >> 16);
        out[len++] = (uint8_t)(word >> 8);
        out[len++] = (uint8_t)word;
        if (text_len)
            memcpy(out + len, text, text_len);
        len += text_len;
    }
    return len;
}

static struct probe read_row(const char *name, const char *value)
{
    uint8_t row[ROW_MAX];
    struct probe probe = {0};
    assert_int_equal(probe_read(&probe, row, make_row(name, value, row)), ERR_OK);
    assert_true(probe.done);
    return probe;
}

static void every_setting_is_part_of_the_signature(void **state)
{
    (void)state;
    struct probe plain = read_row(NULL, NULL);
    assert_null(plain.bypass);
    assert_false(plain.lexing_unsafe);
    assert_true(hash128_equal(plain.signature, read_row(NULL, NULL).signature));
    for (unsigned i = 0; i < setting_count; i++) {
        struct probe other = read_row(names[i], "other");
        struct probe null = read_row(names[i], NULL);
        struct probe empty = read_row(names[i], "");
        assert_false(hash128_equal(plain.signature, other.signature));
        assert_false(hash128_equal(plain.signature, null.signature));
        assert_false(hash128_equal(null.signature, empty.signature));
    }
}

static void knows_what_is_unsafe(void **state)
{
    (void)state;
    assert_true(read_row("standard_conforming_strings", "off").lexing_unsafe);
    assert_true(read_row("standard_conforming_strings", NULL).lexing_unsafe);
    static const char *const encodings[] = {"SJIS",    "BIG5",  "GBK",           "UHC",
                                            "GB18030", "JOHAB", "SHIFT_JIS_2004"};
    for (size_t i = 0; i < ARRAY_COUNT(encodings); i++) {
        struct probe probe = read_row("client_encoding", encodings[i]);
        assert_true(probe.lexing_unsafe);
        assert_non_null(probe.bypass);
    }
    assert_false(read_row("client_encoding", "EUC_JP").lexing_unsafe);
    assert_non_null(read_row("gin_fuzzy_search_limit", "10").bypass);
    assert_non_null(read_row("default_transaction_isolation", "serializable").bypass);
    assert_null(read_row("default_transaction_isolation", "repeatable read").bypass);
    struct probe given_up;
    probe_give_up(&given_up);
    assert_true(given_up.done && given_up.lexing_unsafe && given_up.bypass);
}

static void refuses_every_prefix_and_survives_every_flipped_bit(void **state)
{
    (void)state;
    uint8_t row[ROW_MAX];
    size_t len = make_row(NULL, NULL, row);
    for (size_t i = 0; i < len; i++) {
        uint8_t *prefix = mem_copy(row, i); /* of its own, for the address sanitizer */
        struct probe probe = {0};
        assert_int_equal(probe_read(&probe, prefix, i), ERR_MALFORMED);
        assert_false(probe.done);
        mem_free(prefix);
    }
    struct probe plain = read_row(NULL, NULL);
    size_t settings_len = len - SERVER_COLUMNS * (sizeof("alice") - 1 + 4);
    for (size_t i = 0; i < len * 8; i++) {
        uint8_t *flipped = mem_copy(row, len);
        flipped[i / 8] ^= (uint8_t)(1u << i % 8);
        struct probe probe = {0};
        if (probe_read(&probe, flipped, len) == ERR_OK && i / 8 < settings_len)
            assert_false(hash128_equal(probe.signature, plain.signature));
        mem_free(flipped);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_is_part_of_the_signature),
        cmocka_unit_test(knows_what_is_unsafe),
        cmocka_unit_test(refuses_every_prefix_and_survives_every_flipped_bit),
    };
    return cmocka_run_group_tests(tests, read_query, NULL);
}
