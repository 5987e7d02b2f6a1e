/* What other threads want of the control connection: a wish is a flag and one post (the nudge) that makes the
 * main loop look at the flags. A thousand wishes are one post and one load. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "control_private.h"

static void on_nudge(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    struct control *control = CONTAINER_OF(post, struct control, nudge);
    atomic_store(&control->nudged, false); /* before the wishes are read: none gets lost */
    if (control_stopped())
        return;
    if (atomic_exchange(&control->wish_load, false))
        control->load_needed = true;
    if (atomic_exchange(&control->wish_verify, false))
        control->identify_needed = control->conn != NULL;
    if (atomic_load(&control->settled))
        control_wake(control);
    else
        control_next(control);
}

void control_wishes_init(struct control *control)
{
    control->nudge.run = on_nudge;
}

static void nudge(struct control *control)
{
    if (!atomic_exchange(&control->nudged, true) && !loop_post(control_loop, &control->nudge))
        log_debug("the main loop has ended", "database", control->database->name, NULL);
}

void control_want(struct control *control, const char *role, const char *password)
{
    if (atomic_load_explicit(&control->settled, memory_order_relaxed))
        return;
    pthread_mutex_lock(&control->mutex);
    bool first = !atomic_load(&control->settled);
    if (first && role) {
        char *old_role = control->role;
        char *old_password = control->password;
        control->role = mem_text(role);
        control->password = mem_text(password);
        if (old_password)
            explicit_bzero(old_password, strlen(old_password));
        mem_free(old_password);
        mem_free(old_role);
    }
    atomic_store(&control->settled, true);
    pthread_mutex_unlock(&control->mutex);
    if (first)
        nudge(control);
}

void control_refresh(struct control *control)
{
    atomic_store(&control->wish_load, true);
    nudge(control);
}

void control_verify(struct control *control)
{
    atomic_store(&control->wish_verify, true);
    nudge(control);
}
