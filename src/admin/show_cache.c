/* SHOW CACHE, SHOW CATALOG. */
#include <inttypes.h>
#include <stdio.h>

#include "coherence/realm.h"
#include "console_inside.h"
#include "gather.h"
#include "show.h"
#include "sql/catalog.h"
#include "stats.h"
#include "upstream/control.h"

SHAPE(show_cache, TEXT("name"), TEXT("value"));
SHAPE(show_catalog, TEXT("database"), TEXT("cached"), TEXT("control_state"), TEXT("control_error"),
      INT8("catalog_version"), INT8("catalog_bytes"), INT8("lost_answers"), INT8("invalidations"),
      INT8("hits_memory"), INT8("hits_redis"), INT8("misses"), INT8("bypasses"), INT8("writes"),
      TEXT("hit_rate"));

enum { ERROR_TEXT_MAX = 512, PERCENT_HUNDREDTHS = 10000 };

static void add_number(struct rows *rows, const char *name, uint64_t value)
{
    rows_text(rows, name);
    rows_num(rows, value);
}

/* Hits of all reads that could be cached, in percent; "-" when there were none. */
static void add_rate(struct rows *rows, const struct stats *stats)
{
    uint64_t hits = stats->values[STAT_hits_memory] + stats->values[STAT_hits_redis];
    uint64_t reads = hits + stats->values[STAT_misses];
    if (reads) {
        uint64_t rate = (uint64_t)((double)hits * PERCENT_HUNDREDTHS / (double)reads);
        rows_printf(rows, "%" PRIu64 ".%02" PRIu64 "%%", rate / 100, rate % 100);
    } else {
        rows_text(rows, "-");
    }
}

/* ---- SHOW CACHE ---- */

static void add_reads(struct rows *rows)
{
    struct stats sum = {0};
    struct database *database;
    uint64_t invalidations = 0, lost = 0;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;) {
        struct stats one;
        stats_total(database, &one);
        stats_add(&sum, &one);
        invalidations += atomic_load(&database->realm->invalidations);
        lost += atomic_load(&database->realm->lost);
    }
    add_number(rows, "hits_memory", sum.values[STAT_hits_memory]);
    add_number(rows, "hits_coalesced", sum.values[STAT_hits_coalesced]);
    add_number(rows, "hits_redis", sum.values[STAT_hits_redis]);
    add_number(rows, "hits_forced", sum.values[STAT_hits_forced]);
    add_number(rows, "hits_observed", sum.values[STAT_hits_observed]);
    add_number(rows, "misses_observed", sum.values[STAT_misses_observed]);
    add_number(rows, "misses", sum.values[STAT_misses]);
    add_number(rows, "bypasses", sum.values[STAT_bypasses]);
    rows_text(rows, "hit_rate");
    add_rate(rows, &sum);
    add_number(rows, "writes", sum.values[STAT_writes]);
    add_number(rows, "invalidations", invalidations);
    add_number(rows, "lost_answers", lost);
}

/* Whether each database is cached now. */
static void add_databases(struct rows *rows)
{
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;) {
        bool stale = false;
        struct catalog *catalog = realm_catalog(database->realm, &stale);
        rows_printf(rows, "cached.%.100s", database->name);
        rows_text(rows, show_cached(database, catalog, stale));
        catalog_unref(catalog);
    }
}

static void add_memory(struct rows *rows)
{
    struct cache_stats stats = {0};
    if (console_world.config.cache)
        cache_stats(console_world.config.cache, &stats);
    add_number(rows, "entries", stats.entries);
    add_number(rows, "bytes", stats.bytes);
    add_number(rows, "bytes_max", stats.bytes_max);
    add_number(rows, "evictions", stats.evictions);
    add_number(rows, "dead_entries", stats.invalidations);
    add_number(rows, "expirations", stats.expirations);
}

static uint64_t sum_hosts(size_t offset)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < console_world.config.host_count; i++) {
        const char *host = (const char *)console_world.config.hosts[i];
        sum += counter_read((const counter *)(const void *)(host + offset));
    }
    return sum;
}

