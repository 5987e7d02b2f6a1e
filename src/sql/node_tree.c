#include "node_tree.h"

#include <stdlib.h>
#include <string.h>

enum {
    NODE_DEPTH_MAX = 1000,
    NODE_WORD_MAX = 32, /* longer words are neither a node nor a field that we look for */
    /* Of SQLValueFunctionOp in primnodes.h: current_role, current_user, user, session_user. */
    VALUE_CURRENT_ROLE = 9,
    VALUE_SESSION_USER = 12,
};

struct field {
    const char *name;
    enum node_dependency kind;
    bool zero_allowed;
};

/* Fields whose value is an OID that matters. Sorted. */
static const struct field fields[] = {
    {"aggfnoid", NODE_FUNCTION, false},
    {"aggtype", NODE_TYPE, false},
    {"array_typeid", NODE_TYPE, false},
    {"casetype", NODE_TYPE, false},
    {"coalescetype", NODE_TYPE, false},
    {"consttype", NODE_TYPE, false},
    {"element_typeid", NODE_TYPE, false},
    {"endInRangeFunc", NODE_FUNCTION, true},
    {"eqop", NODE_OPERATOR, true},
    {"funcid", NODE_FUNCTION, false},
    {"funcresulttype", NODE_TYPE, false},
    {"hashfuncid", NODE_FUNCTION, true},
    {"minmaxtype", NODE_TYPE, false},
    {"negfuncid", NODE_FUNCTION, true},
    {"opfuncid", NODE_FUNCTION, false},
    {"opresulttype", NODE_TYPE, false},
    {"paramtype", NODE_TYPE, false},
    {"refrestype", NODE_TYPE, false},
    {"relid", NODE_RELATION, true},
    {"resulttype", NODE_TYPE, false},
    {"row_typeid", NODE_TYPE, false},
    {"sortop", NODE_OPERATOR, true},
    {"startInRangeFunc", NODE_FUNCTION, true},
    {"tsmhandler", NODE_FUNCTION, false},
    {"vartype", NODE_TYPE, false},
    {"winfnoid", NODE_FUNCTION, false},
    {"wintype", NODE_TYPE, false},
};

/* Nodes that a view may contain and still be cached. Sorted. */
static const char *const known_nodes[] = {
    "AGGREF",
    "ALIAS",
    "ARRAY",
    "ARRAYCOERCEEXPR",
    "ARRAYEXPR",
    "BOOLEANTEST",
    "BOOLEXPR",
    "CASE",
    "CASEEXPR",
    "CASETESTEXPR",
    "CASEWHEN",
    "COALESCE",
    "COALESCEEXPR",
    "COERCEVIAIO",
    "COLLATE",
    "COLLATEEXPR",
    "COMMONTABLEEXPR",
    "CONST",
    "DISTINCTEXPR",
    "FIELDSELECT",
    "FROMEXPR",
    "FUNCEXPR",
    "GROUPINGFUNC",
    "GROUPINGSET",
    "JOINEXPR",
    "MINMAX",
    "MINMAXEXPR",
    "NAMEDARGEXPR",
    "NULLIFEXPR",
    "NULLTEST",
    "OPEXPR",
    "PARAM",
    "PLACEHOLDERVAR",
    "QUERY",
    "RANGETBLENTRY",
    "RANGETBLFUNCTION",
    "RANGETBLREF",
    "RELABELTYPE",
    "RTE",
    "RTEPERMISSIONINFO",
    "SCALARARRAYOPEXPR",
    "SETOPERATIONSTMT",
    "SORTGROUPCLAUSE",
    "SQLVALUEFUNCTION",
    "SUBLINK",
    "SUBSCRIPTINGREF",
    "TARGETENTRY",
    "VAR",
    "WINDOWCLAUSE",
    "WINDOWFUNC",
    "XMLEXPR",
};

struct reader {
    struct slice text;
    size_t at;
    unsigned flags;
    unsigned depth;
    bool via_io[NODE_DEPTH_MAX]; /* is the open node of that depth a COERCEVIAIO */
    on_node_dependency on_dependency;
    void *context;
};

