/* The values of pgrecall.*, and how they follow transactions. See local_settings.h. */
#include "session/local_settings.h"

#include <stdio.h>
#include <strings.h>

#include "base/mem.h"
#include "session/session.h"

static const char *const cache_texts[] = {
#define LOCAL_CACHE_TEXT(name, text) text,
    LOCAL_CACHES(LOCAL_CACHE_TEXT)
#undef LOCAL_CACHE_TEXT
};

static const char *const names[] = {
    [LOCAL_NAME_CACHE] = "pgrecall.cache",
    [LOCAL_NAME_WINDOW] = "pgrecall.window",
    [LOCAL_NAME_NAMESPACE] = "pgrecall.namespace",
};

enum local_name local_name_of(const char *name)
{
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return (enum local_name)i;
    return LOCAL_NAME_UNKNOWN;
}

/* ---- values ---- */

static bool set_cache(struct local_values *values, const char *value)
{
    static const struct {
        const char *text;
        enum local_cache cache;
    } texts[] = {
        {"on", LOCAL_CACHE_ON},  {"true", LOCAL_CACHE_ON}, {"yes", LOCAL_CACHE_ON},
        {"1", LOCAL_CACHE_ON},   {"off", LOCAL_CACHE_OFF}, {"false", LOCAL_CACHE_OFF},
        {"no", LOCAL_CACHE_OFF}, {"0", LOCAL_CACHE_OFF},   {"observe", LOCAL_CACHE_OBSERVE},
    };
    for (unsigned i = 0; i < ARRAY_COUNT(texts); i++) {
        if (strcasecmp(value, texts[i].text) != 0)
            continue;
        values->cache = texts[i].cache;
        return true;
    }
    return false;
}

bool local_set(struct local_values *values, enum local_name name, const char *value)
{
    struct slice text = slice_of_text(value ? value : "");
    switch (name) {
    case LOCAL_NAME_CACHE:
        return set_cache(values, value ? value : "on");
    case LOCAL_NAME_WINDOW:
        if (text.len == 0 || slice_is(text, "0")) {
            values->window_ms = 0;
            return true;
        }
        return rule_window_read(text, &values->window_ms);
    case LOCAL_NAME_NAMESPACE:
        if (text.len && !rule_namespace_is_valid(text))
            return false;
        memset(values->name_space, 0, sizeof(values->name_space));
        if (text.len)
            memcpy(values->name_space, text.data, text.len);
        return true;
    case LOCAL_NAME_UNKNOWN:
        break;
    }
    return false;
}

void local_show(const struct local_values *values, enum local_name name, char out[LOCAL_VALUE_MAX])
{
    unsigned ms = values->window_ms;
    switch (name) {
    case LOCAL_NAME_CACHE:
        snprintf(out, LOCAL_VALUE_MAX, "%s", cache_texts[values->cache]);
        return;
    case LOCAL_NAME_WINDOW:
        if (!ms || ms % 1000)
            snprintf(out, LOCAL_VALUE_MAX, ms ? "%ums" : "0", ms);
        else
            snprintf(out, LOCAL_VALUE_MAX, ms % 60000 ? "%us" : "%umin",
                     ms % 60000 ? ms / 1000 : ms / 60000);
        return;
    case LOCAL_NAME_NAMESPACE:
        snprintf(out, LOCAL_VALUE_MAX, "%s", values->name_space);
        return;
    case LOCAL_NAME_UNKNOWN:
        break;
    }
    out[0] = 0;
}

/* ---- the login ---- */

void local_begin(struct local_settings *local)
{
    local->now = local->kept = local->login;
    local_changed(local);
}

void local_fini(struct local_settings *local)
{
    mem_free(local->savepoints);
    local->savepoints = NULL;
    local->savepoint_count = 0;
}

bool local_startup(struct local_settings *local, struct slice name, struct slice value)
{
    char given[LOCAL_VALUE_MAX], text[LOCAL_VALUE_MAX];
    if (name.len >= sizeof(given) || value.len >= sizeof(text))
        return false;
    snprintf(given, sizeof(given), "%.*s", (int)name.len, name.data);
    snprintf(text, sizeof(text), "%.*s", (int)value.len, value.data);
    return local_set(&local->login, local_name_of(given), text);
}

/* One word of the options: up to white space that no backslash stands before. */
static struct slice next_word(struct slice text, size_t *at)
{
    while (*at < text.len && strchr(" \t\n\r\v\f", text.data[*at]))
        (*at)++;
    size_t from = *at;
    while (*at < text.len && !strchr(" \t\n\r\v\f", text.data[*at]))
        *at += text.data[*at] == '\\' && *at + 1 < text.len ? 2 : 1;
    return slice_of(text.data + from, *at - from);
}

static bool begins(struct slice text, const char *with)
{
    size_t len = strlen(with);
    return text.len >= len && strncasecmp((const char *)text.data, with, len) == 0;
}

