/* docs/config.md and conf/pgrecall.ini are what the tables say. To write them anew:
 *     cd tests/unit/conf && <build>/tests/unit/conf/test_conf_manual --write */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "file.h"

#define MANUAL_PATH "../../../docs/config.md"
#define SAMPLE_PATH "../../../conf/pgrecall.ini"

static char *text_of(void (*write)(FILE *out))
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    write(out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void expect_file(const char *path, void (*write)(FILE *out))
{
    struct buf file;
    buf_init(&file);
    assert_int_equal(file_read(path, &file), ERR_OK);
    char *text = text_of(write);
    bool same = slice_is(slice_of(buf_head(&file), buf_len(&file)), text);
    if (!same)
        print_error("%s is not what the tables say: run test_conf_manual --write\n", path);
    assert_true(same);
    free(text);
    buf_fini(&file);
}

static void the_manual_is_what_the_tables_say(void **state)
{
    (void)state;
    expect_file(MANUAL_PATH, conf_write_manual);
}

static void the_sample_is_what_the_tables_say(void **state)
{
    (void)state;
    expect_file(SAMPLE_PATH, conf_write_sample);
}

static struct conf *load(const char *path)
{
    struct conf *conf = NULL;
    struct conf_mistakes mistakes = {0};
    enum err err = conf_load(path, NULL, NULL, 0, &conf, &mistakes);
    if (err)
        print_error("%s\n", mistakes.text);
    assert_int_equal(err, ERR_OK);
    conf_mistakes_fini(&mistakes);
    return conf;
}

static void expect_defaults(const struct conf *conf)
{
    struct option_row row;
    for (unsigned i = 0; conf_option_row(conf, i, &row); i++)
        assert_string_equal(row.value, row.default_value);
}

static void the_sample_loads_and_so_it_does_without_its_semicolons(void **state)
{
    (void)state;
    struct conf *conf = load(SAMPLE_PATH);
    expect_defaults(conf);
    assert_int_equal(conf->database_count, 0);
    conf_destroy(conf);

    char *text = text_of(conf_write_sample);
    char path[] = "/tmp/pgrecall-sample-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *out = fdopen(fd, "w");
    assert_non_null(out);
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        bool is_setting = line[0] == ';' && line[1] != ' ' && line[1] != ';';
        fprintf(out, "%s\n", is_setting ? line + 1 : line);
    }
    assert_int_equal(fclose(out), 0);
    conf = load(path);
    expect_defaults(conf);
    assert_int_equal(conf->database_count, 2);
    assert_int_equal(conf->user_count, 1);
    conf_destroy(conf);
    assert_int_equal(remove(path), 0);
    free(text);
}

static void the_sample_of_the_auth_file_loads(void **state)
{
    (void)state;
    struct conf *conf = NULL;
    struct conf_mistakes mistakes = {0};
    struct conf_override override = {"auth_file", "../../../conf/userlist.txt"};
    assert_int_equal(conf_load(NULL, NULL, &override, 1, &conf, &mistakes), ERR_OK);
    conf_mistakes_fini(&mistakes);
    conf_destroy(conf);
}

static void write_file(const char *path, void (*write)(FILE *out))
{
    FILE *out = fopen(path, "we");
    ASSERT(out != NULL);
    write(out);
    ASSERT(fclose(out) == 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--write") == 0) {
        write_file(MANUAL_PATH, conf_write_manual);
        write_file(SAMPLE_PATH, conf_write_sample);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_manual_is_what_the_tables_say),
        cmocka_unit_test(the_sample_is_what_the_tables_say),
        cmocka_unit_test(the_sample_loads_and_so_it_does_without_its_semicolons),
        cmocka_unit_test(the_sample_of_the_auth_file_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
