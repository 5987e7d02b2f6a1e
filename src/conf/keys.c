/* The two tables of keys, and fields reached by offset and type. */
#include "keys.h"

#include "option_table.h"
#include "value.h"

enum { PORT_DEFAULT = 5432, NOT_GIVEN = -1 };
#define KEY_DURATION_MAX_MS 2592000000u /* 30 days, as for options */

#define DATABASE(name_, type_, prose_)                                                             \
    {                                                                                              \
#name_, KEY_##type_, offsetof(struct conf_database, name_), (prose_)                       \
    }
#define USER(name_, type_, prose_)                                                                 \
    {                                                                                              \
#name_, KEY_##type_, offsetof(struct conf_user, name_), (prose_)                           \
    }

const struct key keys_of_database[] = {
    DATABASE(host, HOST,
             "A host name or address, or the directory of a Unix socket; or several with commas, "
             "tried in turn. Not given: the Unix socket in `/var/run/postgresql`."),
    {"port", KEY_PORTS, offsetof(struct conf_database, ports),
     "The server's port; with several hosts one for all, or one for each, with commas. Not given: "
     "5432."},
    DATABASE(
        target_session_attrs, ATTRS,
        "Which of the hosts will do: `any` (the default), `read-write`, `read-only`, `primary`, "
        "`standby`, `prefer-standby`, as libpq has it. A server that will not do is passed "
        "over."),
    DATABASE(load_balance_hosts, BALANCE,
             "With which of the hosts a new server connection begins: `disable` (the default) with "
             "the one that worked last, `round-robin` (PgBouncer's default) and `random` with "
             "another one each time. While server connections of a database lead to different "
             "servers nothing of it is cached, so that these two are for pools without a cache."),
    DATABASE(dbname, TEXT,
             "The database's name on the server. Not given: the name that the "
             "client asked for."),
    DATABASE(user, TEXT, "Log in to the server as this role, whoever the client is."),
    DATABASE(password, SECRET,
             "The password of `user`, or of any role whose password is not "
             "known from `auth_file`."),
    DATABASE(control_user, TEXT,
             "The role that reads the catalog; overrules the option of that "
             "name."),
    DATABASE(control_password, SECRET, "The password of `control_user`."),
    DATABASE(client_encoding, TEXT, "Set for each client that does not ask for one itself."),
    DATABASE(datestyle, TEXT, "As `client_encoding`."),
    DATABASE(timezone, TEXT, "As `client_encoding`."),
    DATABASE(application_name, TEXT, "As `client_encoding`."),
    DATABASE(connect_query, TEXT, "Sent to each new server connection before it is used."),
    DATABASE(pool_size, COUNT, "Overrules `default_pool_size`."),
    DATABASE(min_pool_size, COUNT, "Overrules the option of that name."),
    DATABASE(reserve_pool_size, COUNT, "Overrules the option of that name."),
    {"reserve_pool", KEY_COUNT, offsetof(struct conf_database, reserve_pool_size),
     "An older name of `reserve_pool_size`."},
    DATABASE(max_db_connections, COUNT, "Overrules the option of that name."),
    DATABASE(max_db_client_connections, COUNT, "Overrules the option of that name."),
    DATABASE(server_lifetime, DURATION, "Overrules the option of that name."),
    DATABASE(pool_mode, POOL_MODE, "Overrules the option of that name."),
    DATABASE(cache, SWITCH, "Overrules the option of that name."),
};
const unsigned keys_of_database_count = ARRAY_COUNT(keys_of_database);

const struct key keys_of_user[] = {
    USER(pool_mode, POOL_MODE, "Overrules the database's and the option of that name."),
    USER(pool_size, COUNT, "Overrules the database's and `default_pool_size`."),
    USER(reserve_pool_size, COUNT, "Overrules the database's and the option of that name."),
    USER(max_user_connections, COUNT, "Overrules the option of that name."),
    USER(max_user_client_connections, COUNT, "Overrules the option of that name."),
    USER(query_timeout, DURATION, "Overrules the option of that name."),
    USER(transaction_timeout, DURATION, "Overrules the option of that name."),
    USER(idle_transaction_timeout, DURATION, "Overrules the option of that name."),
    USER(client_idle_timeout, DURATION, "Overrules the option of that name."),
};
const unsigned keys_of_user_count = ARRAY_COUNT(keys_of_user);

const struct key *keys_find(const struct key *keys, unsigned count, struct slice name)
{
    for (unsigned i = 0; i < count; i++) {
        if (slice_is(name, keys[i].name))
            return &keys[i];
    }
    return NULL;
}

