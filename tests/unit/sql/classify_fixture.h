/* A Postgres with objects of every kind, and verdicts on its catalog: for the tests of classify. */
#pragma once

#include "base/macros.h"
#include "scratch.h"
#include "sql/catalog.h"
#include "sql/verdict.h"

extern struct scratch scratch;
extern struct catalog *catalog;         /* version 7 */
extern const struct proof_scope *scope; /* of what prove() proves next */

int classify_setup(void **state);
int classify_teardown(void **state);

void prove(const char *sql, const struct catalog *with, struct verdict *out);

/* Relations that the list must hold as roots, separated by spaces, and nothing else. */
void tables_check(const char *sql, const uint32_t *list, unsigned count, const char *names);
