/* Any bytes as an ini file: it loads or it says why not, and what loaded can be copied. Inputs that
 * would open other files are left out. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool opens_files(struct slice text)
{
    return memmem(text.data, text.len, "%include", 8) ||
           memmem(text.data, text.len, "auth_file", 9);
}

static void check_loaded(const struct conf *conf)
{
    struct option_row row;
    struct conf *copy = NULL;
    for (unsigned i = 0; conf_option_row(conf, i, &row); i++)
        ASSERT(row.name && row.value && row.default_value && row.prose);
    for (unsigned i = 0; i < conf->database_count; i++) {
        const char *name = conf->databases[i].name;
        ASSERT(conf_database_find(conf, slice_of_text(name)) == &conf->databases[i]);
    }
    for (unsigned i = 0; i < conf->user_count; i++) {
        const char *name = conf->users[i].name;
        ASSERT(conf_user_find(conf, slice_of_text(name)) == &conf->users[i]);
    }
    ASSERT(conf_set(conf, "log_connections", "0", &copy) == ERR_OK);
    ASSERT(copy->database_count == conf->database_count && copy->user_count == conf->user_count);
    conf_destroy(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        log_set_level(LOG_ERROR);
        fd = memfd_create("fuzz", 0);
        ASSERT(fd >= 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    if (opens_files(slice_of(data, len)))
        return -1;
    ASSERT(ftruncate(fd, 0) == 0 && pwrite(fd, data, len, 0) == (ssize_t)len);
    struct conf *conf = NULL;
    struct conf_mistakes mistakes = {0};
    if (conf_load(path, NULL, NULL, 0, &conf, &mistakes)) {
        ASSERT(mistakes.count > 0 && mistakes.text && !conf);
    } else {
        ASSERT(mistakes.count == 0 && conf);
        check_loaded(conf);
    }
    conf_destroy(conf);
    conf_mistakes_fini(&mistakes);
    return 0;
}
