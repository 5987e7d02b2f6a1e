/* Between catalog_bodies.c (what bodies say) and catalog_harmless.c (which of them do nothing). */
#pragma once

#include "catalog_build.h"

enum {
    BODY_NAMES_MAX = 16, /* temporary tables of one body, relations that nobody knows */
    BODY_NAME_LEN_MAX = 64,
};

/* A few names of relations. */
struct names {
    char list[BODY_NAMES_MAX][BODY_NAME_LEN_MAX];
    unsigned count;
    bool full;
};

struct bodies {
    struct catalog_builder *builder;
    const struct catalog *catalog;
    bool *runs;  /* by relation: reading it runs code, or reads elsewhere */
    bool *dirty; /* by relation: that code is not harmless */
    bool *clean; /* by function */
    /* of the body that is read */
    struct raw_body *body;
    struct names made;    /* temporary tables */
    struct names unknown; /* it writes to them */
};

/* Takes for harmless what does nothing, and says so in the functions' effects and in the snapshot. */
void bodies_harmless(struct bodies *bodies);

/* Positions among the functions of the builder and the relations of the snapshot, or -1. */
ptrdiff_t builder_function_position(const struct catalog_builder *builder, uint32_t oid);
ptrdiff_t builder_relation_position(const struct catalog_builder *builder, uint32_t oid);
