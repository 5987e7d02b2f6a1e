/* Logging: a fixed text, then pairs of field name and value, one line a call on stderr.
 *
 *     log_warn("login failed", "client", id, "role", role, NULL);
 *
 * Every field value is a text; log_num() and log_err() make one of a number or an error in a ring
 * of thread-local scratch, good for the call it stands in. Never log SQL parameters, rows or
 * secrets. Safe from any thread.
 */
#pragma once

#include "base/err.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* The last argument must be NULL. */
void log_write(enum log_level level, const char *text, ...) __attribute__((sentinel));

const char *log_num(int64_t value);
const char *log_err(enum err err);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...)                                                                             \
    do {                                                                                           \
        if (log_get_level() >= LOG_DEBUG)                                                          \
            log_write(LOG_DEBUG, __VA_ARGS__);                                                     \
    } while (0)
