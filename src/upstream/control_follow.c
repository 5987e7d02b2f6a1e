/* What may send the control connection elsewhere: a new configuration, server connections that are on another
 * server than it is, a host name that leads to another address. */
#include "base/log.h"
#include "control_private.h"
#include "dns.h"

/* A reload may have changed where a database lives, or who reads its catalog. */
static void follow_configuration(struct control *control)
{
    uint64_t number = conf_current()->number;
    if (control->conf_seen == number || control_state(control) == CONTROL_IDLE)
        return;
    control->conf_seen = number;
    struct control_target target;
    if (!control_target_make(control, &target)) {
        control_hooks.on_lost(control->database);
        control_rest(control, "the configuration has no such database");
        return;
    }
    bool same = control_target_equal(&target, &control->target);
    control_target_fini(&target);
    if (same) { /* hosts and ports too: the walk goes on */
        control_take_line(control, atomic_load(&control->database->conf));
        return;
    }
    log_info("control connection moves to the new configuration", "database",
             control->database->name, NULL);
    control->walk.count = 0;
    control_hooks.on_lost(control->database);
    control->failures = 0;
    control_rest(control, "the configuration has changed");
    atomic_store(&control->settled, true);
    control_wake(control);
}

/* With load_balance_hosts backends are spread over servers of which several will do: dialing again
 * would bring nothing. */
static bool is_spread(const struct control *control)
{
    const struct conf_database *line = control->line;
    return line->load_balance_hosts != LOAD_BALANCE_DISABLE && conf_host_count(line) > 1 &&
           line->target_session_attrs != TARGET_PRIMARY &&
           line->target_session_attrs != TARGET_READ_WRITE;
}

/* Backends are on another server, or a standby may have been promoted: looks again who is where. */
static void follow_backends(struct control *control, uint64_t now_ms)
{
    if (control_state(control) != CONTROL_READY || !database_is_mixed(control->database) ||
        is_spread(control) ||
        (control->mixed_at_ms && now_ms - control->mixed_at_ms < CONTROL_MIXED_MS))
        return;
    control->mixed_at_ms = now_ms;
    if (database_strangers(control->database)) {
        control->walk.count = 0;
        control_fail(control, "a server connection has reached another server");
    } else if (!control->job) {
        control->identify_needed = true;
        control_wake(control);
    }
}

void control_follow_dns(struct control *control, unsigned host, const struct addresses *addresses)
{
    enum control_state state = control_state(control);
    if ((state != CONTROL_IDENTIFYING && state != CONTROL_LOADING && state != CONTROL_READY) ||
        control->walk.at != host ||
        dns_leads_to_text(addresses, control_conn_address(control->conn)))
        return;
    control->walk.count = 0;
    control_fail(control, "the address of the server has changed");
}

void control_follow(struct control *control, uint64_t now_ms)
{
    follow_configuration(control);
    follow_backends(control, now_ms);
}
