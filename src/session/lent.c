#include "session/lent.h"

#include "base/mem.h"
#include "session/session.h"

bool lent_is_on(const struct session *session)
{
    return session->server && session->server->profile != session->profile;
}

static struct settings *take(const struct settings *settings)
{
    return settings_ref((struct settings *)(uintptr_t)settings);
}

static void drop(struct lent_list *list)
{
    settings_unref(list->over);
    settings_unref(list->own);
    settings_unref(list->both);
    *list = (struct lent_list){0};
}

/* Both lists in one. */
static const struct settings *with(struct session *session, const struct settings *over)
{
    if (!over || !session->settings)
        return over ? over : session->settings;
    struct lent_list *list = &session->lent.list[over == session->facts->over_base];
    if (list->over != over || list->own != session->settings) {
        drop(list);
        list->over = take(over);
        list->own = take(session->settings);
        list->both = settings_merge(over, session->settings);
    }
    return list->both;
}

const struct settings *lent_wanted(struct session *session)
{
    return with(session, profile_over(session->profile, session->facts, session->server));
}

const struct settings *lent_parse_settings(const struct session *session)
{
    return with((struct session *)(uintptr_t)session, /* only the list that it keeps */
                session->facts ? session->facts->over_base : NULL);
}

struct settings *lent_left(struct session *session)
{
    session->lent.bare = session->unit.discarded;
    if (session->unit.discarded)
        return settings_reset(session->server->settings, true);
    return take(lent_wanted(session));
}

void lent_fini(struct session *session)
{
    struct session_lent *lent = &session->lent;
    drop(&lent->list[0]);
    drop(&lent->list[1]);
    buf_fini(&lent->report);
    restore_forget(session);
}
