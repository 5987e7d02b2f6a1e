/* What each kind of statement does, as far as its text says: one rule a kind. A kind that is not
 * listed is taken for DDL. */
#include "analyze_walk.h"

#include "base/macros.h"
#include "body.h"

enum { CURSOR_HOLD = 0x0020 }; /* CURSOR_OPT_HOLD of parsenodes.h */

enum {
    EFFECTS_DDL = EFFECT_WRITES_ALL | EFFECT_DDL,
    EFFECTS_SHARED = EFFECTS_DDL | EFFECT_GLOBAL,
    /* DDL that computes expressions or runs scripts in the session. */
    EFFECTS_CODE = EFFECTS_FUNCTION,
};

struct statement_rule {
    int node_case;
    unsigned effects;
    enum pin pin;
    void (*handle)(struct walk *walk, const PgQuery__Node *statement);
};

static void on_query(struct walk *walk, const PgQuery__Node *statement)
{
    walk_message(walk, &statement->base);
}

static void on_transaction(struct walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__TransactionStmt *transaction = statement->transaction_stmt;
    unsigned effects = EFFECTS_UNKNOWN;

    switch ((int)transaction->kind) {
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_BEGIN:
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_START:
        effects = EFFECT_TX_BEGIN;
        break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT:
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK:
        effects = EFFECT_TX_END | (transaction->chain ? (unsigned)EFFECT_TX_BEGIN : 0U);
        break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_PREPARE:
        effects = EFFECT_TX_END;
        break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT:
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE:
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
        effects = EFFECT_TRACK;
        break;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_COMMIT_PREPARED:
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_PREPARED:
        effects = EFFECTS_SHARED | EFFECT_TX_END; /* somebody else's transaction: it had anything */
        break;
    default:
        break;
    }
    walk->facts->effects |= effects;
}

/* A setting of the session pins it; one with a dot may have been unknown to the backend before, and
 * DISCARD ALL, or the end of SET LOCAL, leaves '' where NULL was. */
static void on_set(struct walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__VariableSetStmt *set = statement->variable_set_stmt;
    const char *name = set->name ? set->name : "";

    if (set->is_local)
        walk->facts->effects |= EFFECT_SET_LOCAL;
    if (set->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI &&
        strncmp(name, "TRANSACTION", strlen("TRANSACTION")) == 0)
        return;
    walk->facts->effects |= EFFECT_TRACK;
    if (strchr(name, '.'))
        facts_pin(walk->facts, PIN_SETTING, EFFECT_DIRTY);
    else if (!set->is_local)
        facts_pin(walk->facts, PIN_SETTING, 0);
}

static void on_discard(struct walk *walk, const PgQuery__Node *statement)
{
    if (statement->discard_stmt->target == PG_QUERY__DISCARD_MODE__DISCARD_ALL)
        walk->facts->effects |= EFFECT_UNPIN | EFFECT_DEALLOCATE;
    if (statement->discard_stmt->target == PG_QUERY__DISCARD_MODE__DISCARD_SEQUENCES)
        walk->facts->effects |= EFFECT_SEQUENCE;
}

static void on_explain(struct walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__ExplainStmt *explain = statement->explain_stmt;
    bool analyze = false;
    bool before = walk->plan_only;

    for (size_t i = 0; i < explain->n_options; i++) {
        const PgQuery__Node *option = explain->options[i];

        if (option->node_case != PG_QUERY__NODE__NODE_DEF_ELEM || !option->def_elem->defname ||
            strcmp(option->def_elem->defname, "analyze") == 0)
            analyze = true;
    }
    if (!analyze)
        walk->plan_only = true;
    if (explain->query)
        walk_statement(walk, explain->query);
    walk->plan_only = before;
}

static void on_copy(struct walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CopyStmt *copy = statement->copy_stmt;

    walk->facts->planned = true;
    if (copy->is_program)
        walk->facts->effects |= EFFECTS_DDL; /* the program may come back as a client */
    if (copy->relation)
        walk_relation(walk, copy->is_from ? FACT_INSERT : FACT_READ, copy->relation);
    if (copy->query)
        walk_statement(walk, copy->query);
    if (copy->where_clause)
        walk_message(walk, &copy->where_clause->base);
}

