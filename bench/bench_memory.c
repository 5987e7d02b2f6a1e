/* Nanoseconds that a hit in the memory tier costs: cache_find from the key's hash on, without making
 * the key, and one quiet point every TURN_FINDS finds.
 *
 *     bench_memory [MILLISECONDS_EACH]
 *
 * With two threads on one key, the visit counter has its greatest value soon and nothing is written:
 * a hit that waited for another would show here.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/memory.h"

enum {
    KEYS = 1 << 16,
    KEY_MAX = 64,
    ANSWER_BYTES = 300,
    STAMPS = 3,
    WORDS = 1024,
    TURN_FINDS = 16,
    THREADS_MAX = 2,
    MILLISECONDS_EACH = 300,
};

static _Atomic(uint64_t) words[WORDS];
static char texts[KEYS][KEY_MAX];
static struct entry_key keys[KEYS];
static const uint64_t now_ms = 1700000000000;

struct job {
    pthread_t thread;
    struct cache *cache;
    unsigned reader;
    unsigned key_count;
    uint64_t end_us;
    uint64_t finds;
    uint64_t misses;
    uint64_t took_ns; /* of this thread's own time: others may be using the processor */
};

static void fill(struct cache *cache)
{
    uint8_t answer[ANSWER_BYTES] = {0};
    for (unsigned i = 0; i < KEYS; i++) {
        int len = snprintf(texts[i], KEY_MAX, "SELECT abalance FROM accounts WHERE aid = %u", i);
        keys[i].bytes = slice_of(texts[i], (size_t)len);
        keys[i].hash = hash128_of(texts[i], (size_t)len);
        struct stamp stamps[STAMPS];
        for (unsigned s = 0; s < STAMPS; s++)
            stamps[s] = (struct stamp){.word = (i * STAMPS + s) % WORDS};
        if (cache_store(cache, &keys[i], slice_of(answer, sizeof(answer)), stamps, STAMPS, now_ms,
                        now_ms + 30000))
            abort();
    }
}

static uint64_t thread_time_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void *find_much(void *arg)
{
    struct job *job = arg;
    uint64_t seed = job->reader + 1, begin_ns = thread_time_ns();
    while (clock_now_us() < job->end_us) {
        for (unsigned turn = 0; turn < 64; turn++) {
            for (unsigned i = 0; i < TURN_FINDS; i++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                const struct entry_key *key = &keys[(seed >> 33) % job->key_count];
                job->misses += !cache_find(job->cache, job->reader, key, now_ms);
            }
            cache_reader_quiet(job->cache, job->reader);
            job->finds += TURN_FINDS;
        }
    }
    job->took_ns = thread_time_ns() - begin_ns;
    return NULL;
}

static void measure(struct cache *cache, const char *what, unsigned threads, unsigned key_count,
                    unsigned milliseconds)
{
    struct job jobs[THREADS_MAX];
    for (unsigned i = 0; i < threads; i++) {
        jobs[i] = (struct job){.cache = cache,
                               .reader = i,
                               .key_count = key_count,
                               .end_us = clock_now_us() + milliseconds * 1000u};
        if (pthread_create(&jobs[i].thread, NULL, find_much, &jobs[i]))
            abort();
    }
    double ns = 0;
    uint64_t misses = 0;
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(jobs[i].thread, NULL);
        ns += (double)jobs[i].took_ns / (double)jobs[i].finds / threads;
        misses += jobs[i].misses;
    }
    printf("%-28s %u thread%s %8.1f ns a hit%s\n", what, threads, threads > 1 ? "s" : " ", ns,
           misses ? " (with misses!)" : "");
}

int main(int argc, char **argv)
{
    unsigned milliseconds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : MILLISECONDS_EACH;
    struct cache_limits limits = {.memory_bytes_max = 128 << 20, .entry_bytes_max = 1 << 20};
    struct cache *cache = cache_create(&limits, words, THREADS_MAX);
    fill(cache);
    for (unsigned threads = 1; threads <= THREADS_MAX; threads++) {
        measure(cache, "one key", threads, 1, milliseconds);
        measure(cache, "1,000 keys", threads, 1000, milliseconds);
        measure(cache, "65,536 keys", threads, KEYS, milliseconds);
    }
    cache_destroy(cache);
    return 0;
}
