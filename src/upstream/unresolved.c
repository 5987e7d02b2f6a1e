/* Host names that could not be looked up, remembered for dns_nxdomain_ttl: so long server connections do
 * without asking again. A resolver that does not answer takes seconds each time, on libuv's few threads,
 * and with several hosts in a line every login would wait for it before it tries the next one.
 *
 * Threads  Any.
 */
#include <pthread.h>
#include <string.h>

#include "base/macros.h"
#include "conf/conf.h"
#include "dns.h"
#include "inside.h"

static struct {
    pthread_mutex_t mutex;
    struct {
        char name[CONF_HOST_LEN_MAX]; /* "": free */
        int status;
        uint64_t since_ms;
    } list[UNRESOLVED_MAX];
} unresolved = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* The place of `name`, else UNRESOLVED_MAX. Locked. */
static unsigned find(const char *name)
{
    unsigned at = 0;
    while (at < UNRESOLVED_MAX && strcmp(unresolved.list[at].name, name) != 0)
        at++;
    return at;
}

/* A free place, else that of the oldest. Locked. */
static unsigned make_room(void)
{
    unsigned oldest = 0;
    for (unsigned at = 0; at < UNRESOLVED_MAX; at++) {
        if (!unresolved.list[at].name[0])
            return at;
        if (unresolved.list[at].since_ms < unresolved.list[oldest].since_ms)
            oldest = at;
    }
    return oldest;
}

int unresolved_status(const char *name, uint64_t now_ms)
{
    uint64_t ttl_ms = conf_current()->options.dns_nxdomain_ttl_ms;
    int status = 0;
    pthread_mutex_lock(&unresolved.mutex);
    unsigned at = find(name);
    if (at < UNRESOLVED_MAX && elapsed(now_ms, unresolved.list[at].since_ms) < ttl_ms)
        status = unresolved.list[at].status;
    pthread_mutex_unlock(&unresolved.mutex);
    return status;
}

void unresolved_note(const char *name, int status, uint64_t now_ms)
{
    ASSERT(*name && strlen(name) < CONF_HOST_LEN_MAX);
    pthread_mutex_lock(&unresolved.mutex);
    unsigned at = find(name);
    if (status && at == UNRESOLVED_MAX)
        at = make_room();
    if (at < UNRESOLVED_MAX) {
        strcpy(unresolved.list[at].name, status ? name : "");
        unresolved.list[at].status = status;
        unresolved.list[at].since_ms = now_ms;
    }
    pthread_mutex_unlock(&unresolved.mutex);
}

void unresolved_clear(void)
{
    pthread_mutex_lock(&unresolved.mutex);
    memset(unresolved.list, 0, sizeof(unresolved.list));
    pthread_mutex_unlock(&unresolved.mutex);
}
