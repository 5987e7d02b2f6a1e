/* What the backend's answers say to us, while relay.c passes them on. Nothing here is written to anybody. */
#pragma once

#include "session/session.h"

/* Counts what says that a statement is done. */
void relay_note_done(struct session *session, const struct pgwire_frame *frame, bool whole);
/* A whole CommandComplete for `head`: what was set, discarded or rolled back. */
void relay_note_complete(struct session *session, const struct owed_entry *head,
                         const struct pgwire_frame *frame);
/* A ParameterStatus. */
void relay_note_setting(struct session *session, const struct pgwire_frame *frame, bool whole);
/* An ErrorResponse for `head` (NULL: for none) that may say what has become of a shared statement. */
void relay_note_statement(struct session *session, const struct owed_entry *head,
                          const uint8_t *body, size_t body_len);

/* True if it is certain that nothing of what this unit closed has been committed:
 *   - the only statement that was done in it says ROLLBACK, and with it the block is over: it was
 *     the block's end, be it by ROLLBACK or by COMMIT of a failed block;
 *   - outside of a block an error came before any statement was done, and none of the unit's
 *     statements could end a transaction of its own (CALL, DO), begin one, or do anything else than
 *     write tables that are known.
 * Code that may write by other ways than its transaction (a connection of its own, say) is never
 * bounded to known tables. */
bool relay_nothing_committed(const struct session *session, uint8_t status);
