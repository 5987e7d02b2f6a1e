/* Client to backend: the messages of one unit, one after the other, with names of prepared
 * statements translated, statements that this backend lacks parsed first, and everything that will
 * be answered noted in the queue of owed answers.
 *
 * Before a message that may make a write visible is passed on, the tables that the write reaches
 * are closed (coherence/realm.h). A statement's effects count from its Bind on; an Execute of a
 * portal that an earlier unit bound counts as unknown unless that portal was proven harmless.
 *
 * When the client asks for something that we know to be wrong (a name that does not exist), the
 * backend is made to fail as well, with a Describe of a name that cannot exist, so that its
 * transaction fails as it would have; the client gets the error that Postgres would have sent it.
 */
#include "session/session.h"

#include <stdio.h>

#include "base/mem.h"
#include "upstream/statements.h"

enum {
    MESSAGE_EXTRA = 64,
    PORTAL_HARMLESS = 1,
    PORTAL_UNIT_SHIFT = 1,
    SETTLE_MAX = 1024,     /* statements that are parsed before a setting changes */
    FORWARD_OWED_ROOM = 16 /* answers that one message may add, and then some */
};

static struct slice of(struct pgwire_slice slice)
{
    return slice_of(slice.data, slice.len);
}

static struct pgwire_slice wire(struct slice slice)
{
    return (struct pgwire_slice){.data = slice.data, .len = slice.len};
}

static void put(struct session *session, const void *data, size_t len)
{
    buf_append(&session->host->compose, data, len);
}

/* ---- effects ---- */

static void add_writes(struct session *session, const struct verdict *verdict)
{
    struct write_set set = {
        .everything = (verdict->effects & EFFECT_GLOBAL) != 0,
        .all = (verdict->effects & EFFECT_WRITES_ALL) != 0,
        .ddl = (verdict->effects & EFFECT_DDL) != 0,
    };
    for (unsigned i = 0; i < verdict->write_count; i++)
        write_set_add_table(&set, verdict->writes[i]);
    if (write_set_is_empty(&set))
        return;
    if (write_set_is_empty(&session->written))
        session->written_version = verdict->catalog_version;
    else if (session->written_version != verdict->catalog_version)
        session->written_version = 0;
    write_set_add(&session->written, &set);
}

static void settle_statements(struct session *session);

/* True if the settings may be others than those of the login. */
static bool has_own_settings(const struct session *session)
{
    return session->pin != PIN_NONE || session->unit.pin != PIN_NONE || session->local_settings;
}

void forward_effects(struct session *session, const struct verdict *verdict)
{
    struct unit *unit = &session->unit;
    if ((verdict->effects & (EFFECT_PIN | EFFECT_SET_LOCAL)) && !has_own_settings(session))
        settle_statements(session);
    unit->effects |= verdict->effects;
    if ((verdict->effects & EFFECT_PIN) && unit->pin == PIN_NONE)
        unit->pin = verdict->pin == PIN_NONE ? PIN_UNKNOWN : verdict->pin;
    if (verdict->effects & EFFECT_SET_LOCAL)
        session->local_settings = true;
    if (!session->host->cache)
        return;
    add_writes(session, verdict);
    bool may_commit = session->status == 'I' || (unit->effects & EFFECT_TX_END);
    if (!may_commit || write_set_is_empty(&session->written))
        return;
    if (closing_is_on(&session->closing)) {
        realm_extend(&session->closing, &session->written, session->written_version);
    } else {
        counter_add(&session->stats->writes, 1);
        realm_close(session->database->realm, &session->written, session->written_version,
                    &session->closing);
    }
}

static void unknown_effects(struct session *session)
{
    struct verdict verdict;
    verdict_prove(slice_of("", 0), SCAN_DOUBT, NULL, &verdict);
    forward_effects(session, &verdict);
}

/* ---- errors of our own making ---- */

