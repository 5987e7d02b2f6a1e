/* What the client has set, followed statement by statement.
 *
 * A change counts when its CommandComplete is there, and for good when its transaction is committed:
 *
 *   SET, RESET, set_config   ─► settings (in force)
 *   COMMIT                   ─► settings_begin = settings
 *   ROLLBACK, error          ─► settings = settings_begin
 *   SAVEPOINT                ─► remembers settings; ROLLBACK TO goes back to that
 *
 * What a backend once heard of a custom setting, no rollback takes from it: such names stay as gone.
 * Where nobody can be certain, the session is tainted and pinned: it goes on with the one backend that
 * knows, and without the cache.
 *
 * Source  src/backend/utils/misc/guc.c: the stack of values behind each setting (push_old_value,
 *         AtEOXact_GUC); src/backend/tcop/postgres.c for what commits in the middle of a pipeline.
 */
#include "session/settings.h"

#include "base/mem.h"
#include "session/datestyle.h"

struct savepoint {
    char *name;
    struct settings *settings;
};

struct savepoints {
    unsigned count;
    struct savepoint list[SETTINGS_SAVEPOINTS_MAX];
};

/* ---- state ---- */

static void replace(struct settings **at, struct settings *with)
{
    settings_unref(*at);
    *at = with;
}

static bool is_uncommitted(const struct session *session)
{
    return session->settings != session->settings_begin;
}

static void taint(struct session *session)
{
    struct unit *unit = &session->unit;
    unit->tainted = true;
    unit->effects |= EFFECT_PIN | EFFECT_DIRTY;
    if (unit->pin == PIN_NONE)
        unit->pin = PIN_SETTING;
}

/* Forgets the savepoints from `first` on. */
static void drop_savepoints(struct session *session, unsigned first)
{
    struct savepoints *savepoints = session->savepoints;
    if (!savepoints)
        return;
    while (savepoints->count > first) {
        struct savepoint *last = &savepoints->list[--savepoints->count];
        mem_free(last->name);
        settings_unref(last->settings);
    }
    if (!first) {
        mem_free(savepoints);
        session->savepoints = NULL;
    }
}

void settings_fini(struct session *session)
{
    drop_savepoints(session, 0);
    replace(&session->settings, NULL);
    replace(&session->settings_begin, NULL);
    lent_fini(session);
    setting_changes_destroy(session->unit.bound_changes);
    session->unit.bound_changes = NULL;
}

/* Goes back to `to`; custom settings that have been heard of since stay as gone. */
static void go_back(struct session *session, const struct settings *to)
{
    struct settings *made = settings_ref((struct settings *)(uintptr_t)to);
    const struct settings *from = session->settings;
    for (unsigned i = 0; from && from->custom && i < from->count; i++) {
        char name[SETTING_NAME_MAX + 1];
        struct slice has = from->list[i].name;
        memcpy(name, has.data, has.len);
        name[has.len] = 0;
        if (!setting_is_custom(has) || settings_find(made, name))
            continue;
        struct settings *more;
        if (settings_without(made, has, &more) != ERR_OK) {
            taint(session);
            break;
        }
        replace(&made, more);
    }
    replace(&session->settings, made);
}

/* True if a rollback of any reach might change the settings. */
static bool may_go_back(const struct session *session)
{
    const struct savepoints *savepoints = session->savepoints;
    for (unsigned i = 0; savepoints && i < savepoints->count; i++)
        if (savepoints->list[i].settings != session->settings)
            return true;
    return is_uncommitted(session);
}

void settings_lose_savepoints(struct session *session)
{
    session->savepoints_unsure = true;
    if (may_go_back(session))
        taint(session);
}

/* ---- where names are looked for ---- */

/* The items of a list, each in quotes; false when there is no room. */
static bool join_items(struct slice items, char *out, size_t room, size_t *out_len)
{
    size_t at = 0;
    for (size_t i = 0; i <= items.len; i++) {
        bool first = i == 0 || items.data[i - 1] == 0;
        if (at + 8 > room)
            return false;
        if (first)
            out[at++] = '"';
        if (i == items.len || items.data[i] == 0) {
            out[at++] = '"';
            if (i < items.len)
                out[at++] = ',';
            continue;
        }
        if (items.data[i] == '"')
            out[at++] = '"';
        out[at++] = (char)items.data[i];
    }
    *out_len = at;
    return true;
}

