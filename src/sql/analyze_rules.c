/* What each kind of node inside a query means: one rule a kind.
 *
 * A kind that is not listed makes a text uncacheable (analyze.c). To allow one, show here that
 * whatever it calls by itself, without a name in the text, is covered: "=" for IN, CASE x WHEN,
 * USING and NULLIF; the default operator classes of built-in types for DISTINCT, GROUP BY and ORDER BY.
 *
 * Source  src/backend/parser/parse_expr.c, parse_func.c of PostgreSQL 15 for what a node may call.
 */
#include "analyze_walk.h"

#include "reach.h"

static const char *const system_columns[] = {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"};

bool walk_listed(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, list[i]) == 0)
            return true;
    }
    return false;
}

bool walk_is_temporary(const PgQuery__RangeVar *relation)
{
    return (relation->relpersistence && strcmp(relation->relpersistence, "t") == 0) ||
           (relation->schemaname && strncmp(relation->schemaname, "pg_temp", 7) == 0);
}

static const char *text_or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

void walk_relation(struct walk *walk, enum fact_kind kind, const PgQuery__RangeVar *relation)
{
    if (!relation)
        return;
    if (walk->plan_only)
        kind = FACT_READ;
    facts_add(walk->facts, kind, text_or_null(relation->schemaname),
              relation->relname ? relation->relname : "", 0);
}

void walk_creates(struct walk *walk, const PgQuery__RangeVar *relation)
{
    if (walk->plan_only)
        return;
    if (relation && walk_is_temporary(relation))
        facts_pin(walk->facts, PIN_TEMPORARY, 0);
    walk->facts->reach |= REACH_EVENTS;
    if (!relation || !relation->relpersistence || strcmp(relation->relpersistence, "t") != 0)
        walk->facts->effects |= EFFECT_WRITES_ALL | EFFECT_DDL;
}

static bool on_range_var(struct walk *walk, const ProtobufCMessage *message)
{
    walk_relation(walk, FACT_READ, (const PgQuery__RangeVar *)message);
    return true; /* the alias may name columns */
}

static bool on_select(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__SelectStmt *select = (const PgQuery__SelectStmt *)message;

    walk->facts->planned = true;
    if (select->op != PG_QUERY__SET_OPERATION__SETOP_NONE || select->where_clause ||
        select->having_clause || select->limit_count || select->limit_offset ||
        select->n_values_lists > 1)
        walk->facts->coerces = true;
    walk->facts->selects++;
    if (select->n_locking_clause > 0)
        facts_deny(walk->facts, REASON_ROW_LOCK, NULL);
    return true;
}

static bool on_into(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__RangeVar *relation = ((const PgQuery__IntoClause *)message)->rel;

    walk_creates(walk, relation);
    walk_makes_plain(walk, relation);
    return false;
}

static bool on_locking(struct walk *walk, const ProtobufCMessage *message)
{
    (void)walk; /* it names aliases */
    (void)message;
    return false;
}

static bool on_insert(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__InsertStmt *insert = (const PgQuery__InsertStmt *)message;
    const PgQuery__OnConflictClause *conflict = insert->on_conflict_clause;
    bool updates = conflict && conflict->action != PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_NOTHING;

    walk->facts->planned = true;
    walk->facts->coerces = true;
    walk_relation(walk, updates ? FACT_WRITE : FACT_INSERT, insert->relation);
    return true;
}

static bool on_update(struct walk *walk, const ProtobufCMessage *message)
{
    walk->facts->planned = true;
    walk->facts->coerces = true;
    walk_relation(walk, FACT_WRITE, ((const PgQuery__UpdateStmt *)message)->relation);
    return true;
}

static bool on_delete(struct walk *walk, const ProtobufCMessage *message)
{
    walk->facts->planned = true;
    walk->facts->coerces = true;
    walk_relation(walk, FACT_WRITE, ((const PgQuery__DeleteStmt *)message)->relation);
    return true;
}

static bool on_merge(struct walk *walk, const ProtobufCMessage *message)
{
    walk->facts->planned = true;
    walk->facts->coerces = true;
    walk_relation(walk, FACT_WRITE, ((const PgQuery__MergeStmt *)message)->relation);
    return true;
}

static void labels_add(struct walk *walk, PgQuery__Node *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *name = walk_string(names[i]);

        if (name)
            facts_add(walk->facts, FACT_LABEL, NULL, name, 0);
    }
}

static bool on_cte(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__CommonTableExpr *cte = (const PgQuery__CommonTableExpr *)message;

    facts_add(walk->facts, FACT_CTE, NULL, cte->ctename ? cte->ctename : "", 0);
    labels_add(walk, cte->aliascolnames, cte->n_aliascolnames);
    return true;
}

