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

/* The backend is about to parse `statement`: closes what it has under this name, and what falls off the end
 * of its list. */
void names_replace(struct session *session, struct statement *statement);

/* Makes sure that the backend has a statement of the client's under its shared name, or the unnamed one. */
void names_ensure(struct session *session, struct client_statement *known, struct slice name);
void names_ensure_unnamed(struct session *session);
/* The same for a backend that does not have it, or has something else under that name. `before`: what
 * goes to the client before an error, taken along. */
void names_parse_again(struct session *session, struct client_statement *known, struct buf *before);
void names_parse_unnamed(struct session *session, struct buf *before);

/* Appends the Close of a statement under its shared name; if the backend has it. */
void names_put_close(struct session *session, uint64_t id);
void names_close(struct session *session, uint64_t id);

/* Appends its Describe. */
void names_put_describe(struct session *session, uint64_t id);

/* Behind the Parse of a statement that the client calls `name`, or of the unnamed one: asks for its prototype. */
void names_learn(struct session *session, struct statement *statement, struct slice name);
void names_learn_unnamed(struct session *session);
/* The answer to that: ParameterDescription, then RowDescription or NoData. */
void names_learned(struct session *session, struct owed_entry *entry,
                   const struct pgwire_frame *frame);
/* A Bind, or a Describe of a statement, at a backend that does not have the statement as the client
 * prepared it: see result_type.c. True: the backend was asked, the message waits for the answer. */
bool names_must_look(struct session *session, const struct pgwire_frame *frame);
/* True if the answer was that the prototype has changed: the backend forgets the statement again, and *out has
 * what Postgres would say. */
bool names_changed(struct session *session, uint64_t id, const struct prototype *told,
                   bool describes, struct buf *out);
/* The types of the parameters as they were fixed, into *query. False: not known. */
bool names_types(const struct prototype *told, struct query *query);
/* Describe of a statement that returns no rows: Postgres does not look at it again. False: it may. */
bool names_describe(const struct prototype *prototype, struct buf *out);

/* A name of the client's is gone, unless what `entry` is for fails: the entry takes it over. */
void names_take(struct client_statement *known, struct owed_entry *entry);
/* Frees what a client's name stands for. */
void names_destroy(struct client_statement *known);
/* The same for all of an unnamed statement but its buffers. */
void names_forget_unnamed(struct session *session);

/* The settings by which names are found are about to change: the prototype of the unnamed statement, which is
 * parsed at the next backend with the types of now, has to be known. */
void names_settle_unnamed(struct session *session);

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
