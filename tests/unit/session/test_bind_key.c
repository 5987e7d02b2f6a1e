/* What Bind says, as it stands in keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/macros.h"
#include "base/mem.h"
#include "session/bind_key.h"

#define BYTES(text) slice_of(text, sizeof(text) - 1)

static void expect(struct slice arguments, struct slice expected)
{
    /* Of their own sizes, for the address sanitizer. */
    uint8_t *from = mem_copy(arguments.data, arguments.len);
    uint8_t *out = mem_alloc(arguments.len + 1);
    out[arguments.len] = 0xee;
    size_t len = bind_key_write(slice_of(from, arguments.len), out);
    assert_int_equal(len, expected.len);
    if (len)
        assert_memory_equal(out, expected.data, len);
    assert_int_equal(out[arguments.len], 0xee);
    mem_free(out);
    mem_free(from);
}

static void keep(struct slice arguments)
{
    expect(arguments, arguments);
}

static void text_is_said_in_one_way(void **state)
{
    (void)state;
    static const char plain[] = "\0\0"
                                "\0\2"
                                "\0\0\0\1a"
                                "\0\0\0\1b"
                                "\0\0";
    keep(BYTES(plain));
    expect(BYTES("\0\1\0\0"
                 "\0\2"
                 "\0\0\0\1a"
                 "\0\0\0\1b"
                 "\0\0"),
           BYTES(plain));
    expect(BYTES("\0\2\0\0\0\0"
                 "\0\2"
                 "\0\0\0\1a"
                 "\0\0\0\1b"
                 "\0\0"),
           BYTES(plain));
    expect(BYTES("\0\2\0\0\0\0"
                 "\0\2"
                 "\0\0\0\1a"
                 "\0\0\0\1b"
                 "\0\1\0\0"),
           BYTES(plain));
    expect(BYTES("\0\0"
                 "\0\2"
                 "\0\0\0\1a"
                 "\0\0\0\1b"
                 "\0\1\0\0"),
           BYTES(plain));
    expect(BYTES("\0\0\0\0\0\1\0\0"), BYTES("\0\0\0\0\0\0"));
    expect(BYTES("\0\1\0\0\0\1\377\377\377\377\0\0"), BYTES("\0\0\0\1\377\377\377\377\0\0"));
    expect(BYTES("\0\1\0\0\0\0\0\0"), BYTES("\0\0\0\0\0\0"));
}

static void what_means_something_else_stays(void **state)
{
    (void)state;
    keep(BYTES("\0\1\0\1"
               "\0\1"
               "\0\0\0\1a"
               "\0\0")); /* binary */
    keep(BYTES("\0\2\0\0\0\1"
               "\0\2"
               "\0\0\0\1a"
               "\0\0\0\1b"
               "\0\0"));
    keep(BYTES("\0\0"
               "\0\1"
               "\0\0\0\1a"
               "\0\1\0\1"));
    keep(BYTES("\0\0"
               "\0\1"
               "\0\0\0\1a"
               "\0\2\0\0\0\0")); /* right for two columns alone */
    keep(BYTES("\0\2\0\0\0\0"
               "\0\1"
               "\0\0\0\1a"
               "\0\0")); /* an error at Postgres */
    keep(BYTES("\0\2\0\0\0\0"
               "\0\0"
               "\0\0"));
    keep(BYTES("\0\0"
               "\0\1"
               "\0\0\0\2\0\1"
               "\0\0")); /* a value that looks like codes */
    keep(BYTES("\0\1\0\5"
               "\0\1"
               "\0\0\0\1a"
               "\0\0"));
    keep(slice_of("", 0));
}

static void what_is_cut_short_stays(void **state)
{
    (void)state;
    static const char whole[] = "\0\1\0\0"
                                "\0\2"
                                "\0\0\0\1a"
                                "\377\377\377\377"
                                "\0\1\0\0";
    for (size_t i = 0; i < sizeof(whole) - 1; i++)
        keep(slice_of(whole, i));
    keep(BYTES("\0\1\0\0"
               "\0\1"
               "\0\0\0\1a"
               "\0\1\0\0"
               "x"));
    keep(BYTES("\377\377"));
    keep(BYTES("\0\0\377\377\0\0"));
    keep(BYTES("\0\0\0\1\177\377\377\377a\0\0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_said_in_one_way),
        cmocka_unit_test(what_means_something_else_stays),
        cmocka_unit_test(what_is_cut_short_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
