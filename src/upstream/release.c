/* Handing a server to its user and taking it back.
 *
 *   server_release ─► (still inside its user's on_input, or a cancel under way: wait)
 *                  ─► must go, or bytes are left ─► CLOSING
 *                  ─► reset: RESETTING ─► every answer without error ─► IDLE
 *                  ─► IDLE
 */
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "inside.h"
#include "pgwire/answer.h"
#include "pgwire/encode.h"
#include "pgwire/frame.h"
#include "upstream/statements.h"

enum { RESET_MESSAGE_MAX = 1 << 20 };

void server_use(struct server *server, const struct server_user *user, void *context)
{
    ASSERT(server->state == SERVER_ACTIVE && !server->user && !server->releasing);
    server->user = user;
    server->user_context = context;
}

void server_discard(struct server *server)
{
    ASSERT(server->state == SERVER_ACTIVE);
    server_close(server);
}

void server_release(struct server *server, bool reset)
{
    ASSERT(server->state == SERVER_ACTIVE && !server->releasing && !server->waiter);
    server->user = NULL;
    server->user_context = NULL;
    server->release_reset = reset || conf_current()->options.server_reset_query_always;
    pool_lock(server->pool);
    server->releasing = true;
    server->profile->releasing++;
    pool_unlock(server->pool);
    if (!server->stream.inside)
        server_release_go_on(server, false);
}

void server_send_query(struct server *server, const char *sql)
{
    size_t cap = strlen(sql) + 64;
    uint8_t *memory = mem_alloc(cap);
    struct pgwire_writer writer = pgwire_writer_of(memory, cap);
    pgwire_write_query(&writer, sql);
    ASSERT(!writer.overflow);
    stream_write(&server->stream, writer.data, writer.len);
    mem_free(memory);
}

static const char *connect_query_of(const struct server *server)
{
    const struct conf_database *line = atomic_load(&server->pool->database->conf);
    return line && line->connect_query && *line->connect_query ? line->connect_query : NULL;
}

static bool discards_all(void)
{
    return strcasecmp(conf_current()->options.server_reset_query, "DISCARD ALL") == 0;
}

/* Settings, those that were replayed among them, are gone after it whatever the query is: the next session
 * is told so. DISCARD ALL also undoes what connect_query has set, so that one follows. */
static void begin_reset(struct server *server)
{
    const char *connect_query = connect_query_of(server);
    bool settings = !discards_all();
    server->reset_answers = 1u + (connect_query != NULL) + settings;
    server_send_query(server, conf_current()->options.server_reset_query);
    if (settings)
        server_send_query(server, "RESET SESSION AUTHORIZATION;RESET ROLE;RESET ALL");
    if (connect_query)
        server_send_query(server, connect_query);
}

static bool too_old(const struct server *server)
{
    return elapsed(monotonic_ms(), server->connected_at_ms) >= pool_lifetime_ms_of(server->pool);
}

void server_release_go_on(struct server *server, bool rest)
{
    ASSERT(server->releasing);
    /* From within on_input the stream still holds what is being consumed: `rest` is what counts. */
    if (!server->stream.inside)
        rest = buf_len(&server->stream.in) > 0;
    if (rest || stream_pending(&server->stream) || server->stream.ended) {
        server_close(server);
        return;
    }
    if (server->cancels_under_way)
        return;
    if (server->stream.paused)
        stream_resume(&server->stream);
    bool reset = server->release_reset;
    bool go = too_old(server) || (reset && !*conf_current()->options.server_reset_query);
    struct pool *pool = server->pool;
    pool_lock(pool);
    go = go || server_unwanted(server);
    if (go) {
        server_close_locked(server);
    } else if (reset) {
        server_move_to(server, SERVER_RESETTING);
        pool->stats->resets++;
    } else {
        server_move_to(server, SERVER_IDLE);
    }
    pool_schedule(pool);
    pool_unlock(pool);
    if (reset && !go)
        begin_reset(server);
}

static void end_reset(struct server *server)
{
    if (!server->checking) {
        statements_clear(server->statements);
        server->unnamed_statement = 0;
        if (discards_all())
            server->sequence_mark = 0;
    }
    pool_lock(server->pool);
    if (!server->checking) {
        struct settings *left = settings_reset(server->settings, true);
        settings_unref(server->settings);
        server->settings = left;
    }
    server->checking = false;
    server->fresh = true;
    server_ready_locked(server);
    pool_schedule(server->pool);
    pool_unlock(server->pool);
}

static void fail_reset(struct server *server, const char *why)
{
    if (server->checking) {
        server_lose(server, "server_check_query failed", (struct slice){0});
        return;
    }
    log_warn("a server connection could not be reset", "database", server->pool->database->name,
             "role", server->pool->role, "server", log_num((int64_t)server->id), "why", why, NULL);
    server_close(server);
}

size_t server_reset_input(struct server *server, const uint8_t *data, size_t len)
{
    size_t done = 0;
    while (done < len) {
        struct pgwire_frame frame;
        enum pgwire_status status = pgwire_frame_answer(data + done, len - done, &frame);
        if (status == PGWIRE_MORE)
            return done;
        if (status != PGWIRE_OK || frame.len > RESET_MESSAGE_MAX) {
            fail_reset(server, "it broke the protocol");
            return len;
        }
        if (frame.len > len - done)
            return done;
        done += frame.len;
        uint8_t block = 0;
        switch (frame.type) {
        case 'E':
            fail_reset(server, "the reset or connect query failed");
            return len;
        case 'S':
            if (!server->checking)
                break; /* what RESET ALL has changed back */
            profile_outdate(server->profile);
            server_close(server);
            return len;
        case 'G':
        case 'W':
            fail_reset(server, "it asks for COPY data");
            return len;
        case 'Z':
            if (pgwire_read_ready(frame.body, frame.body_len, &block) != PGWIRE_OK ||
                block != 'I' || (server->reset_answers == 1 && done < len)) {
                fail_reset(server, "it is not idle after the reset");
                return len;
            }
            if (--server->reset_answers == 0) {
                end_reset(server);
                return len;
            }
            break;
        default:
            break;
        }
    }
    return done;
}
