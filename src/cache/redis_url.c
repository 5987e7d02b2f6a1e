/* See redis_url.h. */
#include "cache/redis_url.h"

#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/mem.h"
#include "base/slice.h"

/* The rest of `text` from `at` on. */
static struct slice slice_from(struct slice text, size_t at)
{
    return slice_of(text.data + at, text.len - at);
}

/* Where `byte` first stands in `text`, or text.len. */
static size_t slice_index(struct slice text, char byte)
{
    const uint8_t *found = text.len ? memchr(text.data, byte, text.len) : NULL;
    return found ? (size_t)(found - text.data) : text.len;
}

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A copy with %XX decoded, or NULL: a bad escape, or a zero byte. */
static char *decode(struct slice from)
{
    char *text = mem_alloc(from.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < from.len; i++) {
        int value = from.data[i];
        if (value == '%') {
            int high = from.len - i > 2 ? hex_value(from.data[i + 1]) : -1;
            int low = from.len - i > 2 ? hex_value(from.data[i + 2]) : -1;
            value = high < 0 || low < 0 ? 0 : high * 16 + low;
            i += 2;
        }
        if (!value) {
            mem_free(text);
            return NULL;
        }
        text[len++] = (char)value;
    }
    text[len] = 0;
    return text;
}

static bool number_parse(struct slice from, unsigned max, unsigned *out)
{
    unsigned value = 0;
    if (from.len == 0 || from.len > 5)
        return false;
    for (size_t i = 0; i < from.len; i++) {
        if (from.data[i] < '0' || from.data[i] > '9')
            return false;
        value = value * 10 + (unsigned)(from.data[i] - '0');
    }
    if (value > max)
        return false;
    *out = value;
    return true;
}

/* "[user]:password" before the '@'. */
static bool login_parse(struct slice from, struct redis_url *url)
{
    size_t colon = slice_index(from, ':');
    if (colon == from.len)
        return false; /* a name without a password: no such login */
    if (colon) {
        url->user = decode(slice_of(from.data, colon));
        if (!url->user)
            return false;
    }
    url->password = decode(slice_from(from, colon + 1));
    return url->password && url->password[0];
}

static bool unix_parse(struct slice from, struct redis_url *url)
{
    static const char query[] = "?db=";
    size_t len = slice_index(from, '?');
    if (len < 2 || from.data[0] != '/')
        return false;
    if (len < from.len) {
        struct slice rest = slice_from(from, len);
        if (rest.len < strlen(query) || memcmp(rest.data, query, strlen(query)) != 0 ||
            !number_parse(slice_from(rest, strlen(query)), REDIS_DB_MAX, &url->db))
            return false;
    }
    url->path = decode(slice_of(from.data, len));
    return url->path && strlen(url->path) < sizeof(((struct sockaddr_un *)NULL)->sun_path);
}

static bool host_is_sane(struct slice host)
{
    for (size_t i = 0; i < host.len; i++)
        if (host.data[i] <= ' ' || host.data[i] == '%' || host.data[i] == '?' ||
            host.data[i] == '#' || host.data[i] == '[' || host.data[i] == ']')
            return false;
    return host.len > 0;
}

static bool tcp_parse(struct slice from, struct redis_url *url)
{
    size_t slash = slice_index(from, '/');
    if (slash + 1 < from.len && !number_parse(slice_from(from, slash + 1), REDIS_DB_MAX, &url->db))
        return false;
    from.len = slash;

    struct slice host;
    if (from.len && from.data[0] == '[') {
        size_t close = slice_index(from, ']');
        if (close == from.len)
            return false;
        host = slice_of(from.data + 1, close - 1);
        from = slice_from(from, close + 1);
    } else {
        host = slice_of(from.data, slice_index(from, ':'));
        from = slice_from(from, host.len);
    }
    unsigned port = REDIS_PORT_DEFAULT;
    if (from.len && (from.data[0] != ':' || !number_parse(slice_from(from, 1), UINT16_MAX, &port)))
        return false;
    if (!host_is_sane(host) || !port)
        return false;
    url->host = mem_text_n(host.data, host.len);
    snprintf(url->port, sizeof(url->port), "%u", port & UINT16_MAX);
    return true;
}

static bool url_parse(struct slice text, struct redis_url *url)
{
    static const char tcp[] = "redis://", local[] = "unix://";
    if (text.len > strlen(tcp) && memcmp(text.data, tcp, strlen(tcp)) == 0) {
        text = slice_from(text, strlen(tcp));
    } else if (text.len > strlen(local) && memcmp(text.data, local, strlen(local)) == 0) {
        text = slice_from(text, strlen(local));
        url->is_unix = true;
    } else {
        return false;
    }
    /* The login ends at the last '@' before the first '/': a password may hold an unescaped '@'. */
    size_t at = slice_index(text, '/');
    while (at > 0 && text.data[at - 1] != '@')
        at--;
    if (at > 0) {
        if (!login_parse(slice_of(text.data, at - 1), url))
            return false;
        text = slice_from(text, at);
    }
    return url->is_unix ? unix_parse(text, url) : tcp_parse(text, url);
}

enum err redis_url_parse(const char *text, struct redis_url *out)
{
    struct redis_url url = {0};
    if (!text || strlen(text) > REDIS_URL_MAX)
        return ERR_INVALID;
    if (!url_parse(slice_of_text(text), &url)) {
        redis_url_fini(&url);
        return ERR_INVALID;
    }
    *out = url;
    return ERR_OK;
}

void redis_url_fini(struct redis_url *url)
{
    mem_free(url->host);
    mem_free(url->path);
    mem_free(url->user);
    mem_free(url->password);
    *url = (struct redis_url){0};
}
