/* The words of coherence/generations.h. */
#include "coherence/generations.h"

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

uint32_t generation_of_table(uint64_t identity, uint32_t relation_oid)
{
    return word_of(identity, relation_oid);
}

void generation_close(uint32_t word)
{
    uint64_t before = atomic_fetch_add(&generation_words[word], 1);
    ASSERT((before & GENERATION_CLOSINGS) < GENERATION_CLOSINGS);
}

void generation_bump_and_open(uint32_t word)
{
    uint64_t before = atomic_fetch_add(&generation_words[word], GENERATION_BUMP - 1);
    ASSERT((before & GENERATION_CLOSINGS) > 0);
}

void generation_open(uint32_t word)
{
    uint64_t before = atomic_fetch_sub(&generation_words[word], 1);
    ASSERT((before & GENERATION_CLOSINGS) > 0);
}
