/* Any text, through the scanner and the proof, with a small catalog and without: no crash, and
 * verdicts that agree with themselves. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sql/catalog.h"
#include "sql/scan.h"
#include "sql/verdict.h"

enum { INPUT_MAX = 4096, COLUMNS_MAX = 12 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* The first column is the query that the row answers. NULL ends a row early: an SQL NULL never
 * occurs in these. */
static const char *const rows[][COLUMNS_MAX + 1] = {
    {"0", "23", "int4", "t", "b", "0", "0", "pg_catalog", ""},
    {"0", "25", "text", "t", "b", "0", "0", "pg_catalog", ""},
    {"0", "1082", "date", "t", "b", "0", "0", "pg_catalog", ""},
    {"0", "1184", "timestamptz", "t", "b", "0", "0", "pg_catalog", ""},
    {"0", "1009", "_text", "t", "b", "25", "0", "pg_catalog", ""},
    {"0", "2205", "regclass", "t", "b", "0", "0", "pg_catalog", ""},
    {"0", "20000", "mood", "f", "e", "0", "0", "public", ""},
    {"0", "20002", "citext", "f", "b", "0", "0", "public", "citext"},
    {"0", "20001", "dm", "f", "d", "0", "23", "public", ""},
    {"1", "100", "lower", "t", "pg_catalog", "i", "f", "t", "", "25", "0", "f", "25"},
    {"1", "101", "now", "t", "pg_catalog", "s", "f", "t", "", "", "0", "f", "1184"},
    {"1", "102", "date_trunc", "t", "pg_catalog", "s", "f", "t", "", "25 1184", "0", "f", "1184"},
    {"1", "103", "count", "t", "pg_catalog", "i", "a", "t", "", "2276", "0", "f", "23"},
    {"1", "104", "random", "t", "pg_catalog", "v", "f", "t", "", "", "0", "f", "23"},
    {"1", "105", "int4eq", "t", "pg_catalog", "i", "f", "t", "", "23 23", "0", "f", "23"},
    {"1", "106", "set_config", "t", "pg_catalog", "v", "f", "t", "", "25 25", "0", "f", "25"},
    {"1", "20100", "f", "f", "public", "v", "f", "f", "", "", "0", "f", "23"},
    {"1", "20101", "citext_eq", "f", "public", "i", "f", "t", "citext", "20002 20002", "0", "f",
     "23"},
    {"2", "20102", "=", "f", "20002", "20002", "20101", "public"},
    {"2", "96", "=", "t", "23", "23", "105", "pg_catalog"},
    {"2", "97", "<", "t", "23", "23", "105", "pg_catalog"},
    {"2", "98", "+", "t", "23", "23", "105", "pg_catalog"},
    {"5", "C", "t"},
    {"6", "1259", "pg_catalog", "pg_class", "r", "p", "f", "f", "20300"},
    {"6", "20200", "public", "t", "r", "p", "f", "f", "20300"},
    {"6", "20201", "public", "u", "r", "p", "f", "f", "20300"},
    {"6", "20202", "s", "t", "p", "p", "f", "f", "20300"},
    {"6", "20203", "public", "v", "v", "p", "f", "f", "20300"},
    {"6", "20204", "public", "secret", "r", "p", "t", "f", "20300"},
    {"7", "20201", "20202"},
    {"8", "20200", "a", "23", "1", "-1", "t", "f", "f", "f"},
    {"8", "20200", "d", "1082", "2", "-1", "t", "f", "f", "f"},
    {"8", "20201", "s", "25", "1", "-1", "t", "f", "t", "f"},
    {"8", "20203", "a", "23", "1", "-1", "t", "f", "f", "f"},
    {"9", "20201", "20200", "t"},
    {"10", "20202", "20100", "5"},
    {"13", "20201", "1", "t"},
    {"14", "20100", "p", "", "-", "BEGIN UPDATE s.t SET a = 1; RETURN 1; END", "", ""},
    {"11", "v", "20203",
     "({QUERY :rtable ({RTE :relid 20200}) :targetList ({TARGETENTRY :expr {OPEXPR :opno 96"
     " :opfuncid 105 :opresulttype 23}})})",
     ""},
    {"11", "p", "20204", "({QUERY :rtable ({RTE :relid 20201})})", "{20301,20302}"},
    {"11", "p", "20204", "{FUNCEXPR :funcid 101 :funcresulttype 1184}", "{20302}"},
    {"17", "20300", "keeper", "f", "f", "f"},
    {"17", "20301", "readers", "f", "f", "f"},
    {"17", "20302", "others", "f", "f", "f"},
    {"17", "20303", "alice", "f", "f", "t"},
    {"18", "20303", "20301"},
    {"19", "0", "20303", "search_path", "s, public"},
};

