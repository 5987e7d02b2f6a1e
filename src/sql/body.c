#include "body.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/mem.h"
#include "lex.h"

enum {
    BODY_NAME_MAX = 64, /* NAMEDATALEN: Postgres cuts longer names, we give up */
    BODY_SLACK = 16,    /* zero bytes behind a text that is cut into tokens */
};

struct token {
    enum lex_kind kind;
    const char *name; /* of a word, in lower case, or of a quoted name; else NULL */
    struct slice text;
};

/* Where a token stands. */
enum place {
    PLACE_INSIDE,
    PLACE_START, /* a statement begins here, nothing else can stand here */
    PLACE_MAYBE, /* a statement may begin here, or an expression, or the next word of one */
};

struct reader {
    enum body_language language;
    struct token *tokens;
    size_t count;
    char *names; /* of all tokens, one after the other */
    size_t names_len;
    on_body_name on_name;
    void *context;
    unsigned reach;
    bool declaring; /* between DECLARE and BEGIN */
    bool merges;    /* there is a MERGE INTO */
    bool upserts;   /* there is a DO UPDATE */
};

/* --- tokens --- */

static const struct token *token_at(const struct reader *reader, size_t at)
{
    static const struct token none = {.kind = LEX_END};

    return at < reader->count ? &reader->tokens[at] : &none;
}

/* An unquoted word. */
static bool word_is(const struct reader *reader, size_t at, const char *word)
{
    const struct token *token = token_at(reader, at);

    return token->kind == LEX_WORD && strcmp(token->name, word) == 0;
}

static bool mark_is(const struct reader *reader, size_t at, const char *mark)
{
    const struct token *token = token_at(reader, at);

    return (token->kind == LEX_PUNCTUATION || token->kind == LEX_OPERATOR ||
            token->kind == LEX_SEMICOLON) &&
           slice_is(token->text, mark);
}

static bool before_is(const struct reader *reader, size_t at, const char *word)
{
    return at > 0 && word_is(reader, at - 1, word);
}

static bool before_is_dot(const struct reader *reader, size_t at)
{
    return at > 0 && mark_is(reader, at - 1, ".");
}

