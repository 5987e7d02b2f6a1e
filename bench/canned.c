/* A server that answers every request of `pgbench -S` with the same bytes: the ceiling for anything
 * that speaks the protocol.
 *
 *     canned --port PORT [--threads N]
 *
 * It frames messages, because a batch may arrive in pieces, and looks at nothing but their types.
 * One read and one write for each batch of requests, one epoll loop per thread, each with its own
 * listener (SO_REUSEPORT). Simple, extended and prepared mode; no TLS, no password, no cancel.
 *
 * Ownership  A client owns its buffers; it is freed by the loop that accepted it.
 * Threads    Nothing is shared.
 * Source     PostgreSQL 15 manual, "Frontend/Backend Protocol"; pgbench.c for what it asks first.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    IN_MAX = 64 * 1024,   /* the longest batch that arrives in one piece */
    OUT_MAX = 256 * 1024, /* the answer to the longest batch: no request of 5 bytes earns 100 */
    EVENTS_MAX = 128,
    THREADS_MAX = 64,
    SETUP_QUERY_MIN = 128, /* pgbench -S asks in about 60 bytes; what is longer is its question
                              for partitions when it starts */
};

#define PROTOCOL_SSL 80877103U
#define PROTOCOL_GSS 80877104U

/* The answers. Every length counts itself and what follows it, not the type. */
#define ROW_DESCRIPTION                                                                            \
    "T\0\0\0\x21\0\x01"                                                                            \
    "abalance\0\0\0\x40\x01\0\x03\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0"
#define DATA_ROW         "D\0\0\0\x0b\0\x01\0\0\0\x01\x31"
#define COMMAND_COMPLETE "C\0\0\0\x0dSELECT 1\0"
#define READY            "Z\0\0\0\x05I"

static const char parse_complete[] = "1\0\0\0\x04";
static const char bind_complete[] = "2\0\0\0\x04";
static const char close_complete[] = "3\0\0\0\x04";
static const char parameter_description[] = "t\0\0\0\x0a\0\x01\0\0\0\x17";
static const char row_description[] = ROW_DESCRIPTION;
static const char executed[] = DATA_ROW COMMAND_COMPLETE;
static const char ready[] = READY;
static const char answered[] = ROW_DESCRIPTION DATA_ROW COMMAND_COMPLETE READY;
/* One row with a number, NULL, a number: a table without partitions. */
static const char setup_answered[] =
    "T\0\0\0\x42\0\x03"
    "n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0"
    "p\0\0\0\0\0\0\0\0\0\0\x12\0\x01\xff\xff\xff\xff\0\0"
    "c\0\0\0\0\0\0\0\0\0\0\x14\0\x08\xff\xff\xff\xff\0\0"
    "D\0\0\0\x14\0\x03\0\0\0\x01\x31\xff\xff\xff\xff\0\0\0\x01\x30" COMMAND_COMPLETE READY;
static const char logged_in[] = "R\0\0\0\x08\0\0\0\0"
                                "S\0\0\0\x18server_version\0"
                                "15.0\0"
                                "S\0\0\0\x19"
                                "client_encoding\0UTF8\0"
                                "S\0\0\0\x23standard_conforming_strings\0on\0"
                                "K\0\0\0\x0c\0\0\0\x01\0\0\0\x02" READY;

struct client {
    int fd;
    bool started;   /* the startup message has been answered */
    size_t in_len;  /* bytes in `in`: a message that is not yet complete */
    size_t out_len; /* bytes in `out` */
    char in[IN_MAX];
    char out[OUT_MAX];
};

static uint16_t port;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static uint32_t number_at(const char *bytes)
{
    uint32_t number;
    memcpy(&number, bytes, sizeof(number));
    return ntohl(number);
}

/* The array's terminating zero is no part of the answer. */
#define PUT(client, answer) put(client, answer, sizeof(answer) - 1)
static void put(struct client *client, const char *answer, size_t len)
{
    if (client->out_len + len > OUT_MAX) {
        fprintf(stderr, "canned: a batch with too many requests\n");
        exit(1);
    }
    memcpy(client->out + client->out_len, answer, len);
    client->out_len += len;
}

