/* Values for the parameters of a statement, as an operator types them: "7, 'a', null, 2024-01-02::date".
 *
 * They become what a client would send in Parse and Bind: all in text format, of types that are declared
 * only where a `::type` stands behind a value.
 *
 * Threads  None: text in, bytes out.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "command.h"

enum { BIND_VALUES_MAX = 1000 };

/* `text` is what stands between the parentheses. Appends to *types (empty if no type is declared) and to
 * *arguments: formats, values, result formats.
 *
 * ERR_INVALID  it cannot be read: `why` says so, for the operator; what was appended means nothing */
MUST_USE enum err bind_values_read(struct slice text, struct buf *types, struct buf *arguments,
                                   char why[COMMAND_WHY_MAX]);
