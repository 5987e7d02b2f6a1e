/* Whom the control connection goes to, and how it gets there. libpq would resolve a host name without
 * giving the loop back, so names are resolved here, on libuv's thread pool. */
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "control_private.h"

enum { CONTROL_ADDRESSES_MAX = 16, CONTROL_PARAMETERS_MAX = 24 };

#define CONTROL_SOCKET_DIR "/var/run/postgresql"

/* jit and parallel workers cost the catalog queries more than they gain; the texts of values must not
 * depend on settings of the role. */
#define CONTROL_OPTIONS                                                                            \
    "-c search_path=pg_catalog -c statement_timeout=0 -c lock_timeout=0 "                          \
    "-c idle_in_transaction_session_timeout=0 -c jit=off -c max_parallel_workers_per_gather=0 "    \
    "-c datestyle=ISO -c quote_all_identifiers=off"

/* A look-up of a host name. Outlives its control until libuv is done with it. */
struct control_dial {
    uv_getaddrinfo_t request;
    struct control *control; /* NULL: stopped */
};

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    mem_free(secret);
}

void control_target_fini(struct control_target *target)
{
    mem_free(target->hosts);
    mem_free(target->ports);
    mem_free(target->dbname);
    mem_free(target->user);
    wipe(target->password);
    *target = (struct control_target){0};
}

static bool text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

bool control_target_equal(const struct control_target *a, const struct control_target *b)
{
    return text_equal(a->hosts, b->hosts) && text_equal(a->ports, b->ports) &&
           a->attrs == b->attrs && text_equal(a->dbname, b->dbname) &&
           text_equal(a->user, b->user) && text_equal(a->password, b->password);
}

static const char *given(const char *text)
{
    return text && text[0] ? text : NULL;
}

/* A password for `user` from auth_file, if that holds one in clear. */
static const char *password_of(const struct conf *conf, const char *user)
{
    const struct conf_user *found = conf_user_find(conf, slice_of_text(user));
    const char *secret = found ? given(found->secret) : NULL;
    if (secret && (strncmp(secret, "md5", 3) == 0 || strncmp(secret, "SCRAM-SHA-256$", 14) == 0))
        return NULL;
    return secret;
}

bool control_target_make(struct control *control, struct control_target *out)
{
    const struct conf *conf = conf_current();
    const struct conf_database *line = atomic_load(&control->database->conf);
    if (!line || !conf)
        return false;
    struct control_target target = {0};
    const char *user = given(line->control_user);
    const char *password = given(line->control_password);
    if (!user && (user = given(conf->options.control_user)) != NULL)
        password = given(conf->options.control_password);
    if (!user && (user = given(line->user)) != NULL)
        password = given(line->password);
    if (user) {
        target.user = mem_text(user);
        target.password = mem_text(password ? password : password_of(conf, user));
    } else {
        pthread_mutex_lock(&control->mutex);
        target.user = mem_text(control->role);
        target.password = mem_text(control->password);
        pthread_mutex_unlock(&control->mutex);
        target.of_client = true;
        if (!target.user)
            return false;
    }
    target.hosts = mem_text(line->host);
    target.ports = mem_text(line->ports);
    target.attrs = line->target_session_attrs;
    target.dbname = mem_text(control->database->dbname);
    *out = target;
    return true;
}

/* The connection's parameters, for PQconnectStartParams. */
struct parameters {
    const char *keywords[CONTROL_PARAMETERS_MAX];
    const char *values[CONTROL_PARAMETERS_MAX];
    unsigned count;
};

static void add(struct parameters *parameters, const char *keyword, const char *value)
{
    ASSERT(parameters->count < CONTROL_PARAMETERS_MAX - 1); /* the last one stays NULL */
    parameters->keywords[parameters->count] = keyword;
    parameters->values[parameters->count++] = value;
}

/* Probes find a server that is cut off, the time-out the same for what was sent and is not
 * acknowledged; the kernel of a server that is only stopped still answers both. */
