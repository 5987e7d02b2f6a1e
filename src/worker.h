/* One worker: a thread with a loop, its listeners, its sessions and its Redis connection. */
#pragma once

#include <pthread.h>

#include "net/loop.h"
#include "session/host.h"

struct worker {
    struct loop loop;
    struct host host;
    pthread_t thread;
    struct link listeners;
    struct loop_ticker ticker;
    bool stopping;
};

enum { WORKERS_MAX = 64 };

struct workers {
    struct worker *all;
    unsigned count;
    struct cache *cache;
};

/* Opens the listening sockets of every worker; every failure is logged.
 * ERR_SYSTEM  one could not be opened: the process should end. */
MUST_USE enum err workers_init(struct workers *workers, unsigned count, struct cache *cache);
void workers_start(struct workers *workers);

/* Stops listening and ends sessions as `end` says. Any thread; may be repeated. workers_join waits for
 * the threads. */
void workers_stop(struct workers *workers, enum host_end end);
/* A catalog came: tells every worker. Any thread. */
void workers_catalog_came(struct workers *workers);
void workers_join(struct workers *workers);
void workers_fini(struct workers *workers);
