/* The end of a pin, proven by the backend itself.
 *
 *   READY, pinned ── some time after a statement ──► ACTIVE, with a question of ours
 *   ReadyForQuery of that ──► READY: nothing is left, the backend is given back; or pinned as before
 *
 * Statements do not tell: a lock is counted, and taken in vain; a table goes at COMMIT, or with its
 * schema; a cursor that was WITH HOLD is rolled back. So the backend is asked what it still has of
 * the session: advisory locks, channels, cursors, prepared statements, objects in its temporary
 * schema. That is all that a pin is for, but for settings that are not followed and for code that may
 * have done anything: those are never asked about.
 *
 * The question is sent while the client is silent. What the client sends meanwhile waits for the answer.
 *
 * Source  PostgreSQL manual, "pg_locks", "pg_cursors", "pg_depend"; namespace.c: each object in a
 *         temporary schema depends on it.
 */
#include "session/unpin.h"

#include "session/place.h"
#include "session/session.h"

static const char question[] =
    "SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.locktype"
    " OPERATOR(pg_catalog.=) 'advisory' AND l.pid OPERATOR(pg_catalog.=)"
    " pg_catalog.pg_backend_pid())"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_listening_channels())"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_cursors)"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_prepared_statements s WHERE s.from_sql)"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refclassid"
    " OPERATOR(pg_catalog.=) 2615 AND d.refobjid OPERATOR(pg_catalog.=)"
    " pg_catalog.pg_my_temp_schema())";

/* Constants of these were read on this backend, under settings that no other may have. */
static bool has_private_constants(const struct session *session)
{
    size_t at = 0;
    const struct client_statement *known;
    while ((known = table_next(&session->statements, &at)) != NULL)
        if (known->statement->folds && !known->statement->shared)
            return true;
    return false;
}

static bool can_be_proven(const struct session *session)
{
    if (session->tainted || session->dirty || has_private_constants(session) ||
        pool_mode_of(session->pool) == POOL_MODE_SESSION)
        return false;
    switch (session->pin) {
    case PIN_TEMPORARY:
    case PIN_LISTEN:
    case PIN_CURSOR:
    case PIN_PREPARED:
    case PIN_LOCK:
        return true;
    case PIN_NONE:
    case PIN_SETTING:
    case PIN_FUNCTION:
    case PIN_SEQUENCE:
    case PIN_UNKNOWN:
    case PIN_COUNT:
        break;
    }
    return false;
}

void unpin_forget(struct session *session)
{
    struct unpin *unpin = &session->unpin;
    if (!unpin->due)
        return;
    unpin->due = false;
    link_remove(&unpin->link);
}

void unpin_note(struct session *session)
{
    struct unpin *unpin = &session->unpin;
    const unsigned news = EFFECT_PIN | EFFECT_TX_END | EFFECT_DDL | EFFECT_DEALLOCATE;
    if (LIKELY(session->pin == PIN_NONE) || !can_be_proven(session)) {
        unpin_forget(session);
        return;
    }
    uint64_t now_ms = loop_now_ms(session->host->loop);
    if (session->unit.effects & news) {
        unpin->pause_ms = UNPIN_PAUSE_MS;
        unpin->next_ms = now_ms + UNPIN_PAUSE_MS;
    }
    if (unpin->due)
        return;
    unpin->due = true;
    link_append(&session->host->unpinning, &unpin->link);
}

/* True if Postgres has refused a text before it did anything of it: a syntax error, or a name that means
 * nothing, with a place in the text that it was sent, and not in code that it calls. */
static bool is_of_the_text(const uint8_t *body, size_t len)
{
    struct pgwire_slice code, any;
    if (pgwire_error_field(body, len, 'W', &any) || pgwire_error_field(body, len, 'q', &any) ||
        !pgwire_error_field(body, len, 'C', &code) || code.len != 5)
        return false;
    if (pgwire_slice_is(code, "26000")) /* EXECUTE of what is not there */
        return true;
    return memcmp(code.data, "42", 2) == 0 && pgwire_error_field(body, len, 'P', &any);
}

