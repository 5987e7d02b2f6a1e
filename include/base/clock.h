/* The only place that asks the system what time it is. Modules take times as arguments. */
#pragma once

#include <stdint.h>

uint64_t clock_now_us(void);  /* monotonic, microseconds */
uint64_t clock_wall_ms(void); /* since 1970, milliseconds */
uint64_t clock_wall_us(void); /* since 1970, microseconds */

/* Fills `out` with `len` random bytes from the kernel; aborts if it cannot. */
void clock_random(void *out, unsigned len);
