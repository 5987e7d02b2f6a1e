/* The end of a unit, and the backend's side of a session: what a unit leaves behind, whether the
 * backend goes back to the pool, and what happens when it is lost.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "session/place.h"
#include "session/session.h"
#include "session/settings.h"
#include "session/temporary.h"
#include "upstream/control.h"
#include "upstream/statements.h"

void session_refresh_catalogs(struct database *database, bool all)
{
    if (!all) {
        control_refresh(database->control);
        return;
    }
    struct database *each;
    for (unsigned i = 0; (each = database_next(&i)) != NULL;)
        control_refresh(each->control);
}

static void apply_effects(struct session *session)
{
    const struct unit *unit = &session->unit;
    if (unit->discards) {
        session_statements_fini(session);
        session->own_names = false;
        session->sql_prepared = (struct sql_prepared){0};
        statements_clear(session->server->statements);
        session->server->unnamed_statement = 0;
        if ((unit->effects & EFFECT_UNPIN) && !session->dirty) {
            session->pin = PIN_NONE;
            temporary_forget(session);
            session->tainted = false;
        }
    }
    if (unit->effects & EFFECT_PIN) {
        if (session->pin == PIN_NONE) {
            session->pin = unit->pin;
            session->pin_since_wall_ms = loop_wall_ms(session->host->loop);
        }
        session->dirty = session->dirty || (unit->effects & EFFECT_DIRTY);
        session->tainted = session->tainted || unit->tainted;
    }
    if (unit->effects & (EFFECT_DDL | EFFECT_GLOBAL))
        session_refresh_catalogs(session->database, (unit->effects & EFFECT_GLOBAL) != 0);
}

/* What the session has set, its backend has. */
static void follow_settings(struct session *session)
{
    struct server *server = session->server;
    if (session->unit.repairs)
        return;
    struct settings *has = lent_left(session);
    settings_unref(server->settings);
    server->settings = has;
}

void unit_done(struct session *session, uint8_t status)
{
    uint64_t now_us = clock_now_us();
    local_unit_done(session, status);
    settings_unit_end(session, status);
    session->status = status;
    transaction_settle(&session->transaction, status);
    apply_effects(session);
    if (status == 'I') {
        sequences_settle(session);
        unpin_note(session);
        write_set_clear(&session->written);
        session->local_settings = session->local_constants = false;
        session->local_path = 0;
        follow_settings(session);
        session->judged_version = 0;
        if (session->portals.count)
            table_fini(&session->portals);
        session->unnamed_portal = 0;
        restore_forget(session);
        counter_add(&session->stats->xact_count, 1);
        counter_add(&session->stats->xact_time, now_us - session->xact_since_us);
        session->xact_since_us = 0;
    }
    counter_add(&session->stats->query_time, now_us - session->unit.since_us);
    if (session->fill.on)
        fill_end(session);
    owed_shrink(&session->owed);
    unit_reset(session);
    session->idle_since_ms = loop_now_ms(session->host->loop);
    if (session->state == SESSION_DRAINING) {
        session_release_server(session);
        session_end(session);
        return;
    }
    session_move(session, SESSION_READY);
    int mode = pool_mode_of(session->pool);
    if (status != 'I' && mode == POOL_MODE_STATEMENT) {
        session_drop_server(session);
        session_fail(session, "08P01",
                     "transaction blocks are not allowed in statement pooling mode", NULL);
        return;
    }
    if (!session->unit.pass_left && !unit_keeps_server(session))
        session_release_server(session);
    if (session->host->draining && status == 'I') {
        session_fail(session, "57P01", "pgrecall is shutting down", NULL);
        return;
    }
    stream_resume(&session->stream);
    if (session->no_more_input && !buf_len(&session->stream.in))
        absent_go_on(session);
}

/* ---- the server's side ---- */

static size_t server_on_input(void *context, struct server *server, const uint8_t *data, size_t len)
{
    (void)server;
    return relay_on_input(context, data, len);
}

static void server_on_drained(void *context, struct server *server)
{
    (void)server;
    struct session *session = context;
    stream_resume(&session->stream);
}

static void server_on_lost(void *context, struct server *server, enum err err, int error_number)
{
    (void)err;
    (void)error_number;
    struct session *session = context;
    struct database *database = session->database;
    log_warn("server connection lost", "database", database->name, "session",
             log_num((int64_t)session->id), "backend", log_num((int64_t)server->backend_pid), NULL);
    session_server_lost(database);
    session_drop_server(session);
    if (session->state == SESSION_DRAINING || session->fatal_relayed)
        session_end(session);
    else
        session_fail(session, "08006", "server closed the connection unexpectedly", NULL);
}

const struct server_user session_server_user = {
    .on_input = server_on_input,
    .on_drained = server_on_drained,
    .on_lost = server_on_lost,
};
