/* The configuration: an ini file in PgBouncer's manner, the environment, the command line.
 *
 * Loading never stops at the first mistake: all of them are collected with file and line. What was
 * loaded is immutable; RELOAD loads a new one and swaps the pointer.
 *
 * Ownership  What conf_current() gives, and every line and text in it, is good until the callback returns
 *            from which it was called: conf_forget_before is called only when every loop has been through.
 *            Who keeps something longer has a reference (conf_ref). Threads that are no loops look at a
 *            configuration between conf_enter and conf_leave.
 */
#pragma once

#include <stdio.h>

#include "base/err.h"
#include "base/slice.h"
#include "conf/options.h"
#include "conf/rules.h"

/* Which of several servers will do. The names are libpq's. */
#define TARGET_ATTRS_NAMES "any|read-write|read-only|primary|standby|prefer-standby"
enum target_attrs {
    TARGET_ANY,
    TARGET_READ_WRITE,
    TARGET_READ_ONLY,
    TARGET_PRIMARY,
    TARGET_STANDBY,
    TARGET_PREFER_STANDBY,
};

/* With which of several hosts a new server connection begins. */
#define LOAD_BALANCE_NAMES "disable|round-robin|random"
enum load_balance { LOAD_BALANCE_DISABLE, LOAD_BALANCE_ROUND_ROBIN, LOAD_BALANCE_RANDOM };

enum { CONF_HOSTS_MAX = 16, CONF_HOST_LEN_MAX = 256 };

/* One line of [databases]. NULL or -1: not given. */
struct conf_database {
    const struct conf *conf; /* whose line it is: for conf_ref */
    const char *name;        /* "*" for the fallback */
    /* One or more, with commas; NULL: the unix socket directory /var/run/postgresql. */
    const char *host;
    const char *ports;  /* one for each host, or one for all; NULL: 5432 */
    int port;           /* the first */
    const char *dbname; /* NULL: the name the client asked for */
    const char *user;   /* forced user */
    const char *password;
    const char *control_user; /* who loads the catalog; NULL: see conf_control_user */
    const char *control_password;
    const char *client_encoding;
    const char *datestyle;
    const char *timezone;
    const char *application_name;
    const char *connect_query;
    int pool_size;
    int min_pool_size;
    int reserve_pool_size;
    int max_db_connections;
    int max_db_client_connections;
    int64_t server_lifetime;  /* ms */
    int pool_mode;            /* an enum pool_mode, or -1 */
    int target_session_attrs; /* an enum target_attrs */
    int load_balance_hosts;   /* an enum load_balance */
    int cache;                /* 0 off, 1 on, -1 not given */
};

/* One role: from [users] and from auth_file (userlist.txt). */
struct conf_user {
    const char *name;
    const char *secret; /* plain text, "md5..." or "SCRAM-SHA-256$..."; NULL: none known */
    int pool_size;
    int reserve_pool_size;
    int pool_mode;
    int max_user_connections;
    int max_user_client_connections;
    int64_t query_timeout; /* ms, as those below */
    int64_t transaction_timeout;
    int64_t idle_transaction_timeout;
    int64_t client_idle_timeout;
};

struct conf {
    struct options options;
    const char *file; /* NULL: made from the command line */
    uint64_t loaded_at_ms;
    /* lookups: conf_database_find, conf_user_find */
    struct conf_database *databases;
    unsigned database_count;
    struct conf_user *users;
    unsigned user_count;
    struct rule *rules; /* in the order in which they are looked at */
    unsigned rule_count;
    uint64_t number; /* grows with each that is made; never 0 */
};

/* Where and what: "pgrecall.ini:12: pool_sizes: unknown option". */
struct conf_mistakes {
    char *text; /* lines; ours: conf_mistakes_fini */
    unsigned count;
};
void conf_mistakes_fini(struct conf_mistakes *mistakes);

/* A pair from the command line (--name value), '-' and '_' alike. The file wins over the default,
 * the environment (PGRECALL_<NAME>, which conf_load reads itself) over the file, the command line
 * over all. */
