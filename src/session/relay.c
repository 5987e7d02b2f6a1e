/* Backend to client: every message is matched with the head of the queue of owed answers and
 * passed on, swallowed or replaced. Runs of messages that are passed on leave in one write, from
 * the memory into which they were read; messages longer than what has arrived pass in pieces.
 *
 * On ErrorResponse the backend skips everything up to Sync: so does the queue. ReadyForQuery is
 * taken apart before the bytes up to it leave, so that a write's tables are bumped and open before
 * its client can know that it succeeded.
 */
#include "session/ask.h"
#include "session/lazy.h"

#include <stdio.h>

#include "base/mem.h"
#include "session/names.h"
#include "session/relay_note.h"
#include "session/settings.h"
#include "upstream/statements.h"

/* The run of bytes of the chunk at hand that waits to be passed on. */
struct run {
    const uint8_t *data;
    size_t start;
    size_t end;
};

static void flush_run(struct session *session, struct run *run)
{
    if (run->end > run->start) {
        stream_write(&session->stream, run->data + run->start, run->end - run->start);
        counter_add(&session->stats->sent, run->end - run->start);
    }
    run->start = run->end;
}

/* Everything is answered: the client's messages that waited for that go on. */
static void end_hold(struct session *session)
{
    if (!session->unit.held || session->owed.count)
        return;
    session->unit.held = false;
    stream_resume(&session->stream);
}

/* The bytes up to `to` are dropped: what was before them leaves. */
static void drop_to(struct session *session, struct run *run, size_t to)
{
    flush_run(session, run);
    run->start = run->end = to;
}

void relay_local(struct session *session)
{
    struct owed_entry *head;
    if (session->unit.relay_left)
        return; /* in the middle of a message: at its end */
    while ((head = owed_head(&session->owed)) != NULL && head->source == OWED_LOCAL) {
        if (head->text_len)
            stream_write(&session->stream, head->text, head->text_len);
        owed_pop(&session->owed);
    }
    end_hold(session);
}

/* The local answers at the head of the queue follow the bytes of the run. */
static void local_behind(struct session *session, struct run *run)
{
    struct owed_entry *head = owed_head(&session->owed);
    if (head && head->source == OWED_LOCAL)
        flush_run(session, run);
    relay_local(session);
}

static void pop(struct session *session, struct run *run)
{
    owed_pop(&session->owed);
    local_behind(session, run);
}

/* ---- errors and the end of a unit ---- */

/* Everything owed up to Sync will not be answered. What was to change is undone from the last to the
 * first. Without a Sync the unit goes on to the one that the client will send, even behind a Query:
 * the backend skips that too. */
static void skip_to_sync(struct session *session)
{
    struct owed *owed = &session->owed;
    uint32_t count = 0;
    while (count < owed->count && owed_at(owed, count)->request != 'S')
        count++;
    for (uint32_t i = count; i > 0; i--)
        forward_settle(session, owed_at(owed, i - 1), true);
    while (count--)
        owed_pop(owed);
    session->unit.copying = false;
    if (!owed->count) {
        session->unit.failed = session->unit.open = true;
        session->unit.held = false;
        stream_resume(&session->stream);
    }
}

/* True if all that is owed up to the next Sync is ours: the client does not know of it. */
static bool sync_is_ours(const struct session *session)
{
    const struct owed *owed = &session->owed;
    for (uint32_t i = 0; i < owed->count; i++)
        if (owed_at(owed, i)->source != OWED_DISCARD || owed_at(owed, i)->request == 'S')
            return owed_at(owed, i)->source == OWED_DISCARD;
    return false;
}

/* Passes an ErrorResponse on, or what the client has to see in its place. */
static void replace_error(struct session *session, struct run *run, size_t after,
                          const uint8_t *body, size_t body_len)
{
    struct owed_entry *head = owed_head(&session->owed);
    if (head && (head->source == OWED_REPLACE || sync_is_ours(session))) {
        drop_to(session, run, after);
        session->unit.relay_drop = true; /* of what is still to come of it */
        if (head->source == OWED_REPLACE)
            stream_write(&session->stream, head->text, head->text_len);
    } else if (names_in_error(session, head, body, body_len) ||
               (head && head->restore &&
                restore_error(head->restore, body, body_len, &session->host->compose))) {
        drop_to(session, run, after);
        stream_write(&session->stream, buf_head(&session->host->compose),
                     buf_len(&session->host->compose));
    } else {
        if (head && head->source == OWED_DISCARD && head->request == 'P' && head->text_len) {
            flush_run(session, run);
            stream_write(&session->stream, head->text, head->text_len);
        }
        run->end = after;
    }
}

