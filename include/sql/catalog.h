/* An immutable snapshot of what a database's catalog says about its tables, functions, operators
 * and types: what the proofs of sql/verdict.h stand on.
 *
 * It is built once from the rows of a fixed list of queries (catalog_query), then shared between
 * threads by counted references and swapped whole.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/slice.h"

struct catalog;
struct catalog_builder;

/* The queries that make a snapshot, in the order in which their rows are to be added. All run in
 * one REPEATABLE READ READ ONLY transaction with search_path = pg_catalog. */
unsigned catalog_query_count(void);
const char *catalog_query(unsigned index);

/* A cheap query with one row of one text column: when it differs from the snapshot's, reload. It
 * moves with DDL, GRANT, roles, policies, settings of roles, and reloads of the configuration. */
const char *catalog_fingerprint_query(void);

struct catalog_builder *catalog_builder_create(void);
void catalog_builder_destroy(struct catalog_builder *builder);

/* Adds one row of query `index`. Values are texts as libpq gives them; data == NULL is NULL.
 * ERR_MALFORMED  not the columns that the query has. */
MUST_USE enum err catalog_builder_add(struct catalog_builder *builder, unsigned index,
                                      const struct slice *values, unsigned count);

/* Ends the build and takes the builder along, whatever comes of it. `version` is the number that
 * verdicts made on this snapshot carry. */
MUST_USE enum err catalog_builder_finish(struct catalog_builder *builder, uint64_t version,
                                         struct catalog **out);

struct catalog *catalog_ref(struct catalog *catalog);
void catalog_unref(struct catalog *catalog);
uint64_t catalog_version(const struct catalog *catalog);
size_t catalog_bytes(const struct catalog *catalog);

/* The OID under which generations of relation `oid` run: the root of its partition or inheritance
 * tree, else itself. */
uint32_t catalog_root(const struct catalog *catalog, uint32_t oid);

/* "schema.name" of a relation, or NULL. Lives as long as the snapshot. */
const char *catalog_relation_name(const struct catalog *catalog, uint32_t oid);

/* What a write to relation `oid` may change, whatever the write is: triggers, rules, foreign keys
 * followed. Up to VERDICT_TABLES_MAX roots go to `out` (sql/verdict.h), their number to *out_count.
 * False: more than that, not known, or no relation of the snapshot; it may be every table. */
bool catalog_write_closure(const struct catalog *catalog, uint32_t oid, uint32_t *out,
                           size_t *out_count);

/* A column whose value a statement may pin ("c = 5"): it leads an index, values of its type that are
 * equal are the same bytes, and no expression computes it. */
struct catalog_key {
    const char *name; /* what the key is known by in its tree, with catalog_root: numbers of a
                       * partition's columns may differ. Lives as long as the snapshot. */
    uint32_t type;    /* bool, int2, int4, int8, oid, uuid, text or varchar */
    int32_t typmod;   /* of varchar(n): n + 4, or -1 */
    uint16_t number;  /* pg_attribute.attnum in the relation that was asked for */
    bool unique;      /* no two rows of the table have the same */
    bool filled; /* a row may get a value that its statement does not show: DEFAULT, identity */
};

enum { CATALOG_KEYS_MAX = 8 };

/* The keys of relation `oid` (CATALOG_KEYS_MAX of them at most, go to `out`) and how many they are.
 * All members of a partition tree have the same. Another snapshot may have others: whoever works
 * with keys of one must take a write that was judged on another for one of unknown rows. */
size_t catalog_keys(const struct catalog *catalog, uint32_t oid, struct catalog_key *out);

/* May a write to relation `oid` be told by its rows: does it change, in that tree, only the rows and
 * keys that its text names? Not with BEFORE triggers, rules, or anything that leads from the tree
 * back to it (a foreign key to itself, a trigger that writes it). The other tables of its closure
 * change in ways that no text shows. */
bool catalog_writes_by_key(const struct catalog *catalog, uint32_t oid);

/* What the snapshot says of a role. */
struct catalog_role_facts {
    bool found;
    bool login;
    bool superuser;
    bool bypasses; /* row security, by BYPASSRLS */
};
struct catalog_role_facts catalog_role_facts(const struct catalog *catalog, const char *name);

/* The settings with which sessions of a role begin in this database, as ALTER ROLE and ALTER DATABASE say:
 * one call each, the one that prevails where several name the same. Texts live as long as the snapshot. */
typedef void catalog_on_setting(void *context, const char *name, const char *value);
void catalog_each_role_setting(const struct catalog *catalog, const char *role,
                               catalog_on_setting *on_setting, void *context);

/* OIDs of the relations of that name ("x" in any schema, or "s.x"); at most `max`, returns how
 * many there are. For FLUSH TABLE. */
size_t catalog_relations_named(const struct catalog *catalog, struct slice name, uint32_t *out,
                               size_t max);
