/* The process: flags, configuration, signals, and what all workers share.
 *
 * The main thread runs a loop of its own, for the control connections, signals and reloads; the
 * workers run the data path. Signals are PgBouncer's: HUP reloads, TERM and INT wait for transactions
 * to end (a second one does not, nor does shutdown_timeout), QUIT ends at once, USR1 pauses, USR2 resumes.
 *
 * Ending: workers first (they own sessions and backends), then control connections on the main
 * loop, then databases, then the cache.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "admin/collect.h"
#include "admin/console.h"
#include "admin/http.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "coherence/realm.h"
#include "conf/conf.h"
#include "upstream/control.h"
#include "upstream/pool.h"
#include "worker.h"

enum { EXIT_USAGE = 2, OVERRIDES_MAX = 256, MAIN_SIGNALS = 6 };

#define PGRECALL_VERSION "0.1.0"

struct arguments {
    const char *file;
    const char *dsn;
    bool check;
    struct conf_override overrides[OVERRIDES_MAX];
    unsigned override_count;
};

static struct loop main_loop;
static struct workers workers;
static struct arguments arguments;
static uv_signal_t signals[MAIN_SIGNALS];
static _Atomic(bool) stopping;
static uint64_t stop_since_ms;
static struct loop_ticker stop_ticker;

/* ---- the command line ---- */

static void usage(FILE *out)
{
    fputs("Usage: pgrecall [-v|-q] [--check] FILE.ini [--OPTION VALUE ...]\n"
          "       pgrecall [-v|-q] [--check] postgres://... [--OPTION VALUE ...]\n"
          "\n"
          "  -v, --verbose   log more (twice has no further effect)\n"
          "  -q, --quiet     log warnings and errors only\n"
          "  --check         read the configuration, report every mistake, and end\n"
          "  --manual NAME   write docs/NAME.md to stdout: config, console or metrics\n"
          "  --sample        write an annotated configuration to stdout\n"
          "  --version, --help\n"
          "\n"
          "Every option of docs/config.md can be given as --OPTION VALUE.\n",
          out);
}

static bool is_dsn(const char *text)
{
    return strncmp(text, "postgres://", 11) == 0 || strncmp(text, "postgresql://", 13) == 0 ||
           (strchr(text, '=') && access(text, F_OK) != 0);
}

/* Flags that do something and end; returns false if `flag` is none of them. */
static bool act_and_end(const char *flag, const char *value)
{
    if (strcmp(flag, "--help") == 0 || strcmp(flag, "-h") == 0)
        usage(stdout);
    else if (strcmp(flag, "--version") == 0 || strcmp(flag, "-V") == 0)
        puts("pgrecall " PGRECALL_VERSION);
    else if (strcmp(flag, "--sample") == 0)
        conf_write_sample(stdout);
    else if (strcmp(flag, "--manual") == 0 && value && strcmp(value, "config") == 0)
        conf_write_manual(stdout);
    else if (strcmp(flag, "--manual") == 0 && value && strcmp(value, "console") == 0)
        console_write_manual(stdout);
    else if (strcmp(flag, "--manual") == 0 && value && strcmp(value, "metrics") == 0)
        metrics_write_manual(stdout);
    else
        return false;
    return true;
}

NORETURN static void bad_usage(const char *what, const char *which)
{
    fprintf(stderr, "pgrecall: %s%s\n\n", what, which);
    usage(stderr);
    exit(EXIT_USAGE);
}

