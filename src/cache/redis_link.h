/* The connection of the Redis tier: its inside, shared by redis.c (look-ups and stores) and
 * redis_link.c (connecting, replies, deadlines).
 *
 *   DOWN ─ back-off over ─► CONNECTING ─► GREETING ─► UP          any ─ failure ─► DOWN
 *
 * GREETING  AUTH and SELECT as the URL says, then a GET of a key that nobody writes: it proves that
 *           we may ask, and is the breaker's probe.
 * DOWN      Until the back-off is over, and the breaker's pause: when the breaker opens, the
 *           connection is given up, so that nothing is owed to us that we no longer want.
 *
 * Every command that has left is on `owed`, in the order in which Redis will answer. A look-up is
 * also on `waiting` as long as somebody waits for it; when its time is up or it is cancelled, it
 * leaves `waiting` but stays on `owed`, and its late reply is read and dropped.
 *
 * Deadlines count from the moment when a turn's commands leave, and are looked at after the loop
 * has polled: a reply that lay in the socket while this process slept is not late.
 */
#pragma once

#include <stdatomic.h>
#include <uv.h>

#include "base/link.h"
#include "cache/redis.h"
#include "cache/redis_breaker.h"
#include "cache/redis_codec.h"
#include "cache/redis_command.h"
#include "cache/redis_socket.h"

enum {
    REDIS_BACKOFF_MIN_MS = 100,
    REDIS_BACKOFF_MAX_MS = 5000,
    REDIS_CONNECT_TIMEOUT_MS = 3000,            /* name, connection and greeting */
    REDIS_UNSENT_BYTES_MAX = 8 << 20,           /* beyond it puts are dropped, look-ups refused */
    REDIS_PUTS_UNANSWERED_MAX = 4096,           /* beyond it puts are dropped */
    REDIS_PENDING_KEY_BYTES_MAX = 16 << 20,     /* of keys kept for look-ups under way */
    REDIS_NAME_MAX = 128,                       /* of a key in Redis */
    REDIS_REPLY_OVERHEAD_BYTES_MAX = 64 * 1024, /* replies that are not values */
};

#define LINK_STATES(X)                                                                             \
    X(DOWN, TO(CONNECTING))                                                                        \
    X(CONNECTING, TO(GREETING) | TO(DOWN))                                                         \
    X(GREETING, TO(UP) | TO(DOWN))                                                                 \
    X(UP, TO(DOWN))

#define LINK_ENUM(name, moves) LINK_##name,
enum link_state { LINK_STATES(LINK_ENUM) LINK_STATE_COUNT };
#undef LINK_ENUM

enum command_kind {
    COMMAND_GREET,
    COMMAND_GET,
    COMMAND_PUT, /* SET and DEL: nobody waits for them */
};

/* One command that has left or is about to. A struct redis_lookup is one of kind COMMAND_GET. */
struct redis_lookup {
    enum command_kind kind;
    struct link owed;
    struct link waiting;
    struct redis *redis;
    redis_on_found *on_found;
    void *context;
    uint64_t deadline_ms; /* on the loop's clock; 0: has not left yet */
    uint64_t window_number;
    uint64_t expires_at_ms;
    struct entry_key key;
    uint8_t key_bytes[];
};

#define REDIS_COUNTERS(X)                                                                          \
    X(gets)                                                                                        \
    X(hits)                                                                                        \
    X(misses)                                                                                      \
    X(timeouts)                                                                                    \
    X(errors)                                                                                      \
    X(puts)                                                                                        \
    X(put_drops)                                                                                   \
    X(breaker_opens)                                                                               \
    X(bytes_in)                                                                                    \
    X(bytes_out)                                                                                   \
    X(bytes_saved)

struct redis_counters {
    _Atomic(enum redis_state) state;
#define REDIS_COUNTER_MEMBER(name) _Atomic(uint64_t) name;
    REDIS_COUNTERS(REDIS_COUNTER_MEMBER)
#undef REDIS_COUNTER_MEMBER
};

struct redis {
    uv_loop_t *loop;
    struct redis_config config; /* its url is not ours: see `url` */
    struct redis_url url;
    char name_prefix[REDIS_NAME_MAX]; /* "pgrecall:1:" and the name space and ":" */

    enum link_state state;
    bool is_closing;   /* redis_destroy was called */
    bool told_away;    /* the log has it that Redis is away */
    unsigned greeting; /* replies still to come before the link is up */
    unsigned attempts;
    uint64_t backoff_ms;
    struct breaker breaker;

    struct redis_socket *socket; /* in every state but DOWN */
    redisReader *reader;         /* likewise */
    redisReplyObjectFunctions reply_functions;
    struct buf output; /* commands that have not left */
    struct buf value;  /* scratch: a value on its way into `output` */
    struct redis_codec codec;

    struct link owed;
    struct link waiting;
    uint32_t gets_owed;
    uint32_t puts_owed;
    size_t key_bytes_owed;

    uv_timer_t link_timer;     /* DOWN: when to connect; CONNECTING, GREETING: when to give up */
    uv_timer_t deadline_timer; /* of the first that waits */
    uv_prepare_t flush;        /* sends what a turn has gathered */
    uv_idle_t sweep_soon;      /* keeps the poll before a sweep from sleeping */
    uv_check_t sweep;          /* ends look-ups whose time is up */
    unsigned handles_open;

    struct redis_counters counters;
};

static inline void redis_count(_Atomic(uint64_t) *counter, uint64_t by)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, value + by, memory_order_relaxed);
}

/* Starts the handles and the first attempt to connect. */
void redis_link_start(struct redis *redis);

/* Gives the connection up, ends every look-up with ERR_CLOSED and closes the handles; the last one
 * frees `redis`. */
void redis_link_stop(struct redis *redis);

/* True if commands may be added to the output. */
bool redis_link_is_well(const struct redis *redis);

/* Bytes that have not left this process. */
size_t redis_link_unsent(const struct redis *redis);

/* Makes the record of a command that the caller adds to the output. */
struct redis_lookup *redis_link_owe(struct redis *redis, enum command_kind kind,
                                    const struct entry_key *key);

enum answer_quality {
    ANSWER_GOOD,
    ANSWER_BAD,
    ANSWER_UNWANTED, /* late or cancelled: proves nothing */
};

/* redis.c: the reply to a look-up, which is off all lists and which this frees. May call back, and
 * so end in redis_destroy. */
enum answer_quality redis_lookup_answered(struct redis_lookup *lookup, const redisReply *reply);
