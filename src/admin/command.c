/* Cutting the console's commands. The few tokens that matter are words, quoted names, literals and
 * single characters; the text behind EXPLAIN CACHE is looked at only to find where it ends. */
#include "command.h"

#include <stdio.h>
#include <strings.h>

enum { SHOWN_MAX = 60 };

const struct command_row command_rows[COMMAND_COUNT] = {
#define COMMAND(id, name, words, argument, access, result, prose)                                  \
    [COMMAND_##id] = {words, ARGUMENT_##argument, ACCESS_##access, prose},
#include "commands.def"
#undef COMMAND
};

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

/* ---- characters ---- */

static bool is_blank(uint8_t c)
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

static bool is_word(uint8_t c)
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

static size_t skip_blank(struct slice text, size_t at)
{
    for (;;) {
        size_t next = at;
        while (next < text.len && is_blank(text.data[next]))
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

/* Where the command that begins at `at` ends: at a semicolon outside of quotes and comments. */
static size_t find_end(struct slice text, size_t at)
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
            while (next < text.len && text.data[next] != '-' && is_word(text.data[next]))
                next++;
        at = next > at ? next : at + 1;
    }
    return at;
}

/* ---- tokens ---- */

static struct token next_token(struct reader *reader)
{
    struct slice text = reader->text;
    size_t start = skip_blank(text, reader->at);
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
        while (at < text.len && is_word(text.data[at]) && !begins(text, at, "--"))
            at++;
    } else if (is_digit(text.data[at])) {
        kind = TOKEN_NUMBER;
        while (at < text.len && is_word(text.data[at]) && !begins(text, at, "--"))
            at++;
    } else {
        at++;
    }
    reader->at = at;
    return (struct token){.kind = kind, .raw = slice_of(text.data + start, at - start)};
}

static struct token peek_token(const struct reader *reader)
{
    struct reader copy = *reader;
    return next_token(&copy);
}

static bool token_is(struct token token, const char *word)
{
    return token.kind == TOKEN_WORD && token.raw.len == strlen(word) &&
           strncasecmp((const char *)token.raw.data, word, token.raw.len) == 0;
}

static bool token_is_char(struct token token, char c)
{
    return token.kind == TOKEN_OTHER && token.raw.len == 1 && token.raw.data[0] == (uint8_t)c;
}

static bool is_name(struct token token)
{
    return token.kind == TOKEN_WORD || token.kind == TOKEN_NAME || token.kind == TOKEN_LITERAL;
}

/* Appends what a token stands for, without quotes. False: it does not fit, or has a zero byte. */
static bool put_token(char out[COMMAND_TEXT_MAX], struct token token, bool fold)
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

/* ---- what is wrong ---- */

static enum err refuse(char why[COMMAND_WHY_MAX], const char *what, struct slice text)
{
    char shown[SHOWN_MAX + 1];
    size_t len = size_min(text.len, SHOWN_MAX);
    for (size_t i = 0; i < len; i++)
        shown[i] = (char)(text.data[i] >= ' ' && text.data[i] < 0x7f ? text.data[i] : '?');
    shown[len] = 0;
    if (len)
        snprintf(why, COMMAND_WHY_MAX, "%s \"%s\"", what, shown);
    else
        snprintf(why, COMMAND_WHY_MAX, "%s", what);
    return ERR_INVALID;
}

static enum err refuse_token(char why[COMMAND_WHY_MAX], struct token token)
{
    if (token.kind == TOKEN_END)
        return refuse(why, "syntax error at end of input", token.raw);
    return refuse(why, "syntax error at or near", token.raw);
}

static enum err expect_end(struct reader *reader, char why[COMMAND_WHY_MAX])
{
    struct token token = next_token(reader);
    return token.kind == TOKEN_END ? ERR_OK : refuse_token(why, token);
}

/* ---- arguments ---- */

static enum err read_name(struct reader *reader, char out[COMMAND_TEXT_MAX], bool fold,
                          char why[COMMAND_WHY_MAX])
{
    struct token token = next_token(reader);
    if (!is_name(token))
        return refuse_token(why, token);
    if (!put_token(out, token, fold) || !out[0])
        return refuse(why, "not a name:", token.raw);
    return ERR_OK;
}

/* An optional "IN database". */
static enum err read_in(struct reader *reader, struct command *out, char why[COMMAND_WHY_MAX])
{
    if (!token_is(peek_token(reader), "IN"))
        return ERR_OK;
    next_token(reader);
    return read_name(reader, out->database, false, why);
}

static enum err read_table(struct reader *reader, struct command *out, char why[COMMAND_WHY_MAX])
{
    enum err err = read_name(reader, out->name, true, why);
    if (err == ERR_OK && token_is_char(peek_token(reader), '.')) {
        if (!put_token(out->name, next_token(reader), false))
            return refuse(why, "the name is too long", slice_of(NULL, 0));
        err = read_name(reader, out->name, true, why);
    }
    return err == ERR_OK ? read_in(reader, out, why) : err;
}

