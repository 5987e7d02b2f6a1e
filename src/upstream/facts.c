/* Where facts come from: a login has taught them, or they are those of the plain profile under another
 * application_name. All of it under database->mutex but for profile_outdate.
 *
 *   login of a plain profile ─► its facts ─► those of the profiles that only add application_name
 *                                  └─ compared with those of the base, whenever one of both is new
 */
#include "base/mem.h"
#include "inside.h"
#include "pgwire/answer.h"
#include "pgwire/encode.h"
#include "pgwire/frame.h"
#include "probe.h"

static struct profile_facts *facts_of(const struct profile *profile)
{
    return atomic_load_explicit(&profile->facts, memory_order_relaxed);
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
    static _Atomic(uint64_t) last_id;
    struct profile_facts *facts = mem_zero(1, sizeof(*facts));
    facts->refs = 1;
    facts->id = atomic_fetch_add(&last_id, 1) + 1;
    facts->welcome = slice_of(mem_copy(welcome, welcome_len), welcome_len);
    facts->learned_at_ms = clock_wall_ms();
    return facts;
}

static void replace_facts(struct profile *profile, struct profile_facts *facts)
{
    struct profile_facts *old = facts_of(profile);
    atomic_store_explicit(&profile->facts, facts, memory_order_release);
    profile_facts_unref(old);
    recycle_others(profile, facts);
}

/* What backends of the plain and of the base profile lack. DateStyle is a pair, of which a client may set one
 * part: the whole is as Postgres says it. */
static void note_over(const struct profile *profile, struct profile_facts *facts)
{
    struct settings *sets = settings_ref(profile->sets), *with;
    struct slice value;
    if (settings_find(sets, "datestyle") && profile_facts_param(facts, "DateStyle", &value)) {
        const struct setting whole = {
            .name = slice_of_text("datestyle"), .value = value, .form = SETTING_VALUE};
        if (settings_with(sets, &whole, &with) == ERR_OK) {
            settings_unref(sets);
            sets = with;
        }
    }
    facts->over_plain = settings_ref(profile->name);
    facts->over_base = settings_merge(sets, profile->name);
    settings_unref(sets);
}

/* ---- what a login has taught ---- */

static struct profile_facts *facts_learned(const struct profile *profile, const struct probe *probe,
                                           const struct buf *welcome)
{
    struct profile_facts *facts = create_facts(buf_head(welcome), buf_len(welcome));
    facts->signature = probe->signature;
    facts->bypass = probe->bypass;
    facts->lexing_unsafe = probe->lexing_unsafe;
    facts->scope = probe->scope;
    facts->read_committed = probe->read_committed;
    memcpy(facts->values, probe->values, sizeof(facts->values));
    note_over(profile, facts);
    return facts;
}

/* ---- of a profile that adds its application_name to a plain one ---- */

static void put_welcome(struct buf *out, struct slice welcome, struct slice application_name)
{
    const uint8_t *at = welcome.data;
    size_t left = welcome.len;
    struct pgwire_frame frame;
    struct pgwire_param_status status;
    while (left && pgwire_frame_answer(at, left, &frame) == PGWIRE_OK && frame.len <= left) {
        if (pgwire_read_param_status(frame.body, frame.body_len, &status) == PGWIRE_OK &&
            pgwire_slice_is(status.name, "application_name")) {
            size_t room = frame.len + application_name.len;
            struct pgwire_writer writer = pgwire_writer_of(buf_reserve(out, room), room);
            pgwire_write_param_status(
                &writer, status.name,
                (struct pgwire_slice){application_name.data, application_name.len});
            ASSERT(!writer.overflow);
            buf_added(out, writer.len);
        } else {
            buf_append(out, at, frame.len);
        }
        at += frame.len;
        left -= frame.len;
    }
}

/* NULL: nothing is known. */
static struct profile_facts *facts_derived(const struct profile *profile)
{
    const struct profile_facts *plain = facts_of(profile->plain);
    const struct setting *name = settings_find(profile->name, "application_name");
    if (!plain || !name)
        return NULL;
    struct buf welcome = {0};
    put_welcome(&welcome, plain->welcome, name->value);
    struct profile_facts *facts = create_facts(buf_head(&welcome), buf_len(&welcome));
    buf_fini(&welcome);
    facts->signature = plain->signature;
    facts->bypass = plain->bypass;
    facts->lexing_unsafe = plain->lexing_unsafe;
    facts->scope = plain->scope;
    facts->read_committed = plain->read_committed;
    facts->outdated = plain->outdated;
    memcpy(facts->values, plain->values, sizeof(facts->values));
    note_over(profile, facts);
    facts->plain_id = plain->id;
    atomic_store(&facts->base_id, atomic_load(&plain->base_id));
    return facts;
}

void facts_inherit(struct profile *profile)
{
    if (profile->plain == profile)
        return;
    struct profile_facts *facts = facts_derived(profile);
    if (facts)
        replace_facts(profile, facts);
}