void unpin_refused(struct session *session, const uint8_t *body, size_t len)
{
    struct unit *unit = &session->unit;
    if (!(unit->effects & EFFECT_PIN) || unit->completed || unit->erred ||
        !is_of_the_text(body, len))
        return;
    unit->effects &= ~(unsigned)EFFECT_DIRTY;
    unit->tainted = false;
    if (session->own_names || unit->pin == PIN_PREPARED) {
        unit->pin = PIN_PREPARED; /* names have been made for it */
        return;
    }
    unit->effects &= ~(unsigned)EFFECT_PIN;
    unit->pin = PIN_NONE;
}

static void ask(struct session *session)
{
    uint8_t space[sizeof(question) + 16];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    pgwire_write_query(&writer, question);
    ASSERT(!writer.overflow);
    unpin_forget(session);
    session->unpin.nothing = false;
    session->active_since_ms = session->xact_active_ms = loop_now_ms(session->host->loop);
    session->server->unnamed_statement = 0;
    struct owed_entry *entry = owed_push(&session->owed, 'Q', OWED_DISCARD);
    ASSERT(entry != NULL);
    entry->proves = true;
    session_move(session, SESSION_ACTIVE);
    stream_write(&session->server->stream, writer.data, writer.len);
}

void unpin_tick(struct host *host, uint64_t now_ms)
{
    LINK_EACH_SAFE (&host->unpinning, at) {
        struct session *session =
            CONTAINER_OF(CONTAINER_OF(at, struct unpin, link), struct session, unpin);
        if (now_ms < session->unpin.next_ms || !session_is_idle(session) || session->owed.count ||
            session->no_more_input)
            continue;
        if (can_be_proven(session))
            ask(session);
        else
            unpin_forget(session);
    }
}

/* Nothing is left. Names of the client's own are reset with the backend: from now on it gets them anew. */
static void let_go(struct session *session)
{
    bool reset = session->own_names;
    size_t at = 0;
    struct client_statement *known;
    while ((known = table_next(&session->statements, &at)) != NULL)
        known->own = false;
    session->own_names = false;
    session->sql_prepared = (struct sql_prepared){0};
    if (reset) /* while it is pinned: this is what says so */
        session_release_server(session);
    session->pin = PIN_NONE;
    if (session->server && !unit_keeps_server(session))
        session_release_server(session);
}

static void end(struct session *session, uint8_t status)
{
    struct unpin *unpin = &session->unpin;
    unpin->pause_ms = size_min(2 * unpin->pause_ms, UNPIN_PAUSE_MAX_MS);
    unpin->next_ms = loop_now_ms(session->host->loop) + unpin->pause_ms;
    owed_pop(&session->owed);
    if (session->state == SESSION_DRAINING) {
        session_release_server(session);
        session_end(session);
        return;
    }
    session_move(session, SESSION_READY);
    if (unpin->nothing && status == 'I' && can_be_proven(session))
        let_go(session);
    stream_resume(&session->stream);
    if (session->no_more_input && !buf_len(&session->stream.in))
        absent_go_on(session);
}

bool unpin_relay(struct session *session, const struct pgwire_frame *frame)
{
    struct pgwire_slice value;
    size_t at = 0;
    uint8_t status = 0;
    if (frame->type == 'D' && pgwire_row_value(frame->body, frame->body_len, &at, &value))
        session->unpin.nothing = pgwire_slice_is(value, "t");
    if (frame->type == 'E')
        session->unpin.nothing = false;
    if (frame->type != 'Z')
        return true;
    if (pgwire_read_ready(frame->body, frame->body_len, &status) != PGWIRE_OK)
        status = 0;
    end(session, status);
    return false;
}
