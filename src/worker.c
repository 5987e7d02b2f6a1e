/* A worker thread: listeners with SO_REUSEPORT, so that the kernel spreads connections, and a
 * second look that evens out what the kernel's hash left uneven: a new connection goes to the
 * worker with the fewest.
 *
 * Unix sockets cannot be shared that way: the first worker listens and hands connections on.
 *
 * Stopping: listeners close, sessions end (at once or when idle), then the pools close their
 * backends, then Redis, then the loop ends by itself because nothing is left on it.
 */
#include "worker.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "coherence/generations.h"
#include "conf/conf.h"
#include "upstream/pool.h"

enum { LISTENER_ACCEPTS = 64, WORKER_STACK_LEN = 32 * 1024 * 1024 };

struct listener {
    struct link link;
    struct worker *worker;
    uv_poll_t poll;
    int fd;
    bool console;
    bool unix_socket;
    bool waits;     /* out of descriptors: not polled before the next tick */
    char path[108]; /* of the unix socket, to be removed at the end; "" */
};

struct stop {
    struct loop_post post;
    enum host_end end;
};

struct handover {
    struct loop_post post;
    int fd;
    bool console;
    bool unix_socket;
};

static struct workers *all_workers;

/* ---- accepting ---- */

static void run_handover(struct loop *loop, struct loop_post *post)
{
    struct handover *handover = CONTAINER_OF(post, struct handover, post);
    struct host *host = loop->owner;
    host_accept(host, handover->fd, handover->console, handover->unix_socket);
    mem_free(handover);
}

static struct worker *least_loaded(struct worker *here)
{
    struct worker *best = here;
    unsigned least = atomic_load_explicit(&here->host.placed, memory_order_relaxed);
    for (unsigned i = 0; i < all_workers->count; i++) {
        unsigned placed =
            atomic_load_explicit(&all_workers->all[i].host.placed, memory_order_relaxed);
        if (placed < least) {
            least = placed;
            best = &all_workers->all[i];
        }
    }
    return best;
}

static void place(struct listener *listener, int fd)
{
    struct worker *to = least_loaded(listener->worker);
    atomic_fetch_add(&to->host.placed, 1);
    if (to == listener->worker) {
        host_accept(&to->host, fd, listener->console, listener->unix_socket);
        return;
    }
    struct handover *handover = mem_zero(1, sizeof(*handover));
    handover->post.run = run_handover;
    handover->fd = fd;
    handover->console = listener->console;
    handover->unix_socket = listener->unix_socket;
    if (!loop_post(&to->loop, &handover->post)) {
        close(fd);
        mem_free(handover);
    }
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct listener *listener = CONTAINER_OF(poll, struct listener, poll);
    if (status < 0)
        return;
    for (unsigned i = 0; i < LISTENER_ACCEPTS; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE) {
                log_error("out of file descriptors, a connection waits", NULL);
                listener->waits = true;
                uv_poll_stop(poll);
            }
            return;
        }
        place(listener, fd);
    }
}

/* The kernel would say again and again that a connection waits: listeners that found no descriptor
 * for it look again with the next tick. */
static void on_tick(struct loop_ticker *ticker, uint64_t now_ms)
{
    (void)now_ms;
    struct worker *worker = CONTAINER_OF(ticker, struct worker, ticker);
    LINK_EACH (&worker->listeners, at) {
        struct listener *listener = CONTAINER_OF(at, struct listener, link);
        if (!listener->waits)
            continue;
        listener->waits = false;
        ASSERT(uv_poll_start(&listener->poll, UV_READABLE, on_acceptable) == 0);
    }
}

/* ---- opening ---- */

static enum err add_listener(struct worker *worker, int fd, bool console, const char *path)
{
    struct listener *listener = mem_zero(1, sizeof(*listener));
    listener->worker = worker;
    listener->fd = fd;
    listener->console = console;
    listener->unix_socket = path != NULL;
    snprintf(listener->path, sizeof(listener->path), "%s", path ? path : "");
    if (listen(fd, (int)conf_current()->options.listen_backlog) != 0 ||
        uv_poll_init(&worker->loop.uv, &listener->poll, fd) != 0) {
        mem_free(listener);
        return ERR_SYSTEM;
    }
    link_append(&worker->listeners, &listener->link);
    ASSERT(uv_poll_start(&listener->poll, UV_READABLE, on_acceptable) == 0);
    return ERR_OK;
}

