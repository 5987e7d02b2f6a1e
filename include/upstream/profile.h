/* A profile: one role of one database with one set of startup parameters. Backends are logged in
 * with exactly the parameters of the client they are for, so every setting, default and RESET means
 * what it would mean on a direct connection; a backend is only handed to sessions of its profile.
 *
 * What Postgres said at the last login of a profile (its facts) is what a client is greeted with
 * and what its cache keys are made of.
 *
 * Ownership  Profiles are counted; their pool keeps a table of them. Facts are immutable and
 *            counted; a profile's facts are swapped whole.
 * Threads    Any.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/hash.h"
#include "base/slice.h"

struct pool;

/* What a login taught us. */
struct profile_facts {
    _Atomic(unsigned) refs;
    struct hash128 signature; /* of every setting that changes results: equal signature, equal answers */
    const char *bypass;       /* why sessions of this profile are never cached, or NULL; static text */
    struct slice welcome;     /* the ParameterStatus messages as Postgres sent them, in order */
    uint64_t learned_at_ms;
};

struct profile {
    _Atomic(unsigned) refs;
    struct pool *pool;
    struct slice params; /* name\0value\0 pairs for the StartupMessage, user and database left out */
    struct hash128 params_hash;
    _Atomic(struct profile_facts *) facts; /* NULL until the first login; read by profile_facts_ref */
};

/* The profile of `pool` with these parameters (pairs in the client's order, without user, database,
 * replication and _pq_. options), with a reference for the caller. */
struct profile *profile_get(struct pool *pool, struct slice params);
struct profile *profile_ref(struct profile *profile);
void profile_unref(struct profile *profile);

/* A reference on the newest facts, or NULL if nobody of this profile has logged in yet. */
struct profile_facts *profile_facts_ref(struct profile *profile);
void profile_facts_unref(struct profile_facts *facts);

/* True while `facts` are the newest: one atomic load, for the hot path. */
static inline bool profile_facts_current(struct profile *profile, const struct profile_facts *facts)
{
    return atomic_load_explicit(&profile->facts, memory_order_acquire) == facts;
}

/* The value of a ParameterStatus in facts->welcome; false if it is not there. */
bool profile_facts_param(const struct profile_facts *facts, const char *name, struct slice *out);
