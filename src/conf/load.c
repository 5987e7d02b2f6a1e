/* Loading: defaults, then the file, the environment, the command line, the DSN, the auth_file, and
 * at last the rules that look at everything together. */
#include <ctype.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "check.h"
#include "dsn.h"
#include "file.h"
#include "foreign.h"
#include "ini.h"
#include "keys.h"
#include "option_table.h"
#include "pairs.h"
#include "rule_line.h"
#include "store.h"
#include "userlist.h"

#define ENVIRONMENT_PREFIX "PGRECALL_"

enum section {
    SECTION_NONE,
    SECTION_OPTIONS,
    SECTION_DATABASES,
    SECTION_USERS,
    SECTION_RULES,
    SECTION_PEERS
};

struct loader {
    struct store *store;
    struct conf_mistakes *mistakes;
    struct place *places; /* where each option was given, by option_index; file NULL: nowhere */
    enum section section;
};

static void set_option(struct loader *loader, struct place place, const char *name,
                       const char *value)
{
    const struct option *option = option_find(name);
    if (!option) {
        if (!foreign_take(FOREIGN_GENERAL, name, value, place, loader->mistakes))
            mistakes_add(loader->mistakes, place, "%s: unknown option", name);
        return;
    }
    char why[OPTION_WHY_MAX];
    enum err err =
        option_set(&loader->store->conf.options, option, value, &loader->store->texts, why);
    if (err)
        mistakes_add(loader->mistakes, place, "%s: \"%s\": expected %s", name, value, why);
    place.file = texts_copy(&loader->store->texts, place.file);
    loader->places[option_index(option)] = place;
}

/* One line of [databases] or [users]. */
struct pairs_target {
    void *line;
    const struct key *keys;
    unsigned key_count;
    enum foreign_scope scope;
    const char *name;
};

static void set_pair(struct loader *loader, struct place place, const struct pairs_target *target,
                     struct slice key_name, const char *value)
{
    const struct key *key = keys_find(target->keys, target->key_count, key_name);
    if (key) {
        keys_set(target->line, key, value, &loader->store->texts, place, loader->mistakes);
        return;
    }
    char *name = mem_text_n(key_name.data, key_name.len);
    if (!foreign_take(target->scope, name, value, place, loader->mistakes))
        mistakes_add(loader->mistakes, place, "%s: unknown key %s", target->name, name);
    mem_free(name);
}

static void set_pairs(struct loader *loader, struct place place, const struct pairs_target *target,
                      const char *text)
{
    struct slice rest = slice_of_text(text), key;
    struct buf value;
    buf_init(&value);
    enum err err = ERR_OK;
    while ((err = pairs_next(&rest, &key, &value)) == ERR_OK)
        set_pair(loader, place, target, key, (const char *)buf_head(&value));
    if (err == ERR_MALFORMED)
        mistakes_add(loader->mistakes, place, "%s: expected key=value or key='value' pairs",
                     target->name);
    buf_fini(&value);
}

static void set_database(struct loader *loader, const struct ini_line *line)
{
    bool is_new = false;
    struct conf_database *database = store_database(loader->store, line->key, &is_new);
    if (!is_new) {
        mistakes_note(line->place, "%s: given before; the last one counts", line->key);
        keys_init_database(database, database->name);
    }
    struct pairs_target target = {database, keys_of_database, keys_of_database_count,
                                  FOREIGN_DATABASE, line->key};
    set_pairs(loader, line->place, &target, line->value);
}

static void set_user(struct loader *loader, const struct ini_line *line)
{
    bool is_new = false;
    struct conf_user *user = store_user(loader->store, line->key, &is_new);
    if (!is_new) {
        mistakes_note(line->place, "%s: given before; the last one counts", line->key);
        keys_init_user(user, user->name);
    }
    struct pairs_target target = {user, keys_of_user, keys_of_user_count, FOREIGN_USER, line->key};
    set_pairs(loader, line->place, &target, line->value);
}

