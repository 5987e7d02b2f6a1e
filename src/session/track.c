/* What a statement is about to do to the settings of its session, and whether that can be followed:
 * asked before it is forwarded. What it did is noted in settings.c when its answer comes.
 */
#include "session/settings.h"

#include "base/mem.h"

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
    if (change->kind == SETTING_RESET)
        return true;
    /* Other encodings could be others when it is replayed. */
    if (!is_ascii(change->value, change->value_len) &&
        !(profile_facts_param(session->facts, "client_encoding", &encoding) &&
          slice_is(encoding, "UTF8")))
        change->unsure = true;
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

static bool is_name_setting(const char *name)
{
    return strcmp(name, "search_path") == 0 || strcmp(name, "role") == 0 ||
           strcmp(name, "session_authorization") == 0;
}

/* True if names may mean something else once this has been done. */
static bool moves_names(const struct session *session, const struct setting_changes *changes)
{
    bool moved = session->local_path || session->settings != session->settings_begin;
    for (unsigned i = 0; i < changes->count; i++) {
        const struct setting_change *change = &changes->list[i];
        switch (change->kind) {
        case SETTING_SET:
        case SETTING_RESET:
        case SETTING_LOCAL:
            if (is_name_setting(change->name))
                return true;
            break;
        case SETTING_RESET_ALL:
            if (session->local_path || (session->settings && session->settings->names_hash))
                return true;
            break;
        case SETTING_ROLLBACK_TO:
            if (moved)
                return true;
            break;
        case SETTING_SAVEPOINT:
        case SETTING_RELEASE:
            break;
        }
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

struct setting_changes *settings_read(const struct query *query)
{
    struct setting_param params[SETTING_PARAMS_MAX];
    unsigned count = read_params(query, params);
    return setting_read(query->text, params, count);
}

/* What a database's connect_query has set, RESET would undo. */
static bool may_follow_any(const struct session *session)
{
    const struct conf_database *line =
        atomic_load_explicit(&session->database->conf, memory_order_acquire);
    return line && !(line->connect_query && *line->connect_query) && !session->tainted &&
           !session->unit.tainted;
}

static bool may_follow(const struct verdict *verdict)
{
    unsigned known = EFFECT_TRACK | EFFECT_PIN | EFFECT_DIRTY | EFFECT_SET_LOCAL;
    return !(verdict->effects & ~known) && !verdict->write_count &&
           (!(verdict->effects & EFFECT_PIN) || verdict->pin == PIN_SETTING);
}

/* Reads one statement with EFFECT_TRACK. NULL: it cannot be followed. `effects` loses those that are
 * followed. */
static struct setting_changes *read_changes(struct session *session, const struct query *query,
                                            bool named, unsigned *effects, bool *local)
{
    struct setting_changes *changes = settings_read(query);
    bool constants = false;
    if (!changes)
        return NULL;
    for (unsigned i = 0; i < changes->count; i++) {
        struct setting_change *change = &changes->list[i];
        if (!change_is_plain(session, change, named)) {
            setting_changes_destroy(changes);
            return NULL;
        }
        if (change->kind == SETTING_LOCAL) {
            *local = true;
            constants |= !setting_keeps_constants(slice_of_text(change->name));
        }
    }
    *effects &= ~(unsigned)(EFFECT_PIN | EFFECT_DIRTY | EFFECT_SET_LOCAL);
    if (constants)
        *effects |= EFFECT_SET_LOCAL;
    return changes;
}

/* What a statement that sets nothing may do among others that do. Whatever may change the meaning of
 * those behind it (DDL), or is done with names, is not looked into. */
static bool may_stand_beside(const struct verdict *verdict)
{
    unsigned known = EFFECT_WRITES_ALL | EFFECT_ASK | EFFECT_TX_BEGIN | EFFECT_TX_END |
                     EFFECT_SET_LOCAL | EFFECT_DEALLOCATE | EFFECT_VACUUM | EFFECT_PIN;
    return !(verdict->effects & ~known) &&
           (!(verdict->effects & EFFECT_PIN) ||
            (verdict->pin != PIN_SETTING && verdict->pin != PIN_FUNCTION &&
             verdict->pin != PIN_UNKNOWN && verdict->pin != PIN_NONE));
}

/* Several statements in one Query: each is judged by itself, and what it sets counts when its own
 * CommandComplete is there. The pin of one that is no setting stays. */
static struct setting_changes *read_several(struct session *session, const struct query *query,
                                            struct verdict *verdict, bool *local)
{
    struct slice texts[SETTING_STATEMENTS_MAX];
    unsigned count = setting_split(query->text, texts);
    unsigned before = session->unit.effects, effects = 0;
    unsigned kept = EFFECT_PIN | EFFECT_DIRTY | EFFECT_SET_LOCAL;
    enum pin pin = PIN_NONE;
    struct setting_changes *all = mem_zero(1, sizeof(*all));
    all->several = true;
    bool fine = count > 0;
    for (unsigned i = 0; fine && i < count; i++) {
        struct query one = {.text = texts[i]};
        query_scan(session->host, &one);
        struct verdict judged = *lookup_verdict(session, &one);
        unsigned left = judged.effects;
        session->unit.effects |= left; /* names of what follows may mean something else */
        if (left & EFFECT_TRACK) {
            struct setting_changes *changes =
                may_follow(&judged) ? read_changes(session, &one, false, &left, local) : NULL;
            fine = changes && setting_changes_add(all, changes, i);
        } else {
            fine = may_stand_beside(&judged);
            if ((left & EFFECT_PIN) && pin == PIN_NONE)
                pin = judged.pin;
        }
        effects |= left & kept;
    }
    session->unit.effects = before;
    struct query again = {.text = query->text};
    query_scan(session->host, &again); /* query->canonical lies in that memory */
    if (!fine) {
        setting_changes_destroy(all);
        return NULL;
    }
    verdict->effects = (verdict->effects & ~kept) | effects;
    verdict->pin = pin;
    if (pin != PIN_NONE) { /* the pin is not one of those that leave the settings unknown */
        verdict->effects &= ~(unsigned)EFFECT_TRACK;
        session->unit.effects |= EFFECT_TRACK;
    }
    return all;
}

const struct verdict *settings_track(struct session *session, const struct query *query, bool named,
                                     const struct verdict *verdict, struct verdict *scratch,
                                     struct setting_changes **out)
{
    bool local = false;
    struct setting_changes *changes = NULL;
    *scratch = *verdict; /* which is gone when others are judged */
    *out = NULL;
    if (!may_follow_any(session)) {
        /* as below */
    } else if (query->scan_flags & SCAN_SEVERAL) {
        changes = read_several(session, query, scratch, &local);
    } else if (may_follow(verdict)) {
        changes = read_changes(session, query, named, &scratch->effects, &local);
        if (changes)
            scratch->pin = PIN_NONE;
    }
    if (!changes) {
        if (!(scratch->effects & EFFECT_PIN))
            settings_lose_savepoints(session);
        return scratch;
    }
    session->local_settings |= local;
    session->unit.constants |= moves_constants(session, changes);
    session->unit.names |= moves_names(session, changes);
    *out = changes;
    return scratch;
}
