/* The texts that one configuration owns: they are only ever added, and go together.
 *
 * Ownership  The struct belongs to the caller, the texts to the struct until texts_fini.
 * Threads    None.
 */
#pragma once

#include "base/slice.h"

struct texts {
    char **items;
    size_t count;
    size_t cap;
};

void texts_init(struct texts *texts);
void texts_fini(struct texts *texts);

/* A copy with a terminating zero that lives as long as `texts`. */
const char *texts_keep(struct texts *texts, struct slice text);

/* The same for a C string; NULL gives NULL. */
const char *texts_copy(struct texts *texts, const char *text);
