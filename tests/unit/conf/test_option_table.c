#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "option_table.h"

static void every_default_is_within_its_range_and_written_as_it_is_shown(void **state)
{
    (void)state;
    struct options options;
    struct texts texts;
    texts_init(&texts);
    option_defaults(&options, &texts);
    for (unsigned i = 0; i < option_row_count; i++) {
        if (option_rows[i].type != OPTION_GROUP)
            assert_string_equal(option_text(&options, &option_rows[i]),
                                option_rows[i].default_value);
    }
    texts_fini(&texts);
}

static void every_option_has_its_name_once_and_says_what_it_does(void **state)
{
    (void)state;
    assert_int_equal(option_rows[0].type, OPTION_GROUP);
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option *option = &option_rows[i];
        assert_true(strlen(option->prose) > 4);
        if (option->type == OPTION_GROUP)
            continue;
        assert_ptr_equal(option_find(option->name), option);
        assert_int_equal(option_index(option), i);
        assert_int_equal(option->prose[strlen(option->prose) - 1], '.');
        if (option->type == OPTION_INT || option->type == OPTION_DURATION ||
            option->type == OPTION_SIZE)
            assert_true(option->least < option->greatest);
        if (option->type == OPTION_ENUM)
            assert_non_null(strchr(option->names, '|'));
    }
}

static void defaults_are_pgbouncers(void **state)
{
    (void)state;
    struct options options;
    struct texts texts;
    texts_init(&texts);
    option_defaults(&options, &texts);
    assert_int_equal(options.max_client_conn, 100);
    assert_int_equal(options.default_pool_size, 20);
    assert_int_equal(options.query_wait_timeout_ms, 120000);
    assert_int_equal(options.server_lifetime_ms, 3600000);
    assert_int_equal(options.server_login_retry_ms, 15000);
    assert_int_equal(options.max_packet_size_bytes, 2147483647);
    assert_int_equal(options.auth_type, AUTH_TYPE_MD5);
    assert_true(options.tcp_keepalive && options.log_connections && options.cache);
    assert_string_equal(options.server_reset_query, "DISCARD ALL");
    texts_fini(&texts);
}

static void names_of_enums_are_in_the_order_of_the_enums(void **state)
{
    (void)state;
    struct options options = {0};
    struct texts texts;
    char why[OPTION_WHY_MAX];
    static const struct {
        const char *name;
        const char *value;
        int expected;
    } rows[] = {{"auth_type", "trust", AUTH_TYPE_TRUST},
                {"auth_type", "plain", AUTH_TYPE_PLAIN},
                {"auth_type", "password", AUTH_TYPE_PLAIN},
                {"auth_type", "cleartext", AUTH_TYPE_PLAIN},
                {"auth_type", "md5", AUTH_TYPE_MD5},
                {"auth_type", "SCRAM-SHA-256", AUTH_TYPE_SCRAM},
                {"pool_mode", "transaction", POOL_MODE_TRANSACTION},
                {"pool_mode", "session", POOL_MODE_SESSION},
                {"pool_mode", "statement", POOL_MODE_STATEMENT},
                {"coherence", "fast", COHERENCE_FAST},
                {"coherence", "strict", COHERENCE_STRICT}};
    texts_init(&texts);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct option *option = option_find(rows[i].name);
        assert_int_equal(option_set(&options, option, rows[i].value, &texts, why), ERR_OK);
        int value = -1;
        memcpy(&value, (const char *)&options + option->offset, sizeof(value));
        assert_int_equal(value, rows[i].expected);
    }
    texts_fini(&texts);
}

