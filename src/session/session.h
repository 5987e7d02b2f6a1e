/* One client, from its first byte to its last: the struct and the functions by which the files of
 * this folder hand it to each other. What each state means stands above the list.
 *
 *   STARTUP ─► AUTH ─► WELCOME ─► READY ◄──────────────────────────┐
 *                                  │ a request ("unit")            │
 *                                  ├─ hit, local answer ───────────┤
 *                                  ├─► PROVING (for a catalog) ────┤
 *                                  ├─► COALESCING (another's fetch)┤
 *                                  ├─► LOOKUP (Redis) ── hit ──────┤
 *                                  │      └ miss ┐                 │
 *                                  ├─► WAITING (for a backend)     │
 *                                  │             └─► ACTIVE ── ReadyForQuery
 *   CONSOLE, DRAINING (client gone, backend not yet), CLOSING: from any
 *
 * A unit is what ends with one ReadyForQuery: a Query, a FunctionCall, or extended messages up to
 * Sync. Units are taken one after the other: the next one is looked at when the answer to the one
 * before has been relayed, so when a unit begins nothing is in flight for this client and its
 * transaction status is known.
 */
#pragma once

#include "base/log.h"
#include "cache/inflight.h"
#include "coherence/realm.h"
#include "net/endpoint.h"
#include "pgwire/answer.h"
#include "pgwire/encode.h"
#include "pgwire/frame.h"
#include "pgwire/request.h"
#include "pgwire/scram.h"
#include "session/host.h"
#include "session/lent.h"
#include "session/local_settings.h"
#include "session/owed.h"
#include "session/policy.h"
#include "session/prepared.h"
#include "session/sequences.h"
#include "session/transaction.h"
#include "session/unpin.h"
#include "sql/catalog.h"
#include "sql/scan.h"
#include "upstream/pool.h"
#include "upstream/profile.h"
#include "upstream/server.h"

#define TO(state) (1u << SESSION_##state)

/* X(name, allowed next states, text for SHOW CLIENTS) */
#define SESSION_STATES(X)                                                                          \
    X(STARTUP, TO(AUTH) | TO(WELCOME) | TO(CONSOLE) | TO(CLOSING), "login")                        \
    X(AUTH, TO(WELCOME) | TO(CONSOLE) | TO(CLOSING), "login")                                      \
    X(WELCOME, TO(READY) | TO(CLOSING), "login")                                                   \
    X(READY,                                                                                       \
      TO(PROVING) | TO(COALESCING) | TO(LOOKUP) | TO(WAITING) | TO(ACTIVE) | TO(CLOSING) |         \
          TO(DRAINING),                                                                            \
      "idle")                                                                                      \
    X(PROVING, TO(READY) | TO(CLOSING), "active")                                                  \
    X(COALESCING, TO(READY) | TO(CLOSING), "active")                                               \
    X(LOOKUP, TO(READY) | TO(CLOSING), "active")                                                   \
    X(WAITING, TO(READY) | TO(CLOSING), "waiting")                                                 \
    X(ACTIVE, TO(READY) | TO(DRAINING) | TO(CLOSING), "active")                                    \
    X(CONSOLE, TO(CLOSING), "idle")                                                                \
    X(DRAINING, TO(CLOSING), "closing")                                                            \
    X(CLOSING, 0, "closing")
#define SESSION_ENUM(name, next, text) SESSION_##name,
enum session_state { SESSION_STATES(SESSION_ENUM) SESSION_STATE_COUNT };
#undef SESSION_ENUM

