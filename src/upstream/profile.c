/* Profiles, and what is read from their facts; where those come from is in facts.c. Everything here is
 * cold: once a login of a client or a backend. The hot path only compares a pointer
 * (profile_facts_current). */
#include "upstream/profile.h"

#include <strings.h>

#include "base/buf.h"
#include "base/mem.h"
#include "inside.h"
#include "pgwire/answer.h"
#include "pgwire/frame.h"
#include "startup_params.h"

static struct profile *get(struct pool *pool, struct slice params);

/* The one with these parameters, which may be `profile` itself. */
static struct profile *kin_of(struct profile *profile, const struct buf *params)
{
    struct slice wanted = slice_of(buf_head(params), buf_len(params));
    return slice_equal(wanted, profile->params) ? profile : get(profile->pool, wanted);
}

static struct profile *create(struct pool *pool, struct slice params)
{
    struct profile *profile = mem_zero(1, sizeof(*profile));
    struct startup_params parts;
    profile->pool = pool;
    profile->params = slice_of(mem_copy(params.data, params.len), params.len);
    profile->params_hash = hash128_of(params.data, params.len);
    startup_params_split(profile->params, &parts);
    profile->plain = kin_of(profile, &parts.plain);
    profile->base = kin_of(profile, &parts.base);
    profile->sets = settings_ref(parts.sets);
    profile->name = settings_ref(parts.name);
    startup_params_fini(&parts);
    table_put(&pool->profiles, params, profile);
    facts_inherit(profile);
    return profile;
}

/* With a reference. Locked. */
static struct profile *get(struct pool *pool, struct slice params)
{
    struct profile *profile = table_get(&pool->profiles, params);
    if (!profile)
        profile = create(pool, params);
    profile->refs++;
    return profile;
}

struct profile *profile_get(struct pool *pool, struct slice params)
{
    pool_lock(pool);
    struct profile *profile = get(pool, params);
    pool_unlock(pool);
    return profile;
}

struct profile *profile_known(struct pool *pool)
{
    struct profile *profile;
    size_t at = 0;
    pool_lock(pool);
    while ((profile = table_next(&pool->profiles, &at)) != NULL) {
        const struct profile_facts *facts =
            atomic_load_explicit(&profile->facts, memory_order_relaxed);
        if (facts && !facts->outdated)
            break;
    }
    if (profile)
        profile->refs++;
    pool_unlock(pool);
    return profile;
}

struct profile *profile_ref(struct profile *profile)
{
    unsigned before = atomic_fetch_add_explicit(&profile->refs, 1, memory_order_relaxed);
    ASSERT(before > 0);
    return profile;
}

/* The last reference goes under the lock, where profile_get could find the profile. */
void profile_unref_locked(struct profile *profile)
{
    unsigned before = atomic_fetch_sub_explicit(&profile->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1)
        return;
    ASSERT(table_remove(&profile->pool->profiles, profile->params) == profile);
    profile_facts_unref(atomic_load_explicit(&profile->facts, memory_order_relaxed));
    login_failure_clear(&profile->failure);
    settings_unref(profile->sets);
    settings_unref(profile->name);
    if (profile->plain != profile)
        profile_unref_locked(profile->plain);
    if (profile->base != profile)
        profile_unref_locked(profile->base);
    mem_free((void *)(uintptr_t)profile->params.data);
    mem_free(profile);
}

void profile_unref(struct profile *profile)
{
    if (!profile)
        return;
    struct pool *pool = profile->pool;
    pool_lock(pool);
    profile_unref_locked(profile);
    pool_unlock(pool);
}

/* The lock keeps the facts from being dropped between the load and the count. */
struct profile_facts *profile_facts_ref(struct profile *profile)
{
    pool_lock(profile->pool);
    struct profile_facts *facts = atomic_load_explicit(&profile->facts, memory_order_relaxed);
    if (facts)
        atomic_fetch_add_explicit(&facts->refs, 1, memory_order_relaxed);
    pool_unlock(profile->pool);
    return facts;
}

void profile_facts_unref(struct profile_facts *facts)
{
    if (!facts)
        return;
    unsigned before = atomic_fetch_sub_explicit(&facts->refs, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before > 1)
        return;
    mem_free((void *)(uintptr_t)facts->welcome.data);
    settings_unref(facts->over_plain);
    settings_unref(facts->over_base);
    mem_free(facts);
}

bool profile_facts_param(const struct profile_facts *facts, const char *name, struct slice *out)
{
    const uint8_t *at = facts->welcome.data;
    size_t left = facts->welcome.len;
    struct pgwire_frame frame;
    while (left && pgwire_frame_answer(at, left, &frame) == PGWIRE_OK && frame.len <= left) {
        struct pgwire_param_status status;
        if (pgwire_read_param_status(frame.body, frame.body_len, &status) == PGWIRE_OK &&
            pgwire_slice_is(status.name, name)) {
            *out = slice_of(status.value.data, status.value.len);
            return true;
        }
        at += frame.len;
        left -= frame.len;
    }
    return false;
}

void profile_facts_put_param(const struct profile_facts *facts, const char *name, struct buf *out)
{
    const uint8_t *at = facts->welcome.data;
    size_t left = facts->welcome.len;
    struct pgwire_frame frame;
    while (left && pgwire_frame_answer(at, left, &frame) == PGWIRE_OK && frame.len <= left) {
        struct pgwire_param_status status;
        if (pgwire_read_param_status(frame.body, frame.body_len, &status) == PGWIRE_OK &&
            status.name.len == strlen(name) &&
            strncasecmp((const char *)status.name.data, name, status.name.len) == 0)
            buf_append(out, at, frame.len);
        at += frame.len;
        left -= frame.len;
    }
}

const struct settings *profile_over(const struct profile *profile,
                                    const struct profile_facts *facts, const struct server *server)
{
    if (server->profile == profile)
        return NULL;
    return server->profile == profile->plain ? facts->over_plain : facts->over_base;
}
