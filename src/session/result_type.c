/* Prepared statements whose result changes by DDL, as far as the client must not notice that it has
 * more than one backend.
 *
 * Postgres refuses a statement whose result has other columns than when it was prepared ("cached plan
 * must not change result type"), and a client that has been told the columns once relies on that. A
 * backend that parses the text only now knows nothing of the old columns. So each client learns what they
 * are when it prepares a statement, and a backend that parses it for a client which prepared it before
 * the latest DDL is asked before anything runs.
 *
 * Source  src/backend/utils/cache/plancache.c, RevalidateCachedQuery; equalTupleDescs: names and types
 *         count, the table that a column comes from does not.
 */
#include "base/mem.h"
#include "session/names.h"

enum { TABLE_LEN = 6 /* OID, column */, TYPE_LEN = 10 /* OID, length, modifier */, FORMAT_LEN = 2 };

static void put_target(struct session *session, uint8_t type, uint64_t id)
{
    char name[STATEMENT_NAME_MAX];
    uint8_t space[STATEMENT_NAME_MAX + 16];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    pgwire_write_target(&writer, type, 'S', session_wire(names_at_server(id, name)));
    ASSERT(!writer.overflow);
    buf_append(&session->host->compose, space, writer.len);
}

void names_learn(struct session *session, struct statement *statement, struct slice name)
{
    put_target(session, 'D', statement->id);
    struct owed_entry *entry = owed_push(&session->owed, 'D', OWED_DISCARD);
    ASSERT(entry != NULL);
    entry->learns = true;
    entry->name = mem_text_n(name.data, name.len);
    entry->statement = statement_ref(statement);
}

/* Never 0; 0 for a RowDescription that is not understood. */
static uint64_t hash_of(const struct pgwire_frame *frame)
{
    struct buf kept = {0};
    size_t at = 2;
    bool fine = frame->type == 'n' || frame->body_len >= 2;
    while (fine && frame->type == 'T' && at < frame->body_len) {
        const uint8_t *end = memchr(frame->body + at, 0, frame->body_len - at);
        size_t name_len = end ? (size_t)(end - (frame->body + at)) + 1 : 0;
        fine = end && frame->body_len - at - name_len >= TABLE_LEN + TYPE_LEN + FORMAT_LEN;
        if (!fine)
            break;
        buf_append(&kept, frame->body + at, name_len);
        at += name_len + TABLE_LEN;
        buf_append(&kept, frame->body + at, TYPE_LEN);
        at += TYPE_LEN + FORMAT_LEN;
    }
    buf_append(&kept, &frame->type, 1);
    uint64_t hash = fine ? hash64_of(buf_head(&kept), buf_len(&kept)) | 1 : 0;
    buf_fini(&kept);
    return hash;
}

void names_learned(struct session *session, const struct owed_entry *entry,
                   const struct pgwire_frame *frame)
{
    struct client_statement *known = table_get(&session->statements, slice_of_text(entry->name));
    uint64_t hash = hash_of(frame);
    statements_set_result(session->server->statements, entry->statement->id, hash);
    if (!hash || !known || known->statement != entry->statement)
        return;
    if (!known->result_hash)
        known->result_hash = hash;
    else if (known->result_hash != hash)
        session->unit.changed_id = entry->statement->id;
}

bool names_must_look(struct session *session, const struct pgwire_frame *frame)
{
    struct slice name;
    struct pgwire_bind bind;
    struct pgwire_target target;
    if (frame->type == 'B' && pgwire_read_bind(frame->body, frame->body_len, &bind) == PGWIRE_OK)
        name = session_slice(bind.statement);
    else if (frame->type == 'D' &&
             pgwire_read_target(frame->body, frame->body_len, &target) == PGWIRE_OK &&
             target.kind == 'S')
        name = session_slice(target.name);
    else
        return false;
    const struct client_statement *known = name.len ? table_get(&session->statements, name) : NULL;
    bool judged = known && known->version == realm_wanted(session->database->realm) &&
                  known->settings == session_parse_settings(session);
    if (!known || known->own || judged || session->status == 'E' || !known->result_hash ||
        statements_touch(session->server->statements, known->statement->id))
        return false;
    names_ensure(session, known->statement);
    names_learn(session, known->statement, name);
    return true;
}

bool names_result_changed(struct session *session, const struct statement *statement)
{
    if (LIKELY(session->unit.changed_id != statement->id))
        return false;
    session->unit.changed_id = 0;
    statements_remove(session->server->statements, statement->id);
    put_target(session, 'C', statement->id);
    struct owed_entry *entry = owed_push(&session->owed, 'C', OWED_DISCARD);
    ASSERT(entry != NULL);
    entry->version = statement->id;
    return true;
}
