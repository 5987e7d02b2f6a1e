/* From a text to facts: the only place that knows libpg_query. */
#pragma once

#include "base/slice.h"
#include "facts.h"

enum {
    ANALYZE_TEXT_MAX = 1 << 20, /* bytes */
    ANALYZE_TOKENS_MAX = 20000, /* about 30 ms of a worker's time */
    /* How deep the parse tree of a text may become. libpg_query recurses without a guard and takes
     * up to 6 kB of stack for a level of SQL: this keeps it below 4 MB of a worker's 8. */
    ANALYZE_DEPTH_MAX = 1000,
};

/* Parses `text` and collects its facts into *facts, which facts_init has seen. Never fails: what
 * cannot be understood is a fact. */
void analyze_text(struct slice text, struct facts *facts);
