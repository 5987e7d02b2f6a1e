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

enum { PROFILE_PATH_MAX = 1024, PROFILE_NAME_MAX = 64 };

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
    struct slice welcome;   /* the ParameterStatus messages as Postgres sent them, in order */
    uint64_t learned_at_ms; /* wall clock */
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

/* A backend of this profile reported that a setting moved although no session set it (the server's
 * configuration was reloaded): its idle backends are closed, the others when they are given back,
 * and until the next login learns anew its facts say bypass. */
void profile_outdate(struct profile *profile);

/* True for client encodings in which half a character can be a quote or a backslash. */
bool profile_encoding_unsafe(struct slice encoding);

/* The value of a ParameterStatus in facts->welcome; false if it is not there. */
bool profile_facts_param(const struct profile_facts *facts, const char *name, struct slice *out);
