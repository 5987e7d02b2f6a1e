/* Allocation. Out of memory aborts the process, except for sizes that a peer chose: those use the
 * `_try_` form and fail like any other bad input. */
#pragma once

#include <stddef.h>

#include "base/macros.h"

void *mem_alloc(size_t size);                   /* not cleared */
void *mem_zero(size_t count, size_t size);      /* cleared */
void *mem_resize(void *old, size_t size);       /* as realloc */
void *mem_copy(const void *from, size_t size);  /* a copy of ours */
char *mem_text(const char *text);               /* a copy of ours; NULL gives NULL */
char *mem_text_n(const void *from, size_t len); /* a copy with a terminating zero */
void mem_free(void *old);                       /* NULL is fine */
void *mem_try_alloc(size_t size) MUST_USE;      /* NULL when there is no memory */
