/* A Postgres of our own for a test: made by initdb in a new directory, reached over a unix socket,
 * stopped by its pid, and taken along by the kernel should the test die.
 *
 * PGRECALL_TEST_DSN names another server instead: the test then works in its database. */
#pragma once

#include <libpq-fe.h>
#include <sys/types.h>

struct catalog;

struct scratch {
    pid_t pid; /* 0: not ours */
    char directory[64];
    char dsn[256];
    PGconn *connection;
};

/* 0, or -1 if there is no Postgres here to start (the test is to be skipped). */
int scratch_start(struct scratch *scratch);
void scratch_stop(struct scratch *scratch);

/* Runs statements; fails the test on an error. */
void scratch_run(struct scratch *scratch, const char *sql);

/* A snapshot of the server's catalog as it is now. */
struct catalog *scratch_catalog(struct scratch *scratch, uint64_t version);

/* The OID of a relation. */
uint32_t scratch_oid(struct scratch *scratch, const char *relation);

/* The one value of a query; the caller frees it with mem_free. */
char *scratch_value(struct scratch *scratch, const char *sql);
