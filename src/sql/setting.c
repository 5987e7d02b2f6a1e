/* Statements about settings, read from the parse tree as Postgres flattens them.
 *
 * Source  src/backend/utils/misc/guc.c (flatten_set_variable_args, ExecSetVariableStmt,
 *         set_config_by_name) and gram.y of PostgreSQL 15.
 */
#include "sql/setting.h"

#include <stdio.h>
#include <strings.h>

#include "analyze_depth.h"
#include "base/buf.h"
#include "base/mem.h"

#include <pg_query.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wredundant-decls"
#include <pg_query/pg_query.pb-c.h>
#pragma GCC diagnostic pop

enum { SETTING_TEXT_MAX = 64 * 1024, NAME_PART_MAX = 63 /* longer ones SET cuts */ };

struct reader {
    const struct setting_param *params;
    unsigned param_count;
    struct setting_changes *out;
};

/* Settings that this file leaves to others: bound to the transaction, not to be read back, or with
 * a meaning that depends on what the backend did before. */
static const char *const not_read[] = {
    "exit_on_error",
    "is_superuser",
    "seed",
    "sort_mem",
    "temp_buffers",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
    "vacuum_mem",
};

/* Lists whose items Postgres quotes one by one (GUC_LIST_QUOTE). */
static const char *const quoted_lists[] = {
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "temp_tablespaces",
};

static bool is_listed(const char *name, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, list[i]) == 0)
            return true;
    }
    return false;
}

#define LISTED(name, list) is_listed(name, list, ARRAY_COUNT(list))

/* ---- one change ---- */

static struct setting_change *add(struct reader *reader, enum setting_kind kind, const char *name)
{
    struct setting_changes *out = reader->out;
    if (out->count == SETTING_CHANGES_MAX || strlen(name) >= SETTING_NAME_MAX)
        return NULL;
    struct setting_change *change = &out->list[out->count++];
    *change = (struct setting_change){.kind = kind, .name = mem_text(name)};
    return change;
}

static void add_value(struct setting_change *change, const struct buf *value)
{
    change->value_len = buf_len(value);
    change->value = mem_text_n(buf_head(value), buf_len(value));
}

/* The name as Postgres compares it; false for one that it would not take. */
static bool name_is_plain(const char *name, char out[SETTING_NAME_MAX])
{
    size_t len = strlen(name), part = 0;
    if (len == 0 || len >= SETTING_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        bool letter = (c >= 'a' && c <= 'z') || c == '_';
        bool inner = (c >= '0' && c <= '9') || c == '$' || c == '.';
        bool begins = i == 0 || out[i - 1] == '.';
        if (!letter && !(inner && !begins))
            return false;
        part = c == '.' ? 0 : part + 1;
        if (part > NAME_PART_MAX)
            return false;
        out[i] = c;
    }
    out[len] = 0;
    return name[len - 1] != '.' && !LISTED(out, not_read);
}

static bool is_utf8(const char *value)
{
    return strcasecmp(value, "utf8") == 0 || strcasecmp(value, "utf-8") == 0 ||
           strcasecmp(value, "unicode") == 0;
}

static bool is_on(const char *value)
{
    return strcasecmp(value, "on") == 0 || strcasecmp(value, "true") == 0 ||
           strcasecmp(value, "yes") == 0 || strcmp(value, "1") == 0;
}

/* Values under which a text is cut otherwise than we do, or that stand for something else on
 * another backend. */
static bool value_is_safe(const char *name, const char *value)
{
    if (strcmp(name, "client_encoding") == 0)
        return is_utf8(value);
    if (strcmp(name, "standard_conforming_strings") == 0)
        return is_on(value);
    if (strcmp(name, "default_text_search_config") == 0)
        return strncmp(value, "pg_catalog.", strlen("pg_catalog.")) == 0;
    return true;
}

/* ---- SET and RESET ---- */

static bool put_constant(const PgQuery__Node *node, struct buf *value)
{
    if (node->node_case != PG_QUERY__NODE__NODE_A_CONST || node->a_const->isnull)
        return false;
    const PgQuery__AConst *constant = node->a_const;
    switch ((int)constant->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL:
        buf_printf(value, "%d", constant->ival->ival);
        return true;
    case PG_QUERY__A__CONST__VAL_FVAL:
        buf_append_text(value, constant->fval->fval);
        return true;
    case PG_QUERY__A__CONST__VAL_SVAL:
        buf_append_text(value, constant->sval->sval);
        return true;
    default:
        return false;
    }
}

