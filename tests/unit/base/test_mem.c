#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"

static void gives_memory_for_nothing(void **state)
{
    (void)state;
    void *none[] = {mem_alloc(0), mem_zero(0, 8), mem_zero(8, 0), mem_copy(NULL, 0),
                    mem_try_alloc(0)};
    for (size_t i = 0; i < ARRAY_COUNT(none); i++) {
        assert_non_null(none[i]);
        mem_free(none[i]);
    }
    mem_free(NULL);
}

static void clears_what_it_says_it_clears(void **state)
{
    (void)state;
    char *bytes = mem_zero(100, 3);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(bytes[i], 0);
    mem_free(bytes);
}

static void copies_texts(void **state)
{
    (void)state;
    assert_null(mem_text(NULL));
    char *text = mem_text("abc");
    assert_string_equal(text, "abc");
    mem_free(text);
    text = mem_text_n("abcdef", 3);
    assert_string_equal(text, "abc");
    mem_free(text);
    text = mem_text_n(NULL, 0);
    assert_string_equal(text, "");
    mem_free(text);
}

static void resizing_keeps_the_bytes(void **state)
{
    (void)state;
    char *text = mem_copy("0123", 5);
    text = mem_resize(text, 1000);
    assert_string_equal(text, "0123");
    mem_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_memory_for_nothing),
        cmocka_unit_test(clears_what_it_says_it_clears),
        cmocka_unit_test(copies_texts),
        cmocka_unit_test(resizing_keeps_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
