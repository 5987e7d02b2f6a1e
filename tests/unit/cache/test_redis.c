/* The Redis tier against a real Redis that is killed, stopped, emptied and restarted under it. */
#include "redis_rig.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#include "base/mem.h"
#include "cache/redis_link.h"

enum { MANY = 200 };

static struct server server; /* of the test that runs */

static int stop_server(void **state)
{
    (void)state;
    server_end(&server);
    server = (struct server){0};
    return 0;
}

/* Bytes that do not compress. */
static void fill_random(uint8_t *bytes, size_t len)
{
    uint64_t seed = len;
    for (size_t at = 0; at < len; at++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        bytes[at] = (uint8_t)(seed >> 56);
    }
}

static void name_of(const struct entry_key *key, char *name, size_t size)
{
    uint64_t number;
    window_end_ms(key->hash, RIG_NOW_MS, RIG_WINDOW_MS, &number);
    snprintf(name, size, "pgrecall:1:abcd%028d:%" PRIu64 ":%016" PRIx64 "%016" PRIx64, 0, number,
             key->hash.high, key->hash.low);
}

static void returns_what_was_put(void **state)
{
    (void)state;
    server_start(&server, NULL);
    struct rig rig;
    rig_start(&rig, server.url, 0);
    rig_until_up(&rig);
    static const size_t lens[] = {0, 1, 100, 5000, RIG_ENTRY_MAX};
    uint8_t *answer = mem_alloc(RIG_ENTRY_MAX);
    for (unsigned i = 0; i < 2 * ARRAY_COUNT(lens); i++) {
        size_t len = lens[i / 2];
        memset(answer, 'a', len);
        if (i % 2)
            fill_random(answer, len);
        struct entry_key key = rig_key(i);
        rig_put(&rig, &key, slice_of(answer, len));
        struct ask ask; /* in the same turn: after the put, in order */
        assert_int_equal(ask_now(&rig, &ask, &key), ERR_OK);
        assert_true(slice_equal(ask_answer(&ask), slice_of(answer, len)));
        assert_int_equal(ask.stamp_count, 2);
        assert_int_equal(ask.stamps[1].value, 131072);
        assert_int_equal(ask.stamps[1].word, 99);
        ask_end(&ask);
    }
    struct redis_stats stats = rig_stats(&rig);
    assert_int_equal(stats.hits, 10);
    assert_int_equal(stats.puts, 10);
    assert_int_equal(stats.errors + stats.timeouts + stats.put_drops, 0);
    assert_true(stats.bytes_saved > RIG_ENTRY_MAX / 2);
    mem_free(answer);
    rig_end(&rig);
}

static void misses_what_is_not_there(void **state)
{
    (void)state;
    server_start(&server, NULL);
    struct rig rig;
    rig_start(&rig, server.url, 0);
    rig_until_up(&rig);
    struct entry_key key = rig_key(1), other = rig_key(2);
    struct ask ask;
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_NOT_FOUND);
    rig_put(&rig, &key, slice_of_text("x"));
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_OK);
    ask_end(&ask);
    other.hash = key.hash; /* an equal hash is not an equal key */
    assert_int_equal(ask_now(&rig, &ask, &other), ERR_NOT_FOUND);
    server_say(&server, "FLUSHALL");
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_NOT_FOUND);
    assert_int_equal(rig_stats(&rig).misses, 3);
    assert_int_equal(rig_stats(&rig).state, REDIS_UP);
    rig_end(&rig);
}

static void names_and_expires_values_by_their_window(void **state)
{
    (void)state;
    server_start(&server, NULL);
    struct rig rig;
    rig_start(&rig, server.url, 0);
    rig_until_up(&rig);
    struct entry_key key = rig_key(1);
    rig_put(&rig, &key, slice_of_text("x"));
    struct ask ask;
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_OK);
    ask_end(&ask);
    char name[128];
    name_of(&key, name, sizeof(name));
    assert_int_equal(server_say(&server, "EXISTS %s", name), 1);
    long long left_ms = server_say(&server, "PTTL %s", name);
    uint64_t end_ms = window_end_ms(key.hash, RIG_NOW_MS, RIG_WINDOW_MS, NULL);
    assert_true(left_ms > 0 && (uint64_t)left_ms <= end_ms - RIG_NOW_MS);
    rig_end(&rig);
}

