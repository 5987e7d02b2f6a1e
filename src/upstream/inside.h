/* What the files of this folder share with each other and with nobody else.
 *
 * "locked" means: the caller holds database->mutex of the pool in question.
 */
#pragma once

#include "base/clock.h"
#include "upstream/pool.h"
#include "upstream/server.h"

struct buf;
struct probe;

/* One loop that holds backends; pools_start makes it. */
struct pools_side {
    struct link link; /* in the list of all (sides mutex) */
    struct loop *loop;
    struct loop_ticker ticker;
    uint64_t slow_at_ms;   /* when the slow half of the tick is due */
    struct link cancels;   /* cancel requests under way */
    struct loop_post seen; /* pools_sides_post */
};
/* NULL before pools_start and after pools_stop. On the loop's own thread. */
struct pools_side *pools_side_of(const struct loop *loop);

static inline uint64_t monotonic_ms(void)
{
    return clock_now_us() / 1000u;
}

/* Loops read their clock once a turn, so `since` may be a little later than `now`. */
static inline uint64_t elapsed(uint64_t now, uint64_t since)
{
    return now > since ? now - since : 0;
}

/* --- ticker.c --- */
/* `run` once on every loop between pools_start and pools_stop, if there are `count` of them; else false,
 * and on none. One such post at a time. */
bool pools_sides_post(unsigned count, void (*run)(struct loop *loop, struct loop_post *post));

/* --- database.c --- */
/* Takes the name of an automatic database that nobody uses from it: no walk and no name finds it any
 * more. False: it is in use. database_is_vacated says that it may have another name. On the main loop. */
bool database_vacate(struct database *database);
void database_clear(struct database *database); /* what was known of its server */
void database_is_vacated(struct database *database);
bool databases_are_many(void); /* more than half of the places are taken */

/* --- pool.c --- */
bool pool_is_unused_locked(const struct pool *pool);
void pool_forget_locked(struct pool *pool);
void pool_lock(const struct pool *pool);
void pool_unlock(const struct pool *pool);
void pool_destroy(struct pool *pool); /* its servers are gone */
void pool_recycle_locked(struct pool *pool);
void pools_fini(void); /* what all pools share */
void login_failure_set(struct login_failure *failure, const char *sqlstate, const char *message,
                       const char *detail, bool from_server);
void login_failure_clear(struct login_failure *failure);

/* --- strangers.c --- */
/* A login has found out which server it is on (0: it could not). True: a stranger: stranger_tell
 * before it becomes idle. Locked. */
bool stranger_note(struct server *server, uint64_t started_us);
bool stranger_forget(struct server *server); /* it is closed; true: it was the last. Locked */
void stranger_tell(struct database *database);

/* --- limits.c: what is in force; public ones in upstream/pool.h --- */
unsigned pool_min_of(const struct pool *pool);
unsigned pool_database_max_of(const struct pool *pool); /* 0: no limit, as the next */
unsigned pool_user_max_of(const struct pool *pool);
uint64_t pool_lifetime_ms_of(const struct pool *pool);

/* --- check.c --- */
/* True if nothing says that the connection is over. Its loop, not locked; for an ACTIVE server that
 * was idle. If false, the server has been closed. */
bool server_is_sound(struct server *server);
/* Idle for so long that server_check_query comes before it is handed out. Locked. */
bool server_is_stale(const struct server *server, uint64_t now_ms);
void server_check_locked(struct server *server); /* an IDLE one: begins that check */
void server_check_start(struct server *server);  /* on its loop */

/* --- schedule.c, all locked --- */

/* Something changed: hands out what is free, opens and evicts what is needed. */
void pool_schedule(struct pool *pool);
/* As above for all pools of the database: its limit may have had others wait. */
void database_schedule(struct database *database);
/* One more connection of `profile` on `loop`, if the limits allow. */
bool pool_open(struct pool *pool, struct profile *profile, struct loop *loop);
struct server *pool_oldest_idle(struct pool *pool); /* or NULL */
void pool_give_place(struct pool *pool);            /* a connection is closed */
/* A login failed: notes why. The next pool_schedule tells the waiters whom nothing else helps. */
void pool_login_failed(struct pool *pool, struct profile *profile, const char *sqlstate,
                       const char *message, const char *detail, bool from_server);

