/* Hints in comments; see sql/hint.h. */
#include "sql/hint.h"

#include <strings.h>

#include "base/macros.h"
#include "conf/rules.h"

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The content of the comment at `at` up to where it ends. Comments nest; ours holds none. */
static struct slice comment_at(struct slice gap, size_t at)
{
    bool block = gap.data[at] == '/';
    size_t from = at + 2, end = from;
    while (end < gap.len) {
        if (block && end + 1 < gap.len && gap.data[end] == '*' && gap.data[end + 1] == '/')
            break;
        if (!block && (gap.data[end] == '\n' || gap.data[end] == '\r'))
            break;
        end++;
    }
    return slice_of(gap.data + from, end - from);
}

/* Behind the comment at `at`, with those nested in it. */
static size_t skip_comment(struct slice gap, size_t at)
{
    if (gap.data[at] == '-')
        return at + 2 + comment_at(gap, at).len;
    unsigned depth = 0;
    while (at < gap.len) {
        bool two = at + 1 < gap.len;
        if (two && gap.data[at] == '/' && gap.data[at + 1] == '*') {
            depth++;
            at += 2;
        } else if (two && gap.data[at] == '*' && gap.data[at + 1] == '/') {
            at += 2;
            if (--depth == 0)
                return at;
        } else {
            at++;
        }
    }
    return at;
}

/* What stands behind "pgrecall:" in the first comment that begins so; data NULL: there is none. */
static struct slice find_words(struct slice gap)
{
    static const char mark[] = "pgrecall:";
    size_t len = sizeof(mark) - 1;
    for (size_t at = 0; at + 1 < gap.len;) {
        bool block = gap.data[at] == '/' && gap.data[at + 1] == '*';
        if (!block && !(gap.data[at] == '-' && gap.data[at + 1] == '-')) {
            at++;
            continue;
        }
        struct slice text = comment_at(gap, at);
        size_t from = 0;
        while (from < text.len && is_space(text.data[from]))
            from++;
        if (text.len - from >= len && memcmp(text.data + from, mark, len) == 0)
            return slice_of(text.data + from + len, text.len - from - len);
        at = skip_comment(gap, at);
    }
    return slice_of(NULL, 0);
}

static bool is_word(struct slice word, const char *name)
{
    return word.len == strlen(name) && strncasecmp((const char *)word.data, name, word.len) == 0;
}

static void read_word(struct slice word, struct hint *out)
{
    const uint8_t *equals = memchr(word.data, '=', word.len);
    if (!equals) {
        if (is_word(word, "nocache"))
            out->nocache = true;
        else if (is_word(word, "force"))
            out->force = true;
        else if (is_word(word, "explain"))
            out->explain = true;
        else
            out->unclear = true;
        return;
    }
    struct slice name = slice_of(word.data, (size_t)(equals - word.data));
    struct slice value = slice_of(equals + 1, word.len - name.len - 1);
    if (is_word(name, "window") && rule_window_read(value, &out->window_ms))
        return;
    if (is_word(name, "namespace") && rule_namespace_is_valid(value)) {
        out->name_space = value;
        return;
    }
    out->unclear = true;
}

void hint_read(struct slice gap, struct hint *out)
{
    *out = (struct hint){0};
    struct slice words = find_words(gap);
    size_t at = 0;
    while (at < words.len) {
        if (is_space(words.data[at]) || words.data[at] == ',') {
            at++;
            continue;
        }
        size_t from = at;
        while (at < words.len && !is_space(words.data[at]) && words.data[at] != ',')
            at++;
        read_word(slice_of(words.data + from, at - from), out);
    }
}
