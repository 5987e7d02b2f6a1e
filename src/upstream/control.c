/* The control connection's states, and what is done next: on the main loop everything ends in control_next,
 * which picks the most urgent job: who is the server, who is gone, load, check. */
#include "upstream/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "control_private.h"

#define TO(state) (1u << CONTROL_##state)

/* LOADING is also the time before a load: IDENTIFYING follows if control_verify comes in it. */
#define CONTROL_STATES(X)                                                                          \
    X(IDLE, "idle", TO(CONNECTING))                                                                \
    X(CONNECTING, "connecting", TO(IDENTIFYING) | TO(BACKOFF) | TO(IDLE))                          \
    X(IDENTIFYING, "identifying", TO(LOADING) | TO(READY) | TO(BACKOFF) | TO(IDLE))                \
    X(LOADING, "loading", TO(READY) | TO(IDENTIFYING) | TO(BACKOFF) | TO(IDLE))                    \
    X(READY, "ready", TO(LOADING) | TO(IDENTIFYING) | TO(BACKOFF) | TO(IDLE))                      \
    X(BACKOFF, "waiting to reconnect", TO(CONNECTING) | TO(IDLE))

static const struct {
    const char *text;
    unsigned moves;
} states[] = {
#define STATE_ROW(name, text, moves) [CONTROL_##name] = {text, moves},
    CONTROL_STATES(STATE_ROW)
#undef STATE_ROW
};

struct loop *control_loop;
struct control_hooks control_hooks;

static pthread_mutex_t controls_mutex = PTHREAD_MUTEX_INITIALIZER;
static struct link controls; /* (controls_mutex) */
static bool stopped;         /* main loop */
static struct loop_ticker ticker;

static void connect_now(struct control *control);
static void sleep_ms(struct control *control, uint64_t delay_ms);

const char *control_state_text(enum control_state state)
{
    return states[state].text;
}

enum control_state control_state(const struct control *control)
{
    return (enum control_state)atomic_load_explicit(&control->state, memory_order_relaxed);
}

static void move(struct control *control, enum control_state to)
{
    enum control_state from = control_state(control);
    if (from == to)
        return;
    ASSERT(states[from].moves & (1u << to));
    atomic_store_explicit(&control->state, (int)to, memory_order_relaxed);
}

const char *control_error(const struct control *control, char *out, unsigned out_len)
{
    /* The mutex is not part of what the caller sees as constant. */
    pthread_mutex_t *mutex = (pthread_mutex_t *)(uintptr_t)&control->mutex;
    pthread_mutex_lock(mutex);
    snprintf(out, out_len, "%s", control->error ? control->error : "");
    pthread_mutex_unlock(mutex);
    return out;
}

/* With a "*" line clients choose the names. One that has never been found at a server is tried for
 * as long as a client wants it, not until the process ends. */
static bool is_in_vain(const struct control *control)
{
    const struct conf_database *line = atomic_load(&control->database->conf);
    bool begins = !control->walk.count; /* else there is another host to try */
    return begins && line && strcmp(line->name, "*") == 0 && !control->identity.system_identifier &&
           !atomic_load(&control->database->client_count);
}

/* ---- the timer ---- */

static void on_timer(uv_timer_t *timer)
{
    struct control *control = timer->data;
    enum control_state state = control_state(control);
    if (state == CONTROL_CONNECTING)
        control_fail(control, "timed out while connecting");
    else if (state == CONTROL_BACKOFF && is_in_vain(control))
        sleep_ms(control, CONTROL_BACKOFF_MIN_MS);
    else if (state == CONTROL_BACKOFF)
        connect_now(control);
    else
        control_next(control);
}

static void sleep_ms(struct control *control, uint64_t delay_ms)
{
    if (!control->timer_open) {
        ASSERT(uv_timer_init(&control_loop->uv, &control->timer) == 0);
        control->timer.data = control;
        control->timer_open = true;
    }
    uv_timer_start(&control->timer, on_timer, delay_ms, 0);
}

static void sleep_stop(struct control *control)
{
    if (control->timer_open)
        uv_timer_stop(&control->timer);
}

/* ---- failing ---- */

/* One line: libpq's texts have line ends, at the end and within. */
static char *one_line(const char *message)
{
    char *text = mem_text(message);
    size_t len = strlen(text);
    while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
        text[--len] = 0;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20)
            text[i] = ' ';
    return text;
}

/* Takes `text`; returns what was there before, to be freed. */
static char *set_error(struct control *control, char *text)
{
    pthread_mutex_lock(&control->mutex);
    char *before = control->error;
    control->error = text;
    pthread_mutex_unlock(&control->mutex);
    return before;
}

