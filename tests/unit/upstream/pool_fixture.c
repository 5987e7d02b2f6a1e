#include "pool_fixture.h"

#include <arpa/inet.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/mem.h"
#include "pgwire/answer.h"
#include "pgwire/encode.h"
#include "pgwire/frame.h"

struct pool_fixture pools;

/* ---- calls on a worker ---- */

struct call {
    struct loop_post post;
    void (*run)(void *argument);
    void *argument;
    sem_t done;
};

static void run_call(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    struct call *call = CONTAINER_OF(post, struct call, post);
    call->run(call->argument);
    sem_post(&call->done);
}

void worker_call(unsigned worker, void (*run)(void *argument), void *argument)
{
    struct call call = {.post.run = run_call, .run = run, .argument = argument};
    sem_init(&call.done, 0, 0);
    assert_true(loop_post(&pools.workers[worker].loop, &call.post));
    while (sem_wait(&call.done) != 0)
        continue;
    sem_destroy(&call.done);
}

void sleep_ms(unsigned ms)
{
    usleep(ms * 1000);
}

/* ---- the group and each test ---- */

/* A server that accepts connections and never says a word. */
static void listen_silently(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    pools.silent_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(pools.silent_fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(pools.silent_fd, 16), 0);
    assert_int_equal(getsockname(pools.silent_fd, (struct sockaddr *)&address, &len), 0);
    pools.silent_port = ntohs(address.sin_port);
}

static void write_hba(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/data/pg_hba.conf", pools.postgres.dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("local all with_md5 md5\nlocal all with_clear password\n"
          "local all with_scram scram-sha-256\nlocal all refused reject\nlocal all all trust\n"
          "host all with_md5 127.0.0.1/32 md5\nhost all with_clear 127.0.0.1/32 password\n"
          "host all with_scram 127.0.0.1/32 scram-sha-256\nhost all refused 127.0.0.1/32 reject\n"
          "host all all 127.0.0.1/32 trust\n",
          file);
    fclose(file);
}

int pools_group_setup(void **state)
{
    (void)state;
    log_set_level(getenv("PGRECALL_TEST_LOG") ? LOG_DEBUG : LOG_ERROR);
    if (!scratch_create(&pools.postgres))
        return -1;
    scratch_run(&pools.postgres, "CREATE ROLE alice LOGIN");
    scratch_run(&pools.postgres, "CREATE ROLE bob LOGIN");
    scratch_run(&pools.postgres, "CREATE ROLE refused LOGIN");
    scratch_run(&pools.postgres, "CREATE ROLE narrow LOGIN CONNECTION LIMIT 1");
    scratch_run(&pools.postgres, "CREATE ROLE with_clear LOGIN PASSWORD 'clear as day'");
    scratch_run(&pools.postgres, "CREATE ROLE with_scram LOGIN PASSWORD 'salt & pepper'");
    scratch_run(&pools.postgres, "SET password_encryption = md5; "
                                 "CREATE ROLE with_md5 LOGIN PASSWORD 'digest'");
    write_hba();
    scratch_run(&pools.postgres, "SELECT pg_reload_conf()");
    listen_silently();
    snprintf(pools.ini, sizeof(pools.ini), "%s/pool.ini", pools.postgres.dir);
    return 0;
}

int pools_group_teardown(void **state)
{
    (void)state;
    close(pools.silent_fd);
    scratch_destroy(&pools.postgres);
    return 0;
}

static void *run_worker(void *argument)
{
    struct worker *worker = argument;
    pools_start(&worker->loop);
    loop_run(&worker->loop);
    return NULL;
}

static void on_server_lost(struct database *database)
{
    assert_ptr_equal(database, pools.database);
    pools.lost++;
}

void pools_configure(const char *line, const char *options)
{
    FILE *file = fopen(pools.ini, "w");
    assert_non_null(file);
    fprintf(file,
            "[databases]\nshop = host=127.0.0.1 port=%d dbname=postgres %s\n"
            "nowhere = host=127.0.0.1 port=1\nmissing = host=127.0.0.1 port=%d dbname=missing\n"
            "by_socket = host=%s port=%d dbname=postgres\n"
            "by_name = host=localhost port=%d dbname=postgres\n"
            "silent = host=127.0.0.1 port=%d dbname=postgres\n"
            "[pgrecall]\nauth_type = trust\n%s\n",
            pools.postgres.port, line, pools.postgres.port, pools.postgres.dir, pools.postgres.port,
            pools.postgres.port, pools.silent_port, options);
    fclose(file);
    struct conf *conf;
    struct conf_mistakes mistakes = {0};
    if (conf_load(pools.ini, NULL, NULL, 0, &conf, &mistakes) != ERR_OK)
        fail_msg("%s", mistakes.text);
    conf_mistakes_fini(&mistakes);
    conf_swap(conf);
    databases_reload();
}

