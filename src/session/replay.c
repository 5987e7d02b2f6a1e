/* Giving a backend the settings of the session that it goes to.
 *
 *   session    ── replay (Query), the client's messages ──►  backend, one write
 *              ◄─ its answer, swallowed ── the client's answers ──
 *
 * The client's messages leave without waiting for the replay, because a replay that fails ends the
 * backend's connection before it reads them (settings_replay): somebody has dropped its role, say, where
 * Postgres would go on with a role that has no name. Then nothing of them was done. The statement fails
 * with what Postgres said, and its block, which has not begun there either; the session goes on, and the
 * next statement tries again. (An error that did not end the backend ends the session: what was sent behind it
 * may have been done.) What makes the setting go away has to work all the same: RESET, SET ROLE and
 * DISCARD ALL are done on a backend without any settings, which nobody uses again.
 */
#include "session/settings.h"

#include <stdio.h>
#include <strings.h>

#include "base/mem.h"
#include "session/lazy.h"

/* True if the text does nothing but take settings back, or set the role, in a way that is the same whatever
 * else is set. */
static bool text_repairs(struct session *session, struct slice text)
{
    const struct settings *settings = session->settings;
    struct query query = {.text = text};
    query_scan(session->host, &query);
    if (!query.scanned || (query.scan_flags & (SCAN_DOUBT | SCAN_SEVERAL)))
        return false;
    if (query.canonical.len == strlen("discard all") &&
        strncasecmp((const char *)query.canonical.data, "discard all", query.canonical.len) == 0)
        return true;
    struct setting_changes *changes = setting_read(text, NULL, 0);
    if (!changes)
        return false;
    const struct setting_change *change = &changes->list[0];
    struct slice name = slice_of_text(change->name);
    bool role = slice_is(name, "role");
    bool user = slice_is(name, "session_authorization") && !settings_find(settings, "role");
    bool fine = changes->count == 1 && (user || !settings_find(settings, "session_authorization"));
    if (change->kind == SETTING_RESET)
        fine &= role || user || !settings_find(settings, "role") || setting_is_for_all(name);
    else
        fine &= change->kind == SETTING_SET && role;
    setting_changes_destroy(changes);
    return fine;
}

/* `data` is where the unit begins. */
static bool unit_repairs(struct session *session, const uint8_t *data, size_t len)
{
    struct pgwire_frame frame;
    struct pgwire_slice text;
    struct pgwire_parse parse;
    if (session->status != 'I' || pool_mode_of(session->pool) == POOL_MODE_SESSION ||
        sequences_hold(&session->sequences) ||
        pgwire_frame_request(data, len, &frame) != PGWIRE_OK || len < frame.len)
        return false;
    if (frame.type == 'Q' && pgwire_read_text(frame.body, frame.body_len, &text) == PGWIRE_OK)
        return text_repairs(session, session_slice(text));
    /* In the extended protocol, only a unit of that one statement. */
    return frame.type == 'P' && session->unit.judged &&
           pgwire_read_parse(frame.body, frame.body_len, &parse) == PGWIRE_OK &&
           text_repairs(session, session_slice(parse.query));
}

static bool has_role(const struct settings *settings)
{
    return settings_find(settings, "role") || settings_find(settings, "session_authorization");
}

static void send_replay(struct session *session, struct settings *wanted)
{
    struct server *server = session->server;
    struct buf text = {0};
    settings_replay(server->settings, wanted, &text);
    buf_append(&text, "", 1);
    size_t room = buf_len(&text) + 16;
    uint8_t *memory = mem_alloc(room);
    struct pgwire_writer writer = pgwire_writer_of(memory, room);
    pgwire_write_query(&writer, (const char *)buf_head(&text));
    ASSERT(!writer.overflow);
    stream_queue(&server->stream, writer.data, writer.len);
    mem_free(memory);
    buf_fini(&text);
    struct owed_entry *entry = owed_push(&session->owed, 'Q', OWED_DISCARD);
    ASSERT(entry != NULL);
    entry->replay = entry->exits = true;
    entry->status = 'I';
    /* What a replay may change is known to the client, or it is what it was greeted with. */
    entry->roles = has_role(server->settings) || has_role(session->settings);
}

void replay_begin(struct session *session, const uint8_t *data, size_t len)
{
    struct server *server = session->server;
    struct settings *wanted = (struct settings *)(uintptr_t)lent_wanted(session);
    if ((session->tainted && !session->lent.bare) || server->settings == wanted)
        return;
    session->lent.bare = false;
    ASSERT(!session->owed.count);
    settings_ref(wanted);
    if (UNLIKELY(session->unrestored) && unit_repairs(session, data, len)) {
        struct settings *left = settings_reset(session->settings, true);
        settings_unref(wanted);
        wanted = settings_merge(profile_over(session->profile, session->facts, server), left);
        settings_unref(left);
        session->unit.repairs = server->close_needed = true;
    }
    if (wanted != server->settings)
        send_replay(session, wanted);
    settings_unref(server->settings);
    server->settings = wanted;
    server->unnamed_statement = 0;
    counter_add(&session->stats->replays, 1);
}

/* True if the replay explains this ParameterStatus: then the client has been told long ago. One that
 * is back at its default must be what the profile's facts say. */