static void deletes_what_is_not_ours(void **state)
{
    (void)state;
    server_start(&server, NULL);
    struct rig rig;
    rig_start(&rig, server.url, 0);
    rig_until_up(&rig);
    struct entry_key key = rig_key(1);
    char name[128];
    name_of(&key, name, sizeof(name));
    server_say(&server, "SET %s nonsense", name);
    struct ask ask;
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_MALFORMED);
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_NOT_FOUND);
    assert_int_equal(server_say(&server, "EXISTS %s", name), 0);

    rig_put(&rig, &key, slice_of_text("some answer"));
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_OK);
    ask_end(&ask);
    server_say(&server, "SETRANGE %s 60 X", name); /* damaged */
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_MALFORMED);
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_NOT_FOUND); /* deleted */
    server_say(&server, "RPUSH %s a", name); /* of another type: an error, not a value */
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_CLOSED);
    assert_int_equal(rig_stats(&rig).errors, 3);
    rig_end(&rig);
}

static void does_not_call_back_after_cancel(void **state)
{
    (void)state;
    server_start(&server, NULL);
    struct rig rig;
    rig_start(&rig, server.url, 0);
    rig_until_up(&rig);
    static struct ask asks[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        struct entry_key key = rig_key(i);
        rig_put(&rig, &key, key.bytes);
        assert_int_equal(ask_start(&rig, &asks[i], &key), ERR_OK);
    }
    for (unsigned i = 0; i < MANY; i += 2)
        redis_cancel(asks[i].lookup);
    for (unsigned i = 1; i < MANY; i += 2) {
        ask_wait(&asks[i]);
        struct entry_key key = rig_key(i);
        assert_true(slice_equal(ask_answer(&asks[i]), key.bytes));
        ask_end(&asks[i]);
    }
    for (unsigned i = 0; i < MANY; i += 2)
        assert_int_equal(asks[i].answers, 0);
    rig_end(&rig);
}

static void refuses_more_than_pending_max(void **state)
{
    (void)state;
    server_start(&server, NULL);
    struct rig rig;
    rig_start(&rig, server.url, 0);
    rig_until_up(&rig);
    static struct ask asks[1001];
    struct entry_key key = rig_key(1);
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(ask_start(&rig, &asks[i], &key), ERR_OK);
    assert_int_equal(ask_start(&rig, &asks[1000], &key), ERR_AGAIN);
    ask_wait(&asks[999]);
    assert_int_equal(ask_now(&rig, &asks[1000], &key), ERR_NOT_FOUND);
    rig_end(&rig);
}

static bool all_answered(struct rig *rig, void *arg)
{
    (void)rig;
    struct ask *asks = arg;
    for (unsigned i = 0; i < MANY; i++)
        if (!asks[i].answers)
            return false;
    return true;
}

static void start_many(struct rig *rig, struct ask *asks)
{
    for (unsigned i = 0; i < MANY; i++) {
        struct entry_key key = rig_key(i);
        asks[i] = (struct ask){0};
        assert_int_equal(ask_start(rig, &asks[i], &key), ERR_OK);
    }
}

static void survives_kill_and_restart(void **state)
{
    (void)state;
    server_start(&server, NULL);
    struct rig rig;
    rig_start(&rig, server.url, 0);
    static struct ask asks[MANY];
    for (unsigned round = 0; round < 3; round++) {
        rig_until_up(&rig);
        start_many(&rig, asks);
        if (round == 1)
            uv_run(&rig.loop, UV_RUN_NOWAIT); /* this time they have left */
        server_kill(&server, SIGKILL);
        rig_until(&rig, all_answered, asks);
        for (unsigned i = 0; i < MANY; i++) {
            assert_int_equal(asks[i].answers, 1);
            assert_true(asks[i].err == ERR_CLOSED || asks[i].err == ERR_NOT_FOUND);
        }
        struct entry_key key = rig_key(1);
        struct ask ask = {0};
        rig_turn_for(&rig, 50);
        assert_int_equal(ask_start(&rig, &ask, &key), ERR_AGAIN);
        rig_put(&rig, &key, slice_of_text("dropped"));
        server_restart(&server, NULL);
    }
    rig_until_up(&rig);
    struct entry_key key = rig_key(1);
    struct ask ask;
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_NOT_FOUND);
    assert_int_equal(rig_stats(&rig).put_drops, 3);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(asks[i].answers, 1);
    rig_end(&rig);
}

