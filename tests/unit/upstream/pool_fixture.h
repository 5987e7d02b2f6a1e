/* What the tests of pools and servers share: a scratch Postgres, two workers (a loop in a thread
 * each), and clients that wait for servers, ask them, and give them back.
 *
 * Every call runs on the client's worker and returns when it has run there; client_await waits for
 * what comes of it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "scratch_postgres.h"
#include "upstream/pool.h"
#include "upstream/server.h"
#include "upstream/statements.h"

enum { WORKERS = 2, AWAIT_MS = 15000, TEXT_MAX = 512 };

struct worker {
    struct loop loop;
    pthread_t thread;
};

enum client_state {
    CLIENT_IDLE,
    CLIENT_WAITING,
    CLIENT_HOLDING, /* a server, between queries */
    CLIENT_ASKING,
    CLIENT_FAILED,
    CLIENT_LOST, /* the server went away in its hands */
};

struct client {
    struct pool_waiter waiter;
    struct worker *worker;
    struct profile *profile;
    struct server *server; /* of its worker's thread */
    bool release_at_ready; /* from within on_input, with the reset below */
    bool reset;
    pthread_mutex_t mutex; /* of the rest */
    enum client_state state;
    unsigned order;     /* among all that got a server since the test began */
    unsigned callbacks; /* how many there were */
    int pid;            /* of the backend it got */
    char sqlstate[6];   /* why it failed, or the last ErrorResponse */
    char message[TEXT_MAX];
    bool from_server;
    char value[TEXT_MAX]; /* the last DataRow's first column */
};

struct pool_fixture {
    struct scratch_postgres postgres; /* of the group */
    struct worker workers[WORKERS];
    struct database *database; /* "shop" */
    _Atomic(unsigned) order;
    _Atomic(unsigned) lost; /* calls of the hook */
    char ini[128];
    int silent_fd, silent_port; /* behind the database "silent" */
};
extern struct pool_fixture pools;

int pools_group_setup(void **state);
int pools_group_teardown(void **state);
int pools_setup(void **state);
int pools_teardown(void **state);
#define POOLS_TEST(name) cmocka_unit_test_setup_teardown(name, pools_setup, pools_teardown)

/* Loads a configuration with the database "shop" = the scratch server plus `line`, and `options`
 * (lines), and makes it the one in force. A later call is a RELOAD. */
void pools_configure(const char *line, const char *options);

/* A client of `role` on worker 0 or 1. `params`: "name=value name=value". */
void client_init(struct client *client, unsigned worker, const char *role, const char *params);
void client_fini(struct client *client); /* gives up whatever it has */

void client_wait(struct client *client);
bool client_take(struct client *client); /* the fast path */
void client_leave(struct client *client);
void client_release(struct client *client, bool reset);
void client_discard(struct client *client);
void client_cancel(struct client *client);
void client_send(struct client *client, const char *sql);

/* Waits until the client is in this state; the test fails if it is not in time. */
void client_await(struct client *client, enum client_state state);
enum client_state client_state(struct client *client);

/* wait and await CLIENT_HOLDING; send and await the answer's end, whose value is returned. */
void client_acquire(struct client *client);
const char *client_ask(struct client *client, const char *sql);

/* Runs something on a worker and returns when it has run. */
void worker_call(unsigned worker, void (*call)(void *argument), void *argument);

struct pool_counts pool_counts_of(const struct client *client);
void sleep_ms(unsigned ms);

/* Waits until it holds; for what other threads bring about. */
#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        uint64_t give_up_us = clock_now_us() + AWAIT_MS * 1000ull;                                 \
        while (!(condition) && clock_now_us() < give_up_us)                                        \
            usleep(2000);                                                                          \
        if (!(condition))                                                                          \
            fail_msg("waited in vain for: %s", #condition);                                        \
    } while (0)
