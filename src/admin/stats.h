/* The counters of each database, summed over the workers, and what they were at the ends of the last
 * two periods: averages are made of the difference.
 *
 * Threads  Any may read.
 */
#pragma once

#include "session/host.h"

enum stats_value {
#define STAT_ENUM(name) STAT_##name,
    DATABASE_COUNTERS(STAT_ENUM)
#undef STAT_ENUM
        STAT_COUNT,
    STAT_PGBOUNCER =
        STAT_client_login_count + 1 /* so many have PgBouncer's names, and come first */
};

struct stats {
    uint64_t values[STAT_COUNT];
};

void stats_add(struct stats *sum, const struct stats *more);

/* Since the start. */
void stats_total(struct database *database, struct stats *out);

/* Over the last whole period, PgBouncer's columns only: counts and bytes per second, times for each
 * (see SHOW STATS in commands.def). `database` NULL: of all together. */
void stats_average(struct database *database, struct stats *out);

extern const char *const stat_names[STAT_COUNT];
