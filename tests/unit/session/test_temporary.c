/* session/temporary.h: whose temporary tables a statement names, and when the names say nothing any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session/session.h"
#include "session/temporary.h"

/* A session, as far as its temporary tables matter. */
static struct {
    struct session session;
    struct database database;
    struct realm realm;
} rig;

static int setup(void **state)
{
    (void)state;
    realm_init(&rig.realm);
    rig.database.realm = &rig.realm;
    rig.session.database = &rig.database;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    temporary_forget(&rig.session);
    realm_fini(&rig.realm);
    return 0;
}

static unsigned judge(const struct verdict *verdict)
{
    struct verdict own;
    return temporary_judge(&rig.session, verdict, &own)->effects;
}

static unsigned make(uint64_t name)
{
    return judge(&(struct verdict){.effects = EFFECT_PIN,
                                   .pin = PIN_TEMPORARY,
                                   .temporary = {.makes = name, .pin = PIN_TEMPORARY}});
}

/* A statement that the snapshot knows nothing of but for this name. Its effects: all, or none. */
static unsigned use(uint64_t name)
{
    return judge(
        &(struct verdict){.catalog_version = realm_wanted(&rig.realm),
                          .effects = EFFECT_WRITES_ALL,
                          .temporary = {.keeps = true, .unknown_count = 1, .unknown = {name}}});
}

static void what_names_tables_of_the_session_alone_does_nothing_else(void **state)
{
    (void)state;
    assert_int_equal(use(1), EFFECT_WRITES_ALL);
    make(1);
    assert_int_equal(use(1), 0);
    assert_int_equal(use(2), EFFECT_WRITES_ALL);
    temporary_forget(&rig.session);
    assert_int_equal(use(1), EFFECT_WRITES_ALL);
}

static void only_so_many_names_are_kept(void **state)
{
    (void)state;
    for (unsigned again = 0; again < 2; again++) {
        for (uint64_t name = 1; name <= TEMPORARY_NAMES_MAX; name++)
            make(name); /* a name that is known takes no place */
    }
    make(TEMPORARY_NAMES_MAX + 1);
    for (uint64_t name = 1; name <= TEMPORARY_NAMES_MAX; name++)
        assert_int_equal(use(name), 0);
    assert_int_equal(use(TEMPORARY_NAMES_MAX + 1), EFFECT_WRITES_ALL);
}

static void an_older_snapshot_may_lack_what_is_there(void **state)
{
    (void)state;
    make(1);
    struct verdict old = {.catalog_version = realm_wanted(&rig.realm) + 1,
                          .effects = EFFECT_WRITES_ALL,
                          .temporary = {.keeps = true, .unknown_count = 1, .unknown = {1}}};
    assert_int_equal(judge(&old), EFFECT_WRITES_ALL);
}

static void one_name_of_somebody_else_is_enough(void **state)
{
    (void)state;
    make(1);
    struct verdict two = {.catalog_version = realm_wanted(&rig.realm),
                          .effects = EFFECT_WRITES_ALL,
                          .temporary = {.keeps = true, .unknown_count = 2, .unknown = {1, 2}}};
    assert_int_equal(judge(&two), EFFECT_WRITES_ALL);
    make(2);
    assert_int_equal(judge(&two), 0);
}

static void after_anything_unread_the_names_say_nothing(void **state)
{
    (void)state;
    make(1);
    assert_int_equal(judge(&(struct verdict){.effects = EFFECT_DDL}), EFFECT_DDL);
    assert_int_equal(use(1), EFFECT_WRITES_ALL);
    make(2);
    assert_int_equal(use(2), EFFECT_WRITES_ALL);
    temporary_forget(&rig.session);
    make(1);
    assert_int_equal(use(1), 0);
}

static void whoever_made_one_that_runs_code_may_write_anything(void **state)
{
    (void)state;
    judge(&(struct verdict){
        .effects = EFFECT_PIN, .pin = PIN_TEMPORARY, .temporary = {.other = true}});
    assert_int_equal(judge(&(struct verdict){.effects = 0}), EFFECT_WRITES_ALL);
    assert_int_equal(judge(&(struct verdict){.effects = EFFECT_WRITES_ALL | EFFECT_ASK}),
                     EFFECT_WRITES_ALL);
    temporary_forget(&rig.session);
    assert_int_equal(judge(&(struct verdict){.effects = 0}), 0);
}

int main(void)
{
#define TEMPORARY_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEMPORARY_TEST(what_names_tables_of_the_session_alone_does_nothing_else),
        TEMPORARY_TEST(only_so_many_names_are_kept),
        TEMPORARY_TEST(an_older_snapshot_may_lack_what_is_there),
        TEMPORARY_TEST(one_name_of_somebody_else_is_enough),
        TEMPORARY_TEST(after_anything_unread_the_names_say_nothing),
        TEMPORARY_TEST(whoever_made_one_that_runs_code_may_write_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
