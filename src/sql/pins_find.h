/* Finding pins in a parse tree: the part that knows libpg_query. */
#pragma once

#include "analyze_walk.h"
#include "pins.h"

/* `text` is what was parsed; a zero byte and SCAN slack follow it. `statement` is its only
 * statement. `selects` is how many queries it has, itself included. */
void pins_find(const char *text, const PgQuery__Node *statement, unsigned selects,
               struct pin_facts *out);
