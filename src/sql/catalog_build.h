/* A snapshot while it is built: the rows as they came, before anything is derived from them.
 *
 * Ownership  The builder owns its arrays; the snapshot inside becomes the caller's at the end.
 */
#pragma once

#include "catalog_read.h"
#include "node_tree.h"

enum {
    FUNCTION_ARGUMENTS_MAX = 100, /* FUNC_MAX_ARGS of Postgres */
    TYPE_NESTING_MAX = 8,         /* array of domain over array ... */
};

struct raw_function {
    uint32_t oid;
    const char *name;
    const char *schema;
    bool builtin; /* made by initdb */
    bool in_pg_catalog;
    bool c_language;        /* C or internal */
    bool extension;         /* belongs to one */
    bool extension_allowed; /* to one that is known, and its result may be cached */
    bool variadic;
    char volatility;
    char kind;
    uint32_t result;
    uint32_t first_argument; /* in builder->arguments */
    uint16_t argument_count;
    uint16_t default_count;
    /* derived */
    bool read_allowed;
    enum function_effect effect;
    const struct raw_body *body; /* NULL: built in, or an aggregate */
};

/* What is known of a function of users beyond its name. */
struct raw_body {
    uint32_t function;
    char language;         /* see CATALOG_QUERY_BODIES */
    char settings;         /* likewise */
    const char *extension; /* "" if it belongs to none */
    /* In builder->texts; data == NULL: none, or too long. */
    struct slice source;
    struct slice query;
    struct slice defaults;
    /* derived */
    bool readable;  /* its effect is what `reach` and its edges say */
    unsigned reach; /* enum reach */
    uint32_t first_edge;
    uint32_t edge_count;
};

enum edge_kind {
    EDGE_FUNCTIONS, /* calls what has this name: `count` positions in functions_by_name */
    EDGE_FUNCTION,  /* a position in functions */
    EDGE_READ,      /* the others: a position in relations */
    EDGE_INSERT,
    EDGE_WRITE,
    EDGE_TRUNCATE,
};

struct raw_edge {
    enum edge_kind kind;
    uint32_t target;
    uint32_t count;
};

struct raw_operator {
    uint32_t oid;
    const char *name;
    const char *schema;
    bool builtin;
    uint32_t left; /* 0: prefix operator */
    uint32_t right;
    uint32_t function;
    enum function_effect effect; /* derived */
};

struct raw_cast {
    uint32_t source;
    uint32_t target;
    uint32_t function; /* 0: none */
    char context;
    char method;
};

struct raw_pair { /* child and parent, foreign key and referenced table */
    uint32_t from;
    uint32_t to;
    bool cascades; /* foreign keys: a change of the referenced table may change this one */
};

struct raw_trigger {
    uint32_t table;
    uint32_t function;
    unsigned type; /* pg_trigger.tgtype: enum trigger_type */
};

enum trigger_type {
    TRIGGER_ROW = 1 << 0,
    TRIGGER_BEFORE = 1 << 1,
    TRIGGER_INSERT = 1 << 2,
    TRIGGER_DELETE = 1 << 3,
    TRIGGER_UPDATE = 1 << 4,
    TRIGGER_TRUNCATE = 1 << 5,
    TRIGGER_INSTEAD = 1 << 6,
};

struct raw_index {
    uint32_t table;
    uint32_t column;
    bool unique; /* and of this column alone, of all rows */
};

struct raw_dependency {
    enum node_dependency kind;
    uint32_t oid;
};

/* A stored expression or query. */
struct raw_code {
    uint32_t owner;      /* relation or domain */
    char kind;           /* see CATALOG_QUERY_CODE */
    struct slice text;   /* not read yet; else without data */
    uint32_t first_role; /* of a policy: in catalog->policy_roles */
    uint32_t role_count;
    unsigned flags; /* enum node_flag */
    size_t first;   /* in builder->dependencies */
    size_t count;
    bool unknown; /* derived: may run functions that are not harmless */
};

/* Not of a domain that happens to have a relation's OID. */
static inline bool raw_code_is_of_relation(const struct raw_code *code)
{
    return code->kind != 'd';
}

#define RAW_ARRAY(type, name)                                                                      \
    struct type *name;                                                                             \
    size_t name##_count;                                                                           \
    size_t name##_cap

/* The functions that an aggregate of users calls, as a text of OIDs. */
struct raw_aggregate {
    uint32_t function;
    const char *calls;
};

enum {
    BODIES_TEXT_MAX =
        64 << 20,              /* bytes of all bodies together: those that come later are unknown */
    CODES_TEXT_MAX = 64 << 20, /* of all stored expressions and queries that wait to be read */
};

