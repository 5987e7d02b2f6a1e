/* Takes the rows of the catalog queries and keeps them until everything has come. */
#include "catalog_build.h"
#include "catalog_query.h"

enum {
    OID_DIGITS_MAX = 10,
    NAME_SIZE = 64, /* NAMEDATALEN of Postgres */
};

static bool oid_read(struct slice value, uint32_t *out)
{
    uint64_t number = 0;

    if (value.len == 0 || value.len > OID_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
        number = number * 10 + (uint64_t)(value.data[i] - '0');
    }
    if (number > UINT32_MAX)
        return false;
    *out = (uint32_t)number;
    return true;
}

static bool bool_read(struct slice value, bool *out)
{
    if (value.len != 1 || (value.data[0] != 't' && value.data[0] != 'f'))
        return false;
    *out = value.data[0] == 't';
    return true;
}

static bool char_read(struct slice value, char *out)
{
    if (value.len != 1)
        return false;
    *out = (char)value.data[0];
    return true;
}

static bool name_read(struct catalog *catalog, struct slice value, const char **out)
{
    if (!value.data || memchr(value.data, 0, value.len))
        return false;
    *out = catalog_text(catalog, value);
    return true;
}

/* The name of a schema: one copy for a run of rows. */
static bool schema_read(struct catalog_builder *builder, struct slice value, const char **out)
{
    if (builder->schema && slice_equal(value, slice_of_text(builder->schema))) {
        *out = builder->schema;
        return true;
    }
    if (!name_read(builder->catalog, value, out))
        return false;
    builder->schema = *out;
    return true;
}

/* A name that is not kept; what is too long for one counts as a name that nobody has. */
static void name_copy(char out[NAME_SIZE], struct slice value)
{
    size_t len = value.len < NAME_SIZE ? value.len : NAME_SIZE - 1;

    memcpy(out, value.data, len);
    out[len] = '\0';
}

static bool type_add(struct catalog_builder *builder, const struct slice *values)
{
    struct catalog_type type = {0};
    char extension[NAME_SIZE];

    if (!oid_read(values[0], &type.oid) || !name_read(builder->catalog, values[1], &type.name) ||
        !bool_read(values[2], &type.builtin) || !char_read(values[3], &type.kind) ||
        !oid_read(values[4], &type.element) || !oid_read(values[5], &type.base) ||
        !schema_read(builder, values[6], &type.schema) || !values[7].data)
        return false;
    name_copy(extension, values[7]);
    type.known = functions_extension_types_known(extension);
    *BUILDER_ADD(builder, types) = type;
    return true;
}

/* The OIDs in "{16384,0}", a list of roles. */
static bool policy_roles_read(struct catalog_builder *builder, struct slice value,
                              struct raw_code *code)
{
    code->first_role = (uint32_t)builder->policy_roles_count;
    if (value.len < 2 || value.data[0] != '{' || value.data[value.len - 1] != '}')
        return false;
    for (size_t at = 1; value.len > 2 && at < value.len;) {
        size_t end = at;
        uint32_t oid;

        while (end + 1 < value.len && value.data[end] != ',')
            end++;
        if (!oid_read(slice_of(value.data + at, end - at), &oid))
            return false;
        *BUILDER_ADD(builder, policy_roles) = oid;
        code->role_count++;
        at = end + 1;
    }
    return true;
}

/* "23 25 1043" */
static bool arguments_read(struct catalog_builder *builder, struct slice value,
                           struct raw_function *function)
{
    function->first_argument = (uint32_t)builder->arguments_count;
    size_t at = 0;
    while (at < value.len) {
        size_t end = at;

        while (end < value.len && value.data[end] != ' ')
            end++;
        uint32_t oid;
        if (!oid_read(slice_of(value.data + at, end - at), &oid) ||
            function->argument_count >= FUNCTION_ARGUMENTS_MAX)
            return false;
        *BUILDER_ADD(builder, arguments) = oid;
        function->argument_count++;
        at = end + 1;
    }
    return true;
}

