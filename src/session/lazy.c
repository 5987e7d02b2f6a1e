#include "session/lazy.h"

#include <strings.h>

#include "base/mem.h"
#include "session/message.h"
#include "session/names.h"

enum { MESSAGE_EXTRA = 64, ANSWER_MAX = 64 };

/* ---- what can be answered here ---- */

/* A byte that is not ASCII, in a comment, may be one that Postgres refuses. */
static bool is_ascii(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] & 0x80)
            return false;
    return true;
}

static bool is_primary(const struct session *session)
{
    struct slice standby;
    return profile_facts_param(session->facts, "in_hot_standby", &standby) &&
           slice_is(standby, "off");
}

static bool may_begin(const struct session *session, const struct block_text *block,
                      const struct query *query)
{
    return session->status == 'I' && session->pin == PIN_NONE && !session->own_names &&
           query->text.len <= TRANSACTION_BEGIN_MAX && is_ascii(query->text) &&
           !session->facts->lexing_unsafe && !session->strings_unsafe &&
           !session->encoding_unsafe && pool_mode_of(session->pool) != POOL_MODE_STATEMENT &&
           !session->host->draining && (!block->primary_only || is_primary(session));
}

/* Reads `query`; true if what it asks for can be done without Postgres. */
static bool is_ours(const struct session *session, const struct query *query,
                    struct block_text *out)
{
    if (!query->scanned ||
        (query->scan_flags & (SCAN_DOUBT | SCAN_SEVERAL | SCAN_EMPTY | SCAN_HINT)) ||
        !block_text_read(query->canonical, out))
        return false;
    if (out->request == BLOCK_BEGIN)
        return may_begin(session, out, query);
    if (session->transaction.state == TRANSACTION_FAILED)
        out->tag = "ROLLBACK"; /* as Postgres says to COMMIT of a failed block */
    return transaction_is_ours(&session->transaction) && is_ascii(query->text);
}

static void do_block(struct session *session, const struct block_text *block, struct slice text)
{
    counter_add(&session->stats->query_count, 1);
    if (block->request == BLOCK_BEGIN) {
        transaction_defer(&session->transaction, text, block->isolation);
        session->status = 'T';
        return;
    }
    session->local.rolled_back =
        block->request == BLOCK_ROLLBACK || session->transaction.state == TRANSACTION_FAILED;
    transaction_forget(&session->transaction);
    local_unit_done(session, 'I');
    session->status = 'I';
    counter_add(&session->stats->xact_count, 1);
}

static void answer(struct session *session, const uint8_t *data, size_t len)
{
    stream_queue(&session->stream, data, len);
    counter_add(&session->stats->sent, len);
}

bool lazy_answer_query(struct session *session, const struct query *query, bool more)
{
    struct block_text block;
    if (LIKELY(!block_text_may_be(query->canonical)) || !is_ours(session, query, &block))
        return false;
    do_block(session, &block, query->text);
    session->unnamed_id = 0;
    uint8_t space[ANSWER_MAX];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    pgwire_write_complete(&writer, block.tag);
    pgwire_write_ready(&writer, session->status);
    ASSERT(!writer.overflow);
    answer(session, space, writer.len);
    if (!more)
        stream_flush(&session->stream);
    return true;
}

/* ---- extended ---- */

/* [Parse] Bind [Describe portal] Execute at the head of a batch. */
struct group {
    struct pgwire_parse parse;
    struct pgwire_bind bind;
    bool with_parse;
    bool with_describe;
    unsigned count;
};

static bool read_group(const struct message *messages, unsigned count, struct group *out)
{
    struct pgwire_target target;
    struct pgwire_execute execute;
    unsigned at = 0;
    *out = (struct group){0};
    if (at < count && messages[at].type == 'P') {
        const struct pgwire_frame *frame = &messages[at].frame;
        if (pgwire_read_parse(frame->body, frame->body_len, &out->parse) != PGWIRE_OK ||
            out->parse.types.len)
            return false;
        out->with_parse = true;
        at++;
    }
    if (at >= count || messages[at].type != 'B' ||
        pgwire_read_bind(messages[at].frame.body, messages[at].frame.body_len, &out->bind) !=
            PGWIRE_OK ||
        out->bind.portal.len || out->bind.param_count || out->bind.param_format_count > 1)
        return false;
    at++;
    if (at < count && messages[at].type == 'D') {
        const struct pgwire_frame *frame = &messages[at].frame;
        if (pgwire_read_target(frame->body, frame->body_len, &target) != PGWIRE_OK ||
            target.kind != 'P' || target.name.len)
            return false;
        out->with_describe = true;
        at++;
    }
    if (at >= count || messages[at].type != 'E' ||
        pgwire_read_execute(messages[at].frame.body, messages[at].frame.body_len, &execute) !=
            PGWIRE_OK ||
        execute.portal.len)
        return false;
    out->count = at + 1;
    return true;
}

