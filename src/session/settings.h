/* Between the files of a session: what the client has set, and what its backend is made to have.
 *
 * session->settings is the list in force, session->settings_begin what a rollback goes back to. Both
 * are exact unless the session is `tainted`: then only its backend knows, and it is pinned to it. */
#pragma once

#include "session/session.h"
#include "sql/setting.h"
#include "upstream/settings.h"

enum { SETTINGS_SAVEPOINTS_MAX = 64 /* more in a transaction: its settings are not tracked */ };

/* What a statement does to settings, by its text and the arguments of its Bind; NULL: it cannot be told.
 * The caller destroys it. */
struct setting_changes *settings_read(const struct query *query);

/* A verdict with EFFECT_TRACK is about to be forwarded. If what the statement does to the settings can
 * be followed, returns the verdict without the pin (in *scratch) and what it will have done in *out,
 * which the caller gives to the owed entry that is answered by its CommandComplete. Else returns
 * `verdict` and NULL.
 *
 * arguments  Of its Bind; empty for a Query.
 * named      It is a named prepared statement. */
const struct verdict *settings_track(struct session *session, const struct query *query, bool named,
                                     const struct verdict *verdict, struct verdict *scratch,
                                     struct setting_changes **out);

/* Where names are looked for: by the backend at hand, or by any of the session's profile (an answer of
 * one with other facts is not kept), under the session's settings. Not known where something that is
 * under way may move it. Borrowed until the next call on this thread. */
struct proof_scope settings_scope(const struct session *session);

/* True if the backend that the session holds may answer otherwise than others of its profile: it logged in
 * under other settings, or its role was named when that name may have meant another role. */
static inline bool settings_backend_differs(const struct session *session)
{
    const struct profile_facts *its = session->server->facts;
    return !profile_facts_fit(session->facts, its) &&
           (lent_is_on(session) || !hash128_equal(its->signature, session->facts->signature) ||
            settings_find(session->settings, "role") ||
            settings_find(session->settings, "session_authorization"));
}

/* True if a BEGIN without a level is certainly one of READ COMMITTED. */
static inline bool settings_read_committed(const struct session *session)
{
    return session->facts->read_committed &&
           !settings_find(session->settings, "default_transaction_isolation");
}

/* Savepoints come and go that are not followed, among several statements of one Query. */
void settings_lose_savepoints(struct session *session);
/* CommandComplete came for `entry`. */
void settings_complete(struct session *session, const struct owed_entry *entry,
                       struct pgwire_slice tag);
/* ErrorResponse came for `entry` (NULL: for none). */
void settings_failed(struct session *session, const struct owed_entry *entry);
/* ReadyForQuery with this status: a transaction that has ended is committed or undone. */
void settings_unit_end(struct session *session, uint8_t status);
void settings_fini(struct session *session);

/* The session is attached to a backend that is in no block and owes nothing: makes it one with the session's
 * settings. What is sent for that precedes whatever is forwarded next, which begins with `data`. */
void replay_begin(struct session *session, const uint8_t *data, size_t len);
/* A message of the backend that answers a replay. False: the replay failed; the unit is over, or the session. */
bool replay_relay(struct session *session, const struct pgwire_frame *frame, bool *out_pass);
