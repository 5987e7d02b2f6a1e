/* The syntax of PgBouncer's ini files, as facts: this section, this key, this value.
 *
 *     ; or # as the first character of a line: a comment. Nowhere else.
 *     [section]
 *     key = value to the end of the line, without the white space around it
 *     "any ""name""" = value
 *     %include path       as the file system sees it: relative to the working directory
 *
 * Keys without quotes are made of A-Z a-z 0-9 _ . - and *. A section goes on in an included file,
 * and what an included file begins goes on behind it.
 *
 * We read this ourselves: inih takes ':' for '=' and so splits quoted names, cuts sections at 50
 * characters, and as Debian builds it does not say in which line it is.
 *
 * Source  PgBouncer's manual, "pgbouncer.ini".
 */
#pragma once

#include "mistakes.h"

enum { INI_INCLUDE_MAX = 10 }; /* files within files */

struct ini_line {
    struct place place;
    const char *section; /* "" before the first */
    const char *key;
    const char *value;
};

/* Called for each `key = value`. All texts live for the call; the place's file name too. */
typedef void ini_on_line(void *context, const struct ini_line *line);

/* Called for each [section]; false: unknown, its lines are skipped. */
typedef bool ini_on_section(void *context, struct place place, const char *section);

struct ini_events {
    ini_on_section *on_section;
    ini_on_line *on_line;
    void *context;
};

/* Reads a file with all it includes. What breaks the syntax goes to `mistakes`, and the reader
 * goes on with the next line. */
void ini_read(const char *path, const struct ini_events *events, struct conf_mistakes *mistakes);

/* The same for a text that is named `name` in mistakes. */
void ini_read_text(struct slice text, const char *name, const struct ini_events *events,
                   struct conf_mistakes *mistakes);
