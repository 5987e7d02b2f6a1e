#include "functions.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

/* All lists are sorted: they are searched by halving. */

/* Stable, but a function of the arguments and of settings that are part of a key; the functions of
 * all stable built-in operators among them. */
static const char *const stable_allowed[] = {
    "anytextcat",
    "array_to_json",
    "array_to_string",
    "concat",
    "concat_ws",
    "convert",
    "convert_from",
    "convert_to",
    "date",
    "date_eq_timestamptz",
    "date_ge_timestamptz",
    "date_gt_timestamptz",
    "date_le_timestamptz",
    "date_lt_timestamptz",
    "date_ne_timestamptz",
    "date_part",
    "date_trunc",
    "enum_first",
    "enum_last",
    "enum_range",
    "extract",
    "format",
    "generate_series",
    "interval_pl_timestamptz",
    "json_agg",
    "json_build_array",
    "json_build_object",
    "json_object_agg",
    "json_to_record", /* the types of its columns are in the text */
    "json_to_recordset",
    "json_to_tsvector",
    "jsonb_agg",
    "jsonb_build_array",
    "jsonb_build_object",
    "jsonb_object_agg",
    "jsonb_to_record",
    "jsonb_to_recordset",
    "jsonb_to_tsvector",
    "length",
    "make_timestamptz",
    "money",
    "numeric",
    "overlaps",
    "phraseto_tsquery",
    "plainto_tsquery",
    "quote_literal",
    "quote_nullable",
    "row_to_json",
    "textanycat",
    "timestamp",
    "timestamp_eq_timestamptz",
    "timestamp_ge_timestamptz",
    "timestamp_gt_timestamptz",
    "timestamp_le_timestamptz",
    "timestamp_lt_timestamptz",
    "timestamp_ne_timestamptz",
    "timestamptz",
    "timestamptz_eq_date",
    "timestamptz_eq_timestamp",
    "timestamptz_ge_date",
    "timestamptz_ge_timestamp",
    "timestamptz_gt_date",
    "timestamptz_gt_timestamp",
    "timestamptz_le_date",
    "timestamptz_le_timestamp",
    "timestamptz_lt_date",
    "timestamptz_lt_timestamp",
    "timestamptz_mi_interval",
    "timestamptz_ne_date",
    "timestamptz_ne_timestamp",
    "timestamptz_pl_interval",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "to_tsquery",
    "to_tsvector",
    "ts_headline",
    "ts_match_tq",
    "ts_match_tt",
    "websearch_to_tsquery",
};

/* Never cached, whatever their label. "age" counts from today when it has one argument. */
static const char *const read_denied[] = {
    "age",
    "nextval",
    "version",
};

static const char *const read_denied_prefixes[] = {
    "RI_",    "binary_upgrade_", "cursor_to_xml", "database_to_xml",
    "has_",   "inet_client_",    "lo_",           "inet_server_",
    "pg_",    "query_to_xml",    "schema_to_xml", "table_to_xml",
    "timetz", "txid_",
};

/* Why a volatile function reaches what it reaches: X(CLASS, effect, why). */
#define VOLATILE_CLASSES(X)                                                                        \
    X(QUIET, HARMLESS, "computes, waits, or reads what is no table")                               \
    X(SEQUENCE, SEQUENCE, "sequences are never cached, and no transaction of theirs")              \
    X(LASTVAL, LASTVAL, "says what the session knows of a sequence")                               \
    X(LARGE, HARMLESS, "large objects are never cached; open ones end with the transaction")       \
    X(ROW, HARMLESS, "as a trigger, changes the row that is written anyway")                       \
    X(INDEX, HARMLESS, "rewrites an index, as REINDEX does")                                       \
    X(STATISTICS, HARMLESS, "statistics are never cached")                                         \
    X(SIGNAL, HARMLESS, "speaks to other processes, to the log or to replication")                 \
    X(LOCK, PIN_LOCK, "the lock outlives the transaction")                                         \
    X(SETTING, PIN_SETTING, "the setting may outlive the transaction")                             \
    X(SESSION, UNKNOWN, "leaves something in the session that is not tracked")                     \
    X(SERVER, UNKNOWN, "changes what all sessions see")                                            \
    X(CATALOG, UNKNOWN, "writes the catalog")                                                      \
    X(TEXT, UNKNOWN, "runs the text that it is given")                                             \
    X(INTERNAL, UNKNOWN, "for the server itself; nobody calls it")