static void look_ups_end_by_their_deadline_while_redis_is_stopped(void **state)
{
    (void)state;
    enum { TIMEOUT_MS = 100, LATE_MS = 2000 /* a tick, on a slow machine */ };
    server_start(&server, NULL);
    struct rig rig;
    rig_start(&rig, server.url, TIMEOUT_MS);
    rig_until_up(&rig);
    server_kill(&server, SIGSTOP);
    static struct ask asks[MANY];
    unsigned rounds = 0;
    for (; rounds < 100 && rig_stats(&rig).state == REDIS_UP; rounds++) {
        start_many(&rig, asks);
        rig_until(&rig, all_answered, asks);
        for (unsigned i = 0; i < MANY; i++) {
            uint64_t took_ms = asks[i].answered_ms - asks[i].asked_ms;
            assert_int_equal(asks[i].answers, 1);
            assert_int_equal(asks[i].err, ERR_TIMEOUT);
            assert_true(took_ms >= TIMEOUT_MS - 1 && took_ms < TIMEOUT_MS + LATE_MS);
        }
    }
    assert_int_equal(rounds, BREAKER_FAILURES_MAX);
    assert_int_equal(rig_stats(&rig).state, REDIS_OPEN);
    assert_int_equal(rig_stats(&rig).breaker_opens, 1);
    server_kill(&server, SIGCONT);
    rig_until_up(&rig);
    struct entry_key key = rig_key(1);
    struct ask ask;
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_NOT_FOUND);
    rig_end(&rig);
}

static void answers_that_come_late_are_dropped(void **state)
{
    (void)state;
    server_start(&server, NULL);
    struct rig rig;
    rig_start(&rig, server.url, 300);
    rig_until_up(&rig);
    struct entry_key key = rig_key(1), other = rig_key(2);
    rig_put(&rig, &key, slice_of_text("one"));
    struct ask ask;
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_OK);
    ask_end(&ask);
    server_kill(&server, SIGSTOP);
    struct ask late = {0};
    assert_int_equal(ask_now(&rig, &late, &key), ERR_TIMEOUT);
    server_kill(&server, SIGCONT);
    assert_int_equal(ask_now(&rig, &ask, &other), ERR_NOT_FOUND); /* its own answer, not the late */
    assert_int_equal(late.answers, 1);
    assert_int_equal(rig_stats(&rig).hits, 1);
    rig_end(&rig);
}

static void puts_into_a_stopped_redis_are_bounded(void **state)
{
    (void)state;
    server_start(&server, NULL);
    struct rig rig;
    rig_start(&rig, server.url, 0);
    rig_until_up(&rig);
    server_kill(&server, SIGSTOP);
    uint8_t *answer = mem_alloc(RIG_ENTRY_MAX);
    fill_random(answer, RIG_ENTRY_MAX);
    for (unsigned i = 0; i < 100; i++) {
        struct entry_key key = rig_key(i);
        rig_put(&rig, &key, slice_of(answer, RIG_ENTRY_MAX));
        uv_run(&rig.loop, UV_RUN_NOWAIT);
        assert_true(redis_link_unsent(rig.redis) <= REDIS_UNSENT_BYTES_MAX + 4096);
    }
    assert_true(rig_stats(&rig).put_drops > 50);
    for (unsigned i = 0; i < 2 * REDIS_PUTS_UNANSWERED_MAX; i++) {
        struct entry_key key = rig_key(i);
        rig_put(&rig, &key, slice_of_text("small"));
    }
    assert_true(rig.redis->puts_owed <= REDIS_PUTS_UNANSWERED_MAX);
    mem_free(answer);
    server_kill(&server, SIGCONT);
    struct entry_key key = rig_key(1);
    struct ask ask;
    rig_turn_for(&rig, 200);
    rig_until_up(&rig);
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_OK);
    ask_end(&ask);
    rig_end(&rig);
}

static void destroy_ends_every_look_up_once(void **state)
{
    (void)state;
    server_start(&server, NULL);
    struct rig rig;
    rig_start(&rig, server.url, 0);
    rig_until_up(&rig);
    static struct ask asks[MANY];
    start_many(&rig, asks);
    redis_cancel(asks[7].lookup);
    redis_destroy(rig.redis);
    rig.redis = NULL;
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(asks[i].answers, i != 7);
        assert_true(i == 7 || asks[i].err == ERR_CLOSED);
    }
    rig_end(&rig);
}

static void destroy_rig(struct ask *ask)
{
    if (ask->rig->redis)
        redis_destroy(ask->rig->redis);
    ask->rig->redis = NULL;
}

