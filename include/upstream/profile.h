/* A profile: one role of one database with one set of startup parameters. A backend is logged in with
 * the parameters of one profile. Sessions of another may use it as well if all that it lacks are
 * parameters that SET can give it; then it is lent:
 *
 *   own     all that the client sent                            ─┐ lacks application_name
 *   plain   the same without application_name                   ─┤ lacks what else can be set
 *   base    only what cannot be set later                       ◄┘
 *
 * Backends of the plain and the base profile serve clients of all three. What such a backend lacks
 * (facts->over_plain, facts->over_base) is replayed with the settings of its session, so a change of
 * the client costs no login. Only a backend of the client's own profile knows the client's values as
 * the ones that RESET goes back to: session/restore.c and session/native.c see to that.
 *
 * What Postgres said at the last login of a profile (its facts) is what a client is greeted with and
 * what its cache keys are made of. A plain profile has facts from a login of its own, always: so what
 * Postgres refuses is refused in its words, and how it spells a value is not guessed. Other profiles of
 * the same plain one have the same facts but for application_name. A backend of the base is lent only
 * while its facts are the plain ones in all that the plain profile does not set.
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
struct server;
struct settings;

enum { PROFILE_PATH_MAX = 1024, PROFILE_NAME_MAX = 64, PROFILE_VALUES_MAX = 40 };

/* Where a backend looks for unqualified names, unless a session has moved it. */
struct profile_scope {
    bool known;
    char search_path[PROFILE_PATH_MAX]; /* as current_setting says it */
    char current_user[PROFILE_NAME_MAX];
};

/* What a login taught us. */
struct profile_facts {
    _Atomic(unsigned) refs;
    /* Of every setting that changes results: equal signature, equal answers. */
    struct hash128 signature;
    const char *bypass;  /* why sessions of this profile are never cached, or NULL; static text */
    bool lexing_unsafe;  /* the encoding or standard_conforming_strings = off can hide a statement
                           * from the scanner: every text is an unknown write */
    bool read_committed; /* what BEGIN means without a level: default_transaction_isolation */
    bool outdated;       /* the server's settings have changed since: who logs in now waits for a
                           * new backend to say what they are */
    struct profile_scope scope;
    struct slice welcome; /* the ParameterStatus messages as Postgres sent them, in order */
    struct hash128 values[PROFILE_VALUES_MAX]; /* what the signature is of: see probe_differs */
    uint64_t learned_at_ms;                    /* wall clock */
    uint64_t id;                               /* of these facts, never used again */
    /* The facts that a backend has which may be lent under these: 0: none. */
    uint64_t plain_id;         /* of the plain profile, from which these were derived */
    _Atomic(uint64_t) base_id; /* of the base, compared and found to fit */
    /* What backends of the plain and of the base profile lack; references. */
    struct settings *over_plain;
    struct settings *over_base;
};

/* Why the last login failed; at_ms is 0 when it did not. */
struct login_failure {
    uint64_t at_ms; /* monotonic */
    char sqlstate[6];
    bool from_server;
    char *message;
    char *detail; /* may be NULL */
};

struct profile {
    _Atomic(unsigned) refs; /* moves to 0 only under database->mutex */
    struct pool *pool;
    /* name\0value\0 pairs for the StartupMessage, user and database left out. */
    struct slice params;
    struct hash128 params_hash;
    struct profile *plain; /* see above; a reference unless it is this one */
    struct profile *base;  /* likewise */
    /* What can be set of the parameters: all of the plain ones, and application_name; references. */
    struct settings *sets;
    struct settings *name;
    /* NULL until the first login, and never again; read by profile_facts_ref. */
    _Atomic(struct profile_facts *) facts;
    /* Of the pool, under database->mutex. */
    struct login_failure failure; /* one that concerns this profile alone */
    unsigned releasing;           /* servers given back that are not idle yet */
    uint64_t coming_walk;         /* scratch of the scheduler: pool->walk in which */
    unsigned coming;              /* this was counted */
};

/* The profile of `pool` with these parameters (pairs in the client's order, without user, database,
 * replication and _pq_. options), with a reference for the caller. */
struct profile *profile_get(struct pool *pool, struct slice params);
/* One that has logged in, or NULL; with a reference. For EXPLAIN CACHE. */
struct profile *profile_known(struct pool *pool);
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

/* True if a backend with the facts `its` answers as these facts say once it has what it lacks. */
static inline bool profile_facts_fit(const struct profile_facts *facts,
                                     const struct profile_facts *its)
{
    return its == facts || its->id == facts->plain_id ||
           its->id == atomic_load_explicit(&facts->base_id, memory_order_acquire);
}

/* What `server` lacks of the parameters of a session of `profile`, which has these facts; borrowed from
 * them. NULL: nothing. */
const struct settings *profile_over(const struct profile *profile,
                                    const struct profile_facts *facts, const struct server *server);

/* A backend of this profile reported that a setting moved although no session set it (the server's
 * configuration was reloaded): of it and of all that share its base the idle backends are closed, the
 * others when they are given back, and until the next login learns anew their facts say bypass. */
void profile_outdate(struct profile *profile);

/* True for client encodings in which half a character can be a quote or a backslash. */
bool profile_encoding_unsafe(struct slice encoding);

/* The value of a ParameterStatus in facts->welcome; false if it is not there. */
bool profile_facts_param(const struct profile_facts *facts, const char *name, struct slice *out);
/* The same, in any letters: appends the whole message. */
struct buf;
void profile_facts_put_param(const struct profile_facts *facts, const char *name, struct buf *out);
