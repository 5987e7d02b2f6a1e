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
#include "session/ask.h"
#include "session/lazy.h"
#include "session/local_answer.h"
#include "session/names.h"
#include "session/settings.h"

#include <stdio.h>

#include "base/mem.h"

enum { MESSAGE_EXTRA = 64, PORTAL_HARMLESS = 1, PORTAL_UNIT_SHIFT = 1 };

static void put(struct session *session, const void *data, size_t len)
{
    buf_append(&session->host->compose, data, len);
}

/* ---- errors of our own making ---- */

/* `text` is an ErrorResponse, taken along. */
static void refuse_with(struct session *session, const struct buf *text)
{
    struct owed_entry *entry = owed_push(&session->owed, 'D', OWED_REPLACE);
    ASSERT(entry != NULL);
    entry->text = text->data;
    entry->text_len = (uint32_t)buf_len(text);
    uint8_t space[64];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    struct pgwire_slice missing = {.data = (const uint8_t *)"pgrecall_no_such", .len = 16};
    pgwire_write_target(&writer, 'D', 'S', missing);
    put(session, space, writer.len);
    session->unit.failed = true;
}

static void refuse(struct session *session, const char *sqlstate, const char *before,
                   struct slice name, const char *after)
{
    char message[320];
    int shown = name.len < 200 ? (int)name.len : 200;
    snprintf(message, sizeof(message), "%s%.*s%s", before, shown,
             name.len ? (const char *)name.data : "", after);
    struct buf text = {0};
    session_error_bytes(&text, "ERROR", sqlstate, message, NULL);
    refuse_with(session, &text);
}

/* ---- statements that are answered here: see local_answer.h ---- */

static struct query query_of(const struct statement *statement)
{
    return (struct query){.text = statement->query,
                          .types = statement->types,
                          .canonical = statement->canonical,
                          .hint = statement->hint,
                          .shape = statement->shape,
                          .scan_flags = statement->scan_flags,
                          .scanned = statement->scanned};
}

static bool is_answered_here(struct session *session, const struct query *query)
{
    return UNLIKELY(query->scanned && local_answer_may(query)) &&
           local_answer_kind_of(session, query) != LOCAL_ANSWER_NONE;
}

/* Queues whole messages as the answer to a request. Takes the bytes along. */
static void answer_here(struct session *session, uint8_t request, const struct buf *text)
{
    struct owed_entry *entry = owed_push(&session->owed, request, OWED_LOCAL);
    ASSERT(entry != NULL && text->start == 0);
    entry->text = text->data;
    entry->text_len = (uint32_t)buf_len(text);
}

/* Describe and Close of what is answered here; true if it was. */
static bool target_here(struct session *session, uint8_t type, const struct pgwire_target *target)
{
    struct slice name = session_slice(target->name);
    struct buf text = {0};
    struct query query = {0};
    if (target->kind == 'P') {
        if (!local_answer_has(session, name))
            return false;
        if (type == 'C') {
            struct owed_entry *entry;
            local_answer_forget(session, name);
            names_answer_here(session, 'C', '3', &entry);
            return true;
        }
        local_answer_describe_portal(session, &text);
        answer_here(session, 'D', &text);
        return true;
    }
    if (type != 'D')
        return false;
    if (name.len) {
        const struct client_statement *known = table_get(&session->statements, name);
        if (known)
            query = query_of(known->statement);
    } else if (session->unnamed_id) {
        unnamed_query_of(session, &query);
    }
    if (!is_answered_here(session, &query))
        return false;
    local_answer_describe(session, &query, &text);
    answer_here(session, 'D', &text);
    return true;
}

/* ---- Parse ---- */