static void destroy_from_a_callback_is_safe(void **state)
{
    (void)state;
    server_start(&server, NULL);
    static struct ask asks[MANY];
    for (unsigned way = 0; way < 3; way++) { /* in an answer, a time-out, a lost connection */
        struct rig rig;
        rig_start(&rig, server.url, way == 1 ? 100 : 0);
        rig_until_up(&rig);
        start_many(&rig, asks);
        asks[3].then = destroy_rig;
        if (way == 1)
            server_kill(&server, SIGSTOP);
        if (way == 2)
            server_kill(&server, SIGKILL);
        rig_until(&rig, all_answered, asks);
        for (unsigned i = 0; i < MANY; i++) {
            assert_int_equal(asks[i].answers, 1);
            ask_end(&asks[i]);
        }
        rig_end(&rig);
        if (way == 1)
            server_kill(&server, SIGCONT);
    }
}

static void destroys_before_it_has_connected(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, "redis://127.0.0.1:1", 0);
    rig_end(&rig);
    rig_start(&rig, "redis://localhost:1", 0); /* while the name is being resolved */
    uv_run(&rig.loop, UV_RUN_NOWAIT);
    rig_end(&rig);
    rig_start(&rig, "redis://127.0.0.1:1", 0);
    rig_turn_for(&rig, 300);
    assert_int_equal(rig_stats(&rig).state, REDIS_CONNECTING);
    struct entry_key key = rig_key(1);
    struct ask ask = {0};
    assert_int_equal(ask_start(&rig, &ask, &key), ERR_AGAIN);
    rig_end(&rig);
    redis_destroy(NULL);
}

static void refuses_bad_urls(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct redis_config config = {
        .url = "rediss://localhost", .timeout_ms = 1, .words_count = 1, .pending_max = 1};
    struct redis *redis = NULL;
    assert_int_equal(redis_create(&loop, &config, &redis), ERR_INVALID);
    assert_null(redis);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void logs_in_and_selects_by_url(void **state)
{
    (void)state;
    char path[128], url[256];
    server_start(&server, NULL); /* for its folder and port */
    server_kill(&server, SIGKILL);
    snprintf(path, sizeof(path), "%s/redis.sock", server.folder);
    const char *const args[] = {
        "--requirepass", "secret",       "--user", "app", "on", ">word", "~*",
        "+@all",         "--unixsocket", path,     NULL};
    server_restart(&server, args);

    static const char *const good[] = {":secret@", "default:secret@", "app:word@"};
    for (unsigned i = 0; i < 2 * ARRAY_COUNT(good); i++) {
        if (i % 2)
            snprintf(url, sizeof(url), "unix://%s%s?db=3", good[i / 2], path);
        else
            snprintf(url, sizeof(url), "redis://%s127.0.0.1:%d/3", good[i / 2], server.port);
        struct rig rig;
        rig_start(&rig, url, 0);
        rig_until_up(&rig);
        struct entry_key key = rig_key(i);
        struct ask ask;
        rig_put(&rig, &key, slice_of_text("x"));
        assert_int_equal(ask_now(&rig, &ask, &key), ERR_OK);
        ask_end(&ask);
        rig_end(&rig);
    }
    static const char *const bad[] = {"", ":wrong@", "app:secret@"};
    for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
        snprintf(url, sizeof(url), "redis://%s127.0.0.1:%d/3", bad[i], server.port);
        struct rig rig;
        rig_start(&rig, url, 0);
        rig_turn_for(&rig, 300);
        assert_int_equal(rig_stats(&rig).state, REDIS_CONNECTING);
        rig_end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(returns_what_was_put, stop_server),
        cmocka_unit_test_teardown(misses_what_is_not_there, stop_server),
        cmocka_unit_test_teardown(names_and_expires_values_by_their_window, stop_server),
        cmocka_unit_test_teardown(deletes_what_is_not_ours, stop_server),
        cmocka_unit_test_teardown(does_not_call_back_after_cancel, stop_server),
        cmocka_unit_test_teardown(refuses_more_than_pending_max, stop_server),
        cmocka_unit_test_teardown(survives_kill_and_restart, stop_server),
        cmocka_unit_test_teardown(look_ups_end_by_their_deadline_while_redis_is_stopped,
                                  stop_server),
        cmocka_unit_test_teardown(answers_that_come_late_are_dropped, stop_server),
        cmocka_unit_test_teardown(puts_into_a_stopped_redis_are_bounded, stop_server),
        cmocka_unit_test_teardown(destroy_ends_every_look_up_once, stop_server),
        cmocka_unit_test_teardown(destroy_from_a_callback_is_safe, stop_server),
        cmocka_unit_test(destroys_before_it_has_connected),
        cmocka_unit_test(refuses_bad_urls),
        cmocka_unit_test_teardown(logs_in_and_selects_by_url, stop_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
