#pragma once

#include <stdbool.h>
#include <stddef.h>

/* True if the parse tree of `text` is certainly no deeper than ANALYZE_DEPTH_MAX levels
 * and it has no more than ANALYZE_TOKENS_MAX tokens. */
bool analyze_depth_is_safe(const char *text, size_t len);