static int word_compare(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

#define WORD_LISTED(word, list)                                                                    \
    (bsearch(word, list, ARRAY_COUNT(list), sizeof(*(list)), word_compare) != NULL)

/* Keeps the name of a word or a quoted name; false if it is one that we cannot spell. */
static bool name_keep(struct reader *reader, struct token *token)
{
    struct slice text = token->text;
    bool quoted = token->kind == LEX_NAME;
    char *name = reader->names + reader->names_len;
    size_t len = 0;

    if (quoted && text.data[0] != '"')
        return false; /* U&"..." */
    size_t end = quoted ? text.len - 1 : text.len;
    for (size_t i = quoted ? 1 : 0; i < end; i++) {
        char c = (char)text.data[i];

        if (quoted && c == '"')
            i++; /* the second of two */
        else if (!quoted && c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        name[len++] = c;
    }
    if (len == 0 || len >= BODY_NAME_MAX)
        return false;
    name[len] = '\0';
    token->name = name;
    reader->names_len += len + 1;
    return true;
}

/* True if a constant before `gap` and the quote after it may be one constant or two, depending on
 * who cuts. */
static bool gap_is_doubtful(enum lex_kind kind, struct lex_gap gap)
{
    if (gap.has & LEX_GAP_DOUBT)
        return true;
    return lex_is_quoted(kind) && *gap.end == '\'' && (gap.has & (LEX_GAP_BLOCK | LEX_GAP_LINE));
}

/* Cuts the text, which zero bytes follow; false if that is not possible with certainty. */
static bool tokens_cut(struct reader *reader, const uint8_t *text, size_t len)
{
    struct lex_gap gap = lex_gap(text);
    size_t cap = 0;

    while (gap.end < text + len) {
        struct lex_token next = lex_next(gap.end);
        const uint8_t *start = gap.end;

        if (next.kind == LEX_DOUBT || next.kind == LEX_END || reader->count == BODY_TOKENS_MAX ||
            (gap.has & LEX_GAP_DOUBT))
            return false;
        gap = lex_gap(next.end);
        while (!gap_is_doubtful(next.kind, gap) && lex_continues(next.kind, gap)) {
            enum lex_kind kind = next.kind;

            next = lex_continue(gap.end, kind);
            if (next.kind == LEX_DOUBT)
                return false;
            gap = lex_gap(next.end);
        }
        if (gap_is_doubtful(next.kind, gap))
            return false;
        if (reader->count == cap) {
            cap = cap ? cap * 2 : 256;
            reader->tokens = mem_resize(reader->tokens, cap * sizeof(*reader->tokens));
        }
        struct token *token = &reader->tokens[reader->count++];
        *token =
            (struct token){.kind = next.kind, .text = slice_of(start, (size_t)(next.end - start))};
        if ((next.kind == LEX_WORD || next.kind == LEX_NAME) && !name_keep(reader, token))
            return false;
    }
    return gap.end == text + len && !(gap.has & LEX_GAP_DOUBT);
}

/* --- relations that are written --- */

/* [ONLY] ["("] name [. name]...; the position after it, or 0 if there is no name. */
static size_t relation_skip(const struct reader *reader, size_t at, size_t *out_name)
{
    if (word_is(reader, at, "only")) {
        at++;
        if (mark_is(reader, at, "("))
            at++;
    }
    if (!token_at(reader, at)->name)
        return 0;
    while (mark_is(reader, at + 1, ".") && token_at(reader, at + 2)->name)
        at += 2;
    *out_name = at;
    return mark_is(reader, at + 1, ")") || mark_is(reader, at + 1, "*") ? at + 2 : at + 1;
}

static size_t relation_write(struct reader *reader, enum fact_kind kind, size_t at)
{
    size_t name;
    size_t end = relation_skip(reader, at, &name);

    if (end == 0) {
        reader->reach |= REACH_UNKNOWN;
        return at + 1;
    }
    reader->on_name(reader->context, kind,
                    before_is_dot(reader, name) ? token_at(reader, name - 2)->name : NULL,
                    token_at(reader, name)->name);
    return end;
}

/* UPDATE name [[AS] alias] SET */
static bool update_has_target(const struct reader *reader, size_t at)
{
    size_t name;
    size_t end = relation_skip(reader, at + 1, &name);

    if (end == 0)
        return false;
    if (word_is(reader, end, "set"))
        return true;
    if (word_is(reader, end, "as"))
        end++;
    return token_at(reader, end)->name && word_is(reader, end + 1, "set");
}

static void update_read(struct reader *reader, size_t at)
{
    bool locks = before_is(reader, at, "for") || before_is(reader, at, "key");
    bool merges = reader->merges && before_is(reader, at, "then") && word_is(reader, at + 1, "set");

    if (update_has_target(reader, at))
        (void)relation_write(reader, FACT_WRITE, at + 1);
    else if (!locks && !merges && !before_is(reader, at, "do"))
        reader->reach |= REACH_UNKNOWN;
}

/* The words that write, wherever they stand. */
static void write_read(struct reader *reader, size_t at)
{
    bool merges = reader->merges && before_is(reader, at, "then");
    bool into = word_is(reader, at + 1, "into");

    if (before_is_dot(reader, at))
        return; /* x.delete */
    if (word_is(reader, at, "insert")) {
        if (into)
            (void)relation_write(reader, reader->upserts ? FACT_WRITE : FACT_INSERT, at + 2);
        else if (!merges)
            reader->reach |= REACH_UNKNOWN;
    } else if (word_is(reader, at, "update")) {
        update_read(reader, at);
    } else if (word_is(reader, at, "delete")) {
        if (word_is(reader, at + 1, "from"))
            (void)relation_write(reader, FACT_WRITE, at + 2);
        else if (!merges)
            reader->reach |= REACH_UNKNOWN;
    } else if (word_is(reader, at, "merge")) {
        if (into)
            (void)relation_write(reader, FACT_WRITE, at + 2);
        else
            reader->reach |= REACH_UNKNOWN;
    } else if (word_is(reader, at, "execute")) {
        reader->reach |= REACH_DYNAMIC;
    } else if (word_is(reader, at, "into") && reader->language == BODY_SQL) {
        if (!before_is(reader, at, "insert") && !before_is(reader, at, "merge"))
            reader->reach |= REACH_DYNAMIC; /* SELECT INTO makes a table */
    } else if (word_is(reader, at, "standard_conforming_strings")) {
        reader->reach |= REACH_UNKNOWN; /* what follows may be cut into other tokens */
    }
}

/* --- statements --- */

/* First words of statements that do nothing by themselves, or whose writing is found elsewhere.
 * Sorted. */
static const char *const quiet_statements[] = {
    "analyze", "assert",   "begin",  "case",   "close",     "continue", "declare", "delete",
    "else",    "elseif",   "elsif",  "end",    "exception", "execute",  "exit",    "fetch",
    "for",     "foreach",  "get",    "if",     "insert",    "lock",     "loop",    "merge",
    "move",    "notify",   "null",   "open",   "perform",   "raise",    "return",  "select",
    "table",   "unlisten", "update", "values", "when",      "while",    "with"};

static const char *const quiet_sql_statements[] = {
    "analyze", "delete", "execute",  "insert", "lock",   "merge", "notify",
    "select",  "table",  "unlisten", "update", "values", "with"};

/* First words of the other statements of PostgreSQL 8.0 to 19. Sorted. */
static const char *const commands[] = {
    "abort",   "alter",  "checkpoint", "cluster",  "comment", "copy",     "deallocate", "discard",
    "explain", "grant",  "import",     "load",     "prepare", "reassign", "reindex",    "release",
    "repack",  "revoke", "savepoint",  "security", "show",    "start",    "vacuum",     "wait"};

/* Words and marks that follow a name inside an expression and never the first word of a command. */
static bool expression_goes_on(const struct reader *reader, size_t at)
{
    static const char *const words[] = {"else", "end", "in", "is", "or", "when"};
    static const char *const marks[] = {",", ")", "::", ".", "[", ":=", "="};
    const struct token *token = token_at(reader, at);

    if (token->kind == LEX_WORD)
        return WORD_LISTED(token->name, words);
    for (size_t i = 0; i < ARRAY_COUNT(marks); i++) {
        if (mark_is(reader, at, marks[i]))
            return true;
    }
    return false;
}

/* A variable that is assigned to. */
static bool is_assigned(const struct reader *reader, size_t at)
{
    static const char *const marks[] = {":=", "=", ".", "["};

    for (size_t i = 0; i < ARRAY_COUNT(marks); i++) {
        if (mark_is(reader, at + 1, marks[i]))
            return true;
    }
    return false;
}

static enum place place_of(const struct reader *reader, size_t at)
{
    /* After these a statement of PL/pgSQL begins, or a query inside one. */
    static const char *const words[] = {"begin", "declare", "else",  "for", "in",
                                        "is",    "loop",    "query", "then"};

    if (at == 0 || mark_is(reader, at - 1, ";"))
        return PLACE_START;
    if (reader->language == BODY_SQL)
        return PLACE_INSIDE;
    if (mark_is(reader, at - 1, ">>"))
        return PLACE_MAYBE; /* of a label */
    const struct token *before = token_at(reader, at - 1);
    if (before->kind == LEX_WORD && WORD_LISTED(before->name, words))
        return PLACE_MAYBE;
    return PLACE_INSIDE;
}

static void set_read(struct reader *reader, size_t at)
{
    if (word_is(reader, at + 1, "constraints") || word_is(reader, at + 1, "transaction"))
        return;
    if (word_is(reader, at + 1, "local") && !mark_is(reader, at + 3, "."))
        reader->reach |= REACH_LOCAL;
    else
        reader->reach |= REACH_SETTING;
}

/* CREATE TEMP TABLE [IF NOT EXISTS] name, reported as FACT_LABEL, or any other CREATE. */
static void create_read(struct reader *reader, size_t at)
{
    at++;
    if (word_is(reader, at, "local") || word_is(reader, at, "global"))
        at++;
    bool temporary = word_is(reader, at, "temp") || word_is(reader, at, "temporary");
    if (!temporary || !word_is(reader, at + 1, "table")) {
        reader->reach |= REACH_DYNAMIC;
        return;
    }
    reader->reach |= REACH_TEMPORARY | REACH_EVENTS;
    at += word_is(reader, at + 2, "if") ? 5 : 2;
    if (token_at(reader, at)->name)
        reader->on_name(reader->context, FACT_LABEL, NULL, token_at(reader, at)->name);
}

/* TRUNCATE [TABLE] name, ... */
static void truncate_read(struct reader *reader, size_t at)
{
    at++;
    if (word_is(reader, at, "table"))
        at++;
    for (;;) {
        at = relation_write(reader, FACT_TRUNCATE_CASCADE, at);
        if (!mark_is(reader, at, ","))
            return;
        at++;
    }
}

static void refresh_read(struct reader *reader, size_t at)
{
    if (!word_is(reader, at + 1, "materialized") || !word_is(reader, at + 2, "view")) {
        reader->reach |= REACH_UNKNOWN;
        return;
    }
    reader->reach |= REACH_EVENTS;
    at += word_is(reader, at + 3, "concurrently") ? 4 : 3;
    (void)relation_write(reader, FACT_WRITE, at);
}

/* A statement that is known to do more than its DML; false if the word begins none. */
static bool statement_read(struct reader *reader, size_t at)
{
    if (word_is(reader, at, "set"))
        set_read(reader, at);
    else if (word_is(reader, at, "reset"))
        reader->reach |= REACH_SETTING;
    else if (word_is(reader, at, "listen"))
        reader->reach |= REACH_LISTEN;
    else if (word_is(reader, at, "create"))
        create_read(reader, at);
    else if (word_is(reader, at, "drop"))
        reader->reach |= REACH_ALL | REACH_DDL;
    else if (word_is(reader, at, "truncate"))
        truncate_read(reader, at);
    else if (word_is(reader, at, "refresh"))
        refresh_read(reader, at);
    else if (word_is(reader, at, "commit") || word_is(reader, at, "rollback"))
        reader->reach |= REACH_COMMITS;
    else if (word_is(reader, at, "do"))
        reader->reach |= word_is(reader, at + 1, "nothing") ? 0U : REACH_UNKNOWN | REACH_COMMITS;
    else
        return word_is(reader, at, "call"); /* its name says the rest */
    return true;
}

static bool statement_is_quiet(const struct reader *reader, const char *word)
{
    if (reader->language == BODY_SQL)
        return WORD_LISTED(word, quiet_sql_statements);
    return WORD_LISTED(word, quiet_statements);
}

static void start_read(struct reader *reader, size_t at)
{
    enum place place = place_of(reader, at);
    const struct token *token = token_at(reader, at);

    if (place == PLACE_INSIDE || token->kind != LEX_WORD)
        return; /* no command begins with a bracket but (SELECT ..) */
    if (word_is(reader, at, "begin"))
        reader->declaring = false;
    else if (word_is(reader, at, "declare") && reader->language == BODY_PLPGSQL &&
             !before_is(reader, at, "then") && !before_is(reader, at, "else"))
        reader->declaring = true;
    if (is_assigned(reader, at) || statement_is_quiet(reader, token->name) ||
        statement_read(reader, at))
        return;
    bool command = WORD_LISTED(token->name, commands);
    bool declares = reader->declaring && (place == PLACE_START || before_is(reader, at, "declare"));
    if (declares) {
        if (command)
            reader->reach |= REACH_UNKNOWN; /* a variable of that name, or not */
    } else if (place == PLACE_START) {
        reader->reach |= REACH_UNKNOWN;
    } else if (command && !(expression_goes_on(reader, at + 1) && !word_is(reader, at, "abort"))) {
        reader->reach |= REACH_UNKNOWN;
    }
}

/* --- the whole --- */

/* "#variable_conflict use_column" and the like, at the beginning; the position after them. */
static size_t options_skip(const struct reader *reader)
{
    size_t at = 0;

    while (reader->language == BODY_PLPGSQL && mark_is(reader, at, "#"))
        at += 3;
    return at;
}

static void name_read(struct reader *reader, size_t at)
{
    const char *name = token_at(reader, at)->name;

    if (mark_is(reader, at + 1, "("))
        reader->on_name(reader->context, FACT_FUNCTION, NULL, name);
    else if (before_is_dot(reader, at))
        reader->on_name(reader->context, FACT_ATTRIBUTE, NULL, name);
    reader->on_name(reader->context, FACT_READ, NULL, name);
}

static void tokens_read(struct reader *reader)
{
    size_t first = options_skip(reader);

    if (first > reader->count)
        first = reader->count;
    if (first > 0)
        reader->tokens += first; /* the caller keeps the beginning */
    reader->count -= first;
    for (size_t i = 0; i < reader->count; i++) {
        reader->merges |= word_is(reader, i, "merge") && word_is(reader, i + 1, "into");
        reader->upserts |= word_is(reader, i, "do") && word_is(reader, i + 1, "update");
    }
    for (size_t i = 0; i < reader->count; i++) {
        start_read(reader, i);
        if (token_at(reader, i)->kind == LEX_WORD)
            write_read(reader, i);
        if (token_at(reader, i)->name)
            name_read(reader, i);
    }
}

unsigned body_read(struct slice text, enum body_language language, on_body_name on_name,
                   void *context)
{
    struct reader reader = {.language = language, .on_name = on_name, .context = context};

    if (text.len > BODY_TEXT_MAX)
        return REACH_UNKNOWN;
    uint8_t *copy = mem_zero(1, text.len + BODY_SLACK);
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    reader.names = mem_alloc(2 * text.len + 1); /* a token needs a byte more than it has */
    bool cut = tokens_cut(&reader, copy, text.len);
    struct token *tokens = reader.tokens;
    if (cut)
        tokens_read(&reader);
    else
        reader.reach |= REACH_UNKNOWN;
    mem_free(tokens);
    mem_free(reader.names);
    mem_free(copy);
    return reader.reach;
}
