/* Keys and hits: may this statement be answered from the cache, and may its answer be kept?
 *
 * A hit, in order: the session has no state that the key does not hold (status I, not pinned, a
 * profile that may be cached), the text was cut with certainty, the key is built in the host's
 * buffer, the memory tier has a valid entry, its bytes go to the client. No allocation, no lock, no
 * system call but the write. The verdict is not asked: only what was proven cacheable is stored,
 * and what the proof stood on is behind the entry's stamps.
 *
 * A miss: note the stamps of everything and of the database, prove (memo or parser), note the
 * tables' stamps, ask Redis, else Postgres; store at ReadyForQuery if every stamp still holds.
 * The database's stamp is noted before the catalog is read: DDL between the two moves it.
 */
#include "base/mem.h"
#include "conf/conf.h"
#include "session/bind_key.h"
#include "session/flight.h"
#include "session/keys.h"
#include "session/settings.h"

enum {
    KEY_FORMAT = 3,
    KEY_FORCED = 1 << 8,
    PREFIX_COMPLETE_LEN = 10,
    PARSE_COMPLETE_LEN = 5,
    READY_LEN = 6
};

struct key_head {
    uint32_t format;
    uint32_t shape; /* 0 simple, 1 extended without Describe, 3 with; KEY_FORCED */
    uint64_t identity;
    uint64_t incarnation;
    struct hash128 signature;
    uint32_t canonical_len;
    uint32_t types_len;
    uint32_t namespace_len;
    uint32_t window_ms; /* 0: cache_window, whatever that is */
};

static void bypass(struct session *session, enum reason reason)
{
    counter_add(&session->host->bypass[reason], 1);
    counter_add(&session->stats->bypasses, 1);
    session->fill.on = false;
    session->fill.reason = reason;
}

/* Why this session cannot use the cache now, whatever it asks. */
enum reason lookup_reason(struct session *session)
{
    if (UNLIKELY(!session->host->cache))
        return REASON_CACHE_OFF;
    if (session->status != 'I' &&
        (session->status != 'T' ||
         !transaction_may_hit(&session->transaction, settings_read_committed(session))))
        return REASON_IN_TRANSACTION;
    if (session->pin != PIN_NONE)
        return REASON_SESSION_STATE;
    if (UNLIKELY(!profile_facts_current(session->profile, session->facts))) {
        /* Outdated and not learned again yet: nobody knows what the settings are. */
        struct profile_facts *newest = profile_facts_ref(session->profile);
        if (!newest)
            return REASON_SESSION_SETTINGS;
        profile_facts_unref(session->facts);
        session->facts = newest;
    }
    if (session->facts->bypass || (session->settings && session->settings->bypass))
        return REASON_SESSION_SETTINGS;
    /* In pool mode session: its own backend may be older than what was learned last. */
    if (session->server && settings_backend_differs(session))
        return REASON_BACKEND_DIFFERS;
    const struct conf_database *line =
        atomic_load_explicit(&session->database->conf, memory_order_acquire);
    if (UNLIKELY(!line || line->cache == 0))
        return REASON_CACHE_OFF;
    return REASON_NONE;
}

static enum reason text_reason(const struct query *query)
{
    if (UNLIKELY(!query->scanned))
        return REASON_TOO_LONG;
    if (LIKELY(!(query->scan_flags & (SCAN_DOUBT | SCAN_SEVERAL | SCAN_EMPTY))))
        return REASON_NONE;
    if (query->scan_flags & SCAN_DOUBT)
        return REASON_DOUBTFUL_TEXT;
    return query->scan_flags & SCAN_EMPTY ? REASON_EMPTY : REASON_SEVERAL_STATEMENTS;
}

void query_scan(struct host *host, struct query *query)
{
    struct scan scan;
    if (scan_text(query->text, host->scratch, &scan) != ERR_OK)
        return;
    query->scanned = true;
    query->canonical = slice_of(scan.canonical, scan.canonical_len);
    query->scan_flags = scan.flags;
    query->hint = slice_of(query->text.data + scan.hint_at, scan.hint_len);
}

