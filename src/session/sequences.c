/* currval and lastval say what nextval has said in the same session. Postgres keeps that in the backend;
 * here a session has one after the other, and each of them has many sessions.
 *
 * So what a backend remembers is one session's, or nobody's, and both know a mark that says whose:
 *
 *   nothing is remembered                  server->sequence_mark = 0
 *   a statement may move a sequence        server->sequence_mark = session's mark
 *     and the last one did elsewhere       ... which is a new one: what is known there is not all
 *   a statement may do anything with them,
 *     and the mark is another session's    DISCARD SEQUENCES goes first, in the same write
 *   DISCARD ALL                            both 0
 *
 * Hence who asks is told what it would be told by a backend of its own, or 55000 ("not yet defined in
 * this session"), and never what somebody else was told.
 *
 * That it is the former is seen to by:
 *   - a transaction is at one backend;
 *   - a session that asks is given the backend that knows, if that is idle;
 *   - after a statement that was followed by such a question the session keeps its backend for
 *     SEQUENCE_HOLD_MS, or up to the question. Statements are known by their shape; one that is not
 *     known counts as followed for SEQUENCE_TRIALS times. With `sequences = pinned` it keeps it to
 *     the end, or up to DISCARD ALL.
 *
 * Source  src/backend/commands/sequence.c: seqhashtab, last_used_seq.
 */
#include "session/sequences.h"

#include "session/settings.h"

enum {
    MAY_BE_ANYTHING = EFFECT_WRITES_ALL | EFFECT_DDL | EFFECT_DIRTY,
    /* A block that begins has such a backend from its first statement on: once it has failed, nothing
     * could be done about it. */
    MAY_USE = MAY_BE_ANYTHING | EFFECTS_SEQUENCES | EFFECT_UNPIN | EFFECT_TX_BEGIN,
    MAY_MOVE = MAY_BE_ANYTHING | EFFECT_SEQUENCE | EFFECT_UNPIN,
};

static const char discard[] = "DISCARD SEQUENCES";

static uint64_t next_mark(void)
{
    static _Atomic(uint64_t) last;
    return atomic_fetch_add(&last, 1) + 1;
}

uint64_t sequences_home(const struct session *session)
{
    const struct sequence_use *use = &session->sequences;
    bool wanted = use->asks || (session->unit.judged && (session->unit.ahead & EFFECT_LASTVAL));
    return use->mark && wanted ? use->server_id : session->home.server_id;
}

/* True if it remembers what another session was told. */
static bool is_foreign(const struct session *session)
{
    uint64_t mark = session->server->sequence_mark;
    return mark && mark != session->sequences.mark;
}

void sequences_prepare(struct session *session)
{
    const struct unit *unit = &session->unit;
    bool begins = transaction_is_ours(&session->transaction);
    if (LIKELY(!is_foreign(session)) || (session->status == 'E' && !begins))
        return;
    if (unit->judged && !(unit->ahead & MAY_USE) && !begins)
        return;
    uint8_t space[64];
    struct pgwire_writer writer = pgwire_writer_of(space, sizeof(space));
    pgwire_write_query(&writer, discard);
    ASSERT(!writer.overflow);
    stream_queue(&session->server->stream, writer.data, writer.len);
    struct owed_entry *entry = owed_push(&session->owed, 'Q', OWED_DISCARD);
    ASSERT(entry != NULL);
    entry->replay = true;
    entry->status = begins ? 'I' : session->status;
    session->server->sequence_mark = 0;
    session->server->unnamed_statement = 0;
}

/* ---- habits ---- */

static uint64_t shape_of(const struct session *session, const struct query *query)
{
    struct hash128 shape = query_shape(query);
    uint64_t pool = (uint64_t)(uintptr_t)session->pool;
    return (shape.low ^ pool * UINT64_C(0x9E3779B97F4A7C15)) | 1;
}

static void learn(struct host *host, uint64_t shape)
{
    struct sequence_habits *habits = host->habits;
    size_t at = shape / 2 % SEQUENCE_HABITS;
    if (habits->list[at].shape == shape && habits->list[at].followed)
        return;
    habits->list[at].shape = shape;
    habits->list[at].followed = true;
    habits->trials = 0;
}

