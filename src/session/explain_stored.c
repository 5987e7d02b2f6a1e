/* Where an answer is stored: its keys, one for each way to send the statement, in both tiers.
 *
 * What Redis has counts only if its stamps still hold, as for a look-up; what a write has outdated is
 * shown as that. Redis that cannot be asked, or does not answer by redis_timeout, is shown as not
 * reachable: nothing is said then of what it may have.
 */
#include <inttypes.h>

#include "coherence/generations.h"
#include "conf/conf.h"
#include "session/explain.h"

static const char *const protocols[EXPLAIN_PROBES_MAX] = {"simple", "extended, not described",
                                                          "extended"};

static void put_entry(struct explanation *explanation, const char *tier, const char *protocol,
                      uint64_t stored_at_ms, uint64_t expires_at_ms, size_t len)
{
    uint64_t now_ms = loop_wall_ms(explanation->host->loop);
    explanation->stored = true;
    explain_put(explanation, "stored", "%s (%s)", tier, protocol);
    explain_put(explanation, "age", "%" PRIu64 " ms",
                now_ms > stored_at_ms ? now_ms - stored_at_ms : 0);
    explain_put(explanation, "expires in", "%" PRIu64 " ms",
                expires_at_ms > now_ms ? expires_at_ms - now_ms : 0);
    explain_put(explanation, "size", "%zu bytes", len);
}

/* The last row, when both tiers have said what they know. */
static void put_nothing(struct explanation *explanation)
{
    if (!explanation->stored)
        explain_put(explanation, "stored", "not in memory%s",
                    explanation->absent ? ", not in redis" : "");
}

static void on_found(void *context, enum err err, const struct redis_found *found)
{
    struct explain_probe *probe = context;
    struct explanation *explanation = probe->explanation;
    probe->lookup = NULL;
    if (err == ERR_OK && stamps_hold(generation_words, found->stamps, found->stamp_count)) {
        put_entry(explanation, "redis", probe->protocol, found->stored_at_ms, found->expires_at_ms,
                  found->answer.len);
    } else if (err == ERR_OK) {
        explanation->absent = true;
        explain_put(explanation, "redis", "outdated by a write (%s)", probe->protocol);
    } else if (err == ERR_NOT_FOUND) {
        explanation->absent = true;
    } else if (err == ERR_MALFORMED) {
        explanation->absent = true;
        explain_put(explanation, "redis", "not readable, removed (%s)", probe->protocol);
    } else if (err == ERR_TIMEOUT) {
        explain_put(explanation, "redis", "not reachable: no answer in %" PRIu64 " ms (%s)",
                    (uint64_t)conf_current()->options.redis_timeout_ms, probe->protocol);
    } else {
        explain_put(explanation, "redis", "not reachable: connection lost (%s)", probe->protocol);
    }
    if (--explanation->waiting)
        return;
    put_nothing(explanation);
    explanation->on_complete(explanation->context);
}

static void ask_redis(struct explanation *explanation, const struct entry_key *key,
                      const char *protocol, uint64_t window_ms)
{
    struct redis *redis = explanation->host->redis;
    struct explain_probe *probe = &explanation->probes[explanation->probe_count++];
    probe->explanation = explanation;
    probe->protocol = protocol;
    enum err err = redis_get(redis, key, loop_wall_ms(explanation->host->loop), window_ms, on_found,
                             probe, &probe->lookup);
    if (err == ERR_OK) {
        explanation->waiting++;
        return;
    }
    struct redis_stats stats;
    redis_stats(redis, &stats);
    if (err == ERR_TOO_BIG)
        explain_put(explanation, "redis", "not asked: the key is too long (%s)", protocol);
    else if (stats.state == REDIS_UP)
        explain_put(explanation, "redis", "not asked: too much is waiting for it (%s)", protocol);
    else
        explain_put(explanation, "redis", "not reachable: %s (%s)", redis_state_text(stats.state),
                    protocol);
}

/* The key that a client's look-up would have, and the entry under it, if any. */
static void look(struct explanation *explanation, struct session *session,
                 const struct query *query, const struct policy *policy, const char *protocol)
{
    struct host *host = session->host;
    struct entry_key key;
    uint64_t now_ms = loop_wall_ms(host->loop);
    lookup_key(session, query, policy, &key);
    explain_put(explanation, "key", "%016" PRIx64 "%016" PRIx64 " (%s)", key.hash.high,
                key.hash.low, protocol);
    const struct entry *entry =
        host->cache ? cache_peek(host->cache, host->reader, &key, now_ms) : NULL;
    if (entry)
        put_entry(explanation, "memory", protocol, entry->stored_at_ms, entry->expires_at_ms,
                  entry->answer_len);
    if (host->redis)
        ask_redis(explanation, &key, protocol, policy_window_ms(policy));
}

void explain_stored(struct explanation *explanation, struct session *session,
                    const struct query *query, const struct policy *policy)
{
    static const uint8_t none[6] = {0}; /* Bind without formats and values, all in text */
    bool with_values = query->arguments.len > 0;
    if (!session->profile) {
        explain_put(explanation, "stored", "unknown: nobody has logged in as this role");
        return;
    }
    if (!with_values && (query->scan_flags & SCAN_PARAM)) {
        explain_put(explanation, "stored",
                    "unknown: the key holds the values of the parameters, and none were given");
        return;
    }
    for (unsigned i = with_values ? 1 : 0; i < EXPLAIN_PROBES_MAX; i++) {
        struct query one = *query;
        one.extended = i > 0;
        one.with_describe = i > 1;
        if (!with_values)
            one.arguments = slice_of(none, i ? sizeof(none) : 0);
        look(explanation, session, &one, policy, protocols[i]);
    }
    if (!explanation_waits(explanation))
        put_nothing(explanation);
}
