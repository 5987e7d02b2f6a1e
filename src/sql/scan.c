/* The canonical text of a statement; see sql/scan.h for what it promises.
 *
 * The text is first copied to the scratch memory, with zero bytes behind it, and then closed up in
 * place: what the lexer has passed and what is not yet moved lie in one buffer,
 *
 *     [ canonical so far ][ hole ][ passed, to be moved as it is ][ not yet read ] 0 0 0 ...
 *     scratch             out     run                             at             end
 *
 * A text without comments and spare white space has no hole, and is never touched again.
 *
 * Threads  None: everything lives in the caller's memory.
 */
#include "sql/scan.h"

#include "lex.h"

struct scanner {
    uint8_t *scratch;
    uint8_t *out;             /* where the next canonical byte goes */
    const uint8_t *run;       /* the first passed byte that is not moved yet */
    const uint8_t *token_end; /* the byte after the last token, or the text's beginning */
    enum lex_kind kind;       /* of the last token; LEX_END before the first */
    unsigned flags;           /* enum scan_flag */
    uint32_t token_count;     /* with every ';' */
    uint32_t literal_count;
    size_t kept_len;     /* canonical bytes before the last run of ';' */
    uint32_t kept_count; /* tokens before it */
    uint32_t hint_at;
    uint32_t hint_len;
};

/* The length of `word` at the beginning of `value`, 0 if it is not there. Within arrays, ranges and rows
 * a value may have quotes and backslashes between its letters, which their input takes out. */
static size_t word_at(struct slice value, const char *word)
{
    size_t at = 0;

    for (;;) {
        if (at == value.len || (value.data[at] | 0x20) != (uint8_t)*word)
            return 0;
        at++;
        if (!*++word)
            return at;
        while (at < value.len && (value.data[at] == '\\' || value.data[at] == '"'))
            at++;
    }
}

static bool is_letter(uint8_t byte)
{
    return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
}

/* `whole`: only where no ASCII letter stands beside it. */
static bool magic_date_find(struct slice value, bool whole)
{
    static const char *const WORDS[] = {"now", "today", "tomorrow", "yesterday"};

    for (size_t i = 0; i < value.len; i++) {
        uint8_t letter = value.data[i] | 0x20;
        if (letter != 'n' && letter != 't' && letter != 'y')
            continue;
        if (whole && i > 0 && is_letter(value.data[i - 1]))
            continue;
        for (size_t w = 0; w < ARRAY_COUNT(WORDS); w++) {
            struct slice rest = slice_of(value.data + i, value.len - i);
            size_t len = word_at(rest, WORDS[w]);
            if (len && (!whole || len == rest.len || !is_letter(rest.data[len])))
                return true;
        }
    }
    return false;
}

bool scan_is_magic_date(struct slice value)
{
    return magic_date_find(value, true);
}

bool scan_holds_magic_date(struct slice value)
{
    return magic_date_find(value, false);
}

/* Moves what was passed up to `upto` to its place. */
static void flush(struct scanner *scanner, const uint8_t *upto)
{
    size_t len = (size_t)(upto - scanner->run);

    if (scanner->out != scanner->run)
        memmove(scanner->out, scanner->run, len);
    scanner->out += len;
    scanner->run = upto;
}

/* Passes the white space and comments behind the last token, and leaves one byte for them; none
 * before the first token and behind the last.
 *
 * out_continues  Whether they lie within one constant, whose next part begins after them. */
static const uint8_t *pass_gap(struct scanner *scanner, bool *out_continues)
{
    const uint8_t *begin = scanner->token_end;
    struct lex_gap gap = lex_gap(begin);
    uint8_t separator = ' ';

    *out_continues = lex_continues(scanner->kind, gap);
    if (*out_continues) {
        separator = '\n';
        /* Postgres joins constants across a line comment, libpg_query does not. */
        if (gap.has & LEX_GAP_LINE)
            scanner->flags |= SCAN_DOUBT;
    }
    if ((gap.has & LEX_GAP_HINT) && !(scanner->flags & SCAN_HINT)) {
        scanner->flags |= SCAN_HINT;
        /* What is not read yet still lies where it lay in the text. */
        scanner->hint_at = (uint32_t)(begin - scanner->scratch);
        scanner->hint_len = (uint32_t)(gap.end - begin);
    }
    if (gap.has & LEX_GAP_DOUBT)
        scanner->flags |= SCAN_DOUBT;

    if (*gap.end == 0 || (gap.end == begin + 1 && *begin == separator && scanner->kind != LEX_END))
        return gap.end;
    if (scanner->kind == LEX_END) {
        scanner->token_end = gap.end;
    } else {
        flush(scanner, begin);
        *scanner->out++ = separator;
    }
    scanner->run = gap.end;
    return gap.end;
}

/* Canonical bytes up to token_end. */
static size_t canonical_len(const struct scanner *scanner)
{
    size_t moved = (size_t)(scanner->out - scanner->scratch);

    if (scanner->run > scanner->token_end)
        return moved - 1; /* a gap was closed up behind the token, its one byte is out already */
    return moved + (size_t)(scanner->token_end - scanner->run);
}

