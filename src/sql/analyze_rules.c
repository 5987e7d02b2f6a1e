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
#include "sql/scan.h"

static const char *const system_columns[] = {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"};

/* name(x) with one of these names may be a cast from text to a date or time. */
static const char *const datetime_calls[] = {
    "date",    "timestamp", "timestamptz",    "time",         "timetz",         "daterange",
    "tsrange", "tstzrange", "datemultirange", "tsmultirange", "tstzmultirange",
};

/* Functions whose result is no text: dates, times, intervals, whatever is given to them. */
static const char *const datetime_results[] = {
    "date_trunc",     "to_timestamp",     "to_date",  "make_date",
    "make_timestamp", "make_timestamptz", "timezone", "now",
};

static const char *const datetime_targets[] = {"date", "timestamp", "timestamptz", "interval",
                                               "int2", "int4",      "int8"};

/* Names of built-in types that are numbers, dates or times, as the grammar gives them. */
static const char *const scalar_types[] = {"int2",        "int4",    "int8", "float4",
                                           "float8",      "numeric", "date", "timestamp",
                                           "timestamptz", "interval"};

#define LISTED(name, list) name_listed(name, list, ARRAY_COUNT(list))

static bool name_listed(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, list[i]) == 0)
            return true;
    }
    return false;
}

static bool relation_is_temporary(const PgQuery__RangeVar *relation)
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
    if (relation && relation_is_temporary(relation))
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
    walk_creates(walk, ((const PgQuery__IntoClause *)message)->rel);
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
    if (LISTED(name, system_columns))
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

static bool on_constant(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__AConst *constant = (const PgQuery__AConst *)message;

    if (constant->val_case == PG_QUERY__A__CONST__VAL_SVAL && constant->sval->sval &&
        scan_is_magic_date(slice_of_text(constant->sval->sval)))
        facts_deny(walk->facts, REASON_MAGIC_DATE, constant->sval->sval);
    return false;
}

/* --- casts --- */

static bool argument_is_checked(struct walk *walk, const PgQuery__Node *node, unsigned nesting);

static bool arguments_are_checked(struct walk *walk, PgQuery__Node *const *nodes, size_t count,
                                  unsigned nesting)
{
    for (size_t i = 0; i < count; i++) {
        if (!argument_is_checked(walk, nodes[i], nesting))
            return false;
    }
    return count > 0;
}

static bool call_is_checked(struct walk *walk, const PgQuery__FuncCall *call, unsigned nesting)
{
    const char *schema;
    const char *name = walk_names(call->funcname, call->n_funcname, &schema);

    if (LISTED(name, datetime_results))
        return true;
    if ((strcmp(name, "min") == 0 || strcmp(name, "max") == 0) && call->n_args == 1)
        return argument_is_checked(walk, call->args[0], nesting);
    return false;
}

static bool operation_is_checked(const PgQuery__AExpr *operation)
{
    const char *schema;
    const char *name = walk_names(operation->name, operation->n_name, &schema);

    /* No built-in + or - yields a text. */
    return operation->kind == PG_QUERY__A__EXPR__KIND__AEXPR_OP && operation->lexpr &&
           (strcmp(name, "+") == 0 || strcmp(name, "-") == 0);
}

static bool cast_is_checked(const PgQuery__TypeCast *cast)
{
    const char *schema;

    if (!cast->type_name)
        return false;
    const char *name = walk_names(cast->type_name->names, cast->type_name->n_names, &schema);
    return LISTED(name, datetime_targets); /* judged as a cast of its own */
}

/* True if what is cast to a date or time is no text that exists only at run time: a constant (its
 * text is checked), a parameter (whoever binds it checks it), or something that is a date or time
 * already. For a column that is left to the catalog: it becomes a fact. */
