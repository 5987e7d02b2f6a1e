/* Reading the settings of a fresh backend that change what statements mean or return: one query,
 * one row, hashed into the signature of the profile's facts.
 *
 * Source  The manual's "Client Connection Defaults" and "Version and Platform Compatibility", and
 *         experiments over all settings: what is listed here changed an answer's bytes or meaning.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "upstream/profile.h"
#include "upstream/settings.h"

/* The query, appended to `out`. */
void probe_query(struct buf *out);

struct probe {
    bool done;
    struct hash128 signature;
    const char *bypass; /* static, or NULL */
    bool lexing_unsafe;
    bool read_committed; /* default_transaction_isolation is, or READ UNCOMMITTED, the same */
    struct profile_scope scope;
    struct hash128 values[PROFILE_VALUES_MAX]; /* of each that the signature is of */
    /* Of the server, not of its settings: no part of the signature. 0: not known. */
    uint64_t started_us; /* when, since 1970 */
    bool standby;
    bool read_only;
};

/* Reads the body of the DataRow. ERR_MALFORMED: not the columns of probe_query. */
MUST_USE enum err probe_read(struct probe *probe, const uint8_t *body, size_t len);

/* True if two such lists of values differ in anything but the settings in `but`. client_encoding always
 * counts: a text of ours that sets it, and more, is read in the one before. */
bool probe_differs(const struct hash128 *a, const struct hash128 *b, const struct settings *but);

/* What holds when the query failed: nothing is cached, every text is an unknown write. */
void probe_give_up(struct probe *probe);
