/* Bind, Describe, Close and Execute. A statement's effects count from its Bind on; an Execute of a portal
 * that an earlier unit bound counts as unknown unless that portal was proven harmless.
 */
#include "session/forward.h"
#include "session/local_answer.h"
#include "session/names.h"
#include "session/settings.h"

#include "base/mem.h"

enum { MESSAGE_EXTRA = 64, PORTAL_HARMLESS = 1, PORTAL_UNIT_SHIFT = 1 };

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
        forward_answer_here(session, 'D', &text);
        return true;
    }
    if (type != 'D')
        return false;
    if (name.len) {
        const struct client_statement *known = table_get(&session->statements, name);
        if (known)
            query = forward_query_of(known->statement);
    } else if (session->unnamed_id) {
        unnamed_query_of(session, &query);
    }
    if (!forward_is_here(session, &query))
        return false;
    local_answer_describe(session, &query, &text);
    forward_answer_here(session, 'D', &text);
    return true;
}

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
    return !(verdict->effects & ~(unsigned)EFFECTS_SEQUENCES) && verdict->write_count == 0;
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
    forward_put(session, data, frame->len);
    ASSERT(owed_push(&session->owed, 'B', OWED_FORWARD) != NULL);
}

static void put_bind(struct session *session, const struct pgwire_bind *bind,
                     struct slice statement)
{
    size_t room = bind->portal.len + bind->arguments.len + STATEMENT_NAME_MAX + MESSAGE_EXTRA;
    struct pgwire_writer writer =
        pgwire_writer_of(buf_reserve(&session->host->compose, room), room);
    pgwire_write_bind(&writer, bind->portal, session_wire(statement), bind->arguments);
    ASSERT(!writer.overflow);
    buf_added(&session->host->compose, writer.len);
}

/* A DEALLOCATE of a name that the backends know by another: one that was made for it takes its place,
 * deallocated by the unnamed statement, of which the Bind is then. True if that was done. */
static bool bind_deallocates(struct session *session, const struct pgwire_bind *bind,
                             const struct query *query)
{
    static const char made[] = "pgrecall_deallocated";
    static const char text[] = "DEALLOCATE pgrecall_deallocated";
    static const uint8_t requests[] = {'C', 'P', 'P'};
    if (!session->statements.count || !query->scanned || session->own_names)
        return false;
    struct slice name = statement_deallocated(query->canonical);
    struct client_statement *known = name.len ? table_remove(&session->statements, name) : NULL;
    if (!known)
        return false;
    uint8_t space[MESSAGE_EXTRA];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    pgwire_write_target(&writer, 'C', 'S',
                        (struct pgwire_slice){(const uint8_t *)made, sizeof(made) - 1});
    ASSERT(!writer.overflow);
    forward_put(session, space, writer.len);
    names_put_parse(session, slice_of_text(made), slice_of("", 0), slice_of("", 0));
    names_put_parse(session, slice_of("", 0), slice_of_text(text), slice_of("", 0));
    session->server->unnamed_statement = 0;
    for (unsigned i = 0; i < ARRAY_COUNT(requests); i++)
        ASSERT(owed_push(&session->owed, requests[i], OWED_DISCARD) != NULL);
    put_bind(session, bind, slice_of("", 0));
    struct owed_entry *entry = owed_push(&session->owed, 'B', OWED_FORWARD);
    ASSERT(entry != NULL);
    entry->name = mem_text_n(name.data, name.len);
    entry->settings = SETTINGS_UNKNOWN;
    names_take(known, entry);
    return true;
}

/* True if the client is told that the statement has another prototype than when it was prepared. */
static bool refuse_changed(struct session *session, uint64_t id, const struct prototype *told,
                           bool describes)
{
    struct buf text = {0};
    if (!names_changed(session, id, told, describes, &text))
        return false;
    forward_refuse_with(session, &text);
    return true;
}

/* The statement that a Bind or a Describe names; *named is NULL for the unnamed one. False: there is none,
 * and the client has its error. */
static bool find_statement(struct session *session, struct slice name,
                           struct client_statement **named, struct query *query)
{
    *named = name.len ? table_get(&session->statements, name) : NULL;
    if (*named) {
        *query = forward_query_of((*named)->statement);
    } else if (name.len) {
        forward_refuse(session, "26000", "prepared statement \"", name, "\" does not exist");
        return false;
    } else if (!session->unnamed_id) {
        forward_refuse(session, "26000", "unnamed prepared statement does not exist",
                       slice_of("", 0), "");
        return false;
    } else {
        unnamed_query_of(session, query);
    }
    return true;
}