/* ErrorResponse. */
static void relay_error(struct session *session, struct run *run, size_t after, const uint8_t *body,
                        size_t body_len)
{
    struct owed_entry *head = owed_head(&session->owed);
    struct pgwire_slice severity;
    unpin_refused(session, body, body_len);
    session->unit.erred = true;
    if (pgwire_error_field(body, body_len, 'V', &severity) &&
        (pgwire_slice_is(severity, "FATAL") || pgwire_slice_is(severity, "PANIC")))
        session->fatal_relayed = true;
    relay_note_statement(session, head, body, body_len);
    session->local.failed = true;
    settings_failed(session, head);
    replace_error(session, run, after, body, body_len);
    bool begins = head && head->begins;
    if (head && head->request != 'Q' && head->request != 'F')
        skip_to_sync(session);
    else
        session->unit.copying = false;
    if (begins)
        lazy_begin_failed(session);
}

/* ReadyForQuery of the unit. Whatever is passed on up to here leaves after the write's tables have
 * been bumped. */
static void relay_ready(struct session *session, struct run *run, const uint8_t *data, size_t at,
                        size_t after, uint8_t status)
{
    struct fill *fill = &session->fill;
    if (closing_is_on(&session->closing)) {
        /* What a block did comes with its end: the catalog is to be looked at again. */
        if (session->closing.set.ddl)
            session->unit.effects |= EFFECT_DDL;
        if (session->closing.set.everything)
            session->unit.effects |= EFFECT_GLOBAL;
        bool writes = !write_set_is_empty(&session->closing.set);
        realm_finish(&session->closing, writes && !relay_nothing_committed(session, status));
    } else if (status == 'I' && UNLIKELY(session_is_overtaken(session))) {
        const struct write_set all = {.all = true};
        realm_bump(session->database->realm, &all);
    }
    if (fill->on) {
        size_t start = fill->start < at ? fill->start : at;
        if (status != (fill->in_block ? 'T' : 'I'))
            fill_spoil(session, REASON_IN_TRANSACTION);
        fill_store(session, slice_of(data + start, at - start));
    }
    if (UNLIKELY(buf_len(&session->lent.report))) {
        struct buf *report = &session->lent.report;
        run->end = at;
        flush_run(session, run);
        stream_write(&session->stream, buf_head(report), buf_len(report));
        buf_fini(report);
    }
    run->end = after;
    flush_run(session, run);
    owed_pop(&session->owed);
    unit_done(session, status);
}

/* ---- one message ---- */

enum relay_result { RELAY_ON, RELAY_MORE, RELAY_BROKEN, RELAY_UNIT_END };

static void copy_begins(struct session *session)
{
    struct unit *unit = &session->unit;
    /* The backend ignores a Sync that it reads while it takes data: it owes nothing for it. */
    owed_drop_syncs(&session->owed);
    unit->held = false;
    unit->copying = true;
    if (unit->extended)
        unit->open = true;
    stream_resume(&session->stream);
}

static bool hides_report(const struct session *session, const struct pgwire_frame *frame)
{
    struct pgwire_param_status status;
    return pgwire_read_param_status(frame->body, frame->body_len, &status) == PGWIRE_OK &&
           restore_hides_report(session, owed_head(&session->owed), session_slice(status.name));
}

static bool is_read_whole(uint8_t type)
{
    return type == 'Z' || type == 'C' || type == 'E' || type == 'S';
}

/* True if a message of this type answers the head of the queue, which is then popped. */
static bool answers_head(uint8_t type, uint8_t request)
{
    switch (type) {
    case '1':
        return request == 'P';
    case '2':
        return request == 'B';
    case '3':
        return request == 'C';
    case 'T':
    case 'n':
        return request == 'D';
    case 'C':
    case 's':
    case 'I':
        return request == 'E';
    default:
        return false;
    }
}

