/* What all sessions of one worker share, and what one session shows to the console.
 *
 * Threads  A host belongs to its worker's loop. Counters are written by that worker alone and read
 *          by the console from any thread (COUNTER_READ); everything else stays on the loop.
 */
#pragma once

#include <stdatomic.h>

#include "base/buf.h"
#include "base/table.h"
#include "cache/memory.h"
#include "cache/redis.h"
#include "net/endpoint.h"
#include "net/loop.h"
#include "sql/verdict.h"
#include "upstream/database.h"

struct session;

/* A counter with one writer and any readers. */
typedef _Atomic(uint64_t) counter;

static inline void counter_add(counter *at, uint64_t by)
{
    atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + by,
                          memory_order_relaxed);
}

static inline uint64_t counter_read(const counter *at)
{
    return atomic_load_explicit(at, memory_order_relaxed);
}

/* X(name): what one database did on one worker; SHOW STATS sums them up. Times in microseconds. */
#define DATABASE_COUNTERS(X)                                                                       \
    X(server_assignment_count)                                                                     \
    X(xact_count)                                                                                  \
    X(query_count)                                                                                 \
    X(received)                                                                                    \
    X(sent)                                                                                        \
    X(xact_time)                                                                                   \
    X(query_time)                                                                                  \
    X(wait_time)                                                                                   \
    X(client_parse_count)                                                                          \
    X(server_parse_count)                                                                          \
    X(bind_count)                                                                                  \
    X(client_login_count)                                                                          \
    X(hits_memory)                                                                                 \
    X(hits_redis)                                                                                  \
    X(misses)                                                                                      \
    X(bypasses)                                                                                    \
    X(writes)                                                                                      \
    X(hits_coalesced)                                                                              \
    X(hits_forced)                                                                                 \
    X(hits_observed)                                                                               \
    X(misses_observed)                                                                             \
    X(replays)

struct database_stats {
    struct database *database;
    unsigned life; /* of the database: under another name it begins at nothing */
#define COUNTER_FIELD(name) counter name;
    DATABASE_COUNTERS(COUNTER_FIELD)
#undef COUNTER_FIELD
};

enum { HOST_DATABASES_MAX = 1024 };

struct host {
    struct loop *loop;
    struct cache *cache; /* NULL: the cache is off */
    unsigned reader;     /* this worker's number as a reader of the cache */
    struct redis *redis; /* NULL: memory alone */
    struct verdict_memo *memo;
    uint8_t *scratch;   /* canonical text of the statement at hand, SCAN_TEXT_MAX + 16 bytes */
    struct buf key;     /* the key being built */
    struct buf compose; /* messages being rewritten for a backend, or made for a client */
    struct link sessions;
    struct link holding;            /* those that keep a backend for currval or lastval */
    struct link unpinning;          /* those whose pin may have ended */
    struct sequence_habits *habits; /* what follows statements: session/sequences.h */
    unsigned session_count;
    struct table
        stats; /* struct database_stats by database pointer; grows only under stats_mutex */
    pthread_mutex_t stats_mutex;
    counter bypass[REASON_COUNT];
    counter stores;
    counter moved;            /* answers not stored because a table moved meanwhile */
    _Atomic(unsigned) placed; /* client connections given to this worker, for placing new ones */
    struct loop_ticker ticker;
    bool stopping; /* no new sessions; on_empty is called when the last one is gone */
    bool draining; /* and sessions end when they are idle */
    void (*on_empty)(struct host *host); /* the last session is gone */
};

void host_init(struct host *host, struct loop *loop);
void host_fini(struct host *host);

/* Takes over an accepted client socket. `console`: it came to the console's port.
 * `unix_socket`: it has no address. */
void host_accept(struct host *host, int fd, bool console, bool unix_socket);

/* How a host ends: no new sessions, and those there are ... A later one replaces an earlier one. */
enum host_end {
    HOST_END_CLIENTS, /* leave when they like */
    HOST_END_IDLE,    /* end as soon as they are idle */
    HOST_END_NOW      /* end at once */
};
void host_stop(struct host *host, enum host_end end);

/* A catalog came: statements of this host that wait for one are judged again. On its loop. */
void host_catalog_came(struct host *host);

/* The stats of `database` on this worker, made if need be. */
struct database_stats *host_stats(struct host *host, struct database *database);

/* Clients that log in or have logged in, for max_client_conn. */
extern _Atomic(unsigned) session_clients;

/* ---- for the console ---- */

/* Texts of prepared statements that are kept for clients, each once. Any thread. */
unsigned statement_registry_count(void);

/* A row of SHOW CLIENTS. Texts live for the call. */
struct session_view {
    uint64_t id;
    const char *user;
    const char *database;
    const char *state;
    struct endpoint remote, local; /* of its connection */
    uint64_t connected_wall_ms;
    uint64_t request_wall_ms;
    uint64_t wait_us;
    const char *pin;            /* why it holds its backend; "" */
    uint64_t pin_since_wall_ms; /* since when; 0: it does not, or for a moment */
    const char *application_name;
    uint64_t server_id; /* 0: none */
    unsigned prepared_statements;
    bool waiting, active, console;
};
/* Visits all sessions of the host, on its loop. */
void host_each_session(struct host *host,
                       void (*visit)(void *context, const struct session_view *view),
                       void *context);

/* Ends the session with this id, on its host's loop (KILL_CLIENT). False: there is none. */
bool host_kill(struct host *host, uint64_t id);

/* The console's side of a console session: it gets the client's messages after login. */
struct console_hooks {
    /* As stream_handler.on_input; answers with session_send. */
    size_t (*on_input)(struct session *session, const uint8_t *data, size_t len);
    void (*on_closed)(struct session *session);
    /* May this role open a console, and as an administrator? */
    bool (*may_enter)(struct slice user, bool *out_admin);
};
extern struct console_hooks session_console;

void session_send(struct session *session, const void *data, size_t len);
size_t session_pending(const struct session *session); /* bytes that wait to be sent */
void session_end(struct session *session);             /* flushes what is pending, then closes */
struct host *session_host(struct session *session);
bool session_console_admin(const struct session *session);
void **session_console_state(struct session *session); /* a pointer of the console's own */
void session_retry(struct session *session);           /* shows unconsumed input again */

/* A statement to be explained to the console. */
struct session_question {
    struct database *database;
    const char *role;
    struct slice sql;
    struct slice types;     /* of its parameters, as in Parse; empty: none are declared */
    struct slice arguments; /* as in Bind: formats, values, result formats; empty: not given */
};
typedef void session_explain_add(void *context, const char *name, const char *value);
struct explanation;

/* Explains it under the settings of some session of that role, if one has logged in. On the host's loop.
 * Not complete at once: `on_complete` will be called, once, when Redis has answered, after redis_timeout
 * at the latest. What is in `question` is not needed any more when this returns. */
struct explanation *session_explain(struct host *host, const struct session_question *question,
                                    void (*on_complete)(void *context), void *context,
                                    bool *out_complete);
/* One call of `add` for each row. */
void explanation_each(const struct explanation *explanation, session_explain_add *add,
                      void *context);
/* Takes NULL. on_complete is not called any more. */
void explanation_destroy(struct explanation *explanation);

/* Called (on the loop) by whoever finds that a backend of `database` died: the server may have been
 * restarted, so nothing is served until it has been asked. */
void session_server_lost(struct database *database);
