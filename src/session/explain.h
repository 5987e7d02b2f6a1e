/* EXPLAIN CACHE: what would happen to a statement, and whether its answer is stored. Nothing is
 * executed, counted or changed. */
#pragma once

#include "session/session.h"

/* One call of `add` for each row. query->arguments decide the key: without them, and with parameters in
 * the text, nothing is looked for. */
void explain_query(struct session *session, const struct query *query, session_explain_add *add,
                   void *context);
