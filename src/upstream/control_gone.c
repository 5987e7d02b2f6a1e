/* Proves that backends whose answer was lost are gone.
 *
 * A backend that is not in pg_stat_activity has ended its transaction, one way or the other: Postgres
 * aborts or finishes it before it takes the entry out. One that is there is asked to terminate, once,
 * and looked for until it is not. A process number may be used again: an entry of another database, or
 * one with another backend_start than first seen, is somebody else.
 *
 * One whose server is another than ours (by the start of its postmaster) is not asked or looked for
 * here: its number is somebody else's. It is away.
 *
 * The look also proves a restart. A connection that answers after the call belongs to an incarnation
 * that was alive after the backend was lost, so the backend is of that one or of an earlier one: it is
 * gone when the pid is missing there, or when a later incarnation answers. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "control_private.h"
#include "inside.h"

/* Backends of other servers that are kept in mind for each database. A server that is started again is
 * another one, and never comes back: those of it are kept in vain, until newer ones take their place. */
enum { CONTROL_AWAY_MAX = 4096 };

enum gone_column { GONE_PID, GONE_DATABASE, GONE_STARTED, GONE_COLUMN_COUNT };

static void report(struct control_gone *gone)
{
    link_remove(&gone->link);
    log_info("a lost backend is gone", "database", gone->control->database->name, "pid",
             log_num(gone->backend_pid), NULL);
    gone->on_gone(gone);
}

/* True if it is on another server than the control connection. */
static bool is_elsewhere(const struct control *control, const struct control_gone *gone)
{
    return gone->server_us && gone->server_us != control->identity.postmaster_start_us;
}

uint64_t control_gone_due_ms(const struct control *control)
{
    LINK_EACH (&control->gones, at) {
        const struct control_gone *gone = CONTAINER_OF(at, struct control_gone, link);
        if (!gone->away || !is_elsewhere(control, gone))
            return control->look_at_ms;
    }
    return UINT64_MAX;
}

/* ---- backends of other servers ---- */

static void leave_away(struct control *control, struct control_gone *gone)
{
    log_info("a lost backend is on another server: nobody waits for it", "database",
             control->database->name, "pid", log_num(gone->backend_pid), NULL);
    gone->away = true;
    if (gone->on_away)
        gone->on_away(gone);
}

/* The oldest ones give way. */
static void bound_away(struct control *control)
{
    unsigned count = 0;
    for (struct link *at = control->gones.prev, *before; at != &control->gones; at = before) {
        before = at->prev;
        struct control_gone *gone = CONTAINER_OF(at, struct control_gone, link);
        if (gone->away && is_elsewhere(control, gone) && ++count > CONTROL_AWAY_MAX) {
            link_remove(&gone->link);
            gone->on_gone(gone);
        }
    }
}

static bool is_haunted(const struct control *control)
{
    LINK_EACH (&control->gones, at) {
        const struct control_gone *gone = CONTAINER_OF(at, struct control_gone, link);
        if (gone->away && !is_elsewhere(control, gone))
            return true;
    }
    return false;
}

void control_gone_identified(struct control *control)
{
    atomic_store(&control->database->haunted, is_haunted(control));
    control->look_at_ms = loop_now_ms(control_loop);
}

static void exorcise(struct control *control)
{
    if (!atomic_load(&control->database->haunted) || is_haunted(control))
        return;
    atomic_store(&control->database->haunted, false);
    stranger_tell(control->database);
}

/* ---- asking ---- */

static void on_terminate_row(struct control *control, const PGresult *row)
{
    (void)control;
    (void)row;
}

static void terminate_next(struct control *control);

static void on_terminate_done(struct control *control, const struct control_failure *failure)
{
    struct control_gone *gone = control->terminating;
    if (failure)
        log_warn("the control role may not terminate a lost backend: waiting for its end",
                 "database", control->database->name, "pid", log_num(gone->backend_pid), "error",
                 failure->message, NULL);
    gone->asked = true;
    control->terminating = NULL;
    terminate_next(control);
}

static const struct control_job terminate_job = {.on_row = on_terminate_row,
                                                 .on_done = on_terminate_done};

static struct control_gone *first_unasked(struct control *control)
{
    LINK_EACH (&control->gones, at) {
        struct control_gone *gone = CONTAINER_OF(at, struct control_gone, link);
        if (!gone->asked && !is_elsewhere(control, gone))
            return gone;
    }
    return NULL;
}

