/* Who is the server, and has anything moved.
 *
 * pg_control_system and pg_control_checkpoint may be revoked from our role: then the system's number
 * and the timeline are 0, and the starts of the postmaster and its processes tell incarnations apart.
 *
 * A crash recovery leaves the postmaster's start as it was. What moves is the start of every other
 * process (shown to superusers and pg_monitor), and the day from which statistics count (shown to
 * all): they are thrown away with the shared memory. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "control_private.h"

#define IDENTITY_COLUMNS                                                                           \
    "(SELECT oid FROM pg_database WHERE datname = current_database()), "                           \
    "(extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint, "                         \
    "coalesce((extract(epoch FROM (SELECT backend_start FROM pg_stat_activity "                    \
    "WHERE backend_type = 'checkpointer')) * 1000000)::bigint, "                                   \
    "(extract(epoch FROM (SELECT stats_reset FROM pg_stat_bgwriter)) * 1000000)::bigint, 0), "     \
    "current_setting('server_version_num'), pg_is_in_recovery(), "                                 \
    "current_setting('transaction_read_only')"

static const char identity_query[] = "SELECT s.system_identifier, c.timeline_id, " IDENTITY_COLUMNS
                                     " FROM pg_control_system() s, pg_control_checkpoint() c";

static const char identity_query_plain[] = "SELECT 0, 0, " IDENTITY_COLUMNS;

/* The role's own settings must not end our connection. The parameter exists from version 14 on. */
static const char stay_query[] =
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'";

/* Settings of the server, of roles and databases; and who may log in at all. */
const char control_settings_query[] =
    "SELECT concat(pg_conf_load_time(), ' ', (SELECT md5(string_agg(concat(setdatabase, ' ', "
    "setrole, ' ', setconfig), '; ' ORDER BY setdatabase, setrole)) FROM pg_db_role_setting), ' ', "
    "(SELECT md5(string_agg(concat_ws(' ', oid, rolname, rolcanlogin, rolconnlimit, "
    "rolvaliduntil, rolsuper), ',' ORDER BY oid)) FROM pg_roles), ' ', "
    "(SELECT concat_ws(' ', oid, datallowconn, datconnlimit, datacl) FROM pg_database "
    "WHERE datname = current_database()))";

enum identify_step { IDENTIFY_STAY, IDENTIFY_FULL, IDENTIFY_PLAIN, IDENTIFY_SETTINGS };
enum check_step { CHECK_FINGERPRINT, CHECK_SETTINGS };

void control_take_text(struct control *control, const PGresult *row)
{
    mem_free(control->text_coming);
    control->text_coming = mem_text(PQnfields(row) > 0 ? PQgetvalue(row, 0, 0) : "");
}

static uint64_t number(const PGresult *row, int column)
{
    return strtoull(PQgetvalue(row, 0, column), NULL, 10);
}

static void take_identity(struct control *control, const PGresult *row)
{
    enum {
        SYSTEM,
        TIMELINE,
        DATABASE,
        POSTMASTER_START,
        RECOVERED,
        VERSION,
        STANDBY,
        READ_ONLY,
        COLUMN_COUNT
    };
    if (PQnfields(row) != COLUMN_COUNT)
        return;
    control->identity_coming = (struct control_identity){
        .system_identifier = number(row, SYSTEM),
        .timeline = (uint32_t)number(row, TIMELINE),
        .database_oid = (uint32_t)number(row, DATABASE),
        .postmaster_start_us = number(row, POSTMASTER_START),
        .recovered_us = number(row, RECOVERED),
        .server_version = (int)number(row, VERSION),
        .standby = strcmp(PQgetvalue(row, 0, STANDBY), "f") != 0,
        .read_only = strcmp(PQgetvalue(row, 0, READ_ONLY), "off") != 0,
    };
}

void control_settings_seen(struct control *control)
{
    char *before = control->settings;
    control->settings = control->text_coming;
    control->text_coming = NULL;
    if (before && control->settings && strcmp(before, control->settings) != 0)
        control_hooks.on_settings(control->database);
    mem_free(before);
}

/* ---- identify ---- */

