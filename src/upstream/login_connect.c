/* From the hosts of a database to a socket that is connected: which host comes next, its addresses,
 * one after the other, and what happens when one will not do.
 */
#include "dns.h"
#include "login.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

enum { FAILURE_TEXT_MAX = 512 };

static void try_next_address(struct server *server);
static void next_host(struct server *server);

void login_fail_to_connect(struct server *server, const char *why)
{
    char place[ADDRESS_TEXT_MAX], message[FAILURE_TEXT_MAX];
    address_text(server->login->host, server->login->port, place);
    snprintf(message, sizeof(message), "could not connect to the server at %s: %s", place, why);
    login_fail(server, CONNECTION_FAILURE, message);
}

bool login_has_more_hosts(const struct login *login)
{
    struct host_walk walk = login->walk;
    return hosts_next(&walk);
}

void login_leave_host(struct server *server, const char *why)
{
    struct login *login = server->login;
    if (!login_has_more_hosts(login)) {
        login_fail_to_connect(server, why);
        return;
    }
    log_info("a server was passed over", "database", server->pool->database->name, "host",
             login->host, "port", log_num(login->port), "why", why, NULL);
    login->next_address = login->addresses.count;
    if (server->stream.open)
        stream_close(&server->stream); /* login_closed follows */
    else
        next_host(server);
}
static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *info)
{
    struct login *login = CONTAINER_OF(request, struct login, resolve);
    login->resolving = false;
    if (status != UV_ECANCELED && status != UV_EAI_CANCELED)
        unresolved_note(login->host, status, monotonic_ms());
    if (!login->server) {
        login_free(login);
    } else if (status != 0) {
        login_leave_host(login->server, uv_strerror(status));
    } else {
        addresses_of_info(info, &login->addresses);
        try_next_address(login->server);
    }
    uv_freeaddrinfo(info);
}

static void resolve(struct server *server)
{
    struct login *login = server->login;
    int known = unresolved_status(login->host, monotonic_ms());
    if (known) {
        login_leave_host(server, uv_strerror(known));
        return;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[16];
    snprintf(port, sizeof(port), "%d", login->port);
    int status =
        uv_getaddrinfo(&server->loop->uv, &login->resolve, on_resolved, login->host, port, &hints);
    login->resolving = status == 0;
    if (status != 0)
        login_leave_host(server, uv_strerror(status));
}

/* Nothing of a host that was passed over is kept. */
static void forget_host(struct login *login)
{
    login->phase = LOGIN_RESOLVING;
    login->addresses.count = login->next_address = 0;
    login->last_errno = 0;
    buf_clear(&login->welcome);
    login->pid = 0;
    login->key_len = 0;
    login->probe = (struct probe){0};
    login->scram = (struct pgwire_scram_client){0};
    login->scram_begun = login->scram_proven = false;
}

static void next_host(struct server *server)
{
    struct login *login = server->login;
    ASSERT(hosts_next(&login->walk));
    forget_host(login);
    conf_host_at(login->line, login->walk.at, login->host, &login->port);
    enum err err = addresses_of_text(login->host, login->port, &login->addresses);
    login->named = err == ERR_NOT_FOUND;
    if (err == ERR_OK)
        try_next_address(server);
    else if (err == ERR_NOT_FOUND)
        resolve(server);
    else
        login_leave_host(server, "the path of its socket is too long");
}

void login_start(struct server *server)
{
    const struct conf_database *line = atomic_load(&server->pool->database->conf);
    if (!line || !pools_side_of(server->loop)) {
        server_close(server);
        return;
    }
    struct login *login = mem_zero(1, sizeof(*login));
    login->server = server;
    login->line = line;
    conf_ref(line->conf);
    buf_init(&login->welcome);
    server->login = login;
    login_choose_secret(login);
    hosts_begin(&login->walk, server->pool->database, line, true);
    next_host(server);
}

static void note_remote(struct server *server, const struct sockaddr_storage *address)
{
    const struct login *login = server->login;
    struct server_place place = {.host = login->walk.at, .named = login->named};
    if (address->ss_family == AF_UNIX)
        endpoint_of_unix((unsigned)login->port, &place.remote);
    else
        endpoint_of(address, &place.remote);
    pool_lock(server->pool);
    server->place = place;
    pool_unlock(server->pool);
}

void login_note_local(struct server *server)
{
    struct endpoint local;
    if (server->place.remote.family == AF_UNIX)
        endpoint_of_unix((unsigned)conf_current()->options.listen_port, &local);
    else
        endpoint_local(server->stream.fd, &local);
    pool_lock(server->pool);
    server->place.local = local;
    pool_unlock(server->pool);
}

static void try_next_address(struct server *server)
{
    struct login *login = server->login;
    login->phase = LOGIN_CONNECTING;
    while (login->next_address < login->addresses.count) {
        unsigned at = login->next_address++;
        int fd;
        if (address_connect(&login->addresses.list[at], login->addresses.lens[at], &fd) != ERR_OK) {
            login->last_errno = errno;
            continue;
        }
        note_remote(server, &login->addresses.list[at]);
        server->fd = fd; /* until the stream owns it: server_close sees to it */
        if (stream_connect(&server->stream, server->loop, fd, &server_stream_handler) != ERR_OK)
            break;
        server->fd = -1;
        server->handle_open = true;
        server->stream.end_in_order = true; /* a server's last words are worth reading */
        return;
    }
    login_leave_host(server, login->last_errno ? strerror(login->last_errno) : "it has no address");
}

void login_end(struct server *server, int error_number)
{
    struct login *login = server->login;
    if (login->phase == LOGIN_CONNECTING) {
        login->last_errno = error_number;
        stream_close(&server->stream); /* login_closed follows */
        return;
    }
    login_leave_host(server, error_number ? strerror(error_number)
                                          : "it closed the connection during the login");
}

void login_closed(struct server *server)
{
    struct login *login = server->login;
    if (!login)
        return;
    if (login->next_address < login->addresses.count)
        try_next_address(server);
    else
        login_leave_host(server,
                         login->last_errno ? strerror(login->last_errno) : "it will not do");
}
