/* The console's protocol, and commands that other threads have a part in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "console_rig.h"

static struct rig rig;

static int set_up(void **state)
{
    (void)state;
    rig_init(&rig);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    rig_fini(&rig);
    return 0;
}

/* Sends all at once, and runs until there were so many ReadyForQuery. */
static void ask(struct buf *requests, unsigned ready_count)
{
    rig_feed(&rig, buf_head(requests), buf_len(requests));
    buf_fini(requests);
    rig_run(&rig, ready_count);
}

static void expect_tags(const char *expected)
{
    char tags[RIG_TAGS_MAX];
    rig_tags(&rig, tags);
    assert_string_equal(tags, expected);
}

static void expect_sqlstate(const char *expected)
{
    char sqlstate[6];
    rig_sqlstate(&rig, sqlstate);
    assert_string_equal(sqlstate, expected);
}

/* ---- simple queries ---- */

static void answers_a_query(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_query(&requests, "SHOW VERSION");
    ask(&requests, 1);
    expect_tags("TDCZ");
    assert_true(rig_has_value(&rig, "pgrecall 1.2.3"));
}

static void answers_several_commands_of_one_query(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_query(&requests, "BEGIN; SHOW CLIENTS; SELECT 1;; COMMIT;");
    ask(&requests, 1);
    expect_tags("CTDDDDDDCTDCCZ");
}

static void an_error_ends_its_query_alone(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_query(&requests, "SHOW VERSION; nonsense; FLUSH");
    rig_query(&requests, "KILL_CLIENT 1; SHOW VERSION");
    rig_query(&requests, "SHOW VERSION");
    ask(&requests, 3);
    expect_tags("TDCEZEZTDCZ");
    expect_sqlstate("42601");
}

static void an_empty_query_is_answered_so(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_query(&requests, "");
    rig_query(&requests, " ; -- nothing");
    ask(&requests, 2);
    expect_tags("IZIZ");
}

static void commands_of_one_query_are_bounded(void **state)
{
    (void)state;
    char text[1000] = "";
    for (unsigned i = 0; i < 101; i++)
        strcat(text, "BEGIN;");
    struct buf requests = {0};
    rig_query(&requests, text);
    ask(&requests, 1);
    expect_sqlstate("54000");
}

static void a_query_may_not_leave_too_much_to_be_sent(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_query(&requests, "SHOW CLIENTS; SELECT 1");
    rig_feed(&rig, buf_head(&requests), buf_len(&requests));
    buf_fini(&requests);
    rig.session.pending = SIZE_MAX;
    rig_run(&rig, 1);
    expect_tags("TDDDDDDCE");
    assert_true(rig.session.ended);
}

static void what_is_behind_a_slow_command_waits_for_it(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_query(&requests, "SHOW CLIENTS");
    rig_query(&requests, "SELECT 1");
    rig_feed(&rig, buf_head(&requests), buf_len(&requests));
    expect_tags(""); /* no loop has run yet */
    buf_fini(&requests);
    rig_run(&rig, 2);
    expect_tags("TDDDDDDCZTDCZ");
}

static void input_may_come_byte_by_byte(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_query(&requests, "SHOW VERSION");
    rig_parse(&requests, "", "SHOW CLIENTS");
    rig_bind(&requests, "", "", 0);
    rig_execute(&requests, "", 0);
    rig_sync(&requests);
    for (size_t i = 0; i < buf_len(&requests); i++)
        rig_feed(&rig, buf_head(&requests) + i, 1);
    buf_fini(&requests);
    rig_run(&rig, 2);
    expect_tags("TDCZ12DDDDDDCZ");
}

/* ---- other threads ---- */

static void gathers_from_every_worker(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_query(&requests, "SHOW CLIENTS");
    ask(&requests, 1);
    expect_tags("TDDDDDDCZ");
    for (unsigned host = 0; host < RIG_HOSTS; host++)
        for (unsigned i = 0; i < RIG_CLIENTS; i++) {
            char name[32];
            snprintf(name, sizeof(name), "user %u of host %u", i, host);
            assert_true(rig_has_value(&rig, name));
        }
}

static void leaves_out_a_worker_that_has_ended(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_end_other(&rig);
    rig_query(&requests, "SHOW CLIENTS");
    ask(&requests, 1);
    expect_tags("TDDDCZ");
}

