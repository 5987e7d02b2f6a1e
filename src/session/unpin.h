/* The end of a pin, proven by the backend itself: see unpin.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/link.h"

struct host;
struct pgwire_frame;
struct session;

enum {
    UNPIN_PAUSE_MS = 100,     /* between a statement and the question, and between two questions */
    UNPIN_PAUSE_MAX_MS = 3200 /* when the answer was no, the pause is doubled up to this */
};

/* Of one session. */
struct unpin {
    struct link link; /* in host->unpinning, while it is due */
    bool due;
    bool nothing; /* the answer: nothing is left */
    uint64_t pause_ms;
    uint64_t next_ms; /* not asked before */
};

/* ReadyForQuery, status I; the unit's effects are the session's. */
void unpin_note(struct session *session);

/* An ErrorResponse to the client has come. What was not done at all does not pin. */
void unpin_refused(struct session *session, const uint8_t *body, size_t len);

/* Its backend is given back, or lost. */
void unpin_forget(struct session *session);

/* Every LOOP_TICK_MS: asks for those that are due and idle. */
void unpin_tick(struct host *host, uint64_t now_ms);

/* A message that answers the question; all of it is there. False: the session has no backend any more, or
 * its turn is over. */
bool unpin_relay(struct session *session, const struct pgwire_frame *frame);