/* The statement that a group executes; false if Postgres has to judge the group. The canonical text
 * may lie in the host's scratch memory. */
static bool group_query(struct session *session, const struct group *group, struct query *out)
{
    struct slice name = session_slice(group->bind.statement);
    if (group->with_parse) {
        if (!slice_equal(name, session_slice(group->parse.name)) ||
            (name.len && (table_get(&session->statements, name) ||
                          session->statements.count >= SESSION_STATEMENTS_MAX)))
            return false;
        out->text = session_slice(group->parse.query);
        if (out->text.len > TRANSACTION_BEGIN_MAX)
            return false;
        query_scan(session->host, out);
        return true;
    }
    if (!name.len) {
        if (!session->unnamed_id)
            return false;
        unnamed_query_of(session, out);
    } else {
        const struct client_statement *known = table_get(&session->statements, name);
        if (!known)
            return false;
        out->text = known->statement->query;
        out->types = known->statement->types;
        out->canonical = known->statement->canonical;
        out->scan_flags = known->statement->scan_flags;
        out->scanned = known->statement->scanned;
    }
    return !out->types.len;
}

bool lazy_statement_of(struct session *session, const struct message *messages, unsigned count,
                       struct query *out)
{
    struct group group;
    *out = (struct query){0};
    return read_group(messages, count, &group) && group.count + 1 == count &&
           group_query(session, &group, out);
}

/* What the Parse leaves behind. */
static void keep_statement(struct session *session, const struct pgwire_parse *parse)
{
    counter_add(&session->stats->client_parse_count, 1);
    if (!parse->name.len) {
        session_set_unnamed(session, session_slice(parse->query), session_slice(parse->types));
        return;
    }
    uint64_t version = realm_wanted(session->database->realm);
    struct client_statement *known = mem_zero(1, sizeof(*known));
    known->statement =
        statement_get(session_slice(parse->query), session_slice(parse->types), version,
                      session_parse_settings(session), session->host->scratch);
    known->version = version;
    known->settings = session_parse_settings(session);
    known->prototype = prototype_get(slice_of("", 0), PROTOTYPE_NO_COLUMNS);
    table_put(&session->statements, session_slice(parse->name), known);
}

unsigned lazy_answer_batch(struct session *session, const struct message *messages, unsigned count)
{
    static const uint8_t parsed[] = {'1', 0, 0, 0, 4}, bound[] = {'2', 0, 0, 0, 4},
                         described[] = {'n', 0, 0, 0, 4};
    if (session->status != 'I' && !transaction_is_ours(&session->transaction))
        return 0;
    struct group group;
    struct query query = {0};
    struct block_text block;
    if (!read_group(messages, count, &group) || !group_query(session, &group, &query) ||
        !is_ours(session, &query, &block))
        return 0;
    do_block(session, &block, query.text);
    if (group.with_parse)
        keep_statement(session, &group.parse);
    counter_add(&session->stats->bind_count, 1);
    uint8_t space[ANSWER_MAX];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    if (group.with_parse)
        pgwire_put_bytes(&writer, parsed, sizeof(parsed));
    pgwire_put_bytes(&writer, bound, sizeof(bound));
    if (group.with_describe)
        pgwire_put_bytes(&writer, described, sizeof(described));
    pgwire_write_complete(&writer, block.tag);
    ASSERT(!writer.overflow);
    answer(session, space, writer.len);
    return group.count;
}

/* ---- the deferred BEGIN ---- */

/* Parse, Bind and Execute of a statement of ours, whose answers are swallowed. */
static void send_statement(struct session *session, struct slice text)
{
    struct slice none = slice_of("", 0);
    static const uint8_t requests[] = {'P', 'B', 'E'};
    uint8_t *at = buf_reserve(&session->host->compose, text.len + 3 * MESSAGE_EXTRA);
    struct pgwire_writer writer = pgwire_writer_of(at, text.len + 3 * MESSAGE_EXTRA);
    static const uint8_t bare[6] = {0}; /* no formats, no values, no result formats */
    pgwire_write_parse(&writer, session_wire(none), session_wire(text), session_wire(none));
    pgwire_write_bind(&writer, session_wire(none), session_wire(none),
                      (struct pgwire_slice){.data = bare, .len = sizeof(bare)});
    pgwire_write_execute(&writer, session_wire(none), 0);
    ASSERT(!writer.overflow);
    buf_added(&session->host->compose, writer.len);
    for (unsigned i = 0; i < ARRAY_COUNT(requests); i++) {
        struct owed_entry *entry = owed_push(&session->owed, requests[i], OWED_DISCARD);
        ASSERT(entry != NULL);
        entry->begins = true;
    }
    session->server->unnamed_statement = 0;
}

