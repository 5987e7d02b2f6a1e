/* Connecting, greeting, the order of replies, and deadlines. See redis_link.h. */
#include "cache/redis_link.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"

#define TO(name)                (1u << LINK_##name)
#define LINK_MOVES(name, moves) [LINK_##name] = (moves),
static const unsigned moves_allowed[LINK_STATE_COUNT] = {LINK_STATES(LINK_MOVES)};
#undef LINK_MOVES

/* Keeps what redis_stats shows in step. */
static void show(struct redis *redis)
{
    enum redis_state state = redis->state == LINK_UP ? REDIS_UP : REDIS_CONNECTING;
    if (redis->breaker.state == BREAKER_OPEN)
        state = REDIS_OPEN;
    else if (redis->breaker.state == BREAKER_PROBING)
        state = REDIS_PROBING;
    atomic_store_explicit(&redis->counters.state, state, memory_order_relaxed);
}

static void move(struct redis *redis, enum link_state to)
{
    ASSERT(moves_allowed[redis->state] & (1u << to));
    redis->state = to;
    show(redis);
}

static const char *where(const struct redis *redis)
{
    return redis->url.is_unix ? redis->url.path : redis->url.host;
}

bool redis_link_is_well(const struct redis *redis)
{
    return redis->state == LINK_UP && breaker_allows(&redis->breaker);
}

size_t redis_link_unsent(const struct redis *redis)
{
    return buf_len(&redis->output) + redis_socket_unsent(redis->socket);
}

struct redis_lookup *redis_link_owe(struct redis *redis, enum command_kind kind,
                                    const struct entry_key *key)
{
    size_t key_len = key ? key->bytes.len : 0;
    struct redis_lookup *command = mem_alloc(sizeof(*command) + key_len);
    *command = (struct redis_lookup){.kind = kind, .redis = redis};
    if (key) {
        if (key_len)
            memcpy(command->key_bytes, key->bytes.data, key_len);
        command->key =
            (struct entry_key){.hash = key->hash, .bytes = slice_of(command->key_bytes, key_len)};
    }
    redis->gets_owed += kind == COMMAND_GET;
    redis->puts_owed += kind == COMMAND_PUT;
    redis->key_bytes_owed += key_len;
    link_append(&redis->owed, &command->owed);
    return command;
}

/* Takes the command whose reply comes next off all lists, or NULL. */
static struct redis_lookup *take_owed(struct redis *redis)
{
    struct link *first = link_first(&redis->owed);
    if (!first)
        return NULL;
    struct redis_lookup *command = CONTAINER_OF(first, struct redis_lookup, owed);
    link_remove(&command->owed);
    link_remove(&command->waiting);
    redis->gets_owed -= command->kind == COMMAND_GET;
    redis->puts_owed -= command->kind == COMMAND_PUT;
    redis->key_bytes_owed -= command->key.bytes.len;
    return command;
}

static void on_link_timer(uv_timer_t *timer);

static void link_timer_set(struct redis *redis, uint64_t after_ms)
{
    uv_timer_start(&redis->link_timer, on_link_timer, after_ms, 0);
}

/* Notes a failure; true if the breaker has opened by it. */
static bool failed(struct redis *redis)
{
    bool opened = breaker_failed(&redis->breaker, uv_now(redis->loop));
    if (opened)
        redis_count(&redis->counters.breaker_opens, 1);
    show(redis);
    return opened;
}

/* Closes the socket and forgets what was on its way. */
static void disconnect(struct redis *redis)
{
    redis_socket_close(redis->socket);
    redis->socket = NULL;
    if (redis->reader)
        redisReaderFree(redis->reader);
    redis->reader = NULL;
    buf_clear(&redis->output);
    buf_shrink(&redis->output, REDIS_WRITE_KEEP_BYTES);
    uv_timer_stop(&redis->deadline_timer);
}

/* Ends every command that is owed. Callbacks may come back into redis.h, even redis_destroy. */
static void abandon_owed(struct redis *redis)
{
    struct redis_lookup *command;
    while ((command = take_owed(redis)) != NULL) {
        if (command->on_found)
            command->on_found(command->context, ERR_CLOSED, NULL);
        mem_free(command);
    }
}

/* The connection is of no more use: gives it up and plans the next. */
static void drop(struct redis *redis, const char *reason, const char *detail)
{
    if (!redis->told_away)
        log_warn("redis is away", "redis", where(redis), "reason", reason, "detail",
                 detail ? detail : "", NULL);
    redis->told_away = true;
    disconnect(redis);
    move(redis, LINK_DOWN);
    uint64_t wait_ms =
        size_max(redis->backoff_ms, breaker_wait_ms(&redis->breaker, uv_now(redis->loop)));
    redis->backoff_ms = size_min(redis->backoff_ms * 2, REDIS_BACKOFF_MAX_MS);
    link_timer_set(redis, wait_ms);
    abandon_owed(redis);
}

