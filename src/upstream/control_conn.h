/* One libpq connection on a libuv loop, used asynchronously: it connects, then runs one simple query
 * at a time and hands out its rows one by one.
 *
 * Ownership  control_conn_open makes it; control_conn_close ends it, and its memory goes in the close
 *            callback of its last handle. No callback comes after control_conn_close.
 * Threads    The loop's.
 * Source     PostgreSQL manual, "libpq", "Asynchronous Command Processing".
 */
#pragma once

#include <libpq-fe.h>

#include "net/loop.h"

struct control_conn;

/* Why a query failed. Borrowed for the call. */
struct control_failure {
    char sqlstate[6]; /* "" when the server gave none */
    const char *message;
};

struct control_conn_handler {
    void (*on_connected)(void *context);
    void (*on_row)(void *context, const PGresult *row); /* exactly one row */
    /* The query has ended: send the next one if there is one. `failure` is NULL if all went well. */
    void (*on_done)(void *context, const struct control_failure *failure);
    /* The connection is over or was never made; the owner calls control_conn_close. */
    void (*on_lost)(void *context, const char *message);
};

/* Begins to connect. `keywords` and `values` are as in PQconnectdbParams and must name addresses,
 * not host names: libpq would resolve those without giving the loop back. A failure comes by on_lost,
 * never from within this call. */
struct control_conn *control_conn_open(struct loop *loop, const char *const *keywords,
                                       const char *const *values,
                                       const struct control_conn_handler *handler, void *context);

/* The numeric address that it is connected to; "" for a Unix socket. */
const char *control_conn_address(const struct control_conn *conn);

/* Sends `text`, one statement; no other query may be running. */
void control_conn_send(struct control_conn *conn, const char *text);

/* Closes the socket at once. NULL is fine. */
void control_conn_close(struct control_conn *conn);
