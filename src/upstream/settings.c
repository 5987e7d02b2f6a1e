/* The registry of lists of settings, and how one list is made of another. */
#include "upstream/settings.h"

#include <pthread.h>
#include <strings.h>

#include "base/mem.h"
#include "base/table.h"
#include "sql/setting.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct table registry;

/* ---- making lists ---- */

/* A list on its way: entries borrowed from others. */
struct draft {
    unsigned count;
    struct setting list[SETTINGS_MAX + SETTINGS_OVER_MAX];
};

static void put_number(struct buf *key, size_t number)
{
    uint32_t word = (uint32_t)number;
    buf_append(key, &word, sizeof(word));
}

/* Lengths go before texts, so that no two lists look the same. */
static void put_entry(struct buf *key, const struct setting *entry)
{
    put_number(key, entry->form);
    put_number(key, entry->name.len);
    put_number(key, entry->value.len);
    buf_append(key, entry->name.data, entry->name.len);
    buf_append(key, entry->value.data, entry->value.len);
}

static bool is_role(struct slice name)
{
    return slice_is(name, "role") || slice_is(name, "session_authorization");
}

static void judge(struct settings *made)
{
    struct buf results = {0}, constants = {0}, names = {0};
    for (unsigned i = 0; i < made->count; i++) {
        const struct setting *entry = &made->list[i];
        if (!setting_is_harmless(entry->name))
            put_entry(&results, entry);
        if (!setting_keeps_constants(entry->name))
            put_entry(&constants, entry);
        if (is_role(entry->name) || slice_is(entry->name, "search_path"))
            put_entry(&names, entry);
        made->custom |= setting_is_custom(entry->name);
        if (slice_is(entry->name, "gin_fuzzy_search_limit"))
            made->bypass = "gin_fuzzy_search_limit is set";
        else if (slice_is(entry->name, "default_transaction_isolation") && entry->value.len == 12 &&
                 strncasecmp((const char *)entry->value.data, "serializable", 12) == 0)
            made->bypass = "default_transaction_isolation is serializable";
    }
    made->results = buf_len(&results) > 0;
    if (made->results)
        made->results_hash = hash128_of(buf_head(&results), buf_len(&results));
    if (buf_len(&constants))
        made->constants_hash = hash64_of(buf_head(&constants), buf_len(&constants)) | 1;
    if (buf_len(&names)) /* another text than one of constants may be */
        made->names_hash = hash64_of(buf_head(&names), buf_len(&names)) * 3 | 1;
    buf_fini(&results);
    buf_fini(&constants);
    buf_fini(&names);
}

/* The entries of the new list point into its own key. */
static struct settings *make(const struct draft *draft, const struct buf *key)
{
    struct settings *made =
        mem_zero(1, sizeof(*made) + draft->count * sizeof(struct setting) + buf_len(key));
    uint8_t *at = (uint8_t *)&made->list[draft->count];
    memcpy(at, buf_head(key), buf_len(key));
    made->refs = 1;
    made->count = draft->count;
    made->key = slice_of(at, buf_len(key));
    for (unsigned i = 0; i < draft->count; i++) {
        const struct setting *entry = &draft->list[i];
        at += 3 * sizeof(uint32_t);
        made->list[i].form = entry->form;
        made->list[i].name = slice_of(at, entry->name.len);
        at += entry->name.len;
        made->list[i].value = slice_of(at, entry->value.len);
        at += entry->value.len;
    }
    judge(made);
    return made;
}

static struct settings *intern(const struct draft *draft)
{
    if (!draft->count)
        return NULL;
    struct buf key = {0};
    for (unsigned i = 0; i < draft->count; i++)
        put_entry(&key, &draft->list[i]);
    struct slice text = slice_of(buf_head(&key), buf_len(&key));
    pthread_mutex_lock(&mutex);
    struct settings *found = table_get(&registry, text);
    if (found) {
        atomic_fetch_add(&found->refs, 1);
    } else {
        found = make(draft, &key);
        table_put(&registry, text, found);
    }
    pthread_mutex_unlock(&mutex);
    buf_fini(&key);
    return found;
}

struct settings *settings_ref(struct settings *settings)
{
    if (settings)
        atomic_fetch_add_explicit(&settings->refs, 1, memory_order_relaxed);
    return settings;
}

