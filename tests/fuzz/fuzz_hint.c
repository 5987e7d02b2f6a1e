/* Any bytes as a statement: its hint is read within the text, and so is SET pgrecall.*. */
#include <stdlib.h>

#include "session/local_settings.h"
#include "sql/hint.h"
#include "sql/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Of local_settings.c, which would bring all of a session along. */
enum local_name local_name_of(const char *name)
{
    return strlen(name) % 2 ? LOCAL_NAME_CACHE : LOCAL_NAME_UNKNOWN;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct local_command command;
    struct scan scan;
    struct hint hint;
    uint8_t *scratch = malloc(len + 16);
    hint_read(slice_of(data, len), &hint);
    if (scan_text(slice_of(data, len), scratch, &scan) == ERR_OK) {
        ASSERT((size_t)scan.hint_at + scan.hint_len <= len);
        hint_read(slice_of(data + scan.hint_at, scan.hint_len), &hint);
        ASSERT(!hint.name_space.len || (hint.name_space.data >= data + scan.hint_at &&
                                        hint.name_space.len <= RULE_NAMESPACE_MAX));
        ASSERT(!hint.window_ms || (hint.window_ms >= RULE_WINDOW_LEAST_MS &&
                                   hint.window_ms <= RULE_WINDOW_GREATEST_MS));
        struct slice canonical = slice_of(scan.canonical, scan.canonical_len);
        if (!(scan.flags & SCAN_DOUBT) &&
            local_command_read(canonical, (scan.flags & SCAN_SEVERAL) != 0, &command))
            ASSERT(command.kind != LOCAL_NONE && strlen(command.text) < LOCAL_VALUE_MAX &&
                   strlen(command.given_name) < LOCAL_VALUE_MAX);
    }
    free(scratch);
    return 0;
}