/* One line in the log for every change, not for every try. */
static void note_failure(struct control *control, const char *message)
{
    char *text = one_line(message);
    char *before = set_error(control, text);
    if (!control->failing || !before || strcmp(before, text) != 0)
        log_warn("control connection failed", "database", control->database->name, "state",
                 control_state_text(control_state(control)), "error", text, NULL);
    control->failing = true;
    mem_free(before);
}

/* Lets go of everything that belongs to the connection. */
static void hang_up(struct control *control)
{
    const struct control_job *job = control->job;
    control->job = NULL;
    if (job && job->on_abandoned)
        job->on_abandoned(control);
    control_dial_stop(control);
    control_conn_close(control->conn);
    control->conn = NULL;
    control->loaded = false;
    mem_free(control->fingerprint); /* what was not watched may have become another server */
    control->fingerprint = NULL;
    control->identify_needed = false;
    sleep_stop(control);
}

void control_fail(struct control *control, const char *message)
{
    bool client_refused = control_state(control) == CONTROL_CONNECTING && control->target.of_client;
    note_failure(control, message); /* first: `message` may belong to the connection */
    hang_up(control);
    control_hooks.on_lost(control->database);
    if (client_refused) /* the next client that logs in may know better */
        atomic_store(&control->settled, false);
    struct host_walk rest = control->walk;
    if (hosts_next(&rest)) { /* another host may do, at once */
        move(control, CONTROL_BACKOFF);
        sleep_ms(control, 0);
        return;
    }
    uint64_t delay_ms = CONTROL_BACKOFF_MIN_MS;
    for (unsigned i = 0; i < control->failures && delay_ms < CONTROL_BACKOFF_MAX_MS; i++)
        delay_ms *= 2;
    if (delay_ms > CONTROL_BACKOFF_MAX_MS)
        delay_ms = CONTROL_BACKOFF_MAX_MS;
    control->failures++;
    control->walk.count = 0;
    move(control, CONTROL_BACKOFF);
    sleep_ms(control, delay_ms);
}

/* ---- connecting ---- */

static void on_connected(void *context)
{
    struct control *control = context;
    sleep_stop(control);
    move(control, CONTROL_IDENTIFYING);
    control->identify_needed = true;
    control_next(control);
}

static void on_row(void *context, const PGresult *row)
{
    struct control *control = context;
    if (control->job)
        control->job->on_row(control, row);
}

static void on_done(void *context, const struct control_failure *failure)
{
    struct control *control = context;
    if (control->job)
        control->job->on_done(control, failure);
}

static void on_lost(void *context, const char *message)
{
    control_fail(context, message);
}

static const struct control_conn_handler conn_handler = {
    .on_connected = on_connected, .on_row = on_row, .on_done = on_done, .on_lost = on_lost};

void control_dialled(struct control *control, const char *const *keywords,
                     const char *const *values)
{
    control->conn = control_conn_open(control_loop, keywords, values, &conn_handler, control);
}

void control_take_line(struct control *control, const struct conf_database *line)
{
    const struct conf_database *before = control->line;
    control->line = line;
    if (line)
        conf_ref(line->conf);
    if (before)
        conf_unref(before->conf);
}

void control_rest(struct control *control, const char *why)
{
    mem_free(set_error(control, mem_text(why)));
    hang_up(control);
    control_take_line(control, NULL);
    atomic_store(&control->settled, false);
    move(control, CONTROL_IDLE);
}

static void connect_now(struct control *control)
{
    control_target_fini(&control->target);
    control->conf_seen = conf_current()->number;
    if (!control_target_make(control, &control->target)) {
        control_rest(control, atomic_load(&control->database->conf)
                                  ? "no control_user, and no client has logged in yet"
                                  : "the configuration has no such database");
        return;
    }
    control_take_line(control, atomic_load(&control->database->conf));
    if (!hosts_next(&control->walk)) {
        hosts_begin(&control->walk, control->database, control->line, false);
        ASSERT(hosts_next(&control->walk));
    }
    move(control, CONTROL_CONNECTING);
    uint64_t timeout_ms = conf_current()->options.server_connect_timeout_ms;
    if (timeout_ms)
        sleep_ms(control, timeout_ms);
    control_dial_start(control);
}

/* ---- jobs ---- */

void control_begin(struct control *control, const struct control_job *job)
{
    ASSERT(!control->job && control->conn);
    sleep_stop(control);
    control->job = job;
}

void control_query(struct control *control, const char *text)
{
    control_conn_send(control->conn, text);
}

void control_end(struct control *control)
{
    control->job = NULL;
    control_next(control);
}

void control_loaded(struct control *control)
{
    control->loaded = true;
    control->failures = 0;
    mem_free(set_error(control, NULL));
    if (control->failing)
        log_info("control connection works again", "database", control->database->name, NULL);
    control->failing = false;
}

