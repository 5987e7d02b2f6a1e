/* The Redis tier against a server that is no Redis: it says what it likes, or nothing. Also what a
 * real one cannot show: how the commands of one turn arrive. */
#include "redis_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cache/redis_link.h"

enum { MANY = 50, INPUT_MAX = 1 << 20 };

/* Answers what comes in: greetings well, and then as the test says. */
struct liar {
    uv_pipe_t listener;
    uv_pipe_t *client; /* or NULL; frees itself when it is closed */
    unsigned connections;
    unsigned greetings_left; /* commands to answer with $-1 before it begins to lie */
    unsigned reads;          /* pieces of input since it has begun to lie */
    unsigned commands;       /* commands in them */
    const char *says;        /* at each piece, or NULL */
    bool says_forever;
    bool hangs_up;
    char folder[64];
    char path[96];
    char url[128];
    char input[INPUT_MAX];
};

static struct liar liar;
static struct rig rig;

static void on_liar_written(uv_write_t *write, int status)
{
    (void)status;
    mem_free(write);
}

static void say(const char *text, unsigned times)
{
    while (times-- > 0) {
        uv_write_t *write = mem_alloc(sizeof(*write));
        uv_buf_t out = uv_buf_init((char *)(uintptr_t)text, (unsigned)strlen(text));
        uv_write(write, (uv_stream_t *)liar.client, &out, 1, on_liar_written);
    }
}

static void on_liar_alloc(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
    (void)handle;
    (void)size;
    *out = uv_buf_init(liar.input, sizeof(liar.input) - 1);
}

static void on_client_closed(uv_handle_t *handle)
{
    mem_free(handle);
}

static void hang_up(void)
{
    if (liar.client)
        uv_close((uv_handle_t *)liar.client, on_client_closed);
    liar.client = NULL;
}

static unsigned commands_in(const char *input)
{
    unsigned count = 0;
    for (const char *at = input; (at = strstr(at, "\r\nGET\r\n")) != NULL; at += 7)
        count++;
    return count;
}

static void on_liar_read(uv_stream_t *stream, ssize_t len, const uv_buf_t *input)
{
    if ((uv_pipe_t *)stream != liar.client)
        return;
    if (len < 0) {
        hang_up();
        return;
    }
    input->base[len] = 0;
    unsigned commands = commands_in(input->base);
    if (liar.greetings_left) {
        liar.greetings_left -= commands;
        say("$-1\r\n", commands);
        return;
    }
    liar.reads++;
    liar.commands += commands;
    if (liar.says)
        say(liar.says, 1);
    if (liar.hangs_up)
        hang_up();
}

static void on_liar_connection(uv_stream_t *listener, int status)
{
    assert_int_equal(status, 0);
    hang_up();
    liar.client = mem_zero(1, sizeof(*liar.client));
    uv_pipe_init(&rig.loop, liar.client, 0);
    assert_int_equal(uv_accept(listener, (uv_stream_t *)liar.client), 0);
    uv_read_start((uv_stream_t *)liar.client, on_liar_alloc, on_liar_read);
    liar.connections++;
    liar.greetings_left = 1;
}

static int start(void **state)
{
    (void)state;
    memset(&liar, 0, sizeof(liar));
    snprintf(liar.folder, sizeof(liar.folder), "/tmp/pgrecall-liar-XXXXXX");
    assert_non_null(mkdtemp(liar.folder));
    snprintf(liar.path, sizeof(liar.path), "%s/redis.sock", liar.folder);
    snprintf(liar.url, sizeof(liar.url), "unix://%s", liar.path);
    rig_start(&rig, liar.url, 200);
    uv_pipe_init(&rig.loop, &liar.listener, 0);
    assert_int_equal(uv_pipe_bind(&liar.listener, liar.path), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&liar.listener, 5, on_liar_connection), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    hang_up();
    uv_close((uv_handle_t *)&liar.listener, NULL);
    rig_end(&rig);
    unlink(liar.path);
    rmdir(liar.folder);
    return 0;
}

static bool all_answered(struct rig *of, void *arg)
{
    (void)of;
    struct ask *asks = arg;
    for (unsigned i = 0; i < MANY; i++)
        if (!asks[i].answers)
            return false;
    return true;
}

static void start_many(struct ask *asks)
{
    for (unsigned i = 0; i < MANY; i++) {
        struct entry_key key = rig_key(i);
        asks[i] = (struct ask){0};
        assert_int_equal(ask_start(&rig, &asks[i], &key), ERR_OK);
    }
}

