/* SHOW POOLS, DATABASES, USERS, LISTS. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "console_inside.h"
#include "gather.h"
#include "show.h"
#include "upstream/pool.h"
#include "upstream/settings.h"

SHAPE(show_databases, TEXT("name"), TEXT("host"), INT8("port"), TEXT("database"),
      TEXT("force_user"), INT8("pool_size"), INT8("min_pool_size"), INT8("reserve_pool_size"),
      INT8("server_lifetime"), TEXT("pool_mode"), TEXT("load_balance_hosts"),
      INT8("max_connections"), INT8("current_connections"), INT8("max_client_connections"),
      INT8("current_client_connections"), INT8("paused"), INT8("disabled"));
SHAPE(show_pools, TEXT("database"), TEXT("user"), INT8("cl_active"), INT8("cl_waiting"),
      INT8("cl_active_cancel_req"), INT8("cl_waiting_cancel_req"), INT8("sv_active"),
      INT8("sv_active_cancel"), INT8("sv_being_canceled"), INT8("sv_idle"), INT8("sv_used"),
      INT8("sv_tested"), INT8("sv_login"), INT8("maxwait"), INT8("maxwait_us"), TEXT("pool_mode"),
      TEXT("load_balance_hosts"));
SHAPE(show_users, TEXT("name"), INT8("pool_size"), INT8("reserve_pool_size"), TEXT("pool_mode"),
      INT8("max_user_connections"), INT8("current_connections"),
      INT8("max_user_client_connections"), INT8("current_client_connections"));
SHAPE(show_lists, TEXT("list"), INT8("items"));

enum { SECOND_US = 1000000, SECOND_MS = 1000 };

static const char *mode_text(int mode)
{
    static const char *const texts[] = {
        [POOL_MODE_TRANSACTION] = "transaction",
        [POOL_MODE_SESSION] = "session",
        [POOL_MODE_STATEMENT] = "statement",
    };
    return mode < 0 ? NULL : texts[mode];
}

/* ---- SHOW DATABASES ---- */

/* `database` NULL: nobody has asked for it yet. */
static void add_database(struct rows *rows, const char *name, const struct conf_database *line,
                         struct database *database)
{
    const struct options *options = &conf_current()->options;
    unsigned connections = 0;
    if (database) {
        pthread_mutex_lock(&database->mutex);
        connections = database->connections;
        pthread_mutex_unlock(&database->mutex);
    }
    rows_text(rows, name);
    rows_text(rows, line ? line->host : NULL);
    if (line)
        rows_int(rows, line->port);
    else
        rows_null(rows);
    rows_text(rows, database ? database->dbname : line->dbname ? line->dbname : name);
    rows_text(rows, line ? line->user : NULL);
    rows_int(rows, line && line->pool_size >= 0 ? line->pool_size : options->default_pool_size);
    rows_int(rows, line && line->min_pool_size >= 0 ? line->min_pool_size : options->min_pool_size);
    rows_int(rows, line && line->reserve_pool_size >= 0 ? line->reserve_pool_size
                                                        : options->reserve_pool_size);
    rows_num(rows, (line && line->server_lifetime >= 0 ? (uint64_t)line->server_lifetime
                                                       : options->server_lifetime_ms) /
                       SECOND_MS);
    rows_text(rows, mode_text(line ? line->pool_mode : -1));
    rows_null(rows);
    rows_int(rows, line && line->max_db_connections >= 0 ? line->max_db_connections
                                                         : options->max_db_connections);
    rows_num(rows, connections);
    rows_int(rows, line && line->max_db_client_connections >= 0
                       ? line->max_db_client_connections
                       : options->max_db_client_connections);
    rows_num(rows, database ? atomic_load(&database->client_count) : 0);
    rows_int(rows, database ? atomic_load(&database->paused) : databases_are_paused());
    rows_int(rows, !line);
}

static bool is_made(const char *name)
{
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;)
        if (strcmp(database->name, name) == 0)
            return true;
    return false;
}

void run_show_databases(struct request *request)
{
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;)
        add_database(&request->rows, database->name, atomic_load(&database->conf), database);
    const struct conf *conf = conf_current();
    for (unsigned i = 0; i < conf->database_count; i++) {
        const struct conf_database *line = &conf->databases[i];
        if (strcmp(line->name, "*") != 0 && !is_made(line->name))
            add_database(&request->rows, line->name, line, NULL);
    }
    request_done(request);
}

/* ---- SHOW POOLS ---- */

struct pool_clients {
    unsigned active, waiting;
};

/* Who has not logged in yet, and does not wait for a pool to do so, is in none. */
static bool is_counted(const struct session_view *view)
{
    return view->console || view->database[0];
}

static bool is_waiting(const struct session_view *view)
{
    return view->waiting || strcmp(view->state, "login") == 0;
}

static void make_key(struct buf *key, const char *database, const char *user)
{
    buf_clear(key);
    buf_append(key, database, strlen(database) + 1);
    buf_append_text(key, user);
}

/* Counts of clients by database and role. */
static void count_clients(const struct gather *gather, struct table *counts,
                          struct pool_clients *consoles)
{
    struct buf key = {0};
    unsigned part = 0;
    for (const struct client *at = NULL; (at = gather_next(gather, at, &part)) != NULL;) {
        if (!is_counted(&at->view))
            continue;
        struct pool_clients *clients = consoles;
        if (!at->view.console) {
            make_key(&key, at->view.database, at->view.user);
            struct slice name = slice_of(buf_head(&key), buf_len(&key));
            clients = table_get(counts, name);
            if (!clients) {
                clients = mem_zero(1, sizeof(*clients));
                table_put(counts, name, clients);
            }
        }
        if (is_waiting(&at->view))
            clients->waiting++;
        else
            clients->active++;
    }
    buf_fini(&key);
}

