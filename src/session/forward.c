/* Client to backend: the messages of one unit, one after the other, with names of prepared
 * statements translated, statements that this backend lacks parsed first, and everything that will
 * be answered noted in the queue of owed answers.
 *
 * Before a message that may make a write visible is passed on, the tables that the write reaches
 * are closed (coherence/realm.h). A statement's effects count from its Bind on; an Execute of a
 * portal that an earlier unit bound counts as unknown unless that portal was proven harmless.
 *
 * When the client asks for something that we know to be wrong (a name that does not exist), the
 * backend is made to fail as well, with a Describe of a name that cannot exist, so that its
 * transaction fails as it would have; the client gets the error that Postgres would have sent it.
 */
#include "session/forward.h"
#include "session/ask.h"
#include "session/lazy.h"
#include "session/local_answer.h"
#include "session/names.h"
#include "session/settings.h"

#include <stdio.h>

#include "base/mem.h"

enum { MESSAGE_EXTRA = 64 };

void forward_put(struct session *session, const void *data, size_t len)
{
    buf_append(&session->host->compose, data, len);
}

/* ---- errors of our own making ---- */

void forward_refuse_with(struct session *session, const struct buf *text)
{
    struct owed_entry *entry = owed_push(&session->owed, 'D', OWED_REPLACE);
    ASSERT(entry != NULL);
    entry->text = text->data;
    entry->text_len = (uint32_t)buf_len(text);
    uint8_t space[64];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    struct pgwire_slice missing = {.data = (const uint8_t *)"pgrecall_no_such", .len = 16};
    pgwire_write_target(&writer, 'D', 'S', missing);
    forward_put(session, space, writer.len);
    session->unit.failed = true;
}

void forward_refuse(struct session *session, const char *sqlstate, const char *before,
                    struct slice name, const char *after)
{
    char message[320];
    int shown = name.len < 200 ? (int)name.len : 200;
    snprintf(message, sizeof(message), "%s%.*s%s", before, shown,
             name.len ? (const char *)name.data : "", after);
    struct buf text = {0};
    session_error_bytes(&text, "ERROR", sqlstate, message, NULL);
    forward_refuse_with(session, &text);
}

/* ---- statements that are answered here: see local_answer.h ---- */

struct query forward_query_of(const struct statement *statement)
{
    return (struct query){.text = statement->query,
                          .types = statement->types,
                          .canonical = statement->canonical,
                          .hint = statement->hint,
                          .shape = statement->shape,
                          .scan_flags = statement->scan_flags,
                          .scanned = statement->scanned};
}

bool forward_is_here(struct session *session, const struct query *query)
{
    return UNLIKELY(query->scanned && local_answer_may(query)) &&
           local_answer_kind_of(session, query) != LOCAL_ANSWER_NONE;
}

void forward_answer_here(struct session *session, uint8_t request, const struct buf *text)
{
    struct owed_entry *entry = owed_push(&session->owed, request, OWED_LOCAL);
    ASSERT(entry != NULL && text->start == 0);
    entry->text = text->data;
    entry->text_len = (uint32_t)buf_len(text);
}

void forward_malformed(struct session *session, const struct pgwire_frame *frame,
                       const uint8_t *data)
{
    forward_unknown_effects(session);
    lazy_materialise(session, slice_of("", 0));
    forward_put(session, data, frame->len);
    if (frame->type != 'Q')
        ASSERT(owed_push(&session->owed, frame->type, OWED_FORWARD) != NULL);
}

/* ---- Query ---- */

/* A simple Query that is read whole: its effects, then its bytes. `out_instead` is what its error is to be
 * replaced with: it is one of ours, which fails in a block. `out_changes` is what it would set,
 * `out_restore` what of its answers is ours. */