static void set_rule(struct loader *loader, const struct ini_line *line)
{
    struct store *store = loader->store;
    struct rule rule;
    if (!rule_read(line->key, line->value, &store->texts, line->place, loader->mistakes, &rule))
        return;
    if (store_rule(store, line->key)) { /* which of the two comes first would not be plain */
        mistakes_add(loader->mistakes, line->place, "%s: there is a rule of that name", line->key);
        return;
    }
    struct rule *place = store_rule_insert(store, store->conf.rule_count);
    if (place)
        *place = rule;
    else
        mistakes_add(loader->mistakes, line->place, "%s: more than %d rules", line->key, RULES_MAX);
}

static bool on_section(void *context, struct place place, const char *name)
{
    static const struct {
        const char *name;
        enum section section;
    } sections[] = {{"pgrecall", SECTION_OPTIONS},    {"pgbouncer", SECTION_OPTIONS},
                    {"databases", SECTION_DATABASES}, {"users", SECTION_USERS},
                    {"rules", SECTION_RULES},         {"peers", SECTION_PEERS}};
    struct loader *loader = context;
    for (size_t i = 0; i < ARRAY_COUNT(sections); i++) {
        if (strcmp(sections[i].name, name) != 0)
            continue;
        loader->section = sections[i].section;
        if (loader->section == SECTION_PEERS)
            mistakes_note(place, "[peers]: a section of PgBouncer without meaning here");
        return loader->section != SECTION_PEERS;
    }
    mistakes_add(loader->mistakes, place,
                 "[%s]: unknown section: there are [databases], [users], [rules] and [pgrecall]",
                 name);
    return false;
}

static void on_line(void *context, const struct ini_line *line)
{
    struct loader *loader = context;
    switch (loader->section) {
    case SECTION_OPTIONS:
        set_option(loader, line->place, line->key, line->value);
        break;
    case SECTION_DATABASES:
        set_database(loader, line);
        break;
    case SECTION_USERS:
        set_user(loader, line);
        break;
    case SECTION_RULES:
        set_rule(loader, line);
        break;
    case SECTION_NONE:
    case SECTION_PEERS:
        break;
    }
}

/* PGRECALL_LISTEN_PORT and so on. Other names with that prefix are not ours to judge. */
static void read_environment(struct loader *loader)
{
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option *option = &option_rows[i];
        if (option->type == OPTION_GROUP)
            continue;
        char name[64];
        size_t len = (size_t)snprintf(name, sizeof(name), "%s%s", ENVIRONMENT_PREFIX, option->name);
        ASSERT(len < sizeof(name));
        for (size_t at = 0; at < len; at++)
            name[at] = (char)toupper((unsigned char)name[at]);
        const char *value = getenv(name);
        if (value)
            set_option(loader, (struct place){name, 0}, option->name, value);
    }
}

static void read_overrides(struct loader *loader, const struct conf_override *overrides,
                           unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char place[80];
        snprintf(place, sizeof(place), "--%s", overrides[i].name);
        set_option(loader, (struct place){place, 0}, overrides[i].name, overrides[i].value);
    }
}

static void on_user(void *context, const char *name, const char *secret)
{
    struct store *store = context;
    bool is_new = false;
    store_user(store, name, &is_new)->secret = texts_copy(&store->texts, secret);
}

/* Reads options.auth_file, when there is one. */
static void read_auth_file(struct store *store, struct place place, struct conf_mistakes *mistakes)
{
    const char *path = store->conf.options.auth_file;
    if (!*path)
        return;
    struct buf text;
    buf_init(&text);
    enum err err = file_read(path, &text);
    if (err)
        mistakes_add(mistakes, place, "auth_file: %s: %s", path, file_err_text(err));
    else
        userlist_read(slice_of(buf_head(&text), buf_len(&text)), path, on_user, store, mistakes);
    buf_fini(&text);
}

