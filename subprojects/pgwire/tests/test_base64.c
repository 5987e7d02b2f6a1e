/* base64.c. */
#include "torture.h"

#include "base64.h"

static void writes_and_reads_the_examples_of_rfc_4648(void **state)
{
    static const char *const plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const coded[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                        "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    (void)state;
    for (size_t i = 0; i < COUNT(plain); i++) {
        char text[16];
        uint8_t data[8];
        size_t len = 99;
        pgwire_base64_write((const uint8_t *)plain[i], strlen(plain[i]), text);
        assert_string_equal(text, coded[i]);
        assert_int_equal(BASE64_LEN(strlen(plain[i])), strlen(coded[i]));
        assert_true(pgwire_base64_read(text, strlen(text), data, strlen(plain[i]), &len));
        assert_int_equal(len, strlen(plain[i]));
        assert_memory_equal(data, plain[i], len);
        if (len > 0) {
            assert_false(pgwire_base64_read(text, strlen(text), data, len - 1, &len));
        }
    }
}

static void reads_each_byte_that_it_writes(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 65536; value++) {
        const uint8_t data[3] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value * 7)};
        uint8_t back[3];
        char text[5];
        size_t len;
        pgwire_base64_write(data, 3, text);
        assert_true(pgwire_base64_read(text, 4, back, 3, &len));
        assert_memory_equal(back, data, 3);
    }
}

static void has_one_text_for_one_value(void **state)
{
    static const char *const bad[] = {"Z",    "Zg",   "Zg=",     "Zg=a",     "Z===",
                                      "====", "Zh==", "Zm9=",    "Zg==Zg==", "Zm9v\n",
                                      " Zm9", "Zm-_", "Zm9v===="};
    uint8_t data[16];
    size_t len;
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(pgwire_base64_read(bad[i], strlen(bad[i]), data, sizeof(data), &len));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads_the_examples_of_rfc_4648),
        cmocka_unit_test(reads_each_byte_that_it_writes),
        cmocka_unit_test(has_one_text_for_one_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
