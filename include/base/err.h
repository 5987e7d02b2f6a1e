/* The one list of what can go wrong, with its texts.
 *
 * A function that can fail returns `enum err` and is marked MUST_USE. ERR_MORE is not a failure: a
 * decoder has seen a good beginning and needs more bytes.
 */
#pragma once

#include "base/macros.h"

#define ERRS(X)                                                                                    \
    X(OK, "success")                                                                               \
    X(MORE, "more bytes are needed")                                                               \
    X(MALFORMED, "malformed input")                                                                \
    X(TOO_BIG, "larger than its limit")                                                            \
    X(TOO_MANY, "more than the limit allows")                                                      \
    X(NOT_FOUND, "not found")                                                                      \
    X(EXISTS, "exists already")                                                                    \
    X(INVALID, "invalid value")                                                                    \
    X(RANGE, "value out of range")                                                                 \
    X(AGAIN, "would have to wait")                                                                 \
    X(CLOSED, "closed by the other side")                                                          \
    X(TIMEOUT, "timed out")                                                                        \
    X(AUTH, "authentication failed")                                                               \
    X(UNSUPPORTED, "not supported")                                                                \
    X(STALE, "overtaken by a newer state")                                                         \
    X(SYSTEM, "the operating system refused")

#define ERR_ENUM(name, text) ERR_##name,
enum err { ERRS(ERR_ENUM) ERR_COUNT };
#undef ERR_ENUM

/* The text of `err`; never NULL, lives forever. */
const char *err_text(enum err err);
