/* Reads what others count, and names it. */
#include "admin/collect.h"

#include <string.h>

#include "coherence/realm.h"
#include "conf/conf.h"
#include "upstream/control.h"
#include "upstream/pool.h"

enum { MICROSECONDS = 1000000 };

static double seconds(uint64_t us)
{
    return (double)us / MICROSECONDS;
}

/* ---- what workers count ---- */

/* struct database_stats, summed over the workers. */
struct sums {
#define SUM_FIELD(name) uint64_t name;
    DATABASE_COUNTERS(SUM_FIELD)
#undef SUM_FIELD
};

static struct sums sum_of(const struct collect *collect, const struct database *database)
{
    struct sums sums = {0};
    struct slice key = slice_of(&database, sizeof(struct database *));
    for (unsigned i = 0; i < collect->host_count; i++) {
        struct host *host = collect->hosts[i];
        pthread_mutex_lock(&host->stats_mutex);
        const struct database_stats *stats = table_get(&host->stats, key);
        if (stats && stats->life == atomic_load(&database->life)) {
#define SUM_ADD(name) sums.name += counter_read(&stats->name);
            DATABASE_COUNTERS(SUM_ADD)
#undef SUM_ADD
        }
        pthread_mutex_unlock(&host->stats_mutex);
    }
    return sums;
}

static void add_traffic(struct metrics *out, const char *name, const struct sums *sums)
{
    const struct {
        enum metric metric;
        uint64_t value;
    } counts[] = {
        {METRIC_HITS_FORCED, sums->hits_forced},
        {METRIC_HITS_OBSERVED, sums->hits_observed},
        {METRIC_MISSES_OBSERVED, sums->misses_observed},
        {METRIC_MISSES, sums->misses},
        {METRIC_COALESCED, sums->hits_coalesced},
        {METRIC_BYPASSES, sums->bypasses},
        {METRIC_WRITES, sums->writes},
        {METRIC_LOGINS, sums->client_login_count},
        {METRIC_QUERIES, sums->query_count},
        {METRIC_TRANSACTIONS, sums->xact_count},
        {METRIC_ASSIGNMENTS, sums->server_assignment_count},
        {METRIC_RECEIVED_BYTES, sums->received},
        {METRIC_SENT_BYTES, sums->sent},
    };
    metrics_add(out, METRIC_HITS, sums->hits_memory, "database", name, "tier", "memory", NULL);
    metrics_add(out, METRIC_HITS, sums->hits_redis, "database", name, "tier", "redis", NULL);
    for (unsigned i = 0; i < ARRAY_COUNT(counts); i++)
        metrics_add(out, counts[i].metric, counts[i].value, "database", name, NULL);
    metrics_add_real(out, METRIC_QUERY_SECONDS, seconds(sums->query_time), "database", name, NULL);
    metrics_add_real(out, METRIC_WAIT_SECONDS, seconds(sums->wait_time), "database", name, NULL);
}

static void add_hosts(const struct collect *collect, struct metrics *out)
{
    uint64_t stores = 0, moved = 0;
    uint64_t reasons[REASON_COUNT] = {0};
    for (unsigned i = 0; i < collect->host_count; i++) {
        const struct host *host = collect->hosts[i];
        stores += counter_read(&host->stores);
        moved += counter_read(&host->moved);
        for (unsigned reason = 0; reason < REASON_COUNT; reason++)
            reasons[reason] += counter_read(&host->bypass[reason]);
    }
    metrics_add(out, METRIC_STORES, stores, "tier", "memory", NULL);
    metrics_add(out, METRIC_STORES_REFUSED, moved, NULL);
    for (unsigned reason = REASON_NONE + 1; reason < REASON_COUNT; reason++)
        if (reasons[reason])
            metrics_add(out, METRIC_UNCACHED, reasons[reason], "reason",
                        reason_name((enum reason)reason), NULL);
}

static void add_rules(struct metrics *out)
{
    const struct conf *conf = conf_current();
    for (unsigned i = 0; i < conf->rule_count; i++) {
        const struct rule *rule = &conf->rules[i];
        const char *action = rule_action_text(rule->action);
        metrics_add(out, METRIC_RULE_STATEMENTS, rule_counts_applied(rule->counts), "rule",
                    rule->name, "action", action, NULL);
        metrics_add(out, METRIC_RULE_HITS, rule_counts_hits(rule->counts), "rule", rule->name,
                    "action", action, NULL);
    }
}

