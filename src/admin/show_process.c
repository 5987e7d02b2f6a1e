/* What concerns the process as a whole: SHOW HELP, VERSION, CONFIG, STATE, MEM. */
#include <malloc.h>
#include <stdio.h>
#include <time.h>

#include "coherence/realm.h"
#include "conf/conf.h"
#include "console_inside.h"
#include "show.h"
#include "sql/catalog.h"
#include "upstream/database.h"
#include "upstream/server.h"

SHAPE(show_help, TEXT("command"), TEXT("for"), TEXT("meaning"));
SHAPE(show_version, TEXT("version"));
SHAPE(show_config, TEXT("key"), TEXT("value"), TEXT("default"), TEXT("changeable"));
SHAPE(show_state, TEXT("key"), TEXT("value"));
SHAPE(show_mem, TEXT("name"), INT8("size"), INT8("used"), INT8("free"), INT8("memtotal"));

enum { TIME_TEXT_MAX = 64, HELP_TEXT_MAX = 512 };

void show_time(struct rows *rows, uint64_t wall_ms)
{
    char text[TIME_TEXT_MAX];
    struct tm tm;
    time_t seconds = (time_t)(wall_ms / 1000);
    if (wall_ms && localtime_r(&seconds, &tm) &&
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &tm))
        rows_text(rows, text);
    else
        rows_null(rows);
}

/* The first sentence, without its back-ticks. */
static void add_summary(struct rows *rows, const char *prose)
{
    char text[HELP_TEXT_MAX];
    size_t len = 0;
    for (const char *at = prose; *at && len + 1 < sizeof(text); at++) {
        if (*at == '`')
            continue;
        text[len++] = *at;
        if (*at == '.' && at[1] == ' ')
            break;
    }
    rows_slice(rows, slice_of(text, len));
}

void run_show_help(struct request *request)
{
    for (unsigned id = 0; id < COMMAND_COUNT; id++) {
        const struct command_row *row = &command_rows[id];
        char syntax[COMMAND_WHY_MAX];
        if (row->access == ACCESS_QUIET)
            continue;
        command_syntax((enum command_id)id, syntax);
        rows_text(&request->rows, syntax);
        rows_text(&request->rows, row->access == ACCESS_STEER ? "admin_users" : "all");
        add_summary(&request->rows, row->prose);
    }
    request_done(request);
}

void run_show_version(struct request *request)
{
    rows_printf(&request->rows, "pgrecall %s", console_world.config.version);
    request_done(request);
}

void run_show_config(struct request *request)
{
    const struct conf *conf = conf_current();
    struct option_row row;
    for (unsigned i = 0; conf_option_row(conf, i, &row); i++) {
        rows_text(&request->rows, row.name);
        rows_text(&request->rows, row.value);
        rows_text(&request->rows, row.default_value);
        rows_text(&request->rows, row.reloadable ? "yes" : "no");
    }
    request_done(request);
}

static void add_state(struct rows *rows, const char *key, bool value)
{
    rows_text(rows, key);
    rows_text(rows, value ? "yes" : "no");
}

/* Paused is who has nothing that is not; databases that nobody has asked for yet count as one. */
static bool is_all_paused(void)
{
    struct database *database;
    unsigned at = 0;
    bool rest = databases_are_paused();
    while ((database = database_next(&at)) != NULL)
        if (!atomic_load(&database->paused))
            return false;
    return rest || at > 0;
}

void run_show_state(struct request *request)
{
    bool paused = is_all_paused();
    add_state(&request->rows, "active", !paused);
    add_state(&request->rows, "paused", paused);
    add_state(&request->rows, "suspended", false);
    request_done(request);
}

/* ---- SHOW MEM ---- */

static void add_memory(struct rows *rows, const char *name, uint64_t size, uint64_t used,
                       uint64_t free_count, uint64_t total)
{
    rows_text(rows, name);
    rows_num(rows, size);
    rows_num(rows, used);
    rows_num(rows, free_count);
    rows_num(rows, total);
}

static void add_databases(struct rows *rows)
{
    uint64_t catalogs = 0, catalog_sum = 0, servers = 0;
    struct database *database;
    unsigned at = 0, count = 0;
    for (; (database = database_next(&at)) != NULL; count++) {
        bool stale;
        struct catalog *catalog = database->realm ? realm_catalog(database->realm, &stale) : NULL;
        if (catalog) {
            catalogs++;
            catalog_sum += catalog_bytes(catalog);
            catalog_unref(catalog);
        }
        pthread_mutex_lock(&database->mutex);
        servers += database->connections;
        pthread_mutex_unlock(&database->mutex);
    }
    add_memory(rows, "database", sizeof(*database), count, 0, count * sizeof(*database));
    add_memory(rows, "catalog", catalogs ? catalog_sum / catalogs : 0, catalogs, 0, catalog_sum);
    add_memory(rows, "server", sizeof(struct server), servers, 0, servers * sizeof(struct server));
}

void run_show_mem(struct request *request)
{
    struct rows *rows = &request->rows;
    add_databases(rows);
    struct cache *cache = console_world.config.cache;
    if (cache) {
        struct cache_stats stats;
        cache_stats(cache, &stats);
        add_memory(rows, "cache_entry", stats.entries ? stats.bytes / stats.entries : 0,
                   stats.entries, 0, stats.bytes);
    }
    struct mallinfo2 heap = mallinfo2();
    add_memory(rows, "heap", 1, heap.uordblks + heap.hblkhd, heap.fordblks,
               heap.arena + heap.hblkhd);
    request_done(request);
}
