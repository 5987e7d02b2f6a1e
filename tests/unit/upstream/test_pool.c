/* upstream/pool, schedule and move: who gets which server. */
#include "pool_fixture.h"

static void gives_one_pool_to_one_role(void **state)
{
    (void)state;
    struct pool *alice = pool_get(pools.database, slice_of_text("alice"));
    assert_ptr_equal(pool_get(pools.database, slice_of_text("alice")), alice);
    assert_ptr_not_equal(pool_get(pools.database, slice_of_text("bob")), alice);
    assert_ptr_equal(pool_at(pools.database, 0), alice);
    assert_null(pool_at(pools.database, 2));
    assert_ptr_equal(database_get(slice_of_text("shop")), pools.database);
    assert_null(database_get(slice_of_text("unheard of")));
    unsigned at = 0;
    assert_ptr_equal(database_next(&at), pools.database);
    assert_null(database_next(&at));
}

static void shares_profiles_with_equal_parameters(void **state)
{
    (void)state;
    struct pool *pool = pool_get(pools.database, slice_of_text("alice"));
    struct profile *first = profile_get(pool, slice_of("a\0b", 4));
    struct profile *second = profile_get(pool, slice_of("a\0b", 4));
    struct profile *third = profile_get(pool, slice_of("a\0c", 4));
    assert_ptr_equal(first, second);
    assert_ptr_not_equal(first, third);
    assert_null(profile_facts_ref(first));
    profile_unref(first);
    profile_unref(second);
    profile_unref(third);
    profile_unref(NULL);
}

static void take_finds_an_idle_server_of_its_loop_and_profile_only(void **state)
{
    (void)state;
    struct client here, there, other;
    client_init(&here, 0, "alice", "");
    client_init(&there, 1, "alice", "");
    client_init(&other, 0, "alice", "app.name=other");
    assert_false(client_take(&here));
    client_acquire(&here);
    client_release(&here, false);
    assert_false(client_take(&there));
    assert_false(client_take(&other));
    assert_true(client_take(&here));
    assert_string_equal(client_ask(&here, "SELECT 7"), "7");
    client_release(&here, false);
    assert_int_equal(pool_counts_of(&here).idle, 1);
    client_fini(&other);
    client_fini(&there);
    client_fini(&here);
}

static void opens_up_to_pool_size_and_no_more(void **state)
{
    (void)state;
    pools_configure("pool_size=2", "");
    struct client clients[4];
    for (unsigned i = 0; i < 4; i++) {
        client_init(&clients[i], i % WORKERS, "alice", "");
        client_wait(&clients[i]);
    }
    client_await(&clients[0], CLIENT_HOLDING);
    client_await(&clients[1], CLIENT_HOLDING);
    sleep_ms(250); /* two ticks */
    struct pool_counts counts = pool_counts_of(&clients[0]);
    assert_int_equal(counts.active, 2);
    assert_int_equal(counts.waiting, 2);
    assert_int_equal(counts.login + counts.idle + counts.resetting, 0);
    assert_true(counts.maxwait_us > 200000);
    for (unsigned i = 0; i < 4; i++) {
        client_await(&clients[i], CLIENT_HOLDING);
        client_release(&clients[i], false);
    }
    for (unsigned i = 0; i < 4; i++)
        client_fini(&clients[i]);
}

