/* See scan_oracle.h.
 *
 * Ours are the tokens that lex.h finds, the constants' parts joined as scan_text joins them. Theirs
 * come without comments. Two quirks of theirs are allowed for: the end of a U& token is not what it
 * ends at, and what their scanner passes on as a single byte may be a byte no grammar rule takes.
 */
#include "scan_oracle.h"

#include <stdio.h>
#include <stdlib.h>

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>

#include "lex.h"
#include "sql/scan.h"

enum { SCRATCH_SLACK = 16 };

struct our_token {
    size_t start;
    size_t end;
    enum lex_kind kind;
    struct slice canonical; /* its bytes, a line feed between its parts if it has several */
};

struct our_tokens {
    struct our_token *items;
    size_t count;
    uint8_t *text;      /* with a zero byte behind it */
    uint8_t *canonical; /* where the tokens' canonical bytes lie, one after the other */
};

struct their_tokens {
    PgQueryScanResult raw;
    PgQuery__ScanResult *unpacked;
    PgQuery__ScanToken **items; /* without comments; NULL when their scanner refuses */
    size_t count;
};

static void *must_alloc(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (!memory)
        abort();
    return memory;
}

static struct our_tokens our_tokens(const uint8_t *bytes, size_t len)
{
    struct our_tokens ours = {.text = must_alloc(len + 1),
                              .canonical = must_alloc(len + 1),
                              .items = must_alloc((len + 1) * sizeof(struct our_token))};
    uint8_t *canonical = ours.canonical;

    memcpy(ours.text, bytes, len);
    ours.text[len] = 0;
    const uint8_t *at = ours.text;
    enum lex_kind kind = LEX_END;
    for (;;) {
        struct lex_gap gap = lex_gap(at);
        bool continues = lex_continues(kind, gap);
        at = gap.end;
        struct lex_token token = continues ? lex_continue(at, kind) : lex_next(at);
        if (token.kind == LEX_END || token.kind == LEX_DOUBT)
            return ours;
        size_t part_len = (size_t)(token.end - at);
        if (continues) {
            *canonical++ = '\n';
        } else {
            ours.items[ours.count++] =
                (struct our_token){.start = (size_t)(at - ours.text), .kind = token.kind};
            ours.items[ours.count - 1].canonical.data = canonical;
        }
        struct our_token *last = &ours.items[ours.count - 1];
        memcpy(canonical, at, part_len);
        canonical += part_len;
        last->canonical.len = (size_t)(canonical - last->canonical.data);
        last->end = (size_t)(token.end - ours.text);
        kind = token.kind;
        at = token.end;
    }
}

static void our_tokens_free(struct our_tokens *ours)
{
    free(ours->items);
    free(ours->canonical);
    free(ours->text);
}

static bool is_comment(const PgQuery__ScanToken *token)
{
    return token->token == PG_QUERY__TOKEN__SQL_COMMENT ||
           token->token == PG_QUERY__TOKEN__C_COMMENT;
}

static struct their_tokens their_tokens(const uint8_t *bytes, size_t len)
{
    struct their_tokens theirs = {0};
    char *text = must_alloc(len + 1);

    memcpy(text, bytes, len);
    text[len] = 0;
    theirs.raw = pg_query_scan(text);
    free(text);
    if (theirs.raw.error)
        return theirs;
    theirs.unpacked = pg_query__scan_result__unpack(NULL, theirs.raw.pbuf.len,
                                                    (const uint8_t *)theirs.raw.pbuf.data);
    if (!theirs.unpacked)
        abort();
    theirs.items = must_alloc(theirs.unpacked->n_tokens * sizeof(PgQuery__ScanToken *));
    for (size_t i = 0; i < theirs.unpacked->n_tokens; i++) {
        if (!is_comment(theirs.unpacked->tokens[i]))
            theirs.items[theirs.count++] = theirs.unpacked->tokens[i];
    }
    return theirs;
}

static void their_tokens_free(struct their_tokens *theirs)
{
    free(theirs->items);
    if (theirs->unpacked)
        pg_query__scan_result__free_unpacked(theirs->unpacked, NULL);
    pg_query_free_scan_result(theirs->raw);
}

