/* What loading a catalog costs, step by step: each of its queries, the rows (which a loop takes one
 * by one, so the longest of them counts, in time of the processor: what else the machine does is not
 * ours), the build (on a thread of its own) and giving the snapshot
 * back. On a database that is there: bench/catalog.py makes a large one.
 *
 *     bench_catalog CONNINFO
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/macros.h"
#include "sql/catalog.h"

enum { COLUMNS_MAX = 64 };

struct step {
    int rows;
    double ask_ms;
    double add_ms;
    double longest_ms;
};

static double clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double now_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

static double processor_ms(void)
{
    return clock_ms(CLOCK_THREAD_CPUTIME_ID);
}

static long peak_kb(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void fail(const char *text)
{
    fprintf(stderr, "%s\n", text);
    exit(1);
}

static void add_row(struct catalog_builder *builder, unsigned query, const PGresult *rows, int row)
{
    struct slice values[COLUMNS_MAX];
    int count = PQnfields(rows);
    if (count > COLUMNS_MAX)
        fail("too many columns");
    for (int i = 0; i < count; i++)
        values[i] = PQgetisnull(rows, row, i)
                        ? (struct slice){0}
                        : slice_of(PQgetvalue(rows, row, i), (size_t)PQgetlength(rows, row, i));
    if (catalog_builder_add(builder, query, values, (unsigned)count) != ERR_OK)
        fail("a row that the builder does not take");
}

static struct step run_query(PGconn *connection, struct catalog_builder *builder, unsigned query)
{
    struct step step = {0};
    double begun = now_ms();
    PGresult *rows = PQexec(connection, catalog_query(query));
    if (PQresultStatus(rows) != PGRES_TUPLES_OK)
        fail(PQerrorMessage(connection));
    step.ask_ms = now_ms() - begun;
    double asked = processor_ms();
    step.rows = PQntuples(rows);
    for (int row = 0; row < step.rows; row++) {
        double before = processor_ms();
        add_row(builder, query, rows, row);
        double took = processor_ms() - before;
        if (took > step.longest_ms)
            step.longest_ms = took;
    }
    step.add_ms = processor_ms() - asked;
    PQclear(rows);
    return step;
}

int main(int count, char **values)
{
    if (count != 2)
        fail("usage: bench_catalog CONNINFO");
    PGconn *connection = PQconnectdb(values[1]);
    if (PQstatus(connection) != CONNECTION_OK)
        fail(PQerrorMessage(connection));
    PQclear(PQexec(connection, "SET search_path = pg_catalog"));
    double begun = now_ms();
    PQclear(PQexec(connection, catalog_fingerprint_query()));
    printf("fingerprint %.1f ms\n\n", now_ms() - begun);
    printf(
        "| query | rows | asked, ms | rows taken, ms | longest row, ms |\n|--:|--:|--:|--:|--:|\n");
    struct catalog_builder *builder = catalog_builder_create();
    struct step all = {0};
    for (unsigned i = 0; i < catalog_query_count(); i++) {
        struct step step = run_query(connection, builder, i);
        printf("| %u | %d | %.1f | %.1f | %.3f |\n", i, step.rows, step.ask_ms, step.add_ms,
               step.longest_ms);
        all.rows += step.rows;
        all.ask_ms += step.ask_ms;
        all.add_ms += step.add_ms;
        if (step.longest_ms > all.longest_ms)
            all.longest_ms = step.longest_ms;
    }
    printf("| all | %d | %.1f | %.1f | %.3f |\n", all.rows, all.ask_ms, all.add_ms, all.longest_ms);
    struct catalog *catalog;
    double build = processor_ms();
    if (catalog_builder_finish(builder, 1, &catalog) != ERR_OK)
        fail("no snapshot");
    build = processor_ms() - build;
    size_t bytes = catalog_bytes(catalog);
    double given_back = processor_ms();
    catalog_unref(catalog);
    printf("\nbuild %.1f ms, snapshot %zu kB, given back in %.3f ms, peak memory %ld kB\n", build,
           bytes / 1024, processor_ms() - given_back, peak_kb());
    PQfinish(connection);
    return 0;
}
