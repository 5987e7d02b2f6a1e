/* Lists of settings: equal ones are one, and how a backend is made to have one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "upstream/settings.h"

static struct settings *with(struct settings *from, const char *name, const char *value)
{
    struct setting setting = {
        .name = slice_of_text(name), .value = slice_of_text(value), .form = SETTING_VALUE};
    struct settings *made = NULL;
    assert_int_equal(settings_with(from, &setting, &made), ERR_OK);
    settings_unref(from);
    return made;
}

static struct settings *without(struct settings *from, const char *name)
{
    struct settings *made = NULL;
    assert_int_equal(settings_without(from, slice_of_text(name), &made), ERR_OK);
    settings_unref(from);
    return made;
}

static void assert_replay(const struct settings *has, const struct settings *wanted,
                          const char *text)
{
    struct buf out = {0};
    char whole[1024];
    settings_replay(has, wanted, &out);
    buf_append(&out, "", 1);
    snprintf(whole, sizeof(whole), "SET exit_on_error TO on%s;RESET exit_on_error", text);
    assert_string_equal((const char *)buf_head(&out), whole);
    buf_fini(&out);
}

static void equal_lists_are_one_whatever_their_order(void **state)
{
    (void)state;
    struct settings *a = with(with(NULL, "timezone", "UTC"), "datestyle", "ISO, DMY");
    struct settings *b = with(with(NULL, "datestyle", "ISO, DMY"), "timezone", "UTC");
    struct settings *c = with(with(NULL, "datestyle", "ISO, DMY"), "timezone", "GMT");
    assert_ptr_equal(a, b);
    assert_ptr_not_equal(a, c);
    c = with(c, "timezone", "UTC");
    assert_ptr_equal(a, c);
    assert_int_equal(settings_registry_count(), 1);
    a = without(without(a, "datestyle"), "timezone");
    assert_null(a);
    settings_unref(b);
    settings_unref(c);
    assert_int_equal(settings_registry_count(), 0);
}

static void what_a_session_has_set_goes_over_what_its_backend_lacks(void **state)
{
    (void)state;
    struct settings *over = with(with(NULL, "timezone", "UTC"), "application_name", "a");
    struct settings *own = with(with(NULL, "timezone", "GMT"), "work_mem", "5MB");
    struct settings *both = settings_merge(over, own), *over_alone = settings_merge(over, NULL);
    assert_replay(NULL, both,
                  ";SET \"application_name\" TO E'a';SET \"timezone\" TO E'GMT';"
                  "SET \"work_mem\" TO E'5MB'");
    assert_replay(both, over_alone, ";RESET \"work_mem\";SET \"timezone\" TO E'UTC'");
    assert_ptr_equal(over_alone, over);
    assert_null(settings_merge(NULL, NULL));
    settings_unref(over_alone);
    settings_unref(both);
    settings_unref(own);
    settings_unref(over);
    assert_int_equal(settings_registry_count(), 0);
}

/* naive: name and value run together. */
static void name_and_value_cannot_be_confused(void **state)
{
    (void)state;
    struct settings *a = with(NULL, "ab", "c");
    struct settings *b = with(NULL, "a", "bc");
    assert_ptr_not_equal(a, b);
    settings_unref(a);
    settings_unref(b);
}

/* naive: what was reset is as if it had never been set: NULL instead of ''. */
static void custom_setting_stays_as_gone(void **state)
{
    (void)state;
    struct settings *a = with(NULL, "app.x", "1");
    assert_false(settings_reach(a, NULL));
    a = without(a, "app.x");
    assert_non_null(a);
    assert_int_equal(a->list[0].form, SETTING_GONE);
    assert_false(settings_reach(a, NULL));
    assert_true(settings_reach(NULL, a));
    struct settings *b = with(NULL, "app.x", "2");
    assert_true(settings_reach(a, b));
    struct settings *c = settings_reset(b, true);
    assert_ptr_equal(a, c);
    assert_replay(NULL, a, ";RESET \"app\".\"x\"");
    assert_replay(b, a, ";RESET \"app\".\"x\"");
    assert_replay(a, b, ";SET \"app\".\"x\" TO E'2'");
    settings_unref(a);
    settings_unref(b);
    settings_unref(c);
}

static void reset_all_keeps_the_role(void **state)
{
    (void)state;
    struct settings *a = with(with(NULL, "role", "bob"), "work_mem", "5");
    struct settings *b = settings_reset(a, false);
    assert_non_null(settings_find(b, "role"));
    assert_null(settings_find(b, "work_mem"));
    assert_null(settings_reset(a, true));
    settings_unref(a);
    settings_unref(b);
}

