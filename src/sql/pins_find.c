/* Pins from a parse tree: see pins.h. What is not recognised here is no pin, and what is cannot mean
 * anything else: "=" by its bare name, a column or alias.column on one side, and on the other a
 * constant or parameter, as it is or cast to a type that is named without modifiers.
 *
 * Source  gram.y of PostgreSQL 15; parse_expr.c for IN; parse_target.c for INSERT and UPDATE.
 */
#include "pins_find.h"

#include "base/macros.h"
#include "base/mem.h"
#include "sql/scan.h"

enum { NESTING_MAX = 32 };

struct finder {
    struct pin_facts *out;
    const char *text;
    unsigned literal_count;
    uint32_t literals[SCAN_LITERALS_MAX]; /* where the constants of the text begin */
    bool overflow;
};

#define CASE(kind) PG_QUERY__NODE__NODE_##kind

/* Where each constant begins. Constants have the numbers that scan_literals gives them in the
 * canonical text: the tokens are the same. */
static void literals_note(struct finder *finder)
{
    struct slice literals[SCAN_LITERALS_MAX];
    const uint8_t *start = (const uint8_t *)finder->text;

    finder->literal_count = scan_literals(slice_of_text(finder->text), literals, SCAN_LITERALS_MAX);
    for (unsigned i = 0; i < finder->literal_count; i++)
        finder->literals[i] = (uint32_t)(literals[i].data - start);
}