static void on_truncate(struct walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__TruncateStmt *truncate = statement->truncate_stmt;
    bool cascade = truncate->behavior == PG_QUERY__DROP_BEHAVIOR__DROP_CASCADE;

    for (size_t i = 0; i < truncate->n_relations; i++) {
        const PgQuery__Node *relation = truncate->relations[i];

        if (relation->node_case == PG_QUERY__NODE__NODE_RANGE_VAR)
            walk_relation(walk, cascade ? FACT_TRUNCATE_CASCADE : FACT_TRUNCATE,
                          relation->range_var);
        else
            facts_unknown(walk->facts, REASON_SYNTAX);
    }
}

static void on_cursor(struct walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__DeclareCursorStmt *cursor = statement->declare_cursor_stmt;

    if (cursor->options & CURSOR_HOLD)
        facts_pin(walk->facts, PIN_CURSOR, 0);
    if (cursor->query)
        walk_statement(walk, cursor->query);
}

static void on_create_as(struct walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__CreateTableAsStmt *create = statement->create_table_as_stmt;

    walk_creates(walk, create->into ? create->into->rel : NULL);
    if (create->into && create->objtype == PG_QUERY__OBJECT_TYPE__OBJECT_TABLE)
        walk_makes_plain(walk, create->into->rel);
    if (create->query)
        walk_statement(walk, create->query);
}

static void on_create(struct walk *walk, const PgQuery__Node *statement)
{
    walk_creates(walk, statement->create_stmt->relation);
    walk_create_table(walk, statement->create_stmt);
}

static void on_create_view(struct walk *walk, const PgQuery__Node *statement)
{
    walk_creates(walk, statement->view_stmt->view);
    walk_create_view(walk, statement->view_stmt);
}

static void on_create_sequence(struct walk *walk, const PgQuery__Node *statement)
{
    walk_creates(walk, statement->create_seq_stmt->sequence);
}

static void on_refresh(struct walk *walk, const PgQuery__Node *statement)
{
    walk->facts->reach |= REACH_EVENTS;
    walk_relation(walk, FACT_WRITE, statement->refresh_mat_view_stmt->relation);
}

static void on_body_word(void *context, enum fact_kind kind, const char *schema, const char *name)
{
    facts_add_copy(context, kind, schema, name, FACT_BODY);
}

/* The text of an option of DO, or NULL. */
static const char *do_option(const PgQuery__DoStmt *statement, const char *name)
{
    for (size_t i = 0; i < statement->n_args; i++) {
        const PgQuery__Node *option = statement->args[i];

        if (option->node_case == PG_QUERY__NODE__NODE_DEF_ELEM && option->def_elem->defname &&
            strcmp(option->def_elem->defname, name) == 0)
            return walk_string(option->def_elem->arg);
    }
    return NULL;
}

static void on_do(struct walk *walk, const PgQuery__Node *statement)
{
    const char *language = do_option(statement->do_stmt, "language");
    const char *body = do_option(statement->do_stmt, "as");

    walk->facts->calls = walk->facts->body = true;
    if (body && (!language || strcmp(language, "plpgsql") == 0))
        walk->facts->reach |=
            body_read(slice_of_text(body), BODY_PLPGSQL, on_body_word, walk->facts);
    else
        walk->facts->reach |= REACH_UNKNOWN | REACH_COMMITS;
}

static void on_call(struct walk *walk, const PgQuery__Node *statement)
{
    walk->facts->calls = true;
    walk->facts->planned = true;
    if (statement->call_stmt->funccall)
        walk_message(walk, &statement->call_stmt->funccall->base);
    else
        walk->facts->reach |= REACH_UNKNOWN | REACH_COMMITS;
}

static void on_comment(struct walk *walk, const PgQuery__Node *statement)
{
    (void)statement;
    walk->facts->reach |= REACH_EVENTS;
}

