/* Ends of sockets, copied out of what the system says. */
#include "net/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"

_Static_assert(ENDPOINT_TEXT_MAX >= INET6_ADDRSTRLEN, "an address fits");

void endpoint_of(const struct sockaddr_storage *address, struct endpoint *out)
{
    *out = (struct endpoint){0};
    if (address->ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        out->port = ntohs(in.sin_port);
        memcpy(out->address, &in.sin_addr, sizeof(in.sin_addr));
    } else if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        out->port = ntohs(in6.sin6_port);
        memcpy(out->address, &in6.sin6_addr, sizeof(in6.sin6_addr));
    } else {
        return;
    }
    out->family = address->ss_family;
}

void endpoint_of_unix(unsigned port, struct endpoint *out)
{
    *out = (struct endpoint){.family = AF_UNIX, .port = (uint16_t)port};
}

void endpoint_local(int fd, struct endpoint *out)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        address.ss_family = AF_UNSPEC;
    endpoint_of(&address, out);
}

void endpoint_remote(int fd, struct endpoint *out)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    if (getpeername(fd, (struct sockaddr *)&address, &len) != 0)
        address.ss_family = AF_UNSPEC;
    endpoint_of(&address, out);
}

unsigned endpoint_len(const struct endpoint *endpoint)
{
    switch (endpoint->family) {
    case AF_INET:
        return sizeof(struct in_addr);
    case AF_INET6:
        return sizeof(struct in6_addr);
    default:
        return 0;
    }
}

const char *endpoint_text(const struct endpoint *endpoint, char out[ENDPOINT_TEXT_MAX])
{
    if (endpoint_len(endpoint))
        ASSERT(inet_ntop(endpoint->family, endpoint->address, out, ENDPOINT_TEXT_MAX) == out);
    else
        snprintf(out, ENDPOINT_TEXT_MAX, "%s", endpoint->family == AF_UNIX ? "unix" : "");
    return out;
}
