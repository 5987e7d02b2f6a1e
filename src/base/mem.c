/* Allocation that does not come back without memory. */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *checked(void *memory)
{
    if (UNLIKELY(!memory)) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return memory;
}

void *mem_alloc(size_t size)
{
    return checked(malloc(size ? size : 1));
}

void *mem_zero(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size ? size : 1));
}

void *mem_resize(void *old, size_t size)
{
    return checked(realloc(old, size ? size : 1));
}

void *mem_copy(const void *from, size_t size)
{
    void *copy = mem_alloc(size);
    if (size)
        memcpy(copy, from, size);
    return copy;
}

char *mem_text(const char *text)
{
    return text ? mem_copy(text, strlen(text) + 1) : NULL;
}

char *mem_text_n(const void *from, size_t len)
{
    char *copy = mem_alloc(len + 1);
    if (len)
        memcpy(copy, from, len);
    copy[len] = 0;
    return copy;
}

void mem_free(void *old)
{
    free(old);
}

void *mem_try_alloc(size_t size)
{
    return malloc(size ? size : 1);
}
