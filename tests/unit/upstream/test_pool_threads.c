/* upstream: many clients on two threads, all for few servers; run it under the thread sanitizer. */
#include "pool_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "pgwire/encode.h"

enum { RUNNERS = 16, ROUNDS = 60 };

/* A client that works by itself on its loop: waits or takes, asks, gives back, and begins anew;
 * sometimes it leaves its wait, discards its server or has it reset. */
struct runner {
    struct client client;
    struct loop_task task; /* the next step */
    unsigned round;
    unsigned seed;
    unsigned answers;
    _Atomic(bool) done;
};

static struct runner runners[RUNNERS];
static _Atomic(unsigned) steps; /* rounds done by all of them */

static unsigned chance(struct runner *runner, unsigned of)
{
    runner->seed = runner->seed * 1103515245u + 12345u;
    return (runner->seed >> 16) % of;
}

static struct runner *runner_of(struct client *client)
{
    return CONTAINER_OF(client, struct runner, client);
}

static void next(struct runner *runner)
{
    steps++;
    if (++runner->round >= ROUNDS) {
        runner->done = true;
        return;
    }
    loop_defer(&runner->client.worker->loop, &runner->task);
}

static size_t on_input(void *context, struct server *server, const uint8_t *data, size_t len)
{
    struct runner *runner = context;
    /* The answer to SELECT n is short: it comes whole, and ends in ReadyForQuery. */
    if (!data || len < 6 || data[len - 6] != 'Z')
        return 0;
    char expected[16];
    snprintf(expected, sizeof(expected), "%u", 1000 + (unsigned)(runner - runners));
    assert_true(memmem(data, len, expected, strlen(expected)) || memmem(data, len, "57014", 5));
    runner->answers++;
    server_release(server, chance(runner, 8) == 0);
    next(runner);
    return len;
}

static void on_drained(void *context, struct server *server)
{
    (void)context;
    (void)server;
}

static void on_lost(void *context, struct server *server, enum err err, int error_number)
{
    (void)err;
    (void)error_number;
    struct runner *runner = context;
    server_discard(server);
    next(runner);
}

static const struct server_user user = {on_input, on_drained, on_lost};

static void use(struct runner *runner, struct server *server)
{
    server_use(server, &user, runner);
    unsigned what = chance(runner, 32);
    if (what == 0) {
        server_discard(server);
        next(runner);
        return;
    }
    if (what == 1)
        server_cancel(server); /* it may hit our SELECT */
    char sql[32];
    snprintf(sql, sizeof(sql), "SELECT %u", 1000 + (unsigned)(runner - runners));
    uint8_t memory[128];
    struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
    pgwire_write_query(&writer, sql);
    stream_write(&server->stream, writer.data, writer.len);
}

static void on_ready(struct pool_waiter *waiter, struct server *server)
{
    use(runner_of(CONTAINER_OF(waiter, struct client, waiter)), server);
}

static void on_failed(struct pool_waiter *waiter, const struct pool_failure *failure)
{
    (void)waiter;
    fail_msg("%s %s", failure->sqlstate, failure->message);
}

static void step(struct loop_task *task)
{
    struct runner *runner = CONTAINER_OF(task, struct runner, task);
    struct client *client = &runner->client;
    struct server *server = pool_take(client->profile, false, NULL, &client->worker->loop, 0);
    if (server) {
        use(runner, server);
        return;
    }
    pool_wait(&client->waiter);
    if (chance(runner, 10) == 0) {
        pool_leave(&client->waiter);
        next(runner);
    }
}

static void start(void *argument)
{
    struct runner *runner = argument;
    loop_defer(&runner->client.worker->loop, &runner->task);
}

static void run_all(bool many_profiles)
{
    for (unsigned i = 0; i < RUNNERS; i++) {
        struct runner *runner = &runners[i];
        *runner = (struct runner){.seed = i, .task.run = step};
        const char *params = many_profiles && i % 4 == 0 ? "app.name=other" : "";
        client_init(&runner->client, i % WORKERS, "alice", params);
        runner->client.waiter.on_ready = on_ready;
        runner->client.waiter.on_failed = on_failed;
        worker_call(i % WORKERS, start, runner);
    }
    unsigned answers = 0;
    for (unsigned i = 0; i < RUNNERS; i++) {
        AWAIT(runners[i].done);
        answers += runners[i].answers;
    }
    assert_true(answers > RUNNERS * ROUNDS / 2);
    struct pool_counts counts;
    struct pool *pool = runners[0].client.profile->pool;
    AWAIT((pool_count(pool, &counts), counts.active + counts.resetting + counts.login) == 0);
    assert_int_equal(counts.waiting, 0);
    assert_true(counts.idle <= 3);
    for (unsigned i = 0; i < RUNNERS; i++)
        client_fini(&runners[i].client);
}

static void all_are_served_and_the_limit_holds(void **state)
{
    (void)state;
    pools_configure("pool_size=3", "");
    run_all(false);
}

static void all_are_served_with_two_profiles(void **state)
{
    (void)state;
    pools_configure("pool_size=3", "");
    run_all(true);
}

static _Atomic(bool) enough;

/* What the main thread and the console do: recycle, pause, count, look. */
static void look(void *context, const struct server *server)
{
    *(unsigned *)context += server->state == SERVER_ACTIVE;
}

/* Recycled faster than it can log in, no server would ever serve anybody: so each turn waits until one
 * more round has been done, however slow the machine is, unless this turn has paused them. */
static void *disturb(void *argument)
{
    struct pool *pool = argument;
    unsigned active = 0;
    for (unsigned i = 0; !enough; i++) {
        bool pause = i % 8 == 1;
        unsigned before = steps;
        if (i % 4 == 0)
            pool_recycle(pool);
        database_pause(pools.database, pause);
        pool_each_server(pool, look, &active);
        do {
            usleep(3000);
        } while (!enough && !pause && steps == before);
    }
    database_pause(pools.database, false);
    return NULL;
}

static void nothing_is_lost_when_all_is_recycled_and_paused_meanwhile(void **state)
{
    (void)state;
    pools_configure("pool_size=3", "");
    pthread_t thread;
    enough = false;
    struct pool *pool = pool_get(pools.database, slice_of_text("alice"));
    assert_int_equal(pthread_create(&thread, NULL, disturb, pool), 0);
    run_all(true);
    enough = true;
    pthread_join(thread, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOLS_TEST(all_are_served_and_the_limit_holds),
        POOLS_TEST(all_are_served_with_two_profiles),
        POOLS_TEST(nothing_is_lost_when_all_is_recycled_and_paused_meanwhile),
    };
    return cmocka_run_group_tests(tests, pools_group_setup, pools_group_teardown);
}
