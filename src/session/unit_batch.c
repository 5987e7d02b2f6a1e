/* Units of the extended protocol: what drivers send for one statement is looked up like a Query; all
 * else is passed on.
 */
#include "session/ask.h"
#include "session/lazy.h"
#include "session/local_answer.h"
#include "session/message.h"
#include "session/names.h"
#include "session/unit.h"
#include "upstream/statements.h"

void unnamed_query_of(struct session *session, struct query *query)
{
    query->text = slice_of(buf_head(&session->unnamed_query), buf_len(&session->unnamed_query));
    query->types = slice_of(buf_head(&session->unnamed_types), buf_len(&session->unnamed_types));
    query->canonical =
        slice_of(buf_head(&session->unnamed_canonical), buf_len(&session->unnamed_canonical));
    query->shape = session->unnamed_shape;
    query->scan_flags = session->unnamed_flags;
    query->hint = session->unnamed_hint;
    query->scanned = session->unnamed_scanned;
}

void session_set_unnamed(struct session *session, struct slice query, struct slice types)
{
    names_forget_unnamed(session);
    session->unnamed_version = realm_wanted(session->database->realm);
    session->unnamed_settings = session_parse_settings(session);
    session->unnamed_id = statement_next_id();
    if (session->unnamed_scanned &&
        slice_equal(
            query, slice_of(buf_head(&session->unnamed_query), buf_len(&session->unnamed_query))) &&
        slice_equal(types,
                    slice_of(buf_head(&session->unnamed_types), buf_len(&session->unnamed_types))))
        return;
    buf_clear(&session->unnamed_query);
    buf_append(&session->unnamed_query, query.data, query.len);
    buf_clear(&session->unnamed_types);
    buf_append(&session->unnamed_types, types.data, types.len);
    buf_clear(&session->unnamed_canonical);
    struct scan scan;
    session->unnamed_scanned = scan_text(query, session->host->scratch, &scan) == ERR_OK;
    session->unnamed_shape = (struct hash128){0};
    if (!session->unnamed_scanned)
        return;
    session->unnamed_flags = scan.flags;
    session->unnamed_hint =
        slice_of(buf_head(&session->unnamed_query) + scan.hint_at, scan.hint_len);
    session->unnamed_shape = scan_shape(slice_of(scan.canonical, scan.canonical_len));
    buf_append(&session->unnamed_canonical, scan.canonical, scan.canonical_len);
}

/* The statement that a Bind means; false if there is none or DDL has passed since it was parsed. */
static bool bound_query(struct session *session, const struct pgwire_bind *bind,
                        const struct pgwire_parse *parse, struct query *out)
{
    uint64_t wanted = realm_wanted(session->database->realm);
    if (parse) {
        if (bind->statement.len || parse->name.len)
            return false;
        session_set_unnamed(session, session_slice(parse->query), session_slice(parse->types));
        unnamed_query_of(session, out);
    } else if (!bind->statement.len) {
        if (!session->unnamed_id || session->unnamed_version != wanted ||
            !session_parses_by(session, session->unnamed_settings))
            return false;
        unnamed_query_of(session, out);
        if (session->unnamed_moved && !names_types(session->unnamed_prototype, out))
            return false;
    } else {
        const struct client_statement *known =
            table_get(&session->statements, session_slice(bind->statement));
        if (!known || known->version != wanted || !known->statement->shared ||
            !session_parses_by(session, known->settings))
            return false; /* a private one was parsed under other settings than the key's */
        const struct statement *statement = known->statement;
        out->text = statement->query;
        out->types = statement->types;
        out->canonical = statement->canonical;
        out->shape = statement->shape;
        out->scan_flags = statement->scan_flags;
        out->hint = statement->hint;
        out->scanned = statement->scanned;
        if (known->moved && !names_types(known->prototype, out))
            return false;
    }
    out->arguments = session_slice(bind->arguments);
    return true;
}

/* True if the unit is [Parse] Bind [Describe portal] Execute Sync of unnamed portal and all rows:
 * what drivers send for one statement. */