static enum err read_number(struct reader *reader, struct command *out, char why[COMMAND_WHY_MAX])
{
    struct token token = next_token(reader);
    if (token.kind != TOKEN_NUMBER && token.kind != TOKEN_LITERAL)
        return refuse_token(why, token);
    char text[COMMAND_TEXT_MAX] = "";
    if (!put_token(text, token, false) || !text[0])
        return refuse(why, "not a number:", token.raw);
    uint64_t number = 0;
    for (const char *at = text; *at; at++) {
        if (*at < '0' || *at > '9' || number > (UINT64_MAX - 9) / 10)
            return refuse(why, "not a number:", token.raw);
        number = number * 10 + (uint64_t)(*at - '0');
    }
    out->number = number;
    return ERR_OK;
}

/* [SESSION | LOCAL] name {= | TO} value, and the spellings of SQL: TIME ZONE value, NAMES value. */
static enum err read_assign(struct reader *reader, struct command *out, char why[COMMAND_WHY_MAX])
{
    struct token first = peek_token(reader);
    if (token_is(first, "SESSION") || token_is(first, "LOCAL"))
        next_token(reader);
    struct token name = next_token(reader);
    if (name.kind != TOKEN_WORD && name.kind != TOKEN_NAME)
        return refuse_token(why, name);
    struct token sign = peek_token(reader);
    bool special = true;
    if (token_is(name, "TIME") && token_is(sign, "ZONE")) {
        next_token(reader);
        snprintf(out->name, sizeof(out->name), "timezone");
    } else if (token_is(name, "NAMES")) {
        snprintf(out->name, sizeof(out->name), "client_encoding");
    } else {
        special = false;
        if (!put_token(out->name, name, true))
            return refuse(why, "not an option:", name.raw);
    }
    if (!special) {
        sign = next_token(reader);
        if (!token_is_char(sign, '=') && !token_is(sign, "TO"))
            return refuse_token(why, sign);
    }
    struct reader whole = *reader;
    struct token value = next_token(reader);
    if (value.kind == TOKEN_END)
        return refuse_token(why, value);
    if (value.kind != TOKEN_LITERAL && value.kind != TOKEN_NAME) {
        /* As it stands, up to the end: "5s", "a, b", "/tmp/x". */
        size_t start = skip_blank(whole.text, whole.at), end = whole.text.len;
        while (end > start && is_blank(whole.text.data[end - 1]))
            end--;
        value = (struct token){TOKEN_OTHER, slice_of(whole.text.data + start, end - start)};
        reader->at = whole.text.len;
    }
    if (!put_token(out->value, value, false))
        return refuse(why, "the value is too long:", value.raw);
    return ERR_OK;
}

/* An optional "USING (value, ...)". */
static enum err read_using(struct reader *reader, struct command *out, char why[COMMAND_WHY_MAX])
{
    if (!token_is(peek_token(reader), "USING"))
        return ERR_OK;
    next_token(reader);
    struct token open = next_token(reader);
    if (!token_is_char(open, '('))
        return refuse_token(why, open);
    size_t start = reader->at;
    for (;;) {
        struct token token = next_token(reader);
        if (token_is_char(token, ')')) {
            size_t end = (size_t)(token.raw.data - reader->text.data);
            out->values = slice_of(reader->text.data + start, end - start);
            out->with_values = true;
            return ERR_OK;
        }
        if (token.kind == TOKEN_END)
            return refuse_token(why, token);
    }
}

static enum err read_sql(struct reader *reader, struct command *out, char why[COMMAND_WHY_MAX])
{
    enum err err = read_in(reader, out, why);
    if (err == ERR_OK && token_is(peek_token(reader), "AS")) {
        next_token(reader);
        err = read_name(reader, out->role, false, why);
    }
    if (err == ERR_OK)
        err = read_using(reader, out, why);
    if (err != ERR_OK)
        return err;
    size_t start = skip_blank(reader->text, reader->at);
    out->sql = slice_of(reader->text.data + start, reader->text.len - start);
    reader->at = reader->text.len;
    if (!out->sql.len)
        return refuse(why, "a statement is missing", out->sql);
    return ERR_OK;
}