static bool on_alias(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__Alias *alias = (const PgQuery__Alias *)message;

    labels_add(walk, alias->colnames, alias->n_colnames);
    return false;
}

static bool on_target(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__ResTarget *target = (const PgQuery__ResTarget *)message;

    if (text_or_null(target->name))
        facts_add(walk->facts, FACT_LABEL, NULL, target->name, 0);
    return true;
}

static void column_deny(struct walk *walk, const char *name)
{
    if (walk_listed(name, system_columns, ARRAY_COUNT(system_columns)))
        facts_deny(walk->facts, REASON_SYSTEM_COLUMN, name);
}

static bool on_column(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__ColumnRef *column = (const PgQuery__ColumnRef *)message;

    if (column->n_fields == 0)
        return false;
    const char *last = walk_string(column->fields[column->n_fields - 1]);
    if (!last)
        return false; /* a star */
    column_deny(walk, last);
    /* The result of (.. column ..)::text may have the column's name (FigureColname in
     * parse_target.c), and outside that name is no longer the table's column. */
    if (walk->under_cast > 0)
        facts_add(walk->facts, FACT_LABEL, NULL, last, 0);
    if (column->n_fields > 1)
        facts_add(walk->facts, FACT_ATTRIBUTE, NULL, last, 0);
    else if (strcmp(last, "system_user") == 0) /* a function of newer servers */
        facts_deny(walk->facts, REASON_SQL_VALUE_FUNCTION, last);
    return false;
}

static bool on_indirection(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__AIndirection *indirection = (const PgQuery__AIndirection *)message;

    for (size_t i = 0; i < indirection->n_indirection; i++) {
        const char *name = walk_string(indirection->indirection[i]);

        if (!name)
            continue;
        column_deny(walk, name);
        facts_add(walk->facts, FACT_ATTRIBUTE, NULL, name, FACT_ONE_ARGUMENT);
        facts_add(walk->facts, FACT_LABEL, NULL, name, 0);
    }
    return true;
}

static bool on_sublink(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__SubLink *sublink = (const PgQuery__SubLink *)message;

    if (sublink->n_oper_name > 0) {
        const char *schema;
        const char *name = walk_names(sublink->oper_name, sublink->n_oper_name, &schema);

        walk_operator(walk, schema, name);
    } else if (sublink->testexpr) {
        walk_operator(walk, NULL, "=");
    }
    return true;
}

static bool on_case(struct walk *walk, const ProtobufCMessage *message)
{
    if (((const PgQuery__CaseExpr *)message)->arg)
        walk_operator(walk, NULL, "=");
    return true;
}

static bool on_join(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__JoinExpr *join = (const PgQuery__JoinExpr *)message;

    if (join->is_natural || join->n_using_clause > 0)
        walk_operator(walk, NULL, "=");
    return true;
}

static bool on_sort(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__SortBy *sort = (const PgQuery__SortBy *)message;

    if (sort->n_use_op > 0) {
        const char *schema;
        const char *name = walk_names(sort->use_op, sort->n_use_op, &schema);

        walk_operator(walk, NULL, name);
        facts_deny(walk->facts, REASON_OPERATOR, name);
    }
    return true;
}

static bool on_collate(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__CollateClause *collate = (const PgQuery__CollateClause *)message;
    const char *schema;
    const char *name = walk_names(collate->collname, collate->n_collname, &schema);

    facts_add(walk->facts, FACT_COLLATION, schema, name, 0);
    if (collate->arg)
        walk_message(walk, &collate->arg->base);
    return false;
}

static bool on_parameter(struct walk *walk, const ProtobufCMessage *message)
{
    int32_t number = ((const PgQuery__ParamRef *)message)->number;
    struct pin_facts *pins = &walk->facts->pins;

    if (number > 0 && number < PIN_PARAMETERS_MAX && pins->parameters[number] < UINT8_MAX)
        pins->parameters[number]++;
    return false;
}

/* The one call of a RangeFunction that is nothing else, or NULL. */
static const PgQuery__FuncCall *range_call(const PgQuery__RangeFunction *range)
{
    if (range->n_functions != 1 || range->n_coldeflist > 0 ||
        range->functions[0]->node_case != PG_QUERY__NODE__NODE_LIST)
        return NULL;
    const PgQuery__List *list = range->functions[0]->list;
    if (list->n_items < 1 || list->items[0]->node_case != PG_QUERY__NODE__NODE_FUNC_CALL)
        return NULL;
    return list->items[0]->func_call;
}