static void a_refused_value_changes_nothing_and_says_what_is_expected(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *value;
        enum err err;
        const char *why;
    } rows[] = {
        {"listen_port", "0", ERR_RANGE, "1 to 65535"},
        {"listen_port", "65536", ERR_RANGE, "1 to 65535"},
        {"listen_port", "-1", ERR_RANGE, "1 to 65535"},
        {"listen_port", "http", ERR_INVALID, "a whole number"},
        {"listen_port", "", ERR_INVALID, "a whole number"},
        {"workers", "65", ERR_RANGE, "0 to 64"},
        {"cache", "maybe", ERR_INVALID, "1 or 0 (on, off, true, false, yes, no)"},
        {"cache_window", "0", ERR_RANGE, "100ms to 86400s"},
        {"cache_window", "99ms", ERR_RANGE, "100ms to 86400s"},
        {"cache_window", "soon", ERR_INVALID,
         "a time such as 30s, 50ms, 5min, 1h; without unit: seconds"},
        {"memory_limit", "1kB", ERR_RANGE, "1MB to 1TB"},
        {"memory_limit", "lots", ERR_INVALID,
         "a size such as 64kB, 256MB, 1GB; without unit: bytes"},
        {"auth_type", "hba", ERR_INVALID, "trust, plain, md5 or scram-sha-256"},
        {"coherence", "", ERR_INVALID, "fast or strict"},
    };
    struct options before, options;
    struct texts texts;
    texts_init(&texts);
    option_defaults(&before, &texts);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char why[OPTION_WHY_MAX];
        const struct option *option = option_find(rows[i].name);
        options = before;
        assert_int_equal(option_set(&options, option, rows[i].value, &texts, why), rows[i].err);
        assert_string_equal(why, rows[i].why);
        assert_true(option_is_same(&options, &before, option));
    }
    texts_fini(&texts);
}

static void the_ends_of_every_range_are_within_it(void **state)
{
    (void)state;
    struct options options = {0};
    struct texts texts;
    char why[OPTION_WHY_MAX];
    texts_init(&texts);
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option *option = &option_rows[i];
        if (option->type != OPTION_INT && option->type != OPTION_DURATION &&
            option->type != OPTION_SIZE)
            continue;
        option_range_text(option, why);
        char *to = strstr(why, " to ");
        assert_non_null(to);
        *to = 0;
        char least[OPTION_WHY_MAX], greatest[OPTION_WHY_MAX];
        strcpy(least, why);
        strcpy(greatest, to + 4);
        assert_int_equal(option_set(&options, option, least, &texts, why), ERR_OK);
        assert_string_equal(option_text(&options, option), least);
        assert_int_equal(option_set(&options, option, greatest, &texts, why), ERR_OK);
        assert_string_equal(option_text(&options, option), greatest);
    }
    texts_fini(&texts);
}

static void hyphens_stand_for_underscores(void **state)
{
    (void)state;
    assert_ptr_equal(option_find("listen-port"), option_find("listen_port"));
    assert_null(option_find("listen"));
    assert_null(option_find("listen_port_"));
    assert_null(option_find(""));
}

static void secrets_are_not_shown(void **state)
{
    (void)state;
    struct options options;
    struct texts texts;
    char why[OPTION_WHY_MAX];
    texts_init(&texts);
    option_defaults(&options, &texts);
    const struct option *option = option_find("control_password");
    assert_string_equal(option_text(&options, option), "");
    assert_int_equal(option_set(&options, option, "hunter2", &texts, why), ERR_OK);
    assert_string_equal(options.control_password, "hunter2");
    assert_null(strstr(option_text(&options, option), "hunter2"));
    assert_true(option_find("redis_url")->secret);
    texts_fini(&texts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_within_its_range_and_written_as_it_is_shown),
        cmocka_unit_test(every_option_has_its_name_once_and_says_what_it_does),
        cmocka_unit_test(defaults_are_pgbouncers),
        cmocka_unit_test(names_of_enums_are_in_the_order_of_the_enums),
        cmocka_unit_test(a_refused_value_changes_nothing_and_says_what_is_expected),
        cmocka_unit_test(the_ends_of_every_range_are_within_it),
        cmocka_unit_test(hyphens_stand_for_underscores),
        cmocka_unit_test(secrets_are_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
