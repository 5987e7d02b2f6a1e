/* The parser of the console's commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "command.h"

static struct command command;
static char why[COMMAND_WHY_MAX];

static enum err parse(const char *text)
{
    size_t at = 0;
    return command_parse(slice_of_text(text), &at, &command, why);
}

static void expect(const char *text, enum command_id id)
{
    why[0] = 0;
    if (parse(text) != ERR_OK)
        fail_msg("%s: %s", text, why);
    assert_int_equal(command.id, id);
}

static void expect_refused(const char *text, const char *reason)
{
    if (parse(text) != ERR_INVALID)
        fail_msg("%s: was read", text);
    assert_string_equal(why, reason);
}

static void knows_every_command_of_the_table(void **state)
{
    (void)state;
    static const char *const arguments[] = {
        [ARGUMENT_NONE] = "",
        [ARGUMENT_DATABASE] = " app",
        [ARGUMENT_TABLE] = " t IN db",
        [ARGUMENT_NUMBER] = " 7",
        [ARGUMENT_ASSIGN] = " a = b",
        [ARGUMENT_SQL] = " IN app select 1",
        [ARGUMENT_WORDS] = " a b",
        [ARGUMENT_NAME] = " a",
        [ARGUMENT_RULE] = " r table=a action=never",
    };
    for (unsigned id = 0; id < COMMAND_COUNT; id++) {
        char text[COMMAND_TEXT_MAX];
        snprintf(text, sizeof(text), "%s%s", command_rows[id].words,
                 arguments[command_rows[id].argument]);
        expect(text, (enum command_id)id);
        for (char *at = text; *at; at++)
            *at = (char)(*at >= 'A' && *at <= 'Z' ? *at + 32 : *at);
        expect(text, (enum command_id)id);
    }
}

static void takes_the_longest_match(void **state)
{
    (void)state;
    expect("FLUSH", COMMAND_FLUSH);
    expect("FLUSH MEMORY", COMMAND_FLUSH_MEMORY);
    expect("FLUSH TABLE memory", COMMAND_FLUSH_TABLE);
    expect("SHUTDOWN", COMMAND_SHUTDOWN);
    expect("SHUTDOWN WAIT_FOR_CLIENTS", COMMAND_SHUTDOWN_WAIT_FOR_CLIENTS);
    expect("SHOW STATS_TOTALS", COMMAND_SHOW_STATS_TOTALS);
    expect("SHOW Client_Encoding", COMMAND_SHOW_SETTING);
    assert_string_equal(command.name, "client_encoding");
    expect("show transaction\n isolation  level", COMMAND_SHOW_SETTING);
    assert_string_equal(command.name, "transaction isolation level");
    expect("select  VERSION ( ) ", COMMAND_SELECT);
    assert_string_equal(command.name, "version()");
}

static void skips_blanks_comments_and_semicolons(void **state)
{
    (void)state;
    expect(" \t\r\n; /* a /* nested */ one */ -- line; with\n SHOW/**/CACHE -- end",
           COMMAND_SHOW_CACHE);
    assert_int_equal(parse(""), ERR_NOT_FOUND);
    assert_int_equal(parse(" ;; \n"), ERR_NOT_FOUND);
    assert_int_equal(parse("-- nothing"), ERR_NOT_FOUND);
    assert_int_equal(parse("/* not closed"), ERR_NOT_FOUND);
}

static void reads_command_after_command(void **state)
{
    (void)state;
    struct slice text =
        slice_of_text("SHOW POOLS; nonsense; ;FLUSH ;EXPLAIN CACHE select ';' ;PAUSE");
    static const enum err outcomes[] = {ERR_OK, ERR_INVALID, ERR_OK, ERR_OK, ERR_OK, ERR_NOT_FOUND};
    static const enum command_id ids[] = {COMMAND_SHOW_POOLS, 0, COMMAND_FLUSH,
                                          COMMAND_EXPLAIN_CACHE, COMMAND_PAUSE};
    size_t at = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(outcomes); i++) {
        assert_int_equal(command_parse(text, &at, &command, why), outcomes[i]);
        if (outcomes[i] == ERR_OK)
            assert_int_equal(command.id, ids[i]);
    }
    assert_int_equal(at, text.len);
}

