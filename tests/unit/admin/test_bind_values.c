/* Values that an operator types for the parameters of a statement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bind_values.h"

static char why[COMMAND_WHY_MAX];

#define EXPECT(text, types, arguments)                                                             \
    expect(text, slice_of(types, sizeof(types) - 1), slice_of(arguments, sizeof(arguments) - 1))

static void expect(const char *text, struct slice types, struct slice arguments)
{
    struct buf got_types = {0}, got = {0};
    why[0] = 0;
    if (bind_values_read(slice_of_text(text), &got_types, &got, why) != ERR_OK)
        fail_msg("%s: %s", text, why);
    assert_int_equal(buf_len(&got_types), types.len);
    if (types.len)
        assert_memory_equal(buf_head(&got_types), types.data, types.len);
    assert_int_equal(buf_len(&got), arguments.len);
    assert_memory_equal(buf_head(&got), arguments.data, arguments.len);
    buf_fini(&got_types);
    buf_fini(&got);
}

static void expect_refused(const char *text, const char *reason)
{
    struct buf types = {0}, arguments = {0};
    if (bind_values_read(slice_of_text(text), &types, &arguments, why) != ERR_INVALID)
        fail_msg("%s: was read", text);
    assert_string_equal(why, reason);
    buf_fini(&types);
    buf_fini(&arguments);
}

static void become_what_bind_holds(void **state)
{
    (void)state;
    EXPECT("", "", "\0\0\0\0\0\0");
    EXPECT("  ", "", "\0\0\0\0\0\0");
    EXPECT("7", "", "\0\0\0\1\0\0\0\0017\0\0");
    EXPECT(" 7 , -1.5e3 ", "", "\0\0\0\2\0\0\0\0017\0\0\0\6-1.5e3\0\0");
    EXPECT("'it''s', ''", "", "\0\0\0\2\0\0\0\4it's\0\0\0\0\0\0");
    EXPECT("NULL, 'null'", "", "\0\0\0\2\377\377\377\377\0\0\0\4null\0\0");
    EXPECT("2024-01-02 10:00, a b", "",
           "\0\0\0\2\0\0\0\x10"
           "2024-01-02 10:00\0\0\0\3a b\0\0");
    EXPECT("', ) ::'", "", "\0\0\0\1\0\0\0\6, ) ::\0\0");
}

static void declare_types_where_one_is_named(void **state)
{
    (void)state;
    EXPECT("7::int4", "\0\0\0\27", "\0\0\0\1\0\0\0\0017\0\0");
    EXPECT("7 :: BigInt, 8", "\0\0\0\24\0\0\0\0", "\0\0\0\2\0\0\0\0017\0\0\0\0018\0\0");
    EXPECT("null::2950, 'a'::text", "\0\0\13\206\0\0\0\31",
           "\0\0\0\2\377\377\377\377\0\0\0\1a\0\0");
}

static void are_refused_when_they_cannot_be_read(void **state)
{
    (void)state;
    expect_refused(",", "not a value: \",\"");
    expect_refused("1,", "not a value: \")\"");
    expect_refused("'open", "the value is not closed: \"'open\"");
    expect_refused("'a' 'b'", "syntax error at or near \"'b'\"");
    expect_refused("a'b'", "not a value: \"a'b'\"");
    expect_refused("7::money2", "a type that is not known here (its OID will do): \"money2\"");
    expect_refused("7::", "a type that is not known here (its OID will do): \")\"");
    expect_refused("7::4294967296",
                   "a type that is not known here (its OID will do): \"4294967296\"");
    expect_refused("7::99999999999",
                   "a type that is not known here (its OID will do): \"99999999999\"");
}

static void are_bounded_in_number(void **state)
{
    (void)state;
    char text[2 * BIND_VALUES_MAX + 2];
    for (unsigned i = 0; i <= BIND_VALUES_MAX; i++) {
        text[2 * i] = '1';
        text[2 * i + 1] = ',';
    }
    text[2 * BIND_VALUES_MAX + 1] = 0;
    expect_refused(text, "too many values at \")\"");
    struct buf types = {0}, arguments = {0};
    text[2 * BIND_VALUES_MAX - 1] = 0;
    assert_int_equal(bind_values_read(slice_of_text(text), &types, &arguments, why), ERR_OK);
    assert_int_equal(buf_len(&arguments), 6 + 5 * BIND_VALUES_MAX);
    buf_fini(&types);
    buf_fini(&arguments);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(become_what_bind_holds),
        cmocka_unit_test(declare_types_where_one_is_named),
        cmocka_unit_test(are_refused_when_they_cannot_be_read),
        cmocka_unit_test(are_bounded_in_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
