/* The transaction block of a session, as far as we know it.
 *
 *            BEGIN answered here          a statement has to go to Postgres: BEGIN goes in front
 *   NONE ─────────────────────────► LAZY ─────────────────────────────────────────► OPEN
 *    ▲  ▲                            │ │ cancelled while it waits                   ▲ │
 *    │  │ COMMIT, ROLLBACK           │ └─► FAILED ── BEGIN and an error in front ───┘ │
 *    │  └── answered here ───────────┴────────┘                                       │
 *    │                                     ▲ the backend ended before it read BEGIN   │
 *    │                                     └──────────────────────────────────────────┤
 *    ├───────────────────────── ReadyForQuery said I ─────────────────────────────────┤
 *    └─► OPEN: Postgres was sent a BEGIN that we did not answer, or a text that had one in it
 *
 * A block may be served from the cache while all of these hold: it takes a fresh snapshot for every
 * statement (READ COMMITTED), it has done nothing but cacheable reads, none of them failed, and it is
 * LAZY or Postgres has executed one of those reads. Then its next statement would see what has been
 * committed by the time it begins, and nothing of its own: that is what a hit shows.
 *
 * A hit in a LAZY block is a query that Postgres does not know of, and some statements may only come
 * before the first query (SET TRANSACTION). So if BEGIN is followed by anything but a query then, a
 * query that returns nothing goes between them. The Parse of a query is one to Postgres, too: when the
 * backend has the statement already, and the Parse is answered here, the same is owed to it before
 * anything else than that query's Bind.
 *
 * An answer of Postgres inside a block may be stored if its snapshot is certainly younger than the
 * fill's stamps: the statement is the block's first one, whatever the isolation, or BEGIN itself
 * said READ COMMITTED. What the server's configuration says of the default may change at any moment,
 * without a word to us: enough for a hit, whose place in time is its own, not enough to store.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"
#include "session/block_text.h"

#define TRANSACTION_STATES(X)                                                                      \
    X(NONE, TO_BLOCK(LAZY) | TO_BLOCK(OPEN))                                                       \
    X(LAZY, TO_BLOCK(NONE) | TO_BLOCK(FAILED) | TO_BLOCK(OPEN))                                    \
    X(FAILED, TO_BLOCK(NONE) | TO_BLOCK(OPEN))                                                     \
    X(OPEN, TO_BLOCK(NONE) | TO_BLOCK(FAILED))
#define TO_BLOCK(state)              (1u << TRANSACTION_##state)
#define TRANSACTION_ENUM(name, next) TRANSACTION_##name,
enum transaction_state { TRANSACTION_STATES(TRANSACTION_ENUM) TRANSACTION_STATE_COUNT };
#undef TRANSACTION_ENUM

enum { TRANSACTION_BEGIN_MAX = 1024 }; /* a longer BEGIN is not kept */

/* Zeroed: none. */
struct transaction {
    enum transaction_state state;
    enum block_isolation isolation; /* what BEGIN said; LAZY, and OPEN behind it */
    bool reads_only;                /* nothing but cacheable reads so far */
    bool hit;                       /* one of them was a hit */
    bool queried;                   /* one of them went to Postgres */
    bool owes_snapshot;             /* the Parse of a query was answered here, in a block or before
                                     * the Sync that a BEGIN may stand in front of */
    bool asks;                      /* it called code of which Postgres can say what it wrote */
    bool unbounded;                 /* and something of which nobody can */
    struct buf begin;               /* LAZY, FAILED: the client's own text */
};

/* True if the client is in a block that Postgres knows nothing of. */
static inline bool transaction_is_ours(const struct transaction *transaction)
{
    return transaction->state == TRANSACTION_LAZY || transaction->state == TRANSACTION_FAILED;
}

void transaction_fini(struct transaction *transaction);

/* BEGIN is answered here; `text` is the client's. */
void transaction_defer(struct transaction *transaction, struct slice text,
                       enum block_isolation isolation);

/* A statement of a LAZY block has failed before it reached Postgres, or (OPEN) before Postgres read the
 * deferred BEGIN in front of it. */
void transaction_fail(struct transaction *transaction);

/* The deferred BEGIN goes to Postgres now. */
void transaction_materialise(struct transaction *transaction);

/* A block that never reached Postgres has ended. */
void transaction_forget(struct transaction *transaction);

/* A statement goes to Postgres. */
static inline void transaction_note(struct transaction *transaction, bool cacheable_read)
{
    if (cacheable_read)
        transaction->queried = true;
    else
        transaction->reads_only = false;
}

/* ReadyForQuery came with this status. */
void transaction_settle(struct transaction *transaction, uint8_t status);

/* True if the next statement of this block would see what any other session sees now.
 * `default_read_committed`: what a BEGIN without a level means. */
bool transaction_may_hit(const struct transaction *transaction, bool default_read_committed);

/* True if the answer to the next statement of a block that may hit may be stored. */
bool transaction_may_fill(const struct transaction *transaction);
