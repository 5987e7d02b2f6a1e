/* What one statement may do, as far as its text and the catalog prove it.
 *
 * Deny by default: a verdict starts as "not cacheable, may write anything, may change the session"
 * and each part is taken back only where it is proven. `reason` says the first thing that stood
 * against caching, `object` the name that caused it.
 */
#pragma once

#include <stdbool.h>

#include "base/hash.h"
#include "base/slice.h"
#include "sql/key_value.h"

/* X(NAME, text for people). The order is the order in which reasons are shown. */
#define REASONS(X)                                                                                 \
    X(NONE, "cacheable")                                                                           \
    X(CACHE_OFF, "the cache is off")                                                               \
    X(NO_CATALOG, "the catalog of this database is not loaded")                                    \
    X(CATALOG_STALE, "the catalog changed and is being reloaded")                                  \
    X(DOUBTFUL_TEXT, "the text cannot be cut into tokens with certainty")                          \
    X(TOO_LONG, "the text is longer than the limits for analysis")                                 \
    X(SYNTAX, "the parser does not know this syntax")                                              \
    X(SEVERAL_STATEMENTS, "more than one statement")                                               \
    X(EMPTY, "an empty query")                                                                     \
    X(NOT_A_QUERY, "not a SELECT, VALUES or TABLE")                                                \
    X(WRITES, "it writes")                                                                         \
    X(ROW_LOCK, "it locks rows")                                                                   \
    X(SELECT_INTO, "SELECT INTO creates a table")                                                  \
    X(SQL_VALUE_FUNCTION, "it asks for the time or the user")                                      \
    X(TABLESAMPLE, "TABLESAMPLE")                                                                  \
    X(SYSTEM_COLUMN, "a system column")                                                            \
    X(FUNCTION, "a function that is not proven to depend on its arguments alone")                  \
    X(OPERATOR, "an operator that is not proven to depend on its arguments alone")                 \
    X(TYPE, "a type or cast that is not proven safe")                                              \
    X(MAGIC_DATE, "a constant that may mean the current time")                                     \
    X(UNKNOWN_RELATION, "a relation that the catalog does not have")                               \
    X(SYSTEM_RELATION, "a system relation")                                                        \
    X(RELATION_KIND, "a relation of a kind that is not cached")                                    \
    X(TEMPORARY, "a temporary relation")                                                           \
    X(ROW_SECURITY, "row security")                                                                \
    X(VIEW, "a view whose definition is not proven")                                               \
    X(COLUMN_TYPE, "a column of a type that is not proven safe")                                   \
    X(COLUMN_NAME, "a column reference that may call a function")                                  \
    X(EXPRESSION, "an expression that is not known to be safe")                                    \
    X(TOO_MANY_TABLES, "more tables than an entry can depend on")                                  \
    X(IN_TRANSACTION, "inside a transaction block")                                                \
    X(SESSION_STATE, "the session has state that is not part of the key")                          \
    X(SESSION_SETTINGS, "a setting of the session rules it out")                                   \
    X(PIPELINE, "part of a pipeline")                                                              \
    X(ROW_LIMIT, "Execute with a row limit")                                                       \
    X(PARAMETERS, "parameters that cannot be part of a key")                                       \
    X(CLOSED, "a write to one of its tables is on its way")                                        \
    X(BACKEND_DIFFERS, "the backend's settings differ from the session's")                         \
    X(ANSWER, "the answer came with a notice, an error or a changed setting")                      \
    X(TOO_BIG, "the answer is larger than max_entry")                                              \
    X(MOVED, "a table changed while the answer was on its way")                                    \
    X(RULE, "a rule says never")                                                                   \
    X(HINT, "a comment of the statement says so")                                                  \
    X(SESSION_OFF, "pgrecall.cache is off in this session")                                        \
    X(OBSERVE, "observed only: nothing is served")

#define REASON_ENUM(name, text) REASON_##name,
enum reason { REASONS(REASON_ENUM) REASON_COUNT };
#undef REASON_ENUM

const char *reason_text(enum reason reason); /* for people */
const char *reason_name(enum reason reason); /* "not_a_query": for counters */
/* True if the reason concerns nothing but the answer, so that an operator may know better. */
bool reason_is_forceable(enum reason reason);

