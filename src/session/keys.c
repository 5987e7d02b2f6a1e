/* See keys.h. Runs for misses and writes only: a hit compares stamps and asks for no key. */
#include "session/keys.h"

#include "base/flaw.h"

struct reader {
    const struct query *query;
    const struct verdict *verdict;
    bool ascii;
    unsigned literal_count;
    struct slice literals[SCAN_LITERALS_MAX];
    struct slice formats; /* of parameters, 2 bytes each; none, or one for all, or each its own */
    struct slice parameters; /* each a length and its bytes */
    unsigned parameter_count;
};

static uint16_t read_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read_u32(const uint8_t *at)
{
    return (uint32_t)read_u16(at) << 16 | read_u16(at + 2);
}

/* Takes what follows the names of a Bind apart; it has been checked when the Bind was read. */
static void parameters_find(struct reader *reader, struct slice arguments)
{
    if (arguments.len < 2)
        return;
    size_t formats_len = 2 * (size_t)read_u16(arguments.data);
    if (arguments.len < 4 + formats_len)
        return;
    reader->formats = slice_of(arguments.data + 2, formats_len);
    const uint8_t *at = arguments.data + 2 + formats_len;
    reader->parameter_count = read_u16(at);
    reader->parameters = slice_of(at + 2, arguments.len - 4 - formats_len);
}

/* True if values with bytes above 0x7f are in UTF-8, whatever the session has done. */
static bool is_utf8(const struct session *session)
{
    struct slice encoding;
    return !session_has_own_settings(session) && !session->encoding_unsafe &&
           profile_facts_param(session->facts, "client_encoding", &encoding) &&
           slice_is(encoding, "UTF8");
}

static void reader_init(struct reader *reader, struct session *session, const struct query *query,
                        const struct verdict *verdict)
{
    unsigned literals = 0;

    reader->query = query;
    reader->verdict = verdict;
    reader->ascii = !is_utf8(session);
    reader->literal_count = reader->parameter_count = 0;
    for (unsigned i = 0; i < verdict->key_count; i++) {
        const struct verdict_key *key = &verdict->keys[i];
        bool literal = key->source == KEY_FROM_LITERAL || key->source == KEY_FROM_NEGATIVE;
        if (literal && literals <= key->number)
            literals = key->number + 1u;
    }
    if (literals) {
        struct slice text = query->canonical;
        uint8_t *scratch = session->host->scratch;
        if (text.data != scratch) {
            memcpy(scratch, text.data, text.len);
            memset(scratch + text.len, 0, SCAN_SLACK);
            text.data = scratch;
        }
        reader->literal_count = scan_literals(text, reader->literals, literals);
    }
    parameters_find(reader, query->arguments);
}

/* The value of $n and its format; false if there is none. */
static bool parameter_at(const struct reader *reader, unsigned number, struct slice *out,
                         bool *out_binary)
{
    size_t at = 0;
    if (!number || number > reader->parameter_count)
        return false;
    for (unsigned i = 1;; i++) {
        if (reader->parameters.len - at < 4)
            return false;
        uint32_t len = read_u32(reader->parameters.data + at);
        at += 4;
        bool null = len == UINT32_MAX;
        if (!null && len > reader->parameters.len - at)
            return false;
        if (i == number) {
            *out = slice_of(null ? NULL : reader->parameters.data + at, null ? 0 : len);
            break;
        }
        at += null ? 0 : len;
    }
    size_t formats = reader->formats.len / 2;
    size_t mine = formats == 1 ? 0 : number - 1;
    uint16_t format = formats > mine ? read_u16(reader->formats.data + 2 * mine) : 0;
    *out_binary = format == 1;
    return format <= 1;
}

static uint32_t declared_type(const struct query *query, unsigned number)
{
    return query->types.len / 4 >= number ? read_u32(query->types.data + 4 * (size_t)(number - 1))
                                          : 0;
}

static enum key_found parameter_value(const struct reader *reader, const struct verdict_key *key,
                                      struct key_reading *reading, struct key_values *out)
{
    struct slice bytes;
    uint32_t declared = declared_type(reader->query, key->number);

    if ((!declared && !key->once) || !parameter_at(reader, key->number, &bytes, &reading->binary))
        return KEY_UNKNOWN;
    reading->type_oid = declared ? declared : key->cast;
    reading->inferred_here = key->once;
    return key_of_bytes(bytes, reading, out);
}

/* The values of a key, added to *out. */
static enum key_found values_of(const struct reader *reader, const struct verdict_key *key,
                                struct key_values *out)
{
    struct key_reading reading = {
        .column = key->type,
        .type_oid = key->cast,
        .array = key->array,
        .ascii = reader->ascii,
        .assigned = key->assigned,
    };
    bool negative = key->source == KEY_FROM_NEGATIVE;

