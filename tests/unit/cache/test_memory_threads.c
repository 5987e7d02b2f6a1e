/* The memory tier under threads: readers and writers at once. Run under the thread and the address
 * sanitizer, this is the test of the reclamation. Which thread runs when is the machine's business: each
 * goes on, beyond its turns, until it has had what it came for. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "cache/memory.h"

enum { READERS = 2, WRITERS = 2, KEYS = 400, TURNS = 10000, FINDS = 16, ANSWER_MAX = 600 };

static _Atomic(uint64_t) words[KEYS];
static const uint64_t now_ms = 1700000000000;
static const uint64_t later_ms = 1700000030000;

struct job {
    pthread_t thread;
    struct cache *cache;
    unsigned number;
    uint64_t hits;
    uint64_t wrong;
};

static void key_make(char *text, size_t size, unsigned number, struct entry_key *out)
{
    int len = snprintf(text, size, "SELECT * FROM t WHERE id = %u", number);
    *out = (struct entry_key){.hash = hash128_of(text, (size_t)len),
                              .bytes = slice_of(text, (size_t)len)};
}

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

/* An answer is its key's number over and over, after the stamp that it was read under. */
static bool answer_is_whole(const struct entry *entry, unsigned number)
{
    struct slice answer = entry_answer(entry);
    uint64_t value;
    memcpy(&value, answer.data, sizeof(value));
    if (value != entry->stamps[0].value || entry->stamps[0].word != number)
        return false;
    for (size_t i = sizeof(value); i < answer.len; i++)
        if (answer.data[i] != (uint8_t)number)
            return false;
    return true;
}

static void *read_much(void *arg)
{
    struct job *job = arg;
    uint64_t seed = job->number + 1;
    const struct entry *held[FINDS];
    unsigned numbers[FINDS];
    for (unsigned turn = 0; turn < TURNS * 4 || !job->hits; turn++) {
        for (unsigned i = 0; i < FINDS; i++) {
            char text[64];
            struct entry_key key;
            numbers[i] = (unsigned)(next(&seed) % KEYS);
            key_make(text, sizeof(text), numbers[i], &key);
            held[i] = cache_find(job->cache, job->number, &key, now_ms);
        }
        for (unsigned i = 0; i < FINDS; i++) { /* all still good at the end of the turn */
            if (!held[i])
                continue;
            job->hits++;
            job->wrong += !answer_is_whole(held[i], numbers[i]);
        }
        cache_reader_quiet(job->cache, job->number);
    }
    return NULL;
}

static void *write_much(void *arg)
{
    struct job *job = arg;
    uint64_t seed = job->number + 100;
    uint8_t answer[ANSWER_MAX];
    for (unsigned turn = 0; turn < TURNS * 8 || !job->hits; turn++) {
        char text[64];
        struct entry_key key;
        unsigned number = (unsigned)(next(&seed) % KEYS);
        key_make(text, sizeof(text), number, &key);
        if (turn % 8 == 0)
            atomic_fetch_add(&words[number], 1);
        if (turn % 4000 == 3999)
            cache_flush(job->cache);
        struct stamp stamp = {.word = number, .value = atomic_load(&words[number])};
        size_t len = sizeof(stamp.value) + next(&seed) % (ANSWER_MAX - sizeof(stamp.value));
        memset(answer, (int)number, len);
        memcpy(answer, &stamp.value, sizeof(stamp.value));
        enum err err =
            cache_store(job->cache, &key, slice_of(answer, len), &stamp, 1, now_ms, later_ms);
        job->wrong += err != ERR_OK && err != ERR_STALE && err != ERR_AGAIN;
        job->hits += err == ERR_OK;
    }
    return NULL;
}

static void readers_see_whole_entries_while_writers_replace_evict_and_flush(void **state)
{
    (void)state;
    struct cache_limits limits = {.memory_bytes_max = 128 * 1024, .entry_bytes_max = ANSWER_MAX};
    struct cache *cache = cache_create(&limits, words, READERS);
    struct job readers[READERS], writers[WRITERS];
    for (unsigned i = 0; i < READERS; i++) {
        readers[i] = (struct job){.cache = cache, .number = i};
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_much, &readers[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct job){.cache = cache, .number = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_much, &writers[i]), 0);
    }
    uint64_t hits = 0, stores = 0;
    for (unsigned i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        assert_int_equal(readers[i].wrong, 0);
        hits += readers[i].hits;
    }
    for (unsigned i = 0; i < WRITERS; i++) {
        pthread_join(writers[i].thread, NULL);
        assert_int_equal(writers[i].wrong, 0);
        stores += writers[i].hits;
    }
    assert_true(hits > 0);
    assert_true(stores > 0);
    struct cache_stats stats;
    cache_stats(cache, &stats);
    assert_int_equal(stats.stores, stores);
    assert_true(stats.evictions > 0);
    assert_true(stats.bytes <= stats.bytes_max);
    cache_destroy(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_see_whole_entries_while_writers_replace_evict_and_flush),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