enum {
    SESSION_HOMELESS_MS = 5000,        /* and how long nobody does, when one was not to be had */
    SESSION_HOME_MS = 250,             /* how long a login waits for a home */
    SESSION_OUTPUT_MAX = 128 * 1024,   /* unsent to the client: then the backend is paused */
    SESSION_FORWARD_MAX = 256 * 1024,  /* unsent to the backend: then the client is paused */
    SESSION_TEXT_MAX = 1 << 20,        /* a longer Query or unnamed Parse is streamed, not read */
    SESSION_NAMED_PARSE_MAX = 1 << 24, /* a longer named Parse is refused */
    SESSION_WHOLE_MAX = 64 * 1024,     /* messages that are read whole before they are relayed */
    SESSION_UNIT_MESSAGES = 16,        /* more in a unit: never a hit */
    SESSION_STATEMENTS_MAX = 65536,    /* named statements of one client */
    SESSION_PORTALS_MAX = 1024,
    SESSION_SECRET_MAX = 32,
    SESSION_ABSENT_MS = 1000,   /* between two questions whether a client still reads */
    SESSION_PROVING_MS = 10000, /* how long a statement waits for a catalog that is on its way */
    SESSION_SETTINGS_MS = 2000  /* and a login for settings that may have changed */
};

/* What a client's name for a prepared statement stands for. */
struct client_statement {
    struct statement *statement;
    uint64_t version; /* catalog version wanted when it was parsed: after DDL Postgres must judge */
    bool
        moved; /* judged again, since: its parameters may have other types than who prepares it now has */
    bool own;          /* its backend knows it under the client's name: own_names.c */
    uint64_t settings; /* session_parse_settings() when Postgres last judged it */
    struct prototype
        *prototype; /* what was made of it when it was prepared, a reference; NULL: not known */
};

/* What is known of all that SQL may EXECUTE. */
struct sql_prepared {
    uint64_t version; /* of the catalog that all of it was judged by; 0: there is nothing */
    bool unsure; /* some of it may leave more in the session than what it says, or was not judged */
};

/* How the answer of a unit could be stored. */
struct fill {
    bool on;
    struct flight flight; /* for those who miss the same meanwhile */
    uint32_t stamp_count;
    struct stamp *stamps; /* ours while it is on */
    struct hash128 hash;
    struct buf key;             /* the whole key, kept until the answer is there */
    struct buf answer;          /* what came so far, when it came in pieces */
    size_t start;               /* in the chunk at hand: where the answer begins */
    uint64_t begun_wall_ms;     /* when its statement was sent */
    uint64_t window_ms;         /* that it lives in */
    bool forced;                /* a rule or hint lets it be kept, not the proof */
    struct rule_counts *counts; /* of the rule that decided; NULL: none */
    bool spoiled;               /* it cannot be stored */
    bool complete;              /* CommandComplete was seen */
    enum reason reason;
    bool extended;
    bool in_block; /* it ends in status T */
    bool parsed;   /* a ParseComplete of the client's own is part of the answer */
    bool bound;
};

/* A COMMIT before which Postgres is asked what it commits: ask.h. */
enum unit_ask { UNIT_ASK_NOT, UNIT_ASK_FIRST, UNIT_ASKED, UNIT_ASK_FAILED };