static void add_redis(struct rows *rows, const struct gather *gather)
{
    struct redis_stats sum = {0};
    unsigned connections = 0;
    for (unsigned i = 0; i < gather->count; i++) {
        const struct redis_stats *one = &gather->parts[i].redis;
        if (!gather->parts[i].has_redis)
            continue;
        /* The state that is furthest from well; CONNECTING is the first of the enum. */
        if (!connections++ || sum.state == REDIS_UP)
            sum.state = one->state;
        sum.gets += one->gets;
        sum.hits += one->hits;
        sum.misses += one->misses;
        sum.timeouts += one->timeouts;
        sum.errors += one->errors;
        sum.puts += one->puts;
        sum.put_drops += one->put_drops;
        sum.breaker_opens += one->breaker_opens;
        sum.bytes_in += one->bytes_in;
        sum.bytes_out += one->bytes_out;
        sum.bytes_saved += one->bytes_saved;
    }
    rows_text(rows, "redis_state");
    rows_text(rows, connections ? redis_state_text(sum.state) : "none");
    if (!connections)
        return;
    add_number(rows, "redis_gets", sum.gets);
    add_number(rows, "redis_hits", sum.hits);
    add_number(rows, "redis_misses", sum.misses);
    add_number(rows, "redis_timeouts", sum.timeouts);
    add_number(rows, "redis_errors", sum.errors);
    add_number(rows, "redis_puts", sum.puts);
    add_number(rows, "redis_put_drops", sum.put_drops);
    add_number(rows, "redis_breaker_opens", sum.breaker_opens);
    add_number(rows, "redis_bytes_in", sum.bytes_in);
    add_number(rows, "redis_bytes_out", sum.bytes_out);
    add_number(rows, "redis_bytes_saved", sum.bytes_saved);
}

static void add_bypasses(struct rows *rows)
{
    for (unsigned reason = 0; reason < REASON_COUNT; reason++) {
        uint64_t count = sum_hosts(offsetof(struct host, bypass) + reason * sizeof(counter));
        if (!count)
            continue;
        rows_printf(rows, "bypass_%s", reason_name((enum reason)reason));
        rows_num(rows, count);
    }
}

static void finish_cache(struct request *request, const struct gather *gather)
{
    struct rows *rows = &request->rows;
    rows_text(rows, "state");
    rows_text(rows, console_world.config.cache ? "on" : "off");
    add_memory(rows);
    add_reads(rows);
    add_number(rows, "stores", sum_hosts(offsetof(struct host, stores)));
    add_number(rows, "moved", sum_hosts(offsetof(struct host, moved)));
    add_redis(rows, gather);
    add_bypasses(rows);
    add_databases(rows);
}

void run_show_cache(struct request *request)
{
    gather_begin(request, 0, gather_redis, finish_cache);
}

/* ---- SHOW CATALOG ---- */

const char *show_cached(struct database *database, const struct catalog *catalog, bool stale)
{
    const struct conf_database *line = atomic_load(&database->conf);
    if (!console_world.config.cache || !line || line->cache == 0)
        return reason_text(REASON_CACHE_OFF);
    if (!realm_is_open(database->realm))
        return "the server is not identified";
    if (database_strangers(database))
        return "its server connections lead to different servers";
    if (database_is_mixed(database))
        return "a standby, one of several hosts";
    if (database_is_barred(database))
        return "a write that was lost on its server is not proven over";
    if (!catalog)
        return reason_text(stale ? REASON_CATALOG_STALE : REASON_NO_CATALOG);
    return "yes";
}

static void add_catalog(struct rows *rows, struct database *database)
{
    char error[ERROR_TEXT_MAX] = "";
    bool stale = false;
    struct catalog *catalog = realm_catalog(database->realm, &stale);
    struct stats stats;
    stats_total(database, &stats);
    rows_text(rows, database->name);
    rows_text(rows, show_cached(database, catalog, stale));
    rows_text(rows, control_state_text(control_state(database->control)));
    rows_text(rows, control_error(database->control, error, sizeof(error)));
    rows_num(rows, catalog ? catalog_version(catalog) : 0);
    rows_num(rows, catalog ? catalog_bytes(catalog) : 0);
    rows_num(rows, atomic_load(&database->realm->lost));
    rows_num(rows, atomic_load(&database->realm->invalidations));
    rows_num(rows, stats.values[STAT_hits_memory]);
    rows_num(rows, stats.values[STAT_hits_redis]);
    rows_num(rows, stats.values[STAT_misses]);
    rows_num(rows, stats.values[STAT_bypasses]);
    rows_num(rows, stats.values[STAT_writes]);
    add_rate(rows, &stats);
    catalog_unref(catalog);
}

void run_show_catalog(struct request *request)
{
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;)
        if (database->realm && database->control)
            add_catalog(&request->rows, database);
    request_done(request);
}
