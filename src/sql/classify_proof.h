/* Between classify.c (the verdict as a whole), classify_relations.c and classify_names.c (what calls or casts
 * something). */
#pragma once

#include "catalog_read.h"
#include "facts.h"
#include "scope.h"

struct proof {
    const struct facts *facts;
    const struct catalog *catalog;
    struct verdict *out;
    bool has_time;        /* a value of type time may occur */
    bool has_timezone;    /* AT TIME ZONE: of a time it depends on the day */
    bool has_cast_source; /* a value of a type with cast_source may occur */
    bool has_param;       /* of a type that the client may have chosen */
    bool events;          /* event triggers fire, whether or not it is DDL */
    bool unknown;         /* some relation is not in the snapshot, see struct verdict_temporary */
    bool unasked;         /* what may be written, Postgres could not say before COMMIT */
    bool calls_write;     /* some called code writes a table */
    bool unforceable;     /* no rule may overrule what was found */
    struct scope scope;
};

/* A reason against caching; the first stays. */
void proof_deny(struct proof *proof, enum reason reason, const char *object);

/* What calling something may do. */
void proof_effect(struct proof *proof, enum function_effect effect);

/* What code that is called may do besides writing the tables that are known. */
void proof_reach(struct proof *proof, unsigned reach);

/* The session keeps its backend for this reason, the first that there is. */
void proof_pin(struct proof *proof, enum pin why, unsigned effects);

/* The same as proof_effect for code that is called, with what it reaches. */
void proof_call(struct proof *proof, const struct closure *closure);

/* May the fact stand for something in that schema? */
bool proof_means(const struct proof *proof, const struct fact *fact, const char *schema);

/* A relation that is read or written. */
void proof_relation(struct proof *proof, const struct fact *fact);
/* Some relation is not in the snapshot: what that means, when everything else has been judged. */
void proof_temporary(struct proof *proof);

/* Each takes a fact of the kind in its name to the verdict. */
void proof_function(struct proof *proof, const struct fact *fact);
void proof_attribute(struct proof *proof, const struct fact *fact);
void proof_cast(struct proof *proof, const struct fact *fact);
void proof_cast_column(struct proof *proof, const struct fact *fact);
void proof_operator(struct proof *proof, const struct fact *fact);
void proof_collation(struct proof *proof, const struct fact *fact);

/* What all that a name may call may do. `attributes`: only what t.name may call. */
void proof_callables(struct proof *proof, const struct fact *fact,
                     const struct catalog_callable *callables, size_t count, bool attributes);