int pools_setup(void **state)
{
    (void)state;
    pools.order = 0;
    pools.lost = 0;
    databases_init(NULL);
    pools_set_on_server_lost(on_server_lost);
    pools_configure("", "");
    pools.database = database_get(slice_of_text("shop"));
    assert_non_null(pools.database);
    for (unsigned i = 0; i < WORKERS; i++) {
        loop_init(&pools.workers[i].loop, i);
        assert_int_equal(
            pthread_create(&pools.workers[i].thread, NULL, run_worker, &pools.workers[i]), 0);
    }
    return 0;
}

static void stop(void *argument)
{
    struct loop *loop = argument;
    pools_stop(loop);
    loop_stop(loop);
}

int pools_teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORKERS; i++) {
        worker_call(i, stop, &pools.workers[i].loop);
        pthread_join(pools.workers[i].thread, NULL);
    }
    /* A server on its way to a loop that ends first is closed by the other one. */
    for (unsigned i = 0; i < WORKERS; i++)
        loop_fini(&pools.workers[i].loop);
    databases_fini();
    conf_forget_all();
    return 0;
}

/* ---- clients ---- */

static void set_state(struct client *client, enum client_state state)
{
    pthread_mutex_lock(&client->mutex);
    client->state = state;
    pthread_mutex_unlock(&client->mutex);
}

enum client_state client_state(struct client *client)
{
    pthread_mutex_lock(&client->mutex);
    enum client_state state = client->state;
    pthread_mutex_unlock(&client->mutex);
    return state;
}

void client_await(struct client *client, enum client_state state)
{
    AWAIT(client_state(client) == state ||
          (state != CLIENT_FAILED && client_state(client) == CLIENT_FAILED));
    if (client_state(client) != state)
        fail_msg("failed instead: %s %s", client->sqlstate, client->message);
}

static void copy_text(char *to, size_t max, struct pgwire_slice from)
{
    size_t len = size_min(from.len, max - 1);
    if (len)
        memcpy(to, from.data, len);
    to[len] = 0;
}

static void see(struct client *client, const struct pgwire_frame *frame)
{
    struct pgwire_slice text = {0};
    size_t at = 0;
    pthread_mutex_lock(&client->mutex);
    if (frame->type == 'D' && pgwire_row_value(frame->body, frame->body_len, &at, &text))
        copy_text(client->value, TEXT_MAX, text);
    if (frame->type == 'E' && pgwire_error_field(frame->body, frame->body_len, 'C', &text))
        copy_text(client->sqlstate, sizeof(client->sqlstate), text);
    pthread_mutex_unlock(&client->mutex);
}

static size_t on_input(void *context, struct server *server, const uint8_t *data, size_t len)
{
    struct client *client = context;
    size_t done = 0;
    struct pgwire_frame frame;
    while (done < len && pgwire_frame_answer(data + done, len - done, &frame) == PGWIRE_OK &&
           frame.len <= len - done) {
        see(client, &frame);
        done += frame.len;
        if (frame.type != 'Z')
            continue;
        if (client->release_at_ready) {
            client->server = NULL;
            server_release(server, client->reset);
            set_state(client, CLIENT_IDLE);
            return done;
        }
        set_state(client, CLIENT_HOLDING);
    }
    return done;
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
    struct client *client = context;
    client->server = NULL;
    server_discard(server);
    set_state(client, CLIENT_LOST);
}

static const struct server_user user = {on_input, on_drained, on_lost};

static void got(struct client *client, struct server *server)
{
    assert_ptr_equal(server->stream.loop, &client->worker->loop);
    server_use(server, &user, client);
    client->server = server;
    pthread_mutex_lock(&client->mutex);
    client->state = CLIENT_HOLDING;
    client->order = ++pools.order;
    client->pid = (int)server->backend_pid;
    client->callbacks++;
    pthread_mutex_unlock(&client->mutex);
}

static void on_ready(struct pool_waiter *waiter, struct server *server)
{
    got(CONTAINER_OF(waiter, struct client, waiter), server);
}

