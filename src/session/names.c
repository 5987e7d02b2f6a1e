/* The names of prepared statements on their way: what a client calls a statement, what the backend
 * calls it, whether the backend at hand has it, and what is undone when a request fails.
 *
 * Messages are appended to the host's compose buffer; the caller sends it.
 */
#include "session/names.h"

#include "base/mem.h"

enum {
    MESSAGE_EXTRA = 64,
    SETTLE_MAX = 1024 /* statements that are parsed before a setting changes */
};

static void put(struct session *session, const void *data, size_t len)
{
    buf_append(&session->host->compose, data, len);
}

struct slice names_at_server(uint64_t id, char out[STATEMENT_NAME_MAX])
{
    return slice_of(out, statement_name(id, out));
}

void names_put_parse(struct session *session, struct slice name, struct slice query,
                     struct slice types)
{
    size_t room = name.len + query.len + types.len + MESSAGE_EXTRA;
    struct pgwire_writer writer =
        pgwire_writer_of(buf_reserve(&session->host->compose, room), room);
    pgwire_write_parse(&writer, session_wire(name), session_wire(query), session_wire(types));
    ASSERT(!writer.overflow);
    buf_added(&session->host->compose, writer.len);
    counter_add(&session->stats->server_parse_count, 1);
}

/* Notes that the backend will have `statement`; closes what falls off the end of its list. */
static void server_gets(struct session *session, struct statement *statement)
{
    if (session_has_own_settings(
            session)) { /* it might have to be parsed again, under other settings */
        statements_restore(session->server->statements, statement->id);
        return;
    }
    uint64_t evicted = statements_add(session->server->statements, statement->id);
    if (evicted)
        names_put_close(session, evicted);
}

/* A statement with constants is parsed between SET LOCAL and the end of its block: nobody else may
 * get it, and no other backend could be given the same. */
static void keep_backend(struct session *session, const struct statement *statement)
{
    if (!statement->folds || !session_constants_may_change(session))
        return;
    session->unit.effects |= EFFECT_PIN;
    if (session->unit.pin == PIN_NONE)
        session->unit.pin = PIN_PREPARED;
}

/* Notes a Parse that the client did not ask for. */
static struct owed_entry *owe_parse(struct session *session, struct buf *before)
{
    struct owed_entry *entry = owed_push(&session->owed, 'P', OWED_DISCARD);
    ASSERT(entry != NULL);
    if (before) {
        entry->text = before->data;
        entry->text_len = (uint32_t)buf_len(before);
    }
    return entry;
}

/* Appends one, with the types that the parameters had when the client prepared it. */
static void parse_unasked(struct session *session, const struct client_statement *known,
                          struct buf *before)
{
    char name[STATEMENT_NAME_MAX];
    struct statement *statement = known->statement;
    names_put_parse(session, names_at_server(statement->id, name), statement->query,
                    known->prototype ? known->prototype->types : statement->types);
    owe_parse(session, before)->statement = statement_ref(statement);
}

void names_replace(struct session *session, struct statement *statement)
{
    names_close(session, statement->id);
    server_gets(session, statement);
    keep_backend(session, statement);
}

void names_close(struct session *session, uint64_t id)
{
    if (!statements_touch(session->server->statements, id))
        return;
    statements_remove(session->server->statements, id);
    names_put_close(session, id);
}

void names_parse_again(struct session *session, struct client_statement *known, struct buf *before)
{
    names_replace(session, known->statement);
    parse_unasked(session, known, before);
}

void names_ensure(struct session *session, struct client_statement *known, struct slice name)
{
    if (statements_touch(session->server->statements, known->statement->id))
        return;
    names_parse_again(session, known, NULL);
    names_learn(session, known->statement, name);
}

/* Before the settings change: the client's statements that have constants are parsed on the backend
 * that it is going to have, under the settings that they were prepared under. After DDL they are left
 * out, because an error here would be ours. */
void names_settle(struct session *session)
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
        const struct table_slot *slot = &session->statements.slots[at - 1];
        statements_restore(session->server->statements, statement->id);
        parse_unasked(session, known, NULL);
        names_learn(session, statement, slice_of(slot->key, slot->key_len));
    }
    if (session->owed.count == before || session->unit.extended)
        return;
    /* A Query would be skipped if one of them failed: they end with a Sync of their own. */
    static const uint8_t sync[] = {'S', 0, 0, 0, 4};
    put(session, sync, sizeof(sync));
    ASSERT(owed_push(&session->owed, 'S', OWED_DISCARD) != NULL);
}

void names_ensure_unnamed(struct session *session)
{
    if (session->server->unnamed_statement != session->unnamed_id)
        names_parse_unnamed(session, NULL);
}

