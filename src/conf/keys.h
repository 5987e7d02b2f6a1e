/* The keys of a line of [databases] or [users], each once: name, type, field, prose. */
#pragma once

#include "conf/conf.h"
#include "mistakes.h"
#include "texts.h"

enum key_type {
    KEY_TEXT,
    KEY_SECRET,    /* a text that is never shown */
    KEY_HOST,      /* hosts, or directories for a Unix socket, with commas */
    KEY_PORTS,     /* 1 to 65535 each, with commas; of a database: sets `port`, too */
    KEY_ATTRS,     /* an enum target_attrs */
    KEY_BALANCE,   /* an enum load_balance */
    KEY_COUNT,     /* 0 to KEY_COUNT_MAX, -1 when not given */
    KEY_DURATION,  /* int64_t of milliseconds, -1 when not given */
    KEY_POOL_MODE, /* an enum pool_mode, -1 when not given */
    KEY_SWITCH,    /* 1 or 0, -1 when not given */
};

enum { KEY_COUNT_MAX = 100000 };

struct key {
    const char *name;
    enum key_type type;
    size_t offset; /* in struct conf_database or struct conf_user */
    const char *prose;
};

extern const struct key keys_of_database[];
extern const unsigned keys_of_database_count;
extern const struct key keys_of_user[];
extern const unsigned keys_of_user_count;

const struct key *keys_find(const struct key *keys, unsigned count, struct slice name);

/* hosts.c: what was expected instead, or NULL. */
const char *hosts_expected(const char *hosts);
const char *ports_expected(const char *ports, int *out_first);
/* What is wrong with hosts and ports together, or NULL. */
const char *hosts_mistake(const struct conf_database *database);

/* Sets one field of `line` (the struct the key belongs to); a mistake is written and changes
 * nothing. */
void keys_set(void *line, const struct key *key, const char *value, struct texts *texts,
              struct place place, struct conf_mistakes *mistakes);

/* Gives every text of `line` a copy in `texts`. */
void keys_copy_texts(void *line, const struct key *keys, unsigned count, struct texts *texts);

/* A struct in which nothing is given. */
void keys_init_database(struct conf_database *database, const char *name);
void keys_init_user(struct conf_user *user, const char *name);