/* The number of the constant at `location`; false if it is none of the first SCAN_LITERALS_MAX. */
static bool literal_at(const struct finder *finder, int32_t location, uint16_t *out)
{
    unsigned low = 0;
    unsigned high = finder->literal_count;

    while (location >= 0 && low < high) {
        unsigned middle = low + (high - low) / 2;
        if (finder->literals[middle] == (uint32_t)location) {
            *out = (uint16_t)middle;
            return true;
        }
        if (finder->literals[middle] < (uint32_t)location)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static void constant_source(const struct finder *finder, const PgQuery__AConst *constant,
                            struct pin_fact *pin)
{
    pin->source = KEY_FROM_ELSEWHERE;
    if (constant->isnull) {
        pin->source = KEY_FROM_NULL;
        return;
    }
    if (constant->val_case == PG_QUERY__A__CONST__VAL_BOOLVAL) {
        pin->source = constant->boolval->boolval ? KEY_FROM_TRUE : KEY_FROM_FALSE;
        return;
    }
    if (literal_at(finder, constant->location, &pin->number))
        pin->source = KEY_FROM_LITERAL;
    else if (constant->location >= 0 && finder->text[constant->location] == '-' &&
             literal_at(finder, constant->location + 1, &pin->number))
        pin->source = KEY_FROM_NEGATIVE;
}

static bool cast_source(const struct finder *finder, const PgQuery__TypeCast *cast,
                        struct pin_fact *pin);

/* Where the value of `node` comes from, into pin->source, number, cast. */
static void value_source(const struct finder *finder, const PgQuery__Node *node,
                         struct pin_fact *pin)
{
    pin->source = KEY_FROM_ELSEWHERE;
    if (!node)
        return;
    if (node->node_case == CASE(A_CONST)) {
        constant_source(finder, node->a_const, pin);
    } else if (node->node_case == CASE(PARAM_REF) && node->param_ref->number > 0 &&
               node->param_ref->number < PIN_PARAMETERS_MAX) {
        pin->source = KEY_FROM_PARAMETER;
        pin->number = (uint16_t)node->param_ref->number;
    } else if (node->node_case == CASE(TYPE_CAST) && !cast_source(finder, node->type_cast, pin)) {
        pin->source = KEY_FROM_ELSEWHERE;
    }
}

/* value::type. An array type's bounds say only that it is one. */
static bool cast_source(const struct finder *finder, const PgQuery__TypeCast *cast,
                        struct pin_fact *pin)
{
    const PgQuery__TypeName *type = cast->type_name;
    const char *schema;

    if (!type || !cast->arg || type->setof || type->pct_type || type->n_typmods > 0 ||
        (type->n_array_bounds > 0) != pin->array || type->n_array_bounds > 1 ||
        (cast->arg->node_case != CASE(A_CONST) && cast->arg->node_case != CASE(PARAM_REF)))
        return false;
    pin->cast = walk_names(type->names, type->n_names, &schema);
    if (type->n_names > 2 || (schema && strcmp(schema, "pg_catalog") != 0))
        return false;
    value_source(finder, cast->arg, pin);
    return true;
}

/* ---- columns ---- */

/* Whose column it is; false if that is not certain. */
static bool column_of(const struct finder *finder, const PgQuery__Node *node, struct pin_fact *pin)
{
    const struct pin_facts *facts = finder->out;

    if (!node || node->node_case != CASE(COLUMN_REF))
        return false;
    const PgQuery__ColumnRef *column = node->column_ref;
    if (column->n_fields == 0 || column->n_fields > 2)
        return false;
    pin->column = walk_string(column->fields[column->n_fields - 1]);
    if (!pin->column)
        return false;
    pin->relation = 0;
    if (column->n_fields == 1)
        return facts->relation_count == 1;
    const char *alias = walk_string(column->fields[0]);
    for (unsigned i = 0; alias && i < facts->relation_count; i++) {
        if (strcmp(facts->relations[i].alias, alias) != 0)
            continue;
        pin->relation = (uint8_t)i;
        return true;
    }
    return false;
}

static void pin_add(struct finder *finder, const struct pin_fact *pin)
{
    struct pin_facts *out = finder->out;

    if (out->count == PIN_FACTS_MAX) {
        finder->overflow = true;
        return;
    }
    if (out->count == out->cap) {
        out->cap = out->cap ? out->cap * 2 : 16;
        out->list = mem_resize(out->list, out->cap * sizeof(*out->list));
    }
    out->list[out->count++] = *pin;
}

/* ---- conditions ---- */

static bool is_equals(const PgQuery__AExpr *operation)
{
    const char *name = operation->n_name == 1 ? walk_string(operation->name[0]) : NULL;
    return name && strcmp(name, "=") == 0;
}

static void values_add(struct finder *finder, struct pin_fact pin, PgQuery__Node *const *nodes,
                       size_t count)
{
    if (count > KEY_VALUES_MAX)
        return;
    unsigned before = finder->out->count;
    for (size_t i = 0; i < count; i++) {
        struct pin_fact one = pin;
        value_source(finder, nodes[i], &one);
        if (one.source == KEY_FROM_ELSEWHERE || one.source == KEY_FROM_NULL) {
            finder->out->count = before; /* the others alone say nothing */
            return;
        }
        pin_add(finder, &one);
    }
}

static void operation_find(struct finder *finder, const PgQuery__AExpr *operation)
{
    struct pin_fact pin = {.role = PIN_WHERE, .group = (uint16_t)finder->out->count};
    const PgQuery__Node *value = operation->rexpr;

    if (!is_equals(operation))
        return;
    switch ((int)operation->kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
        if (!column_of(finder, operation->lexpr, &pin)) {
            value = operation->lexpr;
            if (!column_of(finder, operation->rexpr, &pin))
                return;
        }
        value_source(finder, value, &pin);
        /* column = NULL may mean IS NULL: transform_null_equals. */
        if (pin.source != KEY_FROM_ELSEWHERE && pin.source != KEY_FROM_NULL)
            pin_add(finder, &pin);
        return;
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
        if (column_of(finder, operation->lexpr, &pin) && value && value->node_case == CASE(LIST))
            values_add(finder, pin, value->list->items, value->list->n_items);
        return;
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
        if (!column_of(finder, operation->lexpr, &pin) || !value)
            return;
        if (value->node_case == CASE(A_ARRAY_EXPR)) {
            values_add(finder, pin, value->a_array_expr->elements, value->a_array_expr->n_elements);
            return;
        }
        pin.array = true;
        value_source(finder, value, &pin);
        if (pin.source == KEY_FROM_PARAMETER || pin.source == KEY_FROM_LITERAL)
            pin_add(finder, &pin);
        return;
    default:
        return;
    }
}

/* What holds for every row that passes. */
static void condition_find(struct finder *finder, const PgQuery__Node *node, unsigned nesting)
{
    if (!node || nesting > NESTING_MAX)
        return;
    if (node->node_case == CASE(A_EXPR)) {
        operation_find(finder, node->a_expr);
    } else if (node->node_case == CASE(BOOL_EXPR) &&
               node->bool_expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) {
        for (size_t i = 0; i < node->bool_expr->n_args; i++)
            condition_find(finder, node->bool_expr->args[i], nesting + 1);
    }
}

/* ---- relations ---- */

static const char *text_or_null(const char *text)
{
    return text && text[0] ? text : NULL;
}

static bool relation_add(struct finder *finder, const PgQuery__RangeVar *range)
{
    struct pin_facts *out = finder->out;

    if (!range || !text_or_null(range->relname) || out->relation_count == PIN_RELATIONS_MAX ||
        (range->alias && (range->alias->n_colnames > 0 || !text_or_null(range->alias->aliasname))))
        return false;
    struct pin_relation relation = {
        .schema = text_or_null(range->schemaname),
        .name = range->relname,
        .alias = range->alias ? range->alias->aliasname : range->relname,
    };
    for (unsigned i = 0; i < out->relation_count; i++)
        if (strcmp(out->relations[i].alias, relation.alias) == 0)
            return false; /* s1.x and s2.x: which one x.c means is not ours to know */
    out->relations[out->relation_count++] = relation;
    return true;
}

/* Tables, and inner joins of tables: what holds for the rows that pass WHERE and ON holds for the
 * rows of each table that matter. */
static bool source_find(struct finder *finder, const PgQuery__Node *node, unsigned nesting)
{
    if (!node || nesting > NESTING_MAX)
        return false;
    if (node->node_case == CASE(RANGE_VAR))
        return relation_add(finder, node->range_var);
    if (node->node_case != CASE(JOIN_EXPR))
        return false;
    const PgQuery__JoinExpr *join = node->join_expr;
    return join->jointype == PG_QUERY__JOIN_TYPE__JOIN_INNER && !join->alias &&
           !join->join_using_alias && source_find(finder, join->larg, nesting + 1) &&
           source_find(finder, join->rarg, nesting + 1);
}

static void join_conditions_find(struct finder *finder, const PgQuery__Node *node)
{
    if (node->node_case != CASE(JOIN_EXPR))
        return;
    condition_find(finder, node->join_expr->quals, 0);
    join_conditions_find(finder, node->join_expr->larg);
    join_conditions_find(finder, node->join_expr->rarg);
}

/* ---- statements ---- */

static bool select_find(struct finder *finder, const PgQuery__SelectStmt *select)
{
    if (select->with_clause || select->n_values_lists > 0 || select->larg || select->rarg ||
        select->into_clause || select->n_locking_clause > 0 || select->n_from_clause == 0)
        return false;
    for (size_t i = 0; i < select->n_from_clause; i++)
        if (!source_find(finder, select->from_clause[i], 0))
            return false;
    finder->out->kind = PINS_READ;
    for (size_t i = 0; i < select->n_from_clause; i++)
        join_conditions_find(finder, select->from_clause[i]);
    condition_find(finder, select->where_clause, 0);
    return true;
}

static bool update_find(struct finder *finder, const PgQuery__UpdateStmt *update)
{
    if (update->with_clause || update->n_from_clause > 0 || !relation_add(finder, update->relation))
        return false;
    finder->out->kind = PINS_UPDATE;
    condition_find(finder, update->where_clause, 0);
    for (size_t i = 0; i < update->n_target_list; i++) {
        const PgQuery__Node *node = update->target_list[i];
        if (node->node_case != CASE(RES_TARGET) || !text_or_null(node->res_target->name))
            return false;
        const PgQuery__ResTarget *target = node->res_target;
        struct pin_fact pin = {.role = PIN_SET, .column = target->name};
        value_source(finder, target->n_indirection ? NULL : target->val, &pin);
        pin_add(finder, &pin);
    }
    return true;
}

static bool delete_find(struct finder *finder, const PgQuery__DeleteStmt *delete)
{
    if (delete->with_clause || delete->n_using_clause > 0 ||
        !relation_add(finder, delete->relation))
        return false;
    finder->out->kind = PINS_DELETE;
    condition_find(finder, delete->where_clause, 0);
    return true;
}

static bool row_find(struct finder *finder, const PgQuery__InsertStmt *insert,
                     const PgQuery__Node *node, uint16_t row)
{
    if (node->node_case != CASE(LIST) ||
        (insert->n_cols > 0 && node->list->n_items > insert->n_cols))
        return false;
    for (size_t i = 0; i < node->list->n_items; i++) {
        struct pin_fact pin = {.role = PIN_INSERT, .group = row, .position = (uint16_t)i};
        const PgQuery__Node *value = node->list->items[i];
        if (insert->n_cols > 0) {
            const PgQuery__Node *column = insert->cols[i];
            if (column->node_case != CASE(RES_TARGET) || !text_or_null(column->res_target->name))
                return false;
            pin.column = column->res_target->name;
            if (column->res_target->n_indirection)
                value = NULL; /* part of one */
        }
        value_source(finder, value, &pin);
        pin_add(finder, &pin);
    }
    return true;
}

static bool insert_find(struct finder *finder, const PgQuery__InsertStmt *insert)
{
    const PgQuery__OnConflictClause *conflict = insert->on_conflict_clause;

    if (insert->with_clause || !relation_add(finder, insert->relation) ||
        insert->override != PG_QUERY__OVERRIDING_KIND__OVERRIDING_NOT_SET ||
        (conflict && conflict->action != PG_QUERY__ON_CONFLICT_ACTION__ONCONFLICT_NOTHING))
        return false;
    finder->out->kind = PINS_INSERT;
    finder->out->rows = 1;
    if (!insert->select_stmt)
        return true; /* DEFAULT VALUES */
    const PgQuery__SelectStmt *select = insert->select_stmt->node_case == CASE(SELECT_STMT)
                                            ? insert->select_stmt->select_stmt
                                            : NULL;
    if (!select || select->n_values_lists == 0 || select->n_values_lists > UINT16_MAX ||
        select->with_clause || select->larg || select->n_sort_clause > 0 || select->limit_count ||
        select->limit_offset)
        return false;
    finder->out->rows = (uint16_t)select->n_values_lists;
    for (size_t i = 0; i < select->n_values_lists && !finder->overflow; i++)
        if (!row_find(finder, insert, select->values_lists[i], (uint16_t)i))
            return false;
    return true;
}

void pins_find(const char *text, const PgQuery__Node *statement, unsigned selects,
               struct pin_facts *out)
{
    struct finder finder = {.out = out, .text = text};
    bool found = false;

    literals_note(&finder);
    switch ((int)statement->node_case) {
    case CASE(SELECT_STMT):
        found = selects == 1 && select_find(&finder, statement->select_stmt);
        break;
    case CASE(UPDATE_STMT):
        found = update_find(&finder, statement->update_stmt);
        break;
    case CASE(DELETE_STMT):
        found = delete_find(&finder, statement->delete_stmt);
        break;
    case CASE(INSERT_STMT):
        found = insert_find(&finder, statement->insert_stmt);
        break;
    default:
        break;
    }
    if (!found || finder.overflow)
        out->kind = PINS_NONE;
}
