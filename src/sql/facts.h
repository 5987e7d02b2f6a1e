/* What a text says, before the catalog is asked: the names it uses and what its statements are.
 *
 * One list of facts in the order of the text. The catalog is not needed to collect them and
 * libpg_query is not needed to judge them: analyze.c writes facts, classify.c reads them.
 *
 * Ownership  Names are borrowed from the parse tree, or copied: the facts keep both until facts_fini.
 */
#pragma once

#include "pins.h"
#include "sql/verdict.h"

enum fact_kind {
    FACT_READ,   /* a relation in FROM; may be the name of a CTE */
    FACT_INSERT, /* a relation that gets new rows */
    FACT_WRITE,  /* a relation whose rows may change or go */
    FACT_TRUNCATE,
    FACT_TRUNCATE_CASCADE,
    FACT_FUNCTION,
    FACT_OPERATOR,
    FACT_CAST,        /* a type that something is cast to, or that columns of a function have */
    FACT_CAST_COLUMN, /* a column that is cast to a date or time: safe if it is one already */
    FACT_CTE,
    FACT_LABEL,     /* any other name that the statement gives to something */
    FACT_ATTRIBUTE, /* the last name of a.b or (x).b: may call a function */
    FACT_COLLATION,
};

enum fact_flag {
    FACT_ONE_ARGUMENT =
        1 << 0,            /* of a function: name(x) may be a cast; of an attribute: (x).name */
    FACT_CHECKED = 1 << 1, /* the argument is no text that only exists at run time; of a label: it
                            * stands for numbers, dates or times */
    FACT_TWO_ARGUMENTS = 1 << 2,
    FACT_BODY = 1 << 7, /* a word in the body of DO: it may be such a name, or not (body.h) */
};

struct fact {
    enum fact_kind kind;
    unsigned flags;     /* enum fact_flag */
    const char *schema; /* NULL: not qualified */
    const char *name;
    /* Of an operator: columns that stand left and right of it, and which operands the text alone
     * shows to be numbers, dates or times (enum operand_scalar), or does if the type in `casts` is the
     * built-in one of that name. Of timezone(): left is its value. */
    const char *columns[2];
    const char *casts[2];
    unsigned scalars;
};

enum { FACTS_MAX = 4096 };

struct facts {
    unsigned effects; /* enum effect: what the text alone proves */
    enum pin pin;
    unsigned reach; /* enum reach: what the body of DO may do, or a statement by event triggers */
    bool calls;     /* DO or CALL */
    bool body;      /* DO */
    enum reason reason; /* the first thing against caching that the text alone shows */
    char object[VERDICT_OBJECT_MAX];
    unsigned statements;
    const char *makes; /* a temporary table of plain columns, or NULL; borrowed from the tree */
    const char *makes_other; /* a temporary table that is more than columns, or NULL; borrowed */
    bool makes_view;         /* a temporary one */
    bool keeps_plain;        /* DDL that leaves plain temporary tables plain */
    bool temporary;          /* DDL here may name the temporary schema */
    bool unforceable;        /* any of the reasons is one that no rule may overrule */
    bool planned;            /* expressions are computed: casts and operators may run code */
    bool coerces;          /* there is an expression in which a value may become one of another type
                          * without a cast in the text */
    bool function_table;   /* a function in FROM: its name may stand for its values */
    bool function_columns; /* and its columns have names that we do not know */
    unsigned selects;      /* queries in the text, those inside others included */
    struct pin_facts pins;
    unsigned count;
    unsigned cap;
    struct fact *list;
    struct fact_text *texts;
    void *tree; /* of libpg_query */
    void (*tree_free)(void *tree);
};

/* What a statement that nothing is known about may do. */
enum {
    EFFECTS_UNKNOWN = EFFECT_WRITES_ALL | EFFECT_DDL | EFFECT_GLOBAL | EFFECT_TX_BEGIN |
                      EFFECT_TX_END | EFFECT_PIN | EFFECT_DIRTY | EFFECT_DEALLOCATE,
    /* and a function of users: all but ending the transaction and what needs a superuser */
    EFFECTS_FUNCTION = EFFECT_WRITES_ALL | EFFECT_DDL | EFFECT_PIN | EFFECT_DIRTY,
};

void facts_init(struct facts *facts);
void facts_fini(struct facts *facts);

/* Adds a fact; beyond FACTS_MAX the whole text becomes one that nothing is known about. */
void facts_add_fact(struct facts *facts, const struct fact *fact);
void facts_add(struct facts *facts, enum fact_kind kind, const char *schema, const char *name,
               unsigned flags);

/* The same with a name that the facts keep a copy of. */
void facts_add_copy(struct facts *facts, enum fact_kind kind, const char *schema, const char *name,
                    unsigned flags);

/* Notes why the text is not cacheable; the first reason stays. `object` may be NULL. */
void facts_deny(struct facts *facts, enum reason reason, const char *object);

void facts_pin(struct facts *facts, enum pin pin, unsigned dirty); /* EFFECT_DIRTY or 0 */
void facts_unknown(struct facts *facts, enum reason reason);
