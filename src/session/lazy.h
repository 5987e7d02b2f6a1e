/* Transaction blocks that Postgres does not know of: BEGIN is answered here and sent in front of the
 * first statement that has to go there; COMMIT or ROLLBACK of a block that never got so far is
 * answered here as well. The bytes are those that Postgres would send.
 *
 * The deferred BEGIN goes in the extended protocol without a Sync behind it: if it failed, Postgres
 * would skip what follows, so that no statement can run outside its block.
 *
 * All functions: on the session's loop, in state READY or ACTIVE. The inline ones are all that a unit
 * which has nothing to do with blocks pays.
 */
#pragma once

#include "session/session.h"

/* Answers a whole Query unit that begins or ends a block, if that can be done here. `more`: the
 * client has sent more. */
bool lazy_answer_query(struct session *session, const struct query *query, bool more);

/* The client's next messages: [Parse] Bind [Describe portal] Execute of a statement that begins or
 * ends a block, what may come behind them untouched. Answers them if that can be done here. Returns
 * how many of the messages it answered, 0: none. */
struct message;
unsigned lazy_answer_batch(struct session *session, const struct message *messages, unsigned count);

/* True if these messages are [Parse] Bind [Describe portal] Execute Sync without parameters; fills the
 * statement in, whose canonical text may lie in the host's scratch memory. */
bool lazy_statement_of(struct session *session, const struct message *messages, unsigned count,
                       struct query *out);

/* Appends the deferred BEGIN to the host's compose buffer and notes what it is owed. `next`: the text
 * of the statement behind it, empty where that is not known. */
void lazy_send_begin(struct session *session, struct slice next);

/* FAILED: the block is begun at Postgres and made to fail there; the client's messages are held until
 * that is done. */
void lazy_send_failed_block(struct session *session);

static inline void lazy_materialise(struct session *session, struct slice next)
{
    if (UNLIKELY(session->transaction.state == TRANSACTION_LAZY))
        lazy_send_begin(session, next);
}

/* The same in front of a message of the extended protocol. */
void lazy_send_begin_before(struct session *session, const struct pgwire_frame *frame);

/* The Parse of `statement` was answered here: if it is a query, Postgres would have taken a snapshot. */
void lazy_parse_answered(struct session *session, const struct statement *statement);

/* In front of a message while transaction.owes_snapshot: a query that
 * takes one, unless the message itself does. (A FunctionCall does; a Query too long to be read is no
 * SET TRANSACTION.) */
void lazy_send_snapshot_before(struct session *session, const struct pgwire_frame *frame);

/* Postgres refused the deferred BEGIN, or was cancelled in it: the client has been told, and all that stood behind it up to
 * the next Sync is skipped. A Query or FunctionCall has no Sync: sends one. */
void lazy_begin_failed(struct session *session);