/* Counts a token, or a further part of the constant that came last. */
static void take(struct scanner *scanner, const uint8_t *start, struct lex_token token,
                 bool continues)
{
    if (token.kind == LEX_SEMICOLON && scanner->kind != LEX_SEMICOLON) {
        scanner->kept_len = canonical_len(scanner);
        scanner->kept_count = scanner->token_count;
    } else if (token.kind != LEX_SEMICOLON && scanner->kind == LEX_SEMICOLON) {
        scanner->flags |= SCAN_SEVERAL;
    }
    if (!continues) {
        scanner->token_count++;
        scanner->literal_count += lex_is_constant(token.kind);
    }
    if (token.kind == LEX_PARAM)
        scanner->flags |= SCAN_PARAM;
    /* Parts may form a word together, and an escape may stand for any letter. */
    if (continues || (token.saw & LEX_SAW_ESCAPE) ||
        ((token.saw & LEX_SAW_DATE_LETTER) &&
         scan_is_magic_date(slice_of(start, (size_t)(token.end - start)))))
        scanner->flags |= SCAN_MAGIC_DATE;
    scanner->kind = token.kind;
    scanner->token_end = token.end;
}

/* The end of the integer at `at`, or NULL if it is not a plain one. */
static inline const uint8_t *plain_integer_end(const uint8_t *at)
{
    while (lex_is_class(*at, LEX_CLASS_DIGIT))
        at++;
    return *at == '.' || lex_is_class(*at, LEX_CLASS_LETTER) ? NULL : at;
}

/* Passes tokens that need no look at what is around them and are one space apart at most. */
static void pass_plain_tokens(struct scanner *scanner)
{
    const uint8_t *end = scanner->token_end;
    uint32_t token_count = 0;
    uint32_t literal_count = 0;

    for (;;) {
        const uint8_t *at = end + (*end == ' ');
        bool integer = lex_is_class(*at, LEX_CLASS_DIGIT);
        const uint8_t *next = integer ? plain_integer_end(at) : lex_plain_end(at);
        if (!next)
            break;
        end = next;
        token_count++;
        literal_count += integer;
    }
    if (token_count > 0) {
        scanner->kind = LEX_WORD; /* or another that no later part continues */
        scanner->token_end = end;
        scanner->token_count += token_count;
        scanner->literal_count += literal_count;
    }
}

/* Reads tokens up to a zero byte, a doubt or one token too many; returns where it stopped. */
static const uint8_t *scan_tokens(struct scanner *scanner)
{
    while (scanner->token_count <= SCAN_TOKENS_MAX) {
        const uint8_t *at = scanner->token_end;
        bool continues = false;

        if (lex_is_class(*at, LEX_CLASS_SPACE) || lex_is_comment(at))
            at = pass_gap(scanner, &continues);
        struct lex_token token = continues ? lex_continue(at, scanner->kind) : lex_next(at);
        if (token.kind == LEX_END)
            return at;
        if (token.kind == LEX_DOUBT || (scanner->flags & SCAN_DOUBT)) {
            scanner->flags |= SCAN_DOUBT;
            return at;
        }
        take(scanner, at, token, continues);
        if (token.kind != LEX_SEMICOLON)
            pass_plain_tokens(scanner);
    }
    return scanner->token_end;
}

enum err scan_text(struct slice text, uint8_t *scratch, struct scan *out)
{
    if (text.len > SCAN_TEXT_MAX)
        return ERR_TOO_BIG;
    if (text.len > 0)
        memcpy(scratch, text.data, text.len);
    memset(scratch + text.len, 0, SCAN_SLACK);

    struct scanner scanner = {
        .scratch = scratch, .out = scratch, .run = scratch, .token_end = scratch, .kind = LEX_END};
    const uint8_t *stop = scan_tokens(&scanner);
    if (scanner.token_count > SCAN_TOKENS_MAX)
        return ERR_TOO_BIG;

    if ((scanner.flags & SCAN_DOUBT) || stop != scratch + text.len) {
        if (text.len > 0)
            memcpy(scratch, text.data, text.len);
        *out = (struct scan){.canonical = scratch,
                             .canonical_len = text.len,
                             .flags = scanner.flags | SCAN_DOUBT,
                             .token_count = scanner.token_count,
                             .literal_count = scanner.literal_count,
                             .hint_at = scanner.hint_at,
                             .hint_len = scanner.hint_len};
        return ERR_OK;
    }
    if (scanner.kind != LEX_SEMICOLON) {
        scanner.kept_len = canonical_len(&scanner);
        scanner.kept_count = scanner.token_count;
    }
    flush(&scanner, scanner.token_end);
    memset(scratch + scanner.kept_len, 0, SCAN_SLACK);
    if (scanner.kept_count == 0)
        scanner.flags |= SCAN_EMPTY;
    *out = (struct scan){.canonical = scratch,
                         .canonical_len = scanner.kept_len,
                         .flags = scanner.flags,
                         .token_count = scanner.kept_count,
                         .literal_count = scanner.literal_count,
                         .hint_at = scanner.hint_at,
                         .hint_len = scanner.hint_len};
    return ERR_OK;
}