void control_next(struct control *control)
{
    if (stopped || !control->conn || control->job || control_state(control) == CONTROL_CONNECTING)
        return;
    if (control->identify_needed) {
        move(control, CONTROL_IDENTIFYING);
        control_identify_start(control);
        return;
    }
    move(control, control->loaded && !control->load_needed ? CONTROL_READY : CONTROL_LOADING);
    uint64_t now_ms = loop_now_ms(control_loop);
    uint64_t gone_at_ms = control_gone_due_ms(control);
    uint64_t load_at_ms = control->load_needed ? control->load_not_before_ms : UINT64_MAX;
    uint64_t check_at_ms = control->loaded ? control->check_at_ms : UINT64_MAX;
    if (gone_at_ms <= now_ms) {
        control_gone_start(control);
    } else if (load_at_ms <= now_ms) {
        catalog_load_start(control);
    } else if (check_at_ms <= now_ms) {
        control_check_start(control);
    } else {
        uint64_t next_ms = size_min(gone_at_ms, size_min(load_at_ms, check_at_ms));
        sleep_ms(control, next_ms - now_ms);
    }
}

void control_wake(struct control *control)
{
    if (control_state(control) == CONTROL_IDLE)
        connect_now(control);
    else
        control_next(control);
}

/* ---- life ---- */

bool control_stopped(void)
{
    return stopped;
}

/* The control after `control`, or the first; NULL at the end. None is taken off while the loop runs,
 * so nothing is called under the lock. */
static struct control *after(struct control *control)
{
    pthread_mutex_lock(&controls_mutex);
    struct link *next = control ? control->link.next : controls.next;
    pthread_mutex_unlock(&controls_mutex);
    return next == &controls ? NULL : CONTAINER_OF(next, struct control, link);
}

static void on_tick(struct loop_ticker *at, uint64_t now_ms)
{
    (void)at;
    for (struct control *control = after(NULL); control; control = after(control))
        control_follow(control, now_ms);
}

void control_init(struct loop *main_loop, const struct control_hooks *hooks)
{
    control_loop = main_loop;
    control_hooks = *hooks;
    stopped = false;
    link_init(&controls);
    ticker = (struct loop_ticker){.tick = on_tick};
    loop_add_ticker(main_loop, &ticker);
}

struct control *control_create(struct database *database)
{
    struct control *control = mem_zero(1, sizeof(*control));
    control->database = database;
    control_wishes_init(control);
    ASSERT(pthread_mutex_init(&control->mutex, NULL) == 0);
    buf_init(&control->query);
    link_init(&control->gones);
    pthread_mutex_lock(&controls_mutex);
    link_append(&controls, &control->link);
    pthread_mutex_unlock(&controls_mutex);
    return control;
}

bool control_awaits_gone(const struct control *control)
{
    return !link_is_empty(&control->gones);
}

void control_forget(struct control *control)
{
    ASSERT(!control_awaits_gone(control));
    control_rest(control, "");
    mem_free(set_error(control, NULL));
    pthread_mutex_lock(&control->mutex);
    if (control->password)
        explicit_bzero(control->password, strlen(control->password));
    mem_free(control->password);
    mem_free(control->role);
    control->password = control->role = NULL;
    pthread_mutex_unlock(&control->mutex);
    control_target_fini(&control->target);
    control->conf_seen = 0;
    control->walk = (struct host_walk){0};
    control->failing = control->load_needed = false;
    control->failures = control->load_tries = 0;
    control->mixed_at_ms = 0;
    control->identity = (struct control_identity){0};
    mem_free(control->settings);
    control->settings = NULL;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct control *control = handle->data;
    control->timer_open = false;
}

static void stop(struct control *control)
{
    hang_up(control);
    control_gone_drop_all(control);
    if (control->timer_open)
        uv_close((uv_handle_t *)&control->timer, on_timer_closed);
}

void control_stop_all(void)
{
    if (stopped)
        return;
    stopped = true;
    loop_remove_ticker(&ticker);
    for (struct control *control = after(NULL); control; control = after(control))
        stop(control);
}

void control_destroy(struct control *control)
{
    if (!control)
        return;
    ASSERT(!control->timer_open && !control->conn && !control->dial && !control->load);
    pthread_mutex_lock(&controls_mutex);
    link_remove(&control->link);
    pthread_mutex_unlock(&controls_mutex);
    control_take_line(control, NULL);
    control_target_fini(&control->target);
    buf_fini(&control->query);
    if (control->password)
        explicit_bzero(control->password, strlen(control->password));
    mem_free(control->password);
    mem_free(control->role);
    mem_free(control->error);
    mem_free(control->settings);
    mem_free(control->text_coming);
    mem_free(control->fingerprint);
    pthread_mutex_destroy(&control->mutex);
    mem_free(control);
}
