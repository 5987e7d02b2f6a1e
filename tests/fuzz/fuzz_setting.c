/* Any bytes as statements about settings: two bytes of parameters, then the text. What is read is given
 * back by a replay that Postgres' parser takes, and that reads as the same change.
 */
#include "base/mem.h"
#include "sql/setting.h"
#include "upstream/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The replay says three statements: between those of exit_on_error is the change. */
static void restore(const struct setting_change *change)
{
    struct setting entry = {.name = slice_of_text(change->name),
                            .value = slice_of(change->value, change->value_len),
                            .form = change->listed ? SETTING_LISTED : SETTING_VALUE};
    struct settings *made;
    if (settings_with(NULL, &entry, &made) != ERR_OK)
        return;
    struct buf text = {0};
    struct slice parts[SETTING_STATEMENTS_MAX];
    settings_replay(NULL, made, &text);
    ASSERT(setting_split(slice_of(buf_head(&text), buf_len(&text)), parts) == 3);
    struct setting_changes *again = setting_read(parts[1], NULL, 0);
    ASSERT(again && again->count == 1 && again->list[0].kind == SETTING_SET);
    ASSERT(slice_equal(slice_of_text(again->list[0].name), entry.name));
    ASSERT(slice_equal(slice_of(again->list[0].value, again->list[0].value_len), entry.value));
    setting_changes_destroy(again);
    buf_fini(&text);
    settings_unref(made);
}

static void read_one(struct slice text, const struct setting_param *params, unsigned count)
{
    struct setting_changes *changes = setting_read(text, params, count);
    for (unsigned i = 0; changes && i < changes->count; i++) {
        const struct setting_change *change = &changes->list[i];
        ASSERT(change->kind <= SETTING_ROLLBACK_TO && strlen(change->name) < SETTING_NAME_MAX);
        ASSERT(change->kind != SETTING_SET || change->value);
        if (change->kind == SETTING_SET)
            restore(change);
    }
    setting_changes_destroy(changes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2)
        return 0;
    struct slice text = slice_of(data + 2, len - 2);
    struct setting_param params[4];
    unsigned count = data[0] % (ARRAY_COUNT(params) + 1);
    for (unsigned i = 0; i < count; i++) {
        size_t used = text.len < 4 ? text.len : 4;
        params[i] =
            (struct setting_param){.known = data[1] >> i & 1, .null = data[1] >> (i + 4) & 1};
        if (!params[i].null)
            params[i].value = slice_of(text.data, used);
    }
    struct slice parts[SETTING_STATEMENTS_MAX];
    unsigned part_count = setting_split(text, parts);
    for (unsigned i = 0; i < part_count; i++) {
        struct slice alone[SETTING_STATEMENTS_MAX];
        ASSERT(parts[i].data >= text.data && parts[i].data + parts[i].len <= text.data + text.len);
        ASSERT(setting_split(parts[i], alone) == 1);
        read_one(parts[i], params, count);
    }
    read_one(text, params, count);
    return 0;
}
