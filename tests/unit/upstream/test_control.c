/* The control connection against a real server: connecting, loading, noticing what moved, failing. */
#include "address.h"
#include "control_fixture.h"
#include "control_private.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"

static struct fixture_events *const events = &fixture.events;

static const char *error_text(void)
{
    static char text[512];
    return control_error(fixture.control, text, sizeof(text));
}

static void wait_state(enum control_state state)
{
    FIXTURE_WAIT(control_state(fixture.control) == state);
}

/* ---- loading ---- */

static void identifies_then_loads(void **state)
{
    (void)state;
    assert_int_equal(control_state(fixture.control), CONTROL_IDLE);
    fixture_connect();
    const struct control_identity *identity = &events->last_identity;
    assert_int_equal(events->identity, 1);
    assert_int_equal(events->lost, 0);
    assert_int_equal(events->settings, 0);
    assert_int_equal(events->catalog_version, 1);
    assert_true(events->catalog_rows > 300);
    assert_true(identity->system_identifier != 0);
    assert_int_equal(identity->timeline, 1);
    assert_int_equal(
        identity->database_oid,
        scratch_run(&fixture.postgres, "SELECT oid FROM pg_database WHERE datname = 'postgres'"));
    assert_int_equal(identity->postmaster_start_us,
                     scratch_run(&fixture.postgres,
                                 "SELECT (extract(epoch FROM pg_postmaster_start_time()) * "
                                 "1000000)::bigint"));
    assert_int_equal(identity->server_version,
                     scratch_run(&fixture.postgres, "SHOW server_version_num"));
    assert_string_equal(error_text(), "");
}

static void rows_come_over_many_turns(void **state)
{
    (void)state;
    fixture.catalog.rows_query = "SELECT g, repeat('x', 100) FROM generate_series(1, 50000) g";
    fixture_connect();
    assert_true(events->catalog_rows > 50000);
}

static void resolves_a_host_name(void **state)
{
    (void)state;
    fixture_configure("localhost", 0, NULL, NULL);
    fixture_connect();
}

static void connects_through_a_unix_socket(void **state)
{
    (void)state;
    fixture_configure(fixture.postgres.dir, 0, NULL, NULL);
    fixture_connect();
}

static void plain_roles_can_do_it(void **state)
{
    (void)state;
    control_want(fixture.control, "plain", NULL);
    wait_state(CONTROL_READY);
    assert_true(events->last_identity.system_identifier != 0);
    assert_true(events->last_identity.recovered_us != 0);
}

static void falls_back_when_the_system_identifier_is_denied(void **state)
{
    (void)state;
    scratch_run(&fixture.postgres, "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM public");
    control_want(fixture.control, "plain", NULL);
    wait_state(CONTROL_READY);
    scratch_run(&fixture.postgres, "GRANT EXECUTE ON FUNCTION pg_control_system() TO public");
    assert_int_equal(events->last_identity.system_identifier, 0);
    assert_int_equal(events->last_identity.timeline, 0);
    assert_true(events->last_identity.postmaster_start_us != 0);
    assert_int_equal(events->lost, 0);
}

static void control_user_of_the_options_comes_before_the_client(void **state)
{
    (void)state;
    fixture_configure("127.0.0.1", 0, "control_user", "plain");
    control_want(fixture.control, "nobody_of_that_name", NULL);
    wait_state(CONTROL_READY);
    assert_int_equal(scratch_run(&fixture.postgres, "SELECT count(*) FROM pg_stat_activity WHERE "
                                                    "usename = 'plain' AND application_name = "
                                                    "'pgrecall'"),
                     1);
}

/* ---- noticing ---- */

static void loads_again_after_ddl_of_others(void **state)
{
    (void)state;
    fixture_connect();
    scratch_run(&fixture.postgres, "CREATE TABLE appeared (id int)");
    FIXTURE_WAIT(events->catalog == 2);
    assert_int_equal(control_state(fixture.control), CONTROL_READY);
    fixture_run_ms(1500); /* the fingerprint is that of the new snapshot */
    assert_int_equal(events->catalog, 2);
    assert_int_equal(events->lost, 0);
    assert_int_equal(events->settings, 0);
    scratch_run(&fixture.postgres, "DROP TABLE appeared");
}

