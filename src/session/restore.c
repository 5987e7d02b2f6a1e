/* RESET on a backend that is lent: it goes back to what the backend was after its login, not to what the
 * client has asked for at its own. So statements of ours stand behind it that set that again, in the same
 * transaction, so that a rollback undoes both:
 *
 *   Query    RESET timezone       ─►  RESET timezone
 *                                     ;SET "timezone" TO E'Europe/Berlin'        its answer is swallowed
 *   Execute  of RESET ALL         ─►  Execute, and Parse Bind Execute for each parameter of the client
 *   Query    DISCARD ALL          ─►  as it is: it stands alone; the next replay restores. What it reports
 *                                     is corrected before the client hears of it.
 *
 * Postgres reports changes of settings at ReadyForQuery, so the client hears of the last value alone, and
 * of that only if it is another one than before.
 *
 * Source  src/backend/utils/misc/guc.c, ReportChangedGUCOptions. */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/mem.h"
#include "session/session.h"
#include "session/settings.h"

enum { MESSAGE_EXTRA = 64 };

struct restore {
    unsigned done;                          /* statements of the client's that are completed */
    unsigned left;                          /* of ours that come next */
    uint8_t behind[SETTING_STATEMENTS_MAX]; /* of ours behind each of the client's */
    uint32_t put[SETTING_STATEMENTS_MAX];   /* bytes of ours, all of them ASCII, before each */
};

static const struct settings *over_of(const struct session *session)
{
    return lent_is_on(session) ? profile_over(session->profile, session->facts, session->server)
                               : NULL;
}

static unsigned put(struct buf *out, const struct setting *setting, bool local)
{
    buf_append_text(out, "\n;"); /* the text before it may end in a comment */
    settings_put_set(setting, local, out);
    return 1;
}

static unsigned put_all(struct buf *out, const struct settings *over)
{
    for (unsigned i = 0; i < over->count; i++)
        put(out, &over->list[i], false);
    return over->count;
}

/* What has to follow one statement, each with a semicolon before it; returns how many they are. */
static unsigned follow(const struct settings *over, const struct query *query, struct buf *out)
{
    struct setting_changes *changes = settings_read(query);
    unsigned count = 0;
    for (unsigned i = 0; changes && i < changes->count; i++) {
        const struct setting_change *change = &changes->list[i];
        const struct setting *setting = settings_find(over, change->name);
        if (change->kind == SETTING_RESET_ALL)
            count += put_all(out, over);
        else if (setting && change->resets)
            count += put(out, setting, change->kind == SETTING_LOCAL);
    }
    setting_changes_destroy(changes);
    return count;
}

/* ---- Query ---- */

/* Outside a block SET LOCAL does nothing but warn, which it would not among several statements. */
static bool sets_local(const struct query *query)
{
    struct setting_changes *changes = settings_read(query);
    bool local = changes && changes->count == 1 && changes->list[0].kind == SETTING_LOCAL &&
                 !changes->list[0].called;
    setting_changes_destroy(changes);
    return local;
}

struct restore *restore_query(struct session *session, const struct query *query, struct buf *out)
{
    const struct settings *over = over_of(session);
    struct slice texts[SETTING_STATEMENTS_MAX];
    struct restore restore = {0};
    struct slice left = query->text;
    unsigned total = 0;
    unsigned count = over ? setting_split(query->text, texts) : 0;
    if (count == 1 && session->status == 'I' && sets_local(query))
        count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct query one = {.text = texts[i]};
        size_t before = (size_t)(texts[i].data - left.data) + texts[i].len;
        buf_append(out, left.data, before);
        left = slice_of(left.data + before, left.len - before);
        restore.put[i] = (uint32_t)(buf_len(out) - (size_t)(left.data - query->text.data));
        restore.behind[i] = (uint8_t)follow(over, &one, out);
        total += restore.behind[i];
    }
    if (!total) {
        buf_fini(out);
        return NULL;
    }
    buf_append(out, left.data, left.len);
    return mem_copy(&restore, sizeof(restore));
}

void restore_destroy(struct restore *restore)
{
    mem_free(restore);
}

bool restore_hides(struct restore *restore, uint8_t type)
{
    if (restore->left) {
        restore->left -= type == 'C';
        return true;
    }
    if (type == 'C' && restore->done < SETTING_STATEMENTS_MAX)
        restore->left = restore->behind[restore->done++];
    return false;
}

