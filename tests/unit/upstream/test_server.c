/* upstream/server and release: one backend through its states. */
#include "pool_fixture.h"

#include "pgwire/encode.h"

static void a_reset_clears_what_a_session_left(void **state)
{
    (void)state;
    pools_configure("pool_size=1", "");
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    int pid = client.pid;
    client_ask(&client, "SET work_mem = '77kB'");
    client_ask(&client, "CREATE TEMP TABLE mine AS SELECT 1");
    client_ask(&client, "PREPARE p AS SELECT 1");
    statements_add(client.server->statements, 12);
    client.server->unnamed_statement = 13;
    client_release(&client, true);
    client_acquire(&client);
    assert_int_equal(client.pid, pid);
    assert_string_not_equal(client_ask(&client, "SHOW work_mem"), "77kB");
    assert_string_equal(client_ask(&client, "SELECT to_regclass('mine') IS NULL"), "t");
    assert_string_equal(client_ask(&client, "SELECT count(*) FROM pg_prepared_statements"), "0");
    assert_int_equal(statements_count(client.server->statements), 0);
    assert_int_equal(client.server->unnamed_statement, 0);
    assert_int_equal(client.profile->pool->stats->resets, 1);
    client_release(&client, false);
    client_fini(&client);
}

static void without_a_reset_its_statements_stay(void **state)
{
    (void)state;
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    statements_add(client.server->statements, 12);
    client_release(&client, false);
    assert_true(client_take(&client));
    assert_true(statements_touch(client.server->statements, 12));
    client_release(&client, false);
    client_fini(&client);
}

static void expect_closed_by_reset(const char *options)
{
    pools_configure("", options);
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    client_release(&client, true);
    AWAIT(database_busy_count(pools.database) == 0);
    assert_int_equal(pool_counts_of(&client).idle, 0);
    client_fini(&client);
}

static void a_reset_that_cannot_be_made_closes(void **state)
{
    (void)state;
    expect_closed_by_reset("server_reset_query = SELECT 1/0");
    expect_closed_by_reset("server_reset_query = BEGIN");
    expect_closed_by_reset("server_reset_query = CREATE TEMP TABLE t (a int); COPY t FROM STDIN");
    expect_closed_by_reset("server_reset_query = SELEC 1");
    expect_closed_by_reset("server_reset_query =");
}

static void released_from_within_on_input_it_goes_to_the_next(void **state)
{
    (void)state;
    pools_configure("pool_size=1", "");
    struct client first, second;
    client_init(&first, 0, "alice", "");
    client_init(&second, 1, "alice", "");
    client_acquire(&first);
    client_wait(&second);
    first.release_at_ready = true;
    client_send(&first, "SELECT 1");
    client_await(&second, CLIENT_HOLDING);
    assert_int_equal(second.pid, first.pid);
    assert_string_equal(client_ask(&second, "SELECT 2"), "2");
    client_release(&second, false);
    client_fini(&second);
    client_fini(&first);
}

static void send_two_and_release_after_one(void *argument)
{
    struct client *client = argument;
    uint8_t memory[256];
    struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
    pgwire_write_query(&writer, "SELECT 1");
    pgwire_write_query(&writer, "SELECT 2");
    client->release_at_ready = true;
    client->state = CLIENT_ASKING;
    stream_write(&client->server->stream, writer.data, writer.len);
}

/* Whether the second answer comes in the same read or later. */
static void bytes_behind_ready_close_it(void **state)
{
    (void)state;
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    worker_call(0, send_two_and_release_after_one, &client);
    client_await(&client, CLIENT_IDLE);
    AWAIT(database_busy_count(pools.database) == 0 && pool_counts_of(&client).idle == 0);
    client_fini(&client);
}

static void an_idle_one_that_ends_is_closed_and_told(void **state)
{
    (void)state;
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    client_release(&client, false);
    char sql[64];
    snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%d)", client.pid);
    scratch_run(&pools.postgres, sql);
    AWAIT(pool_counts_of(&client).idle == 0);
    AWAIT(pools.lost == 1);
    client_acquire(&client);
    assert_string_equal(client_ask(&client, "SELECT 1"), "1");
    client_release(&client, false);
    client_fini(&client);
}

