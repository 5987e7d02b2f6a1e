/* What a statement may do, noted before it goes to the backend: tables are closed, ties to the backend
 * are remembered. What is in flight ends in relay.c (realm_finish) and unit_end.c (pins).
 */
#include "base/flaw.h"
#include "session/keys.h"
#include "session/names.h"
#include "session/temporary.h"
#include "upstream/settings.h"

static void add_writes(struct session *session, const struct query *query,
                       const struct verdict *verdict)
{
    struct write_set set = {
        .everything = (verdict->effects & EFFECT_GLOBAL) != 0,
        .all = (verdict->effects & EFFECT_WRITES_ALL) != 0,
        .ddl = (verdict->effects & EFFECT_DDL) != 0,
    };
    if (set.everything || ((set.all || set.ddl) && !(verdict->effects & EFFECT_ASK)))
        session->transaction.unbounded = true;
    else if (verdict->effects & EFFECT_ASK)
        session->transaction.asks = true;
    keys_of_write(session, query, verdict, &set);
    if (write_set_is_empty(&set))
        return;
    if (write_set_is_empty(&session->written))
        session->written_version = verdict->catalog_version;
    else if (session->written_version != verdict->catalog_version)
        session->written_version = 0;
    write_set_add(&session->written, &set);
}

static uint64_t constants_of(const struct settings *settings)
{
    return settings ? settings->constants_hash : 0;
}

/* What is under way may be undone, or done, before what comes behind it is read. */
static bool names_may_move(const struct session *session)
{
    const struct unit *unit = &session->unit;
    bool moved = session->local_path || session->settings != session->settings_begin;
    bool set = session->local_path || (session->settings && session->settings->names_hash);
    return unit->names || (moved && (unit->effects & EFFECT_TX_END)) ||
           (set && (unit->effects & EFFECT_UNPIN));
}

uint64_t session_parse_settings(const struct session *session)
{
    const struct settings *settings = lent_parse_settings(session);
    if (UNLIKELY(session->tainted || session->unit.tainted || session->local_constants ||
                 session->local_path == SETTINGS_UNKNOWN || names_may_move(session)))
        return SETTINGS_UNKNOWN;
    uint64_t hash = settings ? settings->constants_hash + settings->names_hash : 0;
    return session->local_path ? (hash ^ session->local_path) * UINT64_C(0x9E3779B97F4A7C15) : hash;
}

bool session_constants_may_change(const struct session *session)
{
    return session->local_constants || session->unit.constants ||
           ((session->unit.effects & EFFECT_UNPIN) && constants_of(session->settings)) ||
           constants_of(session->settings) != constants_of(session->settings_begin);
}

/* A statement that was found to write nothing, or little, may run code that somebody replaces before
 * it gets there. A closing of its own is widened by the DDL; what has none ends like this. */
bool session_is_overtaken(const struct session *session)
{
    return session->judged_version && !flaw_is_on(FLAW_OLD_CATALOG) &&
           session->judged_version != realm_wanted(session->database->realm);
}

bool session_has_own_settings(const struct session *session)
{
    return session->pin != PIN_NONE || session->unit.pin != PIN_NONE ||
           session_constants_may_change(session);
}

/* Only the backend knows the session's settings after such a statement. */
static bool verdict_taints(const struct verdict *verdict)
{
    return (verdict->effects & EFFECT_PIN) &&
           ((verdict->effects & (EFFECT_DIRTY | EFFECT_TRACK)) || verdict->pin == PIN_SETTING ||
            verdict->pin == PIN_FUNCTION || verdict->pin == PIN_UNKNOWN ||
            verdict->pin == PIN_NONE);
}

/* Before what may commit is forwarded. Code that writes nothing known has a closing, too, of no table:
 * the closing that DDL widens, should it replace that code before it gets there. */
static void close_written(struct session *session, const struct verdict *verdict)
{
    bool writes = !write_set_is_empty(&session->written);
    if (closing_is_on(&session->closing)) {
        if (writes)
            realm_extend(&session->closing, &session->written, session->written_version);
        return;
    }
    if (!writes && !verdict->runs_code)
        return;
    counter_add(&session->stats->writes, writes ? 1 : 0);
    realm_close(session->database->realm, &session->written,
                writes ? session->written_version : verdict->catalog_version, &session->closing);
}

/* PREPARE counts for what it prepares. So EXECUTE may change the session or the catalog only if it may be of
 * something that was not seen like this, or was judged by another catalog. */
static const struct verdict *judge_prepared(struct session *session, const struct verdict *verdict,
                                            struct verdict *scratch)
{
    struct sql_prepared *prepared = &session->sql_prepared;
    if (!prepared->version)
        prepared->version = verdict->catalog_version;
    prepared->unsure |= (verdict->effects & EFFECT_DIRTY) || !verdict->catalog_version ||
                        prepared->version != verdict->catalog_version;
    if (!(verdict->effects & EFFECT_RUNS) || !prepared->unsure)
        return verdict;
    *scratch = *verdict;
    scratch->effects |= EFFECT_PIN | EFFECT_DIRTY | EFFECT_DDL;
    scratch->pin = PIN_FUNCTION;
    return scratch;
}

void forward_effects(struct session *session, const struct query *query,
                     const struct verdict *verdict)
{
    struct unit *unit = &session->unit;
    struct verdict own;
    verdict = temporary_judge(session, verdict, &own);
    if ((verdict->effects & (EFFECT_PIN | EFFECT_SET_LOCAL)) && !session_has_own_settings(session))
        names_settle(session);
    if ((verdict->effects & EFFECT_NAMES) && !session->own_names)
        names_own(session);
    struct verdict scratch;
    if (UNLIKELY(verdict->effects & EFFECT_NAMES))
        verdict = judge_prepared(session, verdict, &scratch);
    unit->effects |= verdict->effects;
    sequences_note(session, query, verdict);
    transaction_note(&session->transaction, verdict->reason == REASON_NONE);
    if ((verdict->effects & EFFECT_PIN) && unit->pin == PIN_NONE)
        unit->pin = verdict->pin == PIN_NONE ? PIN_UNKNOWN : verdict->pin;
    unit->tainted |= verdict_taints(verdict);
    if (verdict->effects & EFFECT_SET_LOCAL)
        session->local_settings = session->local_constants = true;
    /* Also with the cache off: DDL outdates the verdicts that keep sessions apart. */
    add_writes(session, query, verdict);
    if (!session->judged_version)
        session->judged_version = verdict->catalog_version;
    bool may_commit = session->status == 'I' || (unit->effects & EFFECT_TX_END);
    if (may_commit && session_is_overtaken(session))
        session->written.all = true;
    if (may_commit)
        close_written(session, verdict);
}

void forward_unknown_effects(struct session *session)
{
    struct verdict verdict;
    verdict_prove(slice_of("", 0), SCAN_DOUBT, NULL, NULL, &verdict);
    forward_effects(session, NULL, &verdict);
}
