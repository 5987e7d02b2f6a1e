/* libpq on a loop, against a real server. */
#include "control_conn.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "scratch_postgres.h"

enum { WAIT_MS = 15000, ROWS = 20000, LONG_QUERY = 8000000 };

static struct scratch_postgres postgres;
static struct loop loop;
static struct control_conn *conn;
static unsigned connected, rows, done, lost;
static char message[512], sqlstate[6], first_value[64];
static enum { CLOSE_NEVER, CLOSE_CONNECTED, CLOSE_ROW, CLOSE_DONE } close_at;

static void close_now(void)
{
    control_conn_close(conn);
    conn = NULL;
}

static void on_connected(void *context)
{
    assert_ptr_equal(context, &postgres);
    connected++;
    if (close_at == CLOSE_CONNECTED)
        close_now();
}

static void on_row(void *context, const PGresult *row)
{
    (void)context;
    assert_int_equal(PQntuples(row), 1);
    if (rows++ == 0)
        snprintf(first_value, sizeof(first_value), "%s", PQgetvalue(row, 0, 0));
    if (close_at == CLOSE_ROW)
        close_now();
}

static void on_done(void *context, const struct control_failure *failure)
{
    (void)context;
    done++;
    snprintf(message, sizeof(message), "%s", failure ? failure->message : "");
    snprintf(sqlstate, sizeof(sqlstate), "%s", failure ? failure->sqlstate : "");
    if (close_at == CLOSE_DONE)
        close_now();
}

static void on_lost(void *context, const char *why)
{
    (void)context;
    lost++;
    snprintf(message, sizeof(message), "%s", why);
    close_now();
}

static const struct control_conn_handler handler = {
    .on_connected = on_connected, .on_row = on_row, .on_done = on_done, .on_lost = on_lost};

#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        uint64_t give_up_us = clock_now_us() + WAIT_MS * 1000ull;                                  \
        while (!(condition) && clock_now_us() < give_up_us)                                        \
            uv_run(&loop.uv, UV_RUN_ONCE);                                                         \
        if (!(condition))                                                                          \
            fail_msg("waited in vain for: %s (%s)", #condition, message);                          \
    } while (0)

static void run_ms(unsigned ms)
{
    uint64_t end_us = clock_now_us() + ms * 1000ull;
    while (clock_now_us() < end_us)
        uv_run(&loop.uv, UV_RUN_ONCE);
}

static void open_at(const char *addresses)
{
    char port[16];
    snprintf(port, sizeof(port), "%d", postgres.port);
    const char *const keywords[] = {"hostaddr", "port", "dbname", "user", "sslmode", NULL};
    const char *const values[] = {addresses, port, "postgres", "postgres", "disable", NULL};
    conn = control_conn_open(&loop, keywords, values, &handler, &postgres);
}

static void open_and_connect(void)
{
    open_at("127.0.0.1");
    RUN_UNTIL(connected == 1);
}

static int setup(void **state)
{
    (void)state;
    connected = rows = done = lost = 0;
    message[0] = sqlstate[0] = first_value[0] = 0;
    close_at = CLOSE_NEVER;
    loop_init(&loop, LOOP_INDEX_MAIN);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    close_now(); /* of NULL, too */
    loop_stop(&loop);
    loop_run(&loop);
    loop_fini(&loop);
    return 0;
}

static void queries_follow_each_other(void **state)
{
    (void)state;
    open_and_connect();
    for (unsigned i = 1; i <= 3; i++) {
        control_conn_send(conn, "SELECT 'x' || g FROM generate_series(1, 10) g");
        RUN_UNTIL(done == i);
        assert_int_equal(rows, i * 10);
        assert_string_equal(message, "");
    }
    assert_string_equal(first_value, "x1");
}

static void a_query_without_rows_is_done(void **state)
{
    (void)state;
    open_and_connect();
    control_conn_send(conn, "SELECT 1 WHERE false");
    RUN_UNTIL(done == 1);
    control_conn_send(conn, "BEGIN");
    RUN_UNTIL(done == 2);
    assert_int_equal(rows, 0);
}

/* Rows of the running query that the loop takes in one turn, at most. */
static unsigned most_rows_of_a_turn(void)
{
    unsigned done_before = done;
    unsigned most = 0;
    while (done == done_before) {
        unsigned before = rows;
        uv_run(&loop.uv, UV_RUN_ONCE);
        most = rows - before > most ? rows - before : most;
    }
    return most;
}

static void many_rows_give_the_loop_back(void **state)
{
    (void)state;
    open_and_connect();
    control_conn_send(conn, "SELECT repeat('x', 200) FROM generate_series(1, 20000)");
    assert_true(most_rows_of_a_turn() <= 250); /* what goes on, and what is read then */
    assert_int_equal(rows, ROWS);
}

static void many_rows_give_the_loop_back_when_libpq_has_all_of_them(void **state)
{
    (void)state;
    open_and_connect();
    control_conn_send(conn, "SELECT repeat('x', 8000000)"); /* its buffer never shrinks */
    RUN_UNTIL(done == 1);
    control_conn_send(conn, "SELECT g FROM generate_series(1, 20000) g");
    assert_true(most_rows_of_a_turn() <= 250);
    assert_int_equal(rows, 1 + ROWS);
}

static void large_rows_give_the_loop_back(void **state)
{
    (void)state;
    open_and_connect();
    control_conn_send(conn, "SELECT repeat('x', 8000000)");
    RUN_UNTIL(done == 1);
    control_conn_send(conn, "SELECT repeat('x', 100000) FROM generate_series(1, 60)");
    assert_true(most_rows_of_a_turn() <= 6);
    assert_int_equal(rows, 1 + 60);
}

