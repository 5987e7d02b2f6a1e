/* PgBouncer's auth_file: roles and their secrets.
 *
 *     "name" "secret"      "" inside is one "; what follows on the line is ignored
 *     ; a comment
 *
 * The secret is a password, "md5..." or "SCRAM-SHA-256$...", and never gets into a message.
 */
#pragma once

#include "mistakes.h"

/* Both texts live for the call. */
typedef void userlist_on_user(void *context, const char *name, const char *secret);

/* Calls `on_user` for each line; lines that are not of that form go to `mistakes`. */
void userlist_read(struct slice text, const char *file, userlist_on_user *on_user, void *context,
                   struct conf_mistakes *mistakes);