void lookup_key(struct session *session, const struct query *query, const struct policy *policy,
                struct entry_key *out)
{
    const struct realm *realm = session->database->realm;
    struct key_head head = {
        .format = KEY_FORMAT,
        .shape = (query->extended ? (query->with_describe ? 3 : 1) : 0) |
                 (policy->forced ? KEY_FORCED : 0),
        .identity = atomic_load_explicit(&realm->identity, memory_order_acquire),
        .incarnation = atomic_load_explicit(&realm->incarnation, memory_order_acquire),
        .signature = settings_signature(session->facts->signature, session->settings),
        .canonical_len = (uint32_t)query->canonical.len,
        .types_len = (uint32_t)query->types.len,
        .namespace_len = (uint32_t)policy->name_space.len,
        .window_ms = policy->window_ms,
    };
    size_t len = sizeof(head) + query->canonical.len + query->types.len + policy->name_space.len;
    struct buf *key = &session->host->key;
    buf_clear(key);
    uint8_t *at = buf_reserve(key, len + query->arguments.len);
    memcpy(at, &head, sizeof(head));
    at += sizeof(head);
    memcpy(at, query->canonical.data, query->canonical.len);
    at += query->canonical.len;
    if (query->types.len)
        memcpy(at, query->types.data, query->types.len);
    at += query->types.len;
    if (policy->name_space.len)
        memcpy(at, policy->name_space.data, policy->name_space.len);
    at += policy->name_space.len;
    len += bind_key_write(query->arguments, at);
    buf_added(key, len);
    out->bytes = slice_of(buf_head(key), len);
    out->hash = hash128_of(out->bytes.data, out->bytes.len);
}

static void send_answer(struct session *session, struct slice answer, bool extended,
                        bool with_parse, bool more)
{
    if (extended && !with_parse)
        answer = slice_of(answer.data + PARSE_COMPLETE_LEN, answer.len - PARSE_COMPLETE_LEN);
    if (session->status != 'I') {
        session->transaction.hit = true;
        /* Entries end with status I. */
        const uint8_t ready[READY_LEN] = {'Z', 0, 0, 0, 5, session->status};
        stream_queue(&session->stream, answer.data, answer.len - READY_LEN);
        stream_queue(&session->stream, ready, READY_LEN);
        if (!more)
            stream_flush(&session->stream);
    } else {
        if (more || stream_pending(&session->stream))
            stream_queue(&session->stream, answer.data, answer.len);
        else
            stream_write(&session->stream, answer.data, answer.len);
        counter_add(&session->stats->xact_count, 1);
    }
    session->idle_since_ms = loop_now_ms(session->host->loop);
    counter_add(&session->stats->query_count, 1);
    counter_add(&session->stats->sent, answer.len);
}

/* The statements in which a constant cannot change the verdict: their memo goes by shape. */
static bool judged_by_shape(struct slice canonical)
{
    static const char *const verbs[] = {"select", "insert", "update", "delete",
                                        "with",   "values", "table",  "merge"};
    for (unsigned i = 0; i < ARRAY_COUNT(verbs); i++) {
        size_t len = strlen(verbs[i]);
        if (canonical.len <= len)
            continue;
        size_t at = 0;
        while (at < len && (canonical.data[at] | 0x20) == verbs[i][at])
            at++;
        if (at == len)
            return true;
    }
    return false;
}

/* The catalog's names are UTF-8: a text in another encoding may name other things than its bytes
 * seem to say. */
static bool names_are_utf8(const struct session *session, const struct query *query)
{
    struct slice encoding;
    for (size_t i = 0; i < query->canonical.len; i++)
        if (query->canonical.data[i] & 0x80)
            return profile_facts_param(session->facts, "client_encoding", &encoding) &&
                   slice_is(encoding, "UTF8");
    return true;
}

/* True if the backend may cut a text into other tokens than we do. Within a pipeline, what an
 * earlier statement changed has not been reported yet. */
static bool lexing_unsafe(const struct session *session)
{
    enum pin pin = session->unit.pin;
    return session->facts->lexing_unsafe || session->strings_unsafe || session->encoding_unsafe ||
           (session->unit.extended &&
            (pin == PIN_SETTING || pin == PIN_FUNCTION || pin == PIN_UNKNOWN));
}

struct hash128 query_shape(const struct query *query)
{
    bool known = query->shape.low || query->shape.high;
    return known ? query->shape : scan_shape(query->canonical);
}

