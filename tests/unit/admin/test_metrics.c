/* The text that Prometheus reads. */
#include "admin/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct metrics metrics;
static struct buf text;

static int setup(void **state)
{
    (void)state;
    metrics_init(&metrics);
    buf_init(&text);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    metrics_fini(&metrics);
    buf_fini(&text);
    return 0;
}

static const char *written(void)
{
    buf_clear(&text);
    metrics_write(&metrics, &text);
    buf_append(&text, "", 1);
    return (const char *)buf_head(&text);
}

static void nothing_added_is_no_text(void **state)
{
    (void)state;
    assert_string_equal(written(), "");
}

static void samples_are_grouped_in_the_order_of_the_list(void **state)
{
    (void)state;
    metrics_add(&metrics, METRIC_REDIS_GETS, 7, NULL);
    metrics_add(&metrics, METRIC_HITS, 1, "database", "shop", "tier", "memory", NULL);
    metrics_add(&metrics, METRIC_REDIS_GETS, 8, NULL);
    metrics_add(&metrics, METRIC_HITS, 18446744073709551615u, "tier", "redis", NULL);
    assert_string_equal(written(),
                        "# HELP pgrecall_hits_total Reads that were answered from the cache.\n"
                        "# TYPE pgrecall_hits_total counter\n"
                        "pgrecall_hits_total{database=\"shop\",tier=\"memory\"} 1\n"
                        "pgrecall_hits_total{tier=\"redis\"} 18446744073709551615\n"
                        "# HELP pgrecall_redis_gets_total Look-ups in Redis.\n"
                        "# TYPE pgrecall_redis_gets_total counter\n"
                        "pgrecall_redis_gets_total 7\npgrecall_redis_gets_total 8\n");
}

static void real_numbers_have_a_point(void **state)
{
    (void)state;
    metrics_add_real(&metrics, METRIC_WAIT_SECONDS, 1.5, "database", NULL, NULL);
    assert_non_null(strstr(written(), "pgrecall_wait_seconds_total{database=\"\"} 1.500000\n"));
}

static void values_of_labels_are_escaped(void **state)
{
    (void)state;
    metrics_add(&metrics, METRIC_MISSES, 1, "database", "a\"b\\c\nd", NULL);
    assert_non_null(strstr(written(), "{database=\"a\\\"b\\\\c\\nd\"} 1\n"));
}

static void what_is_not_utf8_is_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *value, *expected;
    } cases[] = {
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xe2\x82\xac\xf0\x9f\x98\x80", "\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"gr\xfc\xdf", "gr??"},       /* Latin-1 */
        {"\xc3", "?"},                /* cut off */
        {"\xe2\x82", "??"},           /* cut off */
        {"\xf0\x9f\x98", "???"},      /* cut off */
        {"\xc0\xaf", "??"},           /* overlong */
        {"\xe0\x80\xaf", "???"},      /* overlong */
        {"\xed\xa0\x80", "???"},      /* a surrogate */
        {"\xf4\x90\x80\x80", "????"}, /* past the end */
        {"\xff\xfe", "??"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct metrics one;
        metrics_init(&one);
        metrics_add(&one, METRIC_MISSES, 1, "database", cases[i].value, NULL);
        char expected[128];
        snprintf(expected, sizeof(expected), "{database=\"%s\"} 1\n", cases[i].expected);
        buf_clear(&text);
        metrics_write(&one, &text);
        buf_append(&text, "", 1);
        assert_non_null(strstr((const char *)buf_head(&text), expected));
        metrics_fini(&one);
    }
}

static void the_process_is_there(void **state)
{
    (void)state;
    metrics_add_process(&metrics);
    const char *at = strstr(written(), "\nprocess_resident_memory_bytes ");
    assert_non_null(at);
    assert_true(strtod(strchr(at, ' '), NULL) > 100000.0);
    at = strstr(written(), "\nprocess_start_time_seconds ");
    assert_non_null(at);
    double started = strtod(strchr(at, ' '), NULL);
    assert_true(started > 1600000000.0);
    at = strstr(written(), "\nprocess_open_fds ");
    assert_true(strtod(strchr(at, ' '), NULL) >= 3.0);
}

/* The rules for names, and that the list is written with care. */
static void every_row_is_well_formed(void **state)
{
    (void)state;
    static const struct {
        const char *name, *type, *help;
    } rows[] = {
#define METRIC(id, name, type, labels, help) {name, #type, help},
#include "admin/metrics.def"
#undef METRIC
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const char *name = rows[i].name;
        size_t len = strlen(name);
        bool counter = strcmp(rows[i].type, "counter") == 0;
        bool total = len > 6 && strcmp(name + len - 6, "_total") == 0;
        assert_true(counter || strcmp(rows[i].type, "gauge") == 0);
        assert_int_equal(counter, total);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), len);
        assert_null(strpbrk(rows[i].help, "\\\n"));
        assert_int_equal(rows[i].help[strlen(rows[i].help) - 1], '.');
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(rows[k].name, name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_added_is_no_text, setup, teardown),
        cmocka_unit_test_setup_teardown(samples_are_grouped_in_the_order_of_the_list, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(real_numbers_have_a_point, setup, teardown),
        cmocka_unit_test_setup_teardown(values_of_labels_are_escaped, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_utf8_is_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(the_process_is_there, setup, teardown),
        cmocka_unit_test(every_row_is_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
