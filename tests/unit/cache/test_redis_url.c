/* URLs of Redis: see src/cache/redis_url.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cache/redis_url.h"

static void text_is(const char *text, const char *expected)
{
    if (expected)
        assert_string_equal(text ? text : "(none)", expected);
    else
        assert_null(text);
}

static void reads_tcp_urls(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *port, *user, *password;
        unsigned db;
    } cases[] = {
        {"redis://localhost", "localhost", "6379", NULL, NULL, 0},
        {"redis://localhost/", "localhost", "6379", NULL, NULL, 0},
        {"redis://10.0.0.1:7000/3", "10.0.0.1", "7000", NULL, NULL, 3},
        {"redis://:secret@cache:6380", "cache", "6380", NULL, "secret", 0},
        {"redis://app:secret@cache/15", "cache", "6379", "app", "secret", 15},
        {"redis://a%40b:p%3Aw%2f@cache", "cache", "6379", "a@b", "p:w/", 0},
        {"redis://:p@ss:w@cache", "cache", "6379", NULL, "p@ss:w", 0},
        {"redis://[::1]", "::1", "6379", NULL, NULL, 0},
        {"redis://:x@[fe80::1]:1/2", "fe80::1", "1", NULL, "x", 2},
        {"redis://h:65535/65535", "h", "65535", NULL, NULL, 65535},
    };
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        struct redis_url url;
        assert_int_equal(redis_url_parse(cases[i].text, &url), ERR_OK);
        assert_false(url.is_unix);
        text_is(url.host, cases[i].host);
        text_is(url.port, cases[i].port);
        text_is(url.user, cases[i].user);
        text_is(url.password, cases[i].password);
        assert_int_equal(url.db, cases[i].db);
        redis_url_fini(&url);
    }
}

static void reads_unix_urls(void **state)
{
    (void)state;
    struct redis_url url;
    assert_int_equal(redis_url_parse("unix:///run/redis/redis.sock", &url), ERR_OK);
    assert_true(url.is_unix);
    text_is(url.path, "/run/redis/redis.sock");
    assert_int_equal(url.db, 0);
    redis_url_fini(&url);
    assert_int_equal(redis_url_parse("unix://u:p@/tmp/a%20b?db=7", &url), ERR_OK);
    text_is(url.path, "/tmp/a b");
    text_is(url.user, "u");
    text_is(url.password, "p");
    assert_int_equal(url.db, 7);
    redis_url_fini(&url);
}

static void refuses_everything_else(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "redis:",
        "redis://",
        "redis:///0",
        "redis://:1",
        "localhost:6379",
        "http://localhost",
        "rediss://localhost", /* TLS: never silently without */
        "REDIS://localhost",
        "redis://host:",
        "redis://host:0",
        "redis://host:65536",
        "redis://host:123456",
        "redis://host:12x",
        "redis://host:-1",
        "redis://host/x",
        "redis://host/65536",
        "redis://host/0/1",
        "redis://host/0?x=1",
        "redis://host?db=1",
        "redis://ho st",
        "redis://user@host",
        "redis://user:@host",
        "redis://:@host",
        "redis://:a%zz@host",
        "redis://:a%4@host",
        "redis://:a%@host",
        "redis://:a%00b@host",
        "redis://[::1",
        "redis://[]",
        "redis://[::1]x",
        "redis://::1",
        "unix://",
        "unix:///",
        "unix://relative",
        "unix:///p?db=",
        "unix:///p?db=x",
        "unix:///p?name=x",
        "unix:///p?",
    };
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        struct redis_url url;
        if (redis_url_parse(cases[i], &url) != ERR_INVALID)
            fail_msg("took %s", cases[i]);
    }
    assert_int_equal(redis_url_parse(NULL, &(struct redis_url){0}), ERR_INVALID);
}

static void refuses_a_path_that_no_socket_can_have(void **state)
{
    (void)state;
    char text[256] = "unix:///";
    memset(text + 8, 'a', 100);
    struct redis_url url;
    assert_int_equal(redis_url_parse(text, &url), ERR_OK);
    redis_url_fini(&url);
    memset(text + 8, 'a', 120);
    assert_int_equal(redis_url_parse(text, &url), ERR_INVALID);
}

/* Every prefix and every changed byte of a URL: it must not read beyond it (under the sanitizer). */
static void survives_every_prefix_and_every_changed_byte(void **state)
{
    (void)state;
    static const char text[] = "redis://us%65r:p%40ss@[fe80::1]:6380/12";
    for (size_t len = 0; len < sizeof(text); len++) {
        for (unsigned c = 1; c < 128; c++) {
            char *copy = mem_text_n(text, len);
            if (len)
                copy[len - 1] = (char)c;
            struct redis_url url;
            if (redis_url_parse(copy, &url) == ERR_OK)
                redis_url_fini(&url);
            mem_free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_tcp_urls),
        cmocka_unit_test(reads_unix_urls),
        cmocka_unit_test(refuses_everything_else),
        cmocka_unit_test(refuses_a_path_that_no_socket_can_have),
        cmocka_unit_test(survives_every_prefix_and_every_changed_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
