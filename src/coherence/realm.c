/* Close, forward, bump and open: the order of coherence/realm.h under one mutex for all realms, so
 * that two names of one database (or roles, which all databases share) are ordered with each other.
 *
 * The mutex is taken by writes, by the control connection and by misses, for list work only; a hit
 * compares words and takes none. Words are only ever changed while it is held, but read without it: each change is one
 * atomic step, and the order of steps within a function is what the comments there say.
 */
#include "coherence/realm.h"

#include "base/flaw.h"
#include "base/mem.h"
#include "sql/catalog.h"

static void shut_locked(struct realm *realm);
static void open_locked(struct realm *realm, bool bump);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct link realms = {&realms, &realms};

void realm_init(struct realm *realm)
{
    static _Atomic(uint64_t) last_number;
    *realm = (struct realm){.number = atomic_fetch_add(&last_number, 1) + 1};
    link_init(&realm->closings);
    atomic_store(&realm->catalog_wanted, 1);
    pthread_mutex_lock(&mutex);
    link_append(&realms, &realm->link);
    pthread_mutex_unlock(&mutex);
}

void realm_fini(struct realm *realm)
{
    pthread_mutex_lock(&mutex);
    link_remove(&realm->link);
    pthread_mutex_unlock(&mutex);
    if (realm->bar)
        realm_finish(realm->bar, true);
    mem_free(realm->bar);
    realm->bar = NULL;
    catalog_unref(realm->catalog);
    realm->catalog = NULL;
}

bool realm_is_unused(struct realm *realm)
{
    bool used = false;
    pthread_mutex_lock(&mutex);
    LINK_EACH (&realm->closings, at)
        used = used || CONTAINER_OF(at, struct closing, link) != realm->bar;
    pthread_mutex_unlock(&mutex);
    return !used && !atomic_load(&realm->lost);
}

void realm_forget(struct realm *realm)
{
    pthread_mutex_lock(&mutex);
    ASSERT(!realm->bar && link_is_empty(&realm->closings));
    shut_locked(realm);
    open_locked(realm, true); /* others may know the same database by another name */
    struct catalog *old = realm->catalog;
    realm->catalog = NULL;
    atomic_store(&realm->catalog_loaded, 0);
    atomic_fetch_add(&realm->catalog_wanted, 1);
    atomic_store(&realm->identity, 0);
    atomic_store(&realm->incarnation, 0);
    atomic_store(&realm->invalidations, 0);
    realm->unseen = false;
    pthread_mutex_unlock(&mutex);
    catalog_unref(old);
}

struct catalog *realm_catalog(struct realm *realm, bool *out_stale)
{
    uint64_t version;
    return realm_catalog_at(realm, &version, out_stale);
}

struct catalog *realm_catalog_at(struct realm *realm, uint64_t *out_version, bool *out_stale)
{
    struct catalog *catalog = NULL;
    pthread_mutex_lock(&mutex);
    *out_stale = realm->catalog != NULL;
    *out_version = atomic_load(&realm->catalog_loaded);
    if (realm->catalog && *out_version == atomic_load(&realm->catalog_wanted))
        catalog = catalog_ref(realm->catalog);
    pthread_mutex_unlock(&mutex);
    return catalog;
}

bool realm_catalog_is_fresh(const struct realm *realm)
{
    return atomic_load(&realm->catalog_loaded) == atomic_load(&realm->catalog_wanted);
}

enum err realm_stamp(struct realm *realm, struct stamp stamps[2])
{
    uint64_t identity = atomic_load(&realm->identity);
    if (!identity)
        return ERR_STALE;
    struct stamp everything = {.word = GENERATION_EVERYTHING};
    struct stamp database = {.word = generation_of_database(identity)};
    everything.value = generation_read(everything.word);
    database.value = generation_read(database.word);
    if (!generation_is_open(everything.value) || !generation_is_open(database.value))
        return ERR_STALE;
    stamps[0] = everything;
    stamps[1] = database;
    return ERR_OK;
}

enum err realm_stamp_tokens(struct realm *realm, const uint64_t *tokens, unsigned count,
                            struct stamp *stamps, unsigned max)
{
    if (count > max)
        return ERR_TOO_MANY;
    uint64_t identity = atomic_load(&realm->identity);
    for (unsigned i = 0; i < count; i++) {
        struct stamp stamp = {.word = generation_of_token(identity, tokens[i])};
        stamp.value = generation_read(stamp.word);
        if (!generation_is_open(stamp.value))
            return ERR_STALE;
        stamps[i] = stamp;
    }
    return ERR_OK;
}

