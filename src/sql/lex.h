/* Where the next token of a statement ends, and what kind it is. Private to the scanner.
 *
 * All of it reads a text that a zero byte follows, and stops at any zero byte: no loop asks for the
 * end of the text. Whoever meets LEX_END asks whether that zero byte is the one after the text.
 *
 * Nothing here copies, allocates or remembers. Whether two constants continue each other is the
 * caller's business (lex_gap tells), for it is he who has the token before the gap.
 *
 * Source  The rules of PostgreSQL 15's src/backend/parser/scan.l with standard_conforming_strings =
 *         on. Where 16 and later cut otherwise (0x1F, 1_000, a vertical tab), it is LEX_DOUBT.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

enum lex_kind {
    LEX_DOUBT, /* no token that every server would cut alike; the end is where it began */
    LEX_END,   /* a zero byte */
    LEX_WORD,  /* a keyword or plain identifier; also the N of N'...' */
    LEX_NAME,  /* "..." or U&"..." */
    LEX_SEMICOLON,
    LEX_PUNCTUATION, /* , ( ) [ ] . .. : :: := */
    LEX_OPERATOR,
    LEX_PARAM, /* $1 */
    /* The constants; what follows LEX_PARAM is one. */
    LEX_INT4,
    LEX_INT8,
    LEX_NUMERIC,        /* wider than int8, or with a point or exponent */
    LEX_STRING,         /* '...' */
    LEX_DOLLAR_STRING,  /* $$...$$ */
    LEX_ESCAPE_STRING,  /* E'...' */
    LEX_UNICODE_STRING, /* U&'...' */
    LEX_BIT_STRING,     /* B'...' or X'...' */
};

/* What a token's bytes have shown. */
enum lex_saw {
    LEX_SAW_DATE_LETTER = 1 << 0, /* a w or y: without one it is no magic date */
    LEX_SAW_ESCAPE = 1 << 1,      /* its value may hold letters that its bytes do not */
};

struct lex_token {
    const uint8_t *end; /* the byte after it */
    enum lex_kind kind;
    unsigned saw; /* enum lex_saw; set for string constants only */
};

enum lex_gap_has {
    LEX_GAP_LINE_END = 1 << 0, /* a line feed or carriage return outside block comments */
    LEX_GAP_BLOCK = 1 << 1,    /* a block comment */
    LEX_GAP_LINE = 1 << 2,     /* a comment "-- ..." */
    LEX_GAP_HINT = 1 << 3,     /* a comment that begins "pgrecall:" */
    LEX_GAP_DOUBT = 1 << 4,    /* an open block comment, or a comment that is no UTF-8 */
};

struct lex_gap {
    const uint8_t *end; /* the first byte of the next token, or a zero byte */
    unsigned has;       /* enum lex_gap_has */
};

enum lex_class {
    LEX_CLASS_SPACE = 1 << 0,
    LEX_CLASS_LETTER = 1 << 1, /* may begin a word */
    LEX_CLASS_WORD = 1 << 2,   /* may go on in a word */
    LEX_CLASS_DIGIT = 1 << 3,
    LEX_CLASS_OPERATOR = 1 << 4,
    LEX_CLASS_SINGLE = 1 << 5, /* a token by itself whatever follows: , ( ) [ ] */
    LEX_CLASS_HIGH = 1 << 6,   /* not ASCII */
    LEX_CLASS_DATE = 1 << 7,   /* w and y */
};

extern const uint8_t lex_class[256];

/* The token at `at`, where no white space or comment begins. */
struct lex_token lex_next(const uint8_t *at);

/* The rest of a constant of `kind` that goes on at `at`, the quote after a gap that continues it. */
struct lex_token lex_continue(const uint8_t *at, enum lex_kind kind);

/* White space and comments from `at` on; may be none. */
struct lex_gap lex_gap(const uint8_t *at);

static inline bool lex_is_class(uint8_t byte, unsigned class)
{
    return (lex_class[byte] & class) != 0;
}

/* True if the bytes from `at` to `end` are characters of UTF-8, none of them cut off. */
bool lex_check_utf8(const uint8_t *at, const uint8_t *end);

/* The same; the class bits are those of all of these bytes: without a high one there is no walk. */
static inline bool lex_is_utf8(const uint8_t *at, const uint8_t *end, unsigned classes)
{
    return LIKELY(!(classes & LEX_CLASS_HIGH)) || lex_check_utf8(at, end);
}

static inline bool lex_is_comment(const uint8_t *at)
{
    return (at[0] == '-' && at[1] == '-') || (at[0] == '/' && at[1] == '*');
}

static inline bool lex_is_constant(enum lex_kind kind)
{
    return kind > LEX_PARAM;
}

/* True for the constants that a quote after a line end continues. */
static inline bool lex_is_quoted(enum lex_kind kind)
{
    return kind == LEX_STRING || kind >= LEX_ESCAPE_STRING;
}

/* True if a constant of `kind`, `gap` and the bytes at gap.end are one constant. */
static inline bool lex_continues(enum lex_kind kind, struct lex_gap gap)
{
    return (gap.has & (LEX_GAP_LINE_END | LEX_GAP_BLOCK)) == LEX_GAP_LINE_END && *gap.end == '\'' &&
           lex_is_quoted(kind);
}

/* The end of the token at `at` if it is a word, name, operator or punctuation that its bytes alone
 * decide, which most tokens are; else NULL: ask lex_next. For the loops that must be fast. */
static inline const uint8_t *lex_plain_end(const uint8_t *at)
{
    const uint8_t *start = at;
    unsigned class = lex_class[*at++];

    if (class & LEX_CLASS_LETTER) {
        unsigned classes = class;
        while ((class = lex_class[*at]) & LEX_CLASS_WORD) {
            classes |= class;
            at++;
        }
        if (classes & LEX_CLASS_HIGH)
            return NULL;
        return at == start + 1 && (*at == '\'' || *at == '&') ? NULL : at; /* E'...' */
    }
    if (class & LEX_CLASS_SINGLE)
        return at;
    if (class & LEX_CLASS_OPERATOR)
        return lex_is_class(*at, LEX_CLASS_OPERATOR) ? NULL : at;
    if (*start == '.')
        return *at == '.' || lex_is_class(*at, LEX_CLASS_DIGIT) ? NULL : at;
    if (*start == '"') {
        unsigned classes = 0;
        while (*at != '"' && *at != 0)
            classes |= lex_class[*at++];
        if (*at == 0 || at == start + 1 || at[1] == '"' || (classes & LEX_CLASS_HIGH))
            return NULL;
        return at + 1;
    }
    return NULL;
}
