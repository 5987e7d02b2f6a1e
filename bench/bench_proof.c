/* What a verdict costs: remembered, seen for the first time, and beside it what parsing every text
 * would cost, and handing the work to another thread. On the catalog of a Postgres of its own, with
 * TPC-H's tables and an application's.
 *
 *     bench_proof [MILLISECONDS_EACH]
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif

#include <pg_query.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
#include <pg_query/pg_query.pb-c.h>
#pragma GCC diagnostic pop

#include "base/hash.h"
#include "base/macros.h"
#include "scratch.h"
#include "sql/catalog.h"
#include "sql/scan.h"
#include "sql/verdict.h"

enum { FILE_MAX = 64 * 1024, SCRATCH_LEN = 64 * 1024, BATCH = 16, MILLISECONDS_EACH = 200 };
enum { MEMO_SLOTS = 1024 };

static const char POINT[] = "SELECT abalance FROM pgbench_accounts WHERE aid = 4711";
static const char ORM[] =
    "SELECT \"blog_post\".\"id\", \"blog_post\".\"title\", \"blog_post\".\"published_at\" FROM"
    " \"blog_post\" INNER JOIN \"blog_author\" ON (\"blog_post\".\"author_id\" ="
    " \"blog_author\".\"id\") WHERE (\"blog_author\".\"name\" = 'x' AND"
    " \"blog_post\".\"published_at\" >= '2024-01-01'::timestamptz) ORDER BY"
    " \"blog_post\".\"published_at\" DESC LIMIT 10";

struct text {
    const char *name;
    struct slice sql;
    struct scan scan;
    uint8_t space[SCRATCH_LEN];
};

static struct text texts[3];
static struct catalog *catalog;
static struct verdict_memo *memo;
static const struct proof_scope scope = {.search_path = {(const uint8_t *)"\"$user\", public", 15},
                                         .current_user = {(const uint8_t *)"app", 3}};
static uint64_t sink;

static double now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double now_cycles(void)
{
#ifdef __x86_64__
    return (double)__rdtsc();
#else
    return 0;
#endif
}

/* --- what is measured --- */

static void run_scan(struct text *text)
{
    (void)!scan_text(text->sql, text->space, &text->scan);
    sink += hash128_of(text->scan.canonical, text->scan.canonical_len).low;
}

static void run_pg_query_scan(struct text *text)
{
    PgQueryScanResult result = pg_query_scan((const char *)text->sql.data);

    sink += result.pbuf.len;
    pg_query_free_scan_result(result);
}

static struct hash128 memo_key(const struct text *text)
{
    struct slice canonical = slice_of(text->scan.canonical, text->scan.canonical_len);

    return proof_scope_mix(&scope, scan_shape(canonical));
}

static void run_memo(struct text *text)
{
    const struct verdict *known = verdict_memo_get(memo, memo_key(text), 1);

    sink += known ? known->read_count : 0;
}

static void run_first_sight(struct text *text)
{
    struct verdict verdict;

    verdict_prove(text->sql, text->scan.flags, catalog, &scope, &verdict);
    sink += verdict_memo_put(memo, memo_key(text), &verdict)->read_count;
}

static void run_parse(struct text *text)
{
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf((const char *)text->sql.data);
    PgQuery__ParseResult *result = pg_query__parse_result__unpack(
        NULL, parsed.parse_tree.len, (const uint8_t *)parsed.parse_tree.data);

    sink += result->n_stmts;
    pg_query__parse_result__free_unpacked(result, NULL);
    pg_query_free_protobuf_parse_result(parsed);
}

/* --- the same on a thread of its own, which sleeps between two texts --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t asked = PTHREAD_COND_INITIALIZER;
static pthread_cond_t answered = PTHREAD_COND_INITIALIZER;
static struct text *question;
static bool ended;

static void *analyst(void *context)
{
    (void)context;
    (void)pthread_mutex_lock(&lock);
    while (!ended) {
        while (!question && !ended)
            (void)pthread_cond_wait(&asked, &lock);
        if (question)
            run_first_sight(question);
        question = NULL;
        (void)pthread_cond_signal(&answered);
    }
    (void)pthread_mutex_unlock(&lock);
    return NULL;
}

static void run_on_thread(struct text *text)
{
    (void)pthread_mutex_lock(&lock);
    question = text;
    (void)pthread_cond_signal(&asked);
    while (question)
        (void)pthread_cond_wait(&answered, &lock);
    (void)pthread_mutex_unlock(&lock);
}

/* --- the bench --- */