static bool is_one_statement(struct session *session, const struct message *messages,
                             unsigned count, struct query *out)
{
    unsigned at = 0;
    struct pgwire_parse parse;
    struct pgwire_bind bind;
    struct pgwire_target target;
    struct pgwire_execute execute;
    bool with_parse = false;
    if (at < count && messages[at].type == 'P') {
        if (pgwire_read_parse(messages[at].frame.body, messages[at].frame.body_len, &parse) !=
            PGWIRE_OK)
            return false;
        with_parse = true;
        at++;
    }
    if (at >= count || messages[at].type != 'B' ||
        pgwire_read_bind(messages[at].frame.body, messages[at].frame.body_len, &bind) !=
            PGWIRE_OK ||
        bind.portal.len)
        return false;
    at++;
    if (at < count && messages[at].type == 'D') {
        if (pgwire_read_target(messages[at].frame.body, messages[at].frame.body_len, &target) !=
                PGWIRE_OK ||
            target.kind != 'P' || target.name.len)
            return false;
        out->with_describe = true;
        at++;
    }
    if (at + 2 != count || messages[at].type != 'E' || messages[at + 1].type != 'S' ||
        pgwire_read_execute(messages[at].frame.body, messages[at].frame.body_len, &execute) !=
            PGWIRE_OK ||
        execute.portal.len || execute.row_max)
        return false;
    out->extended = true;
    out->with_parse = with_parse;
    return bound_query(session, &bind, with_parse ? &parse : NULL, out);
}

/* Walks the messages of the unit at the head of the input. Returns its length when Sync is there,
 * 0 when more is needed, SIZE_MAX when it has to be passed on before its end is known. */
static size_t walk_unit(struct session *session, const uint8_t *data, size_t len,
                        struct message *messages, unsigned *out_count)
{
    size_t at = 0;
    unsigned count = 0;
    if (session->unit.scanned) {
        at = session->unit.scanned;
        count = SESSION_UNIT_MESSAGES + 1;
    }
    for (;;) {
        struct pgwire_frame frame;
        enum pgwire_status status = pgwire_frame_request(data + at, len - at, &frame);
        if (status == PGWIRE_MORE)
            break;
        if (status != PGWIRE_OK)
            return SIZE_MAX;
        if (frame.type != 'P' && frame.type != 'B' && frame.type != 'D' && frame.type != 'E' &&
            frame.type != 'C' && frame.type != 'S')
            return SIZE_MAX;
        if (len - at < frame.len)
            break;
        if (count < SESSION_UNIT_MESSAGES)
            messages[count] = (struct message){.type = frame.type, .at = at, .frame = frame};
        count++;
        at += frame.len;
        if (frame.type == 'S') {
            *out_count = count;
            return at;
        }
        if (count > SESSION_UNIT_MESSAGES)
            session->unit.scanned = at;
    }
    return len >= conf_current()->options.client_buffer_max_bytes ? SIZE_MAX : 0;
}

/* A batch that begins with BEGIN, or COMMIT of a block that Postgres does not know of: that part is
 * answered here, the rest is a unit of its own. Returns how many bytes are done. */
static size_t answer_block(struct session *session, const struct message *messages, unsigned count)
{
    unsigned answered = lazy_answer_batch(session, messages, count);
    if (!answered)
        return 0;
    counter_add(&session->stats->received, messages[answered].at);
    unit_reset(session);
    session->idle_since_ms = loop_now_ms(session->host->loop);
    return messages[answered].at; /* there is a Sync at least */
}

/* A batch as far as it is looked at before it is passed on. */
struct batch {
    struct message messages[SESSION_UNIT_MESSAGES];
    unsigned count;
    size_t whole;       /* its length, or as walk_unit says */
    bool few;           /* all of it is in messages */
    bool one;           /* it is one statement: */
    struct query query; /* this one */
};

/* False: more bytes are needed. */
static bool read_batch(struct session *session, const uint8_t *data, size_t len, struct batch *out)
{
    out->count = 0;
    out->one = false;
    out->query = (struct query){0};
    out->whole = walk_unit(session, data, len, out->messages, &out->count);
    out->few = out->whole != SIZE_MAX && out->count <= SESSION_UNIT_MESSAGES;
    return out->whole != 0;
}

