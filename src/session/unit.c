/* What the client asks, one unit after the other: read it, answer it from the cache or locally, or
 * find a backend and pass it on.
 *
 * The input of a unit that has to wait (for Redis, for a backend) stays in the stream; when the
 * wait is over the stream shows it again, and unit.begun and its neighbours say what was decided.
 */
#include "session/session.h"

#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "session/ask.h"
#include "session/lazy.h"
#include "session/local_answer.h"
#include "session/message.h"
#include "session/place.h"
#include "session/settings.h"
#include "upstream/control.h"
#include "upstream/statements.h"

static void begin_unit(struct session *session, bool extended)
{
    struct unit *unit = &session->unit;
    if (unit->begun)
        return;
    size_t scanned = unit->scanned;
    *unit = (struct unit){.begun = true, .extended = extended, .scanned = scanned};
    session->unit_number++;
    if (session->fill.on) /* of a unit that was cancelled while it waited for a backend */
        fill_end(session);
    session->request_wall_ms = loop_wall_ms(session->host->loop);
}

/* A COPY that fails while a CopyData is on its way leaves the rest of that message to be passed on. */
void unit_reset(struct session *session)
{
    struct unit *unit = &session->unit;
    *unit = (struct unit){.pass_left = unit->pass_left, .skip_left = unit->skip_left};
}

/* ---- to the backend ---- */

static void attach(struct session *session, struct server *server)
{
    session->server = server;
    server_use(server, &session_server_user, session);
    counter_add(&session->stats->server_assignment_count, 1);
}

static void on_ready(struct pool_waiter *waiter, struct server *server)
{
    struct session *session = CONTAINER_OF(waiter, struct session, waiter);
    counter_add(&session->stats->wait_time, clock_now_us() - waiter->since_us);
    session_move(session, SESSION_READY);
    attach(session, server);
    stream_resume(&session->stream);
}

static void on_failed(struct pool_waiter *waiter, const struct pool_failure *failure)
{
    struct session *session = CONTAINER_OF(waiter, struct session, waiter);
    session_fail(session, failure->sqlstate, failure->message, failure->detail);
}

/* What the backend is known to be replaces facts that were outdated: as long as nobody knows the
 * settings, every statement is an unknown write and ties its session to the backend. */
static void follow_backend(struct session *session)
{
    if (session->facts == session->server->facts || session->pin != PIN_NONE)
        return;
    struct profile_facts *newest = profile_facts_ref(session->profile);
    if (newest == session->server->facts) {
        struct profile_facts *old = session->facts;
        session->facts = newest;
        newest = old;
    }
    profile_facts_unref(newest);
}

/* The unit goes to the backend: with the one at hand, an idle one, or after a wait. */
static size_t begin_forward(struct session *session, const uint8_t *data, size_t len)
{
    struct unit *unit = &session->unit;
    if (!unit->since_us)
        unit->since_us = clock_now_us();
    if (!session->xact_since_us)
        session->xact_since_us = unit->since_us;
    if (!session->server) {
        struct server *server = pool_take(session->profile, session->settings, session->host->loop,
                                          session->home.server_id);
        if (!server) {
            session->waiter.loop = session->host->loop;
            session->waiter.profile = session->profile;
            session->waiter.settings = session->settings;
            session->waiter.home = session->home.server_id;
            session->waiter.wants_home = false;
            session->waiter.on_ready = on_ready;
            session->waiter.on_failed = on_failed;
            session_move(session, SESSION_WAITING);
            pool_wait(&session->waiter);
            return 0;
        }
        attach(session, server);
    }
    if (session->fill.on &&
        !hash128_equal(session->server->facts->signature, session->facts->signature))
        fill_spoil(session, REASON_BACKEND_DIFFERS);
    if (session->fill.in_block && !transaction_may_fill(&session->transaction))
        fill_spoil(session, REASON_IN_TRANSACTION);
    follow_backend(session);
    if (session->status == 'I' || session->transaction.state == TRANSACTION_LAZY)
        replay_begin(session);
    unit->open = true;
    session->active_since_ms = loop_now_ms(session->host->loop);
    if (session->status == 'I' || session->transaction.state == TRANSACTION_LAZY)
        session->xact_active_ms = session->active_since_ms;
    session_move(session, SESSION_ACTIVE);
    size_t used = forward_messages(session, data, len);
    if (UNLIKELY(unit->cancel_due) && session->state == SESSION_ACTIVE) {
        unit->cancel_due = false;
        server_cancel(session->server);
    }
    return used;
}

