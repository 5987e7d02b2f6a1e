/* DateStyle is two settings in one: what SET leaves of it, as Postgres shows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session/datestyle.h"

static const struct {
    const char *now;
    const char *value;
    const char *then; /* NULL: refused, or not known */
} cases[] = {
    {"ISO, MDY", "German", "German, DMY"},
    {"ISO, YMD", "german, mdy", "German, MDY"},
    {"ISO, YMD", "mdy, german", "German, MDY"},
    {"ISO, MDY", "DMY", "ISO, DMY"},
    {"German, DMY", "MDY", "German, MDY"},
    {"German, DMY", "ISO", "ISO, DMY"},
    {"SQL, DMY", "postgresql, ymd", "Postgres, YMD"},
    {"ISO, MDY", "sql,european", "SQL, DMY"},
    {"ISO, DMY", " us ", "ISO, MDY"},
    {"ISO, DMY", "NonEuropean", "ISO, MDY"},
    {"ISO, DMY", "iso, iso", "ISO, DMY"},
    {"ISO, DMY", "iso, sql", NULL},
    {"ISO, DMY", "dmy, mdy", NULL},
    {"ISO, DMY", "default", NULL},
    {"ISO, DMY", "never", NULL},
    {"ISO, DMY", "", NULL},
    {"ISO, DMY", "iso,", NULL},
    {"ISO", "DMY", NULL},
};

static void one_half_leaves_the_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        char then[DATESTYLE_MAX] = "";
        enum err err =
            datestyle_join(slice_of_text(cases[i].now), slice_of_text(cases[i].value), then);
        assert_int_equal(err, cases[i].then ? ERR_OK : ERR_INVALID);
        assert_string_equal(then, cases[i].then ? cases[i].then : "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_half_leaves_the_other)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
