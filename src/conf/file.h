/* A whole file in memory, for the readers of this folder. */
#pragma once

#include "base/buf.h"

enum { FILE_BYTES_MAX = 16 << 20 };

/* Appends the bytes of `path` to `out`.
 *
 * ERR_SYSTEM  it cannot be opened or read; errno says why
 * ERR_TOO_BIG it has more than FILE_BYTES_MAX */
MUST_USE enum err file_read(const char *path, struct buf *out);

/* Why file_read failed, in words. To be asked for before anything else can change errno. */
const char *file_err_text(enum err err);
