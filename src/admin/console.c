/* The console's sessions: the client's messages, simple queries, and the end.
 *
 * A Query's text is run command by command; a command that has to wait for other loops stops
 * everything behind it: no further message is looked at until it is done.
 */
#include "admin/console.h"

#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "console_inside.h"
#include "gather.h"
#include "pgwire/frame.h"
#include "pgwire/request.h"
#include "show.h"

struct console_world console_world;

/* ---- messages ---- */

static void put_error(struct console *console, const char *severity, uint8_t type,
                      const char *sqlstate, const char *message, const char *hint)
{
    struct pgwire_writer writer =
        pgwire_writer_of(buf_reserve(&console->out, CONSOLE_OUTPUT_ROOM), CONSOLE_OUTPUT_ROOM);
    pgwire_write_error(&writer, type, severity, sqlstate, message, NULL,
                       hint && *hint ? hint : NULL);
    ASSERT(!writer.overflow);
    buf_added(&console->out, writer.len);
}

void console_error(struct console *console, const char *sqlstate, const char *message,
                   const char *hint)
{
    put_error(console, "ERROR", 'E', sqlstate, message, hint);
}

void console_empty(struct console *console, uint8_t type)
{
    uint8_t bytes[PGWIRE_HEADER_LEN] = {type, 0, 0, 0, 4};
    buf_append(&console->out, bytes, sizeof(bytes));
}

void console_ready(struct console *console)
{
    static const uint8_t bytes[] = {'Z', 0, 0, 0, 5, 'I'};
    buf_append(&console->out, bytes, sizeof(bytes));
}

static void flush(struct console *console)
{
    if (buf_len(&console->out) && !console->ended)
        session_send(console->session, buf_head(&console->out), buf_len(&console->out));
    buf_clear(&console->out);
    buf_shrink(&console->out, CONSOLE_OUTPUT_ROOM * 4);
}

static void end(struct console *console)
{
    flush(console);
    console->ended = true;
    session_end(console->session);
}

void console_fatal(struct console *console, const char *sqlstate, const char *message)
{
    if (console->ended)
        return;
    put_error(console, "FATAL", 'E', sqlstate, message, NULL);
    end(console);
}

bool console_outcome(struct console *console, const struct request *request)
{
    if (request->notice[0])
        put_error(console, "NOTICE", 'N', "00000", request->notice, NULL);
    if (!request->sqlstate[0])
        return true;
    console_error(console, request->sqlstate, request->message, request->hint);
    return false;
}

void console_complete(struct console *console, const struct command *command, unsigned rows)
{
    char tag[COMMAND_WHY_MAX];
    command_tag(command->id, tag);
    struct pgwire_writer writer =
        pgwire_writer_of(buf_reserve(&console->out, CONSOLE_OUTPUT_ROOM), CONSOLE_OUTPUT_ROOM);
    if (command->id == COMMAND_SELECT)
        pgwire_write_complete(&writer, rows == 1 ? "SELECT 1" : "SELECT 0");
    else
        pgwire_write_complete(&writer, tag);
    ASSERT(!writer.overflow);
    buf_added(&console->out, writer.len);
}

/* ---- running a command ---- */

void request_fail(struct request *request, const char *sqlstate, const char *format, ...)
{
    snprintf(request->sqlstate, sizeof(request->sqlstate), "%s", sqlstate);
    va_list args;
    va_start(args, format);
    vsnprintf(request->message, sizeof(request->message), format, args);
    va_end(args);
}

struct host *request_host(const struct request *request)
{
    return session_host(request->console->session);
}

void console_free(struct request *request)
{
    rows_fini(&request->rows);
    mem_free(request);
}

void request_drop(struct request *request)
{
    console_free(request);
}

static bool may_run(const struct request *request)
{
    const struct command *command = request->command;
    if (command_rows[command->id].access != ACCESS_STEER ||
        session_console_admin(request->console->session))
        return true;
    return command->id == COMMAND_SET && setting_is_known(command->name);
}