const struct verdict *lookup_verdict(struct session *session, const struct query *query)
{
    static _Thread_local struct verdict scratch;
    struct realm *realm = session->database->realm;
    if (lexing_unsafe(session) || !query->scanned || !names_are_utf8(session, query)) {
        verdict_prove(slice_of("", 0), SCAN_DOUBT, NULL, NULL, &scratch);
        return &scratch;
    }
    bool by_shape = !(query->scan_flags & (SCAN_MAGIC_DATE | SCAN_DOUBT | SCAN_SEVERAL)) &&
                    judged_by_shape(query->canonical);
    struct hash128 key =
        by_shape ? query_shape(query) : hash128_of(query->canonical.data, query->canonical.len);
    key.low ^= realm->number * UINT64_C(0x9E3779B97F4A7C15);
    key.high += query->scan_flags;
    const struct proof_scope scope = settings_scope(session);
    key = proof_scope_mix(&scope, key);
    uint64_t wanted = realm_wanted(realm);
    const struct verdict *known = verdict_memo_get(session->host->memo, key, wanted);
    if (known)
        return known;
    bool stale = false;
    uint64_t version = 0;
    struct catalog *catalog = realm_catalog_at(realm, &version, &stale);
    verdict_prove(query->text, query->scan_flags, catalog, &scope, &scratch);
    if (!catalog) {
        scratch.catalog_version = 0;
        if (scratch.reason == REASON_NO_CATALOG && stale)
            scratch.reason = REASON_CATALOG_STALE;
        return &scratch;
    }
    catalog_unref(catalog);
    scratch.catalog_version = version;
    return verdict_memo_put(session->host->memo, key, &scratch);
}

/* FLUSH NAMESPACE moves this word. */
static bool stamp_namespace(const struct policy *policy, struct stamp *stamps, unsigned *count)
{
    if (!policy->name_space.len)
        return true;
    uint32_t word = generation_of_namespace(policy->name_space);
    uint64_t value = generation_read(word);
    if (!generation_is_open(value) || *count == ENTRY_STAMPS_MAX)
        return false;
    stamps[(*count)++] = (struct stamp){.value = value, .word = word};
    return true;
}

/* Notes everything that must not have moved when the answer is stored. */
static bool prepare_fill(struct session *session, const struct query *query,
                         const struct policy *policy, const struct entry_key *key)
{
    struct fill *fill = &session->fill;
    struct realm *realm = session->database->realm;
    struct stamp stamps[ENTRY_STAMPS_MAX];
    if (realm_stamp(realm, stamps) != ERR_OK) {
        bypass(session, atomic_load(&realm->identity) ? REASON_CLOSED : REASON_NO_CATALOG);
        return false;
    }
    const struct verdict *verdict = lookup_verdict(session, query);
    bool forced = policy->forced && policy_forces(policy, query, verdict);
    if (verdict->reason != REASON_NONE && !forced) {
        bypass(session, verdict->reason);
        return false;
    }
    if (query->extended && query_has_magic_date(query) && !forced) {
        bypass(session, REASON_MAGIC_DATE);
        return false;
    }
    uint64_t tokens[ENTRY_STAMPS_MAX - 3]; /* two are there, one is for a namespace */
    unsigned count = keys_of_read(session, query, verdict, tokens, ARRAY_COUNT(tokens));
    if (realm_stamp_tokens(realm, tokens, count, stamps + 2, ENTRY_STAMPS_MAX - 2) != ERR_OK) {
        bypass(session, REASON_CLOSED);
        return false;
    }
    count += 2;
    if (!stamp_namespace(policy, stamps, &count)) {
        bypass(session, REASON_CLOSED);
        return false;
    }
    mem_free(fill->stamps);
    fill->stamps = mem_copy(stamps, count * sizeof(*stamps));
    fill->stamp_count = count;
    fill->window_ms = policy_window_ms(policy);
    fill->forced = forced;
    fill->counts = policy->rule ? policy->rule->counts : NULL;
    fill->on = true;
    fill->in_block = session->status == 'T';
    fill->spoiled = fill->complete = fill->bound = false;
    fill->extended = query->extended;
    fill->parsed = query->with_parse;
    fill->hash = key->hash;
    fill->start = SIZE_MAX;
    buf_clear(&fill->key);
    buf_append(&fill->key, key->bytes.data, key->bytes.len);
    buf_clear(&fill->answer);
    fill->begun_wall_ms = loop_wall_ms(session->host->loop);
    return true;
}