bool restore_error(const struct restore *restore, const uint8_t *body, size_t len, struct buf *out)
{
    struct pgwire_slice place;
    char text[24] = "";
    uint32_t put = restore->done < SETTING_STATEMENTS_MAX ? restore->put[restore->done] : 0;
    if (!put || restore->left || !pgwire_error_field(body, len, 'P', &place) ||
        place.len >= sizeof(text))
        return false;
    memcpy(text, place.data, place.len);
    long at = strtol(text, NULL, 10) - (long)put;
    if (at <= 0)
        return false;
    (void)snprintf(text, sizeof(text), "%ld", at);
    size_t before = (size_t)(place.data - body), behind = before + place.len;
    size_t whole = 4 + before + strlen(text) + (len - behind);
    uint8_t start[5] = {'E', (uint8_t)(whole >> 24), (uint8_t)(whole >> 16), (uint8_t)(whole >> 8),
                        (uint8_t)whole};
    buf_clear(out);
    buf_append(out, start, sizeof(start));
    buf_append(out, body, before);
    buf_append_text(out, text);
    buf_append(out, body + behind, len - behind);
    return true;
}

/* ---- Bind and Execute ---- */

static void forget(struct session *session, struct slice portal)
{
    if (UNLIKELY(session->lent.restores.count))
        mem_free(table_remove(&session->lent.restores, portal));
}

void restore_forget(struct session *session)
{
    struct table *restores = &session->lent.restores;
    size_t at = 0;
    void *text;
    if (LIKELY(!restores->slots))
        return;
    while ((text = table_next(restores, &at)) != NULL)
        mem_free(text);
    table_fini(restores);
}

void restore_bind(struct session *session, const struct query *query, struct slice portal,
                  const struct verdict *verdict)
{
    struct buf text = {0};
    forget(session, portal);
    const struct settings *over = over_of(session);
    if (LIKELY(!over) || !(verdict->effects & (EFFECT_TRACK | EFFECT_UNPIN)))
        return;
    if (verdict->effects & EFFECT_UNPIN)
        put_all(&text, over);
    else
        follow(over, query, &text);
    if (buf_len(&text) && session->lent.restores.count < SESSION_PORTALS_MAX)
        table_put(&session->lent.restores, portal, mem_text_n(buf_head(&text), buf_len(&text)));
    buf_fini(&text);
}

/* Parse, Bind and Execute of one statement of ours, whose answers are swallowed. */
static void send_statement(struct session *session, struct slice text)
{
    static const uint8_t requests[] = {'P', 'B', 'E'};
    static const uint8_t bare[6] = {0}; /* no formats, no values, no result formats */
    struct pgwire_slice none = {.data = bare, .len = 0};
    size_t room = text.len + 3 * MESSAGE_EXTRA;
    struct pgwire_writer writer =
        pgwire_writer_of(buf_reserve(&session->host->compose, room), room);
    pgwire_write_parse(&writer, none, session_wire(text), none);
    pgwire_write_bind(&writer, none, none,
                      (struct pgwire_slice){.data = bare, .len = sizeof(bare)});
    pgwire_write_execute(&writer, none, 0);
    ASSERT(!writer.overflow);
    buf_added(&session->host->compose, writer.len);
    for (unsigned i = 0; i < ARRAY_COUNT(requests); i++)
        ASSERT(owed_push(&session->owed, requests[i], OWED_DISCARD) != NULL);
    session->server->unnamed_statement = 0;
}

void restore_execute(struct session *session, struct slice portal)
{
    if (LIKELY(!session->lent.restores.count))
        return;
    const char *text = table_get(&session->lent.restores, portal);
    while (text && *text) {
        const char *from = text + 2; /* "\n;" */
        const char *end = strstr(from, "\n;");
        size_t len = end ? (size_t)(end - from) : strlen(from);
        send_statement(session, slice_of(from, len));
        text = end;
    }
}

/* ---- DISCARD ALL ---- */

void restore_discarded(struct session *session)
{
    const struct settings *over = over_of(session);
    for (unsigned i = 0; over && i < over->count; i++) {
        char name[SETTING_NAME_MAX];
        (void)snprintf(name, sizeof(name), "%.*s", (int)over->list[i].name.len,
                       (const char *)over->list[i].name.data);
        const struct setting *set = settings_find(session->settings, name);
        if (set && !slice_equal(set->value, over->list[i].value))
            profile_facts_put_param(session->facts, name, &session->lent.report);
    }
    session->unit.discarded = over != NULL;
}

bool restore_hides_report(const struct session *session, const struct owed_entry *head,
                          struct slice name)
{
    const struct settings *over = over_of(session);
    if (LIKELY(!over) || !(session->unit.effects & EFFECT_UNPIN) || !head || head->request != 'Q')
        return false;
    for (unsigned i = 0; i < over->count; i++) {
        struct slice has = over->list[i].name;
        if (has.len == name.len &&
            strncasecmp((const char *)has.data, (const char *)name.data, name.len) == 0)
            return true;
    }
    return false;
}
