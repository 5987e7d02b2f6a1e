/* The Redis tier: look-ups and stores. See cache/redis.h; the connection is in redis_link.c. */
#include "cache/redis.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "cache/redis_link.h"

enum err redis_create(uv_loop_t *loop, const struct redis_config *config, struct redis **out)
{
    ASSERT(config->timeout_ms > 0 && config->words_count > 0);
    struct redis_url url;
    enum err err = redis_url_parse(config->url, &url);
    if (err)
        return err;
    struct redis *redis = mem_zero(1, sizeof(*redis));
    redis->loop = loop;
    redis->config = *config;
    redis->config.url = NULL;
    redis->url = url;
    int len = snprintf(redis->name_prefix, sizeof(redis->name_prefix), "pgrecall:1:");
    for (unsigned i = 0; i < sizeof(config->name_space); i++)
        len += snprintf(redis->name_prefix + len, sizeof(redis->name_prefix) - (size_t)len, "%02x",
                        config->name_space[i]);
    snprintf(redis->name_prefix + len, sizeof(redis->name_prefix) - (size_t)len, ":");
    breaker_init(&redis->breaker);
    buf_init(&redis->output);
    buf_init(&redis->value);
    redis_codec_init(&redis->codec, config->entry_bytes_max, config->compress_min_bytes,
                     config->words_count);
    link_init(&redis->owed);
    link_init(&redis->waiting);
    redis_link_start(redis);
    *out = redis;
    return ERR_OK;
}

void redis_destroy(struct redis *redis)
{
    if (redis && !redis->is_closing)
        redis_link_stop(redis);
}

static void command_name(struct redis *redis, struct hash128 hash, uint64_t window_number)
{
    char name[REDIS_NAME_MAX];
    int len = snprintf(name, sizeof(name), "%s%" PRIu64 ":%016" PRIx64 "%016" PRIx64,
                       redis->name_prefix, window_number, hash.high, hash.low);
    ASSERT(len > 0 && (size_t)len < sizeof(name));
    command_arg(&redis->output, slice_of(name, (size_t)len));
}

enum err redis_get(struct redis *redis, const struct entry_key *key, uint64_t now_ms,
                   uint64_t window_ms, redis_on_found *on_found, void *context,
                   struct redis_lookup **out)
{
    ASSERT(on_found);
    if (key->bytes.len > ENTRY_KEY_MAX)
        return ERR_TOO_BIG;
    if (!redis_link_is_well(redis) || redis->gets_owed >= redis->config.pending_max ||
        redis->key_bytes_owed + key->bytes.len > REDIS_PENDING_KEY_BYTES_MAX ||
        redis_link_unsent(redis) > REDIS_UNSENT_BYTES_MAX)
        return ERR_AGAIN;
    struct redis_lookup *lookup = redis_link_owe(redis, COMMAND_GET, key);
    lookup->on_found = on_found;
    lookup->context = context;
    lookup->expires_at_ms = window_end_ms(key->hash, now_ms, window_ms, &lookup->window_number);
    link_append(&redis->waiting, &lookup->waiting);
    command_begin(&redis->output, 2);
    command_text(&redis->output, "GET");
    command_name(redis, key->hash, lookup->window_number);
    redis_count(&redis->counters.gets, 1);
    *out = lookup;
    return ERR_OK;
}

void redis_cancel(struct redis_lookup *lookup)
{
    ASSERT(lookup->on_found);
    lookup->on_found = NULL;
    link_remove(&lookup->waiting);
}

static void delete_value(const struct redis_lookup *lookup)
{
    struct redis *redis = lookup->redis;
    if (!redis_link_is_well(redis) || redis->puts_owed >= REDIS_PUTS_UNANSWERED_MAX)
        return;
    redis_link_owe(redis, COMMAND_PUT, NULL);
    command_begin(&redis->output, 2);
    command_text(&redis->output, "DEL");
    command_name(redis, lookup->key.hash, lookup->window_number);
}

