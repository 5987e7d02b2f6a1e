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

static void put_close(struct session *session, uint64_t id)
{
    char name[STATEMENT_NAME_MAX];
    uint8_t space[STATEMENT_NAME_MAX + MESSAGE_EXTRA];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    pgwire_write_target(&writer, 'C', 'S', session_wire(names_at_server(id, name)));
    put(session, space, writer.len);
    struct owed_entry *entry = owed_push(&session->owed, 'C', OWED_DISCARD);
    ASSERT(entry != NULL);
    entry->version = id;
}

/* Notes that the backend will have `statement`; closes what falls off the end of its list. */
void names_server_gets(struct session *session, struct statement *statement)
{
    if (session_has_own_settings(
            session)) { /* it might have to be parsed again, under other settings */
        statements_restore(session->server->statements, statement->id);
        return;
    }
    uint64_t evicted = statements_add(session->server->statements, statement->id);
    if (evicted)
        put_close(session, evicted);
}

/* A statement with constants is parsed between SET LOCAL and the end of its block: nobody else may
 * get it, and no other backend could be given the same. */
void names_keep_backend(struct session *session, const struct statement *statement)
{
    if (!statement->folds || !session_constants_may_change(session))
        return;
    session->unit.effects |= EFFECT_PIN;
    if (session->unit.pin == PIN_NONE)
        session->unit.pin = PIN_PREPARED;
}

/* Appends a Parse that the client did not ask for. */
static void parse_unasked(struct session *session, struct statement *statement)
{
    char name[STATEMENT_NAME_MAX];
    names_put_parse(session, names_at_server(statement->id, name), statement->query,
                    statement->types);
    struct owed_entry *entry = owed_push(&session->owed, 'P', OWED_DISCARD);
    ASSERT(entry != NULL);
    entry->statement = statement_ref(statement);
}

/* Makes sure that the backend has `statement` under its shared name. */
void names_ensure(struct session *session, struct statement *statement)
{
    if (statements_touch(session->server->statements, statement->id))
        return;
    names_server_gets(session, statement);
    names_keep_backend(session, statement);
    parse_unasked(session, statement);
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
        statements_restore(session->server->statements, statement->id);
        parse_unasked(session, statement);
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
    if (session->server->unnamed_statement == session->unnamed_id)
        return;
    names_put_parse(session, slice_of("", 0),
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
    if (known) {
        known->version = entry->version;
        known->settings = session_parse_settings(session);
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
        again->version = entry->version;
        again->settings = UINT64_MAX; /* Postgres judges again */
        struct client_statement *other =
            table_put(&session->statements, slice_of_text(entry->name), again);
        if (other) {
            statement_unref(other->statement);
            mem_free(other);
        }
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
