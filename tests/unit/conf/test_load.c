/* Each valid/X.ini gives the configuration in valid/X.out: one line for every value that is not the
 * default. Each invalid/X.ini gives the mistakes in invalid/X.out. To write the .out files anew, for
 * a look at what changed: cd tests/unit/conf && <build>/tests/unit/conf/test_conf_load --write */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "file.h"
#include "keys.h"
#include "option_table.h"

static void dump_keys(struct buf *out, const void *line, const void *empty, const struct key *keys,
                      unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const char *field = (const char *)line + keys[i].offset;
        const char *none = (const char *)empty + keys[i].offset;
        bool is_text = keys[i].type == KEY_TEXT || keys[i].type == KEY_SECRET ||
                       keys[i].type == KEY_HOST || keys[i].type == KEY_PORTS;
        const char *text = is_text ? *(const char *const *)(const void *)field : NULL;
        int number = is_text ? 0 : *(const int *)(const void *)field;
        if (text)
            buf_printf(out, " %s=[%s]", keys[i].name, text);
        else if (!is_text && number != *(const int *)(const void *)none)
            buf_printf(out, " %s=%d", keys[i].name, number);
    }
    buf_append_text(out, "\n");
}

static void dump(struct buf *out, const struct conf *conf)
{
    struct option_row row;
    struct conf_database no_database;
    struct conf_user no_user;
    keys_init_database(&no_database, NULL);
    keys_init_user(&no_user, NULL);
    for (unsigned i = 0; conf_option_row(conf, i, &row); i++) {
        if (strcmp(row.value, row.default_value) != 0)
            buf_printf(out, "%s = %s\n", row.name, row.value);
    }
    for (unsigned i = 0; i < conf->database_count; i++) {
        buf_printf(out, "database [%s]:", conf->databases[i].name);
        dump_keys(out, &conf->databases[i], &no_database, keys_of_database, keys_of_database_count);
    }
    for (unsigned i = 0; i < conf->user_count; i++) {
        const char *secret = conf->users[i].secret;
        buf_printf(out, "user [%s] [%s]:", conf->users[i].name, secret ? secret : "(none)");
        dump_keys(out, &conf->users[i], &no_user, keys_of_user, keys_of_user_count);
    }
}

static bool writing;

/* Compares with the file beside `path` that ends in .out. */
static void compare(const char *path, const struct buf *found)
{
    struct buf name, expected;
    buf_init(&name);
    buf_init(&expected);
    buf_printf(&name, "%.*s.out", (int)strlen(path) - 4, path);
    buf_append(&name, "", 1);
    FILE *file = writing ? fopen((const char *)buf_head(&name), "we") : NULL;
    if (file) {
        assert_int_equal(fwrite(buf_head(found), 1, buf_len(found), file), buf_len(found));
        fclose(file);
    }
    if (file_read((const char *)buf_head(&name), &expected))
        print_error("%s: no such file\n", (const char *)buf_head(&name));
    bool same = slice_equal(slice_of(buf_head(found), buf_len(found)),
                            slice_of(buf_head(&expected), buf_len(&expected)));
    if (!same)
        print_error("%s: expected:\n%.*s\nfound:\n%.*s\n", path, (int)buf_len(&expected),
                    (const char *)buf_head(&expected), (int)buf_len(found),
                    (const char *)buf_head(found));
    assert_true(same);
    buf_fini(&name);
    buf_fini(&expected);
}

static void for_each_file(const char *pattern, void (*check)(const char *path))
{
    glob_t files;
    assert_int_equal(glob(pattern, 0, NULL, &files), 0);
    assert_true(files.gl_pathc > 0);
    for (size_t i = 0; i < files.gl_pathc; i++)
        check(files.gl_pathv[i]);
    globfree(&files);
}

static void check_valid(const char *path)
{
    struct conf *conf = NULL;
    struct conf_mistakes mistakes = {0};
    struct buf found;
    buf_init(&found);
    enum err err = conf_load(path, NULL, NULL, 0, &conf, &mistakes);
    if (err)
        print_error("%s: %s\n", path, mistakes.text);
    assert_int_equal(err, ERR_OK);
    assert_int_equal(mistakes.count, 0);
    assert_string_equal(conf->file, path);
    assert_true(conf->loaded_at_ms > 0);
    buf_append_text(&found, "");
    dump(&found, conf);
    compare(path, &found);
    buf_fini(&found);
    conf_destroy(conf);
    conf_mistakes_fini(&mistakes);
}