struct proof_scope settings_scope(const struct session *session)
{
    static _Thread_local char items[PROFILE_PATH_MAX];
    const struct profile_facts *facts =
        session->server && !lent_is_on(session) ? session->server->facts : session->facts;
    unsigned moving = EFFECT_TRACK | EFFECT_SET_LOCAL | EFFECT_TX_END | EFFECT_UNPIN | EFFECT_PIN;
    if (session_has_own_settings(session) || session->local_path || session->tainted ||
        (session->unit.effects & moving) || !facts->scope.known ||
        (session->server && !profile_facts_fit(facts, session->server->facts)))
        return (struct proof_scope){0};
    struct proof_scope scope = {.search_path = slice_of_text(facts->scope.search_path),
                                .current_user = slice_of_text(facts->scope.current_user)};
    const struct setting *path = settings_find(session->settings, "search_path");
    const struct setting *user = settings_find(session->settings, "role");
    if (path && path->form == SETTING_LISTED) {
        size_t len;
        if (!join_items(path->value, items, sizeof(items), &len))
            return (struct proof_scope){0};
        scope.search_path = slice_of(items, len);
    } else if (path) {
        scope.search_path = path->value;
    }
    if (!user)
        user = settings_find(session->settings, "session_authorization");
    if (user && slice_is(user->value, "none"))
        return (struct proof_scope){0};
    if (user)
        scope.current_user = user->value;
    return scope;
}

/* ---- what happened ---- */

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

/* DateStyle is a pair, and one part may be set alone: the value becomes the whole. What we understand
 * otherwise than Postgres has is unsure. */
static void complete_datestyle(const struct session *session, struct setting_change *change)
{
    const struct setting *has = settings_find(session->settings, "datestyle");
    struct slice now;
    char made[DATESTYLE_MAX];
    bool unsure = change->unsure;
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
    change->unsure = unsure;
}

/* What SET LOCAL, and what is set over it, make of search_path. */
static void note_path(struct session *session, const struct setting_change *change)
{
    bool path = strcmp(change->name, "search_path") == 0;
    if (!path && strcmp(change->name, "role") != 0 &&
        strcmp(change->name, "session_authorization") != 0)
        return;
    if (change->kind == SETTING_LOCAL)
        session->local_path =
            path && change->value && session->local_path != SETTINGS_UNKNOWN
                ? hash64_of(change->value, change->value_len) << 2 | (change->listed ? 2 : 0) | 1
                : SETTINGS_UNKNOWN;
    else if (session->local_path)
        session->local_path = SETTINGS_UNKNOWN;
}

static void apply_one(struct session *session, struct setting_change *change)
{
    if (change->kind == SETTING_SET || change->kind == SETTING_RESET)
        change->unsure |= !role_is_plain(session, change->name);
    if (change->kind == SETTING_SET && strcmp(change->name, "datestyle") == 0)
        complete_datestyle(session, change);
    if (change->kind != SETTING_RESET_ALL)
        note_path(session, change);
    else if (session->local_path)
        session->local_path = SETTINGS_UNKNOWN;
    struct settings *made = NULL;
    enum err err = ERR_OK;
    struct setting entry = {.name = slice_of_text(change->name),
                            .value = slice_of(change->value, change->value_len),
                            .form = change->listed ? SETTING_LISTED : SETTING_VALUE};
    switch (change->kind) {
    case SETTING_SET:
        err = settings_with(session->settings, &entry, &made);
        break;
    case SETTING_RESET:
        err = settings_without(session->settings, entry.name, &made);
        break;
    case SETTING_RESET_ALL:
        made = settings_reset(session->settings, false);
        break;
    case SETTING_LOCAL:
        if (!setting_is_custom(entry.name) || settings_find(session->settings, change->name))
            return;
        err = settings_without(session->settings, entry.name, &made);
        break;
    case SETTING_SAVEPOINT:
    case SETTING_RELEASE:
    case SETTING_ROLLBACK_TO:
        return;
    }
    if (err == ERR_OK)
        replace(&session->settings, made);
    if (err != ERR_OK || change->unsure)
        taint(session);
}

static void add_savepoint(struct session *session, const char *name)
{
    if (!session->savepoints)
        session->savepoints = mem_zero(1, sizeof(*session->savepoints));
    struct savepoints *savepoints = session->savepoints;
    if (savepoints->count == SETTINGS_SAVEPOINTS_MAX) {
        session->savepoints_unsure = true;
        return;
    }
    struct savepoint *added = &savepoints->list[savepoints->count++];
    added->name = mem_text(name);
    added->settings = settings_ref(session->settings);
}