static bool overtaken_batch_waits(struct session *session, const uint8_t *data, size_t len)
{
    struct batch batch;
    bool one = read_batch(session, data, len, &batch) && batch.few &&
               is_one_statement(session, batch.messages, batch.count, &batch.query);
    return unit_waits_for_catalog(session, one ? &batch.query : NULL);
}

/* Sync alone, with nothing open: the answer is known. */
static bool answer_sync(struct session *session, const struct batch *batch)
{
    if (batch->count != 1 || batch->whole == SIZE_MAX || batch->messages[0].type != 'S' ||
        batch->messages[0].frame.body_len != 0 ||
        (session->server && !transaction_is_ours(&session->transaction)))
        return false;
    uint8_t ready[6] = {'Z', 0, 0, 0, 5, session->status};
    stream_queue(&session->stream, ready, sizeof(ready));
    unit_reset(session);
    return true;
}

/* One statement: answered here, or from the cache. True: that is decided, and *out_used has how many bytes it
 * took; 0: it waits. */
static bool take_one(struct session *session, const struct batch *batch, const uint8_t *data,
                     size_t len, size_t *out_used)
{
    struct unit *unit = &session->unit;
    const struct query *query = &batch->query;
    bool more = len > batch->whole;
    if (!unit->coalesced && !session->explanation)
        counter_add(&session->stats->received, batch->whole);
    *out_used = 0;
    if (UNLIKELY(local_answer_may(query)) &&
        local_answer_kind_of(session, query) != LOCAL_ANSWER_NONE) {
        if (local_answer_unit_waits(session, query))
            return true;
        if (local_answer_unit(session, query, more)) {
            unit_reset(session);
            *out_used = batch->whole;
            return true;
        }
        unit->forward = true;
        *out_used = unit_forward(session, data, len);
        return true;
    }
    switch (lookup_query(session, query, more)) {
    case LOOKUP_HIT:
        counter_add(&session->stats->bind_count, 1);
        counter_add(&session->stats->client_parse_count, query->with_parse ? 1 : 0);
        unit_reset(session);
        *out_used = batch->whole;
        return true;
    case LOOKUP_WAIT:
        return true;
    case LOOKUP_FORWARD:
        break;
    }
    return false;
}

static size_t pass_batch(struct session *session, struct batch *batch, const uint8_t *data,
                         size_t len)
{
    struct unit *unit = &session->unit;
    struct query *query = &batch->query;
    if (batch->count != 1 && unit_waits_for_catalog(session, batch->one ? query : NULL))
        return 0;
    unit->forward = true;
    if (batch->one) {
        unit->judged = true;
        unit->ahead = lookup_verdict(session, query)->effects;
    }
    if (UNLIKELY(session->transaction.asks) && batch->few &&
        lazy_statement_of(session, batch->messages, batch->count, query) &&
        ask_is_worth(session, query))
        unit->ask = UNIT_ASK_FIRST;
    return unit_forward(session, data, len);
}

size_t unit_take_batch(struct session *session, const uint8_t *data, size_t len)
{
    struct unit *unit = &session->unit;
    if (unit->begun && unit->forward) {
        if (UNLIKELY(unit_was_overtaken(session)) && overtaken_batch_waits(session, data, len))
            return 0;
        return unit_forward(session, data, len);
    }
    struct batch batch;
    if (!read_batch(session, data, len, &batch))
        return 0;
    unit_begin(session, true);
    if (unit->answered) {
        unit_reset(session);
        return batch.whole;
    }
    if (answer_sync(session, &batch))
        return batch.whole;
    size_t used = 0;
    if (batch.few) {
        batch.one = is_one_statement(session, batch.messages, batch.count, &batch.query);
        if (!batch.one || block_text_may_be(batch.query.canonical))
            used = answer_block(session, batch.messages, batch.count);
        if (used || (batch.one && take_one(session, &batch, data, len, &used)))
            return used;
        if (!batch.one && batch.count > 2)
            counter_add(&session->host->bypass[REASON_PIPELINE], 1);
    }
    return pass_batch(session, &batch, data, len);
}
