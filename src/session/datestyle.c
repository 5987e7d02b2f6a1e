/* Source  check_datestyle() in src/backend/commands/variable.c of PostgreSQL. */
#include "session/datestyle.h"

#include <stdio.h>
#include <strings.h>

static const char *const styles[] = {"ISO", "SQL", "Postgres", "German"};
static const char *const orders[] = {"YMD", "DMY", "MDY"};

enum { STYLE_NONE = -1, STYLE_GERMAN = 3, ORDER_DMY = 1 };

struct datestyle {
    int style;
    int order;
};

/* Words that begin so mean entry `index` of the list above. */
static const struct word {
    const char *text;
    bool whole;
    bool is_order;
    int index;
} words[] = {
    {"iso", true, false, 0},       {"sql", true, false, 1},
    {"postgres", false, false, 2}, {"german", true, false, STYLE_GERMAN},
    {"ymd", true, true, 0},        {"dmy", true, true, 1},
    {"euro", false, true, 1},      {"mdy", true, true, 2},
    {"us", true, true, 2},         {"noneuro", false, true, 2},
};

static enum err read_word(struct slice text, struct datestyle *out)
{
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        const struct word *word = &words[i];
        size_t len = strlen(word->text);
        if (text.len < len || (word->whole && text.len != len) ||
            strncasecmp((const char *)text.data, word->text, len) != 0)
            continue;
        int *part = word->is_order ? &out->order : &out->style;
        if (*part != STYLE_NONE && *part != word->index)
            return ERR_INVALID;
        *part = word->index;
        return ERR_OK;
    }
    return ERR_INVALID;
}

static enum err read_all(struct slice text, struct datestyle *out)
{
    size_t at = 0;
    *out = (struct datestyle){STYLE_NONE, STYLE_NONE};
    while (at <= text.len) {
        size_t end = at;
        while (end < text.len && text.data[end] != ',')
            end++;
        size_t first = at, last = end;
        while (first < last && text.data[first] == ' ')
            first++;
        while (last > first && text.data[last - 1] == ' ')
            last--;
        if (read_word(slice_of(text.data + first, last - first), out) != ERR_OK)
            return ERR_INVALID;
        at = end + 1;
    }
    return ERR_OK;
}

enum err datestyle_join(struct slice now, struct slice value, char out[DATESTYLE_MAX])
{
    struct datestyle has, wanted;
    if (read_all(now, &has) != ERR_OK || has.style == STYLE_NONE || has.order == STYLE_NONE ||
        read_all(value, &wanted) != ERR_OK)
        return ERR_INVALID;
    if (wanted.order == STYLE_NONE)
        wanted.order = wanted.style == STYLE_GERMAN ? ORDER_DMY : has.order;
    if (wanted.style == STYLE_NONE)
        wanted.style = has.style;
    snprintf(out, DATESTYLE_MAX, "%s, %s", styles[wanted.style], orders[wanted.order]);
    return ERR_OK;
}
