/* Between the files of the walk: analyze.c (the way), analyze_rules.c (what each node means inside
 * a query), analyze_values.c (what those mean that make values), analyze_statement.c (what each kind
 * of statement does). */
#pragma once

#include "facts.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
#include <pg_query/pg_query.pb-c.h>
#pragma GCC diagnostic pop

enum { WALK_DEPTH_MAX = 8000 };

struct walk {
    struct facts *facts;
    unsigned depth;
    unsigned under_cast; /* casts around to types that may be or hold a text */
    bool plan_only;      /* EXPLAIN without ANALYZE: nothing is written */
};

struct walk_rule {
    const ProtobufCMessageDescriptor *descriptor;
    enum reason reason; /* what such a node says against caching */
    bool passive;       /* no value becomes one of another type here, but by a cast in the text */
    /* Adds facts; true if the children are to be walked as well. */
    bool (*handle)(struct walk *walk, const ProtobufCMessage *message);
};

const struct walk_rule *walk_rule_of(const ProtobufCMessageDescriptor *descriptor);

void walk_message(struct walk *walk, const ProtobufCMessage *message);
void walk_fields(struct walk *walk, const ProtobufCMessage *message);
void walk_nodes(struct walk *walk, PgQuery__Node *const *nodes, size_t count);
void walk_statement(struct walk *walk, const PgQuery__Node *statement);

const char *walk_string(const PgQuery__Node *node);
const char *walk_names(PgQuery__Node *const *names, size_t count, const char **out_schema);

bool walk_listed(const char *name, const char *const *list, size_t count);

/* The rules of analyze_values.c. */
bool walk_constant(struct walk *walk, const ProtobufCMessage *message);
bool walk_cast(struct walk *walk, const ProtobufCMessage *message);
bool walk_type_name(struct walk *walk, const ProtobufCMessage *message);
bool walk_call(struct walk *walk, const ProtobufCMessage *message);
bool walk_operation(struct walk *walk, const ProtobufCMessage *message);

/* An operator whose operands nothing is known about. schema  NULL: not qualified. */
void walk_operator(struct walk *walk, const char *schema, const char *name);

/* Is it made by the word TEMPORARY, or in pg_temp? */
bool walk_is_temporary(const PgQuery__RangeVar *relation);

/* A statement creates this relation: DDL, or a pin if it is temporary. */
void walk_creates(struct walk *walk, const PgQuery__RangeVar *relation);

/* analyze_temporary.c: notes if what is made is a temporary table of plain columns (the first: whatever
 * columns the query gives it), or one that may run code, and if DDL leaves such tables as plain as they are. */
void walk_makes_plain(struct walk *walk, const PgQuery__RangeVar *relation);
void walk_create_table(struct walk *walk, const PgQuery__CreateStmt *create);
void walk_create_view(struct walk *walk, const PgQuery__ViewStmt *create);
void walk_ddl(struct walk *walk, const PgQuery__Node *statement);

/* A relation in a clause that is no query: its name and schema as facts. */
void walk_relation(struct walk *walk, enum fact_kind kind, const PgQuery__RangeVar *relation);
