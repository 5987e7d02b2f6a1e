/* The extended protocol of the console: statements and portals by name. Parameters there are none.
 * Portals end at Sync, as in Postgres outside of a transaction block. */
#include "base/mem.h"
#include "console_inside.h"
#include "pgwire/request.h"

/* ---- statements and portals ---- */

static struct slice name_of(struct pgwire_slice name)
{
    /* A table wants a key; the unnamed one has an empty text. */
    return slice_of(name.len ? name.data : (const uint8_t *)"", name.len);
}

static void unref(struct console_statement *statement)
{
    if (statement && --statement->refs == 0)
        mem_free(statement);
}

static void free_portal(struct console_portal *portal)
{
    if (!portal)
        return;
    unref(portal->statement);
    if (portal->request)
        console_free(portal->request);
    mem_free(portal);
}

static void drop_portals(struct console *console)
{
    size_t at = 0;
    struct console_portal *portal;
    while ((portal = table_next(&console->portals, &at)) != NULL)
        free_portal(portal);
    table_fini(&console->portals);
    table_init(&console->portals);
}

static void drop_statements(struct console *console)
{
    size_t at = 0;
    struct console_statement *statement;
    while ((statement = table_next(&console->statements, &at)) != NULL)
        unref(statement);
    table_fini(&console->statements);
    table_init(&console->statements);
}

void extended_forget_unnamed(struct console *console)
{
    unref(table_remove(&console->statements, slice_of("", 0)));
    free_portal(table_remove(&console->portals, slice_of("", 0)));
}

void extended_fini(struct console *console)
{
    /* What is being executed is freed by whoever it waits for. */
    drop_portals(console);
    drop_statements(console);
    table_fini(&console->portals);
    table_fini(&console->statements);
}

bool extended_deallocate(struct console *console, const char *name)
{
    if (strcmp(name, "all") == 0) {
        drop_statements(console);
        return true;
    }
    struct console_statement *statement = table_remove(&console->statements, slice_of_text(name));
    unref(statement);
    return statement != NULL;
}

/* ---- messages ---- */

static void fail(struct console *console, const char *sqlstate, const char *message)
{
    console_error(console, sqlstate, message,
                  strcmp(sqlstate, "42601") == 0 ? "SHOW HELP lists the commands." : NULL);
    console->skipping = true;
}

static void malformed(struct console *console)
{
    fail(console, "08P01", "invalid message format");
}

static void on_parse(struct console *console, struct slice body)
{
    struct pgwire_parse parse;
    if (pgwire_read_parse(body.data, body.len, &parse) != PGWIRE_OK) {
        malformed(console);
        return;
    }
    struct slice name = name_of(parse.name);
    if (name.len && table_get(&console->statements, name)) {
        fail(console, "42P05", "a prepared statement of that name exists already");
        return;
    }
    if (console->statements.count >= CONSOLE_STATEMENTS_MAX) {
        fail(console, "54000", "too many prepared statements");
        return;
    }
    struct console_statement *statement = mem_zero(1, sizeof(*statement) + parse.query.len + 1);
    statement->refs = 1;
    memcpy(statement->text, parse.query.data, parse.query.len);
    struct slice text = slice_of(statement->text, parse.query.len);
    char why[COMMAND_WHY_MAX] = "";
    size_t at = 0;
    enum err err = command_parse(text, &at, &statement->command, why);
    statement->empty = err == ERR_NOT_FOUND;
    struct command *more = mem_alloc(sizeof(*more));
    char ignored[COMMAND_WHY_MAX];
    if (err == ERR_OK && command_parse(text, &at, more, ignored) != ERR_NOT_FOUND) {
        err = ERR_INVALID;
        snprintf(why, sizeof(why), "cannot insert multiple commands into a prepared statement");
    }
    mem_free(more);
    if (err == ERR_INVALID) {
        unref(statement);
        fail(console, "42601", why);
        return;
    }
    unref(table_put(&console->statements, name, statement));
    console_empty(console, '1');
}

/* The result formats of Bind: none, one for all, or one for each column. */
static bool read_formats(const struct pgwire_bind *bind, const struct shape *shape,
                         struct formats *out)
{
    unsigned columns = shape ? shape->count : 0;
    unsigned count = bind->result_format_count;
    if (count > 1 && count != columns)
        return false;
    for (unsigned i = 0; i < columns && count; i++) {
        uint16_t code = pgwire_get_u16(bind->result_formats.data + (count == 1 ? 0 : 2 * i));
        if (code > 1)
            return false;
        out->binary[i] = code == 1;
    }
    return true;
}