/* The backend knows the client's names: it judges, and the text is kept for verdicts. */
static void forward_own_parse(struct session *session, const struct pgwire_parse *parse,
                              const struct pgwire_frame *frame, const uint8_t *data)
{
    struct slice name = session_slice(parse->name);
    struct client_statement *known = mem_zero(1, sizeof(*known));
    known->version = realm_wanted(session->database->realm);
    known->statement = statement_private(session_slice(parse->query), session_slice(parse->types),
                                         known->version, session->host->scratch);
    known->own = true;
    struct client_statement *before = table_put(&session->statements, name, known);
    if (before) {
        statement_unref(before->statement);
        mem_free(before);
    }
    put(session, data, frame->len);
    struct owed_entry *entry = owed_push(&session->owed, 'P', OWED_FORWARD);
    ASSERT(entry != NULL);
    entry->name = mem_text_n(name.data, name.len);
    entry->statement = statement_ref(known->statement);
}

static void forward_named_parse(struct session *session, const struct pgwire_parse *parse,
                                const struct pgwire_frame *frame, const uint8_t *data)
{
    struct slice name = session_slice(parse->name);
    struct query asked = {.text = session_slice(parse->query)};
    if (session->own_names)
        query_scan(session->host, &asked);
    if (session->own_names && session->statements.count < SESSION_STATEMENTS_MAX &&
        !is_answered_here(session, &asked)) {
        forward_own_parse(session, parse, frame, data);
        return;
    }
    if (table_get(&session->statements, name)) {
        refuse(session, "42P05", "prepared statement \"", name, "\" already exists");
        return;
    }
    if (session->statements.count >= SESSION_STATEMENTS_MAX) {
        refuse(session, "54000", "too many prepared statements, \"", name, "\" is one more");
        return;
    }
    bool own = session_has_own_settings(session);
    uint64_t version = realm_wanted(session->database->realm);
    struct slice text = session_slice(parse->query);
    struct slice types = session_slice(parse->types);
    struct statement *statement =
        own ? statement_private(text, types, version, session->host->scratch)
            : statement_get(text, types, version, session_constants(session),
                            session->host->scratch);
    struct client_statement *known = mem_zero(1, sizeof(*known));
    known->statement = statement;
    known->version = version;
    table_put(&session->statements, name, known);
    struct owed_entry *entry;
    struct query query = query_of(statement);
    bool there = is_answered_here(session, &query) ||
                 statements_touch(session->server->statements, statement->id);
    if (there && session->status == 'E') {
        /* In a failed block Postgres takes only what ends it. The unnamed statement asks it. */
        names_put_parse(session, slice_of("", 0), statement->query, statement->types);
        session->server->unnamed_statement = 0;
        entry = owed_push(&session->owed, 'P', OWED_FORWARD);
        ASSERT(entry != NULL);
        entry->name = mem_text_n(name.data, name.len);
        return; /* without the statement: the backend keeps what it has */
    }
    if (there) {
        names_answer_here(session, 'P', '1', &entry);
    } else {
        names_server_gets(session, statement);
        names_keep_backend(session, statement);
        char shared[STATEMENT_NAME_MAX];
        names_put_parse(session, names_at_server(statement->id, shared), statement->query,
                        statement->types);
        entry = owed_push(&session->owed, 'P', OWED_FORWARD);
        ASSERT(entry != NULL);
    }
    entry->name = mem_text_n(name.data, name.len);
    entry->statement = statement_ref(statement);
}

/* A message whose frame is right and whose inside is not: Postgres has the words for that, and its
 * transaction fails as it must. Should it understand more than we do, it may do anything. */
static void forward_malformed(struct session *session, const struct pgwire_frame *frame,
                              const uint8_t *data)
{
    forward_unknown_effects(session);
    lazy_materialise(session, slice_of("", 0));
    put(session, data, frame->len);
    if (frame->type != 'Q')
        ASSERT(owed_push(&session->owed, frame->type, OWED_FORWARD) != NULL);
}

/* The unnamed statement deallocates a name that the backends know by another: it deallocates one that
 * was made for that instead. True if it was passed on. */
