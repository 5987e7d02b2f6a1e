#include "stats.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "console_inside.h"

const char *const stat_names[STAT_COUNT] = {
#define STAT_NAME(name) #name,
    DATABASE_COUNTERS(STAT_NAME)
#undef STAT_NAME
};

enum { SECOND_US = 1000000 };

/* A database's sums at the ends of the last two periods. */
struct period {
    unsigned life; /* of the database: another name, other sums */
    struct stats older, newer;
};

static struct {
    pthread_mutex_t mutex;
    struct period periods[DATABASES_MAX]; /* by the database's place */
    uint64_t older_us, newer_us;
    struct loop_ticker ticker;
    bool started;
} averages = {.mutex = PTHREAD_MUTEX_INITIALIZER};

void stats_add(struct stats *sum, const struct stats *more)
{
    for (unsigned i = 0; i < STAT_COUNT; i++)
        sum->values[i] += more->values[i];
}

static void add_host(struct host *host, struct database *database, struct stats *sum)
{
    pthread_mutex_lock(&host->stats_mutex);
    const struct database_stats *stats =
        table_get(&host->stats, slice_of(&database, sizeof(struct database *)));
    if (stats && stats->life == atomic_load(&database->life)) {
#define STAT_ADD(name) sum->values[STAT_##name] += counter_read(&stats->name);
        DATABASE_COUNTERS(STAT_ADD)
#undef STAT_ADD
    }
    pthread_mutex_unlock(&host->stats_mutex);
}

void stats_total(struct database *database, struct stats *out)
{
    *out = (struct stats){0};
    for (unsigned i = 0; i < console_world.config.host_count; i++)
        add_host(console_world.config.hosts[i], database, out);
}

/* ---- averages ---- */

static void end_period(uint64_t now_us)
{
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;) {
        struct period *period = &averages.periods[database->place];
        unsigned life = atomic_load(&database->life);
        struct stats total;
        stats_total(database, &total);
        pthread_mutex_lock(&averages.mutex);
        if (period->life != life)
            *period = (struct period){.life = life};
        period->older = period->newer;
        period->newer = total;
        pthread_mutex_unlock(&averages.mutex);
    }
    pthread_mutex_lock(&averages.mutex);
    averages.older_us = averages.newer_us;
    averages.newer_us = now_us;
    pthread_mutex_unlock(&averages.mutex);
}

static void on_tick(struct loop_ticker *ticker, uint64_t now_ms)
{
    (void)ticker;
    (void)now_ms;
    uint64_t now_us = clock_now_us();
    if (now_us - averages.newer_us >= conf_current()->options.stats_period_ms * 1000)
        end_period(now_us);
}

void stats_start(struct loop *main_loop)
{
    averages.newer_us = averages.older_us = clock_now_us();
    averages.ticker.tick = on_tick;
    averages.started = true;
    loop_add_ticker(main_loop, &averages.ticker);
}

void stats_stop(void)
{
    if (averages.started)
        loop_remove_ticker(&averages.ticker);
    averages.started = false;
}

static uint64_t each(const struct stats *moved, enum stats_value time, enum stats_value count)
{
    return moved->values[count] ? moved->values[time] / moved->values[count] : 0;
}

static void average(const struct stats *moved, uint64_t span_us, struct stats *out)
{
    *out = (struct stats){0};
    if (!span_us)
        return;
    for (unsigned i = 0; i < STAT_PGBOUNCER; i++)
        out->values[i] = (uint64_t)((double)moved->values[i] * SECOND_US / (double)span_us);
    out->values[STAT_xact_time] = each(moved, STAT_xact_time, STAT_xact_count);
    out->values[STAT_query_time] = each(moved, STAT_query_time, STAT_query_count);
    out->values[STAT_wait_time] = each(moved, STAT_wait_time, STAT_server_assignment_count);
}

void stats_average(struct database *database, struct stats *out)
{
    struct stats moved = {0};
    struct database *at;
    pthread_mutex_lock(&averages.mutex);
    uint64_t span_us = averages.newer_us - averages.older_us;
    pthread_mutex_unlock(&averages.mutex);
    for (unsigned i = 0; (at = database_next(&i)) != NULL;) {
        if (database && at != database)
            continue;
        pthread_mutex_lock(&averages.mutex);
        const struct period *period = &averages.periods[at->place];
        bool holds = period->life == atomic_load(&at->life);
        for (unsigned j = 0; holds && j < STAT_COUNT; j++)
            moved.values[j] += period->newer.values[j] - period->older.values[j];
        pthread_mutex_unlock(&averages.mutex);
    }
    average(&moved, span_us, out);
}