static int word_compare(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

static int field_compare(const void *key, const void *item)
{
    return strcmp(key, ((const struct field *)item)->name);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* The next run of bytes up to white space or a bracket; escaped bytes belong to it. */
static void word_read(struct reader *reader, char word[NODE_WORD_MAX])
{
    size_t len = 0;

    while (reader->at < reader->text.len) {
        uint8_t c = reader->text.data[reader->at];

        if (is_space(c) || c == '{' || c == '}' || c == '(' || c == ')')
            break;
        reader->at++;
        if (c == '\\' && reader->at < reader->text.len)
            c = reader->text.data[reader->at++];
        if (len < NODE_WORD_MAX)
            word[len] = (char)c;
        len++;
    }
    word[len < NODE_WORD_MAX ? len : 0] = '\0';
}

static void spaces_skip(struct reader *reader)
{
    while (reader->at < reader->text.len && is_space(reader->text.data[reader->at]))
        reader->at++;
}

/* Behind the name of a SQLVALUEFUNCTION: does it ask for a role? Nothing is passed. */
static bool role_follows(const struct reader *reader)
{
    struct reader ahead = {.text = reader->text, .at = reader->at};
    char word[NODE_WORD_MAX];

    spaces_skip(&ahead);
    word_read(&ahead, word);
    if (strcmp(word, ":op") != 0)
        return false;
    spaces_skip(&ahead);
    word_read(&ahead, word);
    char *end;
    long op = strtol(word, &end, 10);
    return *word && *end == '\0' && op >= VALUE_CURRENT_ROLE && op <= VALUE_SESSION_USER;
}

static void node_open(struct reader *reader)
{
    char word[NODE_WORD_MAX];

    reader->at++;
    spaces_skip(reader);
    word_read(reader, word);
    if (reader->depth + 1 >= NODE_DEPTH_MAX) {
        reader->flags |= NODE_NOT_CACHED | NODE_UNREADABLE;
        reader->at = reader->text.len;
        return;
    }
    reader->depth++;
    reader->via_io[reader->depth] = strcmp(word, "COERCEVIAIO") == 0;
    if (strcmp(word, "COERCETODOMAIN") == 0)
        reader->flags |= NODE_DOMAIN;
    if (strcmp(word, "SQLVALUEFUNCTION") == 0)
        reader->flags |= role_follows(reader) ? NODE_ROLE : NODE_NOT_CACHED;
    const char *key = word;
    if (!bsearch(key, known_nodes, ARRAY_COUNT(known_nodes), sizeof(*known_nodes), word_compare))
        reader->flags |= NODE_NOT_CACHED;
}

/* Fields whose value is no OID. */
static bool field_is_special(struct reader *reader, const char *word)
{
    char value[NODE_WORD_MAX];

    if (strcmp(word, "opnos") == 0) { /* operators of a row comparison, as a list */
        reader->flags |= NODE_NOT_CACHED | NODE_UNREADABLE;
        return true;
    }
    if (strcmp(word, "commandType") == 0) { /* CmdType: 1 SELECT, 2 to 5 write, 6 is none of ours */
        spaces_skip(reader);
        word_read(reader, value);
        if (value[1] != '\0' || value[0] < '1' || value[0] > '7')
            reader->flags |= NODE_NOT_CACHED | NODE_UNREADABLE;
        else if (value[0] >= '2' && value[0] <= '5')
            reader->flags |= NODE_NOT_CACHED | NODE_WRITES;
        return true;
    }
    bool locks = strcmp(word, "hasForUpdate") == 0;
    if (!locks && strcmp(word, "varattno") != 0)
        return false;
    spaces_skip(reader);
    word_read(reader, value);
    if (locks ? strcmp(value, "false") != 0 : value[0] < '0' || value[0] > '9')
        reader->flags |= NODE_NOT_CACHED;
    return true;
}

static void field_read(struct reader *reader)
{
    char word[NODE_WORD_MAX];

    reader->at++;
    word_read(reader, word);
    if (field_is_special(reader, word))
        return;
    const struct field *field =
        bsearch(word, fields, ARRAY_COUNT(fields), sizeof(*fields), field_compare);
    if (!field)
        return;
    spaces_skip(reader);
    size_t before = reader->at;
    char value[NODE_WORD_MAX];
    word_read(reader, value);
    char *end;
    unsigned long oid = strtoul(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || oid > UINT32_MAX) {
        /* A name that looks like a field: whatever follows is read again. */
        reader->flags |= NODE_NOT_CACHED | NODE_UNREADABLE;
        reader->at = before;
        return;
    }
    if (oid == 0 && field->zero_allowed)
        return;
    enum node_dependency kind = field->kind;
    if (strcmp(word, "resulttype") == 0 && reader->via_io[reader->depth])
        kind = NODE_TYPE_INPUT;
    reader->on_dependency(reader->context, kind, (uint32_t)oid);
}

unsigned node_tree_read(struct slice text, on_node_dependency on_dependency, void *context)
{
    struct reader reader = {.text = text, .on_dependency = on_dependency, .context = context};

    while (reader.at < text.len) {
        uint8_t c = text.data[reader.at];
        char word[NODE_WORD_MAX];

        if (is_space(c) || c == '(' || c == ')') {
            reader.at++;
        } else if (c == '{') {
            node_open(&reader);
        } else if (c == '}') {
            reader.at++;
            if (reader.depth == 0)
                reader.flags |= NODE_NOT_CACHED | NODE_UNREADABLE;
            else
                reader.depth--;
        } else if (c == ':') {
            field_read(&reader);
        } else {
            word_read(&reader, word);
        }
    }
    if (reader.depth != 0)
        reader.flags |= NODE_NOT_CACHED | NODE_UNREADABLE;
    return reader.flags;
}
