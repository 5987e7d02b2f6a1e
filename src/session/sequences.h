/* What a session was told by nextval, for currval and lastval: see sequences.c. */
#pragma once

#include "base/hash.h"
#include "base/link.h"
#include "sql/verdict.h"

struct host;
struct query;
struct session;

enum {
    SEQUENCE_HOLD_MS = 500,   /* how long a session keeps its backend for what may follow */
    SEQUENCE_PAST_MAX = 8,    /* statements that are remembered */
    SEQUENCE_HABITS = 1024,   /* shapes that are, by a worker */
    SEQUENCE_TRIALS = 8,      /* so often nothing followed: nothing does */
    SEQUENCE_TRIALS_ALL = 128 /* of all shapes together, since the last surprise */
};

/* Of one session. */
struct sequence_use {
    uint64_t mark;          /* that its backend has while the values there are its own; 0: none */
    uint64_t server_id;     /* that backend */
    uint64_t hold_until_ms; /* it keeps its backend; 0: it does not */
    uint64_t since_wall_ms; /* since when */
    struct link holding;    /* in host->holding, while it does */
    bool asks;              /* it has asked for a value of an earlier transaction */
    bool moved;             /* not all that it was told is known to one backend */
    bool used;              /* in this transaction, moved or asked: */
    bool follows;           /* and more may follow, after its end */
    unsigned past_count;
    struct {
        uint64_t shape;
        bool asked;   /* for a value; else it moved one */
        bool settled; /* its transaction is over */
    } past[SEQUENCE_PAST_MAX];
};

/* Of one worker: what follows statements of a shape. */
struct sequence_habits {
    unsigned trials; /* of all */
    struct {
        uint64_t shape;
        uint8_t trials;
        bool followed;
    } list[SEQUENCE_HABITS];
};

/* The backend that the session's unit had best get; 0: any. */
uint64_t sequences_home(const struct session *session);

/* A unit is about to be sent: what the backend remembers of another session goes. Its settings have been
 * replayed. */
void sequences_prepare(struct session *session);

/* A statement is about to be sent. query  NULL: it is not at hand. */
void sequences_note(struct session *session, const struct query *query,
                    const struct verdict *verdict);

/* ReadyForQuery, status I. */
void sequences_settle(struct session *session);

/* True if the session keeps its backend for a moment. */
static inline bool sequences_hold(const struct sequence_use *use)
{
    return use->hold_until_ms != 0;
}

/* Its backend is given back, or lost. */
void sequences_let_go(struct session *session);

/* Every LOOP_TICK_MS: ends what has been held for too long. */
void sequences_tick(struct host *host, uint64_t now_ms);