static void serves_waiters_of_both_loops_in_the_order_of_their_coming(void **state)
{
    (void)state;
    pools_configure("pool_size=1", "");
    enum { COUNT = 6 };
    static const unsigned workers[COUNT] = {0, 1, 0, 0, 1, 1};
    struct client clients[COUNT];
    for (unsigned i = 0; i < COUNT; i++)
        client_init(&clients[i], workers[i], "alice", "");
    client_acquire(&clients[0]);
    for (unsigned i = 1; i < COUNT; i++)
        client_wait(&clients[i]);
    for (unsigned i = 0; i < COUNT; i++) {
        client_await(&clients[i], CLIENT_HOLDING);
        assert_int_equal(clients[i].order, i + 1);
        assert_int_equal(clients[i].pid, clients[0].pid);
        assert_string_equal(client_ask(&clients[i], "SELECT 'ok'"), "ok");
        client_release(&clients[i], false);
    }
    /* 0 ─► 1 ─► 0, and 0 ─► 1: three moves. */
    assert_int_equal(clients[0].profile->pool->stats->moves, 3);
    assert_int_equal(clients[0].profile->pool->stats->logins, 1);
    assert_int_equal(clients[0].profile->pool->stats->assignments, COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        client_fini(&clients[i]);
}

static void a_home_goes_to_its_client_and_to_others_only_when_nothing_else_is_idle(void **state)
{
    (void)state;
    struct client first, second, guest;
    client_init(&first, 0, "alice", "");
    client_init(&second, 0, "alice", "");
    client_init(&guest, 0, "alice", "");
    client_acquire(&first);
    client_acquire(&second);
    struct pool_home home = server_make_home(first.server);
    assert_int_equal(home.backend_pid, first.pid);
    assert_int_equal(server_make_home(first.server).server_id, 0); /* it is taken */
    first.waiter.home = home.server_id;
    client_release(&second, false);
    client_release(&first, false); /* the warmest */
    int pid_of_home = first.pid, pid_of_other = second.pid;
    assert_true(client_take(&guest));
    assert_int_equal(guest.pid, pid_of_other);
    assert_true(client_take(&second));
    assert_int_equal(second.pid, pid_of_home);
    client_release(&second, false);
    client_release(&guest, false);
    assert_true(client_take(&first));
    assert_int_equal(first.pid, pid_of_home);
    client_release(&first, false);
    pool_leave_home(first.profile->pool, &home);
    client_fini(&guest);
    client_fini(&second);
    client_fini(&first);
}

static void a_home_is_offered_while_there_is_room(void **state)
{
    (void)state;
    pools_configure("pool_size=2", "");
    struct client client;
    client_init(&client, 0, "alice", "");
    struct loop *loop = &client.worker->loop;
    struct pool_home homes[2] = {{0}}, none = {0};
    assert_int_equal(pool_find_home(client.profile, loop, &none), HOME_MAY_COME);
    client_acquire(&client);
    homes[0] = server_make_home(client.server);
    client_release(&client, false);
    assert_int_equal(pool_find_home(client.profile, loop, &none), HOME_MAY_COME);
    client.waiter.wants_home = true;
    client_acquire(&client);
    assert_int_not_equal(client.server->id, homes[0].server_id);
    client_release(&client, false);
    assert_int_equal(pool_find_home(client.profile, loop, &homes[1]), HOME_FOUND);
    assert_int_equal(pool_find_home(client.profile, loop, &none), HOME_NONE);
    assert_int_equal(none.server_id, 0);
    struct pool_home left = homes[0];
    pool_leave_home(client.profile->pool, &left);
    assert_int_equal(pool_find_home(client.profile, loop, &left), HOME_FOUND);
    assert_int_equal(left.server_id, homes[0].server_id);
    client_fini(&client);
}

static void prefers_an_idle_server_of_the_waiters_loop(void **state)
{
    (void)state;
    struct client here, there, again;
    client_init(&here, 0, "alice", "");
    client_init(&there, 1, "alice", "");
    client_init(&again, 0, "alice", "");
    client_acquire(&here);
    client_acquire(&there);
    int pid = here.pid;
    client_release(&here, false);
    client_release(&there, false); /* used last, but on the other loop */
    client_acquire(&again);
    assert_int_equal(again.pid, pid);
    assert_int_equal(again.profile->pool->stats->moves, 0);
    client_release(&again, false);
    client_fini(&again);
    client_fini(&there);
    client_fini(&here);
}

static void a_loop_that_gives_its_last_server_away_gets_a_new_one(void **state)
{
    (void)state;
    struct client here, there;
    client_init(&here, 0, "alice", "");
    client_init(&there, 1, "alice", "");
    client_acquire(&here);
    int pid = here.pid;
    client_release(&here, false);
    client_acquire(&there);
    assert_int_equal(there.pid, pid);
    client_release(&there, false);
    AWAIT(pool_counts_of(&here).idle == 2);
    for (unsigned i = 0; i < 10; i++) { /* from now on each loop has its own */
        assert_true(client_take(&here));
        assert_true(client_take(&there));
        client_release(&here, false);
        client_release(&there, false);
    }
    assert_int_equal(here.profile->pool->stats->moves, 1);
    client_fini(&there);
    client_fini(&here);
}

struct pair {
    struct client *giver, *leaver;
};

/* The grant is decided, its callback not yet called. */
static void release_and_leave(void *argument)
{
    struct pair *pair = argument;
    struct server *server = pair->giver->server;
    pair->giver->server = NULL;
    server_release(server, false);
    pool_leave(&pair->leaver->waiter);
}

static void one_who_leaves_gets_no_callback_and_the_next_gets_its_server(void **state)
{
    (void)state;
    pools_configure("pool_size=1", "");
    struct client giver, leaver, next;
    client_init(&giver, 0, "alice", "");
    client_init(&leaver, 0, "alice", "");
    client_init(&next, 0, "alice", "");
    client_acquire(&giver);
    client_wait(&leaver);
    client_wait(&next);
    worker_call(0, release_and_leave, &(struct pair){&giver, &leaver});
    client_await(&next, CLIENT_HOLDING);
    assert_int_equal(leaver.callbacks, 0);
    client_release(&next, false);
    client_fini(&next);
    client_fini(&leaver);
    client_fini(&giver);
}

static void one_who_leaves_while_its_server_moves_gets_no_callback(void **state)
{
    (void)state;
    pools_configure("pool_size=1", "");
    struct client giver, leaver;
    client_init(&giver, 0, "alice", "");
    client_init(&leaver, 1, "alice", "");
    client_acquire(&giver);
    unsigned callbacks = 0;
    for (unsigned i = 0; i < 50; i++) {
        client_wait(&leaver);
        client_release(&giver, false);
        usleep(i * 10); /* somewhere on the way, or arrived */
        client_leave(&leaver);
        callbacks += leaver.server != NULL;
        assert_int_equal(leaver.callbacks, callbacks);
        if (leaver.server)
            client_release(&leaver, false);
        client_acquire(&giver);
    }
    assert_int_equal(giver.profile->pool->stats->logins, 1);
    client_release(&giver, false);
    client_fini(&leaver);
    client_fini(&giver);
}

static void closes_an_idle_server_for_a_waiter_of_another_profile(void **state)
{
    (void)state;
    pools_configure("pool_size=1", "");
    struct client first, second;
    client_init(&first, 0, "alice", "");
    client_init(&second, 1, "alice", "app.name=second");
    client_acquire(&first);
    client_release(&first, false);
    client_acquire(&second);
    assert_int_not_equal(second.pid, first.pid);
    assert_string_equal(client_ask(&second, "SHOW app.name"), "second");
    assert_int_equal(second.profile->pool->stats->evictions, 1);
    client_release(&second, false);
    client_fini(&second);
    client_fini(&first);
}

/* A freed server of the younger waiter's profile is closed for the older one. */
static void an_older_waiter_of_another_profile_is_not_passed_over(void **state)
{
    (void)state;
    pools_configure("pool_size=1", "");
    struct client holder, other, same;
    client_init(&holder, 0, "alice", "");
    client_init(&other, 0, "alice", "app.name=other");
    client_init(&same, 0, "alice", "");
    client_acquire(&holder);
    client_wait(&other);
    client_wait(&same);
    sleep_ms(POOL_PROFILE_PATIENCE_MS + 50);
    client_release(&holder, false);
    client_await(&other, CLIENT_HOLDING);
    assert_int_equal(client_state(&same), CLIENT_WAITING);
    client_release(&other, false);
    client_await(&same, CLIENT_HOLDING);
    client_release(&same, false);
    client_fini(&same);
    client_fini(&other);
    client_fini(&holder);
}

static void a_paused_database_hands_out_nothing(void **state)
{
    (void)state;
    struct client holder, waiter, idler;
    client_init(&holder, 0, "alice", "");
    client_init(&waiter, 1, "alice", "");
    client_init(&idler, 0, "alice", "");
    client_acquire(&holder);
    client_acquire(&idler);
    client_release(&idler, false);
    database_pause(pools.database, true);
    AWAIT(database_busy_count(pools.database) == 1);
    assert_int_equal(pool_counts_of(&holder).idle, 0);
    assert_false(client_take(&idler));
    client_wait(&waiter);
    sleep_ms(150);
    assert_int_equal(client_state(&waiter), CLIENT_WAITING);
    client_release(&holder, false);
    AWAIT(database_busy_count(pools.database) == 0);
    assert_int_equal(client_state(&waiter), CLIENT_WAITING);
    database_pause(pools.database, false);
    client_await(&waiter, CLIENT_HOLDING);
    client_release(&waiter, false);
    client_fini(&idler);
    client_fini(&waiter);
    client_fini(&holder);
}

static void recycling_replaces_every_server(void **state)
{
    (void)state;
    struct client busy, idler;
    client_init(&busy, 0, "alice", "");
    client_init(&idler, 1, "alice", "");
    client_acquire(&busy);
    client_acquire(&idler);
    int busy_pid = busy.pid, idle_pid = idler.pid;
    client_release(&idler, false);
    pool_recycle(busy.profile->pool);
    assert_string_equal(client_ask(&busy, "SELECT 1"), "1"); /* goes on */
    client_release(&busy, false);
    client_acquire(&busy);
    client_acquire(&idler);
    assert_int_not_equal(busy.pid, busy_pid);
    assert_int_not_equal(busy.pid, idle_pid);
    assert_int_not_equal(idler.pid, idle_pid);
    client_release(&busy, false);
    client_release(&idler, false);
    client_fini(&idler);
    client_fini(&busy);
}

static void a_reload_recycles_only_what_its_line_changed(void **state)
{
    (void)state;
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    int pid = client.pid;
    client_release(&client, false);
    pools_configure("pool_size=7", "");
    assert_int_equal(pool_size_of(client.profile->pool), 7);
    client_acquire(&client);
    assert_int_equal(client.pid, pid);
    client_release(&client, false);
    pools_configure("timezone=Asia/Tokyo", "");
    client_acquire(&client);
    assert_int_not_equal(client.pid, pid);
    assert_string_equal(client_ask(&client, "SHOW timezone"), "Asia/Tokyo");
    client_release(&client, false);
    client_fini(&client);
}

static void a_database_that_is_gone_fails_its_waiters(void **state)
{
    (void)state;
    struct client holder, waiter;
    pools_configure("pool_size=1", "");
    client_init(&holder, 0, "alice", "");
    client_init(&waiter, 1, "alice", "");
    client_acquire(&holder);
    client_wait(&waiter);
    atomic_store(&pools.database->conf, NULL); /* as databases_reload without its line */
    client_await(&waiter, CLIENT_FAILED);
    assert_string_equal(waiter.sqlstate, "3D000");
    assert_null(database_get(slice_of_text("shop")));
    client_release(&holder, false);
    AWAIT(database_busy_count(pools.database) == 0);
    assert_int_equal(pool_counts_of(&holder).idle, 0);
    client_fini(&waiter);
    client_fini(&holder);
}

static void modes_and_sizes_come_from_user_database_and_option(void **state)
{
    (void)state;
    struct pool *pool = pool_get(pools.database, slice_of_text("alice"));
    pools_configure("", "default_pool_size=5\npool_mode=statement");
    assert_int_equal(pool_size_of(pool), 5);
    assert_int_equal(pool_mode_of(pool), POOL_MODE_STATEMENT);
    pools_configure("pool_size=3 pool_mode=session", "default_pool_size=5");
    assert_int_equal(pool_size_of(pool), 3);
    assert_int_equal(pool_mode_of(pool), POOL_MODE_SESSION);
    pools_configure("pool_size=3 pool_mode=session",
                    "[users]\nalice = pool_size=2 pool_mode=transaction");
    assert_int_equal(pool_size_of(pool), 2);
    assert_int_equal(pool_mode_of(pool), POOL_MODE_TRANSACTION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOLS_TEST(gives_one_pool_to_one_role),
        POOLS_TEST(shares_profiles_with_equal_parameters),
        POOLS_TEST(take_finds_an_idle_server_of_its_loop_and_profile_only),
        POOLS_TEST(opens_up_to_pool_size_and_no_more),
        POOLS_TEST(serves_waiters_of_both_loops_in_the_order_of_their_coming),
        POOLS_TEST(a_home_goes_to_its_client_and_to_others_only_when_nothing_else_is_idle),
        POOLS_TEST(a_home_is_offered_while_there_is_room),
        POOLS_TEST(prefers_an_idle_server_of_the_waiters_loop),
        POOLS_TEST(a_loop_that_gives_its_last_server_away_gets_a_new_one),
        POOLS_TEST(one_who_leaves_gets_no_callback_and_the_next_gets_its_server),
        POOLS_TEST(one_who_leaves_while_its_server_moves_gets_no_callback),
        POOLS_TEST(closes_an_idle_server_for_a_waiter_of_another_profile),
        POOLS_TEST(an_older_waiter_of_another_profile_is_not_passed_over),
        POOLS_TEST(a_paused_database_hands_out_nothing),
        POOLS_TEST(recycling_replaces_every_server),
        POOLS_TEST(a_reload_recycles_only_what_its_line_changed),
        POOLS_TEST(a_database_that_is_gone_fails_its_waiters),
        POOLS_TEST(modes_and_sizes_come_from_user_database_and_option),
    };
    return cmocka_run_group_tests(tests, pools_group_setup, pools_group_teardown);
}