/* What a reply means for the look-up. */
static enum err reply_read(const struct redis_lookup *lookup, const redisReply *reply,
                           struct redis_found *out)
{
    struct redis *redis = lookup->redis;
    switch (reply->type) {
    case REDIS_REPLY_NIL:
        return ERR_NOT_FOUND;
    case REDIS_REPLY_STRING:
        return redis_decode(&redis->codec, slice_of(reply->str, reply->len), &lookup->key,
                            lookup->expires_at_ms, out);
    case REDIS_REPLY_ERROR:
        return ERR_CLOSED;
    default:
        return ERR_MALFORMED;
    }
}

enum answer_quality redis_lookup_answered(struct redis_lookup *lookup, const redisReply *reply)
{
    struct redis *redis = lookup->redis;
    if (!lookup->on_found) {
        mem_free(lookup);
        return ANSWER_UNWANTED;
    }
    struct redis_found found;
    enum err err = reply_read(lookup, reply, &found);
    if (err == ERR_OK)
        redis_count(&redis->counters.hits, 1);
    else if (err == ERR_NOT_FOUND)
        redis_count(&redis->counters.misses, 1);
    else
        redis_count(&redis->counters.errors, 1);
    if (err == ERR_MALFORMED)
        delete_value(lookup);
    lookup->on_found(lookup->context, err, err ? NULL : &found);
    mem_free(lookup);
    return err == ERR_OK || err == ERR_NOT_FOUND ? ANSWER_GOOD : ANSWER_BAD;
}

void redis_put(struct redis *redis, const struct entry_key *key, struct slice answer,
               const struct stamp *stamps, unsigned stamp_count, uint64_t now_ms,
               uint64_t window_ms)
{
    if (!redis_link_is_well(redis) || redis->puts_owed >= REDIS_PUTS_UNANSWERED_MAX ||
        key->bytes.len > ENTRY_KEY_MAX || stamp_count > ENTRY_STAMPS_MAX ||
        answer.len > redis->config.entry_bytes_max ||
        redis_link_unsent(redis) + key->bytes.len + answer.len > REDIS_UNSENT_BYTES_MAX) {
        redis_count(&redis->counters.put_drops, 1);
        return;
    }
    uint64_t number;
    uint64_t expires_at_ms = window_end_ms(key->hash, now_ms, window_ms, &number);
    buf_clear(&redis->value);
    buf_shrink(&redis->value, REDIS_SCRATCH_KEEP_BYTES);
    size_t saved = redis_encode(&redis->codec, key, answer, stamps, stamp_count, now_ms,
                                expires_at_ms, &redis->value);
    redis_link_owe(redis, COMMAND_PUT, NULL);
    command_begin(&redis->output, 5);
    command_text(&redis->output, "SET");
    command_name(redis, key->hash, number);
    command_arg(&redis->output, slice_of(buf_head(&redis->value), buf_len(&redis->value)));
    command_text(&redis->output, "PX");
    command_number(&redis->output, expires_at_ms - now_ms);
    redis_count(&redis->counters.puts, 1);
    redis_count(&redis->counters.bytes_saved, saved);
}

void redis_stats(const struct redis *redis, struct redis_stats *out)
{
    const struct redis_counters *counters = &redis->counters;
    out->state = atomic_load_explicit(&counters->state, memory_order_relaxed);
#define REDIS_COUNTER_READ(name)                                                                   \
    out->name = atomic_load_explicit(&counters->name, memory_order_relaxed);
    REDIS_COUNTERS(REDIS_COUNTER_READ)
#undef REDIS_COUNTER_READ
}

const char *redis_state_text(enum redis_state state)
{
    switch (state) {
    case REDIS_CONNECTING:
        return "connecting";
    case REDIS_UP:
        return "up";
    case REDIS_OPEN:
        return "open";
    case REDIS_PROBING:
        return "probing";
    }
    return "unknown";
}