static void refuse(struct session *session, const char *sqlstate, const char *before,
                   struct slice name, const char *after)
{
    char message[320];
    int shown = name.len < 200 ? (int)name.len : 200;
    snprintf(message, sizeof(message), "%s%.*s%s", before, shown,
             name.len ? (const char *)name.data : "", after);
    struct buf text = {0};
    session_error_bytes(&text, "ERROR", sqlstate, message, NULL);
    struct owed_entry *entry = owed_push(&session->owed, 'D', OWED_REPLACE);
    ASSERT(entry != NULL);
    entry->text = text.data;
    entry->text_len = (uint32_t)buf_len(&text);
    uint8_t space[64];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    struct pgwire_slice missing = {.data = (const uint8_t *)"pgrecall_no_such", .len = 16};
    pgwire_write_target(&writer, 'D', 'S', missing);
    put(session, space, writer.len);
    session->unit.failed = true;
}

/* ---- prepared statements ---- */

static struct slice server_name(uint64_t id, char out[STATEMENT_NAME_MAX])
{
    return slice_of(out, statement_name(id, out));
}

static void put_parse(struct session *session, struct slice name, struct slice query,
                      struct slice types)
{
    size_t room = name.len + query.len + types.len + MESSAGE_EXTRA;
    struct pgwire_writer writer =
        pgwire_writer_of(buf_reserve(&session->host->compose, room), room);
    pgwire_write_parse(&writer, wire(name), wire(query), wire(types));
    ASSERT(!writer.overflow);
    buf_added(&session->host->compose, writer.len);
    counter_add(&session->stats->server_parse_count, 1);
}

static void put_close(struct session *session, uint64_t id)
{
    char name[STATEMENT_NAME_MAX];
    uint8_t space[STATEMENT_NAME_MAX + MESSAGE_EXTRA];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    pgwire_write_target(&writer, 'C', 'S', wire(server_name(id, name)));
    put(session, space, writer.len);
    struct owed_entry *entry = owed_push(&session->owed, 'C', OWED_DISCARD);
    ASSERT(entry != NULL);
    entry->version = id;
}

/* Notes that the backend will have `statement`; closes what falls off the end of its list. */
static void server_gets(struct session *session, struct statement *statement)
{
    if (has_own_settings(session)) { /* it might have to be parsed again, under other settings */
        statements_restore(session->server->statements, statement->id);
        return;
    }
    uint64_t evicted = statements_add(session->server->statements, statement->id);
    if (evicted)
        put_close(session, evicted);
}

/* A statement with constants is parsed between SET LOCAL and the end of its block: nobody else may
 * get it, and no other backend could be given the same. */
static void keep_backend(struct session *session, const struct statement *statement)
{
    if (!statement->folds || !session->local_settings)
        return;
    session->unit.effects |= EFFECT_PIN;
    if (session->unit.pin == PIN_NONE)
        session->unit.pin = PIN_PREPARED;
}

/* Makes sure that the backend has `statement` under its shared name. */
static void ensure_statement(struct session *session, struct statement *statement)
{
    if (statements_touch(session->server->statements, statement->id))
        return;
    server_gets(session, statement);
    keep_backend(session, statement);
    char name[STATEMENT_NAME_MAX];
    put_parse(session, server_name(statement->id, name), statement->query, statement->types);
    struct owed_entry *entry = owed_push(&session->owed, 'P', OWED_DISCARD);
    ASSERT(entry != NULL);
    entry->statement = statement_ref(statement);
}

/* Before the settings change: the client's statements that have constants are parsed on the backend
 * that it is going to have, under the settings that they were prepared under. After DDL they are left
 * out, because an error here would be ours. */
