/* The table of options and its field access. Fields are reached by offset and type; the type of
 * each field comes from the same row, so the two cannot disagree. */
#include "option_table.h"

#include <stdio.h>

#include "value.h"

#define RANGE(low, high) .least = (low), .greatest = (high)
#define NAMES(list)      .names = (list)
#define ANY              .names = NULL
#define SECRET           .secret = true
#define RELOADABLE       true
#define FIXED            false
#define GROUP(title)     {.type = OPTION_GROUP, .prose = (title)},
#define OPTION(name_, type_, field_, default_, range_, reload_, prose_)                            \
    {.name = #name_,                                                                               \
     .type = OPTION_##type_,                                                                       \
     .offset = offsetof(struct options, field_),                                                   \
     .default_value = (default_),                                                                  \
     .reloadable = (reload_),                                                                      \
     .prose = (prose_),                                                                            \
     range_},

const struct option option_rows[] = {
#include "conf/options.def"
};
#undef OPTION

const unsigned option_row_count = ARRAY_COUNT(option_rows);

static bool same_name(const char *name, const char *asked)
{
    for (; *name && (*name == *asked || (*name == '_' && *asked == '-')); name++, asked++)
        ;
    return *name == 0 && *asked == 0;
}

const struct option *option_find(const char *name)
{
    for (unsigned i = 0; i < option_row_count; i++) {
        if (option_rows[i].type != OPTION_GROUP && same_name(option_rows[i].name, name))
            return &option_rows[i];
    }
    return NULL;
}

unsigned option_index(const struct option *option)
{
    return (unsigned)(option - option_rows);
}

static void *field_of(struct options *options, const struct option *option)
{
    return (char *)options + option->offset;
}

static const void *field_in(const struct options *options, const struct option *option)
{
    return (const char *)options + option->offset;
}

/* Other names for the same thing. */
static const char *alias_of(const struct option *option, const char *value)
{
    if (option->offset == offsetof(struct options, auth_type) &&
        (strcmp(value, "password") == 0 || strcmp(value, "cleartext") == 0))
        return "plain";
    return value;
}

static enum err read_number(const struct option *option, const char *value, uint64_t *out)
{
    if (option->type == OPTION_DURATION)
        return value_read_duration(value, out);
    if (option->type == OPTION_SIZE)
        return value_read_size(value, out);
    int64_t number = 0;
    enum err err = value_read_int(value, &number);
    if (err)
        return err;
    if (number < 0)
        return ERR_RANGE;
    *out = (uint64_t)number;
    return ERR_OK;
}

static const char *kind_text(const struct option *option)
{
    switch (option->type) {
    case OPTION_BOOL:
        return "1 or 0 (on, off, true, false, yes, no)";
    case OPTION_INT:
        return "a whole number";
    case OPTION_DURATION:
        return "a time such as 30s, 50ms, 5min, 1h; without unit: seconds";
    case OPTION_SIZE:
        return "a size such as 64kB, 256MB, 1GB; without unit: bytes";
    case OPTION_TEXT:
        return "a text";
    case OPTION_ENUM:
    case OPTION_GROUP:
        break;
    }
    return "";
}

enum err option_set(struct options *options, const struct option *option, const char *value,
                    struct texts *texts, char out_why[OPTION_WHY_MAX])
{
    void *field = field_of(options, option);
    enum err err = ERR_OK;
    uint64_t number = 0;
    switch (option->type) {
    case OPTION_BOOL:
        err = value_read_bool(value, field);
        break;
    case OPTION_TEXT:
        *(const char **)field = texts_copy(texts, value);
        break;
    case OPTION_ENUM:
        err = value_read_name(alias_of(option, value), option->names, field);
        break;
    case OPTION_INT:
    case OPTION_DURATION:
    case OPTION_SIZE:
        err = read_number(option, value, &number);
        if (!err && (number < option->least || number > option->greatest))
            err = ERR_RANGE;
        if (!err && option->type == OPTION_INT)
            *(int64_t *)field = (int64_t)number;
        else if (!err)
            *(uint64_t *)field = number;
        break;
    case OPTION_GROUP:
        return ERR_NOT_FOUND;
    }
    if (err == ERR_RANGE || option->type == OPTION_ENUM)
        option_range_text(option, out_why);
    else
        snprintf(out_why, OPTION_WHY_MAX, "%s", kind_text(option));
    return err;
}

