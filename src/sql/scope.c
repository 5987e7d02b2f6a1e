#include "scope.h"

#include <string.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* Copies a text of ASCII without zero bytes; names beyond that are compared nowhere. */
static bool text_copy(struct slice from, char *to, size_t size)
{
    if (!from.data || from.len >= size)
        return false;
    for (size_t i = 0; i < from.len; i++) {
        if (from.data[i] == 0 || (from.data[i] & 0x80))
            return false;
        to[i] = (char)from.data[i];
    }
    to[from.len] = '\0';
    return true;
}

/* Reads the name at *at in place; false if it is none. */
static bool name_read(char **at, const char **out)
{
    char *from = *at;
    char *to = *at;

    *out = to;
    if (*from == '"') {
        for (from++; *from != '"' || from[1] == '"'; from++) {
            if (*from == '\0')
                return false;
            if (*from == '"')
                from++;
            *to++ = *from;
        }
        from++;
    } else {
        while (*from && *from != ',' && *from != '"' && !is_space(*from)) {
            *to++ = (char)(*from >= 'A' && *from <= 'Z' ? *from | 0x20 : *from);
            from++;
        }
        if (to == *out)
            return false;
    }
    while (is_space(*from))
        from++;
    if (*from != ',' && *from != '\0')
        return false;
    bool more = *from == ',';
    if (to - *out >= SCOPE_NAME_MAX) /* Postgres would cut it */
        return false;
    *to = '\0';
    *at = more ? from + 1 : from;
    while (is_space(**at))
        (*at)++;
    return !more || **at != '\0';
}

static bool path_read(struct scope *scope, const struct proof_scope *from)
{
    char *at = scope->text;

    if (!text_copy(from->search_path, scope->text, sizeof(scope->text)) ||
        !text_copy(from->current_user, scope->user, sizeof(scope->user)))
        return false;
    while (is_space(*at))
        at++;
    while (*at) {
        const char *name;

        if (scope->count == SCOPE_SCHEMAS_MAX || !name_read(&at, &name))
            return false;
        scope->schemas[scope->count++] = strcmp(name, "$user") == 0 ? scope->user : name;
    }
    return true;
}

void scope_init(struct scope *scope, const struct proof_scope *from)
{
    scope->count = 0;
    scope->known = from && path_read(scope, from);
}

bool scope_has(const struct scope *scope, const char *schema, const char *object_schema)
{
    if (schema)
        return strcmp(schema, object_schema) == 0;
    if (!scope->known || strcmp(object_schema, "pg_catalog") == 0 ||
        strncmp(object_schema, "pg_temp_", strlen("pg_temp_")) == 0)
        return true;
    for (unsigned i = 0; i < scope->count; i++) {
        if (strcmp(scope->schemas[i], object_schema) == 0)
            return true;
    }
    return false;
}

bool scope_makes_temporary(const struct scope *scope)
{
    for (unsigned i = 0; i < scope->count; i++) {
        if (strncmp(scope->schemas[i], "pg_temp", strlen("pg_temp")) == 0)
            return true;
    }
    return !scope->known;
}

struct hash128 proof_scope_mix(const struct proof_scope *scope, struct hash128 key)
{
    if (!scope || !scope->search_path.data)
        return key;
    struct hash128 path = hash128_of(scope->search_path.data, scope->search_path.len);
    struct hash128 user = hash128_of(scope->current_user.data, scope->current_user.len);
    key.low ^= path.low + 1;
    key.high ^= path.high;
    key.low += user.high;
    key.high += user.low + 1;
    return key;
}