static void on_identify_row(struct control *control, const PGresult *row)
{
    if (control->identify_step == IDENTIFY_SETTINGS)
        control_take_text(control, row);
    else if (control->identify_step != IDENTIFY_STAY)
        take_identity(control, row);
}

static void identify(struct control *control, enum identify_step step)
{
    static const char *const queries[] = {
        [IDENTIFY_STAY] = stay_query,
        [IDENTIFY_FULL] = identity_query,
        [IDENTIFY_PLAIN] = identity_query_plain,
        [IDENTIFY_SETTINGS] = control_settings_query,
    };
    control->identify_step = step;
    control_query(control, queries[step]);
}

static void publish_identity(struct control *control)
{
    const struct control_identity *identity = &control->identity_coming;
    if (memcmp(identity, &control->identity, sizeof(*identity)) != 0) {
        char system[24];
        snprintf(system, sizeof(system), "%" PRIu64, identity->system_identifier);
        log_info("server identified", "database", control->database->name, "system", system,
                 "timeline", log_num(identity->timeline), "version",
                 log_num(identity->server_version), NULL);
    }
    control->identity = *identity;
    hosts_keep(&control->walk, control->database);
    control->walk.tried = control->walk.count * control->walk.rounds;
    control_gone_identified(control);
    control_hooks.on_identity(control->database, &control->identity);
    control_settings_seen(control);
    if (!control->loaded)
        control->load_needed = true;
    control->check_at_ms = loop_now_ms(control_loop) + conf_current()->options.catalog_refresh_ms;
    control_end(control);
}

static bool fits(const struct control *control)
{
    const struct control_identity *identity = &control->identity_coming;
    return hosts_fit(&control->walk, control->line, identity->standby, identity->read_only);
}

static void on_identify_done(struct control *control, const struct control_failure *failure)
{
    if (failure) {
        bool denied = strcmp(failure->sqlstate, "42501") == 0;
        if (!denied || control->identify_step != IDENTIFY_FULL) {
            control_fail(control, failure->message);
            return;
        }
        log_info("the control role may not read the system identifier", "database",
                 control->database->name, "error", failure->message, NULL);
        identify(control, IDENTIFY_PLAIN);
        return;
    }
    switch ((enum identify_step)control->identify_step) {
    case IDENTIFY_STAY:
        identify(control, IDENTIFY_FULL);
        break;
    case IDENTIFY_FULL:
    case IDENTIFY_PLAIN:
        if (control->identity_coming.postmaster_start_us && !fits(control))
            control_fail(control, hosts_misfit_text(control->line));
        else if (control->identity_coming.postmaster_start_us)
            identify(control, IDENTIFY_SETTINGS);
        else
            control_fail(control, "the server did not say who it is");
        break;
    case IDENTIFY_SETTINGS:
        publish_identity(control);
        break;
    }
}

static const struct control_job identify_job = {.on_row = on_identify_row,
                                                .on_done = on_identify_done};

void control_identify_start(struct control *control)
{
    control_begin(control, &identify_job);
    control->identify_needed = false;
    control->identity_coming = (struct control_identity){0};
    identify(control, control->loaded ? IDENTIFY_FULL : IDENTIFY_STAY);
}

/* ---- check ---- */

static void on_check_done(struct control *control, const struct control_failure *failure)
{
    if (failure) {
        control_fail(control, failure->message);
        return;
    }
    if (control->check_step == CHECK_FINGERPRINT) {
        const char *now = control->text_coming ? control->text_coming : "";
        if (!control->fingerprint || strcmp(now, control->fingerprint) != 0)
            control->load_needed = true;
        control->check_step = CHECK_SETTINGS;
        control_query(control, control_settings_query);
        return;
    }
    control_settings_seen(control);
    control->check_at_ms = loop_now_ms(control_loop) + conf_current()->options.catalog_refresh_ms;
    control_end(control);
}

static const struct control_job check_job = {.on_row = control_take_text, .on_done = on_check_done};

void control_check_start(struct control *control)
{
    control_begin(control, &check_job);
    control->check_step = CHECK_FINGERPRINT;
    control_query(control, catalog_fingerprint_query());
}