const char *option_text(const struct options *options, const struct option *option)
{
    static _Thread_local char out[VALUE_TEXT_MAX];
    const void *field = field_in(options, option);
    switch (option->type) {
    case OPTION_BOOL:
        value_write_bool(out, *(const bool *)field);
        break;
    case OPTION_INT:
        value_write_int(out, *(const int64_t *)field);
        break;
    case OPTION_DURATION:
        value_write_duration(out, *(const uint64_t *)field);
        break;
    case OPTION_SIZE:
        value_write_size(out, *(const uint64_t *)field);
        break;
    case OPTION_ENUM:
        value_write_name(out, option->names, *(const int *)field);
        break;
    case OPTION_TEXT: {
        const char *text = *(const char *const *)field;
        return option->secret && *text ? "********" : text;
    }
    case OPTION_GROUP:
        return "";
    }
    return out;
}

static size_t field_size(const struct option *option)
{
    switch (option->type) {
    case OPTION_BOOL:
        return sizeof(bool);
    case OPTION_INT:
        return sizeof(int64_t);
    case OPTION_DURATION:
    case OPTION_SIZE:
        return sizeof(uint64_t);
    case OPTION_TEXT:
        return sizeof(const char *);
    case OPTION_ENUM:
        return sizeof(int);
    case OPTION_GROUP:
        break;
    }
    return 0;
}

bool option_is_same(const struct options *a, const struct options *b, const struct option *option)
{
    const void *in_a = field_in(a, option), *in_b = field_in(b, option);
    if (option->type == OPTION_TEXT)
        return strcmp(*(const char *const *)in_a, *(const char *const *)in_b) == 0;
    return memcmp(in_a, in_b, field_size(option)) == 0;
}

void option_copy(struct options *to, const struct options *from, const struct option *option,
                 struct texts *texts)
{
    const void *field = field_in(from, option);
    if (option->type == OPTION_TEXT)
        *(const char **)field_of(to, option) = texts_copy(texts, *(const char *const *)field);
    else
        memcpy(field_of(to, option), field, field_size(option));
}

void option_defaults(struct options *options, struct texts *texts)
{
    char why[OPTION_WHY_MAX];
    *options = (struct options){0};
    for (unsigned i = 0; i < option_row_count; i++) {
        const struct option *option = &option_rows[i];
        if (option->type != OPTION_GROUP)
            ASSERT(option_set(options, option, option->default_value, texts, why) == ERR_OK);
    }
}

void option_range_text(const struct option *option, char out[OPTION_WHY_MAX])
{
    char least[VALUE_TEXT_MAX], greatest[VALUE_TEXT_MAX];
    out[0] = 0;
    if (option->type == OPTION_ENUM) {
        size_t len = 0;
        for (const char *at = option->names; *at && len + 8 < OPTION_WHY_MAX; at++) {
            if (*at != '|')
                out[len++] = *at;
            else
                len += (size_t)snprintf(out + len, 8, "%s", strchr(at + 1, '|') ? ", " : " or ");
        }
        out[len] = 0;
        return;
    }
    if (option->type == OPTION_DURATION) {
        value_write_duration(least, option->least);
        value_write_duration(greatest, option->greatest);
    } else if (option->type == OPTION_SIZE) {
        value_write_size(least, option->least);
        value_write_size(greatest, option->greatest);
    } else if (option->type == OPTION_INT) {
        value_write_int(least, (int64_t)option->least);
        value_write_int(greatest, (int64_t)option->greatest);
    } else {
        return;
    }
    snprintf(out, OPTION_WHY_MAX, "%s to %s", least, greatest);
}
