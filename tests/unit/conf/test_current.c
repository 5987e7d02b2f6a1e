#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "conf/conf.h"

enum { SWAPS = 500, READERS = 2 };

static struct conf *load(const char *name, const char *value)
{
    struct conf *conf = NULL;
    struct conf_mistakes mistakes = {0};
    struct conf_override override = {name, value};
    assert_int_equal(conf_load(NULL, NULL, &override, 1, &conf, &mistakes), ERR_OK);
    conf_mistakes_fini(&mistakes);
    return conf;
}

static int forget(void **state)
{
    (void)state;
    conf_forget_all();
    return 0;
}

static void there_is_none_before_the_first(void **state)
{
    (void)state;
    assert_null(conf_current());
    conf_forget_all();
}

static void the_last_one_counts_and_older_ones_stay_good(void **state)
{
    (void)state;
    struct conf *first = load("admin_users", "a"), *second = load("admin_users", "b");
    conf_swap(first);
    assert_ptr_equal(conf_current(), first);
    conf_swap(second);
    assert_ptr_equal(conf_current(), second);
    assert_string_equal(first->options.admin_users, "a");
    conf_forget_all();
    assert_null(conf_current());
}

static void fixed_options_keep_their_value(void **state)
{
    (void)state;
    conf_swap(load("listen_addr", "127.0.0.2"));
    conf_swap(load("listen_addr", "127.0.0.3"));
    conf_swap(load("workers", "5"));
    assert_string_equal(conf_current()->options.listen_addr, "127.0.0.2");
    assert_int_equal(conf_current()->options.workers, 0);
    conf_swap(load("max_client_conn", "7"));
    assert_int_equal(conf_current()->options.max_client_conn, 7);
}

/* The texts of options that cannot change outlive the configuration that they are from. */
static void fixed_texts_outlive_older_ones(void **state)
{
    (void)state;
    conf_swap(load("listen_addr", "127.0.0.2"));
    conf_swap(load("listen_addr", "127.0.0.3"));
    conf_forget_before(conf_current()->number);
    assert_int_equal(conf_count(), 1);
    assert_string_equal(conf_current()->options.listen_addr, "127.0.0.2");
}

static void older_ones_go_when_they_are_forgotten(void **state)
{
    (void)state;
    for (int i = 0; i < SWAPS; i++) {
        conf_swap(load("admin_users", "a"));
        conf_forget_before(conf_current()->number);
        assert_int_equal(conf_count(), 1);
    }
    conf_swap(load("admin_users", "b"));
    conf_swap(load("admin_users", "c"));
    assert_int_equal(conf_count(), 3);
    conf_forget_before(conf_current()->number - 1); /* that of "b" stays */
    assert_int_equal(conf_count(), 2);
    assert_string_equal(conf_current()->options.admin_users, "c");
}

static void a_reference_keeps_one(void **state)
{
    (void)state;
    conf_swap(load("admin_users", "a"));
    const struct conf *kept = conf_ref(conf_current());
    conf_swap(load("admin_users", "b"));
    conf_forget_before(conf_current()->number);
    assert_int_equal(conf_count(), 2);
    assert_string_equal(kept->options.admin_users, "a");
    conf_unref(kept);
    assert_int_equal(conf_count(), 1);
    conf_unref(NULL);
    kept = conf_ref(conf_current());
    conf_forget_all();
    assert_string_equal(kept->options.admin_users, "b");
    conf_unref(kept);
    assert_int_equal(conf_count(), 0);
}

static void a_thread_that_looks_keeps_all(void **state)
{
    (void)state;
    conf_swap(load("admin_users", "a"));
    conf_enter();
    const struct conf *seen = conf_current();
    conf_swap(load("admin_users", "b"));
    conf_forget_before(conf_current()->number);
    conf_enter();
    conf_leave();
    assert_string_equal(seen->options.admin_users, "a");
    assert_int_equal(conf_count(), 2);
    conf_leave();
    assert_int_equal(conf_count(), 1);
}

static void each_line_names_its_configuration(void **state)
{
    (void)state;
    struct conf *first = NULL, *second = NULL;
    struct conf_mistakes mistakes = {0};
    assert_int_equal(conf_load(NULL, "host=127.0.0.1 dbname=shop", NULL, 0, &first, &mistakes),
                     ERR_OK);
    assert_int_equal(conf_set(first, "pool_mode", "session", &second), ERR_OK);
    assert_true(first->database_count > 0 && second->number > first->number);
    for (unsigned i = 0; i < first->database_count; i++) {
        assert_ptr_equal(first->databases[i].conf, first);
        assert_ptr_equal(second->databases[i].conf, second);
    }
    conf_mistakes_fini(&mistakes);
    conf_destroy(first);
    conf_destroy(second);
}

static atomic_bool ended;

static void *read_on(void *unused)
{
    (void)unused;
    size_t wrong = 0;
    while (!atomic_load(&ended)) {
        const struct conf *conf = conf_current();
        wrong += conf->options.max_client_conn < 1 || conf->options.admin_users[0] != 0;
    }
    return (void *)wrong;
}

static void readers_never_see_half_of_one(void **state)
{
    (void)state;
    pthread_t readers[READERS];
    conf_swap(load("max_client_conn", "1"));
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, NULL), 0);
    for (int i = 0; i < SWAPS; i++)
        conf_swap(load("max_client_conn", "2"));
    atomic_store(&ended, true);
    for (int i = 0; i < READERS; i++) {
        void *wrong = NULL;
        pthread_join(readers[i], &wrong);
        assert_null(wrong);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_none_before_the_first),
        cmocka_unit_test_teardown(the_last_one_counts_and_older_ones_stay_good, forget),
        cmocka_unit_test_teardown(fixed_options_keep_their_value, forget),
        cmocka_unit_test_teardown(fixed_texts_outlive_older_ones, forget),
        cmocka_unit_test_teardown(older_ones_go_when_they_are_forgotten, forget),
        cmocka_unit_test_teardown(a_reference_keeps_one, forget),
        cmocka_unit_test_teardown(a_thread_that_looks_keeps_all, forget),
        cmocka_unit_test_teardown(each_line_names_its_configuration, forget),
        cmocka_unit_test_teardown(readers_never_see_half_of_one, forget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
