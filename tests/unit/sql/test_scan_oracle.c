/* Our scanner against Postgres' own (pg_query_scan): on the corpus beside this file, on every SQL
 * file that an installed PostgreSQL 15 has, on statements put together from lexical pieces, and on
 * mutations of all of them. Every random choice comes from one seed, which is printed.
 * test_scan_grammar.c goes through the lexical rules one by one.
 *
 * SCAN_ORACLE_SEED and SCAN_ORACLE_ROUNDS in the environment choose another run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/slice.h"
#include "scan_oracle.h"

enum {
    PIECES_MAX = 12,
    GENERATED_COUNT = 5000,
    MUTATION_ROUNDS = 200000,
    TEXT_MAX = 4096, /* longer ones are not mutated: time */
    CORPUS_MAX = 65536,
};

static const uint64_t SEED = 20240611;

struct corpus {
    char *texts[CORPUS_MAX]; /* malloc'd, with a zero byte */
    size_t lens[CORPUS_MAX];
    size_t count;
};

struct tally {
    size_t counts[SCAN_ORACLE_WRONG + 1];
};

static struct corpus corpus;
static size_t own_count; /* its first texts, from our own files */
static uint64_t random_state;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static size_t random_below(size_t limit)
{
    return (size_t)(random_next() % limit);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void corpus_add(const char *text, size_t len)
{
    char *copy = malloc(len + 1);

    if (!copy || corpus.count == CORPUS_MAX)
        abort();
    memcpy(copy, text, len);
    copy[len] = 0;
    corpus.texts[corpus.count] = copy;
    corpus.lens[corpus.count++] = len;
}

/* The whole of a file with a zero byte behind it, or NULL. */
static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;
    if (text)
        text[fread(text, 1, (size_t)size, file)] = 0;
    fclose(file);
    return text;
}

