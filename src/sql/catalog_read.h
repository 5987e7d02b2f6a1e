/* What a snapshot holds, for the files of src/sql that read it. Everything is derived when the
 * build is finished; afterwards nothing changes.
 *
 * Ownership  Texts live in the snapshot's blocks, arrays belong to the snapshot.
 * Threads    Immutable: any number of readers.
 */
#pragma once

#include "functions.h"
#include "sql/catalog.h"
#include "sql/verdict.h"

enum { CATALOG_FIRST_USER_OID = 16384 };

/* What a value of a type may be used for. The order is that of growing doubt. */
enum type_class {
    TYPE_SAFE,     /* text in, text out, under settings that are part of the key; enums too */
    TYPE_DATETIME, /* the same, but its input takes "now": only from checked constants */
    TYPE_DOMAIN,   /* over one of these: may be read, but not be cast to */
    TYPE_DENIED,   /* depends on the catalog or the day, or is made by users */
};

struct catalog_type {
    uint32_t oid;
    const char *name;
    uint32_t element; /* of an array, else 0 */
    uint32_t base;    /* of a domain, else 0 */
    char kind;        /* pg_type.typtype */
    bool builtin;
    bool foreign;   /* a base type of an extension, or an array of one: see overloads below */
    bool reachable; /* foreign, and some implicit cast makes one from a type that is not */
    bool time;      /* time without time zone, or an array of it */
    bool code;      /* casting to it runs unknown functions (checks of domains) */
    enum type_class class;
};

/* All functions or all operators of one name taken together: what calling that name may do.
 * Overloads that need an argument of a foreign type are left out of read_allowed: statements with
 * values of such types are never cached, and nothing else turns into one by itself. */
struct catalog_callable {
    const char *name;
    bool read_allowed;
    bool attribute; /* t.name may call it: its first argument may be a row */
    enum function_effect effect;
};

/* Which tables a write may reach: a run of catalog->closures. */
struct closure {
    uint32_t first;
    uint16_t count;
    bool all;  /* more than a verdict can hold, or not known */
    bool code; /* user functions run: they may change anything, the session too */
    bool self; /* something leads from the tree where it begins back to it */
};

enum closure_kind {
    CLOSURE_INSERT,
    CLOSURE_WRITE,    /* UPDATE, DELETE, MERGE, INSERT .. ON CONFLICT DO UPDATE */
    CLOSURE_TRUNCATE, /* with CASCADE */
    CLOSURE_KINDS,
};

struct catalog_relation {
    uint32_t oid;
    const char *schema;
    const char *name;
    const char *full_name; /* "schema.name" */
    uint32_t root;         /* smallest OID of its partition or inheritance tree */
    char kind;             /* pg_class.relkind */
    bool system;
    bool temporary;
    bool row_security;
    bool has_time;           /* a column of type time */
    bool read_code;          /* reading it may run unknown functions */
    bool read_elsewhere;     /* a foreign table: what reading does is not ours to know */
    enum reason read_reason; /* REASON_NONE: reading it may be cached */
    struct closure reads;    /* then: the roots that it stands for */
    bool by_key;             /* see catalog_writes_by_key */
    uint32_t top; /* of a partition tree: the relation whose keys are the tree's; 0: none */
    struct closure closures[CLOSURE_KINDS];
};

struct catalog_column {
    uint32_t relation;
    const char *name;
    uint32_t type;
    int32_t typmod;
    uint16_t number;    /* pg_attribute.attnum */
    bool deterministic; /* its collation: equal texts are the same bytes */
    bool generated;
    bool filled; /* has a default, an identity or a generation */
    bool leads;  /* derived: some index of its table begins with it */
    bool unique; /* derived: some unique index of its table has only it */
};

struct catalog {
    _Atomic(unsigned) refs;
    uint64_t version;
    size_t bytes;
    bool casts_denied;   /* user-defined casts may change what built-in types do: cache nothing */
    bool casts_code;     /* user-defined casts may run unknown functions: anything may write */
    bool domains_code;   /* so may the checks of some domain */
    bool event_triggers; /* DDL runs unknown functions */

    struct catalog_relation *relations; /* by oid */
    size_t relation_count;
    uint32_t *relations_by_name; /* positions in relations, by name and schema */
    struct catalog_type *types;  /* by oid */
    size_t type_count;
    uint32_t *types_by_name;
    struct catalog_callable *function_names; /* by name */
    size_t function_name_count;
    struct catalog_callable *operator_names; /* by name */
    size_t operator_name_count;
    struct catalog_column *columns; /* by relation and name */
    size_t column_count;
    const char **collations; /* built-in ones, by name; names that users have taken are left out */
    size_t collation_count;
    uint32_t *closures;
    size_t closure_count;

    struct catalog_block *blocks; /* of texts */
};

/* Positions [*first, *first + count) in relations_by_name of the relations of that name. */
size_t catalog_find_named(const struct catalog *catalog, const char *name, size_t *first);
const struct catalog_relation *catalog_find_relation(const struct catalog *catalog, uint32_t oid);

/* The same in types_by_name. */
size_t catalog_find_types(const struct catalog *catalog, const char *name, size_t *first);
const struct catalog_type *catalog_find_type(const struct catalog *catalog, uint32_t oid);

const struct catalog_callable *catalog_find_function_name(const struct catalog *catalog,
                                                          const char *name);
const struct catalog_callable *catalog_find_operator_name(const struct catalog *catalog,
                                                          const char *name);
const struct catalog_column *catalog_find_column(const struct catalog *catalog, uint32_t relation,
                                                 const char *name);
bool catalog_has_collation(const struct catalog *catalog, const char *name);

void catalog_free(struct catalog *catalog);
