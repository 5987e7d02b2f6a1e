/* Addresses and sockets; the resolver itself is called by login.c, off the loop. */
#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "conf/conf.h"

static bool is_socket_dir(const char *host)
{
    return !host || !*host || *host == '/';
}

static const char *socket_dir(const char *host)
{
    return host && *host ? host : ADDRESS_SOCKET_DIR;
}

static enum err unix_address(const char *dir, int port, struct addresses *out)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.%d", dir, port);
    if (len < 0 || (size_t)len >= sizeof(address.sun_path))
        return ERR_TOO_BIG;
    memcpy(&out->list[0], &address, sizeof(address));
    out->lens[0] = sizeof(address);
    out->count = 1;
    return ERR_OK;
}

enum err addresses_of_text(const char *host, int port, struct addresses *out)
{
    if (is_socket_dir(host))
        return unix_address(socket_dir(host), port, out);
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
        memcpy(&out->list[0], &v4, sizeof(v4));
        out->lens[0] = sizeof(v4);
    } else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(&out->list[0], &v6, sizeof(v6));
        out->lens[0] = sizeof(v6);
    } else {
        return ERR_NOT_FOUND;
    }
    out->count = 1;
    return ERR_OK;
}

void addresses_of_info(const struct addrinfo *info, struct addresses *out)
{
    out->count = 0;
    for (; info && out->count < ADDRESSES_MAX; info = info->ai_next) {
        if (info->ai_addrlen > sizeof(out->list[0]))
            continue;
        memcpy(&out->list[out->count], info->ai_addr, info->ai_addrlen);
        out->lens[out->count++] = info->ai_addrlen;
    }
}

void address_text(const char *host, int port, char out[ADDRESS_TEXT_MAX])
{
    if (is_socket_dir(host))
        snprintf(out, ADDRESS_TEXT_MAX, "socket \"%s/.s.PGSQL.%d\"", socket_dir(host), port);
    else
        snprintf(out, ADDRESS_TEXT_MAX, "host \"%s\", port %d", host, port);
}

static void set_tcp_options(int fd)
{
    const struct options *options = &conf_current()->options;
    struct stream_keepalive keepalive = {
        .on = options->tcp_keepalive,
        .idle_s = (int)options->tcp_keepidle,
        .interval_s = (int)options->tcp_keepintvl,
        .count = (int)options->tcp_keepcnt,
        .user_timeout_ms = (int)options->tcp_user_timeout,
        .buffer_bytes = (int)options->tcp_socket_buffer,
    };
    stream_set_tcp_options(fd, &keepalive);
}

enum err address_connect(const struct sockaddr_storage *address, socklen_t len, int *out)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return ERR_SYSTEM;
    if (address->ss_family != AF_UNIX)
        set_tcp_options(fd);
    if (connect(fd, (const struct sockaddr *)address, len) != 0 && errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        errno = error;
        return ERR_SYSTEM;
    }
    *out = fd;
    return ERR_OK;
}

enum err address_connect_as(int fd, int *out)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    if (getpeername(fd, (struct sockaddr *)&address, &len) != 0)
        return ERR_SYSTEM;
    return address_connect(&address, len, out);
}
