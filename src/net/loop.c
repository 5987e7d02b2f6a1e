/* The loop of net/loop.h. Deferred tasks run in a prepare callback: libuv calls it after timers
 * and before it computes how long to sleep, so a task never waits for an event. */
#include "net/loop.h"

#include "base/clock.h"
#include "base/mem.h"

static _Thread_local struct loop *current;

static void run_tasks(struct loop *loop)
{
    struct link *first;
    while ((first = link_first(&loop->tasks)) != NULL) {
        struct loop_task *task = CONTAINER_OF(first, struct loop_task, link);
        link_remove(first);
        task->run(task);
    }
}

static void run_posts(struct loop *loop)
{
    struct link posts;
    link_init(&posts);
    pthread_mutex_lock(&loop->mutex);
    loop->posted_here = false;
    struct link *at;
    while ((at = link_first(&loop->posts)) != NULL) {
        link_remove(at);
        link_append(&posts, at);
    }
    pthread_mutex_unlock(&loop->mutex);
    while ((at = link_first(&posts)) != NULL) {
        struct loop_post *post = CONTAINER_OF(at, struct loop_post, link);
        link_remove(at);
        post->run(loop, post);
    }
}

static void on_wake(uv_async_t *wake)
{
    run_posts(wake->data);
}

/* A quiet callback may put tasks off (a write that fails does), and they may not wait for the next
 * event: so round again until nothing is left. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct loop *loop = prepare->data;
    do {
        if (loop->posted_here)
            run_posts(loop);
        run_tasks(loop);
        if (loop->on_quiet)
            loop->on_quiet(loop);
    } while (loop->posted_here || !link_is_empty(&loop->tasks));
    loop->wall_ms = 0;
}

static void on_tick(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    uint64_t now_ms = loop_now_ms(loop);
    /* A tick may remove any ticker, itself or its neighbour: walk a list that is consumed. */
    struct link todo;
    link_init(&todo);
    struct link *at;
    while ((at = link_first(&loop->tickers)) != NULL) {
        link_remove(at);
        link_append(&todo, at);
    }
    while ((at = link_first(&todo)) != NULL) {
        struct loop_ticker *ticker = CONTAINER_OF(at, struct loop_ticker, link);
        link_remove(at);
        link_append(&loop->tickers, at);
        ticker->tick(ticker, now_ms);
    }
}

void loop_init(struct loop *loop, unsigned index)
{
    *loop = (struct loop){.index = index};
    ASSERT(uv_loop_init(&loop->uv) == 0);
    ASSERT(pthread_mutex_init(&loop->mutex, NULL) == 0);
    loop->read_buffer = mem_alloc(LOOP_READ_BUFFER_LEN);
    link_init(&loop->tasks);
    link_init(&loop->tickers);
    link_init(&loop->posts);
    loop->wake.data = loop;
    loop->prepare.data = loop;
    loop->tick.data = loop;
    ASSERT(uv_async_init(&loop->uv, &loop->wake, on_wake) == 0);
    ASSERT(uv_prepare_init(&loop->uv, &loop->prepare) == 0);
    ASSERT(uv_prepare_start(&loop->prepare, on_prepare) == 0);
    ASSERT(uv_timer_init(&loop->uv, &loop->tick) == 0);
    ASSERT(uv_timer_start(&loop->tick, on_tick, LOOP_TICK_MS, LOOP_TICK_MS) == 0);
}

void loop_run(struct loop *loop)
{
    current = loop;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    pthread_mutex_lock(&loop->mutex);
    loop->closing = true;
    pthread_mutex_unlock(&loop->mutex);
    run_posts(loop);
    /* Ours go on working while others close, but do not keep the loop alive. */
    uv_unref((uv_handle_t *)&loop->wake);
    uv_unref((uv_handle_t *)&loop->prepare);
    uv_unref((uv_handle_t *)&loop->tick);
    do {
        run_tasks(loop);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    } while (!link_is_empty(&loop->tasks));
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->tick, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    current = NULL;
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

void loop_fini(struct loop *loop)
{
    ASSERT(uv_loop_close(&loop->uv) == 0);
    pthread_mutex_destroy(&loop->mutex);
    mem_free(loop->read_buffer);
}

void loop_defer(struct loop *loop, struct loop_task *task)
{
    if (!link_is_on(&task->link))
        link_append(&loop->tasks, &task->link);
}

void loop_forget(struct loop_task *task)
{
    link_remove(&task->link);
}

bool loop_post(struct loop *loop, struct loop_post *post)
{
    pthread_mutex_lock(&loop->mutex);
    bool taken = !loop->closing;
    if (taken) {
        bool first = link_is_empty(&loop->posts);
        link_append(&loop->posts, &post->link);
        if (current == loop)
            loop->posted_here = true;
        else if (first)
            uv_async_send(&loop->wake);
    }
    pthread_mutex_unlock(&loop->mutex);
    return taken;
}

void loop_recall(struct loop *loop, struct loop_post *post)
{
    pthread_mutex_lock(&loop->mutex);
    link_remove(&post->link);
    pthread_mutex_unlock(&loop->mutex);
}

void loop_add_ticker(struct loop *loop, struct loop_ticker *ticker)
{
    link_append(&loop->tickers, &ticker->link);
}

void loop_remove_ticker(struct loop_ticker *ticker)
{
    link_remove(&ticker->link);
}

uint64_t loop_read_wall_ms(struct loop *loop)
{
    loop->wall_ms = clock_wall_ms();
    return loop->wall_ms;
}
