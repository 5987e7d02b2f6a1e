/* What the files behind upstream/control.h share: the struct, and its jobs.
 *
 * A job is a run of queries that belong together (identify, load, check, look for the gone). One job
 * runs at a time; when it ends, the next one begins, or the control sleeps until one is due.
 *
 *   control.c           states, failures, which job is next
 *   control_wish.c      what other threads want
 *   control_follow.c    the configuration, server connections and addresses that have changed
 *   control_dial.c      whom to connect to and as whom; addresses; opening the connection
 *   control_identify.c  who the server is; the settings; whether the catalog has moved
 *   catalog_load.c      a snapshot: one transaction, then the build on libuv's thread pool
 *   control_gone.c      backends that are to be proven gone
 *   control_conn.c      libpq on a loop
 */
#pragma once

#include "base/buf.h"
#include "control_conn.h"
#include "hosts.h"
#include "upstream/control.h"

enum {
    CONTROL_BACKOFF_MIN_MS = 500,
    CONTROL_BACKOFF_MAX_MS = 10000,
    CONTROL_MIXED_MS = 10000,    /* between two tries to be on the same server as all backends */
    CONTROL_LOAD_PAUSE_MS = 20,  /* from the end of one load to the start of the next */
    CONTROL_LOAD_RETRY_MS = 200, /* after a load that the server refused, e.g. DDL was in the way */
    CONTROL_LOAD_TRIES_MAX = 5,
    CONTROL_GONE_FIRST_MS = 20, /* from pg_terminate_backend to the first look */
    CONTROL_GONE_LOOK_MS = 200,
};

/* Where and as whom to connect. Ours, but for nothing borrowed. */
struct control_target {
    char *hosts; /* names, addresses, directories of a Unix socket, as the configuration has them */
    char *ports;
    int attrs; /* an enum target_attrs */
    char *dbname;
    char *user;
    char *password; /* NULL: none known */
    bool of_client; /* user and password are those of control_want */
};

struct control_job {
    void (*on_row)(struct control *control, const PGresult *row);
    void (*on_done)(struct control *control, const struct control_failure *failure);
    void (*on_abandoned)(struct control *control); /* the connection is gone; may be NULL */
};

struct control_dial;
struct catalog_load;

struct control {
    struct database *database;
    struct link link; /* in the list of all controls */

    /* Any thread. */
    _Atomic(int) state;
    _Atomic(bool) settled; /* wanted, and it needs no other role: control_want has nothing to do */
    _Atomic(bool) nudged;  /* the nudge is on its way */
    _Atomic(bool) wish_load;
    _Atomic(bool) wish_verify;
    struct loop_post nudge;
    pthread_mutex_t mutex; /* of the next three */
    char *role;            /* of control_want */
    char *password;
    char *error;

    /* The main loop from here on. */
    bool timer_open; /* `timer` is initialised and not closing */
    bool failing;    /* the last failure was logged, and nothing has worked since */
    unsigned failures;
    uv_timer_t timer; /* the deadline of CONNECTING, the end of BACKOFF, else the next job */
    struct control_target target;
    const struct conf_database
        *line;                    /* of a configuration to which we have a reference; NULL: none */
    struct host_walk walk;        /* of several hosts */
    char host[CONF_HOST_LEN_MAX]; /* where it stands */
    int port;
    uint64_t mixed_at_ms; /* when something was last done about strangers */
    uint64_t conf_seen;   /* number of the configuration that `target` was made from; 0: none */
    struct control_dial *dial; /* while addresses are looked up */
    struct control_conn *conn;
    const struct control_job *job; /* that runs; NULL: the connection is free */
    struct buf query;              /* scratch: the text of a query */

    bool identify_needed;
    unsigned identify_step;
    struct control_identity identity;
    struct control_identity identity_coming;
    char *settings;    /* the settings' fingerprint as last seen, over reconnects; NULL: never */
    char *text_coming; /* of the query that runs */

    bool loaded; /* a snapshot was delivered on this connection */
    bool load_needed;
    uint64_t load_not_before_ms;
    unsigned load_tries;
    struct catalog_load *load;
    char *fingerprint; /* of the snapshot last delivered */
    uint64_t check_at_ms;
    unsigned check_step;

    struct link gones;
    uint64_t look_at_ms;
    struct control_gone *terminating;
};

extern struct loop *control_loop;          /* the main loop */
extern struct control_hooks control_hooks; /* set by control_init */

/* Begins a job on a free connection, and its next queries. */
void control_begin(struct control *control, const struct control_job *job);
void control_query(struct control *control, const char *text);
/* Ends the running job; the next one follows. */
void control_end(struct control *control);

/* Closes the connection, tells on_lost, and tries again later. `message` is copied. */
void control_fail(struct control *control, const char *message);

/* Begins the most urgent job that is due, or sleeps until one is. */
void control_next(struct control *control);
/* The same; connects first if that is not done. */
void control_wake(struct control *control);

/* The configuration has no such database any more, or names no role: waits for control_want. */
void control_rest(struct control *control, const char *why);
/* The line that counts now, with a reference on its configuration; NULL: none. */
void control_take_line(struct control *control, const struct conf_database *line);

void control_wishes_init(struct control *control);
void control_follow(struct control *control, uint64_t now_ms); /* at each tick */

bool control_stopped(void); /* control_stop_all was called; on the main loop */

/* The name of this host of the line leads to these addresses now: dials again if it is on another one. */
struct addresses;
void control_follow_dns(struct control *control, unsigned host, const struct addresses *addresses);

/* A snapshot was delivered. */
void control_loaded(struct control *control);

/* The row's first column into control->text_coming; for on_row. */
void control_take_text(struct control *control, const PGresult *row);

/* What moves when new logins would get other settings: one row, one text. */
extern const char control_settings_query[];
/* text_coming is the answer to that query: tells on_settings if it has moved. */
void control_settings_seen(struct control *control);

/* control_dial.c */

/* False: no role is known to connect as. The caller frees with control_target_fini. */
bool control_target_make(struct control *control, struct control_target *out);
void control_target_fini(struct control_target *target);
bool control_target_equal(const struct control_target *a, const struct control_target *b);
/* Connects to control->target: control_dialled or control_fail follows. */
void control_dial_start(struct control *control);
void control_dial_stop(struct control *control);
/* The addresses are known and the connection is begun. */
void control_dialled(struct control *control, const char *const *keywords,
                     const char *const *values);

/* The jobs. */
void control_identify_start(struct control *control);
void control_check_start(struct control *control);
void catalog_load_start(struct control *control);
void control_gone_start(struct control *control);
/* control->identity is that of the server that the connection is on now; before on_identity. */
void control_gone_identified(struct control *control);
void control_gone_drop_all(struct control *control);
/* When control_gone_start is due: 0 at once, UINT64_MAX never. */
uint64_t control_gone_due_ms(const struct control *control);