static void each_token(const struct closing *closing, void (*change)(uint32_t word))
{
    const struct write_set *set = &closing->set;
    bool first_alone = flaw_is_on(FLAW_BUMP_ALL) && change == generation_bump_and_open;
    void (*change_rest)(uint32_t word) = first_alone ? generation_open : change;
    for (unsigned i = 0; i < set->count; i++) {
        change(generation_of_token(closing->identity, token_scan(set->tables[i])));
        change = change_rest;
        change(generation_of_token(closing->identity, token_all(set->tables[i])));
    }
    for (unsigned i = 0; i < set->key_count; i++) {
        change(generation_of_token(closing->identity, set->keys[i].token));
        change = change_rest;
    }
}

/* Applies `change` to every word that the closing holds. Words of one closing may coincide: each
 * is closed as often as it is opened. */
static void each_word(const struct closing *closing, void (*change)(uint32_t word))
{
    const struct write_set *set = &closing->set;
    if (set->everything || !closing->identity) {
        change(GENERATION_EVERYTHING);
        return;
    }
    if (set->all || set->ddl)
        change(generation_of_database(closing->identity));
    else
        each_token(closing, change);
    if (closing->with_database)
        change(generation_of_database(closing->identity));
}

/* True if what `closing` changes is also what `realm` shows. */
static bool reaches(const struct closing *closing, const struct realm *realm)
{
    return closing->realm == realm || closing->set.everything || !closing->identity ||
           atomic_load(&realm->identity) == closing->identity;
}

static void outdate_catalogs(const struct closing *ddl)
{
    LINK_EACH (&realms, at) {
        struct realm *realm = CONTAINER_OF(at, struct realm, link);
        if (reaches(ddl, realm))
            atomic_fetch_add(&realm->catalog_wanted, 1);
    }
}

void realm_close(struct realm *realm, const struct write_set *set, uint64_t catalog_version,
                 struct closing *closing)
{
    ASSERT(!closing_is_on(closing));
    *closing = (struct closing){.realm = realm, .set = *set, .catalog_version = catalog_version};
    pthread_mutex_lock(&mutex);
    closing->identity = atomic_load(&realm->identity);
    uint64_t wanted = atomic_load(&realm->catalog_wanted);
    if (catalog_version != wanted && !flaw_is_on(FLAW_OLD_CATALOG))
        closing->set.all = true;
    if (set->ddl || set->everything)
        outdate_catalogs(closing);
    link_append(&realm->closings, &closing->link);
    each_word(closing, generation_close);
    pthread_mutex_unlock(&mutex);
}

void realm_extend(struct closing *closing, const struct write_set *more, uint64_t catalog_version)
{
    struct closing wider = {0};
    struct write_set set = closing->set;
    write_set_add(&set, more);
    if (closing->catalog_version != catalog_version)
        catalog_version = 0;
    realm_close(closing->realm, &set, catalog_version, &wider);
    realm_finish(closing, false);
    closing_move(&wider, closing);
}

/* A DDL has committed: writes in flight that were proven on an older snapshot now hold the whole
 * database closed until they end. Called before the DDL's own closing opens it. */
static void widen_older(const struct closing *ddl)
{
    if (flaw_is_on(FLAW_WIDEN))
        return;
    LINK_EACH (&realms, at) {
        struct realm *realm = CONTAINER_OF(at, struct realm, link);
        if (!reaches(ddl, realm))
            continue;
        LINK_EACH (&realm->closings, in_flight) {
            struct closing *other = CONTAINER_OF(in_flight, struct closing, link);
            if (other == ddl || other->with_database || !other->identity || other->set.everything)
                continue;
            other->with_database = true;
            generation_close(generation_of_database(other->identity));
        }
    }
}

void realm_finish(struct closing *closing, bool bump)
{
    struct realm *realm = closing->realm;
    ASSERT(realm != NULL);
    pthread_mutex_lock(&mutex);
    bool ddl = closing->set.ddl || closing->set.everything;
    if (ddl && bump) {
        outdate_catalogs(closing);
        widen_older(closing);
    }
    /* What a DDL overtook is bumped even when the write itself was rolled back: cheap and rare. */
    each_word(closing, bump || closing->with_database ? generation_bump_and_open : generation_open);
    link_remove(&closing->link);
    pthread_mutex_unlock(&mutex);
    if (bump)
        atomic_fetch_add_explicit(&realm->invalidations, 1, memory_order_relaxed);
    closing->realm = NULL;
}

void closing_move(struct closing *from, struct closing *to)
{
    struct realm *realm = from->realm;
    ASSERT(realm != NULL && !closing_is_on(to));
    pthread_mutex_lock(&mutex);
    link_remove(&from->link);
    *to = *from;
    to->link = (struct link){0};
    link_append(&realm->closings, &to->link);
    pthread_mutex_unlock(&mutex);
    from->realm = NULL;
}

