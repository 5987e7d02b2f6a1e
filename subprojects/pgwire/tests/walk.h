/* Every decoder in one shape, for the tests and the fuzzers: it decodes, checks that what comes out
 * lies within the body, walks it, and where there is a writer writes it again and compares. What
 * does not hold aborts. */
#pragma once

#include "pgwire/types.h"

struct walker {
    const char *name;
    enum pgwire_status (*walk)(const uint8_t *body, size_t len);
};

extern const struct walker request_walkers[];
extern const size_t request_walker_count;
extern const struct walker answer_walkers[];
extern const size_t answer_walker_count;

/* The walker of that name; aborts if there is none. */
const struct walker *walker_named(const char *name);