static void read_arguments(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (act_and_end(word, i + 1 < argc ? argv[i + 1] : NULL))
            exit(EXIT_SUCCESS);
        if (strcmp(word, "-v") == 0 || strcmp(word, "--verbose") == 0) {
            log_set_level(LOG_DEBUG);
        } else if (strcmp(word, "-q") == 0 || strcmp(word, "--quiet") == 0) {
            log_set_level(LOG_WARN);
        } else if (strcmp(word, "--check") == 0) {
            arguments.check = true;
        } else if (strncmp(word, "--", 2) == 0) {
            if (i + 1 >= argc)
                bad_usage("a value is missing for ", word);
            if (arguments.override_count == OVERRIDES_MAX)
                bad_usage("too many options", "");
            arguments.overrides[arguments.override_count++] =
                (struct conf_override){.name = word + 2, .value = argv[++i]};
        } else if (word[0] == '-') {
            bad_usage("unknown flag ", word);
        } else if (arguments.file || arguments.dsn) {
            bad_usage("one configuration file or one DSN, not also ", word);
        } else if (is_dsn(word)) {
            arguments.dsn = word;
        } else {
            arguments.file = word;
        }
    }
    if (!arguments.file && !arguments.dsn)
        bad_usage("a configuration file or a DSN is needed", "");
}

static enum err load(struct conf **out)
{
    struct conf_mistakes mistakes = {0};
    enum err err = conf_load(arguments.file, arguments.dsn, arguments.overrides,
                             arguments.override_count, out, &mistakes);
    if (mistakes.text)
        fputs(mistakes.text, stderr);
    conf_mistakes_fini(&mistakes);
    return err;
}

/* ---- what the control connections learn ---- */

/* From any thread: one after the other, so that the last one to look decides. */
static void on_mixed(struct database *database)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&mutex);
    realm_bar(database->realm, database_is_barred(database));
    pthread_mutex_unlock(&mutex);
}

static void on_identity(struct database *database, const struct control_identity *identity)
{
    uint64_t name[2] = {identity->system_identifier, identity->database_oid};
    uint64_t life[4] = {identity->system_identifier, identity->timeline,
                        identity->postmaster_start_us, identity->recovered_us};
    uint64_t incarnation = hash64_of(life, sizeof(life));
    database_identified(database, identity->postmaster_start_us, identity->standby);
    realm_set_identity(database->realm, hash64_of(name, sizeof(name)) | 1, incarnation);
    on_mixed(database); /* before the gate may open */
    realm_confirm(database->realm, incarnation);
}

static uint64_t on_load(struct database *database)
{
    return realm_wanted(database->realm);
}

static void on_catalog(struct database *database, struct catalog *catalog)
{
    bool stale = catalog_version(catalog) != realm_wanted(database->realm);
    realm_set_catalog(database->realm, catalog);
    if (stale)
        control_refresh(database->control);
    else
        workers_catalog_came(&workers);
}

static void on_same(struct database *database, uint64_t version)
{
    realm_same_catalog(database->realm, version);
    if (version == realm_wanted(database->realm))
        workers_catalog_came(&workers);
    else
        control_refresh(database->control);
}

static void on_lost(struct database *database)
{
    realm_lose(database->realm);
}

static void on_settings(struct database *database)
{
    struct pool *pool;
    for (unsigned i = 0; (pool = pool_at(database, i)) != NULL; i++)
        pool_recycle(pool);
    struct write_set all = {.all = true};
    realm_bump(database->realm, &all);
}

static void on_created(struct database *database)
{
    database->realm = mem_zero(1, sizeof(*database->realm));
    realm_init(database->realm);
    database->control = control_create(database);
}

static bool may_go(struct database *database)
{
    return realm_is_unused(database->realm);
}

/* Its name was collected: the next one may be of another database at another server. */
static void on_vacated(struct database *database)
{
    on_mixed(database);
    realm_forget(database->realm);
}

static void destroy_databases(void)
{
    struct database *database;
    for (unsigned i = 0; (database = database_place(i)) != NULL; i++) {
        control_destroy(database->control);
        database->control = NULL;
        realm_fini(database->realm);
        mem_free(database->realm);
        database->realm = NULL;
    }
    databases_fini();
}

/* ---- reload and the end ---- */

static void do_reload(void)
{
    struct conf *conf;
    if (load(&conf) != ERR_OK) {
        log_error("reload failed, the configuration stays as it was", NULL);
        return;
    }
    conf_swap(conf);
    databases_reload();
    log_info("configuration reloaded", NULL);
}

