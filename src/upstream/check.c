/* Is an idle server still there? Two looks, the first at every hand-out:
 *
 *   sound   what the kernel knows of the socket, for free: an end, or words that nobody asked for,
 *           that have arrived and that the loop has not come to yet
 *   check   server_check_query and its answer, for one that was unused for server_check_delay:
 *           it finds what the kernel does not know, such as a server that is cut off
 */
#include <errno.h>
#include <sys/socket.h>

#include "inside.h"

/* One that was put back a moment ago has not been looked at by the loop, but was alive then. */
enum { SOUND_DELAY_MS = 2 };

/* One that has just answered is handed out without asking again, even with server_check_delay = 0. */
enum { FRESH_MS = 100 };

bool server_is_sound(struct server *server)
{
    char byte;
    const struct stream *stream = &server->stream;
    if (elapsed(monotonic_ms(), server->idle_since_ms) < SOUND_DELAY_MS)
        return true;
    if (!stream->ended && !buf_len(&stream->in)) {
        ssize_t got = recv(stream->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return true;
    }
    /* Maybe it reports a setting: then what we know of its profile does not hold any more. */
    profile_outdate(server->profile);
    server_lose(server, "it ended or spoke before it was handed out", (struct slice){0});
    return false;
}

bool server_is_stale(const struct server *server, uint64_t now_ms)
{
    const struct options *options = &conf_current()->options;
    uint64_t delay_ms = options->server_check_delay_ms + (server->fresh ? FRESH_MS : 0);
    return *options->server_check_query && elapsed(now_ms, server->state_since_ms) >= delay_ms;
}

void server_check_locked(struct server *server)
{
    server_move_to(server, SERVER_RESETTING);
    server->check_needed = true;
    server_post(server);
}

void server_check_start(struct server *server)
{
    const char *query = conf_current()->options.server_check_query;
    pool_lock(server->pool);
    server->check_needed = false;
    pool_unlock(server->pool);
    server->checking = true;
    server->reset_answers = 1;
    server_send_query(server, strcmp(query, "<empty>") == 0 ? "" : query);
}