/* Answers one complete message; false for Terminate. */
static bool answer(struct client *client, const char *message, size_t len)
{
    switch (message[0]) {
    case 'Q':
        if (len > SETUP_QUERY_MIN) {
            PUT(client, setup_answered);
        } else {
            PUT(client, answered);
        }
        return true;
    case 'P':
        PUT(client, parse_complete);
        return true;
    case 'B':
        PUT(client, bind_complete);
        return true;
    case 'D':
        if (message[5] == 'S') {
            PUT(client, parameter_description);
        }
        PUT(client, row_description);
        return true;
    case 'E':
        PUT(client, executed);
        return true;
    case 'C':
        PUT(client, close_complete);
        return true;
    case 'S':
        PUT(client, ready);
        return true;
    default:
        return message[0] != 'X';
    }
}

/* Answers what the first bytes ask for; they have no type before their length. */
static void answer_startup(struct client *client, const char *message)
{
    uint32_t protocol = number_at(message + 4);
    if (protocol == PROTOCOL_SSL || protocol == PROTOCOL_GSS) {
        put(client, "N", 1);
        return;
    }
    PUT(client, logged_in);
    client->started = true;
}

/* Takes the complete messages off the front of `in`. False: close the client. */
static bool take_messages(struct client *client)
{
    size_t at = 0;
    for (;;) {
        size_t type_len = client->started ? 1 : 0;
        size_t left = client->in_len - at;
        if (left < type_len + 4) {
            break;
        }
        const char *message = client->in + at;
        size_t len = type_len + number_at(message + type_len);
        if (len < type_len + 4 || len > IN_MAX || (!client->started && len < 8)) {
            return false;
        }
        if (left < len) {
            break;
        }
        if (!client->started) {
            answer_startup(client, message);
        } else if (!answer(client, message, len)) {
            return false;
        }
        at += len;
    }
    client->in_len -= at;
    if (client->in_len > 0 && at > 0) {
        memmove(client->in, client->in + at, client->in_len);
    }
    return true;
}

/* Writes all of `out`. Answers are so small that the socket takes them at once; where it does not,
 * the loop waits. False: the client is gone. */
static bool write_all(struct client *client)
{
    size_t at = 0;
    while (at < client->out_len) {
        ssize_t sent = send(client->fd, client->out + at, client->out_len - at, MSG_NOSIGNAL);
        if (sent >= 0) {
            at += (size_t)sent;
        } else if (errno == EAGAIN) {
            struct pollfd waiting = {.fd = client->fd, .events = POLLOUT};
            if (poll(&waiting, 1, -1) < 0 && errno != EINTR) {
                return false;
            }
        } else if (errno != EINTR) {
            return false;
        }
    }
    client->out_len = 0;
    return true;
}

/* One batch: one read, one write. False: close the client. */
static bool serve(struct client *client)
{
    ssize_t got = recv(client->fd, client->in + client->in_len, IN_MAX - client->in_len, 0);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (got == 0) {
        return false;
    }
    client->in_len += (size_t)got;
    return take_messages(client) && write_all(client);
}

static int listen_on(uint16_t at_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(at_port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1024) < 0) {
        fail("canned: listen");
    }
    return fd;
}

static void accept_all(int epoll_fd, int listen_fd)
{
    for (;;) {
        int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        int on = 1;
        struct client *client = malloc(sizeof(*client));
        if (client == NULL || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0) {
            fail("canned: accept");
        }
        client->fd = fd;
        client->started = false;
        client->in_len = 0;
        client->out_len = 0;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
            fail("canned: epoll_ctl");
        }
    }
}

static void *run_loop(void *unused)
{
    (void)unused;
    int listen_fd = listen_on(port);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listen_fd, &event) < 0) {
        fail("canned: epoll");
    }
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            struct client *client = events[i].data.ptr;
            if (client == NULL) {
                accept_all(epoll_fd, listen_fd);
            } else if (!serve(client)) {
                close(client->fd);
                free(client);
            }
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    long threads = 1;
    for (int i = 1; i + 1 < argc; i += 2) {
        long value = strtol(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--port") == 0 && value > 0 && value <= UINT16_MAX) {
            port = (uint16_t)value;
        } else if (strcmp(argv[i], "--threads") == 0 && value > 0 && value <= THREADS_MAX) {
            threads = value;
        }
    }
    if (port == 0) {
        fprintf(stderr, "usage: canned --port PORT [--threads N]\n");
        return 2;
    }
    for (long i = 1; i < threads; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, run_loop, NULL) != 0) {
            fail("canned: pthread_create");
        }
    }
    run_loop(NULL);
    return 0;
}
