/* DateStyle is two settings in one, how dates are written and in which order they are read; SET may
 * name either. */
#pragma once

#include "base/err.h"
#include "base/slice.h"

enum { DATESTYLE_MAX = 24 };

/* What DateStyle shows after `value` was set while it showed `now` ("ISO, MDY").
 *
 * ERR_INVALID  Postgres would refuse it, or it needs to know more (DEFAULT): out is unchanged. */
MUST_USE enum err datestyle_join(struct slice now, struct slice value, char out[DATESTYLE_MAX]);
