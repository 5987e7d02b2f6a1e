/* Reads the body of a function in SQL or PL/pgSQL, or the text of DO: which relations it may write,
 * which names it uses, and what else it may do.
 *
 * The reader does not parse. It cuts the text into tokens with the scanner that Postgres' own agrees
 * with, and takes each word for everything that it could be: a word before "(" for a function, one
 * after "." for a function in attribute notation, each word for a relation that is read. What writes
 * begins with a keyword: INSERT INTO, UPDATE .. SET, DELETE FROM, MERGE INTO and TRUNCATE are found
 * wherever they stand; a statement whose first word is not listed as harmless makes the body unknown.
 * So it finds too much at times and never too little; it needs no stack, no libpg_query, and no
 * knowledge of what newer servers add inside expressions. SQL that is made at run time (EXECUTE) is
 * not read.
 *
 * Threads  Any.
 * Source   pl_gram.y, pl_scanner.c and gram.y of PostgreSQL 15: where a statement may begin.
 */
#pragma once

#include "base/slice.h"
#include "facts.h"
#include "reach.h"

enum body_language { BODY_SQL, BODY_PLPGSQL };

enum {
    BODY_TEXT_MAX = 64 * 1024, /* bytes; a longer one is unknown */
    BODY_TOKENS_MAX = 16 * 1024,
};

/* A name in the body.
 *
 * kind    FACT_READ (any word), FACT_FUNCTION, FACT_ATTRIBUTE, FACT_LABEL (a temporary table that is
 *         made), FACT_INSERT, FACT_WRITE or FACT_TRUNCATE_CASCADE. Only for the last three must there
 *         be such a thing.
 * schema  NULL: not qualified. Only for the last three.
 * name    Lives until the call returns. */
typedef void (*on_body_name)(void *context, enum fact_kind kind, const char *schema,
                             const char *name);

/* Reads `text` and returns what it may do (enum reach) besides what its names do. REACH_UNKNOWN
 * is set if it could not be read; names may have been reported even so. */
unsigned body_read(struct slice text, enum body_language language, on_body_name on_name,
                   void *context);
