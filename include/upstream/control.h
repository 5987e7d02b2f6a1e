/* The control connection of one database: libpq, asynchronous, on the main thread's loop. It loads
 * the catalog, knows which server this is, and finds out whether a lost backend is gone.
 *
 *   IDLE ─ wanted ─► CONNECTING ─► IDENTIFYING ─► LOADING ─► READY ─┬─ fingerprint moved, refresh ─► LOADING
 *                        ▲                                          ├─ verify ─► IDENTIFYING
 *                        └────────── back-off ◄──── any failure ◄───┘
 *
 * While it is not READY nothing of this database may be served from the cache: the realm's owner
 * learns of every change through the hooks. Losing the connection is the first sign of a restarted
 * server, so on_lost is called before anything else happens.
 *
 * Threads  The hooks run on the main loop. control_want, control_refresh, control_verify and
 *          control_await_gone may be called from any thread.
 */
#pragma once

#include "base/slice.h"
#include "net/loop.h"
#include "sql/catalog.h"
#include "upstream/database.h"

struct control;

/* Which server, which database: any change means that nothing learned before holds. */
struct control_identity {
    uint64_t system_identifier;
    uint32_t timeline;
    uint32_t database_oid;
    uint64_t postmaster_start_us; /* as pg_postmaster_start_time says, since 1970 */
    /* When the server's processes were last started anew. It moves with a crash recovery, which
     * leaves the postmaster's start as it was but can lose commits that others have seen
     * (synchronous_commit = off): part of the incarnation like the start itself. */
    uint64_t recovered_us;
    int server_version; /* e.g. 150018 */
    bool standby;
    bool read_only; /* a standby, or default_transaction_read_only */
};

struct control_hooks {
    /* Connected and identified, before any on_catalog. Called again after control_verify or a
     * reconnect; the receiver compares. After a reconnect a load and on_catalog always follow;
     * after control_verify on a connection that stood only if the catalog has moved. */
    void (*on_identity)(struct database *database, const struct control_identity *identity);
    /* The version to stamp the next snapshot with: asked just before its transaction begins. */
    uint64_t (*on_load)(struct database *database);
    /* A new snapshot; the reference goes to the receiver. */
    void (*on_catalog)(struct database *database, struct catalog *catalog);
    /* The snapshot delivered last still holds, as of `version` (which on_load returned). */
    void (*on_same)(struct database *database, uint64_t version);
    /* The connection is lost or could not be made: what is known may not hold any more. Called
     * again for every try that fails. */
    void (*on_lost)(struct database *database);
    /* pg_conf_load_time or the settings of roles and databases moved: backends must be recycled. */
    void (*on_settings)(struct database *database);
};

/* `hooks` is copied. Before any control is made. */
void control_init(struct loop *main_loop, const struct control_hooks *hooks);

/* On the main loop: closes all connections. No hook is called any more; those who wait in
 * control_await_gone get on_dropped. The loop must run until its handles are closed (loop_run sees
 * to that) before control_destroy. */
void control_stop_all(void);

/* Any thread; touches no loop. `database` must have conf, dbname and name set. */
struct control *control_create(struct database *database);
void control_destroy(struct control *control); /* after control_stop_all and the loop's end */

/* Somebody wants the cache of this database: connect if not connected. Cheap when it is. `role` and
 * `password` (may be NULL) are used when neither the database's line nor the options name a
 * control_user: those of the first client that logged in. */
void control_want(struct control *control, const char *role, const char *password);

/* On the main loop. True: there are those who wait in control_await_gone. */
bool control_awaits_gone(const struct control *control);

/* On the main loop, when nobody waits for a lost backend: as it was after control_create. No hook is
 * called. */
void control_forget(struct control *control);

/* The catalog changed (DDL seen): load it again soon; several wishes become one load. */
void control_refresh(struct control *control);

/* A backend died unexpectedly: ask the server who it is, then on_identity (or on_lost). */
void control_verify(struct control *control);

/* Calls on_gone (main loop) when backend `pid` is provably gone: the server says so, or the server
 * itself has been restarted since. Asks pg_terminate_backend once, then looks every 200 ms, for as
 * long as it takes, over reconnects.
 *
 *   WAITING ── the control connection is on another server than it ──► AWAY (on_away)
 *      │                                                                │ on its server again: the
 *      └──── gone: on_gone ◄────── gone ─────── BACK ◄──────────────────┘ database is barred
 *
 * What a backend of another server does is not seen here, and what it has done to that server's rows
 * is shown to nobody as long as no backend of ours is there (strangers.c). So nobody has to wait for
 * it while it is AWAY. If the control connection ever comes to that server, the database is barred
 * (database_is_barred) until the backend is gone.
 *
 * The caller sets backend_pid, server_us, on_gone, on_away, on_dropped, context; the rest belongs to
 * control. */
struct control_gone {
    struct loop_post post;
    struct link link;
    struct control *control;
    uint32_t backend_pid;
    /* Set by the caller: when its server was started; 0: not known. */
    uint64_t server_us;
    /* The incarnation it belonged to: that of the first connection which answered after the call
     * and still had the backend. 0 until then: what was known before the call may be out of date. */
    uint64_t postmaster_start_us;
    uint64_t backend_start_us; /* as first seen, 0: not shown to our role */
    bool away;
    bool asked;                                 /* to terminate */
    bool looked_for;                            /* the last look was about it ... */
    bool seen;                                  /* ... and found it */
    void (*on_gone)(struct control_gone *gone); /* frees it */
    /* Its closing may open; on_gone or on_dropped still comes. May be NULL. */
    void (*on_away)(struct control_gone *gone);
    /* The process ends and nothing is proven: frees it, opens nothing. May be NULL: then the memory
     * is left alone. On the main loop, or, when that has ended, on the caller's thread. */
    void (*on_dropped)(struct control_gone *gone);
    void *context;
};
void control_await_gone(struct control *control, struct control_gone *gone);

enum control_state {
    CONTROL_IDLE,
    CONTROL_CONNECTING,
    CONTROL_IDENTIFYING,
    CONTROL_LOADING,
    CONTROL_READY,
    CONTROL_BACKOFF
};
enum control_state control_state(const struct control *control); /* any thread */
const char *control_state_text(enum control_state state);
const char *control_error(const struct control *control, char *out, unsigned out_len);
