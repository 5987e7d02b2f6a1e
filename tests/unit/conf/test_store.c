#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "store.h"

enum { MANY = 1000 };

static void holds_many_and_finds_each(void **state)
{
    (void)state;
    struct store *store = store_create();
    char name[16];
    bool is_new = false;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        store_database(store, name, &is_new)->port = i + 1;
        assert_true(is_new);
        store_user(store, name, &is_new)->pool_size = i + 1;
        assert_true(is_new);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        struct slice slice = slice_of_text(name);
        assert_int_equal(conf_database_find(&store->conf, slice)->port, i + 1);
        assert_int_equal(conf_user_find(&store->conf, slice)->pool_size, i + 1);
        assert_int_equal(store_database(store, name, &is_new)->port, i + 1);
        assert_false(is_new);
    }
    assert_int_equal(store->conf.database_count, MANY);
    conf_destroy(&store->conf);
    conf_destroy(NULL);
}

static struct store *create_sample(void)
{
    struct store *store = store_create();
    bool is_new = false;
    struct conf_database *database = store_database(store, "app", &is_new);
    database->host = texts_copy(&store->texts, "10.0.0.1");
    database->password = texts_copy(&store->texts, "pw");
    database->pool_size = 7;
    struct conf_user *user = store_user(store, "me", &is_new);
    user->secret = texts_copy(&store->texts, "md5x");
    user->pool_mode = POOL_MODE_SESSION;
    return store;
}

static void set_changes_a_copy_that_stands_alone(void **state)
{
    (void)state;
    struct store *store = create_sample();
    struct conf *changed = NULL;
    assert_int_equal(conf_set(&store->conf, "admin_users", "root", &changed), ERR_OK);
    assert_string_equal(store->conf.options.admin_users, "");
    conf_destroy(&store->conf);
    assert_string_equal(changed->options.admin_users, "root");
    assert_string_equal(changed->options.server_reset_query, "DISCARD ALL");
    const struct conf_database *database = conf_database_find(changed, slice_of_text("app"));
    assert_string_equal(database->host, "10.0.0.1");
    assert_string_equal(database->password, "pw");
    assert_null(database->user);
    assert_int_equal(database->pool_size, 7);
    const struct conf_user *user = conf_user_find(changed, slice_of_text("me"));
    assert_string_equal(user->secret, "md5x");
    assert_int_equal(user->pool_mode, POOL_MODE_SESSION);
    conf_destroy(changed);
}

static void set_refuses_and_says_why(void **state)
{
    (void)state;
    struct store *store = create_sample();
    struct conf *changed = NULL;
    const struct conf *conf = &store->conf;
    assert_int_equal(conf_set(conf, "nothing", "1", &changed), ERR_NOT_FOUND);
    assert_int_equal(conf_set(conf, "listen_port", "1", &changed), ERR_UNSUPPORTED);
    assert_int_equal(conf_set(conf, "default_pool_size", "x", &changed), ERR_INVALID);
    assert_int_equal(conf_set(conf, "default_pool_size", "0", &changed), ERR_RANGE);
    assert_int_equal(conf_set(conf, "min_pool_size", "21", &changed), ERR_INVALID);
    assert_int_equal(conf_set(conf, "auth_file", "none.txt", &changed), ERR_INVALID);
    assert_null(changed);
    conf_destroy(&store->conf);
}

static void setting_auth_file_reads_it(void **state)
{
    (void)state;
    struct store *store = create_sample();
    struct conf *changed = NULL;
    assert_int_equal(conf_set(&store->conf, "auth_file", "valid/users.txt", &changed), ERR_OK);
    assert_null(conf_user_find(changed, slice_of_text("me"))->secret);
    assert_string_equal(conf_user_find(changed, slice_of_text("batch"))->secret, "b a\"tch");
    conf_destroy(changed);
    conf_destroy(&store->conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_many_and_finds_each),
        cmocka_unit_test(set_changes_a_copy_that_stands_alone),
        cmocka_unit_test(set_refuses_and_says_why),
        cmocka_unit_test(setting_auth_file_reads_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
