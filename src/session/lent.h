/* Sessions on backends that were not logged in with their startup parameters: upstream/profile.h.
 *
 * session->settings is what the client has set since its login, whatever backend it is on. A backend that
 * is lent is made to have more: what it lacks of the client's parameters, and over that the settings.
 *
 * Threads  The session's loop. */
#pragma once

#include "base/buf.h"
#include "base/table.h"

struct session;
struct setting_changes;
struct query;
struct verdict;
struct settings;
struct owed_entry;

/* A list made of two others, kept for the next time. */
struct lent_list {
    struct settings *over; /* references, all three */
    struct settings *own;
    struct settings *both;
};

struct session_lent {
    const char *native;       /* why it has backends of its own profile alone; NULL: it need not */
    struct lent_list list[2]; /* for backends of the plain and the base profile */
    bool bare;             /* DISCARD ALL has left its backend, which is lent, without any of it */
    struct table restores; /* texts of ours that follow an Execute, by portal */
    struct buf report;     /* ParameterStatus that go before the next ReadyForQuery */
};

/* True if the backend that it holds is lent. */
bool lent_is_on(const struct session *session);
/* What the backend that it holds is to have now; borrowed. */
const struct settings *lent_wanted(struct session *session);
/* What it has at the end of a unit, in status I; a reference for the caller. */
struct settings *lent_left(struct session *session);
/* Under which constants are read and names mean something, parameters included; borrowed. */
const struct settings *lent_parse_settings(const struct session *session);
void lent_fini(struct session *session);

/* ---- native.c ---- */
/* True if the unit at the head of the input, as far as it is there, can tell a backend that is lent from one
 * that was logged in for its client. Then the session has had its last backend that is lent. */
bool lent_wants_native(struct session *session, const uint8_t *data, size_t len);

/* ---- restore.c ---- */
/* After `text`, a Query of one or more statements with EFFECT_TRACK: the text to send in its place, in
 * *out, and what of the answers to swallow. NULL: it is sent as it is. */
struct restore *restore_query(struct session *session, const struct query *query, struct buf *out);
void restore_destroy(struct restore *restore); /* NULL is fine */
/* CommandComplete and its like of a text of restore_query: true if it answers a statement of ours. */
bool restore_hides(struct restore *restore, uint8_t type);
/* An ErrorResponse whose place counts bytes of ours: the message as the client is to see it. False: it is
 * right as it is. */
bool restore_error(const struct restore *restore, const uint8_t *body, size_t len, struct buf *out);
/* A Bind: what is to follow each Execute of the portal is remembered. */
void restore_bind(struct session *session, const struct query *query, struct slice portal,
                  const struct verdict *verdict);
/* The transaction is over, and with it all portals. */
void restore_forget(struct session *session);
/* Behind an Execute: sends it. */
void restore_execute(struct session *session, struct slice portal);
/* DISCARD ALL came as a Query on a backend that is lent: the client is told what is in force for it. */
void restore_discarded(struct session *session);
/* True if the client is not to see this ParameterStatus. */
bool restore_hides_report(const struct session *session, const struct owed_entry *head,
                          struct slice name);
