/* What scan_text and scan_shape promise, by hand-made examples. How they agree with Postgres' own
 * scanner is in test_scan_oracle.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sql/scan.h"

enum { SCRATCH_SLACK = 16 };

/* Scans a text of its own memory block, so that a sanitizer sees every byte read beyond it. */
static struct scan scan_bytes(const char *bytes, size_t len, uint8_t **out_scratch)
{
    struct scan scan;
    char *copy = malloc(len + (len == 0));
    uint8_t *scratch = malloc(len + SCRATCH_SLACK);

    assert_non_null(copy);
    assert_non_null(scratch);
    memcpy(copy, bytes, len);
    assert_int_equal(scan_text(slice_of(copy, len), scratch, &scan), ERR_OK);
    free(copy);
    assert_ptr_equal(scan.canonical, scratch);
    assert_true(scan.canonical_len <= len);
    assert_int_equal(scratch[scan.canonical_len], 0);
    *out_scratch = scratch;
    return scan;
}

static unsigned flags_of(const char *text)
{
    uint8_t *scratch;
    struct scan scan = scan_bytes(text, strlen(text), &scratch);
    free(scratch);
    return scan.flags;
}

static void expect(const char *text, const char *canonical, unsigned flags)
{
    uint8_t *scratch;
    struct scan scan = scan_bytes(text, strlen(text), &scratch);

    if (scan.canonical_len != strlen(canonical) ||
        memcmp(scan.canonical, canonical, scan.canonical_len) != 0)
        fail_msg("canonical text of <%s> is <%.*s>, not <%s>", text, (int)scan.canonical_len,
                 (const char *)scan.canonical, canonical);
    if (scan.flags != flags)
        fail_msg("flags of <%s> are %#x, not %#x", text, scan.flags, flags);
    free(scratch);
}

static void expect_doubt(const char *text)
{
    expect(text, text, flags_of(text) | SCAN_DOUBT);
}

static struct hash128 shape_of(const char *text)
{
    uint8_t *scratch;
    struct scan scan = scan_bytes(text, strlen(text), &scratch);
    struct hash128 hash = scan_shape(slice_of(scan.canonical, scan.canonical_len));
    free(scratch);
    return hash;
}

static void expect_shapes(bool same, const char *a, const char *b)
{
    if (hash128_equal(shape_of(a), shape_of(b)) != same)
        fail_msg("<%s> and <%s> %s one shape", a, b, same ? "do not have" : "have");
}

static void keeps_a_text_without_spare_space(void **state)
{
    (void)state;
    expect("SELECT a, b FROM t WHERE id = 1 AND c <> 'x y'",
           "SELECT a, b FROM t WHERE id = 1 AND c <> 'x y'", 0);
    expect("select 1", "select 1", 0);
    expect("x", "x", 0);
    expect("select(a)from\"t  --\"where(b)=$1", "select(a)from\"t  --\"where(b)=$1", SCAN_PARAM);
}

static void closes_up_space_and_comments(void **state)
{
    (void)state;
    expect("  select\t\r\n\f 1  ", "select 1", 0);
    expect("select\n1", "select 1", 0);
    expect("select/**/1", "select 1", 0);
    expect("/* a /* nested */ b */select 1/*x*/", "select 1", 0);
    expect("select 1 -- end", "select 1", 0);
    expect("select 1 --", "select 1", 0);
    expect("-- a\nselect -- b\r 1 /* route='/x' */", "select 1", 0);
    expect("a/**/b", "a b", 0);
    expect("1/**/.5", "1 .5", 0);
    expect("1 .5", "1 .5", 0);
    expect("1.5", "1.5", 0);
    expect("- -1", "- -1", 0);
    expect("-/**/-1", "- -1", 0);
    expect("--1", "", SCAN_EMPTY);
    expect("a +--x\n- b", "a + - b", 0);
    expect("a */*x*/ b", "a * b", 0);
    expect("a /*/ b */ c", "a c", 0);
    expect("a /*/* b */*/ c", "a c", 0);
    expect("a /***/ c /****/ d", "a c d", 0);
    expect("select '  a  --  /* '", "select '  a  --  /* '", 0);
    expect("select $1\t$2", "select $1 $2", SCAN_PARAM);
    expect("e  'x'", "e 'x'", 0);
    expect("e'x'", "e'x'", 0);
}

