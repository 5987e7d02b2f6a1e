/* Nanoseconds that a statement's text costs: scan_text and the hash of its canonical text, which is
 * what a hit pays, scan_shape, and pg_query_scan beside them.
 *
 *     bench_scan [MILLISECONDS_EACH]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <pg_query.h>

#include "base/hash.h"
#include "sql/scan.h"

enum { SCRATCH_LEN = 64 * 1024, BATCH = 64, MILLISECONDS_EACH = 200 };

static const char PGBENCH[] = "SELECT abalance FROM pgbench_accounts WHERE aid = 4711;";

static const char ORM[] =
    "SELECT \"orders\".\"id\", \"orders\".\"customer_id\", \"orders\".\"state\", "
    "\"orders\".\"total_cents\", \"orders\".\"created_at\" FROM \"orders\" INNER JOIN "
    "\"customers\" ON \"customers\".\"id\" = \"orders\".\"customer_id\" WHERE "
    "\"customers\".\"email\" = 'someone@example.com' AND \"orders\".\"state\" IN ('open', 'paid') "
    "ORDER BY \"orders\".\"created_at\" DESC LIMIT 20 "
    "/*application:shop,controller:orders,action:index*/";

/* In the manner of TPC-H question 8, indented as people write it. */
static const char REPORT[] =
    "select\n    o_year,\n    sum(case\n        when nation = 'BRAZIL' then volume\n"
    "        else 0\n    end) / sum(volume) as mkt_share\nfrom (\n    select\n"
    "        extract(year from o_orderdate) as o_year,\n"
    "        l_extendedprice * (1 - l_discount) as volume,\n        n2.n_name as nation\n"
    "    from\n        part,\n        supplier,\n        lineitem,\n        orders,\n"
    "        customer,\n        nation n1,\n        nation n2,\n        region\n    where\n"
    "        p_partkey = l_partkey\n        and s_suppkey = l_suppkey\n"
    "        and l_orderkey = o_orderkey\n        and o_custkey = c_custkey\n"
    "        and c_nationkey = n1.n_nationkey\n        and n1.n_regionkey = r_regionkey\n"
    "        and r_name = 'AMERICA'\n        and s_nationkey = n2.n_nationkey\n"
    "        and o_orderdate between date '1995-01-01' and date '1996-12-31'\n"
    "        and p_type = 'ECONOMY ANODIZED STEEL'\n) as all_nations\ngroup by\n    o_year\n"
    "order by\n    o_year;\n";

static uint8_t scratch[SCRATCH_LEN];
static uint64_t sink;

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void run_scan(struct slice text)
{
    struct scan scan;
    if (scan_text(text, scratch, &scan) != ERR_OK || (scan.flags & SCAN_DOUBT))
        abort();
    sink += scan.canonical_len;
}

static void run_scan_and_hash(struct slice text)
{
    struct scan scan;
    if (scan_text(text, scratch, &scan) != ERR_OK || (scan.flags & SCAN_DOUBT))
        abort();
    sink += hash128_of(scan.canonical, scan.canonical_len).low;
}

static void run_scan_and_shape(struct slice text)
{
    struct scan scan;
    if (scan_text(text, scratch, &scan) != ERR_OK || (scan.flags & SCAN_DOUBT))
        abort();
    sink += scan_shape(slice_of(scan.canonical, scan.canonical_len)).low;
}

static void run_pg_query_scan(struct slice text)
{
    PgQueryScanResult result = pg_query_scan((const char *)text.data);
    sink += result.pbuf.len;
    pg_query_free_scan_result(result);
}

/* The best of many batches: what the code costs when nobody else has the core. */
static double best_ns(void (*run)(struct slice), struct slice text, double limit_ns)
{
    double begin = now_ns();
    double best = 1e18;

    while (now_ns() - begin < limit_ns) {
        double start = now_ns();
        for (int i = 0; i < BATCH; i++)
            run(text);
        double each = (now_ns() - start) / BATCH;
        best = each < best ? each : best;
    }
    return best;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        const char *text;
    } TEXTS[] = {{"pgbench", PGBENCH}, {"orm", ORM}, {"report", REPORT}};
    static const struct {
        const char *name;
        void (*run)(struct slice);
    } RUNS[] = {{"scan_text", run_scan},
                {"scan_text + XXH3-128", run_scan_and_hash},
                {"scan_text + scan_shape", run_scan_and_shape},
                {"pg_query_scan", run_pg_query_scan}};
    double limit_ns = (argc > 1 ? atof(argv[1]) : MILLISECONDS_EACH) * 1e6;

    printf("%-10s %6s  %-24s %10s %8s\n", "text", "bytes", "what", "ns", "ns/byte");
    for (size_t t = 0; t < ARRAY_COUNT(TEXTS); t++) {
        struct slice text = slice_of_text(TEXTS[t].text);
        for (size_t r = 0; r < ARRAY_COUNT(RUNS); r++) {
            double ns = best_ns(RUNS[r].run, text, limit_ns);
            printf("%-10s %6zu  %-24s %10.1f %8.2f\n", TEXTS[t].name, text.len, RUNS[r].name, ns,
                   ns / (double)text.len);
        }
    }
    return sink == 0;
}
