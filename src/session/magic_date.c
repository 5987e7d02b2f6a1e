/* Parameters that the input functions of dates and times replace by the current time.
 *
 * Source  The manual, "Message Formats", Bind; "Date/Time Input Interpretation".
 */
#include "session/session.h"

static bool take_number(struct slice *from, unsigned bytes, int32_t *out)
{
    uint32_t number = 0;
    if (from->len < bytes)
        return false;
    for (unsigned i = 0; i < bytes; i++)
        number = number << 8 | from->data[i];
    *from = slice_of(from->data + bytes, from->len - bytes);
    *out = bytes == 2 ? (int16_t)number : (int32_t)number;
    return true;
}

/* A parameter that an input function would replace by the current time. Any type: a false alarm costs
 * one trip. Texts are looked at word by word; in binary form a value may hold texts with lengths. */
bool query_has_magic_date(const struct query *query)
{
    struct slice arguments = query->arguments;
    struct slice rest = arguments;
    int32_t formats, count, len;
    if (!scan_holds_magic_date(arguments))
        return false;
    if (!take_number(&rest, 2, &formats) || formats < 0 || rest.len < 2 * (size_t)formats)
        return true;
    struct slice codes = slice_of(rest.data, 2 * (size_t)formats);
    rest = slice_of(rest.data + codes.len, rest.len - codes.len);
    if (!take_number(&rest, 2, &count))
        return true;
    for (int32_t i = 0; i < count; i++) {
        if (!take_number(&rest, 4, &len) || (len > 0 && rest.len < (size_t)len))
            return true;
        if (len <= 0)
            continue;
        size_t at = formats == 1 ? 0 : (size_t)i;
        bool text = formats == 0 ||
                    (at < (size_t)formats && !codes.data[2 * at] && !codes.data[2 * at + 1]);
        struct slice value = slice_of(rest.data, (size_t)len);
        if (text ? scan_is_magic_date(value) : scan_holds_magic_date(value))
            return true;
        rest = slice_of(rest.data + len, rest.len - (size_t)len);
    }
    return false;
}
