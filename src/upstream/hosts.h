/* The hosts of a database in the order in which they are tried: each once, beginning with the one
 * that worked last (or by load_balance_hosts); with prefer-standby a second time, when none of them
 * was a standby. */
#pragma once

#include "upstream/database.h"

struct host_walk {
    unsigned count; /* 0: nothing has been begun */
    unsigned first;
    unsigned tried;
    unsigned rounds;
    unsigned at;
};

void hosts_begin(struct host_walk *walk, struct database *database,
                 const struct conf_database *line, bool balanced);

/* Moves on to the next host; false: all have been tried. */
bool hosts_next(struct host_walk *walk);

/* True if a server that is this will do in the walk's round. */
bool hosts_fit(const struct host_walk *walk, const struct conf_database *line, bool standby,
               bool read_only);
const char *hosts_misfit_text(const struct conf_database *line);

/* The host at which the walk stands has worked: it comes first from now on. */
void hosts_keep(const struct host_walk *walk, struct database *database);
