/* Answers of our own; see local_answer.h. What they look like is what Postgres 15 sends.
 */
#include "session/local_answer.h"

#include <stdio.h>

#include "base/mem.h"
#include "session/explain.h"
#include "sql/hint.h"

enum { ANSWER_ROOM = 2048, TEXT_OID = 25 };

static const char *const explain_columns[] = {"name", "value"};

enum local_answer_kind local_answer_kind_of(struct session *session, const struct query *query)
{
    struct local_command command;
    if (!query->scanned || (query->scan_flags & SCAN_DOUBT) || !local_answer_may(query))
        return LOCAL_ANSWER_NONE;
    if (UNLIKELY(query->hint.len > 0) && conf_current()->options.client_hints != CLIENT_HINTS_OFF) {
        struct hint hint;
        hint_read(query->hint, &hint);
        if (hint.explain)
            return LOCAL_ANSWER_EXPLAIN;
    }
    (void)session;
    return local_command_read(query->canonical, (query->scan_flags & SCAN_SEVERAL) != 0, &command)
               ? LOCAL_ANSWER_SETTING
               : LOCAL_ANSWER_NONE;
}

/* ---- messages ---- */

static bool put_error(struct buf *out, const char *sqlstate, const char *message, const char *hint)
{
    struct pgwire_writer writer = pgwire_writer_of(buf_reserve(out, ANSWER_ROOM), ANSWER_ROOM);
    pgwire_write_error(&writer, 'E', "ERROR", sqlstate, message, NULL, hint);
    ASSERT(!writer.overflow);
    buf_added(out, writer.len);
    return false;
}

static void put_columns(struct buf *out, const char *const *names, const uint16_t *formats,
                        unsigned count)
{
    struct pgwire_writer writer = pgwire_writer_of(buf_reserve(out, ANSWER_ROOM), ANSWER_ROOM);
    size_t mark = pgwire_begin(&writer, 'T');
    pgwire_put_int16(&writer, (uint16_t)count);
    for (unsigned i = 0; i < count; i++) {
        pgwire_put_text(&writer, names[i]);
        pgwire_put_int32(&writer, 0); /* of no table */
        pgwire_put_int16(&writer, 0);
        pgwire_put_int32(&writer, TEXT_OID);
        pgwire_put_int16(&writer, UINT16_MAX);
        pgwire_put_int32(&writer, UINT32_MAX);
        pgwire_put_int16(&writer, formats ? formats[i] : 0);
    }
    pgwire_end(&writer, mark);
    ASSERT(!writer.overflow);
    buf_added(out, writer.len);
}

static void put_row(struct buf *out, const struct slice *values, unsigned count)
{
    size_t room = ANSWER_ROOM;
    for (unsigned i = 0; i < count; i++)
        room += values[i].len;
    struct pgwire_writer writer = pgwire_writer_of(buf_reserve(out, room), room);
    size_t mark = pgwire_begin(&writer, 'D');
    pgwire_put_int16(&writer, (uint16_t)count);
    for (unsigned i = 0; i < count; i++) {
        pgwire_put_int32(&writer, (uint32_t)values[i].len);
        pgwire_put_bytes(&writer, values[i].data, values[i].len);
    }
    pgwire_end(&writer, mark);
    ASSERT(!writer.overflow);
    buf_added(out, writer.len);
}

static void put_complete(struct buf *out, const char *tag)
{
    struct pgwire_writer writer = pgwire_writer_of(buf_reserve(out, ANSWER_ROOM), ANSWER_ROOM);
    pgwire_write_complete(&writer, tag);
    buf_added(out, writer.len);
}

static void put_empty(struct buf *out, uint8_t type)
{
    uint8_t message[5] = {type, 0, 0, 0, 4};
    buf_append(out, message, sizeof(message));
}

static void put_ready(struct buf *out, uint8_t status)
{
    uint8_t message[6] = {'Z', 0, 0, 0, 5, status};
    buf_append(out, message, sizeof(message));
}

/* ---- SET, RESET, SHOW ---- */

static void no_block_warning(struct buf *out)
{
    struct pgwire_writer writer = pgwire_writer_of(buf_reserve(out, ANSWER_ROOM), ANSWER_ROOM);
    pgwire_write_error(&writer, 'N', "WARNING", "25P01",
                       "SET LOCAL can only be used in transaction blocks", NULL, NULL);
    buf_added(out, writer.len);
}

