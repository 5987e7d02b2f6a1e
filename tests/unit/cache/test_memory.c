/* The memory tier with one reader: what is found, what dies, what is evicted, and the budget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cache/memory.h"

enum { MIB = 1 << 20, WORDS = 64 };

static _Atomic(uint64_t) words[WORDS];
static const uint64_t now_ms = 1700000000000;
static const uint64_t later_ms = 1700000030000;

struct text_key {
    char text[64];
    struct entry_key key;
};

static const struct entry_key *key_of(struct text_key *key, const char *family, unsigned number)
{
    int len =
        snprintf(key->text, sizeof(key->text), "SELECT * FROM %s WHERE id = %u", family, number);
    key->key.bytes = slice_of(key->text, (size_t)len);
    key->key.hash = hash128_of(key->text, (size_t)len);
    return &key->key;
}

static struct cache *make(size_t memory_bytes, size_t entry_bytes, unsigned readers)
{
    struct cache_limits limits = {.memory_bytes_max = memory_bytes, .entry_bytes_max = entry_bytes};
    return cache_create(&limits, words, readers);
}

static void end(struct cache *cache)
{
    cache_reader_quiet(cache, 0);
    cache_destroy(cache);
}

static enum err store(struct cache *cache, const struct entry_key *key, const void *answer,
                      size_t len)
{
    return cache_store(cache, key, slice_of(answer, len), NULL, 0, now_ms, later_ms);
}

static void assert_answer(const struct entry *entry, const char *text)
{
    assert_non_null(entry);
    assert_true(slice_is(entry_answer(entry), text));
}

static struct cache_stats stats_of(struct cache *cache)
{
    struct cache_stats stats;
    cache_stats(cache, &stats);
    return stats;
}

static void returns_what_was_stored(void **state)
{
    (void)state;
    struct cache *cache = make(MIB, 1000, 1);
    struct text_key key;
    assert_null(cache_find(cache, 0, key_of(&key, "t", 1), now_ms));
    struct stamp stamps[2] = {{.word = 3, .value = 0}, {.word = 5, .value = 0}};
    assert_int_equal(
        cache_store(cache, key_of(&key, "t", 1), slice_of_text("one"), stamps, 2, now_ms, later_ms),
        ERR_OK);
    const struct entry *entry = cache_find(cache, 0, &key.key, now_ms);
    assert_answer(entry, "one");
    assert_int_equal(entry->stored_at_ms, now_ms);
    assert_int_equal(entry->expires_at_ms, later_ms);
    assert_int_equal(entry->stamp_count, 2);
    assert_int_equal(entry->stamps[1].word, 5);
    assert_null(cache_find(cache, 0, key_of(&key, "t", 2), now_ms));
    end(cache);
}

static void keeps_an_empty_answer(void **state)
{
    (void)state;
    struct cache *cache = make(MIB, 1000, 1);
    struct text_key key;
    assert_int_equal(store(cache, key_of(&key, "t", 1), "", 0), ERR_OK);
    assert_int_equal(cache_find(cache, 0, &key.key, now_ms)->answer_len, 0);
    end(cache);
}

static void misses_other_key_of_equal_hash(void **state)
{
    (void)state;
    struct cache *cache = make(MIB, 1000, 1);
    struct text_key key, other;
    assert_int_equal(store(cache, key_of(&key, "t", 1), "one", 3), ERR_OK);
    key_of(&other, "u", 1);
    other.key.hash = key.key.hash;
    assert_null(cache_find(cache, 0, &other.key, now_ms));
    assert_int_equal(store(cache, &other.key, "other", 5), ERR_OK);
    assert_answer(cache_find(cache, 0, &key.key, now_ms), "one");
    assert_answer(cache_find(cache, 0, &other.key, now_ms), "other");
    /* A prefix of the key is another key as well. */
    other.key.bytes = slice_of(key.text, key.key.bytes.len - 1);
    assert_null(cache_find(cache, 0, &other.key, now_ms));
    end(cache);
}

