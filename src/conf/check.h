/* The rules that look at more than one value. */
#pragma once

#include "mistakes.h"

/* places  Where each option was given, by option_index (file NULL: nowhere); NULL: not known. */
void check_conf(const struct conf *conf, const struct place *places,
                struct conf_mistakes *mistakes);

/* With a DSN, clients get in with the DSN's own password. When neither auth_type nor auth_file is
 * given, that is right for whoever is on this machine (auth_type becomes trust), and a mistake
 * when others can reach us. */
void check_dsn_auth(struct conf *conf, const struct place *places, struct conf_mistakes *mistakes);
