/* What Bind says behind its names, as it stands in keys: one form for one meaning.
 *
 * "All of it is text" can be said with no format code, with one, or with one for each parameter; drivers
 * differ in that. Written as no code it is the same key for all of them, and the same as the console's.
 *
 * Source  PostgreSQL 15 manual, "Message Formats", Bind; exec_bind_message (postgres.c) and
 *         PortalSetResultFormat (pquery.c) for which numbers of codes are an error.
 */
#pragma once

#include "base/slice.h"

/* Writes `arguments` (formats, values, result formats) to `out`, which has room for as many bytes; returns
 * how many were written. What is not a Bind that Postgres would take stays as it is. */
size_t bind_key_write(struct slice arguments, uint8_t *out);