static void one_in_use_that_ends_tells_its_user(void **state)
{
    (void)state;
    struct client client;
    client_init(&client, 1, "alice", "");
    client_acquire(&client);
    client_send(&client, "SELECT pg_sleep(20)");
    /* Not before the query has reached it: a reset would take the last words with it. */
    char sql[256];
    snprintf(sql, sizeof(sql),
             "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %d AND "
             "state = 'active') LOOP PERFORM pg_stat_clear_snapshot(); END LOOP; "
             "PERFORM pg_terminate_backend(%d); END $$",
             client.pid, client.pid);
    scratch_run(&pools.postgres, sql);
    client_await(&client, CLIENT_LOST);
    assert_string_equal(client.sqlstate, "57P01");
    AWAIT(database_busy_count(pools.database) == 0);
    assert_int_equal(pools.lost, 0);
    client_fini(&client);
}

static void an_idle_one_may_be_notified(void **state)
{
    (void)state;
    pools_configure("pool_size=1", "");
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    int pid = client.pid;
    client_ask(&client, "LISTEN news");
    client_release(&client, false);
    scratch_run(&pools.postgres, "NOTIFY news");
    sleep_ms(50);
    client_acquire(&client);
    assert_int_equal(client.pid, pid);
    assert_string_equal(client_ask(&client, "SELECT 3"), "3");
    client_release(&client, false);
    client_fini(&client);
}

static void discarding_one_makes_room(void **state)
{
    (void)state;
    pools_configure("pool_size=1", "");
    struct client first, second;
    client_init(&first, 0, "alice", "");
    client_init(&second, 1, "alice", "");
    client_acquire(&first);
    client_ask(&first, "BEGIN");
    client_wait(&second);
    client_discard(&first);
    client_await(&second, CLIENT_HOLDING);
    assert_int_not_equal(second.pid, first.pid);
    client_release(&second, false);
    client_fini(&second);
    client_fini(&first);
}

static void a_server_restart_is_survived(void **state)
{
    (void)state;
    pools_configure("", "server_login_retry=100ms");
    struct client first, second;
    client_init(&first, 0, "alice", "");
    client_init(&second, 1, "alice", "");
    client_acquire(&first);
    client_acquire(&second);
    client_release(&first, false);
    scratch_stop(&pools.postgres, "immediate");
    AWAIT(pool_counts_of(&first).idle == 0);
    client_await(&second, CLIENT_LOST);
    client_wait(&second);
    client_await(&second, CLIENT_FAILED);
    assert_string_equal(second.sqlstate, "08006");
    assert_true(scratch_start(&pools.postgres));
    sleep_ms(150);
    client_acquire(&first);
    assert_string_equal(client_ask(&first, "SELECT 1"), "1");
    client_release(&first, false);
    client_fini(&second);
    client_fini(&first);
}

static void states_have_texts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SERVER_STATE_COUNT; i++)
        assert_non_null(server_state_text((enum server_state)i));
    assert_string_equal(server_state_text(SERVER_ACTIVE), "active");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOLS_TEST(a_reset_clears_what_a_session_left),
        POOLS_TEST(without_a_reset_its_statements_stay),
        POOLS_TEST(a_reset_that_cannot_be_made_closes),
        POOLS_TEST(released_from_within_on_input_it_goes_to_the_next),
        POOLS_TEST(bytes_behind_ready_close_it),
        POOLS_TEST(an_idle_one_that_ends_is_closed_and_told),
        POOLS_TEST(one_in_use_that_ends_tells_its_user),
        POOLS_TEST(an_idle_one_may_be_notified),
        POOLS_TEST(discarding_one_makes_room),
        POOLS_TEST(a_server_restart_is_survived),
        cmocka_unit_test(states_have_texts),
    };
    return cmocka_run_group_tests(tests, pools_group_setup, pools_group_teardown);
}