/* True if their grammar refuses the text for a byte that begins no token. */
static bool has_stray_byte(const struct their_tokens *theirs, const char *text)
{
    for (size_t i = 0; i < theirs->count; i++) {
        const PgQuery__ScanToken *token = theirs->items[i];
        if (token->token < 256 && !strchr(",()[].;:+-*/%^<>=", text[token->start]))
            return true;
    }
    return false;
}

static bool is_kind(enum lex_kind kind, PgQuery__Token token)
{
    int theirs = (int)token;

    switch (kind) {
    case LEX_INT4:
        return theirs == PG_QUERY__TOKEN__ICONST;
    case LEX_INT8:
    case LEX_NUMERIC:
        return theirs == PG_QUERY__TOKEN__FCONST;
    case LEX_STRING:
    case LEX_DOLLAR_STRING:
    case LEX_ESCAPE_STRING:
        return theirs == PG_QUERY__TOKEN__SCONST;
    case LEX_UNICODE_STRING:
        return theirs == PG_QUERY__TOKEN__USCONST;
    case LEX_BIT_STRING:
        return theirs == PG_QUERY__TOKEN__BCONST || theirs == PG_QUERY__TOKEN__XCONST;
    case LEX_PARAM:
        return theirs == PG_QUERY__TOKEN__PARAM;
    case LEX_NAME:
        return theirs == PG_QUERY__TOKEN__IDENT || theirs == PG_QUERY__TOKEN__UIDENT;
    case LEX_WORD:
        return theirs == PG_QUERY__TOKEN__IDENT || theirs > PG_QUERY__TOKEN__C_COMMENT;
    case LEX_SEMICOLON:
        return theirs == ';';
    case LEX_PUNCTUATION:
    case LEX_OPERATOR:
        return theirs < 256 ||
               (theirs >= PG_QUERY__TOKEN__TYPECAST && theirs <= PG_QUERY__TOKEN__NOT_EQUALS) ||
               theirs == PG_QUERY__TOKEN__Op;
    case LEX_DOUBT:
    case LEX_END:
        break;
    }
    return false;
}

static bool wrong(char *out_message, const char *what, size_t index, size_t ours, size_t theirs)
{
    snprintf(out_message, SCAN_ORACLE_MESSAGE_MAX, "%s, token %zu: ours %zu, theirs %zu", what,
             index, ours, theirs);
    return false;
}

static bool same_tokens(const struct our_tokens *ours, const struct their_tokens *theirs,
                        char *out_message)
{
    if (ours->count != theirs->count)
        return wrong(out_message, "count", 0, ours->count, theirs->count);
    for (size_t i = 0; i < ours->count; i++) {
        const struct our_token *a = &ours->items[i];
        const PgQuery__ScanToken *b = theirs->items[i];
        bool unicode = b->token == PG_QUERY__TOKEN__USCONST || b->token == PG_QUERY__TOKEN__UIDENT;
        if (!is_kind(a->kind, b->token))
            return wrong(out_message, "kind", i, a->kind, b->token);
        /* For U& they give where the scanner was before, not where the token lies. */
        if (!unicode && a->start != (size_t)b->start)
            return wrong(out_message, "start", i, a->start, (size_t)b->start);
        if (!unicode && a->end != (size_t)b->end)
            return wrong(out_message, "end", i, a->end, (size_t)b->end);
    }
    return true;
}

/* The tokens of `b`, a canonical text, are those of `a` without its last ';'s, byte for byte. */
static bool same_bytes(const struct our_tokens *a, const struct our_tokens *b,
                       const struct their_tokens *a_theirs, const struct their_tokens *b_theirs,
                       char *out_message)
{
    size_t count = a->count;

    while (count > 0 && a->items[count - 1].kind == LEX_SEMICOLON)
        count--;
    if (count != b->count)
        return wrong(out_message, "canonical count", 0, count, b->count);
    for (size_t i = 0; i < count; i++) {
        const struct our_token *x = &a->items[i];
        const struct our_token *y = &b->items[i];
        if (!slice_equal(x->canonical, y->canonical) || y->end - y->start != y->canonical.len)
            return wrong(out_message, "canonical bytes", i, x->start, y->start);
        if (a_theirs->items[i]->token != b_theirs->items[i]->token ||
            a_theirs->items[i]->keyword_kind != b_theirs->items[i]->keyword_kind)
            return wrong(out_message, "canonical kind", i, x->start, y->start);
    }
    return true;
}