/* The items of a list have zero bytes between them where Postgres quotes each. */
static bool join_values(const char *name, PgQuery__Node *const *args, size_t count,
                        struct buf *value)
{
    bool listed = LISTED(name, quoted_lists);
    bool fine = count > 0;
    for (size_t i = 0; fine && i < count; i++) {
        if (i > 0)
            buf_append(value, listed ? "" : ", ", listed ? 1 : 2);
        fine = put_constant(args[i], value);
    }
    return fine;
}

static bool read_value(struct reader *reader, const char *name, PgQuery__Node *const *args,
                       size_t count)
{
    struct buf value = {0};
    bool fine = join_values(name, args, count, &value);
    struct setting_change *change = fine ? add(reader, SETTING_SET, name) : NULL;
    if (change) {
        change->listed = LISTED(name, quoted_lists);
        add_value(change, &value);
        fine = value_is_safe(name, change->value);
    }
    buf_fini(&value);
    return fine && change;
}

/* SET LOCAL: whoever cares for the value gets one that is plain. */
static bool read_local(struct reader *reader, const char *name, PgQuery__Node *const *args,
                       size_t count)
{
    struct buf value = {0};
    struct setting_change *change = add(reader, SETTING_LOCAL, name);
    if (change && join_values(name, args, count, &value)) {
        change->listed = LISTED(name, quoted_lists);
        add_value(change, &value);
    }
    buf_fini(&value);
    return change;
}

/* SET SESSION CHARACTERISTICS AS TRANSACTION: up to three settings. */
static bool read_characteristics(struct reader *reader, const PgQuery__VariableSetStmt *set)
{
    for (size_t i = 0; i < set->n_args; i++) {
        const PgQuery__Node *node = set->args[i];
        if (node->node_case != PG_QUERY__NODE__NODE_DEF_ELEM)
            return false;
        char name[SETTING_NAME_MAX];
        snprintf(name, sizeof(name), "default_%s", node->def_elem->defname);
        if (strncmp(name, "default_transaction_", strlen("default_transaction_")) != 0 ||
            !node->def_elem->arg || !read_value(reader, name, &node->def_elem->arg, 1))
            return false;
    }
    return set->n_args > 0;
}

static bool read_set(struct reader *reader, const PgQuery__VariableSetStmt *set)
{
    char name[SETTING_NAME_MAX];
    struct setting_change *change;
    if (set->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_RESET_ALL)
        return add(reader, SETTING_RESET_ALL, "") != NULL;
    if (set->kind == PG_QUERY__VARIABLE_SET_KIND__VAR_SET_MULTI)
        return set->name && strcmp(set->name, "SESSION CHARACTERISTICS") == 0 &&
               read_characteristics(reader, set);
    if (!set->name || !name_is_plain(set->name, name))
        return false;
    switch ((int)set->kind) {
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_VALUE:
        return set->is_local ? read_local(reader, name, set->args, set->n_args)
                             : read_value(reader, name, set->args, set->n_args);
    case PG_QUERY__VARIABLE_SET_KIND__VAR_SET_DEFAULT:
    case PG_QUERY__VARIABLE_SET_KIND__VAR_RESET:
        change = add(reader, set->is_local ? SETTING_LOCAL : SETTING_RESET, name);
        if (change)
            change->resets = true;
        return change != NULL;
    default:
        return false;
    }
}

/* ---- SELECT set_config(..) ---- */

struct value {
    bool null;
    struct slice text;
};

static bool is_text_type(const PgQuery__TypeName *type)
{
    const PgQuery__Node *last = type->n_names ? type->names[type->n_names - 1] : NULL;
    if (!last || last->node_case != PG_QUERY__NODE__NODE_STRING || type->n_array_bounds ||
        type->n_typmods || type->setof)
        return false;
    return strcmp(last->string->sval, "text") == 0 || strcmp(last->string->sval, "varchar") == 0;
}