static bool argument_is_checked(struct walk *walk, const PgQuery__Node *node, unsigned nesting)
{
    const char *column;

    if (!node || nesting > 16)
        return false;
    switch ((int)node->node_case) {
    case PG_QUERY__NODE__NODE_A_CONST:
    case PG_QUERY__NODE__NODE_PARAM_REF:
        return true;
    case PG_QUERY__NODE__NODE_TYPE_CAST:
        return cast_is_checked(node->type_cast);
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        return call_is_checked(walk, node->func_call, nesting + 1);
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
        return arguments_are_checked(walk, node->coalesce_expr->args, node->coalesce_expr->n_args,
                                     nesting + 1);
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
        return arguments_are_checked(walk, node->min_max_expr->args, node->min_max_expr->n_args,
                                     nesting + 1);
    case PG_QUERY__NODE__NODE_A_EXPR:
        return operation_is_checked(node->a_expr);
    case PG_QUERY__NODE__NODE_COLUMN_REF:
        if (node->column_ref->n_fields == 0)
            return false;
        column = walk_string(node->column_ref->fields[node->column_ref->n_fields - 1]);
        if (!column)
            return false;
        facts_add(walk->facts, FACT_CAST_COLUMN, NULL, column, 0);
        return true;
    default:
        return false;
    }
}

static void cast_add(struct walk *walk, const PgQuery__TypeName *type, unsigned flags)
{
    const char *schema;
    const char *name = walk_names(type->names, type->n_names, &schema);

    if (type->setof || type->pct_type)
        facts_deny(walk->facts, REASON_TYPE, name);
    facts_add(walk->facts, FACT_CAST, schema, name, flags);
}

static bool on_type_name(struct walk *walk, const ProtobufCMessage *message)
{
    cast_add(walk, (const PgQuery__TypeName *)message, 0);
    return false;
}

static bool on_cast(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__TypeCast *cast = (const PgQuery__TypeCast *)message;
    bool text = true;

    if (cast->type_name) {
        const char *schema;
        const char *name = walk_names(cast->type_name->names, cast->type_name->n_names, &schema);
        unsigned flags = 0;

        /* Only for types that may need it, since it leaves facts about columns. */
        if (LISTED(name, datetime_calls) && argument_is_checked(walk, cast->arg, 0))
            flags |= FACT_CHECKED;
        cast_add(walk, cast->type_name, flags);
        text = cast->type_name->n_array_bounds > 0 ||
               (!LISTED(name, datetime_targets) && !LISTED(name, scalar_types));
    }
    walk->under_cast += text;
    if (cast->arg)
        walk_message(walk, &cast->arg->base);
    walk->under_cast -= text;
    return false;
}

/* Is it a number, date or time by what the text says, whatever the catalog has? */
static bool operand_is_scalar(const PgQuery__Node *node)
{
    const char *schema;
    const char *name;
    int kind;

    switch ((int)node->node_case) {
    case PG_QUERY__NODE__NODE_A_CONST:
        kind = (int)node->a_const->val_case;
        return kind == PG_QUERY__A__CONST__VAL_IVAL || kind == PG_QUERY__A__CONST__VAL_FVAL;
    case PG_QUERY__NODE__NODE_TYPE_CAST:
        if (!node->type_cast->type_name || node->type_cast->type_name->n_array_bounds > 0)
            return false;
        name = walk_names(node->type_cast->type_name->names, node->type_cast->type_name->n_names,
                          &schema);
        return schema && strcmp(schema, "pg_catalog") == 0 && LISTED(name, scalar_types);
    default:
        return false;
    }
}

/* What the text knows of an operand, or of the argument that takes its place. */
static void operand_note(struct fact *fact, unsigned side, const PgQuery__Node *node)
{
    if (operand_is_scalar(node))
        fact->scalars |= 1U << side;
    else if (node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF && node->column_ref->n_fields > 0)
        fact->columns[side] = walk_string(node->column_ref->fields[node->column_ref->n_fields - 1]);
}

/* --- calls --- */

