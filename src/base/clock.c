/* Time and chance from the kernel. */
#include "base/clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "base/macros.h"

static uint64_t read_us(clockid_t id)
{
    struct timespec now;
    ASSERT(clock_gettime(id, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

uint64_t clock_now_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

uint64_t clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

uint64_t clock_wall_ms(void)
{
    return clock_wall_us() / 1000u;
}

void clock_random(void *out, unsigned len)
{
    for (unsigned done = 0; done < len;) {
        ssize_t got = getrandom((char *)out + done, len - done, 0);
        ASSERT(got > 0 || (got < 0 && errno == EINTR));
        done += got > 0 ? (unsigned)got : 0;
    }
}
