/* docs/console.md, from the table of commands. */
#include "admin/console.h"
#include "command.h"
#include "show.h"

static const char head[] =
    "# The console\n"
    "\n"
    "*Made by `pgrecall --manual console` from the program's own tables.*\n"
    "\n"
    "psql and every driver can open it, with simple and extended queries, in text and in binary:\n"
    "\n"
    "```\n"
    "psql -h 127.0.0.1 -p 6433 -U admin pgrecall\n"
    "```\n"
    "\n"
    "It listens on `console_port`; on the port for clients it is the database `pgrecall`, also\n"
    "called `pgbouncer`. Commands and columns are PgBouncer's wherever PgBouncer has them, so its\n"
    "exporters and habits go on working.\n"
    "\n"
    "## Who may enter\n"
    "\n"
    "Clients prove who they are as for any database (`auth_type`). Roles in `admin_users` may do\n"
    "everything, roles in `stats_users` may look: the commands marked *all*. Nobody else gets in.\n"
    "**With `auth_type = trust` and both lists empty, everybody who reaches the port is an\n"
    "administrator.**\n"
    "\n"
    "## How commands are written\n"
    "\n"
    "In any case, with or without `;`, several in one query, with comments as in SQL. Names that\n"
    "have odd characters stand in double quotes. Every command is its own transaction. Commands\n"
    "that fail say why with an SQLSTATE: `42601` it cannot be read, `42501` it is for\n"
    "administrators, `3D000` there is no such database.\n";

static void write_columns(FILE *out, enum command_id id)
{
#define SHAPE_TAG(name)  NULL
#define SHAPE_ROWS(name) &shape_##name
    static const struct shape *const shapes[] = {
#define COMMAND(id, name, words, argument, access, result, prose)                                  \
    [COMMAND_##id] = SHAPE_##result(name),
#include "commands.def"
#undef COMMAND
    };
    const struct shape *shape = shapes[id];
    if (!shape || !shape->count)
        return;
    fputs("\nColumns: ", out);
    for (unsigned i = 0; i < shape->count; i++)
        fprintf(out, "%s`%s`", i ? ", " : "", shape->columns[i].name);
    fputs(".\n", out);
}

static void write_command(FILE *out, enum command_id id)
{
    const struct command_row *row = &command_rows[id];
    char syntax[COMMAND_WHY_MAX];
    command_syntax(id, syntax);
    if (row->access == ACCESS_QUIET) {
        fprintf(out, "- `%s`: %s\n", syntax, row->prose);
        return;
    }
    fprintf(out, "\n### %s\n\n%s For: %s.\n", syntax, row->prose,
            row->access == ACCESS_STEER ? "`admin_users`" : "all");
    write_columns(out, id);
}

static void write_reasons(FILE *out)
{
    fputs("\n## Reasons for a bypass\n\n| Counter of SHOW CACHE | Reason |\n|---|---|\n", out);
    for (unsigned reason = REASON_NONE + 1; reason < REASON_COUNT; reason++)
        fprintf(out, "| `bypass_%s` | %s |\n", reason_name((enum reason)reason),
                reason_text((enum reason)reason));
}

static void write_group(FILE *out, const char *title)
{
    fprintf(out, "\n## %s\n", title);
}

void console_write_manual(FILE *out)
{
    fputs(head, out);
#define GROUP(title)     write_group(out, title);
#define COMMAND(id, ...) write_command(out, COMMAND_##id);
#include "commands.def"
#undef COMMAND
#undef GROUP
    write_reasons(out);
}
