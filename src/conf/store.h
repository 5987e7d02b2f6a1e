/* A struct conf with everything it owns around it.
 *
 * Ownership  Destroyed as one. Whoever has the struct conf has the store: it is its first field.
 * Threads    One while it is made; read-only afterwards, so any number then.
 */
#pragma once

#include <stdatomic.h>

#include "base/table.h"
#include "conf/conf.h"
#include "texts.h"

struct store {
    struct conf conf;
    struct texts texts;
    struct table databases_by_name; /* index + 1, as a pointer: the arrays still grow */
    struct table users_by_name;
    _Atomic(unsigned) refs; /* one of whoever made it or of current.c, and those of conf_ref */
    struct store *older;    /* in the list of those that were current before; see current.c */
};

/* With every option at its default, and no databases or users. */
struct store *store_create(void);
void store_destroy(struct store *store); /* the last reference */

/* A copy that can be changed. */
struct store *store_copy(const struct conf *conf);

/* The line of that name; a new one in which nothing is given when there was none (then *out_new).
 * Good until the next of its kind is added. */
struct conf_database *store_database(struct store *store, const char *name, bool *out_new);
/* Everything of `from` but its name; texts are not copied. */
void store_database_like(struct conf_database *line, const struct conf_database *from);
struct conf_user *store_user(struct store *store, const char *name, bool *out_new);

/* The rule of that name, or NULL; and room for a new one at index `at`, or NULL when there are
 * RULES_MAX. */
struct rule *store_rule(struct store *store, const char *name);
struct rule *store_rule_insert(struct store *store, unsigned at);