/* The unit at hand. */
struct unit {
    bool begun;     /* it was looked at: the fields below hold */
    bool coalesced; /* it waited for another's fetch */
    bool alone;     /* it does not wait for one again */
    uint8_t fetches_awaited;
    uint64_t coalescing_since_ms;
    bool blind;        /* no catalog came in time: it goes on without */
    bool waited_fresh; /* the catalog was fresh when it began to wait for a backend */
    uint64_t proving_since_ms;
    bool forward;       /* decided: it goes to the backend */
    bool open;          /* ACTIVE: more messages of it are to come from the client */
    bool extended;      /* it ends with Sync */
    bool failed;        /* an error came: everything up to Sync is skipped */
    bool copying;       /* COPY FROM STDIN is on: the client's data goes to the backend */
    bool answered;      /* LOOKUP ended in a hit: its bytes only have to be consumed */
    uint8_t ask;        /* enum unit_ask */
    uint16_t completed; /* answers so far that end a statement: what it did may last */
    bool rolled_back;   /* the tag of one of them is ROLLBACK */
    bool discards;      /* DISCARD ALL or DEALLOCATE ALL was sent */
    uint64_t
        looked_id; /* the statement whose prototype was asked for, for the message to be sent next */
    uint64_t changed_id; /* one whose prototype is another than when it was prepared */
    uint64_t
        settled_id; /* the unnamed statement whose prototype was asked for before names moved */
    bool held;      /* nothing goes on before all that is owed has been answered */
    size_t
        pass_left; /* bytes of a message that is being passed on in pieces; may outlive its unit */
    size_t skip_left; /* bytes of a message that is being dropped; likewise */
    bool cancel_due;  /* a cancel came before its backend: it is sent behind the unit */
    size_t scanned;   /* bytes of it that are known to hold no Sync */
    unsigned effects; /* of everything forwarded so far */
    bool tainted;     /* something of it may have set what nobody follows */
    bool judged;      /* what it is going to do is known before it is sent: */
    unsigned ahead;   /* its effects */
    bool erred;       /* an ErrorResponse came */
    bool repairs;     /* its backend has no other settings than this unit makes: see replay.c */
    bool discarded;   /* DISCARD ALL was done on a backend that is lent, and nothing restored */
    bool constants;   /* something of it sets how constants are read */
    bool names;       /* or what names mean */
    struct setting_changes *bound_changes; /* what executing the unnamed portal would set; ours */
    enum pin pin;
    uint64_t since_us;
    size_t relay_left; /* of a message from the backend that is being relayed in pieces */
    bool relay_drop;   /* and whether it is swallowed */
    bool refused;      /* cancelled while it waited: skipped up to its end, then ReadyForQuery */
    bool streaming;    /* too long to be held: forwarded message by message */
};

struct login {
    struct pgwire_scram_server scram;
    struct pgwire_scram_secret secret;
    uint8_t salt[4];
    int method; /* enum auth_type in use */
    bool mock;  /* the role is unknown: fails whatever it says */
    bool scram_started;
    bool scram_proven;
    bool asked_ssl;
    bool asked_gss;
    bool cancels;           /* it is a CancelRequest, and waits for its end */
    bool waits;             /* for the catalog that is on its way: WELCOME */
    bool homeless;          /* no home came in time */
    uint64_t home_since_ms; /* waits for a home: WELCOME */
    uint64_t settings_since_ms;
    struct buf params; /* for the profile: name\0value\0 pairs */
    char *user;
    char *database;
    uint32_t protocol;
    uint64_t deadline_ms;
};

struct session {
    struct stream stream;
    enum session_state state;
    struct link link; /* in host->sessions */
    struct host *host;
    uint64_t id;
    struct login *login; /* until READY */
    char *user;          /* the role it logged in as */
    bool console_port;
    bool console_admin;
    bool unix_socket;
    bool fatal_relayed;   /* the backend said FATAL: its connection ends next */
    bool end_after_flush; /* CLOSING once the output is gone */
    bool counted;         /* in session_clients */
    bool no_more_input;   /* the client closed its side; it may still read: see absent.c */
    uint64_t asked_ms;    /* when it was last found out, or asked, whether it still reads */
    void *console_state;
    struct database *database;
    struct pool *pool;
    struct profile *profile;
    struct profile_facts *facts;
    struct database_stats *stats;
    char *application_name;
    struct endpoint remote_end, local_end; /* of the client's connection */
    uint64_t connected_wall_ms;
    uint64_t request_wall_ms;
    uint64_t idle_since_ms;
    uint64_t xact_since_us; /* when its transaction reached a backend; 0: none is open */
    /* Of the request and the transaction that a backend is busy with: when it got them. */
    uint64_t active_since_ms;
    uint64_t xact_active_ms;