static void *refresh_often(void *control)
{
    for (unsigned i = 0; i < 10000; i++)
        control_refresh(control);
    return NULL;
}

static void many_wishes_are_few_loads(void **state)
{
    (void)state;
    fixture_connect();
    pthread_t threads[4];
    uint64_t began_us = clock_now_us();
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, refresh_often, fixture.control), 0);
    fixture_run_ms(200);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    FIXTURE_WAIT(control_state(fixture.control) == CONTROL_READY);
    uint64_t took_ms = (clock_now_us() - began_us) / 1000;
    assert_true(events->load >= 2);
    assert_true(events->load <= 2 + took_ms / 20);
    for (unsigned i = 1; i < events->load && i < 64; i++)
        assert_true(events->load_at_us[i] - events->load_at_us[i - 1] >= 19000);
}

static void wish_during_a_load_makes_another_load(void **state)
{
    (void)state;
    events->refresh_in_load = true;
    control_want(fixture.control, "postgres", NULL);
    FIXTURE_WAIT(events->catalog == 2);
    assert_int_equal(events->catalog_version, 2);
    fixture_run_ms(100);
    assert_int_equal(events->load, 2);
}

/* A trigger that might have done DDL did none: the fingerprint says so, and no row is read again. */
static void unchanged_catalog_is_not_loaded_again(void **state)
{
    (void)state;
    fixture_connect();
    assert_int_equal(events->same, 0);
    control_refresh(fixture.control);
    FIXTURE_WAIT(events->catalog == 2);
    assert_int_equal(events->same, 1);
    assert_int_equal(events->catalog_version, 2);
    scratch_run(&fixture.postgres, "CREATE TABLE made_between (a int)");
    control_refresh(fixture.control);
    FIXTURE_WAIT(events->catalog >= 3);
    assert_int_equal(events->same, 1);
    scratch_run(&fixture.postgres, "DROP TABLE made_between");
}

static void verify_asks_on_the_standing_connection(void **state)
{
    (void)state;
    fixture_connect();
    control_verify(fixture.control);
    FIXTURE_WAIT(events->identity == 2);
    fixture_run_ms(100);
    assert_int_equal(events->load, 1);
    assert_int_equal(events->lost, 0);
    assert_int_equal(control_state(fixture.control), CONTROL_READY);
}

static void tells_of_new_settings(void **state)
{
    (void)state;
    fixture_connect();
    scratch_run(&fixture.postgres, "ALTER ROLE plain SET search_path = other");
    FIXTURE_WAIT(events->settings == 1);
    scratch_run(&fixture.postgres, "SELECT pg_reload_conf()");
    FIXTURE_WAIT(events->settings == 2);
    scratch_run(&fixture.postgres, "ALTER ROLE plain RESET search_path");
    control_refresh(fixture.control); /* a load looks at the settings too */
    FIXTURE_WAIT(events->settings == 3);
    assert_int_equal(events->lost, 0);
}

/* ---- a server that stops, restarts, crashes ---- */

static void restart_is_lost_then_another_identity(void **state)
{
    (void)state;
    fixture_connect();
    struct control_identity before = events->last_identity;
    scratch_stop(&fixture.postgres, "fast");
    FIXTURE_WAIT(events->lost >= 1);
    assert_int_equal(events->identity, 1);
    assert_int_equal(control_state(fixture.control), CONTROL_BACKOFF);
    assert_string_not_equal(error_text(), "");
    assert_true(scratch_start(&fixture.postgres));
    FIXTURE_WAIT(events->catalog == 2);
    assert_int_equal(events->identity, 2);
    assert_true(events->last_identity.postmaster_start_us > before.postmaster_start_us);
    assert_int_equal(events->last_identity.system_identifier, before.system_identifier);
    assert_string_equal(error_text(), "");
}

