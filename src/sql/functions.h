/* What is known about built-in functions by their names: which of the stable ones depend on nothing
 * but arguments and settings that are part of a key, and what the volatile ones do to a session or
 * a table.
 *
 * Volatility labels alone do not do: table_to_xml is stable and reads tables by name, now() is
 * stable and is another value tomorrow, random() is volatile and writes nothing.
 *
 * Threads  Any: constant tables.
 * Source   pg_proc of PostgreSQL 15, read name by name.
 */
#pragma once

#include <stdbool.h>

/* What calling a function may do besides returning a value. The larger the worse. */
enum function_effect {
    FUNCTION_HARMLESS,    /* nothing that outlives the transaction */
    FUNCTION_SEQUENCE,    /* moves what currval and lastval will say */
    FUNCTION_LASTVAL,     /* asks for that */
    FUNCTION_PIN_LOCK,    /* takes a session advisory lock */
    FUNCTION_PIN_SETTING, /* changes a setting of the session, maybe a custom one */
    FUNCTION_BODY,        /* what its body says: see catalog_callable.reach */
    FUNCTION_UNKNOWN,     /* may write any table, change the catalog, change the session */
};

/* May the result of a built-in function (one of pg_catalog, with an OID below 16384) that is called
 * by this name be cached? `volatility` as in pg_proc.provolatile. */
bool functions_read_allowed(const char *name, char volatility);

/* What a built-in function of this name may do. */
enum function_effect functions_effect(const char *name, char volatility);

/* True if the list of volatile functions has this name: for the test that none of a server is missing. */
bool functions_volatile_known(const char *name);

/* The same for a function in C that an extension of this name owns: those of the well-known ones
 * write no table, whatever their label, and few leave anything in the session. */
enum function_effect functions_extension_effect(const char *extension, const char *name);

/* May the result of a function that an extension of this name owns be cached? For those of well-known
 * ones that compute from their arguments, in C.
 *
 * kind  as in pg_proc.prokind. */
bool functions_extension_read_allowed(const char *extension, const char *name, char volatility,
                                      char kind, bool c_language);

/* Is what the types of that extension read and print a function of their bytes? */
bool functions_extension_types_known(const char *extension);

/* True for one that concerns nothing but sequences, or nothing at all. */
static inline bool functions_effect_is_quiet(enum function_effect effect)
{
    return effect <= FUNCTION_LASTVAL;
}

/* True for jsonb_populate_record and its kind, which run the checks of domains inside row types. */
bool functions_fills_rows(const char *name);

/* True for a built-in function that does something which its caller wants done each time, although no
 * table changes: sequences, locks, notifications, signals. */
bool functions_act(const char *name);