/* True if what Redis kept stands on exactly the stamps that hold now. */
static bool same_stamps(const struct fill *fill, const struct redis_found *found)
{
    if (found->stamp_count != fill->stamp_count)
        return false;
    for (unsigned i = 0; i < fill->stamp_count; i++)
        if (found->stamps[i].word != fill->stamps[i].word ||
            found->stamps[i].value != fill->stamps[i].value)
            return false;
    return stamps_hold(generation_words, fill->stamps, fill->stamp_count);
}

static void on_found(void *context, enum err err, const struct redis_found *found)
{
    struct session *session = context;
    struct fill *fill = &session->fill;
    session->lookup = NULL;
    session_move(session, SESSION_READY);
    size_t least = READY_LEN + (fill->extended ? PREFIX_COMPLETE_LEN : 0);
    if (err == ERR_OK && found->answer.len >= least && same_stamps(fill, found)) {
        counter_add(&session->stats->hits_redis, 1);
        if (fill->forced)
            counter_add(&session->stats->hits_forced, 1);
        if (fill->counts)
            rule_count(fill->counts, session->host->reader, true);
        send_answer(session, found->answer, fill->extended, fill->parsed, false);
        fill_keep(session, found->answer);
        fill_end(session);
        session->unit.answered = true;
    } else {
        counter_add(&session->stats->misses, 1);
        session->unit.forward = true;
    }
    stream_resume(&session->stream);
}

/* Decides and measures, serves nothing: the answer is kept as it would be, so that the next one can be
 * counted as the hit that it would have been. */
static enum lookup_outcome observe(struct session *session, const struct query *query,
                                   const struct policy *policy, const struct entry_key *key,
                                   bool found)
{
    if (!found && !prepare_fill(session, query, policy, key))
        return LOOKUP_FORWARD; /* it has its reason */
    if (found)
        session->fill.on = false;
    counter_add(&session->host->bypass[REASON_OBSERVE], 1);
    counter_add(&session->stats->bypasses, 1);
    counter_add(found ? &session->stats->hits_observed : &session->stats->misses_observed, 1);
    return LOOKUP_FORWARD;
}

enum lookup_outcome lookup_query(struct session *session, const struct query *query, bool more)
{
    struct host *host = session->host;
    if (session->fill.on) /* of the look before the catalog came */
        fill_end(session);
    enum reason reason = lookup_reason(session);
    if (reason == REASON_NONE)
        reason = text_reason(query);
    if (reason != REASON_NONE) {
        bypass(session, reason);
        return LOOKUP_FORWARD;
    }
    struct policy policy;
    reason = policy_decide(session, query, &policy);
    if (UNLIKELY(policy.rule != NULL))
        rule_count(policy.rule->counts, host->reader, false);
    if (reason != REASON_NONE) {
        bypass(session, reason);
        return LOOKUP_FORWARD;
    }
    struct entry_key key;
    lookup_key(session, query, &policy, &key);
    const struct entry *entry =
        cache_find(host->cache, host->reader, &key, loop_wall_ms(host->loop));
    if (entry && UNLIKELY(policy.rule != NULL))
        rule_count(policy.rule->counts, host->reader, true);
    if (UNLIKELY(policy.observe))
        return observe(session, query, &policy, &key, entry != NULL);
    if (entry) {
        counter_add(&session->stats->hits_memory, 1);
        if (UNLIKELY(session->unit.coalesced))
            counter_add(&session->stats->hits_coalesced, 1);
        if (UNLIKELY(policy.forced))
            counter_add(&session->stats->hits_forced, 1);
        send_answer(session, entry_answer(entry), query->extended, query->with_parse, more);
        return LOOKUP_HIT;
    }
    if (!prepare_fill(session, query, &policy, &key))
        return LOOKUP_FORWARD;
    if (flight_waits(session))
        return LOOKUP_WAIT;
    if (host->redis) {
        struct entry_key kept = fill_key(&session->fill);
        if (redis_get(host->redis, &kept, session->fill.begun_wall_ms, session->fill.window_ms,
                      on_found, session, &session->lookup) == ERR_OK) {
            stream_flush(&session->stream);
            session_move(session, SESSION_LOOKUP);
            return LOOKUP_WAIT;
        }
    }
    counter_add(&session->stats->misses, 1);
    return LOOKUP_FORWARD;
}
