/* EXPLAIN CACHE for the console, which has no session of the role that it asks for: it borrows the facts
 * of a profile that has logged in, in a session that exists for the call. See session/host.h.
 */
#include "base/mem.h"
#include "session/explain.h"

static struct pool *pool_of(struct database *database, const char *role)
{
    struct pool *pool;
    for (unsigned i = 0; (pool = pool_at(database, i)) != NULL; i++)
        if (strcmp(pool->role, role) == 0)
            return pool;
    return NULL;
}

/* The path of a role that nobody has logged in as: known where ALTER ROLE or ALTER DATABASE says it. */
static void on_setting(void *context, const char *name, const char *value)
{
    struct profile_scope *scope = context;
    size_t len = strlen(value);
    if (strcmp(name, "search_path") != 0 || len >= sizeof(scope->search_path))
        return;
    memcpy(scope->search_path, value, len + 1);
    scope->known = true;
}

static void scope_of(const struct session_question *question, struct profile_scope *out)
{
    bool stale;
    struct catalog *catalog = realm_catalog(question->database->realm, &stale);
    size_t len = strlen(question->role);
    if (catalog && len < sizeof(out->current_user)) {
        memcpy(out->current_user, question->role, len + 1);
        catalog_each_role_setting(catalog, question->role, on_setting, out);
    }
    catalog_unref(catalog);
}

struct explanation *session_explain(struct host *host, const struct session_question *question,
                                    void (*on_complete)(void *context), void *context,
                                    bool *out_complete)
{
    struct query query = {.text = question->sql,
                          .types = question->types,
                          .arguments = question->arguments,
                          .extended = question->arguments.len > 0};
    struct profile_facts nothing = {.refs = 1};
    struct session *session = mem_zero(1, sizeof(*session));
    session->host = host;
    session->database = question->database;
    session->status = 'I';
    session->local.plain = true;
    session->pool = pool_of(question->database, question->role);
    session->profile = session->pool ? profile_known(session->pool) : NULL;
    session->facts = session->profile ? profile_facts_ref(session->profile) : &nothing;
    if (!session->profile)
        scope_of(question, &nothing.scope);
    session->user = mem_text(question->role);
    query_scan(host, &query);
    struct explanation *explanation = explanation_create(session, &query, on_complete, context);
    if (session->profile)
        profile_facts_unref(session->facts);
    profile_unref(session->profile);
    mem_free(session->user);
    mem_free(session);
    *out_complete = !explanation_waits(explanation);
    return explanation;
}
