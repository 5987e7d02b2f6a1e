/* Proving that a lost backend is gone, against a real server. */
#include "control_fixture.h"

#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"

struct waiting {
    struct control_gone gone;
    unsigned told;
    unsigned dropped;
    unsigned away;
};

static void on_gone(struct control_gone *gone)
{
    CONTAINER_OF(gone, struct waiting, gone)->told++;
}

static void on_dropped(struct control_gone *gone)
{
    CONTAINER_OF(gone, struct waiting, gone)->dropped++;
}

static void on_away(struct control_gone *gone)
{
    CONTAINER_OF(gone, struct waiting, gone)->away++;
}

static void await_pid(struct waiting *waiting, int pid)
{
    *waiting = (struct waiting){
        .gone = {.backend_pid = (uint32_t)pid, .on_gone = on_gone, .on_dropped = on_dropped}};
    control_await_gone(fixture.control, &waiting->gone);
}

/* A backend in a transaction that has written. */
static PGconn *open_writer(const char *user)
{
    PGconn *writer = scratch_connect(&fixture.postgres, user);
    scratch_run_on(writer, "BEGIN");
    scratch_run_on(writer, "SELECT pg_current_xact_id()::text");
    return writer;
}

static void a_backend_is_terminated_and_reported(void **state)
{
    (void)state;
    fixture_connect();
    PGconn *writer = open_writer("postgres");
    struct waiting waiting;
    await_pid(&waiting, PQbackendPID(writer));
    FIXTURE_WAIT(waiting.told == 1);
    assert_int_equal(scratch_run(&fixture.postgres,
                                 "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT "
                                 "NULL"),
                     0);
    PQfinish(writer);
    assert_int_equal(fixture.events.lost, 0);
}

static void one_that_is_not_there_is_gone(void **state)
{
    (void)state;
    fixture_connect();
    struct waiting waiting;
    await_pid(&waiting, 99999999);
    FIXTURE_WAIT(waiting.told == 1);
}

static void a_stopped_backend_is_not_gone(void **state)
{
    (void)state;
    fixture_connect();
    PGconn *writer = open_writer("postgres");
    assert_int_equal(kill(PQbackendPID(writer), SIGSTOP), 0);
    struct waiting waiting;
    await_pid(&waiting, PQbackendPID(writer));
    fixture_run_ms(1000);
    assert_int_equal(waiting.told, 0);
    assert_true(waiting.gone.postmaster_start_us != 0);
    assert_int_equal(kill(PQbackendPID(writer), SIGCONT), 0);
    FIXTURE_WAIT(waiting.told == 1);
    PQfinish(writer);
}

static void without_the_right_to_terminate_it_waits(void **state)
{
    (void)state;
    control_want(fixture.control, "plain", NULL);
    FIXTURE_WAIT(fixture.events.catalog == 1);
    PGconn *writer = open_writer("postgres");
    struct waiting waiting;
    await_pid(&waiting, PQbackendPID(writer));
    fixture_run_ms(700);
    assert_int_equal(waiting.told, 0);
    scratch_run_on(writer, "COMMIT"); /* it still lives */
    PQfinish(writer);
    FIXTURE_WAIT(waiting.told == 1);
    assert_int_equal(fixture.events.lost, 0);
}

static void a_backend_of_another_database_is_somebody_else(void **state)
{
    (void)state;
    fixture_connect();
    scratch_run(&fixture.postgres, "CREATE DATABASE other");
    char parameters[128];
    snprintf(parameters, sizeof(parameters), "host=127.0.0.1 port=%d dbname=other user=postgres",
             fixture.postgres.port);
    PGconn *other = PQconnectdb(parameters);
    struct waiting waiting;
    await_pid(&waiting, PQbackendPID(other));
    FIXTURE_WAIT(waiting.told == 1);
    scratch_run_on(other, "SELECT 1"); /* nobody terminated it */
    PQfinish(other);
}

static void is_proven_over_a_restart(void **state)
{
    (void)state;
    fixture_connect();
    PGconn *writer = open_writer("postgres");
    assert_int_equal(kill(PQbackendPID(writer), SIGSTOP), 0);
    struct waiting waiting;
    await_pid(&waiting, PQbackendPID(writer));
    FIXTURE_WAIT(waiting.gone.postmaster_start_us != 0);
    scratch_stop(&fixture.postgres, "immediate"); /* kills what does not end */
    fixture_run_ms(300);
    assert_int_equal(waiting.told, 0); /* nobody can know yet */
    assert_true(scratch_start(&fixture.postgres));
    FIXTURE_WAIT(waiting.told == 1);
    PQfinish(writer);
}

static void is_proven_after_a_crash(void **state)
{
    (void)state;
    fixture_connect();
    PGconn *writer = open_writer("postgres");
    struct waiting waiting;
    assert_int_equal(kill(PQbackendPID(writer), SIGKILL), 0);
    await_pid(&waiting, PQbackendPID(writer));
    FIXTURE_WAIT(waiting.told == 1);
    PQfinish(writer);
    FIXTURE_WAIT(control_state(fixture.control) == CONTROL_READY);
}

