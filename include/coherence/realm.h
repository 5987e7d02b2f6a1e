/* A realm: what must stay coherent for one database. It owns the order in which a write makes
 * entries unreachable, and the gate that is shut while nothing is known of the server.
 *
 *   write:   realm_close(set) ─► forward to Postgres ─► ReadyForQuery ─► realm_finish(bump) ─► answer
 *   fill:    realm_stamp() ─► prove, realm_stamp_tokens() ─► forward ─► ReadyForQuery ─► store if the
 *            stamps still hold
 *   lost:    the answer to a forwarded write never came: the closing stays, until the backend is
 *            provably gone; then realm_finish(bump)
 *   gate:    shut from the loss of the control connection until the server has been identified and
 *            a catalog is loaded; what was stored before is dropped when the incarnation changed
 *
 * DDL and writes in flight: a write's tables were worked out from one catalog snapshot. When DDL
 * commits while such a write is under way, the write may reach tables that the old snapshot did not
 * show (a new trigger, say). So realm_finish of a DDL makes every closing in flight that was proven
 * on an older snapshot one of the whole database as well, before the database opens.
 *
 * Ownership  A realm belongs to its database. A closing is embedded in its session, or in whatever
 *            waits for a lost backend; it must be finished or moved, never forgotten.
 * Threads    Any. One mutex of the process orders closings, finishes and the gates of all realms;
 *            look-ups take no lock.
 * Source     The timelines are in docs/design.md.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/err.h"
#include "base/link.h"
#include "cache/entry.h"
#include "coherence/generations.h"
#include "coherence/write_set.h"

struct catalog;

struct realm {
    struct link link;           /* in the list of all; (mutex) */
    uint64_t number;            /* unique in this process: each realm counts versions itself */
    _Atomic(uint64_t) identity; /* of server and database, 0: not known yet */
    _Atomic(uint64_t) catalog_loaded; /* version that `catalog` is good for, 0: none */
    _Atomic(uint64_t) catalog_wanted; /* a snapshot of an older version is stale */
    struct catalog *catalog;          /* a reference; (mutex) */
    /* Hash of system, timeline, start of the server: part of every key, because a copy of a server (a
     * replica, a restored backup) has the identity of the first. Written under the mutex. */
    _Atomic(uint64_t) incarnation;
    bool unseen; /* shut, and a new snapshot is needed to open; (mutex) */
    bool shut;   /* the gate holds a closing of `shut_word`; (mutex) */
    uint32_t shut_word;
    struct closing *bar;             /* realm_bar: held for as long as it stands */
    struct link closings;            /* in flight; (mutex) */
    _Atomic(uint64_t) invalidations; /* finished writes that bumped */
    _Atomic(uint64_t) lost;          /* closings that wait for a lost backend */
};

/* A write on its way. Zeroed: none. */
struct closing {
    struct link link;
    struct realm *realm;
    struct write_set set;
    uint64_t catalog_version; /* the snapshot its set was worked out from */
    uint64_t identity;        /* the realm's when it was closed: its words follow from it */
    bool with_database;       /* a DDL overtook it: holds a closing of the database too */
};

void realm_init(struct realm *realm);
void realm_fini(struct realm *realm);

/* True while nothing is closed through it, but for its bar. */
bool realm_is_unused(struct realm *realm);

/* As it was after realm_init, but for its number and its versions, which go on. Nothing may be closed
 * through it, and it is not barred. */
void realm_forget(struct realm *realm);

/* ---- reading ---- */

/* The newest snapshot if it is not stale, with a reference, and the version it is good for; else
 * NULL and *out_stale says which of the two it is. */
struct catalog *realm_catalog_at(struct realm *realm, uint64_t *out_version, bool *out_stale);
struct catalog *realm_catalog(struct realm *realm, bool *out_stale);

/* True if realm_catalog would give a snapshot; no lock. */
bool realm_catalog_is_fresh(const struct realm *realm);

/* Begins a fill: stamps[0] is everything's word, stamps[1] the database's. ERR_STALE if one of them
 * is closed or nothing is known of the server: do not store. */
MUST_USE enum err realm_stamp(struct realm *realm, struct stamp stamps[2]);

/* Adds a stamp for each token; the database's stamp tells which identity they belong to.
 * ERR_STALE if one of them is closed, ERR_TOO_MANY if they are more than `max`. */
MUST_USE enum err realm_stamp_tokens(struct realm *realm, const uint64_t *tokens, unsigned count,
                                     struct stamp *stamps, unsigned max);

/* ---- writing ---- */

static inline bool closing_is_on(const struct closing *closing)
{
    return closing->realm != NULL;
}

/* Closes what `set` names; `catalog_version` is that of the snapshot which the set was worked out
 * from: if it is not the newest wanted, the whole database is closed. `closing` must be off. */
void realm_close(struct realm *realm, const struct write_set *set, uint64_t catalog_version,
                 struct closing *closing);

/* Closes what `more` names as well. */
void realm_extend(struct closing *closing, const struct write_set *more, uint64_t catalog_version);

/* Ends a closing: bumps and opens in one step per word, or (a proven rollback) only opens. */
void realm_finish(struct closing *closing, bool bump);

/* Moves a closing to other memory: a session ends while its write's fate is open. */
void closing_move(struct closing *from, struct closing *to);

/* Bumps without a write of ours: FLUSH, an unexplained change. */
void realm_bump(struct realm *realm, const struct write_set *set);

/* ---- what the control connection learns ---- */

/* The server was identified. `incarnation` changes with system, timeline, start of the server;
 * `identity` names server and database. The gate stays shut until realm_set_catalog. */
void realm_set_identity(struct realm *realm, uint64_t identity, uint64_t incarnation);

/* Takes the reference. Opens the gate if the snapshot is not stale. */
void realm_set_catalog(struct realm *realm, struct catalog *catalog);

/* The newest snapshot is as good as one of this version: the server's catalog has not changed. */
void realm_same_catalog(struct realm *realm, uint64_t version);

/* The version that the next snapshot must carry to be fresh. */
uint64_t realm_wanted(struct realm *realm);

/* A backend died unexpectedly: nothing is served until the server has been identified again. */
void realm_shut(struct realm *realm);
/* The control connection is lost: nothing is served until a new snapshot has been loaded. */
void realm_lose(struct realm *realm);
/* While barred nothing of this database is served or stored, whatever the gate does; the end of it
 * bumps. Repeat it when the identity has changed: a realm without one cannot be barred, and is shut.
 * One caller at a time. */
void realm_bar(struct realm *realm, bool barred);
/* The server was identified and is the same: opens what realm_shut (not realm_lose) shut, without a
 * bump, if a fresh snapshot is at hand. */
void realm_confirm(struct realm *realm, uint64_t incarnation);
bool realm_is_open(struct realm *realm);
