/* Where a server lives, and a socket on its way there. */
#pragma once

#include <netdb.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "base/err.h"
#include "net/stream.h"

enum { ADDRESSES_MAX = 8, ADDRESS_TEXT_MAX = 320 };
#define ADDRESS_SOCKET_DIR "/var/run/postgresql" /* Debian's, where libpq looks too */

struct addresses {
    struct sockaddr_storage list[ADDRESSES_MAX];
    socklen_t lens[ADDRESSES_MAX];
    unsigned count;
};

/* Fills *out without asking anybody: the directory of a Unix socket (NULL: the default one) or a
 * numeric address.
 * ERR_NOT_FOUND  a name that has to be resolved
 * ERR_TOO_BIG    the path of the socket is too long */
MUST_USE enum err addresses_of_text(const char *host, int port, struct addresses *out);

/* The first ADDRESSES_MAX of a resolver's answer. */
void addresses_of_info(const struct addrinfo *info, struct addresses *out);

/* "host "x", port 5432" or "socket "/path"" for messages. */
void address_text(const char *host, int port, char out[ADDRESS_TEXT_MAX]);

/* Begins to connect: *out is a non-blocking socket to give to stream_connect. ERR_SYSTEM with errno
 * set: nothing was opened. */
MUST_USE enum err address_connect(const struct sockaddr_storage *address, socklen_t len, int *out);

/* As address_connect to where `fd` is connected to. */
MUST_USE enum err address_connect_as(int fd, int *out);
