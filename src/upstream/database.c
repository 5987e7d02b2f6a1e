/* The registry of databases. Objects are never freed before the end: sessions, pools and the control
 * connection keep plain pointers to them. Names can be collected: autodb.c. */
#include "upstream/database.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "dns.h"
#include "inside.h"

/* A walk lasts milliseconds. */
enum { VACANT_MIN_MS = 1000 };

static struct {
    pthread_mutex_t mutex; /* before any database->mutex */
    struct table by_name;
    struct database *list[DATABASES_MAX]; /* in the order of their making, vacant ones too */
    unsigned count;
    unsigned vacant;
    bool paused; /* all there are, and those to come */
    database_on_created *on_created;
} registry = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void databases_init(database_on_created *on_created)
{
    registry.on_created = on_created;
}

static void database_destroy(struct database *database)
{
    for (unsigned i = 0; i < database->pool_count + database->pool_spare_count; i++)
        pool_destroy(database->pool_list[i]);
    ASSERT(database->connections == 0);
    mem_free(database->pool_list);
    table_fini(&database->pools);
    pthread_mutex_destroy(&database->mutex);
    mem_free((void *)(uintptr_t)database->dbname);
    mem_free(database->name);
    mem_free(database->old_name);
    mem_free(database);
}

void databases_fini(void)
{
    for (unsigned i = 0; i < registry.count; i++) {
        database_destroy(registry.list[i]);
        registry.list[i] = NULL;
    }
    registry.count = registry.vacant = 0;
    registry.paused = false;
    table_fini(&registry.by_name);
    pools_fini();
    unresolved_clear();
}

/* One whose name was collected, long enough ago that nobody is still in the middle of looking at it. */
static struct database *find_vacant(void)
{
    struct database *oldest = NULL;
    for (unsigned i = 0; registry.vacant && i < registry.count; i++) {
        struct database *database = registry.list[i];
        if (database->vacant && (!oldest || database->vacant_ms < oldest->vacant_ms))
            oldest = database;
    }
    return oldest && elapsed(monotonic_ms(), oldest->vacant_ms) >= VACANT_MIN_MS ? oldest : NULL;
}

static struct database *new_place(void)
{
    struct database *database = mem_zero(1, sizeof(*database));
    ASSERT(pthread_mutex_init(&database->mutex, NULL) == 0);
    table_init(&database->pools);
    database->place = registry.count;
    return database;
}

/* NULL: there is no place left. */
static struct database *create(struct slice name, const struct conf_database *line)
{
    struct database *database = find_vacant();
    bool is_new = !database;
    if (is_new && registry.count == DATABASES_MAX)
        return NULL;
    if (is_new)
        database = new_place();
    mem_free(database->old_name);
    database->old_name = database->name;
    mem_free((void *)(uintptr_t)database->dbname);
    database->name = mem_text_n(name.data, name.len);
    database->dbname = mem_text(line->dbname ? line->dbname : database->name);
    database->automatic = strcmp(line->name, "*") == 0;
    database->used_ms = monotonic_ms();
    database->paused = registry.paused;
    database->conf = line;
    if (is_new && registry.on_created)
        registry.on_created(database);
    if (is_new)
        registry.list[registry.count++] = database;
    else
        registry.vacant--;
    database->vacant = false;
    table_put(&registry.by_name, name, database);
    return database;
}

/* Under the registry's mutex. */
static struct database *get_locked(struct slice name)
{
    struct database *database = table_get(&registry.by_name, name);
    if (database) {
        if (!atomic_load(&database->conf))
            database = NULL;
    } else {
        const struct conf_database *line = conf_database_find(conf_current(), name);
        if (line)
            database = create(name, line);
        if (line && !database)
            log_warn("a database was refused: there are too many", "limit", log_num(DATABASES_MAX),
                     NULL);
    }
    return database;
}

struct database *database_get(struct slice name)
{
    pthread_mutex_lock(&registry.mutex);
    struct database *database = get_locked(name);
    pthread_mutex_unlock(&registry.mutex);
    return database;
}

struct database *database_enter(struct slice name)
{
    pthread_mutex_lock(&registry.mutex);
    struct database *database = get_locked(name);
    if (database)
        atomic_fetch_add(&database->client_count, 1);
    pthread_mutex_unlock(&registry.mutex);
    return database;
}

void database_leave(struct database *database)
{
    atomic_fetch_sub(&database->client_count, 1);
}

bool databases_are_many(void)
{
    pthread_mutex_lock(&registry.mutex);
    bool many = registry.count - registry.vacant > DATABASES_MAX / 2;
    pthread_mutex_unlock(&registry.mutex);
    return many;
}

/* The pools' roles stay, their places do not; false: somebody uses one. */
static bool vacate_pools(struct database *database)
{
    pthread_mutex_lock(&database->mutex);
    bool unused = database->connections == 0 && database->strangers == 0;
    for (unsigned i = 0; unused && i < database->pool_count; i++)
        unused = pool_is_unused_locked(database->pool_list[i]);
    for (unsigned i = 0; unused && i < database->pool_count; i++)
        pool_forget_locked(database->pool_list[i]);
    if (unused) {
        database->pool_spare_count += database->pool_count;
        database->pool_count = 0;
        database->server_started_us = 0;
    }
    pthread_mutex_unlock(&database->mutex);
    return unused;
}

bool database_vacate(struct database *database)
{
    pthread_mutex_lock(&registry.mutex);
    bool done = database->automatic && !database->vacant && !atomic_load(&database->paused) &&
                !atomic_load(&database->client_count) && vacate_pools(database);
    if (done) {
        (void)table_remove(&registry.by_name, slice_of_text(database->name));
        database->vacant = true;
        database->vacant_ms = UINT64_MAX; /* until it is ready */
        registry.vacant++;
        atomic_fetch_add(&database->life, 1);
        atomic_store(&database->conf, NULL);
    }
    pthread_mutex_unlock(&registry.mutex);
    return done;
}

void database_clear(struct database *database)
{
    atomic_store(&database->host_kept, 0);
    atomic_store(&database->lagging, false);
    atomic_store(&database->haunted, false);
}

void database_is_vacated(struct database *database)
{
    pthread_mutex_lock(&registry.mutex);
    database->vacant_ms = monotonic_ms();
    pthread_mutex_unlock(&registry.mutex);
}

struct database *database_next(unsigned *at)
{
    struct database *database = NULL;
    pthread_mutex_lock(&registry.mutex);
    while (!database && *at < registry.count) {
        database = registry.list[(*at)++];
        if (database->vacant)
            database = NULL;
    }
    pthread_mutex_unlock(&registry.mutex);
    return database;
}

struct database *database_place(unsigned index)
{
    pthread_mutex_lock(&registry.mutex);
    struct database *database = index < registry.count ? registry.list[index] : NULL;
    pthread_mutex_unlock(&registry.mutex);
    return database;
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
    for (unsigned i = 0; (database = database_next(&i)) != NULL;)
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
