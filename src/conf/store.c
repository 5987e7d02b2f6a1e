/* Owning one configuration. */
#include "store.h"

#include "base/mem.h"
#include "keys.h"
#include "option_table.h"
#include "rule_line.h"

enum { STORE_CAP_FIRST = 8 };

static _Atomic(unsigned) store_count;

static struct store *create_empty(void)
{
    static _Atomic(uint64_t) last_number;
    struct store *store = mem_zero(1, sizeof(*store));
    store->conf.number = atomic_fetch_add(&last_number, 1) + 1;
    store->refs = 1;
    atomic_fetch_add(&store_count, 1);
    texts_init(&store->texts);
    table_init(&store->databases_by_name);
    table_init(&store->users_by_name);
    return store;
}

struct store *store_create(void)
{
    struct store *store = create_empty();
    option_defaults(&store->conf.options, &store->texts);
    return store;
}

void store_destroy(struct store *store)
{
    if (!store)
        return;
    atomic_fetch_sub(&store_count, 1);
    table_fini(&store->databases_by_name);
    table_fini(&store->users_by_name);
    texts_fini(&store->texts);
    mem_free(store->conf.databases);
    mem_free(store->conf.users);
    mem_free(store->conf.rules);
    mem_free(store);
}

void conf_destroy(struct conf *conf)
{
    if (conf)
        store_destroy(CONTAINER_OF(conf, struct store, conf));
}

/* References are no part of what a reader sees as constant. */
static struct store *store_of(const struct conf *conf)
{
    return CONTAINER_OF((struct conf *)(uintptr_t)conf, struct store, conf);
}

const struct conf *conf_ref(const struct conf *conf)
{
    ASSERT(atomic_fetch_add(&store_of(conf)->refs, 1) > 0);
    return conf;
}

void conf_unref(const struct conf *conf)
{
    if (conf && atomic_fetch_sub(&store_of(conf)->refs, 1) == 1)
        store_destroy(store_of(conf));
}

unsigned conf_count(void)
{
    return atomic_load(&store_count);
}

/* The index of `name`, or a new one behind all `count` (then *out_new). */
static unsigned index_of(struct table *by_name, const char *name, unsigned count, bool *out_new)
{
    uintptr_t number = (uintptr_t)table_get(by_name, slice_of_text(name));
    *out_new = number == 0;
    if (number)
        return (unsigned)(number - 1);
    void *mark = (void *)((uintptr_t)count + 1);
    ASSERT(table_put(by_name, slice_of_text(name), mark) == NULL);
    return count;
}

/* Arrays double when their count reaches a power of two. */
static bool is_full(unsigned count)
{
    return count == 0 || (count >= STORE_CAP_FIRST && (count & (count - 1)) == 0);
}

static size_t next_cap(unsigned count)
{
    return count ? (size_t)count * 2 : STORE_CAP_FIRST;
}

struct conf_database *store_database(struct store *store, const char *name, bool *out_new)
{
    struct conf *conf = &store->conf;
    unsigned at = index_of(&store->databases_by_name, name, conf->database_count, out_new);
    if (*out_new) {
        if (is_full(at))
            conf->databases = mem_resize(conf->databases, next_cap(at) * sizeof(*conf->databases));
        conf->database_count++;
        keys_init_database(&conf->databases[at], texts_copy(&store->texts, name));
        conf->databases[at].conf = conf;
    }
    return &conf->databases[at];
}

void store_database_like(struct conf_database *line, const struct conf_database *from)
{
    const struct conf *conf = line->conf;
    const char *name = line->name;
    *line = *from;
    line->conf = conf;
    line->name = name;
}

struct conf_user *store_user(struct store *store, const char *name, bool *out_new)
{
    struct conf *conf = &store->conf;
    unsigned at = index_of(&store->users_by_name, name, conf->user_count, out_new);
    if (*out_new) {
        if (is_full(at))
            conf->users = mem_resize(conf->users, next_cap(at) * sizeof(*conf->users));
        conf->user_count++;
        keys_init_user(&conf->users[at], texts_copy(&store->texts, name));
    }
    return &conf->users[at];
}

struct rule *store_rule(struct store *store, const char *name)
{
    for (unsigned i = 0; i < store->conf.rule_count; i++) {
        if (strcmp(store->conf.rules[i].name, name) == 0)
            return &store->conf.rules[i];
    }
    return NULL;
}

struct rule *store_rule_insert(struct store *store, unsigned at)
{
    struct conf *conf = &store->conf;
    ASSERT(at <= conf->rule_count);
    if (conf->rule_count == RULES_MAX)
        return NULL;
    if (!conf->rules)
        conf->rules = mem_zero(RULES_MAX, sizeof(*conf->rules));
    memmove(conf->rules + at + 1, conf->rules + at, (conf->rule_count - at) * sizeof(*conf->rules));
    conf->rule_count++;
    conf->rules[at] = (struct rule){0};
    return &conf->rules[at];
}

struct store *store_copy(const struct conf *conf)
{
    struct store *store = create_empty();
    struct texts *texts = &store->texts;
    bool is_new = false;
    for (unsigned i = 0; i < option_row_count; i++)
        option_copy(&store->conf.options, &conf->options, &option_rows[i], texts);
    store->conf.file = texts_copy(texts, conf->file);
    store->conf.loaded_at_ms = conf->loaded_at_ms;
    for (unsigned i = 0; i < conf->database_count; i++) {
        struct conf_database *database = store_database(store, conf->databases[i].name, &is_new);
        store_database_like(database, &conf->databases[i]);
        keys_copy_texts(database, keys_of_database, keys_of_database_count, texts);
    }
    for (unsigned i = 0; i < conf->user_count; i++) {
        struct conf_user *user = store_user(store, conf->users[i].name, &is_new);
        const char *name = user->name;
        *user = conf->users[i];
        user->name = name;
        user->secret = texts_copy(texts, user->secret);
    }
    for (unsigned i = 0; i < conf->rule_count; i++) {
        struct rule *rule = store_rule_insert(store, i);
        ASSERT(rule != NULL);
        *rule = conf->rules[i];
        rule_copy_texts(rule, texts);
    }
    return store;
}

/* The index + 1 of `name`, or 0. */
static uintptr_t number_of(const struct table *by_name, struct slice name)
{
    return (uintptr_t)table_get(by_name, name);
}

const struct conf_database *conf_database_find(const struct conf *conf, struct slice name)
{
    const struct store *store = (const struct store *)(const void *)conf;
    uintptr_t number = number_of(&store->databases_by_name, name);
    if (!number)
        number = number_of(&store->databases_by_name, slice_of_text("*"));
    return number ? &conf->databases[number - 1] : NULL;
}

const struct conf_user *conf_user_find(const struct conf *conf, struct slice name)
{
    const struct store *store = (const struct store *)(const void *)conf;
    uintptr_t number = number_of(&store->users_by_name, name);
    return number ? &conf->users[number - 1] : NULL;
}

_Static_assert(offsetof(struct store, conf) == 0, "a struct conf is its store's first field");
