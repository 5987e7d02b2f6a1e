/* What PgBouncer has and we do not: a PgBouncer file must start here, and must not lose a
 * protection without a word.
 */
#pragma once

#include "mistakes.h"

enum foreign_scope { FOREIGN_GENERAL, FOREIGN_DATABASE, FOREIGN_USER };

/* Whether `name` is a parameter of PgBouncer's in that place. If so it was noted in the log, or,
 * where `value` asks for a protection that we cannot give, written to `mistakes`. */
bool foreign_take(enum foreign_scope scope, const char *name, const char *value, struct place place,
                  struct conf_mistakes *mistakes);