static bool change(struct session *session, const struct local_command *command, bool whole,
                   struct buf *out)
{
    struct local_settings *local = &session->local;
    struct local_values value = local->now;
    char message[LOCAL_VALUE_MAX * 2 + 64];
    bool reset = command->kind == LOCAL_RESET || command->to_default;
    char text[LOCAL_VALUE_MAX];
    if (reset)
        local_show(&local->login, command->name, text);
    if (!local_set(&value, command->name, reset ? text : command->text)) {
        snprintf(message, sizeof(message), "invalid value for parameter \"%s\": \"%s\"",
                 command->given_name, command->text);
        return put_error(out, "22023", message,
                         command->name == LOCAL_NAME_CACHE ? "Available values: on, off, observe."
                         : command->name == LOCAL_NAME_WINDOW
                             ? "A time of 100ms to 1d, or 0 for that of the server."
                             : NULL);
    }
    bool in_block = session->status == 'T' || !whole;
    if (command->in_block && session->status != 'T')
        no_block_warning(out);
    if (in_block)
        local_note_change(local);
    if (!command->in_block || in_block)
        local->now = value;
    if (!command->in_block) {
        /* What SET LOCAL said of the other two is not what a commit leaves. */
        local_set(&local->kept, command->name, NULL);
        char kept[LOCAL_VALUE_MAX];
        local_show(&value, command->name, kept);
        local_set(&local->kept, command->name, kept);
    }
    local_changed(local);
    put_complete(out, command->kind == LOCAL_SET ? "SET" : "RESET");
    return true;
}

/* whole: the unit is this statement alone; else it is part of an implicit block. */
static bool run_setting(struct session *session, const struct query *query, bool whole,
                        struct buf *out)
{
    struct local_command command;
    char message[LOCAL_VALUE_MAX * 2 + 64];
    bool several = (query->scan_flags & SCAN_SEVERAL) != 0;
    ASSERT(local_command_read(query->canonical, several, &command));
    if (command.kind == LOCAL_SEVERAL)
        return put_error(out, "0A000", "pgrecall.* cannot be set among several statements",
                         "Send it as a statement of its own.");
    if (command.broken) {
        snprintf(message, sizeof(message),
                 command.text[0] ? "syntax error at or near \"%s\""
                                 : "syntax error at end of input%s",
                 command.text);
        return put_error(out, "42601", message, NULL);
    }
    if (session->status == 'E')
        return put_error(
            out, "25P02",
            "current transaction is aborted, commands ignored until end of transaction block",
            NULL);
    if (command.name == LOCAL_NAME_UNKNOWN) {
        snprintf(message, sizeof(message), "unrecognized configuration parameter \"%s\"",
                 command.given_name);
        return put_error(out, "42704", message, NULL);
    }
    if (command.list) {
        snprintf(message, sizeof(message), "SET %s takes only one argument", command.given_name);
        return put_error(out, "22023", message, NULL);
    }
    if (command.kind != LOCAL_SHOW)
        return change(session, &command, whole, out);
    char value[LOCAL_VALUE_MAX];
    local_show(&session->local.now, command.name, value);
    struct slice cell = slice_of_text(value);
    put_row(out, &cell, 1);
    put_complete(out, "SHOW");
    return true;
}

/* ---- EXPLAIN ---- */

static void add_row(void *context, const char *name, const char *value)
{
    struct slice cells[] = {slice_of_text(name), slice_of_text(value)};
    put_row(context, cells, ARRAY_COUNT(cells));
}

static bool refuse_explain(struct buf *out, const char *sqlstate, const char *message,
                           const char *hint)
{
    return out ? put_error(out, sqlstate, message, hint) : false;
}

bool local_answer_may_explain(const struct session *session, struct buf *out)
{
    if (conf_current()->options.client_hints != CLIENT_HINTS_ALL)
        return refuse_explain(out, "42501", "pgrecall: explain is not allowed to clients",
                              "client_hints = all allows it; the console always does.");
    if (session->status == 'E')
        return refuse_explain(
            out, "25P02",
            "current transaction is aborted, commands ignored until end of transaction block",
            NULL);
    return true;
}

static bool run_explain(struct session *session, const struct query *query, struct buf *out)
{
    if (!local_answer_may_explain(session, out))
        return false;
    (void)local_answer_waits(session, query); /* it has been made, unless nobody could wait */
    explanation_each(session->explanation, add_row, out);
    local_answer_stop(session);
    put_complete(out, "EXPLAIN");
    return true;
}