/* ---- the tiers ---- */

static void add_cache(const struct collect *collect, struct metrics *out)
{
    struct cache_stats stats;
    if (!collect->cache)
        return;
    cache_stats(collect->cache, &stats);
    metrics_add(out, METRIC_ENTRIES, stats.entries, NULL);
    metrics_add(out, METRIC_MEMORY_BYTES, stats.bytes, NULL);
    metrics_add(out, METRIC_MEMORY_LIMIT_BYTES, stats.bytes_max, NULL);
    metrics_add(out, METRIC_EVICTIONS, stats.evictions, NULL);
    metrics_add(out, METRIC_INVALIDATED, stats.invalidations, NULL);
    metrics_add(out, METRIC_EXPIRATIONS, stats.expirations, NULL);
}

static void add_redis(const struct collect *collect, struct metrics *out)
{
    struct redis_stats sum = {0};
    unsigned connections = 0, up = 0;
    for (unsigned i = 0; i < collect->host_count; i++) {
        struct host *host = collect->hosts[i];
        struct redis_stats stats = {0};
        /* The worker takes the connection away under this mutex when it ends. */
        pthread_mutex_lock(&host->stats_mutex);
        bool has_redis = host->redis != NULL;
        if (has_redis)
            redis_stats(host->redis, &stats);
        pthread_mutex_unlock(&host->stats_mutex);
        connections += has_redis;
        up += has_redis && stats.state == REDIS_UP;
        sum.gets += stats.gets;
        sum.hits += stats.hits;
        sum.timeouts += stats.timeouts;
        sum.errors += stats.errors;
        sum.puts += stats.puts;
        sum.put_drops += stats.put_drops;
        sum.breaker_opens += stats.breaker_opens;
        sum.bytes_in += stats.bytes_in;
        sum.bytes_out += stats.bytes_out;
    }
    if (!connections)
        return;
    metrics_add(out, METRIC_STORES, sum.puts, "tier", "redis", NULL);
    metrics_add(out, METRIC_REDIS_UP, up == connections, NULL);
    metrics_add(out, METRIC_REDIS_GETS, sum.gets, NULL);
    metrics_add(out, METRIC_REDIS_HITS, sum.hits, NULL);
    metrics_add(out, METRIC_REDIS_TIMEOUTS, sum.timeouts, NULL);
    metrics_add(out, METRIC_REDIS_ERRORS, sum.errors, NULL);
    metrics_add(out, METRIC_REDIS_DROPS, sum.put_drops, NULL);
    metrics_add(out, METRIC_REDIS_BREAKER_OPENS, sum.breaker_opens, NULL);
    metrics_add(out, METRIC_REDIS_RECEIVED_BYTES, sum.bytes_in, NULL);
    metrics_add(out, METRIC_REDIS_SENT_BYTES, sum.bytes_out, NULL);
}

/* ---- databases and pools ---- */

static void add_pool(struct metrics *out, const char *database, struct pool *pool)
{
    struct pool_counts counts;
    pool_count(pool, &counts);
    const struct {
        const char *state;
        unsigned count;
    } states[] = {{"active", counts.active},
                  {"being_canceled", counts.canceled},
                  {"idle", counts.idle},
                  {"login", counts.login},
                  {"tested", counts.resetting}};
    const char *user = pool->role;
    for (unsigned i = 0; i < ARRAY_COUNT(states); i++)
        metrics_add(out, METRIC_SERVERS, states[i].count, "database", database, "user", user,
                    "state", states[i].state, NULL);
    metrics_add(out, METRIC_SERVERS_MAX, pool_size_of(pool), "database", database, "user", user,
                NULL);
    metrics_add(out, METRIC_CLIENTS_WAITING, counts.waiting, "database", database, "user", user,
                NULL);
    metrics_add_real(out, METRIC_WAIT_LONGEST_SECONDS, seconds(counts.maxwait_us), "database",
                     database, "user", user, NULL);
    metrics_add(out, METRIC_SERVER_LOGINS, atomic_load(&pool->stats->logins), "database", database,
                "user", user, NULL);
    metrics_add(out, METRIC_SERVER_LOGIN_FAILURES, atomic_load(&pool->stats->login_failures),
                "database", database, "user", user, NULL);
    metrics_add(out, METRIC_SERVER_RESETS, atomic_load(&pool->stats->resets), "database", database,
                "user", user, NULL);
}

