/* What the tests of the control connection share: a scratch Postgres for the whole group, a loop and
 * one database for each test, what the hooks were told, and a catalog of our own in place of the real
 * one, so that its queries can be made to fail, to be slow, or to be many. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "scratch_postgres.h"
#include "upstream/control.h"

enum { FIXTURE_WAIT_MS = 15000 };

/* What the hooks were told. */
struct fixture_events {
    unsigned identity, load, catalog, same, lost, settings; /* catalog: same ones as well */
    struct control_identity last_identity;
    uint64_t load_at_us[64];  /* when on_load was called */
    uint64_t version;         /* that on_load gives; grows with every call */
    uint64_t catalog_version; /* of the last snapshot */
    unsigned catalog_rows;    /* rows it was built from */
    bool refresh_in_load;     /* on_load calls control_refresh, once */
};

/* How the catalog behaves. */
struct fixture_catalog {
    unsigned failing_queries; /* that many more queries fail */
    unsigned build_us;        /* how long a build takes */
    bool malformed;           /* rows are refused */
    const char *rows_query;   /* NULL: pg_class */
};

struct fixture {
    struct scratch_postgres postgres; /* of the group */
    struct loop loop;
    struct database database;
    struct control *control;
    struct fixture_events events;
    struct fixture_catalog catalog;
};

extern struct fixture fixture;

int fixture_create(void **state);  /* of a group */
int fixture_destroy(void **state); /* of a group */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Makes a configuration with this server current; `port` 0: the scratch server's. */
void fixture_configure(const char *host, int port, const char *more_name, const char *more_value);

/* Wants the control connection as "postgres" and waits until it is ready. */
void fixture_connect(void);

/* Runs the loop for some time, or until `condition` holds. False: it did not in time. */
void fixture_run_ms(unsigned ms);
#define FIXTURE_WAIT(condition)                                                                    \
    do {                                                                                           \
        uint64_t give_up_us = clock_now_us() + FIXTURE_WAIT_MS * 1000ull;                          \
        while (!(condition) && clock_now_us() < give_up_us)                                        \
            uv_run(&fixture.loop.uv, UV_RUN_ONCE);                                                 \
        if (!(condition))                                                                          \
            fail_msg("waited in vain for: %s", #condition);                                        \
    } while (0)

#define FIXTURE_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
