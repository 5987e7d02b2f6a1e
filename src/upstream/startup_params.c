/* Source  src/backend/utils/init/postinit.c (process_startup_options: `options` first, then the pairs in
 *         their order), pg_split_opts there; src/backend/tcop/postgres.c (process_postgres_switches);
 *         ParseLongOption in src/backend/utils/misc/guc.c. */
#include "startup_params.h"

#include <strings.h>

#include "base/mem.h"
#include "pgwire/request.h"
#include "sql/setting.h"

/* Adds one to the list; false: it is none that SET may give, or there are too many. A later value of the
 * same name takes the place of an earlier one, as at the login. */
static bool add(struct settings **list, struct slice name, struct slice value)
{
    char lower[SETTING_NAME_MAX];
    struct settings *made;
    if (name.len >= sizeof(lower))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = (char)name.data[i];
        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c == '-' ? '_' : c);
    }
    const struct setting setting = {
        .name = slice_of(lower, name.len), .value = value, .form = SETTING_VALUE};
    if (!setting_follows_login(setting.name, value) ||
        settings_with(*list, &setting, &made) != ERR_OK)
        return false;
    settings_unref(*list);
    *list = made;
    return made->count <= STARTUP_SETS_MAX;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word of `options` without its backslashes, in `out`, which is as long as all of it; false: there
 * is none. */
static bool next_word(struct slice *options, char *out, size_t *out_len)
{
    const uint8_t *at = options->data, *end = options->data + options->len;
    size_t len = 0;
    while (at < end && is_space(*at))
        at++;
    if (at == end)
        return false;
    for (; at < end && !is_space(*at); at++) {
        if (*at == '\\' && ++at == end)
            break;
        out[len++] = (char)*at;
    }
    *options = slice_of(at, (size_t)(end - at));
    *out_len = len;
    return true;
}

/* -c name=value, -cname=value, --name=value and nothing else. */
static bool add_options(struct settings **list, struct slice options)
{
    char *word = mem_alloc(options.len + 1);
    size_t len;
    bool fine = true;
    while (fine && next_word(&options, word, &len)) {
        size_t from = 2;
        fine = len >= 2 && word[0] == '-' && (word[1] == 'c' || word[1] == '-');
        if (fine && len == 2) {
            from = 0;
            fine = word[1] == 'c' && next_word(&options, word, &len);
        }
        const char *equals = fine ? memchr(word + from, '=', len - from) : NULL;
        if (!equals) {
            fine = false;
            break;
        }
        size_t value = (size_t)(equals - word) + 1;
        fine =
            add(list, slice_of(word + from, value - 1 - from), slice_of(word + value, len - value));
    }
    mem_free(word);
    return fine;
}

static void add_pair(struct buf *pairs, struct slice name, struct slice value)
{
    buf_append(pairs, name.data, name.len);
    buf_append(pairs, "", 1);
    buf_append(pairs, value.data, value.len);
    buf_append(pairs, "", 1);
}

static bool is_name(struct slice name, const char *text)
{
    return name.len == strlen(text) && strncasecmp((const char *)name.data, text, name.len) == 0;
}

/* A name that SET takes, with any value. */
static bool may_be_set(struct slice name)
{
    struct settings *list = NULL;
    bool may = add(&list, name, slice_of_text("1000"));
    settings_unref(list);
    return may;
}

/* False: it cannot be told what comes of them. */
static bool split(struct pgwire_slice params, struct startup_params *out)
{
    struct pgwire_slice wire_name, wire_value;
    struct settings *pairs = NULL, *options = NULL;
    unsigned option_count = 0;
    size_t at = 0;
    bool fine = true;
    while (fine && pgwire_startup_param(params, &at, &wire_name, &wire_value)) {
        struct slice name = slice_of(wire_name.data, wire_name.len);
        struct slice value = slice_of(wire_value.data, wire_value.len);
        if (slice_is(name, "application_name") && !out->name) {
            fine = add(&out->name, name, value);
            continue;
        }
        add_pair(&out->plain, name, value);
        if (slice_is(name, "options")) {
            fine = ++option_count == 1;
            if (fine && !add_options(&options, value)) {
                settings_unref(options);
                options = NULL;
                add_pair(&out->base, name, value);
            }
        } else if (is_name(name, "application_name")) {
            fine = false; /* twice, or in other letters */
        } else if (!add(&pairs, name, value)) {
            fine = !may_be_set(name);
            add_pair(&out->base, name, value);
        }
    }
    out->sets = settings_merge(options, pairs);
    settings_unref(options);
    settings_unref(pairs);
    return fine && (!out->sets || out->sets->count <= STARTUP_SETS_MAX);
}

void startup_params_split(struct slice params, struct startup_params *out)
{
    *out = (struct startup_params){0};
    if (split((struct pgwire_slice){params.data, params.len}, out))
        return;
    startup_params_fini(out);
    buf_append(&out->plain, params.data, params.len);
    buf_append(&out->base, params.data, params.len);
}

void startup_params_fini(struct startup_params *params)
{
    buf_fini(&params->plain);
    buf_fini(&params->base);
    settings_unref(params->sets);
    settings_unref(params->name);
    *params = (struct startup_params){0};
}
