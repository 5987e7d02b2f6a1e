/* The HTTP side of admin/http.h: a libmicrohttpd daemon with one thread. What it costs is bounded: so
 * many connections, so long, with so much memory each; bodies of requests are not read. */
#include "admin/http.h"

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"

enum {
    HTTP_CONNECTIONS_MAX = 64,
    HTTP_IDLE_TIMEOUT_S = 15,
    HTTP_CONNECTION_MEMORY = 32768, /* request line, headers, and what is being sent */
    HTTP_BACKLOG = 32,
};

#define HTTP_TEXT    "text/plain; charset=utf-8"
#define HTTP_METRICS "text/plain; version=0.0.4; charset=utf-8"

struct http {
    struct MHD_Daemon *daemon;
    struct http_config config;
};

/* Queues an answer; the text is copied. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status,
                              const char *content_type, struct slice text)
{
    /* The library's parameter is not constant, but it copies. */
    void *data = (void *)(uintptr_t)text.data;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text.len, data, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer_health(const struct http *http, struct MHD_Connection *connection)
{
    struct buf reason;
    buf_init(&reason);
    conf_enter();
    bool healthy = http->config.healthy(http->config.context, &reason);
    conf_leave();
    if (healthy)
        buf_clear(&reason);
    buf_append_text(&reason, healthy ? "ok\n" : "\n");
    enum MHD_Result result =
        answer(connection, healthy ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, HTTP_TEXT,
               slice_of(buf_head(&reason), buf_len(&reason)));
    buf_fini(&reason);
    return result;
}

static enum MHD_Result answer_metrics(const struct http *http, struct MHD_Connection *connection)
{
    struct metrics metrics;
    struct buf text;
    metrics_init(&metrics);
    buf_init(&text);
    conf_enter();
    http->config.collect(http->config.context, &metrics);
    conf_leave();
    metrics_add_process(&metrics);
    metrics_write(&metrics, &text);
    enum MHD_Result result =
        answer(connection, MHD_HTTP_OK, HTTP_METRICS, slice_of(buf_head(&text), buf_len(&text)));
    buf_fini(&text);
    metrics_fini(&metrics);
    return result;
}

static const struct page {
    const char *path;
    enum MHD_Result (*answer)(const struct http *http, struct MHD_Connection *connection);
} pages[] = {
    {"/health", answer_health},
    {"/metrics", answer_metrics},
};

/* Called when the headers have arrived, for each part of a body, and at the request's end. An answer
 * in the first call drops any body and closes the connection afterwards; one at the end keeps it. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection,
                                  const char *path, const char *method, const char *version,
                                  const char *body, size_t *body_len, void **request)
{
    (void)version;
    (void)body;
    const struct page *page = NULL;
    for (unsigned i = 0; i < ARRAY_COUNT(pages); i++)
        if (strcmp(path, pages[i].path) == 0)
            page = &pages[i];
    if (!page)
        return answer(connection, MHD_HTTP_NOT_FOUND, HTTP_TEXT,
                      slice_of_text("not found; there are /health and /metrics\n"));
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, HTTP_TEXT,
                      slice_of_text("only GET and HEAD\n"));
    if (!*request || *body_len) {
        *request = connection; /* any mark: the headers have been seen */
        *body_len = 0;         /* a body has no meaning here */
        return MHD_YES;
    }
    return page->answer(context, connection);
}

static void on_log(void *context, const char *format, va_list args) PRINTF_LIKE(2, 0);
static void on_log(void *context, const char *format, va_list args)
{
    (void)context;
    char text[256];
    vsnprintf(text, sizeof(text), format, args);
    size_t len = strlen(text);
    if (len && text[len - 1] == '\n')
        text[len - 1] = 0;
    log_debug("http", "message", text, NULL);
}

/* The first address of `name`, to be freed. */
static struct addrinfo *resolve(const char *name, int port)
{
    bool all = !name[0] || strcmp(name, "*") == 0;
    struct addrinfo hints = {.ai_family = all ? AF_INET : AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char service[16];
    snprintf(service, sizeof(service), "%d", port);
    int error = getaddrinfo(all ? NULL : name, service, &hints, &found);
    if (error == 0)
        return found;
    log_error("cannot resolve the address for HTTP", "address", name, "error", gai_strerror(error),
              NULL);
    return NULL;
}

enum err http_start(const struct http_config *config, struct http **out)
{
    struct addrinfo *address = resolve(config->address, config->port);
    if (!address)
        return ERR_INVALID;
    struct http *http = mem_zero(1, sizeof(*http));
    http->config = *config;
    http->config.address = NULL; /* borrowed */
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG;
    flags |= MHD_is_feature_supported(MHD_FEATURE_EPOLL) ? MHD_USE_EPOLL : MHD_USE_POLL;
    if (address->ai_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    errno = 0;
    http->daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log,
                         NULL, MHD_OPTION_SOCK_ADDR, address->ai_addr, MHD_OPTION_CONNECTION_LIMIT,
                         (unsigned)HTTP_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                         (unsigned)HTTP_IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)HTTP_CONNECTION_MEMORY, MHD_OPTION_LISTEN_BACKLOG_SIZE,
                         (unsigned)HTTP_BACKLOG, MHD_OPTION_END);
    int error = errno;
    freeaddrinfo(address);
    if (!http->daemon) {
        log_error("cannot serve HTTP", "address", config->address, "port", log_num(config->port),
                  "error", error ? strerror(error) : "unknown", NULL);
        mem_free(http);
        return ERR_SYSTEM;
    }
    log_info("serving HTTP", "address", config->address, "port", log_num(http_port(http)), NULL);
    *out = http;
    return ERR_OK;
}

void http_stop(struct http *http)
{
    if (!http)
        return;
    MHD_stop_daemon(http->daemon);
    mem_free(http);
}

int http_port(const struct http *http)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_BIND_PORT);
    return info ? info->port : 0;
}