struct conf_override {
    const char *name;
    const char *value;
};

/* Loads `file` (NULL: none) and, with a DSN (postgres://... or key=value ...; NULL: none), the one
 * database that it names under its own name, and its server as "*" (dbname NULL: whatever the client
 * asks for).
 *
 * mistakes  Zeroed by the caller, who calls conf_mistakes_fini whatever comes back.
 *
 * ERR_INVALID  with every mistake in *mistakes; *out was not set */
MUST_USE enum err conf_load(const char *file, const char *dsn,
                            const struct conf_override *overrides, unsigned override_count,
                            struct conf **out, struct conf_mistakes *mistakes);
void conf_destroy(struct conf *conf); /* one that never was the current one */

/* The hosts of a database's line, at least one; and one of them: "" is the default directory. */
unsigned conf_host_count(const struct conf_database *database);
void conf_host_at(const struct conf_database *database, unsigned index,
                  char out_host[CONF_HOST_LEN_MAX], int *out_port);

/* The database a client asked for: by name, else "*" (then dbname is NULL or a fixed one), else
 * NULL. */
const struct conf_database *conf_database_find(const struct conf *conf, struct slice name);
const struct conf_user *conf_user_find(const struct conf *conf, struct slice name);

/* Walks the table of options as texts, for SHOW CONFIG and the manual. False past the end. */
struct option_row {
    const char *name;
    const char *value; /* of conf; in a static or conf-owned buffer good until the next call */
    const char *default_value;
    const char *prose;
    bool reloadable;
};
bool conf_option_row(const struct conf *conf, unsigned index, struct option_row *out);

/* Changes one reloadable option of a copy of `conf` (console: SET name = value). The copy is the
 * caller's: conf_swap or conf_destroy.
 *
 * ERR_NOT_FOUND    no such option
 * ERR_INVALID      not a value of its type, or one that does not go with the others
 * ERR_RANGE        outside its range
 * ERR_UNSUPPORTED  it needs a restart */
MUST_USE enum err conf_set(const struct conf *conf, const char *name, const char *value,
                           struct conf **out);

/* Adds one rule before all others, to a copy of `conf` (console: RULE ADD name pairs).
 *
 * ERR_EXISTS    there is a rule of that name
 * ERR_TOO_MANY  RULES_MAX of them
 * ERR_INVALID   with the mistakes in *mistakes, zeroed by the caller, who frees them */
MUST_USE enum err conf_rule_add(const struct conf *conf, const char *name, const char *pairs,
                                struct conf **out, struct conf_mistakes *mistakes);

/* Takes one rule out of a copy of `conf`. ERR_NOT_FOUND: there is none of that name. */
MUST_USE enum err conf_rule_drop(const struct conf *conf, const char *name, struct conf **out);

/* Writes docs/config.md, and conf/pgrecall.ini, from the tables. */
void conf_write_manual(FILE *out);
void conf_write_sample(FILE *out);

/* The configuration in force, for any thread; NULL before the first conf_swap. */
const struct conf *conf_current(void);

/* Makes `conf` current and takes it along. Options that are not reloadable keep the value they
 * had, each with a line in the log. */
void conf_swap(struct conf *conf);

/* A reference: `conf` stays when it is forgotten. conf_unref takes NULL. Any thread. */
const struct conf *conf_ref(const struct conf *conf);
void conf_unref(const struct conf *conf);

/* A thread that is no loop looks at configurations in between: none is forgotten meanwhile. */
void conf_enter(void);
void conf_leave(void);

/* Nothing leads any more to configurations with a lower number that were current, and every loop has been
 * through since: they go, now or with the last conf_leave, but for those to which there is a reference. */
void conf_forget_before(uint64_t number);

/* How many there are, current or not, referred to or not yet forgotten. */
unsigned conf_count(void);

/* Forgets the current configuration and all that were so before. Only when no thread looks at any of
 * them: at the end of the process, and in tests. */
void conf_forget_all(void);
