/* A bound on how deep a parse tree can become, from its tokens alone.
 *
 * Within one pair of brackets (or one CASE .. END) and between commas, AND and OR, which make lists,
 * every token can add a level; set operations and joins add one across those. A text is cut into
 * tokens by libpg_query's own scanner, which does not recurse.
 */
#include "analyze_depth.h"

#include "analyze.h"
#include "analyze_walk.h"

#include <pg_query.h>

enum { BRACKETS_MAX = 500 };

struct bracket {
    unsigned chain;   /* levels across lists: set operations, joins */
    unsigned segment; /* tokens since the last comma */
    unsigned inner;   /* deepest pair of brackets in this segment */
    unsigned deepest; /* of the segments before */
};

static void segment_end(struct bracket *bracket)
{
    unsigned depth = bracket->segment + bracket->inner;

    if (depth > bracket->deepest)
        bracket->deepest = depth;
    bracket->segment = 0;
    bracket->inner = 0;
}

static unsigned bracket_depth(struct bracket *bracket)
{
    segment_end(bracket);
    return bracket->chain + bracket->deepest + 1;
}

static bool tokens_are_safe(const PgQuery__ScanResult *scan)
{
    struct bracket stack[BRACKETS_MAX] = {0};
    unsigned top = 0;

    for (size_t i = 0; i < scan->n_tokens; i++) {
        int token = (int)scan->tokens[i]->token;

        if (token == PG_QUERY__TOKEN__ASCII_40 || token == PG_QUERY__TOKEN__ASCII_91 ||
            token == PG_QUERY__TOKEN__CASE) {
            if (++top >= BRACKETS_MAX)
                return false;
            stack[top] = (struct bracket){0};
        } else if (token == PG_QUERY__TOKEN__ASCII_41 || token == PG_QUERY__TOKEN__ASCII_93 ||
                   token == PG_QUERY__TOKEN__END_P) {
            if (top == 0)
                continue;
            unsigned depth = bracket_depth(&stack[top--]);
            if (depth > stack[top].inner)
                stack[top].inner = depth;
            stack[top].segment++;
        } else if (token == PG_QUERY__TOKEN__ASCII_44 || token == PG_QUERY__TOKEN__ASCII_59 ||
                   token == PG_QUERY__TOKEN__AND || token == PG_QUERY__TOKEN__OR) {
            segment_end(&stack[top]);
        } else if (token == PG_QUERY__TOKEN__UNION || token == PG_QUERY__TOKEN__INTERSECT ||
                   token == PG_QUERY__TOKEN__EXCEPT || token == PG_QUERY__TOKEN__JOIN) {
            stack[top].chain += 2;
        } else {
            stack[top].segment++;
        }
    }
    unsigned depth = 0;
    for (unsigned i = 0; i <= top; i++) /* brackets that nobody closed: a syntax error anyway */
        depth += bracket_depth(&stack[i]);
    return depth <= ANALYZE_DEPTH_MAX;
}

bool analyze_depth_is_safe(const char *text, size_t len)
{
    if (len <= ANALYZE_DEPTH_MAX)
        return true; /* a byte makes a level at most */
    PgQueryScanResult result = pg_query_scan(text);
    bool safe = false;
    if (!result.error) {
        PgQuery__ScanResult *scan =
            pg_query__scan_result__unpack(NULL, result.pbuf.len, (const uint8_t *)result.pbuf.data);

        if (scan) {
            safe = scan->n_tokens <= ANALYZE_TOKENS_MAX && tokens_are_safe(scan);
            pg_query__scan_result__free_unpacked(scan, NULL);
        }
    }
    pg_query_free_scan_result(result);
    return safe;
}
