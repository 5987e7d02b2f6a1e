/* Where a Redis is, and as whom to log in there.
 *
 *   redis://[[user]:password@]host[:port][/db]      host may be [an IPv6 address]
 *   unix://[[user]:password@]/path[?db=number]
 *
 * User, password and path may hold %XX. rediss:// (TLS) is not supported: refused, never downgraded.
 *
 * Ownership  Texts belong to the struct. Threads: none.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

enum { REDIS_PORT_DEFAULT = 6379, REDIS_DB_MAX = 65535, REDIS_URL_MAX = 2048 };

struct redis_url {
    bool is_unix;
    char *host;     /* TCP */
    char port[6];   /* TCP, decimal */
    char *path;     /* unix; fits a sockaddr_un */
    char *user;     /* or NULL */
    char *password; /* or NULL: no AUTH */
    unsigned db;
};

/* ERR_INVALID  not one of the forms above; nothing to free */
MUST_USE enum err redis_url_parse(const char *text, struct redis_url *out);
void redis_url_fini(struct redis_url *url);