static void replaces_entry_of_same_key(void **state)
{
    (void)state;
    struct cache *cache = make(MIB, 1000, 1);
    struct text_key key;
    assert_int_equal(store(cache, key_of(&key, "t", 1), "old", 3), ERR_OK);
    const struct entry *old = cache_find(cache, 0, &key.key, now_ms);
    assert_int_equal(store(cache, &key.key, "new", 3), ERR_OK);
    assert_answer(cache_find(cache, 0, &key.key, now_ms), "new");
    assert_answer(old, "old"); /* good until the quiet point */
    assert_int_equal(stats_of(cache).entries, 1);
    assert_int_equal(stats_of(cache).retired, 1);
    end(cache);
}

static void misses_when_a_stamp_has_moved(void **state)
{
    (void)state;
    struct cache *cache = make(MIB, 1000, 1);
    struct text_key key;
    struct stamp stamps[2] = {{.word = 7, .value = 10}, {.word = 8, .value = 20}};
    atomic_store(&words[7], 10);
    atomic_store(&words[8], 20);
    assert_int_equal(
        cache_store(cache, key_of(&key, "t", 1), slice_of_text("x"), stamps, 2, now_ms, later_ms),
        ERR_OK);
    assert_non_null(cache_find(cache, 0, &key.key, now_ms));
    atomic_store(&words[8], 21);
    assert_null(cache_peek(cache, 0, &key.key, now_ms));
    assert_int_equal(stats_of(cache).invalidations, 0);
    assert_null(cache_find(cache, 0, &key.key, now_ms));
    assert_null(cache_find(cache, 0, &key.key, now_ms));
    assert_int_equal(stats_of(cache).invalidations, 1); /* one entry, counted once */

    /* A write that was rolled back: the value returns, and so does the entry. */
    atomic_store(&words[8], 20);
    assert_non_null(cache_find(cache, 0, &key.key, now_ms));
    end(cache);
}

static void refuses_to_store_under_a_stamp_that_moved(void **state)
{
    (void)state;
    struct cache *cache = make(MIB, 1000, 1);
    struct text_key key;
    struct stamp stamp = {.word = 9, .value = 1};
    atomic_store(&words[9], 2);
    assert_int_equal(
        cache_store(cache, key_of(&key, "t", 1), slice_of_text("x"), &stamp, 1, now_ms, later_ms),
        ERR_STALE);
    assert_int_equal(cache_store(cache, &key.key, slice_of_text("x"), NULL, 0, now_ms, now_ms),
                     ERR_STALE);
    assert_int_equal(stats_of(cache).entries, 0);
    end(cache);
}

static void misses_from_the_end_of_the_window_on(void **state)
{
    (void)state;
    struct cache *cache = make(MIB, 1000, 1);
    struct text_key key;
    assert_int_equal(store(cache, key_of(&key, "t", 1), "x", 1), ERR_OK);
    assert_non_null(cache_find(cache, 0, &key.key, later_ms - 1));
    assert_null(cache_find(cache, 0, &key.key, later_ms));
    assert_int_equal(stats_of(cache).expirations, 1);
    end(cache);
}

static void refuses_what_is_too_big(void **state)
{
    (void)state;
    struct cache *cache = make(MIB, 1000, 1);
    struct text_key key;
    char answer[1001] = {0};
    assert_int_equal(store(cache, key_of(&key, "t", 1), answer, 1000), ERR_OK);
    assert_int_equal(store(cache, key_of(&key, "t", 2), answer, 1001), ERR_TOO_BIG);
    end(cache);

    cache = make(10000, MIB, 1); /* an entry over the whole budget */
    char *big = mem_zero(1, 20000);
    assert_int_equal(store(cache, key_of(&key, "t", 1), big, 20000), ERR_TOO_BIG);
    mem_free(big);
    end(cache);
}

static void stores_nothing_without_a_budget(void **state)
{
    (void)state;
    struct cache *cache = make(0, MIB, 1);
    struct text_key key;
    assert_int_equal(store(cache, key_of(&key, "t", 1), "x", 1), ERR_TOO_BIG);
    assert_null(cache_find(cache, 0, &key.key, now_ms));
    end(cache);
}

