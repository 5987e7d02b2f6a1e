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
    for (unsigned i = 0; i < sizeof(requests); i++)
        ASSERT(owed_push(&session->owed, requests[i], OWED_DISCARD) != NULL);
    statements_clear(session->server->statements);
}

void names_own(struct session *session)
{
    if (session->own_names || session->status == 'E' || session->unit.failed ||
        session->statements.count > OWN_STATEMENTS_MAX ||
        session->owed.count + session->statements.count > OWED_MAX - 2 * FORWARD_OWED_ROOM)
        return;
    session->own_names = true;
    session->sql_prepared.unsure |= session->statements.count > 0;
    put_deallocate_all(session);
    uint64_t wanted = realm_wanted(session->database->realm);
    size_t at = 0;
    struct client_statement *known;
    while ((known = table_next(&session->statements, &at)) != NULL) {
        const struct table_slot *slot = &session->statements.slots[at - 1];
        if (known->version != wanted)
            continue; /* DDL has passed: an error here would be ours */
        known->own = true;
        names_put_parse(session, slice_of(slot->key, slot->key_len), known->statement->query,
                        known->statement->types);
        ASSERT(owed_push(&session->owed, 'P', OWED_DISCARD) != NULL);
    }
    if (session->unit.extended)
        return;
    /* A Query would be skipped if one of them failed: they end with a Sync of their own. */
    static const uint8_t sync[] = {'S', 0, 0, 0, 4};
    buf_append(&session->host->compose, sync, sizeof(sync));
    ASSERT(owed_push(&session->owed, 'S', OWED_DISCARD) != NULL);
}
