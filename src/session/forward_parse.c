/* Parse: the backend gets a statement under a shared name, under the client's own, or has it already.
 */
#include "session/forward.h"
#include "session/lazy.h"
#include "session/names.h"

#include "base/mem.h"

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
    session->sql_prepared.unsure = true;
    struct client_statement *before = table_put(&session->statements, name, known);
    if (before)
        names_destroy(before);
    forward_put(session, data, frame->len);
    struct owed_entry *entry = owed_push(&session->owed, 'P', OWED_FORWARD);
    ASSERT(entry != NULL);
    entry->name = mem_text_n(name.data, name.len);
    entry->statement = statement_ref(known->statement);
}

/* A second statement of a name. Postgres looks at its text before it looks at its name, so it is asked
 * about the text first, as of an unnamed statement. */
static void refuse_twice(struct session *session, const struct pgwire_parse *parse)
{
    names_put_parse(session, slice_of("", 0), session_slice(parse->query),
                    session_slice(parse->types));
    session->server->unnamed_statement = 0;
    ASSERT(owed_push(&session->owed, 'P', OWED_DISCARD) != NULL);
    forward_refuse(session, "42P05", "prepared statement \"", session_slice(parse->name),
                   "\" already exists");
}

/* What the client's new name stands for: shared with all who prepare the same text where its names and
 * constants mean the same. */
static struct client_statement *add_statement(struct session *session, struct slice name,
                                              struct slice text, struct slice types)
{
    struct client_statement *known = mem_zero(1, sizeof(*known));
    known->version = realm_wanted(session->database->realm);
    known->settings = session_parse_settings(session);
    bool own = session_has_own_settings(session) || known->settings == SETTINGS_UNKNOWN;
    uint8_t *scratch = session->host->scratch;
    known->statement = own ? statement_private(text, types, known->version, scratch)
                           : statement_get(text, types, known->version, known->settings, scratch);
    table_put(&session->statements, name, known);
    return known;
}

/* True if the Parse need not reach the backend: it has the statement, and said what it made of it. */
static bool is_there(struct session *session, const struct statement *statement)
{
    struct query query = forward_query_of(statement);
    return forward_is_here(session, &query) ||
           (statements_touch(session->server->statements, statement->id) &&
            statements_prototype(session->server->statements, statement->id));
}

static void forward_named_parse(struct session *session, const struct pgwire_parse *parse,
                                const struct pgwire_frame *frame, const uint8_t *data)
{
    struct slice name = session_slice(parse->name);
    struct query asked = {.text = session_slice(parse->query)};
    const struct client_statement *before = table_get(&session->statements, name);
    bool own_names = session->own_names && (!before || before->own);
    if (own_names)
        query_scan(session->host, &asked);
    if (own_names && session->statements.count < SESSION_STATEMENTS_MAX &&
        !forward_is_here(session, &asked)) {
        forward_own_parse(session, parse, frame, data);
        return;
    }
    if (before) {
        refuse_twice(session, parse);
        return;
    }
    if (session->statements.count >= SESSION_STATEMENTS_MAX) {
        forward_refuse(session, "54000", "too many prepared statements, \"", name,
                       "\" is one more");
        return;
    }
    struct client_statement *known =
        add_statement(session, name, session_slice(parse->query), session_slice(parse->types));
    struct statement *statement = known->statement;
    struct owed_entry *entry;
    bool there = is_there(session, statement);
    if (there && (session->status == 'E' || statement->notices)) {
        /* In a failed block Postgres takes only what ends it. The unnamed statement asks it. */
        names_put_parse(session, slice_of("", 0), statement->query, statement->types);
        session->server->unnamed_statement = 0;
        entry = owed_push(&session->owed, 'P', OWED_FORWARD);
        ASSERT(entry != NULL);
        entry->name = mem_text_n(name.data, name.len);
        known->prototype =
            prototype_ref(statements_prototype(session->server->statements, statement->id));
        return; /* without the statement: the backend keeps what it has */
    }
    if (there) {
        names_answer_here(session, 'P', '1', &entry);
        lazy_parse_answered(session, statement);
        known->prototype =
            prototype_ref(statements_prototype(session->server->statements, statement->id));
    } else {
        names_replace(session, statement);
        char shared[STATEMENT_NAME_MAX];
        names_put_parse(session, names_at_server(statement->id, shared), statement->query,
                        statement->types);
        entry = owed_push(&session->owed, 'P', OWED_FORWARD);
        ASSERT(entry != NULL);
    }
    entry->name = mem_text_n(name.data, name.len);
    entry->statement = statement_ref(statement);
    if (!there)
        names_learn(session, statement, name);
}

void forward_parse(struct session *session, const struct pgwire_frame *frame, const uint8_t *data)
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
    if (forward_is_here(session, &query)) {
        names_answer_here(session, 'P', '1', &entry);
        entry->unnamed = true;
        return;
    }
    forward_put(session, data, frame->len);
    entry = owed_push(&session->owed, 'P', OWED_FORWARD);
    ASSERT(entry != NULL);
    entry->unnamed = true;
    session->server->unnamed_statement = session->unnamed_id;
}