/* ---- both ---- */

static bool run(struct session *session, const struct query *query, bool whole, struct buf *out)
{
    return local_answer_kind_of(session, query) == LOCAL_ANSWER_EXPLAIN
               ? run_explain(session, query, out)
               : run_setting(session, query, whole, out);
}

/* RowDescription or NoData. */
static void describe(struct session *session, const struct query *query, const uint16_t *formats,
                     struct buf *out)
{
    struct local_command command;
    bool several = (query->scan_flags & SCAN_SEVERAL) != 0;
    if (local_answer_kind_of(session, query) == LOCAL_ANSWER_EXPLAIN) {
        put_columns(out, explain_columns, formats, ARRAY_COUNT(explain_columns));
        return;
    }
    const char *name = command.given_name;
    if (local_command_read(query->canonical, several, &command) && command.kind == LOCAL_SHOW &&
        command.name != LOCAL_NAME_UNKNOWN)
        put_columns(out, &name, formats, 1);
    else
        put_empty(out, 'n');
}

static void send_local(struct session *session, struct buf *out, bool more)
{
    stream_queue(&session->stream, buf_head(out), buf_len(out));
    counter_add(&session->stats->query_count, 1);
    counter_add(&session->stats->sent, buf_len(out));
    buf_fini(out);
    if (!more)
        stream_flush(&session->stream);
}

/* A statement in a block that fails fails the block, which only Postgres can know of: a unit that might
 * is passed on, with the error put in its place. */
static bool must_fail_there(struct session *session, const struct query *query)
{
    struct buf out = {0};
    if (session->status != 'T')
        return false;
    struct local_settings before = session->local;
    bool fine = local_answer_kind_of(session, query) == LOCAL_ANSWER_EXPLAIN
                    ? local_answer_may_explain(session, &out)
                    : run_setting(session, query, true, &out);
    session->local = before;
    buf_fini(&out);
    return !fine;
}

bool local_answer_query(struct session *session, const struct query *query, bool more)
{
    enum local_answer_kind kind = local_answer_kind_of(session, query);
    if (LIKELY(kind == LOCAL_ANSWER_NONE) || must_fail_there(session, query))
        return false;
    struct buf out = {0};
    struct buf head = {0};
    if (run(session, query, true, &out))
        describe(session, query, NULL, &head);
    if (buf_len(&head) > 5) /* a RowDescription comes first; NoData is not said here */
        stream_queue(&session->stream, buf_head(&head), buf_len(&head));
    buf_fini(&head);
    put_ready(&out, session->status);
    send_local(session, &out, more);
    return true;
}

void local_answer_error(struct session *session, const struct query *query, struct buf *out)
{
    struct local_settings before = session->local;
    if (run(session, query, true, out)) {
        /* It did not when it was looked at: the configuration has changed since. */
        session->local = before;
        buf_clear(out);
        put_error(out, "55000", "the configuration has just changed", "Try again.");
    }
}

/* The format codes of the first two columns, from what stands behind the names in Bind. */
static void formats_of(struct slice arguments, uint16_t formats[2])
{
    static const uint8_t names[2] = {0, 0};
    struct pgwire_bind bind;
    uint8_t *body = mem_alloc(arguments.len + sizeof(names));
    memcpy(body, names, sizeof(names));
    memcpy(body + sizeof(names), arguments.data, arguments.len);
    formats[0] = formats[1] = 0;
    if (pgwire_read_bind(body, arguments.len + sizeof(names), &bind) == PGWIRE_OK) {
        const uint8_t *at = bind.result_formats.data;
        for (unsigned i = 0; i < 2 && bind.result_format_count; i++) {
            unsigned from = bind.result_format_count > 1 ? i : 0;
            formats[i] = (uint16_t)(at[from * 2] << 8 | at[from * 2 + 1]);
        }
    }
    mem_free(body);
}

bool local_answer_unit(struct session *session, const struct query *query, bool more)
{
    if (LIKELY(local_answer_kind_of(session, query) == LOCAL_ANSWER_NONE) ||
        must_fail_there(session, query))
        return false;
    struct buf out = {0};
    uint16_t formats[2];
    formats_of(query->arguments, formats);
    if (query->with_parse)
        put_empty(&out, '1');
    put_empty(&out, '2');
    if (query->with_describe)
        describe(session, query, formats, &out);
    run(session, query, true, &out);
    put_ready(&out, session->status);
    send_local(session, &out, more);
    return true;
}