/* The role comes last and goes first: everything else is set as the login role. */
static void replay_sets_as_the_login_role(void **state)
{
    (void)state;
    struct settings *a = with(with(NULL, "role", "bob"), "work_mem", "5");
    struct settings *b = with(with(NULL, "role", "o'b\\"), "log_statement", "all");
    assert_replay(a, b,
                  ";RESET ROLE;RESET \"work_mem\";SET \"log_statement\" TO E'all'"
                  ";SET \"role\" TO E'o''b\\\\'");
    assert_replay(a, NULL, ";RESET ROLE;RESET \"work_mem\"");
    settings_unref(a);
    settings_unref(b);
}

static void lists_of_names_are_quoted_as_postgres_does(void **state)
{
    (void)state;
    struct setting setting = {.name = slice_of_text("search_path"),
                              .value = slice_of("a\0b c", 5),
                              .form = SETTING_LISTED};
    struct settings *a = NULL;
    assert_int_equal(settings_with(NULL, &setting, &a), ERR_OK);
    struct settings *b = with(NULL, "search_path", "a, \"b c\"");
    assert_replay(NULL, a, ";SET \"search_path\" TO E'a',E'b c'");
    assert_replay(NULL, b, ";SELECT pg_catalog.set_config(E'search_path',E'a, \"b c\"',false)");
    settings_unref(a);
    settings_unref(b);
}

static void harmless_settings_do_not_part_entries(void **state)
{
    (void)state;
    struct hash128 base = {1, 2};
    struct settings *a = with(NULL, "work_mem", "5");
    struct settings *b = with(NULL, "search_path", "s");
    struct settings *c = with(with(NULL, "work_mem", "6"), "search_path", "s");
    struct settings *d = with(NULL, "app.tenant", "5");
    assert_true(hash128_equal(settings_signature(base, NULL), base));
    assert_true(hash128_equal(settings_signature(base, a), base));
    assert_false(hash128_equal(settings_signature(base, b), base));
    assert_true(hash128_equal(settings_signature(base, b), settings_signature(base, c)));
    assert_false(hash128_equal(settings_signature(base, d), base));
    assert_false(hash128_equal(settings_signature(base, d), settings_signature(base, b)));
    struct settings *lists[] = {a, b, c, d};
    for (size_t i = 0; i < 4; i++)
        settings_unref(lists[i]);
}

static void some_settings_rule_the_cache_out(void **state)
{
    (void)state;
    struct settings *a = with(NULL, "default_transaction_isolation", "Serializable");
    struct settings *b = with(NULL, "gin_fuzzy_search_limit", "20");
    struct settings *c = with(NULL, "default_transaction_isolation", "read committed");
    assert_non_null(a->bypass);
    assert_non_null(b->bypass);
    assert_null(c->bypass);
    settings_unref(a);
    settings_unref(b);
    settings_unref(c);
}

static void lists_are_bounded(void **state)
{
    (void)state;
    struct settings *a = NULL, *untouched = NULL;
    char name[32];
    for (int i = 0; i < SETTINGS_MAX; i++) {
        snprintf(name, sizeof(name), "app.x%d", i);
        a = with(a, name, "");
    }
    struct setting more = {.name = slice_of_text("app.y"), .form = SETTING_VALUE};
    assert_int_equal(settings_with(a, &more, &untouched), ERR_TOO_MANY);
    assert_int_equal(settings_without(a, more.name, &untouched), ERR_TOO_MANY);
    assert_null(untouched);
    settings_unref(a);
    static char long_text[SETTINGS_BYTES_MAX];
    more.value = slice_of(long_text, sizeof(long_text));
    assert_int_equal(settings_with(NULL, &more, &untouched), ERR_TOO_MANY);
    assert_int_equal(settings_registry_count(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_lists_are_one_whatever_their_order),
        cmocka_unit_test(what_a_session_has_set_goes_over_what_its_backend_lacks),
        cmocka_unit_test(name_and_value_cannot_be_confused),
        cmocka_unit_test(custom_setting_stays_as_gone),
        cmocka_unit_test(reset_all_keeps_the_role),
        cmocka_unit_test(replay_sets_as_the_login_role),
        cmocka_unit_test(lists_of_names_are_quoted_as_postgres_does),
        cmocka_unit_test(harmless_settings_do_not_part_entries),
        cmocka_unit_test(some_settings_rule_the_cache_out),
        cmocka_unit_test(lists_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