static struct catalog *catalog_make(void)
{
    struct catalog_builder *builder = catalog_builder_create();
    struct catalog *catalog = NULL;

    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct slice values[COLUMNS_MAX];
        unsigned count = 0;

        while (count < COLUMNS_MAX && rows[i][count + 1]) {
            values[count] = slice_of_text(rows[i][count + 1]);
            count++;
        }
        if (catalog_builder_add(builder, (unsigned)atoi(rows[i][0]), values, count) != ERR_OK)
            abort();
    }
    if (catalog_builder_finish(builder, 1, &catalog) != ERR_OK)
        abort();
    return catalog;
}

static void verdict_check(const struct verdict *verdict, unsigned scan_flags)
{
    ASSERT((unsigned)verdict->reason < REASON_COUNT && (unsigned)verdict->pin < PIN_COUNT);
    ASSERT(verdict->read_count <= VERDICT_TABLES_MAX);
    ASSERT(verdict->write_count <= VERDICT_TABLES_MAX);
    ASSERT(strnlen(verdict->object, VERDICT_OBJECT_MAX) < VERDICT_OBJECT_MAX);
    ASSERT(((verdict->effects & EFFECT_PIN) != 0) == (verdict->pin != PIN_NONE));
    if (verdict->effects & EFFECT_ASK)
        ASSERT(verdict->effects & EFFECT_WRITES_ALL);
    if (verdict->reason == REASON_NONE)
        ASSERT(verdict->effects == 0 && verdict->write_count == 0);
    else
        ASSERT(verdict->read_count == 0 || verdict->forceable);
    if (verdict->effects & EFFECT_WRITES_ALL)
        ASSERT(verdict->write_count == 0);
    if (scan_flags & (SCAN_DOUBT | SCAN_SEVERAL | SCAN_EMPTY))
        ASSERT(verdict->reason != REASON_NONE);
    if (scan_flags & SCAN_DOUBT)
        ASSERT(verdict->effects & EFFECT_WRITES_ALL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct catalog *catalog;
    struct scan scan;
    struct verdict verdict;

    if (len > INPUT_MAX)
        return -1;
    if (!catalog)
        catalog = catalog_make();
    /* Half of the inputs are also read as a search_path. */
    const struct proof_scope path = {slice_of(data, len), slice_of_text("alice")};
    const struct proof_scope *scope = len % 2 ? &path : NULL;
    uint8_t *scratch = malloc(len + 16);
    if (scan_text(slice_of(data, len), scratch, &scan) != ERR_OK)
        scan.flags = SCAN_DOUBT;
    verdict_prove(slice_of(data, len), scan.flags, catalog, scope, &verdict);
    verdict_check(&verdict, scan.flags);
    if (verdict.reason == REASON_NONE) {
        /* What is left after scanning means the same. */
        struct verdict canonical;

        verdict_prove(slice_of(scan.canonical, scan.canonical_len), scan.flags, catalog, scope,
                      &canonical);
        ASSERT(canonical.reason == REASON_NONE && canonical.read_count == verdict.read_count);
        ASSERT(memcmp(canonical.reads, verdict.reads, sizeof(verdict.reads)) == 0);
    }
    verdict_prove(slice_of(data, len), scan.flags, NULL, scope, &verdict);
    verdict_check(&verdict, scan.flags);
    ASSERT(verdict.reason != REASON_NONE);
    free(scratch);
    return 0;
}
