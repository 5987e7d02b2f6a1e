/* The console: what an operator asks and orders, over the protocol of Postgres, as PgBouncer's.
 *
 * Sessions of the console live on the workers' loops like all others. What several workers know is
 * gathered by messages to their loops; no loop ever waits for another.
 *
 * Who may  Roles in admin_users may everything; roles in stats_users may look (SHOW, EXPLAIN CACHE).
 *          With auth_type = trust and both lists empty every role is an administrator.
 * Threads  console_init, console_fini on the main thread; the hooks run on the workers' loops.
 */
#pragma once

#include <stdio.h>

#include "session/host.h"

enum console_shutdown {
    CONSOLE_SHUTDOWN_SERVERS, /* when transactions under way have ended */
    CONSOLE_SHUTDOWN_CLIENTS, /* when the clients have gone */
    CONSOLE_SHUTDOWN_NOW
};

struct console_config {
    struct host **hosts; /* copied; the hosts live until console_fini */
    unsigned host_count;
    struct cache *cache; /* NULL: the cache is off */
    struct loop *main_loop;
    /* Both may be called from any thread: they ask the main loop (by a post, so that what is posted
     * to it afterwards runs afterwards). */
    void (*reload)(void);
    void (*shutdown)(int mode); /* enum console_shutdown */
    const char *version;        /* lives until console_fini */
};

/* Sets session_console, and begins to take the snapshots that averages are made of. The main loop
 * need not run yet. */
void console_init(const struct console_config *config);

/* After the loops have ended. */
void console_fini(void);

/* Writes docs/console.md, from the table of commands. */
void console_write_manual(FILE *out);