void names_parse_unnamed(struct session *session, struct buf *before)
{
    const struct prototype *prototype = session->unnamed_prototype;
    struct slice query =
        slice_of(buf_head(&session->unnamed_query), buf_len(&session->unnamed_query));
    struct slice types =
        slice_of(buf_head(&session->unnamed_types), buf_len(&session->unnamed_types));
    names_put_parse(session, slice_of("", 0), query, prototype ? prototype->types : types);
    owe_parse(session, before);
    session->server->unnamed_statement = session->unnamed_id;
}

void names_settle_unnamed(struct session *session)
{
    if (!session->unnamed_id || session->unnamed_prototype || session->status == 'E' ||
        session->unnamed_version != realm_wanted(session->database->realm) ||
        session->unit.settled_id == session->unnamed_id)
        return;
    session->unit.settled_id = session->unnamed_id;
    names_ensure_unnamed(session);
    names_learn_unnamed(session);
}

void names_take(struct client_statement *known, struct owed_entry *entry)
{
    entry->statement = known->statement;
    entry->prototype = known->prototype;
    entry->version = known->version;
    mem_free(known);
}

void names_destroy(struct client_statement *known)
{
    statement_unref(known->statement);
    prototype_unref(known->prototype);
    mem_free(known);
}

void names_forget_unnamed(struct session *session)
{
    session->unnamed_id = 0;
    session->unnamed_moved = false;
    prototype_unref(session->unnamed_prototype);
    session->unnamed_prototype = NULL;
}

static void forget_name(struct session *session, struct slice name)
{
    struct client_statement *known = table_remove(&session->statements, name);
    if (known)
        names_destroy(known);
}

/* DDL had passed since the statement was parsed, and Postgres still takes it: hits are back. */
static void bind_succeeded(struct session *session, const struct owed_entry *entry)
{
    if (entry->settings == SETTINGS_UNKNOWN)
        return;
    if (entry->unnamed) {
        session->unnamed_version = entry->version;
        session->unnamed_settings = entry->settings;
        session->unnamed_moved = true;
    }
    if (!entry->name)
        return;
    struct client_statement *known = table_get(&session->statements, slice_of_text(entry->name));
    if (known) {
        known->version = entry->version;
        known->settings = entry->settings;
        known->moved = true;
    }
}

void forward_settle(struct session *session, struct owed_entry *entry, bool failed)
{
    if (!failed) {
        if (entry->request == 'B')
            bind_succeeded(session, entry);
        return;
    }
    struct server_statements *on_server = session->server ? session->server->statements : NULL;
    if (entry->source == OWED_DISCARD && entry->request != 'D' &&
        (entry->name || entry->forgotten)) {
        if (session->server)
            names_not_owned(session, entry);
        return;
    }
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
        if (on_server && entry->version)
            statements_restore(on_server, entry->version);
    } else if ((entry->request == 'C' || entry->request == 'B') && entry->statement) {
        struct client_statement *again = mem_zero(1, sizeof(*again));
        again->statement = statement_ref(entry->statement);
        again->prototype = prototype_ref(entry->prototype);
        again->version = entry->version;
        again->settings = SETTINGS_UNKNOWN; /* Postgres judges again */
        again->moved = true;
        struct client_statement *other =
            table_put(&session->statements, slice_of_text(entry->name), again);
        if (other)
            names_destroy(other);
    }
}

void names_answer_here(struct session *session, uint8_t request, uint8_t answer,
                       struct owed_entry **out)
{
    struct owed_entry *entry = owed_push(&session->owed, request, OWED_LOCAL);
    ASSERT(entry != NULL);
    uint8_t message[5] = {answer, 0, 0, 0, 4};
    entry->text = mem_copy(message, sizeof(message));
    entry->text_len = sizeof(message);
    *out = entry;
}

/* What the client calls the statement with this id; empty if it has dropped it meanwhile. */
static struct slice name_of(const struct session *session, uint64_t id)
{
    size_t at = 0;
    const struct client_statement *known;
    while ((known = table_next(&session->statements, &at)) != NULL) {
        const struct table_slot *slot = &session->statements.slots[at - 1];
        if (known->statement->id == id)
            return slice_of(slot->key, slot->key_len);
    }
    return slice_of("", 0);
}

bool names_in_error(struct session *session, const struct owed_entry *head, const uint8_t *body,
                    size_t body_len)
{
    char space[STATEMENT_NAME_MAX];
    if (!head || !head->on_server || !body_len)
        return false;
    struct slice shared = names_at_server(head->on_server, space);
    const uint8_t *at = memmem(body, body_len, shared.data, shared.len);
    if (!at)
        return false;
    struct slice name = name_of(session, head->on_server);
    struct buf *out = &session->host->compose;
    size_t len = 4 + body_len - shared.len + name.len;
    uint8_t start[5] = {'E', (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                        (uint8_t)len};
    size_t before = (size_t)(at - body);
    buf_clear(out);
    buf_append(out, start, sizeof(start));
    buf_append(out, body, before);
    buf_append(out, name.data, name.len);
    buf_append(out, at + shared.len, body_len - before - shared.len);
    return true;
}
