/* From pins to keys: which of the columns that a text pins are keys of its tables, and so which rows
 * a statement reads or writes. Everything that is not proven here leaves the whole table.
 *
 * What holds for a read with a key: its answer depends on no row of that table that has none of the
 * key's values. For a keyed write: each row that it changes, before and after, has one of the key's
 * values in that column, or the column is marked open.
 */
#include "pins.h"

#include "base/hash.h"
#include "catalog_read.h"
#include "facts.h"
#include "scope.h"

struct judge {
    const struct pin_facts *pins;
    const struct catalog *catalog;
    const struct scope *scope;
    struct verdict *out;
    bool overflow;
};

static uint32_t column_number(const char *name)
{
    return (uint32_t)hash64_of(name, strlen(name));
}

const char *verdict_key_name(const struct catalog *catalog, uint32_t oid, uint32_t column)
{
    struct catalog_key keys[CATALOG_KEYS_MAX];
    size_t count = catalog_keys(catalog, oid, keys);

    for (size_t i = 0; i < count; i++)
        if (column_number(keys[i].name) == column)
            return keys[i].name;
    return NULL;
}

/* Only the built-in type has this name: a cast to it is what it seems. */
static bool type_is_plain(const struct judge *judge, const char *name)
{
    const struct catalog *catalog = judge->catalog;
    size_t first;
    size_t count = catalog_find_types(catalog, name, &first);

    for (size_t i = first; i < first + count; i++) {
        const struct catalog_type *type = &catalog->types[catalog->types_by_name[i]];
        if (!type->builtin && scope_has(judge->scope, NULL, type->schema))
            return false;
    }
    return count > 0;
}

/* "=" is Postgres' own, whatever stands beside it. */
static bool equality_is_plain(const struct judge *judge)
{
    const struct catalog_callable *operators;
    size_t count = catalog_find_operators(judge->catalog, "=", &operators);

    for (size_t i = 0; i < count; i++)
        if (scope_has(judge->scope, NULL, operators[i].schema) &&
            !operators[i].meanings[0].read_allowed)
            return false;
    return count > 0;
}

/* Adds the key that `pin` says of column `key`; false if it says nothing. */
static bool key_add(struct judge *judge, const struct pin_fact *pin, const struct catalog_key *key,
                    uint8_t table)
{
    struct verdict *out = judge->out;
    enum key_type type = key_type_of(key->type);
    uint16_t cast = 0;

    if (type == KEY_NONE)
        return false;
    if (pin->cast) {
        cast = key_cast_of(pin->cast, pin->array, type);
        if (!cast || !type_is_plain(judge, pin->cast))
            return false;
    }
    if (out->key_count == VERDICT_KEYS_MAX) {
        judge->overflow = true;
        return false;
    }
    out->keys[out->key_count++] = (struct verdict_key){
        .column = column_number(key->name),
        .number = pin->number,
        .cast = cast,
        .table = table,
        .type = (uint8_t)type,
        .source = pin->source,
        .array = pin->array,
        .assigned = pin->role != PIN_WHERE,
        .once = pin->source == KEY_FROM_PARAMETER && judge->pins->parameters[pin->number] == 1,
    };
    return true;
}

/* Adds the keys of the first group of conditions on `key`; false if there is none. */
static bool group_add(struct judge *judge, unsigned relation, const struct catalog_key *key,
                      uint8_t table)
{
    const struct pin_facts *pins = judge->pins;
    uint8_t before = judge->out->key_count;

    for (unsigned i = 0; i < pins->count; i++) {
        const struct pin_fact *pin = &pins->list[i];
        if (pin->role != PIN_WHERE || pin->relation != relation ||
            strcmp(pin->column, key->name) != 0)
            continue;
        unsigned at = i;
        bool whole = true;
        for (; at < pins->count && pins->list[at].role == PIN_WHERE &&
               pins->list[at].group == pin->group;
             at++)
            whole = whole && key_add(judge, &pins->list[at], key, table);
        if (whole)
            return true;
        judge->out->key_count = before;
        i = at - 1;
    }
    return false;
}