/* ---- without a catalog ---- */

/* While the catalog is being loaded (at the start, after DDL) nobody can say what a function or a
 * trigger does to the session, and a session that may have changed its backend is tied to it for
 * good. So a statement that would be tied waits a moment for the catalog that is on its way. So does
 * VACUUM, tied or not: rows younger than the snapshot in which the catalog is read would neither be
 * removed nor marked as visible to all, and plans would be others than on a direct connection.
 * `query` NULL: several statements, not looked at one by one. */
static bool waits_for_catalog(struct session *session, const struct query *query)
{
    struct unit *unit = &session->unit;
    if (LIKELY(realm_catalog_is_fresh(session->database->realm)) || unit->blind)
        return false;
    unsigned effects = query ? lookup_verdict(session, query)->effects : EFFECT_PIN;
    bool vacuum = (effects & EFFECT_VACUUM) != 0;
    if (!vacuum && (session->pin != PIN_NONE || !(effects & EFFECT_PIN)))
        return false;
    uint64_t now_ms = loop_now_ms(session->host->loop);
    if (!unit->proving_since_ms)
        unit->proving_since_ms = now_ms;
    enum control_state state = control_state(session->database->control);
    if (state == CONTROL_BACKOFF || now_ms - unit->proving_since_ms > SESSION_PROVING_MS) {
        unit->blind = true;
        return false;
    }
    session_move(session, SESSION_PROVING);
    return true;
}

/* ---- simple Query ---- */

/* DEALLOCATE of a name that the client gave in the extended protocol: the backends know it by
 * another name, so it is answered here. */
static bool answer_deallocate(struct session *session, const struct query *query, bool more)
{
    static const char complete[] = {'C', 0,   0,   0,   15,  'D', 'E', 'A',
                                    'L', 'L', 'O', 'C', 'A', 'T', 'E', 0};
    if (!session->statements.count || session->own_names || session->status == 'E' ||
        !query->scanned || query->canonical.len < 12 || (query->canonical.data[0] | 0x20) != 'd' ||
        (query->canonical.data[2] | 0x20) != 'a')
        return false;
    struct slice name = statement_deallocated(query->canonical);
    if (!name.len)
        return false;
    struct client_statement *known = table_remove(&session->statements, name);
    if (!known)
        return false;
    statement_unref(known->statement);
    mem_free(known);
    uint8_t ready[6] = {'Z', 0, 0, 0, 5, session->status};
    stream_queue(&session->stream, complete, sizeof(complete));
    stream_queue(&session->stream, ready, sizeof(ready));
    if (!more)
        stream_flush(&session->stream);
    return true;
}

static size_t take_query(struct session *session, const struct pgwire_frame *frame,
                         const uint8_t *data, size_t len)
{
    struct unit *unit = &session->unit;
    if (len < frame->len && frame->len <= SESSION_TEXT_MAX)
        return 0;
    begin_unit(session, false);
    if (unit->answered) {
        unit_reset(session);
        session->unnamed_id = 0;
        return frame->len;
    }
    if (unit->forward)
        return begin_forward(session, data, len);
    struct pgwire_slice text;
    if (len < frame->len || pgwire_read_text(frame->body, frame->body_len, &text) != PGWIRE_OK)
        return begin_forward(session, data, len);
    struct query query = {.text = session_slice(text)};
    query_scan(session->host, &query);
    if (!unit->coalesced)
        counter_add(&session->stats->received, frame->len);
    bool more = len > frame->len;
    if (lazy_answer_query(session, &query, more)) {
        unit_reset(session);
        session->idle_since_ms = loop_now_ms(session->host->loop);
        return frame->len;
    }
    if (answer_deallocate(session, &query, more)) {
        unit_reset(session);
        return frame->len;
    }
    if (UNLIKELY(local_answer_may(&query)) &&
        local_answer_kind_of(session, &query) != LOCAL_ANSWER_NONE) {
        if (!local_answer_query(session, &query, more)) {
            unit->forward = true;
            return begin_forward(session, data, len);
        }
        session->unnamed_id = 0;
        unit_reset(session);
        return frame->len;
    }
    switch (lookup_query(session, &query, more)) {
    case LOOKUP_HIT:
        session->unnamed_id = 0;
        unit_reset(session);
        return frame->len;
    case LOOKUP_WAIT:
        return 0;
    case LOOKUP_FORWARD:
        break;
    }
    if (waits_for_catalog(session, &query))
        return 0;
    unit->forward = true;
    if (UNLIKELY(session->transaction.asks) && ask_is_worth(session, &query))
        unit->ask = UNIT_ASK_FIRST;
    return begin_forward(session, data, len);
}

