/* Lists of hosts and ports: "a,b" and "5432,5433", or one port for all. */
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"
#include "keys.h"
#include "value.h"

enum { PORT_DEFAULT = 5432, PORT_MAX = 65535, PORT_LEN_MAX = 16 };

static unsigned count_items(const char *list)
{
    unsigned count = 1;
    for (; *list; list++)
        count += *list == ',';
    return count;
}

/* The item at `index`, cut to `cap`; false if there is none. */
static bool item_at(const char *list, unsigned index, char *out, size_t cap)
{
    for (; index; index--) {
        list = strchr(list, ',');
        if (!list)
            return false;
        list++;
    }
    size_t len = size_min(strcspn(list, ","), cap - 1);
    memcpy(out, list, len);
    out[len] = 0;
    return true;
}

unsigned conf_host_count(const struct conf_database *database)
{
    return database->host ? count_items(database->host) : 1;
}

void conf_host_at(const struct conf_database *database, unsigned index,
                  char out_host[CONF_HOST_LEN_MAX], int *out_port)
{
    char port[PORT_LEN_MAX];
    out_host[0] = 0;
    if (database->host)
        item_at(database->host, index, out_host, CONF_HOST_LEN_MAX);
    *out_port = database->port;
    if (database->ports && item_at(database->ports, index, port, sizeof(port)))
        *out_port = atoi(port);
}

const char *hosts_expected(const char *hosts)
{
    unsigned count = count_items(hosts);
    char host[CONF_HOST_LEN_MAX + 1];
    if (count > CONF_HOSTS_MAX)
        return "at most 16 hosts";
    for (unsigned i = 0; i < count && count > 1; i++) {
        item_at(hosts, i, host, sizeof(host));
        if (!*host)
            return "a host between any two commas";
        if (strlen(host) >= CONF_HOST_LEN_MAX)
            return "shorter names of hosts";
    }
    return count == 1 && strlen(hosts) >= CONF_HOST_LEN_MAX ? "shorter names of hosts" : NULL;
}

const char *ports_expected(const char *ports, int *out_first)
{
    char port[PORT_LEN_MAX];
    int64_t number = 0, first = PORT_DEFAULT;
    for (unsigned i = 0; i < count_items(ports); i++) {
        item_at(ports, i, port, sizeof(port));
        if (value_read_int(port, &number) || number < 1 || number > PORT_MAX)
            return "1 to 65535";
        if (i == 0)
            first = number;
    }
    *out_first = (int)first;
    return NULL;
}

const char *hosts_mistake(const struct conf_database *database)
{
    if (!database->ports)
        return NULL;
    unsigned ports = count_items(database->ports);
    return ports > 1 && ports != conf_host_count(database)
               ? "port: one for each host, or one for all"
               : NULL;
}
