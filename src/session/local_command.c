/* SET, RESET and SHOW of pgrecall.*, from a canonical text.
 *
 * Source  gram.y of PostgreSQL 15: VariableSetStmt, VariableResetStmt, VariableShowStmt.
 */
#include <stdio.h>
#include <strings.h>

#include "session/local_settings.h"

struct reader {
    struct slice text;
    size_t at;
};

enum kind { KIND_END, KIND_WORD, KIND_NAME, KIND_STRING, KIND_NUMBER, KIND_OTHER };

struct token {
    enum kind kind;
    struct slice raw;
};

static bool is_letter(uint8_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z' ? true : c == '_' || c >= 0x80;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static struct token next_token(struct reader *reader)
{
    struct slice text = reader->text;
    size_t at = reader->at;
    while (at < text.len && (text.data[at] == ' ' || text.data[at] == '\n'))
        at++;
    size_t from = at;
    enum kind kind = KIND_OTHER;
    if (at == text.len)
        return (struct token){.kind = KIND_END, .raw = slice_of(text.data + at, 0)};
    uint8_t c = text.data[at++];
    if (c == '\'' || c == '"') {
        kind = c == '"' ? KIND_NAME : KIND_STRING;
        while (at < text.len) {
            if (text.data[at++] != c)
                continue;
            if (at == text.len || text.data[at] != c)
                break;
            at++; /* it is doubled */
        }
    } else if (is_letter(c)) {
        kind = KIND_WORD;
        while (at < text.len &&
               (is_letter(text.data[at]) || is_digit(text.data[at]) || text.data[at] == '$'))
            at++;
    } else if (is_digit(c)) {
        kind = KIND_NUMBER;
        while (at < text.len && (is_digit(text.data[at]) || text.data[at] == '.'))
            at++;
    }
    reader->at = at;
    return (struct token){.kind = kind, .raw = slice_of(text.data + from, at - from)};
}

static struct token peek_token(const struct reader *reader)
{
    struct reader copy = *reader;
    return next_token(&copy);
}

static bool token_is(struct token token, const char *word)
{
    return token.kind == KIND_WORD && token.raw.len == strlen(word) &&
           strncasecmp((const char *)token.raw.data, word, token.raw.len) == 0;
}

static bool token_is_char(struct token token, char c)
{
    return token.kind == KIND_OTHER && token.raw.data[0] == (uint8_t)c;
}

/* What a token stands for, without quotes. */
static void put_token(struct token token, char *out, size_t len)
{
    bool quoted = token.kind == KIND_NAME || token.kind == KIND_STRING;
    size_t used = 0;
    for (size_t i = quoted; i + quoted < token.raw.len && used + 1 < len; i++) {
        out[used++] = (char)token.raw.data[i];
        if (quoted && token.raw.data[i] == token.raw.data[0])
            i++;
    }
    out[used] = 0;
}

/* pgrecall . name */
static bool read_name(struct reader *reader, struct local_command *out)
{
    char part[LOCAL_VALUE_MAX];
    struct token token = next_token(reader);
    if (token.kind != KIND_WORD && token.kind != KIND_NAME)
        return false;
    put_token(token, part, sizeof(part));
    if (strcasecmp(part, "pgrecall") != 0 || !token_is_char(next_token(reader), '.'))
        return false;
    token = next_token(reader);
    if (token.kind != KIND_WORD && token.kind != KIND_NAME)
        return false;
    put_token(token, part, sizeof(part) - sizeof("pgrecall."));
    snprintf(out->given_name, sizeof(out->given_name), "pgrecall.%.*s",
             (int)(LOCAL_VALUE_MAX - sizeof("pgrecall.")), part);
    out->name = local_name_of(out->given_name);
    return true;
}

static void break_at(struct local_command *out, struct token token)
{
    out->broken = true;
    snprintf(out->text, sizeof(out->text), "%.*s", (int)size_min(token.raw.len, 60),
             (const char *)token.raw.data);
}

static void read_value(struct reader *reader, struct local_command *out)
{
    struct token token = next_token(reader);
    if (!token_is_char(token, '=') && !token_is(token, "to")) {
        break_at(out, token);
        return;
    }
    token = next_token(reader);
    if (token.kind == KIND_END || token.kind == KIND_OTHER) {
        break_at(out, token);
        return;
    }
    out->to_default = token_is(token, "default");
    put_token(token, out->text, sizeof(out->text));
    token = peek_token(reader);
    if (token_is_char(token, ','))
        out->list = true;
    else if (token.kind != KIND_END)
        break_at(out, token);
}

/* One statement at the beginning of the reader's text. */
static bool read_statement(struct reader *reader, struct local_command *out)
{
    struct token verb = next_token(reader);
    *out = (struct local_command){0};
    if (token_is(verb, "set")) {
        out->kind = LOCAL_SET;
        struct token scope = peek_token(reader);
        out->in_block = token_is(scope, "local");
        if (out->in_block || token_is(scope, "session"))
            next_token(reader);
    } else if (token_is(verb, "reset")) {
        out->kind = LOCAL_RESET;
    } else if (token_is(verb, "show")) {
        out->kind = LOCAL_SHOW;
    } else {
        return false;
    }
    if (!read_name(reader, out))
        return false;
    if (out->kind == LOCAL_SET)
        read_value(reader, out);
    else if (peek_token(reader).kind != KIND_END)
        break_at(out, peek_token(reader));
    return true;
}

bool local_command_read(struct slice canonical, bool several, struct local_command *out)
{
    if (!canonical.len)
        return false;
    uint8_t first = canonical.data[0] | 0x20;
    bool may = first == 's' || first == 'r';
    struct reader reader = {.text = canonical};
    if (!may && !several)
        return false;
    if (!several)
        return read_statement(&reader, out);
    for (;;) {
        struct local_command command;
        struct reader ahead = reader;
        if (read_statement(&ahead, &command)) {
            *out = (struct local_command){.kind = LOCAL_SEVERAL};
            return true;
        }
        struct token token;
        do {
            token = next_token(&reader);
        } while (token.kind != KIND_END && !token_is_char(token, ';'));
        if (token.kind == KIND_END)
            return false;
    }
}