/* True if the first statement of the text is one for which Postgres takes a snapshot, or an error. */
static bool is_query(struct slice text)
{
    static const char *const verbs[] = {"select", "insert", "update", "delete", "merge",
                                        "values", "table",  "with",   "explain"};
    for (unsigned i = 0; i < ARRAY_COUNT(verbs); i++) {
        size_t len = strlen(verbs[i]);
        if (text.len > len && (text.data[len] == ' ' || text.data[len] == '\n') &&
            strncasecmp((const char *)text.data, verbs[i], len) == 0)
            return true;
    }
    return false;
}

void lazy_send_begin(struct session *session, struct slice next)
{
    struct transaction *transaction = &session->transaction;
    bool hidden = transaction->hit && !is_query(next);
    send_statement(session, slice_of(buf_head(&transaction->begin), buf_len(&transaction->begin)));
    if (hidden)
        send_statement(session, slice_of_text("SELECT"));
    transaction_materialise(transaction);
}

/* What the message executes or has executed, empty where that is not known. */
static struct slice text_of(const struct session *session, const struct pgwire_frame *frame)
{
    struct pgwire_parse parse;
    struct pgwire_bind bind;
    struct pgwire_slice text;
    struct slice next = slice_of("", 0);
    if (frame->type == 'Q' && pgwire_read_text(frame->body, frame->body_len, &text) == PGWIRE_OK) {
        next = session_slice(text);
    } else if (frame->type == 'P' &&
               pgwire_read_parse(frame->body, frame->body_len, &parse) == PGWIRE_OK &&
               !parse.name.len) {
        next = session_slice(parse.query);
    } else if (frame->type == 'B' &&
               pgwire_read_bind(frame->body, frame->body_len, &bind) == PGWIRE_OK) {
        const struct client_statement *known =
            table_get(&session->statements, session_slice(bind.statement));
        if (known)
            next = known->statement->query;
    }
    return next;
}

void lazy_send_begin_before(struct session *session, const struct pgwire_frame *frame)
{
    lazy_send_begin(session, text_of(session, frame));
}

void lazy_parse_answered(struct session *session, const struct statement *statement)
{
    session->transaction.owes_snapshot |= is_query(statement->canonical);
}

void lazy_send_snapshot_before(struct session *session, const struct pgwire_frame *frame)
{
    if (frame->type != 'P' && frame->type != 'B' && frame->type != 'Q')
        return;
    bool query = is_query(text_of(session, frame));
    if (frame->type == 'P' && query)
        return; /* it may be answered here as well */
    if (!query) {
        names_put_parse(session, slice_of("", 0), slice_of_text("SELECT"), slice_of("", 0));
        struct owed_entry *entry = owed_push(&session->owed, 'P', OWED_DISCARD);
        ASSERT(entry != NULL);
        entry->begins = true; /* a Query behind it has no Sync */
        session->server->unnamed_statement = 0;
    }
    session->transaction.owes_snapshot = false;
}

/* A Describe of a name that cannot exist is an error that costs Postgres nothing. */
void lazy_send_failed_block(struct session *session)
{
    static const uint8_t missing[] = "pgrecall_no_such";
    struct slice query = slice_of_text("SELECT"); /* as good as any: nothing behind it is done */
    lazy_send_begin(session, query);
    uint8_t *at = buf_reserve(&session->host->compose, MESSAGE_EXTRA);
    struct pgwire_writer writer = pgwire_writer_of(at, MESSAGE_EXTRA);
    pgwire_write_target(&writer, 'D', 'S',
                        (struct pgwire_slice){.data = missing, .len = sizeof(missing) - 1});
    pgwire_write_empty(&writer, 'S');
    ASSERT(!writer.overflow);
    buf_added(&session->host->compose, writer.len);
    ASSERT(owed_push(&session->owed, 'D', OWED_DISCARD) != NULL);
    struct owed_entry *end = owed_push(&session->owed, 'S', OWED_DISCARD);
    ASSERT(end != NULL);
    end->fails = true;
    session->unit.held = true;
}

void lazy_begin_failed(struct session *session)
{
    static const uint8_t sync[] = {'S', 0, 0, 0, 4};
    struct unit *unit = &session->unit;
    if (unit->extended || session->owed.count)
        return; /* the client's own Sync ends it */
    if (unit->pass_left) {
        /* In the middle of a long Query. */
        session_drop_server(session);
        session_fail(session, "08006", "the transaction could not be started", NULL);
        return;
    }
    unit->failed = unit->open = false;
    stream_write(&session->server->stream, sync, sizeof(sync));
    ASSERT(owed_push(&session->owed, 'S', OWED_FORWARD) != NULL);
}
