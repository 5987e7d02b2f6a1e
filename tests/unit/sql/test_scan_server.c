/* The scanner against a real Postgres: a statement and its canonical text must get the same answer, or
 * be refused for the same reason. libpg_query cannot show that: what it and Postgres cut differently,
 * only the server knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "scan_grammar.h"
#include "scratch.h"
#include "sql/scan.h"

enum { TEXT_MAX = 1024, ANSWER_MAX = 4096, CONSTANTS_EVERY = 2, PAIRS_EVERY = 4 };

static struct scratch scratch;
static unsigned long sure;
static unsigned long accepted;

static int setup(void **state)
{
    (void)state;
    if (scratch_start(&scratch) != 0)
        return -1;
    scratch_run(&scratch, "SET client_min_messages = error; SET plan_cache_mode = auto");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_stop(&scratch);
    return 0;
}

/* An error quotes the token that it is about, with the gaps between a constant's parts: the first part
 * will do. The canonical text has no ';' at its end. */
static void error_cut(char *text)
{
    static const char near[] = " at or near ";
    char *quoted = strstr(text, near);

    if (!quoted)
        return;
    if (strcmp(quoted + strlen(near), "\";\"") == 0)
        (void)sprintf(quoted, " at end of input");
    else
        quoted[strlen(near) + strcspn(quoted + strlen(near), " \t\n\r\f-/")] = '\0';
}

/* All that a client sees of an answer, but for positions in the text. */
static void answer(const char *sql, char *out)
{
    PGresult *result = PQexec(scratch.connection, sql);
    const char *error = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    size_t len =
        (size_t)snprintf(out, ANSWER_MAX, "%d %s", (int)PQresultStatus(result), error ? error : "");

    accepted += PQresultStatus(result) == PGRES_TUPLES_OK;
    if (error)
        error_cut(out);
    for (int i = 0; i < PQnfields(result) && len < ANSWER_MAX / 2; i++) {
        len += (size_t)snprintf(out + len, ANSWER_MAX - len, "|%s %u", PQfname(result, i),
                                PQftype(result, i));
        for (int row = 0; row < PQntuples(result) && len < ANSWER_MAX / 2; row++)
            len +=
                (size_t)snprintf(out + len, ANSWER_MAX - len, " <%s>", PQgetvalue(result, row, i));
    }
    PQclear(result);
}

static void compare(const char *sql)
{
    uint8_t scratch_bytes[TEXT_MAX + SCAN_SLACK];
    char theirs[ANSWER_MAX];
    char ours[ANSWER_MAX];
    struct scan scan;

    assert_int_equal(scan_text(slice_of_text(sql), scratch_bytes, &scan), ERR_OK);
    if (scan.flags & SCAN_DOUBT)
        return;
    sure++;
    answer(sql, theirs);
    answer((const char *)scan.canonical, ours);
    if (strcmp(theirs, ours) != 0)
        fail_msg("<%s>\n  %s\n<%s>\n  %s", sql, theirs, (const char *)scan.canonical, ours);
}

static void compare_joined(const char *left, const char *joint, const char *right)
{
    char sql[TEXT_MAX];

    assert_true((size_t)snprintf(sql, sizeof(sql), "SELECT %s%s%s", left, joint, right) <
                sizeof(sql));
    compare(sql);
}

static void what_continues_a_constant_means_the_same(void **state)
{
    static const char *const parts[] = {"'b'",  "'''c'",  "'\\x41'", "e'b'",       "u&'b'", "x'b'",
                                        "n'b'", "$$b$$",  "\"b\"",   "'b'\n'c'",   "'1' d", ", 'b'",
                                        "",     "|| 'b'", "= 'b'",   "uescape '!'"};
    uint64_t at = 0;

    (void)state;
    sure = accepted = 0;
    for (size_t f = 0; f < SCAN_CONSTANT_FAMILIES; f++) {
        for (size_t i = 0; i < scan_families[f].count; i++) {
            for (size_t j = 0; j < scan_joint_count; j++) {
                for (size_t p = 0; p < sizeof(parts) / sizeof(*parts); p++) {
                    if (scan_spread(at++) % CONSTANTS_EVERY == 0)
                        compare_joined(scan_families[f].list[i].text, scan_joints[j], parts[p]);
                }
            }
        }
    }
    print_message("%lu statements, %lu of them answered\n", sure, accepted / 2);
    assert_true(accepted / 2 > 5000);
}

static void what_stands_side_by_side_means_the_same(void **state)
{
    uint64_t at = 0;

    (void)state;
    sure = accepted = 0;
    for (size_t f = 0; f < SCAN_FAMILIES * SCAN_FAMILIES; f++) {
        const struct scan_pieces *left = &scan_families[f / SCAN_FAMILIES];
        const struct scan_pieces *right = &scan_families[f % SCAN_FAMILIES];

        for (size_t i = 0; i < left->count; i++) {
            for (size_t j = 0; j < right->count; j++) {
                uint64_t choice = scan_spread(at++);

                if (choice % PAIRS_EVERY == 0)
                    compare_joined(left->list[i].text,
                                   scan_joints[(choice >> 32) % scan_joint_count],
                                   right->list[j].text);
            }
        }
    }
    print_message("%lu statements, %lu of them answered\n", sure, accepted / 2);
    assert_true(accepted / 2 > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_continues_a_constant_means_the_same),
        cmocka_unit_test(what_stands_side_by_side_means_the_same),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
