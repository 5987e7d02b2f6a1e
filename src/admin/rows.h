/* The rows that a command answers, kept as texts and written as messages when they are asked for: in
 * text, or in Postgres' binary format for drivers that want that.
 *
 * Ownership  The struct belongs to the caller, the bytes to the struct; names are literals.
 * Threads    None.
 */
#pragma once

#include "base/buf.h"
#include "pgwire/encode.h"

enum { ROWS_COLUMNS_MAX = 64, ROWS_TEXT = 25, ROWS_INT4 = 23, ROWS_INT8 = 20, ROWS_NUMERIC = 1700 };

struct shape {
    const struct pgwire_text_column *columns;
    unsigned count;
};

/* Which columns are to be sent in binary. */
struct formats {
    bool binary[ROWS_COLUMNS_MAX];
};

struct rows {
    const struct shape *shape;
    struct buf cells; /* of the rows not sent yet: a 32-bit length (UINT32_MAX: NULL), the bytes */
    unsigned cell;    /* how many cells the row at hand has */
    unsigned count;   /* rows not sent yet */
};

void rows_init(struct rows *rows, const struct shape *shape);
void rows_fini(struct rows *rows);

/* Each adds the next cell; a row ends with its last column. Numbers go into any column, texts into
 * text columns only. */
void rows_slice(struct rows *rows, struct slice value);
void rows_text(struct rows *rows, const char *value); /* NULL: NULL */
void rows_num(struct rows *rows, uint64_t value);
void rows_int(struct rows *rows, int64_t value);
void rows_printf(struct rows *rows, const char *format, ...) PRINTF_LIKE(2, 3);
void rows_null(struct rows *rows);

/* Appends the RowDescription. */
void rows_describe(const struct shape *shape, const struct formats *formats, struct buf *out);

/* Appends DataRows and drops those rows: at most `max`, 0: all. Returns how many. */
unsigned rows_send(struct rows *rows, const struct formats *formats, unsigned max, struct buf *out);
