/* Generations: atomic words, each of which says in a single value both "how often has it changed"
 * and "how many writes are on their way to it". There is one for everything, one for each database,
 * and for each table (a partition or inheritance tree counts as one) several:
 *
 *   scan         moved by every write
 *   all          moved by writes of which nobody knows the rows
 *   column(c)    moved by writes of rows whose value in the key column c is not known
 *   key(c, v)    moved by writes of rows that have v in c, before or after
 *
 * A read of the rows with c = v depends on all, column(c) and key(c, v); any other read on scan.
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
 * What a word is for is a token, 64 bits; tokens share words by hash: that costs a hit, never
 * correctness. A million words are 8 MB, touched where they are used. With n writes by key while an
 * entry is kept, one in 2^20 / n entries dies of a shared word.
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

enum { GENERATION_WORDS = 1 << 20, GENERATION_EVERYTHING = 0 };

#define GENERATION_BUMP     (UINT64_C(1) << 16)
#define GENERATION_CLOSINGS (GENERATION_BUMP - 1)

extern _Atomic(uint64_t) generation_words[GENERATION_WORDS];

/* Tokens of a table: `column` is any number that stands for the column, `value` one that stands for
 * the value (sql/key_value.h). */
static inline uint64_t token_scan(uint32_t table)
{
    return table;
}

uint64_t token_all(uint32_t table);
uint64_t token_column(uint32_t table, uint32_t column);
uint64_t token_key(uint32_t table, uint32_t column, uint64_t value);

/* The word of the database with this identity, and of one of its tokens. Never
 * GENERATION_EVERYTHING. */
uint32_t generation_of_database(uint64_t identity);
uint32_t generation_of_token(uint64_t identity, uint64_t token);

static inline uint32_t generation_of_table(uint64_t identity, uint32_t table)
{
    return generation_of_token(identity, token_scan(table));
}

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