static void reads_names(void **state)
{
    (void)state;
    expect("PAUSE", COMMAND_PAUSE);
    assert_string_equal(command.name, "");
    expect("PAUSE MyDB", COMMAND_PAUSE);
    assert_string_equal(command.name, "MyDB");
    expect("PAUSE my-db;", COMMAND_PAUSE);
    assert_string_equal(command.name, "my-db");
    expect("PAUSE db--comment", COMMAND_PAUSE);
    assert_string_equal(command.name, "db");
    expect("PAUSE \"odd \"\"name\"\"; --x\"", COMMAND_PAUSE);
    assert_string_equal(command.name, "odd \"name\"; --x");
    expect("PAUSE 'it''s'", COMMAND_PAUSE);
    assert_string_equal(command.name, "it's");
    expect_refused("PAUSE a b", "syntax error at or near \"b\"");
    expect_refused("PAUSE \"\"", "not a name: \"\"\"\"");
    expect_refused("PAUSE \"open", "syntax error at or near \"\"open\"");
}

static void reads_tables_as_postgres_folds_them(void **state)
{
    (void)state;
    expect("FLUSH TABLE Accounts", COMMAND_FLUSH_TABLE);
    assert_string_equal(command.name, "accounts");
    assert_string_equal(command.database, "");
    expect("flush table Public . \"Accounts\" in Shop", COMMAND_FLUSH_TABLE);
    assert_string_equal(command.name, "public.Accounts");
    assert_string_equal(command.database, "Shop");
    expect_refused("FLUSH TABLE", "syntax error at end of input");
    expect_refused("FLUSH TABLE a.", "syntax error at end of input");
    expect_refused("FLUSH TABLE a.b.c", "syntax error at or near \".\"");
    expect_refused("FLUSH TABLE a IN", "syntax error at end of input");
    expect_refused("FLUSH TABLE a, b", "syntax error at or near \",\"");
}

static void reads_numbers(void **state)
{
    (void)state;
    expect("KILL_CLIENT 42", COMMAND_KILL_CLIENT);
    assert_int_equal(command.number, 42);
    expect("KILL_CLIENT '42'", COMMAND_KILL_CLIENT);
    assert_int_equal(command.number, 42);
    expect_refused("KILL_CLIENT", "syntax error at end of input");
    expect_refused("KILL_CLIENT x", "syntax error at or near \"x\"");
    expect_refused("KILL_CLIENT 4x", "not a number: \"4x\"");
    expect_refused("KILL_CLIENT -4", "syntax error at or near \"-\"");
    expect_refused("KILL_CLIENT 99999999999999999999", "not a number: \"99999999999999999999\"");
    expect_refused("KILL_CLIENT ''", "not a number: \"''\"");
}

static void expect_set(const char *text, const char *name, const char *value)
{
    expect(text, COMMAND_SET);
    assert_string_equal(command.name, name);
    assert_string_equal(command.value, value);
}

static void reads_assignments(void **state)
{
    (void)state;
    expect_set("SET default_pool_size = 5", "default_pool_size", "5");
    expect_set("SET Query_Wait_Timeout=5s;", "query_wait_timeout", "5s");
    expect_set("SET admin_users = a, b ", "admin_users", "a, b");
    expect_set("SET server_reset_query = 'select '';'''", "server_reset_query", "select ';'");
    expect_set("SET SESSION datestyle TO ISO", "datestyle", "ISO");
    expect_set("set names 'utf8'", "client_encoding", "utf8");
    expect_set("set time zone 'UTC'", "timezone", "UTC");
    expect_set("SET admin_users = ''", "admin_users", "");
    expect_refused("SET", "syntax error at end of input");
    expect_refused("SET a", "syntax error at end of input");
    expect_refused("SET a =", "syntax error at end of input");
    expect_refused("SET a b", "syntax error at or near \"b\"");
    expect_refused("SET a = 'x' y", "syntax error at or near \"y\"");
}

static void expect_sql(const char *text, const char *sql, const char *database)
{
    expect(text, COMMAND_EXPLAIN_CACHE);
    assert_true(slice_is(command.sql, sql));
    assert_string_equal(command.database, database);
}

