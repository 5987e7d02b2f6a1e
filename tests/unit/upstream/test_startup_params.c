/* Startup parameters taken apart: what SET can give as well, and what is left to the login. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "startup_params.h"

enum { PAIRS_MAX = 1024 };

/* "name=value|name=value" as pairs. */
static struct slice pairs_of(const char *text, char out[PAIRS_MAX])
{
    size_t len = (size_t)snprintf(out, PAIRS_MAX, "%s", text);
    bool in_name = true;
    for (size_t i = 0; i < len; i++) {
        if (out[i] == '|' || (in_name && out[i] == '=')) {
            in_name = out[i] == '|';
            out[i] = 0;
        }
    }
    return slice_of(out, len ? len + 1 : 0);
}

static void assert_pairs(const struct buf *pairs, const char *expected)
{
    char space[PAIRS_MAX];
    struct slice wanted = pairs_of(expected, space);
    assert_int_equal(buf_len(pairs), wanted.len);
    assert_memory_equal(buf_head(pairs), wanted.data, wanted.len);
}

static void assert_list(const struct settings *list, const char *expected)
{
    char text[PAIRS_MAX] = "";
    size_t len = 0;
    for (unsigned i = 0; list && i < list->count; i++)
        len +=
            (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s=%.*s", i ? "|" : "",
                             (int)list->list[i].name.len, (const char *)list->list[i].name.data,
                             (int)list->list[i].value.len, (const char *)list->list[i].value.data);
    assert_string_equal(text, expected);
}

static void assert_split(const char *params, const char *plain, const char *base, const char *sets,
                         const char *name)
{
    char space[PAIRS_MAX];
    struct startup_params parts;
    startup_params_split(pairs_of(params, space), &parts);
    assert_pairs(&parts.plain, plain);
    assert_pairs(&parts.base, base);
    assert_list(parts.sets, sets);
    assert_list(parts.name, name);
    startup_params_fini(&parts);
    assert_int_equal(settings_registry_count(), 0);
}

static void what_set_can_give_is_taken_out_of_the_base(void **state)
{
    (void)state;
    assert_split("", "", "", "", "");
    assert_split("application_name=pod", "", "", "", "application_name=pod");
    assert_split("TimeZone=UTC|application_name=pod", "TimeZone=UTC", "", "timezone=UTC",
                 "application_name=pod");
    assert_split("TimeZone=UTC|DateStyle=German", "TimeZone=UTC|DateStyle=German", "",
                 "datestyle=German|timezone=UTC", "");
    assert_split("role=a|TimeZone=UTC|application_name=x", "role=a|TimeZone=UTC", "role=a",
                 "timezone=UTC", "application_name=x");
}

static void options_are_read_as_postgres_reads_them(void **state)
{
    (void)state;
    assert_split("options=-c work_mem=5MB  -csearch_path=a,b --lock-timeout=2s",
                 "options=-c work_mem=5MB  -csearch_path=a,b --lock-timeout=2s", "",
                 "lock_timeout=2s|search_path=a,b|work_mem=5MB", "");
    assert_split("options=-c datestyle=ISO,\\ DMY\\\\", "options=-c datestyle=ISO,\\ DMY\\\\", "",
                 "datestyle=ISO, DMY\\", "");
    /* The pairs come behind the options, and of two the later one counts. */
    assert_split("timezone=UTC|options=-c timezone=GMT -c work_mem=1MB -c work_mem=2MB",
                 "timezone=UTC|options=-c timezone=GMT -c work_mem=1MB -c work_mem=2MB", "",
                 "timezone=UTC|work_mem=2MB", "");
}

static void options_with_anything_else_are_left_to_the_login_as_a_whole(void **state)
{
    (void)state;
    static const char *const texts[] = {"options=-c app.tenant=1 -c work_mem=5MB",
                                        "options=-c work_mem",
                                        "options=-e",
                                        "options=-c",
                                        "options=--work-mem",
                                        "options=-c role=x",
                                        "options=work_mem=5MB",
                                        "options=-",
                                        "options=--"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
        assert_split(texts[i], texts[i], texts[i], "", "");
    assert_split("options=-E|TimeZone=UTC", "options=-E|TimeZone=UTC", "options=-E", "timezone=UTC",
                 "");
}

static void what_is_not_as_it_should_be_is_left_to_the_login_altogether(void **state)
{
    (void)state;
    static const char *const texts[] = {"TimeZone=UTC|datestyle=\xc3\xa9",
                                        "options=-c work_mem=5MB|options=-c work_mem=6MB",
                                        "application_name=a|application_name=b",
                                        "Application_Name=a|TimeZone=UTC",
                                        "application_name=caf\xc3\xa9|TimeZone=UTC",
                                        "statement_timeout=5|TimeZone=UTC"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
        assert_split(texts[i], texts[i], texts[i], "", "");
}

static void every_prefix_and_every_flipped_bit_is_taken(void **state)
{
    (void)state;
    char space[PAIRS_MAX], changed[PAIRS_MAX];
    struct slice pairs = pairs_of(
        "TimeZone=UTC|options=-c work_mem=5\\ MB --a-b=c|application_name=x|role=r", space);
    for (size_t i = 0; i < pairs.len * 9; i++) {
        struct startup_params parts;
        size_t len = i < pairs.len ? i : pairs.len;
        memcpy(changed, pairs.data, pairs.len);
        if (i >= pairs.len)
            changed[(i - pairs.len) / 8] ^= (char)(1 << i % 8);
        startup_params_split(slice_of(changed, len), &parts);
        assert_true(buf_len(&parts.base) <= buf_len(&parts.plain));
        assert_true(buf_len(&parts.plain) <= len);
        startup_params_fini(&parts);
    }
    assert_int_equal(settings_registry_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_set_can_give_is_taken_out_of_the_base),
        cmocka_unit_test(options_are_read_as_postgres_reads_them),
        cmocka_unit_test(options_with_anything_else_are_left_to_the_login_as_a_whole),
        cmocka_unit_test(what_is_not_as_it_should_be_is_left_to_the_login_altogether),
        cmocka_unit_test(every_prefix_and_every_flipped_bit_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