static struct place place_of(const struct loader *loader, const char *name)
{
    struct place place = loader->places[option_index(option_find(name))];
    return place.file ? place : (struct place){"default", 0};
}

enum err conf_load(const char *file, const char *dsn, const struct conf_override *overrides,
                   unsigned override_count, struct conf **out, struct conf_mistakes *mistakes)
{
    struct loader loader = {.store = store_create(), .mistakes = mistakes};
    loader.places = mem_zero(option_row_count, sizeof(*loader.places));
    unsigned mistakes_before = mistakes->count;
    if (file) {
        struct ini_events events = {on_section, on_line, &loader};
        loader.store->conf.file = texts_copy(&loader.store->texts, file);
        ini_read(file, &events, mistakes);
    }
    read_environment(&loader);
    read_overrides(&loader, overrides, override_count);
    if (dsn) {
        dsn_read(loader.store, dsn, (struct place){"DSN", 0}, mistakes);
        check_dsn_auth(&loader.store->conf, loader.places, mistakes);
    }
    read_auth_file(loader.store, place_of(&loader, "auth_file"), mistakes);
    check_conf(&loader.store->conf, loader.places, mistakes);
    mem_free(loader.places);
    if (mistakes->count != mistakes_before) {
        store_destroy(loader.store);
        return ERR_INVALID;
    }
    loader.store->conf.loaded_at_ms = clock_wall_ms();
    *out = &loader.store->conf;
    return ERR_OK;
}

enum err conf_set(const struct conf *conf, const char *name, const char *value, struct conf **out)
{
    const struct option *option = option_find(name);
    if (!option)
        return ERR_NOT_FOUND;
    if (!option->reloadable)
        return ERR_UNSUPPORTED;
    char why[OPTION_WHY_MAX];
    struct store *store = store_copy(conf);
    enum err err = option_set(&store->conf.options, option, value, &store->texts, why);
    struct conf_mistakes mistakes = {0};
    if (!err) {
        bool is_auth_file = option->offset == offsetof(struct options, auth_file);
        for (unsigned i = 0; is_auth_file && i < store->conf.user_count; i++)
            store->conf.users[i].secret = NULL;
        if (is_auth_file)
            read_auth_file(store, (struct place){"SET", 0}, &mistakes);
        check_conf(&store->conf, NULL, &mistakes);
        err = mistakes.count ? ERR_INVALID : ERR_OK;
    }
    conf_mistakes_fini(&mistakes);
    if (err) {
        store_destroy(store);
        return err;
    }
    *out = &store->conf;
    return ERR_OK;
}

enum err conf_rule_add(const struct conf *conf, const char *name, const char *pairs,
                       struct conf **out, struct conf_mistakes *mistakes)
{
    struct store *store = store_copy(conf);
    struct rule rule;
    enum err err = ERR_OK;
    if (store_rule(store, name))
        err = ERR_EXISTS;
    else if (!rule_read(name, pairs, &store->texts, (struct place){"RULE ADD", 0}, mistakes, &rule))
        err = ERR_INVALID;
    struct rule *first = err ? NULL : store_rule_insert(store, 0);
    if (!err && !first)
        err = ERR_TOO_MANY;
    if (err) {
        store_destroy(store);
        return err;
    }
    rule.added = true;
    *first = rule;
    *out = &store->conf;
    return ERR_OK;
}

enum err conf_rule_drop(const struct conf *conf, const char *name, struct conf **out)
{
    struct store *store = store_copy(conf);
    struct rule *rule = store_rule(store, name);
    if (!rule) {
        store_destroy(store);
        return ERR_NOT_FOUND;
    }
    struct rule *end = store->conf.rules + store->conf.rule_count--;
    memmove(rule, rule + 1, (size_t)(end - rule - 1) * sizeof(*rule));
    *out = &store->conf;
    return ERR_OK;
}
