/* The pool of one (database, role): its backends on all workers, and who waits for one.
 *
 * Fairness  Waiters form one queue for the whole process, in the order in which they began to wait.
 *           A backend that becomes free goes to the first waiter that may have it (of its profile, or
 *           one that it is lent to: upstream/profile.h), whichever worker
 *           that waiter lives on (the connection moves there); when the first waiter of all has
 *           another profile and has waited POOL_PROFILE_PATIENCE_MS (or a backend has been idle
 *           that long), an idle or freed backend is closed and one with that waiter's profile is
 *           opened in its place.
 * Limits    pool_size (of the user's line, the database's, or default_pool_size: PgBouncer's order)
 *           bounds backends of the pool in every state, logging in included; max_db_connections
 *           those of the database, max_user_connections those of the role over all databases.
 *           Who has waited reserve_pool_timeout may have one of reserve_pool_size beyond pool_size.
 * Threads   Everything under database->mutex, held only for list work and for loop_post: never over
 *           another system call or a callback. Order: registry, database, loop.
 */
#pragma once

#include "base/link.h"
#include "net/loop.h"
#include "upstream/database.h"
#include "upstream/profile.h"

enum { POOL_PROFILE_PATIENCE_MS = 100, POOL_REMEMBERED_MAX = 32 };

struct server;
struct settings;

/* Why no backend came. Texts live until on_failed returns. */
struct pool_failure {
    char sqlstate[6];
    const char *message;
    const char *detail; /* may be NULL */
    bool from_server;   /* Postgres refused the login: `message` and SQLSTATE are its own */
};

struct pool_waiter {
    struct link link; /* in pool->waiters (database->mutex) */
    struct loop *loop;
    struct profile *profile;         /* borrowed: its owner holds a reference while it waits */
    bool native;                     /* it wants a server of this very profile, none that is lent */
    const struct settings *settings; /* what it wants the server to have; borrowed likewise */
    uint64_t since_us;               /* clock_now_us when it began to wait */
    uint64_t ticket;                 /* order of arrival in the process */
    uint64_t home;                   /* id of the server that it had best get; 0: any */
    bool wants_home;                 /* it wants none that is the home of somebody else */
    struct server *granted;          /* set under the mutex, delivered on the waiter's loop */
    struct loop_post post;
    int state;                    /* private to the pool; 0: does not wait */
    struct login_failure failure; /* private: what on_failed will say */
    /* Both on waiter->loop, never from within pool_wait. The server is ACTIVE: call server_use. */
    void (*on_ready)(struct pool_waiter *waiter, struct server *server);
    void (*on_failed)(struct pool_waiter *waiter, const struct pool_failure *failure);
};

struct pool {
    struct database *database;
    char *role;
    /* Under database->mutex from here on. */
    struct table profiles; /* by parameters */
    struct link waiters;
    struct link idle; /* most recently used first */
    struct link active;
    struct link login;            /* CONNECTING, LOGIN */
    struct link resetting;        /* RESETTING, MOVING */
    struct link closing;          /* until the socket is closed */
    unsigned connections;         /* of all five lists */
    unsigned canceling;           /* cancel requests under way */
    struct login_failure failure; /* the last one, if it concerns every profile */
    /* Plain profiles of late logins, references: what is known of them outlives their clients. */
    struct profile *remembered[POOL_REMEMBERED_MAX];
    unsigned remembered_next;
    struct profile *recent;    /* of the last login, a reference: min_pool_size is of this one */
    struct role_limit *limit;  /* connections of the role over all databases */
    uint8_t *scram_client_key; /* 32 bytes learned from a client's login, or NULL */
    char *scram_secret;        /* the SCRAM secret that key belongs to */
    struct pool_stats *stats;
    /* Somebody waited for a home in vain: until then (monotonic) nobody else does. */
    _Atomic(uint64_t) homeless_until_ms;
    uint64_t walk;    /* of the scheduler: its walks are numbered */
    bool look_at_all; /* and the next one may not end early */
    bool spare;       /* nobody has asked for it under its database's name of now */
};

/* What happened since the start; the session counts queries itself. */
struct pool_stats {
    _Atomic(uint64_t) assignments;    /* servers handed to a session */
    _Atomic(uint64_t) waits;          /* of these, to one that had to wait */
    _Atomic(uint64_t) wait_us;        /* how long those waited together */
    _Atomic(uint64_t) logins;         /* connections that became usable */
    _Atomic(uint64_t) login_failures; /* and those that did not */
    _Atomic(uint64_t) moves;          /* connections that went to another worker */
    _Atomic(uint64_t) resets;         /* server_reset_query sent */
    _Atomic(uint64_t) evictions; /* idle ones closed to make room for another profile or pool */
};

