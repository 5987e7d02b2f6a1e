/* What executes each command of commands.def, and the columns of those that answer rows. */
#pragma once

#include "request.h"

struct catalog;
struct database;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls" /* several commands do nothing */
#define DECLARE_TAG(name)
#define DECLARE_ROWS(name) extern const struct shape shape_##name;
#define COMMAND(id, name, words, argument, access, result, prose)                                  \
    void run_##name(struct request *request);                                                      \
    DECLARE_##result(name)
#include "commands.def"
#undef COMMAND
#undef DECLARE_TAG
#undef DECLARE_ROWS
#pragma GCC diagnostic pop

/* ---- settings.c: what drivers ask a Postgres for ---- */
bool setting_is_known(const char *name);
/* One column of that name; NULL: there is no such setting. */
const struct shape *setting_shape(const char *name);
const struct shape *select_shape(const char *expression);

/* "2026-01-31 12:00:00 UTC", the way PgBouncer writes times; 0 is NULL. */
void show_time(struct rows *rows, uint64_t wall_ms);

/* Are answers of this database served and stored now: "yes", or the first thing that stands against
 * it. `catalog` and `stale` as realm_catalog gave them. */
const char *show_cached(struct database *database, const struct catalog *catalog, bool stale);

/* The database of that name if the configuration has it, else NULL and the request has failed. */
struct database *show_database(struct request *request, const char *name);

#define SHAPE(name, ...)                                                                           \
    static const struct pgwire_text_column columns_##name[] = {__VA_ARGS__};                       \
    const struct shape shape_##name = {columns_##name, ARRAY_COUNT(columns_##name)}
#define TEXT(name)                                                                                 \
    {                                                                                              \
        name, ROWS_TEXT                                                                            \
    }
#define INT8(name)                                                                                 \
    {                                                                                              \
        name, ROWS_INT8                                                                            \
    }
#define NUMERIC(name)                                                                              \
    {                                                                                              \
        name, ROWS_NUMERIC                                                                         \
    }
