/* The hash of a statement without its constants.
 *
 * Hashed is the canonical text with each constant replaced by two bytes: a zero, which no canonical
 * text holds, and a letter for its kind. Bytes between constants go in as runs.
 *
 * Threads  None: the state lives on the caller's stack.
 */
#include "lex.h"
#include "sql/scan.h"

enum { SHAPE_BATCH = 1024 };

/* Runs are collected first: a statement rarely fills one batch, and hashing that in one call is
 * several times faster than a streaming hash, which is begun only when the batch is full. */
struct shape {
    size_t len;
    bool streaming;
    uint8_t batch[SHAPE_BATCH];
    XXH3_state_t state;
};

static void shape_spill(struct shape *shape)
{
    if (!shape->streaming)
        XXH3_128bits_reset(&shape->state);
    shape->streaming = true;
    XXH3_128bits_update(&shape->state, shape->batch, shape->len);
    shape->len = 0;
}

static void shape_add(struct shape *shape, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        size_t part = size_min(len, SHAPE_BATCH - shape->len);
        memcpy(shape->batch + shape->len, bytes, part);
        shape->len += part;
        bytes += part;
        len -= part;
        if (shape->len == SHAPE_BATCH)
            shape_spill(shape);
    }
}

static struct hash128 shape_end(struct shape *shape)
{
    if (!shape->streaming)
        return hash128_of(shape->batch, shape->len);
    XXH3_128bits_update(&shape->state, shape->batch, shape->len);
    XXH128_hash_t hash = XXH3_128bits_digest(&shape->state);
    return (struct hash128){.low = hash.low64, .high = hash.high64};
}

/* The letter that stands for a constant; $$x$$ and 'x' are one kind to Postgres. */
static uint8_t kind_letter(enum lex_kind kind)
{
    switch (kind) {
    case LEX_INT4:
        return 'i';
    case LEX_INT8:
        return 'l';
    case LEX_NUMERIC:
        return 'n';
    case LEX_STRING:
    case LEX_DOLLAR_STRING:
        return 's';
    case LEX_ESCAPE_STRING:
        return 'e';
    case LEX_UNICODE_STRING:
        return 'u';
    case LEX_BIT_STRING:
        return 'b';
    case LEX_DOUBT:
    case LEX_END:
    case LEX_WORD:
    case LEX_NAME:
    case LEX_SEMICOLON:
    case LEX_PUNCTUATION:
    case LEX_OPERATOR:
    case LEX_PARAM:
        break;
    }
    ASSERT(lex_is_constant(kind));
    return 0;
}

/* A constant behind UESCAPE says how the name or text before it is read. */
static bool follows_uescape(const uint8_t *begin, const uint8_t *at)
{
    static const char word[] = "uescape";
    size_t len = sizeof(word) - 1;

    if (at > begin && lex_is_class(at[-1], LEX_CLASS_SPACE))
        at--;
    if ((size_t)(at - begin) < len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if ((at[(ptrdiff_t)i - (ptrdiff_t)len] | 0x20) != (uint8_t)word[i])
            return false;
    }
    return true;
}

static void shape_add_mark(struct shape *shape, uint8_t letter)
{
    const uint8_t mark[2] = {0, letter};
    shape_add(shape, mark, sizeof(mark));
}

struct hash128 scan_shape(struct slice canonical)
{
    const uint8_t *end = canonical.data + canonical.len;
    const uint8_t *run = canonical.data; /* the first byte that is not hashed yet */
    const uint8_t *at = canonical.data;
    enum lex_kind kind = LEX_END;
    struct shape shape;

    ASSERT(*end == 0);
    shape.len = 0;
    shape.streaming = false;
    for (;;) {
        const uint8_t *plain;
        while ((plain = lex_plain_end(at + (*at == ' ')))) {
            at = plain;
            kind = LEX_WORD;
        }
        bool continues = false;
        if (lex_is_class(*at, LEX_CLASS_SPACE) || lex_is_comment(at)) {
            struct lex_gap gap = lex_gap(at);
            continues = lex_continues(kind, gap);
            at = gap.end;
        }
        struct lex_token token = continues ? lex_continue(at, kind) : lex_next(at);
        if (token.kind == LEX_END || token.kind == LEX_DOUBT)
            break;
        if (continues) {
            run = token.end;
        } else if (lex_is_constant(token.kind) && !follows_uescape(canonical.data, at)) {
            shape_add(&shape, run, (size_t)(at - run));
            shape_add_mark(&shape, kind_letter(token.kind));
            run = token.end;
        }
        kind = token.kind;
        at = token.end;
    }
    if (at < end)
        shape_add_mark(&shape, '?');
    shape_add(&shape, run, (size_t)(end - run));
    return shape_end(&shape);
}