static void an_error_comes_with_its_sqlstate(void **state)
{
    (void)state;
    open_and_connect();
    control_conn_send(conn, "SELECT 10 / (5 - g) FROM generate_series(1, 9) g");
    RUN_UNTIL(done == 1);
    assert_int_equal(rows, 4);
    assert_string_equal(sqlstate, "22012");
    assert_string_equal(message, "division by zero");
    control_conn_send(conn, "SELECT 1");
    RUN_UNTIL(done == 2);
    assert_string_equal(sqlstate, "");
    assert_string_equal(message, "");
}

static void the_next_address_is_tried(void **state)
{
    (void)state;
    open_at("127.0.0.2,127.0.0.3,127.0.0.1"); /* the server listens on the last one only */
    RUN_UNTIL(connected == 1);
    control_conn_send(conn, "SELECT 1");
    RUN_UNTIL(done == 1);
    assert_int_equal(lost, 0);
}

static void no_server_is_told_once(void **state)
{
    (void)state;
    open_at("127.0.0.2,127.0.0.3");
    assert_int_equal(lost, 0); /* never from within */
    RUN_UNTIL(lost == 1);
    run_ms(50);
    assert_int_equal(lost, 1);
    assert_non_null(strstr(message, "refused"));
}

static void bad_parameters_are_told_later(void **state)
{
    (void)state;
    const char *const keywords[] = {"no_such_parameter", NULL};
    const char *const values[] = {"x", NULL};
    conn = control_conn_open(&loop, keywords, values, &handler, &postgres);
    assert_int_equal(lost, 0);
    RUN_UNTIL(lost == 1);
}

static void a_killed_backend_is_lost(void **state)
{
    (void)state;
    open_and_connect();
    control_conn_send(conn, "SELECT pg_backend_pid()");
    RUN_UNTIL(done == 1);
    assert_int_equal(kill(atoi(first_value), SIGTERM), 0);
    RUN_UNTIL(lost == 1); /* while nothing runs */
    connected = done = rows = lost = 0;
    open_and_connect();
    control_conn_send(conn, "SELECT pg_backend_pid()");
    RUN_UNTIL(done == 1);
    control_conn_send(conn, "SELECT pg_sleep(60)");
    run_ms(50);
    assert_int_equal(kill(atoi(first_value), SIGTERM), 0);
    RUN_UNTIL(lost == 1); /* within a query */
    assert_non_null(strstr(message, "terminating connection"));
    assert_int_equal(done, 1);
}

static void a_long_query_is_sent_in_parts(void **state)
{
    (void)state;
    open_and_connect();
    control_conn_send(conn, "SELECT pg_backend_pid()");
    RUN_UNTIL(done == 1);
    pid_t pid = atoi(first_value);
    char *query = mem_alloc(LONG_QUERY);
    memset(query, ' ', LONG_QUERY);
    memcpy(query, "SELECT 1", 8);
    query[LONG_QUERY - 1] = 0;
    assert_int_equal(kill(pid, SIGSTOP), 0);
    control_conn_send(conn, query); /* more than the kernel takes */
    run_ms(100);
    assert_int_equal(done, 1);
    assert_int_equal(kill(pid, SIGCONT), 0);
    RUN_UNTIL(done == 2);
    assert_string_equal(message, "");
    mem_free(query);
}

static void may_be_closed_from_any_callback(void **state)
{
    (void)state;
    close_at = CLOSE_CONNECTED;
    open_and_connect();
    assert_null(conn);
    connected = 0;
    close_at = CLOSE_ROW;
    open_and_connect();
    control_conn_send(conn, "SELECT g FROM generate_series(1, 5000) g");
    RUN_UNTIL(rows == 1);
    run_ms(20);
    assert_int_equal(rows, 1);
    connected = rows = 0;
    close_at = CLOSE_DONE;
    open_and_connect();
    control_conn_send(conn, "SELECT 1");
    RUN_UNTIL(done == 1);
    run_ms(20);
    assert_int_equal(lost, 0);
    assert_null(conn);
}

static void may_be_closed_at_any_time(void **state)
{
    (void)state;
    for (int turns = 0; turns < 30; turns++) {
        open_at("127.0.0.2,127.0.0.1");
        for (int i = 0; i < turns && conn; i++) {
            uv_run(&loop.uv, UV_RUN_NOWAIT);
            if (connected) {
                connected = 0;
                control_conn_send(conn, "SELECT g FROM generate_series(1, 3000) g");
            }
        }
        close_now();
        connected = 0;
    }
    assert_int_equal(lost, 0);
}

static int create_group(void **state)
{
    (void)state;
    log_set_level(LOG_ERROR);
    return scratch_create(&postgres) ? 0 : -1;
}

static int destroy_group(void **state)
{
    (void)state;
    scratch_destroy(&postgres);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(queries_follow_each_other),
        TEST(a_query_without_rows_is_done),
        TEST(many_rows_give_the_loop_back),
        TEST(many_rows_give_the_loop_back_when_libpq_has_all_of_them),
        TEST(large_rows_give_the_loop_back),
        TEST(an_error_comes_with_its_sqlstate),
        TEST(the_next_address_is_tried),
        TEST(no_server_is_told_once),
        TEST(bad_parameters_are_told_later),
        TEST(a_killed_backend_is_lost),
        TEST(a_long_query_is_sent_in_parts),
        TEST(may_be_closed_from_any_callback),
        TEST(may_be_closed_at_any_time),
    };
    return cmocka_run_group_tests(tests, create_group, destroy_group);
}
