/* Cancel keys: which session on which worker a CancelRequest means.
 *
 * The secrets are ours: a client never learns a backend's. The process id is that of the client's
 * home if it has one, else one that no process can have. A request is a post to the session's loop
 * that names the session by id, so a session that has ended meanwhile is simply not found.
 *
 * At Postgres the end of the request's connection says that the signal has been sent, and drivers go
 * on only then. So a request that has found its session stays open until that has happened, or
 * cancel_wait_timeout is over: a later statement of the client is never hit by an earlier cancel.
 *
 * Threads  The table has a mutex; everything else runs on the loop of the session that it is done to.
 * Source   PostgreSQL manual, "Canceling Requests in Progress".
 */
#include <openssl/crypto.h>

#include "base/clock.h"
#include "base/mem.h"
#include "session/session.h"

/* Linux gives no process a larger id than 2^22. */
enum { MADE_UP_PID_MIN = 1 << 22 };

struct cancel_slot {
    struct host *host;
    uint64_t session_id;
    uint8_t secret[SESSION_SECRET_MAX];
    unsigned secret_len;
};

struct cancel_post {
    struct loop_post post; /* to the session, and back */
    uint64_t session_id;
    struct host *asker_host;
    uint64_t asker_id;
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

static struct session *find(struct host *host, uint64_t id)
{
    LINK_EACH (&host->sessions, at) {
        struct session *session = CONTAINER_OF(at, struct session, link);
        if (session->id == id)
            return session;
    }
    return NULL;
}

/* ---- the end: whoever asked is told by the end of its connection ---- */

static void run_told(struct loop *loop, struct loop_post *post)
{
    struct cancel_post *cancel = CONTAINER_OF(post, struct cancel_post, post);
    struct session *asker = find(loop->owner, cancel->asker_id);
    if (asker)
        session_end(asker);
    mem_free(cancel);
}

static void tell_asker(void *context)
{
    struct cancel_post *cancel = context;
    cancel->post.run = run_told;
    if (!loop_post(cancel->asker_host->loop, &cancel->post))
        mem_free(cancel); /* that worker has ended, and its sessions with it */
}

/* ---- on the loop of the session ---- */

/* No backend has the unit yet: the client gets the error, and ReadyForQuery at its unit's end. A block
 * that Postgres does not know of has failed with it. */
static void refuse_unit(struct session *session)
{
    if (session->fill.on)
        fill_end(session);
    if (session->transaction.state == TRANSACTION_LAZY) {
        transaction_fail(&session->transaction);
        session->status = 'E';
    }
    session->xact_since_us = 0;
    struct buf out = {0};
    session_error_bytes(&out, "ERROR", "57014", "canceling statement due to user request", NULL);
    stream_write(&session->stream, buf_head(&out), buf_len(&out));
    buf_fini(&out);
    session_move(session, SESSION_READY);
    if (!unit_keeps_server(session))
        session_release_server(session); /* that it had before the catalog came */
    session->unit.refused = true;
    stream_resume(&session->stream);
}

/* In a block that a backend knows of, the error has to be the backend's. */
static void stop_waiting(struct session *session)
{
    if (session->status != 'I' && !transaction_is_ours(&session->transaction)) {
        session->unit.cancel_due = true;
        return;
    }
    session_leave_waits(session);
    refuse_unit(session);
}

/* True if tell_asker will be called with `cancel`. */
static bool cancel_session(struct session *session, struct cancel_post *cancel)
{
    switch (session->state) {
    case SESSION_ACTIVE:
    case SESSION_DRAINING:
        return server_cancel_tell(session->server, tell_asker, cancel);
    case SESSION_PROVING:
    case SESSION_LOOKUP:
    case SESSION_COALESCING:
    case SESSION_WAITING:
        stop_waiting(session);
        break;
    case SESSION_STARTUP:
    case SESSION_AUTH:
    case SESSION_WELCOME:
    case SESSION_READY:
    case SESSION_CONSOLE:
    case SESSION_CLOSING:
    case SESSION_STATE_COUNT:
        break;
    }
    return false;
}

static void run_cancel(struct loop *loop, struct loop_post *post)
{
    struct cancel_post *cancel = CONTAINER_OF(post, struct cancel_post, post);
    struct session *session = find(loop->owner, cancel->session_id);
    if (!session || !cancel_session(session, cancel))
        tell_asker(cancel);
}

void cancel_keys_request(struct session *asker, uint32_t pid, struct slice key)
{
    struct cancel_post *cancel = NULL;
    struct loop *loop = NULL;
    pthread_mutex_lock(&mutex);
    const struct cancel_slot *slot = table_get(&slots, pid_key(&pid));
    if (slot && slot->secret_len == key.len &&
        CRYPTO_memcmp(slot->secret, key.data, key.len) == 0) {
        cancel = mem_zero(1, sizeof(*cancel));
        cancel->session_id = slot->session_id;
        cancel->asker_host = asker->host;
        cancel->asker_id = asker->id;
        cancel->post.run = run_cancel;
        loop = slot->host->loop;
    }
    pthread_mutex_unlock(&mutex);
    if (cancel && loop_post(loop, &cancel->post))
        return;
    mem_free(cancel);
    session_end(asker);
}
