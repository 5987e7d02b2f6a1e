/* What an operator typed, cut into one command of commands.def and its argument.
 *
 * Keywords in any case; commands end with ';' or the end of the text; comments as in SQL; names may
 * stand in double or single quotes. A table's name that has none is folded to lower case, as Postgres
 * does; a database's never is, as in PgBouncer.
 *
 * Threads  None: text in, facts out. Nothing is allocated.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

enum command_id {
#define COMMAND(id, ...) COMMAND_##id,
#include "commands.def"
#undef COMMAND
    COMMAND_COUNT
};

enum command_argument {
    ARGUMENT_NONE,
    ARGUMENT_DATABASE,
    ARGUMENT_TABLE,
    ARGUMENT_NUMBER,
    ARGUMENT_ASSIGN,
    ARGUMENT_SQL,
    ARGUMENT_NAME,
    ARGUMENT_RULE,
    ARGUMENT_WORDS
};
enum command_access { ACCESS_LOOK, ACCESS_STEER, ACCESS_QUIET };

enum { COMMAND_TEXT_MAX = 1024, COMMAND_WHY_MAX = 256 };

struct command {
    enum command_id id;
    /* DATABASE: the database or ""; TABLE: the table; ASSIGN: the option, in lower case; NAME, RULE: the
     * name; WORDS: all of them, in lower case, one space between two. */
    char name[COMMAND_TEXT_MAX];
    char value[COMMAND_TEXT_MAX];    /* ASSIGN; RULE: what stands behind the name */
    char database[COMMAND_TEXT_MAX]; /* TABLE, SQL: after IN, or "" */
    char role[COMMAND_TEXT_MAX];     /* SQL: after AS, or "" */
    uint64_t number;                 /* NUMBER */
    bool with_values;                /* SQL: there is a USING */
    struct slice values;             /* SQL: between the parentheses after USING; borrowed */
    struct slice sql;                /* SQL: borrowed from the text */
};

struct command_row {
    const char *words;
    enum command_argument argument;
    enum command_access access;
    const char *prose;
};
extern const struct command_row command_rows[COMMAND_COUNT];

/* Reads the next command from `text` at *at, and moves *at behind it, whatever comes of it.
 *
 * ERR_NOT_FOUND  nothing is left but blanks, comments and semicolons
 * ERR_INVALID    it is none of ours, or its argument is wrong: `why` says so, for the operator */
MUST_USE enum err command_parse(struct slice text, size_t *at, struct command *out,
                                char why[COMMAND_WHY_MAX]);

/* "FLUSH TABLE table [IN database]" */
void command_syntax(enum command_id id, char out[COMMAND_WHY_MAX]);

/* "FLUSH": its first word, what CommandComplete says. */
void command_tag(enum command_id id, char out[COMMAND_WHY_MAX]);
