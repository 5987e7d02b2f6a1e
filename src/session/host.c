/* What the sessions of one worker share. */
#include "session/host.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "session/names.h"
#include "session/place.h"
#include "upstream/control.h"

enum { HOST_TICKS = 10, HOST_KEY_FIRST = 4096 };

static void on_tick(struct loop_ticker *ticker, uint64_t now_ms)
{
    struct host *host = CONTAINER_OF(ticker, struct host, ticker);
    sequences_tick(host, now_ms);
    unpin_tick(host, now_ms);
    if (now_ms / LOOP_TICK_MS % HOST_TICKS)
        return;
    LINK_EACH_SAFE (&host->sessions, at)
        session_tick(CONTAINER_OF(at, struct session, link), now_ms);
}

void host_init(struct host *host, struct loop *loop)
{
    *host = (struct host){.loop = loop};
    host->memo = verdict_memo_create((unsigned)conf_current()->options.verdict_memo_size);
    host->scratch = mem_alloc(SCAN_TEXT_MAX + SCAN_SLACK);
    buf_reserve(&host->key, HOST_KEY_FIRST);
    link_init(&host->sessions);
    link_init(&host->holding);
    link_init(&host->unpinning);
    host->habits = mem_zero(1, sizeof(*host->habits));
    ASSERT(pthread_mutex_init(&host->stats_mutex, NULL) == 0);
    host->ticker.tick = on_tick;
    loop_add_ticker(loop, &host->ticker);
    loop->owner = host;
}

void host_fini(struct host *host)
{
    ASSERT(!host->session_count);
    loop_remove_ticker(&host->ticker);
    verdict_memo_destroy(host->memo);
    mem_free(host->scratch);
    mem_free(host->habits);
    buf_fini(&host->key);
    buf_fini(&host->compose);
    size_t at = 0;
    struct database_stats *stats;
    while ((stats = table_next(&host->stats, &at)) != NULL)
        mem_free(stats);
    table_fini(&host->stats);
    pthread_mutex_destroy(&host->stats_mutex);
}

void host_accept(struct host *host, int fd, bool console, bool unix_socket)
{
    const struct options *options = &conf_current()->options;
    if (host->stopping) { /* it was accepted before, by another worker */
        close(fd);
        atomic_fetch_sub(&host->placed, 1);
        return;
    }
    if (!unix_socket) {
        struct stream_keepalive keepalive = {.on = options->tcp_keepalive,
                                             .idle_s = (int)options->tcp_keepidle,
                                             .interval_s = (int)options->tcp_keepintvl,
                                             .count = (int)options->tcp_keepcnt,
                                             .user_timeout_ms = (int)options->tcp_user_timeout,
                                             .buffer_bytes = (int)options->tcp_socket_buffer};
        stream_set_tcp_options(fd, &keepalive);
    }
    if (!session_create(host, fd, console, unix_socket))
        atomic_fetch_sub(&host->placed, 1);
}

void host_stop(struct host *host, enum host_end end)
{
    host->stopping = true;
    host->draining = host->draining || end != HOST_END_CLIENTS;
    LINK_EACH_SAFE (&host->sessions, at) {
        struct session *session = CONTAINER_OF(at, struct session, link);
        if (end == HOST_END_NOW || session->state == SESSION_STARTUP ||
            (end == HOST_END_IDLE &&
             (session->state == SESSION_CONSOLE || session_is_idle(session))))
            session_fail(session, "57P01", "pgrecall is shutting down", NULL);
    }
    if (!host->session_count && host->on_empty)
        host->on_empty(host);
}

void host_catalog_came(struct host *host)
{
    LINK_EACH_SAFE (&host->sessions, at) {
        struct session *session = CONTAINER_OF(at, struct session, link);
        if (session->state == SESSION_PROVING || session->state == SESSION_WELCOME)
            session_tick(session, loop_now_ms(host->loop));
    }
}

struct database_stats *host_stats(struct host *host, struct database *database)
{
    struct slice key = slice_of(&database, sizeof(struct database *));
    pthread_mutex_lock(&host->stats_mutex);
    struct database_stats *stats = table_get(&host->stats, key);
    if (!stats) {
        stats = mem_zero(1, sizeof(*stats));
        stats->database = database;
        table_put(&host->stats, key, stats);
    }
    unsigned life = atomic_load(&database->life);
    if (stats->life != life)
        *stats = (struct database_stats){.database = database, .life = life};
    pthread_mutex_unlock(&host->stats_mutex);
    return stats;
}

void session_note_ends(struct session *session, int fd)
{
    if (session->unix_socket) {
        endpoint_of_unix((unsigned)conf_current()->options.listen_port, &session->remote_end);
        session->local_end = session->remote_end;
    } else {
        endpoint_remote(fd, &session->remote_end);
        endpoint_local(fd, &session->local_end);
    }
}

void session_statements_fini(struct session *session)
{
    size_t at = 0;
    struct client_statement *known;
    while ((known = table_next(&session->statements, &at)) != NULL)
        names_destroy(known);
    table_fini(&session->statements);
    names_forget_unnamed(session);
}

void session_names_fini(struct session *session)
{
    session_statements_fini(session);
    table_fini(&session->portals);
    buf_fini(&session->unnamed_query);
    buf_fini(&session->unnamed_types);
    buf_fini(&session->unnamed_canonical);
}

void host_each_session(struct host *host,
                       void (*visit)(void *context, const struct session_view *view), void *context)
{
    LINK_EACH (&host->sessions, at) {
        struct session *session = CONTAINER_OF(at, struct session, link);
        struct session_view view = {
            .id = session->id,
            .user = session->user ? session->user : "",
            .database = session->database ? session->database->name
                                          : (session->state == SESSION_CONSOLE ? "pgrecall" : ""),
            .state = session_state_text(session),
            .remote = session->remote_end,
            .local = session->local_end,
            .connected_wall_ms = session->connected_wall_ms,
            .request_wall_ms = session->request_wall_ms,
            .wait_us = session->state == SESSION_WAITING || session->state == SESSION_WELCOME
                           ? clock_now_us() - session->waiter.since_us
                           : 0,
            .pin = pin_text(session->pin == PIN_NONE && sequences_hold(&session->sequences)
                                ? PIN_SEQUENCE
                                : session->pin),
            .pin_since_wall_ms = session->pin != PIN_NONE ? session->pin_since_wall_ms
                                 : sequences_hold(&session->sequences)
                                     ? session->sequences.since_wall_ms
                                     : 0,
            .application_name = session->application_name ? session->application_name : "",
            .server_id = session->server ? session->server->id : 0,
            .prepared_statements = (unsigned)session->statements.count,
            .waiting = session->state == SESSION_WAITING,
            .active = session->state == SESSION_ACTIVE || session->state == SESSION_LOOKUP ||
                      session->state == SESSION_COALESCING || session->server != NULL,
            .console = session->state == SESSION_CONSOLE,
        };
        visit(context, &view);
    }
}

bool host_kill(struct host *host, uint64_t id)
{
    LINK_EACH (&host->sessions, at) {
        struct session *session = CONTAINER_OF(at, struct session, link);
        if (session->id != id)
            continue;
        session_fail(session, "57P01", "terminating connection due to administrator command", NULL);
        return true;
    }
    return false;
}

void session_server_lost(struct database *database)
{
    realm_shut(database->realm);
    control_verify(database->control);
}
