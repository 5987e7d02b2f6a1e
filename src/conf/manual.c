/* Everything that is written from the tables: rows for SHOW CONFIG, docs/config.md and
 * conf/pgrecall.ini. */
#include "keys.h"
#include "option_table.h"
#include "rule_line.h"

enum { SAMPLE_WIDTH = 96 };

bool conf_option_row(const struct conf *conf, unsigned index, struct option_row *out)
{
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option *option = &option_rows[i];
        if (option->type == OPTION_GROUP || index-- > 0)
            continue;
        *out = (struct option_row){
            .name = option->name,
            .value = option_text(&conf->options, option),
            .default_value = option->default_value,
            .prose = option->prose,
            .reloadable = option->reloadable,
        };
        return true;
    }
    return false;
}

static const char manual_head[] =
    "# Configuration\n"
    "\n"
    "*Made by `pgrecall --manual config` from the program's own tables.*\n"
    "\n"
    "pgrecall reads an ini file in PgBouncer's manner. Options that PgBouncer has as well have "
    "its\n"
    "names and meanings, and a `[pgbouncer]` section is read as `[pgrecall]`, so that a PgBouncer\n"
    "file is a good beginning. Parameters of PgBouncer's that pgrecall does not have are named in\n"
    "the log and read over, unless they ask for a protection that would be missing: those are\n"
    "mistakes. `conf/pgrecall.ini` shows every option with its default.\n"
    "\n"
    "## Where a value comes from\n"
    "\n"
    "1. The command line: `--listen-port 6432`.\n"
    "2. The environment: `PGRECALL_LISTEN_PORT=6432`.\n"
    "3. The file.\n"
    "4. The default.\n"
    "\n"
    "The first that has one decides. All mistakes are shown at once, each with its file and line,\n"
    "and a configuration with a mistake is not used: a start fails, a reload changes nothing.\n"
    "Options that are marked *at start* keep their value until pgrecall is started again.\n"
    "\n"
    "## The file\n"
    "\n"
    "```ini\n"
    "; a comment; ; and # count as the first character of a line only\n"
    "%include /etc/pgrecall/more.ini\n"
    "\n"
    "[databases]\n"
    "app = host=10.0.0.1 dbname=app pool_size=40\n"
    "\"odd name\" = host=10.0.0.1 connect_query='SET x TO ''1'''\n"
    "* = host=10.0.0.1\n"
    "\n"
    "[users]\n"
    "report = pool_mode=session max_user_connections=5\n"
    "\n"
    "[rules]\n"
    "no_audit = table=public.audit action=never\n"
    "\n"
    "[pgrecall]\n"
    "listen_addr = *\n"
    "auth_file = /etc/pgrecall/userlist.txt\n"
    "```\n"
    "\n"
    "Names of databases and roles that have other characters than letters, digits and `_.-` stand\n"
    "in double quotes, a quote inside is doubled. Values of `[pgrecall]` reach to the end of the\n"
    "line and have no quotes. A relative path is looked up from the working directory.\n"
    "\n"
    "Times are written `50ms`, `30s`, `5min`, `1h`, `2d`; a bare number is seconds. Sizes are\n"
    "written `64kB`, `256MB`, `1GB`; a bare number is bytes.\n"
    "\n"
    "## A DSN instead of a file\n"
    "\n"
    "`pgrecall postgres://app:secret@10.0.0.1/app` needs no file: the database is served under "
    "its\n"
    "own name, and the other databases of that server under theirs. All clients work as the DSN's\n"
    "role, with its password. The DSN may name hosts, ports, a role, a password, a database,\n"
    "`application_name`, `client_encoding` and `connect_timeout`.\n"
    "\n"
    "Without `auth_type` and `auth_file`, `auth_type` is then `trust` as long as `listen_addr` "
    "has\n"
    "only addresses of the machine itself: **everybody on this machine gets in with the DSN's\n"
    "password**, over TCP and over the Unix socket. When `listen_addr` has any other address,\n"
    "pgrecall does not start before it is told who may connect.\n";

static const char userlist_text[] =
    "\n"
    "## The file of secrets: `auth_file`\n"
    "\n"
    "```\n"
    "; a comment\n"
    "\"app\" \"a password\"\n"
    "\"report\" \"md5d41d8cd98f00b204e9800998ecf8427e\"\n"
    "\"batch\" \"SCRAM-SHA-256$4096:...\"\n"
    "```\n"
    "\n"
    "A secret is a password, an MD5 one or a SCRAM one as in `pg_authid.rolpassword`. A double\n"
    "quote inside a name or a secret is doubled. To log in to a server as the client's own role,\n"
    "pgrecall needs the password itself where the server asks for SCRAM; otherwise give the\n"
    "database a `user` and a `password`.\n";

static const char rules_head[] =
    "\n"
    "## Rules: `[rules]`\n"
    "\n"
    "One line a rule: its name, `=`, then pairs of key and value. `database`, `role`, `table` and\n"
    "`shape` say which statements it is for, and all that are given must match. **The first rule\n"
    "that matches decides, alone**; those behind it are not looked at. At most 64 rules. A reload\n"
    "takes effect with the next statement. [guide.md](guide.md) has examples.\n"
    "\n";

static const char rules_tail[] = "\n"
                                 "| Action | Meaning |\n"
                                 "|---|---|\n";

