/* upstream/strangers.c: a backend on another server than the control connection's is known, told of before
 * it is handed out, and goes when the control connection has moved. */
#include "pool_fixture.h"

#include <stdlib.h>

static _Atomic(unsigned) told;
static _Atomic(bool) mixed_when_told;

static void on_mixed(struct database *database)
{
    mixed_when_told = database_is_mixed(database);
    told++;
}

static int setup(void **state)
{
    told = 0;
    mixed_when_told = false;
    databases_set_on_mixed(on_mixed);
    return pools_setup(state);
}

static int teardown(void **state)
{
    int result = pools_teardown(state);
    databases_set_on_mixed(NULL);
    return result;
}

/* When the scratch server was started, as a backend says. */
static uint64_t started_us(struct client *client)
{
    const char *text = client_ask(
        client, "SELECT (extract(epoch FROM pg_postmaster_start_time())*1000000)::bigint");
    return strtoull(text, NULL, 10);
}

static void nobody_is_a_stranger_before_a_server_is_known(void **state)
{
    (void)state;
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    assert_int_equal(database_strangers(pools.database), 0);
    uint64_t here = started_us(&client);
    database_identified(pools.database, here, false);
    assert_int_equal(database_strangers(pools.database), 0);
    assert_false(database_is_barred(pools.database));
    client_release(&client, false);
    client_await(&client, CLIENT_IDLE);
    client_fini(&client);
    assert_int_equal(told, 0);
}

static void one_is_told_of_before_it_is_handed_out_and_when_the_last_has_gone(void **state)
{
    (void)state;
    database_identified(pools.database, 1, false);
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    assert_int_equal(told, 1);
    assert_true(mixed_when_told);
    assert_int_equal(database_strangers(pools.database), 1);
    client_discard(&client);
    AWAIT(told == 2);
    assert_false(mixed_when_told);
    assert_int_equal(database_strangers(pools.database), 0);
    client_fini(&client);
}

static void those_of_the_old_server_go_when_the_control_connection_has_moved(void **state)
{
    (void)state;
    struct client idle, busy;
    client_init(&idle, 0, "alice", "");
    client_init(&busy, 1, "alice", "");
    client_acquire(&idle);
    client_acquire(&busy);
    uint64_t here = started_us(&busy);
    database_identified(pools.database, here, false);
    client_release(&idle, false);
    client_await(&idle, CLIENT_IDLE);
    AWAIT(pool_counts_of(&idle).idle == 1);
    database_identified(pools.database, here + 1, false);
    AWAIT(pool_counts_of(&idle).idle == 0);
    AWAIT(database_strangers(pools.database) == 1);
    assert_string_equal(client_ask(&busy, "SELECT 3"), "3");
    client_release(&busy, false);
    client_await(&busy, CLIENT_IDLE);
    AWAIT(database_strangers(pools.database) == 0);
    client_fini(&idle);
    client_fini(&busy);
}

static void a_standby_bars_only_where_there_are_several_hosts(void **state)
{
    (void)state;
    database_identified(pools.database, 1, true);
    assert_false(database_is_barred(pools.database));
    pools_configure("\nseveral = host=127.0.0.1,127.0.0.1 port=1,2", "");
    struct database *several = database_get(slice_of_text("several"));
    database_identified(several, 1, true);
    assert_true(database_is_barred(several));
    database_identified(several, 1, false); /* promoted */
    assert_false(database_is_barred(several));
}

#define STRANGERS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STRANGERS_TEST(nobody_is_a_stranger_before_a_server_is_known),
        STRANGERS_TEST(one_is_told_of_before_it_is_handed_out_and_when_the_last_has_gone),
        STRANGERS_TEST(those_of_the_old_server_go_when_the_control_connection_has_moved),
        STRANGERS_TEST(a_standby_bars_only_where_there_are_several_hosts),
    };
    return cmocka_run_group_tests(tests, pools_group_setup, pools_group_teardown);
}
