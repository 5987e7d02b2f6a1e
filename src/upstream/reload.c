/* A new configuration reaches the databases, and those before it go.
 *
 * Who looks at a configuration without a reference is a callback of a loop, and does so until it returns.
 * So when nothing leads to an old one any more, every loop is made to run a post: first the main loop, on
 * which configurations change, then the workers' all at once. When the last of them has run, nobody
 * can be looking at it.
 *
 *   databases_reload ─► main loop ─► every worker's loop ─► main loop: conf_forget_before
 *
 * Threads  As each function says; `goodbye` belongs to the main loop, but for `left`.
 */
#include "base/log.h"
#include "inside.h"

static struct {
    struct loop *main_loop; /* NULL: nothing goes before the end */
    unsigned workers;
    struct loop_post post;
    bool busy;       /* a round is under way */
    uint64_t wanted; /* what is older than this may go */
    uint64_t round;  /* the same for the round */
    _Atomic(unsigned) left;
} goodbye;

/* ---- old configurations ---- */

static void begin_round(void);

static void run_end(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    (void)post;
    conf_forget_before(goodbye.round);
    goodbye.busy = false;
    if (goodbye.wanted != goodbye.round)
        begin_round();
}

static void run_seen(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    (void)post;
    if (atomic_fetch_sub(&goodbye.left, 1) != 1)
        return;
    goodbye.post = (struct loop_post){.run = run_end};
    (void)!loop_post(goodbye.main_loop, &goodbye.post); /* not taken: this is the end of all */
}

/* A worker that is not there yet, or has ended, cannot be asked: the next round takes these along. */
static void run_begin(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    (void)post;
    goodbye.round = goodbye.wanted;
    atomic_store(&goodbye.left, goodbye.workers);
    if (!pools_sides_post(goodbye.workers, run_seen))
        goodbye.busy = false;
}

static void begin_round(void)
{
    goodbye.post = (struct loop_post){.run = run_begin};
    goodbye.busy = loop_post(goodbye.main_loop, &goodbye.post);
}

static void say_goodbye(uint64_t number)
{
    if (!goodbye.main_loop)
        return;
    goodbye.wanted = number;
    if (!goodbye.busy)
        begin_round();
}

void databases_forget_old(struct loop *main_loop, unsigned workers)
{
    goodbye.main_loop = main_loop;
    goodbye.workers = workers;
    goodbye.busy = false;
}

/* ---- the new one ---- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* True if backends logged in under `a` may serve under `b`. */
static bool same_login(const struct conf_database *a, const struct conf_database *b)
{
    return same_text(a->host, b->host) && same_text(a->ports, b->ports) &&
           a->target_session_attrs == b->target_session_attrs && same_text(a->user, b->user) &&
           same_text(a->password, b->password) &&
           same_text(a->client_encoding, b->client_encoding) &&
           same_text(a->datestyle, b->datestyle) && same_text(a->timezone, b->timezone) &&
           same_text(a->application_name, b->application_name) &&
           same_text(a->connect_query, b->connect_query);
}

static void warn_of_other_dbname(const struct database *database, const struct conf_database *line)
{
    if (!same_text(line->dbname ? line->dbname : database->name, database->dbname))
        log_warn("dbname of a database cannot change while we run: restart", "database",
                 database->name, "dbname", database->dbname, NULL);
}

static void reload_one(struct database *database, const struct conf *conf)
{
    const struct conf_database *line = conf_database_find(conf, slice_of_text(database->name));
    const struct conf_database *old = atomic_exchange(&database->conf, line);
    database->automatic = !line || strcmp(line->name, "*") == 0;
    if (line)
        warn_of_other_dbname(database, line);
    pthread_mutex_lock(&database->mutex);
    bool recycle = !line || !old || !same_login(old, line);
    for (unsigned i = 0; i < database->pool_count; i++) {
        struct pool *pool = database->pool_list[i];
        if (recycle)
            pool_recycle_locked(pool);
        pool_schedule(pool);
    }
    pthread_mutex_unlock(&database->mutex);
}

void databases_reload(void)
{
    const struct conf *conf = conf_current();
    struct database *database;
    for (unsigned i = 0; (database = database_next(&i)) != NULL;)
        reload_one(database, conf);
    say_goodbye(conf->number);
}
