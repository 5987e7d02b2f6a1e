/* upstream/limits.c: what is in force for a pool: the role's line, else the database's, else the option. */
#include "quiet_rig.h"

static struct pool *pool_of(const char *database, const char *role)
{
    return pool_get(database_get(slice_of_text(database)), slice_of_text(role));
}

static void the_role_comes_before_the_database_and_both_before_the_option(void **state)
{
    (void)state;
    quiet_configure(
        "pool_size=5 reserve_pool_size=6 min_pool_size=2 max_db_connections=30 pool_mode=session "
        "server_lifetime=40",
        "alice = pool_size=3 reserve_pool_size=0 max_user_connections=9 pool_mode=statement",
        "default_pool_size = 20\nreserve_pool_size = 1\nmin_pool_size = 4\nmax_db_connections = "
        "50\n"
        "max_user_connections = 60\nserver_lifetime = 70s");
    const struct pool *both = pool_of("shop", "alice"), *database = pool_of("shop", "bob"),
                      *role = pool_of("other", "alice"), *none = pool_of("other", "bob");
    assert_int_equal(pool_size_of(both), 3);
    assert_int_equal(pool_size_of(database), 5);
    assert_int_equal(pool_size_of(role), 3);
    assert_int_equal(pool_size_of(none), 20);
    assert_int_equal(pool_reserve_of(both), 0); /* given, and nothing */
    assert_int_equal(pool_reserve_of(database), 6);
    assert_int_equal(pool_reserve_of(none), 1);
    assert_int_equal(pool_mode_of(both), POOL_MODE_STATEMENT);
    assert_int_equal(pool_mode_of(database), POOL_MODE_SESSION);
    assert_int_equal(pool_mode_of(none), POOL_MODE_TRANSACTION);
    assert_int_equal(pool_min_of(both), 2);
    assert_int_equal(pool_min_of(none), 4);
    assert_int_equal(pool_database_max_of(both), 30);
    assert_int_equal(pool_database_max_of(none), 50);
    assert_int_equal(pool_user_max_of(both), 9);
    assert_int_equal(pool_user_max_of(none), 60);
    assert_int_equal(pool_lifetime_ms_of(both), 40000);
    assert_int_equal(pool_lifetime_ms_of(none), 70000);
}

static void times_are_the_roles_or_the_options(void **state)
{
    (void)state;
    quiet_configure(
        "", "alice = query_timeout=2 idle_transaction_timeout=0",
        "query_timeout = 10s\ntransaction_timeout = 20s\nidle_transaction_timeout = 30s\n"
        "client_idle_timeout = 40s");
    struct pool_times times;
    pool_times_of(pool_of("shop", "alice"), &times);
    assert_int_equal(times.query_ms, 2000);
    assert_int_equal(times.transaction_ms, 20000);
    assert_int_equal(times.idle_transaction_ms, 0);
    assert_int_equal(times.client_idle_ms, 40000);
    pool_times_of(pool_of("shop", "bob"), &times);
    assert_int_equal(times.query_ms, 10000);
    assert_int_equal(times.idle_transaction_ms, 30000);
}

static void one_client_too_many_is_refused_and_told_why(void **state)
{
    (void)state;
    struct pool *pool = quiet.pool;
    atomic_store(&pool->database->client_count, 3); /* with the one who asks */
    atomic_store(&pool->limit->clients, 2);
    assert_null(pool_refuses_client(pool));
    quiet_configure("max_db_client_connections=3", "alice = max_user_client_connections=2", "");
    assert_null(pool_refuses_client(pool));
    quiet_configure("max_db_client_connections=2", "", "");
    assert_non_null(strstr(pool_refuses_client(pool), "max_db_client_connections"));
    quiet_configure("", "alice = max_user_client_connections=1", "");
    assert_non_null(strstr(pool_refuses_client(pool), "max_user_client_connections"));
    quiet_configure("max_db_client_connections=0", "alice = max_user_client_connections=0",
                    "max_db_client_connections = 1\nmax_user_client_connections = 1");
    assert_null(pool_refuses_client(pool)); /* 0 is no limit */
    atomic_store(&pool->database->client_count, 0);
    atomic_store(&pool->limit->clients, 0);
}

static void a_reload_is_in_force_at_once(void **state)
{
    (void)state;
    assert_int_equal(pool_size_of(quiet.pool), 20);
    quiet_configure("", "", "default_pool_size = 7");
    assert_int_equal(pool_size_of(quiet.pool), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        QUIET_TEST(the_role_comes_before_the_database_and_both_before_the_option),
        QUIET_TEST(times_are_the_roles_or_the_options),
        QUIET_TEST(one_client_too_many_is_refused_and_told_why),
        QUIET_TEST(a_reload_is_in_force_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