/* ---- in a pipeline ---- */

/* The portal that was bound last; its text is a copy, because the next Parse replaces the unnamed
 * statement. */
struct local_portal {
    char *name;
    struct buf text, types, arguments;
    uint16_t formats[2];
};

static void portal_free(struct session *session)
{
    struct local_portal *portal = session->local_portal;
    if (!portal)
        return;
    mem_free(portal->name);
    buf_fini(&portal->text);
    buf_fini(&portal->types);
    buf_fini(&portal->arguments);
    mem_free(portal);
    session->local_portal = NULL;
}

void local_answer_fini(struct session *session)
{
    portal_free(session);
    local_answer_stop(session);
}

void local_answer_bind(struct session *session, const struct pgwire_bind *bind,
                       const struct query *query)
{
    portal_free(session);
    struct local_portal *portal = mem_zero(1, sizeof(*portal));
    portal->name = mem_text_n(bind->portal.data, bind->portal.len);
    buf_append(&portal->text, query->text.data, query->text.len);
    if (query->types.len)
        buf_append(&portal->types, query->types.data, query->types.len);
    buf_append(&portal->arguments, bind->arguments.data, bind->arguments.len);
    formats_of(session_slice(bind->arguments), portal->formats);
    session->local_portal = portal;
}

bool local_answer_has(const struct session *session, struct slice portal)
{
    return UNLIKELY(session->local_portal != NULL) &&
           slice_equal(portal, slice_of_text(session->local_portal->name));
}

void local_answer_forget(struct session *session, struct slice portal)
{
    if (local_answer_has(session, portal))
        portal_free(session);
}

static void portal_query(struct session *session, struct query *query)
{
    const struct local_portal *portal = session->local_portal;
    *query = (struct query){
        .text = slice_of(buf_head(&portal->text), buf_len(&portal->text)),
        .types = slice_of(buf_head(&portal->types), buf_len(&portal->types)),
        .arguments = slice_of(buf_head(&portal->arguments), buf_len(&portal->arguments)),
        .extended = true,
        .with_describe = true,
    };
    query_scan(session->host, query);
}

/* ParameterDescription: the types that were given, text for the others. */
static void put_parameters(const struct query *query, struct buf *out)
{
    unsigned count = (unsigned)(query->types.len / 4);
    if (query->scan_flags & SCAN_PARAM) {
        for (size_t i = 0; i + 1 < query->canonical.len; i++) {
            unsigned number = 0;
            if (query->canonical.data[i] != '$')
                continue;
            for (size_t at = i + 1;
                 at < query->canonical.len && number < UINT16_MAX / 10 &&
                 query->canonical.data[at] >= '0' && query->canonical.data[at] <= '9';
                 at++)
                number = number * 10 + (unsigned)(query->canonical.data[at] - '0');
            count = number > count ? number : count;
        }
    }
    size_t room = 16 + (size_t)count * 4;
    struct pgwire_writer writer = pgwire_writer_of(buf_reserve(out, room), room);
    size_t mark = pgwire_begin(&writer, 't');
    pgwire_put_int16(&writer, (uint16_t)count);
    for (unsigned i = 0; i < count; i++) {
        uint32_t type = 0;
        if (i < query->types.len / 4) {
            const uint8_t *at = query->types.data + (size_t)i * 4;
            type = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
        }
        pgwire_put_int32(&writer, type ? type : TEXT_OID);
    }
    pgwire_end(&writer, mark);
    ASSERT(!writer.overflow);
    buf_added(out, writer.len);
}

void local_answer_describe(struct session *session, const struct query *query, struct buf *out)
{
    put_parameters(query, out);
    describe(session, query, NULL, out);
}

void local_answer_describe_portal(struct session *session, struct buf *out)
{
    struct query query;
    portal_query(session, &query);
    describe(session, &query, session->local_portal->formats, out);
}

bool local_answer_portal_waits(struct session *session)
{
    struct query query;
    portal_query(session, &query);
    return local_answer_waits(session, &query);
}

bool local_answer_execute(struct session *session, struct buf *out)
{
    struct query query;
    portal_query(session, &query);
    return run(session, &query, false, out);
}