/* ---- reads ---- */

static int read_position(const struct verdict *verdict, uint32_t root)
{
    for (unsigned i = 0; i < verdict->read_count; i++)
        if (verdict->reads[i] == root)
            return (int)i;
    return -1;
}

static bool read_is_pinned(struct judge *judge, unsigned relation,
                           const struct catalog_relation *table)
{
    struct catalog_key keys[CATALOG_KEYS_MAX];
    int position = read_position(judge->out, table->root);

    if (position < 0 || table->row_security || (table->kind != 'r' && table->kind != 'p') ||
        table->reads.count != 1 || judge->catalog->closures[table->reads.first] != table->root)
        return false;
    size_t count = catalog_keys(judge->catalog, table->oid, keys);
    for (size_t i = 0; i < count; i++) { /* unique ones come first */
        if (group_add(judge, relation, &keys[i], (uint8_t)position)) {
            judge->out->keyed_reads |= 1U << position;
            return true;
        }
    }
    return false;
}

static uint32_t whole_closure(const struct judge *judge, const struct closure *reads)
{
    uint32_t whole = 0;

    for (unsigned i = 0; i < reads->count; i++) {
        int position = read_position(judge->out, judge->catalog->closures[reads->first + i]);
        if (position >= 0)
            whole |= 1U << position;
    }
    return whole;
}

/* Tables that the statement reads in a way that no key bounds: the policies of those that it names read
 * more, whichever of them apply. */
static uint32_t whole_reads(const struct judge *judge, const struct catalog_relation *table)
{
    uint32_t whole = whole_closure(judge, &table->reads);

    for (uint32_t i = 0; i < table->policy_count; i++)
        whole |= whole_closure(judge, &judge->catalog->policies[table->first_policy + i].reads);
    int position = read_position(judge->out, table->root);
    return position >= 0 ? whole | 1U << position : whole;
}

static void reads_judge(struct judge *judge)
{
    const struct catalog *catalog = judge->catalog;
    uint32_t whole = 0;

    for (unsigned i = 0; i < judge->pins->relation_count; i++) {
        const struct pin_relation *relation = &judge->pins->relations[i];
        size_t first;
        size_t count = catalog_find_named(catalog, relation->name, &first);

        for (size_t at = first; at < first + count; at++) {
            const struct catalog_relation *table =
                &catalog->relations[catalog->relations_by_name[at]];
            if (!scope_has(judge->scope, relation->schema, table->schema))
                continue;
            if (!read_is_pinned(judge, i, table))
                whole |= whole_reads(judge, table);
        }
    }
    judge->out->keyed_reads &= ~whole;
}

/* ---- writes ---- */

/* The one table that is written; NULL if it is not certain which. */
static const struct catalog_relation *written_table(const struct judge *judge,
                                                    const struct facts *facts)
{
    const struct pin_relation *relation = &judge->pins->relations[0];
    const struct catalog_relation *found = NULL;
    unsigned writes = 0;
    size_t first;
    size_t count = catalog_find_named(judge->catalog, relation->name, &first);

    for (unsigned i = 0; i < facts->count; i++)
        writes += facts->list[i].kind == FACT_INSERT || facts->list[i].kind == FACT_WRITE ||
                  facts->list[i].kind == FACT_TRUNCATE ||
                  facts->list[i].kind == FACT_TRUNCATE_CASCADE;
    for (size_t at = first; at < first + count; at++) {
        const struct catalog_relation *table =
            &judge->catalog->relations[judge->catalog->relations_by_name[at]];
        if (!scope_has(judge->scope, relation->schema, table->schema))
            continue;
        if (found)
            return NULL;
        found = table;
    }
    if (!found || writes != 1 || found->system || found->temporary ||
        (found->kind != 'r' && found->kind != 'p'))
        return NULL;
    return found;
}

/* The position of a column among those of its table that are there, as INSERT without names counts
 * them. */
