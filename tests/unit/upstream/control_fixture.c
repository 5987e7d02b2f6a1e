#include "control_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct fixture fixture;

/* ---- the catalog ---- */

struct catalog {
    uint64_t version;
    unsigned rows;
};

struct catalog_builder {
    unsigned rows;
};

unsigned catalog_query_count(void)
{
    return 2;
}

const char *catalog_query(unsigned index)
{
    if (index == 0)
        return "SELECT nspname, NULL FROM pg_namespace";
    if (fixture.catalog.failing_queries) {
        fixture.catalog.failing_queries--;
        return "SELECT 1 / 0";
    }
    const char *rows = fixture.catalog.rows_query;
    return rows ? rows : "SELECT oid, relname FROM pg_class";
}

const char *catalog_fingerprint_query(void)
{
    return "SELECT concat(count(*), ' ', max(oid::bigint)) FROM pg_class";
}

struct catalog_builder *catalog_builder_create(void)
{
    return mem_zero(1, sizeof(struct catalog_builder));
}

void catalog_builder_destroy(struct catalog_builder *builder)
{
    mem_free(builder);
}

enum err catalog_builder_add(struct catalog_builder *builder, unsigned index,
                             const struct slice *values, unsigned count)
{
    if (fixture.catalog.malformed || count != 2)
        return ERR_MALFORMED;
    assert_non_null(values[0].data);
    assert_true((values[1].data == NULL) == (index == 0));
    builder->rows++;
    return ERR_OK;
}

enum err catalog_builder_finish(struct catalog_builder *builder, uint64_t version,
                                struct catalog **out)
{
    usleep(fixture.catalog.build_us);
    struct catalog *catalog = mem_zero(1, sizeof(*catalog));
    *catalog = (struct catalog){.version = version, .rows = builder->rows};
    mem_free(builder);
    *out = catalog;
    return ERR_OK;
}

void catalog_unref(struct catalog *catalog)
{
    mem_free(catalog);
}

uint64_t catalog_version(const struct catalog *catalog)
{
    return catalog->version;
}

size_t catalog_bytes(const struct catalog *catalog)
{
    return sizeof(*catalog);
}

/* ---- the hooks ---- */

static void on_identity(struct database *database, const struct control_identity *identity)
{
    assert_ptr_equal(database, &fixture.database);
    fixture.events.identity++;
    fixture.events.last_identity = *identity;
}

static uint64_t on_load(struct database *database)
{
    (void)database;
    struct fixture_events *events = &fixture.events;
    events->load_at_us[events->load++ % 64] = clock_now_us();
    if (events->refresh_in_load) {
        events->refresh_in_load = false;
        control_refresh(fixture.control);
    }
    return ++events->version;
}

static void on_catalog(struct database *database, struct catalog *catalog)
{
    (void)database;
    fixture.events.catalog++;
    fixture.events.catalog_version = catalog_version(catalog);
    fixture.events.catalog_rows = catalog->rows;
    catalog_unref(catalog);
}

/* A snapshot that still holds is as good as a new one: counted as both. */
static void on_same(struct database *database, uint64_t version)
{
    (void)database;
    fixture.events.same++;
    fixture.events.catalog++;
    fixture.events.catalog_version = version;
}

static void on_lost(struct database *database)
{
    (void)database;
    fixture.events.lost++;
}

static void on_settings(struct database *database)
{
    (void)database;
    fixture.events.settings++;
}

/* ---- setting up ---- */

int fixture_create(void **state)
{
    (void)state;
    log_set_level(getenv("PGRECALL_TEST_LOG") ? LOG_DEBUG : LOG_ERROR);
    return scratch_create(&fixture.postgres) ? 0 : -1;
}

int fixture_destroy(void **state)
{
    (void)state;
    scratch_destroy(&fixture.postgres);
    return 0;
}

void fixture_configure(const char *host, int port, const char *more_name, const char *more_value)
{
    char dsn[128];
    snprintf(dsn, sizeof(dsn), "host=%s port=%d dbname=postgres", host,
             port ? port : fixture.postgres.port);
    struct conf_override overrides[] = {
        {"auth_type", "trust"}, {"catalog_refresh", "1s"}, {more_name, more_value}};
    struct conf *conf;
    struct conf_mistakes mistakes = {0};
    if (conf_load(NULL, dsn, overrides, more_name ? 3 : 2, &conf, &mistakes) != ERR_OK)
        fail_msg("%s", mistakes.text);
    conf_mistakes_fini(&mistakes);
    conf_swap(conf);
    atomic_store(&fixture.database.conf, conf_database_find(conf, slice_of_text("postgres")));
}

int fixture_setup(void **state)
{
    (void)state;
    static const struct control_hooks hooks = {.on_identity = on_identity,
                                               .on_load = on_load,
                                               .on_catalog = on_catalog,
                                               .on_same = on_same,
                                               .on_lost = on_lost,
                                               .on_settings = on_settings};
    static char name[] = "shop";
    fixture.events = (struct fixture_events){0};
    fixture.catalog = (struct fixture_catalog){0};
    fixture.database = (struct database){.name = name, .dbname = "postgres"};
    fixture_configure("127.0.0.1", 0, NULL, NULL);
    loop_init(&fixture.loop, LOOP_INDEX_MAIN);
    control_init(&fixture.loop, &hooks);
    fixture.control = control_create(&fixture.database);
    return 0;
}

int fixture_teardown(void **state)
{
    (void)state;
    control_stop_all();
    loop_stop(&fixture.loop);
    loop_run(&fixture.loop);
    control_destroy(fixture.control);
    loop_fini(&fixture.loop);
    conf_forget_all();
    return 0;
}

void fixture_run_ms(unsigned ms)
{
    uint64_t end_us = clock_now_us() + ms * 1000ull;
    while (clock_now_us() < end_us)
        uv_run(&fixture.loop.uv, UV_RUN_ONCE);
}

void fixture_connect(void)
{
    control_want(fixture.control, "postgres", NULL);
    FIXTURE_WAIT(fixture.events.catalog == 1);
    assert_int_equal(control_state(fixture.control), CONTROL_READY);
}