/* True if the backend waits for a Sync or for data that the client, who is gone, did not send. */
static bool waits_in_vain(const struct session *session)
{
    return session->state == SESSION_DRAINING && (session->unit.open || session->unit.copying);
}

static enum relay_result abandon(struct session *session)
{
    session_drop_server(session);
    session_end(session);
    return RELAY_UNIT_END;
}

/* A block that was to fail at Postgres has not even begun there. */
static enum relay_result lose_block(struct session *session)
{
    session_drop_server(session);
    session_fail(session, "08006", "the transaction could not be started", NULL);
    return RELAY_UNIT_END;
}

/* A message that answers the replay of settings: the client sees it only if it is news. */
static enum relay_result relay_replay(struct session *session, struct run *run,
                                      const struct pgwire_frame *frame, size_t next)
{
    bool pass;
    flush_run(session, run);
    if (!replay_relay(session, frame, &pass))
        return RELAY_UNIT_END;
    if (pass)
        run->end = next;
    else
        drop_to(session, run, next);
    session->unit.relay_drop = !pass;
    local_behind(session, run);
    return RELAY_ON;
}

/* ReadyForQuery: the client's, or one of ours. */
static enum relay_result relay_end(struct session *session, struct run *run,
                                   const struct pgwire_frame *frame, const uint8_t *data, size_t at,
                                   size_t next)
{
    struct owed_entry *head = owed_head(&session->owed);
    uint8_t status;
    if (!head || (head->request != 'S' && head->request != 'Q' && head->request != 'F') ||
        pgwire_read_ready(frame->body, frame->body_len, &status) != PGWIRE_OK)
        return RELAY_BROKEN;
    if (head->source != OWED_DISCARD) {
        relay_ready(session, run, data, at, next, status);
        return RELAY_UNIT_END;
    }
    if (head->asks)
        ask_end(session, status);
    if (head->fails && status != 'E')
        return lose_block(session);
    drop_to(session, run, next);
    pop(session, run);
    return RELAY_ON;
}

/* ParameterStatus, NoticeResponse, NotificationResponse: nobody asked for them. */
static enum relay_result relay_unasked(struct session *session, struct run *run,
                                       const struct pgwire_frame *frame, bool whole, size_t next)
{
    const struct owed_entry *head = owed_head(&session->owed);
    if (frame->type == 'S') {
        relay_note_setting(session, frame, whole);
        if (whole && hides_report(session, frame)) {
            drop_to(session, run, next);
            return RELAY_ON;
        }
    }
    if (frame->type == 'N' && head && head->request == 'P' && head->statement) {
        head->statement->notices = true;
        if (head->source == OWED_DISCARD) { /* the client has had them with its own Parse */
            drop_to(session, run, next);
            session->unit.relay_drop = true;
            return RELAY_ON;
        }
    }
    run->end = next;
    return RELAY_ON;
}

/* What the answer to the head of the queue says to us. */
static void note_answer(struct session *session, struct owed_entry *head,
                        const struct pgwire_frame *frame, bool whole)
{
    if (head->source != OWED_DISCARD)
        relay_note_done(session, frame, whole);
    if (frame->type == 'D' && whole && head->asks)
        ask_row(session, frame->body, frame->body_len);
    if (UNLIKELY(head->learns) && whole &&
        (frame->type == 't' || frame->type == 'T' || frame->type == 'n'))
        names_learned(session, head, frame);
    if (frame->type == 'C' && whole)
        relay_note_complete(session, head, frame);
    if (frame->type == 'G')
        copy_begins(session);
    /* All rows of a set_config that was executed with a limit: it is done. */
    if (frame->type == 's' && head->changes)
        settings_complete(session, head, (struct pgwire_slice){0});
}