/* The pool of `role` in `database`, made if need be; lives until databases_fini. */
struct pool *pool_get(struct database *database, struct slice role);

/* The i-th pool of a database; NULL at the end. */
struct pool *pool_at(struct database *database, unsigned index);

/* An idle backend for sessions of this profile that `loop` itself holds, ACTIVE now, if nobody waits, the
 * database is not paused, and there is one; else NULL: then pool_wait. The fast path of a miss.
 * native  One of this very profile; else one that is lent will do.
 * settings  What it is to have: one that cannot be given them is not taken.
 * home  Id of the server that it had best be, 0: any. */
struct server *pool_take(struct profile *profile, bool native, const struct settings *settings,
                         struct loop *loop, uint64_t home);

/* The server connection that a client comes back to, and whose process id it was told. */
struct pool_home {
    uint64_t server_id; /* 0: none */
    uint32_t backend_pid;
};
enum home_offer {
    HOME_FOUND,    /* in *out_home */
    HOME_MAY_COME, /* none is idle, but there is room: pool_wait with wants_home, not for long */
    HOME_NONE      /* there is no room */
};
/* A home for a client that logs in. */
enum home_offer pool_find_home(struct profile *profile, struct loop *loop,
                               struct pool_home *out_home);
/* The same with a server that the caller was granted; none if it is somebody else's. */
struct pool_home server_make_home(struct server *server);
/* The client is gone. Clears *home. */
void pool_leave_home(struct pool *pool, struct pool_home *home);

/* Queues `waiter` (loop, profile, callbacks set). It ends by on_ready, on_failed (also after
 * query_wait_timeout), or pool_leave. */
void pool_wait(struct pool_waiter *waiter);

/* The waiter gives up: no callback follows. A backend granted meanwhile goes on to the next. */
void pool_leave(struct pool_waiter *waiter);

/* Closes idle backends and marks the others close_needed (RECONNECT, RELOAD of a changed line,
 * settings of roles changed). */
void pool_recycle(struct pool *pool);

/* A client of this role proved itself by SCRAM: these keys can log in to the backend too. */
void pool_learn_scram(struct pool *pool, const uint8_t client_key[32], const char *secret);

/* Called on the loop of a backend that was not in use when its connection ended without our doing
 * (for one in use the session knows). NULL: nobody. Set before the first pools_start. */
void pools_set_on_server_lost(void (*hook)(struct database *database));

/* The per-worker side: a ticker per loop keeps min_pool_size, idle and life times, query_wait and
 * login time-outs. Called once by each worker. */
void pools_start(struct loop *loop);
/* Closes every backend that this loop holds and stops its ticker (worker shut-down). On the loop's
 * thread, while it runs; its sessions are gone: nobody on it waits or uses a server. */
void pools_stop(struct loop *loop);

/* Counts of one pool at one moment, for SHOW POOLS and SHOW LISTS. Each server whose socket is open is
 * in one of `idle`, `active`, `login`, `resetting` and `canceled`. */
struct pool_counts {
    unsigned idle, active, login, resetting;
    unsigned canceled;  /* given back, and kept until no cancel can hit its next user */
    unsigned canceling; /* cancel requests under way, connections of their own */
    unsigned waiting;
    uint64_t maxwait_us;
};
void pool_count(struct pool *pool, struct pool_counts *out);

/* Visits every server of the pool under the lock: `visit` must only copy. For SHOW SERVERS. */
void pool_each_server(struct pool *pool, void (*visit)(void *context, const struct server *server),
                      void *context);
/* What is in force for a pool: limits.c. */
unsigned pool_size_of(const struct pool *pool);
unsigned pool_reserve_of(const struct pool *pool); /* reserve_pool_size */
int pool_mode_of(const struct pool *pool);         /* enum pool_mode */

/* How long its clients may take, in milliseconds; 0: no limit. */
struct pool_times {
    uint64_t query_ms, transaction_ms, idle_transaction_ms, client_idle_ms;
};
void pool_times_of(const struct pool *pool, struct pool_times *out);

/* Why a client who was just counted (database->client_count, limit->clients) is one too many, or
 * NULL. Static text. */
const char *pool_refuses_client(const struct pool *pool);

/* The clients that have logged in as this role, over all databases. */
unsigned role_clients(struct slice role);

/* The counts of a role, shared by its pools of all databases. */
struct role_limit {
    _Atomic(unsigned) connections;
    _Atomic(unsigned) clients;
    _Atomic(bool) pressed; /* somebody could not open: an idle one elsewhere should go */
};
