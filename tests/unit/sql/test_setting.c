/* What statements about settings say, as Postgres hands it to its own settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/mem.h"
#include "sql/setting.h"

/* "set a=1;local b;..." or "" when it leaves doubt. Items of a list are parted by '|'. */
static void describe(const char *sql, const struct setting_param *params, unsigned count, char *out,
                     size_t room)
{
    static const char *const kinds[] = {"set",       "reset",   "reset all",  "local",
                                        "savepoint", "release", "rollback to"};
    struct setting_changes *changes = setting_read(slice_of_text(sql), params, count);
    size_t at = 0;
    out[0] = 0;
    for (unsigned i = 0; changes && i < changes->count; i++) {
        const struct setting_change *change = &changes->list[i];
        at += (size_t)snprintf(out + at, room - at, "%s%s %s%s", i ? "; " : "", kinds[change->kind],
                               change->name,
                               !change->value   ? ""
                               : change->listed ? "=>"
                                                : "=");
        for (size_t c = 0; c < change->value_len; c++)
            out[at++] = change->value[c] ? change->value[c] : '|';
        out[at] = 0;
    }
    setting_changes_destroy(changes);
}

static const struct {
    const char *sql;
    const char *means;
} statements[] = {
    {"SET DateStyle = 'ISO, DMY'", "set datestyle=ISO, DMY"},
    {"set datestyle to iso, dmy", "set datestyle=iso, dmy"},
    {"SET SESSION work_mem TO 5", "set work_mem=5"},
    {"set seq_page_cost = 1.50", "set seq_page_cost=1.50"},
    {"set enable_seqscan to true", "set enable_seqscan=true"},
    {"set extra_float_digits = -3", "set extra_float_digits=-3"},
    {"SET TIME ZONE 'UTC'", "set timezone=UTC"},
    {"set time zone 5", "set timezone=5"},
    {"set time zone local", "reset timezone"},
    {"set time zone interval '1' hour", ""},
    {"set names 'utf-8'", "set client_encoding=utf-8"},
    {"set names 'latin1'", ""},
    {"set names default", "reset client_encoding"},
    {"set standard_conforming_strings to on", "set standard_conforming_strings=on"},
    {"set standard_conforming_strings to off", ""},
    {"set search_path to a, \"B c\", public", "set search_path=>a|B c|public"},
    {"set schema 'a'", "set search_path=>a"},
    {"set search_path = default", "reset search_path"},
    {"set role bob", "set role=bob"},
    {"set role none", "set role=none"},
    {"reset role", "reset role"},
    {"set session authorization bob", "set session_authorization=bob"},
    {"set session authorization default", "reset session_authorization"},
    {"set xml option document", "set xmloption=DOCUMENT"},
    {"set session characteristics as transaction isolation level serializable, read only",
     "set default_transaction_isolation=serializable; set default_transaction_read_only=1"},
    {"set app.tenant = 'x''y\\'", "set app.tenant=x'y\\"},
    {"set local app.tenant = 1", "local app.tenant=1"},
    {"set local search_path to a, \"B\"", "local search_path=>a|B"},
    {"set local search_path to default", "local search_path"},
    {"reset app.tenant", "reset app.tenant"},
    {"RESET ALL", "reset all "},
    {"set default_text_search_config to 'simple'", ""},
    {"set default_text_search_config to 'pg_catalog.simple'",
     "set default_text_search_config=pg_catalog.simple"},
    {"set work_mem from current", ""},
    {"set seed to 0.5", ""},
    {"set transaction_isolation to serializable", ""},
    {"set transaction isolation level serializable", ""},
    {"set exit_on_error = on", ""},
    {"set temp_buffers = 100", ""},
    {"set a = 1; set b = 2", ""},
    {"select set_config('Work_Mem', '5MB', false)", "set work_mem=5MB"},
    {"select pg_catalog.set_config('search_path', 'a, b', 'f')", "set search_path=a, b"},
    {"select set_config('a.b', 'x', true) as c, set_config('a.c', null, false)",
     "local a.b=x; reset a.c"},
    {"select set_config('a.b', 'x'::text, false)", "set a.b=x"},
    {"select set_config('a.b', 'x' || 'y', false)", ""},
    {"select set_config('a.b', 'x', a) from t", ""},
    {"select set_config('a.b', 'x', false) where false", ""},
    {"select set_config('a.b', 'x', false), now()", ""},
    {"select set_config('a.b', 'x', false) union select ''", ""},
    {"with a as (select 1) select set_config('a.b', 'x', false)", ""},
    {"select set_config('a.b', 'x', false) over ()", ""},
    {"select set_config('a.1b', 'x', false)", ""},
    {"select set_config('seed', '0', false)", ""},
    {"select set_config('a.b', $1, false)", ""},
    {"savepoint \"A b\"", "savepoint A b"},
    {"release savepoint x", "release x"},
    {"rollback transaction to savepoint X", "rollback to x"},
    {"rollback", ""},
    {"commit", ""},
    {"show all", ""},
    {"set", ""},
    {"", ""},
};

static void reads_what_postgres_would(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(statements); i++) {
        char means[512];
        describe(statements[i].sql, NULL, 0, means, sizeof(means));
        if (strcmp(means, statements[i].means) != 0)
            fail_msg("%s: %s", statements[i].sql, means);
    }
}

