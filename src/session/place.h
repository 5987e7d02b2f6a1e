/* Between session.c and host.c: making, ticking and naming sessions. */
#pragma once

#include "session/session.h"

enum { SESSION_FLUSH_TIMEOUT_MS = 10000 };

/* NULL if the loop cannot take the socket, which is closed then. */
struct session *session_create(struct host *host, int fd, bool console, bool unix_socket);
void session_tick(struct session *session, uint64_t now_ms);
void session_note_ends(struct session *session, int fd); /* of its socket */
/* Frees the names of statements and portals and the unnamed statement's buffers. */
void session_names_fini(struct session *session);
void session_statements_fini(struct session *session);