void realm_bump(struct realm *realm, const struct write_set *set)
{
    struct closing closing = {0};
    realm_close(realm, set, atomic_load(&realm->catalog_wanted), &closing);
    realm_finish(&closing, true);
}

/* Under the mutex: holds the gate shut on the word of the identity that was known. */
static void shut_locked(struct realm *realm)
{
    uint64_t identity = atomic_load(&realm->identity);
    if (realm->shut || !identity)
        return;
    realm->shut_word = generation_of_database(identity);
    generation_close(realm->shut_word);
    realm->shut = true;
}

static void open_locked(struct realm *realm, bool bump)
{
    if (!realm->shut)
        return;
    realm->shut = false;
    if (bump)
        generation_bump_and_open(realm->shut_word);
    else
        generation_open(realm->shut_word);
}

void realm_shut(struct realm *realm)
{
    pthread_mutex_lock(&mutex);
    shut_locked(realm);
    pthread_mutex_unlock(&mutex);
}

void realm_lose(struct realm *realm)
{
    pthread_mutex_lock(&mutex);
    shut_locked(realm);
    realm->unseen = true;
    pthread_mutex_unlock(&mutex);
}

void realm_set_identity(struct realm *realm, uint64_t identity, uint64_t incarnation)
{
    ASSERT(identity != 0);
    pthread_mutex_lock(&mutex);
    if (atomic_load(&realm->identity) != identity ||
        atomic_load(&realm->incarnation) != incarnation) {
        /* Another server, or the same one started again: what was stored before is dropped, and no
         * snapshot of before may be used. The gate is shut on the new identity's word. */
        shut_locked(realm);
        open_locked(realm, true);
        atomic_store(&realm->identity, identity);
        atomic_store(&realm->incarnation, incarnation);
        atomic_fetch_add(&realm->catalog_wanted, 1);
        shut_locked(realm);
    }
    pthread_mutex_unlock(&mutex);
}

void realm_set_catalog(struct realm *realm, struct catalog *catalog)
{
    pthread_mutex_lock(&mutex);
    struct catalog *old = realm->catalog;
    uint64_t version = catalog_version(catalog);
    if (old && version == atomic_load(&realm->catalog_loaded) &&
        version == atomic_load(&realm->catalog_wanted)) {
        /* It changed though nobody here did DDL: what was proven on the old one does not hold. */
        struct closing change = {.realm = realm, .identity = atomic_load(&realm->identity)};
        version = atomic_fetch_add(&realm->catalog_wanted, 1) + 1;
        widen_older(&change);
    }
    realm->catalog = catalog;
    atomic_store(&realm->catalog_loaded, version);
    if (version == atomic_load(&realm->catalog_wanted)) {
        /* Bump always: a snapshot is loaded because something changed, maybe behind our back. */
        shut_locked(realm);
        open_locked(realm, true);
        realm->unseen = false;
    }
    pthread_mutex_unlock(&mutex);
    catalog_unref(old);
}

void realm_same_catalog(struct realm *realm, uint64_t version)
{
    pthread_mutex_lock(&mutex);
    if (realm->catalog && version >= atomic_load(&realm->catalog_loaded)) {
        atomic_store(&realm->catalog_loaded, version);
        if (version == atomic_load(&realm->catalog_wanted)) {
            open_locked(realm, true);
            realm->unseen = false;
        }
    }
    pthread_mutex_unlock(&mutex);
}

void realm_bar(struct realm *realm, bool barred)
{
    uint64_t identity = atomic_load(&realm->identity);
    struct closing *old = realm->bar;
    if (barred && (!identity || (old && old->identity == identity)))
        return;
    realm->bar = NULL;
    if (barred) { /* the new one before the old one goes */
        struct write_set all = {.all = true};
        realm->bar = mem_zero(1, sizeof(*realm->bar));
        realm_close(realm, &all, atomic_load(&realm->catalog_wanted), realm->bar);
    }
    if (old)
        realm_finish(old, true);
    mem_free(old);
}

uint64_t realm_wanted(struct realm *realm)
{
    return atomic_load(&realm->catalog_wanted);
}

void realm_confirm(struct realm *realm, uint64_t incarnation)
{
    pthread_mutex_lock(&mutex);
    if (atomic_load(&realm->incarnation) == incarnation && !realm->unseen && realm->catalog &&
        atomic_load(&realm->catalog_loaded) == atomic_load(&realm->catalog_wanted))
        open_locked(realm, false);
    pthread_mutex_unlock(&mutex);
}

bool realm_is_open(struct realm *realm)
{
    pthread_mutex_lock(&mutex);
    bool open = !realm->shut && atomic_load(&realm->identity) != 0;
    pthread_mutex_unlock(&mutex);
    return open;
}