    struct server *server; /* held */
    struct pool_waiter waiter;
    struct pool_home home; /* the backend it comes back to, whose process id the client was told */
    struct redis_lookup *lookup;
    struct flight_waiter flight_waiter; /* COALESCING */
    struct loop_post landed;            /* its fetch has ended */
    uint8_t status;                     /* of the last ReadyForQuery that the client got: I T E */
    struct transaction transaction;
    enum pin pin;
    uint64_t pin_since_wall_ms;
    struct unpin unpin;
    struct temporary *temporary; /* see temporary.h; NULL: none was made */
    struct sequence_use sequences;
    struct sql_prepared sql_prepared;
    bool own_names; /* prepared statements have the client's names at its backend */
    bool dirty;     /* DISCARD ALL would not undo what it did */
    struct unit unit;
    struct fill fill;
    struct owed owed;
    struct write_set written; /* in the transaction at hand */
    uint64_t written_version; /* catalog version that it was worked out from; 0: mixed */
    uint64_t judged_version;  /* of the first statement of this transaction that was; 0: none yet */
    struct closing closing;

    struct table statements; /* named ones: struct client_statement by name */
    struct table portals;    /* named ones: flags by name, see forward_portal.c */
    uint64_t unnamed_portal; /* flags of the unnamed one */
    uint64_t unit_number;
    bool local_settings;       /* SET LOCAL in this transaction */
    bool local_constants;      /* and of one by which constants are read */
    uint64_t local_path;       /* and of search_path: a hash of it, or SETTINGS_UNKNOWN; 0: not */
    struct settings *settings; /* in force, a reference; see settings.h */
    struct settings *settings_begin; /* what a rollback goes back to, a reference */
    struct session_lent lent;        /* see lent.h */
    struct savepoints *savepoints;   /* NULL: none */
    bool savepoints_unsure;          /* there are others than those */
    bool commits_unsure; /* something in this pipeline may have committed what came before it */
    bool tainted;        /* its settings are others than the list says: pinned until DISCARD ALL */
    bool unrestored;     /* its settings could not be given to the last backend */
    /* What its backend said of settings under which it cuts texts otherwise than we do. */
    bool strings_unsafe;
    bool encoding_unsafe;
    struct buf unnamed_query;
    struct buf unnamed_types;
    struct buf unnamed_canonical;
    struct hash128 unnamed_shape;
    unsigned unnamed_flags;
    struct slice unnamed_hint; /* in unnamed_query */
    bool unnamed_scanned;
    uint64_t unnamed_id;      /* 0: there is none */
    uint64_t unnamed_version; /* these four as in struct client_statement */
    bool unnamed_moved;
    uint64_t unnamed_settings;
    struct prototype *unnamed_prototype;

    struct local_settings local;       /* SET pgrecall.* */
    struct local_portal *local_portal; /* see local_answer.c; NULL: none */
    struct explanation *explanation;   /* being made, or not sent yet; NULL: none */
    uint64_t rules_number;             /* for which set of rules ... */
    uint64_t rules;                    /* ... these can be for this session: see policy.c */

    uint32_t cancel_pid;
    uint8_t cancel_secret[SESSION_SECRET_MAX];
    unsigned cancel_secret_len;
};

/* pgwire's slices and ours. */
static inline struct slice session_slice(struct pgwire_slice slice)
{
    return slice_of(slice.data, slice.len);
}

static inline struct pgwire_slice session_wire(struct slice slice)
{
    return (struct pgwire_slice){.data = slice.data, .len = slice.len};
}

void session_move(struct session *session, enum session_state next);
const char *session_state_text(const struct session *session);

/* ---- startup.c: everything before READY ---- */
size_t startup_on_input(struct session *session, const uint8_t *data, size_t len);
size_t auth_on_input(struct session *session, const uint8_t *data, size_t len);
void login_destroy(struct login *login);

