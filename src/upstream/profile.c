/* Profiles and their facts. Everything here is cold: once a login of a client or a backend. The
 * hot path only compares a pointer (profile_facts_current). */
#include "upstream/profile.h"

#include "base/buf.h"
#include "base/mem.h"
#include "inside.h"
#include "pgwire/answer.h"
#include "pgwire/frame.h"
#include "probe.h"

struct profile *profile_get(struct pool *pool, struct slice params)
{
    pool_lock(pool);
    struct profile *profile = table_get(&pool->profiles, params);
    if (profile) {
        profile->refs++;
    } else {
        profile = mem_zero(1, sizeof(*profile));
        profile->refs = 1;
        profile->pool = pool;
        profile->params = slice_of(mem_copy(params.data, params.len), params.len);
        profile->params_hash = hash128_of(params.data, params.len);
        table_put(&pool->profiles, params, profile);
    }
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
    mem_free(facts);
}

/* Every backend of the profile that does not carry `facts` goes: the idle ones now, the others when
 * they are given back. */
static void recycle_others(struct profile *profile, const struct profile_facts *facts)
{
    struct pool *pool = profile->pool;
    LINK_EACH_SAFE (&pool->idle, at) {
        struct server *server = CONTAINER_OF(at, struct server, link);
        if (server->profile == profile && server->facts != facts)
            server_close_locked(server);
    }
    struct link *lists[] = {&pool->active, &pool->resetting};
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        LINK_EACH (lists[i], at) {
            struct server *server = CONTAINER_OF(at, struct server, link);
            if (server->profile == profile && server->facts != facts)
                server->close_needed = true;
        }
    }
}

static bool same_facts(const struct profile_facts *facts, const struct probe *probe,
                       const struct buf *welcome)
{
    return hash128_equal(facts->signature, probe->signature) && facts->bypass == probe->bypass &&
           facts->lexing_unsafe == probe->lexing_unsafe &&
           slice_equal(facts->welcome, slice_of(buf_head(welcome), buf_len(welcome)));
}

/* With one reference: the profile's. */
static struct profile_facts *create_facts(const uint8_t *welcome, size_t welcome_len)
{
    struct profile_facts *facts = mem_zero(1, sizeof(*facts));
    facts->refs = 1;
    facts->welcome = slice_of(mem_copy(welcome, welcome_len), welcome_len);
    facts->learned_at_ms = clock_wall_ms();
    return facts;
}

static void replace_facts(struct profile *profile, struct profile_facts *facts)
{
    struct profile_facts *old = atomic_load_explicit(&profile->facts, memory_order_relaxed);
    atomic_store_explicit(&profile->facts, facts, memory_order_release);
    profile_facts_unref(old);
    recycle_others(profile, facts);
}

struct profile_facts *profile_learn(struct profile *profile, const struct probe *probe,
                                    struct buf *welcome)
{
    struct profile_facts *old = atomic_load_explicit(&profile->facts, memory_order_relaxed);
    if (old && same_facts(old, probe, welcome)) {
        buf_fini(welcome);
        atomic_fetch_add_explicit(&old->refs, 1, memory_order_relaxed);
        return old;
    }
    struct profile_facts *facts = create_facts(buf_head(welcome), buf_len(welcome));
    facts->signature = probe->signature;
    facts->bypass = probe->bypass;
    facts->lexing_unsafe = probe->lexing_unsafe;
    facts->scope = probe->scope;
    facts->read_committed = probe->read_committed;
    buf_fini(welcome);
    atomic_fetch_add_explicit(&facts->refs, 1, memory_order_relaxed);
    replace_facts(profile, facts);
    return facts;
}

/* Facts never go back to NULL: whoever had some can count on some. */
void profile_outdate_locked(struct profile *profile)
{
    struct profile_facts *old = atomic_load_explicit(&profile->facts, memory_order_relaxed);
    if (old) {
        struct profile_facts *facts = create_facts(old->welcome.data, old->welcome.len);
        clock_random(&facts->signature, sizeof(facts->signature));
        facts->bypass = "the server's settings have changed and are not known yet";
        facts->lexing_unsafe = true;
        facts->outdated = true;
        replace_facts(profile, facts);
    }
}

void profile_outdate(struct profile *profile)
{
    pool_lock(profile->pool);
    profile_outdate_locked(profile);
    pool_unlock(profile->pool);
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