static void terminate_next(struct control *control)
{
    struct control_gone *gone = first_unasked(control);
    if (!gone) {
        control->look_at_ms = loop_now_ms(control_loop) + CONTROL_GONE_FIRST_MS;
        control_end(control);
        return;
    }
    control->terminating = gone;
    buf_clear(&control->query);
    buf_printf(&control->query,
               "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %" PRIu32
               " AND datid = %" PRIu32 " AND backend_type = 'client backend'",
               gone->backend_pid, control->identity.database_oid);
    control_query(control, (const char *)buf_head(&control->query));
}

/* ---- looking ---- */

static void on_look_row(struct control *control, const PGresult *row)
{
    if (PQnfields(row) != GONE_COLUMN_COUNT)
        return;
    uint32_t pid = (uint32_t)strtoul(PQgetvalue(row, 0, GONE_PID), NULL, 10);
    uint32_t database = (uint32_t)strtoul(PQgetvalue(row, 0, GONE_DATABASE), NULL, 10);
    uint64_t started_us = strtoull(PQgetvalue(row, 0, GONE_STARTED), NULL, 10);
    LINK_EACH (&control->gones, at) {
        struct control_gone *gone = CONTAINER_OF(at, struct control_gone, link);
        if (gone->backend_pid != pid || database != control->identity.database_oid ||
            is_elsewhere(control, gone))
            continue;
        if (!gone->backend_start_us)
            gone->backend_start_us = started_us;
        if (!started_us || started_us == gone->backend_start_us)
            gone->seen = true;
    }
}

static void on_look_done(struct control *control, const struct control_failure *failure)
{
    if (failure) {
        control_fail(control, failure->message);
        return;
    }
    uint64_t incarnation = control->identity.postmaster_start_us;
    LINK_EACH_SAFE (&control->gones, at) {
        struct control_gone *gone = CONTAINER_OF(at, struct control_gone, link);
        if (!gone->looked_for)
            continue; /* came after the question */
        if (is_elsewhere(control, gone)) {
            if (!gone->away)
                leave_away(control, gone);
            continue;
        }
        bool restarted = gone->postmaster_start_us && gone->postmaster_start_us != incarnation;
        gone->postmaster_start_us = incarnation;
        if (!gone->seen || restarted)
            report(gone);
    }
    exorcise(control);
    bound_away(control);
    control->look_at_ms = loop_now_ms(control_loop) + CONTROL_GONE_LOOK_MS;
    control_end(control);
}

static const struct control_job look_job = {.on_row = on_look_row, .on_done = on_look_done};

static void look(struct control *control)
{
    buf_clear(&control->query);
    buf_append_text(&control->query,
                    "SELECT pid, datid, (extract(epoch FROM backend_start) * 1000000)::bigint "
                    "FROM pg_stat_activity WHERE pid IN (");
    const char *comma = "";
    LINK_EACH (&control->gones, at) {
        struct control_gone *gone = CONTAINER_OF(at, struct control_gone, link);
        gone->looked_for = true;
        gone->seen = false;
        buf_printf(&control->query, "%s%" PRIu32, comma, gone->backend_pid);
        comma = ", ";
    }
    buf_printf(&control->query, ")");
    control_begin(control, &look_job);
    control_query(control, (const char *)buf_head(&control->query));
}

void control_gone_start(struct control *control)
{
    if (first_unasked(control)) {
        control_begin(control, &terminate_job);
        terminate_next(control);
    } else {
        look(control);
    }
}

/* ---- coming and going ---- */

static void drop(struct control_gone *gone)
{
    if (gone->on_dropped)
        gone->on_dropped(gone);
}

void control_gone_drop_all(struct control *control)
{
    LINK_EACH_SAFE (&control->gones, at) {
        struct control_gone *gone = CONTAINER_OF(at, struct control_gone, link);
        link_remove(&gone->link);
        drop(gone);
    }
}

static void on_await(struct loop *loop, struct loop_post *post)
{
    struct control_gone *gone = CONTAINER_OF(post, struct control_gone, post);
    struct control *control = gone->control;
    if (control_stopped()) {
        drop(gone);
        return;
    }
    link_append(&control->gones, &gone->link);
    control->look_at_ms = loop_now_ms(loop);
    control_wake(control);
}

void control_await_gone(struct control *control, struct control_gone *gone)
{
    gone->post = (struct loop_post){.run = on_await};
    gone->link = (struct link){0};
    gone->control = control;
    gone->postmaster_start_us = 0;
    gone->backend_start_us = 0;
    gone->away = gone->asked = gone->looked_for = gone->seen = false;
    if (!loop_post(control_loop, &gone->post))
        drop(gone);
}
