/* Values of key columns in one spelling: two values of a column are equal to Postgres if and only if
 * the numbers that stand for them here are made of the same bytes.
 *
 * Only types whose equal values are the same bytes are key types. A spelling that is not understood
 * with certainty has no number, and whoever asks treats the statement as one without that key.
 *
 *   int2, int4, int8   one class: Postgres compares them with each other
 *   text, varchar      in the bytes of UTF-8; other encodings only where all is ASCII
 *
 * Threads  None: pure functions.
 * Source   src/backend/utils/adt of PostgreSQL 15: int.c, int8.c, oid.c, uuid.c, bool.c, varlena.c,
 *          varchar.c, arrayfuncs.c for what their input and receive functions take.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

enum key_type {
    KEY_NONE, /* not a key type */
    KEY_INT2,
    KEY_INT4,
    KEY_INT8,
    KEY_OID,
    KEY_UUID,
    KEY_BOOL,
    KEY_TEXT,
    KEY_VARCHAR,
};

enum { KEY_VALUES_MAX = 16, KEY_TEXT_MAX = 1024 };

/* What a value said. */
enum key_found {
    KEY_UNKNOWN, /* not understood */
    KEY_NULL,    /* equal to nothing */
    KEY_FOUND,
};

/* Values of one place: several of an array. */
struct key_values {
    unsigned count;
    uint64_t values[KEY_VALUES_MAX];
};

/* How the bytes of a value are to be read. */
struct key_reading {
    enum key_type column;
    /* The type that the value has before it is compared with the column, or becomes one: declared
     * with Parse, or named by a cast. 0: Postgres finds it from what the value stands beside. */
    uint32_t type_oid;
    bool array;    /* = ANY (value) */
    bool binary;   /* a parameter in binary format */
    bool ascii;    /* the client's encoding is not UTF-8: other bytes are not understood */
    bool assigned; /* it is stored (varchar(n) drops blanks at its end), not compared */
    /* A parameter of type 0: it stands beside this column and nowhere else. (Beside a float8, too,
     * it would be one, and its value rounded.) */
    bool inferred_here;
};

enum key_type key_type_of(uint32_t type_oid);

/* The built-in type of this name, or the array of it, if a value cast to it may be compared with, or
 * stored in, a column of type `column`; else 0. */
uint16_t key_cast_of(const char *name, bool array, enum key_type column);

/* The value of a constant, given as the token that stands in the text: an integer (with `negative`
 * if a minus stands before it) or '...'. */
enum key_found key_of_token(struct slice token, bool negative, const struct key_reading *reading,
                            struct key_values *out);

/* The value of a parameter, given as its bytes in Bind; data NULL is NULL. */
enum key_found key_of_bytes(struct slice bytes, const struct key_reading *reading,
                            struct key_values *out);

uint64_t key_of_bool(bool value);
