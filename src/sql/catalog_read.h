/* What a snapshot holds, for the files of src/sql that read it. Everything is derived when the
 * build is finished; afterwards nothing changes.
 *
 * Ownership  Texts live in the snapshot's blocks, arrays belong to the snapshot.
 * Threads    Immutable: any number of readers.
 */
#pragma once

#include "functions.h"
#include "reach.h"
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
    const char *schema;
    uint32_t element; /* of an array, else 0 */
    uint32_t base;    /* of a domain, else 0 */
    char kind;        /* pg_type.typtype */
    bool builtin;
    bool known;     /* a base type of an extension whose types are as safe as built-in ones */
    bool foreign;   /* another base type of users, or an array of one: see overloads below */
    bool reachable; /* foreign, and some implicit cast makes one from a type that is not */
    bool time;      /* time without time zone, or an array of it */
    bool code;      /* a value that becomes one runs unknown functions (checks of domains, casts
                     * of users that are not for CAST alone) */
    bool cast_user; /* a cast of users makes one, and is not proven to depend on its value alone */
    bool cast_code; /* a cast of users to it runs unknown functions */
    bool cast_source; /* made by users, and turns into something else by itself with such a cast */
    enum type_class class;
};

/* Which operands of an operator are known to be a number, date or time. */
enum operand_scalar {
    OPERAND_LEFT = 1 << 0,
    OPERAND_RIGHT = 1 << 1,
    OPERAND_COMBINATIONS = 4,
};

/* What calling a name may do. */
struct callable_meaning {
    bool read_denied;  /* of some overload that counts */
    bool read_allowed; /* and of some */
    enum function_effect effect;
};

/* What a write, or a call, may reach: tables as a run of catalog->closures, and more. */
struct closure {
    uint32_t first;
    uint16_t count;
    uint16_t reach; /* enum reach: what it may do besides, by code of users that runs */
    bool self;      /* something leads from the tree where it begins back to it */
};

/* All functions or all operators of one name in one schema taken together. Overloads that need an
 * argument of a foreign type are left out of read_allowed: statements with values of such types are
 * never cached, and nothing else turns into one by itself. */
struct catalog_callable {
    const char *name;
    const char *schema;
    bool attribute; /* t.name may call it: its first argument may be a row */
    /* By enum operand_scalar: without the operators of users that take a text or an array where a
     * scalar stands. Functions have the first alone. */
    struct callable_meaning meanings[OPERAND_COMBINATIONS];
    struct closure reach; /* with FUNCTION_BODY: what all functions of that name may do */
};

enum closure_kind {
    CLOSURE_READ, /* of views and policies: the functions in them may write */
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
    bool forced_security;    /* the owner is no exception */
    uint32_t owner;          /* a role */
    bool has_time;           /* a column of type time */
    bool has_cast_source;    /* a column of a type with cast_source */
    enum reason read_reason; /* REASON_NONE: reading it may be cached */
    struct closure reads;    /* then: the roots that it stands for */
    /* With row security: what reading it means to a role that no policy applies to, and the policies. */
    enum reason bare_reason;
    uint32_t first_policy;
    uint32_t policy_count;
    bool by_key;  /* see catalog_writes_by_key */
    uint32_t top; /* of a partition tree: the relation whose keys are the tree's; 0: none */
    struct closure closures[CLOSURE_KINDS];
};

/* A policy of a table with row security that reads run. */
struct catalog_policy {
    enum reason reason;   /* REASON_NONE: it depends on nothing but the key and what it reads */
    struct closure reads; /* the roots of that */
    uint32_t first_role;  /* in policy_roles; 0 among them: everybody */
    uint32_t role_count;
};

struct catalog_role {
    uint32_t oid;
    const char *name;
    bool superuser;
    bool bypasses; /* BYPASSRLS */
    bool login;
    uint32_t first_grant; /* in grants: the roles whose privileges it has by membership */
    uint32_t grant_count;
};

/* A setting with which sessions begin. */
struct catalog_setting {
    bool of_database; /* this one; else: of all */
    uint32_t role;    /* 0: of all */
    const char *name;
    const char *value;
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
    bool identity;
    bool leads;  /* derived: some index of its table begins with it */
    bool unique; /* derived: some unique index of its table has only it */
};