/* What a statement may do to the session that the pool must know. */
enum effect {
    EFFECT_WRITES_ALL = 1 << 0, /* may change any table of the database */
    EFFECT_DDL = 1 << 1,        /* may change the catalog: the snapshot is stale afterwards */
    EFFECT_GLOBAL = 1 << 2,     /* may change what other databases show (roles, ALTER SYSTEM) */
    EFFECT_TX_BEGIN = 1 << 3,   /* may open a transaction block */
    EFFECT_TX_END = 1 << 4,     /* may commit or roll back (COMMIT, ROLLBACK, CALL, DO, ...) */
    EFFECT_PIN = 1 << 5,        /* may leave state on the backend: see pin */
    EFFECT_UNPIN = 1 << 6,      /* DISCARD ALL: the state of built-in settings is gone */
    EFFECT_DIRTY = 1 << 7,      /* with PIN: DISCARD ALL does not undo it (custom settings, LOAD,
                                     unknown functions): the backend is closed, not reused */
    EFFECT_DEALLOCATE = 1 << 8, /* drops prepared statements by SQL */
    EFFECT_SET_LOCAL = 1 << 9,  /* changes settings up to the end of the transaction */
    EFFECT_TRACK = 1 << 11,     /* sql/setting.h may know what it does to the session's settings */
    EFFECT_ASK = 1 << 10,       /* with WRITES_ALL: Postgres can be asked, see below */
    EFFECT_VACUUM = 1 << 14, /* VACUUM, ANALYZE: does less while another session has a snapshot */
    EFFECT_NAMES = 1 << 15,  /* speaks of prepared statements by SQL: PREPARE, EXECUTE */
    /* What is known of sequences; so may whatever has WRITES_ALL, DDL or DIRTY. */
    EFFECT_SEQUENCE =
        1 << 16,              /* may move what currval and lastval say (nextval, a serial column) */
    EFFECT_LASTVAL = 1 << 17, /* may ask for it */
    EFFECT_RUNS = 1 << 18,    /* EXECUTE: what was prepared, which no text at hand shows */
    EFFECTS_SEQUENCES = EFFECT_SEQUENCE | EFFECT_LASTVAL,
};

/* EFFECT_ASK: all that makes the statement one of EFFECT_WRITES_ALL (and of EFFECT_DDL, if it is)
 * is called code (a function, a trigger) that runs inside the transaction of the statement, cannot
 * end it, and cannot write but through it. So as long as that transaction is open, Postgres knows
 * what was written so far:
 *   - pg_current_xact_id_if_assigned() IS NULL: nothing, neither rows nor the catalog.
 *   - Else every table that was written is locked by this backend, until the transaction ends, in
 *     RowExclusiveLock or stronger (pg_locks; TRUNCATE, which pg_stat_xact_all_tables does not
 *     show, is among them). Rows of pg_catalog that were written (n_tup_* of
 *     pg_stat_xact_sys_tables, where track_counts is on) mean DDL.
 * What follows must take the closure of each table (catalog_write_closure): a deferred trigger
 * runs inside COMMIT, after the answer. It replaces EFFECT_WRITES_ALL and EFFECT_DDL, never
 * EFFECT_PIN: the session's state is another question. One statement of the transaction that is
 * EFFECT_WRITES_ALL without EFFECT_ASK: nothing can be learned by asking. */

/* Why a session holds its backend. */
#define PINS(X)                                                                                    \
    X(NONE, "")                                                                                    \
    X(SETTING, "a setting was changed")                                                            \
    X(TEMPORARY, "a temporary table")                                                              \
    X(LISTEN, "LISTEN")                                                                            \
    X(CURSOR, "a cursor")                                                                          \
    X(PREPARED, "PREPARE")                                                                         \
    X(LOCK, "a session advisory lock")                                                             \
    X(FUNCTION, "a function that may change the session")                                          \
    X(SEQUENCE, "currval or lastval may follow")                                                   \
    X(UNKNOWN, "a statement that may change the session")
#define PIN_ENUM(name, text) PIN_##name,
enum pin { PINS(PIN_ENUM) PIN_COUNT };
#undef PIN_ENUM
const char *pin_text(enum pin pin);

enum {
    VERDICT_TABLES_MAX = 32,
    VERDICT_OBJECT_MAX = 64,
    VERDICT_KEYS_MAX = 24,
    VERDICT_COLUMNS_MAX = 8
};

/* Where the value of a key stands. A verdict is kept for statements of one shape, so it says where
 * and never what. */
enum key_source {
    KEY_FROM_ELSEWHERE, /* not in the statement */
    KEY_FROM_LITERAL,   /* the constant with this number, see scan_literals */
    KEY_FROM_NEGATIVE,  /* the same, with a minus before it */
    KEY_FROM_PARAMETER, /* $n */
    KEY_FROM_TRUE,
    KEY_FROM_FALSE,
    KEY_FROM_NULL,
};

/* "column = value" of one of the tables of a verdict. */
struct verdict_key {
    uint32_t column; /* stands for its name */
    uint16_t number; /* see source */
    uint16_t cast;   /* the value is cast to this type; 0: it is not */
    uint8_t table;   /* position in reads, or in writes */
    uint8_t type;    /* enum key_type, of the column */
    uint8_t source;  /* enum key_source */
    bool array;      /* column = ANY (value) */
    bool assigned;   /* a row gets the value */
    bool once;       /* the parameter occurs here only */
};

/* A column of the table that a keyed write changes. */
struct verdict_column {
    uint32_t column;
    bool open; /* the values that it has, or gets, in the written rows are not known */
};

enum { VERDICT_UNKNOWN_MAX = 4 };