struct catalog_builder {
    struct catalog *catalog;     /* takes the derived arrays and the texts */
    struct catalog_block *texts; /* that are not needed once the build is finished */
    size_t texts_len;            /* of bodies */
    size_t codes_len;            /* of codes */
    uint32_t *functions_by_name; /* derived: positions in functions */
    unsigned ambient_reach;      /* derived: what any expression may do by itself */
    unsigned all_reach;          /* derived: what any function may do */
    unsigned domains_reach;      /* derived: what their defaults and checks do to sequences */
    const char *schema;          /* that came last: rows of one schema often follow each other */
    RAW_ARRAY(catalog_type, types);
    RAW_ARRAY(raw_function, functions);
    RAW_ARRAY(raw_operator, operators);
    RAW_ARRAY(raw_cast, casts);
    RAW_ARRAY(catalog_relation, relations);
    RAW_ARRAY(catalog_column, columns);
    RAW_ARRAY(raw_pair, inherits);
    RAW_ARRAY(raw_pair, foreign_keys);
    RAW_ARRAY(raw_trigger, triggers);
    RAW_ARRAY(raw_index, indexes);
    RAW_ARRAY(raw_pair, event_triggers); /* from: their functions */
    RAW_ARRAY(raw_pair, support);        /* from: functions of operator classes and ranges */
    RAW_ARRAY(raw_body, bodies);
    RAW_ARRAY(raw_aggregate, aggregates);
    RAW_ARRAY(raw_edge, edges);
    RAW_ARRAY(raw_code, codes);
    RAW_ARRAY(catalog_role, roles);
    RAW_ARRAY(raw_pair, members); /* from: who has what `to` may do */
    RAW_ARRAY(catalog_setting, settings);
    uint32_t *policy_roles;
    size_t policy_roles_count;
    size_t policy_roles_cap;
    RAW_ARRAY(raw_dependency, dependencies);
    uint32_t *arguments;
    size_t arguments_count;
    size_t arguments_cap;
    const char **collations;
    size_t collations_count;
    size_t collations_cap;
};

/* Room for one more item in an array of the builder. */
void *builder_grow(void *items, size_t count, size_t *cap, size_t size);
#define BUILDER_ADD(builder, name)                                                                 \
    ((builder)->name = builder_grow((builder)->name, (builder)->name##_count,                      \
                                    &(builder)->name##_cap, sizeof(*(builder)->name)),             \
     memset(&(builder)->name[(builder)->name##_count], 0, sizeof(*(builder)->name)),               \
     &(builder)->name[(builder)->name##_count++])

/* A copy of a text that lives as long as the snapshot. */
const char *catalog_text(struct catalog *catalog, struct slice text);
/* The same in the first of *blocks or a new one; what that takes is added to *bytes. */
char *catalog_text_keep(struct catalog_block **blocks, size_t *bytes, struct slice text);
void catalog_blocks_free(struct catalog_block *blocks);

/* For sorting and searching arrays: of texts, and of what begins with an OID. */
int catalog_text_order(const void *a, const void *b);
int catalog_oid_order(const void *a, const void *b);

/* qsort does not take NULL, not even for nothing. */
void catalog_sort(void *items, size_t count, size_t size,
                  int (*compare)(const void *, const void *));

/* A type of the snapshot that is being built. */
struct catalog_type *catalog_type_mutable(struct catalog *catalog, uint32_t oid);

/* The functions of that name: a run of positions in functions_by_name. */
size_t builder_functions_named(const struct catalog_builder *builder, const char *name,
                               uint32_t *out_first);

/* The steps of catalog_builder_finish, in their order. */
void builder_codes_read(struct catalog_builder *builder);       /* those that only were kept */
void catalog_derive_arrays(struct catalog_builder *builder);    /* sorts relations and code */
void catalog_derive_types(struct catalog_builder *builder);     /* sorts, classes, casts */
void catalog_derive_functions(struct catalog_builder *builder); /* effects, names, operators */
void catalog_derive_bodies(struct catalog_builder *builder);    /* of functions: a part of it */
void catalog_derive_code(struct catalog_builder *builder);      /* what stored code may do */
void catalog_derive_relations(struct catalog_builder *builder); /* roots, reads, closures */
void catalog_derive_keys(struct catalog_builder *builder);      /* what may be a key */
void catalog_derive_roles(struct catalog_builder *builder);     /* sorts; memberships */

const struct raw_function *builder_find_function(const struct catalog_builder *builder,
                                                 uint32_t oid);
const struct raw_operator *builder_find_operator(const struct catalog_builder *builder,
                                                 uint32_t oid);
