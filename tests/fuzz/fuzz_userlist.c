/* Any bytes as an auth_file: names and secrets are texts, and a name is never empty. */
#include "userlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void on_user(void *context, const char *name, const char *secret)
{
    size_t *count = context;
    ASSERT(*name && !strchr(name, '\n') && !strchr(secret, '\n'));
    *count += strlen(name) + strlen(secret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t count = 0;
    struct conf_mistakes mistakes = {0};
    userlist_read(slice_of(data, len), "fuzz", on_user, &count, &mistakes);
    ASSERT(count <= len);
    ASSERT((mistakes.count == 0) == (mistakes.text == NULL));
    conf_mistakes_fini(&mistakes);
    return 0;
}
