/* SHOW CLIENTS and SHOW SERVERS: PgBouncer's columns, then ours. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "console_inside.h"
#include "gather.h"
#include "show.h"
#include "upstream/server.h"
#include "upstream/statements.h"

#define CONNECTION_COLUMNS                                                                         \
    TEXT("type"), TEXT("user"), TEXT("database"), TEXT("replication"), TEXT("state"),              \
        TEXT("addr"), INT8("port"), TEXT("local_addr"), INT8("local_port"), TEXT("connect_time"),  \
        TEXT("request_time"), INT8("wait"), INT8("wait_us"), INT8("close_needed"), TEXT("ptr"),    \
        TEXT("link"), INT8("remote_pid"), TEXT("tls"), TEXT("application_name"),                   \
        INT8("prepared_statements"), INT8("id")

SHAPE(show_clients, CONNECTION_COLUMNS, TEXT("pin"), TEXT("pin_since"));
SHAPE(show_servers, CONNECTION_COLUMNS);

enum { SECOND_US = 1000000, ID_TEXT_MAX = 32 };

/* What a row of either says. */
struct connection {
    const char *type, *user, *database, *state, *application_name;
    struct endpoint remote, local;
    uint64_t connected_wall_ms, request_wall_ms, wait_us;
    bool close_needed;
    const char *own, *other; /* what their ids are of: "client", "server" */
    uint64_t id, other_id;
    uint32_t pid;
    unsigned prepared;
};

static void add_id(struct rows *rows, const char *of, uint64_t id)
{
    if (id)
        rows_printf(rows, "%s-%" PRIu64, of, id);
    else
        rows_text(rows, "");
}

static void add_end(struct rows *rows, const struct endpoint *end)
{
    char text[ENDPOINT_TEXT_MAX];
    rows_text(rows, endpoint_text(end, text));
    rows_int(rows, end->port);
}

static void add_connection(struct rows *rows, const struct connection *at)
{
    rows_text(rows, at->type);
    rows_text(rows, at->user);
    rows_text(rows, at->database);
    rows_text(rows, "none");
    rows_text(rows, at->state);
    add_end(rows, &at->remote);
    add_end(rows, &at->local);
    show_time(rows, at->connected_wall_ms);
    show_time(rows, at->request_wall_ms);
    rows_num(rows, at->wait_us / SECOND_US);
    rows_num(rows, at->wait_us % SECOND_US);
    rows_int(rows, at->close_needed);
    add_id(rows, at->own, at->id);
    add_id(rows, at->other, at->other_id);
    rows_num(rows, at->pid);
    rows_text(rows, "");
    rows_text(rows, at->application_name);
    rows_num(rows, at->prepared);
    rows_num(rows, at->id);
}

/* ---- SHOW CLIENTS ---- */

static void finish_clients(struct request *request, const struct gather *gather)
{
    unsigned part = 0;
    for (const struct client *at = NULL; (at = gather_next(gather, at, &part)) != NULL;) {
        const struct session_view *view = &at->view;
        struct connection connection = {
            .type = "C",
            .user = view->user,
            .database = view->database,
            .state = view->state,
            .application_name = view->application_name,
            .remote = view->remote,
            .local = view->local,
            .connected_wall_ms = view->connected_wall_ms,
            .request_wall_ms = view->request_wall_ms,
            .wait_us = view->wait_us,
            .own = "client",
            .other = "server",
            .id = view->id,
            .other_id = view->server_id,
            .prepared = view->prepared_statements,
        };
        add_connection(&request->rows, &connection);
        rows_text(&request->rows, view->pin);
        if (view->pin_since_wall_ms)
            show_time(&request->rows, view->pin_since_wall_ms);
        else
            rows_text(&request->rows, "");
    }
}

void run_show_clients(struct request *request)
{
    gather_begin(request, 0, gather_clients, finish_clients);
}

/* ---- SHOW SERVERS ---- */

struct servers {
    struct rows *rows;
    struct database *database;
    const struct pool *pool;
    struct table *clients; /* struct client by server id */
};

/* Under the database's lock. */
static void add_server(void *context, const struct server *server)
{
    const struct servers *servers = context;
    const struct conf_database *line = atomic_load(&servers->database->conf);
    const struct client *client =
        table_get(servers->clients, slice_of(&server->id, sizeof(server->id)));
    struct connection connection = {
        .type = "S",
        .user = line && line->user ? line->user : servers->pool->role,
        .database = servers->database->name,
        .state = server_is_canceled(server) ? "being_canceled" : server_state_text(server->state),
        .application_name = client ? client->view.application_name : "",
        .remote = server->place.remote,
        .local = server->place.local,
        .connected_wall_ms = server->connected_wall_ms,
        .request_wall_ms = client ? client->view.request_wall_ms : 0,
        .close_needed = server->close_needed,
        .own = "server",
        .other = "client",
        .id = server->id,
        .other_id = client ? client->view.id : 0,
        .pid = server->backend_pid,
        .prepared = server->statements ? statements_count(server->statements) : 0,
    };
    add_connection(servers->rows, &connection);
}

static void finish_servers(struct request *request, const struct gather *gather)
{
    struct table clients = {0};
    unsigned part = 0;
    for (const struct client *at = NULL; (at = gather_next(gather, at, &part)) != NULL;) {
        uint64_t id = at->view.server_id;
        if (id)
            table_put(&clients, slice_of(&id, sizeof(id)), (void *)(uintptr_t)at);
    }
    struct servers servers = {.rows = &request->rows, .clients = &clients};
    for (unsigned i = 0; (servers.database = database_next(&i)) != NULL;) {
        struct pool *pool;
        for (unsigned j = 0; (pool = pool_at(servers.database, j)) != NULL; j++) {
            servers.pool = pool;
            pool_each_server(pool, add_server, &servers);
        }
    }
    table_fini(&clients);
}

void run_show_servers(struct request *request)
{
    gather_begin(request, 0, gather_clients, finish_servers);
}
