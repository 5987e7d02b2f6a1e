/* The rows of conf/options.def, and the one way to set or show a value through them. */
#pragma once

#include "base/err.h"
#include "conf/options.h"
#include "texts.h"

enum option_type {
    OPTION_BOOL,
    OPTION_INT,
    OPTION_DURATION,
    OPTION_SIZE,
    OPTION_TEXT,
    OPTION_ENUM,
    OPTION_GROUP, /* not an option: a heading; `prose` is its title */
};

struct option {
    const char *name;
    enum option_type type;
    size_t offset; /* of the field in struct options */
    const char *default_value;
    uint64_t least; /* of numbers, in the field's unit */
    uint64_t greatest;
    const char *names; /* of an ENUM, separated by '|' */
    bool secret;       /* never shown */
    bool reloadable;
    const char *prose;
};

/* All rows, headings included. */
extern const struct option option_rows[];
extern const unsigned option_row_count;

/* The row of that name, or NULL. '-' stands for '_' as well, for the command line. */
const struct option *option_find(const char *name);
unsigned option_index(const struct option *option); /* in option_rows */

enum { OPTION_WHY_MAX = 160 };

/* Sets one field; a text is copied into `texts`.
 *
 * ERR_INVALID, ERR_RANGE  `out_why` says what would be accepted; nothing was changed. */
MUST_USE enum err option_set(struct options *options, const struct option *option,
                             const char *value, struct texts *texts, char out_why[OPTION_WHY_MAX]);

/* The value as text: of `options`, or in a buffer of this thread that the next call writes over.
 * A secret is shown as stars, or "" when there is none. */
const char *option_text(const struct options *options, const struct option *option);

bool option_is_same(const struct options *a, const struct options *b, const struct option *option);

/* Gives `to` the value of `from`; a text is copied into `texts`. */
void option_copy(struct options *to, const struct options *from, const struct option *option,
                 struct texts *texts);

/* Sets every field to its default. */
void option_defaults(struct options *options, struct texts *texts);

/* "0 to 64", "10ms to 1h", "fast or strict": what `option` accepts, or "". */
void option_range_text(const struct option *option, char out[OPTION_WHY_MAX]);