/* What generate_series makes are numbers, dates or times; its columns are named by its alias alone,
 * but for "ordinality", another number. */
static bool on_range_function(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__RangeFunction *range = (const PgQuery__RangeFunction *)message;
    const PgQuery__FuncCall *call = range_call(range);
    const char *schema;

    walk->facts->function_table = true;
    if (!call || !range->alias ||
        strcmp(walk_names(call->funcname, call->n_funcname, &schema), "generate_series") != 0) {
        walk->facts->function_columns = true;
        return true;
    }
    facts_add(walk->facts, FACT_LABEL, NULL, range->alias->aliasname, FACT_CHECKED);
    for (size_t i = 0; i < range->alias->n_colnames; i++) {
        const char *name = walk_string(range->alias->colnames[i]);

        if (name)
            facts_add(walk->facts, FACT_LABEL, NULL, name, FACT_CHECKED);
    }
    walk_message(walk, &call->base);
    return false;
}

static bool on_table_function(struct walk *walk, const ProtobufCMessage *message)
{
    (void)message; /* XMLTABLE: the types of its columns are casts from text */
    walk->facts->function_table = walk->facts->function_columns = true;
    return true;
}

#define RULE(kind, why, handler)                                                                   \
    {                                                                                              \
        &pg_query__##kind##__descriptor, REASON_##why, false, handler                              \
    }
#define PASSIVE(kind, handler)                                                                     \
    {                                                                                              \
        &pg_query__##kind##__descriptor, REASON_NONE, true, handler                                \
    }

static const struct walk_rule rules[] = {
    PASSIVE(node, NULL),
    PASSIVE(string, NULL),
    PASSIVE(column_ref, on_column),
    PASSIVE(a__const, walk_constant),
    PASSIVE(res_target, on_target),
    RULE(a__expr, NONE, walk_operation),
    PASSIVE(range_var, on_range_var),
    PASSIVE(alias, on_alias),
    RULE(func_call, NONE, walk_call),
    PASSIVE(type_cast, walk_cast),
    PASSIVE(type_name, walk_type_name),
    RULE(bool_expr, NONE, NULL),
    PASSIVE(param_ref, on_parameter),
    PASSIVE(select_stmt, on_select),
    RULE(join_expr, NONE, on_join),
    PASSIVE(sort_by, on_sort),
    PASSIVE(list, NULL),
    PASSIVE(integer, NULL),
    PASSIVE(float, NULL),
    PASSIVE(boolean, NULL),
    PASSIVE(bit_string, NULL),
    PASSIVE(a__star, NULL),
    RULE(null_test, NONE, NULL),
    RULE(boolean_test, NONE, NULL),
    RULE(case_expr, NONE, on_case),
    RULE(case_when, NONE, NULL),
    RULE(coalesce_expr, NONE, NULL),
    RULE(min_max_expr, NONE, NULL),
    RULE(sub_link, NONE, on_sublink),
    PASSIVE(range_subselect, NULL),
    PASSIVE(with_clause, NULL),
    PASSIVE(common_table_expr, on_cte),
    RULE(row_expr, NONE, NULL),
    RULE(a__array_expr, NONE, NULL),
    RULE(a__indirection, NONE, on_indirection),
    RULE(a__indices, NONE, NULL),
    RULE(collate_clause, NONE, on_collate),
    RULE(window_def, NONE, NULL),
    RULE(grouping_set, NONE, NULL),
    RULE(grouping_func, NONE, NULL),
    RULE(named_arg_expr, NONE, NULL),
    RULE(range_function, NONE, on_range_function),
    RULE(range_table_func, NONE, on_table_function),
    RULE(range_table_func_col, NONE, NULL),
    RULE(xml_expr, NONE, NULL),
    RULE(xml_serialize, NONE, NULL),
    RULE(column_def, NONE, NULL),
    RULE(sqlvalue_function, SQL_VALUE_FUNCTION, NULL),
    RULE(locking_clause, ROW_LOCK, on_locking),
    RULE(into_clause, SELECT_INTO, on_into),
    RULE(range_table_sample, TABLESAMPLE, NULL),
    RULE(insert_stmt, WRITES, on_insert),
    RULE(update_stmt, WRITES, on_update),
    RULE(delete_stmt, WRITES, on_delete),
    RULE(merge_stmt, WRITES, on_merge),
};

const struct walk_rule *walk_rule_of(const ProtobufCMessageDescriptor *descriptor)
{
    for (size_t i = 0; i < ARRAY_COUNT(rules); i++) {
        if (rules[i].descriptor == descriptor)
            return &rules[i];
    }
    return NULL;
}