/* Entries of very different sizes, many times the budget, with quiet points far apart. */
static void never_exceeds_its_budget(void **state)
{
    (void)state;
    const size_t budgets[] = {64 * 1024, MIB, 8 * MIB};
    char *answer = mem_zero(1, 16384);
    for (unsigned b = 0; b < ARRAY_COUNT(budgets); b++) {
        struct cache *cache = make(budgets[b], 16384, 1);
        uint64_t refused = 0;
        for (unsigned i = 0; i < 20000; i++) {
            struct text_key key;
            size_t len = (i * 2654435761u) % (i % 10 ? 1000 : 16384);
            cache_find(cache, 0, key_of(&key, "t", i), now_ms);
            enum err err = store(cache, &key.key, answer, len);
            assert_true(err == ERR_OK || err == ERR_AGAIN || err == ERR_TOO_BIG);
            refused += err != ERR_OK;
            struct cache_stats stats = stats_of(cache);
            assert_true(stats.bytes <= stats.bytes_max);
            if (i % 4 == 0)
                cache_reader_quiet(cache, 0);
        }
        assert_true(refused < 2000);
        assert_true(stats_of(cache).bytes > budgets[b] / 2); /* and it is used */
        end(cache);
    }
    mem_free(answer);
}

static void refuses_stores_while_a_reader_holds_everything_back(void **state)
{
    (void)state;
    struct cache *cache = make(256 * 1024, 1000, 2);
    struct text_key key;
    char answer[1000] = {0};
    assert_null(cache_find(cache, 1, key_of(&key, "t", 0), now_ms)); /* and is never quiet */
    enum err err = ERR_OK;
    for (unsigned i = 0; i < 10000 && !err; i++)
        err = store(cache, key_of(&key, "t", i), answer, sizeof(answer));
    assert_int_equal(err, ERR_AGAIN);
    assert_true(stats_of(cache).bytes <= stats_of(cache).bytes_max);
    cache_reader_quiet(cache, 1);
    assert_int_equal(store(cache, &key.key, answer, sizeof(answer)), ERR_OK);
    end(cache);
}

static unsigned count_found(struct cache *cache, const char *family, unsigned count)
{
    unsigned found = 0;
    struct text_key key;
    for (unsigned i = 0; i < count; i++)
        found += cache_peek(cache, 0, key_of(&key, family, i), now_ms) != NULL;
    return found;
}

static void keeps_the_hot_set_through_a_scan(void **state)
{
    (void)state;
    enum { HOT = 500, SCAN = 40000 };
    struct cache *cache = make(4 * MIB, 1000, 1);
    struct text_key key;
    char answer[900] = {0};
    for (unsigned i = 0; i < HOT; i++)
        assert_int_equal(store(cache, key_of(&key, "hot", i), answer, sizeof(answer)), ERR_OK);
    for (unsigned round = 0; round < 3; round++)
        for (unsigned i = 0; i < HOT; i++)
            assert_non_null(cache_find(cache, 0, key_of(&key, "hot", i), now_ms));
    for (unsigned i = 0; i < SCAN; i++) { /* ten times the budget, each asked for once */
        cache_reader_quiet(cache, 0);
        assert_int_equal(store(cache, key_of(&key, "scan", i), answer, sizeof(answer)), ERR_OK);
    }
    assert_int_equal(count_found(cache, "hot", HOT), HOT);
    assert_true(count_found(cache, "scan", SCAN) > 1000);
    end(cache);
}

