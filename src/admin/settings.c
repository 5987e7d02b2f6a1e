/* What drivers expect of anything that speaks Postgres' protocol: a few settings and constants, and
 * transactions that do nothing. And SET, which also changes options of ours. */
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "console_inside.h"
#include "show.h"
#include "upstream/database.h"

struct constant {
    const char *asked; /* in lower case */
    struct pgwire_text_column column;
    const char *value; /* NULL: the version */
    struct shape shape;
};

#define CONSTANT(at, asked, name, type, value)                                                     \
    {                                                                                              \
        asked, {name, type}, value,                                                                \
        {                                                                                          \
            &(at).column, 1                                                                        \
        }                                                                                          \
    }

static const struct constant settings[] = {
#define SETTING(i, name, value) CONSTANT(settings[i], name, name, ROWS_TEXT, value)
    SETTING(0, "client_encoding", "UTF8"),
    SETTING(1, "datestyle", "ISO, MDY"),
    SETTING(2, "timezone", "GMT"),
    SETTING(3, "standard_conforming_strings", "on"),
    SETTING(4, "application_name", ""),
    SETTING(5, "extra_float_digits", "1"),
    SETTING(6, "default_transaction_isolation", "read committed"),
    SETTING(7, "default_transaction_read_only", "off"),
    SETTING(8, "transaction_isolation", "read committed"),
    SETTING(9, "transaction_read_only", "off"),
    SETTING(10, "statement_timeout", "0"),
    SETTING(11, "intervalstyle", "postgres"),
    SETTING(12, "search_path", "\"$user\", public"),
    CONSTANT(settings[13], "transaction isolation level", "transaction_isolation", ROWS_TEXT,
             "read committed"),
    CONSTANT(settings[14], "time zone", "TimeZone", ROWS_TEXT, "GMT"),
};

static const struct constant expressions[] = {
    CONSTANT(expressions[0], "1", "?column?", ROWS_INT4, "1"),
    CONSTANT(expressions[1], "version()", "version", ROWS_TEXT, NULL),
    CONSTANT(expressions[2], "pg_catalog.version()", "version", ROWS_TEXT, NULL),
    CONSTANT(expressions[3], "current_database()", "current_database", ROWS_TEXT, "pgrecall"),
    CONSTANT(expressions[4], "current_schema()", "current_schema", ROWS_TEXT, "public"),
};

static const struct constant *find(const struct constant *constants, unsigned count,
                                   const char *asked)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(constants[i].asked, asked) == 0)
            return &constants[i];
    return NULL;
}

static const struct constant *find_setting(const char *name)
{
    return find(settings, ARRAY_COUNT(settings), name);
}

bool setting_is_known(const char *name)
{
    return find_setting(name) != NULL;
}

const struct shape *setting_shape(const char *name)
{
    const struct constant *setting = find_setting(name);
    return setting ? &setting->shape : NULL;
}

const struct shape *select_shape(const char *expression)
{
    const struct constant *found = find(expressions, ARRAY_COUNT(expressions), expression);
    return found ? &found->shape : NULL;
}

/* Which columns they have depends on what is asked. */
const struct shape shape_show_setting = {NULL, 0};
const struct shape shape_select = {NULL, 0};

static void answer(struct request *request, const struct constant *constant)
{
    if (constant->value)
        rows_text(&request->rows, constant->value);
    else
        rows_printf(&request->rows, "pgrecall %s", console_world.config.version);
}

void run_show_setting(struct request *request)
{
    const struct constant *setting = find_setting(request->command->name);
    if (setting) {
        answer(request, setting);
    } else {
        request_fail(request, "42601", "unknown command \"SHOW %.100s\"", request->command->name);
        snprintf(request->hint, sizeof(request->hint), "SHOW HELP lists the commands.");
    }
    request_done(request);
}

void run_select(struct request *request)
{
    const struct constant *found =
        find(expressions, ARRAY_COUNT(expressions), request->command->name);
    if (found)
        answer(request, found);
    else
        request_fail(request, "0A000", "the console has no tables and no functions");
    request_done(request);
}

void run_nothing(struct request *request)
{
    request_done(request);
}

void run_deallocate(struct request *request)
{
    const char *name = request->command->name;
    if (strncmp(name, "prepare ", 8) == 0)
        name += 8;
    if (!extended_deallocate(request->console, name))
        request_fail(request, "26000", "the prepared statement does not exist");
    request_done(request);
}

/* ---- SET ---- */

struct assignment {
    char *name;
    char *value;
};

/* On the main loop, so that it does not cross a reload. */
static void assign(struct request *request)
{
    struct assignment *assignment = request->waits_for;
    struct conf *conf;
    enum err err = conf_set(conf_current(), assignment->name, assignment->value, &conf);
    if (err == ERR_OK) {
        conf_swap(conf);
        databases_reload();
        log_info("option set on the console", "option", assignment->name, NULL);
    } else if (err == ERR_NOT_FOUND) {
        request_fail(request, "42704", "unrecognized option \"%.100s\"", assignment->name);
    } else if (err == ERR_UNSUPPORTED) {
        request_fail(request, "55P02", "option \"%.100s\" cannot be changed without a restart",
                     assignment->name);
    } else {
        request_fail(request, "22023", "invalid value for option \"%.100s\": %s", assignment->name,
                     err_text(err));
    }
    mem_free(assignment->name);
    mem_free(assignment->value);
    mem_free(assignment);
    request->waits_for = NULL;
}

void run_set(struct request *request)
{
    if (setting_is_known(request->command->name)) {
        request_done(request);
        return;
    }
    struct assignment *assignment = mem_zero(1, sizeof(*assignment));
    assignment->name = mem_text(request->command->name);
    assignment->value = mem_text(request->command->value);
    request->waits_for = assignment;
    main_call(request, assign);
}
