/* SHOW STATS and its kin, with PgBouncer's columns in PgBouncer's order. */
#include <stdio.h>

#include "show.h"
#include "stats.h"
#include "upstream/database.h"

/* PgBouncer calls the averages of received and sent bytes by another name than the totals: "recv". */
#define TOTAL_COLUMNS                                                                              \
    NUMERIC("total_server_assignment_count"), NUMERIC("total_xact_count"),                         \
        NUMERIC("total_query_count"), NUMERIC("total_received"), NUMERIC("total_sent"),            \
        NUMERIC("total_xact_time"), NUMERIC("total_query_time"), NUMERIC("total_wait_time"),       \
        NUMERIC("total_client_parse_count"), NUMERIC("total_server_parse_count"),                  \
        NUMERIC("total_bind_count"), NUMERIC("total_client_login_count")
#define AVERAGE_COLUMNS                                                                            \
    NUMERIC("avg_server_assignment_count"), NUMERIC("avg_xact_count"), NUMERIC("avg_query_count"), \
        NUMERIC("avg_recv"), NUMERIC("avg_sent"), NUMERIC("avg_xact_time"),                        \
        NUMERIC("avg_query_time"), NUMERIC("avg_wait_time"), NUMERIC("avg_client_parse_count"),    \
        NUMERIC("avg_server_parse_count"), NUMERIC("avg_bind_count"),                              \
        NUMERIC("avg_client_login_count")

SHAPE(show_stats, TEXT("database"), TOTAL_COLUMNS, AVERAGE_COLUMNS);
SHAPE(show_stats_totals, TEXT("database"), TOTAL_COLUMNS);
SHAPE(show_stats_averages, TEXT("database"), AVERAGE_COLUMNS);
SHAPE(show_totals, TEXT("name"), INT8("value"));

_Static_assert(ARRAY_COUNT(columns_show_stats_totals) == 1 + STAT_PGBOUNCER,
               "the columns are the first counters of DATABASE_COUNTERS, in their order");
_Static_assert(ARRAY_COUNT(columns_show_stats) == 1 + 2 * STAT_PGBOUNCER, "as above");

static void add_values(struct rows *rows, const struct stats *stats)
{
    for (unsigned i = 0; i < STAT_PGBOUNCER; i++)
        rows_num(rows, stats->values[i]);
}

static void show(struct request *request, bool totals, bool averages)
{
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;) {
        struct stats stats;
        rows_text(&request->rows, database->name);
        if (totals) {
            stats_total(database, &stats);
            add_values(&request->rows, &stats);
        }
        if (averages) {
            stats_average(database, &stats);
            add_values(&request->rows, &stats);
        }
    }
    request_done(request);
}

void run_show_stats(struct request *request)
{
    show(request, true, true);
}

void run_show_stats_totals(struct request *request)
{
    show(request, true, false);
}

void run_show_stats_averages(struct request *request)
{
    show(request, false, true);
}

void run_show_totals(struct request *request)
{
    struct stats sum = {0}, averages;
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;) {
        struct stats one;
        stats_total(database, &one);
        stats_add(&sum, &one);
    }
    stats_average(NULL, &averages);
    for (unsigned i = 0; i < STAT_PGBOUNCER; i++) {
        rows_text(&request->rows, columns_show_stats[1 + i].name);
        rows_num(&request->rows, sum.values[i]);
    }
    for (unsigned i = 0; i < STAT_PGBOUNCER; i++) {
        rows_text(&request->rows, columns_show_stats[1 + STAT_PGBOUNCER + i].name);
        rows_num(&request->rows, averages.values[i]);
    }
    request_done(request);
}