static void settle_statements(struct session *session)
{
    uint64_t wanted = realm_wanted(session->database->realm);
    uint32_t before = session->owed.count;
    size_t at = 0;
    struct client_statement *known;
    if (session->status == 'E')
        return;
    while ((known = table_next(&session->statements, &at)) != NULL) {
        struct statement *statement = known->statement;
        if (!statement->folds || known->version != wanted ||
            statements_touch(session->server->statements, statement->id))
            continue;
        if (session->owed.count - before >= SETTLE_MAX ||
            session->owed.count > OWED_MAX - FORWARD_OWED_ROOM)
            break;
        statements_restore(session->server->statements, statement->id);
        char name[STATEMENT_NAME_MAX];
        put_parse(session, server_name(statement->id, name), statement->query, statement->types);
        struct owed_entry *entry = owed_push(&session->owed, 'P', OWED_DISCARD);
        ASSERT(entry != NULL);
        entry->statement = statement_ref(statement);
    }
    if (session->owed.count == before || session->unit.extended)
        return;
    /* A Query would be skipped if one of them failed: they end with a Sync of their own. */
    static const uint8_t sync[] = {'S', 0, 0, 0, 4};
    put(session, sync, sizeof(sync));
    ASSERT(owed_push(&session->owed, 'S', OWED_DISCARD) != NULL);
}

static void ensure_unnamed(struct session *session)
{
    if (session->server->unnamed_statement == session->unnamed_id)
        return;
    put_parse(session, slice_of("", 0),
              slice_of(buf_head(&session->unnamed_query), buf_len(&session->unnamed_query)),
              slice_of(buf_head(&session->unnamed_types), buf_len(&session->unnamed_types)));
    ASSERT(owed_push(&session->owed, 'P', OWED_DISCARD) != NULL);
    session->server->unnamed_statement = session->unnamed_id;
}

static void forget_name(struct session *session, struct slice name)
{
    struct client_statement *known = table_remove(&session->statements, name);
    if (!known)
        return;
    statement_unref(known->statement);
    mem_free(known);
}

/* DDL had passed since the statement was parsed, and Postgres still takes it: hits are back. */
static void bind_succeeded(struct session *session, const struct owed_entry *entry)
{
    if (entry->unnamed)
        session->unnamed_version = entry->version;
    if (!entry->name)
        return;
    struct client_statement *known = table_get(&session->statements, slice_of_text(entry->name));
    if (known)
        known->version = entry->version;
}

void forward_settle(struct session *session, struct owed_entry *entry, bool failed)
{
    if (!failed) {
        if (entry->request == 'B')
            bind_succeeded(session, entry);
        return;
    }
    struct server_statements *on_server = session->server ? session->server->statements : NULL;
    if (entry->request == 'P') {
        if (entry->statement && on_server && entry->source != OWED_LOCAL)
            statements_remove(on_server, entry->statement->id);
        if (entry->name)
            forget_name(session, slice_of_text(entry->name));
        if (!entry->statement) {
            /* The unnamed one: Postgres drops it before it parses the new text. */
            if (session->server)
                session->server->unnamed_statement = 0;
            if (entry->unnamed)
                session->unnamed_id = 0;
        }
    } else if (entry->request == 'C' && entry->source == OWED_DISCARD) {
        if (on_server)
            statements_restore(on_server, entry->version);
    } else if (entry->request == 'C' && entry->name && entry->statement) {
        struct client_statement *again = mem_zero(1, sizeof(*again));
        again->statement = statement_ref(entry->statement);
        again->version = entry->version;
        struct client_statement *other =
            table_put(&session->statements, slice_of_text(entry->name), again);
        if (other) {
            statement_unref(other->statement);
            mem_free(other);
        }
    }
}

static void add_local(struct session *session, uint8_t request, uint8_t answer,
                      struct owed_entry **out)
{
    struct owed_entry *entry = owed_push(&session->owed, request, OWED_LOCAL);
    ASSERT(entry != NULL);
    uint8_t message[5] = {answer, 0, 0, 0, 4};
    entry->text = mem_copy(message, sizeof(message));
    entry->text_len = sizeof(message);
    *out = entry;
}