struct cost {
    double ns;
    double cycles;
};

/* The best of many batches: what the code costs when nobody else has the core. */
static struct cost best_of(void (*run)(struct text *), struct text *text, double limit_ns)
{
    double begin = now_ns();
    struct cost best = {1e18, 1e18};

    while (now_ns() - begin < limit_ns) {
        double start = now_ns();
        double start_cycles = now_cycles();
        for (int i = 0; i < BATCH; i++)
            run(text);
        double cycles = (now_cycles() - start_cycles) / BATCH;
        double ns = (now_ns() - start) / BATCH;
        best.ns = ns < best.ns ? ns : best.ns;
        best.cycles = cycles < best.cycles ? cycles : best.cycles;
    }
    return best;
}

/* Statements end with a ';' at the end of a line. The last one is returned if `each` is NULL. */
static void file_run(struct scratch *server, const char *name, const char *wanted, char **out)
{
    char path[512];
    char *text = calloc(1, FILE_MAX);

    (void)snprintf(path, sizeof(path), "%s/%s", SHAPES_DIR, name);
    FILE *file = fopen(path, "r");
    if (!file || !text || fread(text, 1, FILE_MAX - 1, file) == 0)
        abort();
    (void)fclose(file);
    for (char *at = text, *end; (end = strstr(at, ";\n")) != NULL; at = end + 2) {
        *end = '\0';
        if (out && strstr(at, wanted))
            *out = strdup(at);
        if (!out)
            scratch_run(server, at);
    }
    free(text);
}

static void text_set(struct text *text, const char *name, const char *sql)
{
    struct verdict verdict;

    text->name = name;
    text->sql = slice_of_text(sql);
    run_scan(text);
    verdict_prove(text->sql, text->scan.flags, catalog, &scope, &verdict);
    if (verdict.reason != REASON_NONE)
        (void)fprintf(stderr, "%s is not cached: %s\n", name, reason_text(verdict.reason));
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct text *);
    } RUNS[] = {{"scan and hash", run_scan},
                {"pg_query_scan", run_pg_query_scan},
                {"verdict, remembered", run_memo},
                {"verdict, first sight", run_first_sight},
                {"the same on a thread", run_on_thread},
                {"parse alone", run_parse}};
    double limit_ns = (argc > 1 ? atof(argv[1]) : MILLISECONDS_EACH) * 1e6;
    struct scratch server;
    char *report = NULL;
    pthread_t thread;

    if (scratch_start(&server) != 0) {
        (void)fprintf(stderr, "there is no Postgres here to start\n");
        return 1;
    }
    file_run(&server, "schema.sql", NULL, NULL);
    scratch_run(&server, "CREATE TABLE pgbench_accounts (aid int PRIMARY KEY, abalance int)");
    file_run(&server, "tpch.sql", "mkt_share", &report);
    catalog = scratch_catalog(&server, 1);
    scratch_stop(&server);
    memo = verdict_memo_create(MEMO_SLOTS);
    text_set(&texts[0], "pgbench", POINT);
    text_set(&texts[1], "orm", ORM);
    text_set(&texts[2], "TPC-H 8", report ? report : POINT);
    if (pthread_create(&thread, NULL, analyst, NULL) != 0)
        return 1;
    printf("%-8s %6s  %-22s %10s %8s %12s\n", "text", "bytes", "what", "ns", "ns/byte",
           "cycles/byte");
    for (size_t t = 0; t < ARRAY_COUNT(texts); t++) {
        for (size_t r = 0; r < ARRAY_COUNT(RUNS); r++) {
            struct cost cost = best_of(RUNS[r].run, &texts[t], limit_ns);
            double len = (double)texts[t].sql.len;

            printf("%-8s %6.0f  %-22s %10.0f %8.2f %12.2f\n", texts[t].name, len, RUNS[r].name,
                   cost.ns, cost.ns / len, cost.cycles / len);
        }
    }
    (void)pthread_mutex_lock(&lock);
    ended = true;
    (void)pthread_cond_signal(&asked);
    (void)pthread_mutex_unlock(&lock);
    (void)pthread_join(thread, NULL);
    verdict_memo_destroy(memo);
    catalog_unref(catalog);
    free(report);
    return sink == 0;
}
