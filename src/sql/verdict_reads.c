/* For people: which relations a text names, and what each of them stands for. */
#include "analyze.h"
#include "catalog_read.h"
#include "facts.h"
#include "sql/verdict.h"

void verdict_each_read(struct slice text, const struct catalog *catalog, verdict_on_read *on_read,
                       void *context)
{
    struct facts facts;

    facts_init(&facts);
    analyze_text(text, &facts);
    for (unsigned i = 0; i < facts.count; i++) {
        const struct fact *fact = &facts.list[i];
        size_t first;

        if (fact->kind != FACT_READ)
            continue;
        size_t count = catalog_find_named(catalog, fact->name, &first);
        for (size_t at = first; at < first + count; at++) {
            const struct catalog_relation *relation =
                &catalog->relations[catalog->relations_by_name[at]];

            if (fact->schema && strcmp(fact->schema, relation->schema) != 0)
                continue;
            if (relation->reads.count > 0)
                on_read(context, relation->full_name, catalog->closures + relation->reads.first,
                        relation->reads.count);
        }
    }
    facts_fini(&facts);
}