/* What executing the portal may do; returns the verdict's effects. */
static unsigned bind_effects(struct session *session, const struct pgwire_bind *bind,
                             const struct query *query, bool named)
{
    const struct verdict *verdict = lookup_verdict(session, query);
    bool harmless = verdict_is_harmless(verdict);
    struct setting_changes *changes = NULL;
    struct verdict tracked;
    if (UNLIKELY(verdict->effects & EFFECT_TRACK) && !bind->portal.len)
        verdict = settings_track(session, query, named, verdict, &tracked, &changes);
    if (named && session->unit.names)
        names_settle_unnamed(session);
    unsigned effects = verdict->effects;
    restore_bind(session, query, session_slice(bind->portal), verdict);
    forward_effects(session, query, verdict);
    note_portal(session, session_slice(bind->portal), harmless);
    if (!bind->portal.len)
        set_bound_changes(session, changes);
    return effects;
}

/* True if the statement was not prepared, or not judged by Postgres, under what holds now. */
static bool bind_moves(const struct session *session, const struct client_statement *named,
                       uint64_t settings)
{
    uint64_t version = named ? named->version : session->unnamed_version;
    uint64_t judged = named ? named->settings : session->unnamed_settings;
    return (named ? named->moved : session->unnamed_moved) || settings == SETTINGS_UNKNOWN ||
           judged != settings || version != realm_wanted(session->database->realm);
}

/* What the backend's answer will say of the client's name: it was judged, now. */
static void owe_bind(struct session *session, const struct client_statement *named,
                     struct slice name, uint64_t settings)
{
    struct owed_entry *entry = owed_push(&session->owed, 'B', OWED_FORWARD);
    ASSERT(entry != NULL);
    uint64_t wanted = realm_wanted(session->database->realm);
    entry->version = wanted;
    entry->settings = settings;
    entry->on_server = named && !named->own ? named->statement->id : 0;
    bool known = settings != SETTINGS_UNKNOWN;
    if (named && (named->version != wanted || !known || named->settings != settings))
        entry->name = mem_text_n(name.data, name.len);
    else if (!named && (session->unnamed_version != wanted || !known ||
                        session->unnamed_settings != settings))
        entry->unnamed = true;
}

void forward_bind(struct session *session, const struct pgwire_frame *frame, const uint8_t *data)
{
    struct pgwire_bind bind;
    if (pgwire_read_bind(frame->body, frame->body_len, &bind) != PGWIRE_OK) {
        forward_malformed(session, frame, data);
        return;
    }
    counter_add(&session->stats->bind_count, 1);
    struct slice name = session_slice(bind.statement);
    if (name.len && names_may_be_sql(session) && !table_get(&session->statements, name)) {
        forward_sql_bind(session, &bind, frame, data);
        return;
    }
    struct query query = {0};
    struct client_statement *named;
    if (!find_statement(session, name, &named, &query))
        return;
    if (forward_is_here(session, &query)) {
        struct owed_entry *answer;
        local_answer_bind(session, &bind, &query);
        names_answer_here(session, 'B', '2', &answer);
        return;
    }
    local_answer_forget(session, session_slice(bind.portal));
    uint64_t id = named ? named->statement->id : session->unnamed_id;
    if (refuse_changed(session, id, NULL, false))
        return;
    if (query.scanned)
        local_see(session, query.canonical);
    if (named && !named->own)
        names_ensure(session, named, name);
    else if (!named)
        names_ensure_unnamed(session);
    if (named && named->statement->notices)
        fill_spoil(session, REASON_ANSWER); /* a hit may be for a Parse as well */
    query.arguments = session_slice(bind.arguments);
    uint64_t settings = session_parse_settings(session);
    if (bind_moves(session, named, settings))
        (void)names_types(named ? named->prototype : session->unnamed_prototype, &query);
    unsigned effects = bind_effects(session, &bind, &query, named != NULL);
    if (UNLIKELY(effects & EFFECT_NAMES) && named && !named->own)
        names_ensure(session, named, name); /* the backend was made to forget it: own_names.c */
    if (UNLIKELY(effects & EFFECT_DEALLOCATE) && bind_deallocates(session, &bind, &query))
        return;
    char shared[STATEMENT_NAME_MAX];
    if (named && !named->own)
        put_bind(session, &bind, names_at_server(id, shared));
    else
        forward_put(session, data, frame->len);
    owe_bind(session, named, name, settings);
}

