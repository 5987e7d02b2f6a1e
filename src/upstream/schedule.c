/* Who gets which server, and when one is opened or closed for somebody.
 *
 * Waiters are looked at in the order in which they began to wait. For each, the first that is
 * possible happens:
 *   1. an idle server that serves its profile (of that one, or lent) is granted: its home, or else
 *      nobody's home, or else any; best one that its own loop holds; one that has been unused for
 *      server_check_delay is checked first, and it waits for that;
 *   2. one such is on the way (logging in, being reset, being given back), and no earlier
 *      waiter counts on that one: it waits for it;
 *   3. logins of that kind fail: it is told so, unless a server lives that serves its profile;
 *   4. there is room: one is opened, best of the base profile, which serves most (lend.c);
 *   5. room is being made (one is closing), and no earlier waiter counts on it: it waits;
 *   6. it has been patient, or some server has long been idle: the one that was idle longest is
 *      closed.
 * When 6 finds nothing, those behind get nothing either, and the walk ends; but after a failed login
 * and at every tick all are looked at, because failures concern single profiles.
 *
 * So a waiter never takes what an earlier one can use, but it does not wait for those that cannot
 * be served. */
#include "base/log.h"
#include "base/mem.h"
#include "inside.h"

/* After a failure nobody tries again before this time, even with server_login_retry = 0. */
enum { LOGIN_RETRY_MIN_MS = 100 };

static struct server *server_at(struct link *link)
{
    return CONTAINER_OF(link, struct server, link);
}

static struct pool_waiter *waiter_at(struct link *link)
{
    return CONTAINER_OF(link, struct pool_waiter, link);
}

/* One look at all who wait. */
struct walk {
    struct pool *pool;
    uint64_t now_ms;
    unsigned making_room; /* closing ones that nobody counts on yet */
};

/* --- room --- */

enum room { ROOM, ROOM_POOL_FULL, ROOM_DATABASE_FULL, ROOM_ROLE_FULL };

/* Takes one place for a connection, if all three limits have one. `reserve`: also one of the
 * reserve. */
static enum room take_place(struct pool *pool, bool reserve)
{
    struct database *database = pool->database;
    unsigned size = pool_size_of(pool);
    if (pool->connections >= size &&
        (!reserve || pool->connections >= size + pool_reserve_of(pool)))
        return ROOM_POOL_FULL;
    unsigned max = pool_database_max_of(pool);
    if (max && database->connections >= max)
        return ROOM_DATABASE_FULL;
    max = pool_user_max_of(pool);
    if (atomic_fetch_add(&pool->limit->connections, 1) >= max && max) {
        atomic_fetch_sub(&pool->limit->connections, 1);
        atomic_store(&pool->limit->pressed, true);
        return ROOM_ROLE_FULL;
    }
    pool->connections++;
    database->connections++;
    return ROOM;
}

void pool_give_place(struct pool *pool)
{
    ASSERT(pool->connections > 0 && pool->database->connections > 0);
    pool->connections--;
    pool->database->connections--;
    atomic_fetch_sub(&pool->limit->connections, 1);
}

static void open_server(struct pool *pool, struct profile *profile, struct loop *loop)
{
    struct server *server = server_create(pool, profile, loop);
    server_post(server);
}

bool pool_open(struct pool *pool, struct profile *profile, struct loop *loop)
{
    if (take_place(pool, false) != ROOM)
        return false;
    open_server(pool, profile, loop);
    return true;
}

/* --- eviction --- */

/* With server_round_robin the list is the other way round; after a reload it may be mixed. */
struct server *pool_oldest_idle(struct pool *pool)
{
    if (link_is_empty(&pool->idle))
        return NULL;
    struct server *first = server_at(pool->idle.next);
    struct server *last = server_at(pool->idle.prev);
    return first->state_since_ms < last->state_since_ms ? first : last;
}

/* The idle server of `pool` that was used least recently, if it may go. `spare`: nobody's home. */
static struct server *oldest_idle(struct pool *pool, bool patient, bool spare, uint64_t now_ms)
{
    struct server *server = pool_oldest_idle(pool);
    if (spare && server && server->is_home) {
        server = NULL;
        LINK_EACH (&pool->idle, at) {
            if (!server_at(at)->is_home)
                server = server_at(at);
        }
    }
    if (!server)
        return NULL;
    if (!patient && elapsed(now_ms, server->state_since_ms) < POOL_PROFILE_PATIENCE_MS)
        return NULL;
    return server;
}

/* Closes an idle server so that `pool` can open one. False: there is none that may go. */
static bool evict(struct pool *pool, enum room room, bool patient, bool spare, uint64_t now_ms)
{
    struct server *victim = oldest_idle(pool, patient, spare, now_ms);
    struct database *database = pool->database;
    if (room == ROOM_DATABASE_FULL) {
        for (unsigned i = 0; i < database->pool_count; i++) {
            struct server *other = oldest_idle(database->pool_list[i], patient, spare, now_ms);
            if (other && (!victim || other->state_since_ms < victim->state_since_ms))
                victim = other;
        }
    }
    if (!victim)
        return false;
    victim->pool->stats->evictions++;
    server_close_locked(victim);
    return true;
}

