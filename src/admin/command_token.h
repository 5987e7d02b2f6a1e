/* The tokens of the console's commands: words, quoted names, literals and single characters. */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_NAME, TOKEN_LITERAL, TOKEN_NUMBER, TOKEN_OTHER };

struct token {
    enum token_kind kind;
    struct slice raw; /* with its quotes */
};

/* The text of one command, and how far it has been read. */
struct reader {
    struct slice text;
    size_t at;
};

bool char_is_blank(uint8_t c);
bool char_is_word(uint8_t c); /* within a word, which may have a dash in it */

/* Behind the blanks and comments at `at`. */
size_t text_skip_blank(struct slice text, size_t at);
/* Where the command that begins at `at` ends: at a semicolon outside of quotes and comments. */
size_t text_end(struct slice text, size_t at);

struct token token_next(struct reader *reader);
struct token token_peek(const struct reader *reader);

bool token_is(struct token token, const char *word); /* in any case */
bool token_is_char(struct token token, char c);
bool token_is_name(struct token token); /* a word, or anything in quotes */

/* Appends to `out`, of COMMAND_TEXT_MAX bytes, what a token stands for, without quotes. `fold`: a word in
 * lower case. False: it does not fit, or has a zero byte. */
bool token_put(char *out, struct token token, bool fold);