static void crash_recovery_is_another_identity(void **state)
{
    (void)state;
    fixture_connect();
    struct control_identity before = events->last_identity;
    PGconn *victim = scratch_connect(&fixture.postgres, "postgres");
    assert_int_equal(kill(PQbackendPID(victim), SIGKILL), 0);
    FIXTURE_WAIT(events->lost >= 1 && events->catalog == 2);
    PQfinish(victim);
    assert_int_equal(events->last_identity.postmaster_start_us, before.postmaster_start_us);
    assert_true(events->last_identity.recovered_us > before.recovered_us);
}

static pid_t control_backend(void)
{
    return (pid_t)scratch_run(&fixture.postgres, "SELECT pid FROM pg_stat_activity WHERE "
                                                 "application_name = 'pgrecall'");
}

static void a_stopped_server_is_waited_for(void **state)
{
    (void)state;
    fixture_connect();
    pid_t pid = control_backend();
    assert_int_equal(kill(pid, SIGSTOP), 0);
    control_refresh(fixture.control);
    control_verify(fixture.control);
    fixture_run_ms(2500); /* over the time of the next check, too */
    assert_int_equal(events->lost, 0);
    assert_int_equal(events->catalog, 1);
    assert_int_equal(kill(pid, SIGCONT), 0);
    FIXTURE_WAIT(events->catalog == 2 && events->identity == 2);
    assert_int_equal(events->lost, 0);
}

static void waits_longer_between_tries(void **state)
{
    (void)state;
    scratch_stop(&fixture.postgres, "fast");
    control_want(fixture.control, "postgres", NULL);
    uint64_t began_us = clock_now_us();
    FIXTURE_WAIT(events->lost == 3); /* at 0, 0.5, 1.5 s */
    uint64_t took_ms = (clock_now_us() - began_us) / 1000;
    assert_in_range(took_ms, 1400, 4000);
    assert_non_null(strstr(error_text(), "refused"));
    assert_null(strchr(error_text(), '\n'));
    assert_true(scratch_start(&fixture.postgres));
    wait_state(CONTROL_READY);
}

static void a_backend_terminated_by_others_is_replaced(void **state)
{
    (void)state;
    fixture_connect();
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(kill(control_backend(), SIGTERM), 0);
        FIXTURE_WAIT(events->catalog == 1 + i);
        assert_int_equal(events->lost, i);
        assert_int_equal(events->identity, 1 + i);
    }
}

/* ---- failing ---- */

/* A port that takes connections and says nothing. */
static int open_silent_port(int *out_port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 10), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *out_port = ntohs(address.sin_port);
    return fd;
}

static void connecting_has_a_deadline(void **state)
{
    (void)state;
    int port;
    int fd = open_silent_port(&port);
    fixture_configure("127.0.0.1", port, "server_connect_timeout", "1s");
    control_want(fixture.control, "postgres", NULL);
    wait_state(CONTROL_CONNECTING);
    FIXTURE_WAIT(events->lost == 1);
    assert_string_equal(error_text(), "timed out while connecting");
    close(fd);
}

static void without_a_role_it_stays_idle(void **state)
{
    (void)state;
    control_want(fixture.control, NULL, NULL);
    FIXTURE_WAIT(error_text()[0]);
    assert_int_equal(control_state(fixture.control), CONTROL_IDLE);
    fixture_connect();
    assert_string_equal(error_text(), "");
}

static void a_later_client_may_know_better(void **state)
{
    (void)state;
    control_want(fixture.control, "secret", "wrong");
    FIXTURE_WAIT(events->lost == 1);
    assert_non_null(strstr(error_text(), "password authentication failed"));
    assert_null(strstr(error_text(), "wrong"));
    control_want(fixture.control, "secret", "right");
    wait_state(CONTROL_READY);
    control_want(fixture.control, "nobody_of_that_name", NULL); /* the first one is kept */
    fixture_run_ms(50);
    assert_int_equal(control_state(fixture.control), CONTROL_READY);
}

static void an_unknown_host_is_told(void **state)
{
    (void)state;
    fixture_configure("no-such-host.invalid", 0, NULL, NULL);
    control_want(fixture.control, "postgres", NULL);
    FIXTURE_WAIT(events->lost >= 1);
    assert_non_null(strstr(error_text(), "cannot resolve host \"no-such-host.invalid\""));
}

