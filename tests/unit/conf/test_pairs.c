#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "pairs.h"

/* All pairs of `text` as "key=[value]" one behind the other, then "!" when it breaks off. */
static void read_all(const char *text, char out[256])
{
    struct slice rest = slice_of_text(text), key;
    struct buf value, all;
    enum err err = ERR_OK;
    buf_init(&value);
    buf_init(&all);
    while ((err = pairs_next(&rest, &key, &value)) == ERR_OK) {
        buf_printf(&all, "%.*s=[%s]", (int)key.len, (const char *)key.data,
                   (const char *)buf_head(&value));
        assert_int_equal(buf_head(&value)[buf_len(&value)], 0);
    }
    assert_true(err == ERR_NOT_FOUND || err == ERR_MALFORMED);
    buf_append_text(&all, err == ERR_MALFORMED ? "!" : "");
    buf_append(&all, "", 1);
    snprintf(out, 256, "%s", (const char *)buf_head(&all));
    buf_fini(&value);
    buf_fini(&all);
}

static void reads_what_pgbouncer_reads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *pairs;
    } rows[] = {
        {"", ""},
        {"  \t", ""},
        {"host=a", "host=[a]"},
        {" host=a  port=5432\t", "host=[a]port=[5432]"},
        {"host = a port= 1", "host=[a]port=[1]"},
        {"password='it''s; # \"x\"' user=u", "password=[it's; # \"x\"]user=[u]"},
        {"q='' r=''''", "q=[]r=[']"},
        {"password=a;b#c'd", "password=[a;b#c'd]"},
        {"a= b=c", "a=[b=c]"},
        {"a=", "a=[]"},
        {"host", "!"},
        {"=x", "!"},
        {"a=b host", "a=[b]!"},
        {"a='b", "!"},
        {"a='b''", "!"},
        {"a='b'c=d", "!"},
        {"'a'=b", "!"},
        {"a-b=c", "!"},
    };
    char out[256];
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        read_all(rows[i].text, out);
        assert_string_equal(out, rows[i].pairs);
    }
}

/* No prefix of a good text is read past its end (the copy is exactly as long as the prefix). */
static void bears_every_prefix(void **state)
{
    (void)state;
    static const char text[] = " host = a password='it''s' q='' r=x";
    struct buf value;
    buf_init(&value);
    for (size_t len = 0; len < sizeof(text); len++) {
        char *copy = mem_copy(text, len);
        struct slice rest = slice_of(copy, len), key;
        while (pairs_next(&rest, &key, &value) == ERR_OK)
            ;
        mem_free(copy);
    }
    buf_fini(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_pgbouncer_reads),
        cmocka_unit_test(bears_every_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
