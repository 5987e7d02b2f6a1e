/* upstream/schedule.c: who gets which server, and when one is opened or closed for somebody. */
#include "quiet_rig.h"

enum { CLIENTS = 4 };

static struct quiet_client clients[CLIENTS];

static void wait_all(struct profile *profile, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        quiet_client_init(&clients[i], profile, 0);
        pool_wait(&clients[i].waiter);
    }
}

static void leave_all(unsigned count)
{
    for (unsigned i = count; i > 0; i--)
        pool_leave(&clients[i - 1].waiter);
}

static void schedule(void)
{
    pool_lock(quiet.pool);
    pool_schedule(quiet.pool);
    pool_unlock(quiet.pool);
}

static unsigned logins(void)
{
    struct pool_counts counts;
    pool_count(quiet.pool, &counts);
    return counts.login;
}

static struct profile *another_profile(void)
{
    return profile_get(quiet.pool, slice_of("a\0b\0", 4));
}

/* ---- idle ones ---- */

static struct server *granted_to(struct quiet_client *client, uint64_t home, bool wants_home)
{
    quiet_client_init(client, quiet.profile, 0);
    client->waiter.home = home;
    client->waiter.wants_home = wants_home;
    pool_wait(&client->waiter);
    struct server *server = client->waiter.granted;
    pool_leave(&client->waiter);
    return server;
}

static void a_home_comes_first_then_nobodys_then_one_of_its_loop(void **state)
{
    (void)state;
    struct server *far = quiet_server(quiet.profile, 1),
                  *near_home = quiet_server(quiet.profile, 0),
                  *near = quiet_server(quiet.profile, 0);
    struct quiet_client client;
    quiet_configure("", "", "default_pool_size = 3\nserver_check_query =");
    near_home->is_home = true;
    assert_ptr_equal(granted_to(&client, near_home->id, false), near_home);
    assert_ptr_equal(granted_to(&client, 0, false), near);
    quiet_occupy(near);
    assert_ptr_equal(granted_to(&client, 0, true), far); /* somebody's home is none for another */
}

static void somebody_elses_home_is_better_than_to_wait(void **state)
{
    (void)state;
    struct server *only = quiet_server(quiet.profile, 0);
    struct quiet_client client;
    quiet_configure("", "", "default_pool_size = 1");
    only->is_home = true;
    assert_null(granted_to(&client, 0, true));
    assert_ptr_equal(granted_to(&client, 0, false), only);
}

static void one_that_was_long_unused_is_checked_first(void **state)
{
    (void)state;
    quiet_configure(
        "", "", "default_pool_size = 1\nserver_check_query = select 1\nserver_check_delay = 30s");
    struct server *server = quiet_server(quiet.profile, 0);
    quiet_rest(server, 31000);
    wait_all(quiet.profile, 1);
    assert_int_equal(server->state, SERVER_RESETTING);
    assert_null(clients[0].waiter.granted);
    leave_all(1);
}

/* ---- opening ---- */

static void each_waiter_has_one_on_its_way_up_to_the_size(void **state)
{
    (void)state;
    quiet_configure("", "", "default_pool_size = 2");
    wait_all(quiet.profile, 1);
    assert_int_equal(logins(), 1);
    schedule(); /* it counts on that one */
    assert_int_equal(logins(), 1);
    leave_all(1);
    wait_all(quiet.profile, 4);
    assert_int_equal(logins(), 2);
    leave_all(4);
}

static void the_reserve_is_for_who_has_waited(void **state)
{
    (void)state;
    quiet_configure("", "",
                    "default_pool_size = 1\nreserve_pool_size = 1\nreserve_pool_timeout = 5s");
    quiet_occupy(quiet_server(quiet.profile, 0));
    wait_all(quiet.profile, 1);
    assert_int_equal(logins(), 0);
    quiet_been_patient(&clients[0].waiter, 5000);
    schedule();
    assert_int_equal(logins(), 1);
    leave_all(1);
}

static void the_limits_of_database_and_role_hold(void **state)
{
    (void)state;
    struct pool *other = pool_get(database_get(slice_of_text("other")), slice_of_text("alice"));
    struct profile *profile = profile_get(other, slice_of("", 0));
    quiet_occupy(quiet_server(quiet.profile, 0));
    quiet_configure("max_db_connections=1", "", "");
    wait_all(quiet.profile, 1);
    assert_int_equal(logins(), 0);
    leave_all(1);
    quiet_configure("", "alice = max_user_connections=1", "");
    wait_all(quiet.profile, 1);
    assert_int_equal(logins(), 0);
    assert_true(atomic_load(&quiet.pool->limit->pressed)); /* one of hers elsewhere should go */
    leave_all(1);
    quiet_client_init(&clients[0], profile, 0);
    pool_wait(&clients[0].waiter); /* over all databases */
    assert_int_equal(other->connections, 0);
    leave_all(1);
    profile_unref(profile);
}

/* ---- making room ---- */

