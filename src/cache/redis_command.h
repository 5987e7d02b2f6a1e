/* Writing commands for Redis, and reading its replies: RESP2, by hiredis' reader.
 *
 * Threads  None of their own.
 * Source   Redis documentation, "Redis serialization protocol specification".
 */
#pragma once

#include <hiredis/hiredis.h>

#include "base/buf.h"

/* A command is its head, then `arg_count` arguments; the name of the command is the first. */
void command_begin(struct buf *out, unsigned arg_count);
void command_arg(struct buf *out, struct slice arg);
void command_text(struct buf *out, const char *arg);
void command_number(struct buf *out, uint64_t arg);

/* A reader of replies that refuses arrays, which none of our commands is answered with: an array's
 * length is believed before its elements come. `functions` is filled in and lives as long as the
 * reader, which is freed with redisReaderFree. */
redisReader *reply_reader_create(redisReplyObjectFunctions *functions);

/* Bytes of a reply that has not come in full. */
size_t reply_reader_held(const redisReader *reader);
