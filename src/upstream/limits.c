/* The limits and times in force for a pool: those of the role's line, else of the database's, else
 * the options. Cheap enough to be asked anew each time: a reload is in force at once. */
#include "inside.h"

static const struct options *options_now(void)
{
    return &conf_current()->options;
}

static const struct conf_user *user_of(const struct pool *pool)
{
    return conf_user_find(conf_current(), slice_of_text(pool->role));
}

static const struct conf_database *line_of(const struct pool *pool)
{
    return atomic_load(&pool->database->conf);
}

unsigned pool_size_of(const struct pool *pool)
{
    const struct conf_user *user = user_of(pool);
    if (user && user->pool_size > 0)
        return (unsigned)user->pool_size;
    const struct conf_database *line = line_of(pool);
    if (line && line->pool_size > 0)
        return (unsigned)line->pool_size;
    return (unsigned)options_now()->default_pool_size;
}

unsigned pool_reserve_of(const struct pool *pool)
{
    const struct conf_user *user = user_of(pool);
    if (user && user->reserve_pool_size >= 0)
        return (unsigned)user->reserve_pool_size;
    const struct conf_database *line = line_of(pool);
    if (line && line->reserve_pool_size >= 0)
        return (unsigned)line->reserve_pool_size;
    return (unsigned)options_now()->reserve_pool_size;
}

unsigned pool_min_of(const struct pool *pool)
{
    const struct conf_database *line = line_of(pool);
    if (line && line->min_pool_size >= 0)
        return (unsigned)line->min_pool_size;
    return (unsigned)options_now()->min_pool_size;
}

unsigned pool_database_max_of(const struct pool *pool)
{
    const struct conf_database *line = line_of(pool);
    if (line && line->max_db_connections >= 0)
        return (unsigned)line->max_db_connections;
    return (unsigned)options_now()->max_db_connections;
}

unsigned pool_user_max_of(const struct pool *pool)
{
    const struct conf_user *user = user_of(pool);
    if (user && user->max_user_connections >= 0)
        return (unsigned)user->max_user_connections;
    return (unsigned)options_now()->max_user_connections;
}

uint64_t pool_lifetime_ms_of(const struct pool *pool)
{
    const struct conf_database *line = line_of(pool);
    if (line && line->server_lifetime >= 0)
        return (uint64_t)line->server_lifetime;
    return options_now()->server_lifetime_ms;
}

int pool_mode_of(const struct pool *pool)
{
    const struct conf_user *user = user_of(pool);
    if (user && user->pool_mode >= 0)
        return user->pool_mode;
    const struct conf_database *line = line_of(pool);
    if (line && line->pool_mode >= 0)
        return line->pool_mode;
    return (int)options_now()->pool_mode;
}

static uint64_t time_of(const struct conf_user *user, int64_t of_user, uint64_t of_all)
{
    return user && of_user >= 0 ? (uint64_t)of_user : of_all;
}

void pool_times_of(const struct pool *pool, struct pool_times *out)
{
    const struct options *options = options_now();
    const struct conf_user *user = user_of(pool);
    *out = (struct pool_times){
        .query_ms = time_of(user, user ? user->query_timeout : -1, options->query_timeout_ms),
        .transaction_ms =
            time_of(user, user ? user->transaction_timeout : -1, options->transaction_timeout_ms),
        .idle_transaction_ms = time_of(user, user ? user->idle_transaction_timeout : -1,
                                       options->idle_transaction_timeout_ms),
        .client_idle_ms =
            time_of(user, user ? user->client_idle_timeout : -1, options->client_idle_timeout_ms),
    };
}

const char *pool_refuses_client(const struct pool *pool)
{
    const struct options *options = options_now();
    const struct conf_database *line = line_of(pool);
    const struct conf_user *user = user_of(pool);
    int64_t max = line && line->max_db_client_connections >= 0 ? line->max_db_client_connections
                                                               : options->max_db_client_connections;
    if (max && (int64_t)atomic_load(&pool->database->client_count) > max)
        return "no more connections allowed (max_db_client_connections)";
    max = user && user->max_user_client_connections >= 0 ? user->max_user_client_connections
                                                         : options->max_user_client_connections;
    if (max && (int64_t)atomic_load(&pool->limit->clients) > max)
        return "no more connections allowed (max_user_client_connections)";
    return NULL;
}