static void forward_named_parse(struct session *session, const struct pgwire_parse *parse)
{
    struct slice name = of(parse->name);
    if (table_get(&session->statements, name)) {
        refuse(session, "42P05", "prepared statement \"", name, "\" already exists");
        return;
    }
    if (session->statements.count >= SESSION_STATEMENTS_MAX) {
        refuse(session, "54000", "too many prepared statements, \"", name, "\" is one more");
        return;
    }
    bool own = has_own_settings(session);
    uint64_t version = realm_wanted(session->database->realm);
    struct statement *statement = (own ? statement_private : statement_get)(
        of(parse->query), of(parse->types), version, session->host->scratch);
    struct client_statement *known = mem_zero(1, sizeof(*known));
    known->statement = statement;
    known->version = version;
    table_put(&session->statements, name, known);
    struct owed_entry *entry;
    if (statements_touch(session->server->statements, statement->id)) {
        add_local(session, 'P', '1', &entry);
    } else {
        server_gets(session, statement);
        keep_backend(session, statement);
        char shared[STATEMENT_NAME_MAX];
        put_parse(session, server_name(statement->id, shared), statement->query, statement->types);
        entry = owed_push(&session->owed, 'P', OWED_FORWARD);
        ASSERT(entry != NULL);
    }
    entry->name = mem_text_n(name.data, name.len);
    entry->statement = statement_ref(statement);
}

static void forward_parse(struct session *session, const struct pgwire_frame *frame,
                          const uint8_t *data)
{
    struct pgwire_parse parse;
    if (pgwire_read_parse(frame->body, frame->body_len, &parse) != PGWIRE_OK) {
        session_fail(session, "08P01", "invalid message format", "Parse");
        return;
    }
    counter_add(&session->stats->client_parse_count, 1);
    if (parse.name.len) {
        forward_named_parse(session, &parse);
        return;
    }
    session_set_unnamed(session, of(parse.query), of(parse.types));
    put(session, data, frame->len);
    struct owed_entry *entry = owed_push(&session->owed, 'P', OWED_FORWARD);
    ASSERT(entry != NULL);
    entry->unnamed = true;
    session->server->unnamed_statement = session->unnamed_id;
}

/* ---- portals ---- */

static void note_portal(struct session *session, struct slice name, bool harmless)
{
    uint64_t flags = session->unit_number << PORTAL_UNIT_SHIFT | (harmless ? PORTAL_HARMLESS : 0);
    if (!name.len)
        session->unnamed_portal = flags;
    else if (session->portals.count < SESSION_PORTALS_MAX || table_get(&session->portals, name))
        table_put(&session->portals, name, (void *)(uintptr_t)flags);
}

/* True if the effects of executing this portal are known already. */
static bool portal_is_known(const struct session *session, struct slice name)
{
    uint64_t flags = name.len ? (uint64_t)(uintptr_t)table_get(&session->portals, name)
                              : session->unnamed_portal;
    return (flags & PORTAL_HARMLESS) || flags >> PORTAL_UNIT_SHIFT == session->unit_number;
}

static bool verdict_is_harmless(const struct verdict *verdict)
{
    return verdict->effects == 0 && verdict->write_count == 0;
}

