/* See redis_rig.h. */
#include "redis_rig.h"

#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

static uint64_t now_ms(void)
{
    return clock_now_us() / 1000;
}

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

void rig_start(struct rig *rig, const char *url, uint64_t timeout_ms)
{
    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_ERROR);
    *rig = (struct rig){0};
    assert_int_equal(uv_loop_init(&rig->loop), 0);
    uv_timer_init(&rig->loop, &rig->tick);
    struct redis_config config = {
        .url = url,
        .timeout_ms = timeout_ms ? timeout_ms : RIG_PATIENCE_MS,
        .compress_min_bytes = 1024,
        .entry_bytes_max = RIG_ENTRY_MAX,
        .pending_max = 1000,
        .words_count = RIG_WORDS,
        .name_space = {0xab, 0xcd},
    };
    assert_int_equal(redis_create(&rig->loop, &config, &rig->redis), ERR_OK);
}

void rig_end(struct rig *rig)
{
    redis_destroy(rig->redis);
    rig->redis = NULL;
    uv_close((uv_handle_t *)&rig->tick, NULL);
    uv_run(&rig->loop, UV_RUN_DEFAULT); /* ends only if every handle was closed */
    assert_int_equal(uv_loop_close(&rig->loop), 0);
}

void rig_until(struct rig *rig, bool (*is_so)(struct rig *rig, void *arg), void *arg)
{
    uint64_t end_ms = now_ms() + RIG_PATIENCE_MS;
    uv_timer_start(&rig->tick, on_tick, 5, 5);
    while (!is_so(rig, arg)) {
        if (now_ms() > end_ms)
            fail_msg("it has not come to pass in %d ms", RIG_PATIENCE_MS);
        uv_run(&rig->loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&rig->tick);
}

static bool is_up(struct rig *rig, void *arg)
{
    (void)arg;
    return rig_stats(rig).state == REDIS_UP;
}

void rig_until_up(struct rig *rig)
{
    rig_until(rig, is_up, NULL);
}

static bool is_past(struct rig *rig, void *arg)
{
    (void)rig;
    return now_ms() >= *(uint64_t *)arg;
}

void rig_turn_for(struct rig *rig, uint64_t ms)
{
    uint64_t end_ms = now_ms() + ms;
    rig_until(rig, is_past, &end_ms);
}

struct redis_stats rig_stats(const struct rig *rig)
{
    struct redis_stats stats;
    redis_stats(rig->redis, &stats);
    return stats;
}

struct entry_key rig_key(unsigned number)
{
    static char texts[4][64];
    static unsigned turn;
    char *text = texts[turn++ % 4];
    int len = snprintf(text, sizeof(texts[0]), "SELECT * FROM t WHERE id = %u", number);
    return (struct entry_key){.hash = hash128_of(text, (size_t)len),
                              .bytes = slice_of(text, (size_t)len)};
}

static void on_found(void *context, enum err err, const struct redis_found *found)
{
    struct ask *ask = context;
    ask->answers++;
    ask->err = err;
    ask->answered_ms = now_ms();
    assert_int_equal(err == ERR_OK, found != NULL);
    if (found) {
        buf_append(&ask->answer, found->answer.data, found->answer.len);
        ask->stamp_count = found->stamp_count;
        for (unsigned i = 0; i < found->stamp_count; i++)
            ask->stamps[i] = found->stamps[i];
    }
    if (ask->then)
        ask->then(ask);
}

enum err ask_start(struct rig *rig, struct ask *ask, const struct entry_key *key)
{
    void (*then)(struct ask *) = ask->then;
    *ask = (struct ask){.rig = rig, .asked_ms = now_ms(), .then = then};
    buf_init(&ask->answer);
    enum err err =
        redis_get(rig->redis, key, RIG_NOW_MS, RIG_WINDOW_MS, on_found, ask, &ask->lookup);
    assert_int_equal(ask->answers, 0);
    return err;
}

static bool is_answered(struct rig *rig, void *arg)
{
    (void)rig;
    return ((struct ask *)arg)->answers > 0;
}

void ask_wait(struct ask *ask)
{
    rig_until(ask->rig, is_answered, ask);
    assert_int_equal(ask->answers, 1);
}

enum err ask_now(struct rig *rig, struct ask *ask, const struct entry_key *key)
{
    *ask = (struct ask){0};
    assert_int_equal(ask_start(rig, ask, key), ERR_OK);
    ask_wait(ask);
    return ask->err;
}

struct slice ask_answer(const struct ask *ask)
{
    size_t len = buf_len(&ask->answer);
    return slice_of(len ? buf_head(&ask->answer) : NULL, len);
}

void ask_end(struct ask *ask)
{
    buf_fini(&ask->answer);
}

void rig_put(struct rig *rig, const struct entry_key *key, struct slice answer)
{
    const struct stamp stamps[2] = {{.value = 65536, .word = 7}, {.value = 131072, .word = 99}};
    redis_put(rig->redis, key, answer, stamps, 2, RIG_NOW_MS, RIG_WINDOW_MS);
}

static int port_free(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static redisContext *server_reach(struct server *server)
{
    for (unsigned i = 0; i < RIG_PATIENCE_MS / 10; i++) {
        redisContext *context = redisConnect("127.0.0.1", server->port);
        if (context && !context->err) {
            redisReply *reply = redisCommand(context, "PING");
            freeReplyObject(reply);
            if (reply)
                return context;
        }
        redisFree(context);
        usleep(10000);
    }
    fail_msg("redis-server does not come up");
    return NULL;
}

void server_restart(struct server *server, const char *const *args)
{
    char port[8];
    snprintf(port, sizeof(port), "%d", server->port);
    const char *argv[32] = {"redis-server", "--port",     port,     "--bind",       "127.0.0.1",
                            "--save",       "",           "--dir",  server->folder, "--appendonly",
                            "no",           "--loglevel", "warning"};
    for (unsigned argc = 13; args && *args && argc < ARRAY_COUNT(argv) - 1; args++)
        argv[argc++] = *args;
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that is killed leaves no server behind */
        if (!freopen("/dev/null", "w", stdout))
            _exit(126);
        execvp(argv[0], (char *const *)(uintptr_t)argv); /* changes none of them */
        _exit(127);
    }
    redisFree(server_reach(server));
}

void server_start(struct server *server, const char *const *args)
{
    *server = (struct server){0};
    if (system("command -v redis-server >/dev/null 2>&1") != 0) {
        print_message("this machine has no redis-server\n");
        if (getenv("PGRECALL_TEST_EVERYTHING"))
            fail(); /* scripts/test has installed it */
        skip();
    }
    server->port = port_free();
    snprintf(server->folder, sizeof(server->folder), "/tmp/pgrecall-test-XXXXXX");
    assert_non_null(mkdtemp(server->folder));
    snprintf(server->url, sizeof(server->url), "redis://127.0.0.1:%d", server->port);
    server_restart(server, args);
}

void server_kill(struct server *server, int signal)
{
    assert_int_equal(kill(server->pid, signal), 0);
    if (signal == SIGKILL) {
        waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
}

void server_end(struct server *server)
{
    if (server->pid > 0)
        server_kill(server, SIGKILL);
    char path[128];
    snprintf(path, sizeof(path), "%s/redis.sock", server->folder);
    unlink(path);
    rmdir(server->folder);
}

long long server_say(struct server *server, const char *command, ...)
{
    redisContext *context = server_reach(server);
    va_list args;
    va_start(args, command);
    redisReply *reply = redisvCommand(context, command, args);
    va_end(args);
    assert_non_null(reply);
    assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
    long long result =
        reply->type == REDIS_REPLY_INTEGER ? reply->integer : (long long)reply->elements;
    freeReplyObject(reply);
    redisFree(context);
    return result;
}
