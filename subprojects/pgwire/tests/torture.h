/* What every decoder has to stand: each prefix, each flipped bit. Each body is in memory of exactly
 * its size, so that the address sanitizer sees a step too far. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pgwire/types.h"

/* A body from a string literal with zeros inside. */
#define BODY(literal) (const uint8_t *)(literal), sizeof(literal) - 1

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static inline struct pgwire_slice slice_of(const char *text)
{
    return (struct pgwire_slice){.data = (const uint8_t *)text, .len = strlen(text)};
}

static inline void assert_slice(struct pgwire_slice slice, const char *text)
{
    assert_int_equal(slice.len, strlen(text));
    assert_memory_equal(slice.data, text, slice.len);
}

/* For a body that no shorter and no longer one can stand for. */
enum { EXACT = 1 << 30 };

/* The body is good. A prefix is so from `good_prefix_min` bytes on, and then one byte more is, too;
 * else both are MALFORMED. No flipped bit does harm. */
void torture(const char *walker, const uint8_t *body, size_t len, size_t good_prefix_min);

/* The body is MALFORMED, and nothing worse. */
void assert_refused(const char *walker, const uint8_t *body, size_t len);
