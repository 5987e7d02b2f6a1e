/* What a session has set on its backend, as an immutable list: names with values, sorted by name.
 *
 * Equal lists are one object (interned), so "does this backend have what this session wants?" is the
 * comparison of two pointers. NULL is the empty list: a backend as it was after its login.
 *
 * A custom setting ("app.tenant") that is not set any more stays on the list as `gone`: a backend that
 * has once heard of it says '' where another says NULL, for the rest of its life.
 *
 * Ownership  Counted. Functions that return a list return a reference.
 * Threads    Any: references are atomic, the registry has a mutex.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/hash.h"

enum setting_form {
    SETTING_GONE,   /* custom, and reset: '' on the backend */
    SETTING_VALUE,  /* one text */
    SETTING_LISTED, /* items with a zero byte between them, each quoted by Postgres */
};

struct setting {
    struct slice name;
    struct slice value;
    enum setting_form form;
};

struct settings {
    _Atomic(unsigned) refs;
    unsigned count;
    /* Of everything that an answer can depend on; results is false when there is nothing of that. */
    bool results;
    struct hash128 results_hash;
    /* The same of what Parse may read constants by. 0: nothing. */
    uint64_t constants_hash;
    uint64_t names_hash; /* of what names of relations mean; 0: nothing */
    const char *bypass;  /* why such a session is never cached, or NULL; static text */
    bool custom;         /* it has custom settings, gone ones included */
    struct slice key;    /* the whole content in one text */
    struct setting list[];
};

enum {
    SETTINGS_MAX = 64, /* entries of one list, unless it was merged */
    SETTINGS_OVER_MAX = 33,
    SETTINGS_BYTES_MAX = 16 * 1024 /* names and values of one list */
};

struct settings *settings_ref(struct settings *settings); /* NULL is fine */
void settings_unref(struct settings *settings);           /* NULL is fine */

/* `from` with one more setting, or with another value of it, in *out.
 *
 * ERR_TOO_MANY  more than SETTINGS_MAX or SETTINGS_BYTES_MAX: *out is unchanged. */
MUST_USE enum err settings_with(const struct settings *from, const struct setting *setting,
                                struct settings **out);
/* `from` without this one. A custom one stays as gone, also if it was not there before; then the
 * limits of settings_with hold. */
MUST_USE enum err settings_without(const struct settings *from, struct slice name,
                                   struct settings **out);
/* After RESET ALL: the role and the session's user stay. After DISCARD ALL (`all`): nothing does but
 * what is gone. */
struct settings *settings_reset(const struct settings *from, bool all);

/* What a backend has to be given that lacks `over` (at most SETTINGS_OVER_MAX, no custom settings, no
 * roles) for a session that has set `own`: both, and where they name the same, own. */
struct settings *settings_merge(const struct settings *over, const struct settings *own);

const struct setting *settings_find(const struct settings *settings, const char *name);

/* True if a backend with the settings `has` can be made one with `wanted`. */
bool settings_reach(const struct settings *has, const struct settings *wanted);

/* Appends the Query text that makes a backend with `has` one with `wanted`: one statement list, which
 * Postgres does as a whole or not at all. If any of it fails, the backend ends its connection
 * (exit_on_error), so that nothing that was sent behind it can run under other settings. */
void settings_replay(const struct settings *has, const struct settings *wanted, struct buf *out);

/* Appends "SET name TO value" (LOCAL: up to the end of the transaction) for one setting, without a
 * semicolon: one statement. */
void settings_put_set(const struct setting *setting, bool local, struct buf *out);

/* The signature of a session with these settings, on top of what its backend was after the login. */
struct hash128 settings_signature(struct hash128 base, const struct settings *settings);

/* How many different lists there are. */
unsigned settings_registry_count(void);