struct catalog {
    _Atomic(unsigned) refs;
    uint64_t version;
    size_t bytes;
    bool operator_classes; /* users have changed how built-in types compare by default */
    /* Casts of users that apply by themselves and are not proven to depend on their value alone:
     * from built-in types, and from types that users have made. Code: they run unknown functions. */
    bool casts_builtin;
    bool casts_builtin_code;
    bool casts_users;
    bool casts_users_code;
    bool casts_scalar;   /* one turns a number, date or time into a text or an array */
    bool domains_code;   /* the checks of some domain run unknown functions */
    bool outside;        /* some code writes by ways that its transaction does not show */
    bool event_triggers; /* DDL runs functions of users: see events */
    struct closure events;
    uint16_t ambient;  /* enum reach: what expressions may do by operators, casts and domains */
    bool support_code; /* comparing or indexing values may run code of users that is not harmless */

    struct catalog_relation *relations; /* by oid */
    size_t relation_count;
    uint32_t *relations_by_name; /* positions in relations, by name and schema */
    struct catalog_type *types;  /* by oid */
    size_t type_count;
    uint32_t *types_by_name;
    struct catalog_callable *function_names; /* by name and schema */
    size_t function_name_count;
    struct catalog_callable *operator_names; /* by name and schema */
    size_t operator_name_count;
    struct catalog_column *columns; /* by relation and name */
    size_t column_count;
    const char **collations; /* built-in ones, by name; names that users have taken are left out */
    size_t collation_count;
    uint32_t *closures;
    size_t closure_count;
    struct catalog_policy *policies; /* by relation: see first_policy */
    size_t policy_count;
    uint32_t *policy_roles;
    size_t policy_role_count;
    struct catalog_role *roles; /* by oid */
    size_t role_count;
    uint32_t *grants; /* OIDs of roles */
    size_t grant_count;
    struct catalog_setting *settings;
    size_t setting_count;

    struct catalog_block *blocks; /* of texts */
};

/* Positions [*first, *first + count) in relations_by_name of the relations of that name. */
size_t catalog_find_named(const struct catalog *catalog, const char *name, size_t *first);
const struct catalog_relation *catalog_find_relation(const struct catalog *catalog, uint32_t oid);

/* The same in types_by_name. */
size_t catalog_find_types(const struct catalog *catalog, const char *name, size_t *first);
const struct catalog_type *catalog_find_type(const struct catalog *catalog, uint32_t oid);

/* What is called by that name: a run of function_names, one item for each schema. */
size_t catalog_find_functions(const struct catalog *catalog, const char *name,
                              const struct catalog_callable **first);
size_t catalog_find_operators(const struct catalog *catalog, const char *name,
                              const struct catalog_callable **first);
/* True for numbers, dates and times: built-in types that never turn into a text or an array by
 * themselves. */
bool catalog_type_is_scalar(uint32_t oid);
/* The columns of a relation: a run of the array, by name. `first` is set where there are any. */
size_t catalog_find_columns(const struct catalog *catalog, uint32_t relation,
                            const struct catalog_column **first);
const struct catalog_column *catalog_find_column(const struct catalog *catalog, uint32_t relation,
                                                 const char *name);
bool catalog_has_collation(const struct catalog *catalog, const char *name);

void catalog_free(struct catalog *catalog);

/* ---- catalog_roles.c ---- */

/* The role of that name; NULL: there is none in the snapshot. */
const struct catalog_role *catalog_find_role(const struct catalog *catalog, const char *name);

/* Has `role` by itself all that `of` may do? Only true if that is certain. */
bool catalog_role_has(const struct catalog *catalog, const struct catalog_role *role, uint32_t of);

/* Does row security leave `role` alone when it reads this table itself? Only true if that is certain. */
bool catalog_role_is_exempt(const struct catalog *catalog, const struct catalog_role *role,
                            const struct catalog_relation *relation);

/* False only if the policy certainly does not apply to `role`. */
bool catalog_policy_applies(const struct catalog *catalog, const struct catalog_policy *policy,
                            const struct catalog_role *role);