/* ---- extended ---- */

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
    session->unnamed_version = realm_wanted(session->database->realm);
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
        if (!session->unnamed_id || session->unnamed_version != wanted)
            return false;
        unnamed_query_of(session, out);
    } else {
        const struct client_statement *known =
            table_get(&session->statements, session_slice(bind->statement));
        if (!known || known->version != wanted || !known->statement->shared)
            return false; /* a private one was parsed under other settings than the key's */
        const struct statement *statement = known->statement;
        out->text = statement->query;
        out->types = statement->types;
        out->canonical = statement->canonical;
        out->shape = statement->shape;
        out->scan_flags = statement->scan_flags;
        out->hint = statement->hint;
        out->scanned = statement->scanned;
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

static size_t take_batch(struct session *session, const uint8_t *data, size_t len)
{
    struct unit *unit = &session->unit;
    if (unit->begun && unit->forward)
        return begin_forward(session, data, len);
    struct message messages[SESSION_UNIT_MESSAGES];
    unsigned count = 0;
    size_t whole = walk_unit(session, data, len, messages, &count);
    if (!whole)
        return 0;
    begin_unit(session, true);
    if (unit->answered) {
        unit_reset(session);
        return whole;
    }
    if (count == 1 && whole != SIZE_MAX && messages[0].type == 'S' &&
        messages[0].frame.body_len == 0 &&
        (!session->server || session->transaction.state == TRANSACTION_LAZY)) {
        /* Sync alone, with nothing open: the answer is known. */
        uint8_t ready[6] = {'Z', 0, 0, 0, 5, session->status};
        stream_queue(&session->stream, ready, sizeof(ready));
        unit_reset(session);
        return whole;
    }
    struct query query = {0};
    bool one = false;
    if (whole != SIZE_MAX && count <= SESSION_UNIT_MESSAGES) {
        one = is_one_statement(session, messages, count, &query);
        size_t answered =
            one && !block_text_may_be(query.canonical) ? 0 : answer_block(session, messages, count);
        if (answered)
            return answered;
        if (one) {
            if (!unit->coalesced)
                counter_add(&session->stats->received, whole);
            if (UNLIKELY(local_answer_may(&query)) &&
                local_answer_kind_of(session, &query) != LOCAL_ANSWER_NONE) {
                if (local_answer_unit(session, &query, len > whole)) {
                    unit_reset(session);
                    return whole;
                }
                unit->forward = true;
                return begin_forward(session, data, len);
            }
            switch (lookup_query(session, &query, len > whole)) {
            case LOOKUP_HIT:
                counter_add(&session->stats->bind_count, 1);
                counter_add(&session->stats->client_parse_count, query.with_parse ? 1 : 0);
                unit_reset(session);
                return whole;
            case LOOKUP_WAIT:
                return 0;
            case LOOKUP_FORWARD:
                break;
            }
        } else if (count > 2) {
            counter_add(&session->host->bypass[REASON_PIPELINE], 1);
        }
    }
    if (count != 1 && waits_for_catalog(session, one ? &query : NULL))
        return 0;
    unit->forward = true;
    if (UNLIKELY(session->transaction.asks) && whole != SIZE_MAX &&
        count <= SESSION_UNIT_MESSAGES && lazy_statement_of(session, messages, count, &query) &&
        ask_is_worth(session, &query))
        unit->ask = UNIT_ASK_FIRST;
    return begin_forward(session, data, len);
}

/* ---- a message when nothing is under way ---- */

/* Consumes what is left of a unit that was cancelled while it waited; at its end the client gets
 * the ReadyForQuery that it is owed. */
static size_t skip_refused(struct session *session, const uint8_t *data, size_t len)
{
    struct unit *unit = &session->unit;
    struct pgwire_frame frame;
    enum pgwire_status status = pgwire_frame_request(data, len, &frame);
    if (status != PGWIRE_OK && status != PGWIRE_MORE)
        session_fail_frame(session, status, *data);
    if (status != PGWIRE_OK)
        return 0;
    unit->skip_left = frame.len;
    if (frame.type == 'Q' || frame.type == 'S' || frame.type == 'F') {
        uint8_t ready[6] = {'Z', 0, 0, 0, 5, session->status};
        stream_write(&session->stream, ready, sizeof(ready));
        unit_reset(session);
    }
    size_t used = size_min(unit->skip_left, len);
    unit->skip_left -= used;
    return used;
}

/* True if the backend stays with the session between two units. */
bool unit_keeps_server(const struct session *session)
{
    return session->status != 'I' || session->pin != PIN_NONE ||
           pool_mode_of(session->pool) == POOL_MODE_SESSION;
}

/* The rest of a message of a unit that has ended: the backend still has to read it. */
static size_t pass_rest(struct session *session, const uint8_t *data, size_t len)
{
    struct unit *unit = &session->unit;
    size_t used = size_min(unit->pass_left, len);
    stream_write(&session->server->stream, data, used);
    unit->pass_left -= used;
    if (!unit->pass_left && !unit_keeps_server(session))
        session_release_server(session);
    return used;
}

static size_t take_unit(struct session *session, const uint8_t *data, size_t len)
{
    struct unit *unit = &session->unit;
    if (unit->pass_left)
        return pass_rest(session, data, len);
    if (unit->skip_left) {
        size_t used = size_min(unit->skip_left, len);
        unit->skip_left -= used;
        return used;
    }
    if (unit->refused)
        return skip_refused(session, data, len);
    struct pgwire_frame frame;
    enum pgwire_status status = pgwire_frame_request(data, len, &frame);
    if (status == PGWIRE_MORE)
        return 0;
    if (status != PGWIRE_OK || frame.len > conf_current()->options.max_packet_size_bytes) {
        session_fail_frame(session, status, *data);
        return 0;
    }
    switch (frame.type) {
    case 'Q':
        return take_query(session, &frame, data, len);
    case 'P':
    case 'B':
    case 'D':
    case 'E':
    case 'C':
    case 'H':
    case 'S':
        return take_batch(session, data, len);
    case 'F':
        begin_unit(session, false);
        unit->forward = true;
        return begin_forward(session, data, len);
    case 'd':
    case 'c':
    case 'f':
        unit->skip_left = frame.len;
        return take_unit(session, data, len);
    case 'X':
        session_end(session);
        return len;
    default:
        session_fail_frame(session, PGWIRE_OK, frame.type);
        return 0;
    }
}

bool unit_is_busy(const struct session *session)
{
    const struct unit *unit = &session->unit;
    switch (session->state) {
    case SESSION_PROVING:
    case SESSION_COALESCING:
    case SESSION_LOOKUP:
    case SESSION_WAITING:
        return true;
    case SESSION_ACTIVE:
        return unit->held || !(unit->open || unit->copying || unit->pass_left || unit->skip_left) ||
               stream_pending(&session->server->stream) > SESSION_FORWARD_MAX / 2;
    case SESSION_READY:
        return stream_pending(&session->stream) > SESSION_OUTPUT_MAX ||
               (unit->pass_left &&
                stream_pending(&session->server->stream) > SESSION_FORWARD_MAX / 2);
    case SESSION_STARTUP:
    case SESSION_AUTH:
    case SESSION_WELCOME:
    case SESSION_CONSOLE:
    case SESSION_DRAINING:
    case SESSION_CLOSING:
    case SESSION_STATE_COUNT:
        break;
    }
    return false;
}

size_t unit_on_input(struct session *session, const uint8_t *data, size_t len)
{
    size_t done = 0;
    bool full = false;
    while (done < len && !session->end_after_flush) {
        size_t used = 0;
        if (session->state == SESSION_READY) {
            if (stream_pending(&session->stream) > SESSION_OUTPUT_MAX)
                stream_flush(&session->stream); /* hits in a row were only queued */
            if ((full = unit_is_busy(session)))
                break;
            used = take_unit(session, data + done, len - done);
        } else if (session->state == SESSION_ACTIVE && !unit_is_busy(session)) {
            used = forward_messages(session, data + done, len - done);
        }
        if (!used)
            break;
        done += used;
    }
    if (stream_pending(&session->stream))
        stream_flush(&session->stream);
    if (UNLIKELY(session->host->draining) && session_is_idle(session))
        session_fail(session, "57P01", "pgrecall is shutting down", NULL); /* behind its answer */
    if (full && !unit_is_busy(session))
        stream_retry(&session->stream); /* all of it left just now: on_drained will not say so */
    if (len - done >= conf_current()->options.client_buffer_max_bytes && unit_is_busy(session))
        stream_pause(&session->stream);
    return done;
}