static void forward_bind(struct session *session, const struct pgwire_frame *frame,
                         const uint8_t *data)
{
    struct pgwire_bind bind;
    if (pgwire_read_bind(frame->body, frame->body_len, &bind) != PGWIRE_OK) {
        session_fail(session, "08P01", "invalid message format", "Bind");
        return;
    }
    counter_add(&session->stats->bind_count, 1);
    struct query query = {0};
    struct client_statement *named = NULL;
    if (bind.statement.len) {
        named = table_get(&session->statements, of(bind.statement));
        if (!named) {
            refuse(session, "26000", "prepared statement \"", of(bind.statement),
                   "\" does not exist");
            return;
        }
        query.text = named->statement->query;
        query.canonical = named->statement->canonical;
        query.shape = named->statement->shape;
        query.scan_flags = named->statement->scan_flags;
        query.scanned = named->statement->scanned;
        ensure_statement(session, named->statement);
    } else {
        if (!session->unnamed_id) {
            refuse(session, "26000", "unnamed prepared statement does not exist", slice_of("", 0),
                   "");
            return;
        }
        unnamed_query_of(session, &query);
        ensure_unnamed(session);
    }
    const struct verdict *verdict = lookup_verdict(session, &query);
    bool harmless = verdict_is_harmless(verdict);
    forward_effects(session, verdict);
    note_portal(session, of(bind.portal), harmless);
    if (named) {
        char name[STATEMENT_NAME_MAX];
        size_t room = bind.portal.len + bind.arguments.len + STATEMENT_NAME_MAX + MESSAGE_EXTRA;
        struct pgwire_writer writer =
            pgwire_writer_of(buf_reserve(&session->host->compose, room), room);
        pgwire_write_bind(&writer, bind.portal, wire(server_name(named->statement->id, name)),
                          bind.arguments);
        ASSERT(!writer.overflow);
        buf_added(&session->host->compose, writer.len);
    } else {
        put(session, data, frame->len);
    }
    struct owed_entry *entry = owed_push(&session->owed, 'B', OWED_FORWARD);
    ASSERT(entry != NULL);
    uint64_t wanted = realm_wanted(session->database->realm);
    entry->version = wanted;
    entry->on_server = named ? named->statement->id : 0;
    if (named && named->version != wanted)
        entry->name = mem_text_n(bind.statement.data, bind.statement.len);
    else if (!named && session->unnamed_version != wanted)
        entry->unnamed = true;
}

/* Describe and Close, of statements and portals. */
static void forward_target(struct session *session, const struct pgwire_frame *frame,
                           const uint8_t *data)
{
    struct pgwire_target target;
    if (pgwire_read_target(frame->body, frame->body_len, &target) != PGWIRE_OK) {
        session_fail(session, "08P01", "invalid message format", pgwire_request_name(frame->type));
        return;
    }
    struct owed_entry *entry;
    uint64_t on_server = 0;
    if (target.kind == 'S' && target.name.len && frame->type == 'C') {
        struct client_statement *known = table_remove(&session->statements, of(target.name));
        add_local(session, 'C', '3', &entry);
        if (known) {
            entry->name = mem_text_n(target.name.data, target.name.len);
            entry->statement = known->statement;
            entry->version = known->version;
            mem_free(known);
        }
        return;
    }
    if (target.kind == 'S' && target.name.len) {
        struct client_statement *known = table_get(&session->statements, of(target.name));
        if (!known) {
            refuse(session, "26000", "prepared statement \"", of(target.name), "\" does not exist");
            return;
        }
        ensure_statement(session, known->statement);
        char name[STATEMENT_NAME_MAX];
        uint8_t space[STATEMENT_NAME_MAX + MESSAGE_EXTRA];
        struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
        pgwire_write_target(&writer, 'D', 'S', wire(server_name(known->statement->id, name)));
        put(session, space, writer.len);
        on_server = known->statement->id;
    } else {
        if (target.kind == 'S' && frame->type == 'D') {
            if (!session->unnamed_id) {
                refuse(session, "26000", "unnamed prepared statement does not exist",
                       slice_of("", 0), "");
                return;
            }
            ensure_unnamed(session);
        } else if (target.kind == 'S') {
            session->unnamed_id = 0;
            session->server->unnamed_statement = 0;
        } else if (frame->type == 'C' && target.name.len) {
            table_remove(&session->portals, of(target.name));
        }
        put(session, data, frame->len);
    }
    entry = owed_push(&session->owed, frame->type, OWED_FORWARD);
    ASSERT(entry != NULL);
    entry->on_server = on_server;
}

