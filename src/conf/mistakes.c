/* Mistakes as lines of text, notes as lines of the log. */
#include "mistakes.h"

#include <stdarg.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"

enum { MISTAKE_TEXT_MAX = 512, PLACE_TEXT_MAX = 512 };

void conf_mistakes_fini(struct conf_mistakes *mistakes)
{
    mem_free(mistakes->text);
    *mistakes = (struct conf_mistakes){0};
}

static void write_place(char *out, size_t len, struct place place)
{
    if (place.line)
        snprintf(out, len, "%s:%u", place.file, place.line);
    else
        snprintf(out, len, "%s", place.file);
}

void mistakes_add(struct conf_mistakes *mistakes, struct place place, const char *format, ...)
{
    if (mistakes->count++ >= MISTAKES_MAX)
        return;
    char at[PLACE_TEXT_MAX], what[MISTAKE_TEXT_MAX];
    write_place(at, sizeof(at), place);
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    struct buf text;
    buf_init(&text);
    if (mistakes->text)
        buf_append_text(&text, mistakes->text);
    buf_printf(&text, "%s: %s\n", at, what);
    if (mistakes->count == MISTAKES_MAX)
        buf_append_text(&text, "... and perhaps more\n");
    mem_free(mistakes->text);
    mistakes->text = mem_text_n(buf_head(&text), buf_len(&text));
    buf_fini(&text);
}

void mistakes_note(struct place place, const char *format, ...)
{
    char at[PLACE_TEXT_MAX], what[MISTAKE_TEXT_MAX];
    write_place(at, sizeof(at), place);
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    log_warn("configuration", "at", at, "note", what, NULL);
}