static bool on_call(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__FuncCall *call = (const PgQuery__FuncCall *)message;
    const char *schema;
    const char *name = walk_names(call->funcname, call->n_funcname, &schema);
    struct fact fact = {.kind = FACT_FUNCTION, .schema = schema, .name = name};

    if (call->n_args == 1) {
        fact.flags |= FACT_ONE_ARGUMENT;
        if (LISTED(name, datetime_calls) && argument_is_checked(walk, call->args[0], 0))
            fact.flags |= FACT_CHECKED;
    }
    if (call->n_args == 2)
        fact.flags |= FACT_TWO_ARGUMENTS;
    if (call->n_args == 2 && strcmp(name, "timezone") == 0)
        operand_note(&fact, 0, call->args[1]); /* of a time it depends on the day */
    facts_add_fact(walk->facts, &fact);
    return true;
}

static void operator_add(struct walk *walk, const char *name)
{
    facts_add(walk->facts, FACT_OPERATOR, NULL, name, 0);
}

/* An operator that stands in the text, with what is known of its operands. */
static void operator_add_with(struct walk *walk, const char *schema, const char *name,
                              const PgQuery__Node *left, const PgQuery__Node *right)
{
    const PgQuery__Node *operands[] = {left, right};
    struct fact fact = {.kind = FACT_OPERATOR, .schema = schema, .name = name};

    for (unsigned i = 0; i < ARRAY_COUNT(operands); i++) {
        const PgQuery__Node *node = operands[i];

        if (!node)
            continue;
        if (operand_is_scalar(node)) {
            fact.scalars |= 1U << i;
        } else if (node->node_case == PG_QUERY__NODE__NODE_COLUMN_REF &&
                   node->column_ref->n_fields > 0) {
            fact.columns[i] = walk_string(node->column_ref->fields[node->column_ref->n_fields - 1]);
        }
    }
    facts_add_fact(walk->facts, &fact);
}

static bool on_operation(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__AExpr *operation = (const PgQuery__AExpr *)message;
    const char *schema;
    const char *name = walk_names(operation->name, operation->n_name, &schema);

    switch ((int)operation->kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM:
        operator_add(walk, "<");
        operator_add(walk, "<=");
        operator_add(walk, ">");
        operator_add(walk, ">=");
        break;
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
        operator_add_with(walk, schema, name, operation->lexpr, operation->rexpr);
        break;
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL:
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR:
        operator_add_with(walk, schema, name, NULL, NULL);
        break;
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:
        operator_add(walk, name);
        operator_add(walk, "=");
        break;
    default:
        facts_deny(walk->facts, REASON_EXPRESSION, name);
    }
    return true;
}

static bool on_sublink(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__SubLink *sublink = (const PgQuery__SubLink *)message;

    if (sublink->n_oper_name > 0) {
        const char *schema;
        const char *name = walk_names(sublink->oper_name, sublink->n_oper_name, &schema);

        operator_add_with(walk, schema, name, NULL, NULL);
    } else if (sublink->testexpr) {
        operator_add(walk, "=");
    }
    return true;
}

static bool on_case(struct walk *walk, const ProtobufCMessage *message)
{
    if (((const PgQuery__CaseExpr *)message)->arg)
        operator_add(walk, "=");
    return true;
}

static bool on_join(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__JoinExpr *join = (const PgQuery__JoinExpr *)message;

    if (join->is_natural || join->n_using_clause > 0)
        operator_add(walk, "=");
    return true;
}

static bool on_sort(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__SortBy *sort = (const PgQuery__SortBy *)message;

    if (sort->n_use_op > 0) {
        const char *schema;
        const char *name = walk_names(sort->use_op, sort->n_use_op, &schema);

        operator_add(walk, name);
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
    PASSIVE(a__const, on_constant),
    PASSIVE(res_target, on_target),
    RULE(a__expr, NONE, on_operation),
    PASSIVE(range_var, on_range_var),
    PASSIVE(alias, on_alias),
    RULE(func_call, NONE, on_call),
    PASSIVE(type_cast, on_cast),
    PASSIVE(type_name, on_type_name),
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
