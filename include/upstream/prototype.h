/* What Parse made of a prepared statement: the types of its parameters and the columns of its result. They
 * are fixed then, whatever its names come to mean later: Postgres analyses it again with these types, and
 * refuses it if the columns are others.
 *
 * Equal prototypes are one object (interned), so "is this what the client was told?" is the comparison of two
 * pointers. NULL: not known.
 *
 * Ownership  Counted. prototype_get returns a reference.
 * Threads    Any: references are atomic, the registry has a mutex.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum { PROTOTYPE_NO_COLUMNS = 0 }; /* it returns no rows: NoData */

struct prototype {
    _Atomic(unsigned) refs;
    uint64_t columns;   /* a hash of names and types, or PROTOTYPE_NO_COLUMNS */
    struct slice types; /* 4 bytes an OID, as ParameterDescription has them */
    struct slice key;   /* the whole content in one text */
};

struct prototype *prototype_get(struct slice types, uint64_t columns);
struct prototype *prototype_ref(struct prototype *prototype); /* NULL is fine */
void prototype_unref(struct prototype *prototype);            /* NULL is fine */

unsigned prototype_registry_count(void);
