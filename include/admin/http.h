/* The port for machines that watch us: GET /health and GET /metrics, nothing that changes anything.
 *
 * Ownership  http_start makes the server, http_stop ends it.
 * Threads    The server has one thread of its own, and both callbacks run on it: they must only read
 *            what any thread may read, and be quick.
 * Source     Prometheus, "Exposition formats"; RFC 9110 for methods and status codes.
 */
#pragma once

#include "admin/metrics.h"
#include "base/err.h"

struct http_config {
    const char *address; /* a name or an address; "" or "*": all; borrowed for the call */
    int port;            /* 0: any free one, see http_port */
    /* Adds all numbers but those of metrics_add_process. */
    void (*collect)(void *context, struct metrics *out);
    /* True: healthy. Else appends why not, one line, to `out_reason`. */
    bool (*healthy)(void *context, struct buf *out_reason);
    void *context;
};

struct http;

/* Begins to serve.
 * ERR_INVALID  the address cannot be resolved.
 * ERR_SYSTEM   the port cannot be bound, or no thread can be made. Both are logged. */
MUST_USE enum err http_start(const struct http_config *config, struct http **out);

/* Ends open connections, waits for the thread. No callback runs any more. NULL is fine. */
void http_stop(struct http *http);

int http_port(const struct http *http);