/* Close of a named statement: the backends keep what is shared. */
static void forward_close(struct session *session, struct slice name,
                          const struct pgwire_frame *frame, const uint8_t *data)
{
    struct owed_entry *entry;
    struct client_statement *known = table_remove(&session->statements, name);
    bool own = known ? known->own : names_may_be_sql(session);
    if (known && !known->own && !known->statement->shared)
        names_close(session, known->statement->id);
    if (own) {
        forward_put(session, data, frame->len);
        entry = owed_push(&session->owed, 'C', OWED_FORWARD);
        ASSERT(entry != NULL);
    } else {
        names_answer_here(session, 'C', '3', &entry);
    }
    if (!known)
        return;
    entry->name = mem_text_n(name.data, name.len);
    names_take(known, entry);
}

/* Describe of a statement. */
static void forward_describe(struct session *session, struct slice name,
                             const struct pgwire_frame *frame, const uint8_t *data)
{
    struct owed_entry *entry;
    struct client_statement *known = name.len ? table_get(&session->statements, name) : NULL;
    struct query query;
    if (known ? known->own : name.len && names_may_be_sql(session)) {
        forward_put(session, data, frame->len);
        ASSERT(owed_push(&session->owed, 'D', OWED_FORWARD) != NULL);
        return;
    }
    if (!find_statement(session, name, &known, &query))
        return;
    uint64_t id = known ? known->statement->id : session->unnamed_id;
    struct prototype *prototype = known ? known->prototype : session->unnamed_prototype;
    if (refuse_changed(session, id, prototype, true))
        return;
    struct buf text = {0};
    if (names_describe(prototype, &text)) {
        forward_answer_here(session, 'D', &text);
        return;
    }
    if (known) {
        names_ensure(session, known, name);
        names_put_describe(session, id);
        entry = owed_push(&session->owed, 'D', OWED_FORWARD);
        ASSERT(entry != NULL);
        entry->on_server = id;
        return;
    }
    names_ensure_unnamed(session);
    forward_put(session, data, frame->len);
    entry = owed_push(&session->owed, 'D', OWED_FORWARD);
    ASSERT(entry != NULL);
    entry->learns = true;
    entry->version = id;
}

/* Describe and Close, of statements and portals. */
void forward_target(struct session *session, const struct pgwire_frame *frame, const uint8_t *data)
{
    struct pgwire_target target;
    if (pgwire_read_target(frame->body, frame->body_len, &target) != PGWIRE_OK) {
        forward_malformed(session, frame, data);
        return;
    }
    struct slice name = session_slice(target.name);
    if (target_here(session, frame->type, &target))
        return;
    if (target.kind == 'S' && name.len && frame->type == 'C') {
        forward_close(session, name, frame, data);
        return;
    }
    if (target.kind == 'S' && frame->type == 'D') {
        forward_describe(session, name, frame, data);
        return;
    }
    if (target.kind == 'S') {
        session->unnamed_id = 0;
        session->server->unnamed_statement = 0;
    } else if (frame->type == 'C' && name.len) {
        table_remove(&session->portals, name);
    }
    forward_put(session, data, frame->len);
    ASSERT(owed_push(&session->owed, frame->type, OWED_FORWARD) != NULL);
}

void forward_execute(struct session *session, const struct pgwire_frame *frame, const uint8_t *data)
{
    struct pgwire_execute execute;
    if (pgwire_read_execute(frame->body, frame->body_len, &execute) != PGWIRE_OK) {
        forward_malformed(session, frame, data);
        return;
    }
    if (local_answer_has(session, session_slice(execute.portal))) {
        struct buf text = {0};
        if (local_answer_execute(session, &text))
            forward_answer_here(session, 'E', &text);
        else
            forward_refuse_with(session, &text);
        counter_add(&session->stats->query_count, 1);
        return;
    }
    if (!portal_is_known(session, session_slice(execute.portal)))
        forward_unknown_effects(session);
    if (execute.row_max)
        fill_spoil(session, REASON_ROW_LIMIT);
    forward_put(session, data, frame->len);
    struct owed_entry *entry = owed_push(&session->owed, 'E', OWED_FORWARD);
    ASSERT(entry != NULL);
    if (!execute.portal.len) {
        entry->changes = session->unit.bound_changes;
        session->unit.bound_changes = NULL;
    }
    restore_execute(session, session_slice(execute.portal));
    counter_add(&session->stats->query_count, 1);
}
