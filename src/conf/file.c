/* Reading a file whole. */
#include "file.h"

#include <errno.h>
#include <stdio.h>

enum { FILE_STEP = 1 << 16 };

enum err file_read(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return ERR_SYSTEM;
    enum err err = ERR_OK;
    while (!err) {
        size_t len = fread(buf_reserve(out, FILE_STEP), 1, FILE_STEP, file);
        buf_added(out, len);
        if (buf_len(out) > FILE_BYTES_MAX)
            err = ERR_TOO_BIG;
        else if (ferror(file))
            err = ERR_SYSTEM;
        else if (len < FILE_STEP)
            break;
    }
    int why = errno;
    fclose(file);
    errno = why;
    return err;
}

const char *file_err_text(enum err err)
{
    return err == ERR_SYSTEM ? strerror(errno) : err_text(err);
}
