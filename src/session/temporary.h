/* The temporary tables that a session has made, by name: what names one of them, and nothing else that
 * the catalog snapshot lacks, is no statement that may do anything.
 *
 * Only for tables that are nothing but columns (struct verdict_temporary). Anything else that the session
 * does to the catalog, or that nobody has read, may have given them triggers, rules or defaults, or put
 * a view in their place: from then on the names say nothing, until nothing of the session is left.
 *
 * A temporary view, or a table that runs code, may stand in front of a permanent one of the same name, in
 * texts and in the bodies of functions: a session that has made one may write anything by any statement.
 */
#pragma once

#include "sql/verdict.h"

struct session;
struct temporary;

enum { TEMPORARY_NAMES_MAX = 32 };

/* The verdict on a statement that is about to be forwarded, by what the session has made. It is `verdict`, or
 * is made in *own. Notes what the statement makes, or spoils. */
const struct verdict *temporary_judge(struct session *session, const struct verdict *verdict,
                                      struct verdict *own);

/* Nothing that is temporary is left on the backend, or the session has another one. */
void temporary_forget(struct session *session);
