#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "userlist.h"

static void on_user(void *context, const char *name, const char *secret)
{
    buf_printf(context, "<%s>=<%s> ", name, secret);
}

static void expect(struct slice text, const char *users, const char *mistakes)
{
    struct conf_mistakes found = {0};
    struct buf out;
    buf_init(&out);
    userlist_read(text, "f", on_user, &out, &found);
    buf_append(&out, "", 1);
    assert_string_equal((const char *)buf_head(&out), users);
    assert_string_equal(found.text ? found.text : "", mistakes);
    buf_fini(&out);
    conf_mistakes_fini(&found);
}

static void expect_text(const char *text, const char *users, const char *mistakes)
{
    expect(slice_of_text(text), users, mistakes);
}

static void reads_what_pgbouncer_reads(void **state)
{
    (void)state;
    expect_text("", "", "");
    expect_text("\"a\" \"b\"\n\n; \"c\" \"d\"\n  \"e\"\t\"f\"\r\n\"g\" \"\"",
                "<a>=<b> <e>=<f> <g>=<> ", "");
    expect_text("\"a\"\"b\" \"c\"\"\"\"d\"\n", "<a\"b>=<c\"\"d> ", "");
    expect_text("\"a b;\" \"c # ' d\" \"more\" of it\n", "<a b;>=<c # ' d> ", "");
    expect_text("\"u\" \"SCRAM-SHA-256$4096:x==$y=:z=\"\n", "<u>=<SCRAM-SHA-256$4096:x==$y=:z=> ",
                "");
}

static void a_mistake_names_its_line_and_no_secret(void **state)
{
    (void)state;
    expect_text("a \"secret\"\n\"a\"\n\"a\" secret\n\"a\"\"secret\"\n\"a\" \"secret\n\"\" "
                "\"secret\"\n\"x\" \"y\"\n",
                "<x>=<y> ",
                "f:1: expected: \"role\" \"secret\"\nf:2: expected: \"role\" \"secret\"\n"
                "f:3: expected: \"role\" \"secret\"\nf:4: expected: \"role\" \"secret\"\n"
                "f:5: expected: \"role\" \"secret\"\nf:6: expected: \"role\" \"secret\"\n");
    expect(slice_of("\"a\" \"b\0c\"", 9), "", "f:1: expected: \"role\" \"secret\"\n");
}

static void ignore_user(void *context, const char *name, const char *secret)
{
    (void)secret;
    *(size_t *)context += name != NULL;
}

static void bears_every_prefix_and_every_flipped_bit(void **state)
{
    (void)state;
    static const char text[] = "; c\n\"a\"\"b\" \"c\" x\n\"d\" \"\"\n";
    size_t count = 0;
    for (size_t len = 0; len < sizeof(text); len++) {
        char *copy = mem_copy(text, len);
        for (size_t bit = 0; bit < len * 8; bit++) {
            struct conf_mistakes found = {0};
            copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << (bit % 8)));
            userlist_read(slice_of(copy, len), "f", ignore_user, &count, &found);
            copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << (bit % 8)));
            conf_mistakes_fini(&found);
        }
        mem_free(copy);
    }
    assert_true(count > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_pgbouncer_reads),
        cmocka_unit_test(a_mistake_names_its_line_and_no_secret),
        cmocka_unit_test(bears_every_prefix_and_every_flipped_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
