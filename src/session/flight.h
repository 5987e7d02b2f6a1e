/* A miss that waits for somebody else's fetch: the session's side of cache/inflight.h. */
#pragma once

#include "session/session.h"

/* The fill is prepared and its statement is about to be sent for: true if the session waits in
 * COALESCING for another's fetch instead, its own fill ended. Else it goes on, and others may wait
 * for it. */
bool flight_waits(struct session *session);

/* Ends the wait, whatever comes of the fetch; the state is the caller's. */
void flight_stop_waiting(struct session *session);

/* About once a second while it waits: after coalesce_wait_max it asks for itself. */
void flight_tick(struct session *session, uint64_t now_ms);
