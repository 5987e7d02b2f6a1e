/* Values of options as texts, and back.
 *
 * value_read_*   ERR_INVALID: not such a value; ERR_RANGE: too great to be held. `out` is set on
 *                success only.
 * value_write_*  The shortest text that reads back as the same value.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

enum { VALUE_TEXT_MAX = 32 };

MUST_USE enum err value_read_bool(const char *text, bool *out);
MUST_USE enum err value_read_int(const char *text, int64_t *out);

/* "30s", "50ms", "5min", "1h", "2d"; bare numbers are seconds and may have a fraction. */
MUST_USE enum err value_read_duration(const char *text, uint64_t *out_ms);

/* "64kB", "256MB", "1GB", "1TB", "100B"; bare numbers are bytes. Case does not matter. */
MUST_USE enum err value_read_size(const char *text, uint64_t *out_bytes);

/* The index of `text` in `names`, which are separated by '|'. */
MUST_USE enum err value_read_name(const char *text, const char *names, int *out);

void value_write_bool(char out[VALUE_TEXT_MAX], bool value);
void value_write_int(char out[VALUE_TEXT_MAX], int64_t value);
void value_write_duration(char out[VALUE_TEXT_MAX], uint64_t ms);
void value_write_size(char out[VALUE_TEXT_MAX], uint64_t bytes);
void value_write_name(char out[VALUE_TEXT_MAX], const char *names, int index);
