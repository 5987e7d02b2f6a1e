/* upstream/cancel: what is running ends, and nobody else is hit. */
#include "pool_fixture.h"

static void ends_what_runs(void **state)
{
    (void)state;
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    client_send(&client, "SELECT pg_sleep(20)");
    sleep_ms(20);
    client_cancel(&client);
    client_await(&client, CLIENT_HOLDING);
    assert_string_equal(client.sqlstate, "57014");
    client_release(&client, false);
    AWAIT(pool_counts_of(&client).idle == 1);
    assert_int_equal(pool_counts_of(&client).canceling, 0);
    client_fini(&client);
}

static void cancel_and_release(void *argument)
{
    struct client *client = argument;
    struct server *server = client->server;
    client->server = NULL;
    server_cancel(server);
    server_cancel(server);
    server_release(server, false);
    struct pool_counts counts = pool_counts_of(client);
    assert_int_equal(counts.idle, 0);
    assert_int_equal(counts.active, 0);
    assert_int_equal(counts.canceled, 1);
    assert_int_equal(counts.canceling, 2);
}

static void holds_the_server_back_until_it_is_done(void **state)
{
    (void)state;
    pools_configure("pool_size=1", "");
    struct client first, second;
    client_init(&first, 0, "alice", "");
    client_init(&second, 1, "alice", "");
    for (unsigned i = 0; i < 20; i++) {
        client_acquire(&first);
        client_wait(&second);
        worker_call(0, cancel_and_release, &first);
        client_await(&second, CLIENT_HOLDING);
        assert_int_equal(second.pid, first.pid);
        assert_int_equal(pool_counts_of(&first).canceling, 0);
        client_ask(&second, "SELECT pg_sleep(0.002)");
        assert_string_equal(second.sqlstate, "");
        client_release(&second, false);
    }
    assert_int_equal(first.profile->pool->stats->logins, 1);
    client_fini(&second);
    client_fini(&first);
}

static void cancel_and_discard(void *argument)
{
    struct client *client = argument;
    struct server *server = client->server;
    client->server = NULL;
    for (unsigned i = 0; i < 50; i++)
        server_cancel(server);
    server_discard(server);
}

static void a_discarded_server_leaves_its_cancels_alone(void **state)
{
    (void)state;
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    worker_call(0, cancel_and_discard, &client);
    AWAIT(pool_counts_of(&client).canceling == 0);
    assert_int_equal(database_busy_count(pools.database), 0);
    client_fini(&client);
}

/* The server's main process is stopped, so that the request is never answered. */
static void one_that_does_not_end_in_time_costs_the_server(void **state)
{
    (void)state;
    pools_configure("pool_size=1", "cancel_wait_timeout=200ms");
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    char command[160];
    snprintf(command, sizeof(command), "kill -STOP $(head -1 %s/data/postmaster.pid)",
             pools.postgres.dir);
    assert_int_equal(system(command), 0);
    worker_call(0, cancel_and_release, &client);
    AWAIT(database_busy_count(pools.database) == 0);
    assert_int_equal(pool_counts_of(&client).idle, 0);
    assert_int_equal(pool_counts_of(&client).canceling, 0);
    snprintf(command, sizeof(command), "kill -CONT $(head -1 %s/data/postmaster.pid)",
             pools.postgres.dir);
    assert_int_equal(system(command), 0);
    client_fini(&client);
}

/* The teardown stops the worker. */
static void stops_while_one_is_under_way(void **state)
{
    (void)state;
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    worker_call(0, cancel_and_release, &client);
    client_fini(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOLS_TEST(ends_what_runs),
        POOLS_TEST(holds_the_server_back_until_it_is_done),
        POOLS_TEST(a_discarded_server_leaves_its_cancels_alone),
        POOLS_TEST(one_that_does_not_end_in_time_costs_the_server),
        POOLS_TEST(stops_while_one_is_under_way),
    };
    return cmocka_run_group_tests(tests, pools_group_setup, pools_group_teardown);
}
