/* Temporary tables that are nothing but their columns: what writes or reads them runs no code of users,
 * where no type or comparison in the database does (classify.c looks).
 *
 * A session that has made such a table, and nothing else that is temporary, need not be taken for one
 * that may do anything when it names a relation that the snapshot does not have.
 */
#include "analyze_walk.h"

static bool is_constant(const PgQuery__Node *node)
{
    return node && node->node_case == PG_QUERY__NODE__NODE_A_CONST;
}

static bool constraint_is_plain(const PgQuery__Node *node)
{
    if (node->node_case != PG_QUERY__NODE__NODE_CONSTRAINT)
        return false;
    switch ((int)node->constraint->contype) {
    case PG_QUERY__CONSTR_TYPE__CONSTR_NULL:
    case PG_QUERY__CONSTR_TYPE__CONSTR_NOTNULL:
    case PG_QUERY__CONSTR_TYPE__CONSTR_IDENTITY:
    case PG_QUERY__CONSTR_TYPE__CONSTR_PRIMARY:
    case PG_QUERY__CONSTR_TYPE__CONSTR_UNIQUE:
        return true;
    case PG_QUERY__CONSTR_TYPE__CONSTR_DEFAULT:
        return is_constant(node->constraint->raw_expr);
    }
    return false;
}

static bool element_is_plain(const PgQuery__Node *node)
{
    if (node->node_case == PG_QUERY__NODE__NODE_CONSTRAINT)
        return constraint_is_plain(node);
    if (node->node_case != PG_QUERY__NODE__NODE_COLUMN_DEF)
        return false;
    const PgQuery__ColumnDef *column = node->column_def;
    if (column->raw_default || column->coll_clause)
        return false;
    for (size_t i = 0; i < column->n_constraints; i++) {
        if (!constraint_is_plain(column->constraints[i]))
            return false;
    }
    return true;
}

/* Made by the word TEMPORARY, and named as such a table will be looked for. */
static bool is_named_temporary(const PgQuery__RangeVar *relation)
{
    return relation && relation->relpersistence && strcmp(relation->relpersistence, "t") == 0 &&
           (!relation->schemaname || !relation->schemaname[0]) && relation->relname;
}

void walk_makes_plain(struct walk *walk, const PgQuery__RangeVar *relation)
{
    if (!walk->plan_only && is_named_temporary(relation))
        walk->facts->makes = relation->relname;
}

static bool table_is_plain(const PgQuery__CreateStmt *create)
{
    if (create->n_inh_relations || create->partbound || create->partspec || create->of_typename ||
        (create->access_method && create->access_method[0]))
        return false;
    for (size_t i = 0; i < create->n_table_elts; i++) {
        if (!element_is_plain(create->table_elts[i]))
            return false;
    }
    for (size_t i = 0; i < create->n_constraints; i++) {
        if (!constraint_is_plain(create->constraints[i]))
            return false;
    }
    return true;
}

void walk_create_table(struct walk *walk, const PgQuery__CreateStmt *create)
{
    if (table_is_plain(create))
        walk_makes_plain(walk, create->relation);
    else if (!walk->plan_only && is_named_temporary(create->relation))
        walk->facts->makes_other = create->relation->relname;
}

void walk_create_view(struct walk *walk, const PgQuery__ViewStmt *create)
{
    if (!walk->plan_only && create->view && walk_is_temporary(create->view))
        walk->facts->makes_view = true;
}

static bool index_is_plain(const PgQuery__IndexStmt *index)
{
    if (index->where_clause || index->n_exclude_op_names)
        return false;
    for (size_t i = 0; i < index->n_index_params; i++) {
        const PgQuery__Node *node = index->index_params[i];

        if (node->node_case != PG_QUERY__NODE__NODE_INDEX_ELEM || node->index_elem->expr ||
            node->index_elem->n_collation || node->index_elem->n_opclass)
            return false;
    }
    return true;
}

void walk_ddl(struct walk *walk, const PgQuery__Node *statement)
{
    if (statement->node_case == PG_QUERY__NODE__NODE_DROP_STMT)
        walk->facts->keeps_plain =
            statement->drop_stmt->remove_type == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE;
    else if (statement->node_case == PG_QUERY__NODE__NODE_INDEX_STMT)
        walk->facts->keeps_plain = index_is_plain(statement->index_stmt);
}
