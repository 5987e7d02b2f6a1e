/* What every worker knows of its own, brought together on the loop that asks.
 *
 *   asking loop ── a post to each host's loop ──► part(host) ─┐
 *        ▲                                        part(host) ─┤ the last one
 *        └────────────────── finish(request) ◄────────────────┘
 *
 * No loop waits: each part runs when its loop gets to it, on memory of its own.
 */
#pragma once

#include "cache/redis.h"
#include "request.h"
#include "session/host.h"

/* A copy of one session_view. */
struct client {
    struct client *next;
    struct session_view view; /* texts lie behind */
};

struct gather;

/* What one host gave. */
struct gather_part {
    struct loop_post post;
    struct gather *gather;
    struct host *host;
    struct client *clients;
    unsigned client_count;
    bool has_redis;
    struct redis_stats redis;
    bool killed;
};

struct gather {
    struct request *request;
    void (*collect)(struct gather_part *part);
    void (*finish)(struct request *request, const struct gather *gather);
    struct loop_post home;
    _Atomic(unsigned) left;
    uint64_t number; /* for collect */
    unsigned count;
    struct gather_part parts[];
};

/* Runs `collect` on every host's loop, then `finish` on request->loop, which must not call
 * request_done: that follows by itself. If the session goes away meanwhile, finish is not called. */
void gather_begin(struct request *request, uint64_t number,
                  void (*collect)(struct gather_part *part),
                  void (*finish)(struct request *request, const struct gather *gather));

/* Collectors. */
void gather_clients(struct gather_part *part);
void gather_redis(struct gather_part *part);
void gather_kill(struct gather_part *part); /* ends the session with id `number` */

/* Walks the clients of all parts: start with NULL, and *part = 0. */
const struct client *gather_next(const struct gather *gather, const struct client *at,
                                 unsigned *part);