static void a_refused_query_is_tried_again(void **state)
{
    (void)state;
    fixture.catalog.failing_queries = 2;
    fixture_connect();
    assert_int_equal(events->load, 3);
    assert_int_equal(events->catalog_version, 3);
    assert_int_equal(events->lost, 0);
}

static void a_query_refused_for_long_is_a_failure(void **state)
{
    (void)state;
    fixture.catalog.failing_queries = 5;
    control_want(fixture.control, "postgres", NULL);
    FIXTURE_WAIT(events->lost == 1);
    assert_string_equal(error_text(), "division by zero");
    FIXTURE_WAIT(events->catalog == 1);
}

static void malformed_rows_are_a_failure(void **state)
{
    (void)state;
    fixture.catalog.malformed = true;
    control_want(fixture.control, "postgres", NULL);
    FIXTURE_WAIT(events->lost == 1);
    fixture.catalog.malformed = false;
    FIXTURE_WAIT(events->catalog == 1);
}

static void follows_a_new_configuration(void **state)
{
    (void)state;
    fixture_connect();
    fixture_configure("127.0.0.1", 0, NULL, NULL); /* a reload that changes nothing */
    fixture_run_ms(300);
    assert_int_equal(events->lost, 0);
    fixture_configure("127.0.0.1", 0, "control_user", "plain");
    FIXTURE_WAIT(events->catalog == 2);
    assert_int_equal(events->lost, 1);
    assert_string_equal(error_text(), "");
    atomic_store(&fixture.database.conf, NULL); /* the line is gone */
    struct conf *conf;
    assert_int_equal(conf_set(conf_current(), "catalog_refresh", "2s", &conf), ERR_OK);
    conf_swap(conf);
    wait_state(CONTROL_IDLE);
    assert_int_equal(events->lost, 2);
    fixture_configure("127.0.0.1", 0, NULL, NULL); /* and comes back */
    control_want(fixture.control, "postgres", NULL);
    FIXTURE_WAIT(events->catalog == 3);
}

/* ---- stopping: the sanitizers look for what is left ---- */

static void stops_while_resolving(void **state)
{
    (void)state;
    fixture_configure("localhost", 0, NULL, NULL);
    control_want(fixture.control, "postgres", NULL);
    wait_state(CONTROL_CONNECTING);
}

static void stops_while_connecting(void **state)
{
    (void)state;
    int port;
    int fd = open_silent_port(&port);
    fixture_configure("127.0.0.1", port, NULL, NULL);
    control_want(fixture.control, "postgres", NULL);
    wait_state(CONTROL_CONNECTING);
    fixture_run_ms(50);
    control_stop_all();
    close(fd);
}

static void stops_at_any_moment_of_a_load(void **state)
{
    (void)state;
    fixture.catalog.rows_query = "SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g";
    control_want(fixture.control, "postgres", NULL);
    wait_state(CONTROL_LOADING);
    for (int turns = rand() % 40; turns > 0 && events->catalog == 0; turns--)
        uv_run(&fixture.loop.uv, UV_RUN_ONCE);
}

static void stops_while_building(void **state)
{
    (void)state;
    fixture.catalog.build_us = 300000;
    control_want(fixture.control, "postgres", NULL);
    wait_state(CONTROL_LOADING);
    fixture_run_ms(150);
    assert_int_equal(events->catalog, 0);
}

static void loses_the_connection_while_building(void **state)
{
    (void)state;
    fixture.catalog.build_us = 800000;
    control_want(fixture.control, "postgres", NULL);
    wait_state(CONTROL_LOADING);
    fixture_run_ms(100);
    assert_int_equal(kill(control_backend(), SIGTERM), 0);
    FIXTURE_WAIT(events->lost == 1);
    assert_int_equal(events->catalog, 0);
    FIXTURE_WAIT(events->catalog == 1); /* the abandoned build is not delivered */
    assert_int_equal(events->catalog_version, 2);
}

static void stops_while_waiting_to_reconnect(void **state)
{
    (void)state;
    int port;
    int fd = open_silent_port(&port);
    close(fd);
    fixture_configure("127.0.0.1", port, NULL, NULL);
    control_want(fixture.control, "postgres", NULL);
    wait_state(CONTROL_BACKOFF);
    control_stop_all();
    control_want(fixture.control, "postgres", NULL);
    control_refresh(fixture.control);
    control_verify(fixture.control);
}