/* The last reference goes under the mutex, where intern could find the list. */
void settings_unref(struct settings *settings)
{
    if (!settings)
        return;
    pthread_mutex_lock(&mutex);
    bool last = atomic_fetch_sub(&settings->refs, 1) == 1;
    if (last) {
        ASSERT(table_remove(&registry, settings->key) == settings);
        if (registry.count == 0)
            table_fini(&registry);
    }
    pthread_mutex_unlock(&mutex);
    if (last)
        mem_free(settings);
}

unsigned settings_registry_count(void)
{
    pthread_mutex_lock(&mutex);
    unsigned count = (unsigned)registry.count;
    pthread_mutex_unlock(&mutex);
    return count;
}

/* ---- changing lists ---- */

static int name_compare(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = memcmp(a.data, b.data, len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* All of `from` but `name`, in whose place `instead` stands unless it is NULL. */
static enum err change(const struct settings *from, struct slice name,
                       const struct setting *instead, struct settings **out)
{
    struct draft draft = {0};
    size_t bytes = 0;
    bool placed = !instead;
    for (unsigned i = 0; i <= (from ? from->count : 0); i++) {
        const struct setting *entry = from && i < from->count ? &from->list[i] : NULL;
        if (!placed && (!entry || name_compare(instead->name, entry->name) <= 0)) {
            draft.list[draft.count++] = *instead;
            placed = true;
        }
        if (entry && name_compare(name, entry->name) != 0)
            draft.list[draft.count++] = *entry;
    }
    for (unsigned i = 0; i < draft.count; i++)
        bytes += draft.list[i].name.len + draft.list[i].value.len;
    if (draft.count > SETTINGS_MAX || bytes > SETTINGS_BYTES_MAX)
        return ERR_TOO_MANY;
    *out = intern(&draft);
    return ERR_OK;
}

enum err settings_with(const struct settings *from, const struct setting *setting,
                       struct settings **out)
{
    return change(from, setting->name, setting, out);
}

enum err settings_without(const struct settings *from, struct slice name, struct settings **out)
{
    struct setting gone = {.name = name, .form = SETTING_GONE};
    return change(from, name, setting_is_custom(name) ? &gone : NULL, out);
}

struct settings *settings_reset(const struct settings *from, bool all)
{
    struct draft draft = {0};
    for (unsigned i = 0; from && i < from->count; i++) {
        struct setting entry = from->list[i];
        if (setting_is_custom(entry.name))
            entry = (struct setting){.name = entry.name, .form = SETTING_GONE};
        else if (all || !is_role(entry.name))
            continue;
        draft.list[draft.count++] = entry;
    }
    return intern(&draft);
}

/* Both are sorted by name. */
struct settings *settings_merge(const struct settings *over, const struct settings *own)
{
    struct draft draft = {0};
    unsigned i = 0, j = 0;
    ASSERT((over ? over->count : 0) <= SETTINGS_OVER_MAX && (own ? own->count : 0) <= SETTINGS_MAX);
    while (i < (over ? over->count : 0) || j < (own ? own->count : 0)) {
        const struct setting *a = over && i < over->count ? &over->list[i] : NULL;
        const struct setting *b = own && j < own->count ? &own->list[j] : NULL;
        int order = !a ? 1 : !b ? -1 : name_compare(a->name, b->name);
        draft.list[draft.count++] = order < 0 ? *a : *b;
        i += order <= 0;
        j += order >= 0;
    }
    return intern(&draft);
}

/* ---- asking lists ---- */

static const struct setting *find(const struct settings *settings, struct slice name)
{
    for (unsigned i = 0; settings && i < settings->count; i++) {
        if (slice_equal(settings->list[i].name, name))
            return &settings->list[i];
    }
    return NULL;
}

const struct setting *settings_find(const struct settings *settings, const char *name)
{
    return find(settings, slice_of_text(name));
}

bool settings_reach(const struct settings *has, const struct settings *wanted)
{
    if (!has || has == wanted || !has->custom)
        return true;
    for (unsigned i = 0; i < has->count; i++) {
        if (setting_is_custom(has->list[i].name) && !find(wanted, has->list[i].name))
            return false;
    }
    return true;
}

struct hash128 settings_signature(struct hash128 base, const struct settings *settings)
{
    if (!settings || !settings->results)
        return base;
    struct hash128 parts[2] = {base, settings->results_hash};
    return hash128_of(parts, sizeof(parts));
}

/* ---- replay ---- */

/* E'..' reads the same under every setting. */
static void put_text(struct buf *out, struct slice text)
{
    buf_append(out, "E'", 2);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '\'' || text.data[i] == '\\')
            buf_append(out, &text.data[i], 1);
        buf_append(out, &text.data[i], 1);
    }
    buf_append(out, "'", 1);
}