struct request *console_run(struct console *console, const struct command *command)
{
    static void (*const runs[])(struct request *) = {
#define COMMAND(id, name, ...) [COMMAND_##id] = run_##name,
#include "commands.def"
#undef COMMAND
    };
    struct request *request = mem_zero(1, sizeof(*request));
    request->console = console;
    request->loop = session_host(console->session)->loop;
    request->command = command;
    rows_init(&request->rows, console_shape(command));
    if (!may_run(request)) {
        request_fail(request, "42501", "admin access needed");
        request->done = true;
        return request;
    }
    request->running = true;
    runs[command->id](request);
    request->running = false;
    if (request->done)
        return request;
    console->waiting = request;
    return NULL;
}

const struct shape *console_shape(const struct command *command)
{
#define SHAPE_TAG(name)  NULL
#define SHAPE_ROWS(name) &shape_##name
    static const struct shape *const shapes[] = {
#define COMMAND(id, name, words, argument, access, result, prose)                                  \
    [COMMAND_##id] = SHAPE_##result(name),
#include "commands.def"
#undef COMMAND
    };
    if (command->id == COMMAND_SHOW_SETTING)
        return setting_shape(command->name);
    if (command->id == COMMAND_SELECT)
        return select_shape(command->name);
    return shapes[command->id];
}

/* ---- Query ---- */

static void end_script(struct console *console)
{
    mem_free(console->script);
    console->script = NULL;
    console_ready(console);
}

/* Writes what a command of the script answered; false: it failed, and the rest is not run. */
static bool answer_script(struct console *console, struct request *request)
{
    bool good = console_outcome(console, request);
    if (good) {
        unsigned rows = 0;
        if (request->rows.shape) {
            rows_describe(request->rows.shape, NULL, &console->out);
            rows = rows_send(&request->rows, NULL, 0, &console->out);
        }
        console_complete(console, &console->command, rows);
    }
    console_free(request);
    return good;
}

static void refuse_command(struct console *console, const char *why)
{
    console_error(console, "42601", why, "SHOW HELP lists the commands.");
}

/* True: so much waits to be sent that the session was ended. */
static bool is_overflowing(struct console *console)
{
    if (buf_len(&console->out) >= CONSOLE_PIPELINE_MAX)
        flush(console);
    if (session_pending(console->session) < CONSOLE_OUTPUT_MAX)
        return false;
    console_fatal(console, "54000", "too much waits to be sent");
    return true;
}

static void run_script(struct console *console)
{
    char why[COMMAND_WHY_MAX];
    for (;;) {
        enum err err = command_parse(slice_of(console->script, console->script_len),
                                     &console->script_at, &console->command, why);
        if (err == ERR_NOT_FOUND) {
            if (!console->script_count)
                console_empty(console, 'I');
            break;
        }
        if (console->script_count++ == CONSOLE_COMMANDS_MAX) {
            console_error(console, "54000", "too many commands in one query", NULL);
            break;
        }
        if (err != ERR_OK) {
            refuse_command(console, why);
            break;
        }
        struct request *request = console_run(console, &console->command);
        if (!request)
            return; /* it goes on in resume */
        if (!answer_script(console, request) || is_overflowing(console))
            break;
    }
    end_script(console);
}

static void begin_script(struct console *console, struct slice body)
{
    struct pgwire_slice text;
    if (pgwire_read_text(body.data, body.len, &text) != PGWIRE_OK) {
        console_error(console, "08P01", "invalid message format", NULL);
        console_ready(console);
        return;
    }
    extended_forget_unnamed(console);
    console->script = mem_text_n(text.data, text.len);
    console->script_len = text.len;
    console->script_at = 0;
    console->script_count = 0;
    run_script(console);
}

/* ---- the client's messages ---- */

static void on_message(struct console *console, uint8_t type, struct slice body)
{
    switch (type) {
    case 'Q':
        if (!console->skipping)
            begin_script(console, body);
        break;
    case 'X':
        end(console);
        break;
    case 'F':
        if (console->skipping)
            break;
        console_error(console, "0A000", "the console has no function calls", NULL);
        console_ready(console);
        break;
    case 'p':
        console_fatal(console, "08P01", "unexpected password message");
        break;
    case 'c':
    case 'd':
    case 'f':
        break; /* of a COPY that was never on: ignored, as Postgres does */
    default:
        extended_message(console, type, body);
        break;
    }
}

/* Looks at the next message; returns its length, or 0: it has not all come, or the end. */
static size_t next_message(struct console *console, const uint8_t *data, size_t len)
{
    struct pgwire_frame frame;
    enum pgwire_status status = pgwire_frame_request(data, len, &frame);
    if (status == PGWIRE_MORE)
        return 0;
    if (status != PGWIRE_OK) {
        console_fatal(console, "08P01", "invalid frontend message");
        return 0;
    }
    if (frame.len > CONSOLE_MESSAGE_MAX) {
        console_fatal(console, "54000", "the message is too long for the console");
        return 0;
    }
    if (frame.len > len)
        return 0;
    on_message(console, frame.type, slice_of(frame.body, frame.body_len));
    return frame.len;
}

static size_t on_input(struct session *session, const uint8_t *data, size_t len)
{
    struct console **at = (struct console **)session_console_state(session);
    if (!*at) {
        *at = mem_zero(1, sizeof(**at));
        (*at)->session = session;
    }
    struct console *console = *at;
    size_t used = 0;
    while (!console->ended && !console->waiting &&
           session_pending(session) < CONSOLE_PIPELINE_MAX) {
        size_t taken = next_message(console, data + used, len - used);
        if (!taken)
            break;
        used += taken;
        if (buf_len(&console->out) >= CONSOLE_PIPELINE_MAX)
            flush(console);
    }
    if (console->ended)
        return len;
    if (len - used > CONSOLE_PIPELINE_MAX && console->waiting)
        console_fatal(console, "54000", "too much is waiting behind a command");
    else
        flush(console);
    return used;
}

/* The command that all waited for is done. */
static void resume(struct console *console, struct request *request)
{
    ASSERT(console->waiting == request);
    console->waiting = NULL;
    if (console->ended) {
        console_free(request);
        return;
    }
    if (console->executing) {
        extended_continue(console, request);
    } else if (answer_script(console, request) && !is_overflowing(console)) {
        run_script(console);
    } else {
        end_script(console);
    }
    flush(console);
    if (!console->ended)
        session_retry(console->session);
}

void request_done(struct request *request)
{
    request->done = true;
    if (request->running)
        return;
    if (request->console)
        resume(request->console, request);
    else
        console_free(request);
}

static void on_closed(struct session *session)
{
    void **state = session_console_state(session);
    struct console *console = *state;
    *state = NULL;
    if (!console)
        return;
    struct request *waiting = console->waiting;
    if (waiting) {
        waiting->console = NULL;
        waiting->command = NULL;
        if (waiting->on_abandoned)
            waiting->on_abandoned(waiting);
    }
    extended_fini(console);
    mem_free(console->script);
    buf_fini(&console->out);
    mem_free(console);
}

/* ---- who may ---- */

/* Is `name` in a list like "a, b,c"? */
static bool is_listed(const char *list, struct slice name)
{
    for (const char *at = list; *at;) {
        at += strspn(at, ", \t");
        size_t len = strcspn(at, ", \t");
        if (len && slice_equal(slice_of(at, len), name))
            return true;
        at += len;
    }
    return false;
}

static bool may_enter(struct slice user, bool *out_admin)
{
    const struct options *options = &conf_current()->options;
    bool open = options->auth_type == AUTH_TYPE_TRUST && !options->admin_users[0] &&
                !options->stats_users[0];
    *out_admin = open || is_listed(options->admin_users, user);
    return *out_admin || is_listed(options->stats_users, user);
}

void console_init(const struct console_config *config)
{
    console_world.config = *config;
    console_world.config.hosts =
        mem_copy(config->hosts, config->host_count * sizeof(struct host *));
    session_console = (struct console_hooks){
        .on_input = on_input, .on_closed = on_closed, .may_enter = may_enter};
    stats_start(config->main_loop);
}

void console_fini(void)
{
    stats_stop();
    mem_free(console_world.config.hosts);
    console_world.config = (struct console_config){0};
}