static void was_never_wanted(void **state)
{
    (void)state;
    control_refresh(fixture.control);
    control_verify(fixture.control);
    fixture_run_ms(50);
    assert_int_equal(control_state(fixture.control), CONTROL_IDLE);
    assert_int_equal(events->lost, 0);
}

static int create_group(void **state)
{
    if (fixture_create(state) != 0)
        return -1;
    scratch_run(&fixture.postgres, "CREATE ROLE plain LOGIN");
    scratch_run(&fixture.postgres, "CREATE ROLE secret LOGIN PASSWORD 'right'");
    return 0;
}

static void a_name_that_leads_elsewhere_is_followed(void **state)
{
    (void)state;
    struct addresses here, elsewhere;
    assert_int_equal(addresses_of_text("127.0.0.1", 5432, &here), ERR_OK);
    assert_int_equal(addresses_of_text("192.0.2.1", 5432, &elsewhere), ERR_OK);
    control_follow_dns(fixture.control, 0, &elsewhere); /* not connected */
    fixture_connect();
    control_follow_dns(fixture.control, 0, &here);
    control_follow_dns(fixture.control, 1, &elsewhere); /* another host of the line */
    assert_int_equal(fixture.events.lost, 0);
    control_follow_dns(fixture.control, 0, &elsewhere);
    assert_int_equal(fixture.events.lost, 1);
    FIXTURE_WAIT(control_state(fixture.control) == CONTROL_READY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_name_that_leads_elsewhere_is_followed),
        FIXTURE_TEST(identifies_then_loads),
        FIXTURE_TEST(rows_come_over_many_turns),
        FIXTURE_TEST(resolves_a_host_name),
        FIXTURE_TEST(connects_through_a_unix_socket),
        FIXTURE_TEST(plain_roles_can_do_it),
        FIXTURE_TEST(falls_back_when_the_system_identifier_is_denied),
        FIXTURE_TEST(control_user_of_the_options_comes_before_the_client),
        FIXTURE_TEST(loads_again_after_ddl_of_others),
        FIXTURE_TEST(many_wishes_are_few_loads),
        FIXTURE_TEST(wish_during_a_load_makes_another_load),
        FIXTURE_TEST(unchanged_catalog_is_not_loaded_again),
        FIXTURE_TEST(verify_asks_on_the_standing_connection),
        FIXTURE_TEST(tells_of_new_settings),
        FIXTURE_TEST(restart_is_lost_then_another_identity),
        FIXTURE_TEST(crash_recovery_is_another_identity),
        FIXTURE_TEST(a_stopped_server_is_waited_for),
        FIXTURE_TEST(waits_longer_between_tries),
        FIXTURE_TEST(a_backend_terminated_by_others_is_replaced),
        FIXTURE_TEST(connecting_has_a_deadline),
        FIXTURE_TEST(without_a_role_it_stays_idle),
        FIXTURE_TEST(a_later_client_may_know_better),
        FIXTURE_TEST(an_unknown_host_is_told),
        FIXTURE_TEST(a_refused_query_is_tried_again),
        FIXTURE_TEST(a_query_refused_for_long_is_a_failure),
        FIXTURE_TEST(malformed_rows_are_a_failure),
        FIXTURE_TEST(follows_a_new_configuration),
        FIXTURE_TEST(stops_while_resolving),
        FIXTURE_TEST(stops_while_connecting),
        FIXTURE_TEST(stops_at_any_moment_of_a_load),
        FIXTURE_TEST(stops_at_any_moment_of_a_load),
        FIXTURE_TEST(stops_at_any_moment_of_a_load),
        FIXTURE_TEST(stops_while_building),
        FIXTURE_TEST(loses_the_connection_while_building),
        FIXTURE_TEST(stops_while_waiting_to_reconnect),
        FIXTURE_TEST(was_never_wanted),
    };
    return cmocka_run_group_tests(tests, create_group, fixture_destroy);
}
