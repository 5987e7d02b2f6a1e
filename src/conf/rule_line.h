/* One line of [rules], and the same text on the console. */
#pragma once

#include "conf/rules.h"
#include "mistakes.h"
#include "texts.h"

/* X(key, type in the manual, prose) */
#define RULE_KEYS(X)                                                                               \
    X(database, "text", "Only statements to this database, by the name that clients use.")         \
    X(role, "text", "Only statements of clients that logged in as this role.")                     \
    X(table, "text",                                                                               \
      "Only statements that read this table, `schema.name`, or `name` in any schema: directly, "   \
      "through a view, or through any partition of it. Views have no names here.")                 \
    X(shape, "hex digits", "Only statements of this shape, as EXPLAIN CACHE shows it.")            \
    X(action, "name", "`cache`, `never`, `observe` or `force`. Not given: `cache`.")               \
    X(window, "time",                                                                              \
      "In place of `cache_window`: the longest life of such answers, 100ms to 1d.")                \
    X(namespace, "text",                                                                           \
      "Such answers are kept apart under this name, and FLUSH NAMESPACE drops them alone.")

/* Reads `text` ("key=value ...") into *out, with texts that `texts` owns. False: the mistakes were
 * written, *out is not to be used. */
bool rule_read(const char *name, const char *text, struct texts *texts, struct place place,
               struct conf_mistakes *mistakes, struct rule *out);

/* Gives each text of `rule` a copy in `texts`. */
void rule_copy_texts(struct rule *rule, struct texts *texts);
