/* Cancel keys: which session on which worker a CancelRequest means.
 *
 * The secrets are ours: a client never learns a backend's. The process id is that of the client's
 * home if it has one, else one that no process can have. A request is a post to the session's loop
 * that names the session by id, so a session that has ended meanwhile is simply not found.
 *
 * Threads  The table has a mutex; session_cancel runs on the session's loop.
 * Source   PostgreSQL manual, "Canceling Requests in Progress".
 */
#include <openssl/crypto.h>

#include "base/clock.h"
#include "base/mem.h"
#include "session/flight.h"

/* Linux gives no process a larger id than 2^22. */
enum { MADE_UP_PID_MIN = 1 << 22 };

struct cancel_slot {
    struct host *host;
    uint64_t session_id;
    uint8_t secret[SESSION_SECRET_MAX];
    unsigned secret_len;
};

struct cancel_post {
    struct loop_post post;
    uint64_t session_id;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct table slots; /* by pid */

static struct slice pid_key(const uint32_t *pid)
{
    return slice_of(pid, sizeof(*pid));
}

void cancel_keys_add(struct session *session)
{
    struct cancel_slot *slot = mem_zero(1, sizeof(*slot));
    session->cancel_secret_len =
        session->login && session->login->protocol >= PGWIRE_PROTOCOL_3_2 ? SESSION_SECRET_MAX : 4;
    clock_random(session->cancel_secret, session->cancel_secret_len);
    slot->host = session->host;
    slot->session_id = session->id;
    slot->secret_len = session->cancel_secret_len;
    memcpy(slot->secret, session->cancel_secret, slot->secret_len);
    pthread_mutex_lock(&mutex);
    session->cancel_pid = session->home.backend_pid;
    while (!session->cancel_pid || table_get(&slots, pid_key(&session->cancel_pid))) {
        clock_random(&session->cancel_pid, sizeof(session->cancel_pid));
        session->cancel_pid = (session->cancel_pid & 0x7fffffffu) | MADE_UP_PID_MIN;
    }
    table_put(&slots, pid_key(&session->cancel_pid), slot);
    pthread_mutex_unlock(&mutex);
}

void cancel_keys_remove(struct session *session)
{
    if (!session->cancel_pid)
        return;
    pthread_mutex_lock(&mutex);
    mem_free(table_remove(&slots, pid_key(&session->cancel_pid)));
    if (slots.count == 0)
        table_fini(&slots);
    pthread_mutex_unlock(&mutex);
    session->cancel_pid = 0;
}

static void run_cancel(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    struct cancel_post *cancel = CONTAINER_OF(post, struct cancel_post, post);
    struct host *host = loop->owner;
    LINK_EACH (&host->sessions, at) {
        struct session *session = CONTAINER_OF(at, struct session, link);
        if (session->id == cancel->session_id) {
            session_cancel(session);
            break;
        }
    }
    mem_free(cancel);
}

void cancel_keys_request(uint32_t pid, struct slice key)
{
    struct cancel_post *cancel = NULL;
    struct loop *loop = NULL;
    pthread_mutex_lock(&mutex);
    const struct cancel_slot *slot = table_get(&slots, pid_key(&pid));
    if (slot && slot->secret_len == key.len &&
        CRYPTO_memcmp(slot->secret, key.data, key.len) == 0) {
        cancel = mem_zero(1, sizeof(*cancel));
        cancel->session_id = slot->session_id;
        cancel->post.run = run_cancel;
        loop = slot->host->loop;
    }
    pthread_mutex_unlock(&mutex);
    if (cancel && !loop_post(loop, &cancel->post))
        mem_free(cancel);
}

void session_cancel(struct session *session)
{
    switch (session->state) {
    case SESSION_ACTIVE:
        server_cancel(session->server);
        break;
    case SESSION_COALESCING:
    case SESSION_WAITING: {
        if (session->status != 'I') {
            /* The block that it was to begin would be a failed one, which only Postgres can tell. */
            session_fail(session, "57014", "canceling statement due to user request", NULL);
            break;
        }
        /* No backend has it yet: the client gets the error, and ReadyForQuery at its unit's end. */
        if (session->state == SESSION_COALESCING)
            flight_stop_waiting(session);
        else
            pool_leave(&session->waiter);
        if (session->fill.on)
            fill_end(session);
        struct buf out = {0};
        session_error_bytes(&out, "ERROR", "57014", "canceling statement due to user request",
                            NULL);
        stream_write(&session->stream, buf_head(&out), buf_len(&out));
        buf_fini(&out);
        session_move(session, SESSION_READY);
        session->unit.refused = true;
        stream_resume(&session->stream);
        break;
    }
    case SESSION_STARTUP:
    case SESSION_AUTH:
    case SESSION_WELCOME:
    case SESSION_READY:
    case SESSION_PROVING:
    case SESSION_LOOKUP:
    case SESSION_CONSOLE:
    case SESSION_DRAINING:
    case SESSION_CLOSING:
    case SESSION_STATE_COUNT:
        break;
    }
}
