/* What a statement is about to do to the settings of its session, and whether that can be followed:
 * asked before it is forwarded. What it did is noted in settings.c when its answer comes.
 */
#include "session/settings.h"

#include "base/mem.h"
#include "session/datestyle.h"

/* Constants of these were read, or will be, under the settings of now. */
static bool has_constants(const struct session *session, bool named)
{
    size_t at = 0;
    const struct client_statement *known;
    while ((known = table_next(&session->statements, &at)) != NULL)
        if (known->statement->folds)
            return true;
    return named && session->unnamed_id;
}

static bool is_ascii(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] & 0x80)
            return false;
    return true;
}

static bool has_role(const struct settings *settings)
{
    return settings_find(settings, "role") || settings_find(settings, "session_authorization");
}

/* The role and the session's user hang together: what one of them becomes when the other is set, or
 * undone, is only followed where it is plain. */
static bool role_is_plain(const struct session *session, const char *name)
{
    if (strcmp(name, "session_authorization") == 0)
        return !settings_find(session->settings, "role") &&
               !settings_find(session->settings_begin, "role");
    if (strcmp(name, "role") == 0)
        return !settings_find(session->settings, "session_authorization") ||
               settings_find(session->settings_begin, "session_authorization");
    return !has_role(session->settings) || setting_is_for_all(slice_of_text(name));
}

/* DateStyle is a pair, and one part may be set alone: the value becomes the whole. What Postgres is
 * going to refuse, or understands otherwise than we do, is unsure. */
static void complete_datestyle(const struct session *session, struct setting_change *change)
{
    const struct setting *has = settings_find(session->settings, "datestyle");
    struct slice now;
    char made[DATESTYLE_MAX];
    change->unsure = true;
    if (session->local_constants)
        return;
    if (has)
        now = has->value;
    else if (!profile_facts_param(session->facts, "DateStyle", &now))
        return;
    if (datestyle_join(now, slice_of(change->value, change->value_len), made) != ERR_OK)
        return;
    mem_free(change->value);
    change->value = mem_text(made);
    change->value_len = strlen(made);
    change->unsure = false;
}

/* False: the settings by which constants are read may change while there are statements with
 * constants, which needs care before it is sent. */
static bool change_is_plain(const struct session *session, struct setting_change *change,
                            bool named)
{
    struct slice encoding;
    switch (change->kind) {
    case SETTING_SAVEPOINT:
    case SETTING_RELEASE:
    case SETTING_ROLLBACK_TO:
        return true;
    case SETTING_RESET_ALL:
        return !session->settings || !session->settings->constants_hash ||
               !has_constants(session, named);
    case SETTING_LOCAL:
        return true;
    case SETTING_SET:
    case SETTING_RESET:
        break;
    }
    if (!setting_keeps_constants(slice_of_text(change->name)) && has_constants(session, named))
        return false;
    change->unsure = !role_is_plain(session, change->name);
    if (change->kind == SETTING_RESET)
        return true;
    /* Other encodings could be others when it is replayed. */
    if (!is_ascii(change->value, change->value_len) &&
        !(profile_facts_param(session->facts, "client_encoding", &encoding) &&
          slice_is(encoding, "UTF8")))
        change->unsure = true;
    if (strcmp(change->name, "datestyle") == 0)
        complete_datestyle(session, change);
    return true;
}

/* True if constants may be read otherwise once this has been done. */
static bool moves_constants(const struct session *session, const struct setting_changes *changes)
{
    for (unsigned i = 0; i < changes->count; i++) {
        const struct setting_change *change = &changes->list[i];
        if ((change->kind == SETTING_SET || change->kind == SETTING_RESET) &&
            !setting_keeps_constants(slice_of_text(change->name)))
            return true;
        if (change->kind == SETTING_RESET_ALL && session->settings &&
            session->settings->constants_hash)
            return true;
    }
    return false;
}

/* The parameters of a Bind as far as they are text: formats, values, see the protocol. A type that
 * the client has declared must be a text type; one that it has not can only become one. */
static unsigned read_params(const struct query *query, struct setting_param *out)
{
    const uint8_t *at = query->arguments.data;
    size_t left = query->arguments.len;
    if (left < 2)
        return 0;
    size_t formats = (size_t)at[0] << 8 | at[1];
    if (left < 2 + 2 * formats + 2)
        return 0;
    at += 2 + 2 * formats;
    left -= 2 + 2 * formats;
    unsigned count = (unsigned)(at[0] << 8 | at[1]);
    at += 2;
    left -= 2;
    for (unsigned i = 0; i < count; i++) {
        if (left < 4 || i == SETTING_PARAMS_MAX)
            return i;
        uint32_t len = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
        at += 4;
        left -= 4;
        out[i] = (struct setting_param){.null = len == UINT32_MAX};
        if (!out[i].null) {
            if (left < len)
                return i;
            out[i].value = slice_of(at, len);
            at += len;
            left -= len;
        }
        static const uint32_t texts[] = {0, 16, 25, 705,
                                         1043}; /* none, bool, text, unknown, varchar */
        uint32_t type = 0;
        if (query->types.len >= 4 * (size_t)(i + 1))
            for (unsigned b = 0; b < 4; b++)
                type = type << 8 | query->types.data[4 * i + b];
        for (size_t t = 0; t < ARRAY_COUNT(texts); t++)
            out[i].known |= texts[t] == type;
    }
    return count;
}

/* What a database's connect_query has set, RESET would undo. */
static bool may_follow(const struct session *session, const struct verdict *verdict)
{
    const struct conf_database *line =
        atomic_load_explicit(&session->database->conf, memory_order_acquire);
    unsigned known = EFFECT_TRACK | EFFECT_PIN | EFFECT_DIRTY | EFFECT_SET_LOCAL;
    return line && !(line->connect_query && *line->connect_query) && !session->tainted &&
           !session->unit.tainted && !(verdict->effects & ~known) && !verdict->write_count &&
           (!(verdict->effects & EFFECT_PIN) || verdict->pin == PIN_SETTING);
}

const struct verdict *settings_track(struct session *session, const struct query *query, bool named,
                                     const struct verdict *verdict, struct verdict *scratch,
                                     struct setting_changes **out)
{
    struct setting_param params[SETTING_PARAMS_MAX];
    *out = NULL;
    if (!may_follow(session, verdict)) {
        if (!(verdict->effects & EFFECT_PIN))
            settings_lose_savepoints(session);
        return verdict;
    }
    unsigned count = read_params(query, params);
    struct setting_changes *changes = setting_read(query->text, params, count);
    bool local = false, constants = false, plain = changes != NULL;
    for (unsigned i = 0; plain && i < changes->count; i++) {
        struct setting_change *change = &changes->list[i];
        plain = change_is_plain(session, change, named);
        if (change->kind == SETTING_LOCAL) {
            local = true;
            constants |= !setting_keeps_constants(slice_of_text(change->name));
        }
    }
    if (!plain) {
        setting_changes_destroy(changes);
        if (!(verdict->effects & EFFECT_PIN))
            settings_lose_savepoints(session);
        return verdict;
    }
    *scratch = *verdict;
    scratch->effects &= ~(unsigned)(EFFECT_PIN | EFFECT_DIRTY | EFFECT_SET_LOCAL);
    scratch->pin = PIN_NONE;
    if (constants)
        scratch->effects |= EFFECT_SET_LOCAL;
    session->local_settings |= local;
    session->unit.constants |= moves_constants(session, changes);
    *out = changes;
    return scratch;
}
