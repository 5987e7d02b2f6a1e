/* A Postgres of a test's own: a new cluster under /tmp, on a free port of 127.0.0.1, superuser
 * "postgres", trust for everybody but the role "secret", which needs SCRAM. */
#pragma once

#include <stdbool.h>

#include <libpq-fe.h>

struct scratch_postgres {
    char dir[64]; /* the cluster is in dir/data, the Unix socket in dir */
    int port;
};

/* False: there is no Postgres on this machine, or it does not start. */
bool scratch_create(struct scratch_postgres *scratch);
void scratch_destroy(struct scratch_postgres *scratch);

bool scratch_start(struct scratch_postgres *scratch);
void scratch_stop(struct scratch_postgres *scratch, const char *mode); /* "fast", "immediate" */

/* A connection, blocking; the test ends if it cannot be made. */
PGconn *scratch_connect(const struct scratch_postgres *scratch, const char *user);

/* Runs SQL as "postgres"; the first value of the first row as a number, or 0. */
long long scratch_run(const struct scratch_postgres *scratch, const char *sql);
long long scratch_run_on(PGconn *connection, const char *sql);