static void forward_execute(struct session *session, const struct pgwire_frame *frame,
                            const uint8_t *data)
{
    struct pgwire_execute execute;
    if (pgwire_read_execute(frame->body, frame->body_len, &execute) != PGWIRE_OK) {
        session_fail(session, "08P01", "invalid message format", "Execute");
        return;
    }
    if (!portal_is_known(session, of(execute.portal)))
        unknown_effects(session);
    if (execute.row_max)
        fill_spoil(session, REASON_ROW_LIMIT);
    put(session, data, frame->len);
    ASSERT(owed_push(&session->owed, 'E', OWED_FORWARD) != NULL);
    counter_add(&session->stats->query_count, 1);
}

/* ---- Query ---- */

/* A simple Query that is read whole: its effects, then its bytes. */
static void forward_query(struct session *session, const struct pgwire_frame *frame,
                          const uint8_t *data)
{
    struct pgwire_slice text;
    if (pgwire_read_text(frame->body, frame->body_len, &text) != PGWIRE_OK) {
        session_fail(session, "08P01", "invalid message format", "Query");
        return;
    }
    struct query query = {.text = of(text)};
    struct scan scan;
    if (scan_text(query.text, session->host->scratch, &scan) == ERR_OK) {
        query.scanned = true;
        query.canonical = slice_of(scan.canonical, scan.canonical_len);
        query.scan_flags = scan.flags;
    }
    forward_effects(session, lookup_verdict(session, &query));
    put(session, data, frame->len);
}

static void query_sent(struct session *session)
{
    session->unnamed_id = 0;
    session->server->unnamed_statement = 0;
    session->unit.open = false;
    ASSERT(owed_push(&session->owed, 'Q', OWED_FORWARD) != NULL);
    counter_add(&session->stats->query_count, 1);
}

/* ---- the walk ---- */

static void send_composed(struct session *session)
{
    struct buf *compose = &session->host->compose;
    if (buf_len(compose))
        stream_write(&session->server->stream, buf_head(compose), buf_len(compose));
    buf_clear(compose);
    buf_shrink(compose, SESSION_NAMED_PARSE_MAX);
}

/* Begins to pass a message on (or to drop it) in pieces. */
static size_t pass_on(struct session *session, const struct pgwire_frame *frame,
                      const uint8_t *data, size_t len, bool drop)
{
    size_t here = size_min(frame->len, len);
    if (drop) {
        session->unit.skip_left = frame->len - here;
    } else {
        put(session, data, here);
        session->unit.pass_left = frame->len - here;
    }
    return here;
}

/* A message that is not read whole: what can be done with its head alone. */
static size_t forward_long(struct session *session, const struct pgwire_frame *frame,
                           const uint8_t *data, size_t len)
{
    if (frame->type == 'Q' && frame->len > SESSION_TEXT_MAX) {
        unknown_effects(session);
        query_sent(session);
        return pass_on(session, frame, data, len, false);
    }
    if (frame->type == 'F') {
        unknown_effects(session);
        ASSERT(owed_push(&session->owed, 'F', OWED_FORWARD) != NULL);
        session->unit.open = false;
        return pass_on(session, frame, data, len, false);
    }
    if ((frame->type == 'P' || frame->type == 'B') && frame->len > SESSION_NAMED_PARSE_MAX &&
        frame->type == 'P') {
        refuse(session, "54000", "a statement to prepare is longer than pgrecall allows",
               slice_of("", 0), "");
        return pass_on(session, frame, data, len, true);
    }
    return 0;
}