static bool read_argument(const struct reader *reader, const PgQuery__Node *node, struct value *out)
{
    if (node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST) {
        if (!node->type_cast->type_name || !is_text_type(node->type_cast->type_name))
            return false;
        node = node->type_cast->arg;
    }
    if (node->node_case == PG_QUERY__NODE__NODE_A_CONST) {
        const PgQuery__AConst *constant = node->a_const;
        out->null = constant->isnull;
        if (!out->null && constant->val_case != PG_QUERY__A__CONST__VAL_SVAL)
            return false;
        out->text = out->null ? slice_of(NULL, 0) : slice_of_text(constant->sval->sval);
        return true;
    }
    if (node->node_case != PG_QUERY__NODE__NODE_PARAM_REF)
        return false;
    unsigned at = (unsigned)node->param_ref->number - 1;
    if (at >= reader->param_count || !reader->params[at].known)
        return false;
    out->null = reader->params[at].null;
    out->text = reader->params[at].value;
    return true;
}

static bool read_boolean(const struct reader *reader, const PgQuery__Node *node, bool *out)
{
    struct value value;
    if (node->node_case == PG_QUERY__NODE__NODE_A_CONST && !node->a_const->isnull &&
        node->a_const->val_case == PG_QUERY__A__CONST__VAL_BOOLVAL) {
        *out = node->a_const->boolval->boolval;
        return true;
    }
    if (node->node_case == PG_QUERY__NODE__NODE_TYPE_CAST || !read_argument(reader, node, &value) ||
        value.null)
        return false;
    static const uint8_t yes[] = {1}, no[] = {0};
    if (slice_is(value.text, "t") || slice_is(value.text, "true") ||
        slice_equal(value.text, slice_of(yes, 1)))
        *out = true;
    else if (slice_is(value.text, "f") || slice_is(value.text, "false") ||
             slice_equal(value.text, slice_of(no, 1)))
        *out = false;
    else
        return false;
    return true;
}

static bool is_set_config(const PgQuery__FuncCall *call)
{
    const PgQuery__Node *last = call->n_funcname ? call->funcname[call->n_funcname - 1] : NULL;
    if (!last || last->node_case != PG_QUERY__NODE__NODE_STRING ||
        strcmp(last->string->sval, "set_config") != 0)
        return false;
    return call->n_args == 3 && !call->agg_filter && !call->over && !call->n_agg_order &&
           !call->agg_star && !call->agg_distinct && !call->func_variadic;
}

static bool read_call(struct reader *reader, const PgQuery__FuncCall *call)
{
    struct value name, value;
    bool local;
    char text[SETTING_NAME_MAX], plain[SETTING_NAME_MAX];
    if (!is_set_config(call) || !read_argument(reader, call->args[0], &name) || name.null ||
        name.text.len >= sizeof(text) || !read_argument(reader, call->args[1], &value) ||
        !read_boolean(reader, call->args[2], &local))
        return false;
    if (memchr(name.text.data, 0, name.text.len) ||
        (value.text.len && memchr(value.text.data, 0, value.text.len)))
        return false;
    snprintf(text, sizeof(text), "%.*s", (int)name.text.len, (const char *)name.text.data);
    if (!name_is_plain(text, plain))
        return false;
    enum setting_kind kind = local ? SETTING_LOCAL : value.null ? SETTING_RESET : SETTING_SET;
    struct setting_change *change = add(reader, kind, plain);
    if (change) {
        change->resets = value.null;
        change->called = true;
    }
    if (!change || value.null)
        return change != NULL;
    change->value_len = value.text.len;
    change->value = mem_text_n(value.text.data, value.text.len);
    return local || value_is_safe(plain, change->value);
}

static bool read_select(struct reader *reader, const PgQuery__SelectStmt *select)
{
    if (select->n_distinct_clause || select->into_clause || select->n_from_clause ||
        select->where_clause || select->n_group_clause || select->having_clause ||
        select->n_window_clause || select->n_values_lists || select->n_sort_clause ||
        select->limit_offset || select->limit_count || select->n_locking_clause ||
        select->with_clause || select->op > PG_QUERY__SET_OPERATION__SETOP_NONE)
        return false;
    for (size_t i = 0; i < select->n_target_list; i++) {
        const PgQuery__Node *target = select->target_list[i];
        if (target->node_case != PG_QUERY__NODE__NODE_RES_TARGET || !target->res_target->val ||
            target->res_target->val->node_case != PG_QUERY__NODE__NODE_FUNC_CALL ||
            !read_call(reader, target->res_target->val->func_call))
            return false;
    }
    return select->n_target_list > 0;
}