/* --- waiter.c, all locked --- */
void waiter_begin(struct pool_waiter *waiter, uint64_t ticket);
/* Ends its waiting without a callback; returns the server it had been granted, or NULL. */
struct server *waiter_end(struct pool_waiter *waiter);
void waiter_grant(struct pool_waiter *waiter, struct server *server); /* an IDLE one */
void waiter_fail(struct pool_waiter *waiter, const struct login_failure *failure);
void waiter_revoke(struct server *server); /* its waiter, if any, goes back to its place */
/* Takes the grant out of both: what is left is a call of on_ready. */
void waiter_take_grant(struct pool_waiter *waiter, struct server *server);

/* --- profile.c --- */
void profile_unref_locked(struct profile *profile);

/* --- facts.c, all locked --- */
/* A new profile: what is known of its plain one holds for it. */
void facts_inherit(struct profile *profile);
/* What the login of a backend found out. Takes `welcome` (a copy of ours) over. Returns a reference
 * on the profile's facts: the old ones if nothing moved; else new ones, and every other backend of
 * the profile is recycled. Locked. */
struct profile_facts *profile_learn(struct profile *profile, const struct probe *probe,
                                    struct buf *welcome);
/* The facts of this profile, or (all) of every one of its base, are not to be relied on. */
void facts_outdate(struct profile *profile, bool all);

/* --- lend.c, all locked --- */
/* True if the waiter, or a session of its profile, may have this server, which is idle. `native`: one of
 * its own profile alone. */
bool profile_takes(const struct profile *profile, bool native, const struct server *server);
/* The profile of which a server is to be opened for it. */
struct profile *profile_to_open(struct profile *profile, bool native);
/* The profile of which a server is best had in reserve, after a login of `profile`. */
struct profile *profile_to_keep(struct profile *profile);
/* A backend of the profile has logged in: what was learned is worth keeping for some time. */
void profile_remember(struct profile *profile);
void profiles_forget(struct pool *pool);

/* --- server.c --- */
struct server *server_create(struct pool *pool, struct profile *profile, struct loop *loop);
void server_move_to(struct server *server, enum server_state state); /* locked; the one who moves */
void server_post(struct server *server);         /* locked: its loop is to look at its state */
void server_close_locked(struct server *server); /* any thread if idle; its loop does the rest */
void server_close(struct server *server);        /* not locked, on its loop: at once */
void server_lose(struct server *server, const char *why,
                 struct slice detail);             /* unused, and over */
void server_ready_locked(struct server *server);   /* idle now, unless it has to go */
bool server_unwanted(const struct server *server); /* locked: outdated, paused, or nobody's */
extern const struct stream_handler server_stream_handler;

/* --- release.c --- */
/* Goes on with giving back: the user's on_input has returned (`rest`: it left bytes), or a cancel
 * is done. */
void server_release_go_on(struct server *server, bool rest);
void server_send_query(struct server *server, const char *sql);
size_t server_reset_input(struct server *server, const uint8_t *data, size_t len);

/* --- move.c --- */
void server_depart(struct server *server);   /* MOVING, on the old loop */
void server_detached(struct server *server); /* the old loop's handle is closed */
void server_arrive(struct server *server);   /* MOVING, on the new loop */

/* --- login.c --- */
void login_start(struct server *server);
void login_abandon(struct server *server); /* frees server->login; nobody is told */
void login_time_out(struct server *server);
void login_connected(struct server *server);
size_t login_input(struct server *server, const uint8_t *data, size_t len);
void login_end(struct server *server, int error_number); /* the connection is lost */
void login_closed(struct server *server); /* and its handle closed: on to the next address */

/* --- cancel.c --- */
void cancels_forget(struct server *server); /* it is going: those under way end by themselves */
void cancels_tick(struct pools_side *side, uint64_t now_ms);
void cancels_stop(struct pools_side *side);
