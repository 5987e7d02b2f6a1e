/* Compiler attributes behind names, and assertions that stay in release builds. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define MUST_USE             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, at) __attribute__((format(printf, fmt, at)))
#define NORETURN             __attribute__((noreturn))
#define UNUSED               __attribute__((unused))
#define CLEANUP(fn)          __attribute__((cleanup(fn)))
#define LIKELY(x)            __builtin_expect(!!(x), 1)
#define UNLIKELY(x)          __builtin_expect(!!(x), 0)
#define CACHE_LINE           64

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The struct of `type` whose `member` lies at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

NORETURN void assert_failed(const char *file, int line, const char *what);

/* Holds in every build: a broken invariant ends the process before it can serve a wrong answer. */
#define ASSERT(x) (LIKELY(x) ? (void)0 : assert_failed(__FILE__, __LINE__, #x))

static inline size_t size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t size_max(size_t a, size_t b)
{
    return a > b ? a : b;
}
