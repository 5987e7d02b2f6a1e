/* Loads a snapshot of the catalog: its queries in one read-only transaction that sees one moment,
 * rows straight from libpq into the builder, then the build on libuv's thread pool, because that takes
 * a while with ten thousand tables and the main loop has others to serve.
 *
 *   BEGIN ─► fingerprint ─► the catalog's queries ─► COMMIT ─► settings ─► build ─► on_catalog
 *                  └── as of the snapshot delivered last ─► COMMIT ─► settings ─► on_same
 *
 * The version is asked for just before BEGIN: DDL that is seen later makes a newer one, so a snapshot
 * never carries a version that promises more than it has seen.
 *
 * Ownership  The load belongs to its control until the build begins; the build lives until libuv has
 *            called back, whether or not its control still wants it. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control_private.h"

enum { LOAD_COLUMNS_MAX = 64 };

enum load_phase {
    LOAD_BEGIN,
    LOAD_FINGERPRINT,
    LOAD_ROWS,
    LOAD_COMMIT,
    LOAD_SETTINGS,
    LOAD_BUILD,
    LOAD_ROLLBACK, /* the server refused one: tried again later */
};

struct catalog_load {
    uv_work_t work;
    struct control *control; /* NULL: nobody waits for the build any more */
    enum load_phase phase;
    unsigned query; /* of LOAD_ROWS */
    uint64_t rows;
    uint64_t began_us;
    uint64_t version;
    struct catalog_builder *builder;
    char *fingerprint;
    bool unchanged; /* it is that of the snapshot delivered last: nothing to load */
    enum err err;   /* of rows, later of the build */
    struct catalog *catalog;
};

static void load_free(struct catalog_load *load)
{
    catalog_builder_destroy(load->builder);
    if (load->catalog)
        catalog_unref(load->catalog);
    mem_free(load->fingerprint);
    mem_free(load);
}

/* ---- the build ---- */

static void build(uv_work_t *work)
{
    struct catalog_load *load = CONTAINER_OF(work, struct catalog_load, work);
    struct catalog_builder *builder = load->builder;
    load->builder = NULL;
    load->err = catalog_builder_finish(builder, load->version, &load->catalog);
}

static void deliver(struct control *control, struct catalog_load *load)
{
    log_info("catalog loaded", "database", control->database->name, "rows",
             log_num((int64_t)load->rows), "bytes", log_num((int64_t)catalog_bytes(load->catalog)),
             "ms", log_num((int64_t)((clock_now_us() - load->began_us) / 1000)), NULL);
    mem_free(control->fingerprint);
    control->fingerprint = load->fingerprint;
    load->fingerprint = NULL;
    control->load_tries = 0;
    struct catalog *catalog = load->catalog;
    load->catalog = NULL;
    control_loaded(control);
    control_hooks.on_catalog(control->database, catalog);
}

/* The snapshot delivered last is as good as one loaded now: a function or trigger that might have
 * done DDL did none. */
static void deliver_same(struct control *control, struct catalog_load *load)
{
    uint64_t version = load->version;
    control->load = NULL;
    control->load_tries = 0;
    control->load_not_before_ms = loop_now_ms(control_loop) + CONTROL_LOAD_PAUSE_MS;
    load_free(load);
    control_loaded(control);
    control_hooks.on_same(control->database, version);
    control_end(control);
}

static void on_built(uv_work_t *work, int status)
{
    struct catalog_load *load = CONTAINER_OF(work, struct catalog_load, work);
    struct control *control = load->control;
    if (!control) {
        load_free(load);
        return;
    }
    ASSERT(status == 0); /* only an abandoned one is cancelled */
    control->load = NULL;
    control->load_not_before_ms = loop_now_ms(control_loop) + CONTROL_LOAD_PAUSE_MS;
    if (load->err == ERR_OK) {
        deliver(control, load);
        control_end(control);
    } else {
        control_fail(control, "the catalog's rows make no snapshot");
    }
    load_free(load);
}

/* ---- the queries ---- */

