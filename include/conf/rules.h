/* Rules: what the operator says about statements, whatever the proof says of them.
 *
 * A rule has matchers (database, role, table, shape; one that is not given matches all) and says what
 * is done with what it matches. The first rule that matches decides, alone: those behind it are not
 * looked at. Rules added on the console stand before those of the file.
 *
 * Ownership  Rules belong to their struct conf; their counts to the process, by name, so that they
 *            go on over a reload.
 * Threads    Rules are immutable. Counts are atomics, in stripes: each worker has its own line.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/hash.h"
#include "base/slice.h"

/* X(NAME, name in texts, prose) */
#define RULE_ACTIONS(X)                                                                            \
    X(CACHE, "cache",                                                                              \
      "as without a rule; for `window` and `namespace`, and to except something "                  \
      "from the rules behind it")                                                                  \
    X(NEVER, "never", "always ask the server, and keep nothing")                                   \
    X(OBSERVE, "observe",                                                                          \
      "always ask the server, but keep answers and count what would have been "                    \
      "a hit")                                                                                     \
    X(FORCE, "force",                                                                              \
      "cache also what is refused for a function, an operator, a type or the time; "               \
      "never what writes, locks rows, has row security or changes the session")
#define RULE_ACTION_ENUM(name, text, prose) RULE_##name,
enum rule_action { RULE_ACTIONS(RULE_ACTION_ENUM) RULE_ACTION_COUNT };
#undef RULE_ACTION_ENUM

enum {
    RULES_MAX = 64,          /* a set of rules is one word */
    RULE_NAMESPACE_MAX = 63, /* bytes of a namespace's name */
    RULE_COUNTS_MAX = 1024,  /* names that are counted apart; later ones share */
    RULE_STRIPES = 16,
    RULE_WINDOW_LEAST_MS = 100,
    RULE_WINDOW_GREATEST_MS = 86400000,
    RULE_SHAPE_DIGITS = 32
};

struct rule_counts {
    struct {
        _Atomic(uint64_t) applied; /* statements that it decided */
        _Atomic(uint64_t) hits;    /* served from the cache, or (observe) would have been */
        uint64_t room[6];          /* up to a cache line */
    } stripes[RULE_STRIPES];
};

struct rule {
    const char *name;
    const char *database;   /* as clients call it; NULL: any */
    const char *role;       /* that logged in; NULL: any */
    const char *table;      /* "name" or "schema.name"; NULL: any */
    const char *name_space; /* NULL: none */
    bool has_shape;
    bool added; /* on the console */
    struct hash128 shape;
    enum rule_action action;
    uint32_t window_ms; /* 0: not given */
    struct rule_counts *counts;
};

const char *rule_action_text(enum rule_action action);

/* The keys of a rule as a line of the file would have them: "table=a.b action=never". */
void rule_text(const struct rule *rule, char *out, size_t out_len);

/* 32 hex digits, as EXPLAIN CACHE shows a shape. */
void rule_shape_text(struct hash128 shape, char out[RULE_SHAPE_DIGITS + 1]);

/* A window: "500ms", "30s", "5min" (or "5m"), "1h"; a bare number is seconds. False: none, or not
 * between the two limits. */
bool rule_window_read(struct slice text, uint32_t *out_ms);

/* Letters, digits and _.- up to RULE_NAMESPACE_MAX bytes. */
bool rule_namespace_is_valid(struct slice name);

static inline void rule_count(struct rule_counts *counts, unsigned stripe, bool hit)
{
    unsigned at = stripe % RULE_STRIPES;
    atomic_fetch_add_explicit(hit ? &counts->stripes[at].hits : &counts->stripes[at].applied, 1,
                              memory_order_relaxed);
}

uint64_t rule_counts_applied(const struct rule_counts *counts);
uint64_t rule_counts_hits(const struct rule_counts *counts);
