#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "conf/conf.h"

static struct conf *load(const char *dsn, const struct conf_override *overrides, unsigned count)
{
    struct conf *conf = NULL;
    struct conf_mistakes mistakes = {0};
    enum err err = conf_load(NULL, dsn, overrides, count, &conf, &mistakes);
    if (err)
        print_error("%s\n", mistakes.text);
    assert_int_equal(err, ERR_OK);
    conf_mistakes_fini(&mistakes);
    return conf;
}

static void expect_mistake(const char *dsn, const struct conf_override *overrides, unsigned count,
                           const char *text)
{
    struct conf *conf = NULL;
    struct conf_mistakes mistakes = {0};
    assert_int_equal(conf_load(NULL, dsn, overrides, count, &conf, &mistakes), ERR_INVALID);
    assert_string_equal(mistakes.text, text);
    conf_mistakes_fini(&mistakes);
}

static void names_a_database_and_its_server(void **state)
{
    (void)state;
    struct conf *conf =
        load("postgres://me:p%40ss@db.example:5433/app?application_name=x", NULL, 0);
    assert_int_equal(conf->database_count, 2);
    const struct conf_database *database = conf_database_find(conf, slice_of_text("app"));
    assert_string_equal(database->name, "app");
    assert_string_equal(database->dbname, "app");
    assert_string_equal(database->host, "db.example");
    assert_int_equal(database->port, 5433);
    assert_string_equal(database->user, "me");
    assert_string_equal(database->password, "p@ss");
    assert_string_equal(database->application_name, "x");
    database = conf_database_find(conf, slice_of_text("other"));
    assert_string_equal(database->name, "*");
    assert_null(database->dbname);
    assert_string_equal(database->host, "db.example");
    conf_destroy(conf);
}

static void may_name_the_server_only(void **state)
{
    (void)state;
    struct conf *conf = load("host=/run/pg hostaddr=10.0.0.9 connect_timeout=3", NULL, 0);
    assert_int_equal(conf->database_count, 1);
    assert_string_equal(conf->databases[0].name, "*");
    assert_string_equal(conf->databases[0].host, "10.0.0.9");
    assert_int_equal(conf->databases[0].port, 5432);
    assert_int_equal(conf->options.server_connect_timeout_ms, 3000);
    conf_destroy(conf);
    conf = load("postgres://", NULL, 0);
    assert_null(conf->databases[0].host);
    conf_destroy(conf);
}

static void what_it_cannot_do_is_a_mistake(void **state)
{
    (void)state;
    expect_mistake("host=a,,b", NULL, 0,
                   "DSN: host: \"a,,b\": expected a host between any two commas\n");
    expect_mistake("host=a,b,c port=1,2", NULL, 0,
                   "default: [databases]: *: port: one for each host, or one for all\n");
    expect_mistake("host=a sslmode=verify-full", NULL, 0,
                   "DSN: sslmode=verify-full: TLS to the server is not supported yet\n");
    expect_mistake("host=a options='-c x=1'", NULL, 0, "DSN: options: not supported in a DSN\n");
    expect_mistake("host=a port=0", NULL, 0, "DSN: port: \"0\": expected 1 to 65535\n");
}

static void hosts_and_ports_go_together(void **state)
{
    (void)state;
    struct conf *conf =
        load("host=a,/run/pg,c port=1,2,3 target_session_attrs=prefer-standby", NULL, 0);
    const struct conf_database *database = &conf->databases[0];
    char host[CONF_HOST_LEN_MAX];
    int port = 0;
    assert_int_equal(conf_host_count(database), 3);
    conf_host_at(database, 1, host, &port);
    assert_string_equal(host, "/run/pg");
    assert_int_equal(port, 2);
    assert_int_equal(database->target_session_attrs, TARGET_PREFER_STANDBY);
    conf_destroy(conf);
    conf = load("host=a,b port=7", NULL, 0);
    conf_host_at(&conf->databases[0], 1, host, &port);
    assert_string_equal(host, "b");
    assert_int_equal(port, 7);
    conf_destroy(conf);
}

static void a_mistake_shows_no_piece_of_a_password(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "host=a password=x hunter2 y", "postgres://u:hunter2%zz@h/d",
        "password='hunter2",           "hunter2=1",
        "postgres://h/d?hunter2",      "hunter2"};
    for (size_t i = 0; i < ARRAY_COUNT(broken); i++) {
        struct conf *conf = NULL;
        struct conf_mistakes mistakes = {0};
        assert_int_equal(conf_load(NULL, broken[i], NULL, 0, &conf, &mistakes), ERR_INVALID);
        assert_memory_equal(mistakes.text, "DSN: libpq cannot read it: ", 27);
        assert_null(strstr(mistakes.text, "hunter2"));
        conf_mistakes_fini(&mistakes);
    }
}

static void trusts_this_machine_only(void **state)
{
    (void)state;
    static const char *const inside[] = {"127.0.0.1", "localhost, ::1", "", "127.1.2.3"};
    static const char *const outside[] = {"*", "127.0.0.1,10.0.0.1", "0.0.0.0",
                                          "::", "127.evil.org"};
    for (size_t i = 0; i < ARRAY_COUNT(inside); i++) {
        struct conf_override override = {"listen_addr", inside[i]};
        struct conf *conf = load("postgres://h/d", &override, 1);
        assert_int_equal(conf->options.auth_type, AUTH_TYPE_TRUST);
        conf_destroy(conf);
    }
    for (size_t i = 0; i < ARRAY_COUNT(outside); i++) {
        struct conf_override override = {"listen_addr", outside[i]};
        expect_mistake("postgres://h/d", &override, 1,
                       "--listen_addr: listen_addr: others than this machine can connect: say with "
                       "auth_file who may, or with auth_type = trust that all may\n");
    }
}

static void does_what_it_is_told_about_clients(void **state)
{
    (void)state;
    struct conf_override with_file[] = {{"listen_addr", "*"}, {"auth_file", "valid/users.txt"}};
    struct conf *conf = load("postgres://h/d", with_file, 2);
    assert_int_equal(conf->options.auth_type, AUTH_TYPE_MD5);
    conf_destroy(conf);
    struct conf_override with_type[] = {{"listen_addr", "*"}, {"auth_type", "trust"}};
    conf = load("postgres://h/d", with_type, 2);
    assert_int_equal(conf->options.auth_type, AUTH_TYPE_TRUST);
    conf_destroy(conf);
    struct conf_override md5 = {"auth_type", "md5"};
    conf = load("postgres://h/d", &md5, 1);
    assert_int_equal(conf->options.auth_type, AUTH_TYPE_MD5);
    conf_destroy(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_a_database_and_its_server),
        cmocka_unit_test(may_name_the_server_only),
        cmocka_unit_test(what_it_cannot_do_is_a_mistake),
        cmocka_unit_test(hosts_and_ports_go_together),
        cmocka_unit_test(a_mistake_shows_no_piece_of_a_password),
        cmocka_unit_test(trusts_this_machine_only),
        cmocka_unit_test(does_what_it_is_told_about_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