static void add_keepalives(struct parameters *parameters, char text[4][16])
{
    enum { IDLE_S = 30, INTERVAL_S = 10, COUNT = 3 };
    const struct options *options = &conf_current()->options;
    if (!options->tcp_keepalive) {
        add(parameters, "keepalives", "0");
        return;
    }
    int idle = options->tcp_keepidle ? (int)options->tcp_keepidle : IDLE_S;
    int interval = options->tcp_keepintvl ? (int)options->tcp_keepintvl : INTERVAL_S;
    int count = options->tcp_keepcnt ? (int)options->tcp_keepcnt : COUNT;
    snprintf(text[0], sizeof(text[0]), "%d", idle);
    snprintf(text[1], sizeof(text[1]), "%d", interval);
    snprintf(text[2], sizeof(text[2]), "%d", count);
    int64_t silence_ms = ((int64_t)idle + (int64_t)interval * count) * 1000;
    snprintf(text[3], sizeof(text[3]), "%d", silence_ms < INT_MAX ? (int)silence_ms : INT_MAX);
    add(parameters, "keepalives_idle", text[0]);
    add(parameters, "keepalives_interval", text[1]);
    add(parameters, "keepalives_count", text[2]);
    add(parameters, "tcp_user_timeout", text[3]);
}

/* `place` is "host" with the directory of a Unix socket, or "hostaddr" with addresses. */
static void connect_to(struct control *control, const char *place, const char *value)
{
    const struct control_target *target = &control->target;
    struct parameters parameters = {.count = 0};
    char port[16];
    char keepalives[4][16];
    snprintf(port, sizeof(port), "%d", control->port);
    add(&parameters, place, value);
    add(&parameters, "port", port);
    add(&parameters, "dbname", target->dbname);
    add(&parameters, "user", target->user);
    if (target->password)
        add(&parameters, "password", target->password);
    add(&parameters, "application_name", "pgrecall");
    add(&parameters, "client_encoding", "UTF8");
    add(&parameters, "options", CONTROL_OPTIONS);
    add(&parameters, "sslmode", "disable");
    add(&parameters, "gssencmode", "disable");
    add(&parameters, "target_session_attrs", "any");
    add_keepalives(&parameters, keepalives);
    control_dialled(control, parameters.keywords, parameters.values);
}

/* "a,b,c" of the addresses found: libpq tries them in turn. */
static void join_addresses(struct buf *out, const struct addrinfo *found)
{
    unsigned count = 0;
    for (const struct addrinfo *at = found; at && count < CONTROL_ADDRESSES_MAX; at = at->ai_next) {
        char address[NI_MAXHOST];
        if (getnameinfo(at->ai_addr, at->ai_addrlen, address, sizeof(address), NULL, 0,
                        NI_NUMERICHOST) != 0)
            continue;
        buf_printf(out, "%s%s", count++ ? "," : "", address);
    }
    buf_append(out, "", 1);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *found)
{
    struct control_dial *dial = CONTAINER_OF(request, struct control_dial, request);
    struct control *control = dial->control;
    mem_free(dial);
    if (control) {
        control->dial = NULL;
        struct buf text;
        buf_init(&text);
        if (status == 0) {
            join_addresses(&text, found);
            connect_to(control, "hostaddr", (const char *)buf_head(&text));
        } else {
            buf_printf(&text, "cannot resolve host \"%s\": %s", control->host, uv_strerror(status));
            control_fail(control, (const char *)buf_head(&text));
        }
        buf_fini(&text);
    }
    uv_freeaddrinfo(found);
}

void control_dial_start(struct control *control)
{
    const struct conf_database *line = control->line;
    conf_host_at(line, control->walk.at, control->host, &control->port);
    const char *host = control->host[0] ? control->host : CONTROL_SOCKET_DIR;
    if (host[0] == '/' || host[0] == '@') {
        connect_to(control, "host", host);
        return;
    }
    unsigned char address[sizeof(struct in6_addr)];
    if (uv_inet_pton(AF_INET, host, address) == 0 || uv_inet_pton(AF_INET6, host, address) == 0) {
        connect_to(control, "hostaddr", host);
        return;
    }
    struct control_dial *dial = mem_zero(1, sizeof(*dial));
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int status = uv_getaddrinfo(&control_loop->uv, &dial->request, on_resolved, host, NULL, &hints);
    if (status != 0) {
        mem_free(dial);
        control_fail(control, uv_strerror(status));
        return;
    }
    dial->control = control;
    control->dial = dial;
}

void control_dial_stop(struct control *control)
{
    struct control_dial *dial = control->dial;
    if (!dial)
        return;
    control->dial = NULL;
    dial->control = NULL;
    uv_cancel((uv_req_t *)&dial->request);
}
