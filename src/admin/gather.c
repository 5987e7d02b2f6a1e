#include "gather.h"

#include "base/mem.h"
#include "console_inside.h"

static void free_gather(struct gather *gather)
{
    for (unsigned i = 0; i < gather->count; i++) {
        struct client *next;
        for (struct client *at = gather->parts[i].clients; at; at = next) {
            next = at->next;
            mem_free(at);
        }
    }
    mem_free(gather);
}

static void run_home(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    struct gather *gather = CONTAINER_OF(post, struct gather, home);
    struct request *request = gather->request;
    if (request->console)
        gather->finish(request, gather);
    free_gather(gather);
    request_done(request);
}

/* One of those who are waited for is ready. */
static void count_down(struct gather *gather)
{
    if (atomic_fetch_sub(&gather->left, 1) != 1)
        return;
    if (loop_post(gather->request->loop, &gather->home))
        return;
    request_drop(gather->request);
    free_gather(gather);
}

static void run_part(struct loop *loop, struct loop_post *post)
{
    (void)loop;
    struct gather_part *part = CONTAINER_OF(post, struct gather_part, post);
    struct gather *gather = part->gather;
    gather->collect(part);
    count_down(gather);
}

void gather_begin(struct request *request, uint64_t number,
                  void (*collect)(struct gather_part *part),
                  void (*finish)(struct request *request, const struct gather *gather))
{
    unsigned count = console_world.config.host_count;
    struct gather *gather = mem_zero(1, sizeof(*gather) + count * sizeof(gather->parts[0]));
    gather->request = request;
    gather->collect = collect;
    gather->finish = finish;
    gather->home.run = run_home;
    gather->number = number;
    gather->count = count;
    atomic_store(&gather->left, count + 1);
    for (unsigned i = 0; i < count; i++) {
        struct gather_part *part = &gather->parts[i];
        part->gather = gather;
        part->host = console_world.config.hosts[i];
        part->post.run = run_part;
    }
    for (unsigned i = 0; i < count; i++)
        if (!loop_post(gather->parts[i].host->loop, &gather->parts[i].post))
            count_down(gather); /* that worker has ended */
    count_down(gather);
}

/* ---- collectors ---- */

static const char *copy_text(char **to, const char *text)
{
    size_t len = strlen(text) + 1;
    char *at = *to;
    memcpy(at, text, len);
    *to += len;
    return at;
}

static void add_client(void *context, const struct session_view *view)
{
    struct gather_part *part = context;
    size_t room = strlen(view->user) + strlen(view->database) + strlen(view->state) +
                  strlen(view->pin) + strlen(view->application_name) + 5;
    struct client *client = mem_alloc(sizeof(*client) + room);
    char *at = (char *)(client + 1);
    client->view = *view;
    client->view.user = copy_text(&at, view->user);
    client->view.database = copy_text(&at, view->database);
    client->view.state = copy_text(&at, view->state);
    client->view.pin = copy_text(&at, view->pin);
    client->view.application_name = copy_text(&at, view->application_name);
    client->next = part->clients;
    part->clients = client;
    part->client_count++;
}

void gather_clients(struct gather_part *part)
{
    host_each_session(part->host, add_client, part);
}

void gather_redis(struct gather_part *part)
{
    if (!part->host->redis)
        return;
    part->has_redis = true;
    redis_stats(part->host->redis, &part->redis);
}

void gather_kill(struct gather_part *part)
{
    part->killed = host_kill(part->host, part->gather->number);
}

const struct client *gather_next(const struct gather *gather, const struct client *at,
                                 unsigned *part)
{
    if (at && at->next)
        return at->next;
    for (unsigned i = at ? *part + 1 : 0; i < gather->count; i++) {
        if (!gather->parts[i].clients)
            continue;
        *part = i;
        return gather->parts[i].clients;
    }
    return NULL;
}
