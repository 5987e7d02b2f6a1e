/* One backend connection.
 *
 *                           ┌──── check ────┐
 *                           │          ┌────▼─► RESETTING ──► IDLE
 *   CONNECTING ─► LOGIN ─► IDLE ─► ACTIVE ────► IDLE
 *        │          │       │ ▲      ▲ │
 *        │          │       ▼ │      │ │
 *        │          │      MOVING ───┘ │   to another loop, then to the waiter it moved for
 *        └──────────┴───────┴──────────┴──► CLOSING (from any)
 *
 * While ACTIVE the server belongs to its user (a session, or the drain after a session is gone) and
 * every byte that arrives goes to server->user->on_input. In every other state upstream reads it:
 * an IDLE backend that sends anything but ParameterStatus, NoticeResponse or NotificationResponse,
 * or ends, is closed.
 *
 * Threads  The loop that holds it (stream.loop). Lists and counts are under database->mutex.
 */
#pragma once

#include "base/hash.h"
#include "net/endpoint.h"
#include "net/stream.h"
#include "upstream/pool.h"
#include "upstream/profile.h"
#include "upstream/settings.h"

#define SERVER_STATES(X)                                                                           \
    X(CONNECTING, "login")                                                                         \
    X(LOGIN, "login")                                                                              \
    X(IDLE, "idle")                                                                                \
    X(ACTIVE, "active")                                                                            \
    X(RESETTING, "tested")                                                                         \
    X(MOVING, "idle")                                                                              \
    X(CLOSING, "closing")
#define SERVER_ENUM(name, text) SERVER_##name,
enum server_state { SERVER_STATES(SERVER_ENUM) SERVER_STATE_COUNT };
#undef SERVER_ENUM

struct server;

/* Who uses an ACTIVE server. All on the server's loop. */
struct server_user {
    /* As stream_handler.on_input. */
    size_t (*on_input)(void *context, struct server *server, const uint8_t *data, size_t len);
    void (*on_drained)(void *context, struct server *server);
    /* The connection is gone. The user must call server_discard. */
    void (*on_lost)(void *context, struct server *server, enum err err, int error_number);
};

enum { SERVER_KEY_MAX = 256 };

/* How long server_reset_query may take. */
enum { SERVER_RESET_TIMEOUT_MS = 15000 };

/* Where it connected to, and from where: for following names (dns.c) and for the console. */
struct server_place {
    unsigned host; /* of its database's line */
    bool named;    /* by a name that was looked up */
    struct endpoint remote;
    struct endpoint local; /* once it is connected */
};

struct server_statements; /* which shared prepared statements it has: upstream/statements.h */
struct login;

struct server {
    struct stream stream;
    enum server_state state;
    struct pool *pool;
    struct profile *profile;     /* a reference */
    struct profile_facts *facts; /* of this very backend, a reference; set when login is done */
    struct link link;            /* in its pool's list of its state (database->mutex) */
    uint64_t id;                 /* unique in this process */
    uint64_t connected_at_ms;    /* monotonic (loop_now_ms); when it began to connect */
    uint64_t state_since_ms;     /* monotonic */
    uint64_t idle_since_ms;      /* when it was last put back */
    uint64_t connected_wall_ms;  /* wall clock */
    uint32_t backend_pid;
    uint8_t cancel_key[SERVER_KEY_MAX];
    unsigned cancel_key_len;
    bool close_needed;          /* to be closed, not reused, when it is given back */
    unsigned cancels_under_way; /* given back only when these are done */
    uint64_t unnamed_statement; /* id of the shared statement its unnamed one holds, 0: unknown */
    uint64_t
        sequence_mark; /* whose values of sequences it remembers: session/sequences.h; 0: none */
    struct server_statements *statements;
    struct settings *settings; /* what it was made to be after its login, a reference; of its user
                                * while ACTIVE, under database->mutex else */
    const struct server_user *user; /* while ACTIVE */
    void *user_context;

    struct server_place place; /* set during the login, under database->mutex */

    uint64_t started_us; /* its server's start, 0: not known; set when login is done */

    /* Private to upstream. Under database->mutex: */
    bool proven;                /* started_us holds */
    bool stranger;              /* another server than the control connection's: strangers.c */
    struct loop *loop;          /* whose it is, or is going to be */
    struct pool_waiter *waiter; /* granted to it, not delivered yet */
    struct loop_post post;
    bool posted;
    bool is_home; /* a session comes back to it: home.c */
    /* Of its loop: */
    struct login *login; /* until it is logged in */
    struct link cancels; /* of this server */
    int fd;              /* between two loops, else -1 */
    bool handle_open;    /* stream.poll lives: on_closed is still to come */
    bool shut;           /* the socket is closed and its place is free */
    bool releasing;      /* given back from within its user's on_input, or a cancel is under way */
    bool release_reset;
    bool fresh;             /* has answered since it became idle (database->mutex) */
    bool check_needed;      /* RESETTING, and its check has not been sent yet (database->mutex) */
    bool checking;          /* RESETTING: it answers server_check_query */
    unsigned reset_answers; /* ReadyForQuery that a reset or a check still waits for */
};

/* Takes over an ACTIVE server that pool_take or on_ready handed out: from now on `user` is called. */
void server_use(struct server *server, const struct server_user *user, void *context);

/* Gives an ACTIVE server back. It must be between messages: its last ReadyForQuery said 'I' and
 * nothing is owed by it. `reset`: run server_reset_query first (and connect_query again, which it
 * undoes), because a session left state. Input that has arrived behind ReadyForQuery makes it close
 * instead; so when this is called from within on_input, the server becomes idle when on_input has
 * returned. */
void server_release(struct server *server, bool reset);

/* Closes an ACTIVE server whose state is not certain. */
void server_discard(struct server *server);

const char *server_state_text(enum server_state state);

/* It was given back, and is kept for cancels that are under way. Under database->mutex. */
static inline bool server_is_canceled(const struct server *server)
{
    return server->state == SERVER_ACTIVE && server->releasing && server->cancels_under_way;
}

/* Begins to cancel what an ACTIVE server runs: opens a connection of its own, sends CancelRequest,
 * waits for the server to close it (at most cancel_wait_timeout). Until then server_release holds
 * the server back, so that the cancel cannot hit anyone else. */
void server_cancel(struct server *server);

/* The same for somebody who wants to know: `on_done` is called once with `context` when the cancel has
 * hit what it could hit, or cancel_wait_timeout is over; on the server's loop, not from within this
 * call. False: there is nothing to wait for, it is not called. */
bool server_cancel_tell(struct server *server, void (*on_done)(void *context), void *context);