static void check_invalid(const char *path)
{
    struct conf *conf = NULL;
    struct conf_mistakes mistakes = {0};
    struct buf found;
    buf_init(&found);
    assert_int_equal(conf_load(path, NULL, NULL, 0, &conf, &mistakes), ERR_INVALID);
    assert_null(conf);
    assert_non_null(mistakes.text);
    buf_append_text(&found, mistakes.text);
    compare(path, &found);
    buf_fini(&found);
    conf_mistakes_fini(&mistakes);
}

static void valid_files_say_what_is_expected(void **state)
{
    (void)state;
    for_each_file("valid/*.ini", check_valid);
}

static void invalid_files_show_every_mistake_with_its_line(void **state)
{
    (void)state;
    for_each_file("invalid/*.ini", check_invalid);
}

static struct conf *load_with(const char *file, const char *name, const char *value)
{
    struct conf *conf = NULL;
    struct conf_mistakes mistakes = {0};
    struct conf_override override = {name, value};
    assert_int_equal(conf_load(file, NULL, &override, name != NULL, &conf, &mistakes), ERR_OK);
    conf_mistakes_fini(&mistakes);
    return conf;
}

static void expect_port(const char *file, const char *name, const char *value, int port)
{
    struct conf *conf = load_with(file, name, value);
    assert_int_equal(conf->options.listen_port, port);
    conf_destroy(conf);
}

static void the_command_line_wins_over_the_environment_over_the_file(void **state)
{
    (void)state;
    unsetenv("PGRECALL_LISTEN_PORT");
    expect_port(NULL, NULL, NULL, 6432);
    expect_port("valid/listen.ini", NULL, NULL, 7000);
    setenv("PGRECALL_LISTEN_PORT", "7001", 1);
    expect_port("valid/listen.ini", NULL, NULL, 7001);
    expect_port(NULL, NULL, NULL, 7001);
    expect_port("valid/listen.ini", "listen_port", "7002", 7002);
    expect_port("valid/listen.ini", "listen-port", "7003", 7003);
    unsetenv("PGRECALL_LISTEN_PORT");
}

static void mistakes_of_environment_and_command_line_say_so(void **state)
{
    (void)state;
    struct conf *conf = NULL;
    struct conf_mistakes mistakes = {0};
    struct conf_override overrides[] = {{"listen-port", "x"}, {"nothing", "1"}};
    setenv("PGRECALL_WORKERS", "many", 1);
    assert_int_equal(conf_load(NULL, NULL, overrides, 2, &conf, &mistakes), ERR_INVALID);
    unsetenv("PGRECALL_WORKERS");
    assert_string_equal(mistakes.text,
                        "PGRECALL_WORKERS: workers: \"many\": expected a whole number\n"
                        "--listen-port: listen-port: \"x\": expected a whole number\n"
                        "--nothing: nothing: unknown option\n");
    assert_int_equal(mistakes.count, 3);
    conf_mistakes_fini(&mistakes);
}

static void a_missing_file_is_a_mistake(void **state)
{
    (void)state;
    struct conf *conf = NULL;
    struct conf_mistakes mistakes = {0};
    assert_int_equal(conf_load("valid/none.ini", NULL, NULL, 0, &conf, &mistakes), ERR_INVALID);
    assert_string_equal(mistakes.text, "valid/none.ini: No such file or directory\n");
    conf_mistakes_fini(&mistakes);
}

static void a_database_is_found_by_name_or_by_the_star(void **state)
{
    (void)state;
    struct conf *conf = load_with("valid/databases.ini", NULL, NULL);
    const struct conf_database *database = conf_database_find(conf, slice_of_text("app"));
    assert_string_equal(database->name, "app");
    database = conf_database_find(conf, slice_of_text("App"));
    assert_string_equal(database->name, "*");
    assert_null(database->dbname);
    conf_destroy(conf);
    conf = load_with("valid/listen.ini", NULL, NULL);
    assert_null(conf_database_find(conf, slice_of_text("app")));
    assert_null(conf_user_find(conf, slice_of_text("app")));
    conf_destroy(conf);
}

int main(int argc, char **argv)
{
    writing = argc > 1 && strcmp(argv[1], "--write") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_files_say_what_is_expected),
        cmocka_unit_test(invalid_files_show_every_mistake_with_its_line),
        cmocka_unit_test(the_command_line_wins_over_the_environment_over_the_file),
        cmocka_unit_test(mistakes_of_environment_and_command_line_say_so),
        cmocka_unit_test(a_missing_file_is_a_mistake),
        cmocka_unit_test(a_database_is_found_by_name_or_by_the_star),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