/* ---- auth.c ---- */
/* Asks the client for its proof, or lets it in when none is needed. */
void auth_begin(struct session *session);
/* WELCOME: greets the client with what the last login of its profile taught, or learns it now. Called
 * again while login->waits. */
void auth_learn_facts(struct session *session);

/* ---- unit.c: what the client asks ---- */
size_t unit_on_input(struct session *session, const uint8_t *data, size_t len);
/* True if the client's next bytes have to wait for something else than more bytes. */
bool unit_is_busy(const struct session *session);
/* Nothing is under way any more, but for the rest of a message that is being passed on. */
void unit_reset(struct session *session);
/* True if its backend stays with the session between units. */
bool unit_keeps_server(const struct session *session);
/* The backend said ReadyForQuery: ends the unit. */
void unit_done(struct session *session, uint8_t status);
/* A backend is there, or the look-up said no: the unit at the head of the input goes on. */
void unit_got_server(struct session *session, struct server *server);
extern const struct server_user session_server_user;

/* ---- forward.c: client to backend ---- */
/* Passes messages of the unit at hand on; returns how many bytes it consumed. */
size_t forward_messages(struct session *session, const uint8_t *data, size_t len);
/* Notes what a statement may do before it goes to the backend; closes what must be closed. `query`
 * is the statement with its arguments, for the keys that it writes; NULL: it is not at hand. */
struct query;
void forward_effects(struct session *session, const struct query *query,
                     const struct verdict *verdict);
/* The same for what cannot be judged: it may do anything. */
void forward_unknown_effects(struct session *session);
/* True if constants may be read under other settings than session_constants() tells: a statement that
 * is prepared now is of this session and this backend alone. */
bool session_has_own_settings(const struct session *session);
/* The same, because a transaction that is open has set them. */
bool session_constants_may_change(const struct session *session);
/* A hash of the settings by which Parse reads constants and names, as far as they are not the login's.
 * SETTINGS_UNKNOWN: something that is under way, or that nobody follows, may move them. */
#define SETTINGS_UNKNOWN UINT64_MAX
uint64_t session_parse_settings(const struct session *session);
/* True if those of now are known to be these. */
static inline bool session_parses_by(const struct session *session, uint64_t settings)
{
    return settings != SETTINGS_UNKNOWN && settings == session_parse_settings(session);
}

/* True if DDL came after the first statement of this transaction was judged. */
bool session_is_overtaken(const struct session *session);

/* The backend's answer to `entry` came, or (failed) will never come: what the request changed among
 * the client's names and the backend's statements is kept or undone. */
void forward_settle(struct session *session, struct owed_entry *entry, bool failed);

/* ---- relay.c: backend to client ---- */
size_t relay_on_input(struct session *session, const uint8_t *data, size_t len);
/* Sends the local answers at the head of the queue. */
void relay_local(struct session *session);

/* ---- lookup.c: keys, hits and fills ---- */
enum lookup_outcome {
    LOOKUP_FORWARD, /* ask the backend (fill.on says whether the answer may be stored) */
    LOOKUP_HIT,     /* the answer was written */
    LOOKUP_WAIT     /* Redis was asked: on_found goes on */
};
struct query {
    struct slice text; /* the SQL as the client sent it */
    struct slice canonical;
    struct slice hint; /* the part of the text with a comment for us; empty: there is none */
    struct hash128 shape;
    unsigned scan_flags;
    bool scanned;
    bool extended;
    bool with_parse;    /* extended: the client is owed a ParseComplete */
    bool with_describe; /* extended: and a RowDescription */
    struct slice types;
    struct slice arguments; /* of Bind: formats, values, result formats */
};
enum lookup_outcome lookup_query(struct session *session, const struct query *query, bool more);
/* Why this session cannot use the cache now, whatever it asks. */
enum reason lookup_reason(struct session *session);
/* The key of a look-up; its bytes lie in the host's buffer. */
void lookup_key(struct session *session, const struct query *query, const struct policy *policy,
                struct entry_key *out);
