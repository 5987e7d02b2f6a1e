/* Which backends serve which sessions: those of their own profile, and those that are lent. What lending
 * means is told in upstream/profile.h. All of it under database->mutex. */
#include "inside.h"

/* What connect_query sets would be overruled by what is replayed behind it; a session that keeps its
 * backend for its life has no use for one that is not quite its own. */
static bool may_lend(const struct pool *pool)
{
    const struct conf_database *line =
        atomic_load_explicit(&pool->database->conf, memory_order_acquire);
    return line && !(line->connect_query && *line->connect_query) &&
           pool_mode_of(pool) != POOL_MODE_SESSION;
}

static const struct profile_facts *facts_of(const struct profile *profile)
{
    const struct profile_facts *facts = atomic_load_explicit(&profile->facts, memory_order_relaxed);
    return facts && !facts->outdated ? facts : NULL;
}

bool profile_takes(const struct profile *profile, bool native, const struct server *server)
{
    if (server->profile == profile)
        return true;
    if (native || (server->profile != profile->plain && server->profile != profile->base))
        return false;
    const struct profile_facts *facts = facts_of(profile);
    return facts && server->facts && profile_facts_fit(facts, server->facts) &&
           may_lend(profile->pool);
}

struct profile *profile_to_open(struct profile *profile, bool native)
{
    if (native || (profile->plain == profile && profile->base == profile) ||
        !may_lend(profile->pool))
        return profile;
    const struct profile_facts *plain = facts_of(profile->plain);
    const struct profile_facts *base = facts_of(profile->base);
    if (!plain || profile->base == profile->plain)
        return profile
            ->plain; /* the login tells what is said to its clients, or why there are none */
    if (base)
        return atomic_load(&plain->base_id) == base->id ? profile->base : profile->plain;
    return profile->base->failure.at_ms ? profile->plain : profile->base;
}

struct profile *profile_to_keep(struct profile *profile)
{
    const struct profile_facts *plain = facts_of(profile->plain);
    const struct profile_facts *base = facts_of(profile->base);
    bool lent = plain && base && may_lend(profile->pool) &&
                (plain == base || atomic_load(&plain->base_id) == base->id);
    return lent ? profile->base : profile;
}

void profile_remember(struct profile *profile)
{
    struct pool *pool = profile->pool;
    for (unsigned i = 0; i < POOL_REMEMBERED_MAX; i++)
        if (pool->remembered[i] == profile)
            return;
    struct profile **at = &pool->remembered[pool->remembered_next++ % POOL_REMEMBERED_MAX];
    struct profile *before = *at;
    *at = profile_ref(profile);
    if (before)
        profile_unref_locked(before);
}

void profiles_forget(struct pool *pool)
{
    for (unsigned i = 0; i < POOL_REMEMBERED_MAX; i++) {
        if (pool->remembered[i])
            profile_unref_locked(pool->remembered[i]);
        pool->remembered[i] = NULL;
    }
}
