/* The words of coherence/generations.h. */
#include "coherence/generations.h"

#include <time.h>

#include "base/flaw.h"
#include "base/hash.h"

_Atomic(uint64_t) generation_words[GENERATION_WORDS];

static uint32_t word_of(uint64_t identity, uint64_t what)
{
    return 1 + (uint32_t)(hash64_mix(identity, what) % (GENERATION_WORDS - 1));
}

uint32_t generation_of_database(uint64_t identity)
{
    return word_of(identity, UINT64_MAX);
}

uint32_t generation_of_token(uint64_t identity, uint64_t token)
{
    return word_of(identity, token);
}

/* Tokens of a table begin with its OID and a kind; the rest is mixed in. */
enum token_kind { TOKEN_SCAN, TOKEN_ALL, TOKEN_COLUMN, TOKEN_KEY };

static uint64_t token_of(uint32_t table, enum token_kind kind)
{
    return table | (uint64_t)kind << 32;
}

uint64_t token_all(uint32_t table)
{
    return token_of(table, TOKEN_ALL);
}

uint64_t token_column(uint32_t table, uint32_t column)
{
    return hash64_mix(token_of(table, TOKEN_COLUMN), column);
}

uint64_t token_key(uint32_t table, uint32_t column, uint64_t value)
{
    return hash64_mix(hash64_mix(token_of(table, TOKEN_KEY), column), value);
}

uint32_t generation_of_namespace(struct slice name)
{
    struct hash128 hash = hash128_of(name.data, name.len);
    return word_of(hash.low, hash.high);
}

void generation_close(uint32_t word)
{
    if (flaw_is_on(FLAW_CLOSE))
        return;
    uint64_t before = atomic_fetch_add(&generation_words[word], 1);
    ASSERT((before & GENERATION_CLOSINGS) < GENERATION_CLOSINGS);
}

/* What a test build does when a rule is left out; true if that was all. */
static bool bump_flawed(uint32_t word)
{
    if (flaw_is_on(FLAW_CLOSE)) {
        atomic_fetch_add(&generation_words[word], GENERATION_BUMP);
        return true;
    }
    if (flaw_is_on(FLAW_ONE_STEP)) {
        atomic_fetch_sub(&generation_words[word], 1);
        (void)nanosleep(&(struct timespec){.tv_nsec = 500 * 1000}, NULL);
        atomic_fetch_add(&generation_words[word], GENERATION_BUMP);
        return true;
    }
    if (flaw_is_on(FLAW_BUMP)) {
        atomic_fetch_sub(&generation_words[word], 1);
        return true;
    }
    return false;
}

void generation_bump_and_open(uint32_t word)
{
    if (bump_flawed(word))
        return;
    uint64_t before = atomic_fetch_add(&generation_words[word], GENERATION_BUMP - 1);
    ASSERT((before & GENERATION_CLOSINGS) > 0);
}

void generation_open(uint32_t word)
{
    if (flaw_is_on(FLAW_CLOSE))
        return;
    uint64_t before = atomic_fetch_sub(&generation_words[word], 1);
    ASSERT((before & GENERATION_CLOSINGS) > 0);
}
