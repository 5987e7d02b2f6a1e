/* The LRU of statements.h: a table from id to node, and the nodes in a list by last use. */
#include "upstream/statements.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/link.h"
#include "base/mem.h"
#include "base/table.h"

struct statement {
    struct link link;
    uint64_t id;
    struct prototype *prototype; /* a reference; NULL: not known */
};

struct server_statements {
    struct table by_id;
    struct link recent; /* most recently used first */
    unsigned max;
    _Atomic(unsigned) count; /* of by_id, for other threads */
};

static struct slice key_of(const uint64_t *id)
{
    return slice_of(id, sizeof(*id));
}

static void note_count(struct server_statements *statements)
{
    atomic_store_explicit(&statements->count, (unsigned)statements->by_id.count,
                          memory_order_relaxed);
}

struct server_statements *statements_create(unsigned max)
{
    struct server_statements *statements = mem_zero(1, sizeof(*statements));
    table_init(&statements->by_id);
    link_init(&statements->recent);
    statements->max = max ? max : 1;
    return statements;
}

void statements_destroy(struct server_statements *statements)
{
    if (!statements)
        return;
    statements_clear(statements);
    mem_free(statements);
}

bool statements_touch(struct server_statements *statements, uint64_t id)
{
    struct statement *statement = table_get(&statements->by_id, key_of(&id));
    if (!statement)
        return false;
    link_remove(&statement->link);
    link_prepend(&statements->recent, &statement->link);
    return true;
}

void statements_set_prototype(struct server_statements *statements, uint64_t id,
                              struct prototype *prototype)
{
    struct statement *statement = table_get(&statements->by_id, key_of(&id));
    if (!statement)
        return;
    prototype_unref(statement->prototype);
    statement->prototype = prototype_ref(prototype);
}

struct prototype *statements_prototype(const struct server_statements *statements, uint64_t id)
{
    const struct statement *statement = table_get(&statements->by_id, key_of(&id));
    return statement ? statement->prototype : NULL;
}

static void forget(struct statement *statement)
{
    link_remove(&statement->link);
    prototype_unref(statement->prototype);
    mem_free(statement);
}

static void add(struct server_statements *statements, uint64_t id,
                void (*place)(struct link *list, struct link *link))
{
    struct statement *statement = mem_zero(1, sizeof(*statement));
    statement->id = id;
    place(&statements->recent, &statement->link);
    table_put(&statements->by_id, key_of(&id), statement);
    note_count(statements);
}

uint64_t statements_add(struct server_statements *statements, uint64_t id)
{
    ASSERT(id != 0);
    if (statements_touch(statements, id))
        return 0;
    add(statements, id, link_prepend);
    if (statements->by_id.count <= statements->max)
        return 0;
    struct statement *oldest = CONTAINER_OF(statements->recent.prev, struct statement, link);
    uint64_t evicted = oldest->id;
    statements_remove(statements, evicted);
    return evicted;
}

void statements_restore(struct server_statements *statements, uint64_t id)
{
    if (!table_get(&statements->by_id, key_of(&id)))
        add(statements, id, link_append);
}

void statements_remove(struct server_statements *statements, uint64_t id)
{
    struct statement *statement = table_remove(&statements->by_id, key_of(&id));
    if (!statement)
        return;
    forget(statement);
    note_count(statements);
}

void statements_clear(struct server_statements *statements)
{
    struct link *first;
    while ((first = link_first(&statements->recent)) != NULL)
        forget(CONTAINER_OF(first, struct statement, link));
    table_fini(&statements->by_id);
    note_count(statements);
}

struct server_statements *statements_take(struct server_statements *statements)
{
    struct server_statements *taken = statements_create(statements->max);
    struct link *first;
    while ((first = link_first(&statements->recent)) != NULL) {
        link_remove(first);
        link_append(&taken->recent, first);
    }
    taken->by_id = statements->by_id;
    note_count(taken);
    table_init(&statements->by_id);
    note_count(statements);
    return taken;
}

void statements_put_back(struct server_statements *statements,
                         const struct server_statements *taken)
{
    LINK_EACH (&taken->recent, at) {
        const struct statement *statement = CONTAINER_OF(at, struct statement, link);
        statements_restore(statements, statement->id);
        statements_set_prototype(statements, statement->id, statement->prototype);
    }
}

unsigned statements_count(const struct server_statements *statements)
{
    return atomic_load_explicit(&statements->count, memory_order_relaxed);
}

static pthread_once_t prefix_once = PTHREAD_ONCE_INIT;
static uint64_t prefix;

static void make_prefix(void)
{
    clock_random(&prefix, sizeof(prefix));
}

unsigned statement_name(uint64_t id, char out[STATEMENT_NAME_MAX])
{
    ASSERT(pthread_once(&prefix_once, make_prefix) == 0);
    return (unsigned)snprintf(out, STATEMENT_NAME_MAX, "pgrecall_%016" PRIx64 "_%" PRIu64, prefix,
                              id);
}
