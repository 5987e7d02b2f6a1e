/* One command being executed for one console session.
 *
 *   RUNNING ─► (done at once) ─► the session takes its rows
 *      └─────► WAITING for other loops or for a condition ─► request_done ─► the same
 *                  └─ the session goes away: console == NULL; whoever it waits for still calls
 *                     request_done (or, when the loop is gone, request_drop)
 *
 * Ownership  The console makes it; request_done and request_drop end the command's part in it.
 * Threads    The loop of its session (`loop`), except for what gather.h and main_call.h say.
 */
#pragma once

#include "command.h"
#include "rows.h"

struct console;

enum { REQUEST_MESSAGE_MAX = 512 };

struct request {
    struct console *console; /* NULL: the session is gone */
    struct loop *loop;
    const struct command *command; /* lives as long as `console` is set */
    struct rows rows;
    bool running; /* its run function has not returned yet */
    bool done;
    /* What went wrong; sqlstate "" is nothing. */
    char sqlstate[6];
    char message[REQUEST_MESSAGE_MAX];
    char hint[REQUEST_MESSAGE_MAX];
    char notice[REQUEST_MESSAGE_MAX];
    /* The session goes away while it waits: stop waiting and call request_done. NULL: what it waits
     * for comes in any case. */
    void (*on_abandoned)(struct request *request);
    void *waits_for; /* of the run function */
};

/* It failed; request_done must still be called. */
void request_fail(struct request *request, const char *sqlstate, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* The rows, or the failure, are complete. On request->loop; `request` may be gone afterwards. */
void request_done(struct request *request);

/* The same where request->loop has ended: on any thread. */
void request_drop(struct request *request);

/* The host of the session that asks; only while request->console is set. */
struct host *request_host(const struct request *request);