static void a_client_may_leave_while_it_waits(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_query(&requests, "SHOW CLIENTS; SHOW CACHE");
    rig_feed(&rig, buf_head(&requests), buf_len(&requests));
    buf_fini(&requests);
    rig_close(&rig);
    rig_run(&rig, 0);
    expect_tags("");
}

static void a_client_may_leave_while_a_portal_waits(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_parse(&requests, "s", "SET default_pool_size = 8");
    rig_bind(&requests, "p", "s", 0);
    rig_execute(&requests, "p", 0);
    rig_feed(&rig, buf_head(&requests), buf_len(&requests));
    buf_fini(&requests);
    rig_close(&rig);
    rig_run(&rig, 0);
    expect_tags("12");
}

static void kills_a_client_wherever_it_is(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_query(&requests, "KILL_CLIENT 77");
    rig_query(&requests, "KILL_CLIENT 78");
    ask(&requests, 2);
    expect_tags("CZEZ");
    expect_sqlstate("42704");
}

static void sets_options_on_the_main_loop(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_query(&requests, "SET default_pool_size = 8; SHOW CONFIG");
    ask(&requests, 1);
    assert_int_equal(conf_current()->options.default_pool_size, 8);
    expect_sqlstate("");
}

static void refuses_bad_values(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_query(&requests, "SET default_pool_size = -8");
    rig_query(&requests, "SET workers = 1");
    rig_query(&requests, "SET no_such = 1");
    ask(&requests, 3);
    expect_tags("EZEZEZ");
    expect_sqlstate("22023");
}

static void says_when_a_reload_failed(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_query(&requests, "RELOAD");
    ask(&requests, 1);
    expect_tags("EZ");
    expect_sqlstate("F0000");
}

static void answers_a_reload_when_it_is_done(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig.reload_works = true;
    rig_query(&requests, "RELOAD");
    ask(&requests, 1);
    expect_tags("CZ");
    assert_int_equal(conf_current()->options.default_pool_size, 7);
}

static void asks_for_the_end(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_query(&requests, "SHUTDOWN WAIT_FOR_CLIENTS");
    ask(&requests, 1);
    expect_tags("CZ");
    assert_int_equal(rig.shutdown_mode, CONSOLE_SHUTDOWN_CLIENTS);
}

/* ---- the extended protocol ---- */

static void answers_the_extended_protocol(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_parse(&requests, "s", "SHOW VERSION;");
    rig_target(&requests, 'D', 'S', "s");
    rig_bind(&requests, "p", "s", 0);
    rig_target(&requests, 'D', 'P', "p");
    rig_execute(&requests, "p", 0);
    rig_target(&requests, 'C', 'P', "p");
    rig_target(&requests, 'C', 'S', "s");
    rig_sync(&requests);
    ask(&requests, 1);
    expect_tags("1tT2TDC33Z");
}

static void describes_what_has_no_rows(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_parse(&requests, "", "BEGIN");
    rig_target(&requests, 'D', 'S', "");
    rig_bind(&requests, "", "", 1);
    rig_target(&requests, 'D', 'P', "");
    rig_execute(&requests, "", 0);
    rig_parse(&requests, "", " ");
    rig_bind(&requests, "", "", 0);
    rig_execute(&requests, "", 0);
    rig_sync(&requests);
    ask(&requests, 1);
    expect_tags("1tn2nC12IZ");
}

static void keeps_to_the_row_limit(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_parse(&requests, "", "SHOW CLIENTS");
    rig_bind(&requests, "", "", 0);
    for (unsigned i = 0; i < 3; i++)
        rig_execute(&requests, "", 4);
    rig_sync(&requests);
    ask(&requests, 1);
    expect_tags("12DDDDsDDCCZ");
}

static void an_error_skips_up_to_sync(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_parse(&requests, "", "KILL_CLIENT 1");
    rig_bind(&requests, "", "", 0);
    rig_execute(&requests, "", 0);
    rig_query(&requests, "SHOW VERSION");
    rig_execute(&requests, "", 0);
    rig_sync(&requests);
    rig_query(&requests, "SELECT 1");
    ask(&requests, 2);
    expect_tags("12EZTDCZ");
}

