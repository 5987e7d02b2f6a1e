/* The parser of the console's commands: any text ends, and what comes out stays within its limits. */
#include <stdio.h>
#include <stdlib.h>

#include "bind_values.h"
#include "command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_text(const char text[COMMAND_TEXT_MAX])
{
    ASSERT(memchr(text, 0, COMMAND_TEXT_MAX));
}

/* What becomes of the values is what a Bind may hold: a format count, values that end where they say, a
 * format count. */
static void check_values(struct slice values)
{
    struct buf types = {0}, arguments = {0};
    char why[COMMAND_WHY_MAX] = "";
    if (bind_values_read(values, &types, &arguments, why) != ERR_OK) {
        ASSERT(memchr(why, 0, sizeof(why)) && why[0]);
    } else {
        const uint8_t *at = buf_head(&arguments);
        size_t count = (size_t)at[2] << 8 | at[3], used = 4;
        ASSERT(count <= BIND_VALUES_MAX);
        ASSERT(!buf_len(&types) || buf_len(&types) == count * 4);
        for (size_t i = 0; i < count; i++, used += 4) {
            uint32_t len = (uint32_t)at[used] << 24 | (uint32_t)at[used + 1] << 16 |
                           (uint32_t)at[used + 2] << 8 | at[used + 3];
            used += len == UINT32_MAX ? 0 : len;
            ASSERT(used + 4 <= buf_len(&arguments));
        }
        ASSERT(used + 2 == buf_len(&arguments));
    }
    buf_fini(&types);
    buf_fini(&arguments);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct command command;
    struct slice text = slice_of(data, len);
    char why[COMMAND_WHY_MAX];
    size_t at = 0;
    for (;;) {
        size_t before = at;
        enum err err = command_parse(text, &at, &command, why);
        ASSERT(at <= len);
        if (err == ERR_NOT_FOUND)
            break;
        ASSERT(at > before);
        if (err != ERR_OK) {
            ASSERT(memchr(why, 0, sizeof(why)) && why[0]);
            continue;
        }
        ASSERT(command.id < COMMAND_COUNT);
        check_text(command.name);
        check_text(command.value);
        check_text(command.database);
        if (command.with_values)
            check_values(command.values);
        if (command_rows[command.id].argument == ARGUMENT_SQL)
            ASSERT(command.sql.len && command.sql.data >= data + before &&
                   command.sql.data + command.sql.len <= data + at);
    }
    ASSERT(at == len);
    return 0;
}