/* About temporary tables that only their session can know: those that are nothing but columns. */
struct verdict_temporary {
    uint64_t makes; /* it makes the one whose name has this hash; 0: none */
    bool other; /* it makes something temporary that runs code, in the place of what a name means to
                 * the snapshot: from then on no verdict on this session's statements holds */
    bool keeps; /* it makes none, and leaves those that are there what they are */
    uint8_t unknown_count; /* > 0: all that the snapshot lacks are these names, ... */
    uint64_t unknown[VERDICT_UNKNOWN_MAX]; /* ... hashed; without a schema, or with pg_temp */
    /* The verdict, if all of these names are such tables of the session. */
    enum pin pin;
    unsigned effects;
    uint16_t write_count;
};

struct verdict {
    uint64_t catalog_version; /* of the snapshot it was proven on */
    enum reason reason;       /* REASON_NONE: cacheable */
    unsigned effects;         /* enum effect */
    enum pin pin;
    bool
        forceable; /* not cacheable, but a rule may say so: it reads, and the reason is one of those
                     * that concern the answer alone */
    bool runs_code;       /* of users, by name: it may be replaced before it gets there */
    uint16_t read_count;  /* cacheable or forceable: what an entry depends on */
    uint16_t write_count; /* without EFFECT_WRITES_ALL: what it may change, closure included */
    uint32_t reads[VERDICT_TABLES_MAX];  /* relation OIDs; a partition stands as its root */
    uint32_t writes[VERDICT_TABLES_MAX]; /* the same */
    /* Keys: only the rows of reads[i] that have one of its keys are read, if bit i of keyed_reads is
     * set; only the rows of writes[keyed_write] that have one of the keys are written, if
     * column_count > 0: then columns are all key columns of that table. */
    uint32_t keyed_reads;
    uint8_t key_count;
    uint8_t keyed_write;
    uint8_t column_count;
    struct verdict_key keys[VERDICT_KEYS_MAX];
    struct verdict_column columns[VERDICT_COLUMNS_MAX];
    struct verdict_temporary temporary;
    char object[VERDICT_OBJECT_MAX]; /* what caused `reason`; may be "" */
    /* For the session: which rules (conf/rules.h) the statement meets; of no set of rules at first. */
    uint64_t rules_number;
    uint64_t rules;
};

/* Notes that beside a verdict, in the memo or wherever it is. */
static inline void verdict_set_rules(const struct verdict *verdict, uint64_t number, uint64_t rules)
{
    struct verdict *mine = (struct verdict *)(uintptr_t)verdict;
    mine->rules_number = number;
    mine->rules = rules;
}

struct catalog;

/* What the names of a statement mean to its session. */
struct proof_scope {
    struct slice search_path;  /* as current_setting says it; data == NULL: not known */
    struct slice current_user; /* "$user" */
};

/* The key of a verdict that was made under this scope. */
struct hash128 proof_scope_mix(const struct proof_scope *scope, struct hash128 key);

/* The name of the key column that a verdict_key of relation `oid` speaks of, or NULL. Lives as long as
 * the snapshot. */
const char *verdict_key_name(const struct catalog *catalog, uint32_t oid, uint32_t column);

/* Proves what can be proven about `text` (the client's text, not the canonical one).
 *
 * catalog  NULL: nothing about tables and functions is known; the verdict still tells BEGIN from
 *          COMMIT from SET, and everything that reads or writes tables may write anything.
 * scan_flags  what scan_text said of it.
 * scope  where unqualified names are looked for; NULL, or one that is not known: in all schemas.
 *        It must hold for the whole text: of several statements one may move it, so then it is not
 *        used.
 *
 * Never fails; always sets all of *out. Any thread of the fixed set of workers may call it
 * (libpg_query keeps its state per thread and takes a pthread key per thread for good).
 */
void verdict_prove(struct slice text, unsigned scan_flags, const struct catalog *catalog,
                   const struct proof_scope *scope, struct verdict *out);

/* Visits each relation that the text reads, by any schema its name may mean, with the OIDs of what it
 * stands for: a view's tables, a partition's root. For EXPLAIN CACHE; it parses the text anew. */
typedef void verdict_on_read(void *context, const char *name, const uint32_t *tables,
                             unsigned count);
void verdict_each_read(struct slice text, const struct catalog *catalog, verdict_on_read *on_read,
                       void *context);

/* A bounded memo of verdicts by 128-bit hash. One per worker, no locks. */
struct verdict_memo;
struct verdict_memo *verdict_memo_create(unsigned slots); /* rounded up to a power of two */
void verdict_memo_destroy(struct verdict_memo *memo);
/* Borrowed until the next call on this memo; NULL if not there or of another catalog version. */
const struct verdict *verdict_memo_get(struct verdict_memo *memo, struct hash128 key,
                                       uint64_t catalog_version);
const struct verdict *verdict_memo_put(struct verdict_memo *memo, struct hash128 key,
                                       const struct verdict *verdict);
