/* The parser of the console's commands: any text ends, and what comes out stays within its limits. */
#include <stdio.h>
#include <stdlib.h>

#include "command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_text(const char text[COMMAND_TEXT_MAX])
{
    ASSERT(memchr(text, 0, COMMAND_TEXT_MAX));
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
        if (command_rows[command.id].argument == ARGUMENT_SQL)
            ASSERT(command.sql.len && command.sql.data >= data + before &&
                   command.sql.data + command.sql.len <= data + at);
    }
    ASSERT(at == len);
    return 0;
}