/* What must hold of a text that both sides cut: see the head of scan_oracle.h. */
static bool check_sure(const struct scan *scan, const struct our_tokens *ours,
                       const struct their_tokens *theirs, char *out_message)
{
    struct slice canonical = slice_of(scan->canonical, scan->canonical_len);
    uint8_t *again_scratch = must_alloc(canonical.len + SCRATCH_SLACK);
    struct our_tokens again_ours = our_tokens(canonical.data, canonical.len);
    struct their_tokens again_theirs = their_tokens(canonical.data, canonical.len);
    struct scan again;
    bool ok = false;

    if (!same_tokens(ours, theirs, out_message))
        goto end;
    if (again_theirs.raw.error) {
        snprintf(out_message, SCAN_ORACLE_MESSAGE_MAX, "they refuse the canonical text");
        goto end;
    }
    if (!same_tokens(&again_ours, &again_theirs, out_message) ||
        !same_bytes(ours, &again_ours, theirs, &again_theirs, out_message))
        goto end;
    if (scan_text(canonical, again_scratch, &again) != ERR_OK ||
        !slice_equal(slice_of(again.canonical, again.canonical_len), canonical) ||
        again.flags != (scan->flags & ~(unsigned)SCAN_HINT) ||
        again.token_count != scan->token_count || again.literal_count != scan->literal_count) {
        snprintf(out_message, SCAN_ORACLE_MESSAGE_MAX, "not its own canonical text");
        goto end;
    }
    if (scan->token_count != again_ours.count) {
        snprintf(out_message, SCAN_ORACLE_MESSAGE_MAX, "token_count is %u, not %zu",
                 scan->token_count, again_ours.count);
        goto end;
    }
    ok = true;
end:
    free(again_scratch);
    our_tokens_free(&again_ours);
    their_tokens_free(&again_theirs);
    return ok;
}

enum scan_oracle_result scan_oracle_compare(const char *text, size_t len, char *out_message)
{
    uint8_t *scratch = must_alloc(len + SCRATCH_SLACK);
    char *copy = must_alloc(len); /* no zero byte behind it: reads beyond it are seen */
    enum scan_oracle_result result = SCAN_ORACLE_WRONG;
    struct scan scan;

    out_message[0] = 0;
    memcpy(copy, text, len);
    enum err err = scan_text(slice_of(copy, len), scratch, &scan);
    free(copy);
    if (err) {
        free(scratch);
        return SCAN_ORACLE_DOUBT;
    }
    (void)scan_shape(slice_of(scan.canonical, scan.canonical_len));

    bool doubt = (scan.flags & SCAN_DOUBT) != 0;
    if (memchr(text, 0, len)) {
        free(scratch);
        snprintf(out_message, SCAN_ORACLE_MESSAGE_MAX, "no doubt about a zero byte");
        return doubt ? SCAN_ORACLE_REFUSED : SCAN_ORACLE_WRONG;
    }
    struct our_tokens ours = our_tokens((const uint8_t *)text, len);
    struct their_tokens theirs = their_tokens((const uint8_t *)text, len);
    if (theirs.raw.error && !doubt)
        snprintf(out_message, SCAN_ORACLE_MESSAGE_MAX, "they refuse: %s",
                 theirs.raw.error->message);
    else if (doubt)
        result = theirs.raw.error || has_stray_byte(&theirs, text) ? SCAN_ORACLE_REFUSED
                                                                   : SCAN_ORACLE_DOUBT;
    else if (check_sure(&scan, &ours, &theirs, out_message))
        result = SCAN_ORACLE_SURE;
    our_tokens_free(&ours);
    their_tokens_free(&theirs);
    free(scratch);
    return result;
}