static void forward_query(struct session *session, const struct pgwire_frame *frame,
                          const uint8_t *data, struct buf *out_instead,
                          struct setting_changes **out_changes, struct restore **out_restore)
{
    struct pgwire_slice text;
    if (pgwire_read_text(frame->body, frame->body_len, &text) != PGWIRE_OK) {
        forward_malformed(session, frame, data);
        return;
    }
    struct query query = {.text = session_slice(text)};
    query_scan(session->host, &query);
    if (forward_is_here(session, &query)) {
        static const char failing[] = "pgrecall_no_such";
        uint8_t space[64];
        struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
        local_answer_error(session, &query, out_instead);
        pgwire_write_query(&writer, failing);
        lazy_materialise(session, query.text);
        forward_put(session, space, writer.len);
        return;
    }
    if (query.scanned)
        local_see(session, query.canonical);
    const struct verdict *verdict = lookup_verdict(session, &query);
    struct verdict tracked;
    struct buf longer = {0};
    if (UNLIKELY(verdict->effects & EFFECT_TRACK)) {
        verdict = settings_track(session, &query, false, verdict, &tracked, out_changes);
        *out_restore = restore_query(session, &query, &longer);
    }
    forward_effects(session, &query, verdict);
    lazy_materialise(session, query.text);
    if (LIKELY(!*out_restore)) {
        forward_put(session, data, frame->len);
        return;
    }
    buf_append(&longer, "", 1);
    size_t room = buf_len(&longer) + MESSAGE_EXTRA;
    struct pgwire_writer writer =
        pgwire_writer_of(buf_reserve(&session->host->compose, room), room);
    pgwire_write_query(&writer, (const char *)buf_head(&longer));
    ASSERT(!writer.overflow);
    buf_added(&session->host->compose, writer.len);
    buf_fini(&longer);
}

static void query_sent(struct session *session, const struct buf *instead,
                       struct setting_changes *changes, struct restore *restore)
{
    session->unnamed_id = 0;
    session->server->unnamed_statement = 0;
    session->unit.open = false;
    struct owed_entry *entry =
        owed_push(&session->owed, 'Q', buf_len(instead) ? OWED_REPLACE : OWED_FORWARD);
    ASSERT(entry != NULL);
    entry->text = instead->data;
    entry->text_len = (uint32_t)buf_len(instead);
    entry->changes = changes;
    entry->restore = restore;
    counter_add(&session->stats->query_count, 1);
}

/* ---- the walk ---- */

static void send_composed(struct session *session)
{
    struct buf *compose = &session->host->compose;
    if (buf_len(compose))
        stream_write(&session->server->stream, buf_head(compose), buf_len(compose));
    buf_clear(compose);
    buf_shrink(compose, SESSION_NAMED_PARSE_MAX);
}

/* Begins to pass a message on (or to drop it) in pieces. */
static size_t pass_on(struct session *session, const struct pgwire_frame *frame,
                      const uint8_t *data, size_t len, bool drop)
{
    size_t here = size_min(frame->len, len);
    if (drop) {
        session->unit.skip_left = frame->len - here;
    } else {
        forward_put(session, data, here);
        session->unit.pass_left = frame->len - here;
    }
    return here;
}

/* A message that is not read whole: what can be done with its head alone. */
static size_t forward_long(struct session *session, const struct pgwire_frame *frame,
                           const uint8_t *data, size_t len)
{
    if (frame->type == 'Q' && frame->len > SESSION_TEXT_MAX) {
        forward_unknown_effects(session);
        lazy_materialise(session, slice_of("", 0));
        query_sent(session, &(struct buf){0}, NULL, NULL);
        return pass_on(session, frame, data, len, false);
    }
    if (frame->type == 'F') {
        forward_unknown_effects(session);
        lazy_materialise(session, slice_of("", 0));
        ASSERT(owed_push(&session->owed, 'F', OWED_FORWARD) != NULL);
        session->unit.open = false;
        return pass_on(session, frame, data, len, false);
    }
    if ((frame->type == 'P' || frame->type == 'B') && frame->len > SESSION_NAMED_PARSE_MAX &&
        frame->type == 'P') {
        forward_refuse(session, "54000", "a statement to prepare is longer than pgrecall allows",
                       slice_of("", 0), "");
        return pass_on(session, frame, data, len, true);
    }
    return 0;
}

/* False: nothing of it was done, it waits for answers. */
static bool forward_whole(struct session *session, const struct pgwire_frame *frame,
                          const uint8_t *data)
{
    struct buf instead = {0};
    struct setting_changes *changes = NULL;
    struct restore *restore = NULL;
    if (session->transaction.state == TRANSACTION_LAZY && frame->type != 'Q')
        lazy_send_begin_before(session, frame); /* a Query changes settings before the block */
    if (names_must_look(session, frame))
        return false;
    if (UNLIKELY(session->transaction.owes_snapshot))
        lazy_send_snapshot_before(session, frame);
    switch (frame->type) {
    case 'P':
        forward_parse(session, frame, data);
        break;
    case 'B':
        forward_bind(session, frame, data);
        break;
    case 'D':
    case 'C':
        forward_target(session, frame, data);
        break;
    case 'E':
        forward_execute(session, frame, data);
        break;
    case 'Q':
        forward_query(session, frame, data, &instead, &changes, &restore);
        if (!session->end_after_flush) {
            query_sent(session, &instead, changes, restore);
        } else {
            setting_changes_destroy(changes);
            restore_destroy(restore);
        }
        break;
    case 'H':
        forward_put(session, data, frame->len);
        break;
    case 'S':
        forward_put(session, data, frame->len);
        ASSERT(owed_push(&session->owed, 'S', OWED_FORWARD) != NULL);
        session->unit.open = false;
        break;
    default:
        session_fail_frame(session, PGWIRE_OK, frame->type);
        break;
    }
    return true;
}