/* Something has gone wrong that also says that Redis is not well. */
static void fail_and_drop(struct redis *redis, const char *reason, const char *detail)
{
    if (redis->state == LINK_UP || redis->breaker.state == BREAKER_PROBING)
        failed(redis);
    drop(redis, reason, detail);
}

static void greeting_answered(struct redis *redis, const redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR) {
        fail_and_drop(redis, "greeting refused", reply->str);
        return;
    }
    if (--redis->greeting)
        return;
    uv_timer_stop(&redis->link_timer);
    breaker_succeeded(&redis->breaker);
    move(redis, LINK_UP);
    log_info("redis is up", "redis", where(redis), NULL);
    redis->told_away = false;
}

static void reply_came(struct redis *redis, const redisReply *reply)
{
    struct redis_lookup *command = take_owed(redis);
    if (!command) {
        fail_and_drop(redis, "spoke unasked", reply->type == REDIS_REPLY_ERROR ? reply->str : NULL);
        return;
    }
    if (command->kind == COMMAND_GET) {
        enum answer_quality quality = redis_lookup_answered(command, reply);
        if (redis->is_closing || redis->state != LINK_UP)
            return;
        if (quality == ANSWER_GOOD) {
            breaker_succeeded(&redis->breaker);
            redis->backoff_ms = REDIS_BACKOFF_MIN_MS;
        } else if (quality == ANSWER_BAD && failed(redis)) {
            drop(redis, "too many bad answers",
                 reply->type == REDIS_REPLY_ERROR ? reply->str : NULL);
        }
        return;
    }
    enum command_kind kind = command->kind;
    mem_free(command);
    if (kind == COMMAND_GREET)
        greeting_answered(redis, reply);
    else if (reply->type == REDIS_REPLY_ERROR)
        redis_count(&redis->counters.errors, 1);
}

static void on_bytes(void *context, struct slice bytes)
{
    struct redis *redis = context;
    redis_count(&redis->counters.bytes_in, bytes.len);
    redisReader *reader = redis->reader;
    bool bad = redisReaderFeed(reader, (const char *)bytes.data, bytes.len) != REDIS_OK;
    while (!bad) {
        void *reply = NULL;
        bad = redisReaderGetReply(reader, &reply) != REDIS_OK;
        if (bad || !reply)
            break;
        reply_came(redis, reply);
        freeReplyObject(reply);
        if (redis->reader != reader) /* dropped or destroyed by what the reply has led to */
            return;
    }
    size_t held_max =
        redis_value_bytes_max(redis->config.entry_bytes_max) + REDIS_REPLY_OVERHEAD_BYTES_MAX;
    if (bad)
        fail_and_drop(redis, "not the protocol", reader->errstr);
    else if (reply_reader_held(reader) > held_max)
        fail_and_drop(redis, "a reply is too long", NULL);
}

static void greet(struct redis *redis, unsigned arg_count)
{
    redis_link_owe(redis, COMMAND_GREET, NULL);
    redis->greeting++;
    command_begin(&redis->output, arg_count);
}

static void on_open(void *context)
{
    struct redis *redis = context;
    move(redis, LINK_GREETING);
    redis->reader = reply_reader_create(&redis->reply_functions);
    redis->greeting = 0;
    if (redis->url.password) {
        greet(redis, redis->url.user ? 3 : 2);
        command_text(&redis->output, "AUTH");
        if (redis->url.user)
            command_text(&redis->output, redis->url.user);
        command_text(&redis->output, redis->url.password);
    }
    if (redis->url.db) {
        greet(redis, 2);
        command_text(&redis->output, "SELECT");
        command_number(&redis->output, redis->url.db);
    }
    greet(redis, 2);
    command_text(&redis->output, "GET");
    char name[REDIS_NAME_MAX + 8];
    snprintf(name, sizeof(name), "%sprobe", redis->name_prefix);
    command_text(&redis->output, name);
}

static void on_lost(void *context, const char *reason)
{
    fail_and_drop(context, "connection lost", reason);
}

static void connect_now(struct redis *redis)
{
    static const struct redis_socket_events events = {
        .on_open = on_open, .on_bytes = on_bytes, .on_lost = on_lost};
    uint64_t now_ms = uv_now(redis->loop);
    uint64_t wait_ms = breaker_wait_ms(&redis->breaker, now_ms);
    if (wait_ms) {
        link_timer_set(redis, wait_ms);
        return;
    }
    breaker_probe(&redis->breaker, now_ms);
    move(redis, LINK_CONNECTING);
    link_timer_set(redis, REDIS_CONNECT_TIMEOUT_MS);
    redis->socket =
        redis_socket_create(redis->loop, &redis->url, redis->attempts++, &events, redis);
    if (!redis->socket)
        fail_and_drop(redis, "cannot connect", NULL);
}

static void on_link_timer(uv_timer_t *timer)
{
    struct redis *redis = timer->data;
    if (redis->state == LINK_DOWN)
        connect_now(redis);
    else
        fail_and_drop(redis, "cannot connect in time", NULL);
}