static bool forward_deallocate(struct session *session)
{
    static const char made[] = "pgrecall_deallocated";
    static const char text[] = "DEALLOCATE pgrecall_deallocated";
    struct query query;
    unnamed_query_of(session, &query);
    if (!session->statements.count || !query.scanned || session->own_names)
        return false;
    struct slice name = statement_deallocated(query.canonical);
    struct client_statement *known = name.len ? table_remove(&session->statements, name) : NULL;
    if (!known)
        return false;
    struct owed_entry *entry = owed_push(&session->owed, 'C', OWED_LOCAL); /* says nothing */
    ASSERT(entry != NULL);
    entry->name = mem_text_n(name.data, name.len);
    entry->statement = known->statement;
    entry->version = known->version;
    mem_free(known);
    uint8_t space[64];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    pgwire_write_target(&writer, 'C', 'S',
                        (struct pgwire_slice){(const uint8_t *)made, sizeof(made) - 1});
    put(session, space, writer.len);
    ASSERT(owed_push(&session->owed, 'C', OWED_DISCARD) != NULL);
    names_put_parse(session, slice_of_text(made), slice_of("", 0), slice_of("", 0));
    ASSERT(owed_push(&session->owed, 'P', OWED_DISCARD) != NULL);
    names_put_parse(session, slice_of("", 0), slice_of_text(text), slice_of("", 0));
    return true;
}

