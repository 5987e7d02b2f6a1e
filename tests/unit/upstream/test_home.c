/* upstream/home.c: which server connection a client comes back to, and when there is room for one. */
#include "quiet_rig.h"

static enum home_offer find(unsigned loop, struct pool_home *out)
{
    *out = (struct pool_home){0};
    return pool_find_home(quiet.profile, &quiet.loops[loop], out);
}

static void one_of_its_own_loop_is_better_than_another(void **state)
{
    (void)state;
    struct server *here = quiet_server(quiet.profile, 0), *there = quiet_server(quiet.profile, 1);
    struct pool_home home;
    assert_int_equal(find(1, &home), HOME_FOUND);
    assert_int_equal(home.server_id, there->id);
    assert_int_equal(home.backend_pid, there->backend_pid);
    assert_int_equal(find(1, &home), HOME_FOUND); /* that one is taken */
    assert_int_equal(home.server_id, here->id);
    assert_true(here->is_home && there->is_home);
}

static void it_may_come_while_there_is_room(void **state)
{
    (void)state;
    struct pool_home home;
    assert_int_equal(find(0, &home), HOME_MAY_COME);
    quiet_configure("", "", "default_pool_size = 1");
    struct server *server = quiet_server(quiet.profile, 0);
    quiet_occupy(server);
    assert_int_equal(find(0, &home), HOME_NONE);
    quiet_configure("max_db_connections=1", "", "");
    assert_int_equal(find(0, &home), HOME_NONE);
    quiet_configure("", "alice = max_user_connections=1", "");
    assert_int_equal(find(0, &home), HOME_NONE);
    quiet_configure("", "", "");
    assert_int_equal(find(0, &home), HOME_MAY_COME);
}

static void one_that_nobody_has_used_for_a_while_makes_room(void **state)
{
    (void)state;
    quiet_configure("", "", "default_pool_size = 1");
    struct profile *other = profile_get(quiet.pool, slice_of("a\0b\0", 4));
    struct server *server = quiet_server(other, 0);
    struct pool_home home;
    server->state_since_ms = monotonic_ms() + 60000; /* however slow this machine is */
    assert_int_equal(find(0, &home), HOME_NONE);
    server->state_since_ms = monotonic_ms() - POOL_PROFILE_PATIENCE_MS;
    assert_int_equal(find(0, &home), HOME_MAY_COME);
    server->is_home = true;
    assert_int_equal(find(0, &home), HOME_NONE);
    profile_unref(other);
}

static void nobody_gets_one_before_those_who_wait(void **state)
{
    (void)state;
    struct server *server = quiet_server(quiet.profile, 0);
    struct quiet_client client;
    struct pool_home home;
    quiet_client_init(&client, quiet.profile, 0);
    quiet_occupy(server);
    quiet_configure("", "", "default_pool_size = 1");
    pool_wait(&client.waiter);
    assert_int_equal(find(0, &home), HOME_NONE);
    pool_leave(&client.waiter);
    database_pause(quiet.database, true);
    quiet_configure("", "", "");
    assert_int_equal(find(0, &home), HOME_NONE);
    database_pause(quiet.database, false);
    assert_int_equal(find(0, &home), HOME_MAY_COME);
    pool_lock(quiet.pool);
    pool_login_failed(quiet.pool, quiet.profile, "28P01", "no", NULL, true);
    pool_unlock(quiet.pool);
    assert_int_equal(find(0, &home), HOME_NONE);
    pool_lock(quiet.pool);
    login_failure_clear(&quiet.pool->failure);
    pool_unlock(quiet.pool);
}

static void there_are_so_many_homes_and_none_where_servers_take_turns(void **state)
{
    (void)state;
    struct server *first = quiet_server(quiet.profile, 0), *second = quiet_server(quiet.profile, 0);
    struct pool_home home;
    quiet_configure("", "", "home_connections = 1");
    quiet_occupy(first);
    quiet_occupy(second);
    assert_int_equal(server_make_home(first).server_id, first->id);
    assert_int_equal(server_make_home(first).server_id, 0); /* it is somebody's */
    assert_int_equal(find(0, &home), HOME_NONE);
    quiet_configure("", "", "server_round_robin = 1");
    assert_int_equal(server_make_home(second).server_id, 0);
    assert_int_equal(find(0, &home), HOME_NONE);
    quiet_configure("", "", "home_connections = 0");
    assert_int_equal(server_make_home(second).server_id, 0);
}

static void who_leaves_leaves_it_to_others_wherever_it_is(void **state)
{
    (void)state;
    struct server *server = quiet_server(quiet.profile, 0);
    struct pool_home home, none = {0};
    assert_int_equal(find(0, &home), HOME_FOUND);
    quiet_occupy(server);
    pool_leave_home(quiet.pool, &none);
    assert_true(server->is_home);
    pool_leave_home(quiet.pool, &home);
    assert_false(server->is_home);
    assert_int_equal(home.server_id, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUIET_TEST(one_of_its_own_loop_is_better_than_another),
        QUIET_TEST(it_may_come_while_there_is_room),
        QUIET_TEST(one_that_nobody_has_used_for_a_while_makes_room),
        QUIET_TEST(nobody_gets_one_before_those_who_wait),
        QUIET_TEST(there_are_so_many_homes_and_none_where_servers_take_turns),
        QUIET_TEST(who_leaves_leaves_it_to_others_wherever_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