static bool read_number(const char *value, int64_t least, int64_t greatest, int *out)
{
    int64_t number = 0;
    if (value_read_int(value, &number) || number < least || number > greatest)
        return false;
    *out = (int)number;
    return true;
}

static const char *set_duration(int64_t *field, const char *value)
{
    uint64_t ms = 0;
    if (value_read_duration(value, &ms) || ms > KEY_DURATION_MAX_MS)
        return "a time such as 30s, 50ms, 5min, 1h; without unit: seconds";
    *field = (int64_t)ms;
    return NULL;
}

/* What is expected instead of `value`; NULL: it was set. */
static const char *set_number(void *field, const struct key *key, const char *value)
{
    bool on = false;
    switch (key->type) {
    case KEY_ATTRS:
        return value_read_name(value, TARGET_ATTRS_NAMES, field)
                   ? "any, read-write, read-only, primary, standby or prefer-standby"
                   : NULL;
    case KEY_BALANCE:
        return value_read_name(value, LOAD_BALANCE_NAMES, field) ? "disable, round-robin or random"
                                                                 : NULL;
    case KEY_COUNT: {
        int least = strcmp(key->name, "pool_size") == 0; /* a pool of none would serve nobody */
        return read_number(value, least, KEY_COUNT_MAX, field) ? NULL
               : least                                         ? "1 to 100000"
                                                               : "0 to 100000";
    }
    case KEY_POOL_MODE:
        return value_read_name(value, option_find("pool_mode")->names, field)
                   ? "transaction, session or statement"
                   : NULL;
    case KEY_SWITCH:
        if (value_read_bool(value, &on))
            return "on or off";
        *(int *)field = on;
        return NULL;
    case KEY_DURATION:
        return set_duration(field, value);
    case KEY_TEXT:
    case KEY_SECRET:
    case KEY_HOST:
    case KEY_PORTS:
        break;
    }
    return NULL;
}

static bool is_text(const struct key *key)
{
    return key->type == KEY_TEXT || key->type == KEY_SECRET || key->type == KEY_HOST ||
           key->type == KEY_PORTS;
}

/* What is expected instead of a text; NULL: it is fine. */
static const char *text_expected(void *line, const struct key *key, const char *value)
{
    if (key->type == KEY_HOST)
        return hosts_expected(value);
    if (key->type == KEY_PORTS)
        return ports_expected(value, &((struct conf_database *)line)->port);
    return NULL;
}

void keys_set(void *line, const struct key *key, const char *value, struct texts *texts,
              struct place place, struct conf_mistakes *mistakes)
{
    void *field = (char *)line + key->offset;
    const char *expected =
        is_text(key) ? text_expected(line, key, value) : set_number(field, key, value);
    if (expected)
        mistakes_add(mistakes, place, "%s: \"%s\": expected %s", key->name, value, expected);
    else if (is_text(key))
        *(const char **)field = *value || key->type != KEY_HOST ? texts_copy(texts, value) : NULL;
}

void keys_copy_texts(void *line, const struct key *keys, unsigned count, struct texts *texts)
{
    for (unsigned i = 0; i < count; i++) {
        if (!is_text(&keys[i]))
            continue;
        const char **field = (const char **)(void *)((char *)line + keys[i].offset);
        *field = texts_copy(texts, *field);
    }
}

void keys_init_database(struct conf_database *database, const char *name)
{
    *database = (struct conf_database){
        .name = name,
        .port = PORT_DEFAULT,
        .pool_size = NOT_GIVEN,
        .min_pool_size = NOT_GIVEN,
        .reserve_pool_size = NOT_GIVEN,
        .max_db_connections = NOT_GIVEN,
        .max_db_client_connections = NOT_GIVEN,
        .server_lifetime = NOT_GIVEN,
        .pool_mode = NOT_GIVEN,
        .cache = NOT_GIVEN,
    };
}

void keys_init_user(struct conf_user *user, const char *name)
{
    *user = (struct conf_user){
        .name = name,
        .pool_size = NOT_GIVEN,
        .reserve_pool_size = NOT_GIVEN,
        .pool_mode = NOT_GIVEN,
        .max_user_connections = NOT_GIVEN,
        .max_user_client_connections = NOT_GIVEN,
        .query_timeout = NOT_GIVEN,
        .transaction_timeout = NOT_GIVEN,
        .idle_transaction_timeout = NOT_GIVEN,
        .client_idle_timeout = NOT_GIVEN,
    };
}
