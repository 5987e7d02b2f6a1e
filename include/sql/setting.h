/* What a statement does to the settings of its session: SET, RESET, set_config and savepoints, read
 * from the text. Whoever keeps a session's settings asks here after a verdict with EFFECT_TRACK.
 *
 * What is read is what Postgres would hand to its own set_config_option: the name in lower case, the
 * value as text. A statement that leaves doubt (FROM CURRENT, a value that is computed, a setting whose
 * meaning depends on others) is not read: the caller then has to treat the session as changed in a way
 * that nobody knows. Several statements are split first and read one by one.
 *
 * Threads  libpg_query keeps its state per thread; see verdict_prove.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

enum setting_kind {
    SETTING_SET,         /* name to value, for the session */
    SETTING_RESET,       /* name to its default */
    SETTING_RESET_ALL,   /* all but the role and the session's user */
    SETTING_LOCAL,       /* name, up to the end of the transaction; value NULL: not known */
    SETTING_SAVEPOINT,   /* name: that of the savepoint, as in the next two */
    SETTING_RELEASE,     /* of a savepoint */
    SETTING_ROLLBACK_TO, /* a savepoint */
};

/* One change. Texts belong to the list. */
struct setting_change {
    enum setting_kind kind;
    bool
        listed; /* SETTING_SET of search_path and its like by SET: the value is its items, with a zero
                  * byte between them, because Postgres quotes them one by one */
    bool resets;        /* to the default */
    bool called;        /* by set_config, which says what has become of it */
    bool unsure;        /* for the keeper of the list: nobody knows what it sets, if it succeeds */
    uint16_t statement; /* of its text, from 0 */
    char *name;
    char *value;
    size_t value_len;
};

enum {
    SETTING_CHANGES_MAX = 32,    /* of one text */
    SETTING_STATEMENTS_MAX = 64, /* in one text */
    SETTING_PARAMS_MAX = 16,     /* $1 .. $16 */
    SETTING_NAME_MAX = 128
};

struct setting_changes {
    unsigned count;
    bool several;  /* of a text of several statements, each of which is completed by itself */
    uint16_t done; /* statements of the text that are completed */
    struct setting_change list[SETTING_CHANGES_MAX];
};

/* A parameter of Bind that is known to be text (or, of one byte or a word, a boolean). */
struct setting_param {
    bool known;
    bool null;
    struct slice value;
};

/* Reads one statement; NULL if it leaves doubt or is none of these. The caller destroys the list. */
struct setting_changes *setting_read(struct slice text, const struct setting_param *params,
                                     unsigned param_count);
void setting_changes_destroy(struct setting_changes *changes); /* NULL is fine */
/* Takes all changes of `from`, which is destroyed, as those of statement number `statement`. False: they
 * are too many, nothing was added, and `from` is destroyed, too. */
bool setting_changes_add(struct setting_changes *to, struct setting_changes *from,
                         unsigned statement);

/* The statements of a text as Postgres' parser parts them, with the comments before each. Returns how
 * many; 0 if there is none, the parser does not take the text, or there are too many. */
unsigned setting_split(struct slice text, struct slice out[SETTING_STATEMENTS_MAX]);

/* True for a setting that no code of Postgres has: "app.tenant". It stays known to a backend, as an
 * empty text, after it has been reset. */
bool setting_is_custom(struct slice name);

/* True if no answer can depend on this setting, but for the order of rows that have none: planner,
 * time-outs, memory, logging. */
bool setting_is_harmless(struct slice name);

/* True if this setting cannot change how a constant in a prepared text is read at its Parse. */
bool setting_keeps_constants(struct slice name);

/* True if every role may set it: it is replayed as the login role, whoever has set it. */
bool setting_is_for_all(struct slice name);

/* True if this setting, given with the StartupMessage, can as well be given by SET behind the login: any
 * role may, at any time, and the same values are taken. Such a value never becomes invalid (as the name of
 * a tablespace does), and it harms nobody while the backend is idle. */
bool setting_follows_login(struct slice name, struct slice value);
