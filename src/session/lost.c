/* Answers that never came: the write was passed on, its connection ended, and nobody can say
 * whether it was committed, or will be. Its tables stay closed until the control connection has
 * found that the backend is gone, or that it is on a server whose rows nobody is shown any more; then
 * they are bumped and open.
 *
 * Ownership  A struct lost owns the closing that it took over; it ends in on_gone, on the main loop.
 */
#include "base/flaw.h"
#include "base/mem.h"
#include "session/session.h"
#include "upstream/control.h"

struct lost {
    struct control_gone gone;
    struct closing closing;
    struct database *database;
};

static void open_tables(struct lost *lost)
{
    if (!closing_is_on(&lost->closing))
        return;
    struct realm *realm = lost->closing.realm;
    bool everything = lost->closing.set.everything;
    bool ddl = lost->closing.set.ddl || everything;
    realm_finish(&lost->closing, !flaw_is_on(FLAW_BUMP_LOST));
    if (ddl)
        session_refresh_catalogs(lost->database, everything);
    atomic_fetch_sub(&realm->lost, 1);
}

static void on_away(struct control_gone *gone)
{
    open_tables(CONTAINER_OF(gone, struct lost, gone));
}

static void on_gone(struct control_gone *gone)
{
    struct lost *lost = CONTAINER_OF(gone, struct lost, gone);
    open_tables(lost);
    mem_free(lost);
}

void lost_await(struct session *session)
{
    if (!closing_is_on(&session->closing)) {
        if (!session_is_overtaken(session))
            return;
        const struct write_set all = {.all = true};
        realm_close(session->database->realm, &all, 0, &session->closing);
    }
    if (flaw_is_on(FLAW_STAY_CLOSED)) {
        realm_finish(&session->closing, true);
        return;
    }
    struct lost *lost = mem_zero(1, sizeof(*lost));
    atomic_fetch_add(&session->closing.realm->lost, 1);
    closing_move(&session->closing, &lost->closing);
    lost->database = session->database;
    lost->gone.backend_pid = session->server->backend_pid;
    lost->gone.server_us = session->server->started_us;
    lost->gone.on_gone = on_gone;
    lost->gone.on_away = on_away;
    lost->gone.on_dropped = on_gone; /* the process ends: so does everything stored */
    control_await_gone(session->database->control, &lost->gone);
}