/* "app"."tenant": names have letters, digits, _, $ and dots alone. */
static void put_name(struct buf *out, struct slice name)
{
    buf_append(out, "\"", 1);
    for (size_t i = 0; i < name.len; i++) {
        if (name.data[i] == '.')
            buf_append(out, "\".\"", 3);
        else
            buf_append(out, &name.data[i], 1);
    }
    buf_append(out, "\"", 1);
}

static void put_reset(struct buf *out, struct slice name)
{
    buf_append_text(out, ";RESET ");
    put_name(out, name);
}

void settings_put_set(const struct setting *setting, bool local, struct buf *out)
{
    struct slice left = setting->value;
    /* One text for a list of names: SET would quote it as one name. */
    if (setting->form == SETTING_VALUE &&
        (slice_is(setting->name, "search_path") || slice_is(setting->name, "temp_tablespaces"))) {
        buf_append_text(out, "SELECT pg_catalog.set_config(");
        put_text(out, setting->name);
        buf_append_text(out, ",");
        put_text(out, setting->value);
        buf_append_text(out, local ? ",true)" : ",false)");
        return;
    }
    buf_append_text(out, local ? "SET LOCAL " : "SET ");
    put_name(out, setting->name);
    buf_append_text(out, " TO ");
    while (setting->form == SETTING_LISTED) {
        const uint8_t *end = memchr(left.data, 0, left.len);
        if (!end)
            break;
        size_t len = (size_t)(end - left.data);
        put_text(out, slice_of(left.data, len));
        buf_append_text(out, ",");
        left = slice_of(end + 1, left.len - len - 1);
    }
    put_text(out, left);
}

static void put_set(struct buf *out, const struct setting *setting)
{
    buf_append_text(out, ";");
    settings_put_set(setting, false, out);
}

static bool same_entry(const struct setting *a, const struct setting *b)
{
    return a && b && a->form == b->form && slice_equal(a->value, b->value);
}

static void put_roles(struct buf *out, const struct settings *wanted)
{
    static const char *const names[] = {"session_authorization", "role"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        const struct setting *entry = settings_find(wanted, names[i]);
        if (entry)
            put_set(out, entry);
    }
}

static const char timeout[] = "statement_timeout";

/* A replay is not the statement that shall not take long: for its time there is no limit. */
static bool lift_timeout(const struct settings *has, const struct settings *wanted, struct buf *out)
{
    if (!settings_find(has, timeout) && !settings_find(wanted, timeout))
        return false;
    buf_append_text(out, ";SET statement_timeout TO 0");
    return true;
}

static void put_timeout(const struct settings *wanted, struct buf *out)
{
    const struct setting *entry = settings_find(wanted, timeout);
    if (entry)
        put_set(out, entry);
    else
        put_reset(out, slice_of_text(timeout));
}

/* Has a place of its own in a replay. */
static bool stands_apart(struct slice name)
{
    return is_role(name) || slice_is(name, timeout);
}

void settings_replay(const struct settings *has, const struct settings *wanted, struct buf *out)
{
    buf_append_text(out, "SET exit_on_error TO on");
    bool lifted = lift_timeout(has, wanted, out);
    /* Everything is set as the login role. */
    if (settings_find(has, "role"))
        buf_append_text(out, ";RESET ROLE");
    if (settings_find(has, "session_authorization"))
        buf_append_text(out, ";RESET SESSION AUTHORIZATION");
    for (unsigned i = 0; has && i < has->count; i++) {
        const struct setting *entry = &has->list[i];
        const struct setting *other = find(wanted, entry->name);
        if (!stands_apart(entry->name) && entry->form != SETTING_GONE &&
            (!other || other->form == SETTING_GONE))
            put_reset(out, entry->name);
    }
    for (unsigned i = 0; wanted && i < wanted->count; i++) {
        const struct setting *entry = &wanted->list[i];
        const struct setting *other = find(has, entry->name);
        if (stands_apart(entry->name) || same_entry(entry, other))
            continue;
        if (entry->form != SETTING_GONE)
            put_set(out, entry);
        else if (!other)
            put_reset(out, entry->name);
    }
    put_roles(out, wanted);
    if (lifted)
        put_timeout(wanted, out);
    buf_append_text(out, ";RESET exit_on_error");
}