static void admits_what_comes_back_soon(void **state)
{
    (void)state;
    struct cache *cache = make(MIB, 1000, 1);
    struct text_key key;
    char answer[900] = {0};
    assert_int_equal(store(cache, key_of(&key, "again", 0), answer, sizeof(answer)), ERR_OK);
    unsigned scanned = 0;
    while (cache_peek(cache, 0, key_of(&key, "again", 0), now_ms)) { /* until it is evicted */
        cache_reader_quiet(cache, 0);
        assert_int_equal(store(cache, key_of(&key, "scan", scanned++), answer, sizeof(answer)),
                         ERR_OK);
    }
    assert_int_equal(store(cache, key_of(&key, "again", 0), answer, sizeof(answer)), ERR_OK);
    for (unsigned i = 0; i < scanned * 5; i++) {
        cache_reader_quiet(cache, 0);
        assert_int_equal(store(cache, key_of(&key, "more", i), answer, sizeof(answer)), ERR_OK);
        cache_find(cache, 0, key_of(&key, "again", 0), now_ms);
    }
    assert_int_equal(count_found(cache, "again", 1), 1);
    end(cache);
}

static void evicts_the_dead_first_and_does_not_keep_them(void **state)
{
    (void)state;
    enum { LIVE = 500 };
    struct cache *cache = make(MIB, 1000, 1);
    struct text_key key;
    char answer[500] = {0};
    atomic_store(&words[11], 1);
    struct stamp stamp = {.word = 11, .value = 1};
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(cache_store(cache, key_of(&key, "dead", i),
                                     slice_of(answer, sizeof(answer)), &stamp, 1, now_ms, later_ms),
                         ERR_OK);
    assert_int_equal(stats_of(cache).entries, 500);
    atomic_store(&words[11], 2);
    /* The same keys stored again and again need no room, yet the sweep finds the dead in time. */
    for (unsigned i = 0; i < 20 * LIVE; i++) {
        cache_reader_quiet(cache, 0);
        assert_int_equal(store(cache, key_of(&key, "live", i % LIVE), answer, sizeof(answer)),
                         ERR_OK);
    }
    assert_int_equal(stats_of(cache).entries, LIVE);
    assert_int_equal(stats_of(cache).invalidations, 500);
    assert_int_equal(stats_of(cache).evictions, 0);
    end(cache);
}

static void flush_drops_everything_and_gives_memory_back(void **state)
{
    (void)state;
    struct cache *cache = make(4 * MIB, 1000, 2);
    size_t empty = stats_of(cache).bytes;
    struct text_key key;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(store(cache, key_of(&key, "t", i), "x", 1), ERR_OK);
    const struct entry *held = cache_find(cache, 1, key_of(&key, "t", 5), now_ms);
    cache_flush(cache);
    assert_answer(held, "x");
    assert_int_equal(count_found(cache, "t", 1000), 0);
    assert_int_equal(stats_of(cache).retired, 1000);
    cache_reader_quiet(cache, 0);
    cache_reader_quiet(cache, 1);
    for (unsigned i = 0; i < 100000 && stats_of(cache).retired; i++)
        cache_reader_quiet(cache, 0); /* bounded work each, but it ends */
    assert_int_equal(stats_of(cache).retired, 0);
    assert_int_equal(stats_of(cache).bytes, empty);
    end(cache);
}

static void destroys_null(void **state)
{
    (void)state;
    cache_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(returns_what_was_stored),
        cmocka_unit_test(keeps_an_empty_answer),
        cmocka_unit_test(misses_other_key_of_equal_hash),
        cmocka_unit_test(replaces_entry_of_same_key),
        cmocka_unit_test(misses_when_a_stamp_has_moved),
        cmocka_unit_test(refuses_to_store_under_a_stamp_that_moved),
        cmocka_unit_test(misses_from_the_end_of_the_window_on),
        cmocka_unit_test(refuses_what_is_too_big),
        cmocka_unit_test(stores_nothing_without_a_budget),
        cmocka_unit_test(never_exceeds_its_budget),
        cmocka_unit_test(refuses_stores_while_a_reader_holds_everything_back),
        cmocka_unit_test(keeps_the_hot_set_through_a_scan),
        cmocka_unit_test(admits_what_comes_back_soon),
        cmocka_unit_test(evicts_the_dead_first_and_does_not_keep_them),
        cmocka_unit_test(flush_drops_everything_and_gives_memory_back),
        cmocka_unit_test(destroys_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
