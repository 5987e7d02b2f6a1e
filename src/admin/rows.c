/* Cells in, messages out. */
#include "rows.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CELL_NUMBER_MAX = 24,
    CELL_PRINTF_MAX = 512,
    ROW_OVERHEAD = 64,
    COLUMN_OVERHEAD = 32,
    NUMERIC_BASE = 10000,
    NUMERIC_DIGITS = 4, /* decimal ones in one of its own */
    NUMERIC_MAX = 16
};

void rows_init(struct rows *rows, const struct shape *shape)
{
    *rows = (struct rows){.shape = shape};
    ASSERT(!shape || shape->count <= ROWS_COLUMNS_MAX);
}

void rows_fini(struct rows *rows)
{
    buf_fini(&rows->cells);
}

static void end_cell(struct rows *rows)
{
    if (++rows->cell < rows->shape->count)
        return;
    rows->cell = 0;
    rows->count++;
}

void rows_slice(struct rows *rows, struct slice value)
{
    ASSERT(value.len < UINT32_MAX);
    uint32_t len = (uint32_t)value.len;
    buf_append(&rows->cells, &len, sizeof(len));
    if (len)
        buf_append(&rows->cells, value.data, value.len);
    end_cell(rows);
}

void rows_null(struct rows *rows)
{
    uint32_t len = UINT32_MAX;
    buf_append(&rows->cells, &len, sizeof(len));
    end_cell(rows);
}

void rows_text(struct rows *rows, const char *value)
{
    if (value)
        rows_slice(rows, slice_of_text(value));
    else
        rows_null(rows);
}

void rows_num(struct rows *rows, uint64_t value)
{
    char text[CELL_NUMBER_MAX];
    snprintf(text, sizeof(text), "%" PRIu64, value);
    rows_text(rows, text);
}

void rows_int(struct rows *rows, int64_t value)
{
    char text[CELL_NUMBER_MAX];
    snprintf(text, sizeof(text), "%" PRId64, value);
    rows_text(rows, text);
}

void rows_printf(struct rows *rows, const char *format, ...)
{
    char text[CELL_PRINTF_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    rows_text(rows, text);
}

/* ---- messages ---- */

void rows_describe(const struct shape *shape, const struct formats *formats, struct buf *out)
{
    size_t room = ROW_OVERHEAD;
    for (unsigned i = 0; i < shape->count; i++)
        room += strlen(shape->columns[i].name) + COLUMN_OVERHEAD;
    struct pgwire_writer writer = pgwire_writer_of(buf_reserve(out, room), room);
    size_t mark = pgwire_begin(&writer, 'T');
    pgwire_put_int16(&writer, (uint16_t)shape->count);
    for (unsigned i = 0; i < shape->count; i++) {
        uint32_t type = shape->columns[i].type_oid;
        pgwire_put_text(&writer, shape->columns[i].name);
        pgwire_put_int32(&writer, 0); /* of no table */
        pgwire_put_int16(&writer, 0);
        pgwire_put_int32(&writer, type);
        pgwire_put_int16(&writer, type == ROWS_INT8 ? 8 : type == ROWS_INT4 ? 4 : UINT16_MAX);
        pgwire_put_int32(&writer, UINT32_MAX);
        pgwire_put_int16(&writer, formats && formats->binary[i]);
    }
    pgwire_end(&writer, mark);
    ASSERT(!writer.overflow);
    buf_added(out, writer.len);
}

static int64_t cell_number(struct slice cell)
{
    char text[CELL_NUMBER_MAX] = "";
    memcpy(text, cell.data, size_min(cell.len, sizeof(text) - 1));
    return text[0] == '-' ? strtoll(text, NULL, 10) : (int64_t)strtoull(text, NULL, 10);
}

/* numeric_send of a whole number that is not negative: digits to the base 10000, the greatest
 * first. */
static void put_numeric(struct pgwire_writer *writer, struct slice cell)
{
    uint16_t digits[NUMERIC_MAX];
    unsigned count = 0;
    size_t first = cell.len % NUMERIC_DIGITS;
    for (size_t at = 0; at < cell.len;) {
        size_t len = at == 0 && first ? first : NUMERIC_DIGITS;
        unsigned digit = 0;
        for (size_t i = 0; i < len; i++)
            digit = digit * 10 + (unsigned)(cell.data[at + i] - '0');
        ASSERT(digit < NUMERIC_BASE && count < NUMERIC_MAX);
        if (count || digit)
            digits[count++] = (uint16_t)digit;
        at += len;
    }
    unsigned weight = count ? count - 1 : 0; /* of the first */
    while (count && !digits[count - 1])
        count--;
    pgwire_put_int32(writer, 8 + 2 * count);
    pgwire_put_int16(writer, (uint16_t)count);
    pgwire_put_int16(writer, (uint16_t)weight);
    pgwire_put_int16(writer, 0); /* positive */
    pgwire_put_int16(writer, 0); /* no digits behind the point */
    for (unsigned i = 0; i < count; i++)
        pgwire_put_int16(writer, digits[i]);
}

static void put_cell(struct pgwire_writer *writer, struct slice cell, uint32_t type, bool binary)
{
    if (binary && type == ROWS_INT8) {
        uint64_t value = (uint64_t)cell_number(cell);
        pgwire_put_int32(writer, 8);
        pgwire_put_int32(writer, (uint32_t)(value >> 32));
        pgwire_put_int32(writer, (uint32_t)value);
    } else if (binary && type == ROWS_INT4) {
        pgwire_put_int32(writer, 4);
        pgwire_put_int32(writer, (uint32_t)cell_number(cell));
    } else if (binary && type == ROWS_NUMERIC) {
        put_numeric(writer, cell);
    } else {
        pgwire_put_int32(writer, (uint32_t)cell.len);
        pgwire_put_bytes(writer, cell.data, cell.len);
    }
}

/* The next cell; data == NULL: NULL. */
static struct slice take_cell(const uint8_t **at)
{
    uint32_t len;
    memcpy(&len, *at, sizeof(len));
    *at += sizeof(len);
    if (len == UINT32_MAX)
        return slice_of(NULL, 0);
    struct slice cell = slice_of(*at, len);
    *at += len;
    return cell;
}

static void send_row(struct rows *rows, const struct formats *formats, struct buf *out)
{
    const uint8_t *at = buf_head(&rows->cells);
    size_t room = ROW_OVERHEAD;
    for (unsigned i = 0; i < rows->shape->count; i++)
        room += take_cell(&at).len + COLUMN_OVERHEAD;
    struct pgwire_writer writer = pgwire_writer_of(buf_reserve(out, room), room);
    size_t mark = pgwire_begin(&writer, 'D');
    pgwire_put_int16(&writer, (uint16_t)rows->shape->count);
    at = buf_head(&rows->cells);
    for (unsigned i = 0; i < rows->shape->count; i++) {
        struct slice cell = take_cell(&at);
        if (cell.data)
            put_cell(&writer, cell, rows->shape->columns[i].type_oid,
                     formats && formats->binary[i]);
        else
            pgwire_put_int32(&writer, UINT32_MAX);
    }
    pgwire_end(&writer, mark);
    ASSERT(!writer.overflow);
    buf_added(out, writer.len);
    buf_consume(&rows->cells, (size_t)(at - buf_head(&rows->cells)));
}

unsigned rows_send(struct rows *rows, const struct formats *formats, unsigned max, struct buf *out)
{
    ASSERT(rows->cell == 0);
    unsigned sent = 0;
    for (; rows->count && (!max || sent < max); sent++) {
        send_row(rows, formats, out);
        rows->count--;
    }
    return sent;
}
