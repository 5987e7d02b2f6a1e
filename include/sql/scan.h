/* One pass over a statement's text: what is left when comments and spare white space are gone.
 *
 * The canonical text is the token stream as bytes: every run of white space and comments between
 * two tokens becomes one space (or one line feed where that decides whether two string constants
 * are one, manual 4.1.2.1), none at the ends, a trailing run of ';' is dropped; every token's bytes
 * are copied as they are. Two texts with equal canonical texts mean the same to Postgres, under the
 * same settings. It is never longer than the text.
 *
 * Doubt  A text that the scanner cannot cut with certainty (unterminated constant or comment, a
 *        zero byte, bytes that are no valid UTF-8 outside plain constants, junk after numbers), or
 *        that Postgres and libpg_query cut differently (constants that go on after a line comment),
 *        is flagged SCAN_DOUBT: it is forwarded, and treated as a write that may touch anything.
 * Threads  None: everything lives in the caller's memory. No allocation.
 * Source  PostgreSQL 15 manual 4.1 "Lexical Structure"; src/backend/parser/scan.l for the rules
 *         (standard_conforming_strings = on is assumed; sessions without it never come here).
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/hash.h"
#include "base/slice.h"

enum scan_flag {
    SCAN_DOUBT = 1 << 0,      /* not cut with certainty */
    SCAN_SEVERAL = 1 << 1,    /* a ';' with tokens after it: more than one statement */
    SCAN_EMPTY = 1 << 2,      /* no tokens */
    SCAN_MAGIC_DATE = 1 << 3, /* a string constant contains now, today, tomorrow or yesterday */
    SCAN_PARAM = 1 << 4,      /* $n */
    SCAN_HINT = 1 << 5,       /* a comment that begins "pgrecall:" */
};

enum {
    SCAN_TEXT_MAX = 1 << 20,
    SCAN_TOKENS_MAX = 20000,
    SCAN_SLACK = 16,        /* zero bytes behind a text that is cut into tokens */
    SCAN_LITERALS_MAX = 256 /* constants that have a number: see scan_literals */
};

/* Of a doubtful text, `canonical` is the whole text as it came, and the counts and the other flags
 * are those of what lies before the doubt. The counts leave a trailing run of ';' out. */
struct scan {
    const uint8_t *canonical; /* in the scratch memory that was passed in; a zero byte follows */
    size_t canonical_len;
    unsigned flags; /* enum scan_flag */
    uint32_t token_count;
    uint32_t literal_count;
    /* SCAN_HINT: where the white space and comments with the first hint lie in the text. */
    uint32_t hint_at;
    uint32_t hint_len;
};

/* Scans `text` into `scratch`, which has room for at least text.len + SCAN_SLACK bytes and is not
 * where the text lies.
 *
 * ERR_TOO_BIG  over SCAN_TEXT_MAX bytes or SCAN_TOKENS_MAX tokens. Nothing is set: treat the text
 *              as an unknown statement.
 */
MUST_USE enum err scan_text(struct slice text, uint8_t *scratch, struct scan *out);

/* The hash of the shape: of the token stream with every constant replaced by its kind (int4, int8,
 * other number, string, E string, U& string, bit string). Parameters $n keep their number.
 *
 * canonical  What scan_text made, in place: a zero byte must stand behind it (asserted), as it does
 *            in the scratch memory.
 *
 * For verdicts in which constants cannot matter, statistics and rules; never for a key. */
struct hash128 scan_shape(struct slice canonical);

/* The first `max` constants of a canonical text, in its order: those with the numbers 0, 1, ... of
 * struct verdict_key. What a minus before a number means is not part of it. Returns how many there
 * are. A zero byte must stand behind the text, as for scan_shape. */
unsigned scan_literals(struct slice canonical, struct slice *out, unsigned max);

/* True if the text contains, in any case, the word now, today, tomorrow or yesterday: a value that the
 * input functions of date and time types replace by the current time. To them a word is a run of
 * letters, so "known" is none. Quotes and backslashes between letters do not count: '{n\ow}'. */
bool scan_is_magic_date(struct slice value);
/* The same for bytes that are no text, in which a letter before the word may be the length of it. */
bool scan_holds_magic_date(struct slice value);
