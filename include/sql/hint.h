/* What a client says to us in a comment of its statement: pgrecall: nocache, window=5m, ...
 *
 *     hint     "pgrecall:" words, in a comment of either kind that begins so
 *     words    with commas or white space between them, in any case, up to the end of the comment:
 *              nocache | force | explain | window=TIME | namespace=NAME
 *
 * The first comment that begins so counts; what it says holds for the whole text. A comment is no
 * part of the canonical text, so no hint changes a key by itself.
 *
 * Threads  None: text in, facts out. Nothing is allocated.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

struct hint {
    bool nocache;
    bool force;
    bool explain;
    bool unclear;            /* a word that is none of these, or a bad value: nothing is to be
                              * served on the strength of the rest */
    uint32_t window_ms;      /* 0: not given */
    struct slice name_space; /* borrowed from the text; empty: not given */
};

/* Reads the hint in `gap`: white space and comments of a text, as struct scan names them. Never
 * fails; always sets all of *out. */
void hint_read(struct slice gap, struct hint *out);