static void the_longest_idle_goes_for_who_has_been_patient(void **state)
{
    (void)state;
    struct profile *other = another_profile();
    quiet_configure("", "", "default_pool_size = 2");
    struct server *older = quiet_server(other, 0), *younger = quiet_server(other, 0);
    older->state_since_ms = monotonic_ms() + 60000; /* nobody is idle for long */
    younger->state_since_ms = monotonic_ms() + 90000;
    wait_all(quiet.profile, 2);
    assert_int_equal(older->state, SERVER_IDLE);
    quiet_been_patient(&clients[0].waiter, POOL_PROFILE_PATIENCE_MS);
    schedule();
    assert_int_equal(older->state, SERVER_CLOSING);
    assert_int_equal(younger->state, SERVER_IDLE);
    schedule(); /* the place that becomes free is counted on */
    assert_int_equal(younger->state, SERVER_IDLE);
    assert_int_equal(quiet.pool->stats->evictions, 1);
    leave_all(2);
    profile_unref(other);
}

static void nothing_is_closed_for_a_home_that_is_one(void **state)
{
    (void)state;
    struct profile *other = another_profile();
    quiet_configure("", "", "default_pool_size = 1");
    struct server *server = quiet_server(other, 0);
    server->is_home = true;
    quiet_client_init(&clients[0], quiet.profile, 0);
    clients[0].waiter.wants_home = true;
    pool_wait(&clients[0].waiter);
    quiet_been_patient(&clients[0].waiter, 60000);
    schedule();
    assert_int_equal(server->state, SERVER_IDLE);
    leave_all(1);
    profile_unref(other);
}

/* ---- failures ---- */

static void fail_login(struct profile *profile, const char *sqlstate, bool from_server)
{
    pool_lock(quiet.pool);
    pool_login_failed(quiet.pool, profile, sqlstate, "no", NULL, from_server);
    pool_schedule(quiet.pool);
    pool_unlock(quiet.pool);
    quiet_turn();
}

static void forget_failures(struct profile *other)
{
    pool_lock(quiet.pool);
    login_failure_clear(&quiet.pool->failure);
    login_failure_clear(&quiet.profile->failure);
    login_failure_clear(&other->failure);
    pool_unlock(quiet.pool);
}

static void a_failure_of_the_role_is_told_to_all_and_one_of_parameters_to_its_own(void **state)
{
    (void)state;
    static const struct {
        const char *sqlstate;
        bool from_server, all;
    } cases[] = {{"28P01", true, true},  {"3D000", true, true},  {"53300", true, true},
                 {"08006", false, true}, {"22023", true, false}, {"42704", true, false},
                 {"57014", true, false}, {"57P03", true, true},  {"25001", false, true}};
    struct profile *other = another_profile();
    quiet_configure("", "", "default_pool_size = 1");
    quiet_occupy(quiet_server(another_profile(), 0));
    profile_unref(other);
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        wait_all(quiet.profile, 1);
        fail_login(cases[i].all ? quiet.profile : other, cases[i].sqlstate, cases[i].from_server);
        assert_int_equal(clients[0].failed, cases[i].all);
        leave_all(1);
        forget_failures(other);
        if (cases[i].all)
            continue;
        wait_all(quiet.profile, 1);
        fail_login(quiet.profile, cases[i].sqlstate, cases[i].from_server);
        assert_int_equal(clients[0].failed, 1);
        assert_string_equal(clients[0].sqlstate, cases[i].sqlstate);
        leave_all(1);
        forget_failures(other);
    }
    profile_unref(other);
}

static void who_has_a_living_server_waits_for_it(void **state)
{
    (void)state;
    struct profile *other = another_profile();
    quiet_configure("", "", "default_pool_size = 2");
    quiet_occupy(quiet_server(quiet.profile, 0));
    wait_all(quiet.profile, 1);
    fail_login(quiet.profile, "28P01", true);
    assert_int_equal(clients[0].failed, 0);
    leave_all(1);
    forget_failures(other);
    profile_unref(other);
}

static void a_paused_database_opens_and_grants_nothing(void **state)
{
    (void)state;
    struct server *server = quiet_server(quiet.profile, 0);
    atomic_store(&quiet.database->paused, true);
    wait_all(quiet.profile, 2);
    assert_int_equal(server->state, SERVER_IDLE);
    assert_int_equal(logins(), 0);
    leave_all(2);
    atomic_store(&quiet.database->paused, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUIET_TEST(a_home_comes_first_then_nobodys_then_one_of_its_loop),
        QUIET_TEST(somebody_elses_home_is_better_than_to_wait),
        QUIET_TEST(one_that_was_long_unused_is_checked_first),
        QUIET_TEST(each_waiter_has_one_on_its_way_up_to_the_size),
        QUIET_TEST(the_reserve_is_for_who_has_waited),
        QUIET_TEST(the_limits_of_database_and_role_hold),
        QUIET_TEST(the_longest_idle_goes_for_who_has_been_patient),
        QUIET_TEST(nothing_is_closed_for_a_home_that_is_one),
        QUIET_TEST(a_failure_of_the_role_is_told_to_all_and_one_of_parameters_to_its_own),
        QUIET_TEST(who_has_a_living_server_waits_for_it),
        QUIET_TEST(a_paused_database_opens_and_grants_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
