/* Between catalog_relations.c (trees, reads) and catalog_reach.c (what a write or a call reaches). */
#pragma once

#include "catalog_build.h"

enum view_state { VIEW_UNSEEN, VIEW_OPEN, VIEW_DONE };

/* What is known of one relation while the closures are made; same position as in relations. */
struct node {
    uint32_t root;         /* position of its tree's root */
    uint32_t first_member; /* of a root: in members */
    uint32_t member_count;
    uint32_t first_code; /* in codes */
    uint32_t code_count;
    uint32_t first_key; /* in foreign_keys sorted by what they refer to */
    uint32_t key_count;
    uint32_t first_trigger; /* in triggers sorted by table */
    uint32_t trigger_count;
    enum view_state view;
    /* The walks that came by last, and as what: a root as a tree, any relation as one that is read. */
    uint32_t tree_visit;
    enum closure_kind tree_kind;
    uint32_t read_visit;
    /* of this relation alone */
    bool has_rule;
    bool column_code; /* a value of a column's type runs functions that are not harmless */
    bool identity;    /* a column has one */
    /* of a root: of any member */
    bool tree_has_rule;
    bool tree_has_view;
    bool tree_elsewhere; /* a foreign table */
    bool tree_temporary;
    bool tree_column_code;
    bool tree_identity;
};

/* A step of a walk that is still to be made. */
struct step {
    enum step_kind { STEP_TREE, STEP_READ, STEP_FUNCTION } kind;
    enum closure_kind write; /* of STEP_TREE */
    uint32_t at;             /* position of a root, a relation, a function */
};

/* A closure holds no more than VERDICT_TABLES_MAX tables, but what it may do besides is known only
 * when all steps have been made. After that many it may do whatever any function may. */
enum { WALK_STEPS_MAX = 4096 };

struct derive {
    struct catalog_builder *builder;
    struct catalog *catalog;
    struct node *nodes;
    uint32_t *members; /* positions of relations, by root */
    size_t closures_cap;
    /* the walk under way */
    struct closure *closure;
    struct step *steps;
    unsigned step_count;
    uint32_t walk;             /* its number */
    uint32_t start;            /* the root that it began with, or UINT32_MAX */
    uint32_t *function_visits; /* by function: the walk that came by last */
};

/* Adds a root to a closure that ends catalog->closures; false when it holds no more. */
bool closure_add(struct derive *derive, struct closure *closure, uint32_t root);

/* The position of a relation, or -1. */
ptrdiff_t derive_position(const struct derive *derive, uint32_t oid);

/* Makes the closures of all relations, names of functions, and event triggers. */
void closures_derive(struct derive *derive);