/* Asked again, what was patient becomes less so; never the other way round. */
static void do_stop(enum host_end end)
{
    static const char *const texts[] = {[HOST_END_CLIENTS] = "may stay",
                                        [HOST_END_IDLE] = "may end their transactions",
                                        [HOST_END_NOW] = "end now"};
    static enum host_end last;
    if (stopping && end <= last)
        end = end == HOST_END_CLIENTS ? last : HOST_END_NOW;
    log_info("stopping", "clients", texts[end], NULL);
    workers_stop(&workers, end);
    if (!stopping)
        stop_since_ms = loop_now_ms(&main_loop);
    stopping = true;
    last = end;
}

/* A drain that takes too long becomes an end. */
static void on_tick(struct loop_ticker *ticker, uint64_t now_ms)
{
    (void)ticker;
    uint64_t patience_ms = conf_current()->options.shutdown_timeout_ms;
    if (!stopping || !patience_ms || stop_since_ms == 0 || now_ms < stop_since_ms + patience_ms)
        return;
    stop_since_ms = 0;
    do_stop(HOST_END_NOW);
}

struct request {
    struct loop_post post;
    int shutdown_mode; /* -1: reload */
};

static void run_request(struct loop *loop, struct loop_post *post)
{
    static const enum host_end ends[] = {[CONSOLE_SHUTDOWN_SERVERS] = HOST_END_IDLE,
                                         [CONSOLE_SHUTDOWN_CLIENTS] = HOST_END_CLIENTS,
                                         [CONSOLE_SHUTDOWN_NOW] = HOST_END_NOW};
    (void)loop;
    struct request *request = CONTAINER_OF(post, struct request, post);
    if (request->shutdown_mode < 0)
        do_reload();
    else
        do_stop(ends[request->shutdown_mode]);
    mem_free(request);
}

static void ask_main(int shutdown_mode)
{
    struct request *request = mem_zero(1, sizeof(*request));
    request->post.run = run_request;
    request->shutdown_mode = shutdown_mode;
    if (!loop_post(&main_loop, &request->post))
        mem_free(request);
}

static void ask_reload(void)
{
    ask_main(-1);
}

static void ask_shutdown(int mode)
{
    ask_main(mode);
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)signal;
    switch (number) {
    case SIGHUP:
        do_reload();
        break;
    case SIGTERM:
    case SIGINT:
        do_stop(HOST_END_IDLE);
        break;
    case SIGQUIT:
        do_stop(HOST_END_NOW);
        break;
    case SIGUSR1:
        databases_pause(true);
        break;
    case SIGUSR2:
        databases_pause(false);
        break;
    default:
        break;
    }
}

static void run_joined(struct loop *loop, struct loop_post *post)
{
    (void)post;
    for (unsigned i = 0; i < MAIN_SIGNALS; i++)
        uv_close((uv_handle_t *)&signals[i], NULL);
    autodb_stop();
    dns_stop();
    control_stop_all();
    loop_stop(loop);
}

/* A thread of its own: waits for the workers, then lets the main loop end. */
static void *wait_for_workers(void *context)
{
    static struct loop_post joined = {.run = run_joined};
    (void)context;
    workers_join(&workers);
    if (!loop_post(&main_loop, &joined))
        abort();
    return NULL;
}

static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static unsigned worker_count(void)
{
    int64_t asked = conf_current()->options.workers;
    if (!asked)
        asked = sysconf(_SC_NPROCESSORS_ONLN);
    return asked < 1 ? 1 : asked > WORKERS_MAX ? WORKERS_MAX : (unsigned)asked;
}

static struct cache *make_cache(unsigned readers)
{
    const struct options *options = &conf_current()->options;
    if (!options->cache)
        return NULL;
    struct cache_limits limits = {.memory_bytes_max = options->memory_limit_bytes,
                                  .entry_bytes_max = options->max_entry_bytes};
    return cache_create(&limits, generation_words, readers);
}

