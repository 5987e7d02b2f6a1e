/* libpq's own parser takes the DSN apart; nothing else of libpq is used in this folder. */
#include "dsn.h"

#include <libpq-fe.h>

#include "keys.h"
#include "option_table.h"
#include "value.h"

enum { DSN_MESSAGE_MAX = 200 };

struct dsn {
    struct store *store;
    struct place place;
    struct conf_mistakes *mistakes;
    struct conf_database database;
    bool has_address;
};

/* libpq quotes pieces of what it could not read, and those may be of a password. */
static void note_unreadable(struct dsn *dsn, const char *message)
{
    char text[DSN_MESSAGE_MAX];
    size_t len = 0;
    bool quoted = false;
    for (; message && *message && *message != '\n' && len + 4 < sizeof(text); message++) {
        if (*message == '"') {
            quoted = !quoted;
            len += (size_t)snprintf(text + len, 5, "%s", quoted ? "\"..." : "\"");
        } else if (!quoted) {
            text[len++] = *message;
        }
    }
    text[len] = 0;
    mistakes_add(dsn->mistakes, dsn->place, "libpq cannot read it: %s", text);
}

static void set_key(struct dsn *dsn, const char *name, const char *value)
{
    const struct key *key =
        keys_find(keys_of_database, keys_of_database_count, slice_of_text(name));
    ASSERT(key != NULL);
    keys_set(&dsn->database, key, value, &dsn->store->texts, dsn->place, dsn->mistakes);
}

static void set_sslmode(struct dsn *dsn, const char *value)
{
    int ignored = 0;
    if (value_read_name(value, "disable|allow|prefer", &ignored))
        mistakes_add(dsn->mistakes, dsn->place,
                     "sslmode=%s: TLS to the server is not supported yet", value);
}

static void set_timeout(struct dsn *dsn, const char *value)
{
    char why[OPTION_WHY_MAX];
    const struct option *option = option_find("server_connect_timeout");
    if (option_set(&dsn->store->conf.options, option, value, &dsn->store->texts, why))
        mistakes_add(dsn->mistakes, dsn->place, "connect_timeout: expected %s", why);
}

static void take(struct dsn *dsn, const char *name, const char *value)
{
    static const char *const same[] = {
        "port",   "target_session_attrs", "load_balance_hosts", "user", "password",
        "dbname", "client_encoding",      "application_name"};
    for (size_t i = 0; i < ARRAY_COUNT(same); i++) {
        if (strcmp(name, same[i]) == 0) {
            set_key(dsn, name, value);
            return;
        }
    }
    if (strcmp(name, "hostaddr") == 0) {
        set_key(dsn, "host", value);
        dsn->has_address = true;
    } else if (strcmp(name, "host") == 0) {
        if (!dsn->has_address)
            set_key(dsn, name, value);
    } else if (strcmp(name, "sslmode") == 0) {
        set_sslmode(dsn, value);
    } else if (strcmp(name, "connect_timeout") == 0) {
        set_timeout(dsn, value);
    } else if (strcmp(name, "options") == 0 || strcmp(name, "channel_binding") == 0 ||
               strcmp(name, "require_auth") == 0 || strcmp(name, "service") == 0 ||
               strcmp(name, "replication") == 0) {
        mistakes_add(dsn->mistakes, dsn->place, "%s: not supported in a DSN", name);
    } else {
        mistakes_note(dsn->place, "%s: without meaning here", name);
    }
}

static void store_as(struct dsn *dsn, const char *name)
{
    bool is_new = false;
    store_database_like(store_database(dsn->store, name, &is_new), &dsn->database);
}

/* hostaddr overrules host, whichever libpq lists first. */
static void take_all(struct dsn *dsn, const PQconninfoOption *infos)
{
    for (const PQconninfoOption *info = infos; info->keyword; info++) {
        if (info->val && strcmp(info->keyword, "hostaddr") == 0)
            take(dsn, info->keyword, info->val);
    }
    for (const PQconninfoOption *info = infos; info->keyword; info++) {
        if (info->val && strcmp(info->keyword, "hostaddr") != 0)
            take(dsn, info->keyword, info->val);
    }
}

void dsn_read(struct store *store, const char *text, struct place place,
              struct conf_mistakes *mistakes)
{
    struct dsn dsn = {.store = store, .place = place, .mistakes = mistakes};
    keys_init_database(&dsn.database, NULL);
    char *message = NULL;
    PQconninfoOption *infos = PQconninfoParse(text, &message);
    if (!infos) {
        note_unreadable(&dsn, message);
        PQfreemem(message);
        return;
    }
    take_all(&dsn, infos);
    PQconninfoFree(infos);
    /* "*" passes the client's own choice on: another name is another database of that server. */
    const char *name = dsn.database.dbname;
    if (name && *name)
        store_as(&dsn, name);
    dsn.database.dbname = NULL;
    store_as(&dsn, "*");
}