/* What it prepares is done by EXECUTE, which does not say what it is: so all of it counts here, too. */
static void on_prepare(struct walk *walk, const PgQuery__Node *statement)
{
    if (statement->prepare_stmt->query)
        walk_statement(walk, statement->prepare_stmt->query);
}

static void on_execute(struct walk *walk, const PgQuery__Node *statement)
{
    const PgQuery__ExecuteStmt *execute = statement->execute_stmt;

    walk->facts->planned = true;
    for (size_t i = 0; i < execute->n_params; i++)
        walk_message(walk, &execute->params[i]->base);
}

static bool object_is_shared(int kind)
{
    return kind == PG_QUERY__OBJECT_TYPE__OBJECT_ROLE ||
           kind == PG_QUERY__OBJECT_TYPE__OBJECT_DATABASE ||
           kind == PG_QUERY__OBJECT_TYPE__OBJECT_TABLESPACE ||
           kind == PG_QUERY__OBJECT_TYPE__OBJECT_PARAMETER_ACL;
}

static void on_rename(struct walk *walk, const PgQuery__Node *statement)
{
    if (object_is_shared((int)statement->rename_stmt->rename_type))
        walk->facts->effects |= EFFECT_GLOBAL;
}

static void on_owner(struct walk *walk, const PgQuery__Node *statement)
{
    if (object_is_shared((int)statement->alter_owner_stmt->object_type))
        walk->facts->effects |= EFFECT_GLOBAL;
}

static void on_grant(struct walk *walk, const PgQuery__Node *statement)
{
    if (object_is_shared((int)statement->grant_stmt->objtype))
        walk->facts->effects |= EFFECT_GLOBAL;
}

#define CASE(kind) PG_QUERY__NODE__NODE_##kind