static unsigned column_position(const struct catalog *catalog, uint32_t relation, uint16_t number)
{
    const struct catalog_column *first;
    size_t count = catalog_find_columns(catalog, relation, &first);
    unsigned before = 0;

    for (size_t i = 0; i < count; i++)
        before += first[i].number < number;
    return before;
}

/* What UPDATE gives to the column: true if that is known. */
static bool set_is_known(struct judge *judge, const struct catalog_key *key, uint8_t table)
{
    for (unsigned i = 0; i < judge->pins->count; i++) {
        const struct pin_fact *pin = &judge->pins->list[i];
        if (pin->role != PIN_SET || strcmp(pin->column, key->name) != 0)
            continue;
        if (pin->source == KEY_FROM_ELSEWHERE)
            return false;
        if (pin->source != KEY_FROM_NULL && !key_add(judge, pin, key, table))
            return false;
    }
    return true;
}

/* What the new rows have in the column: true if that is known. */
static bool insert_is_known(struct judge *judge, const struct catalog_relation *relation,
                            const struct catalog_key *key, uint8_t table)
{
    unsigned position = column_position(judge->catalog, relation->oid, key->number);
    unsigned given = 0;

    for (unsigned i = 0; i < judge->pins->count; i++) {
        const struct pin_fact *pin = &judge->pins->list[i];
        if (pin->column ? strcmp(pin->column, key->name) != 0 : pin->position != position)
            continue;
        given++;
        if (pin->source == KEY_FROM_ELSEWHERE)
            return false;
        if (pin->source != KEY_FROM_NULL && !key_add(judge, pin, key, table))
            return false;
    }
    /* Where it is not given it becomes NULL, which equals nothing, unless there is a default. */
    return given == judge->pins->rows || (given == 0 && !key->filled);
}

static bool column_is_known(struct judge *judge, const struct catalog_relation *relation,
                            const struct catalog_key *key, uint8_t table)
{
    switch (judge->pins->kind) {
    case PINS_INSERT:
        return insert_is_known(judge, relation, key, table);
    case PINS_UPDATE:
        return group_add(judge, 0, key, table) && set_is_known(judge, key, table);
    case PINS_DELETE:
        return group_add(judge, 0, key, table);
    case PINS_NONE:
    case PINS_READ:
        break;
    }
    return false;
}

static void write_judge(struct judge *judge, const struct facts *facts)
{
    struct verdict *out = judge->out;
    const struct catalog_relation *relation = written_table(judge, facts);
    struct catalog_key keys[CATALOG_KEYS_MAX];
    unsigned known = 0;
    uint8_t table = 0;

    if (!relation || !catalog_writes_by_key(judge->catalog, relation->oid))
        return;
    while (table < out->write_count && out->writes[table] != relation->root)
        table++;
    if (table == out->write_count)
        return;
    size_t count = catalog_keys(judge->catalog, relation->oid, keys);
    for (size_t i = 0; i < count; i++) {
        uint8_t before = out->key_count;
        bool is_known = column_is_known(judge, relation, &keys[i], table);
        if (!is_known)
            out->key_count = before;
        known += is_known;
        out->columns[i] =
            (struct verdict_column){.column = column_number(keys[i].name), .open = !is_known};
    }
    if (!known)
        return;
    out->keyed_write = table;
    out->column_count = (uint8_t)count;
}

void pins_judge(const struct facts *facts, const struct catalog *catalog, const struct scope *scope,
                struct verdict *out)
{
    struct judge judge = {.pins = &facts->pins, .catalog = catalog, .scope = scope, .out = out};
    bool reads = facts->pins.kind == PINS_READ && out->reason == REASON_NONE;
    bool writes = facts->pins.kind != PINS_NONE && facts->pins.kind != PINS_READ &&
                  !(out->effects & EFFECT_WRITES_ALL) && out->write_count > 0;

    if (!(reads || writes) || !equality_is_plain(&judge))
        return;
    if (reads)
        reads_judge(&judge);
    else
        write_judge(&judge, facts);
    if (!judge.overflow)
        return;
    out->keyed_reads = 0;
    out->key_count = out->column_count = 0;
}
