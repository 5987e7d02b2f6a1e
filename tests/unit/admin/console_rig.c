#include "console_rig.h"

#include <stdio.h>

#include "base/mem.h"
#include "conf/conf.h"
#include "pgwire/encode.h"
#include "pgwire/frame.h"
#include "upstream/database.h"

enum { REQUEST_ROOM = 4096 };

static struct rig *current;

/* ---- what the console calls of the sessions ---- */

struct console_hooks session_console;

/* The next message at *at; false at the end. */
static bool next_answer(const struct rig *rig, size_t *at, struct pgwire_frame *out)
{
    size_t len = buf_len(&rig->session.out);
    if (*at == len)
        return false;
    ASSERT(pgwire_frame_answer(buf_head(&rig->session.out) + *at, len - *at, out) == PGWIRE_OK);
    *at += out->len;
    ASSERT(*at <= len);
    return true;
}

static unsigned ready_count(const struct rig *rig)
{
    struct pgwire_frame frame;
    size_t at = 0;
    unsigned count = 0;
    while (next_answer(rig, &at, &frame))
        count += frame.type == 'Z';
    return count;
}

void session_send(struct session *session, const void *data, size_t len)
{
    buf_append(&session->out, data, len);
    if (session->rig->ready_wanted && ready_count(session->rig) >= session->rig->ready_wanted)
        loop_stop(&session->rig->loops[0]);
}

void session_end(struct session *session)
{
    session->ended = true;
    loop_stop(&session->rig->loops[0]);
}

size_t session_pending(const struct session *session)
{
    return session->pending;
}

struct host *session_host(struct session *session)
{
    return &session->rig->hosts[0];
}

bool session_console_admin(const struct session *session)
{
    return session->admin;
}

void **session_console_state(struct session *session)
{
    return &session->state;
}

void session_retry(struct session *session)
{
    if (buf_len(&session->in) && !session->ended)
        rig_feed(session->rig, NULL, 0);
}

struct explanation *session_explain(struct host *host, const struct session_question *question,
                                    void (*on_complete)(void *context), void *context,
                                    bool *out_complete)
{
    (void)host;
    (void)question;
    (void)on_complete;
    (void)context;
    *out_complete = true;
    return NULL;
}

void explanation_each(const struct explanation *explanation, session_explain_add *add_row,
                      void *context)
{
    (void)explanation;
    add_row(context, "verdict", "cacheable");
}

void explanation_destroy(struct explanation *explanation)
{
    (void)explanation;
}

void host_each_session(struct host *host,
                       void (*visit)(void *context, const struct session_view *view), void *context)
{
    for (unsigned i = 0; i < RIG_CLIENTS; i++) {
        char name[32];
        snprintf(name, sizeof(name), "user %u of host %u", i, host->reader);
        struct session_view view = {.id = host->reader * RIG_CLIENTS + i + 1,
                                    .user = name,
                                    .database = "db",
                                    .state = "idle",
                                    .remote = {.family = AF_UNIX},
                                    .pin = "",
                                    .application_name = ""};
        visit(context, &view);
    }
}

bool host_kill(struct host *host, uint64_t id)
{
    return host->reader == 1 && id == RIG_KILLABLE;
}

/* ---- the rig ---- */

static void load_conf(const char *pool_size)
{
    const struct conf_override overrides[] = {{"default_pool_size", pool_size},
                                              {"admin_users", "boss, other"},
                                              {"stats_users", "watcher"}};
    struct conf *conf;
    struct conf_mistakes mistakes = {0};
    enum err err = conf_load(NULL, "postgres://x@127.0.0.1/db", overrides, ARRAY_COUNT(overrides),
                             &conf, &mistakes);
    ASSERT(err == ERR_OK);
    conf_mistakes_fini(&mistakes);
    conf_swap(conf);
}

static void reload(void)
{
    if (current->reload_works)
        load_conf("7");
}

static void shut_down(int mode)
{
    current->shutdown_mode = mode;
}

static void *run_loop(void *context)
{
    loop_run(context);
    return NULL;
}

void rig_init(struct rig *rig)
{
    static struct host *hosts[RIG_HOSTS];
    *rig = (struct rig){.shutdown_mode = -1};
    current = rig;
    load_conf("20");
    databases_init(NULL);
    for (unsigned i = 0; i < RIG_HOSTS; i++) {
        loop_init(&rig->loops[i], i);
        rig->hosts[i].loop = &rig->loops[i];
        rig->hosts[i].reader = i;
        ASSERT(pthread_mutex_init(&rig->hosts[i].stats_mutex, NULL) == 0);
        hosts[i] = &rig->hosts[i];
    }
    rig->session.rig = rig;
    rig->session.admin = true;
    struct console_config config = {.hosts = hosts,
                                    .host_count = RIG_HOSTS,
                                    .main_loop = &rig->loops[1],
                                    .reload = reload,
                                    .shutdown = shut_down,
                                    .version = "1.2.3"};
    console_init(&config);
    rig->thread_runs = true;
    ASSERT(pthread_create(&rig->thread, NULL, run_loop, &rig->loops[1]) == 0);
}

