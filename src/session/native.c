/* What only a backend of the session's own profile answers as on a direct connection: statements that ask
 * where a value comes from, or that may go back to it in ways that are not seen here (RESET in a DO block,
 * say; one that is seen is followed by what restores the value: restore.c).
 *
 * Such a session goes on with backends of its own profile for the rest of its life: it is of a kind that
 * would have to change again and again. A session that holds a backend which is lent (in a block, pinned)
 * cannot change: docs/guide.md tells what it may see. */
#include <strings.h>

#include "base/mem.h"
#include "session/forward.h"
#include "session/session.h"
#include "session/settings.h"

enum { MESSAGES_MAX = 64, WORD_LEN = 11 };

static const char origin[] = "it asks where the values of settings come from";
static const char code[] = "it runs code that may reset settings";

/* "pg_settings", or "pg_show_all_settings", in any letters. */
static bool asks_for_origin(struct slice text)
{
    for (size_t i = 0; i + WORD_LEN <= text.len; i++) {
        const char *at = (const char *)text.data + i;
        if ((*at | 0x20) == 'p' && (strncasecmp(at, "pg_settings", WORD_LEN) == 0 ||
                                    strncasecmp(at, "pg_show_all", WORD_LEN) == 0))
            return true;
    }
    return false;
}

/* One statement that sets something: true if it can be followed, and if what it says is right then.
 * set_config says the value that it has reset to, which would be another one. */
static bool is_followed(const struct session *session, const struct query *query)
{
    struct setting_changes *changes = settings_read(query);
    if (!changes)
        return false;
    bool fine = true;
    for (unsigned i = 0; i < changes->count; i++) {
        const struct setting_change *change = &changes->list[i];
        fine = fine && !(change->called && change->resets &&
                         settings_find(session->facts->over_base, change->name));
    }
    setting_changes_destroy(changes);
    return fine;
}

/* Several statements in one text. */
static bool all_are_followed(struct session *session, const struct query *query)
{
    struct slice texts[SETTING_STATEMENTS_MAX];
    unsigned count = setting_split(query->text, texts);
    bool fine = count > 0;
    for (unsigned i = 0; fine && i < count; i++) {
        struct query one = {.text = texts[i]};
        query_scan(session->host, &one);
        if (lookup_verdict(session, &one)->effects & EFFECT_TRACK)
            fine = is_followed(session, &one);
    }
    return fine;
}

/* Why a statement wants a backend of its own profile, or NULL. `bound`: its arguments are there. */
static const char *reason_of(struct session *session, const struct query *query, bool bound)
{
    if (asks_for_origin(query->text))
        return origin;
    const struct verdict *verdict = lookup_verdict(session, query);
    unsigned effects = verdict->effects;
    if ((effects & EFFECT_SET_LOCAL) && !(effects & EFFECT_TRACK))
        return code;
    if ((effects & EFFECT_PIN) && !(effects & EFFECT_TRACK) &&
        ((effects & EFFECT_DIRTY) || verdict->pin == PIN_SETTING || verdict->pin == PIN_FUNCTION ||
         verdict->pin == PIN_UNKNOWN || verdict->pin == PIN_NONE))
        return code;
    if (!(effects & EFFECT_TRACK) || !bound)
        return NULL;
    bool several = query->scan_flags & SCAN_SEVERAL;
    return (several ? all_are_followed(session, query) : is_followed(session, query)) ? NULL : code;
}

static const char *reason_of_text(struct session *session, struct slice text, bool bound)
{
    struct query query = {.text = text};
    query_scan(session->host, &query);
    return reason_of(session, &query, bound);
}

static const char *reason_of_bind(struct session *session, const struct pgwire_bind *bind,
                                  const struct pgwire_parse *parsed)
{
    struct query query = {0};
    if (parsed) {
        query.text = session_slice(parsed->query);
        query.types = session_slice(parsed->types);
        query_scan(session->host, &query);
    } else if (bind->statement.len) {
        const struct client_statement *known =
            table_get(&session->statements, session_slice(bind->statement));
        if (!known)
            return NULL; /* of this unit: its text has been looked at; or an error */
        query = forward_query_of(known->statement);
    } else if (session->unnamed_id) {
        unnamed_query_of(session, &query);
    } else {
        return NULL;
    }
    query.arguments = session_slice(bind->arguments);
    return reason_of(session, &query, true);
}

/* Walks the unit as far as it has arrived. */
static const char *reason_of_unit(struct session *session, const uint8_t *data, size_t len)
{
    struct pgwire_parse parse, last = {0};
    struct pgwire_bind bind;
    struct pgwire_slice text;
    struct pgwire_frame frame;
    const char *reason = NULL;
    size_t at = 0;
    for (unsigned i = 0; !reason && at < len && i < MESSAGES_MAX; i++) {
        if (pgwire_frame_request(data + at, len - at, &frame) != PGWIRE_OK)
            break;
        bool whole = len - at >= frame.len;
        at += frame.len;
        switch (frame.type) {
        case 'Q':
            if (!whole || pgwire_read_text(frame.body, frame.body_len, &text) != PGWIRE_OK)
                return code;
            return reason_of_text(session, session_slice(text), true);
        case 'F':
            return code;
        case 'P':
            if (!whole || pgwire_read_parse(frame.body, frame.body_len, &parse) != PGWIRE_OK)
                return whole ? NULL : code;
            last = parse;
            reason = reason_of_text(session, session_slice(parse.query), false);
            break;
        case 'B':
            if (!whole || pgwire_read_bind(frame.body, frame.body_len, &bind) != PGWIRE_OK)
                return NULL;
            reason = reason_of_bind(session, &bind,
                                    last.query.data && slice_equal(session_slice(last.name),
                                                                   session_slice(bind.statement))
                                        ? &last
                                        : NULL);
            break;
        case 'S':
            return NULL;
        default:
            break;
        }
    }
    return reason;
}

bool lent_wants_native(struct session *session, const uint8_t *data, size_t len)
{
    struct session_lent *lent = &session->lent;
    if (!session->facts->over_base)
        return false;
    if (!lent->native)
        lent->native = reason_of_unit(session, data, len);
    return lent->native != NULL;
}
