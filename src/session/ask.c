#include "session/ask.h"

#include "base/mem.h"

enum { MESSAGE_EXTRA = 64, ANSWER_COLUMNS = 3 };

/* Nothing written; no rows of the catalog written; OIDs of the user's tables that are locked for
 * writing, which locks say even of TRUNCATE. Locks of the catalog end before the transaction does, so
 * those are looked for in the counters, which may hold more than this transaction's, never less. */
static const char savepoint[] = "SAVEPOINT pgrecall_ask";
static const char rollback[] = "ROLLBACK TO SAVEPOINT pgrecall_ask";
static const char question[] =
    "SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NULL,"
    " pg_catalog.current_setting('track_counts') OPERATOR(pg_catalog.=) 'on'"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_xact_sys_tables s"
    " WHERE s.schemaname OPERATOR(pg_catalog.=) 'pg_catalog'"
    " AND (s.n_tup_ins OPERATOR(pg_catalog.>) 0 OR s.n_tup_upd OPERATOR(pg_catalog.>) 0"
    " OR s.n_tup_del OPERATOR(pg_catalog.>) 0)),"
    " (SELECT pg_catalog.string_agg(DISTINCT pg_catalog.oidout(l.relation)::pg_catalog.text, ' ')"
    " FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c"
    " ON c.oid OPERATOR(pg_catalog.=) l.relation"
    " WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.granted"
    " AND l.relation OPERATOR(pg_catalog.>=) 16384::pg_catalog.oid"
    " AND c.relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'm', 'f']::pg_catalog.\"char\"[])"
    " AND c.relpersistence OPERATOR(pg_catalog.<>) 't'::pg_catalog.\"char\""
    " AND l.mode OPERATOR(pg_catalog.<>) ALL (ARRAY['AccessShareLock', 'RowShareLock',"
    " 'SIReadLock']::pg_catalog.text[]))";

bool ask_is_worth(const struct session *session, const struct query *query)
{
    struct block_text block;
    return session->status == 'T' && session->server && session->written.all &&
           session->transaction.asks && !session->transaction.unbounded &&
           !session->written.everything && query->scanned &&
           !(query->scan_flags & (SCAN_DOUBT | SCAN_SEVERAL | SCAN_EMPTY)) &&
           !session->strings_unsafe && !session->encoding_unsafe &&
           block_text_read(query->canonical, &block) && block.request == BLOCK_COMMIT;
}

static void push(struct session *session, uint8_t request)
{
    struct owed_entry *entry = owed_push(&session->owed, request, OWED_DISCARD);
    ASSERT(entry != NULL);
    entry->asks = true;
}

static void put_statement(struct session *session, const char *text, bool with_sync)
{
    static const uint8_t bare[6] = {0}; /* no formats, no values, no result formats */
    struct pgwire_slice none = {.data = bare, .len = 0};
    size_t room = strlen(text) + 4 * (size_t)MESSAGE_EXTRA;
    uint8_t *at = buf_reserve(&session->host->compose, room);
    struct pgwire_writer writer = pgwire_writer_of(at, room);
    pgwire_write_parse(&writer, none, session_wire(slice_of_text(text)), none);
    pgwire_write_bind(&writer, none, none,
                      (struct pgwire_slice){.data = bare, .len = sizeof(bare)});
    pgwire_write_execute(&writer, none, 0);
    push(session, 'P');
    push(session, 'B');
    push(session, 'E');
    if (with_sync) {
        pgwire_write_empty(&writer, 'S');
        push(session, 'S');
    }
    ASSERT(!writer.overflow);
    buf_added(&session->host->compose, writer.len);
}

void ask_send(struct session *session)
{
    session->unit.ask = UNIT_ASKED;
    session->unit.held = true;
    session->server->unnamed_statement = 0;
    put_statement(session, savepoint, false);
    put_statement(session, question, true);
}

/* ---- the answer ---- */

/* Adds the closure of each table in a list of OIDs; false if one of them may reach everything. */
static bool add_tables(const struct catalog *catalog, struct pgwire_slice list,
                       struct write_set *set)
{
    size_t at = 0;
    while (at < list.len) {
        uint64_t oid = 0;
        size_t digits = 0;
        for (; at < list.len && list.data[at] != ' '; at++, digits++) {
            if (list.data[at] < '0' || list.data[at] > '9' || digits > 9)
                return false;
            oid = oid * 10 + (uint64_t)(list.data[at] - '0');
        }
        at++; /* the space */
        uint32_t tables[VERDICT_TABLES_MAX];
        size_t count;
        if (oid > UINT32_MAX || !catalog_write_closure(catalog, (uint32_t)oid, tables, &count))
            return false;
        for (size_t i = 0; i < count; i++)
            write_set_add_table(set, tables[i]);
    }
    return true;
}

void ask_row(struct session *session, const uint8_t *body, size_t len)
{
    struct pgwire_slice values[ANSWER_COLUMNS];
    size_t at = 0;
    for (unsigned i = 0; i < ANSWER_COLUMNS; i++)
        if (!pgwire_row_value(body, len, &at, &values[i]))
            return;
    if (session->unit.ask != UNIT_ASKED)
        return;
    if (pgwire_slice_is(values[0], "t")) {
        write_set_clear(&session->written);
        return;
    }
    bool stale = false;
    uint64_t version = 0;
    struct catalog *catalog = realm_catalog_at(session->database->realm, &version, &stale);
    struct write_set set = {0};
    if (catalog && pgwire_slice_is(values[1], "t") && values[2].data &&
        add_tables(catalog, values[2], &set) && !write_set_is_empty(&set)) {
        session->written = set;
        session->written_version = version;
    }
    catalog_unref(catalog);
}

void ask_end(struct session *session, uint8_t status)
{
    if (status != 'E' || session->unit.ask != UNIT_ASKED)
        return;
    session->unit.ask = UNIT_ASK_FAILED;
    uint8_t space[sizeof(rollback) + MESSAGE_EXTRA];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    pgwire_write_query(&writer, rollback);
    ASSERT(!writer.overflow);
    stream_write(&session->server->stream, space, writer.len);
    push(session, 'Q');
}