static bool is_explained(const struct session *session, const struct pgwire_param_status *status,
                         bool roles)
{
    char name[SETTING_NAME_MAX];
    struct slice known;
    if (status->name.len >= sizeof(name))
        return false;
    for (size_t i = 0; i < status->name.len; i++) {
        uint8_t c = status->name.data[i];
        name[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    name[status->name.len] = 0;
    if (roles && (strcmp(name, "is_superuser") == 0 || strcmp(name, "session_authorization") == 0))
        return true;
    const struct setting *set = settings_find(session->settings, name);
    if (set)
        return strcmp(name, "datestyle") != 0 ||
               slice_equal(set->value, session_slice(status->value));
    snprintf(name, sizeof(name), "%.*s", (int)status->name.len, (const char *)status->name.data);
    return profile_facts_param(session->facts, name, &known) &&
           slice_equal(known, session_slice(status->value));
}

/* ---- a replay that fails ---- */

/* Nothing of the unit reached Postgres: what it was to do is undone here. */
static void undo_unit(struct session *session, bool block)
{
    struct owed *owed = &session->owed;
    for (uint32_t i = owed->count; i > 0; i--)
        forward_settle(session, owed_at(owed, i - 1), true);
    while (owed->count)
        owed_pop(owed);
    if (session->fill.on)
        fill_end(session);
    if (closing_is_on(&session->closing))
        realm_finish(&session->closing, false);
    write_set_clear(&session->written);
    session->judged_version = 0;
    session_drop_server(session);
    if (block)
        transaction_fail(&session->transaction);
    session->status = block ? 'E' : 'I';
    session->local.failed = true;
    local_unit_done(session, session->status);
    settings_unit_end(session, session->status);
    session->local_settings = session->local_constants = false;
    session->local_path = 0;
    if (session->status == 'I')
        restore_forget(session);
    session->xact_since_us = 0;
}

/* The client has its error; up to the end of the unit it is not listened to. */
static void end_unit(struct session *session)
{
    struct unit *unit = &session->unit;
    bool open = unit->open, extended = unit->extended;
    size_t skip_left = unit->pass_left + unit->skip_left;
    unit_reset(session);
    unit->pass_left = 0;
    unit->skip_left = skip_left;
    if (open) {
        unit->refused = true;
        unit->extended = extended;
    } else {
        uint8_t ready[6] = {'Z', 0, 0, 0, 5, session->status};
        stream_write(&session->stream, ready, sizeof(ready));
    }
    session->idle_since_ms = loop_now_ms(session->host->loop);
    session_move(session, SESSION_READY);
    stream_resume(&session->stream);
}

static void fail_statement(struct session *session, const char *sqlstate, const char *text)
{
    bool block = session->transaction.state != TRANSACTION_NONE;
    bool failed = session->status == 'E';
    struct buf bytes = {0};
    log_info("settings not restored", "session", log_num((int64_t)session->id), "sqlstate",
             sqlstate, "reason", text, NULL);
    undo_unit(session, block);
    session->unrestored = true;
    if (failed)
        session_error_bytes(&bytes, "ERROR", "25P02",
                            "current transaction is aborted, commands ignored until end of "
                            "transaction block",
                            NULL);
    else
        session_error_bytes(&bytes, "ERROR", sqlstate, text, NULL);
    stream_write(&session->stream, buf_head(&bytes), buf_len(&bytes));
    buf_fini(&bytes);
    end_unit(session);
}

/* The server goes away, whatever it was asked. */
static bool ends_session(const char *sqlstate)
{
    return memcmp(sqlstate, "57P", 3) == 0 || memcmp(sqlstate, "08", 2) == 0;
}

/* True if the backend has ended with this error, before it read what comes behind. An error that comes
 * before exit_on_error is set, such as a timeout or a cancel in the first instant, does not end it. */
static bool ends_backend(const struct owed_entry *head, const struct pgwire_frame *frame)
{
    struct pgwire_slice severity;
    return frame->type == 'E' && head && head->exits &&
           pgwire_error_field(frame->body, frame->body_len, 'V', &severity) &&
           pgwire_slice_is(severity, "FATAL");
}

static void fail(struct session *session, const struct pgwire_frame *frame)
{
    struct pgwire_slice code = {0}, message = {0};
    char sqlstate[6] = "08006", text[320];
    bool exits = ends_backend(owed_head(&session->owed), frame);
    if (frame->type == 'E') {
        pgwire_error_field(frame->body, frame->body_len, 'C', &code);
        pgwire_error_field(frame->body, frame->body_len, 'M', &message);
    }
    if (code.len == 5)
        memcpy(sqlstate, code.data, 5);
    bool cancelled = strcmp(sqlstate, "57014") == 0;
    snprintf(text, sizeof(text), "%s%.*s",
             cancelled ? "" : "the session's settings could not be restored: ",
             message.len < 200 ? (int)message.len : 200,
             message.len ? (const char *)message.data : "");
    if (exits && session->state == SESSION_ACTIVE && !ends_session(sqlstate)) {
        fail_statement(session, sqlstate, text);
        return;
    }
    session_drop_server(session);
    session_fail(session, sqlstate, text, NULL);
}

bool replay_relay(struct session *session, const struct pgwire_frame *frame, bool *out_pass)
{
    const struct owed_entry *head = owed_head(&session->owed);
    struct pgwire_param_status status;
    uint8_t block = 0;
    *out_pass = false;
    switch (frame->type) {
    case 'E':
        fail(session, frame);
        return false;
    case 'Z':
        if (pgwire_read_ready(frame->body, frame->body_len, &block) == PGWIRE_OK &&
            block == head->status) {
            session->unrestored &= !head->exits || session->unit.repairs;
            owed_pop(&session->owed);
            return true;
        }
        fail(session, frame);
        return false;
    case 'S':
        if (pgwire_read_param_status(frame->body, frame->body_len, &status) == PGWIRE_OK &&
            is_explained(session, &status, head->roles))
            return true;
        /* The server's configuration has changed: nothing is known of this profile any more. */
        *out_pass = true;
        fill_spoil(session, REASON_ANSWER);
        session->server->close_needed = true;
        profile_outdate(session->server->profile);
        return true;
    case 'A':
        *out_pass = true;
        return true;
    default:
        return true;
    }
}
