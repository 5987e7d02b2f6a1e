/* upstream/check.c: a server that is not there any more is not handed out. */
#include "quiet_rig.h"

#include <sys/socket.h>
#include <unistd.h>

static struct server *held(void)
{
    struct server *server = quiet_server(quiet.profile, 0);
    quiet_rest(server, 1000);
    uint64_t idle_since_ms = server->idle_since_ms;
    quiet_occupy(server);
    server->idle_since_ms = idle_since_ms;
    return server;
}

static void a_quiet_connection_is_sound(void **state)
{
    (void)state;
    struct server *server = held();
    assert_true(server_is_sound(server));
    assert_int_equal(server->state, SERVER_ACTIVE);
}

static void one_that_ended_or_spoke_is_closed_before_the_loop_has_come_to_it(void **state)
{
    (void)state;
    struct server *ended = held(), *spoke = held();
    assert_int_equal(shutdown(quiet_other_end(ended), SHUT_WR), 0);
    assert_int_equal(write(quiet_other_end(spoke), "S", 1), 1);
    assert_int_equal(quiet.pool->connections, 2);
    assert_false(server_is_sound(ended));
    assert_false(server_is_sound(spoke));
    assert_int_equal(quiet.pool->connections, 0);
}

static void one_that_was_put_back_a_moment_ago_is_not_asked(void **state)
{
    (void)state;
    struct server *server = held();
    server->idle_since_ms = monotonic_ms() + 60000; /* however slow this machine is */
    assert_int_equal(write(quiet_other_end(server), "S", 1), 1);
    assert_true(server_is_sound(server));
}

static void one_is_stale_when_it_was_unused_for_the_delay(void **state)
{
    (void)state;
    quiet_configure("", "", "server_check_query = select 1\nserver_check_delay = 30s");
    struct server *server = quiet_server(quiet.profile, 0);
    uint64_t since_ms = server->state_since_ms;
    assert_false(server_is_stale(server, since_ms + 29999));
    assert_true(server_is_stale(server, since_ms + 30000));
    server->fresh = true; /* it has answered since */
    assert_false(server_is_stale(server, since_ms + 30099));
    assert_true(server_is_stale(server, since_ms + 30100));
    quiet_configure("", "", "server_check_query =\nserver_check_delay = 0");
    assert_false(server_is_stale(server, since_ms + 3600000));
}

static const char ready[] = {'Z', 0, 0, 0, 5, 'I'};

static void assert_says(struct server *server, const char *query)
{
    char text[64];
    ssize_t len = recv(quiet_other_end(server), text, sizeof(text) - 1, 0);
    assert_true(len > 5);
    text[len] = 0;
    assert_int_equal(text[0], 'Q');
    assert_string_equal(text + 5, query);
}

static void begin_check(struct server *server)
{
    pool_lock(quiet.pool);
    server_check_locked(server);
    pool_unlock(quiet.pool);
    assert_int_equal(server->state, SERVER_RESETTING);
    quiet_turn();
}

static void a_check_asks_and_is_idle_when_it_is_answered(void **state)
{
    (void)state;
    quiet_configure("", "", "server_check_query = select 7");
    struct server *server = quiet_server(quiet.profile, 0);
    begin_check(server);
    assert_says(server, "select 7");
    assert_int_equal(server->state, SERVER_RESETTING);
    assert_int_equal(write(quiet_other_end(server), ready, sizeof(ready)), sizeof(ready));
    quiet_turn();
    assert_int_equal(server->state, SERVER_IDLE);
    assert_true(server->fresh);
}

static void an_empty_query_is_asked_as_one(void **state)
{
    (void)state;
    quiet_configure("", "", "server_check_query = <empty>");
    struct server *server = quiet_server(quiet.profile, 0);
    begin_check(server);
    assert_says(server, "");
}

static void a_check_that_fails_closes_it(void **state)
{
    (void)state;
    static const char error[] = {'E', 0, 0, 0, 5, 0};
    quiet_configure("", "", "server_check_query = select 1");
    struct server *server = quiet_server(quiet.profile, 0);
    begin_check(server);
    assert_int_equal(write(quiet_other_end(server), error, sizeof(error)), sizeof(error));
    quiet_turn();
    assert_int_equal(quiet.pool->connections, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUIET_TEST(a_quiet_connection_is_sound),
        QUIET_TEST(one_that_ended_or_spoke_is_closed_before_the_loop_has_come_to_it),
        QUIET_TEST(one_that_was_put_back_a_moment_ago_is_not_asked),
        QUIET_TEST(one_is_stale_when_it_was_unused_for_the_delay),
        QUIET_TEST(a_check_asks_and_is_idle_when_it_is_answered),
        QUIET_TEST(an_empty_query_is_asked_as_one),
        QUIET_TEST(a_check_that_fails_closes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
