/* A database as clients name it: where it lives, its pools, and what its control connection knows.
 *
 * Databases are made when a client first asks for one that the configuration has (by name or by
 * "*"). The objects live until the process ends, so that everybody keeps plain pointers. A name that
 * came from "*" is collected when nobody has used it for a while (autodb.c): the object is vacant then,
 * no walk finds it, and it is given to another name later. Shared by all workers.
 *
 * Threads  database_get and all fields marked (lock) under the registry's or the database's mutex;
 *          atomics as named; `name` changes only while it is vacant.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/slice.h"
#include "base/table.h"
#include "conf/conf.h"

struct pool;
struct realm;
struct control;
struct loop;

struct database {
    char *name;
    _Atomic(const struct conf_database *) conf; /* of the configuration in force; NULL: gone */
    const char *dbname;  /* at the server: conf->dbname or name; fixed when made */
    struct realm *realm; /* generations and catalog; set by database_registry's on_created hook */
    struct control *control;
    pthread_mutex_t mutex;   /* of pools and of everything inside its pools */
    struct table pools;      /* by role (lock) */
    struct pool **pool_list; /* the same in the order in which they were asked for (lock) */
    unsigned pool_count;
    unsigned
        pool_spare_count; /* behind those: of roles that have not asked for it under this name */
    unsigned connections; /* backends of all its pools, logging in or in use (lock) */
    _Atomic(unsigned) client_count;
    _Atomic(bool) paused;
    _Atomic(unsigned) host_kept; /* of several hosts: the one that worked last */
    _Atomic(unsigned) host_turn;
    /* The server that the control connection is on (database_identified), 0: not known. */
    uint64_t server_started_us; /* (lock) */
    unsigned strangers;         /* backends that are on another one (lock) */
    _Atomic(bool) lagging;      /* it is a standby, one of several hosts */
    unsigned place;             /* below DATABASES_MAX, its own */
    _Atomic(unsigned) life; /* grows when its name is collected: sums kept beside it begin anew */
    bool automatic;         /* its name came from "*" (registry) */
    bool vacant;            /* (registry) */
    uint64_t vacant_ms;     /* since when (registry) */
    uint64_t used_ms;       /* when it was last seen in use: autodb.c */
    char *old_name;         /* kept for those who may still be reading it */
    _Atomic(bool) haunted;  /* a backend that was lost on it before may still commit */
};

/* Called once for a new database, before anybody else sees it: makes realm and control. */
enum { DATABASES_MAX = 4096 };

typedef void database_on_created(struct database *database);
void databases_init(
    database_on_created *on_created); /* may be NULL; runs under the registry's lock */
void databases_fini(void);            /* frees all; nobody may hold a backend any more */

/* The database a client asked for, made if need be; NULL if the configuration has none, or if there
 * are DATABASES_MAX (with a "*" line clients choose the names). */
struct database *database_get(struct slice name);

/* The same for a client, which counts until database_leave: its name is not collected meanwhile. */
struct database *database_enter(struct slice name);
void database_leave(struct database *database);

/* Walks all databases that have a name: *at begins at 0; NULL at the end. */
struct database *database_next(unsigned *at);

/* Every object there is, vacant ones included: index 0, 1, ...; NULL at the end. */
struct database *database_place(unsigned index);

/* On the main loop: collects names of a "*" line that nobody has used for autodb_idle_timeout, and those
 * that Postgres says do not exist. */
struct autodb_hooks { /* each may be NULL */
    /* False: something else than clients and server connections is still about it. */
    bool (*may_go)(struct database *database);
    /* Nothing can reach it any more: forget what belongs to the name. */
    void (*on_vacated)(struct database *database);
};
void autodb_start(struct loop *main_loop, const struct autodb_hooks *hooks);
void autodb_stop(void);

/* On the main loop: looks host names up again every dns_max_ttl, and closes server connections to
 * addresses to which they do not lead any more. */
void dns_start(struct loop *main_loop);
void dns_stop(void);

/* After conf_swap: points every database at its new line, or NULL where it is gone (its idle
 * backends are closed, its busy ones when they are given back). On the main loop, if there is one. */
void databases_reload(void);

/* From now on databases_reload lets go of the configurations before: when main_loop and all `workers`, the
 * loops of pools_start, have been through. NULL: no more. On the main thread. */
void databases_forget_old(struct loop *main_loop, unsigned workers);

/* PAUSE: no backend is handed out any more, idle ones are closed, busy ones when they are given
 * back; RESUME: waiters are served again. */
void database_pause(struct database *database, bool paused);

/* The same for all databases, those too that nobody has asked for yet. RESUME of one takes only that one
 * out. */
void databases_pause(bool paused);
bool databases_are_paused(void); /* those that nobody has asked for yet */

/* The control connection says which server it is on, by the start of its postmaster. Backends that
 * are on another one are strangers; if it was another one before, those close. `standby`: the server
 * follows another one. Any thread. */
void database_identified(struct database *database, uint64_t started_us, bool standby);

/* True while its backends may not all show what the control connection's server shows: nothing may
 * be cached. */
bool database_is_mixed(struct database *database);
unsigned database_strangers(struct database *database);

/* The same, or a lost write may still be committed on the control connection's server, and its tables
 * are not closed for it: nothing may be cached. */
bool database_is_barred(struct database *database);

/* Called, without a lock, when database_is_barred may have changed; a backend that is a stranger is
 * handed out only after it returned. Set before the first pools_start. */
void databases_set_on_mixed(void (*hook)(struct database *database));

/* Backends not idle (logging in and closing ones too): 0 says that a PAUSE has been reached. */
unsigned database_busy_count(struct database *database);
