/* The constants of a text, one after the other: for keys, whose values stand in the text. */
#include "lex.h"
#include "sql/scan.h"

unsigned scan_literals(struct slice canonical, struct slice *out, unsigned max)
{
    const uint8_t *at = canonical.data;
    enum lex_kind kind = LEX_END;
    unsigned count = 0;

    ASSERT(at[canonical.len] == 0);
    for (;;) {
        bool continues = false;
        if (lex_is_class(*at, LEX_CLASS_SPACE) || lex_is_comment(at)) {
            struct lex_gap gap = lex_gap(at);
            continues = lex_continues(kind, gap);
            at = gap.end;
        }
        struct lex_token token = continues ? lex_continue(at, kind) : lex_next(at);
        if (token.kind == LEX_END || token.kind == LEX_DOUBT)
            return count;
        if (continues && count > 0) {
            out[count - 1].len = (size_t)(token.end - out[count - 1].data);
        } else if (lex_is_constant(token.kind)) {
            if (count == max)
                return count;
            out[count++] = slice_of(at, (size_t)(token.end - at));
        }
        kind = token.kind;
        at = token.end;
    }
}
