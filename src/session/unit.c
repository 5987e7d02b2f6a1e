/* What the client asks, one unit after the other: read it, answer it from the cache or locally, or
 * find a backend and pass it on.
 *
 * The input of a unit that has to wait (for Redis, for a backend) stays in the stream; when the
 * wait is over the stream shows it again, and unit.begun and its neighbours say what was decided.
 */
#include "session/unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "session/ask.h"
#include "session/lazy.h"
#include "session/local_answer.h"
#include "session/names.h"
#include "session/settings.h"
#include "upstream/control.h"

void unit_begin(struct session *session, bool extended)
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
    if (UNLIKELY(session->explanation != NULL))
        local_answer_stop(session);
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
    if (profile_facts_fit(session->facts, session->server->facts) || session->pin != PIN_NONE)
        return;
    struct profile_facts *newest = profile_facts_ref(session->profile);
    if (profile_facts_fit(newest, session->server->facts)) {
        struct profile_facts *old = session->facts;
        session->facts = newest;
        newest = old;
    }
    profile_facts_unref(newest);
}

size_t unit_forward(struct session *session, const uint8_t *data, size_t len)
{
    struct unit *unit = &session->unit;
    if (!unit->since_us)
        unit->since_us = clock_now_us();
    if (!session->xact_since_us)
        session->xact_since_us = unit->since_us;
    if (!session->server) {
        uint64_t home = sequences_home(session);
        bool native = lent_wants_native(session, data, len);
        struct server *server =
            pool_take(session->profile, native, session->settings, session->host->loop, home);
        if (!server) {
            session->waiter.loop = session->host->loop;
            session->waiter.profile = session->profile;
            session->waiter.native = native;
            session->waiter.settings = session->settings;
            session->waiter.home = home;
            session->waiter.wants_home = false;
            session->waiter.on_ready = on_ready;
            session->waiter.on_failed = on_failed;
            unit->waited_fresh = realm_catalog_is_fresh(session->database->realm);
            unit->proving_since_ms = 0;
            session_move(session, SESSION_WAITING);
            pool_wait(&session->waiter);
            return 0;
        }
        attach(session, server);
    }
    if (session->fill.on && settings_backend_differs(session))
        fill_spoil(session, REASON_BACKEND_DIFFERS);
    if (session->fill.in_block && !transaction_may_fill(&session->transaction))
        fill_spoil(session, REASON_IN_TRANSACTION);
    follow_backend(session);
    if (session->status == 'I' || transaction_is_ours(&session->transaction))
        replay_begin(session, data, len);
    sequences_prepare(session);
    unit->open = true;
    session->active_since_ms = loop_now_ms(session->host->loop);
    if (session->status == 'I' || transaction_is_ours(&session->transaction))
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

bool unit_was_overtaken(const struct session *session)
{
    return session->unit.waited_fresh && !realm_catalog_is_fresh(session->database->realm);
}

bool unit_waits_for_catalog(struct session *session, const struct query *query)
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
    if (state ==
        CONTROL_READY) /* what may change the catalog may take hours: see what is there now */
        control_refresh(session->database->control);
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
    names_destroy(known);
    uint8_t ready[6] = {'Z', 0, 0, 0, 5, session->status};
    stream_queue(&session->stream, complete, sizeof(complete));
    stream_queue(&session->stream, ready, sizeof(ready));
    if (!more)
        stream_flush(&session->stream);
    return true;
}

static bool overtaken_query_waits(struct session *session, const struct pgwire_frame *frame,
                                  size_t len)
{
    struct pgwire_slice text;
    if (len < frame->len || pgwire_read_text(frame->body, frame->body_len, &text) != PGWIRE_OK)
        return unit_waits_for_catalog(session, NULL);
    struct query query = {.text = session_slice(text)};
    query_scan(session->host, &query);
    return unit_waits_for_catalog(session, &query);
}

static size_t take_query(struct session *session, const struct pgwire_frame *frame,
                         const uint8_t *data, size_t len)
{
    struct unit *unit = &session->unit;
    if (len < frame->len && frame->len <= SESSION_TEXT_MAX)
        return 0;
    unit_begin(session, false);
    if (unit->answered) {
        unit_reset(session);
        session->unnamed_id = 0;
        return frame->len;
    }
    if (unit->forward) {
        if (UNLIKELY(unit_was_overtaken(session)) && overtaken_query_waits(session, frame, len))
            return 0;
        return unit_forward(session, data, len);
    }
    struct pgwire_slice text;
    if (len < frame->len || pgwire_read_text(frame->body, frame->body_len, &text) != PGWIRE_OK)
        return unit_forward(session, data, len);
    struct query query = {.text = session_slice(text)};
    query_scan(session->host, &query);
    if (!unit->coalesced && !session->explanation)
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
        if (local_answer_unit_waits(session, &query))
            return 0;
        if (!local_answer_query(session, &query, more)) {
            unit->forward = true;
            return unit_forward(session, data, len);
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
    if (unit_waits_for_catalog(session, &query))
        return 0;
    unit->forward = unit->judged = true;
    unit->ahead = lookup_verdict(session, &query)->effects;
    if (UNLIKELY(session->transaction.asks) && ask_is_worth(session, &query))
        unit->ask = UNIT_ASK_FIRST;
    return unit_forward(session, data, len);
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
    if (frame.type == 'S' || (!unit->extended && (frame.type == 'Q' || frame.type == 'F'))) {
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
           pool_mode_of(session->pool) == POOL_MODE_SESSION || sequences_hold(&session->sequences);
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
    if (!session_read_frame(session, data, len, &frame))
        return 0;
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
        return unit_take_batch(session, data, len);
    case 'F':
        unit_begin(session, false);
        unit->forward = true;
        return unit_forward(session, data, len);
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
        return unit->held || local_answer_is_waiting(session) ||
               !(unit->open || unit->copying || unit->pass_left || unit->skip_left) ||
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