#define VOLATILE_ENUM(class, effect, why) VOLATILE_##class,
enum volatile_class { VOLATILE_CLASSES(VOLATILE_ENUM) VOLATILE_COUNT };
#undef VOLATILE_ENUM

#define VOLATILE_EFFECT(class, effect, why) FUNCTION_##effect,
static const enum function_effect volatile_effects[VOLATILE_COUNT] = {
    VOLATILE_CLASSES(VOLATILE_EFFECT)};
#undef VOLATILE_EFFECT

#define X(name, class) {#name, VOLATILE_##class},
static const struct volatile_function {
    const char *name;
    enum volatile_class class;
} volatile_functions[] = {
#include "functions_volatile.def"
};
#undef X

/* Run the SQL text or the view that they are given, whatever their label. */
static const char *const runs_text_prefixes[] = {
    "cursor_to_xml", "database_to_xml", "query_to_xml", "schema_to_xml",
    "table_to_xml",  "ts_rewrite",      "ts_stat",
};

/* Extensions whose C code does nothing but compute, read, or lock: all their functions, or those
 * with `only` in their name. Not here: dblink, postgres_fdw, file_fdw, adminpack (write elsewhere),
 * refint of contrib/spi (writes tables). Sorted. Source: contrib of PostgreSQL 15, file by file. */
static const struct {
    const char *extension;
    const char *only; /* NULL: all */
} extensions_harmless[] = {
    {"amcheck", NULL},
    {"autoinc", NULL},
    {"bloom", NULL},
    {"btree_gin", NULL},
    {"btree_gist", NULL},
    {"citext", NULL},
    {"cube", NULL},
    {"dict_int", NULL},
    {"dict_xsyn", NULL},
    {"earthdistance", NULL},
    {"fuzzystrmatch", NULL},
    {"hstore", NULL},
    {"insert_username", NULL},
    {"intagg", NULL},
    {"intarray", NULL},
    {"isn", NULL},
    {"lo", NULL},
    {"ltree", NULL},
    {"moddatetime", NULL},
    {"pageinspect", NULL},
    {"pg_buffercache", NULL},
    {"pg_freespacemap", NULL},
    {"pg_prewarm", NULL},
    {"pg_stat_statements", NULL},
    {"pg_trgm", NULL},
    {"pg_visibility", NULL},
    {"pg_walinspect", NULL},
    {"pgcrypto", NULL},
    {"pgrowlocks", NULL},
    {"pgstattuple", NULL},
    {"plpgsql", NULL},
    {"seg", NULL},
    {"sslinfo", NULL},
    {"tablefunc", "normal_rand"}, /* crosstab and connectby run the SQL that they are given */
    {"tcn", NULL},
    {"tsm_system_rows", NULL},
    {"tsm_system_time", NULL},
    {"unaccent", NULL},
    {"uuid-ossp", NULL},
    {"vector", NULL},
    {"xml2", "xml_"}, /* xpath_table runs SQL */
};

/* Extensions whose types and immutable functions in C know nothing but their arguments. Not here: isn
 * (isn_weak changes what its types take), PostGIS (reads spatial_ref_sys). Sorted. */
static const char *const extensions_computing[] = {
    "btree_gin", "btree_gist", "citext",   "cube", "fuzzystrmatch", "hstore",    "intarray",
    "ltree",     "pg_trgm",    "pgcrypto", "seg",  "unaccent",      "uuid-ossp", "vector",
};

/* Of these: makes dates and times of texts. Sorted. */
static const char *const extension_read_denied[] = {"populate_record"};

/* And stable ones that ask a dictionary, which changes by DDL, as to_tsvector does. Sorted. */
static const char *const extension_stable_allowed[] = {"unaccent"};

/* The aggregates and the functions in SQL of citext. Sorted. */
static const char *const citext_aggregates[] = {"max", "min"};
static const char *const citext_sql[] = {
    "regexp_match",
    "regexp_matches",
    "regexp_replace",
    "regexp_split_to_array",
    "regexp_split_to_table",
    "replace",
    "split_part",
    "strpos",
    "translate",
};