static bool function_add(struct catalog_builder *builder, const struct slice *values)
{
    struct raw_function function = {0};
    char extension[NAME_SIZE];
    uint32_t defaults;

    if (!oid_read(values[0], &function.oid) ||
        !name_read(builder->catalog, values[1], &function.name) ||
        !bool_read(values[2], &function.builtin) ||
        !schema_read(builder, values[3], &function.schema) ||
        !char_read(values[4], &function.volatility) || !char_read(values[5], &function.kind) ||
        !bool_read(values[6], &function.c_language) || !values[7].data ||
        !oid_read(values[9], &defaults) || !bool_read(values[10], &function.variadic) ||
        !oid_read(values[11], &function.result) || !arguments_read(builder, values[8], &function) ||
        defaults > function.argument_count)
        return false;
    name_copy(extension, values[7]);
    function.extension = extension[0] != '\0';
    function.extension_allowed =
        function.extension &&
        functions_extension_read_allowed(extension, function.name, function.volatility,
                                         function.kind, function.c_language);
    function.in_pg_catalog = strcmp(function.schema, "pg_catalog") == 0;
    function.default_count = (uint16_t)defaults;
    *BUILDER_ADD(builder, functions) = function;
    return true;
}

/* A text that is read when all rows have come; without data if there is none or no room for it. */
static struct slice source_keep(struct catalog_builder *builder, struct slice value)
{
    size_t bytes = 0;

    if (!value.data || value.len > BODIES_TEXT_MAX - builder->texts_len)
        return (struct slice){0};
    builder->texts_len += value.len;
    return slice_of(catalog_text_keep(&builder->texts, &bytes, value), value.len);
}

static bool body_add(struct catalog_builder *builder, const struct slice *values)
{
    struct raw_body body = {0};

    if (!oid_read(values[0], &body.function) || !char_read(values[1], &body.language) ||
        !values[2].data || !char_read(values[3], &body.settings))
        return false;
    struct slice extension = source_keep(builder, values[2]);
    body.extension = extension.data ? (const char *)extension.data : "";
    body.source = source_keep(builder, values[4]);
    body.query = source_keep(builder, values[5]);
    body.defaults = source_keep(builder, values[6]);
    if (values[6].data && !body.defaults.data)
        body.language = 'o'; /* not all of it can be read */
    *BUILDER_ADD(builder, bodies) = body;
    return true;
}

static bool aggregate_add(struct catalog_builder *builder, const struct slice *values)
{
    struct raw_aggregate aggregate = {0};

    if (!oid_read(values[0], &aggregate.function) || !values[1].data)
        return false;
    aggregate.calls = (const char *)source_keep(builder, values[1]).data;
    *BUILDER_ADD(builder, aggregates) = aggregate;
    return true;
}

static bool operator_add(struct catalog_builder *builder, const struct slice *values)
{
    struct raw_operator operator= {0};

    if (!oid_read(values[0], &operator.oid) ||
        !name_read(builder->catalog, values[1], &operator.name) ||
        !bool_read(values[2], &operator.builtin) || !oid_read(values[3], &operator.left) ||
        !oid_read(values[4], &operator.right) || !oid_read(values[5], &operator.function) ||
        !schema_read(builder, values[6], &operator.schema))
        return false;
    *BUILDER_ADD(builder, operators) = operator;
    return true;
}

static bool cast_add(struct catalog_builder *builder, const struct slice *values)
{
    struct raw_cast cast = {0};

    if (!oid_read(values[0], &cast.source) || !oid_read(values[1], &cast.target) ||
        !oid_read(values[2], &cast.function) || !char_read(values[3], &cast.context) ||
        !char_read(values[4], &cast.method))
        return false;
    *BUILDER_ADD(builder, casts) = cast;
    return true;
}

static bool collation_add(struct catalog_builder *builder, const struct slice *values)
{
    const char *name;
    bool builtin;

    if (!name_read(builder->catalog, values[0], &name) || !bool_read(values[1], &builtin))
        return false;
    if (builtin)
        *BUILDER_ADD(builder, collations) = name;
    return true;
}

