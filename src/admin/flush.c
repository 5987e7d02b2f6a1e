/* FLUSH: cached answers become unreachable, because what they depend on has moved on. */
#include "base/log.h"
#include "coherence/realm.h"
#include "conf/rules.h"
#include "console_inside.h"
#include "show.h"
#include "sql/catalog.h"
#include "upstream/database.h"

enum { FLUSH_RELATIONS_MAX = 256 };

void run_flush(struct request *request)
{
    static const struct write_set all = {.all = true};
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;)
        realm_bump(database->realm, &all);
    if (console_world.config.cache)
        cache_flush(console_world.config.cache);
    log_info("the cache was flushed", NULL);
    request_done(request);
}

void run_flush_namespace(struct request *request)
{
    const char *name = request->command->name;
    if (rule_namespace_is_valid(slice_of_text(name))) {
        uint32_t word = generation_of_namespace(slice_of_text(name));
        generation_close(word);
        generation_bump_and_open(word);
        log_info("a namespace was flushed", "namespace", name, NULL);
    } else {
        request_fail(request, "42602", "invalid namespace \"%.100s\"", name);
    }
    request_done(request);
}

void run_flush_memory(struct request *request)
{
    if (console_world.config.cache)
        cache_flush(console_world.config.cache);
    log_info("the cache in memory was flushed", NULL);
    request_done(request);
}

enum flushed { FLUSHED_NOTHING, FLUSHED_TABLE, FLUSHED_DATABASE };

static enum flushed flush_in(struct database *database, struct slice name)
{
    struct write_set set;
    write_set_clear(&set);
    bool stale;
    enum flushed flushed = FLUSHED_NOTHING;
    struct catalog *catalog = realm_catalog(database->realm, &stale);
    if (catalog) {
        uint32_t oids[FLUSH_RELATIONS_MAX];
        size_t count = catalog_relations_named(catalog, name, oids, FLUSH_RELATIONS_MAX);
        set.all = count > FLUSH_RELATIONS_MAX;
        for (size_t i = 0; i < size_min(count, FLUSH_RELATIONS_MAX); i++)
            write_set_add_table(&set, catalog_root(catalog, oids[i]));
        flushed = count ? FLUSHED_TABLE : FLUSHED_NOTHING;
        catalog_unref(catalog);
    } else {
        /* Which table that is cannot be known: all may be it. */
        set.all = true;
        flushed = FLUSHED_DATABASE;
    }
    if (flushed != FLUSHED_NOTHING)
        realm_bump(database->realm, &set);
    return flushed;
}

void run_flush_table(struct request *request)
{
    const struct command *command = request->command;
    struct database *only = NULL, *database;
    if (command->database[0] && !(only = show_database(request, command->database))) {
        request_done(request);
        return;
    }
    bool found = false;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;) {
        if (only && database != only)
            continue;
        enum flushed flushed = flush_in(database, slice_of_text(command->name));
        found = found || flushed != FLUSHED_NOTHING;
        if (flushed == FLUSHED_DATABASE)
            snprintf(request->notice, sizeof(request->notice),
                     "the catalog of database \"%.100s\" is not loaded: all of it was flushed",
                     database->name);
    }
    if (!found)
        request_fail(request, "42P01", "relation \"%.200s\" does not exist", command->name);
    request_done(request);
}
