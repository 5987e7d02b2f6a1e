/* Any text as the body of a function. In SQL, libpg_query judges beside the reader: whatever the parse
 * tree writes or calls, the reader has said so, or that it does not know. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "analyze.h"
#include "base/mem.h"
#include "body.h"

enum { INPUT_MAX = 4096, WORDS_MAX = 4096 };

struct word {
    enum fact_kind kind;
    char name[64];
};

struct words {
    struct word list[WORDS_MAX];
    unsigned count;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_word(void *context, enum fact_kind kind, const char *schema, const char *name)
{
    struct words *words = context;

    (void)schema;
    if (words->count == WORDS_MAX || kind == FACT_READ)
        return;
    struct word *word = &words->list[words->count++];
    word->kind = kind;
    ASSERT(strlen(name) > 0 && strlen(name) < sizeof(word->name));
    memcpy(word->name, name, strlen(name) + 1);
}

static int is_said(const struct words *words, enum fact_kind kind, const char *name)
{
    if (words->count == WORDS_MAX)
        return 1;
    for (unsigned i = 0; i < words->count; i++) {
        if (words->list[i].kind == kind && strcmp(words->list[i].name, name) == 0)
            return 1;
    }
    return 0;
}

static void fact_check(const struct words *words, const struct fact *fact)
{
    switch ((int)fact->kind) {
    case FACT_INSERT:
        ASSERT(is_said(words, FACT_INSERT, fact->name) || is_said(words, FACT_WRITE, fact->name));
        break;
    case FACT_WRITE:
        ASSERT(is_said(words, FACT_WRITE, fact->name));
        break;
    case FACT_TRUNCATE:
    case FACT_TRUNCATE_CASCADE:
        ASSERT(is_said(words, FACT_TRUNCATE_CASCADE, fact->name));
        break;
    case FACT_FUNCTION:
        if (!fact->schema || strcmp(fact->schema, "pg_catalog") != 0) /* made by the grammar */
            ASSERT(is_said(words, FACT_FUNCTION, fact->name));
        break;
    default:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct words words;
    struct facts facts;

    if (len > INPUT_MAX)
        return -1;
    words.count = 0;
    (void)body_read(slice_of(data, len), BODY_PLPGSQL, on_word, &words);
    words.count = 0;
    unsigned reach = body_read(slice_of(data, len), BODY_SQL, on_word, &words);
    if (reach & REACH_ALL)
        return 0;
    facts_init(&facts);
    analyze_text(slice_of(data, len), &facts);
    bool parsed = facts.reason != REASON_SYNTAX && facts.reason != REASON_TOO_LONG;
    if (parsed && facts.effects != 0)
        ASSERT(reach != 0);
    if (parsed && (facts.effects & EFFECT_WRITES_ALL))
        ASSERT(reach & REACH_ALL);
    for (unsigned i = 0; parsed && i < facts.count; i++)
        fact_check(&words, &facts.list[i]);
    facts_fini(&facts);
    return 0;
}