/* True if a question may follow a statement of this shape. */
static bool is_followed(struct host *host, uint64_t shape, bool asked)
{
    struct sequence_habits *habits = host->habits;
    size_t at = shape / 2 % SEQUENCE_HABITS;
    if (habits->list[at].shape == shape && habits->list[at].followed)
        return true;
    if (asked || habits->trials == SEQUENCE_TRIALS_ALL)
        return false;
    if (habits->list[at].shape != shape) {
        if (habits->list[at].followed)
            return false; /* the place is taken */
        habits->list[at].shape = shape;
        habits->list[at].trials = 0;
    }
    if (habits->list[at].trials == SEQUENCE_TRIALS)
        return false;
    habits->list[at].trials++;
    habits->trials++;
    return true;
}

/* It asks: what of its earlier transactions moved a sequence since it last asked, was followed. When the
 * values are at several backends, all of it was. */
static void learn_past(struct session *session)
{
    struct sequence_use *use = &session->sequences;
    for (unsigned i = use->past_count; i > 0; i--) {
        if (!use->past[i - 1].settled)
            continue;
        if (use->past[i - 1].asked && !use->moved)
            break;
        use->asks = true;
        learn(session->host, use->past[i - 1].shape);
    }
}

static void remember(struct sequence_use *use, uint64_t shape, bool asked)
{
    if (use->past_count == SEQUENCE_PAST_MAX) {
        memmove(use->past, use->past + 1, sizeof(use->past) - sizeof(use->past[0]));
        use->past_count--;
    }
    use->past[use->past_count].shape = shape;
    use->past[use->past_count].asked = asked;
    use->past[use->past_count++].settled = false;
}

/* ---- statements ---- */

void sequences_note(struct session *session, const struct query *query,
                    const struct verdict *verdict)
{
    struct sequence_use *use = &session->sequences;
    struct server *server = session->server;
    if (LIKELY(!(verdict->effects & MAY_USE)))
        return;
    if (verdict->effects & MAY_MOVE) {
        if (is_foreign(session) || !use->mark || server->id != use->server_id) {
            use->moved |= use->mark != 0;
            use->mark = next_mark();
            use->server_id = server->id;
        }
        /* What there is of somebody else (in a block that has failed) will never be taken for its own. */
        server->sequence_mark = is_foreign(session) ? UINT64_MAX : use->mark;
    }
    if (!(verdict->effects & EFFECTS_SEQUENCES) || (verdict->effects & MAY_BE_ANYTHING) || !query ||
        !query->scanned)
        return;
    uint64_t shape = shape_of(session, query);
    bool asks = (verdict->effects & EFFECT_LASTVAL) != 0;
    if (asks)
        learn_past(session);
    use->used = true;
    use->follows =
        is_followed(session->host, shape, asks) || (!asks && (use->asks || use->follows));
    remember(use, shape, asks);
}

void sequences_let_go(struct session *session)
{
    struct sequence_use *use = &session->sequences;
    if (!use->hold_until_ms)
        return;
    use->hold_until_ms = 0;
    link_remove(&use->holding);
}

static void hold(struct session *session, uint64_t until_ms)
{
    struct sequence_use *use = &session->sequences;
    if (!use->hold_until_ms) {
        link_append(&session->host->holding, &use->holding);
        use->since_wall_ms = loop_wall_ms(session->host->loop);
    }
    use->hold_until_ms = until_ms;
}

void sequences_settle(struct session *session)
{
    struct sequence_use *use = &session->sequences;
    const struct unit *unit = &session->unit;
    if (UNLIKELY(unit->discards && (unit->effects & EFFECT_UNPIN) && unit->completed == 1)) {
        sequences_let_go(session);
        *use = (struct sequence_use){0};
        session->server->sequence_mark = 0;
    }
    bool knows = use->mark && session->server->sequence_mark == use->mark;
    bool pinned = knows && conf_current()->options.sequence_mode == SEQUENCES_PINNED;
    if (UNLIKELY(pinned))
        hold(session, UINT64_MAX);
    if (LIKELY(!use->used))
        return;
    for (unsigned i = 0; i < use->past_count; i++)
        use->past[i].settled = true;
    if (!pinned)
        sequences_let_go(session);
    if (!pinned && use->follows && knows)
        hold(session, loop_now_ms(session->host->loop) + SEQUENCE_HOLD_MS);
    use->used = use->follows = false;
}

void sequences_tick(struct host *host, uint64_t now_ms)
{
    LINK_EACH_SAFE (&host->holding, at) {
        struct sequence_use *use = CONTAINER_OF(at, struct sequence_use, holding);
        struct session *session = CONTAINER_OF(use, struct session, sequences);
        if (now_ms < use->hold_until_ms || !session_is_idle(session))
            continue;
        sequences_let_go(session);
        if (!unit_keeps_server(session))
            session_release_server(session);
    }
}
