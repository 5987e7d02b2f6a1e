/* Generations: one atomic word a table (and one a database, and one for everything), which says in
 * a single value both "how often has it changed" and "how many writes are on their way to it".
 *
 *      63                          16 15               0
 *     ┌──────────────────────────────┬──────────────────┐
 *     │ bumps: never comes back      │ closings         │
 *     └──────────────────────────────┴──────────────────┘
 *
 *   close       word += 1
 *   bump, open  word += 65536 - 1      one atomic step
 *   open        word -= 1              a proven rollback: the old value again
 *
 * An entry's stamp is a word's value with no closings. So equality of one word proves that nothing
 * is in flight and nothing has moved. 48 bits of bumps last nine years at a million a second.
 *
 * Tables share words by hash: that costs a hit, never correctness.
 *
 * Threads  Any; the words are atomics with sequential consistency on the writing side.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/flaw.h"
#include "base/macros.h"
#include "base/slice.h"

enum { GENERATION_WORDS = 1 << 16, GENERATION_EVERYTHING = 0 };

#define GENERATION_BUMP     (UINT64_C(1) << 16)
#define GENERATION_CLOSINGS (GENERATION_BUMP - 1)

extern _Atomic(uint64_t) generation_words[GENERATION_WORDS];

/* The word of the database with this identity, and of one of its tables. Never
 * GENERATION_EVERYTHING. */
uint32_t generation_of_database(uint64_t identity);
uint32_t generation_of_table(uint64_t identity, uint32_t relation_oid);

/* The word of a namespace of entries (rules, hints), in all databases. */
uint32_t generation_of_namespace(struct slice name);

static inline uint64_t generation_read(uint32_t word)
{
    return atomic_load_explicit(&generation_words[word], memory_order_seq_cst);
}

static inline bool generation_is_open(uint64_t value)
{
    return (value & GENERATION_CLOSINGS) == 0 || flaw_is_on(FLAW_STAMPS_OPEN);
}

void generation_close(uint32_t word);
void generation_bump_and_open(uint32_t word);
void generation_open(uint32_t word); /* without a bump */
