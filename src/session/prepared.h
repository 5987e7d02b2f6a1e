/* Prepared statements as clients see them (names of their own) and as backends have them (shared,
 * under generated names).
 *
 * A named statement with the same text and parameter types is one `struct statement` for the whole
 * process, whoever prepared it; its id makes its name at the backends. The unnamed statement lives
 * in its session: its text is kept so that it can be parsed again on another backend.
 *
 * Threads    The registry has a mutex; references are atomic; the contents are immutable.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/hash.h"
#include "base/slice.h"

struct statement {
    _Atomic(unsigned) refs;
    _Atomic(bool) notices; /* its Parse brings some: each client's is asked of a backend */
    uint64_t id;
    struct slice query;
    struct slice types;     /* 4 bytes an OID, as the client sent them */
    struct slice canonical; /* of the query; empty when it could not be scanned */
    struct slice hint;      /* in query: a comment for us; empty: there is none */
    struct hash128 shape;
    unsigned scan_flags;
    bool scanned; /* false: too long: no verdict, no key */
    bool shared;  /* it stands in the registry */
    bool folds;   /* it may have constants that Parse reads under the settings of that moment */
    struct slice registry_key;
};

/* The shared statement of this text and these types, with a reference. `scratch` is room for
 * scanning (host->scratch).
 *
 * version  The catalog's at the Parse: after DDL a new Parse must reach a backend, which would
 *          answer with "cached plan must not change result type" if it took the old statement.
 * settings  session_parse_settings(): under which Parse reads constants and names; 0: the login's. */
struct statement *statement_get(struct slice query, struct slice types, uint64_t version,
                                uint64_t settings, uint8_t *scratch);
/* A statement of its own, that no other client shares: for sessions whose settings may differ. */
struct statement *statement_private(struct slice query, struct slice types, uint64_t version,
                                    uint8_t *scratch);
struct statement *statement_ref(struct statement *statement);
void statement_unref(struct statement *statement); /* NULL is fine */

/* A fresh id, for unnamed statements. */
uint64_t statement_next_id(void);

/* The name in "deallocate [prepare] name" (borrowed); empty for ALL, for anything else, and for a
 * name in quotes with quotes in it. Unquoted names are lower case to Postgres; those with capitals
 * are left to it. */
struct slice statement_deallocated(struct slice canonical);