/* Adds what `separator` divides in every file that matches, and the whole of each if `whole`. */
static size_t corpus_add_files(const char *pattern, const char *separator, bool whole)
{
    size_t before = corpus.count;
    glob_t found;

    if (glob(pattern, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        char *text = read_file(found.gl_pathv[i]);
        if (!text)
            continue;
        if (whole)
            corpus_add(text, strlen(text));
        const char *part = text;
        const char *end;
        while ((end = strstr(part, separator))) {
            corpus_add(part, (size_t)(end - part));
            part = end + strlen(separator);
        }
        corpus_add(part, strlen(part));
        free(text);
    }
    globfree(&found);
    return corpus.count - before;
}

static const char *const PIECES[] = {
    "select", "from",       "where",      "a",          "b1",         "_c",    "\xc3\xa9",
    "n",      "e",          "b",          "x",          "u",          "u&",    "now()",
    "\"A\"",  "\"a\"\"b\"", "u&\"a\"",    "'a'",        "'it''s'",    "''",    "'now'",
    "'\\'",   "e'\\''",     "E'a\\\\'",   "e'\\u0041'", "u&'\\0041'", "n'a'",  "b'01'",
    "x'Af'",  "$$a$$",      "$a$ $$ $a$", "$a$'$a$",    "1",          "0",     "12345678901",
    "1.5",    ".5",         "1.",         "1e5",        "1e-5",       "$1",    "$22",
    "(",      ")",          "[",          "]",          ",",          ";",     ".",
    "..",     ":",          "::",         ":=",         "=>",         "+",     "-",
    "*",      "/",          "%",          "^",          "<",          ">",     "=",
    "<=",     ">=",         "<>",         "!=",         "||",         "->",    "->>",
    "@>",     "#-",         "?",          "?|",         "~",          "!~*",   "@-",
    "`",      "&&",         "|/",         "uescape",    "'!'",        "nchar", "/*",
    "*/",     "--",         "'",          "\"",         "$$",         "$a$",   "\\",
    "\v"};

static const char *const GAPS[] = {"",       "",         "",
                                   " ",      " ",        " ",
                                   "  ",     "\n",       "\r\n",
                                   "\t",     "\f",       " \n ",
                                   "/**/",   "/* ' */",  " /* /* */ -- */ ",
                                   "--\n",   "-- '\n",   " --x\r ",
                                   "\n--\n", "\n/**/\n", "/* pgrecall: x */"};

static void corpus_add_generated(size_t count)
{
    char text[PIECES_MAX * 64];

    for (size_t i = 0; i < count; i++) {
        size_t len = 0;
        size_t pieces = 1 + random_below(PIECES_MAX);
        for (size_t p = 0; p < pieces; p++) {
            const char *piece = PIECES[random_below(ARRAY_COUNT(PIECES))];
            const char *gap = GAPS[random_below(ARRAY_COUNT(GAPS))];
            len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", gap, piece);
        }
        corpus_add(text, len);
    }
}

/* Compares one text and fails the test when a promise is broken. */
static void compare(const char *text, size_t len, struct tally *tally)
{
    char message[SCAN_ORACLE_MESSAGE_MAX];
    enum scan_oracle_result result = scan_oracle_compare(text, len, message);

    tally->counts[result]++;
    if (result == SCAN_ORACLE_DOUBT && getenv("SCAN_ORACLE_SHOW"))
        print_message("doubt: <%.200s>\n", text);
    if (result == SCAN_ORACLE_WRONG)
        fail_msg("%s in <%s>", message, text);
}

static void print_tally(const char *name, const struct tally *tally)
{
    print_message("%s: %zu sure, %zu refused by both, %zu doubted by us alone\n", name,
                  tally->counts[SCAN_ORACLE_SURE], tally->counts[SCAN_ORACLE_REFUSED],
                  tally->counts[SCAN_ORACLE_DOUBT]);
}

static size_t mutate(char *text, size_t len)
{
    static const char BYTES[] =
        "'\"$/*-+;:.,\\ \n\r\t\f\vEeUu&xXbBnN0129_a@=<>!~#%^|`?[](){}\xc3\xa9";
    size_t at = random_below(len + 1);
    char byte = BYTES[random_below(sizeof(BYTES) - 1)];

    switch (random_below(5)) {
    case 0: /* another byte */
        if (at < len)
            text[at] = byte;
        return len;
    case 1: /* one more */
        if (len + 1 >= TEXT_MAX)
            return len;
        memmove(text + at + 1, text + at, len - at);
        text[at] = byte;
        return len + 1;
    case 2: /* one less */
        if (at == len)
            return len;
        memmove(text + at, text + at + 1, len - at - 1);
        return len - 1;
    case 3: { /* a gap in between */
        const char *gap = GAPS[random_below(ARRAY_COUNT(GAPS))];
        size_t gap_len = strlen(gap);
        if (len + gap_len >= TEXT_MAX)
            return len;
        memmove(text + at + gap_len, text + at, len - at);
        memcpy(text + at, gap, gap_len);
        return len + gap_len;
    }
    default: { /* the end of another text behind it */
        size_t other = random_below(corpus.count);
        size_t from = random_below(corpus.lens[other] + 1);
        size_t part = size_min(corpus.lens[other] - from, 64);
        if (at + part >= TEXT_MAX)
            return len;
        memcpy(text + at, corpus.texts[other] + from, part);
        return at + part;
    }
    }
}

static void agrees_on_the_corpus(void **state)
{
    (void)state;
    size_t own = corpus_add_files(SCAN_CORPUS_DIR "/*.sql", "\n%%\n", false);
    size_t shapes = corpus_add_files(SCAN_CORPUS_DIR "/../shapes/*.sql", ";\n", true);
    size_t server = corpus_add_files("/usr/share/postgresql/15/*.sql", ";\n", true) +
                    corpus_add_files("/usr/share/postgresql/15/extension/*.sql", ";\n", true);
    struct tally tally = {0};

    own_count = own;
    assert_true(own > 70);
    assert_true(shapes > 200);
    for (size_t i = 0; i < corpus.count; i++)
        compare(corpus.texts[i], corpus.lens[i], &tally);
    print_message("%zu texts of our own, %zu of applications, %zu of the server's files\n", own,
                  shapes, server);
    print_tally("corpus", &tally);
    assert_true(tally.counts[SCAN_ORACLE_DOUBT] * 200 < corpus.count);
}

/* Of our own corpus. */
static void agrees_on_every_prefix_and_flipped_bit(void **state)
{
    (void)state;
    struct tally tally = {0};
    char text[TEXT_MAX];

    for (size_t i = 0; i < own_count; i++) {
        size_t len = corpus.lens[i];
        assert_true(len < TEXT_MAX);
        memcpy(text, corpus.texts[i], len + 1);
        for (size_t bit = 0; bit < len * 8; bit++) {
            char mask = (char)(1 << bit % 8);
            text[bit / 8] ^= mask;
            compare(text, len, &tally);
            text[bit / 8] ^= mask;
        }
        while (len > 0) {
            text[--len] = 0;
            compare(text, len, &tally);
        }
    }
    print_tally("prefixes and flips", &tally);
}

static void agrees_on_lexical_pieces(void **state)
{
    (void)state;
    size_t first = corpus.count;
    struct tally tally = {0};

    corpus_add_generated(GENERATED_COUNT);
    for (size_t i = first; i < corpus.count; i++)
        compare(corpus.texts[i], corpus.lens[i], &tally);
    print_tally("pieces", &tally);
}

static void agrees_on_mutations(void **state)
{
    (void)state;
    uint64_t rounds = from_environment("SCAN_ORACLE_ROUNDS", MUTATION_ROUNDS);
    struct tally tally = {0};
    char text[TEXT_MAX];

    for (uint64_t i = 0; i < rounds; i++) {
        size_t from;
        do {
            from = random_below(corpus.count);
        } while (corpus.lens[from] > TEXT_MAX / 8);
        size_t len = corpus.lens[from];
        memcpy(text, corpus.texts[from], len);
        for (size_t left = 1 + random_below(3); left > 0; left--)
            len = mutate(text, len);
        text[len] = 0;
        compare(text, len, &tally);
    }
    print_tally("mutations", &tally);
}

static int set_up(void **state)
{
    (void)state;
    random_state = from_environment("SCAN_ORACLE_SEED", SEED);
    print_message("seed %llu\n", (unsigned long long)random_state);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < corpus.count; i++)
        free(corpus.texts[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_on_the_corpus),
        cmocka_unit_test(agrees_on_every_prefix_and_flipped_bit),
        cmocka_unit_test(agrees_on_lexical_pieces),
        cmocka_unit_test(agrees_on_mutations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
