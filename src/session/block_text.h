/* The texts that begin and end transaction blocks, read word by word.
 *
 * Only what cannot mean anything else is recognised: BEGIN and START TRANSACTION with each mode at
 * most once, COMMIT, END, ROLLBACK and ABORT without CHAIN. Everything else is BLOCK_OTHER and goes
 * to Postgres, which knows better.
 *
 * Source  PostgreSQL manual, "BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK", "END", "ABORT".
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

enum block_request { BLOCK_OTHER, BLOCK_BEGIN, BLOCK_COMMIT, BLOCK_ROLLBACK };

enum block_isolation {
    BLOCK_ISOLATION_DEFAULT,        /* the session's */
    BLOCK_ISOLATION_READ_COMMITTED, /* or READ UNCOMMITTED, which is the same to Postgres */
    BLOCK_ISOLATION_SNAPSHOT        /* REPEATABLE READ, SERIALIZABLE: one for the whole block */
};

struct block_text {
    enum block_request request;
    const char *tag; /* of CommandComplete; static */
    enum block_isolation isolation;
    bool primary_only; /* a standby would refuse it: READ WRITE, SERIALIZABLE */
};

/* Reads a canonical text (sql/scan.h). Sets all of *out; false: BLOCK_OTHER. */
bool block_text_read(struct slice canonical, struct block_text *out);

/* False where the first letters show that block_text_read would say BLOCK_OTHER. */
static inline bool block_text_may_be(struct slice canonical)
{
    enum { SHORTEST = 3 }; /* END */
    if (canonical.len < SHORTEST)
        return false;
    switch (canonical.data[0] | 0x20) {
    case 's':
        return (canonical.data[1] | 0x20) == 't';
    case 'b':
    case 'c':
    case 'e':
    case 'r':
    case 'a':
        return true;
    default:
        return false;
    }
}
