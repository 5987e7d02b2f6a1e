/* Our scanner against Postgres' own (pg_query_scan) on texts made by rule: each lexical form alone and
 * cut off at each byte, each form beside each other, and each constant with all that may continue it.
 * Nothing is left to chance: the same texts every time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scan_grammar.h"

enum { TEXT_MAX = 512, CHAIN_COUNT = 10000, CHAIN_MAX = 6 };

static size_t tally[SCAN_ORACLE_WRONG + 1];

static const char *const results[] = {"sure", "refused by both", "doubted by us alone", "wrong"};

static enum scan_oracle_result compare(const char *text, size_t len)
{
    char message[SCAN_ORACLE_MESSAGE_MAX];
    enum scan_oracle_result result = scan_oracle_compare(text, len, message);

    tally[result]++;
    if (result == SCAN_ORACLE_WRONG)
        fail_msg("%s in <%s>", message, text);
    return result;
}

static void tally_print(const char *name)
{
    print_message("%s: %zu sure, %zu refused by both, %zu doubted by us alone\n", name,
                  tally[SCAN_ORACLE_SURE], tally[SCAN_ORACLE_REFUSED], tally[SCAN_ORACLE_DOUBT]);
    memset(tally, 0, sizeof(tally));
}

static void each_form_is_cut_as_it_should_be(void **state)
{
    unsigned wrong = 0;

    (void)state;
    for (size_t f = 0; f < SCAN_FAMILIES; f++) {
        for (size_t i = 0; i < scan_families[f].count; i++) {
            const struct scan_piece *piece = &scan_families[f].list[i];
            enum scan_oracle_result result = compare(piece->text, strlen(piece->text));

            if (result == piece->expect)
                continue;
            print_error("%s <%s> is %s, not %s\n", scan_families[f].name, piece->text,
                        results[result], results[piece->expect]);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
    tally_print("alone");
}

static void each_form_is_cut_alike_when_it_ends_early(void **state)
{
    (void)state;
    for (size_t f = 0; f < SCAN_FAMILIES; f++) {
        for (size_t i = 0; i < scan_families[f].count; i++) {
            char text[TEXT_MAX];
            int len = snprintf(text, sizeof(text), "a %s", scan_families[f].list[i].text);

            for (int end = len - 1; end > 1; end--) {
                text[end] = '\0';
                (void)compare(text, (size_t)end);
            }
        }
    }
    tally_print("cut off");
}

static void a_zero_byte_is_in_doubt_wherever_it_stands(void **state)
{
    (void)state;
    for (size_t f = 0; f < SCAN_FAMILIES; f++) {
        for (size_t i = 0; i < scan_families[f].count; i++) {
            const char *piece = scan_families[f].list[i].text;
            size_t len = strlen(piece);
            char text[TEXT_MAX];

            for (size_t at = 0; at <= len; at++) {
                memcpy(text, piece, at);
                text[at] = '\0';
                memcpy(text + at + 1, piece + at, len - at);
                assert_int_equal(compare(text, len + 1), SCAN_ORACLE_REFUSED);
            }
        }
    }
    tally_print("zero bytes");
}

static void compare_joined(const char *left, const char *joint, const char *right)
{
    char text[TEXT_MAX];
    int len = snprintf(text, sizeof(text), "%s%s%s", left, joint, right);

    assert_true(len > -1 && (size_t)len < sizeof(text));
    (void)compare(text, (size_t)len);
}

/* Without a gap, and with one of the others: which one goes round. */
static void each_form_is_cut_alike_beside_each_other(void **state)
{
    uint64_t at = 0;

    (void)state;
    for (size_t f = 0; f < SCAN_FAMILIES * SCAN_FAMILIES; f++) {
        const struct scan_pieces *left = &scan_families[f / SCAN_FAMILIES];
        const struct scan_pieces *right = &scan_families[f % SCAN_FAMILIES];

        for (size_t i = 0; i < left->count; i++) {
            for (size_t j = 0; j < right->count; j++) {
                const char *joint = scan_joints[1 + scan_spread(at++) % (scan_joint_count - 1)];

                compare_joined(left->list[i].text, "", right->list[j].text);
                compare_joined(left->list[i].text, joint, right->list[j].text);
            }
        }
    }
    tally_print("pairs");
}

/* All constants, all gaps, and a second part of each kind. */
static void each_constant_is_continued_alike(void **state)
{
    static const char *const parts[] = {
        "'b'",  "''",    "'''c'", "'\\'",     "'\\'''", "e'b'",  "u&'b'",   "x'b'",
        "n'b'", "$$b$$", "\"b\"", "'b'\n'c'", "'b",     "'b' c", "'0' '1'", "uescape '!'"};

    (void)state;
    for (size_t f = 0; f < SCAN_CONSTANT_FAMILIES; f++) {
        for (size_t i = 0; i < scan_families[f].count; i++) {
            for (size_t j = 0; j < scan_joint_count; j++) {
                for (size_t p = 0; p < sizeof(parts) / sizeof(*parts); p++)
                    compare_joined(scan_families[f].list[i].text, scan_joints[j], parts[p]);
            }
        }
    }
    tally_print("continued");
}

/* Longer rows of forms that are fine alone: what stands further behind matters too. */
static void rows_of_forms_are_cut_alike(void **state)
{
    uint64_t at = 1000000;

    (void)state;
    for (unsigned i = 0; i < CHAIN_COUNT; i++) {
        char text[CHAIN_MAX * TEXT_MAX / 2];
        size_t len = 0;
        unsigned count = 3 + (unsigned)(scan_spread(at++) % (CHAIN_MAX - 2));

        for (unsigned p = 0; p < count;) {
            const struct scan_pieces *family = &scan_families[scan_spread(at++) % SCAN_FAMILIES];
            const struct scan_piece *piece = &family->list[scan_spread(at++) % family->count];

            if (piece->expect != SCAN_ORACLE_SURE)
                continue;
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", piece->text,
                                    scan_joints[scan_spread(at++) % scan_joint_count]);
            p++;
        }
        (void)compare(text, len);
    }
    tally_print("rows");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_cut_as_it_should_be),
        cmocka_unit_test(each_form_is_cut_alike_when_it_ends_early),
        cmocka_unit_test(a_zero_byte_is_in_doubt_wherever_it_stands),
        cmocka_unit_test(each_form_is_cut_alike_beside_each_other),
        cmocka_unit_test(each_constant_is_continued_alike),
        cmocka_unit_test(rows_of_forms_are_cut_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