/* The backend shall answer all it was asked so far; until then nothing more is passed on. */
static size_t hold(struct session *session)
{
    static const uint8_t flush[] = {'H', 0, 0, 0, 4};
    forward_put(session, flush, sizeof(flush));
    session->unit.held = true;
    return 0;
}

/* What is to be explained has to be looked for in Redis first: the input is shown again then. */
static bool explains_first(struct session *session, const struct pgwire_frame *frame)
{
    struct pgwire_execute execute;
    return pgwire_read_execute(frame->body, frame->body_len, &execute) == PGWIRE_OK &&
           local_answer_has(session, session_slice(execute.portal)) &&
           local_answer_portal_waits(session);
}

/* One message, or a piece of one; 0: more bytes are needed, or it is not its turn yet. */
static size_t forward_one(struct session *session, const uint8_t *data, size_t len)
{
    struct unit *unit = &session->unit;
    struct pgwire_frame frame;
    if (!session_read_frame(session, data, len, &frame))
        return 0;
    if (frame.type == 'X') {
        session_end(session);
        return len;
    }
    if (frame.type == 'd' || frame.type == 'c' || frame.type == 'f') {
        /* Before we know whether what was executed is a COPY. */
        if (unit->extended && !unit->copying && !unit->failed && session->owed.count)
            return hold(session);
        /* Data for a COPY that is over, or was never on, is dropped as Postgres does. */
        bool drop = !unit->copying;
        if (frame.type != 'd')
            unit->copying = false;
        return pass_on(session, &frame, data, len, drop);
    }
    if (unit->copying && (frame.type == 'S' || frame.type == 'H'))
        return pass_on(session, &frame, data, len, true);
    if (unit->failed && frame.type != 'S')
        return pass_on(session, &frame, data, len, true);
    if (unit->copying) {
        /* Postgres says what it thinks of that, and ends the connection. */
        forward_unknown_effects(session);
        return pass_on(session, &frame, data, len, false);
    }
    size_t used = forward_long(session, &frame, data, len);
    if (used)
        return used;
    if (len < frame.len)
        return 0;
    if (UNLIKELY(session->local_portal != NULL) && frame.type == 'E' &&
        explains_first(session, &frame))
        return 0;
    if (!forward_whole(session, &frame, data))
        return hold(session);
    return session->end_after_flush ? len : frame.len;
}

size_t forward_messages(struct session *session, const uint8_t *data, size_t len)
{
    struct unit *unit = &session->unit;
    struct stream *to = &session->server->stream;
    size_t done = 0;
    buf_clear(&session->host->compose);
    if (unit->ask == UNIT_ASK_FIRST) {
        ask_send(session);
        send_composed(session);
        return 0;
    }
    if (UNLIKELY(session->transaction.state == TRANSACTION_FAILED)) {
        lazy_send_failed_block(session);
        send_composed(session);
        return 0;
    }
    while (done < len && session->state == SESSION_ACTIVE && !session->end_after_flush) {
        if (unit->held ||
            stream_pending(to) + buf_len(&session->host->compose) > SESSION_FORWARD_MAX)
            break;
        if (session->owed.count > OWED_MAX - FORWARD_OWED_ROOM) {
            hold(session);
            break;
        }
        size_t used;
        if (unit->pass_left || unit->skip_left) {
            size_t *left = unit->pass_left ? &unit->pass_left : &unit->skip_left;
            used = size_min(*left, len - done);
            if (left == &unit->pass_left)
                forward_put(session, data + done, used);
            *left -= used;
        } else if (unit->open || unit->copying) {
            used = forward_one(session, data + done, len - done);
        } else {
            break;
        }
        if (!used)
            break;
        done += used;
    }
    if (session->server && session->state == SESSION_ACTIVE)
        send_composed(session);
    relay_local(session);
    return done;
}
