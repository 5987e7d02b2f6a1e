/* Pools without threads and without Postgres, to look at one decision at a time: two loops that turn only
 * when the test says so, and server connections whose other end is a socket of the test. A server that a pool
 * opens by itself stays CONNECTING until quiet_turn, which ends it: these loops hold no servers of that kind.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "inside.h"

enum { QUIET_LOOPS = 2 };

struct quiet_rig {
    struct loop loops[QUIET_LOOPS];
    struct database *database; /* "shop" */
    struct pool *pool;         /* of alice */
    struct profile *profile;   /* and hers */
};
extern struct quiet_rig quiet;

int quiet_setup(void **state);
int quiet_teardown(void **state);
#define QUIET_TEST(name) cmocka_unit_test_setup_teardown(name, quiet_setup, quiet_teardown)

/* Makes a configuration the one in force: what stands behind the database's line, lines of [users] and lines
 * of [pgrecall]. */
void quiet_configure(const char *line, const char *users, const char *options);

/* A server connection of that profile, idle on that loop; and its other end. */
struct server *quiet_server(struct profile *profile, unsigned loop);
int quiet_other_end(const struct server *server);

/* One that is idle becomes ACTIVE, in nobody's hands. */
void quiet_occupy(struct server *server);

/* As if it had been idle, or waiting, for longer. */
void quiet_rest(struct server *server, uint64_t ms);
void quiet_been_patient(struct pool_waiter *waiter, uint64_t ms);

/* Lets both loops do what they have to do now. */
void quiet_turn(void);

/* Somebody who waits on a loop, and what came of it. */
struct quiet_client {
    struct pool_waiter waiter;
    struct server *server;
    unsigned ready, failed;
    char sqlstate[6];
};
void quiet_client_init(struct quiet_client *client, struct profile *profile, unsigned loop);
