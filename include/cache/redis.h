/* The Redis tier: one connection a worker, on that worker's loop.
 *
 * It may be absent, slow, restarted, emptied, restored or lying: nothing that comes back is
 * believed before magic, version, checksum, lengths and the whole key have been compared, and the
 * caller compares the stamps. A look-up ends by its deadline whatever Redis does. Look-ups and
 * stores of one loop turn leave in one write.
 *
 *   breaker:  CLOSED ─ failures in a row ─► OPEN ─ after a pause ─► PROBING ─ one good answer ─► CLOSED
 *                                             ▲──────── failure ───────┘
 * While the breaker is open redis_get says ERR_AGAIN at once and redis_put drops.
 *
 * Names of keys: "pgrecall:" version ":" namespace ":" window number ":" 32 hex digits of the hash.
 * The namespace is random for each process: generations live in this process, so nobody else may
 * believe its entries.
 *
 * Threads  All functions and callbacks on the loop that created it; redis_stats from any thread.
 */
#pragma once

#include <uv.h>

#include "base/err.h"
#include "cache/entry.h"

struct redis;
struct redis_lookup;

struct redis_config {
    const char *url;           /* redis://[:password@]host[:port][/db] or unix:///path; copied */
    uint64_t timeout_ms;       /* deadline of one command */
    size_t compress_min_bytes; /* lz4 from here on, where it saves a tenth */
    size_t entry_bytes_max;    /* of an answer, uncompressed */
    uint32_t pending_max;      /* look-ups under way before ERR_AGAIN */
    uint32_t words_count;      /* generation words: a stored stamp beyond them is malformed; > 0 */
    uint8_t name_space[16];
};

/* Connects in the background; never fails for Redis' sake.
 * ERR_INVALID  the URL cannot be read */
MUST_USE enum err redis_create(uv_loop_t *loop, const struct redis_config *config,
                               struct redis **out);

/* Ends every look-up with ERR_CLOSED, closes its handles; memory is freed in close callbacks. */
void redis_destroy(struct redis *redis);

/* A good answer. Slices live for the call. */
struct redis_found {
    struct slice answer;
    const struct stamp *stamps;
    unsigned stamp_count;
    uint64_t stored_at_ms;
    uint64_t expires_at_ms;
};

/* Called exactly once unless cancelled, and never from within redis_get: OK with `found`;
 * ERR_NOT_FOUND; ERR_TIMEOUT; ERR_CLOSED (the connection is gone, or Redis answered with an error);
 * ERR_MALFORMED (what came back is not ours: the key is deleted). */
typedef void redis_on_found(void *context, enum err err, const struct redis_found *found);

/* Starts a look-up of `key` (hash and bytes are copied) in the window that now_ms lies in.
 * ERR_AGAIN    breaker open, not connected, or too many pending: ask Postgres
 * ERR_TOO_BIG  the key is over ENTRY_KEY_MAX */
MUST_USE enum err redis_get(struct redis *redis, const struct entry_key *key, uint64_t now_ms,
                            uint64_t window_ms, redis_on_found *on_found, void *context,
                            struct redis_lookup **out);

/* The callback will not be called. For a session that ends while it waits. */
void redis_cancel(struct redis_lookup *lookup);

/* Stores without waiting; drops it (counted) when Redis is not well. TTL: what is left of the
 * window. */
void redis_put(struct redis *redis, const struct entry_key *key, struct slice answer,
               const struct stamp *stamps, unsigned stamp_count, uint64_t now_ms,
               uint64_t window_ms);

enum redis_state { REDIS_CONNECTING, REDIS_UP, REDIS_OPEN, REDIS_PROBING };

struct redis_stats {
    enum redis_state state;
    uint64_t gets, hits, misses, timeouts, errors, puts, put_drops, breaker_opens;
    uint64_t bytes_in, bytes_out, bytes_saved; /* saved by compression */
};
void redis_stats(const struct redis *redis, struct redis_stats *out);
const char *redis_state_text(enum redis_state state);
