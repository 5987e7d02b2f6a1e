/* SET pgrecall.cache, .window and .namespace: settings of a session that Postgres never sees.
 *
 * They follow transactions as Postgres' own do: a rollback undoes them, SET LOCAL lasts to the end of
 * the block, ROLLBACK TO goes back to the savepoint; in a pipeline without a block, an error undoes
 * what came before it up to the last Sync.
 *
 *   now      what holds
 *   kept     what a commit leaves
 *   before   what a rollback leaves; good while `changed`
 *   login    what RESET leaves: from the startup packet
 */
#pragma once

#include "base/slice.h"
#include "conf/rules.h"

struct session;

/* X(NAME, text): the values of pgrecall.cache. */
#define LOCAL_CACHES(X)                                                                            \
    X(ON, "on")                                                                                    \
    X(OFF, "off")                                                                                  \
    X(OBSERVE, "observe")
#define LOCAL_CACHE_ENUM(name, text) LOCAL_CACHE_##name,
enum local_cache { LOCAL_CACHES(LOCAL_CACHE_ENUM) LOCAL_CACHE_COUNT };
#undef LOCAL_CACHE_ENUM

enum {
    LOCAL_SAVEPOINTS_MAX = 32, /* deeper ones are not gone back to */
    LOCAL_SAVEPOINT_NAME = 64,
    LOCAL_VALUE_MAX = 128
};

struct local_values {
    enum local_cache cache;
    uint32_t window_ms; /* 0: not set */
    char name_space[RULE_NAMESPACE_MAX + 1];
};

struct local_savepoint {
    char name[LOCAL_SAVEPOINT_NAME];
    struct local_values now, kept;
};

struct local_settings {
    bool plain; /* `now` says nothing */
    bool changed;
    bool failed;      /* an error came in the unit at hand */
    bool rolled_back; /* and ROLLBACK was answered */
    struct local_values now, kept, before, login;
    struct local_savepoint *savepoints; /* LOCAL_SAVEPOINTS_MAX of them; NULL: none yet */
    unsigned savepoint_count;
};

enum local_kind { LOCAL_NONE, LOCAL_SET, LOCAL_RESET, LOCAL_SHOW, LOCAL_SEVERAL };
enum local_name { LOCAL_NAME_CACHE, LOCAL_NAME_WINDOW, LOCAL_NAME_NAMESPACE, LOCAL_NAME_UNKNOWN };

/* A statement about them. */
struct local_command {
    enum local_kind kind;
    enum local_name name;
    bool in_block;              /* SET LOCAL */
    bool to_default;            /* SET ... TO DEFAULT */
    bool list;                  /* more than one value */
    bool broken;                /* a syntax error at `text` */
    char text[LOCAL_VALUE_MAX]; /* the value; or what is wrong; cut when longer */
    char given_name[LOCAL_VALUE_MAX];
};

/* Reads a canonical text (sql/scan.h). False: it is not about pgrecall.*. LOCAL_SEVERAL: it is among
 * several statements (the scan says whether they are). */
bool local_command_read(struct slice canonical, bool several, struct local_command *out);

/* Sets one of `values` from a text. False: not a value of it. `value` NULL: its default. */
bool local_set(struct local_values *values, enum local_name name, const char *value);
enum local_name local_name_of(const char *name);
void local_show(const struct local_values *values, enum local_name name, char out[LOCAL_VALUE_MAX]);

/* For a session that has logged in with these. */
void local_begin(struct local_settings *local);
void local_fini(struct local_settings *local);
/* Before the first change in a transaction or unit. */
void local_note_change(struct local_settings *local);
/* After a change of `now`. */
void local_changed(struct local_settings *local);

/* A statement goes to the backend: DISCARD ALL, RESET ALL and what moves savepoints is noted. */
void local_see(struct session *session, struct slice canonical);
/* The end of a unit with this status, while session->status is still that of its beginning. */
void local_unit_done(struct session *session, uint8_t status);

/* A startup parameter "pgrecall.x": true if it was taken; false: it is wrong. */
bool local_startup(struct local_settings *local, struct slice name, struct slice value);
/* Takes -c pgrecall.x=y and --pgrecall.x=y out of `options` (the startup parameter); what is left goes
 * to `out`, in place of it. False: one of them is wrong, and *out_bad is it. */
bool local_startup_options(struct local_settings *local, struct slice options, char *out,
                           struct slice *out_bad);