/* ---- one and the other ---- */

static bool params_differ(const struct profile_facts *a, const struct profile_facts *b,
                          const struct settings *but)
{
    const uint8_t *at = a->welcome.data;
    size_t left = a->welcome.len;
    struct pgwire_frame frame;
    struct pgwire_param_status status;
    while (left && pgwire_frame_answer(at, left, &frame) == PGWIRE_OK && frame.len <= left) {
        char name[PROFILE_NAME_MAX] = "", lower[PROFILE_NAME_MAX] = "";
        struct slice other;
        if (pgwire_read_param_status(frame.body, frame.body_len, &status) != PGWIRE_OK ||
            status.name.len >= sizeof(name))
            return true;
        for (size_t i = 0; i < status.name.len; i++) {
            char c = name[i] = (char)status.name.data[i];
            lower[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
        }
        if (!settings_find(but, lower) &&
            (!profile_facts_param(b, name, &other) ||
             !slice_equal(other, slice_of(status.value.data, status.value.len))))
            return true;
        at += frame.len;
        left -= frame.len;
    }
    return left > 0;
}

/* Finds out whether backends of the base may be lent under the facts of `plain`. */
static void compare_with_base(const struct profile *plain)
{
    struct profile_facts *facts = facts_of(plain);
    const struct profile_facts *base = facts_of(plain->base);
    if (!facts || plain->base == plain)
        return;
    bool fits = base && !base->outdated && !facts->outdated && !base->lexing_unsafe &&
                !facts->lexing_unsafe && !probe_differs(facts->values, base->values, plain->sets) &&
                !params_differ(facts, base, plain->sets) &&
                !params_differ(base, facts, plain->sets);
    atomic_store_explicit(&facts->base_id, fits ? base->id : 0, memory_order_release);
}

/* `profile`, a plain one, has new facts: whatever depends on them follows. */
static void spread(struct profile *profile)
{
    struct table *profiles = &profile->pool->profiles;
    struct profile *each;
    for (size_t at = 0; (each = table_next(profiles, &at)) != NULL;)
        if (each == profile || (each->plain == each && each->base == profile))
            compare_with_base(each);
    for (size_t at = 0; (each = table_next(profiles, &at)) != NULL;) {
        struct profile_facts *facts = facts_of(each);
        const struct profile_facts *plain = facts_of(each->plain);
        if (each->plain == profile)
            facts_inherit(each);
        else if (each->base == profile && facts && plain && facts->plain_id == plain->id)
            atomic_store_explicit(&facts->base_id, atomic_load(&plain->base_id),
                                  memory_order_release);
    }
}

/* With a reference for the caller. */
static struct profile_facts *take(struct profile *profile, struct profile_facts *facts)
{
    atomic_fetch_add_explicit(&facts->refs, 1, memory_order_relaxed);
    replace_facts(profile, facts);
    if (profile->plain == profile)
        spread(profile);
    return facts;
}

struct profile_facts *profile_learn(struct profile *profile, const struct probe *probe,
                                    struct buf *welcome)
{
    struct profile_facts *facts = facts_of(profile);
    if (profile->plain == profile)
        profile_remember(profile);
    if (facts && !facts->outdated && same_facts(facts, probe, welcome)) {
        buf_fini(welcome);
        atomic_fetch_add_explicit(&facts->refs, 1, memory_order_relaxed);
        return facts;
    }
    facts = profile->plain == profile ? NULL : facts_derived(profile);
    if (facts && (facts->outdated || !same_facts(facts, probe, welcome))) {
        profile_facts_unref(facts);
        facts = NULL;
    }
    if (!facts)
        facts = facts_learned(profile, probe, welcome);
    buf_fini(welcome);
    return take(profile, facts);
}

/* ---- what does not hold any more ---- */

/* Facts never go back to NULL: whoever had some can count on some. */
static void outdate_one(struct profile *profile)
{
    const struct profile_facts *old = facts_of(profile);
    if (!old)
        return;
    struct profile_facts *facts = create_facts(old->welcome.data, old->welcome.len);
    clock_random(&facts->signature, sizeof(facts->signature));
    facts->bypass = "the server's settings have changed and are not known yet";
    facts->lexing_unsafe = true;
    facts->outdated = true;
    facts->over_plain = settings_ref(old->over_plain);
    facts->over_base = settings_ref(old->over_base);
    replace_facts(profile, facts);
}

void facts_outdate(struct profile *profile, bool all)
{
    struct profile *each;
    if (!all) {
        outdate_one(profile);
        return;
    }
    for (size_t at = 0; (each = table_next(&profile->pool->profiles, &at)) != NULL;)
        if (each->base == profile->base)
            outdate_one(each);
}

void profile_outdate(struct profile *profile)
{
    pool_lock(profile->pool);
    facts_outdate(profile, true);
    pool_unlock(profile->pool);
}