/* --- who is on the way --- */

/* How many servers of `profile` will be idle soon without being promised to anyone, less those that
 * this walk's waiters count on. */
static unsigned *coming(struct pool *pool, struct profile *profile)
{
    if (profile->coming_walk != pool->walk) {
        profile->coming_walk = pool->walk;
        profile->coming = profile->releasing;
    }
    return &profile->coming;
}

static void count_coming(struct pool *pool)
{
    struct link *lists[] = {&pool->login, &pool->resetting};
    pool->walk++;
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        LINK_EACH (lists[i], at) {
            const struct server *server = server_at(at);
            if (!server->waiter && !server->close_needed)
                ++*coming(pool, server->profile);
        }
    }
}

/* Places that will be free soon. Under max_db_connections those of other pools count too. */
static unsigned count_closing(const struct pool *pool)
{
    unsigned count = 0;
    const struct database *database = pool->database;
    for (unsigned i = 0; i < database->pool_count; i++) {
        const struct pool *other = database->pool_list[i];
        if (other != pool && !pool_database_max_of(pool))
            continue;
        LINK_EACH (&other->closing, at)
            count++;
    }
    return count;
}

enum { RANK_HOME = 8 }; /* the best rank of all but a home, which has a higher one */

/* The best idle server for the waiter: its home before others, nobody's home before somebody else's,
 * one that may be handed out before one that has to be checked first, one of its loop before others. */
static struct server *idle_for(struct walk *walk, const struct pool_waiter *waiter)
{
    struct server *best = NULL;
    unsigned best_rank = 0;
    LINK_EACH (&walk->pool->idle, at) {
        struct server *server = server_at(at);
        if (!profile_takes(waiter->profile, waiter->native, server) ||
            (waiter->wants_home && server->is_home) ||
            !settings_reach(server->settings, waiter->settings))
            continue;
        unsigned rank = 1u + (server->loop == waiter->loop) +
                        (server_is_stale(server, walk->now_ms) ? 0 : 2) + (server->is_home ? 0 : 4);
        if (server->id == waiter->home)
            rank += RANK_HOME;
        if (rank > best_rank) {
            best = server;
            best_rank = rank;
        }
        if (rank > RANK_HOME || (rank == RANK_HOME && !waiter->home))
            break;
    }
    return best;
}

/* --- failures --- */

/* Some server lives that the waiter may get one day. */
static bool one_lives(struct pool *pool, const struct pool_waiter *waiter)
{
    struct link *lists[] = {&pool->idle, &pool->active, &pool->resetting};
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        LINK_EACH (lists[i], at) {
            if (profile_takes(waiter->profile, waiter->native, server_at(at)))
                return true;
        }
    }
    return false;
}

/* The failure that forbids another try for now, or NULL. */
static const struct login_failure *failure_in_force(const struct pool *pool,
                                                    const struct profile *profile, uint64_t now_ms)
{
    uint64_t retry_ms = conf_current()->options.server_login_retry_ms;
    if (retry_ms < LOGIN_RETRY_MIN_MS)
        retry_ms = LOGIN_RETRY_MIN_MS;
    if (pool->failure.at_ms && elapsed(now_ms, pool->failure.at_ms) < retry_ms)
        return &pool->failure;
    if (profile->failure.at_ms && elapsed(now_ms, profile->failure.at_ms) < retry_ms)
        return &profile->failure;
    return NULL;
}

/* One login at a time while they fail. */
static bool may_try(struct pool *pool, const struct profile *profile)
{
    return (!pool->failure.at_ms && !profile->failure.at_ms) || link_is_empty(&pool->login);
}

/* Errors of a role, a database or the whole server, as against one of the startup parameters (as a
 * statement_timeout too short for connect_query is). */
static bool concerns_all(const char *sqlstate, bool from_server)
{
    static const char *const classes[] = {"08", "28", "3D", "53", "57"};
    if (from_server && strcmp(sqlstate, "57014") == 0)
        return false;
    for (size_t i = 0; i < ARRAY_COUNT(classes); i++) {
        if (strncmp(sqlstate, classes[i], 2) == 0)
            return true;
    }
    return !from_server;
}

void pool_login_failed(struct pool *pool, struct profile *profile, const char *sqlstate,
                       const char *message, const char *detail, bool from_server)
{
    bool all = concerns_all(sqlstate, from_server);
    login_failure_set(all ? &pool->failure : &profile->failure, sqlstate, message, detail,
                      from_server);
    pool->stats->login_failures++;
    pool->look_at_all = true;
}

