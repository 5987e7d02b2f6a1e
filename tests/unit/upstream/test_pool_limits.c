/* upstream/schedule and ticker: limits over databases and roles, and what time does. */
#include "pool_fixture.h"

static void max_db_connections_evicts_from_another_pool(void **state)
{
    (void)state;
    pools_configure("max_db_connections=1", "");
    struct client alice, bob;
    client_init(&alice, 0, "alice", "");
    client_init(&bob, 1, "bob", "");
    client_acquire(&alice);
    client_wait(&bob);
    sleep_ms(150);
    assert_int_equal(client_state(&bob), CLIENT_WAITING);
    client_release(&alice, false);
    client_await(&bob, CLIENT_HOLDING);
    assert_int_equal(pool_counts_of(&alice).idle, 0);
    client_release(&bob, false);
    client_fini(&bob);
    client_fini(&alice);
}

static void max_user_connections_counts_over_databases(void **state)
{
    (void)state;
    pools_configure("", "max_user_connections=1");
    struct database *shop = pools.database;
    struct client here, there;
    client_init(&here, 0, "alice", "");
    pools.database = database_get(slice_of_text("by_name"));
    client_init(&there, 1, "alice", "");
    pools.database = shop;
    client_acquire(&here);
    client_wait(&there);
    sleep_ms(150);
    assert_int_equal(client_state(&there), CLIENT_WAITING);
    client_release(&here, false);
    client_await(&there, CLIENT_HOLDING);
    assert_int_equal(pool_counts_of(&here).idle, 0);
    client_release(&there, false);
    client_fini(&there);
    client_fini(&here);
}

static void query_wait_timeout_ends_a_wait(void **state)
{
    (void)state;
    pools_configure("pool_size=1", "query_wait_timeout=200ms");
    struct client holder, waiter;
    client_init(&holder, 0, "alice", "");
    client_init(&waiter, 1, "alice", "");
    client_acquire(&holder);
    uint64_t begun_us = clock_now_us();
    client_wait(&waiter);
    client_await(&waiter, CLIENT_FAILED);
    assert_true(clock_now_us() - begun_us >= 200000);
    assert_string_equal(waiter.message, "query_wait_timeout");
    assert_string_equal(waiter.sqlstate, "08P01");
    client_release(&holder, false);
    assert_int_equal(pool_counts_of(&holder).waiting, 0);
    client_fini(&waiter);
    client_fini(&holder);
}

static void server_connect_timeout_ends_a_login(void **state)
{
    (void)state;
    pools_configure("", "server_connect_timeout=200ms");
    struct database *shop = pools.database;
    pools.database = database_get(slice_of_text("silent"));
    struct client client;
    client_init(&client, 0, "alice", "");
    client_wait(&client);
    client_await(&client, CLIENT_FAILED);
    assert_string_equal(client.sqlstate, "08006");
    assert_non_null(strstr(client.message, "server_connect_timeout"));
    client_fini(&client);
    pools.database = shop;
}

static void server_idle_timeout_closes_all_but_min_pool_size(void **state)
{
    (void)state;
    pools_configure("min_pool_size=1", "server_idle_timeout=100ms");
    struct client clients[3];
    for (unsigned i = 0; i < 3; i++) {
        client_init(&clients[i], i % WORKERS, "alice", "");
        client_acquire(&clients[i]);
    }
    for (unsigned i = 0; i < 3; i++)
        client_release(&clients[i], false);
    AWAIT(pool_counts_of(&clients[0]).idle == 1);
    sleep_ms(1200);
    assert_int_equal(pool_counts_of(&clients[0]).idle, 1);
    assert_int_equal(clients[0].profile->pool->stats->logins, 3);
    for (unsigned i = 0; i < 3; i++)
        client_fini(&clients[i]);
}

static void min_pool_size_is_filled_after_the_first_login(void **state)
{
    (void)state;
    pools_configure("min_pool_size=3", "");
    struct client client;
    client_init(&client, 0, "alice", "");
    sleep_ms(1100);
    assert_int_equal(client.profile->pool->stats->logins, 0);
    client_acquire(&client);
    client_release(&client, false);
    AWAIT(pool_counts_of(&client).idle == 3);
    client_fini(&client);
}

static void server_lifetime_ends_idle_and_released_servers(void **state)
{
    (void)state;
    pools_configure("", "server_lifetime=300ms");
    struct client client, idler;
    client_init(&client, 0, "alice", "");
    client_init(&idler, 1, "alice", "");
    client_acquire(&client);
    client_acquire(&idler);
    client_release(&idler, false);
    AWAIT(pool_counts_of(&client).idle == 0);
    assert_string_equal(client_ask(&client, "SELECT 1"), "1");
    sleep_ms(300);
    client_release(&client, false);
    AWAIT(database_busy_count(pools.database) == 0);
    assert_int_equal(pool_counts_of(&client).idle, 0);
    client_fini(&idler);
    client_fini(&client);
}

static void server_lifetime_zero_is_one_use(void **state)
{
    (void)state;
    pools_configure("", "server_lifetime=0");
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    int pid = client.pid;
    client_release(&client, false);
    client_acquire(&client);
    assert_int_not_equal(client.pid, pid);
    client_release(&client, false);
    AWAIT(database_busy_count(pools.database) == 0);
    assert_int_equal(pool_counts_of(&client).idle, 0);
    client_fini(&client);
}

/* The teardown stops the workers: nothing may be left over. */
static void stops_while_servers_log_in(void **state)
{
    (void)state;
    struct client clients[6];
    for (unsigned i = 0; i < 6; i++) {
        pools.database =
            database_get(slice_of_text(i % 3 ? i % 3 == 1 ? "by_name" : "silent" : "shop"));
        client_init(&clients[i], i % WORKERS, "alice", "");
        client_wait(&clients[i]);
    }
    for (unsigned i = 0; i < 6; i++)
        client_fini(&clients[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOLS_TEST(max_db_connections_evicts_from_another_pool),
        POOLS_TEST(max_user_connections_counts_over_databases),
        POOLS_TEST(query_wait_timeout_ends_a_wait),
        POOLS_TEST(server_connect_timeout_ends_a_login),
        POOLS_TEST(server_idle_timeout_closes_all_but_min_pool_size),
        POOLS_TEST(min_pool_size_is_filled_after_the_first_login),
        POOLS_TEST(server_lifetime_ends_idle_and_released_servers),
        POOLS_TEST(server_lifetime_zero_is_one_use),
        POOLS_TEST(stops_while_servers_log_in),
    };
    return cmocka_run_group_tests(tests, pools_group_setup, pools_group_teardown);
}