static enum err listen_tcp(struct worker *worker, const char *host, int port, bool console)
{
    char service[16];
    snprintf(service, sizeof(service), "%d", port);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failed = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, service, &hints, &found);
    if (failed) {
        log_error("cannot resolve listen address", "address", host, "reason", gai_strerror(failed),
                  NULL);
        return ERR_SYSTEM;
    }
    enum err err = ERR_OK;
    for (struct addrinfo *at = found; at && err == ERR_OK; at = at->ai_next) {
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 && at->ai_family == AF_INET6)
            continue;
        int on = 1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
        int defer_s = (int)conf_current()->options.tcp_defer_accept;
        if (defer_s)
            setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &defer_s, sizeof(defer_s));
        if (at->ai_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        if (fd < 0 || bind(fd, at->ai_addr, at->ai_addrlen) != 0)
            err = ERR_SYSTEM;
        else
            err = add_listener(worker, fd, console, NULL);
        if (err != ERR_OK) {
            log_error("cannot listen", "address", host, "port", service, "reason", strerror(errno),
                      NULL);
            if (fd >= 0)
                close(fd);
        }
    }
    freeaddrinfo(found);
    return err;
}

/* SO_REUSEPORT would let a second pgrecall share the port unnoticed: ask without it first. */
static enum err probe_free(const char *host, int port)
{
    char service[16];
    snprintf(service, sizeof(service), "%d", port);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, service, &hints, &found) != 0)
        return ERR_OK;
    enum err err = ERR_OK;
    for (struct addrinfo *at = found; at && err == ERR_OK; at = at->ai_next) {
        int on = 1;
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (at->ai_family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        if (bind(fd, at->ai_addr, at->ai_addrlen) != 0 && errno == EADDRINUSE) {
            log_error("cannot listen", "address", host, "port", service, "reason", strerror(errno),
                      NULL);
            err = ERR_SYSTEM;
        }
        close(fd);
    }
    freeaddrinfo(found);
    return err;
}

static enum err listen_unix(struct worker *worker, const char *dir, int port)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int len = snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.%d", dir, port);
    if (len < 0 || (size_t)len >= sizeof(address.sun_path)) {
        log_error("unix_socket_dir is too long", "dir", dir, NULL);
        return ERR_SYSTEM;
    }
    int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool taken = probe >= 0 && connect(probe, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (probe >= 0)
        close(probe);
    if (taken) {
        log_error("another server listens on the unix socket", "path", address.sun_path, NULL);
        return ERR_SYSTEM;
    }
    unlink(address.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(address.sun_path,
              (mode_t)strtoul(conf_current()->options.unix_socket_mode, NULL, 8)) != 0 ||
        add_listener(worker, fd, false, address.sun_path) != ERR_OK) {
        log_error("cannot listen", "path", address.sun_path, "reason", strerror(errno), NULL);
        if (fd >= 0)
            close(fd);
        return ERR_SYSTEM;
    }
    return ERR_OK;
}

static enum err each_address(struct worker *worker, const char *list, int port, bool console)
{
    char host[256];
    for (const char *at = list; *at;) {
        size_t len = strcspn(at, ", ");
        if (len && len < sizeof(host)) {
            memcpy(host, at, len);
            host[len] = 0;
            if (worker == &all_workers->all[0] && probe_free(host, port) != ERR_OK)
                return ERR_SYSTEM;
            enum err err = listen_tcp(worker, host, port, console);
            if (err != ERR_OK)
                return err;
        }
        at += len;
        at += strspn(at, ", ");
    }
    return ERR_OK;
}

static enum err open_listeners(struct worker *worker)
{
    const struct options *options = &conf_current()->options;
    enum err err = each_address(worker, options->listen_addr, (int)options->listen_port, false);
    if (err == ERR_OK && options->console_port && worker == &all_workers->all[0])
        err = each_address(worker, options->console_addr, (int)options->console_port, true);
    if (err == ERR_OK && worker == &all_workers->all[0] && options->unix_socket_dir[0])
        err = listen_unix(worker, options->unix_socket_dir, (int)options->listen_port);
    return err;
}

/* ---- the thread ---- */

static void on_listener_closed(uv_handle_t *handle)
{
    struct listener *listener = CONTAINER_OF(handle, struct listener, poll);
    mem_free(listener);
}

static void close_listeners(struct worker *worker)
{
    LINK_EACH_SAFE (&worker->listeners, at) {
        struct listener *listener = CONTAINER_OF(at, struct listener, link);
        link_remove(at);
        uv_poll_stop(&listener->poll);
        close(listener->fd);
        if (listener->path[0])
            unlink(listener->path);
        uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
    }
}

static void on_quiet(struct loop *loop)
{
    struct host *host = loop->owner;
    if (host->cache)
        cache_reader_quiet(host->cache, host->reader);
}