static void forward_whole(struct session *session, const struct pgwire_frame *frame,
                          const uint8_t *data)
{
    switch (frame->type) {
    case 'P':
        forward_parse(session, frame, data);
        break;
    case 'B':
        forward_bind(session, frame, data);
        break;
    case 'D':
    case 'C':
        forward_target(session, frame, data);
        break;
    case 'E':
        forward_execute(session, frame, data);
        break;
    case 'Q':
        forward_query(session, frame, data);
        if (!session->end_after_flush)
            query_sent(session);
        break;
    case 'H':
        put(session, data, frame->len);
        break;
    case 'S': {
        put(session, data, frame->len);
        struct owed_entry *entry = owed_push(&session->owed, 'S', OWED_FORWARD);
        ASSERT(entry != NULL);
        entry->version = session->unit.copies_ended ? OWED_SYNC_AFTER_COPY : 0;
        session->unit.open = false;
        break;
    }
    default:
        session_fail(session, "08P01", "invalid frontend message type",
                     pgwire_request_name(frame->type));
        break;
    }
}

/* The backend shall answer all it was asked so far; until then nothing more is passed on. */
static size_t hold(struct session *session)
{
    static const uint8_t flush[] = {'H', 0, 0, 0, 4};
    put(session, flush, sizeof(flush));
    session->unit.held = true;
    return 0;
}

/* One message, or a piece of one; 0: more bytes are needed. */
static size_t forward_one(struct session *session, const uint8_t *data, size_t len)
{
    struct unit *unit = &session->unit;
    struct pgwire_frame frame;
    enum pgwire_status status = pgwire_frame_request(data, len, &frame);
    if (status == PGWIRE_MORE)
        return 0;
    if (status != PGWIRE_OK || frame.len > conf_current()->options.max_packet_size_bytes) {
        session_fail(session, "08P01", "invalid frontend message", pgwire_status_text(status));
        return 0;
    }
    if (frame.type == 'X') {
        session_end(session);
        return len;
    }
    if (frame.type == 'd' || frame.type == 'c' || frame.type == 'f') {
        /* Before we know whether what was executed is a COPY. */
        if (unit->extended && !unit->copying && !unit->failed && session->owed.count)
            return hold(session);
        /* In an extended unit the COPY may begin any moment: the backend drops what is too early
         * or too late, here it is dropped when nothing is under way. */
        bool drop = !unit->copying && !(unit->extended && !unit->failed && session->owed.count);
        if (frame.type != 'd') {
            unit->copies_ended += !unit->copying && !drop;
            unit->copying = false;
        }
        return pass_on(session, &frame, data, len, drop);
    }
    if (unit->copying && (frame.type == 'S' || frame.type == 'H'))
        return pass_on(session, &frame, data, len, true);
    if (unit->failed && frame.type != 'S')
        return pass_on(session, &frame, data, len, true);
    if (unit->copying) {
        session_fail(session, "08P01", "unexpected message during COPY from stdin",
                     pgwire_request_name(frame.type));
        return 0;
    }
    size_t used = forward_long(session, &frame, data, len);
    if (used)
        return used;
    if (len < frame.len)
        return 0;
    forward_whole(session, &frame, data);
    return session->end_after_flush ? len : frame.len;
}

size_t forward_messages(struct session *session, const uint8_t *data, size_t len)
{
    struct unit *unit = &session->unit;
    struct stream *to = &session->server->stream;
    size_t done = 0;
    buf_clear(&session->host->compose);
    while (done < len && session->state == SESSION_ACTIVE && !session->end_after_flush) {
        if (unit->held ||
            stream_pending(to) + buf_len(&session->host->compose) > SESSION_FORWARD_MAX)
            break;
        if (session->owed.count > OWED_MAX - FORWARD_OWED_ROOM) {
            hold(session);
            break;
        }
        size_t used;
        if (unit->pass_left || unit->skip_left) {
            size_t *left = unit->pass_left ? &unit->pass_left : &unit->skip_left;
            used = size_min(*left, len - done);
            if (left == &unit->pass_left)
                put(session, data + done, used);
            *left -= used;
        } else if (unit->open || unit->copying) {
            used = forward_one(session, data + done, len - done);
        } else {
            break;
        }
        if (!used)
            break;
        done += used;
    }
    if (session->server && session->state == SESSION_ACTIVE)
        send_composed(session);
    relay_local(session);
    return done;
}
