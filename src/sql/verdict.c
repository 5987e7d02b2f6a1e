/* Verdicts: the texts of reasons and pins, and the way from a text to a verdict:
 * analyze (libpg_query, text to facts), then classify (facts and catalog to verdict).
 *
 * Source  include/sql/verdict.h is the contract.
 */
#include "sql/verdict.h"

#include <ctype.h>
#include <pthread.h>

#include "analyze.h"
#include "base/macros.h"
#include "classify.h"
#include "sql/scan.h"

enum { REASON_NAME_MAX = 24 };

#define REASON_TEXT(name, text) text,
#define REASON_NAME(name, text) #name,
#define PIN_TEXT(name, text)    text,

static const char *const reason_texts[REASON_COUNT] = {REASONS(REASON_TEXT)};
static const char *const reason_names[REASON_COUNT] = {REASONS(REASON_NAME)};
static char reason_lower[REASON_COUNT][REASON_NAME_MAX];
static pthread_once_t reason_once = PTHREAD_ONCE_INIT;
static const char *const pin_texts[PIN_COUNT] = {PINS(PIN_TEXT)};

const char *reason_text(enum reason reason)
{
    ASSERT((unsigned)reason < REASON_COUNT);
    return reason_texts[reason];
}

bool reason_is_forceable(enum reason reason)
{
    static const bool forceable[REASON_COUNT] = {
        [REASON_NONE] = true,        [REASON_SQL_VALUE_FUNCTION] = true,
        [REASON_TABLESAMPLE] = true, [REASON_SYSTEM_COLUMN] = true,
        [REASON_FUNCTION] = true,    [REASON_OPERATOR] = true,
        [REASON_TYPE] = true,        [REASON_MAGIC_DATE] = true,
        [REASON_COLUMN_TYPE] = true, [REASON_SYSTEM_RELATION] = true,
        [REASON_COLUMN_NAME] = true, [REASON_EXPRESSION] = true,
    };
    ASSERT((unsigned)reason < REASON_COUNT);
    return forceable[reason];
}

const char *pin_text(enum pin pin)
{
    ASSERT((unsigned)pin < PIN_COUNT);
    return pin_texts[pin];
}

static void reason_names_lower(void)
{
    for (unsigned i = 0; i < REASON_COUNT; i++) {
        ASSERT(strlen(reason_names[i]) < REASON_NAME_MAX);
        for (unsigned at = 0; reason_names[i][at]; at++)
            reason_lower[i][at] = (char)tolower((unsigned char)reason_names[i][at]);
    }
}

const char *reason_name(enum reason reason)
{
    ASSERT((unsigned)reason < REASON_COUNT);
    (void)pthread_once(&reason_once, reason_names_lower);
    return reason_lower[reason];
}

void verdict_prove(struct slice text, unsigned scan_flags, const struct catalog *catalog,
                   const struct proof_scope *scope, struct verdict *out)
{
    struct facts facts;

    facts_init(&facts);
    if (scan_flags & SCAN_DOUBT)
        facts_unknown(&facts, REASON_DOUBTFUL_TEXT);
    else
        analyze_text(text, &facts);
    if (scan_flags & SCAN_SEVERAL)
        facts_deny(&facts, REASON_SEVERAL_STATEMENTS, NULL);
    if (facts.statements != 1)
        scope = NULL;
    classify_facts(&facts, scan_flags, catalog, scope, out);
    facts_fini(&facts);
}