static void on_load_row(struct control *control, const PGresult *row)
{
    struct catalog_load *load = control->load;
    if (load->phase == LOAD_FINGERPRINT || load->phase == LOAD_SETTINGS) {
        control_take_text(control, row);
        return;
    }
    if (load->phase != LOAD_ROWS || load->err != ERR_OK)
        return;
    struct slice values[LOAD_COLUMNS_MAX];
    int count = PQnfields(row);
    if (count > LOAD_COLUMNS_MAX) {
        load->err = ERR_TOO_MANY;
        return;
    }
    for (int i = 0; i < count; i++)
        values[i] = PQgetisnull(row, 0, i)
                        ? (struct slice){0}
                        : slice_of(PQgetvalue(row, 0, i), (size_t)PQgetlength(row, 0, i));
    load->err = catalog_builder_add(load->builder, load->query, values, (unsigned)count);
    load->rows++;
}

/* The server refused a query, DDL was in its way perhaps: a later try may do better. */
static void retry(struct control *control, const struct control_failure *failure)
{
    struct catalog_load *load = control->load;
    if (load->phase == LOAD_ROLLBACK || ++control->load_tries >= CONTROL_LOAD_TRIES_MAX) {
        control->load_tries = 0;
        control_fail(control, failure->message);
        return;
    }
    log_warn("loading the catalog failed, trying again", "database", control->database->name,
             "sqlstate", failure->sqlstate, "error", failure->message, NULL);
    load->phase = LOAD_ROLLBACK;
    control_query(control, "ROLLBACK");
}

static void next_query(struct control *control, struct catalog_load *load)
{
    if (load->query < catalog_query_count()) {
        control_query(control, catalog_query(load->query));
        return;
    }
    load->phase = LOAD_COMMIT;
    control_query(control, "COMMIT");
}

static void give_up(struct control *control)
{
    struct catalog_load *load = control->load;
    control->load = NULL;
    if (!load)
        return;
    control->load_needed = true;
    load->control = NULL;
    if (load->phase != LOAD_BUILD)
        load_free(load);
    else
        uv_cancel((uv_req_t *)&load->work); /* on_built frees it, cancelled or not */
}

static void on_load_done(struct control *control, const struct control_failure *failure)
{
    struct catalog_load *load = control->load;
    if (failure) {
        retry(control, failure);
        return;
    }
    if (load->err != ERR_OK) {
        control_fail(control, "a row of the catalog has other columns than it should");
        return;
    }
    switch (load->phase) {
    case LOAD_BEGIN:
        load->phase = LOAD_FINGERPRINT;
        control_query(control, catalog_fingerprint_query());
        break;
    case LOAD_FINGERPRINT:
        load->fingerprint = control->text_coming;
        control->text_coming = NULL;
        load->unchanged = control->fingerprint && load->fingerprint &&
                          strcmp(control->fingerprint, load->fingerprint) == 0;
        load->phase = LOAD_ROWS;
        if (load->unchanged)
            load->query = catalog_query_count();
        next_query(control, load);
        break;
    case LOAD_ROWS:
        load->query++;
        next_query(control, load);
        break;
    case LOAD_COMMIT:
        load->phase = LOAD_SETTINGS;
        control_query(control, control_settings_query);
        break;
    case LOAD_SETTINGS:
        control_settings_seen(control);
        if (load->unchanged) {
            deliver_same(control, load);
            break;
        }
        load->phase = LOAD_BUILD;
        ASSERT(uv_queue_work(&control_loop->uv, &load->work, build, on_built) == 0);
        break;
    case LOAD_ROLLBACK:
        give_up(control);
        control->load_not_before_ms = loop_now_ms(control_loop) + CONTROL_LOAD_RETRY_MS;
        control_end(control);
        break;
    case LOAD_BUILD:
        break; /* no query runs then */
    }
}

static const struct control_job load_job = {
    .on_row = on_load_row, .on_done = on_load_done, .on_abandoned = give_up};

void catalog_load_start(struct control *control)
{
    ASSERT(!control->load);
    control_begin(control, &load_job);
    struct catalog_load *load = mem_zero(1, sizeof(*load));
    load->control = control;
    load->builder = catalog_builder_create();
    load->began_us = clock_now_us();
    control->load = load;
    control->load_needed = false; /* wishes from now on are for the next one */
    load->version = control_hooks.on_load(control->database);
    control_query(control, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
}