static void parameters_are_read_where_they_are_known(void **state)
{
    (void)state;
    static const uint8_t no[] = {0};
    struct setting_param params[] = {
        {.known = true, .value = slice_of_text("a.b")},
        {.known = true, .value = slice_of_text("x y")},
        {.known = true, .value = slice_of(no, 1)},
        {.known = false, .value = slice_of_text("z")},
        {.known = true, .null = true},
    };
    char means[512];
    describe("select set_config($1, $2, $3)", params, 5, means, sizeof(means));
    assert_string_equal(means, "set a.b=x y");
    describe("select set_config($1, $5, false)", params, 5, means, sizeof(means));
    assert_string_equal(means, "reset a.b");
    describe("select set_config($1, $4, false)", params, 5, means, sizeof(means));
    assert_string_equal(means, "");
    describe("select set_config($5, $2, false)", params, 5, means, sizeof(means));
    assert_string_equal(means, "");
    describe("select set_config($1, $6, false)", params, 5, means, sizeof(means));
    assert_string_equal(means, "");
    describe("select set_config($1::text, $2::varchar, false)", params, 5, means, sizeof(means));
    assert_string_equal(means, "set a.b=x y");
    describe("select set_config($1::text, $2::int::text, false)", params, 5, means, sizeof(means));
    assert_string_equal(means, "");
}

static void statements_are_split_where_postgres_splits_them(void **state)
{
    (void)state;
    struct slice out[SETTING_STATEMENTS_MAX], again[SETTING_STATEMENTS_MAX];
    const char *text = "set a.b = ';' ;; /* ; */ select $$;$$; create function f() returns int "
                       "language sql begin atomic select 1; select 2; end; -- ;\n";
    assert_int_equal(setting_split(slice_of_text(text), out), 3);
    assert_true(slice_is(out[0], "set a.b = ';' "));
    assert_int_equal(setting_split(out[1], again), 1);
    assert_int_equal(setting_split(slice_of_text(""), out), 0);
    assert_int_equal(setting_split(slice_of_text(" ; -- x"), out), 0);
    assert_int_equal(setting_split(slice_of_text("select 1; selec 2"), out), 0);
    assert_int_equal(setting_split(slice_of_text("select 1"), out), 1);
    assert_true(slice_is(out[0], "select 1"));
    char many[SETTING_STATEMENTS_MAX * 7 + 8] = "";
    for (unsigned i = 0; i <= SETTING_STATEMENTS_MAX; i++)
        strcat(many, "end;");
    assert_int_equal(setting_split(slice_of_text(many), out), 0);
}

static void changes_of_several_statements_are_one_list_with_a_limit(void **state)
{
    (void)state;
    struct setting_changes *all = mem_zero(1, sizeof(*all));
    unsigned at = 0;
    while (setting_changes_add(all, setting_read(slice_of_text("set a.b to x"), NULL, 0), at))
        at++;
    assert_int_equal(all->count, SETTING_CHANGES_MAX);
    assert_int_equal(all->list[5].statement, 5);
    assert_string_equal(all->list[5].name, "a.b");
    setting_changes_destroy(all);
}

/* SET would cut them, set_config does not: a replay by SET would set another one. */
static void a_name_that_the_scanner_would_cut_is_not_read(void **state)
{
    (void)state;
    char text[256], means[512];
    snprintf(text, sizeof(text), "select set_config('a.%064d', 'x', false)", 0);
    describe(text, NULL, 0, means, sizeof(means));
    assert_string_equal(means, "");
    snprintf(text, sizeof(text), "select set_config('a.b%062d', 'x', false)", 0);
    describe(text, NULL, 0, means, sizeof(means));
    assert_memory_equal(means, "set a.b0", 8);
}

static void names_are_denied_by_default(void **state)
{
    (void)state;
    assert_true(setting_is_custom(slice_of_text("app.tenant")));
    assert_false(setting_is_custom(slice_of_text("work_mem")));
    assert_true(setting_is_harmless(slice_of_text("work_mem")));
    assert_true(setting_is_harmless(slice_of_text("enable_seqscan")));
    assert_false(setting_is_harmless(slice_of_text("search_path")));
    assert_false(setting_is_harmless(slice_of_text("app.tenant")));
    assert_false(setting_is_harmless(slice_of_text("jit.of_somebody")));
    assert_false(setting_is_harmless(slice_of_text("new_in_18")));
    assert_true(setting_keeps_constants(slice_of_text("search_path")));
    assert_false(setting_keeps_constants(slice_of_text("datestyle")));
    assert_false(setting_keeps_constants(slice_of_text("new_in_18")));
    assert_true(setting_is_for_all(slice_of_text("search_path")));
    assert_false(setting_is_for_all(slice_of_text("log_statement")));
    assert_false(setting_is_for_all(slice_of_text("new_in_18")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_postgres_would),
        cmocka_unit_test(parameters_are_read_where_they_are_known),
        cmocka_unit_test(statements_are_split_where_postgres_splits_them),
        cmocka_unit_test(changes_of_several_statements_are_one_list_with_a_limit),
        cmocka_unit_test(a_name_that_the_scanner_would_cut_is_not_read),
        cmocka_unit_test(names_are_denied_by_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