static void one_of_another_server_is_not_waited_for_and_nobody_here_is_terminated(void **state)
{
    (void)state;
    fixture_connect();
    PGconn *namesake = open_writer("postgres"); /* has the same number */
    struct waiting waiting = {.gone = {.backend_pid = (uint32_t)PQbackendPID(namesake),
                                       .server_us = 1,
                                       .on_gone = on_gone,
                                       .on_away = on_away}};
    control_await_gone(fixture.control, &waiting.gone);
    FIXTURE_WAIT(waiting.away == 1);
    fixture_run_ms(600);
    scratch_run_on(namesake, "COMMIT");
    PQfinish(namesake);
    assert_int_equal(waiting.told, 0);
    assert_int_equal(waiting.away, 1);
    assert_false(database_is_barred(&fixture.database));
    control_stop_all();
}

static void back_on_its_server_the_database_is_barred_until_it_is_gone(void **state)
{
    (void)state;
    fixture_connect();
    PGconn *writer = open_writer("postgres");
    assert_int_equal(kill(PQbackendPID(writer), SIGSTOP), 0);
    struct waiting waiting = {.gone = {.backend_pid = (uint32_t)PQbackendPID(writer),
                                       .server_us = 1,
                                       .on_gone = on_gone,
                                       .on_away = on_away}};
    control_await_gone(fixture.control, &waiting.gone);
    FIXTURE_WAIT(waiting.away == 1);
    /* As if the control connection had been elsewhere until now. */
    waiting.gone.server_us = fixture.events.last_identity.postmaster_start_us;
    control_verify(fixture.control);
    FIXTURE_WAIT(database_is_barred(&fixture.database));
    fixture_run_ms(600);
    assert_true(database_is_barred(&fixture.database));
    assert_int_equal(waiting.told, 0);
    assert_int_equal(kill(PQbackendPID(writer), SIGCONT), 0);
    FIXTURE_WAIT(waiting.told == 1);
    assert_false(database_is_barred(&fixture.database));
    PQfinish(writer);
}

static void connects_for_it_when_it_can(void **state)
{
    (void)state;
    fixture_configure("127.0.0.1", 0, "control_user", "postgres");
    struct waiting waiting;
    await_pid(&waiting, 99999999);
    FIXTURE_WAIT(waiting.told == 1);
}

static void many_at_once(void **state)
{
    (void)state;
    enum { MANY = 20 };
    fixture_connect();
    PGconn *writers[MANY];
    struct waiting waiting[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        writers[i] = open_writer("postgres");
        await_pid(&waiting[i], PQbackendPID(writers[i]));
        fixture_run_ms(10);
    }
    for (unsigned i = 0; i < MANY; i++) {
        FIXTURE_WAIT(waiting[i].told == 1);
        PQfinish(writers[i]);
    }
}

static void those_who_wait_at_the_end_are_dropped(void **state)
{
    (void)state;
    fixture_connect();
    PGconn *writer = open_writer("postgres");
    assert_int_equal(kill(PQbackendPID(writer), SIGSTOP), 0);
    struct waiting waiting, late;
    await_pid(&waiting, PQbackendPID(writer));
    fixture_run_ms(100);
    control_stop_all();
    assert_int_equal(waiting.dropped, 1);
    await_pid(&late, PQbackendPID(writer));
    fixture_run_ms(200);
    assert_int_equal(late.dropped, 1);
    assert_int_equal(late.told + waiting.told, 0);
    assert_int_equal(kill(PQbackendPID(writer), SIGCONT), 0);
    PQfinish(writer);
}

static int create_group(void **state)
{
    if (fixture_create(state) != 0)
        return -1;
    scratch_run(&fixture.postgres, "CREATE ROLE plain LOGIN");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(a_backend_is_terminated_and_reported),
        FIXTURE_TEST(one_that_is_not_there_is_gone),
        FIXTURE_TEST(a_stopped_backend_is_not_gone),
        FIXTURE_TEST(without_the_right_to_terminate_it_waits),
        FIXTURE_TEST(a_backend_of_another_database_is_somebody_else),
        FIXTURE_TEST(is_proven_over_a_restart),
        FIXTURE_TEST(is_proven_after_a_crash),
        FIXTURE_TEST(one_of_another_server_is_not_waited_for_and_nobody_here_is_terminated),
        FIXTURE_TEST(back_on_its_server_the_database_is_barred_until_it_is_gone),
        FIXTURE_TEST(connects_for_it_when_it_can),
        FIXTURE_TEST(many_at_once),
        FIXTURE_TEST(those_who_wait_at_the_end_are_dropped),
    };
    return cmocka_run_group_tests(tests, create_group, fixture_destroy);
}
