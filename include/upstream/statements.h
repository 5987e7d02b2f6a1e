/* Which shared prepared statements one backend has: an LRU of statement ids, bounded by
 * max_prepared_statements. The names at the server are made of the ids and of a random number, so that
 * no client says DEALLOCATE to another's by accident or by guess: "pgrecall_<16 hex digits>_<id>". */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "upstream/prototype.h"

struct server_statements;

enum { STATEMENT_NAME_MAX = 48 };

struct server_statements *statements_create(unsigned max);
void statements_destroy(struct server_statements *statements);

/* True if the backend has it; moves it to the front. */
bool statements_touch(struct server_statements *statements, uint64_t id);
/* What the backend made of it, as far as it said so: see upstream/prototype.h. Takes a reference of its own;
 * NULL: not known any more. */
void statements_set_prototype(struct server_statements *statements, uint64_t id,
                              struct prototype *prototype);
struct prototype *statements_prototype(const struct server_statements *statements,
                                       uint64_t id); /* borrowed */

/* Notes that the backend has `id` now. Returns the id of the least recently used one when that is
 * over the limit (the caller sends Close for it), else 0. */
uint64_t statements_add(struct server_statements *statements, uint64_t id);
void statements_remove(struct server_statements *statements, uint64_t id);
/* The server still has what statements_add put out: the Close for it was never read. */
void statements_restore(struct server_statements *statements, uint64_t id);
void statements_clear(struct server_statements *statements);
/* All are to be forgotten by a message that may be skipped: what was there, for the caller, who
 * destroys it. Put back, they are behind those of now, in their order. */
struct server_statements *statements_take(struct server_statements *statements);
void statements_put_back(struct server_statements *statements,
                         const struct server_statements *taken);
unsigned statements_count(const struct server_statements *statements); /* any thread */

/* The name at the server into `out`; returns its length. Any thread. */
unsigned statement_name(uint64_t id, char out[STATEMENT_NAME_MAX]);