static const struct statement_rule rules[] = {
    {CASE(SELECT_STMT), 0, PIN_NONE, on_query},
    {CASE(INSERT_STMT), 0, PIN_NONE, on_query},
    {CASE(UPDATE_STMT), 0, PIN_NONE, on_query},
    {CASE(DELETE_STMT), 0, PIN_NONE, on_query},
    {CASE(MERGE_STMT), 0, PIN_NONE, on_query},
    {CASE(TRANSACTION_STMT), 0, PIN_NONE, on_transaction},
    {CASE(VARIABLE_SET_STMT), 0, PIN_NONE, on_set},
    {CASE(VARIABLE_SHOW_STMT), 0, PIN_NONE, NULL},
    {CASE(DISCARD_STMT), 0, PIN_NONE, on_discard},
    {CASE(EXPLAIN_STMT), 0, PIN_NONE, on_explain},
    {CASE(COPY_STMT), 0, PIN_NONE, on_copy},
    {CASE(TRUNCATE_STMT), 0, PIN_NONE, on_truncate},
    {CASE(DECLARE_CURSOR_STMT), 0, PIN_NONE, on_cursor},
    {CASE(FETCH_STMT), 0, PIN_NONE, NULL},
    {CASE(CLOSE_PORTAL_STMT), 0, PIN_NONE, NULL},
    {CASE(LISTEN_STMT), 0, PIN_LISTEN, NULL},
    {CASE(UNLISTEN_STMT), 0, PIN_NONE, NULL},
    {CASE(NOTIFY_STMT), 0, PIN_NONE, NULL},
    {CASE(LOCK_STMT), 0, PIN_NONE, NULL},
    {CASE(CONSTRAINTS_SET_STMT), 0, PIN_NONE, NULL},
    {CASE(COMMENT_STMT), 0, PIN_NONE, on_comment},
    {CASE(VACUUM_STMT), EFFECT_VACUUM, PIN_NONE, NULL}, /* ANALYZE too */
    {CASE(CLUSTER_STMT), 0, PIN_NONE, NULL},
    {CASE(REINDEX_STMT), 0, PIN_NONE, NULL},
    {CASE(CHECK_POINT_STMT), 0, PIN_NONE, NULL},
    {CASE(PREPARE_STMT), EFFECT_NAMES, PIN_PREPARED, on_prepare},
    {CASE(EXECUTE_STMT), EFFECT_WRITES_ALL | EFFECT_NAMES | EFFECT_RUNS, PIN_PREPARED, on_execute},
    {CASE(DEALLOCATE_STMT), EFFECT_DEALLOCATE, PIN_NONE, NULL},
    {CASE(LOAD_STMT), EFFECT_DIRTY, PIN_UNKNOWN, NULL},
    {CASE(DO_STMT), 0, PIN_NONE, on_do},
    {CASE(CALL_STMT), 0, PIN_NONE, on_call},
    {CASE(CREATE_TABLE_AS_STMT), 0, PIN_NONE, on_create_as},
    {CASE(CREATE_STMT), 0, PIN_NONE, on_create},
    {CASE(VIEW_STMT), 0, PIN_NONE, on_create_view},
    {CASE(CREATE_SEQ_STMT), 0, PIN_NONE, on_create_sequence},
    {CASE(REFRESH_MAT_VIEW_STMT), 0, PIN_NONE, on_refresh},
    {CASE(ALTER_TABLE_STMT), EFFECTS_CODE, PIN_FUNCTION, NULL},
    {CASE(ALTER_DOMAIN_STMT), EFFECTS_CODE, PIN_FUNCTION, NULL},
    {CASE(CREATE_EXTENSION_STMT), EFFECTS_CODE, PIN_UNKNOWN, NULL},
    {CASE(ALTER_EXTENSION_STMT), EFFECTS_CODE, PIN_UNKNOWN, NULL},
    {CASE(CREATE_SCHEMA_STMT), EFFECTS_CODE, PIN_FUNCTION, NULL},
    {CASE(RENAME_STMT), EFFECTS_DDL, PIN_NONE, on_rename},
    {CASE(ALTER_OWNER_STMT), EFFECTS_DDL, PIN_NONE, on_owner},
    {CASE(GRANT_STMT), EFFECTS_DDL, PIN_NONE, on_grant},
    {CASE(GRANT_ROLE_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(CREATE_ROLE_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(ALTER_ROLE_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(ALTER_ROLE_SET_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(DROP_ROLE_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(DROP_OWNED_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(REASSIGN_OWNED_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(CREATEDB_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(DROPDB_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(ALTER_DATABASE_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(ALTER_DATABASE_REFRESH_COLL_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(ALTER_DATABASE_SET_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(ALTER_SYSTEM_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(CREATE_TABLE_SPACE_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(DROP_TABLE_SPACE_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
    {CASE(ALTER_TABLE_SPACE_OPTIONS_STMT), EFFECTS_SHARED, PIN_NONE, NULL},
};

static const struct statement_rule rule_ddl = {0, EFFECTS_DDL, PIN_NONE, walk_ddl};

static enum reason statement_reason(int node_case, unsigned effects)
{
    if (node_case == CASE(SELECT_STMT) || node_case == CASE(INSERT_STMT) ||
        node_case == CASE(UPDATE_STMT) || node_case == CASE(DELETE_STMT) ||
        node_case == CASE(MERGE_STMT))
        return REASON_NONE; /* the walk says */
    if (node_case == CASE(TRUNCATE_STMT) || (effects & EFFECT_WRITES_ALL))
        return REASON_WRITES;
    return REASON_NOT_A_QUERY;
}

void walk_statement(struct walk *walk, const PgQuery__Node *statement)
{
    const struct statement_rule *rule = &rule_ddl;

    for (size_t i = 0; i < ARRAY_COUNT(rules); i++) {
        if (rules[i].node_case == (int)statement->node_case)
            rule = &rules[i];
    }
    enum reason reason = statement_reason((int)statement->node_case, rule->effects);
    if (reason != REASON_NONE)
        facts_deny(walk->facts, reason, NULL);
    walk->facts->effects |= rule->effects;
    if (rule->pin != PIN_NONE)
        facts_pin(walk->facts, rule->pin, rule->effects & EFFECT_DIRTY);
    if (rule->handle)
        rule->handle(walk, statement);
}
