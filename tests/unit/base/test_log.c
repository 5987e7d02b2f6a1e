#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

enum { OUT_MAX = 1 << 20, STAMP_LEN = 24, THREADS = 4, LINES = 500 };

static char out[OUT_MAX];

static void write_some(void)
{
    log_warn("login failed", "client", log_num(-7), "why", log_err(ERR_AUTH), NULL);
}

/* What `run` writes on stderr. */
static const char *output_of(void (*run)(void))
{
    FILE *file = tmpfile();
    assert_non_null(file);
    int kept = dup(STDERR_FILENO);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    run();
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    close(kept);
    rewind(file);
    out[fread(out, 1, OUT_MAX - 1, file)] = 0;
    fclose(file);
    return out;
}

static void a_line_has_time_level_text_and_fields(void **state)
{
    (void)state;
    const char *line = output_of(write_some);
    assert_true(strlen(line) > STAMP_LEN);
    assert_string_equal(line + STAMP_LEN,
                        "WARN login failed client=-7 why=\"authentication failed\"\n");
    assert_int_equal(line[4], '-');
    assert_int_equal(line[19], '.');
}

static void write_odd(void)
{
    log_error("x", "a", "b c=d", "e", "q\"\\q", "f", "line\nline\x1b\x7f", "g", "", "h", "\xc3\xa4",
              NULL);
}

static void a_value_can_pass_for_nothing_else(void **state)
{
    (void)state;
    const char *line = output_of(write_odd);
    assert_string_equal(line + STAMP_LEN, "ERROR x a=\"b c=d\" e=\"q\\\"\\\\q\" f=line?line?? "
                                          "g=\"\" h=\xc3\xa4\n");
}

static void write_missing(void)
{
    const char *missing = NULL;
    log_info("x", "a", missing, NULL);
}

static void a_missing_value_ends_the_line(void **state)
{
    (void)state;
    assert_string_equal(output_of(write_missing) + STAMP_LEN, "INFO x a=-\n");
}

static void write_long(void)
{
    char value[3000];
    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = 0;
    log_info("x", "a", value, NULL);
    log_info("x", "a", value, "b", value, NULL);
}

static void long_lines_are_cut_and_end(void **state)
{
    (void)state;
    const char *lines = output_of(write_long);
    const char *end = strchr(lines, '\n');
    assert_non_null(end);
    assert_true(end - lines == 1023);
    assert_true(strlen(end + 1) == 1024);
}

static void write_levels(void)
{
    log_set_level(LOG_WARN);
    log_error("one", NULL);
    log_info("two", NULL);
    log_debug("three", NULL);
    log_set_level(LOG_DEBUG);
    log_debug("four", NULL);
    log_set_level(LOG_INFO);
}

static void what_is_below_the_level_is_not_written(void **state)
{
    (void)state;
    const char *lines = output_of(write_levels);
    assert_non_null(strstr(lines, "ERROR one\n"));
    assert_null(strstr(lines, "two"));
    assert_null(strstr(lines, "three"));
    assert_non_null(strstr(lines, "DEBUG four\n"));
    assert_int_equal(log_get_level(), LOG_INFO);
}

static void numbers_of_one_call_do_not_overwrite_each_other(void **state)
{
    (void)state;
    const char *numbers[8];
    char expected[24];
    for (int i = 0; i < 8; i++)
        numbers[i] = log_num(i == 7 ? INT64_MIN : i);
    for (int i = 0; i < 7; i++) {
        snprintf(expected, sizeof(expected), "%d", i);
        assert_string_equal(numbers[i], expected);
    }
    assert_string_equal(numbers[7], "-9223372036854775808");
}

static void *write_many(void *unused)
{
    (void)unused;
    for (int i = 0; i < LINES; i++)
        log_info("from a thread", "n", log_num(i), NULL);
    return NULL;
}

static void write_from_threads(void)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    int count = 0;
    char *rest = NULL, *line = NULL;
    output_of(write_from_threads);
    for (line = strtok_r(out, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), count++)
        assert_memory_equal(line + STAMP_LEN, "INFO from a thread n=", 21);
    assert_int_equal(count, THREADS * LINES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_text_and_fields),
        cmocka_unit_test(a_value_can_pass_for_nothing_else),
        cmocka_unit_test(a_missing_value_ends_the_line),
        cmocka_unit_test(long_lines_are_cut_and_end),
        cmocka_unit_test(what_is_below_the_level_is_not_written),
        cmocka_unit_test(numbers_of_one_call_do_not_overwrite_each_other),
        cmocka_unit_test(lines_of_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