static void portals_end_at_sync_and_statements_do_not(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_parse(&requests, "s", "SELECT 1");
    rig_bind(&requests, "p", "s", 0);
    rig_sync(&requests);
    rig_execute(&requests, "p", 0);
    rig_sync(&requests);
    rig_bind(&requests, "p", "s", 0);
    rig_sync(&requests);
    ask(&requests, 3);
    expect_tags("12ZEZ2Z");
    expect_sqlstate("34000");
}

static void a_portal_outlives_its_statement(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_parse(&requests, "s", "DEALLOCATE s");
    rig_bind(&requests, "", "s", 0);
    rig_target(&requests, 'C', 'S', "s");
    rig_target(&requests, 'D', 'P', "");
    rig_sync(&requests);
    rig_parse(&requests, "s", "DEALLOCATE ALL");
    rig_bind(&requests, "", "s", 0);
    rig_execute(&requests, "", 0);
    rig_bind(&requests, "", "s", 0);
    rig_sync(&requests);
    ask(&requests, 2);
    expect_tags("123nZ12CEZ");
    expect_sqlstate("26000");
}

static void refuse(const char *statement, int result_format, const char *tags, const char *sqlstate)
{
    struct buf requests = {0};
    rig_parse(&requests, "", statement);
    rig_bind(&requests, "", "", result_format);
    rig_sync(&requests);
    ask(&requests, 1);
    expect_tags(tags);
    expect_sqlstate(sqlstate);
}

static void refuses_several_commands_in_a_statement(void **state)
{
    (void)state;
    refuse("SELECT 1; SELECT 1", 0, "EZ", "42601");
}

static void refuses_unknown_formats(void **state)
{
    (void)state;
    refuse("SELECT 1", 2, "1EZ", "08P01");
}

static void refuses_parameters(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_parse(&requests, "", "SELECT 1");
    static const uint8_t one[] = {'B', 0, 0, 0, 17, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 'x', 0, 0};
    buf_append(&requests, one, sizeof(one));
    rig_sync(&requests);
    ask(&requests, 1);
    expect_tags("1EZ");
    expect_sqlstate("08P01");
}

static void sends_binary_when_asked(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_parse(&requests, "", "SELECT 1");
    rig_bind(&requests, "", "", 1);
    rig_execute(&requests, "", 0);
    rig_sync(&requests);
    ask(&requests, 1);
    static const uint8_t row[] = {'D', 0, 0, 0, 14, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1};
    assert_non_null(
        memmem(buf_head(&rig.session.out), buf_len(&rig.session.out), row, sizeof(row)));
}

static void names_are_used_once(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig_parse(&requests, "s", "SELECT 1");
    rig_parse(&requests, "s", "SELECT 1");
    rig_sync(&requests);
    rig_bind(&requests, "p", "s", 0);
    rig_bind(&requests, "p", "s", 0);
    rig_sync(&requests);
    ask(&requests, 2);
    expect_tags("1EZ2EZ");
    expect_sqlstate("42P05");
}

static void statements_are_bounded(void **state)
{
    (void)state;
    struct buf requests = {0};
    for (unsigned i = 0; i < 1100; i++) {
        char name[16];
        snprintf(name, sizeof(name), "s%u", i);
        rig_parse(&requests, name, "SELECT 1");
    }
    rig_sync(&requests);
    ask(&requests, 1);
    expect_sqlstate("54000");
}

/* ---- rights ---- */

static void watchers_may_look_and_not_steer(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig.session.admin = false;
    rig_query(&requests, "SHOW CACHE; SET application_name = 'x'; BEGIN");
    rig_query(&requests, "FLUSH");
    rig_query(&requests, "SET default_pool_size = 8");
    rig_query(&requests, "SHUTDOWN");
    ask(&requests, 4);
    char tags[RIG_TAGS_MAX];
    rig_tags(&rig, tags);
    assert_string_equal(strchr(tags, 'C'), "CCCZEZEZEZ");
    expect_sqlstate("42501");
    assert_int_equal(rig.shutdown_mode, -1);
}

static bool may_enter(const char *user, bool *out_admin)
{
    return session_console.may_enter(slice_of_text(user), out_admin);
}

static void lists_say_who_may_enter(void **state)
{
    (void)state;
    bool admin = false;
    assert_true(may_enter("boss", &admin));
    assert_true(admin);
    assert_true(may_enter("other", &admin));
    assert_true(admin);
    assert_true(may_enter("watcher", &admin));
    assert_false(admin);
    assert_false(may_enter("bos", &admin));
    assert_false(may_enter("boss,", &admin));
    assert_false(may_enter("", &admin));
    rig_run(&rig, 0);
}