static void run_stop(struct loop *loop, struct loop_post *post)
{
    (void)post;
    loop_stop(loop);
}

void rig_end_other(struct rig *rig)
{
    struct loop_post stop = {.run = run_stop};
    if (!rig->thread_runs)
        return;
    ASSERT(loop_post(&rig->loops[1], &stop));
    pthread_join(rig->thread, NULL);
    rig->thread_runs = false;
}

void rig_close(struct rig *rig)
{
    if (rig->session.state)
        session_console.on_closed(&rig->session);
    ASSERT(!rig->session.state);
}

void rig_fini(struct rig *rig)
{
    rig_close(rig);
    rig_end_other(rig);
    console_fini();
    databases_fini();
    for (unsigned i = 0; i < RIG_HOSTS; i++) {
        loop_fini(&rig->loops[i]);
        pthread_mutex_destroy(&rig->hosts[i].stats_mutex);
    }
    buf_fini(&rig->session.in);
    buf_fini(&rig->session.out);
    conf_forget_all();
}

void rig_feed(struct rig *rig, const void *data, size_t len)
{
    struct session *session = &rig->session;
    buf_append(&session->in, data, len);
    /* A copy of its own size, so that a sanitizer sees a byte too far. */
    size_t all = buf_len(&session->in);
    uint8_t *copy = mem_copy(buf_head(&session->in), all);
    size_t used = session_console.on_input(session, copy, all);
    ASSERT(used <= all);
    buf_consume(&session->in, used);
    mem_free(copy);
}

static void stop_soon(struct loop *loop, struct loop_post *post)
{
    (void)post;
    loop_stop(loop);
}

void rig_run(struct rig *rig, unsigned count)
{
    struct loop_post stop = {.run = stop_soon};
    rig->ready_wanted = count;
    if (rig->session.ended || ready_count(rig) >= count)
        ASSERT(loop_post(&rig->loops[0], &stop));
    loop_run(&rig->loops[0]);
}

/* ---- requests ---- */

static struct pgwire_writer writer_on(struct buf *to)
{
    return pgwire_writer_of(buf_reserve(to, REQUEST_ROOM), REQUEST_ROOM);
}

static void written(struct buf *to, const struct pgwire_writer *writer)
{
    ASSERT(!writer->overflow);
    buf_added(to, writer->len);
}

static struct pgwire_slice text_slice(const char *text)
{
    return (struct pgwire_slice){(const uint8_t *)text, strlen(text)};
}

void rig_query(struct buf *to, const char *text)
{
    struct pgwire_writer writer = writer_on(to);
    pgwire_write_query(&writer, text);
    written(to, &writer);
}

void rig_parse(struct buf *to, const char *name, const char *text)
{
    struct pgwire_writer writer = writer_on(to);
    pgwire_write_parse(&writer, text_slice(name), text_slice(text), (struct pgwire_slice){0});
    written(to, &writer);
}

void rig_bind(struct buf *to, const char *portal, const char *statement, int result_format)
{
    uint8_t arguments[] = {0, 0, 0, 0, 0, 1, 0, (uint8_t)result_format};
    struct pgwire_writer writer = writer_on(to);
    pgwire_write_bind(&writer, text_slice(portal), text_slice(statement),
                      (struct pgwire_slice){arguments, sizeof(arguments)});
    written(to, &writer);
}

void rig_target(struct buf *to, char type, char kind, const char *name)
{
    struct pgwire_writer writer = writer_on(to);
    pgwire_write_target(&writer, (uint8_t)type, (uint8_t)kind, text_slice(name));
    written(to, &writer);
}

void rig_execute(struct buf *to, const char *portal, uint32_t max)
{
    struct pgwire_writer writer = writer_on(to);
    pgwire_write_execute(&writer, text_slice(portal), max);
    written(to, &writer);
}

void rig_sync(struct buf *to)
{
    struct pgwire_writer writer = writer_on(to);
    pgwire_write_empty(&writer, 'S');
    written(to, &writer);
}

/* ---- answers ---- */

void rig_tags(const struct rig *rig, char out[RIG_TAGS_MAX])
{
    struct pgwire_frame frame;
    size_t at = 0, count = 0;
    while (next_answer(rig, &at, &frame) && count + 1 < RIG_TAGS_MAX)
        out[count++] = (char)frame.type;
    out[count] = 0;
}

void rig_sqlstate(const struct rig *rig, char out[6])
{
    struct pgwire_frame frame;
    size_t at = 0;
    out[0] = 0;
    while (next_answer(rig, &at, &frame)) {
        if (frame.type != 'E')
            continue;
        for (const char *field = (const char *)frame.body; *field; field += strlen(field) + 1)
            if (*field == 'C')
                snprintf(out, 6, "%s", field + 1);
        return;
    }
}

bool rig_has_value(const struct rig *rig, const char *value)
{
    struct pgwire_frame frame;
    size_t at = 0, len = strlen(value);
    while (next_answer(rig, &at, &frame))
        if (frame.type == 'D' && memmem(frame.body, frame.body_len, value, len))
            return true;
    return false;
}