/* --- the walk --- */

/* A server is about to leave `loop`. If it was the last of its profile there and there is room, a
 * new one takes its place: else two workers with little to do would send one to and fro. */
static void replace_on(struct walk *walk, struct profile *profile, struct loop *loop)
{
    struct pool *pool = walk->pool;
    struct link *lists[] = {&pool->idle, &pool->active, &pool->login, &pool->resetting};
    for (size_t i = 0; i < ARRAY_COUNT(lists); i++) {
        LINK_EACH (lists[i], at) {
            const struct server *server = server_at(at);
            bool stays = server->state != SERVER_MOVING;
            if (stays && server->loop == loop && server->profile == profile)
                return;
        }
    }
    if (!failure_in_force(pool, profile, walk->now_ms) && may_try(pool, profile))
        pool_open(pool, profile, loop);
}

static void grant(struct walk *walk, struct pool_waiter *waiter, struct server *server)
{
    waiter_grant(waiter, server);
    if (server->state == SERVER_MOVING)
        replace_on(walk, server->profile, server->loop);
}

/* True if a server is on the way that it may have and nobody else counts on. */
static bool counts_on_coming(struct pool *pool, const struct pool_waiter *waiter,
                             struct profile *wanted)
{
    struct profile *profile = waiter->profile;
    struct profile *plain = wanted == profile ? profile : profile->plain;
    struct profile *any[] = {wanted, profile, plain};
    for (size_t i = 0; i < ARRAY_COUNT(any); i++) {
        unsigned *on_the_way = coming(pool, any[i]);
        if (*on_the_way) {
            --*on_the_way;
            return true;
        }
    }
    return false;
}

/* False: nothing is left that a later waiter could get. */
static bool serve(struct walk *walk, struct pool_waiter *waiter)
{
    struct pool *pool = walk->pool;
    struct server *server = idle_for(walk, waiter);
    if (server && !server_is_stale(server, walk->now_ms)) {
        grant(walk, waiter, server);
        return true;
    }
    struct profile *wanted = profile_to_open(waiter->profile, waiter->native);
    if (counts_on_coming(pool, waiter, wanted))
        return true;
    if (server) {
        server_check_locked(server); /* it comes back as idle, or is closed */
        return true;
    }
    const struct login_failure *failure = failure_in_force(pool, wanted, walk->now_ms);
    if (failure) {
        if (!one_lives(pool, waiter))
            waiter_fail(waiter, failure);
        return true;
    }
    if (!may_try(pool, wanted))
        return true;
    uint64_t waited_ms = elapsed(walk->now_ms, waiter->since_us / 1000u);
    uint64_t reserve_ms = conf_current()->options.reserve_pool_timeout_ms;
    enum room room = take_place(pool, reserve_ms && waited_ms >= reserve_ms);
    if (room == ROOM) {
        open_server(pool, wanted, waiter->loop);
        return true;
    }
    if (walk->making_room) {
        walk->making_room--;
        return true;
    }
    bool patient = waited_ms >= POOL_PROFILE_PATIENCE_MS;
    return evict(pool, room, patient, waiter->wants_home, walk->now_ms) ||
           !link_is_empty(&pool->idle);
}

static void fail_all(struct pool *pool, const struct login_failure *failure)
{
    LINK_EACH_SAFE (&pool->waiters, at)
        waiter_fail(waiter_at(at), failure);
}

static void fail_for_want_of_conf(struct pool *pool)
{
    struct login_failure failure = {0};
    char message[256];
    snprintf(message, sizeof(message), "database \"%s\" is not configured any more",
             pool->database->name);
    login_failure_set(&failure, "3D000", message, NULL, false);
    fail_all(pool, &failure);
    login_failure_clear(&failure);
}

void pool_schedule(struct pool *pool)
{
    if (link_is_empty(&pool->waiters))
        return;
    if (!atomic_load(&pool->database->conf)) {
        fail_for_want_of_conf(pool);
        return;
    }
    if (atomic_load(&pool->database->paused))
        return;
    count_coming(pool);
    struct walk walk = {.pool = pool, .now_ms = monotonic_ms(), .making_room = count_closing(pool)};
    LINK_EACH_SAFE (&pool->waiters, at)
        serve(&walk, waiter_at(at));
}

void database_schedule(struct database *database)
{
    struct pool *first = NULL;
    uint64_t ticket = UINT64_MAX;
    for (unsigned i = 0; i < database->pool_count; i++) {
        struct link *head = link_first(&database->pool_list[i]->waiters);
        if (head && waiter_at(head)->ticket < ticket) {
            first = database->pool_list[i];
            ticket = waiter_at(head)->ticket;
        }
    }
    if (!first)
        return;
    pool_schedule(first); /* the place goes to the one who has waited longest */
    for (unsigned i = 0; i < database->pool_count; i++)
        pool_schedule(database->pool_list[i]);
}