static void on_bind(struct console *console, struct slice body)
{
    struct pgwire_bind bind;
    if (pgwire_read_bind(body.data, body.len, &bind) != PGWIRE_OK) {
        malformed(console);
        return;
    }
    struct slice name = name_of(bind.portal);
    struct console_statement *statement = table_get(&console->statements, name_of(bind.statement));
    if (!statement) {
        fail(console, "26000", "the prepared statement does not exist");
        return;
    }
    if (bind.param_count) {
        fail(console, "08P01", "commands of the console have no parameters");
        return;
    }
    if (name.len && table_get(&console->portals, name)) {
        fail(console, "42P03", "a portal of that name exists already");
        return;
    }
    if (console->portals.count >= CONSOLE_STATEMENTS_MAX) {
        fail(console, "54000", "too many portals");
        return;
    }
    struct formats formats = {0};
    const struct shape *shape = statement->empty ? NULL : console_shape(&statement->command);
    if (!read_formats(&bind, shape, &formats)) {
        fail(console, "08P01", "the result formats do not go with the columns");
        return;
    }
    struct console_portal *portal = mem_zero(1, sizeof(*portal));
    portal->statement = statement;
    portal->formats = formats;
    statement->refs++;
    free_portal(table_put(&console->portals, name, portal));
    console_empty(console, '2');
}

static void describe(struct console *console, const struct console_statement *statement,
                     const struct formats *formats)
{
    const struct shape *shape = statement->empty ? NULL : console_shape(&statement->command);
    if (shape)
        rows_describe(shape, formats, &console->out);
    else
        console_empty(console, 'n');
}

static void on_describe(struct console *console, struct slice body)
{
    static const uint8_t no_parameters[] = {'t', 0, 0, 0, 6, 0, 0};
    struct pgwire_target target;
    if (pgwire_read_target(body.data, body.len, &target) != PGWIRE_OK) {
        malformed(console);
        return;
    }
    if (target.kind == 'S') {
        struct console_statement *statement = table_get(&console->statements, name_of(target.name));
        if (!statement) {
            fail(console, "26000", "the prepared statement does not exist");
            return;
        }
        buf_append(&console->out, no_parameters, sizeof(no_parameters));
        describe(console, statement, NULL);
        return;
    }
    struct console_portal *portal = table_get(&console->portals, name_of(target.name));
    if (portal)
        describe(console, portal->statement, &portal->formats);
    else
        fail(console, "34000", "the portal does not exist");
}

static void on_close(struct console *console, struct slice body)
{
    struct pgwire_target target;
    if (pgwire_read_target(body.data, body.len, &target) != PGWIRE_OK) {
        malformed(console);
        return;
    }
    if (target.kind == 'S')
        unref(table_remove(&console->statements, name_of(target.name)));
    else
        free_portal(table_remove(&console->portals, name_of(target.name)));
    console_empty(console, '3');
}

/* Sends what the portal has, up to the limit. */
static void send_portal(struct console *console, struct console_portal *portal, uint32_t max)
{
    struct request *request = portal->request;
    unsigned sent = 0;
    if (request->rows.shape)
        sent = rows_send(&request->rows, &portal->formats, max, &console->out);
    if (request->rows.count)
        console_empty(console, 's');
    else
        console_complete(console, &portal->statement->command, sent);
}

void extended_continue(struct console *console, struct request *request)
{
    struct console_portal *portal = console->executing;
    console->executing = NULL;
    if (!console_outcome(console, request)) {
        console_free(request);
        console->skipping = true;
        return;
    }
    portal->request = request;
    send_portal(console, portal, console->execute_max);
}

static void on_execute(struct console *console, struct slice body)
{
    struct pgwire_execute execute;
    if (pgwire_read_execute(body.data, body.len, &execute) != PGWIRE_OK) {
        malformed(console);
        return;
    }
    struct console_portal *portal = table_get(&console->portals, name_of(execute.portal));
    if (!portal) {
        fail(console, "34000", "the portal does not exist");
        return;
    }
    if (portal->statement->empty) {
        console_empty(console, 'I');
        return;
    }
    if (portal->request) {
        send_portal(console, portal, execute.row_max);
        return;
    }
    console->executing = portal;
    console->execute_max = execute.row_max;
    struct request *request = console_run(console, &portal->statement->command);
    if (request)
        extended_continue(console, request);
}

static void on_sync(struct console *console, struct slice body)
{
    console->skipping = false;
    drop_portals(console);
    if (pgwire_read_empty(body.len) != PGWIRE_OK)
        console_error(console, "08P01", "invalid message format", NULL);
    console_ready(console);
}

void extended_message(struct console *console, uint8_t type, struct slice body)
{
    if (type == 'S') {
        on_sync(console, body);
        return;
    }
    if (console->skipping)
        return;
    switch (type) {
    case 'P':
        on_parse(console, body);
        break;
    case 'B':
        on_bind(console, body);
        break;
    case 'D':
        on_describe(console, body);
        break;
    case 'E':
        on_execute(console, body);
        break;
    case 'C':
        on_close(console, body);
        break;
    case 'H':
        break; /* everything is sent as soon as it is there */
    default:
        console_fatal(console, "08P01", "unexpected message");
        break;
    }
}
