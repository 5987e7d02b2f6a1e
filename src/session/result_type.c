/* The prototypes of prepared statements (types of parameters, columns of the result), as far as the client must
 * not notice that it has more than one backend, and shares them.
 *
 * Postgres fixes the prototype with Parse. When names come to mean something else, by DDL, by search_path or by
 * the role, it analyses the text again, with the types of then, and refuses it if its result has other
 * columns ("cached plan must not change result type"). A backend that parses the text only now knows
 * nothing of all that. So what each backend made of a statement is asked for behind its Parse, the client
 * keeps what it was when it prepared it, and a backend that has something else, or nothing, gets the text
 * with the types of then and is asked before anything runs:
 *
 *     client's prototype = the backend's      go on: what both have is the same, whatever names meant in between
 *     there is none at the backend        Parse with the client's types, Describe; the message waits
 *     another                             Close, then the same
 *     and after that still another        the client is refused as by the backend that knew the old one
 *
 * Source  src/backend/utils/cache/plancache.c, RevalidateCachedQuery; equalTupleDescs: names and types
 *         count, the table that a column comes from does not. src/backend/tcop/postgres.c,
 *         exec_describe_statement_message: the parameters come before the refusal.
 */
#include "base/mem.h"
#include "session/names.h"

enum { TABLE_LEN = 6 /* OID, column */, TYPE_LEN = 10 /* OID, length, modifier */, FORMAT_LEN = 2 };
enum { COUNT_LEN = 2, OID_LEN = 4 };

static void put_target(struct session *session, uint8_t type, uint64_t id)
{
    char name[STATEMENT_NAME_MAX];
    uint8_t space[STATEMENT_NAME_MAX + 16];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    struct slice at_server = id ? names_at_server(id, name) : slice_of("", 0);
    pgwire_write_target(&writer, type, 'S', session_wire(at_server));
    ASSERT(!writer.overflow);
    buf_append(&session->host->compose, space, writer.len);
}

void names_put_close(struct session *session, uint64_t id)
{
    put_target(session, 'C', id);
    struct owed_entry *entry = owed_push(&session->owed, 'C', OWED_DISCARD);
    ASSERT(entry != NULL);
    entry->version = id;
}

void names_put_describe(struct session *session, uint64_t id)
{
    put_target(session, 'D', id);
}

/* ---- what a backend says ---- */

void names_learn(struct session *session, struct statement *statement, struct slice name)
{
    put_target(session, 'D', statement->id);
    struct owed_entry *entry = owed_push(&session->owed, 'D', OWED_DISCARD);
    ASSERT(entry != NULL);
    entry->learns = true;
    entry->name = mem_text_n(name.data, name.len);
    entry->statement = statement_ref(statement);
}

void names_learn_unnamed(struct session *session)
{
    put_target(session, 'D', 0);
    struct owed_entry *entry = owed_push(&session->owed, 'D', OWED_DISCARD);
    ASSERT(entry != NULL);
    entry->learns = true;
    entry->version = session->unnamed_id;
}

