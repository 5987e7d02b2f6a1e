/* upstream/hosts.c: the order in which several hosts are tried, and which server will do. */
#include "pool_fixture.h"

#include <stdio.h>

#include "hosts.h"

static struct database *with(const char *more)
{
    char line[256];
    snprintf(line, sizeof(line), "\nthree = host=a,b,c port=1,2,3 %s\none = host=a port=1 %s", more,
             more);
    pools_configure(line, "");
    return database_get(slice_of_text("three"));
}

/* The hosts of a walk as "012"; the walk ends at its end. */
static const char *walk(struct database *database, bool balanced)
{
    static char seen[64];
    struct host_walk walk;
    size_t len = 0;
    hosts_begin(&walk, database, atomic_load(&database->conf), balanced);
    while (hosts_next(&walk))
        seen[len++] = (char)('0' + walk.at);
    assert_false(hosts_next(&walk));
    seen[len] = 0;
    return seen;
}

static void each_is_tried_once_and_the_one_that_worked_first(void **state)
{
    (void)state;
    struct database *database = with("");
    const struct conf_database *line = atomic_load(&database->conf);
    assert_string_equal(walk(database, true), "012");
    struct host_walk at;
    hosts_begin(&at, database, line, true);
    assert_true(hosts_next(&at) && hosts_next(&at));
    hosts_keep(&at, database);
    assert_string_equal(walk(database, true), "120");
    assert_string_equal(walk(database, false), "120");
}

static void balanced_ones_take_turns_but_not_for_the_control_connection(void **state)
{
    (void)state;
    struct database *database = with("load_balance_hosts=round-robin");
    assert_string_equal(walk(database, true), "012");
    assert_string_equal(walk(database, true), "120");
    assert_string_equal(walk(database, false), "012");
    assert_string_equal(walk(database, true), "201");
    database = with("load_balance_hosts=random");
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(strlen(walk(database, true)), 3);
}

static void prefer_standby_has_a_second_round_that_takes_anything(void **state)
{
    (void)state;
    struct database *database = with("target_session_attrs=prefer-standby");
    const struct conf_database *line = atomic_load(&database->conf);
    assert_string_equal(walk(database, true), "012012");
    struct host_walk at;
    hosts_begin(&at, database, line, true);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(hosts_next(&at));
        assert_false(hosts_fit(&at, line, false, false));
        assert_true(hosts_fit(&at, line, true, true));
    }
    assert_true(hosts_next(&at));
    assert_true(hosts_fit(&at, line, false, false));
    struct database *one = database_get(slice_of_text("one"));
    assert_string_equal(walk(one, true), "0");
    hosts_begin(&at, one, atomic_load(&one->conf), true);
    assert_true(hosts_next(&at));
    assert_true(hosts_fit(&at, atomic_load(&one->conf), false, false));
}

static void each_target_takes_its_servers_and_says_why_others_will_not_do(void **state)
{
    (void)state;
    enum { PRIMARY = 1, READ_ONLY_PRIMARY = 2, STANDBY = 4 };
    static const struct {
        const char *attrs;
        unsigned fits;
        const char *misfit;
    } cases[] = {
        {"any", PRIMARY | READ_ONLY_PRIMARY | STANDBY, NULL},
        {"read-write", PRIMARY, "the server is read-only"},
        {"read-only", READ_ONLY_PRIMARY | STANDBY, "the server is not read-only"},
        {"primary", PRIMARY | READ_ONLY_PRIMARY, "the server is a standby"},
        {"standby", STANDBY, "the server is not a standby"},
    };
    for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
        char more[64];
        snprintf(more, sizeof(more), "target_session_attrs=%s", cases[i].attrs);
        struct database *database = with(more);
        const struct conf_database *line = atomic_load(&database->conf);
        struct host_walk at;
        hosts_begin(&at, database, line, true);
        assert_true(hosts_next(&at));
        unsigned fits = (hosts_fit(&at, line, false, false) ? PRIMARY : 0) |
                        (hosts_fit(&at, line, false, true) ? READ_ONLY_PRIMARY : 0) |
                        (hosts_fit(&at, line, true, true) ? STANDBY : 0);
        assert_int_equal(fits, cases[i].fits);
        if (cases[i].misfit)
            assert_string_equal(hosts_misfit_text(line), cases[i].misfit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOLS_TEST(each_is_tried_once_and_the_one_that_worked_first),
        POOLS_TEST(balanced_ones_take_turns_but_not_for_the_control_connection),
        POOLS_TEST(prefer_standby_has_a_second_round_that_takes_anything),
        POOLS_TEST(each_target_takes_its_servers_and_says_why_others_will_not_do),
    };
    return cmocka_run_group_tests(tests, pools_group_setup, pools_group_teardown);
}
