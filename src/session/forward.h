/* Between forward.c, forward_parse.c and forward_portal.c: what one message of the client becomes. All of
 * these append to the host's compose buffer and to the queue of owed answers. */
#pragma once

#include "session/session.h"

/* Bytes for the backend. */
void forward_put(struct session *session, const void *data, size_t len);

/* The backend is made to fail, and the client gets this instead: an ErrorResponse, taken along, or one
 * made of the name between two texts. */
void forward_refuse_with(struct session *session, const struct buf *text);
void forward_refuse(struct session *session, const char *sqlstate, const char *before,
                    struct slice name, const char *after);

/* A message whose frame is right and whose inside is not: Postgres has the words for that, and its
 * transaction fails as it must. Should it understand more than we do, it may do anything. */
void forward_malformed(struct session *session, const struct pgwire_frame *frame,
                       const uint8_t *data);

/* A named statement as it is looked up. Borrows from it. */
struct query forward_query_of(const struct statement *statement);
/* True if it is one of those that local_answer.h answers. */
bool forward_is_here(struct session *session, const struct query *query);
/* Queues whole messages as the answer to a request. Takes the bytes along. */
void forward_answer_here(struct session *session, uint8_t request, const struct buf *text);

/* ---- forward_parse.c ---- */
void forward_parse(struct session *session, const struct pgwire_frame *frame, const uint8_t *data);

/* ---- forward_portal.c ---- */
void forward_bind(struct session *session, const struct pgwire_frame *frame, const uint8_t *data);
/* Describe and Close, of statements and portals. */
void forward_target(struct session *session, const struct pgwire_frame *frame, const uint8_t *data);
void forward_execute(struct session *session, const struct pgwire_frame *frame,
                     const uint8_t *data);
