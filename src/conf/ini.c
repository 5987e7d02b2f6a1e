/* Line by line; a line that makes no sense is a mistake and the next one is read. */
#include "ini.h"

#include <ctype.h>

#include "base/mem.h"
#include "file.h"

struct ini {
    const struct ini_events *events;
    struct conf_mistakes *mistakes;
    char *section; /* NULL before the first */
    bool skipping; /* in a section that nobody knows */
    unsigned depth;
};

static void read_text(struct ini *ini, struct slice text, const char *name);

static struct slice trim(struct slice text)
{
    while (text.len && isspace(text.data[0])) {
        text.data++;
        text.len--;
    }
    while (text.len && isspace(text.data[text.len - 1]))
        text.len--;
    return text;
}

static bool starts_with(struct slice text, const char *prefix)
{
    size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

static struct slice slice_from(struct slice text, size_t at)
{
    return slice_of(text.data + at, text.len - at);
}

static void read_include(struct ini *ini, struct place place, struct slice rest)
{
    char *path = mem_text_n(rest.data, rest.len);
    struct buf text;
    buf_init(&text);
    if (ini->depth >= INI_INCLUDE_MAX) {
        mistakes_add(ini->mistakes, place, "%%include %s: more than %d files within files", path,
                     INI_INCLUDE_MAX);
    } else {
        enum err err = file_read(path, &text);
        if (err)
            mistakes_add(ini->mistakes, place, "%%include %s: %s", path, file_err_text(err));
        else
            read_text(ini, slice_of(buf_head(&text), buf_len(&text)), path);
    }
    buf_fini(&text);
    mem_free(path);
}

static void read_section(struct ini *ini, struct place place, struct slice line)
{
    const uint8_t *end = memchr(line.data, ']', line.len);
    if (!end || (size_t)(end - line.data) + 1 != line.len) {
        mistakes_add(ini->mistakes, place, "a section is written [name]");
        ini->skipping = true;
        return;
    }
    mem_free(ini->section);
    ini->section = mem_text_n(line.data + 1, line.len - 2);
    ini->skipping = !ini->events->on_section(ini->events->context, place, ini->section);
}

static bool is_key_byte(uint8_t byte)
{
    return isalnum(byte) || byte == '_' || byte == '.' || byte == '-' || byte == '*';
}

/* Reads a key, quoted or not, to `out` (always ended by a zero). Returns how many bytes it took;
 * 0: that is no key. */
static size_t read_key(struct slice line, char *out)
{
    size_t at = 0, len = 0;
    if (line.data[0] != '"') {
        while (at < line.len && is_key_byte(line.data[at]))
            out[len++] = (char)line.data[at++];
        out[len] = 0;
        return at;
    }
    for (at = 1; at < line.len; at++) {
        if (line.data[at] == '"') {
            at++;
            if (at == line.len || line.data[at] != '"') {
                out[len] = 0;
                return len ? at : 0;
            }
        }
        out[len++] = (char)line.data[at];
    }
    return 0;
}

static void read_pair(struct ini *ini, struct place place, struct slice line)
{
    char *key = mem_alloc(line.len + 1);
    size_t at = read_key(line, key);
    struct slice rest = trim(slice_from(line, at));
    if (!at || !rest.len || rest.data[0] != '=') {
        mistakes_add(ini->mistakes, place, "expected: key = value");
    } else if (!ini->section) {
        mistakes_add(ini->mistakes, place, "%s: stands before the first [section]", key);
    } else if (!ini->skipping) {
        rest = trim(slice_from(rest, 1));
        char *value = mem_text_n(rest.data, rest.len);
        struct ini_line out = {place, ini->section, key, value};
        ini->events->on_line(ini->events->context, &out);
        mem_free(value);
    }
    mem_free(key);
}

static void read_line(struct ini *ini, struct place place, struct slice line)
{
    if (memchr(line.data, 0, line.len))
        mistakes_add(ini->mistakes, place, "a zero byte");
    else if (line.data[0] == '[')
        read_section(ini, place, line);
    else if (starts_with(line, "%include") && line.len > 8 && isblank(line.data[8]))
        read_include(ini, place, trim(slice_from(line, 8)));
    else
        read_pair(ini, place, line);
}

static void read_text(struct ini *ini, struct slice text, const char *name)
{
    static const uint8_t byte_order_mark[] = {0xef, 0xbb, 0xbf};
    if (text.len >= 3 && memcmp(text.data, byte_order_mark, 3) == 0)
        text = slice_from(text, 3);
    ini->depth++;
    struct place place = {name, 0};
    while (text.len) {
        const uint8_t *end = memchr(text.data, '\n', text.len);
        size_t len = end ? (size_t)(end - text.data) : text.len;
        struct slice line = trim(slice_of(text.data, len));
        place.line++;
        if (line.len && line.data[0] != ';' && line.data[0] != '#')
            read_line(ini, place, line);
        text = slice_from(text, end ? len + 1 : len);
    }
    ini->depth--;
}

void ini_read_text(struct slice text, const char *name, const struct ini_events *events,
                   struct conf_mistakes *mistakes)
{
    struct ini ini = {.events = events, .mistakes = mistakes};
    read_text(&ini, text, name);
    mem_free(ini.section);
}

void ini_read(const char *path, const struct ini_events *events, struct conf_mistakes *mistakes)
{
    struct buf text;
    buf_init(&text);
    enum err err = file_read(path, &text);
    if (err)
        mistakes_add(mistakes, (struct place){path, 0}, "%s", file_err_text(err));
    else
        ini_read_text(slice_of(buf_head(&text), buf_len(&text)), path, events, mistakes);
    buf_fini(&text);
}
