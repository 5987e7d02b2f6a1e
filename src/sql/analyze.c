/* One walk over the protobuf tree of libpg_query.
 *
 * The walk uses protobuf-c's own description of every message, so that no field can be forgotten: a
 * child is visited unless a rule says otherwise. A rule per kind of node says what it means; a node
 * without a rule makes the text uncacheable.
 *
 * Threads  libpg_query keeps its state per thread.
 * Source   parsenodes.h and gram.y of PostgreSQL 15; pg_query.proto.
 */
#include "analyze.h"

#include "analyze_depth.h"
#include "analyze_walk.h"
#include "base/mem.h"
#include "pins_find.h"
#include "sql/scan.h"

#include <pg_query.h>

static void tree_free(void *tree)
{
    pg_query__parse_result__free_unpacked(tree, NULL);
}

/* The text of a String node, or NULL. */
const char *walk_string(const PgQuery__Node *node)
{
    return node && node->node_case == PG_QUERY__NODE__NODE_STRING ? node->string->sval : NULL;
}

/* The last of a list of names, and the one before it. */
const char *walk_names(PgQuery__Node *const *names, size_t count, const char **out_schema)
{
    *out_schema = count > 1 ? walk_string(names[count - 2]) : NULL;
    const char *last = count > 0 ? walk_string(names[count - 1]) : NULL;
    return last ? last : "";
}

void walk_nodes(struct walk *walk, PgQuery__Node *const *nodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        walk_message(walk, &nodes[i]->base);
}

void walk_fields(struct walk *walk, const ProtobufCMessage *message)
{
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    const char *base = (const char *)message;

    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];

        if (field->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count;
            ProtobufCMessage **items;

            memcpy(&count, base + field->quantifier_offset, sizeof(count));
            memcpy(&items, base + field->offset, sizeof(items));
            for (size_t at = 0; at < count; at++)
                walk_message(walk, items[at]);
            continue;
        }
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
            uint32_t present;

            memcpy(&present, base + field->quantifier_offset, sizeof(present));
            if (present != field->id)
                continue;
        }
        const ProtobufCMessage *child;
        memcpy(&child, base + field->offset, sizeof(child));
        if (child)
            walk_message(walk, child);
    }
}

void walk_message(struct walk *walk, const ProtobufCMessage *message)
{
    if (!message)
        return;
    if (walk->depth >= WALK_DEPTH_MAX) {
        facts_unknown(walk->facts, REASON_TOO_LONG);
        return;
    }
    walk->depth++;
    const struct walk_rule *rule = walk_rule_of(message->descriptor);
    bool descend = true;
    if (!rule || !rule->passive)
        walk->facts->coerces = true;
    if (!rule)
        facts_deny(walk->facts, REASON_EXPRESSION, message->descriptor->short_name);
    else if (rule->reason != REASON_NONE)
        facts_deny(walk->facts, rule->reason, "");
    if (rule && rule->handle)
        descend = rule->handle(walk, message);
    if (descend)
        walk_fields(walk, message);
    walk->depth--;
}

/* True if the text may say pg_temp, wherever and however it is quoted. */
static bool text_names_temporary(const char *text)
{
    return strcasestr(text, "pg_temp") || strcasestr(text, "u&\"");
}

static void result_walk(const char *text, const PgQuery__ParseResult *result, struct facts *facts)
{
    struct walk walk = {.facts = facts};

    facts->statements = (unsigned)result->n_stmts;
    facts->temporary = text_names_temporary(text);
    if (result->n_stmts == 0)
        facts_deny(facts, REASON_EMPTY, NULL);
    if (result->n_stmts > 1)
        facts_deny(facts, REASON_SEVERAL_STATEMENTS, NULL);
    for (size_t i = 0; i < result->n_stmts; i++) {
        const PgQuery__Node *statement = result->stmts[i]->stmt;

        if (statement)
            walk_statement(&walk, statement);
    }
    if (result->n_stmts > 1)
        facts->effects &= ~(unsigned)EFFECT_UNPIN; /* what came after it counts */
    if (result->n_stmts == 1 && result->stmts[0]->stmt)
        pins_find(text, result->stmts[0]->stmt, facts->selects, &facts->pins);
}

void analyze_text(struct slice text, struct facts *facts)
{
    if (text.len > ANALYZE_TEXT_MAX) {
        facts_unknown(facts, REASON_TOO_LONG);
        return;
    }
    if (text.len > 0 && memchr(text.data, 0, text.len)) {
        facts_unknown(facts, REASON_DOUBTFUL_TEXT);
        return;
    }
    char *copy = mem_zero(1, text.len + SCAN_SLACK);
    if (text.len > 0)
        memcpy(copy, text.data, text.len);
    if (!analyze_depth_is_safe(copy, text.len)) {
        facts_unknown(facts, REASON_TOO_LONG);
        mem_free(copy);
        return;
    }
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(copy);
    PgQuery__ParseResult *result = NULL;
    if (!parsed.error)
        result = pg_query__parse_result__unpack(NULL, parsed.parse_tree.len,
                                                (const uint8_t *)parsed.parse_tree.data);
    pg_query_free_protobuf_parse_result(parsed);
    if (result) {
        facts->tree = result;
        facts->tree_free = tree_free;
        result_walk(copy, result, facts);
    } else {
        facts_unknown(facts, REASON_SYNTAX);
    }
    mem_free(copy);
}
