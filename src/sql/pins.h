/* Pins: what a text says of the rows that a statement reads or writes, as far as "column = value"
 * says it. Names only; pins_judge (pins.c) asks the catalog.
 *
 * A read is pinned by the conjuncts at the top of its WHERE; a write by those, by the constants that
 * UPDATE sets, or by the rows of INSERT .. VALUES. Found in statements of one query with plain
 * tables; anything else has no pins, which is always right.
 *
 * Ownership  Names are borrowed from the parse tree, as those of facts are.
 */
#pragma once

#include "base/slice.h"
#include "sql/verdict.h"

enum { PIN_RELATIONS_MAX = 8, PIN_FACTS_MAX = 4096, PIN_PARAMETERS_MAX = 128 };

enum pins_kind { PINS_NONE, PINS_READ, PINS_UPDATE, PINS_DELETE, PINS_INSERT };

enum pin_role {
    PIN_WHERE,  /* column = value: one of several values of the same `group` for IN */
    PIN_SET,    /* UPDATE gives the column this value */
    PIN_INSERT, /* INSERT gives it to a new row: `group` is the row */
};

struct pin_fact {
    enum pin_role role;
    const char *column; /* NULL: the one at `position` among the table's columns, from 0 */
    const char *cast;   /* the value is cast to this type; NULL: it is not */
    bool array;         /* column = ANY (value) */
    uint8_t relation;   /* whose column: in pin_facts.relations */
    uint8_t source;     /* enum key_source; KEY_FROM_ELSEWHERE: the value is not known */
    uint16_t position;
    uint16_t number; /* of the constant in the text, from 0; or of the parameter, from 1 */
    uint16_t group;
};

struct pin_relation {
    const char *schema; /* NULL: not qualified */
    const char *name;
    const char *alias; /* by which columns are qualified */
};

struct pin_facts {
    enum pins_kind kind;
    unsigned relation_count;
    struct pin_relation relations[PIN_RELATIONS_MAX];
    unsigned count;
    unsigned cap;
    struct pin_fact *list;                  /* owned */
    uint16_t rows;                          /* of PINS_INSERT */
    uint8_t parameters[PIN_PARAMETERS_MAX]; /* how often $n occurs in the statement, up to 255 */
};

struct facts;
struct catalog;
struct scope;

/* Takes what was found in `facts` to *out: which of its reads and writes are pinned. Called when the
 * rest of the verdict is made. */
void pins_judge(const struct facts *facts, const struct catalog *catalog, const struct scope *scope,
                struct verdict *out);
