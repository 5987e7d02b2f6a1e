/* What constants, casts, calls and operators mean: see analyze_rules.c.
 *
 * Source  src/backend/parser/parse_expr.c, parse_func.c of PostgreSQL 15 for what a node may call.
 */
#include "analyze_walk.h"

#include "sql/scan.h"

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

enum { OPERAND_NESTING_MAX = 8 };

#define LISTED(name, list) walk_listed(name, list, ARRAY_COUNT(list))

bool walk_constant(struct walk *walk, const ProtobufCMessage *message)
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

bool walk_type_name(struct walk *walk, const ProtobufCMessage *message)
{
    cast_add(walk, (const PgQuery__TypeName *)message, 0);
    return false;
}

bool walk_cast(struct walk *walk, const ProtobufCMessage *message)
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
        if (strcmp(name, "regconfig") == 0 && cast->arg &&
            (cast->arg->node_case == PG_QUERY__NODE__NODE_A_CONST ||
             cast->arg->node_case == PG_QUERY__NODE__NODE_PARAM_REF) &&
            cast->type_name->n_array_bounds == 0)
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

/* What the text knows of a value that is cast to a type: is it a number, date or time? */
static void operand_note_cast(struct fact *fact, unsigned side, const PgQuery__TypeName *type)
{
    const char *schema;

    if (!type || type->n_array_bounds > 0 || type->setof)
        return;
    const char *name = walk_names(type->names, type->n_names, &schema);
    if (!LISTED(name, scalar_types))
        return;
    if (!schema)
        fact->casts[side] = name;
    else if (strcmp(schema, "pg_catalog") == 0)
        fact->scalars |= 1U << side;
}

/* What the text knows of an operand, or of the argument that takes its place. */
static void operand_note(struct fact *fact, unsigned side, const PgQuery__Node *node)
{
    const char *schema;
    const PgQuery__FuncCall *call;
    int kind;

    /* What AT TIME ZONE makes of a date and time is one again. */
    for (unsigned nesting = 0; node && node->node_case == PG_QUERY__NODE__NODE_FUNC_CALL;
         nesting++) {
        call = node->func_call;
        if (nesting == OPERAND_NESTING_MAX || call->n_args != 2 ||
            strcmp(walk_names(call->funcname, call->n_funcname, &schema), "timezone") != 0 ||
            !schema || strcmp(schema, "pg_catalog") != 0)
            return;
        node = call->args[1];
    }
    if (!node)
        return;
    switch ((int)node->node_case) {
    case PG_QUERY__NODE__NODE_A_CONST:
        kind = (int)node->a_const->val_case;
        if (kind == PG_QUERY__A__CONST__VAL_IVAL || kind == PG_QUERY__A__CONST__VAL_FVAL)
            fact->scalars |= 1U << side;
        break;
    case PG_QUERY__NODE__NODE_TYPE_CAST:
        operand_note_cast(fact, side, node->type_cast->type_name);
        break;
    case PG_QUERY__NODE__NODE_COLUMN_REF:
        if (node->column_ref->n_fields > 0)
            fact->columns[side] =
                walk_string(node->column_ref->fields[node->column_ref->n_fields - 1]);
        break;
    }
}

/* --- calls --- */

bool walk_call(struct walk *walk, const ProtobufCMessage *message)
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

void walk_operator(struct walk *walk, const char *schema, const char *name)
{
    facts_add(walk->facts, FACT_OPERATOR, schema, name, 0);
}

/* An operator that stands in the text, with what is known of its operands. */
static void operator_in_text(struct walk *walk, const char *schema, const char *name,
                             const PgQuery__Node *left, const PgQuery__Node *right)
{
    struct fact fact = {.kind = FACT_OPERATOR, .schema = schema, .name = name};

    if (left)
        operand_note(&fact, 0, left);
    if (right)
        operand_note(&fact, 1, right);
    facts_add_fact(walk->facts, &fact);
}

bool walk_operation(struct walk *walk, const ProtobufCMessage *message)
{
    const PgQuery__AExpr *operation = (const PgQuery__AExpr *)message;
    const char *schema;
    const char *name = walk_names(operation->name, operation->n_name, &schema);

    switch ((int)operation->kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM:
        walk_operator(walk, NULL, "<");
        walk_operator(walk, NULL, "<=");
        walk_operator(walk, NULL, ">");
        walk_operator(walk, NULL, ">=");
        break;
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
        operator_in_text(walk, schema, name, operation->lexpr, operation->rexpr);
        break;
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL:
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN:
    case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR:
        walk_operator(walk, schema, name);
        break;
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT:
    case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:
        walk_operator(walk, NULL, name);
        walk_operator(walk, NULL, "=");
        break;
    default:
        facts_deny(walk->facts, REASON_EXPRESSION, name);
    }
    return true;
}