static void takes_sql_up_to_its_semicolon(void **state)
{
    (void)state;
    expect_sql("EXPLAIN CACHE select 1; SHOW POOLS", "select 1", "");
    expect_sql("explain cache in Shop select ';'; x", "select ';'", "Shop");
    expect_sql("EXPLAIN CACHE select $$;$$, $a$;$$$a$;", "select $$;$$, $a$;$$$a$", "");
    expect_sql("EXPLAIN CACHE select e'\\';', \";\" -- ;\n;", "select e'\\';', \";\" -- ;\n", "");
    expect_sql("EXPLAIN CACHE select a$1;2", "select a$1", "");
    expect_sql("EXPLAIN CACHE select $1;2", "select $1", "");
    expect_sql("EXPLAIN CACHE select '\\';'", "select '\\'", "");
    expect_sql("EXPLAIN CACHE select 'open ; ", "select 'open ; ", "");
    assert_false(command.with_values);
    expect_sql("EXPLAIN CACHE IN a AS b using (7, ');', \"(\") select $1", "select $1", "a");
    assert_true(command.with_values && slice_is(command.values, "7, ');', \"(\""));
    assert_string_equal(command.role, "b");
    expect_sql("EXPLAIN CACHE USING() select 1", "select 1", "");
    assert_true(command.with_values && command.values.len == 0);
    expect_refused("EXPLAIN CACHE USING 7 select 1", "syntax error at or near \"7\"");
    expect_refused("EXPLAIN CACHE USING (7; select 1", "syntax error at end of input");
    expect_refused("EXPLAIN CACHE USING (7)", "a statement is missing");
    expect_refused("EXPLAIN CACHE", "a statement is missing");
    expect_refused("EXPLAIN CACHE IN db ;", "a statement is missing");
    expect_refused("EXPLAIN select 1", "unknown command \"EXPLAIN\"");
}

static void says_what_is_unknown(void **state)
{
    (void)state;
    expect_refused("nonsense here", "unknown command \"nonsense\"");
    expect_refused("\"SHOW\" POOLS", "unknown command \"\"SHOW\"\"");
    expect_refused("\x01\xff", "unknown command \"?\"");
    expect_refused("SHOWPOOLS", "unknown command \"SHOWPOOLS\"");
}

static void refuses_what_does_not_fit(void **state)
{
    (void)state;
    char text[3 * COMMAND_TEXT_MAX];
    memset(text, 'x', sizeof(text));
    memcpy(text, "PAUSE ", 6);
    size_t at = 0;
    assert_int_equal(command_parse(slice_of(text, 6 + COMMAND_TEXT_MAX - 1), &at, &command, why),
                     ERR_OK);
    at = 0;
    assert_int_equal(command_parse(slice_of(text, 6 + COMMAND_TEXT_MAX), &at, &command, why),
                     ERR_INVALID);
    at = 0;
    assert_int_equal(command_parse(slice_of("PAUSE 'a\0b'", 11), &at, &command, why), ERR_INVALID);
}

static void every_prefix_is_answered(void **state)
{
    (void)state;
    static const char text[] =
        "SET a = 'b'; EXPLAIN CACHE IN \"x\" select $t$ e'\\'' $t$ /* /* */ */"
        "; FLUSH TABLE a.\"B\" IN c -- d\n; KILL_CLIENT '1'";
    for (size_t len = 0; len < sizeof(text); len++) {
        char *copy = malloc(len + 1); /* so that a sanitizer sees a byte too far */
        memcpy(copy, text, len);
        size_t at = 0;
        enum err err;
        do {
            err = command_parse(slice_of(copy, len), &at, &command, why);
            assert_true(at <= len);
        } while (err != ERR_NOT_FOUND);
        free(copy);
    }
}

static void writes_syntax_and_tags(void **state)
{
    (void)state;
    char text[COMMAND_WHY_MAX];
    command_syntax(COMMAND_FLUSH_TABLE, text);
    assert_string_equal(text, "FLUSH TABLE table [IN database]");
    command_syntax(COMMAND_PAUSE, text);
    assert_string_equal(text, "PAUSE [database]");
    command_tag(COMMAND_FLUSH_TABLE, text);
    assert_string_equal(text, "FLUSH");
    command_tag(COMMAND_RELOAD, text);
    assert_string_equal(text, "RELOAD");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_every_command_of_the_table),
        cmocka_unit_test(takes_the_longest_match),
        cmocka_unit_test(skips_blanks_comments_and_semicolons),
        cmocka_unit_test(reads_command_after_command),
        cmocka_unit_test(reads_names),
        cmocka_unit_test(reads_tables_as_postgres_folds_them),
        cmocka_unit_test(reads_numbers),
        cmocka_unit_test(reads_assignments),
        cmocka_unit_test(takes_sql_up_to_its_semicolon),
        cmocka_unit_test(says_what_is_unknown),
        cmocka_unit_test(refuses_what_does_not_fit),
        cmocka_unit_test(every_prefix_is_answered),
        cmocka_unit_test(writes_syntax_and_tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
