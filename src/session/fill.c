/* How an answer is kept on its way to the client: begun when its statement was looked for and not
 * found, fed by the relay, stored at ReadyForQuery, unless something has spoilt it.
 */
#include "base/flaw.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "session/flight.h"

static const uint8_t complete_prefix[] = {'1', 0, 0, 0, 4, '2', 0, 0, 0, 4};
static const uint8_t ready_idle[] = {'Z', 0, 0, 0, 5, 'I'};

struct entry_key fill_key(const struct fill *fill)
{
    return (struct entry_key){.hash = fill->hash,
                              .bytes = slice_of(buf_head(&fill->key), buf_len(&fill->key))};
}

void fill_keep(struct session *session, struct slice answer)
{
    struct fill *fill = &session->fill;
    struct entry_key key = fill_key(fill);
    uint64_t number;
    for (unsigned i = 0; i < fill->stamp_count && flaw_is_on(FLAW_STAMPS_FIRST); i++)
        fill->stamps[i].value = generation_read(fill->stamps[i].word);
    uint64_t end_ms = window_end_ms(fill->hash, fill->begun_wall_ms, fill->window_ms, &number);
    enum err err = cache_store(session->host->cache, &key, answer, fill->stamps, fill->stamp_count,
                               loop_wall_ms(session->host->loop), end_ms);
    if (err == ERR_OK)
        counter_add(&session->host->stores, 1);
    else if (err == ERR_TOO_BIG)
        counter_add(&session->host->bypass[REASON_TOO_BIG], 1);
    else
        counter_add(&session->host->moved, 1);
}

static void fill_begin_at(struct session *session, size_t at)
{
    if (session->fill.on && session->fill.start == SIZE_MAX)
        session->fill.start = at;
}

void fill_keep_chunk(struct session *session, const uint8_t *data, size_t end)
{
    struct fill *fill = &session->fill;
    if (!fill->on || fill->spoiled || fill->start == SIZE_MAX || fill->start >= end)
        return;
    if (buf_len(&fill->answer) + (end - fill->start) > conf_current()->options.max_entry_bytes) {
        fill_spoil(session, REASON_TOO_BIG);
        return;
    }
    buf_append(&fill->answer, data + fill->start, end - fill->start);
}

void fill_see(struct session *session, uint8_t type, size_t at)
{
    switch (type) {
    case '1':
    case '2':
        break;
    case 'T':
    case 'n':
    case 'D':
        fill_begin_at(session, at);
        break;
    case 'C':
        fill_begin_at(session, at);
        session->fill.complete = true;
        break;
    case 'Z':
        break;
    default:
        fill_spoil(session, REASON_ANSWER);
        break;
    }
}

void fill_spoil(struct session *session, enum reason reason)
{
    struct fill *fill = &session->fill;
    if (!fill->on || fill->spoiled)
        return;
    fill->spoiled = true;
    fill->reason = reason;
    counter_add(&session->host->bypass[reason], 1);
    buf_clear(&fill->answer);
    flight_end(&fill->flight, reason != REASON_ANSWER && reason != REASON_TOO_BIG);
}

void fill_end(struct session *session)
{
    struct fill *fill = &session->fill;
    fill->on = false;
    flight_end(&fill->flight, true); /* before its key goes */
    buf_clear(&fill->answer);
    buf_shrink(&fill->answer, 0);
    buf_clear(&fill->key);
    buf_shrink(&fill->key, 4096);
    mem_free(fill->stamps);
    fill->stamps = NULL;
    fill->stamp_count = 0;
}

void fill_store(struct session *session, struct slice answer)
{
    struct fill *fill = &session->fill;
    if (!fill->on || fill->spoiled || !fill->complete) {
        fill_end(session);
        return;
    }
    struct buf *whole = &session->host->compose;
    buf_clear(whole);
    if (fill->extended)
        buf_append(whole, complete_prefix, sizeof(complete_prefix));
    buf_append(whole, buf_head(&fill->answer), buf_len(&fill->answer));
    buf_append(whole, answer.data, answer.len);
    buf_append(whole, ready_idle, sizeof(ready_idle));
    struct slice kept = slice_of(buf_head(whole), buf_len(whole));
    const struct options *options = &conf_current()->options;
    if (kept.len > options->max_entry_bytes) {
        fill_spoil(session, REASON_TOO_BIG);
    } else {
        fill_keep(session, kept);
        struct entry_key key = fill_key(fill);
        if (session->host->redis && stamps_hold(generation_words, fill->stamps, fill->stamp_count))
            redis_put(session->host->redis, &key, kept, fill->stamps, fill->stamp_count,
                      fill->begun_wall_ms, fill->window_ms);
    }
    buf_clear(whole);
    fill_end(session);
}