static void tells_continued_constants_from_neighbours(void **state)
{
    (void)state;
    expect("'a'\n'b'", "'a'\n'b'", SCAN_MAGIC_DATE);
    expect("'a'  \r  'b'", "'a'\n'b'", SCAN_MAGIC_DATE);
    expect_doubt("'a' --c\n 'b'");
    expect_doubt("e'a'\n--c\n--d\n'b'");
    expect("$$a$$ --c\n 'b'", "$$a$$ 'b'", 0);
    expect("'a' --c\n $$b$$", "'a' $$b$$", 0);
    expect("'a' 'b'", "'a' 'b'", 0);
    expect("'a' \t 'b'", "'a' 'b'", 0);
    expect("'a'/*\n*/'b'", "'a' 'b'", 0);
    expect("'a'\n/**/'b'", "'a' 'b'", 0);
    expect("'a'/**/\n'b'", "'a' 'b'", 0);
    expect("'a'\nb", "'a' b", 0);
    expect("'a'\ne'b'", "'a' e'b'", 0);
    expect("$$a$$\n'b'", "$$a$$ 'b'", 0);
    expect("\"a\"\n'b'", "\"a\" 'b'", 0);
    expect("x'a'\n  'b'", "x'a'\n'b'", SCAN_MAGIC_DATE);
    expect("n'a'\n\n'b'", "n'a'\n'b'", SCAN_MAGIC_DATE);
    expect("u&'a'\n\n'b'", "u&'a'\n'b'", SCAN_MAGIC_DATE);
    /* The second part is read by the rules of the first. */
    expect("e'a'\n '\\'  --'  +  1", "e'a'\n'\\'  --' + 1", SCAN_MAGIC_DATE);
    expect("'a'\n '\\'  --'", "'a'\n'\\'", SCAN_MAGIC_DATE);
    expect("'a'\n\n'b'\n\n'c'  d", "'a'\n'b'\n'c' d", SCAN_MAGIC_DATE);
}

static void drops_trailing_semicolons_and_sees_several(void **state)
{
    (void)state;
    expect("select 1;", "select 1", 0);
    expect("select 1 ;", "select 1", 0);
    expect("select 1  ; ; -- x\n ;", "select 1", 0);
    expect("select 1;select 2", "select 1;select 2", SCAN_SEVERAL);
    expect("select 1;\n select 2 ; ", "select 1; select 2", SCAN_SEVERAL);
    expect(";;select 1", ";;select 1", SCAN_SEVERAL);
    expect("select ';'", "select ';'", 0);
    expect("select 1/* ; */", "select 1", 0);
    expect("", "", SCAN_EMPTY);
    expect(";", "", SCAN_EMPTY);
    expect(" ;\n; ", "", SCAN_EMPTY);
    expect("/* only */ -- this", "", SCAN_EMPTY);
}

static void doubts_what_servers_refuse_or_cut_otherwise(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "select 'open",
        "select \"open",
        "select e'open\\'",
        "select $$open$",
        "select $a$open$$",
        "select /* open",
        "select /* /* */",
        "select \"\"",
        "select u&\"\"",
        "select 1a",
        "select 0x10",
        "select 1_000",
        "select 1.5e",
        "select 1e+",
        "select 1.a",
        "select $1a",
        "select $12345678901",
        "select $",
        "select $a",
        "select \\d",
        "select {a}",
        "a\vb",
        "a\x01",
        "select a\xff",
        "select \"\xc3\"",
        "/* \xff */ select 1",
        "-- \xe9\nselect 1",
        "select e'\xe9'",
        "select e'\\u12'",
        "select e'\\000'",
        "select e'\\xe9'",
        "select e'\\400'",
        "select e'\\ud800'",
        "select e'\\udc00'",
        "select e'\\ud800\\u0041'",
        "select e'\\U00110000'",
        "select e'\\u0000'",
        "select 1 @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@ 2"};
    for (size_t i = 0; i < ARRAY_COUNT(TEXTS); i++)
        expect_doubt(TEXTS[i]);

    uint8_t *scratch;
    struct scan scan = scan_bytes("select 1\0  ;", 12, &scratch);
    assert_int_equal(scan.flags, SCAN_DOUBT);
    assert_int_equal(scan.canonical_len, 12);
    free(scratch);
    scan = scan_bytes("select 1 -- \0", 13, &scratch);
    assert_int_equal(scan.flags, SCAN_DOUBT);
    free(scratch);
    scan = scan_bytes("select '\0'", 10, &scratch);
    assert_int_equal(scan.flags, SCAN_DOUBT);
    free(scratch);
}

