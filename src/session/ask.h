/* Asking Postgres before COMMIT what a block has written.
 *
 * Some statements call code of which nobody can say what it writes; but if that code can write only
 * through its transaction (EFFECT_ASK of sql/verdict.h), Postgres knows by the end of the block: no
 * transaction id, nothing written; else the tables that it holds in locks of writers, and whether rows
 * of the catalog were written. So the question goes in front of a COMMIT, and COMMIT waits for the
 * answer: one round trip, only for blocks with such a statement.
 *
 * The question stands behind a SAVEPOINT of ours: if it fails (a time-out, a cancel, a right that was
 * taken away), that is rolled back to, COMMIT goes on as the client wants it, and everything counts as
 * written.
 */
#pragma once

#include "session/session.h"

/* True if `query`, which is all of the unit at hand, is a COMMIT worth asking before. */
bool ask_is_worth(const struct session *session, const struct query *query);

/* Appends the question to the host's compose buffer, and holds the unit until it is answered. */
void ask_send(struct session *session);

/* The row of the answer; the end of the answer with the block's status, before its entry is popped. */
void ask_row(struct session *session, const uint8_t *body, size_t len);
void ask_end(struct session *session, uint8_t status);
