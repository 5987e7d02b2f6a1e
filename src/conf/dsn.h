/* A DSN of the command line as a line of [databases]. */
#pragma once

#include "mistakes.h"
#include "store.h"

/* Adds what `dsn` (postgres://... or key=value ...) names to `store`: the database under its own
 * name when it has one, and the server as "*". Forms are libpq's; what libpq takes from its own
 * environment (PGHOST ...) is not looked at. */
void dsn_read(struct store *store, const char *dsn, struct place place,
              struct conf_mistakes *mistakes);