static void is_sure_of_what_is_only_strange(void **state)
{
    (void)state;
    expect("1..10", "1..10", 0);
    expect("1. .5 1.e5 .5e-3 1e5", "1. .5 1.e5 .5e-3 1e5", 0);
    expect("a::int := b => c .. d", "a::int := b => c .. d", 0);
    expect("\xc3\xa9t\xc3\xa9 \"\xe2\x82\xac\"", "\xc3\xa9t\xc3\xa9 \"\xe2\x82\xac\"", 0);
    expect("select '\xff'", "select '\xff'", 0);
    expect("$\xc3\xa9$ $e$ $$ $\xc3\xa9$", "$\xc3\xa9$ $e$ $$ $\xc3\xa9$", 0);
    expect("a$$b  c$$", "a$$b c$$", 0);
    expect("e'\\ud83d\\ude00'", "e'\\ud83d\\ude00'", SCAN_MAGIC_DATE);
    expect("b'01''10'", "b'01''10'", 0);
    expect("'it''s'", "'it''s'", 0);
    char longest[] = "1 @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@ 2";
    assert_int_equal(strlen(longest), 4 + 63); /* NAMEDATALEN - 1 */
    expect(longest, longest, 0);
    expect("u&\"d\\0061t\" uescape '!'", "u&\"d\\0061t\" uescape '!'", 0);
}

static void sees_magic_dates_in_every_kind_of_string(void **state)
{
    (void)state;
    static const char *const MAGIC[] = {"'now'",
                                        "'NoW'",
                                        "'{today}'::date[]",
                                        "'[today,tomorrow)'",
                                        "$$yesterday$$",
                                        "$a$ Tomorrow $a$",
                                        "e'now'",
                                        "e'n\\x6fw'",
                                        "n'now'",
                                        "u&'n\\006fw'",
                                        "'no'\n'w'",
                                        "'1now'",
                                        "'{n\\ow}'",
                                        "'[n\"o\"w,)'",
                                        "'[\\to\"\"day,)'",
                                        "'{[\"n\\\\ow\",)}'"};
    static const char *const PLAIN[] = {"now()",   "'known'",  "\"now\" = 'nw'",   "'no' 'w'",
                                        "e'no w'", "$$n ow$$", "'todax yesterda'", "'y'",
                                        "'ww yy'"};
    for (size_t i = 0; i < ARRAY_COUNT(MAGIC); i++)
        assert_int_equal(flags_of(MAGIC[i]), SCAN_MAGIC_DATE);
    for (size_t i = 0; i < ARRAY_COUNT(PLAIN); i++)
        assert_int_equal(flags_of(PLAIN[i]), 0);
    assert_true(scan_is_magic_date(slice_of_text("YESTERDAY 12:00")));
    assert_true(scan_is_magic_date(slice_of_text("{1,Now,2}")));
    assert_true(scan_is_magic_date(slice_of_text("1now")));
    assert_true(scan_is_magic_date(slice_of_text("now2")));
    assert_true(scan_is_magic_date(slice_of_text("known now")));
    assert_true(scan_is_magic_date(slice_of_text("\xc3\xa9now\xc3\xa9")));
    assert_false(scan_is_magic_date(slice_of_text("xtomorrow")));
    assert_false(scan_is_magic_date(slice_of_text("%know% snow nowhere todays")));
    assert_true(scan_holds_magic_date(slice_of_text("xtomorrow")));
    assert_true(scan_holds_magic_date(slice_of_text("anowb")));
    assert_false(scan_holds_magic_date(slice_of_text("no way")));
    assert_false(scan_is_magic_date(slice_of_text("")));
    assert_false(scan_is_magic_date(slice_of_text("no")));
    assert_false(scan_is_magic_date(slice_of_text("2024-01-01")));
    assert_false(scan_is_magic_date(slice_of_text("{\"know\": \"n\", \"ow\": 1}")));
    assert_true(scan_holds_magic_date(slice_of_text("[n\"o\"w,)")));
}

static void sees_hints(void **state)
{
    (void)state;
    expect("/* pgrecall: never */ select 1", "select 1", SCAN_HINT);
    expect("/*pgrecall:never*/select 1", "select 1", SCAN_HINT);
    expect("select 1 --\tpgrecall: never", "select 1", SCAN_HINT);
    expect("'a' -- pgrecall: x\nb", "'a' b", SCAN_HINT);
    expect("/* no pgrecall: */ select 1", "select 1", 0);
    expect("/* pgrecall */ select 1", "select 1", 0);
    expect("select '/* pgrecall: */'", "select '/* pgrecall: */'", 0);
    expect("select 1 --\npgrecall: x", "select 1 pgrecall: x", 0);
}