static bool relation_add(struct catalog_builder *builder, const struct slice *values)
{
    struct catalog *catalog = builder->catalog;
    struct catalog_relation relation = {0};
    char persistence;

    if (!oid_read(values[0], &relation.oid) || !schema_read(builder, values[1], &relation.schema) ||
        !name_read(catalog, values[2], &relation.name) || !char_read(values[3], &relation.kind) ||
        !char_read(values[4], &persistence) || !bool_read(values[5], &relation.row_security) ||
        !bool_read(values[6], &relation.forced_security) || !oid_read(values[7], &relation.owner))
        return false;
    relation.system = strcmp(relation.schema, "pg_catalog") == 0 ||
                      strcmp(relation.schema, "information_schema") == 0;
    relation.temporary = persistence == 't';
    relation.root = relation.oid;
    char full_name[256];
    size_t schema_len = strlen(relation.schema);
    size_t name_len = strlen(relation.name);
    if (schema_len + name_len + 1 > sizeof(full_name))
        return false;
    memcpy(full_name, relation.schema, schema_len);
    full_name[schema_len] = '.';
    memcpy(full_name + schema_len + 1, relation.name, name_len);
    relation.full_name = catalog_text(catalog, slice_of(full_name, schema_len + 1 + name_len));
    *BUILDER_ADD(builder, relations) = relation;
    return true;
}

/* atttypmod: -1, or not negative */
static bool typmod_read(struct slice value, int32_t *out)
{
    uint32_t number;

    if (slice_is(value, "-1")) {
        *out = -1;
        return true;
    }
    if (!oid_read(value, &number) || number > INT32_MAX)
        return false;
    *out = (int32_t)number;
    return true;
}

static bool column_add(struct catalog_builder *builder, const struct slice *values)
{
    struct catalog_column column = {0};
    uint32_t number;

    if (!oid_read(values[0], &column.relation) ||
        !name_read(builder->catalog, values[1], &column.name) ||
        !oid_read(values[2], &column.type) || !oid_read(values[3], &number) || number > INT16_MAX ||
        !typmod_read(values[4], &column.typmod) || !bool_read(values[5], &column.deterministic) ||
        !bool_read(values[6], &column.generated) || !bool_read(values[7], &column.filled) ||
        !bool_read(values[8], &column.identity))
        return false;
    column.number = (uint16_t)number;
    *BUILDER_ADD(builder, columns) = column;
    return true;
}

static bool trigger_add(struct catalog_builder *builder, const struct slice *values)
{
    struct raw_trigger trigger = {0};

    if (!oid_read(values[0], &trigger.table) || !oid_read(values[1], &trigger.function) ||
        !oid_read(values[2], &trigger.type))
        return false;
    *BUILDER_ADD(builder, triggers) = trigger;
    return true;
}

static bool index_add(struct catalog_builder *builder, const struct slice *values)
{
    struct raw_index index = {0};

    if (!oid_read(values[0], &index.table) || !oid_read(values[1], &index.column) ||
        !bool_read(values[2], &index.unique))
        return false;
    *BUILDER_ADD(builder, indexes) = index;
    return true;
}

static void on_dependency(void *context, enum node_dependency kind, uint32_t oid)
{
    struct catalog_builder *builder = context;

    *BUILDER_ADD(builder, dependencies) = (struct raw_dependency){.kind = kind, .oid = oid};
}

static void code_read(struct catalog_builder *builder, struct slice text, struct raw_code *code)
{
    code->first = builder->dependencies_count;
    code->flags = node_tree_read(text, on_dependency, builder);
    code->count = builder->dependencies_count - code->first;
}

/* The query of a large view takes milliseconds to read: that is left to the build, which has a thread
 * of its own, as long as there is room. */
static bool code_add(struct catalog_builder *builder, const struct slice *values)
{
    struct raw_code code = {0};
    size_t bytes = 0;

    if (!char_read(values[0], &code.kind) || !oid_read(values[1], &code.owner) || !values[2].data)
        return false;
    if (code.kind == 'p' && !policy_roles_read(builder, values[3], &code))
        return false;
    if (values[2].len <= CODES_TEXT_MAX - builder->codes_len) {
        builder->codes_len += values[2].len;
        code.text = slice_of(catalog_text_keep(&builder->texts, &bytes, values[2]), values[2].len);
    } else {
        code_read(builder, values[2], &code);
    }
    *BUILDER_ADD(builder, codes) = code;
    return true;
}