static void on_failed(struct pool_waiter *waiter, const struct pool_failure *failure)
{
    struct client *client = CONTAINER_OF(waiter, struct client, waiter);
    pthread_mutex_lock(&client->mutex);
    client->state = CLIENT_FAILED;
    client->callbacks++;
    client->from_server = failure->from_server;
    snprintf(client->sqlstate, sizeof(client->sqlstate), "%s", failure->sqlstate);
    snprintf(client->message, sizeof(client->message), "%s", failure->message);
    pthread_mutex_unlock(&client->mutex);
}

void client_init(struct client *client, unsigned worker, const char *role, const char *params)
{
    *client = (struct client){.worker = &pools.workers[worker]};
    pthread_mutex_init(&client->mutex, NULL);
    char pairs[TEXT_MAX];
    size_t len = (size_t)snprintf(pairs, sizeof(pairs), "%s", params);
    for (size_t i = 0; i < len; i++) {
        if (pairs[i] == '=' || pairs[i] == ' ')
            pairs[i] = 0;
    }
    struct pool *pool = pool_get(pools.database, slice_of_text(role));
    client->profile = profile_get(pool, slice_of(pairs, len ? len + 1 : 0));
    client->waiter.loop = &client->worker->loop;
    client->waiter.profile = client->profile;
    client->waiter.on_ready = on_ready;
    client->waiter.on_failed = on_failed;
}

static void call_on(struct client *client, void (*run)(void *argument))
{
    worker_call((unsigned)(client->worker - pools.workers), run, client);
}

static void do_fini(void *argument)
{
    struct client *client = argument;
    pool_leave(&client->waiter);
    if (client->server)
        server_discard(client->server);
    client->server = NULL;
}

void client_fini(struct client *client)
{
    call_on(client, do_fini);
    profile_unref(client->profile);
    pthread_mutex_destroy(&client->mutex);
}

static void do_wait(void *argument)
{
    struct client *client = argument;
    set_state(client, CLIENT_WAITING);
    unsigned before = client->callbacks;
    pool_wait(&client->waiter);
    assert_int_equal(client->callbacks, before); /* never from within */
}

void client_wait(struct client *client)
{
    call_on(client, do_wait);
}

static void do_take(void *argument)
{
    struct client *client = argument;
    struct server *server =
        pool_take(client->profile, false, NULL, &client->worker->loop, client->waiter.home);
    if (server)
        got(client, server);
}

bool client_take(struct client *client)
{
    call_on(client, do_take);
    return client_state(client) == CLIENT_HOLDING;
}

static void do_leave(void *argument)
{
    struct client *client = argument;
    pool_leave(&client->waiter);
    set_state(client, CLIENT_IDLE);
}

void client_leave(struct client *client)
{
    call_on(client, do_leave);
}

static void do_release(void *argument)
{
    struct client *client = argument;
    struct server *server = client->server;
    client->server = NULL;
    set_state(client, CLIENT_IDLE);
    server_release(server, client->reset);
}

void client_release(struct client *client, bool reset)
{
    client->reset = reset;
    call_on(client, do_release);
}

static void do_discard(void *argument)
{
    struct client *client = argument;
    struct server *server = client->server;
    client->server = NULL;
    set_state(client, CLIENT_IDLE);
    server_discard(server);
}

void client_discard(struct client *client)
{
    call_on(client, do_discard);
}

static void do_cancel(void *argument)
{
    struct client *client = argument;
    server_cancel(client->server);
}

void client_cancel(struct client *client)
{
    call_on(client, do_cancel);
}

struct sending {
    struct client *client;
    const char *sql;
};

static void do_send(void *argument)
{
    struct sending *sending = argument;
    struct client *client = sending->client;
    uint8_t memory[2048];
    struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
    pgwire_write_query(&writer, sending->sql);
    assert_false(writer.overflow);
    pthread_mutex_lock(&client->mutex);
    client->state = CLIENT_ASKING;
    client->sqlstate[0] = 0;
    client->value[0] = 0;
    pthread_mutex_unlock(&client->mutex);
    stream_write(&client->server->stream, writer.data, writer.len);
}

void client_send(struct client *client, const char *sql)
{
    struct sending sending = {client, sql};
    worker_call((unsigned)(client->worker - pools.workers), do_send, &sending);
}

void client_acquire(struct client *client)
{
    client_wait(client);
    client_await(client, CLIENT_HOLDING);
}

const char *client_ask(struct client *client, const char *sql)
{
    client_send(client, sql);
    client_await(client, CLIENT_HOLDING);
    return client->value;
}

struct pool_counts pool_counts_of(const struct client *client)
{
    struct pool_counts counts;
    pool_count(client->profile->pool, &counts);
    return counts;
}
