/* Two quoted texts a line. */
#include "userlist.h"

#include "base/buf.h"

static size_t skip_blanks(struct slice line, size_t at)
{
    while (at < line.len &&
           (line.data[at] == ' ' || line.data[at] == '\t' || line.data[at] == '\r'))
        at++;
    return at;
}

/* Reads a quoted text at `at` to `out`, with a zero behind it. Returns where it ends, or 0. */
static size_t read_quoted(struct slice line, size_t at, struct buf *out)
{
    buf_clear(out);
    if (at == line.len || line.data[at] != '"')
        return 0;
    for (at++; at < line.len; at++) {
        if (line.data[at] == '"') {
            at++;
            if (at == line.len || line.data[at] != '"') {
                *buf_reserve(out, 1) = 0;
                return at;
            }
        }
        buf_append(out, line.data + at, 1);
    }
    return 0;
}

struct pair {
    struct buf name;
    struct buf secret;
};

static bool read_user(struct slice line, struct pair *out)
{
    size_t at = read_quoted(line, skip_blanks(line, 0), &out->name);
    if (!at || !buf_len(&out->name))
        return false;
    size_t next = skip_blanks(line, at);
    return next > at && read_quoted(line, next, &out->secret);
}

void userlist_read(struct slice text, const char *file, userlist_on_user *on_user, void *context,
                   struct conf_mistakes *mistakes)
{
    struct place place = {file, 0};
    struct pair user;
    buf_init(&user.name);
    buf_init(&user.secret);
    while (text.len) {
        const uint8_t *end = memchr(text.data, '\n', text.len);
        struct slice line = slice_of(text.data, end ? (size_t)(end - text.data) : text.len);
        size_t used = line.len + (end != NULL);
        text = slice_of(text.data + used, text.len - used);
        place.line++;
        size_t at = skip_blanks(line, 0);
        if (at == line.len || line.data[at] == ';')
            continue;
        if (memchr(line.data, 0, line.len) || !read_user(line, &user))
            mistakes_add(mistakes, place, "expected: \"role\" \"secret\"");
        else
            on_user(context, (const char *)buf_head(&user.name),
                    (const char *)buf_head(&user.secret));
    }
    buf_fini(&user.name);
    buf_fini(&user.secret);
}
