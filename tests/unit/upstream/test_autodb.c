/* upstream/autodb.c: which names are collected, what becomes of them, and that they never run out. */
#include "pool_fixture.h"

#include <stdio.h>

#include "base/clock.h"

static struct {
    struct loop loop; /* the main loop's place: nothing but the ticker is on it */
    unsigned vacated;
    bool may_go;
} rig;

static bool may_go(struct database *database)
{
    (void)database;
    return rig.may_go;
}

static void on_vacated(struct database *database)
{
    assert_true(database->vacant);
    rig.vacated++;
}

static int setup(void **state)
{
    if (pools_setup(state) != 0)
        return -1;
    loop_init(&rig.loop, LOOP_INDEX_MAIN);
    rig.vacated = 0;
    rig.may_go = true;
    autodb_start(&rig.loop, &(struct autodb_hooks){.may_go = may_go, .on_vacated = on_vacated});
    return 0;
}

static int teardown(void **state)
{
    autodb_stop();
    loop_stop(&rig.loop);
    loop_run(&rig.loop);
    loop_fini(&rig.loop);
    return pools_teardown(state);
}

/* Lets the main loop's tickers work. */
#define TICK_UNTIL(condition)                                                                      \
    do {                                                                                           \
        uint64_t give_up_us = clock_now_us() + AWAIT_MS * 1000ull;                                 \
        while (!(condition) && clock_now_us() < give_up_us)                                        \
            uv_run(&rig.loop.uv, UV_RUN_ONCE);                                                     \
        if (!(condition))                                                                          \
            fail_msg("waited in vain for: %s", #condition);                                        \
    } while (0)

static void tick_ms(unsigned ms)
{
    uint64_t end_us = clock_now_us() + ms * 1000ull;
    while (clock_now_us() < end_us)
        uv_run(&rig.loop.uv, UV_RUN_ONCE);
}

static struct database *enter(const char *name)
{
    struct database *database = database_enter(slice_of_text(name));
    assert_non_null(database);
    return database;
}

static unsigned count_databases(void)
{
    unsigned at = 0, count = 0;
    while (database_next(&at))
        count++;
    return count;
}

/* The fixture's "*" line leads to the scratch server. */
#define STAR "\n* = host=127.0.0.1 port=%d"

static void configure(const char *options)
{
    char line[128];
    snprintf(line, sizeof(line), STAR, pools.postgres.port);
    pools_configure(line, options);
}

static void a_name_that_nobody_uses_is_collected_and_its_place_used_again(void **state)
{
    (void)state;
    configure("autodb_idle_timeout=1ms");
    struct database *database = enter("made_up");
    unsigned life = database->life;
    tick_ms(1500);
    assert_int_equal(rig.vacated, 0); /* a client is there */
    database_leave(database);
    TICK_UNTIL(rig.vacated == 1);
    assert_int_equal(count_databases(), 1); /* "shop" */
    assert_int_equal(database->life, life + 1);
    sleep_ms(1100);
    assert_ptr_equal(enter("another"), database);
    assert_string_equal(database->name, "another");
    assert_string_equal(database->dbname, "another");
    assert_ptr_equal(database_get(slice_of_text("another")), database);
    assert_ptr_not_equal(enter("made_up"), database);
    assert_int_equal(count_databases(), 3);
}

static void configured_paused_and_held_ones_stay(void **state)
{
    (void)state;
    configure("autodb_idle_timeout=1ms");
    struct database *paused = enter("paused"), *held = enter("held");
    database_pause(paused, true);
    rig.may_go = false;
    database_leave(paused);
    database_leave(held);
    tick_ms(1500);
    assert_int_equal(rig.vacated, 0);
    rig.may_go = true;
    TICK_UNTIL(rig.vacated == 1);
    assert_true(held->vacant && !paused->vacant && !pools.database->vacant);
    database_pause(paused, false);
    TICK_UNTIL(rig.vacated == 2);
}

static void with_a_server_connection_it_stays_and_its_pools_begin_anew(void **state)
{
    (void)state;
    configure("autodb_idle_timeout=1ms");
    struct database *shop = pools.database;
    pools.database = enter("postgres");
    struct database *database = pools.database;
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    struct pool *pool = client.profile->pool;
    assert_string_equal(client_ask(&client, "SELECT current_database()"), "postgres");
    client_release(&client, false);
    client_await(&client, CLIENT_IDLE);
    client_fini(&client);
    database_leave(database);
    tick_ms(1500);
    assert_int_equal(rig.vacated, 0); /* an idle server connection is there */
    pool_recycle(pool);
    TICK_UNTIL(rig.vacated == 1);
    assert_null(pool_at(database, 0));
    sleep_ms(1100);
    assert_ptr_equal(enter("template1"), database);
    assert_null(pool_at(database, 0));
    client_init(&client, 1, "alice", "");
    assert_ptr_equal(client.profile->pool, pool);
    assert_int_equal(pool->stats->logins, 0);
    client_acquire(&client);
    assert_string_equal(client_ask(&client, "SELECT current_database()"), "template1");
    client_release(&client, false);
    client_await(&client, CLIENT_IDLE);
    client_fini(&client);
    assert_ptr_equal(pool_at(database, 0), pool);
    assert_null(pool_at(database, 1));
    assert_int_equal(pool->stats->logins, 1);
    pools.database = shop;
}

static void what_postgres_does_not_know_goes_early(void **state)
{
    (void)state;
    configure("server_login_retry=100ms"); /* autodb_idle_timeout is an hour */
    struct database *shop = pools.database;
    pools.database = enter("no_such_database");
    struct database *there = enter("postgres");
    struct client client;
    client_init(&client, 0, "alice", "");
    client_wait(&client);
    client_await(&client, CLIENT_FAILED);
    assert_string_equal(client.sqlstate, "3D000");
    client_fini(&client);
    database_leave(pools.database);
    database_leave(there);
    TICK_UNTIL(rig.vacated == 1);
    assert_true(pools.database->vacant && !there->vacant);
    pools.database = shop;
}

static void there_are_so_many_places_and_no_more(void **state)
{
    (void)state;
    char name[32];
    pools_configure("\n* = host=127.0.0.1 port=1", "");
    unsigned made = count_databases();
    for (; made < DATABASES_MAX; made++) {
        snprintf(name, sizeof(name), "name_%u", made);
        assert_non_null(database_get(slice_of_text(name)));
    }
    assert_null(database_get(slice_of_text("one_more")));
    assert_null(database_enter(slice_of_text("one_more")));
    assert_int_equal(count_databases(), DATABASES_MAX);
    assert_non_null(database_get(slice_of_text(name))); /* who is there is found */
    assert_non_null(database_get(slice_of_text("shop")));
}

static void ten_thousand_names_do_not_run_out(void **state)
{
    (void)state;
    configure("");
    char name[32];
    unsigned refused = 0;
    for (unsigned i = 0; i < 10000; i++) {
        snprintf(name, sizeof(name), "name_%u", i);
        struct database *database;
        while (!(database = database_enter(slice_of_text(name)))) {
            refused++;
            tick_ms(100);
        }
        assert_string_equal(database->name, name);
        pool_get(database, slice_of_text("alice"));
        database_leave(database);
    }
    assert_non_null(database_place(DATABASES_MAX / 2));
    assert_true(refused < 100); /* a place rests for a second */
    TICK_UNTIL(count_databases() <= DATABASES_MAX / 2);
}

static void a_name_whose_line_has_gone_is_collected_too(void **state)
{
    (void)state;
    configure("autodb_idle_timeout=1ms");
    struct database *database = enter("made_up");
    database_leave(database);
    pools_configure("", "autodb_idle_timeout=1ms");
    TICK_UNTIL(rig.vacated == 1);
    assert_null(database_get(slice_of_text("made_up")));
}

#define AUTODB_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        AUTODB_TEST(a_name_that_nobody_uses_is_collected_and_its_place_used_again),
        AUTODB_TEST(configured_paused_and_held_ones_stay),
        AUTODB_TEST(with_a_server_connection_it_stays_and_its_pools_begin_anew),
        AUTODB_TEST(what_postgres_does_not_know_goes_early),
        AUTODB_TEST(ten_thousand_names_do_not_run_out),
        AUTODB_TEST(there_are_so_many_places_and_no_more),
        AUTODB_TEST(a_name_whose_line_has_gone_is_collected_too),
    };
    return cmocka_run_group_tests(tests, pools_group_setup, pools_group_teardown);
}