/* An answer to the head of the queue, or a part of it. */
static enum relay_result relay_answer(struct session *session, struct run *run,
                                      const struct pgwire_frame *frame, bool whole, size_t next)
{
    struct owed_entry *head = owed_head(&session->owed);
    if (!head || frame->type == 'R' || frame->type == 'K' || frame->type == 'v')
        return RELAY_BROKEN;
    if (UNLIKELY(head->restore != NULL) && restore_hides(head->restore, frame->type)) {
        drop_to(session, run, next);
        session->unit.relay_drop = true;
        return RELAY_ON;
    }
    note_answer(session, head, frame, whole);
    if (frame->type == 'G' && waits_in_vain(session))
        return abandon(session);
    bool drop = head->source == OWED_DISCARD;
    if (drop)
        drop_to(session, run, next);
    else
        run->end = next;
    session->unit.relay_drop = drop;
    if (answers_head(frame->type, head->request)) {
        forward_settle(session, head, false);
        pop(session, run);
    } else if (frame->type == '1' || frame->type == '2' || frame->type == '3') {
        return RELAY_BROKEN;
    }
    return RELAY_ON;
}

/* An answer that may be kept sees everything but what the client did not ask for. */
static void show_fill(struct session *session, const struct owed_entry *head, uint8_t type,
                      size_t at)
{
    if (head && head->source == OWED_DISCARD &&
        (type == 'C' || type == 'D' || type == '3' || head->learns))
        return;
    fill_see(session, type, at);
}

static enum relay_result relay_one(struct session *session, struct run *run, const uint8_t *data,
                                   size_t at, size_t len, size_t *out_next)
{
    struct pgwire_frame frame;
    enum pgwire_status parsed = pgwire_frame_answer(data + at, len - at, &frame);
    if (parsed == PGWIRE_MORE)
        return RELAY_MORE;
    if (parsed != PGWIRE_OK)
        return RELAY_BROKEN;
    bool whole = len - at >= frame.len;
    struct owed_entry *head = owed_head(&session->owed);
    if (!whole &&
        (is_read_whole(frame.type) || (head && (head->asks || head->proves || head->learns))) &&
        frame.len <= SESSION_WHOLE_MAX)
        return RELAY_MORE;
    size_t next = whole ? at + frame.len : len;
    bool unasked = frame.type == 'S' || frame.type == 'N' || frame.type == 'A';
    session->unit.relay_left = frame.len - (next - at);
    session->unit.relay_drop = false;
    *out_next = next;
    if (head && head->replay)
        return relay_replay(session, run, &frame, next);
    if (head && UNLIKELY(head->proves) && !unasked) {
        drop_to(session, run, next);
        session->unit.relay_drop = true;
        return !whole || unpin_relay(session, &frame) ? RELAY_ON : RELAY_UNIT_END;
    }
    if (session->fill.on)
        show_fill(session, head, frame.type, at);
    if (frame.type == 'E') {
        relay_error(session, run, next, frame.body, whole ? frame.body_len : 0);
        if (!session->server)
            return RELAY_UNIT_END;
        return waits_in_vain(session) ? abandon(session) : RELAY_ON;
    }
    if (frame.type == 'Z')
        return relay_end(session, run, &frame, data, at, next);
    if (unasked)
        return relay_unasked(session, run, &frame, whole, next);
    return relay_answer(session, run, &frame, whole, next);
}

static void relay_broken(struct session *session)
{
    log_warn("unexpected message from the server", "database", session->database->name, "session",
             log_num((int64_t)session->id), NULL);
    session_drop_server(session);
    session_fail(session, "08P01", "unexpected message from the server", NULL);
}

size_t relay_on_input(struct session *session, const uint8_t *data, size_t len)
{
    struct run run = {.data = data};
    size_t at = 0;
    if (session->fill.on && session->fill.start != SIZE_MAX)
        session->fill.start = 0;
    if (session->unit.relay_left) {
        at = size_min(session->unit.relay_left, len);
        session->unit.relay_left -= at;
        run.start = session->unit.relay_drop ? at : 0;
        run.end = at;
        local_behind(session, &run);
    }
    while (at < len) {
        size_t next = at;
        enum relay_result result = relay_one(session, &run, data, at, len, &next);
        if (result == RELAY_BROKEN) {
            flush_run(session, &run);
            relay_broken(session);
            return len;
        }
        if (result == RELAY_MORE)
            break;
        at = next;
        if (result == RELAY_UNIT_END)
            return at;
    }
    if (session->fill.on)
        fill_keep_chunk(session, data, at);
    flush_run(session, &run);
    if (stream_pending(&session->stream) > SESSION_OUTPUT_MAX && session->server)
        stream_pause(&session->server->stream);
    return at;
}
