/* The queries that a snapshot is made of, and the one that tells when it is out of date.
 *
 * They run in one REPEATABLE READ READ ONLY transaction with search_path = pg_catalog, work for any
 * role, and call nothing that looks at a newer state than the snapshot's (no pg_get_*).
 *
 * Source  PostgreSQL 15 manual, chapter 53 "System Catalogs".
 */
#include "catalog_query.h"

#include "base/macros.h"
#include "sql/catalog.h"

#define EXPRESSIONS_OF(kind, owner, column, roles, from)                                           \
    "SELECT '" kind "', " owner ", " column "::text, " roles " FROM " from " AND " column          \
    " IS NOT NULL"
#define EXPRESSIONS(kind, owner, column, from) EXPRESSIONS_OF(kind, owner, column, "NULL", from)

/* The name of the extension that owns what `when` is true of, or ''. */
#define EXTENSION_OF(table, oid, when)                                                             \
    " CASE WHEN " when " THEN COALESCE((SELECT e.extname FROM pg_depend d"                         \
    " JOIN pg_extension e ON e.oid = d.refobjid WHERE d.classid = '" table "'::regclass"           \
    " AND d.objid = " oid " AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass"       \
    " LIMIT 1), '') ELSE '' END"

/* clang-format off */
static const struct {
    const char *text;
    unsigned columns;
} queries[CATALOG_QUERY_COUNT] = {
    [CATALOG_QUERY_TYPES] = {
        "SELECT t.oid, t.typname, n.nspname = 'pg_catalog' AND t.oid < 16384, t.typtype,"
        " CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END, t.typbasetype, n.nspname,"
        EXTENSION_OF("pg_type", "t.oid",
            "t.oid >= 16384 AND t.typtype = 'b' AND t.typcategory <> 'A'")
        " FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace", 8},
    [CATALOG_QUERY_FUNCTIONS] = {
        "SELECT p.oid, p.proname, p.oid < 16384, n.nspname, p.provolatile,"
        " p.prokind, l.lanname IN ('c', 'internal'),"
        EXTENSION_OF("pg_proc", "p.oid", "p.oid >= 16384") ","
        " p.proargtypes::text, p.pronargdefaults, p.provariadic <> 0, p.prorettype"
        " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " JOIN pg_language l ON l.oid = p.prolang", 12},
    [CATALOG_QUERY_OPERATORS] = {
        "SELECT o.oid, o.oprname, n.nspname = 'pg_catalog' AND o.oid < 16384, o.oprleft,"
        " o.oprright, o.oprcode::oid, n.nspname"
        " FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace", 7},
    [CATALOG_QUERY_CASTS] = {
        "SELECT castsource, casttarget, castfunc, castcontext, castmethod"
        " FROM pg_cast WHERE oid >= 16384", 5},
    [CATALOG_QUERY_OPERATOR_CLASSES] = {
        "SELECT c.opcname FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod"
        " JOIN pg_type t ON t.oid = c.opcintype"
        " WHERE c.oid >= 16384 AND c.opcdefault AND a.amname IN ('btree', 'hash')"
        " AND (t.oid < 16384 OR t.typtype <> 'b')", 1},
    [CATALOG_QUERY_COLLATIONS] = {
        "SELECT c.collname, bool_and(n.nspname = 'pg_catalog' AND c.oid < 16384)"
        " FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace GROUP BY 1", 2},
    [CATALOG_QUERY_RELATIONS] = {
        "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relrowsecurity,"
        " c.relforcerowsecurity, c.relowner"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f', 'S') AND n.nspname <> 'pg_toast'", 8},
    [CATALOG_QUERY_INHERITS] = {
        "SELECT inhrelid, inhparent FROM pg_inherits", 2},
    [CATALOG_QUERY_COLUMNS] = {
        "SELECT a.attrelid, a.attname, a.atttypid, a.attnum, a.atttypmod,"
        " COALESCE(l.collisdeterministic, true), a.attgenerated <> '',"
        " a.atthasdef OR a.attidentity <> '', a.attidentity <> ''"
        " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " LEFT JOIN pg_collation l ON l.oid = a.attcollation"
        " WHERE a.attrelid >= 16384 AND a.attnum > 0 AND NOT a.attisdropped"
        " AND c.relkind IN ('r', 'p', 'm', 'v', 'f')", 9},
    [CATALOG_QUERY_FOREIGN_KEYS] = {
        "SELECT conrelid, confrelid,"
        " confdeltype IN ('c', 'n', 'd') OR confupdtype IN ('c', 'n', 'd')"
        " FROM pg_constraint WHERE contype = 'f'", 3},
    [CATALOG_QUERY_TRIGGERS] = {
        "SELECT tgrelid, tgfoid::oid, tgtype FROM pg_trigger"
        " WHERE NOT tgisinternal AND tgenabled <> 'D'", 3},
    [CATALOG_QUERY_CODE] = {
        /* v: a view's or materialized view's query, r: a rule, R: its condition */
        "SELECT CASE WHEN rulename = '_RETURN' THEN 'v' ELSE 'r' END, ev_class, ev_action::text,"
        " NULL::text"
        " FROM pg_rewrite WHERE ev_class >= 16384"
        " UNION ALL " EXPRESSIONS("R", "ev_class", "ev_qual", "pg_rewrite WHERE ev_class >= 16384")
        /* e: an expression that a write may run */
        " UNION ALL " EXPRESSIONS("e", "adrelid", "adbin", "pg_attrdef WHERE adrelid >= 16384")
        " UNION ALL " EXPRESSIONS("e", "conrelid", "conbin", "pg_constraint WHERE conrelid <> 0")
        " UNION ALL " EXPRESSIONS("e", "indrelid", "indexprs", "pg_index WHERE indrelid >= 16384")
        " UNION ALL " EXPRESSIONS("e", "indrelid", "indpred", "pg_index WHERE indrelid >= 16384")
        " UNION ALL " EXPRESSIONS("e", "partrelid", "partexprs", "pg_partitioned_table WHERE true")
        " UNION ALL " EXPRESSIONS("e", "tgrelid", "tgqual", "pg_trigger WHERE NOT tgisinternal")
        " UNION ALL " EXPRESSIONS("e", "polrelid", "polqual", "pg_policy WHERE polcmd IN ('w', 'd')")
        " UNION ALL " EXPRESSIONS("e", "polrelid", "polwithcheck", "pg_policy WHERE true")
        /* p: a policy that reads run as well, with the roles it is for, d: of a domain */
        " UNION ALL " EXPRESSIONS_OF("p", "polrelid", "polqual", "polroles::text",
            "pg_policy WHERE polcmd NOT IN ('w', 'd')")
        " UNION ALL " EXPRESSIONS("d", "contypid", "conbin", "pg_constraint WHERE contypid <> 0")
        " UNION ALL " EXPRESSIONS("d", "oid", "typdefaultbin", "pg_type WHERE oid >= 16384"), 4},
    [CATALOG_QUERY_EVENT_TRIGGERS] = {
        "SELECT evtfoid::oid FROM pg_event_trigger"
        " WHERE evtenabled <> 'D' AND evtname !~ '^pgrecall'", 1},
    [CATALOG_QUERY_INDEXES] = { /* by their first column, unless that is an expression */
        "SELECT i.indrelid, i.indkey[0], bool_or(i.indisunique AND i.indnkeyatts = 1"
        "  AND i.indpred IS NULL AND i.indisvalid)"
        " FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam"
        " WHERE i.indrelid >= 16384 AND i.indkey[0] > 0 AND a.amname IN ('btree', 'hash')"
        " GROUP BY 1, 2", 3},
    [CATALOG_QUERY_BODIES] = {
        /* Language (s, p: sql and plpgsql, c: C and internal, o: another), extension, settings (u: what is cut into
         * tokens, c: custom ones), text, query as a node tree, defaults of arguments. Servers before
         * 14 have no prosqlbody. */
        "SELECT p.oid, CASE l.lanname WHEN 'sql' THEN 's' WHEN 'plpgsql' THEN 'p'"
        " WHEN 'c' THEN 'c' WHEN 'internal' THEN 'c' ELSE 'o' END, COALESCE(e.extname, ''),"
        " CASE WHEN p.proconfig IS NULL THEN '-'"
        " WHEN p.proconfig::text LIKE '%standard_conforming_strings%' THEN 'u'"
        " WHEN EXISTS (SELECT FROM unnest(p.proconfig) s WHERE split_part(s, '=', 1) LIKE '%.%')"
        "  THEN 'c' ELSE '-' END,"
        " CASE WHEN l.lanname IN ('sql', 'plpgsql')"
        "  AND octet_length(p.prosrc) BETWEEN 1 AND 65536 THEN p.prosrc END,"
        " CASE WHEN l.lanname = 'sql' AND p.prosrc = '' THEN to_jsonb(p) ->> 'prosqlbody' END,"
        " p.proargdefaults::text"
        " FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang"
        " LEFT JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid"
        "  AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass"
        " LEFT JOIN pg_extension e ON e.oid = d.refobjid"
        " WHERE p.oid >= 16384 AND p.prokind <> 'a'", 7},
    [CATALOG_QUERY_AGGREGATES] = {
        "SELECT a.aggfnoid::oid, concat_ws(' ', a.aggtransfn::oid, a.aggfinalfn::oid,"
        " a.aggcombinefn::oid, a.aggserialfn::oid, a.aggdeserialfn::oid, a.aggmtransfn::oid,"
        " a.aggminvtransfn::oid, a.aggmfinalfn::oid)"
        " FROM pg_aggregate a WHERE a.aggfnoid >= 16384", 2},
    [CATALOG_QUERY_SUPPORT] = {
        "SELECT amproc::oid FROM pg_amproc WHERE amproc::oid >= 16384"
        " UNION SELECT rngsubdiff::oid FROM pg_range WHERE rngsubdiff::oid >= 16384", 1},
    [CATALOG_QUERY_ROLES] = {
        "SELECT oid, rolname, rolsuper, rolbypassrls, rolcanlogin FROM pg_roles", 5},
    [CATALOG_QUERY_MEMBERS] = {
        /* Those who have by themselves what the role may do. Since 16 each grant says so. */
        "SELECT m.member, m.roleid FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member"
        " WHERE COALESCE((to_jsonb(m) ->> 'inherit_option')::boolean, r.rolinherit)", 2},
    [CATALOG_QUERY_ROLE_SETTINGS] = {
        "SELECT setdatabase, setrole, split_part(s, '=', 1), substr(s, strpos(s, '=') + 1)"
        " FROM pg_db_role_setting, unnest(setconfig) s WHERE setdatabase IN"
        " (0, (SELECT oid FROM pg_database WHERE datname = current_database()))", 4},
};
/* clang-format on */

#define ROWS(table, where)                                                                         \
    "(SELECT concat(count(*), ' ', sum(hashint8extended(xmin::text::bigint, oid::bigint)))"        \
    " FROM " table " " where ")"
#define ROWS_KEYED(table, key, where)                                                              \
    "(SELECT concat(count(*), ' ', sum(hashint8extended(xmin::text::bigint, (" key ")::bigint)))"  \
    " FROM " table " " where ")"

/* clang-format off */
static const char fingerprint[] =
    "SELECT md5(concat_ws(',', pg_postmaster_start_time(), pg_conf_load_time(),"
    " (SELECT oid FROM pg_database WHERE datname = current_database()), "
    ROWS("pg_namespace", "WHERE nspname !~ '^pg_(toast_)?temp_'") ", "
    ROWS("pg_class", "WHERE relkind NOT IN ('t', 'i', 'I') AND relpersistence <> 't'") ", "
    ROWS_KEYED("pg_attribute", "attrelid", "WHERE attrelid >= 16384 AND attnum > 0"
        " AND attrelid IN (SELECT oid FROM pg_class WHERE relpersistence <> 't')") ", "
    ROWS("pg_attrdef", "") ", "
    ROWS("pg_type", "WHERE typnamespace NOT IN (SELECT oid FROM pg_namespace"
        " WHERE nspname ~ '^pg_(toast_)?temp_')") ", "
    ROWS("pg_enum", "") ", "
    ROWS("pg_proc", "") ", "
    ROWS("pg_operator", "") ", "
    ROWS("pg_opclass", "") ", "
    ROWS_KEYED("pg_amproc", "oid", "WHERE oid >= 16384") ", "
    ROWS_KEYED("pg_aggregate", "aggfnoid::oid", "WHERE aggfnoid::oid >= 16384") ", "
    ROWS("pg_cast", "") ", "
    ROWS("pg_conversion", "") ", "
    ROWS("pg_collation", "") ", "
    ROWS("pg_constraint", "") ", "
    ROWS("pg_trigger", "") ", "
    ROWS("pg_rewrite", "") ", "
    ROWS("pg_policy", "") ", "
    ROWS_KEYED("pg_inherits", "inhrelid", "") ", "
    ROWS_KEYED("pg_index", "indexrelid", "WHERE indexrelid >= 16384 AND indrelid NOT IN"
        " (SELECT oid FROM pg_class WHERE relpersistence = 't' OR relkind = 't')") ", "
    ROWS_KEYED("pg_partitioned_table", "partrelid", "") ", "
    ROWS("pg_ts_config", "") ", "
    ROWS_KEYED("pg_ts_config_map", "mapcfg", "") ", "
    ROWS("pg_ts_dict", "") ", "
    ROWS("pg_extension", "") ", "
    ROWS("pg_foreign_server", "") ", "
    ROWS_KEYED("pg_auth_members", "roleid::bigint << 32 | member::bigint", "") ", "
    ROWS_KEYED("pg_db_role_setting", "setdatabase::bigint << 32 | setrole::bigint", "") ", "
    ROWS("pg_database", "") ", "
    "(SELECT md5(string_agg(concat_ws(' ', oid, rolname, rolsuper, rolinherit, rolbypassrls,"
    " rolcanlogin, rolconfig), ',' ORDER BY oid)) FROM pg_roles)))";
/* clang-format on */

unsigned catalog_query_count(void)
{
    return CATALOG_QUERY_COUNT;
}

const char *catalog_query(unsigned index)
{
    ASSERT(index < CATALOG_QUERY_COUNT);
    return queries[index].text;
}

unsigned catalog_query_columns(unsigned index)
{
    ASSERT(index < CATALOG_QUERY_COUNT);
    return queries[index].columns;
}

const char *catalog_fingerprint_query(void)
{
    return fingerprint;
}
