/* What one client is still owed, in the order in which it asked.
 *
 * A client may send many requests before it reads one answer, and answers carry no id. So each
 * request leaves one entry here that says who will answer it, and nothing is written to a client
 * except for the entry at the head. That one rule keeps forwarded and local answers in order.
 *
 * Ownership  The session owns its queue; an entry may hold a name and a reference on a statement,
 *            for undoing what the request did to the client's names when an earlier one fails.
 * Threads    None: a queue lives on its session's loop.
 * Source     PostgreSQL manual, "Frontend/Backend Protocol", "Pipelining".
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum owed_source {
    OWED_FORWARD, /* relay what the backend answers */
    OWED_DISCARD, /* swallow it: we asked the backend, the client did not */
    OWED_LOCAL,   /* we answer: the text is in `text`, the backend was not asked */
    OWED_REPLACE, /* the backend was made to fail; the client gets `text` instead of its error */
};

struct statement;
struct server_statements;
struct setting_changes;
struct restore;

struct owed_entry {
    uint8_t request; /* type byte of the request: P B D E C S Q F */
    uint8_t source;  /* enum owed_source */
    bool unnamed;    /* P, B: the unnamed statement */
    bool asks;       /* DISCARD: of a question before COMMIT */
    bool
        begins; /* DISCARD: of a deferred BEGIN or its snapshot, without which nothing behind it may run */
    bool proves; /* discarded Q: whether anything is left of what a pin is for */
    bool fails;  /* DISCARD: the Sync of a block that was made to fail: it says E, or all is lost */
    bool replay; /* discarded Q: the backend is made one of the session's; if that fails, it ends */
    bool roles;  /* of a replay: the role may change */
    bool exits;  /* of a replay: if it fails, the backend ends before it reads what comes behind */
    bool learns; /* D of a statement: what prototype it has at this backend */
    uint8_t status; /* of a replay: the transaction status behind it */
    uint32_t text_len;
    char *name; /* P, B, C: the client's name, ours; NULL: none */
    /* P, C, B of DEALLOCATE: what the name stands (stood) for, a reference */
    struct statement *statement;
    struct prototype *prototype; /* C, B of DEALLOCATE: and its prototype, a reference */
    /* C, B: catalog version of the client's name; discarded C, D of the unnamed one: id of the statement */
    uint64_t version;
    uint64_t settings;  /* B: session_parse_settings() */
    uint64_t on_server; /* B, D: the shared statement it asks the backend for; 0: none */
    /* Ours. LOCAL, REPLACE: whole messages; discarded P: what goes before its error; D that learns: types */
    uint8_t *text;
    struct server_statements *forgotten; /* discarded E: what the backend forgets by it, ours */
    struct setting_changes *changes;     /* Q, E: what it will have set, ours; NULL: nothing */
    struct restore *restore;             /* Q: statements of ours among the client's, ours */
};

enum {
    OWED_MAX = 1 << 16,
    OWED_CAP_FIRST = 8,
    FORWARD_OWED_ROOM = 160 /* answers that one message may add, and then some */
};

struct owed {
    struct owed_entry *entries; /* a ring */
    uint32_t cap;               /* power of two, or 0 */
    uint32_t first;
    uint32_t count;
};

void owed_fini(struct owed *owed);

/* Appends a cleared entry for the caller to fill in; NULL when OWED_MAX answers are outstanding. */
struct owed_entry *owed_push(struct owed *owed, uint8_t request, enum owed_source source);

static inline struct owed_entry *owed_head(const struct owed *owed)
{
    return owed->count ? &owed->entries[owed->first & (owed->cap - 1)] : NULL;
}

static inline struct owed_entry *owed_at(const struct owed *owed, uint32_t index)
{
    return &owed->entries[(owed->first + index) & (owed->cap - 1)];
}

/* Drops the head and frees what it holds. */
void owed_pop(struct owed *owed);

/* Drops each Sync: a COPY begins, and the backend ignores those that it reads while it lasts. */
void owed_drop_syncs(struct owed *owed);

/* Gives back the memory of an empty queue: its owner is idle. */
void owed_shrink(struct owed *owed);
