/* Cuts one token or one gap of a statement; see lex.h. No state, any thread. */
#include "lex.h"

enum {
    OPERATOR_LEN_MAX = 63, /* NAMEDATALEN - 1: Postgres refuses longer ones */
    PARAM_DIGITS_MAX = 9,  /* more may not fit an int; the protocol knows 65535 at most */
    CODE_POINT_MAX = 0x10FFFF,
};

static struct lex_token token(const uint8_t *end, enum lex_kind kind)
{
    return (struct lex_token){.end = end, .kind = kind};
}

static struct lex_token doubt(const uint8_t *at)
{
    return token(at, LEX_DOUBT);
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static int hex_value(uint8_t byte)
{
    if (is_digit(byte))
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static const uint8_t *skip_digits(const uint8_t *at)
{
    while (is_digit(*at))
        at++;
    return at;
}

/* ---- gaps ---- */

/* True if the comment whose content begins at `at` is one for us. */
static bool begins_hint(const uint8_t *at, bool block)
{
    static const char HINT[] = "pgrecall:";

    while (lex_is_class(*at, LEX_CLASS_SPACE) && (block || (*at != '\n' && *at != '\r')))
        at++;
    return strncmp((const char *)at, HINT, sizeof(HINT) - 1) == 0;
}

/* Passes a comment "-- ..." up to its line end. */
static const uint8_t *skip_line_comment(const uint8_t *at, unsigned *has)
{
    const uint8_t *start = at;
    unsigned classes = 0;

    while (*at != '\n' && *at != '\r' && *at != 0)
        classes |= lex_class[*at++];
    if (!lex_is_utf8(start, at, classes))
        *has |= LEX_GAP_DOUBT;
    return at;
}

/* Passes a comment that begins with slash and star, with those nested in it. */
static const uint8_t *skip_block_comment(const uint8_t *at, unsigned *has)
{
    const uint8_t *start = at;
    unsigned classes = 0;
    unsigned depth = 0;

    do {
        if (at[0] == '/' && at[1] == '*') {
            depth++;
            at += 2;
        } else if (at[0] == '*' && at[1] == '/') {
            depth--;
            at += 2;
        } else if (*at == 0) {
            *has |= LEX_GAP_DOUBT;
            return at;
        } else {
            classes |= lex_class[*at++];
        }
    } while (depth > 0);
    if (!lex_is_utf8(start, at, classes))
        *has |= LEX_GAP_DOUBT;
    return at;
}

struct lex_gap lex_gap(const uint8_t *at)
{
    unsigned has = 0;

    for (;;) {
        if (lex_is_class(*at, LEX_CLASS_SPACE)) {
            if (*at == '\n' || *at == '\r')
                has |= LEX_GAP_LINE_END;
            at++;
            while (*at == ' ') /* indentation */
                at++;
        } else if (lex_is_comment(at)) {
            bool block = *at == '/';
            if (begins_hint(at + 2, block))
                has |= LEX_GAP_HINT;
            has |= block ? LEX_GAP_BLOCK : LEX_GAP_LINE;
            at = block ? skip_block_comment(at, &has) : skip_line_comment(at, &has);
        } else {
            return (struct lex_gap){.end = at, .has = has};
        }
    }
}

/* ---- quoted tokens ---- */

static unsigned saw_date_letter(unsigned classes)
{
    return classes & LEX_CLASS_DATE ? LEX_SAW_DATE_LETTER : 0;
}

/* A token between two `quote`s; `doubled` if two of them stand for one inside.
 *
 * start   Where the token begins, prefix included.
 * inside  The byte after the opening quote.
 */
static struct lex_token quoted(const uint8_t *start, const uint8_t *inside, uint8_t quote,
                               bool doubled, enum lex_kind kind)
{
    const uint8_t *at = inside;
    unsigned classes = 0;

    for (;;) {
        while (*at != quote && *at != 0)
            classes |= lex_class[*at++];
        if (*at == 0)
            return doubt(start);
        at++;
        if (*at != quote || !doubled)
            break;
        at++;
    }
    /* A constant's bytes are passed on as they are; a name's decide which object is meant. */
    if (kind != LEX_STRING && !lex_is_utf8(inside, at, classes))
        return doubt(start);
    if (kind == LEX_NAME) /* "" is refused */
        return at == inside + 1 ? doubt(start) : token(at, LEX_NAME);
    return (struct lex_token){.end = at, .kind = kind, .saw = saw_date_letter(classes)};
}

/* The value of `count` hexadecimal digits at `at`, or -1. */
static int64_t hex_number(const uint8_t *at, unsigned count)
{
    int64_t value = 0;

    for (unsigned i = 0; i < count; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Passes the \u or \U at `at`, of which a first half of a surrogate pair needs its second.
 * NULL if Postgres refuses it. */
static const uint8_t *skip_unicode_escape(const uint8_t *at)
{
    bool in_pair = false;

    for (;;) {
        if (at[0] != '\\' || (at[1] != 'u' && at[1] != 'U'))
            return NULL;
        unsigned digits = at[1] == 'u' ? 4 : 8;
        int64_t code = hex_number(at + 2, digits);
        if (code <= 0 || code > CODE_POINT_MAX)
            return NULL;
        bool second = code >= 0xDC00 && code <= 0xDFFF;
        if (second != in_pair)
            return NULL;
        at += 2 + digits;
        if (code < 0xD800 || code > 0xDBFF)
            return at;
        in_pair = true;
    }
}

/* True for an octal or hexadecimal escape, of which `at` is the byte after the backslash, that gives
 * zero or a byte of a longer character: whether Postgres takes it depends on what stands beside it
 * and on the server's encoding. */
static bool is_byte_escape_outside_ascii(const uint8_t *at)
{
    unsigned value = 0;
    unsigned digits = 0;

    if (*at == 'x') {
        for (at++; digits < 2 && hex_value(*at) >= 0; digits++)
            value = value * 16 + (unsigned)hex_value(*at++);
    } else {
        for (; digits < 3 && *at >= '0' && *at <= '7'; digits++)
            value = value * 8 + (unsigned)(*at++ - '0');
    }
    return digits > 0 && (value == 0 || value > 0x7F);
}

/* The rest of E'...' from `inside`, the byte after a quote. */
static struct lex_token escape_string(const uint8_t *start, const uint8_t *inside)
{
    const uint8_t *at = inside;
    unsigned classes = 0;
    unsigned saw = 0;

    for (;;) {
        if (*at == 0)
            return doubt(start);
        if (*at == '\'') {
            at++;
            if (*at != '\'')
                break;
            at++;
        } else if (*at == '\\') {
            saw |= LEX_SAW_ESCAPE;
            if (at[1] == 'u' || at[1] == 'U') {
                at = skip_unicode_escape(at);
                if (!at)
                    return doubt(start);
            } else if (at[1] != 0) {
                if (is_byte_escape_outside_ascii(at + 1))
                    return doubt(start);
                classes |= lex_class[at[1]];
                at += 2;
            } else {
                return doubt(start);
            }
        } else {
            classes |= lex_class[*at++];
        }
    }
    if (!lex_is_utf8(inside, at, classes))
        return doubt(start);
    return (struct lex_token){
        .end = at, .kind = LEX_ESCAPE_STRING, .saw = saw | saw_date_letter(classes)};
}

struct lex_token lex_continue(const uint8_t *at, enum lex_kind kind)
{
    if (kind == LEX_ESCAPE_STRING)
        return escape_string(at, at + 1);
    struct lex_token part = quoted(at, at + 1, '\'', kind != LEX_BIT_STRING, kind);
    if (kind == LEX_UNICODE_STRING)
        part.saw |= LEX_SAW_ESCAPE; /* UESCAPE may make any byte the escape character */
    return part;
}

/* $tag$ ... $tag$, with `at` on the first dollar sign. */
static struct lex_token dollar_string(const uint8_t *at)
{
    const uint8_t *body = at + 1;
    unsigned classes = 0;

    while (lex_is_class(*body, LEX_CLASS_WORD) && *body != '$')
        classes |= lex_class[*body++];
    if (*body != '$' || !lex_is_utf8(at + 1, body, classes))
        return doubt(at);
    body++;

    size_t tag_len = (size_t)(body - at);
    const uint8_t *end = body;
    classes = 0;
    for (;;) {
        while (*end != '$' && *end != 0)
            classes |= lex_class[*end++];
        if (*end == 0)
            return doubt(at);
        /* strncmp stops at the zero byte after the text, memcmp might look beyond it. */
        if (strncmp((const char *)end, (const char *)at, tag_len) == 0)
            break;
        end++;
    }
    return (struct lex_token){
        .end = end + tag_len, .kind = LEX_DOLLAR_STRING, .saw = saw_date_letter(classes)};
}

/* ---- words, numbers, operators ---- */

/* A word, or the constant or name of which it is the prefix. */
static struct lex_token word(const uint8_t *start)
{
    const uint8_t *at = start;
    unsigned classes = 0;

    while (lex_is_class(*at, LEX_CLASS_WORD))
        classes |= lex_class[*at++];
    if (UNLIKELY(at == start + 1 && (*at == '\'' || *at == '&'))) {
        uint8_t prefix = *start | 0x20;
        if (*at == '\'' && prefix == 'e')
            return escape_string(start, at + 1);
        if (*at == '\'' && (prefix == 'b' || prefix == 'x'))
            return quoted(start, at + 1, '\'', false, LEX_BIT_STRING);
        if (*at == '&' && prefix == 'u' && at[1] == '"')
            return quoted(start, at + 2, '"', true, LEX_NAME);
        if (*at == '&' && prefix == 'u' && at[1] == '\'') {
            struct lex_token string = quoted(start, at + 2, '\'', true, LEX_UNICODE_STRING);
            string.saw |= LEX_SAW_ESCAPE;
            return string;
        }
    }
    if (!lex_is_utf8(start, at, classes))
        return doubt(start);
    return token(at, LEX_WORD);
}

/* Which type Postgres gives the digits from `at` to `end`. */
static enum lex_kind integer_kind(const uint8_t *at, const uint8_t *end)
{
    static const char INT4_DIGITS[] = "2147483647";
    static const char INT8_DIGITS[] = "9223372036854775807";

    while (at < end && *at == '0')
        at++;
    size_t len = (size_t)(end - at);
    if (len < sizeof(INT4_DIGITS) - 1)
        return LEX_INT4;
    if (len == sizeof(INT4_DIGITS) - 1)
        return memcmp(at, INT4_DIGITS, len) <= 0 ? LEX_INT4 : LEX_INT8;
    if (len < sizeof(INT8_DIGITS) - 1)
        return LEX_INT8;
    if (len == sizeof(INT8_DIGITS) - 1 && memcmp(at, INT8_DIGITS, len) <= 0)
        return LEX_INT8;
    return LEX_NUMERIC;
}

/* A number; `start` is on a digit, or on a point before a digit. */
static struct lex_token number(const uint8_t *start)
{
    const uint8_t *at = skip_digits(start);
    enum lex_kind kind = LEX_NUMERIC;

    if (*at != '.') {
        kind = integer_kind(start, at);
    } else if (at > start && at[1] == '.') {
        return token(at, integer_kind(start, at)); /* 1..10: the bounds of a loop */
    } else {
        at = skip_digits(at + 1);
    }
    if ((*at | 0x20) == 'e') {
        at++;
        if (*at == '+' || *at == '-')
            at++;
        if (!is_digit(*at))
            return doubt(start);
        at = skip_digits(at);
        kind = LEX_NUMERIC;
    }
    /* 1abc, 0x1F, 1_000: refused by 15, two tokens before, some of them one token since 16. */
    if (lex_is_class(*at, LEX_CLASS_LETTER))
        return doubt(start);
    return token(at, kind);
}

static struct lex_token dollar(const uint8_t *start)
{
    const uint8_t *at = start + 1;

    if (!is_digit(*at))
        return dollar_string(start);
    at = skip_digits(at);
    if (at - start - 1 > PARAM_DIGITS_MAX || lex_is_class(*at, LEX_CLASS_LETTER))
        return doubt(start);
    return token(at, LEX_PARAM);
}

/* True if the operator may end in + or -: one of its bytes is in no operator of standard SQL. */
static bool may_end_in_sign(const uint8_t *start, const uint8_t *end)
{
    for (const uint8_t *at = start; at < end; at++) {
        if (memchr("~!@#^&|`?%", *at, 10))
            return true;
    }
    return false;
}

static struct lex_token operator_run(const uint8_t *start)
{
    const uint8_t *at = start + 1;

    while (lex_is_class(*at, LEX_CLASS_OPERATOR) && !lex_is_comment(at))
        at++;
    if (at > start + 1 && (at[-1] == '+' || at[-1] == '-') && !may_end_in_sign(start, at)) {
        while (at > start + 1 && (at[-1] == '+' || at[-1] == '-'))
            at--;
    }
    if (at - start > OPERATOR_LEN_MAX)
        return doubt(start);
    return token(at, LEX_OPERATOR);
}

struct lex_token lex_next(const uint8_t *at)
{
    unsigned class = lex_class[*at];

    if (class & LEX_CLASS_LETTER)
        return word(at);
    if (class & LEX_CLASS_SINGLE)
        return token(at + 1, LEX_PUNCTUATION);
    if (class & LEX_CLASS_DIGIT)
        return number(at);
    if (class & LEX_CLASS_OPERATOR)
        return operator_run(at);

    switch (*at) {
    case 0:
        return token(at, LEX_END);
    case ';':
        return token(at + 1, LEX_SEMICOLON);
    case '\'':
        return quoted(at, at + 1, '\'', true, LEX_STRING);
    case '"':
        return quoted(at, at + 1, '"', true, LEX_NAME);
    case '$':
        return dollar(at);
    case '.':
        if (is_digit(at[1]))
            return number(at);
        return token(at + (at[1] == '.' ? 2 : 1), LEX_PUNCTUATION);
    case ':':
        return token(at + (at[1] == ':' || at[1] == '=' ? 2 : 1), LEX_PUNCTUATION);
    default:
        return doubt(at);
    }
}
