/* Between unit.c and unit_batch.c: the steps that a unit takes, whatever it is made of. */
#pragma once

#include "session/session.h"

/* Nothing happens to a unit that has begun. */
void unit_begin(struct session *session, bool extended);

/* The unit goes to the backend: with the one at hand, an idle one, or after a wait. Returns how many bytes
 * it consumed. */
size_t unit_forward(struct session *session, const uint8_t *data, size_t len);

/* While the catalog is being loaded (at the start, after DDL) nobody can say what a function or a
 * trigger does to the session, and a session that may have changed its backend is tied to it for
 * good. So a statement that would be tied waits a moment for the catalog that is on its way. So does
 * VACUUM, tied or not: rows younger than the snapshot in which the catalog is read would neither be
 * removed nor marked as visible to all, and plans would be others than on a direct connection.
 * `query` NULL: several statements, not looked at one by one. */
bool unit_waits_for_catalog(struct session *session, const struct query *query);

/* The catalog was fresh when the unit at hand began to wait for its backend, and is not any more: then it
 * waits again, with its backend. */
bool unit_was_overtaken(const struct session *session);

/* ---- unit_batch.c ---- */
size_t unit_take_batch(struct session *session, const uint8_t *data, size_t len);