/* ---- bad input ---- */

static void expect_fatal(const char *sqlstate)
{
    rig_run(&rig, 0);
    expect_tags("E");
    expect_sqlstate(sqlstate);
    assert_true(rig.session.ended);
}

static void garbage_ends_the_session(void **state)
{
    (void)state;
    rig_feed(&rig, "\xff\xff\xff\xff\xff\xff", 6);
    expect_fatal("08P01");
}

static void a_huge_message_ends_the_session(void **state)
{
    (void)state;
    rig_feed(&rig, "Q\x10\0\0\0select", 11);
    expect_fatal("54000");
}

static void a_message_out_of_place_ends_the_session(void **state)
{
    (void)state;
    rig_feed(&rig, "p\0\0\0\6x\0", 7);
    expect_fatal("08P01");
}

static void malformed_messages_are_refused(void **state)
{
    (void)state;
    struct buf requests = {0};
    buf_append(&requests, "Q\0\0\0\5x", 6);
    buf_append(&requests, "F\0\0\0\4", 5);
    buf_append(&requests, "c\0\0\0\4", 5);
    for (const char *type = "PBDEC"; *type; type++) {
        uint8_t message[] = {(uint8_t)*type, 0, 0, 0, 5, 'x'};
        buf_append(&requests, message, sizeof(message));
        rig_sync(&requests);
    }
    ask(&requests, 7);
    expect_tags("EZEZEZEZEZEZEZ");
}

static void input_waits_while_output_does(void **state)
{
    (void)state;
    struct buf requests = {0};
    rig.session.pending = SIZE_MAX;
    rig_query(&requests, "SELECT 1");
    rig_feed(&rig, buf_head(&requests), buf_len(&requests));
    expect_tags("");
    rig.session.pending = 0;
    rig_feed(&rig, NULL, 0);
    buf_fini(&requests);
    rig_run(&rig, 1);
    expect_tags("TDCZ");
}

static void terminate_ends_the_session(void **state)
{
    (void)state;
    rig_feed(&rig, "X\0\0\0\4", 5);
    rig_run(&rig, 0);
    expect_tags("");
    assert_true(rig.session.ended);
}

#define RIGGED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIGGED(answers_a_query),
        RIGGED(answers_several_commands_of_one_query),
        RIGGED(an_error_ends_its_query_alone),
        RIGGED(an_empty_query_is_answered_so),
        RIGGED(commands_of_one_query_are_bounded),
        RIGGED(a_query_may_not_leave_too_much_to_be_sent),
        RIGGED(what_is_behind_a_slow_command_waits_for_it),
        RIGGED(input_may_come_byte_by_byte),
        RIGGED(gathers_from_every_worker),
        RIGGED(leaves_out_a_worker_that_has_ended),
        RIGGED(a_client_may_leave_while_it_waits),
        RIGGED(a_client_may_leave_while_a_portal_waits),
        RIGGED(kills_a_client_wherever_it_is),
        RIGGED(sets_options_on_the_main_loop),
        RIGGED(refuses_bad_values),
        RIGGED(says_when_a_reload_failed),
        RIGGED(answers_a_reload_when_it_is_done),
        RIGGED(asks_for_the_end),
        RIGGED(answers_the_extended_protocol),
        RIGGED(describes_what_has_no_rows),
        RIGGED(keeps_to_the_row_limit),
        RIGGED(an_error_skips_up_to_sync),
        RIGGED(portals_end_at_sync_and_statements_do_not),
        RIGGED(a_portal_outlives_its_statement),
        RIGGED(refuses_several_commands_in_a_statement),
        RIGGED(refuses_unknown_formats),
        RIGGED(refuses_parameters),
        RIGGED(sends_binary_when_asked),
        RIGGED(names_are_used_once),
        RIGGED(statements_are_bounded),
        RIGGED(watchers_may_look_and_not_steer),
        RIGGED(lists_say_who_may_enter),
        RIGGED(garbage_ends_the_session),
        RIGGED(a_huge_message_ends_the_session),
        RIGGED(a_message_out_of_place_ends_the_session),
        RIGGED(malformed_messages_are_refused),
        RIGGED(input_waits_while_output_does),
        RIGGED(terminate_ends_the_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
