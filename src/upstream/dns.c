/* Host names of servers, looked up again every dns_max_ttl. Each new connection asks for itself; this is
 * for those that are there: when a name does not lead to an address any more, server connections to it
 * are closed, those in use when they are given back, and the control connection dials again.
 *
 * One look-up is under way at a time, on libuv's thread pool. A name that cannot be looked up now changes
 * nothing, and neither does an answer with as many addresses as we keep: there may be more.
 *
 * Threads  The main loop.
 */
#include "dns.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "control_private.h"
#include "inside.h"

/* A look-up; outlives dns_stop until libuv is done with it. */
struct look {
    uv_getaddrinfo_t request;
    bool stopped;
};

static struct {
    struct loop *loop; /* NULL: not started */
    struct loop_ticker ticker;
    struct look *look;
    uint64_t due_ms;              /* of the next round */
    unsigned next;                /* the walk's place behind `database` */
    struct database *database;    /* at which the round stands; NULL: no round */
    unsigned host;                /* of its line: the one to be looked at next */
    char name[CONF_HOST_LEN_MAX]; /* looked up last in this round ... */
    bool found;                   /* ... it has an address */
    struct addresses addresses;
} dns;

/* ---- what an answer means ---- */

static bool leads_to(const struct addresses *addresses, const struct endpoint *to)
{
    for (unsigned i = 0; i < addresses->count; i++) {
        struct endpoint one;
        endpoint_of(&addresses->list[i], &one);
        if (one.family == to->family && memcmp(one.address, to->address, endpoint_len(&one)) == 0)
            return true;
    }
    return false;
}

static unsigned judge_list(struct link *list, unsigned host, const struct addresses *addresses)
{
    unsigned count = 0;
    LINK_EACH_SAFE (list, at) {
        struct server *server = CONTAINER_OF(at, struct server, link);
        const struct server_place *place = &server->place;
        if (!place->named || place->host != host || server->close_needed ||
            leads_to(addresses, &place->remote))
            continue;
        count++;
        if (server->state == SERVER_IDLE)
            server_close_locked(server);
        else
            server->close_needed = true;
    }
    return count;
}

unsigned dns_follow(struct database *database, unsigned host, const struct addresses *addresses)
{
    unsigned count = 0;
    if (!addresses->count || addresses->count == ADDRESSES_MAX)
        return 0;
    pthread_mutex_lock(&database->mutex);
    for (unsigned i = 0; i < database->pool_count; i++) {
        struct pool *pool = database->pool_list[i];
        count += judge_list(&pool->idle, host, addresses);
        count += judge_list(&pool->active, host, addresses);
        count += judge_list(&pool->resetting, host, addresses);
        pool_schedule(pool);
    }
    pthread_mutex_unlock(&database->mutex);
    return count;
}

bool dns_leads_to_text(const struct addresses *addresses, const char *text)
{
    struct addresses one;
    if (addresses->count == ADDRESSES_MAX || addresses_of_text(text, 0, &one) != ERR_OK ||
        one.list[0].ss_family == AF_UNIX)
        return true;
    struct endpoint to;
    endpoint_of(&one.list[0], &to);
    return leads_to(addresses, &to);
}

/* ---- a round ---- */

static void go_on(void);

static void apply(void)
{
    unsigned host = dns.host++;
    if (!dns.found)
        return;
    unsigned closed = dns_follow(dns.database, host, &dns.addresses);
    if (closed)
        log_info("the address of a server has changed", "database", dns.database->name, "host",
                 dns.name, "connections", log_num(closed), NULL);
    if (dns.database->control)
        control_follow_dns(dns.database->control, host, &dns.addresses);
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *info)
{
    struct look *look = CONTAINER_OF(request, struct look, request);
    bool stopped = look->stopped;
    mem_free(look);
    if (!stopped) {
        dns.look = NULL;
        dns.found = status == 0;
        if (dns.found) {
            addresses_of_info(info, &dns.addresses);
            unresolved_note(dns.name, 0, 0);
        } else {
            log_debug("a host name could not be looked up", "host", dns.name, "error",
                      uv_strerror(status), NULL);
        }
        if (!atomic_load(&dns.database->conf)) /* gone meanwhile */
            dns.host = UINT_MAX;
        else
            apply();
    }
    uv_freeaddrinfo(info);
    if (!stopped)
        go_on();
}

static void look_up(const char *name)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct look *look = mem_zero(1, sizeof(*look));
    snprintf(dns.name, sizeof(dns.name), "%s", name);
    dns.found = false;
    if (uv_getaddrinfo(&dns.loop->uv, &look->request, on_resolved, name, NULL, &hints) != 0) {
        mem_free(look);
        dns.host++;
        return;
    }
    dns.look = look;
}

/* Works until a look-up is under way, or the round is over. */
static void go_on(void)
{
    while (dns.database && !dns.look) {
        const struct conf_database *line = atomic_load(&dns.database->conf);
        char name[CONF_HOST_LEN_MAX];
        int port;
        struct addresses ignored;
        if (!line || dns.host >= conf_host_count(line)) {
            dns.database = database_next(&dns.next);
            dns.host = 0;
            continue;
        }
        conf_host_at(line, dns.host, name, &port);
        if (addresses_of_text(name, port, &ignored) != ERR_NOT_FOUND)
            dns.host++;
        else if (strcmp(name, dns.name) == 0)
            apply();
        else
            look_up(name);
    }
}

static void on_tick(struct loop_ticker *ticker, uint64_t now_ms)
{
    (void)ticker;
    uint64_t ttl_ms = conf_current()->options.dns_max_ttl_ms;
    if (!ttl_ms || dns.database || now_ms < dns.due_ms)
        return;
    dns.due_ms = now_ms + ttl_ms;
    dns.next = dns.host = 0;
    dns.name[0] = 0;
    dns.database = database_next(&dns.next);
    go_on();
}

void dns_start(struct loop *main_loop)
{
    dns.loop = main_loop;
    dns.ticker = (struct loop_ticker){.tick = on_tick};
    dns.due_ms = 0;
    loop_add_ticker(main_loop, &dns.ticker);
}

void dns_stop(void)
{
    if (!dns.loop)
        return;
    loop_remove_ticker(&dns.ticker);
    if (dns.look) {
        dns.look->stopped = true;
        uv_cancel((uv_req_t *)&dns.look->request);
    }
    dns.look = NULL;
    dns.database = NULL;
    dns.loop = NULL;
}
