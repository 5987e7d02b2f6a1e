/* Keys of the statement at hand: a verdict says where their values stand, here they are read, from
 * the text or from the arguments of Bind, and become tokens of coherence/generations.h.
 *
 * A value that is not understood makes its table one of which nobody knows the rows: the answer then
 * depends on every write to it, and the write reaches every answer.
 */
#pragma once

#include "session/session.h"

/* The tokens that the answer to a cacheable query depends on. At most `max`, of which each table
 * takes one at least: the rest goes to keys, as far as it reaches. Returns how many they are. */
unsigned keys_of_read(struct session *session, const struct query *query,
                      const struct verdict *verdict, uint64_t *tokens, unsigned max);

/* Adds what the statement writes to *set: its tables, or keys. `query` NULL: it is not at hand. */
void keys_of_write(struct session *session, const struct query *query,
                   const struct verdict *verdict, struct write_set *set);
