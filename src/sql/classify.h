/* From facts and a catalog to a verdict. */
#pragma once

#include "facts.h"

/* catalog, scope  NULL: see verdict_prove.
 * Sets all of *out. */
void classify_facts(const struct facts *facts, unsigned scan_flags, const struct catalog *catalog,
                    const struct proof_scope *scope, struct verdict *out);
