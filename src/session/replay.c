/* Giving a backend the settings of the session that it goes to.
 *
 *   session    ── replay (Query), the client's messages ──►  backend, one write
 *              ◄─ its answer, swallowed ── the client's answers ──
 *
 * The client's messages leave without waiting for the replay, because a replay that fails ends the
 * backend's connection before it reads them (settings_replay). Then nothing of them was done, and the
 * client is told why its session cannot go on: somebody has dropped its role, say.
 */
#include "session/settings.h"

#include <stdio.h>
#include <strings.h>

#include "base/mem.h"

void replay_begin(struct session *session)
{
    struct server *server = session->server;
    if (session->tainted || server->settings == session->settings)
        return;
    ASSERT(!session->owed.count);
    struct buf text = {0};
    settings_replay(server->settings, session->settings, &text);
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
    entry->replay = true;
    entry->status = 'I';
    /* What a replay may change is known to the client, or it is what it was greeted with. */
    entry->roles = settings_find(server->settings, "role") ||
                   settings_find(server->settings, "session_authorization") ||
                   settings_find(session->settings, "role") ||
                   settings_find(session->settings, "session_authorization");
    settings_unref(server->settings);
    server->settings = settings_ref(session->settings);
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

static void fail(struct session *session, const struct pgwire_frame *frame)
{
    struct pgwire_slice code = {0}, message = {0};
    char sqlstate[6] = "08006", text[320];
    pgwire_error_field(frame->body, frame->body_len, 'C', &code);
    pgwire_error_field(frame->body, frame->body_len, 'M', &message);
    if (code.len == 5)
        memcpy(sqlstate, code.data, 5);
    snprintf(text, sizeof(text), "the session's settings could not be restored: %.*s",
             message.len < 200 ? (int)message.len : 200,
             message.len ? (const char *)message.data : "");
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
        profile_outdate(session->profile);
        return true;
    case 'A':
        *out_pass = true;
        return true;
    default:
        return true;
    }
}
