/* One line a call: time, level, text, fields. A line is written with one system call, so lines of
 * different threads do not mix. Values come from clients too: control characters are shown as '?',
 * and a value with white space, quotes or '=' is quoted, so that none can pass for two fields. */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { LOG_LINE_MAX = 1024, LOG_SCRATCH_COUNT = 8, LOG_SCRATCH_LEN = 24 };

static _Atomic(int) level_now = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&level_now, (int)level, memory_order_relaxed);
}

enum log_level log_get_level(void)
{
    return (enum log_level)atomic_load_explicit(&level_now, memory_order_relaxed);
}

struct line {
    char text[LOG_LINE_MAX];
    size_t len;
};

static void put(struct line *line, const char *text)
{
    for (; *text && line->len < LOG_LINE_MAX - 1; text++)
        line->text[line->len++] = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
}

static void put_value(struct line *line, const char *value)
{
    if (*value && !strpbrk(value, " \"=\\")) {
        put(line, value);
        return;
    }
    put(line, "\"");
    for (; *value; value++) {
        char text[3] = {*value};
        if (*value == '"' || *value == '\\')
            memcpy(text, (char[3]){'\\', *value}, sizeof(text));
        put(line, text);
    }
    put(line, "\"");
}

void log_write(enum log_level level, const char *text, ...)
{
    static const char *const names[] = {"ERROR", "WARN", "INFO", "DEBUG"};
    if (level > log_get_level())
        return;
    struct line line = {.len = 0};
    uint64_t now_ms = clock_wall_ms();
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    char stamp[48];
    size_t stamped = strftime(stamp, sizeof(stamp), "%Y-%m-%d %H:%M:%S", &parts);
    snprintf(stamp + stamped, sizeof(stamp) - stamped, ".%03u ", (unsigned)(now_ms % 1000));
    put(&line, stamp);
    put(&line, names[level]);
    put(&line, " ");
    put(&line, text);
    va_list args;
    va_start(args, text);
    for (const char *name = va_arg(args, const char *); name; name = va_arg(args, const char *)) {
        const char *value = va_arg(args, const char *);
        put(&line, " ");
        put(&line, name);
        put(&line, "=");
        if (!value) { /* the sentinel, or a text that is missing: either way there is no more */
            put(&line, "-");
            break;
        }
        put_value(&line, value);
    }
    va_end(args);
    line.text[line.len++] = '\n';
    ssize_t written = write(STDERR_FILENO, line.text, line.len);
    (void)written;
}

const char *log_num(int64_t value)
{
    static _Thread_local char scratch[LOG_SCRATCH_COUNT][LOG_SCRATCH_LEN];
    static _Thread_local unsigned next;
    char *out = scratch[next++ % LOG_SCRATCH_COUNT];
    snprintf(out, LOG_SCRATCH_LEN, "%lld", (long long)value);
    return out;
}

const char *log_err(enum err err)
{
    return err_text(err);
}