/* ---- savepoints ---- */

static bool read_savepoint(struct reader *reader, const PgQuery__TransactionStmt *transaction)
{
    const char *name = transaction->savepoint_name ? transaction->savepoint_name : "";
    switch ((int)transaction->kind) {
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_SAVEPOINT:
        return add(reader, SETTING_SAVEPOINT, name) != NULL;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_RELEASE:
        return add(reader, SETTING_RELEASE, name) != NULL;
    case PG_QUERY__TRANSACTION_STMT_KIND__TRANS_STMT_ROLLBACK_TO:
        return add(reader, SETTING_ROLLBACK_TO, name) != NULL;
    default:
        return false;
    }
}

static bool read_statement(struct reader *reader, const PgQuery__Node *statement)
{
    switch ((int)statement->node_case) {
    case PG_QUERY__NODE__NODE_VARIABLE_SET_STMT:
        return read_set(reader, statement->variable_set_stmt);
    case PG_QUERY__NODE__NODE_SELECT_STMT:
        return read_select(reader, statement->select_stmt);
    case PG_QUERY__NODE__NODE_TRANSACTION_STMT:
        return read_savepoint(reader, statement->transaction_stmt);
    default:
        return false;
    }
}

/* NULL: nothing that the parser would take, or too much of it. */
static PgQuery__ParseResult *parse(struct slice text)
{
    if (text.len == 0 || text.len > SETTING_TEXT_MAX || memchr(text.data, 0, text.len))
        return NULL;
    char *copy = mem_text_n(text.data, text.len);
    PgQuery__ParseResult *tree = NULL;
    if (analyze_depth_is_safe(copy, text.len)) {
        PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(copy);
        if (!parsed.error)
            tree = pg_query__parse_result__unpack(NULL, parsed.parse_tree.len,
                                                  (const uint8_t *)parsed.parse_tree.data);
        pg_query_free_protobuf_parse_result(parsed);
    }
    mem_free(copy);
    return tree;
}

struct setting_changes *setting_read(struct slice text, const struct setting_param *params,
                                     unsigned param_count)
{
    PgQuery__ParseResult *tree = parse(text);
    if (!tree)
        return NULL;
    struct reader reader = {.params = params,
                            .param_count = param_count,
                            .out = mem_zero(1, sizeof(struct setting_changes))};
    bool fine =
        tree->n_stmts == 1 && tree->stmts[0]->stmt && read_statement(&reader, tree->stmts[0]->stmt);
    pg_query__parse_result__free_unpacked(tree, NULL);
    if (fine)
        return reader.out;
    setting_changes_destroy(reader.out);
    return NULL;
}

unsigned setting_split(struct slice text, struct slice out[SETTING_STATEMENTS_MAX])
{
    PgQuery__ParseResult *tree = parse(text);
    unsigned count = tree && tree->n_stmts <= SETTING_STATEMENTS_MAX ? (unsigned)tree->n_stmts : 0;
    for (unsigned i = 0; i < count; i++) {
        size_t from = (size_t)tree->stmts[i]->stmt_location;
        size_t len = (size_t)tree->stmts[i]->stmt_len;
        if (from > text.len || len > text.len - from) {
            count = 0;
            break;
        }
        out[i] = slice_of(text.data + from, len ? len : text.len - from); /* 0: up to the end */
    }
    if (tree)
        pg_query__parse_result__free_unpacked(tree, NULL);
    return count;
}

bool setting_changes_add(struct setting_changes *to, struct setting_changes *from,
                         unsigned statement)
{
    bool fits = to->count + from->count <= SETTING_CHANGES_MAX;
    for (unsigned i = 0; fits && i < from->count; i++) {
        to->list[to->count] = from->list[i];
        to->list[to->count++].statement = (uint16_t)statement;
    }
    if (fits)
        from->count = 0; /* the texts are with the others now */
    setting_changes_destroy(from);
    return fits;
}

void setting_changes_destroy(struct setting_changes *changes)
{
    if (!changes)
        return;
    for (unsigned i = 0; i < changes->count; i++) {
        mem_free(changes->list[i].name);
        mem_free(changes->list[i].value);
    }
    mem_free(changes);
}
