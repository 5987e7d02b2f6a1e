#include "session/relay_note.h"

#include "session/settings.h"
#include "upstream/statements.h"

void relay_note_done(struct session *session, const struct pgwire_frame *frame, bool whole)
{
    struct unit *unit = &session->unit;
    struct pgwire_slice tag;
    if (frame->type != 'C' && frame->type != 's' && frame->type != 'I' && frame->type != 'V')
        return;
    if (unit->completed < UINT16_MAX)
        unit->completed++;
    if (frame->type == 'C' && whole &&
        pgwire_read_complete(frame->body, frame->body_len, &tag) == PGWIRE_OK &&
        pgwire_slice_is(tag, "ROLLBACK"))
        unit->rolled_back = true;
}

bool relay_nothing_committed(const struct session *session, uint8_t status)
{
    const struct unit *unit = &session->unit;
    const struct write_set *set = &session->closing.set;
    if (status != 'I' || set->all || set->everything || set->ddl)
        return false;
    if (session->status == 'I')
        return unit->erred && !unit->completed && !(unit->effects & ~(unsigned)EFFECTS_SEQUENCES);
    return unit->rolled_back && unit->completed == 1 && !unit->erred;
}

void relay_note_complete(struct session *session, const struct owed_entry *head,
                         const struct pgwire_frame *frame)
{
    struct pgwire_slice tag;
    if (UNLIKELY(session->local.changed) && (session->unit.effects & EFFECT_TX_END) &&
        pgwire_read_complete(frame->body, frame->body_len, &tag) == PGWIRE_OK)
        session->local.rolled_back = pgwire_slice_is(tag, "ROLLBACK");
    bool sets =
        head->changes || session->settings || session->settings_begin || session->savepoints;
    if (!(sets || (session->unit.effects & (EFFECT_UNPIN | EFFECT_DEALLOCATE))) ||
        pgwire_read_complete(frame->body, frame->body_len, &tag) != PGWIRE_OK)
        return;
    if (UNLIKELY(pgwire_slice_is(tag, "DISCARD ALL")) && head->request == 'Q')
        restore_discarded(session);
    if (sets)
        settings_complete(session, head, tag);
    if (head->source != OWED_DISCARD && /* we say DEALLOCATE ALL, too: own_names.c */
        (pgwire_slice_is(tag, "DISCARD ALL") || pgwire_slice_is(tag, "DEALLOCATE ALL")))
        session->unit.discards = true;
}

/* "prepared statement does not exist": a client has dropped it by SQL, or code of its has. The next
 * one who needs it parses it again. "cached plan must not change result type": so does who prepares it anew,
 * where nobody here knows of the DDL that did it. */
void relay_note_statement(struct session *session, const struct owed_entry *head,
                          const uint8_t *body, size_t body_len)
{
    struct pgwire_slice code;
    if (!head || !head->on_server || !pgwire_error_field(body, body_len, 'C', &code))
        return;
    struct server_statements *on_server = session->server->statements;
    if (pgwire_slice_is(code, "26000"))
        statements_remove(on_server, head->on_server);
    if (!pgwire_slice_is(code, "0A000"))
        return;
    statements_set_prototype(on_server, head->on_server, NULL);
    if (head->request == 'B' && !head->name) /* it was judged before */
        session_refresh_catalogs(session->database, false);
}

/* ParameterStatus. When nothing that the client asked for can have changed a setting, the server's
 * configuration has: what was learned of this profile does not hold any more. */
static void setting_changed(struct session *session)
{
    if (session->pin != PIN_NONE || session->local_settings ||
        session->settings != session->settings_begin ||
        (session->unit.effects &
         (EFFECT_PIN | EFFECT_SET_LOCAL | EFFECT_TX_END | EFFECT_TRACK | EFFECT_UNPIN)))
        return;
    session->server->close_needed = true;
    profile_outdate(session->server->profile);
}

/* A ParameterStatus: from the end of this unit on the backend may cut texts in another way. Both
 * settings are always reported, whoever changed them (SET, a function, the end of a block). */
static void note_lexing(struct session *session, const struct pgwire_frame *frame)
{
    struct pgwire_param_status status;
    if (pgwire_read_param_status(frame->body, frame->body_len, &status) != PGWIRE_OK)
        return;
    if (pgwire_slice_is(status.name, "standard_conforming_strings"))
        session->strings_unsafe = !pgwire_slice_is(status.value, "on");
    else if (pgwire_slice_is(status.name, "client_encoding"))
        session->encoding_unsafe =
            profile_encoding_unsafe(slice_of(status.value.data, status.value.len));
}

void relay_note_setting(struct session *session, const struct pgwire_frame *frame, bool whole)
{
    if (whole)
        note_lexing(session, frame);
    setting_changed(session);
}