/* Says when those that leave now must be back, and sees to it. */
static void deadlines_set(struct redis *redis)
{
    uint64_t deadline_ms = uv_now(redis->loop) + redis->config.timeout_ms;
    for (struct link *at = redis->waiting.prev; at != &redis->waiting; at = at->prev) {
        struct redis_lookup *lookup = CONTAINER_OF(at, struct redis_lookup, waiting);
        if (lookup->deadline_ms)
            break;
        lookup->deadline_ms = deadline_ms;
    }
}

static void on_deadline(uv_timer_t *timer);

static void deadline_timer_set(struct redis *redis)
{
    struct link *first = link_first(&redis->waiting);
    if (!first || uv_is_active((uv_handle_t *)&redis->deadline_timer))
        return;
    uint64_t deadline_ms = CONTAINER_OF(first, struct redis_lookup, waiting)->deadline_ms;
    uint64_t now_ms = uv_now(redis->loop);
    uv_timer_start(&redis->deadline_timer, on_deadline,
                   deadline_ms > now_ms ? deadline_ms - now_ms : 0, 0);
}

static void on_flush(uv_prepare_t *prepare)
{
    struct redis *redis = prepare->data;
    if (!buf_len(&redis->output) || redis->state < LINK_GREETING)
        return;
    uv_update_time(redis->loop); /* the turn may have been long: the wait begins here */
    deadlines_set(redis);
    deadline_timer_set(redis);
    size_t len = buf_len(&redis->output);
    if (redis_socket_send(redis->socket, &redis->output) != ERR_OK)
        fail_and_drop(redis, "cannot write", NULL);
    else if (!buf_len(&redis->output))
        redis_count(&redis->counters.bytes_out, len);
}

static void on_sweep_soon(uv_idle_t *idle)
{
    (void)idle;
}

static void on_sweep(uv_check_t *check)
{
    struct redis *redis = check->data;
    uv_check_stop(&redis->sweep);
    uv_idle_stop(&redis->sweep_soon);
    bool any = false;
    struct link *first;
    while ((first = link_first(&redis->waiting)) != NULL) {
        struct redis_lookup *lookup = CONTAINER_OF(first, struct redis_lookup, waiting);
        if (!lookup->deadline_ms || lookup->deadline_ms > uv_now(redis->loop))
            break;
        any = true;
        redis_count(&redis->counters.timeouts, 1);
        link_remove(&lookup->waiting); /* it stays owed: its reply may still come */
        redis_on_found *on_found = lookup->on_found;
        lookup->on_found = NULL;
        on_found(lookup->context, ERR_TIMEOUT, NULL);
        if (redis->is_closing)
            return;
    }
    /* Many that are late at once are one failure: a pause of Redis, not many. */
    if (any && redis->state == LINK_UP && failed(redis))
        drop(redis, "does not answer in time", NULL);
    if (!redis->is_closing)
        deadline_timer_set(redis);
}

static void on_deadline(uv_timer_t *timer)
{
    struct redis *redis = timer->data;
    uv_idle_start(&redis->sweep_soon, on_sweep_soon);
    uv_check_start(&redis->sweep, on_sweep);
}

void redis_link_start(struct redis *redis)
{
    uv_timer_init(redis->loop, &redis->link_timer);
    uv_timer_init(redis->loop, &redis->deadline_timer);
    uv_prepare_init(redis->loop, &redis->flush);
    uv_idle_init(redis->loop, &redis->sweep_soon);
    uv_check_init(redis->loop, &redis->sweep);
    redis->handles_open = 5;
    redis->link_timer.data = redis->deadline_timer.data = redis;
    redis->flush.data = redis->sweep_soon.data = redis->sweep.data = redis;
    uv_prepare_start(&redis->flush, on_flush);
    redis->backoff_ms = REDIS_BACKOFF_MIN_MS;
    link_timer_set(redis, 0);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct redis *redis = handle->data;
    if (--redis->handles_open)
        return;
    ASSERT(link_is_empty(&redis->owed) && link_is_empty(&redis->waiting));
    redis_url_fini(&redis->url);
    redis_codec_fini(&redis->codec);
    buf_fini(&redis->output);
    buf_fini(&redis->value);
    mem_free(redis);
}

void redis_link_stop(struct redis *redis)
{
    redis->is_closing = true;
    disconnect(redis);
    if (redis->state != LINK_DOWN)
        move(redis, LINK_DOWN);
    uv_close((uv_handle_t *)&redis->link_timer, on_handle_closed);
    uv_close((uv_handle_t *)&redis->deadline_timer, on_handle_closed);
    uv_close((uv_handle_t *)&redis->flush, on_handle_closed);
    uv_close((uv_handle_t *)&redis->sweep_soon, on_handle_closed);
    uv_close((uv_handle_t *)&redis->sweep, on_handle_closed);
    abandon_owed(redis);
}
