/* Texts of enum err, and the end of a process whose invariant broke. */
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>

const char *err_text(enum err err)
{
#define ERR_TEXT(name, text) [ERR_##name] = text,
    static const char *const texts[ERR_COUNT] = {ERRS(ERR_TEXT)};
#undef ERR_TEXT
    return (unsigned)err < ERR_COUNT ? texts[err] : "unknown error";
}

void assert_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, what);
    abort();
}
