/* The registry of databases. A database is never taken out again: sessions, pools and the control
 * connection keep plain pointers to it. */
#include "upstream/database.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "inside.h"

static struct {
    pthread_mutex_t mutex; /* before any database->mutex */
    struct table by_name;
    struct database *list[DATABASES_MAX]; /* in the order of their making */
    unsigned count;
    bool paused; /* all there are, and those to come */
    database_on_created *on_created;
} registry = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void databases_init(database_on_created *on_created)
{
    registry.on_created = on_created;
}

static void database_destroy(struct database *database)
{
    for (unsigned i = 0; i < database->pool_count; i++)
        pool_destroy(database->pool_list[i]);
    ASSERT(database->connections == 0);
    mem_free(database->pool_list);
    table_fini(&database->pools);
    pthread_mutex_destroy(&database->mutex);
    mem_free((void *)(uintptr_t)database->dbname);
    mem_free(database->name);
    mem_free(database);
}

void databases_fini(void)
{
    for (unsigned i = 0; i < registry.count; i++) {
        database_destroy(registry.list[i]);
        registry.list[i] = NULL;
    }
    registry.count = 0;
    registry.paused = false;
    table_fini(&registry.by_name);
    pools_fini();
}

static struct database *create(struct slice name, const struct conf_database *line)
{
    struct database *database = mem_zero(1, sizeof(*database));
    database->name = mem_text_n(name.data, name.len);
    database->conf = line;
    database->paused = registry.paused;
    database->dbname = mem_text(line->dbname ? line->dbname : database->name);
    ASSERT(pthread_mutex_init(&database->mutex, NULL) == 0);
    table_init(&database->pools);
    if (registry.on_created)
        registry.on_created(database);
    registry.list[registry.count++] = database;
    table_put(&registry.by_name, name, database);
    return database;
}

struct database *database_get(struct slice name)
{
    pthread_mutex_lock(&registry.mutex);
    struct database *database = table_get(&registry.by_name, name);
    if (database) {
        if (!atomic_load(&database->conf))
            database = NULL;
    } else {
        const struct conf_database *line = conf_database_find(conf_current(), name);
        if (line && registry.count < DATABASES_MAX)
            database = create(name, line);
        else if (line)
            log_warn("a database was refused: there are too many", "limit", log_num(DATABASES_MAX),
                     NULL);
    }
    pthread_mutex_unlock(&registry.mutex);
    return database;
}

struct database *database_at(unsigned index)
{
    pthread_mutex_lock(&registry.mutex);
    struct database *database = index < registry.count ? registry.list[index] : NULL;
    pthread_mutex_unlock(&registry.mutex);
    return database;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* True if backends logged in under `a` may serve under `b`. */
static bool same_login(const struct conf_database *a, const struct conf_database *b)
{
    return same_text(a->host, b->host) && same_text(a->ports, b->ports) &&
           a->target_session_attrs == b->target_session_attrs && same_text(a->user, b->user) &&
           same_text(a->password, b->password) &&
           same_text(a->client_encoding, b->client_encoding) &&
           same_text(a->datestyle, b->datestyle) && same_text(a->timezone, b->timezone) &&
           same_text(a->application_name, b->application_name) &&
           same_text(a->connect_query, b->connect_query);
}

static void warn_of_other_dbname(const struct database *database, const struct conf_database *line)
{
    if (!same_text(line->dbname ? line->dbname : database->name, database->dbname))
        log_warn("dbname of a database cannot change while we run: restart", "database",
                 database->name, "dbname", database->dbname, NULL);
}

static void reload_one(struct database *database, const struct conf *conf)
{
    const struct conf_database *line = conf_database_find(conf, slice_of_text(database->name));
    const struct conf_database *old = atomic_exchange(&database->conf, line);
    if (line)
        warn_of_other_dbname(database, line);
    pthread_mutex_lock(&database->mutex);
    bool recycle = !line || !old || !same_login(old, line);
    for (unsigned i = 0; i < database->pool_count; i++) {
        struct pool *pool = database->pool_list[i];
        if (recycle)
            pool_recycle_locked(pool);
        pool_schedule(pool);
    }
    pthread_mutex_unlock(&database->mutex);
}

void databases_reload(void)
{
    const struct conf *conf = conf_current();
    struct database *database;
    for (unsigned i = 0; (database = database_at(i)) != NULL; i++)
        reload_one(database, conf);
}

void database_pause(struct database *database, bool paused)
{
    atomic_store(&database->paused, paused);
    pthread_mutex_lock(&database->mutex);
    for (unsigned i = 0; i < database->pool_count; i++) {
        struct pool *pool = database->pool_list[i];
        if (paused)
            pool_recycle_locked(pool);
        pool_schedule(pool);
    }
    pthread_mutex_unlock(&database->mutex);
}

void databases_pause(bool paused)
{
    pthread_mutex_lock(&registry.mutex);
    registry.paused = paused;
    pthread_mutex_unlock(&registry.mutex);
    struct database *database;
    for (unsigned i = 0; (database = database_at(i)) != NULL; i++)
        database_pause(database, paused);
}

bool databases_are_paused(void)
{
    pthread_mutex_lock(&registry.mutex);
    bool paused = registry.paused;
    pthread_mutex_unlock(&registry.mutex);
    return paused;
}

unsigned database_busy_count(struct database *database)
{
    pthread_mutex_lock(&database->mutex);
    unsigned busy = database->connections;
    for (unsigned i = 0; i < database->pool_count; i++) {
        LINK_EACH (&database->pool_list[i]->idle, at)
            busy--;
    }
    pthread_mutex_unlock(&database->mutex);
    return busy;
}