static void add_pool(struct rows *rows, const char *database, const char *user,
                     const struct pool_clients *clients, const struct pool_counts *counts,
                     const char *mode)
{
    const unsigned numbers[] = {clients->active,
                                clients->waiting,
                                0,
                                0,
                                counts->active,
                                counts->canceling,
                                counts->canceled,
                                counts->idle,
                                0,
                                counts->resetting,
                                counts->login};
    rows_text(rows, database);
    rows_text(rows, user);
    for (unsigned i = 0; i < ARRAY_COUNT(numbers); i++)
        rows_num(rows, numbers[i]);
    rows_num(rows, counts->maxwait_us / SECOND_US);
    rows_num(rows, counts->maxwait_us % SECOND_US);
    rows_text(rows, mode);
    rows_null(rows);
}

static void finish_pools(struct request *request, const struct gather *gather)
{
    static const struct pool_clients nobody;
    struct table counts = {0};
    struct pool_clients consoles = {0};
    struct buf key = {0};
    count_clients(gather, &counts, &consoles);
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;) {
        struct pool *pool;
        for (unsigned j = 0; (pool = pool_at(database, j)) != NULL; j++) {
            struct pool_counts servers;
            pool_count(pool, &servers);
            make_key(&key, database->name, pool->role);
            const struct pool_clients *clients =
                table_get(&counts, slice_of(buf_head(&key), buf_len(&key)));
            add_pool(&request->rows, database->name, pool->role, clients ? clients : &nobody,
                     &servers, mode_text(pool_mode_of(pool)));
        }
    }
    add_pool(&request->rows, "pgrecall", "pgrecall", &consoles, &(struct pool_counts){0},
             "statement");
    buf_fini(&key);
    size_t at = 0;
    struct pool_clients *clients;
    while ((clients = table_next(&counts, &at)) != NULL)
        mem_free(clients);
    table_fini(&counts);
}

void run_show_pools(struct request *request)
{
    gather_begin(request, 0, gather_clients, finish_pools);
}

/* ---- SHOW USERS ---- */

/* Server connections of a role over all databases. */
static unsigned connections_of(const char *role)
{
    unsigned sum = 0;
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;) {
        struct pool *pool;
        for (unsigned j = 0; (pool = pool_at(database, j)) != NULL; j++) {
            if (strcmp(pool->role, role) != 0)
                continue;
            pthread_mutex_lock(&database->mutex);
            sum += pool->connections;
            pthread_mutex_unlock(&database->mutex);
        }
    }
    return sum;
}

void run_show_users(struct request *request)
{
    const struct conf *conf = conf_current();
    const struct options *options = &conf->options;
    for (unsigned i = 0; i < conf->user_count; i++) {
        const struct conf_user *user = &conf->users[i];
        rows_text(&request->rows, user->name);
        if (user->pool_size >= 0)
            rows_int(&request->rows, user->pool_size);
        else
            rows_null(&request->rows);
        rows_int(&request->rows, user->reserve_pool_size >= 0 ? user->reserve_pool_size
                                                              : options->reserve_pool_size);
        rows_text(&request->rows, mode_text(user->pool_mode));
        rows_int(&request->rows, user->max_user_connections >= 0 ? user->max_user_connections
                                                                 : options->max_user_connections);
        rows_num(&request->rows, connections_of(user->name));
        rows_int(&request->rows, user->max_user_client_connections >= 0
                                     ? user->max_user_client_connections
                                     : options->max_user_client_connections);
        rows_num(&request->rows, role_clients(slice_of_text(user->name)));
    }
    request_done(request);
}

/* ---- SHOW LISTS ---- */

static void add_item(struct rows *rows, const char *list, uint64_t items)
{
    rows_text(rows, list);
    rows_num(rows, items);
}

static void finish_lists(struct request *request, const struct gather *gather)
{
    uint64_t used_clients = 0, login_clients = 0, databases = 0, pools = 0;
    struct pool_counts sum = {0};
    unsigned part = 0;
    for (const struct client *at = NULL; (at = gather_next(gather, at, &part)) != NULL;) {
        if (is_counted(&at->view))
            used_clients++;
        else
            login_clients++;
    }
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL; databases++) {
        struct pool *pool;
        for (unsigned j = 0; (pool = pool_at(database, j)) != NULL; j++, pools++) {
            struct pool_counts counts;
            pool_count(pool, &counts);
            sum.idle += counts.idle;
            sum.active += counts.active + counts.canceled + counts.login + counts.resetting;
        }
    }
    struct rows *rows = &request->rows;
    add_item(rows, "databases", databases);
    add_item(rows, "users", conf_current()->user_count);
    add_item(rows, "peers", 0);
    add_item(rows, "pools", pools);
    add_item(rows, "peer_pools", 0);
    add_item(rows, "free_clients", 0);
    add_item(rows, "used_clients", used_clients);
    add_item(rows, "login_clients", login_clients);
    add_item(rows, "free_servers", sum.idle);
    add_item(rows, "used_servers", sum.active);
    add_item(rows, "dns_names", 0);
    add_item(rows, "dns_zones", 0);
    add_item(rows, "dns_queries", 0);
    add_item(rows, "dns_pending", 0);
    add_item(rows, "configurations", conf_count());
    add_item(rows, "shared_statements", statement_registry_count());
    add_item(rows, "shared_settings", settings_registry_count());
}

void run_show_lists(struct request *request)
{
    gather_begin(request, 0, gather_clients, finish_lists);
}