/* False for a RowDescription that is not understood. */
static bool hash_columns(const struct pgwire_frame *frame, uint64_t *out)
{
    struct buf kept = {0};
    size_t at = COUNT_LEN;
    bool fine = frame->body_len >= COUNT_LEN;
    while (fine && at < frame->body_len) {
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
    buf_append(&kept, "", 1); /* a result may have no columns */
    *out = hash64_of(buf_head(&kept), buf_len(&kept)) | 1;
    buf_fini(&kept);
    return fine;
}

static void keep_types(struct owed_entry *entry, const struct pgwire_frame *frame)
{
    if (frame->body_len < COUNT_LEN)
        return;
    mem_free(entry->text);
    entry->text_len = (uint32_t)(frame->body_len - COUNT_LEN);
    entry->text = mem_copy(frame->body + COUNT_LEN, entry->text_len);
}

/* What the client was told at first stays. */
static void compare(struct session *session, struct prototype **has, struct prototype *prototype,
                    uint64_t id)
{
    if (!*has)
        *has = prototype_ref(prototype);
    else if (*has != prototype)
        session->unit.changed_id = id;
}

void names_learned(struct session *session, struct owed_entry *entry,
                   const struct pgwire_frame *frame)
{
    uint64_t columns = PROTOTYPE_NO_COLUMNS;
    if (frame->type == 't')
        keep_types(entry, frame);
    if (frame->type == 't' || !entry->text ||
        (frame->type == 'T' && !hash_columns(frame, &columns)))
        return;
    struct prototype *prototype = prototype_get(slice_of(entry->text, entry->text_len), columns);
    if (entry->statement) {
        struct client_statement *known =
            table_get(&session->statements, slice_of_text(entry->name));
        statements_set_prototype(session->server->statements, entry->statement->id, prototype);
        if (known && known->statement == entry->statement)
            compare(session, &known->prototype, prototype, entry->statement->id);
    } else if (entry->version == session->unnamed_id) {
        compare(session, &session->unnamed_prototype, prototype, entry->version);
    }
    prototype_unref(prototype);
}

/* ---- what the client was told ---- */

static void put_parameters(const struct prototype *prototype, struct buf *out)
{
    size_t count = prototype->types.len / OID_LEN;
    size_t len = 4 + COUNT_LEN + prototype->types.len;
    const uint8_t head[] = {
        't',          (uint8_t)(len >> 24),  (uint8_t)(len >> 16), (uint8_t)(len >> 8),
        (uint8_t)len, (uint8_t)(count >> 8), (uint8_t)count};
    buf_append(out, head, sizeof(head));
    buf_append(out, prototype->types.data, prototype->types.len);
}

bool names_types(const struct prototype *told, struct query *query)
{
    if (told)
        query->types = told->types;
    return told;
}

bool names_describe(const struct prototype *prototype, struct buf *out)
{
    static const uint8_t nothing[] = {'n', 0, 0, 0, 4};
    if (!prototype || prototype->columns != PROTOTYPE_NO_COLUMNS)
        return false;
    put_parameters(prototype, out);
    buf_append(out, nothing, sizeof(nothing));
    return true;
}

bool names_changed(struct session *session, uint64_t id, const struct prototype *told,
                   bool describes, struct buf *out)
{
    if (LIKELY(!session->unit.changed_id || session->unit.changed_id != id))
        return false;
    session->unit.changed_id = 0;
    names_close(session, id);
    if (id == session->unnamed_id)
        session->server->unnamed_statement = 0;
    if (describes && told)
        put_parameters(told, out);
    session_error_bytes(out, "ERROR", "0A000", "cached plan must not change result type", NULL);
    return true;
}

/* ---- a message that has to wait ---- */

/* What a Bind, or a Describe of a statement, is about. */
struct subject {
    bool describes;
    struct slice name;
    struct client_statement *known; /* NULL: the unnamed one */
    struct prototype *prototype;
    uint64_t id;
    bool judged; /* by Postgres, under the catalog and the settings of now */
};

/* False: there is nothing to compare. */
static bool read_subject(struct session *session, const struct pgwire_frame *frame,
                         struct subject *out)
{
    struct pgwire_bind bind;
    struct pgwire_target target;
    *out = (struct subject){0};
    if (frame->type == 'B' && pgwire_read_bind(frame->body, frame->body_len, &bind) == PGWIRE_OK)
        out->name = session_slice(bind.statement);
    else if (frame->type == 'D' &&
             pgwire_read_target(frame->body, frame->body_len, &target) == PGWIRE_OK &&
             target.kind == 'S')
        out->name = session_slice(target.name);
    else
        return false;
    out->describes = frame->type == 'D';
    uint64_t version = session->unnamed_version, settings = session->unnamed_settings;
    if (out->name.len) {
        out->known = table_get(&session->statements, out->name);
        if (!out->known || out->known->own)
            return false;
        out->id = out->known->statement->id;
        out->prototype = out->known->prototype;
        version = out->known->version;
        settings = out->known->settings;
    } else {
        out->id = session->unnamed_id;
        out->prototype = session->unnamed_prototype;
    }
    out->judged =
        version == realm_wanted(session->database->realm) && session_parses_by(session, settings);
    return out->id && out->prototype;
}

static bool is_at_server(const struct session *session, const struct subject *subject)
{
    struct server *server = session->server;
    if (!subject->known)
        return server->unnamed_statement == subject->id;
    return statements_touch(server->statements, subject->id) &&
           statements_prototype(server->statements, subject->id) == subject->prototype;
}

bool names_must_look(struct session *session, const struct pgwire_frame *frame)
{
    struct unit *unit = &session->unit;
    struct subject subject;
    if (session->status == 'E' || !read_subject(session, frame, &subject))
        return false;
    bool looked = unit->looked_id == subject.id;
    unit->looked_id = 0;
    if (looked || is_at_server(session, &subject) ||
        (subject.prototype->columns == PROTOTYPE_NO_COLUMNS &&
         (subject.judged || subject.describes)))
        return false;
    struct buf before = {0};
    if (subject.describes) /* an error of the Parse comes behind what Describe says first */
        put_parameters(subject.prototype, &before);
    if (subject.known) {
        names_parse_again(session, subject.known, &before);
        names_learn(session, subject.known->statement, subject.name);
    } else {
        names_parse_unnamed(session, &before);
        names_learn_unnamed(session);
    }
    unit->looked_id = subject.id;
    return true;
}
