#pragma once

#include <stdbool.h>
#include <stddef.h>

/* True if the parse tree of `text` is certainly no deeper than ANALYZE_DEPTH_MAX levels. */
bool analyze_depth_is_safe(const char *text, size_t len);