    switch ((enum key_source)key->source) {
    case KEY_FROM_LITERAL:
    case KEY_FROM_NEGATIVE:
        if (key->number >= reader->literal_count)
            return KEY_UNKNOWN;
        return key_of_token(reader->literals[key->number], negative, &reading, out);
    case KEY_FROM_PARAMETER:
        return parameter_value(reader, key, &reading, out);
    case KEY_FROM_TRUE:
    case KEY_FROM_FALSE:
        if (key->type != KEY_BOOL || key->array ||
            (key->cast && key_type_of(key->cast) != KEY_BOOL))
            return KEY_UNKNOWN;
        *out =
            (struct key_values){.count = 1, .values = {key_of_bool(key->source == KEY_FROM_TRUE)}};
        return KEY_FOUND;
    case KEY_FROM_NULL:
        return KEY_NULL;
    case KEY_FROM_ELSEWHERE:
        break;
    }
    return KEY_UNKNOWN;
}

/* ---- reads ---- */

static bool token_add(uint64_t *tokens, unsigned *count, unsigned max, uint64_t token)
{
    for (unsigned i = 0; i < *count; i++)
        if (tokens[i] == token)
            return true;
    if (*count == max)
        return false;
    tokens[(*count)++] = token;
    return true;
}

/* The tokens of one table that is read by key; false (and none) if a value is not understood. */
static bool table_by_key(const struct reader *reader, unsigned table, uint64_t *tokens,
                         unsigned *count, unsigned max)
{
    const struct verdict *verdict = reader->verdict;
    uint32_t oid = verdict->reads[table];
    unsigned at = *count;

    if (!token_add(tokens, &at, max, token_all(oid)))
        return false;
    for (unsigned i = 0; i < verdict->key_count; i++) {
        const struct verdict_key *key = &verdict->keys[i];
        struct key_values values = {0};
        if (key->table != table)
            continue;
        if (values_of(reader, key, &values) == KEY_UNKNOWN ||
            !token_add(tokens, &at, max, token_column(oid, key->column)))
            return false;
        for (unsigned v = 0; v < values.count; v++)
            if (!token_add(tokens, &at, max, token_key(oid, key->column, values.values[v])))
                return false;
    }
    *count = at;
    return true;
}

unsigned keys_of_read(struct session *session, const struct query *query,
                      const struct verdict *verdict, uint64_t *tokens, unsigned max)
{
    bool by_key = verdict->keyed_reads && conf_current()->options.key_invalidation;
    struct reader reader;
    unsigned count = 0;

    ASSERT(verdict->read_count <= max);
    if (by_key)
        reader_init(&reader, session, query, verdict);
    for (unsigned i = 0; i < verdict->read_count; i++) {
        unsigned room = max - (verdict->read_count - 1 - i);
        if (by_key && (verdict->keyed_reads & 1U << i) &&
            table_by_key(&reader, i, tokens, &count, room))
            continue;
        ASSERT(token_add(tokens, &count, room, token_scan(verdict->reads[i])));
    }
    return count;
}

/* ---- writes ---- */

/* Adds the rows of the keyed write; false if a value is not understood. */
static bool rows_add(const struct reader *reader, struct write_set *set)
{
    const struct verdict *verdict = reader->verdict;
    uint32_t oid = verdict->writes[verdict->keyed_write];
    struct key_values all[VERDICT_KEYS_MAX];

    for (unsigned i = 0; i < verdict->key_count; i++) {
        all[i].count = 0;
        if (values_of(reader, &verdict->keys[i], &all[i]) == KEY_UNKNOWN)
            return false;
    }
    if (!flaw_is_on(FLAW_PINNED_SCAN))
        write_set_add_key(set, oid, token_scan(oid));
    for (unsigned i = 0; i < verdict->column_count; i++)
        if (verdict->columns[i].open && !flaw_is_on(FLAW_PINNED_COLUMN))
            write_set_add_key(set, oid, token_column(oid, verdict->columns[i].column));
    for (unsigned i = 0; i < verdict->key_count; i++)
        for (unsigned v = 0; v < all[i].count; v++)
            write_set_add_key(set, oid, token_key(oid, verdict->keys[i].column, all[i].values[v]));
    return true;
}

void keys_of_write(struct session *session, const struct query *query,
                   const struct verdict *verdict, struct write_set *set)
{
    bool by_key = query && verdict->column_count > 0 && conf_current()->options.key_invalidation;
    struct reader reader;

    if (by_key) {
        reader_init(&reader, session, query, verdict);
        by_key = rows_add(&reader, set);
    }
    for (unsigned i = 0; i < verdict->write_count; i++)
        if (!by_key || i != verdict->keyed_write)
            write_set_add_table(set, verdict->writes[i]);
}
