/* What is known about settings by their names. A name that is not listed here counts as one that may
 * change anything.
 *
 * Source  src/backend/utils/misc/guc.c of PostgreSQL 15, read name by name.
 */
#include "sql/setting.h"

#include "base/macros.h"

/* Of the planner, of time, memory and logs. */
static const char *const harmless[] = {
    "application_name",
    "backend_flush_after",
    "check_function_bodies",
    "commit_delay",
    "commit_siblings",
    "constraint_exclusion",
    "cpu_index_tuple_cost",
    "cpu_operator_cost",
    "cpu_tuple_cost",
    "cursor_tuple_fraction",
    "deadlock_timeout",
    "default_statistics_target",
    "default_table_access_method",
    "default_tablespace",
    "default_toast_compression",
    "effective_cache_size",
    "effective_io_concurrency",
    "force_parallel_mode",
    "from_collapse_limit",
    "gin_pending_list_limit",
    "hash_mem_multiplier",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "join_collapse_limit",
    "lock_timeout",
    "logical_decoding_work_mem",
    "maintenance_io_concurrency",
    "maintenance_work_mem",
    "max_parallel_maintenance_workers",
    "max_parallel_workers",
    "max_parallel_workers_per_gather",
    "max_stack_depth",
    "min_parallel_index_scan_size",
    "min_parallel_table_scan_size",
    "parallel_leader_participation",
    "parallel_setup_cost",
    "parallel_tuple_cost",
    "password_encryption",
    "plan_cache_mode",
    "random_page_cost",
    "recursive_worktable_factor",
    "seq_page_cost",
    "statement_timeout",
    "stats_fetch_consistency",
    "synchronize_seqscans",
    "synchronous_commit",
    "tcp_keepalives_count",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "tcp_user_timeout",
    "temp_tablespaces",
    "transaction_timeout",
    "work_mem",
};

static const char *const harmless_prefixes[] = {"enable_", "geqo",    "jit", "log_",
                                                "track_",  "vacuum_", "wal_"};

/* Of what names mean and of how values are written: neither reads a constant. A text whose names
 * mean something else is analysed again by Postgres itself. */
static const char *const keeps_constants[] = {
    "bytea_output",
    "client_min_messages",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "quote_all_identifiers",
    "role",
    "row_security",
    "search_path",
    "session_authorization",
    "session_replication_role",
};

/* Beyond the harmless ones: what any role may set. */
static const char *const for_all[] = {
    "array_nulls",
    "backslash_quote",
    "bytea_output",
    "client_encoding",
    "client_min_messages",
    "datestyle",
    "default_text_search_config",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "escape_string_warning",
    "extra_float_digits",
    "gin_fuzzy_search_limit",
    "intervalstyle",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "quote_all_identifiers",
    "role",
    "row_security",
    "search_path",
    "standard_conforming_strings",
    "timezone",
    "timezone_abbreviations",
    "transform_null_equals",
    "xmlbinary",
    "xmloption",
};

/* Of the harmless ones those that a superuser, or a grant, has to allow. */
static const char *const not_for_all[] = {"commit_delay", "deadlock_timeout", "max_stack_depth"};
static const char *const not_for_all_prefixes[] = {"log_", "track_", "wal_"};

static bool is_listed(struct slice name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is(name, list[i]))
            return true;
    }
    return false;
}

static bool begins(struct slice name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(list[i]);
        if (name.len >= len && memcmp(name.data, list[i], len) == 0)
            return true;
    }
    return false;
}

#define LISTED(name, list) is_listed(name, list, ARRAY_COUNT(list))
#define BEGINS(name, list) begins(name, list, ARRAY_COUNT(list))

bool setting_is_custom(struct slice name)
{
    return name.len > 0 && memchr(name.data, '.', name.len) != NULL;
}

bool setting_is_harmless(struct slice name)
{
    return !setting_is_custom(name) && (LISTED(name, harmless) || BEGINS(name, harmless_prefixes));
}

bool setting_keeps_constants(struct slice name)
{
    return setting_is_custom(name) || setting_is_harmless(name) || LISTED(name, keeps_constants);
}

bool setting_is_for_all(struct slice name)
{
    if (setting_is_custom(name) || LISTED(name, for_all))
        return true;
    return setting_is_harmless(name) && !LISTED(name, not_for_all) &&
           !BEGINS(name, not_for_all_prefixes);
}

/* For all, but looked up in the catalog or in files, fixed when the connection starts, or of what becomes
 * of an idle backend. */
static const char *const at_login_only[] = {
    "default_table_access_method",
    "default_tablespace",
    "default_text_search_config",
    "idle_session_timeout",
    "jit_debugging_support",
    "jit_dump_bitcode",
    "jit_profiling_support",
    "jit_provider",
    "role",
    "temp_tablespaces",
    "timezone_abbreviations",
};

/* A time-out that is so short that it could end the statements by which it is set, or taken back. */
static bool is_short(struct slice value)
{
    size_t digits = 0;
    while (digits < value.len && value.data[digits] >= '0' && value.data[digits] <= '9')
        digits++;
    struct slice unit = slice_of(value.data + digits, value.len - digits);
    if (digits == 0)
        return true;
    if (value.data[0] == '0')
        return digits > 1 || unit.len > 0;
    if (unit.len == 0 || slice_is(unit, "ms"))
        return digits < 4;
    return !slice_is(unit, "s") && !slice_is(unit, "min") && !slice_is(unit, "h");
}

bool setting_follows_login(struct slice name, struct slice value)
{
    if (setting_is_custom(name) || !setting_is_for_all(name) || LISTED(name, at_login_only))
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < ' ' || value.data[i] > '~')
            return false;
    }
    if (slice_is(name, "application_name"))
        return value.len < 64; /* longer ones are cut */
    if (slice_is(name, "statement_timeout") || slice_is(name, "transaction_timeout"))
        return !is_short(value);
    return true;
}
