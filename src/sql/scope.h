/* The schemas in which an unqualified name of a statement may be found.
 *
 * All schemas of the search_path count, not the first that has the name: Postgres passes over those
 * that the role may not use. A path that is not known, or not read with certainty, stands for every
 * schema.
 *
 * Source  SplitIdentifierString and recomputeNamespacePath of PostgreSQL 15; manual 5.9.3.
 */
#pragma once

#include "sql/verdict.h"

enum { SCOPE_SCHEMAS_MAX = 32, SCOPE_PATH_MAX = 1024, SCOPE_NAME_MAX = 64 };

struct scope {
    bool known;
    unsigned count;
    const char *schemas[SCOPE_SCHEMAS_MAX]; /* in text */
    char text[SCOPE_PATH_MAX];
    char user[SCOPE_NAME_MAX];
};

/* `from` NULL: not known. */
void scope_init(struct scope *scope, const struct proof_scope *from);

/* May a name that is qualified with `schema` (NULL: not qualified) stand for an object of
 * `object_schema`? */
bool scope_has(const struct scope *scope, const char *schema, const char *object_schema);

/* May what is made without a schema's name become temporary? */
bool scope_makes_temporary(const struct scope *scope);
