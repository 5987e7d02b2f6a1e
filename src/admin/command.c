/* Reading the console's commands; the text behind EXPLAIN CACHE is looked at only to find where it ends. */
#include "command.h"

#include <stdio.h>
#include <strings.h>

#include "command_token.h"

enum { SHOWN_MAX = 60 };

const struct command_row command_rows[COMMAND_COUNT] = {
#define COMMAND(id, name, words, argument, access, result, prose)                                  \
    [COMMAND_##id] = {words, ARGUMENT_##argument, ACCESS_##access, prose},
#include "commands.def"
#undef COMMAND
};

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
    struct token token = token_next(reader);
    return token.kind == TOKEN_END ? ERR_OK : refuse_token(why, token);
}

/* ---- arguments ---- */

static enum err read_name(struct reader *reader, char out[COMMAND_TEXT_MAX], bool fold,
                          char why[COMMAND_WHY_MAX])
{
    struct token token = token_next(reader);
    if (!token_is_name(token))
        return refuse_token(why, token);
    if (!token_put(out, token, fold) || !out[0])
        return refuse(why, "not a name:", token.raw);
    return ERR_OK;
}

/* An optional "IN database". */
static enum err read_in(struct reader *reader, struct command *out, char why[COMMAND_WHY_MAX])
{
    if (!token_is(token_peek(reader), "IN"))
        return ERR_OK;
    token_next(reader);
    return read_name(reader, out->database, false, why);
}

static enum err read_table(struct reader *reader, struct command *out, char why[COMMAND_WHY_MAX])
{
    enum err err = read_name(reader, out->name, true, why);
    if (err == ERR_OK && token_is_char(token_peek(reader), '.')) {
        if (!token_put(out->name, token_next(reader), false))
            return refuse(why, "the name is too long", slice_of(NULL, 0));
        err = read_name(reader, out->name, true, why);
    }
    return err == ERR_OK ? read_in(reader, out, why) : err;
}

static enum err read_number(struct reader *reader, struct command *out, char why[COMMAND_WHY_MAX])
{
    struct token token = token_next(reader);
    if (token.kind != TOKEN_NUMBER && token.kind != TOKEN_LITERAL)
        return refuse_token(why, token);
    char text[COMMAND_TEXT_MAX] = "";
    if (!token_put(text, token, false) || !text[0])
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
    struct token first = token_peek(reader);
    if (token_is(first, "SESSION") || token_is(first, "LOCAL"))
        token_next(reader);
    struct token name = token_next(reader);
    if (name.kind != TOKEN_WORD && name.kind != TOKEN_NAME)
        return refuse_token(why, name);
    struct token sign = token_peek(reader);
    bool special = true;
    if (token_is(name, "TIME") && token_is(sign, "ZONE")) {
        token_next(reader);
        snprintf(out->name, sizeof(out->name), "timezone");
    } else if (token_is(name, "NAMES")) {
        snprintf(out->name, sizeof(out->name), "client_encoding");
    } else {
        special = false;
        if (!token_put(out->name, name, true))
            return refuse(why, "not an option:", name.raw);
    }
    if (!special) {
        sign = token_next(reader);
        if (!token_is_char(sign, '=') && !token_is(sign, "TO"))
            return refuse_token(why, sign);
    }
    struct reader whole = *reader;
    struct token value = token_next(reader);
    if (value.kind == TOKEN_END)
        return refuse_token(why, value);
    if (value.kind != TOKEN_LITERAL && value.kind != TOKEN_NAME) {
        /* As it stands, up to the end: "5s", "a, b", "/tmp/x". */
        size_t start = text_skip_blank(whole.text, whole.at), end = whole.text.len;
        while (end > start && char_is_blank(whole.text.data[end - 1]))
            end--;
        value = (struct token){TOKEN_OTHER, slice_of(whole.text.data + start, end - start)};
        reader->at = whole.text.len;
    }
    if (!token_put(out->value, value, false))
        return refuse(why, "the value is too long:", value.raw);
    return ERR_OK;
}

/* An optional "USING (value, ...)". */
static enum err read_using(struct reader *reader, struct command *out, char why[COMMAND_WHY_MAX])
{
    if (!token_is(token_peek(reader), "USING"))
        return ERR_OK;
    token_next(reader);
    struct token open = token_next(reader);
    if (!token_is_char(open, '('))
        return refuse_token(why, open);
    size_t start = reader->at;
    for (;;) {
        struct token token = token_next(reader);
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
    if (err == ERR_OK && token_is(token_peek(reader), "AS")) {
        token_next(reader);
        err = read_name(reader, out->role, false, why);
    }
    if (err == ERR_OK)
        err = read_using(reader, out, why);
    if (err != ERR_OK)
        return err;
    size_t start = text_skip_blank(reader->text, reader->at);
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
    if (token_is_char(token_peek(reader), '='))
        token_next(reader);
    size_t start = text_skip_blank(reader->text, reader->at), end = reader->text.len;
    struct token rest = {TOKEN_OTHER, slice_of(reader->text.data + start, end - start)};
    reader->at = end;
    if (!rest.raw.len)
        return refuse(why, "syntax error at end of input", rest.raw);
    if (!token_put(out->value, rest, false))
        return refuse(why, "the rule is too long:", rest.raw);
    return ERR_OK;
}

static enum err read_words(struct reader *reader, struct command *out, char why[COMMAND_WHY_MAX])
{
    struct token token;
    while ((token = token_next(reader)).kind != TOKEN_END) {
        size_t len = strlen(out->name);
        bool apart =
            len && char_is_word((uint8_t)out->name[len - 1]) && char_is_word(token.raw.data[0]);
        if (apart && len + 1 < COMMAND_TEXT_MAX)
            memcpy(out->name + len, " ", 2);
        if (!token_put(out->name, token, true))
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
        if (token_peek(reader).kind != TOKEN_END)
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
        struct token token = token_next(&reader);
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
        start = text_skip_blank(text, start);
        if (start == text.len || text.data[start] != ';')
            break;
        start++;
    }
    if (start == text.len) {
        *at = text.len;
        return ERR_NOT_FOUND;
    }
    size_t end = text_end(text, start);
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
        return refuse(why, "unknown command", token_next(&reader).raw);
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