static void forward_parse(struct session *session, const struct pgwire_frame *frame,
                          const uint8_t *data)
{
    struct pgwire_parse parse;
    if (pgwire_read_parse(frame->body, frame->body_len, &parse) != PGWIRE_OK) {
        forward_malformed(session, frame, data);
        return;
    }
    counter_add(&session->stats->client_parse_count, 1);
    if (parse.name.len) {
        forward_named_parse(session, &parse, frame, data);
        return;
    }
    session_set_unnamed(session, session_slice(parse.query), session_slice(parse.types));
    struct query query;
    struct owed_entry *entry;
    unnamed_query_of(session, &query);
    if (is_answered_here(session, &query)) {
        names_answer_here(session, 'P', '1', &entry);
        entry->unnamed = true;
        return;
    }
    if (!forward_deallocate(session))
        put(session, data, frame->len);
    entry = owed_push(&session->owed, 'P', OWED_FORWARD);
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

/* What executing the unnamed portal would set; taken over. */
static void set_bound_changes(struct session *session, struct setting_changes *changes)
{
    setting_changes_destroy(session->unit.bound_changes);
    session->unit.bound_changes = changes;
}

/* Binds what SQL has prepared, or nothing: the backend knows. */
static void forward_sql_bind(struct session *session, const struct pgwire_bind *bind,
                             const struct pgwire_frame *frame, const uint8_t *data)
{
    forward_unknown_effects(session);
    note_portal(session, session_slice(bind->portal), false);
    if (!bind->portal.len)
        set_bound_changes(session, NULL);
    put(session, data, frame->len);
    ASSERT(owed_push(&session->owed, 'B', OWED_FORWARD) != NULL);
}

static void forward_bind(struct session *session, const struct pgwire_frame *frame,
                         const uint8_t *data)
{
    struct pgwire_bind bind;
    if (pgwire_read_bind(frame->body, frame->body_len, &bind) != PGWIRE_OK) {
        forward_malformed(session, frame, data);
        return;
    }
    counter_add(&session->stats->bind_count, 1);
    struct query query = {0};
    struct client_statement *named = NULL;
    if (bind.statement.len) {
        named = table_get(&session->statements, session_slice(bind.statement));
        if (!named && names_may_be_sql(session)) {
            forward_sql_bind(session, &bind, frame, data);
            return;
        }
        if (!named) {
            refuse(session, "26000", "prepared statement \"", session_slice(bind.statement),
                   "\" does not exist");
            return;
        }
        query = query_of(named->statement);
    } else {
        if (!session->unnamed_id) {
            refuse(session, "26000", "unnamed prepared statement does not exist", slice_of("", 0),
                   "");
            return;
        }
        unnamed_query_of(session, &query);
    }
    if (is_answered_here(session, &query)) {
        struct owed_entry *answer;
        local_answer_bind(session, &bind, &query);
        names_answer_here(session, 'B', '2', &answer);
        return;
    }
    local_answer_forget(session, session_slice(bind.portal));
    if (query.scanned)
        local_see(session, query.canonical);
    if (named && !named->own)
        names_ensure(session, named->statement);
    else if (!named)
        names_ensure_unnamed(session);
    query.arguments = session_slice(bind.arguments);
    query.types = named ? named->statement->types : query.types;
    const struct verdict *verdict = lookup_verdict(session, &query);
    bool harmless = verdict_is_harmless(verdict);
    struct setting_changes *changes = NULL;
    struct verdict tracked;
    if (UNLIKELY(verdict->effects & EFFECT_TRACK) && !bind.portal.len)
        verdict = settings_track(session, &query, named != NULL, verdict, &tracked, &changes);
    forward_effects(session, &query, verdict);
    note_portal(session, session_slice(bind.portal), harmless);
    if (!bind.portal.len)
        set_bound_changes(session, changes);
    if (named && !named->own) {
        char name[STATEMENT_NAME_MAX];
        size_t room = bind.portal.len + bind.arguments.len + STATEMENT_NAME_MAX + MESSAGE_EXTRA;
        struct pgwire_writer writer =
            pgwire_writer_of(buf_reserve(&session->host->compose, room), room);
        pgwire_write_bind(&writer, bind.portal,
                          session_wire(names_at_server(named->statement->id, name)),
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
    entry->on_server = named && !named->own ? named->statement->id : 0;
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
        forward_malformed(session, frame, data);
        return;
    }
    struct owed_entry *entry;
    uint64_t on_server = 0;
    if (target_here(session, frame->type, &target))
        return;
    if (target.kind == 'S' && target.name.len && frame->type == 'C') {
        struct client_statement *known =
            table_remove(&session->statements, session_slice(target.name));
        if (known ? known->own : names_may_be_sql(session)) {
            put(session, data, frame->len);
            entry = owed_push(&session->owed, 'C', OWED_FORWARD);
            ASSERT(entry != NULL);
        } else {
            names_answer_here(session, 'C', '3', &entry);
        }
        if (known) {
            entry->name = mem_text_n(target.name.data, target.name.len);
            entry->statement = known->statement;
            entry->version = known->version;
            mem_free(known);
        }
        return;
    }
    if (target.kind == 'S' && target.name.len) {
        struct client_statement *known =
            table_get(&session->statements, session_slice(target.name));
        if (known ? known->own : names_may_be_sql(session)) {
            put(session, data, frame->len);
            ASSERT(owed_push(&session->owed, 'D', OWED_FORWARD) != NULL);
            return;
        }
        if (!known) {
            refuse(session, "26000", "prepared statement \"", session_slice(target.name),
                   "\" does not exist");
            return;
        }
        names_ensure(session, known->statement);
        char name[STATEMENT_NAME_MAX];
        uint8_t space[STATEMENT_NAME_MAX + MESSAGE_EXTRA];
        struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
        pgwire_write_target(&writer, 'D', 'S',
                            session_wire(names_at_server(known->statement->id, name)));
        put(session, space, writer.len);
        on_server = known->statement->id;
    } else {
        if (target.kind == 'S' && frame->type == 'D') {
            if (!session->unnamed_id) {
                refuse(session, "26000", "unnamed prepared statement does not exist",
                       slice_of("", 0), "");
                return;
            }
            names_ensure_unnamed(session);
        } else if (target.kind == 'S') {
            session->unnamed_id = 0;
            session->server->unnamed_statement = 0;
        } else if (frame->type == 'C' && target.name.len) {
            table_remove(&session->portals, session_slice(target.name));
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
        forward_malformed(session, frame, data);
        return;
    }
    if (local_answer_has(session, session_slice(execute.portal))) {
        struct buf text = {0};
        if (local_answer_execute(session, &text))
            answer_here(session, 'E', &text);
        else
            refuse_with(session, &text);
        counter_add(&session->stats->query_count, 1);
        return;
    }
    if (!portal_is_known(session, session_slice(execute.portal)))
        forward_unknown_effects(session);
    if (execute.row_max)
        fill_spoil(session, REASON_ROW_LIMIT);
    put(session, data, frame->len);
    struct owed_entry *entry = owed_push(&session->owed, 'E', OWED_FORWARD);
    ASSERT(entry != NULL);
    if (!execute.portal.len) {
        entry->changes = session->unit.bound_changes;
        session->unit.bound_changes = NULL;
    }
    counter_add(&session->stats->query_count, 1);
}

/* ---- Query ---- */

/* A simple Query that is read whole: its effects, then its bytes. `out_instead` is what its error is to be
 * replaced with: it is one of ours, which fails in a block. `out_changes` is what it would set. */
static void forward_query(struct session *session, const struct pgwire_frame *frame,
                          const uint8_t *data, struct buf *out_instead,
                          struct setting_changes **out_changes)
{
    struct pgwire_slice text;
    if (pgwire_read_text(frame->body, frame->body_len, &text) != PGWIRE_OK) {
        forward_malformed(session, frame, data);
        return;
    }
    struct query query = {.text = session_slice(text)};
    query_scan(session->host, &query);
    if (is_answered_here(session, &query)) {
        static const char failing[] = "pgrecall_no_such";
        uint8_t space[64];
        struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
        local_answer_error(session, &query, out_instead);
        pgwire_write_query(&writer, failing);
        lazy_materialise(session, query.text);
        put(session, space, writer.len);
        return;
    }
    if (query.scanned)
        local_see(session, query.canonical);
    const struct verdict *verdict = lookup_verdict(session, &query);
    struct verdict tracked;
    if (UNLIKELY(verdict->effects & EFFECT_TRACK))
        verdict = settings_track(session, &query, false, verdict, &tracked, out_changes);
    forward_effects(session, &query, verdict);
    lazy_materialise(session, query.text);
    put(session, data, frame->len);
}

static void query_sent(struct session *session, const struct buf *instead,
                       struct setting_changes *changes)
{
    session->unnamed_id = 0;
    session->server->unnamed_statement = 0;
    session->unit.open = false;
    struct owed_entry *entry =
        owed_push(&session->owed, 'Q', buf_len(instead) ? OWED_REPLACE : OWED_FORWARD);
    ASSERT(entry != NULL);
    entry->text = instead->data;
    entry->text_len = (uint32_t)buf_len(instead);
    entry->changes = changes;
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
        forward_unknown_effects(session);
        lazy_materialise(session, slice_of("", 0));
        query_sent(session, &(struct buf){0}, NULL);
        return pass_on(session, frame, data, len, false);
    }
    if (frame->type == 'F') {
        forward_unknown_effects(session);
        lazy_materialise(session, slice_of("", 0));
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
    struct buf instead = {0};
    struct setting_changes *changes = NULL;
    if (session->transaction.state == TRANSACTION_LAZY && frame->type != 'Q')
        lazy_send_begin_before(session, frame); /* a Query changes settings before the block */
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
        forward_query(session, frame, data, &instead, &changes);
        if (!session->end_after_flush)
            query_sent(session, &instead, changes);
        else
            setting_changes_destroy(changes);
        break;
    case 'H':
        put(session, data, frame->len);
        break;
    case 'S':
        put(session, data, frame->len);
        ASSERT(owed_push(&session->owed, 'S', OWED_FORWARD) != NULL);
        session->unit.open = false;
        break;
    default:
        session_fail_frame(session, PGWIRE_OK, frame->type);
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
        session_fail_frame(session, status, *data);
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
        /* Data for a COPY that is over, or was never on, is dropped as Postgres does. */
        bool drop = !unit->copying;
        if (frame.type != 'd')
            unit->copying = false;
        return pass_on(session, &frame, data, len, drop);
    }
    if (unit->copying && (frame.type == 'S' || frame.type == 'H'))
        return pass_on(session, &frame, data, len, true);
    if (unit->failed && frame.type != 'S')
        return pass_on(session, &frame, data, len, true);
    if (unit->copying) {
        /* Postgres says what it thinks of that, and ends the connection. */
        forward_unknown_effects(session);
        return pass_on(session, &frame, data, len, false);
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
    if (unit->ask == UNIT_ASK_FIRST) {
        ask_send(session);
        send_composed(session);
        return 0;
    }
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
