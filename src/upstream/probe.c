#include "probe.h"

#include <stdlib.h>
#include <strings.h>

#include "upstream/profile.h"

#include "pgwire/answer.h"

static const char *const settings[] = {
    /* How texts are read and values written. */
    "client_encoding", "standard_conforming_strings", "escape_string_warning", "backslash_quote",
    "DateStyle", "IntervalStyle", "TimeZone", "timezone_abbreviations", "extra_float_digits",
    "bytea_output", "lc_monetary", "lc_numeric", "lc_time", "array_nulls", "transform_null_equals",
    "xmlbinary", "xmloption", "default_text_search_config", "quote_all_identifiers",
    /* What names mean, and which rows are seen. */
    "search_path", "role", "is_superuser", "row_security", "restrict_nonsystem_relation_kind",
    "session_replication_role", "gin_fuzzy_search_limit",
    /* Transactions and messages. */
    "default_transaction_isolation", "default_transaction_read_only",
    "default_transaction_deferrable", "client_min_messages"};

/* A role that was renamed leaves its name to another one. */
#define ROLE_OID(role) "pg_catalog.to_regrole(pg_catalog.quote_ident(" role "))::pg_catalog.oid"

/* After the settings. */
static const char *const expressions[] = {"current_user", "session_user", ROLE_OID("current_user"),
                                          ROLE_OID("session_user")};

/* Behind those: which server it is. The names are qualified because the search_path is the role's. */
static const char server_columns[] =
    ", (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) OPERATOR(pg_catalog.*) "
    "1000000)::pg_catalog.int8, pg_catalog.pg_is_in_recovery(), "
    "pg_catalog.current_setting('transaction_read_only')";
enum { SERVER_STARTED, SERVER_STANDBY, SERVER_READ_ONLY, SERVER_COLUMN_COUNT };

enum { VALUE_COUNT = ARRAY_COUNT(settings) + ARRAY_COUNT(expressions) };
_Static_assert((int)VALUE_COUNT <= (int)PROFILE_VALUES_MAX, "facts have room for all values");

/* Encodings in which the second byte of a character can be an ASCII one, such as a quote or a
 * backslash; the manual, "Character Set Support", lists them as client-side only. */
static const char *const unsafe_encodings[] = {"SJIS",    "BIG5",  "GBK",           "UHC",
                                               "GB18030", "JOHAB", "SHIFT_JIS_2004"};

void probe_query(struct buf *out)
{
    buf_append_text(out, "SELECT ");
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++)
        buf_printf(out, "pg_catalog.current_setting('%s', true), ", settings[i]);
    for (size_t i = 0; i < ARRAY_COUNT(expressions); i++)
        buf_printf(out, "%s%s", i ? ", " : "", expressions[i]);
    buf_append_text(out, server_columns);
}

static const char *name_at(size_t index)
{
    return index < ARRAY_COUNT(settings) ? settings[index]
                                         : expressions[index - ARRAY_COUNT(settings)];
}

/* Lengths go first, so that no two different lists look the same. */
static void add_text(struct buf *text, const void *data, size_t len)
{
    uint64_t count = len;
    buf_append(text, &count, sizeof(count));
    buf_append(text, data, len);
}

bool profile_encoding_unsafe(struct slice encoding)
{
    for (size_t i = 0; i < ARRAY_COUNT(unsafe_encodings); i++)
        if (slice_equal(encoding, slice_of_text(unsafe_encodings[i])))
            return true;
    return false;
}

static void judge(struct probe *probe, const char *name, struct pgwire_slice value)
{
    if (strcmp(name, "standard_conforming_strings") == 0 && !pgwire_slice_is(value, "on")) {
        probe->bypass = "standard_conforming_strings is off";
        probe->lexing_unsafe = true;
    } else if (strcmp(name, "client_encoding") == 0) {
        if (profile_encoding_unsafe(slice_of(value.data, value.len))) {
            probe->bypass = "the client encoding can hide quotes";
            probe->lexing_unsafe = true;
        }
    } else if (strcmp(name, "gin_fuzzy_search_limit") == 0 && !pgwire_slice_is(value, "0")) {
        probe->bypass = "gin_fuzzy_search_limit is set";
    } else if (strcmp(name, "default_transaction_isolation") == 0) {
        if (pgwire_slice_is(value, "serializable"))
            probe->bypass = "default_transaction_isolation is serializable";
        probe->read_committed =
            pgwire_slice_is(value, "read committed") || pgwire_slice_is(value, "read uncommitted");
    }
}

/* Too long for us: not known. */
static bool scope_keep(struct pgwire_slice value, char *out, size_t size)
{
    if (!value.data || value.len >= size || memchr(value.data, 0, value.len))
        return false;
    memcpy(out, value.data, value.len);
    out[value.len] = '\0';
    return true;
}

static void scope_note(struct profile_scope *scope, const char *name, struct pgwire_slice value)
{
    if (strcmp(name, "search_path") == 0)
        scope->known &= scope_keep(value, scope->search_path, sizeof(scope->search_path));
    else if (strcmp(name, "current_user") == 0)
        scope->known &= scope_keep(value, scope->current_user, sizeof(scope->current_user));
}

static void note_server(struct probe *probe, unsigned column, struct pgwire_slice value)
{
    char number[24];
    if (column == SERVER_STARTED && scope_keep(value, number, sizeof(number)))
        probe->started_us = strtoull(number, NULL, 10);
    else if (column == SERVER_STANDBY)
        probe->standby = !pgwire_slice_is(value, "f");
    else if (column == SERVER_READ_ONLY)
        probe->read_only = !pgwire_slice_is(value, "off");
}

enum err probe_read(struct probe *probe, const uint8_t *body, size_t len)
{
    struct probe read = {.done = true, .scope.known = true};
    struct buf text;
    buf_init(&text);
    size_t at = 0, count = 0;
    struct pgwire_slice value;
    while (count < VALUE_COUNT && pgwire_row_value(body, len, &at, &value)) {
        const char *name = name_at(count);
        read.values[count++] = hash128_of(value.data ? value.data : (const uint8_t *)"", value.len);
        add_text(&text, name, strlen(name));
        buf_append(&text, value.data ? "v" : "n", 1);
        add_text(&text, value.data, value.len);
        judge(&read, name, value);
        scope_note(&read.scope, name, value);
    }
    read.signature = hash128_of(buf_head(&text), buf_len(&text));
    buf_fini(&text);
    unsigned column = 0;
    while (count == VALUE_COUNT && column < SERVER_COLUMN_COUNT &&
           pgwire_row_value(body, len, &at, &value))
        note_server(&read, column++, value);
    if (column < SERVER_COLUMN_COUNT || pgwire_row_value(body, len, &at, &value))
        return ERR_MALFORMED;
    *probe = read;
    return ERR_OK;
}

static bool is_among(const struct settings *list, const char *name)
{
    for (unsigned i = 0; list && i < list->count; i++) {
        struct slice has = list->list[i].name;
        if (has.len == strlen(name) && strncasecmp((const char *)has.data, name, has.len) == 0)
            return true;
    }
    return false;
}

bool probe_differs(const struct hash128 *a, const struct hash128 *b, const struct settings *but)
{
    for (size_t i = 0; i < VALUE_COUNT; i++) {
        bool counts = strcmp(name_at(i), "client_encoding") == 0 || !is_among(but, name_at(i));
        if (counts && !hash128_equal(a[i], b[i]))
            return true;
    }
    return false;
}

void probe_give_up(struct probe *probe)
{
    *probe = (struct probe){
        .done = true, .bypass = "the session's settings could not be read", .lexing_unsafe = true};
}
