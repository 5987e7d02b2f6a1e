/* Each rule is a function that writes its own mistake. */
#include "check.h"

#include <arpa/inet.h>
#include <sys/un.h>

#include "keys.h"
#include "option_table.h"

enum { MODE_DIGITS_MAX = 5 };

struct check {
    const struct conf *conf;
    const struct place *places;
    struct conf_mistakes *mistakes;
};

static struct place place_of(const struct place *places, const char *name)
{
    const struct place *place = places ? &places[option_index(option_find(name))] : NULL;
    return place && place->file ? *place : (struct place){"default", 0};
}

static bool is_given(const struct place *places, const char *name)
{
    return places[option_index(option_find(name))].file != NULL;
}

static struct place at(const struct check *check, const char *name)
{
    return place_of(check->places, name);
}

/* Walks a list with commas: the next item without white space around it, or false at the end. */
static bool next_item(const char **list, struct slice *out)
{
    if (!*list)
        return false;
    size_t len = strcspn(*list, ",");
    const char *from = *list;
    *list = from[len] ? from + len + 1 : NULL;
    for (; len && (*from == ' ' || *from == '\t'); from++)
        len--;
    while (len && (from[len - 1] == ' ' || from[len - 1] == '\t'))
        len--;
    *out = slice_of(from, len);
    return true;
}

static bool is_loopback(struct slice address)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr number;
    if (slice_is(address, "localhost") || slice_is(address, "::1"))
        return true;
    if (address.len >= sizeof(text))
        return false;
    memcpy(text, address.data, address.len);
    text[address.len] = 0;
    return inet_pton(AF_INET, text, &number) == 1 && ntohl(number.s_addr) >> 24 == IN_LOOPBACKNET;
}

static void check_list(const struct check *check, const char *name, const char *list)
{
    struct slice item;
    for (const char *rest = *list ? list : NULL; next_item(&rest, &item);) {
        if (!item.len)
            mistakes_add(check->mistakes, at(check, name), "%s: an empty item in the list", name);
    }
}

static void check_listeners(const struct check *check)
{
    const struct options *options = &check->conf->options;
    check_list(check, "listen_addr", options->listen_addr);
    check_list(check, "console_addr", options->console_addr);
    if (!*options->listen_addr && !*options->unix_socket_dir)
        mistakes_add(check->mistakes, at(check, "listen_addr"),
                     "listen_addr: empty, and so is unix_socket_dir: nobody could connect");
    if (options->console_port == options->listen_port)
        mistakes_add(check->mistakes, at(check, "console_port"),
                     "console_port: the same port as listen_port");
    if (options->http_port == options->listen_port)
        mistakes_add(check->mistakes, at(check, "http_port"),
                     "http_port: the same port as listen_port");
    if (options->http_port && options->http_port == options->console_port)
        mistakes_add(check->mistakes, at(check, "http_port"),
                     "http_port: the same port as console_port");
}

static void check_unix_socket(const struct check *check)
{
    const struct options *options = &check->conf->options;
    const char *mode = options->unix_socket_mode;
    size_t digits = strspn(mode, "01234567");
    bool is_small = digits <= 3 || (digits == 4 && *mode == '0');
    if (!digits || mode[digits] || digits >= MODE_DIGITS_MAX || !is_small)
        mistakes_add(check->mistakes, at(check, "unix_socket_mode"),
                     "unix_socket_mode: \"%s\": expected an octal mode such as 0770", mode);
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    int len = snprintf(path, sizeof(path), "%s/.s.PGSQL.%d", options->unix_socket_dir,
                       (int)options->listen_port);
    if ((size_t)len >= sizeof(path))
        mistakes_add(check->mistakes, at(check, "unix_socket_dir"),
                     "unix_socket_dir: too long for the path of a socket");
}

static void check_pools(const struct check *check)
{
    const struct options *options = &check->conf->options;
    const char *file = check->conf->file;
    if (options->min_pool_size > options->default_pool_size)
        mistakes_add(check->mistakes, at(check, "min_pool_size"),
                     "min_pool_size: more than default_pool_size");
    for (unsigned i = 0; i < check->conf->database_count; i++) {
        const struct conf_database *database = &check->conf->databases[i];
        const char *mistake = hosts_mistake(database);
        if (mistake)
            mistakes_add(check->mistakes, (struct place){file ? file : "default", 0},
                         "[databases]: %s: %s", database->name, mistake);
        int64_t most = database->pool_size > 0 ? database->pool_size : options->default_pool_size;
        if (database->min_pool_size > most)
            mistakes_add(check->mistakes, (struct place){file ? file : "default", 0},
                         "[databases]: %s: min_pool_size: more than the pool's size",
                         database->name);
    }
}

static void check_cache(const struct check *check)
{
    const struct options *options = &check->conf->options;
    const char *url = options->redis_url;
    if (options->max_entry_bytes > options->memory_limit_bytes)
        mistakes_add(check->mistakes, at(check, "max_entry"), "max_entry: more than memory_limit");
    if (*url && strncmp(url, "redis://", 8) != 0 && strncmp(url, "unix://", 7) != 0)
        mistakes_add(check->mistakes, at(check, "redis_url"),
                     "redis_url: expected redis://host:port or unix:///path");
}

static void check_users(const struct check *check)
{
    const struct options *options = &check->conf->options;
    check_list(check, "admin_users", options->admin_users);
    check_list(check, "stats_users", options->stats_users);
    if (!check->conf->file || !check->places || check->mistakes->count)
        return;
    if (options->auth_type != AUTH_TYPE_TRUST && !*options->auth_file)
        mistakes_note((struct place){check->conf->file, 0}, "no auth_file: nobody can log in");
    if (!check->conf->database_count)
        mistakes_note((struct place){check->conf->file, 0}, "[databases] is empty");
}

void check_conf(const struct conf *conf, const struct place *places, struct conf_mistakes *mistakes)
{
    struct check check = {conf, places, mistakes};
    check_listeners(&check);
    check_unix_socket(&check);
    check_pools(&check);
    check_cache(&check);
    check_users(&check);
}

void check_dsn_auth(struct conf *conf, const struct place *places, struct conf_mistakes *mistakes)
{
    if (is_given(places, "auth_type") || *conf->options.auth_file)
        return;
    struct slice item;
    const char *rest = *conf->options.listen_addr ? conf->options.listen_addr : NULL;
    while (next_item(&rest, &item)) {
        if (is_loopback(item))
            continue;
        mistakes_add(mistakes, place_of(places, "listen_addr"),
                     "listen_addr: others than this machine can connect: say with auth_file who "
                     "may, or with auth_type = trust that all may");
        return;
    }
    conf->options.auth_type = AUTH_TYPE_TRUST;
}