/* The latest savepoint of this name; -1: none that is known. */
static int find_savepoint(const struct session *session, const char *name)
{
    const struct savepoints *savepoints = session->savepoints;
    for (int i = savepoints ? (int)savepoints->count - 1 : -1; i >= 0; i--)
        if (strcmp(savepoints->list[i].name, name) == 0)
            return i;
    return -1;
}

static void to_savepoint(struct session *session, const char *name, bool back)
{
    int at = find_savepoint(session, name);
    if (at < 0 || session->savepoints_unsure) {
        settings_lose_savepoints(session);
        return;
    }
    if (back)
        go_back(session, session->savepoints->list[at].settings);
    if (back && session->local_path)
        session->local_path = SETTINGS_UNKNOWN;
    drop_savepoints(session, (unsigned)at + (back ? 1 : 0));
}

/* What statement number `statement` of its text does. False: nothing. */
static bool apply(struct session *session, struct setting_changes *changes, unsigned statement)
{
    struct settings *before = settings_ref(session->settings);
    bool any = false;
    for (unsigned i = 0; i < changes->count; i++) {
        struct setting_change *change = &changes->list[i];
        if (change->statement != statement)
            continue;
        any = true;
        if (change->kind == SETTING_SAVEPOINT)
            add_savepoint(session, change->name);
        else if (change->kind == SETTING_RELEASE || change->kind == SETTING_ROLLBACK_TO)
            to_savepoint(session, change->name, change->kind == SETTING_ROLLBACK_TO);
        else
            apply_one(session, change);
    }
    if (session->savepoints_unsure && session->settings != before)
        taint(session);
    settings_unref(before);
    return any;
}

static void commit(struct session *session)
{
    if (is_uncommitted(session))
        replace(&session->settings_begin, settings_ref(session->settings));
    drop_savepoints(session, 0);
    session->savepoints_unsure = session->commits_unsure = false;
}

static void roll_back(struct session *session)
{
    if (is_uncommitted(session))
        go_back(session, session->settings_begin);
    commit(session);
}

/* Tags of statements that never commit what came before them in a pipeline. */
static bool tag_keeps_open(struct pgwire_slice tag)
{
    static const char *const tags[] = {"SELECT", "INSERT", "UPDATE", "DELETE",  "MERGE",
                                       "SET",    "RESET",  "SHOW",   "EXPLAIN", "BEGIN"};
    for (size_t i = 0; i < ARRAY_COUNT(tags); i++) {
        size_t len = strlen(tags[i]);
        if (tag.len >= len && memcmp(tag.data, tags[i], len) == 0)
            return true;
    }
    return false;
}

void settings_complete(struct session *session, const struct owed_entry *entry,
                       struct pgwire_slice tag)
{
    if (entry->source == OWED_DISCARD)
        return;
    struct setting_changes *changes = entry->changes;
    if (changes && (apply(session, changes, changes->done++) || !changes->several))
        return;
    if (pgwire_slice_is(tag, "COMMIT") || pgwire_slice_is(tag, "PREPARE TRANSACTION")) {
        commit(session);
    } else if (pgwire_slice_is(tag, "ROLLBACK")) {
        if (session->unit.effects & EFFECT_TX_END)
            roll_back(session);
        else
            settings_lose_savepoints(session);
    } else if (pgwire_slice_is(tag, "DISCARD ALL")) {
        replace(&session->settings, settings_reset(session->settings, true));
        commit(session);
    } else if (!tag_keeps_open(tag)) {
        session->commits_unsure |= session->unit.extended && session->status == 'I';
    }
}

void settings_failed(struct session *session, const struct owed_entry *entry)
{
    if (!entry || !entry->changes || session->status == 'E')
        return;
    /* It may have made a custom setting known before it failed. */
    for (unsigned i = 0; i < entry->changes->count; i++) {
        const struct setting_change *change = &entry->changes->list[i];
        if (change->statement == entry->changes->done && change->kind <= SETTING_LOCAL &&
            setting_is_custom(slice_of_text(change->name)) &&
            !settings_find(session->settings, change->name))
            taint(session);
    }
}

void settings_unit_end(struct session *session, uint8_t status)
{
    setting_changes_destroy(session->unit.bound_changes);
    session->unit.bound_changes = NULL;
    if (status != 'I')
        return;
    if (session->unit.erred && is_uncommitted(session)) {
        if (session->commits_unsure)
            taint(session);
        roll_back(session);
    } else {
        commit(session);
    }
}
