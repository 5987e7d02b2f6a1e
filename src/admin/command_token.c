#include "command_token.h"

#include <string.h>
#include <strings.h>

#include "command.h"

/* ---- characters ---- */

bool char_is_blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static bool is_word_start(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

bool char_is_word(uint8_t c)
{
    return is_word_start(c) || is_digit(c) || c == '$' || c == '-';
}

static char lower(uint8_t c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static bool begins(struct slice text, size_t at, const char *what)
{
    size_t len = strlen(what);
    return text.len - at >= len && memcmp(text.data + at, what, len) == 0;
}

/* ---- skipping ---- */

/* Behind the comment that begins at `at`; `at` itself if none does. Comments nest. */
static size_t skip_comment(struct slice text, size_t at)
{
    if (begins(text, at, "--")) {
        while (at < text.len && text.data[at] != '\n')
            at++;
        return at;
    }
    if (!begins(text, at, "/*"))
        return at;
    size_t depth = 0;
    while (at < text.len) {
        if (begins(text, at, "/*")) {
            depth++;
            at += 2;
        } else if (begins(text, at, "*/")) {
            at += 2;
            if (--depth == 0)
                return at;
        } else {
            at++;
        }
    }
    return at;
}

size_t text_skip_blank(struct slice text, size_t at)
{
    for (;;) {
        size_t next = at;
        while (next < text.len && char_is_blank(text.data[next]))
            next++;
        next = skip_comment(text, next);
        if (next == at)
            return at;
        at = next;
    }
}

/* Behind the closing quote, which stands for itself when doubled; the end of the text if there is
 * none. */
static size_t skip_quoted(struct slice text, size_t at, bool escapes)
{
    uint8_t quote = text.data[at++];
    while (at < text.len) {
        if (escapes && text.data[at] == '\\' && at + 1 < text.len) {
            at += 2;
        } else if (text.data[at] != quote) {
            at++;
        } else if (at + 1 < text.len && text.data[at + 1] == quote) {
            at += 2;
        } else {
            return at + 1;
        }
    }
    return text.len;
}

/* Behind a dollar-quoted literal; `at` itself if none begins there. */
static size_t skip_dollars(struct slice text, size_t at)
{
    size_t end = at + 1;
    while (end < text.len && text.data[end] != '$' &&
           (is_word_start(text.data[end]) || (end > at + 1 && is_digit(text.data[end]))))
        end++;
    if (end >= text.len || text.data[end] != '$')
        return at;
    size_t tag_len = end + 1 - at;
    for (size_t close = end + 1; close + tag_len <= text.len; close++)
        if (memcmp(text.data + close, text.data + at, tag_len) == 0)
            return close + tag_len;
    return text.len;
}

size_t text_end(struct slice text, size_t at)
{
    while (at < text.len && text.data[at] != ';') {
        uint8_t c = text.data[at];
        size_t next = at;
        if (c == '\'' || c == '"')
            next = skip_quoted(text, at, false);
        else if (c == '$')
            next = skip_dollars(text, at);
        else if (c == '-' || c == '/')
            next = skip_comment(text, at);
        else if ((c == 'e' || c == 'E') && at + 1 < text.len && text.data[at + 1] == '\'')
            next = skip_quoted(text, at + 1, true);
        else if (is_word_start(c))
            while (next < text.len && text.data[next] != '-' && char_is_word(text.data[next]))
                next++;
        at = next > at ? next : at + 1;
    }
    return at;
}

/* ---- tokens ---- */

struct token token_next(struct reader *reader)
{
    struct slice text = reader->text;
    size_t start = text_skip_blank(text, reader->at);
    size_t at = start;
    enum token_kind kind = TOKEN_OTHER;
    if (at == text.len) {
        kind = TOKEN_END;
    } else if (text.data[at] == '"' || text.data[at] == '\'') {
        kind = text.data[at] == '"' ? TOKEN_NAME : TOKEN_LITERAL;
        at = skip_quoted(text, at, false);
        if (at - start < 2 || text.data[at - 1] != text.data[start])
            kind = TOKEN_OTHER; /* not closed */
    } else if (is_word_start(text.data[at])) {
        kind = TOKEN_WORD;
        while (at < text.len && char_is_word(text.data[at]) && !begins(text, at, "--"))
            at++;
    } else if (is_digit(text.data[at])) {
        kind = TOKEN_NUMBER;
        while (at < text.len && char_is_word(text.data[at]) && !begins(text, at, "--"))
            at++;
    } else {
        at++;
    }
    reader->at = at;
    return (struct token){.kind = kind, .raw = slice_of(text.data + start, at - start)};
}

struct token token_peek(const struct reader *reader)
{
    struct reader copy = *reader;
    return token_next(&copy);
}

bool token_is(struct token token, const char *word)
{
    return token.kind == TOKEN_WORD && token.raw.len == strlen(word) &&
           strncasecmp((const char *)token.raw.data, word, token.raw.len) == 0;
}

bool token_is_char(struct token token, char c)
{
    return token.kind == TOKEN_OTHER && token.raw.len == 1 && token.raw.data[0] == (uint8_t)c;
}

bool token_is_name(struct token token)
{
    return token.kind == TOKEN_WORD || token.kind == TOKEN_NAME || token.kind == TOKEN_LITERAL;
}

bool token_put(char *out, struct token token, bool fold)
{
    size_t len = strlen(out);
    bool quoted = token.kind == TOKEN_NAME || token.kind == TOKEN_LITERAL;
    size_t end = token.raw.len - (quoted ? 1 : 0);
    for (size_t i = quoted ? 1 : 0; i < end; i++) {
        uint8_t c = token.raw.data[i];
        if (len + 1 >= COMMAND_TEXT_MAX || c == 0)
            return false;
        out[len++] = fold && !quoted ? lower(c) : (char)c;
        if (quoted && c == token.raw.data[0])
            i++; /* it is doubled */
    }
    out[len] = 0;
    return true;
}
