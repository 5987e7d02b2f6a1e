#include "session/temporary.h"

#include "base/mem.h"
#include "session/session.h"

/* Exists from the first such table on. */
struct temporary {
    bool spoiled;
    bool other; /* see struct verdict_temporary */
    unsigned count;
    uint64_t names[TEMPORARY_NAMES_MAX];
};

static bool has(const struct temporary *temporary, uint64_t name)
{
    for (unsigned i = 0; i < temporary->count; i++) {
        if (temporary->names[i] == name)
            return true;
    }
    return false;
}

/* Are all that the snapshot lacks tables of ours? Only a current snapshot lacks what is not there. */
static bool are_ours(const struct session *session, const struct verdict *verdict)
{
    const struct temporary *temporary = session->temporary;
    const struct verdict_temporary *names = &verdict->temporary;
    if (!names->unknown_count || !temporary || temporary->spoiled ||
        verdict->catalog_version != realm_wanted(session->database->realm))
        return false;
    for (unsigned i = 0; i < names->unknown_count; i++) {
        if (!has(temporary, names->unknown[i]))
            return false;
    }
    return true;
}

static struct temporary *of_session(struct session *session)
{
    if (!session->temporary)
        session->temporary = mem_zero(1, sizeof(*session->temporary));
    return session->temporary;
}

static void note_made(struct session *session, uint64_t name)
{
    struct temporary *temporary = of_session(session);
    if (!has(temporary, name) && temporary->count < TEMPORARY_NAMES_MAX)
        temporary->names[temporary->count++] = name;
}

const struct verdict *temporary_judge(struct session *session, const struct verdict *verdict,
                                      struct verdict *own)
{
    const unsigned anything = EFFECT_WRITES_ALL | EFFECT_DDL | EFFECT_GLOBAL | EFFECT_DIRTY;
    const struct verdict_temporary *names = &verdict->temporary;
    if (UNLIKELY(session->temporary && session->temporary->other)) {
        *own = *verdict;
        own->effects |= EFFECT_WRITES_ALL;
        own->effects &= ~(unsigned)EFFECT_ASK;
        own->write_count = own->column_count = 0;
        return own;
    }
    if (LIKELY(!(verdict->effects & (anything | EFFECT_PIN))))
        return verdict;
    if (names->other)
        of_session(session)->other = true;
    if (are_ours(session, verdict)) {
        *own = *verdict;
        own->effects = names->effects;
        own->pin = names->pin;
        own->write_count = names->write_count;
        verdict = own;
    }
    bool makes_other = verdict->pin == PIN_TEMPORARY && !names->makes;
    if (((verdict->effects & anything) || makes_other) && !names->keeps)
        of_session(session)->spoiled = true;
    else if (names->makes)
        note_made(session, names->makes);
    return verdict;
}

void temporary_forget(struct session *session)
{
    mem_free(session->temporary);
    session->temporary = NULL;
}
