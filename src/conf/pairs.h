/* The connection strings of [databases] and [users]: key=value pairs between white space.
 *
 *     host=10.0.0.1 password='it''s' connect_query = 'SET x TO 1'
 *
 * A quoted value ends at the first quote that is not doubled; any other at white space.
 */
#pragma once

#include "base/buf.h"

/* Takes the next pair off the front of *rest. `out_value` is cleared first and gets the value
 * with its quotes undone, and a zero behind it that its length does not count.
 *
 * ERR_NOT_FOUND  *rest is at its end
 * ERR_MALFORMED  no pair stands there; *rest was not moved */
MUST_USE enum err pairs_next(struct slice *rest, struct slice *out_key, struct buf *out_value);