static void counts_tokens_and_constants(void **state)
{
    (void)state;
    uint8_t *scratch;
    const char *text = "select a.b, 1, 'x'\n'y', 1.5 from t where c = $1 and d=b'1' ; ;";
    struct scan scan = scan_bytes(text, strlen(text), &scratch);
    assert_int_equal(scan.token_count, 20);
    assert_int_equal(scan.literal_count, 4);
    free(scratch);
}

static void refuses_what_is_over_a_limit(void **state)
{
    (void)state;
    size_t len = SCAN_TEXT_MAX + 1;
    char *text = malloc(len);
    uint8_t *scratch = malloc(len + SCRATCH_SLACK);
    struct scan scan = {0};

    assert_non_null(text);
    assert_non_null(scratch);
    memset(text, ' ', len);
    assert_int_equal(scan_text(slice_of(text, len), scratch, &scan), ERR_TOO_BIG);
    assert_int_equal(scan_text(slice_of(text, len - 1), scratch, &scan), ERR_OK);
    assert_int_equal(scan.flags, SCAN_EMPTY);
    memset(text, '(', len);
    assert_int_equal(scan_text(slice_of(text, SCAN_TOKENS_MAX + 1), scratch, &scan), ERR_TOO_BIG);
    assert_int_equal(scan_text(slice_of(text, SCAN_TOKENS_MAX), scratch, &scan), ERR_OK);
    assert_int_equal(scan.token_count, SCAN_TOKENS_MAX);
    free(text);
    free(scratch);
}

static void shape_ignores_values_but_not_kinds(void **state)
{
    (void)state;
    expect_shapes(true, "select 1", "select 22");
    expect_shapes(true, "select 'a'", "select 'b c ''d'");
    expect_shapes(true, "select 'a'", "select $$b$$");
    expect_shapes(true, "select 'a'\n'b', 1", "select 'a', 2");
    expect_shapes(true, "select 1.5", "select 2e10");
    expect_shapes(true, "select /* c */ x'ab' ;", "select x'cdef'");
    expect_shapes(false, "select 1", "select '1'");
    expect_shapes(false, "select 1", "select 1.0");
    expect_shapes(false, "select 1", "select 3000000000");
    expect_shapes(false, "select 3000000000", "select 30000000000000000000");
    expect_shapes(false, "select 'a'", "select e'a'");
    expect_shapes(false, "select 'a'", "select u&'a'");
    expect_shapes(false, "select 'a'", "select n'a'");
    expect_shapes(false, "select n 'a'", "select n'a'");
    expect_shapes(false, "select $1", "select $2");
    expect_shapes(false, "select a", "select b");
    expect_shapes(false, "select a from t_01", "select a from t_02");
    expect_shapes(false, "select 1, 2", "select 1, 2, 3");
    expect_shapes(false, "select 1", "select 1 a");
    expect_shapes(false, "select 1 from t", "select 1 from u");
    expect_shapes(false, "", "select");
}

static void shape_of_a_long_statement_is_whole(void **state)
{
    (void)state;
    static char a[8000];
    static char b[8000];
    size_t len = 0;

    while (len < sizeof(a) - 20)
        len +=
            (size_t)snprintf(a + len, sizeof(a) - len, "%s%zu", len ? ", column_" : "select ", len);
    memcpy(b, a, sizeof(a));
    expect_shapes(true, a, b);
    b[len - 3] = (char)(b[len - 3] == '7' ? '8' : '7'); /* in the last column's name */
    expect_shapes(false, a, b);
    memcpy(b, a, sizeof(a));
    b[7] = '9'; /* the constant */
    expect_shapes(true, a, b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_a_text_without_spare_space),
        cmocka_unit_test(closes_up_space_and_comments),
        cmocka_unit_test(tells_continued_constants_from_neighbours),
        cmocka_unit_test(drops_trailing_semicolons_and_sees_several),
        cmocka_unit_test(doubts_what_servers_refuse_or_cut_otherwise),
        cmocka_unit_test(is_sure_of_what_is_only_strange),
        cmocka_unit_test(sees_magic_dates_in_every_kind_of_string),
        cmocka_unit_test(sees_hints),
        cmocka_unit_test(counts_tokens_and_constants),
        cmocka_unit_test(refuses_what_is_over_a_limit),
        cmocka_unit_test(shape_ignores_values_but_not_kinds),
        cmocka_unit_test(shape_of_a_long_statement_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
