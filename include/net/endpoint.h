/* One end of a connected socket, as the console shows it. Asked of the system once, when the connection
 * is accepted or made: what is shown later costs no system call. */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

struct endpoint {
    int family; /* AF_INET, AF_INET6, AF_UNIX; 0: not known */
    uint16_t port;
    uint8_t address[16]; /* of these, 4 or 16 are used: endpoint_len */
};

enum { ENDPOINT_TEXT_MAX = 48 };

/* An address of either internet family; anything else is not known. */
void endpoint_of(const struct sockaddr_storage *address, struct endpoint *out);

/* A unix socket. `port` is the one in its name: PgBouncer shows it too. */
void endpoint_of_unix(unsigned port, struct endpoint *out);

/* The ends of the connected internet socket `fd`; not known where the system does not say. */
void endpoint_local(int fd, struct endpoint *out);
void endpoint_remote(int fd, struct endpoint *out);

/* The bytes of the address that count: 4, 16 or none. */
unsigned endpoint_len(const struct endpoint *endpoint);

/* The numeric address, "unix", or "" if it is not known. Returns `out`. */
const char *endpoint_text(const struct endpoint *endpoint, char out[ENDPOINT_TEXT_MAX]);