/* Of the harmless ones, what changes the session. Sorted. */
static const char *const extension_settings[] = {"isn_weak", "set_limit"};

static const char *const fills_rows[] = {
    "json_populate_record",  "json_populate_recordset",  "json_to_record",  "json_to_recordset",
    "jsonb_populate_record", "jsonb_populate_recordset", "jsonb_to_record", "jsonb_to_recordset",
};

static const char *const acts_prefixes[] = {
    "currval",         "lastval",        "lo_",        "nextval",         "pg_advisory",
    "pg_backup",       "pg_cancel",      "pg_create",  "pg_current_xact", "pg_drop",
    "pg_export",       "pg_import",      "pg_log",     "pg_notify",       "pg_promote",
    "pg_reload",       "pg_replication", "pg_rotate",  "pg_start",        "pg_stat_clear",
    "pg_stat_force",   "pg_stat_reset",  "pg_stop",    "pg_switch",       "pg_terminate",
    "pg_try_advisory", "pg_wal_replay",  "set_config", "setseed",         "setval",
    "txid_current",
};

static int name_compare(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

static bool name_listed(const char *name, const char *const *list, size_t count)
{
    return bsearch(name, list, count, sizeof(*list), name_compare) != NULL;
}

static bool name_begins(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strncmp(name, list[i], strlen(list[i])) == 0)
            return true;
    }
    return false;
}

#define LISTED(name, list) name_listed(name, list, ARRAY_COUNT(list))
#define BEGINS(name, list) name_begins(name, list, ARRAY_COUNT(list))

bool functions_read_allowed(const char *name, char volatility)
{
    if (LISTED(name, read_denied) || BEGINS(name, read_denied_prefixes))
        return false;
    if (volatility == 'i')
        return true;
    return volatility == 's' && LISTED(name, stable_allowed);
}

static int volatile_compare(const void *key, const void *item)
{
    return strcmp(key, ((const struct volatile_function *)item)->name);
}

static const struct volatile_function *volatile_find(const char *name)
{
    return bsearch(name, volatile_functions, ARRAY_COUNT(volatile_functions),
                   sizeof(*volatile_functions), volatile_compare);
}

bool functions_volatile_known(const char *name)
{
    return volatile_find(name) != NULL;
}

enum function_effect functions_effect(const char *name, char volatility)
{
    if (BEGINS(name, runs_text_prefixes))
        return FUNCTION_UNKNOWN;
    const struct volatile_function *found = volatile_find(name);
    if (found)
        return volatile_effects[found->class];
    return volatility == 'i' || volatility == 's' ? FUNCTION_HARMLESS : FUNCTION_UNKNOWN;
}

enum function_effect functions_extension_effect(const char *extension, const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(extensions_harmless); i++) {
        const char *only = extensions_harmless[i].only;

        if (strcmp(extensions_harmless[i].extension, extension) != 0 ||
            (only && strstr(name, only) == NULL))
            continue;
        if (strcmp(extension, "autoinc") == 0)
            return FUNCTION_SEQUENCE;
        return LISTED(name, extension_settings) ? FUNCTION_PIN_SETTING : FUNCTION_HARMLESS;
    }
    return FUNCTION_UNKNOWN;
}

bool functions_extension_types_known(const char *extension)
{
    return LISTED(extension, extensions_computing);
}

bool functions_extension_read_allowed(const char *extension, const char *name, char volatility,
                                      char kind, bool c_language)
{
    bool citext = strcmp(extension, "citext") == 0;

    if (!LISTED(extension, extensions_computing) || LISTED(name, extension_read_denied))
        return false;
    if (volatility == 's')
        return c_language && kind == 'f' && LISTED(name, extension_stable_allowed);
    if (volatility != 'i')
        return false;
    if (kind == 'a')
        return citext && LISTED(name, citext_aggregates);
    return kind == 'f' && (c_language || (citext && LISTED(name, citext_sql)));
}

bool functions_fills_rows(const char *name)
{
    return LISTED(name, fills_rows);
}

bool functions_act(const char *name)
{
    return BEGINS(name, acts_prefixes);
}
