#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ini.h"

static bool on_section(void *context, struct place place, const char *section)
{
    buf_printf(context, "[%s]%u ", section, place.line);
    return section[0] != '-';
}

static void on_line(void *context, const struct ini_line *line)
{
    buf_printf(context, "%s:%u:%s<%s>=<%s> ", line->place.file, line->place.line, line->section,
               line->key, line->value);
}

struct result {
    struct buf events;
    struct conf_mistakes mistakes;
};

static void read_all(struct slice text, struct result *out)
{
    buf_init(&out->events);
    out->mistakes = (struct conf_mistakes){0};
    struct ini_events events = {on_section, on_line, &out->events};
    ini_read_text(text, "f", &events, &out->mistakes);
    buf_append(&out->events, "", 1);
}

static void result_fini(struct result *result)
{
    buf_fini(&result->events);
    conf_mistakes_fini(&result->mistakes);
}

static void expect(struct slice text, const char *events, const char *mistakes)
{
    struct result result;
    read_all(text, &result);
    assert_string_equal((const char *)buf_head(&result.events), events);
    assert_string_equal(result.mistakes.text ? result.mistakes.text : "", mistakes);
    result_fini(&result);
}

static void expect_text(const char *text, const char *events, const char *mistakes)
{
    expect(slice_of_text(text), events, mistakes);
}

static void reads_sections_keys_and_values(void **state)
{
    (void)state;
    expect_text("", "", "");
    expect_text("[a]\nk=v\n\n  k2 =  v 2  \r\n[b]\n*=\n",
                "[a]1 f:2:a<k>=<v> f:4:a<k2>=<v 2> [b]5 f:6:b<*>=<> ", "");
    expect_text("\xef\xbb\xbf[a]\nk=v", "[a]1 f:2:a<k>=<v> ", "");
}

static void comments_stand_at_the_start_of_a_line_only(void **state)
{
    (void)state;
    expect_text("; c\n # d\n[a]\n;k=v\nk=v ; # e\n", "[a]3 f:5:a<k>=<v ; # e> ", "");
}

static void quoted_names_hold_anything(void **state)
{
    (void)state;
    expect_text("[a]\n\"x = \"\"y\"\": []\" = v\n", "[a]1 f:2:a<x = \"y\": []>=<v> ", "");
    expect_text("[a]\n\"x = v\n\"\" = v\n", "[a]1 ",
                "f:2: expected: key = value\nf:3: expected: key = value\n");
}

static void a_colon_is_no_equals_sign(void **state)
{
    (void)state;
    expect_text("[a]\nk:v\nk = a:b\n", "[a]1 f:3:a<k>=<a:b> ", "f:2: expected: key = value\n");
}

static void goes_on_behind_a_mistake(void **state)
{
    (void)state;
    expect_text("x=1\n[a\n y=2\n[b]\nno equals\n=v\n[c] d\nk=v\n[e]\nk=v",
                "[b]4 [e]9 f:10:e<k>=<v> ",
                "f:1: x: stands before the first [section]\n"
                "f:2: a section is written [name]\n"
                "f:3: y: stands before the first [section]\n"
                "f:5: expected: key = value\n"
                "f:6: expected: key = value\n"
                "f:7: a section is written [name]\n");
}

static void lines_of_an_unknown_section_are_skipped(void **state)
{
    (void)state;
    expect_text("[-x]\nk=v\n[a]\nk=v\n", "[-x]1 [a]3 f:4:a<k>=<v> ", "");
}

static void zero_bytes_are_mistakes(void **state)
{
    (void)state;
    expect(slice_of("[a]\nk=\0v\nk=v", 12), "[a]1 f:3:a<k>=<v> ", "f:2: a zero byte\n");
}

static void lines_may_be_long(void **state)
{
    (void)state;
    enum { LONG = 100000 };
    struct buf text;
    buf_init(&text);
    buf_append_text(&text, "[a]\nk=");
    for (int i = 0; i < LONG; i++)
        buf_append_text(&text, "v");
    struct result result;
    read_all(slice_of(buf_head(&text), buf_len(&text)), &result);
    assert_true(buf_len(&result.events) > LONG);
    assert_int_equal(result.mistakes.count, 0);
    result_fini(&result);
    buf_fini(&text);
}

static void includes_go_on_in_their_section(void **state)
{
    (void)state;
    expect_text("[a]\n%include parts/section.txt\nk=v\n%include none.txt\n",
                "[a]1 parts/section.txt:2:a<in>=<the section> [b]3 parts/section.txt:4:b<k>=<1> "
                "f:3:b<k>=<v> ",
                "f:4: %include none.txt: No such file or directory\n");
}

static void files_that_include_themselves_end(void **state)
{
    (void)state;
    struct result result;
    read_all(slice_of_text("%include parts/endless.txt\n"), &result);
    assert_int_equal(result.mistakes.count, 1);
    assert_string_equal(
        result.mistakes.text,
        "parts/endless.txt:1: %include parts/endless.txt: more than 10 files within files\n");
    result_fini(&result);
}

static void mistakes_are_counted_beyond_what_is_written(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text);
    for (int i = 0; i < MISTAKES_MAX * 3; i++)
        buf_append_text(&text, "x\n");
    struct result result;
    read_all(slice_of(buf_head(&text), buf_len(&text)), &result);
    assert_int_equal(result.mistakes.count, MISTAKES_MAX * 3);
    size_t lines = 0;
    for (const char *at = result.mistakes.text; *at; at++)
        lines += *at == '\n';
    assert_int_equal(lines, MISTAKES_MAX + 1);
    result_fini(&result);
    buf_fini(&text);
}

/* Copies are exactly as long as what is read, so that a sanitizer sees one byte too many. */
static void bears_every_prefix_and_every_flipped_bit(void **state)
{
    (void)state;
    static const char text[] = "; c\n[a]\n\"q\"\"\" = v\nk=v # x\n[b]\n* =\n%includ x";
    struct result result;
    for (size_t len = 0; len < sizeof(text); len++) {
        char *copy = mem_copy(text, len);
        read_all(slice_of(copy, len), &result);
        result_fini(&result);
        for (size_t bit = 0; bit < len * 8 && len == sizeof(text) - 1; bit++) {
            copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << (bit % 8)));
            read_all(slice_of(copy, len), &result);
            result_fini(&result);
            copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << (bit % 8)));
        }
        mem_free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_sections_keys_and_values),
        cmocka_unit_test(comments_stand_at_the_start_of_a_line_only),
        cmocka_unit_test(quoted_names_hold_anything),
        cmocka_unit_test(a_colon_is_no_equals_sign),
        cmocka_unit_test(goes_on_behind_a_mistake),
        cmocka_unit_test(lines_of_an_unknown_section_are_skipped),
        cmocka_unit_test(zero_bytes_are_mistakes),
        cmocka_unit_test(lines_may_be_long),
        cmocka_unit_test(includes_go_on_in_their_section),
        cmocka_unit_test(files_that_include_themselves_end),
        cmocka_unit_test(mistakes_are_counted_beyond_what_is_written),
        cmocka_unit_test(bears_every_prefix_and_every_flipped_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