/* Whatever is said, each look-up ends once, none with an answer, and the next connection works. */
static void ends_all_once(const char *says, bool then_hangs_up)
{
    static struct ask asks[MANY];
    rig_until_up(&rig);
    liar.says = says;
    liar.hangs_up = then_hangs_up;
    start_many(asks);
    rig_until(&rig, all_answered, asks);
    liar.says = "$-1\r\n";
    liar.hangs_up = false;
    rig_turn_for(&rig, 20);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(asks[i].answers, 1);
        assert_int_not_equal(asks[i].err, ERR_OK);
    }
    /* And a good answer, which lets the back-off begin anew. */
    struct entry_key key = rig_key(1);
    struct ask ask = {0};
    do {
        rig_until_up(&rig);
        if (ask_start(&rig, &ask, &key) == ERR_OK)
            ask_wait(&ask);
    } while (ask.err != ERR_NOT_FOUND);
}

static void sends_the_commands_of_a_turn_in_one_write(void **state)
{
    (void)state;
    static struct ask asks[MANY];
    rig_until_up(&rig);
    start_many(asks);
    rig_until(&rig, all_answered, asks);
    assert_int_equal(liar.commands, MANY);
    assert_int_equal(liar.reads, 1);
}

static void survives_nonsense(void **state)
{
    (void)state;
    static const char *const nonsense[] = {
        "hello\r\n",
        "\r\n",
        "$5\r\nabc",
        "$-2\r\n",
        "$99999999999999999999\r\n",
        "$abc\r\n",
        "*1\r\n$1\r\nx\r\n",
        "*2147483647\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
        "%1\r\n+a\r\n+b\r\n",
        ">1\r\n+a\r\n",
        ":1\r\n",
        "+OK\r\n",
        "$5\r\nhello\r\n",
        "-ERR no\r\n",
        "-\r\n",
    };
    for (unsigned i = 0; i < ARRAY_COUNT(nonsense); i++)
        for (unsigned hangs_up = 0; hangs_up < 2; hangs_up++)
            ends_all_once(nonsense[i], hangs_up);
    ends_all_once(NULL, false);
    ends_all_once(NULL, true);
}

static bool is_not_up(struct rig *of, void *arg)
{
    (void)arg;
    return rig_stats(of).state != REDIS_UP;
}

static void hangs_up_on_a_server_that_speaks_unasked(void **state)
{
    (void)state;
    static const char *const words[] = {"+OK\r\n", "$1\r\nx\r\n", "-ERR max clients\r\n"};
    for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
        rig_until_up(&rig);
        unsigned connections = liar.connections;
        say(words[i], 1);
        rig_until(&rig, is_not_up, NULL);
        rig_until_up(&rig);
        assert_int_equal(liar.connections, connections + 1);
    }
}

static void bounds_what_it_reads_of_one_reply(void **state)
{
    (void)state;
    rig_until_up(&rig);
    struct entry_key key = rig_key(1);
    struct ask ask = {0};
    static char piece[65536];
    memset(piece, 'x', sizeof(piece) - 1);
    say("$536870000\r\n", 1);
    say(piece, 100); /* six million bytes of it */
    if (rig_stats(&rig).state == REDIS_UP && ask_start(&rig, &ask, &key) == ERR_OK)
        ask_wait(&ask);
    rig_until(&rig, is_not_up, NULL);
    assert_true(rig_stats(&rig).bytes_in <
                redis_value_bytes_max(RIG_ENTRY_MAX) + 4 * REDIS_REPLY_OVERHEAD_BYTES_MAX);
}

static void opens_the_breaker_on_errors_and_closes_it_by_its_own_probe(void **state)
{
    (void)state;
    rig_until_up(&rig);
    liar.says = "-LOADING Redis is loading the dataset in memory\r\n";
    struct entry_key key = rig_key(1);
    struct ask ask;
    for (unsigned i = 0; i < BREAKER_FAILURES_MAX; i++)
        assert_int_equal(ask_now(&rig, &ask, &key), ERR_CLOSED);
    assert_int_equal(rig_stats(&rig).state, REDIS_OPEN);
    assert_int_equal(ask_start(&rig, &ask, &key), ERR_AGAIN);
    assert_int_equal(rig_stats(&rig).errors, BREAKER_FAILURES_MAX);
    liar.says = "$-1\r\n";
    rig_until_up(&rig);
    assert_int_equal(ask_now(&rig, &ask, &key), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sends_the_commands_of_a_turn_in_one_write, start, end),
        cmocka_unit_test_setup_teardown(survives_nonsense, start, end),
        cmocka_unit_test_setup_teardown(hangs_up_on_a_server_that_speaks_unasked, start, end),
        cmocka_unit_test_setup_teardown(bounds_what_it_reads_of_one_reply, start, end),
        cmocka_unit_test_setup_teardown(opens_the_breaker_on_errors_and_closes_it_by_its_own_probe,
                                        start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
