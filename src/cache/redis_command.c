/* See redis_command.h. */
#include "cache/redis_command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#if HIREDIS_MAJOR >= 1
typedef size_t reply_count;
#else
typedef int reply_count;
#endif

void command_begin(struct buf *out, unsigned arg_count)
{
    buf_printf(out, "*%u\r\n", arg_count);
}

void command_arg(struct buf *out, struct slice arg)
{
    buf_printf(out, "$%zu\r\n", arg.len);
    buf_append(out, arg.data, arg.len);
    buf_append_text(out, "\r\n");
}

void command_text(struct buf *out, const char *arg)
{
    command_arg(out, slice_of_text(arg));
}

void command_number(struct buf *out, uint64_t arg)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%" PRIu64, arg);
    command_arg(out, slice_of(text, (size_t)len));
}

static void *array_refuse(const redisReadTask *task, reply_count count)
{
    (void)task;
    (void)count;
    return NULL; /* the reader takes that for want of memory and ends with an error */
}

redisReader *reply_reader_create(redisReplyObjectFunctions *functions)
{
    redisReader *reader = redisReaderCreate();
    ASSERT(reader);
    *functions = *reader->fn;
    functions->createArray = array_refuse;
    reader->fn = functions;
    return reader;
}

size_t reply_reader_held(const redisReader *reader)
{
    return reader->len - reader->pos;
}
