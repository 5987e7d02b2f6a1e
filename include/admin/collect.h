/* Where the numbers of admin/metrics.def come from, and whether the process is healthy.
 *
 * Nothing here is counted anew: what workers, pools, cache, Redis and control connections count anyway
 * is read, summed over the workers, and named. Metrics are of databases, not of roles: sessions count
 * by database.
 *
 * Threads  Both callbacks may run on any thread, one at a time or several; they take locks for as
 *          long as a list is copied, none that a hit takes.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "admin/metrics.h"
#include "session/host.h"

struct collect {
    struct host *const *hosts; /* borrowed: until http_stop */
    unsigned host_count;
    struct cache *cache;     /* NULL: the cache is off */
    const char *version;     /* literal */
    _Atomic(bool) *stopping; /* set once the process begins to end */
};

/* For http_config: `context` is a struct collect. */
void collect_metrics(void *context, struct metrics *out);

/* Healthy: the process lets clients in, and of the databases that are in use at least one can be
 * reached. Out of reach is one whose control connection fails and to which no server connection
 * stands. A single database that is down is no reason: it must not take the others from their
 * clients. The reason names a database, never addresses or errors, since whoever reaches the port may
 * read it; SHOW CATALOG says more. */
bool collect_healthy(void *context, struct buf *out_reason);