/* name [=] key=value ..., the rest as it stands. */
static enum err read_rule(struct reader *reader, struct command *out, char why[COMMAND_WHY_MAX])
{
    enum err err = read_name(reader, out->name, false, why);
    if (err != ERR_OK)
        return err;
    if (token_is_char(peek_token(reader), '='))
        next_token(reader);
    size_t start = skip_blank(reader->text, reader->at), end = reader->text.len;
    struct token rest = {TOKEN_OTHER, slice_of(reader->text.data + start, end - start)};
    reader->at = end;
    if (!rest.raw.len)
        return refuse(why, "syntax error at end of input", rest.raw);
    if (!put_token(out->value, rest, false))
        return refuse(why, "the rule is too long:", rest.raw);
    return ERR_OK;
}

static enum err read_words(struct reader *reader, struct command *out, char why[COMMAND_WHY_MAX])
{
    struct token token;
    while ((token = next_token(reader)).kind != TOKEN_END) {
        size_t len = strlen(out->name);
        bool apart = len && is_word((uint8_t)out->name[len - 1]) && is_word(token.raw.data[0]);
        if (apart && len + 1 < COMMAND_TEXT_MAX)
            memcpy(out->name + len, " ", 2);
        if (!put_token(out->name, token, true))
            return refuse(why, "syntax error at or near", token.raw);
    }
    return ERR_OK;
}

static enum err read_argument(struct reader *reader, struct command *out, char why[COMMAND_WHY_MAX])
{
    enum err err = ERR_OK;
    switch (command_rows[out->id].argument) {
    case ARGUMENT_NONE:
        break;
    case ARGUMENT_DATABASE:
        if (peek_token(reader).kind != TOKEN_END)
            err = read_name(reader, out->name, false, why);
        break;
    case ARGUMENT_TABLE:
        err = read_table(reader, out, why);
        break;
    case ARGUMENT_NUMBER:
        err = read_number(reader, out, why);
        break;
    case ARGUMENT_ASSIGN:
        err = read_assign(reader, out, why);
        break;
    case ARGUMENT_NAME:
        err = read_name(reader, out->name, false, why);
        break;
    case ARGUMENT_RULE:
        err = read_rule(reader, out, why);
        break;
    case ARGUMENT_SQL:
        err = read_sql(reader, out, why);
        break;
    case ARGUMENT_WORDS:
        err = read_words(reader, out, why);
        break;
    }
    return err == ERR_OK ? expect_end(reader, why) : err;
}

/* ---- commands ---- */

/* How many words of `words` the reader stands before; 0 unless all. `out` is behind them. */
static unsigned match(struct reader reader, const char *words, struct reader *out)
{
    unsigned count = 0;
    while (*words) {
        size_t len = strcspn(words, " ");
        struct token token = next_token(&reader);
        if (token.kind != TOKEN_WORD || token.raw.len != len ||
            strncasecmp((const char *)token.raw.data, words, len) != 0)
            return 0;
        count++;
        words += len;
        words += strspn(words, " ");
    }
    *out = reader;
    return count;
}

enum err command_parse(struct slice text, size_t *at, struct command *out,
                       char why[COMMAND_WHY_MAX])
{
    size_t start = *at;
    for (;;) {
        start = skip_blank(text, start);
        if (start == text.len || text.data[start] != ';')
            break;
        start++;
    }
    if (start == text.len) {
        *at = text.len;
        return ERR_NOT_FOUND;
    }
    size_t end = find_end(text, start);
    *at = end < text.len ? end + 1 : end;

    struct reader reader = {.text = slice_of(text.data + start, end - start)};
    struct reader behind = reader, candidate;
    unsigned best = 0;
    *out = (struct command){0};
    for (unsigned id = 0; id < COMMAND_COUNT; id++) {
        unsigned count = match(reader, command_rows[id].words, &candidate);
        if (count > best) {
            best = count;
            behind = candidate;
            out->id = (enum command_id)id;
        }
    }
    if (!best)
        return refuse(why, "unknown command", next_token(&reader).raw);
    return read_argument(&behind, out, why);
}

void command_syntax(enum command_id id, char out[COMMAND_WHY_MAX])
{
    static const char *const texts[] = {
        [ARGUMENT_NONE] = "",
        [ARGUMENT_DATABASE] = " [database]",
        [ARGUMENT_TABLE] = " table [IN database]",
        [ARGUMENT_NUMBER] = " id",
        [ARGUMENT_ASSIGN] = " option = value",
        [ARGUMENT_SQL] = " [IN database] [AS role] [USING (value, ...)] statement",
        [ARGUMENT_NAME] = " name",
        [ARGUMENT_RULE] = " name key=value ...",
        [ARGUMENT_WORDS] = " ...",
    };
    snprintf(out, COMMAND_WHY_MAX, "%s%s", command_rows[id].words,
             texts[command_rows[id].argument]);
}

void command_tag(enum command_id id, char out[COMMAND_WHY_MAX])
{
    const char *words = command_rows[id].words;
    snprintf(out, COMMAND_WHY_MAX, "%.*s", (int)strcspn(words, " "), words);
}