void builder_codes_read(struct catalog_builder *builder)
{
    for (size_t i = 0; i < builder->codes_count; i++)
        if (builder->codes[i].text.data)
            code_read(builder, builder->codes[i].text, &builder->codes[i]);
}

static bool role_add(struct catalog_builder *builder, const struct slice *values)
{
    struct catalog_role role = {0};

    if (!oid_read(values[0], &role.oid) || !name_read(builder->catalog, values[1], &role.name) ||
        !bool_read(values[2], &role.superuser) || !bool_read(values[3], &role.bypasses) ||
        !bool_read(values[4], &role.login))
        return false;
    *BUILDER_ADD(builder, roles) = role;
    return true;
}

static bool setting_add(struct catalog_builder *builder, const struct slice *values)
{
    struct catalog_setting setting = {0};
    uint32_t database;

    if (!oid_read(values[0], &database) || !oid_read(values[1], &setting.role) ||
        !name_read(builder->catalog, values[2], &setting.name) ||
        !name_read(builder->catalog, values[3], &setting.value))
        return false;
    setting.of_database = database != 0;
    *BUILDER_ADD(builder, settings) = setting;
    return true;
}

static bool pair_read(const struct slice *values, struct raw_pair *out)
{
    return oid_read(values[0], &out->from) && oid_read(values[1], &out->to);
}

static bool row_add(struct catalog_builder *builder, enum catalog_query query,
                    const struct slice *values)
{
    struct raw_pair pair = {0};

    switch (query) {
    case CATALOG_QUERY_TYPES:
        return type_add(builder, values);
    case CATALOG_QUERY_FUNCTIONS:
        return function_add(builder, values);
    case CATALOG_QUERY_OPERATORS:
        return operator_add(builder, values);
    case CATALOG_QUERY_CASTS:
        return cast_add(builder, values);
    case CATALOG_QUERY_OPERATOR_CLASSES:
        builder->catalog->operator_classes = true;
        return true;
    case CATALOG_QUERY_COLLATIONS:
        return collation_add(builder, values);
    case CATALOG_QUERY_RELATIONS:
        return relation_add(builder, values);
    case CATALOG_QUERY_INHERITS:
        if (!pair_read(values, &pair))
            return false;
        *BUILDER_ADD(builder, inherits) = pair;
        return true;
    case CATALOG_QUERY_COLUMNS:
        return column_add(builder, values);
    case CATALOG_QUERY_FOREIGN_KEYS:
        if (!pair_read(values, &pair) || !bool_read(values[2], &pair.cascades))
            return false;
        *BUILDER_ADD(builder, foreign_keys) = pair;
        return true;
    case CATALOG_QUERY_TRIGGERS:
        return trigger_add(builder, values);
    case CATALOG_QUERY_CODE:
        return code_add(builder, values);
    case CATALOG_QUERY_EVENT_TRIGGERS:
        if (!oid_read(values[0], &pair.from))
            return false;
        *BUILDER_ADD(builder, event_triggers) = pair;
        return true;
    case CATALOG_QUERY_SUPPORT:
        if (!oid_read(values[0], &pair.from))
            return false;
        *BUILDER_ADD(builder, support) = pair;
        return true;
    case CATALOG_QUERY_ROLES:
        return role_add(builder, values);
    case CATALOG_QUERY_MEMBERS:
        if (!pair_read(values, &pair))
            return false;
        *BUILDER_ADD(builder, members) = pair;
        return true;
    case CATALOG_QUERY_ROLE_SETTINGS:
        return setting_add(builder, values);
    case CATALOG_QUERY_BODIES:
        return body_add(builder, values);
    case CATALOG_QUERY_AGGREGATES:
        return aggregate_add(builder, values);
    case CATALOG_QUERY_INDEXES:
        return index_add(builder, values);
    case CATALOG_QUERY_COUNT:
        break;
    }
    return false;
}

enum err catalog_builder_add(struct catalog_builder *builder, unsigned index,
                             const struct slice *values, unsigned count)
{
    if (index >= CATALOG_QUERY_COUNT || count != catalog_query_columns(index))
        return ERR_MALFORMED;
    return row_add(builder, (enum catalog_query)index, values) ? ERR_OK : ERR_MALFORMED;
}
