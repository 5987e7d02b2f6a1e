/* The promises of session/block_text.h: what is recognised means to Postgres what is said of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "session/block_text.h"

struct expected {
    const char *text;
    enum block_request request;
    const char *tag;
    enum block_isolation isolation;
    bool primary_only;
};

static void check(const struct expected *expected, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct block_text block;
        bool read = block_text_read(slice_of_text(expected[i].text), &block);
        assert_int_equal(read, expected[i].request != BLOCK_OTHER);
        assert_int_equal(block.request, expected[i].request);
        if (!read)
            continue;
        assert_string_equal(block.tag, expected[i].tag);
        assert_int_equal(block.isolation, expected[i].isolation);
        assert_int_equal(block.primary_only, expected[i].primary_only);
    }
}

#define CHECK(list) check(list, sizeof(list) / sizeof((list)[0]))

static void reads_every_form_of_begin(void **state)
{
    (void)state;
    static const struct expected list[] = {
        {"begin", BLOCK_BEGIN, "BEGIN", BLOCK_ISOLATION_DEFAULT, false},
        {"BEGIN WORK", BLOCK_BEGIN, "BEGIN", BLOCK_ISOLATION_DEFAULT, false},
        {"Begin\nTransaction", BLOCK_BEGIN, "BEGIN", BLOCK_ISOLATION_DEFAULT, false},
        {"start transaction", BLOCK_BEGIN, "START TRANSACTION", BLOCK_ISOLATION_DEFAULT, false},
        {"begin read only", BLOCK_BEGIN, "BEGIN", BLOCK_ISOLATION_DEFAULT, false},
        {"begin read write", BLOCK_BEGIN, "BEGIN", BLOCK_ISOLATION_DEFAULT, true},
        {"begin not deferrable", BLOCK_BEGIN, "BEGIN", BLOCK_ISOLATION_DEFAULT, false},
        {"begin isolation level read committed", BLOCK_BEGIN, "BEGIN",
         BLOCK_ISOLATION_READ_COMMITTED, false},
        {"begin isolation level read uncommitted,read only", BLOCK_BEGIN, "BEGIN",
         BLOCK_ISOLATION_READ_COMMITTED, false},
        {"start transaction isolation level repeatable read , deferrable read only", BLOCK_BEGIN,
         "START TRANSACTION", BLOCK_ISOLATION_SNAPSHOT, false},
        {"BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY, DEFERRABLE", BLOCK_BEGIN, "BEGIN",
         BLOCK_ISOLATION_SNAPSHOT, true},
    };
    CHECK(list);
}

static void reads_every_form_of_the_end(void **state)
{
    (void)state;
    static const struct expected list[] = {
        {"commit", BLOCK_COMMIT, "COMMIT", BLOCK_ISOLATION_DEFAULT, false},
        {"END", BLOCK_COMMIT, "COMMIT", BLOCK_ISOLATION_DEFAULT, false},
        {"commit work and no chain", BLOCK_COMMIT, "COMMIT", BLOCK_ISOLATION_DEFAULT, false},
        {"end transaction", BLOCK_COMMIT, "COMMIT", BLOCK_ISOLATION_DEFAULT, false},
        {"rollback", BLOCK_ROLLBACK, "ROLLBACK", BLOCK_ISOLATION_DEFAULT, false},
        {"abort", BLOCK_ROLLBACK, "ROLLBACK", BLOCK_ISOLATION_DEFAULT, false},
        {"rollback transaction and no chain", BLOCK_ROLLBACK, "ROLLBACK", BLOCK_ISOLATION_DEFAULT,
         false},
    };
    CHECK(list);
}

static void leaves_everything_else_to_postgres(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "b",
        "beg",
        "begins",
        "begin1",
        "begin;commit",
        "begin,read only",
        "begin read only,",
        "begin read only,,read write",
        "begin read only read write",
        "begin isolation level serializable isolation level read committed",
        "begin isolation level",
        "begin isolation level read",
        "begin isolation level 'serializable'",
        "begin work work",
        "begin deferrable not",
        "start",
        "start transaction work",
        "start work",
        "commit and chain",
        "commit and no",
        "commit prepared 'x'",
        "commit work chain",
        "rollback to s",
        "rollback to savepoint s",
        "rollback work to s",
        "rollback prepared 'x'",
        "rollback and chain",
        "abort and chain",
        "release s",
        "savepoint s",
        "prepare transaction 'x'",
        "set transaction read only",
        "end if",
        "begin\xc3\xa9",
        "\"begin\"",
        "begin read only read only read only read only read only read only read only read only",
        "beginbeginbeginbeginbegin",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct expected expected = {.text = texts[i], .request = BLOCK_OTHER};
        check(&expected, 1);
    }
}

static void the_first_letters_never_hide_a_text_that_is_recognised(void **state)
{
    (void)state;
    static const char *const texts[] = {"begin", "START TRANSACTION", "commit",
                                        "END",   "rollback",          "ABORT"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_true(block_text_may_be(slice_of_text(texts[i])));
    assert_false(block_text_may_be(slice_of_text("select 1")));
    assert_false(block_text_may_be(slice_of_text("be")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_form_of_begin),
        cmocka_unit_test(reads_every_form_of_the_end),
        cmocka_unit_test(leaves_everything_else_to_postgres),
        cmocka_unit_test(the_first_letters_never_hide_a_text_that_is_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