static void add_database(const struct collect *collect, struct metrics *out,
                         struct database *database)
{
    const char *name = database->name;
    struct realm *realm = database->realm;
    enum control_state state = control_state(database->control);
    struct sums sums = sum_of(collect, database);
    add_traffic(out, name, &sums);
    metrics_add(out, METRIC_CLIENTS, atomic_load(&database->client_count), "database", name, NULL);
    metrics_add(out, METRIC_PAUSED, atomic_load(&database->paused), "database", name, NULL);
    metrics_add(out, METRIC_INVALIDATIONS, atomic_load(&realm->invalidations), "database", name,
                NULL);
    metrics_add(out, METRIC_LOST_BACKENDS, atomic_load(&realm->lost), "database", name, NULL);
    metrics_add(out, METRIC_CACHE_OPEN, collect->cache && realm_is_open(realm), "database", name,
                NULL);
    metrics_add(out, METRIC_CONTROL_READY, state == CONTROL_READY, "database", name, NULL);
    metrics_add(out, METRIC_CONTROL_STATE, 1, "database", name, "state", control_state_text(state),
                NULL);
    metrics_add(out, METRIC_CATALOG_VERSION, realm_wanted(realm), "database", name, NULL);
    struct pool *pool;
    for (unsigned i = 0; (pool = pool_at(database, i)) != NULL; i++)
        add_pool(out, name, pool);
}

void collect_metrics(void *context, struct metrics *out)
{
    const struct collect *collect = context;
    metrics_add(out, METRIC_BUILD_INFO, 1, "version", collect->version, NULL);
    metrics_add(out, METRIC_WORKERS, collect->host_count, NULL);
    metrics_add(out, METRIC_CONNECTIONS, atomic_load(&session_clients), NULL);
    metrics_add(out, METRIC_CLIENTS_MAX, (uint64_t)conf_current()->options.max_client_conn, NULL);
    add_hosts(collect, out);
    add_rules(out);
    add_cache(collect, out);
    add_redis(collect, out);
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;)
        add_database(collect, out, database);
}

/* ---- health ---- */

/* What all pools of a database have. */
struct reach {
    bool logged_in; /* a server has let us in since the start */
    bool connected; /* and one does now */
};

static struct reach reach_of(struct database *database)
{
    struct reach reach = {0};
    struct pool *pool;
    for (unsigned i = 0; (pool = pool_at(database, i)) != NULL; i++) {
        struct pool_counts counts;
        pool_count(pool, &counts);
        reach.logged_in |= atomic_load(&pool->stats->logins) > 0;
        reach.connected |= counts.idle + counts.active + counts.canceled + counts.resetting > 0;
    }
    return reach;
}

/* True if the control connection was wanted and has failed since it was last ready, be it that it
 * waits for the next try or tries right now. */
static bool control_fails(struct database *database)
{
    char error[2];
    enum control_state state = control_state(database->control);
    return state != CONTROL_IDLE && state != CONTROL_READY &&
           control_error(database->control, error, sizeof(error))[0] != 0;
}

/* With a line for "*" clients choose names: one that no server knows says nothing of us. */
static bool has_own_line(struct database *database)
{
    const struct conf_database *line = atomic_load(&database->conf);
    return line && strcmp(line->name, "*") != 0;
}

bool collect_healthy(void *context, struct buf *out_reason)
{
    const struct collect *collect = context;
    if (atomic_load(collect->stopping)) {
        buf_append_text(out_reason, "stopping");
        return false;
    }
    unsigned wanted = 0, lost = 0;
    const char *first = "";
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;) {
        struct reach reach = reach_of(database);
        if (control_state(database->control) == CONTROL_IDLE ||
            !(reach.logged_in || has_own_line(database)))
            continue;
        wanted++;
        if (!control_fails(database) || reach.connected)
            continue;
        if (!lost++)
            first = database->name;
    }
    if (!lost || lost < wanted)
        return true;
    buf_printf(out_reason, "no server of database \"%s\" can be reached", first);
    if (lost > 1)
        buf_printf(out_reason, ", nor of %u more", lost - 1);
    return false;
}