static void on_empty(struct host *host)
{
    struct worker *worker = CONTAINER_OF(host, struct worker, host);
    if (worker->stopping)
        return;
    worker->stopping = true;
    pools_stop(&worker->loop);
    pthread_mutex_lock(&host->stats_mutex); /* somebody may be reading its counters */
    struct redis *redis = host->redis;
    host->redis = NULL;
    pthread_mutex_unlock(&host->stats_mutex);
    if (redis)
        redis_destroy(redis);
    loop_stop(&worker->loop);
}

static void run_stop(struct loop *loop, struct loop_post *post)
{
    struct worker *worker = CONTAINER_OF(loop, struct worker, loop);
    struct stop *stop = CONTAINER_OF(post, struct stop, post);
    close_listeners(worker);
    host_stop(&worker->host, stop->end);
    mem_free(stop);
}

static void *worker_main(void *context)
{
    struct worker *worker = context;
    pools_start(&worker->loop);
    loop_run(&worker->loop);
    return NULL;
}

static void start_redis(struct worker *worker, const uint8_t name_space[16])
{
    const struct options *options = &conf_current()->options;
    struct redis_config config = {
        .url = options->redis_url,
        .timeout_ms = options->redis_timeout_ms,
        .compress_min_bytes = options->compress_min_bytes,
        .entry_bytes_max = options->max_entry_bytes,
        .pending_max = (uint32_t)options->redis_pending_max,
        .words_count = GENERATION_WORDS,
    };
    memcpy(config.name_space, name_space, sizeof(config.name_space));
    enum err err = redis_create(&worker->loop.uv, &config, &worker->host.redis);
    if (err != ERR_OK) {
        log_error("redis_url cannot be used", "reason", log_err(err), NULL);
        worker->host.redis = NULL;
    }
}

enum err workers_init(struct workers *workers, unsigned count, struct cache *cache)
{
    uint8_t name_space[16];
    clock_random(name_space, sizeof(name_space));
    *workers = (struct workers){.count = count, .cache = cache};
    workers->all = mem_zero(count, sizeof(*workers->all));
    all_workers = workers;
    for (unsigned i = 0; i < count; i++) {
        struct worker *worker = &workers->all[i];
        loop_init(&worker->loop, i);
        host_init(&worker->host, &worker->loop);
        link_init(&worker->listeners);
        worker->host.cache = cache;
        worker->host.reader = i;
        worker->host.on_empty = on_empty;
        worker->ticker.tick = on_tick;
        loop_add_ticker(&worker->loop, &worker->ticker);
        worker->loop.on_quiet = on_quiet;
    }
    for (unsigned i = 0; i < count; i++) {
        if (open_listeners(&workers->all[i]) != ERR_OK)
            return ERR_SYSTEM;
        if (cache && conf_current()->options.redis_url[0])
            start_redis(&workers->all[i], name_space);
    }
    return ERR_OK;
}

void workers_start(struct workers *workers)
{
    pthread_attr_t attributes;
    ASSERT(pthread_attr_init(&attributes) == 0);
    /* libpg_query has no guard against deep nesting: room for what its limits let through. */
    ASSERT(pthread_attr_setstacksize(&attributes, WORKER_STACK_LEN) == 0);
    for (unsigned i = 0; i < workers->count; i++)
        ASSERT(pthread_create(&workers->all[i].thread, &attributes, worker_main,
                              &workers->all[i]) == 0);
    pthread_attr_destroy(&attributes);
}

void workers_stop(struct workers *workers, enum host_end end)
{
    for (unsigned i = 0; i < workers->count; i++) {
        struct worker *worker = &workers->all[i];
        struct stop *stop = mem_zero(1, sizeof(*stop));
        stop->post.run = run_stop;
        stop->end = end;
        if (!loop_post(&worker->loop, &stop->post))
            mem_free(stop);
    }
}

static void run_catalog_came(struct loop *loop, struct loop_post *post)
{
    host_catalog_came(loop->owner);
    mem_free(post);
}

void workers_catalog_came(struct workers *workers)
{
    for (unsigned i = 0; i < workers->count; i++) {
        struct loop_post *post = mem_zero(1, sizeof(*post));
        post->run = run_catalog_came;
        if (!loop_post(&workers->all[i].loop, post))
            mem_free(post);
    }
}

void workers_join(struct workers *workers)
{
    for (unsigned i = 0; i < workers->count; i++)
        pthread_join(workers->all[i].thread, NULL);
}

void workers_fini(struct workers *workers)
{
    for (unsigned i = 0; i < workers->count; i++) {
        loop_remove_ticker(&workers->all[i].ticker);
        host_fini(&workers->all[i].host);
        loop_fini(&workers->all[i].loop);
    }
    mem_free(workers->all);
}