static void write_rules(FILE *out)
{
#define RULE_KEY_ROW(key, type, prose) {#key, (type), (prose)},
    static const char *const keys[][3] = {RULE_KEYS(RULE_KEY_ROW)};
#undef RULE_KEY_ROW
#define RULE_ACTION_ROW(name, text, prose) {(text), (prose)},
    static const char *const actions[][2] = {RULE_ACTIONS(RULE_ACTION_ROW)};
#undef RULE_ACTION_ROW
    fputs(rules_head, out);
    fprintf(out, "| Key | Type | Meaning |\n|---|---|---|\n");
    for (unsigned i = 0; i < ARRAY_COUNT(keys); i++)
        fprintf(out, "| `%s` | %s | %s |\n", keys[i][0], keys[i][1], keys[i][2]);
    fputs(rules_tail, out);
    for (unsigned i = 0; i < ARRAY_COUNT(actions); i++)
        fprintf(out, "| `%s` | %s |\n", actions[i][0], actions[i][1]);
}

static void write_option(FILE *out, const struct option *option)
{
    static const char *const types[] = {
        [OPTION_BOOL] = "switch, 1 or 0", [OPTION_INT] = "number", [OPTION_DURATION] = "time",
        [OPTION_SIZE] = "size",           [OPTION_TEXT] = "text",  [OPTION_ENUM] = "name",
    };
    char range[OPTION_WHY_MAX];
    option_range_text(option, range);
    fprintf(out, "\n### %s\n\n%s\n\n", option->name, option->prose);
    fprintf(out, "Default: %s%s%s. Type: %s%s%s. Read: %s.\n", *option->default_value ? "`" : "",
            *option->default_value ? option->default_value : "empty",
            *option->default_value ? "`" : "", types[option->type], *range ? ", " : "", range,
            option->reloadable ? "at reload" : "at start");
}

static void write_keys(FILE *out, const struct key *keys, unsigned count)
{
    static const char *const types[] = {
        [KEY_ATTRS] = "name",    [KEY_BALANCE] = "name",   [KEY_TEXT] = "text",
        [KEY_SECRET] = "text",   [KEY_HOST] = "text",      [KEY_PORTS] = "port",
        [KEY_COUNT] = "number",  [KEY_POOL_MODE] = "name", [KEY_SWITCH] = "switch",
        [KEY_DURATION] = "time",
    };
    fprintf(out, "| Key | Type | Meaning |\n|---|---|---|\n");
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "| `%s` | %s | %s |\n", keys[i].name, types[keys[i].type], keys[i].prose);
}

void conf_write_manual(FILE *out)
{
    fputs(manual_head, out);
    fputs(
        "\n## Databases: `[databases]`\n\n"
        "One line a database: its name for clients, `=`, then pairs of key and value. `*` stands\n"
        "for every name that has no line of its own. All pairs may be left out.\n\n",
        out);
    write_keys(out, keys_of_database, keys_of_database_count);
    fputs("\n## Roles: `[users]`\n\n"
          "What holds for a role in every database. No role needs a line here.\n\n",
          out);
    write_keys(out, keys_of_user, keys_of_user_count);
    write_rules(out);
    fputs(userlist_text, out);
    for (unsigned i = 0; i < option_row_count; i++) {
        if (option_rows[i].type == OPTION_GROUP)
            fprintf(out, "\n## %s: `[pgrecall]`\n", option_rows[i].prose);
        else
            write_option(out, &option_rows[i]);
    }
}

/* Writes Markdown as a comment: without back-ticks, broken at spaces. */
static void write_comment(FILE *out, const char *text)
{
    size_t column = 0;
    while (*text) {
        size_t len = strcspn(text, " ");
        if (column && column + 1 + len > SAMPLE_WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        column += (size_t)fprintf(out, column ? " " : "; ");
        for (size_t i = 0; i < len; i++) {
            if (text[i] == '`')
                continue;
            fputc(text[i], out);
            column++;
        }
        text += len;
        text += strspn(text, " ");
    }
    fputc('\n', out);
}

static void write_sample_keys(FILE *out, const struct key *keys, unsigned count)
{
    char line[SAMPLE_WIDTH * 16];
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s",
                                i ? ", " : "Keys: ", keys[i].name);
    write_comment(out, line);
}

void conf_write_sample(FILE *out)
{
    char range[OPTION_WHY_MAX];
    fputs("; pgrecall: every option, with its default. docs/config.md says more.\n"
          "; A ; or # makes a comment as the first character of a line only.\n\n[databases]\n",
          out);
    write_sample_keys(out, keys_of_database, keys_of_database_count);
    fputs(";app = host=127.0.0.1 port=5432 dbname=app\n"
          "; every other database of that server, under its own name\n"
          ";* = host=127.0.0.1\n\n[users]\n",
          out);
    write_sample_keys(out, keys_of_user, keys_of_user_count);
    fputs(";report = pool_mode=session max_user_connections=5\n\n[rules]\n"
          "; The first rule that matches decides. Keys: database, role, table, shape, action, "
          "window,\n"
          "; namespace. Actions: cache, never, observe, force.\n"
          ";no_audit = table=public.audit action=never\n"
          ";slow_reports = role=report window=10min\n\n[pgrecall]\n",
          out);
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option *option = &option_rows[i];
        if (option->type == OPTION_GROUP) {
            fprintf(out, "\n;;; %s\n", option->prose);
            continue;
        }
        fputc('\n', out);
        write_comment(out, option->prose);
        option_range_text(option, range);
        if (*range)
            fprintf(out, "; %s%s\n", range, option->reloadable ? "" : "; at start");
        else if (!option->reloadable)
            fputs("; at start\n", out);
        fprintf(out, ";%s =%s%s\n", option->name, *option->default_value ? " " : "",
                option->default_value);
    }
}