/* Fills in what the scan of query->text said; canonical lies in the host's scratch memory. */
void query_scan(struct host *host, struct query *query);
/* Its shape, worked out unless it is known. */
struct hash128 query_shape(const struct query *query);
/* True if a parameter may mean the current time. */
bool query_has_magic_date(const struct query *query);
/* The verdict on a text; borrowed until the next call on this host. */
const struct verdict *lookup_verdict(struct session *session, const struct query *query);

/* ---- fill.c: an answer that is kept on its way ---- */
struct entry_key fill_key(const struct fill *fill); /* borrowed from it */
/* Keeps an answer in memory until the end of the window in which its statement was sent. */
void fill_keep(struct session *session, struct slice answer);
/* A message of this type begins at `at` of the chunk at hand: is it one that may be kept? */
void fill_see(struct session *session, uint8_t type, size_t at);
/* Keeps the part of the answer that lies in a chunk which ends before the answer does. */
void fill_keep_chunk(struct session *session, const uint8_t *data, size_t end);
/* ReadyForQuery came with status I: stores the answer if it may be. `answer` is the part of it
 * in the chunk at hand. */
void fill_store(struct session *session, struct slice answer);
void fill_end(struct session *session);
void fill_spoil(struct session *session, enum reason reason);

/* ---- times.c ---- */
/* ACTIVE, or READY: ends what has taken longer than the configuration allows. */
void times_tick(struct session *session, uint64_t now_ms);

/* ---- session.c ---- */
/* Nothing of it is under way, in no transaction. */
bool session_is_idle(const struct session *session);
/* Leaves whatever it waits for: a look-up, an answer of the console's, another's fetch, a backend. */
void session_leave_waits(struct session *session);
void session_fail(struct session *session, const char *sqlstate, const char *message,
                  const char *detail);
/* The same for a message that cannot be taken: of an unknown type (status OK: none that may come here),
 * or not a message at all. */
void session_fail_frame(struct session *session, enum pgwire_status status,
                        uint8_t type); /* FATAL, then closes */
/* The head of the client's message at `data`. False: more bytes are needed, or it is no message and the
 * session ends. */
bool session_read_frame(struct session *session, const uint8_t *data, size_t len,
                        struct pgwire_frame *out);
void session_error_bytes(struct buf *out, const char *severity, const char *sqlstate,
                         const char *message, const char *detail);
void session_release_server(struct session *session);
/* The backend is lost or its state is not certain: closes it; open closings wait until it is
 * provably gone. */
void session_drop_server(struct session *session);
/* The client's unnamed statement is this now; it is scanned, unless it is the same as before. */
void session_set_unnamed(struct session *session, struct slice query, struct slice types);
/* Fills text, types, canonical and what the scan said of the unnamed statement. */
void unnamed_query_of(struct session *session, struct query *query);

/* ---- absent.c: clients that have said their last ---- */
/* The client has closed its side. */
void absent_on_input_end(struct session *session);
/* After its last byte: ends what waits for more of them. */
void absent_go_on(struct session *session);
/* About once a second: finds out whether a client that has closed its side still reads. */
void absent_tick(struct session *session, uint64_t now_ms);
/* The client is gone while a backend works for it. */
void absent_drain(struct session *session);

/* ---- cancel_keys.c ---- */
void cancel_keys_add(struct session *session);
void cancel_keys_remove(struct session *session);
/* Finds the session with this key on any worker and asks its loop to cancel. `asker`, which has no
 * other purpose, is ended when that is done, so that its end means what it means at Postgres: what it
 * could hit was hit. */
void cancel_keys_request(struct session *asker, uint32_t pid, struct slice key);

/* ---- lost.c: answers that never came ---- */
void lost_await(struct session *session);

/* After what may have changed the catalog of this database, or (roles, settings) of all. */
void session_refresh_catalogs(struct database *database, bool all);