/* "pgrecall.x=y" */
static bool take_option(struct local_settings *local, struct slice pair)
{
    const uint8_t *equals = memchr(pair.data, '=', pair.len);
    size_t len = equals ? (size_t)(equals - pair.data) : pair.len;
    return equals &&
           local_startup(local, slice_of(pair.data, len), slice_of(equals + 1, pair.len - len - 1));
}

bool local_startup_options(struct local_settings *local, struct slice options, char *out,
                           struct slice *out_bad)
{
    size_t at = 0, len = 0;
    struct slice word;
    while ((word = next_word(options, &at)).len) {
        struct slice whole = word, pair = slice_of(NULL, 0);
        if (slice_is(word, "-c")) {
            struct slice next = next_word(options, &at);
            pair = next;
            if (next.len) /* with all that stands between them */
                whole = slice_of(word.data, (size_t)(next.data + next.len - word.data));
        } else if (begins(word, "-c") || begins(word, "--")) {
            pair = slice_of(word.data + 2, word.len - 2);
        }
        if (begins(pair, "pgrecall.")) {
            *out_bad = pair;
            if (!take_option(local, pair))
                return false;
            continue;
        }
        if (len)
            out[len++] = ' ';
        memcpy(out + len, whole.data, whole.len);
        len += whole.len;
    }
    out[len] = 0;
    return true;
}

/* ---- transactions ---- */

void local_note_change(struct local_settings *local)
{
    if (local->changed)
        return;
    local->changed = true;
    local->before = local->kept;
}

void local_changed(struct local_settings *local)
{
    const struct local_values *now = &local->now;
    local->plain = now->cache == LOCAL_CACHE_ON && !now->window_ms && !now->name_space[0];
}

void local_unit_done(struct session *session, uint8_t status)
{
    struct local_settings *local = &session->local;
    if (status == 'I') {
        bool undone = local->failed || local->rolled_back || session->status == 'E';
        if (local->changed && undone)
            local->kept = local->before;
        local->now = local->kept;
        local->changed = false;
        local->savepoint_count = 0;
        local_changed(local);
    }
    local->failed = local->rolled_back = false;
}

/* A name behind the words: folded unless it stands in quotes. */
static void read_savepoint(struct slice text, char out[LOCAL_SAVEPOINT_NAME])
{
    bool quoted = text.len > 1 && text.data[0] == '"';
    size_t len = 0;
    for (size_t i = quoted; i + quoted < text.len && len + 1 < LOCAL_SAVEPOINT_NAME; i++) {
        char c = (char)text.data[i];
        out[len++] = (char)(!quoted && c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    out[len] = 0;
}

static void push_savepoint(struct local_settings *local, struct slice name)
{
    if (local->savepoint_count == LOCAL_SAVEPOINTS_MAX)
        return;
    if (!local->savepoints)
        local->savepoints = mem_zero(LOCAL_SAVEPOINTS_MAX, sizeof(*local->savepoints));
    struct local_savepoint *savepoint = &local->savepoints[local->savepoint_count++];
    read_savepoint(name, savepoint->name);
    savepoint->now = local->now;
    savepoint->kept = local->kept;
}

/* Back to the newest of that name; it stays, those behind it go. */
static void return_to(struct local_settings *local, struct slice text)
{
    char name[LOCAL_SAVEPOINT_NAME];
    read_savepoint(text, name);
    for (unsigned i = local->savepoint_count; i > 0; i--) {
        const struct local_savepoint *savepoint = &local->savepoints[i - 1];
        if (strcmp(savepoint->name, name) != 0)
            continue;
        local->now = savepoint->now;
        local->kept = savepoint->kept;
        local->savepoint_count = i;
        local_changed(local);
        return;
    }
}

void local_see(struct session *session, struct slice canonical)
{
    static const char *const returns[] = {"rollback transaction to savepoint ",
                                          "rollback work to savepoint ",
                                          "rollback to savepoint ",
                                          "rollback transaction to ",
                                          "rollback work to ",
                                          "rollback to "};
    struct local_settings *local = &session->local;
    if (!canonical.len)
        return;
    char first = (char)(canonical.data[0] | 0x20);
    if (first != 's' && first != 'r' && first != 'd')
        return;
    if (begins(canonical, "savepoint ")) {
        push_savepoint(local, slice_of(canonical.data + 10, canonical.len - 10));
        return;
    }
    bool discards = canonical.len == 11 && begins(canonical, "discard all");
    if (discards || (canonical.len == 9 && begins(canonical, "reset all"))) {
        local_note_change(local);
        local->now = local->kept = local->login;
        local_changed(local);
        return;
    }
    for (unsigned i = 0; first == 'r' && i < ARRAY_COUNT(returns); i++) {
        size_t len = strlen(returns[i]);
        if (!begins(canonical, returns[i]))
            continue;
        return_to(local, slice_of(canonical.data + len, canonical.len - len));
        return;
    }
}
