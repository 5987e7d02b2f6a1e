/* Between forward.c, effects.c and names.c: prepared statements under the backend's names. All of
 * these append to the host's compose buffer and to the queue of owed answers. */
#pragma once

#include "session/session.h"
#include "upstream/statements.h"

/* The name of statement `id` at the backends, in `out`. */
struct slice names_at_server(uint64_t id, char out[STATEMENT_NAME_MAX]);

/* Appends a Parse under this name; what it is owed is the caller's to note. */
void names_put_parse(struct session *session, struct slice name, struct slice query,
                     struct slice types);

/* Notes that the backend will have `statement`; closes what falls off the end of its list. */
void names_server_gets(struct session *session, struct statement *statement);

/* A statement with constants is parsed between SET LOCAL and the end of its block: ties the session. */
void names_keep_backend(struct session *session, const struct statement *statement);

/* Makes sure that the backend has `statement` under its shared name, or the client's unnamed one. */
void names_ensure(struct session *session, struct statement *statement);
void names_ensure_unnamed(struct session *session);

/* Behind the Parse of a statement that the client calls `name`: asks what its result looks like. */
void names_learn(struct session *session, struct statement *statement, struct slice name);
/* The answer to that, a RowDescription or NoData. */
void names_learned(struct session *session, const struct owed_entry *entry,
                   const struct pgwire_frame *frame);
/* A Bind, or a Describe of a statement, of a client that prepared it before the latest DDL, at a backend
 * that does not have it. Parse would take it as new, where the one that the client prepared would be
 * refused if its result has changed. True: the backend was asked, the message waits for the answer. */
bool names_must_look(struct session *session, const struct pgwire_frame *frame);
/* True if the answer was that the result has changed: the backend forgets the statement again. */
bool names_result_changed(struct session *session, const struct statement *statement);

/* The settings are about to change: statements with constants are parsed under those of now. */
void names_settle(struct session *session);

/* SQL is about to speak of prepared statements: the backend learns the client's own names. The session
 * keeps it from then on. Nothing happens a second time. */
void names_own(struct session *session);

/* What names_own has asked for was refused, or skipped behind an error. `entry`: one that has a name, or has
 * statements that were to be forgotten. */
void names_not_owned(struct session *session, const struct owed_entry *entry);

/* True if a name that is not known here may be known to the backend: SQL, or code, has made it. */
static inline bool names_may_be_sql(const struct session *session)
{
    return session->own_names || session->pin != PIN_NONE || session->unit.pin != PIN_NONE;
}

/* Owes the client an empty message of type `answer` that is sent from here. */
void names_answer_here(struct session *session, uint8_t request, uint8_t answer,
                       struct owed_entry **out);

/* An ErrorResponse to `head` that speaks of a shared name: the whole message with the client's name in
 * its place is in the host's compose buffer. False: it does not. */
bool names_in_error(struct session *session, const struct owed_entry *head, const uint8_t *body,
                    size_t body_len);
