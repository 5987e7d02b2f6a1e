/* upstream/waiter.c: who waits is told once, on its loop, or never when it has left. */
#include "quiet_rig.h"

static void a_grant_is_told_by_a_post_of_its_loop(void **state)
{
    (void)state;
    struct server *server = quiet_server(quiet.profile, 0);
    struct quiet_client client;
    quiet_client_init(&client, quiet.profile, 0);
    pool_wait(&client.waiter);
    assert_int_equal(server->state, SERVER_ACTIVE);
    assert_int_equal(client.ready, 0); /* not from within pool_wait */
    quiet_turn();
    assert_int_equal(client.ready, 1);
    assert_ptr_equal(client.server, server);
    assert_null(server->waiter);
    assert_int_equal(quiet.pool->stats->assignments, 1);
    quiet_turn();
    assert_int_equal(client.ready, 1);
}

static void a_server_of_the_other_loop_moves_first(void **state)
{
    (void)state;
    quiet_configure("", "", "default_pool_size = 1");
    pools_start(&quiet.loops[0]); /* where it arrives */
    struct server *server = quiet_server(quiet.profile, 1);
    struct quiet_client client;
    quiet_client_init(&client, quiet.profile, 0);
    pool_wait(&client.waiter);
    assert_int_equal(server->state, SERVER_MOVING);
    quiet_turn();
    assert_int_equal(client.ready, 1);
    assert_ptr_equal(client.server, server);
    assert_ptr_equal(server->loop, &quiet.loops[0]);
    assert_int_equal(server->state, SERVER_ACTIVE);
    pools_stop(&quiet.loops[0]);
}

static void who_leaves_is_never_told(void **state)
{
    (void)state;
    quiet_configure("", "", "default_pool_size = 1");
    struct server *server = quiet_server(quiet.profile, 0);
    struct quiet_client granted, waiting, failed;
    quiet_client_init(&granted, quiet.profile, 0);
    quiet_client_init(&waiting, quiet.profile, 0);
    quiet_client_init(&failed, quiet.profile, 0);
    pool_wait(&granted.waiter);
    pool_wait(&waiting.waiter);
    pool_wait(&failed.waiter);
    pool_lock(quiet.pool);
    waiter_fail(&failed.waiter, &(struct login_failure){.sqlstate = "08006"});
    pool_unlock(quiet.pool);
    pool_leave(&waiting.waiter);
    pool_leave(&failed.waiter);
    pool_leave(&granted.waiter);
    quiet_turn();
    assert_int_equal(granted.ready + waiting.ready + failed.ready, 0);
    assert_int_equal(granted.failed + waiting.failed + failed.failed, 0);
    assert_int_equal(server->state, SERVER_IDLE); /* it is there for the next */
    pool_leave(&granted.waiter);                  /* once more does nothing */
    assert_int_equal(server->state, SERVER_IDLE);
}

static void a_failure_is_told_once_with_what_it_said(void **state)
{
    (void)state;
    quiet_configure("", "", "default_pool_size = 1");
    struct server *server = quiet_server(quiet.profile, 0);
    quiet_occupy(server);
    struct quiet_client client;
    quiet_client_init(&client, quiet.profile, 1);
    pool_wait(&client.waiter);
    char message[] = "no";
    pool_lock(quiet.pool);
    waiter_fail(&client.waiter, &(struct login_failure){.sqlstate = "28P01", .message = message});
    pool_unlock(quiet.pool);
    assert_int_equal(client.failed, 0);
    quiet_turn();
    quiet_turn();
    assert_int_equal(client.failed, 1);
    assert_string_equal(client.sqlstate, "28P01");
}

/* Its server is closed, or goes away, before it was told: it stands where it stood. */
static void a_grant_that_is_taken_back_keeps_its_place(void **state)
{
    (void)state;
    quiet_configure("", "", "default_pool_size = 1");
    struct server *server = quiet_server(quiet.profile, 0);
    struct quiet_client first, second;
    quiet_client_init(&first, quiet.profile, 0);
    quiet_client_init(&second, quiet.profile, 0);
    pool_wait(&first.waiter);
    pool_wait(&second.waiter);
    pool_lock(quiet.pool);
    assert_ptr_equal(first.waiter.granted, server);
    waiter_revoke(server);
    assert_ptr_equal(link_first(&quiet.pool->waiters), &first.waiter.link);
    assert_ptr_equal(first.waiter.link.next, &second.waiter.link);
    assert_null(first.waiter.granted);
    assert_null(server->waiter);
    pool_unlock(quiet.pool);
    quiet_turn();
    assert_int_equal(first.ready, 0);
    pool_leave(&second.waiter);
    pool_leave(&first.waiter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUIET_TEST(a_grant_is_told_by_a_post_of_its_loop),
        QUIET_TEST(a_server_of_the_other_loop_moves_first),
        QUIET_TEST(who_leaves_is_never_told),
        QUIET_TEST(a_failure_is_told_once_with_what_it_said),
        QUIET_TEST(a_grant_that_is_taken_back_keeps_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
