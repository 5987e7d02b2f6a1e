/* Numbers are read digit by digit, with every overflow seen, and with no look at the locale. */
#include "value.h"

#include <stdio.h>
#include <strings.h>

MUST_USE enum err value_read_bool(const char *text, bool *out)
{
    static const char *const yes[] = {"1", "on", "true", "yes"};
    static const char *const no[] = {"0", "off", "false", "no"};
    for (size_t i = 0; i < ARRAY_COUNT(yes); i++) {
        bool is_yes = strcasecmp(text, yes[i]) == 0;
        if (is_yes || strcasecmp(text, no[i]) == 0) {
            *out = is_yes;
            return ERR_OK;
        }
    }
    return ERR_INVALID;
}

/* Reads the digits at *at and moves past them. */
static enum err read_digits(const char **at, uint64_t *out)
{
    uint64_t value = 0;
    const char *from = *at;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(**at - '0'), &value))
            return ERR_RANGE;
    }
    if (*at == from)
        return ERR_INVALID;
    *out = value;
    return ERR_OK;
}

enum err value_read_int(const char *text, int64_t *out)
{
    bool negative = *text == '-';
    if (negative)
        text++;
    uint64_t value = 0;
    enum err err = read_digits(&text, &value);
    if (err)
        return err;
    if (*text)
        return ERR_INVALID;
    if (value > INT64_MAX)
        return ERR_RANGE;
    *out = negative ? -(int64_t)value : (int64_t)value;
    return ERR_OK;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* Reads "number unit": the last of `units` has no name and ends the list. Up to three digits may
 * follow a point where the unit's factor can carry them. */
static enum err read_quantity(const char *text, const struct unit *units, uint64_t *out)
{
    uint64_t whole = 0, thousandths = 0;
    enum err err = read_digits(&text, &whole);
    if (err)
        return err;
    if (*text == '.') {
        text++;
        uint64_t scale = 100;
        if (*text < '0' || *text > '9')
            return ERR_INVALID;
        for (; *text >= '0' && *text <= '9' && scale; text++, scale /= 10)
            thousandths += (uint64_t)(*text - '0') * scale;
    }
    while (*text == ' ')
        text++;
    while (units->name && strcasecmp(text, units->name) != 0)
        units++;
    if (!units->name && *text)
        return ERR_INVALID;
    uint64_t value = 0, rest = 0;
    if (__builtin_mul_overflow(whole, units->factor, &value) ||
        __builtin_mul_overflow(thousandths, units->factor, &rest) ||
        __builtin_add_overflow(value, rest / 1000, &value))
        return ERR_RANGE;
    if (rest % 1000)
        return ERR_INVALID;
    *out = value;
    return ERR_OK;
}

enum err value_read_duration(const char *text, uint64_t *out_ms)
{
    static const struct unit units[] = {{"ms", 1},      {"s", 1000},     {"min", 60000},
                                        {"h", 3600000}, {"d", 86400000}, {NULL, 1000}};
    return read_quantity(text, units, out_ms);
}

enum err value_read_size(const char *text, uint64_t *out_bytes)
{
    static const struct unit units[] = {{"B", 1},           {"kB", 1ull << 10}, {"MB", 1ull << 20},
                                        {"GB", 1ull << 30}, {"TB", 1ull << 40}, {NULL, 1}};
    return read_quantity(text, units, out_bytes);
}

enum err value_read_name(const char *text, const char *names, int *out)
{
    size_t len = strlen(text);
    for (int index = 0; *names; index++) {
        size_t name_len = strcspn(names, "|");
        if (name_len == len && strncasecmp(names, text, len) == 0) {
            *out = index;
            return ERR_OK;
        }
        names += name_len;
        names += *names == '|';
    }
    return ERR_INVALID;
}

void value_write_bool(char out[VALUE_TEXT_MAX], bool value)
{
    snprintf(out, VALUE_TEXT_MAX, "%d", value);
}

void value_write_int(char out[VALUE_TEXT_MAX], int64_t value)
{
    snprintf(out, VALUE_TEXT_MAX, "%lld", (long long)value);
}

void value_write_duration(char out[VALUE_TEXT_MAX], uint64_t ms)
{
    const char *unit = ms == 0 ? "" : ms % 1000 ? "ms" : "s";
    snprintf(out, VALUE_TEXT_MAX, "%llu%s", (unsigned long long)(ms % 1000 ? ms : ms / 1000), unit);
}

void value_write_size(char out[VALUE_TEXT_MAX], uint64_t bytes)
{
    static const char *const units[] = {"", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    while (bytes && bytes % 1024 == 0 && unit + 1 < ARRAY_COUNT(units)) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, VALUE_TEXT_MAX, "%llu%s", (unsigned long long)bytes, units[unit]);
}

void value_write_name(char out[VALUE_TEXT_MAX], const char *names, int index)
{
    for (; index > 0 && *names; index--) {
        names += strcspn(names, "|");
        names += *names == '|';
    }
    size_t len = size_min(strcspn(names, "|"), VALUE_TEXT_MAX - 1);
    memcpy(out, names, len);
    out[len] = 0;
}
