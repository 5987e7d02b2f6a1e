/* What the files of the console share. */
#pragma once

#include "admin/console.h"
#include "base/buf.h"
#include "request.h"

enum {
    CONSOLE_MESSAGE_MAX = 1 << 20,  /* one message of the client */
    CONSOLE_PIPELINE_MAX = 1 << 22, /* what may wait behind a command that takes its time */
    CONSOLE_COMMANDS_MAX = 100,     /* in one Query */
    CONSOLE_OUTPUT_MAX = 1 << 26,   /* of one Query, not sent yet */
    CONSOLE_STATEMENTS_MAX = 1000,  /* named ones of one session; portals too */
    CONSOLE_OUTPUT_ROOM = 4096      /* for a message without rows */
};

/* What the process told us. */
struct console_world {
    struct console_config config;
};
extern struct console_world console_world;

/* A statement that was parsed; counted, because portals outlive it. */
struct console_statement {
    unsigned refs;
    bool empty;
    struct command command;
    char text[]; /* command.sql lies in it */
};

struct console_portal {
    struct console_statement *statement;
    struct formats formats;
    struct request *request; /* once it was executed */
};

/* One session. */
struct console {
    struct session *session;
    struct buf out;          /* sent when the input at hand has been looked at */
    struct request *waiting; /* it takes its time: no further input is looked at */
    bool ended;
    /* A Query under way: its text, how far it was run, and the command at hand. */
    char *script;
    size_t script_len, script_at;
    unsigned script_count; /* commands so far */
    struct command command;
    /* The extended protocol. */
    struct table statements, portals; /* by name, "" too */
    struct console_portal *executing;
    uint32_t execute_max;
    bool skipping; /* after an error, up to Sync */
};

/* ---- console.c ---- */
void console_error(struct console *console, const char *sqlstate, const char *message,
                   const char *hint);
/* Says so and ends the session. */
void console_fatal(struct console *console, const char *sqlstate, const char *message);
void console_ready(struct console *console);
void console_empty(struct console *console, uint8_t type); /* a message without a body */

/* Makes a request and runs it. Returns it done, or NULL: console->waiting. */
struct request *console_run(struct console *console, const struct command *command);
/* Frees a request that is done. */
void console_free(struct request *request);
/* Writes failure or notice; false if it failed. */
bool console_outcome(struct console *console, const struct request *request);
void console_complete(struct console *console, const struct command *command, unsigned rows);
/* The columns of a command's answer; NULL: it has none. */
const struct shape *console_shape(const struct command *command);

/* ---- extended.c ---- */
/* One message; the body is whole. */
void extended_message(struct console *console, uint8_t type, struct slice body);
/* The command that Execute began is done. */
void extended_continue(struct console *console, struct request *request);
void extended_forget_unnamed(struct console *console);
void extended_fini(struct console *console);
/* SQL's DEALLOCATE; false: there is no such statement. "all": every one. */
bool extended_deallocate(struct console *console, const char *name);

/* ---- main_call.c ---- */
/* Runs `call` on the main loop, then ends the request on its own. `call` may use waits_for and
 * request_fail, nothing else of the request. */
void main_call(struct request *request, void (*call)(struct request *request));

/* ---- stats.c ---- */
void stats_start(struct loop *main_loop);
void stats_stop(void);
