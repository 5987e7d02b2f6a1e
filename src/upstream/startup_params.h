/* The parameters of a StartupMessage taken apart: what SET can give a backend later, and what only its
 * login can. */
#pragma once

#include "base/buf.h"
#include "upstream/settings.h"

enum { STARTUP_SETS_MAX = SETTINGS_OVER_MAX - 1 /* with more, all are left to the login */ };

struct startup_params {
    struct buf plain;      /* pairs, without application_name */
    struct buf base;       /* pairs, without all that can be set */
    struct settings *sets; /* what `plain` sets and `base` does not, a reference */
    struct settings
        *name; /* application_name alone, a reference; NULL: the client did not send it */
};

/* `params`: name\0value\0 pairs, as struct profile has them. When in doubt nothing can be set: plain
 * and base are `params`. */
void startup_params_split(struct slice params, struct startup_params *out);
void startup_params_fini(struct startup_params *params);