static void watch_signals(void)
{
    static const int numbers[MAIN_SIGNALS] = {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2};
    for (unsigned i = 0; i < MAIN_SIGNALS; i++) {
        ASSERT(uv_signal_init(&main_loop.uv, &signals[i]) == 0);
        ASSERT(uv_signal_start(&signals[i], on_signal, numbers[i]) == 0);
    }
}

/* The port for machines. Without http_port *out stays NULL. */
static enum err start_http(struct collect *collect, struct http **out)
{
    const struct options *options = &conf_current()->options;
    if (!options->http_port)
        return ERR_OK;
    struct http_config config = {.address = options->http_addr,
                                 .port = (int)options->http_port,
                                 .collect = collect_metrics,
                                 .healthy = collect_healthy,
                                 .context = collect};
    return http_start(&config, out);
}

static int serve(void)
{
    raise_file_limit();
    signal(SIGPIPE, SIG_IGN);
    loop_init(&main_loop, LOOP_INDEX_MAIN);
    static const struct control_hooks hooks = {.on_identity = on_identity,
                                               .on_load = on_load,
                                               .on_catalog = on_catalog,
                                               .on_same = on_same,
                                               .on_lost = on_lost,
                                               .on_settings = on_settings};
    control_init(&main_loop, &hooks);
    databases_init(on_created);
    databases_set_on_mixed(on_mixed);
    dns_start(&main_loop);
    autodb_start(&main_loop, &(struct autodb_hooks){.may_go = may_go, .on_vacated = on_vacated});
    pools_set_on_server_lost(session_server_lost);
    unsigned count = worker_count();
    databases_forget_old(&main_loop, count);
    struct cache *cache = make_cache(count);
    watch_signals(); /* before anybody can connect and think that we are up */
    if (workers_init(&workers, count, cache) != ERR_OK)
        return EXIT_FAILURE;
    struct host *hosts[WORKERS_MAX];
    for (unsigned i = 0; i < count; i++)
        hosts[i] = &workers.all[i].host;
    struct console_config console = {.hosts = hosts,
                                     .host_count = count,
                                     .cache = cache,
                                     .main_loop = &main_loop,
                                     .reload = ask_reload,
                                     .shutdown = ask_shutdown,
                                     .version = PGRECALL_VERSION};
    console_init(&console);
    struct collect collect = {.hosts = hosts,
                              .host_count = count,
                              .cache = cache,
                              .version = PGRECALL_VERSION,
                              .stopping = &stopping};
    struct http *http = NULL;
    if (start_http(&collect, &http) != ERR_OK)
        return EXIT_FAILURE;
    stop_ticker.tick = on_tick;
    loop_add_ticker(&main_loop, &stop_ticker);
    workers_start(&workers);
    pthread_t waiter;
    ASSERT(pthread_create(&waiter, NULL, wait_for_workers, NULL) == 0);
    const struct options *options = &conf_current()->options;
    log_info("pgrecall is up", "version", PGRECALL_VERSION, "address", options->listen_addr, "port",
             log_num(options->listen_port), "console", log_num(options->console_port), "workers",
             log_num(count), NULL);
    loop_run(&main_loop);
    pthread_join(waiter, NULL);
    http_stop(http); /* up to here it says that we are stopping */
    console_fini();
    workers_fini(&workers);
    databases_forget_old(NULL, 0);
    destroy_databases();
    if (cache)
        cache_destroy(cache);
    loop_fini(&main_loop);
    log_info("pgrecall has ended", NULL);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    struct conf *conf;
    if (load(&conf) != ERR_OK)
        return EXIT_FAILURE;
    if (arguments.check) {
        conf_destroy(conf);
        puts("configuration is fine");
        return EXIT_SUCCESS;
    }
    conf_swap(conf);
    int code = serve();
    conf_forget_all();
    return code;
}
