#include "quiet_rig.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "upstream/statements.h"

enum { SERVERS_MAX = 32, TURNS = 8 };

struct quiet_rig quiet;

static struct {
    uint64_t ids[SERVERS_MAX];
    int ends[SERVERS_MAX];
    unsigned count;
} others;

void quiet_configure(const char *line, const char *users, const char *options)
{
    char path[] = "/tmp/quiet-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    fprintf(
        file,
        "[databases]\nshop = host=127.0.0.1 port=1 %s\nother = host=127.0.0.1 port=1\n[users]\n%s\n"
        "[pgrecall]\nauth_type = trust\n%s\n",
        line, users, options);
    fclose(file);
    struct conf *conf = NULL;
    struct conf_mistakes mistakes = {0};
    if (conf_load(path, NULL, NULL, 0, &conf, &mistakes) != ERR_OK)
        fail_msg("%s", mistakes.text);
    conf_mistakes_fini(&mistakes);
    unlink(path);
    conf_swap(conf);
    databases_reload();
}

int quiet_setup(void **state)
{
    (void)state;
    databases_init(NULL);
    quiet_configure("", "", "");
    for (unsigned i = 0; i < QUIET_LOOPS; i++)
        loop_init(&quiet.loops[i], i);
    quiet.database = database_get(slice_of_text("shop"));
    quiet.pool = pool_get(quiet.database, slice_of_text("alice"));
    quiet.profile = profile_get(quiet.pool, slice_of("", 0));
    return 0;
}

static struct server *any_server(struct pool *pool)
{
    struct link *lists[] = {&pool->login, &pool->idle, &pool->active, &pool->resetting};
    for (unsigned i = 0; i < ARRAY_COUNT(lists); i++) {
        if (!link_is_empty(lists[i]))
            return CONTAINER_OF(lists[i]->next, struct server, link);
    }
    return NULL;
}

int quiet_teardown(void **state)
{
    (void)state;
    struct database *database;
    struct pool *pool;
    struct server *server;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;) {
        for (unsigned j = 0; (pool = pool_at(database, j)) != NULL; j++) {
            while ((server = any_server(pool)) != NULL)
                server_close(server);
        }
    }
    profile_unref(quiet.profile);
    for (unsigned i = 0; i < QUIET_LOOPS; i++) {
        loop_stop(&quiet.loops[i]);
        loop_run(&quiet.loops[i]);
        loop_fini(&quiet.loops[i]);
    }
    for (unsigned i = 0; i < others.count; i++)
        close(others.ends[i]);
    others.count = 0;
    databases_fini();
    conf_forget_all();
    return 0;
}

struct server *quiet_server(struct profile *profile, unsigned loop)
{
    struct pool *pool = profile->pool;
    int pair[2];
    assert_true(others.count < SERVERS_MAX);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    pool_lock(pool);
    pool->connections++;
    pool->database->connections++;
    atomic_fetch_add(&pool->limit->connections, 1);
    struct server *server = server_create(pool, profile, &quiet.loops[loop]);
    pool_unlock(pool);
    server->statements = statements_create(1);
    server->backend_pid = (uint32_t)(1000 + server->id);
    assert_int_equal(
        stream_open(&server->stream, &quiet.loops[loop], pair[0], &server_stream_handler), ERR_OK);
    server->handle_open = true;
    pool_lock(pool);
    server_move_to(server, SERVER_LOGIN);
    server_move_to(server, SERVER_IDLE);
    pool_unlock(pool);
    others.ids[others.count] = server->id;
    others.ends[others.count++] = pair[1];
    return server;
}

int quiet_other_end(const struct server *server)
{
    unsigned at = 0;
    while (others.ids[at] != server->id)
        at++;
    return others.ends[at];
}

void quiet_occupy(struct server *server)
{
    pool_lock(server->pool);
    server_move_to(server, SERVER_ACTIVE);
    pool_unlock(server->pool);
}

void quiet_rest(struct server *server, uint64_t ms)
{
    server->state_since_ms -= ms;
    server->idle_since_ms = server->state_since_ms;
}

void quiet_been_patient(struct pool_waiter *waiter, uint64_t ms)
{
    waiter->since_us -= ms * 1000;
}

void quiet_turn(void)
{
    for (unsigned i = 0; i < TURNS; i++)
        uv_run(&quiet.loops[i % QUIET_LOOPS].uv, UV_RUN_NOWAIT);
}

static void on_ready(struct pool_waiter *waiter, struct server *server)
{
    struct quiet_client *client = CONTAINER_OF(waiter, struct quiet_client, waiter);
    client->ready++;
    client->server = server;
}

static void on_failed(struct pool_waiter *waiter, const struct pool_failure *failure)
{
    struct quiet_client *client = CONTAINER_OF(waiter, struct quiet_client, waiter);
    client->failed++;
    snprintf(client->sqlstate, sizeof(client->sqlstate), "%s", failure->sqlstate);
}

void quiet_client_init(struct quiet_client *client, struct profile *profile, unsigned loop)
{
    *client = (struct quiet_client){.waiter = {.profile = profile,
                                               .loop = &quiet.loops[loop],
                                               .on_ready = on_ready,
                                               .on_failed = on_failed}};
}
