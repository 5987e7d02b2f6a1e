/* See torture.h. */
#include "torture.h"

#include <stdlib.h>

#include "walk.h"

static enum pgwire_status walk_copy_of(const struct walker *walker, const uint8_t *body, size_t len,
                                       size_t flip)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0) {
        memcpy(copy, body, len);
    }
    if (flip / 8 < len) {
        copy[flip / 8] ^= (uint8_t)(1U << flip % 8);
    }
    enum pgwire_status status = walker->walk(copy, len);
    free(copy);
    return status;
}

void torture(const char *name, const uint8_t *body, size_t len, size_t good_prefix_min)
{
    const struct walker *walker = walker_named(name);

    assert_int_equal(walk_copy_of(walker, body, len, SIZE_MAX), PGWIRE_OK);
    for (size_t prefix = 0; prefix < len; prefix++) {
        enum pgwire_status status = walk_copy_of(walker, body, prefix, SIZE_MAX);
        assert_int_equal(status, prefix >= good_prefix_min ? PGWIRE_OK : PGWIRE_MALFORMED);
    }
    for (size_t flip = 0; flip < len * 8; flip++) {
        enum pgwire_status status = walk_copy_of(walker, body, len, flip);
        assert_true(status == PGWIRE_OK || status == PGWIRE_MALFORMED);
    }
    /* A byte too many is refused too, unless the body may be of any length. */
    uint8_t *longer = malloc(len + 1);
    assert_non_null(longer);
    memcpy(longer, body, len);
    longer[len] = 'x';
    enum pgwire_status status = walk_copy_of(walker, longer, len + 1, SIZE_MAX);
    free(longer);
    assert_int_equal(status, good_prefix_min <= len ? PGWIRE_OK : PGWIRE_MALFORMED);
}

void assert_refused(const char *name, const uint8_t *body, size_t len)
{
    assert_int_equal(walk_copy_of(walker_named(name), body, len, SIZE_MAX), PGWIRE_MALFORMED);
}
