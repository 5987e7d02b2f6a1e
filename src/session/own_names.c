/* Sessions that speak of prepared statements in SQL: PREPARE, EXECUTE, pg_prepared_statements.
 *
 * At the backends protocol statements have names of ours, shared by all sessions; SQL would see those.
 * So before the first such statement the backend, which the session keeps from then on, forgets what
 * it knows, and learns the session's statements under the client's own names. From there on names
 * pass as they are, and Postgres judges them: what exists, what is twice, what is unknown.
 *
 * It ends with DISCARD ALL or DEALLOCATE ALL, or with the backend.
 */
#include "session/names.h"

#include "base/mem.h"

enum {
    OWN_STATEMENTS_MAX = 4096 /* more are not taken along: then the client's names stay ours */
};

static void put_deallocate_all(struct session *session)
{
    static const char all[] = "DEALLOCATE ALL";
    static const char name[] = "pgrecall_own";
    struct pgwire_slice own = {.data = (const uint8_t *)name, .len = sizeof(name) - 1};
    struct pgwire_slice none = {.data = (const uint8_t *)"\0\0\0\0\0\0", .len = 6};
    uint8_t space[128];
    names_put_parse(session, slice_of_text(name), slice_of_text(all), slice_of("", 0));
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    pgwire_write_bind(&writer, own, own, none);
    pgwire_write_execute(&writer, own, 0);
    pgwire_write_target(&writer, 'C', 'P', own);
    ASSERT(!writer.overflow);
    buf_append(&session->host->compose, space, writer.len);
    static const uint8_t requests[] = {'P', 'B', 'E', 'C'};
    for (unsigned i = 0; i < sizeof(requests); i++) {
        struct owed_entry *entry = owed_push(&session->owed, requests[i], OWED_DISCARD);
        ASSERT(entry != NULL);
        if (requests[i] == 'E')
            entry->forgotten = statements_take(session->server->statements);
    }
}

/* Ends what the backend has not read behind it: of a Query, which would be skipped if it failed. */
static void put_sync(struct session *session)
{
    static const uint8_t sync[] = {'S', 0, 0, 0, 4};
    buf_append(&session->host->compose, sync, sizeof(sync));
    ASSERT(owed_push(&session->owed, 'S', OWED_DISCARD) != NULL);
}

/* True if the Parse may fail: DDL has passed, or names and constants are read in another way by now. */
static bool is_doubtful(const struct session *session, const struct client_statement *known)
{
    return known->version != realm_wanted(session->database->realm) ||
           !session_parses_by(session, known->settings);
}

void names_not_owned(struct session *session, const struct owed_entry *entry)
{
    if (entry->name) {
        struct client_statement *known =
            table_get(&session->statements, slice_of_text(entry->name));
        if (known)
            known->own = false;
        return;
    }
    session->own_names = false;
    statements_put_back(session->server->statements, entry->forgotten);
}

void names_own(struct session *session)
{
    if (session->own_names || session->status == 'E' || session->unit.failed ||
        session->statements.count > OWN_STATEMENTS_MAX ||
        session->owed.count + 2 * session->statements.count > OWED_MAX - 2 * FORWARD_OWED_ROOM)
        return;
    session->own_names = true;
    session->sql_prepared.unsure |= session->statements.count > 0;
    put_deallocate_all(session);
    bool extended = session->unit.extended;
    bool may_fail =
        !extended && (session->status == 'I' || transaction_is_ours(&session->transaction));
    size_t at = 0;
    struct client_statement *known;
    while ((known = table_next(&session->statements, &at)) != NULL) {
        const struct table_slot *slot = &session->statements.slots[at - 1];
        bool doubtful = is_doubtful(session, known);
        if (doubtful && !may_fail)
            continue; /* an error here would be ours */
        if (doubtful)
            put_sync(session);
        known->own = true;
        names_put_parse(session, slice_of(slot->key, slot->key_len), known->statement->query,
                        known->prototype ? known->prototype->types : known->statement->types);
        struct owed_entry *entry = owed_push(&session->owed, 'P', OWED_DISCARD);
        ASSERT(entry != NULL);
        entry->name = mem_text_n((const uint8_t *)slot->key, slot->key_len);
        if (doubtful)
            put_sync(session);
    }
    if (!extended)
        put_sync(session);
}
