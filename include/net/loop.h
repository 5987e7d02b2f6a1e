/* One libuv loop with what every thread that runs one needs: a read buffer that all its streams
 * share, messages from other threads, work put off to the end of a turn, a coarse tick, and the
 * time as of this turn.
 *
 *   a turn:  timers ─► posts of its own thread, deferred tasks, quiet callback, until none is
 *            left ─► sleep ─► I/O callbacks, posts of other threads ─► ...
 *
 * Threads  Everything but loop_post belongs to the thread that runs the loop.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <uv.h>

#include "base/link.h"

enum { LOOP_READ_BUFFER_LEN = 65536, LOOP_TICK_MS = 100 };

struct loop;

/* Work to be done later in this turn, before the loop sleeps. Lives in its owner; putting off a
 * task that is already put off changes nothing. */
struct loop_task {
    struct link link;
    void (*run)(struct loop_task *task);
};

/* A message from another thread. Lives in its sender's memory until run has been called, on the
 * receiving loop; run usually frees it. */
struct loop_post {
    struct link link;
    void (*run)(struct loop *loop, struct loop_post *post);
};

/* Called every LOOP_TICK_MS: for deadlines that need not be exact. */
struct loop_ticker {
    struct link link;
    void (*tick)(struct loop_ticker *ticker, uint64_t now_ms);
};

struct loop {
    uv_loop_t uv;
    unsigned index; /* worker number; LOOP_INDEX_MAIN for the main thread */
    uint8_t *read_buffer;
    struct link tasks;
    struct link tickers;
    uint64_t wall_ms;                    /* 0: not read in this turn */
    void (*on_quiet)(struct loop *loop); /* before the loop sleeps; may be NULL */
    void *owner;                         /* whose loop it is: the worker */
    pthread_mutex_t mutex;               /* of posts */
    struct link posts;
    bool closing;     /* posts are refused: the loop has ended */
    bool posted_here; /* its own thread posted: nobody need be woken */
    uv_async_t wake;
    uv_prepare_t prepare;
    uv_timer_t tick;
};

#define LOOP_INDEX_MAIN 0xffffu

void loop_init(struct loop *loop, unsigned index);

/* Runs until loop_stop; then refuses posts, runs until every other handle and request is gone (so
 * they must have been closed), closes its own handles, and returns. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop); /* from its own thread */

/* Ends what loop_init made. Every other handle on it must have been closed. */
void loop_fini(struct loop *loop);

void loop_defer(struct loop *loop, struct loop_task *task);
void loop_forget(struct loop_task *task); /* it will not run */

/* From any thread. False: the loop has ended and the post was not taken. From the loop's own thread
 * it costs no system call, and run is called before the loop sleeps. */
MUST_USE bool loop_post(struct loop *loop, struct loop_post *post);

/* Takes a post back on the receiving loop's own thread: it will not run. One that was never posted,
 * or has run, stays as it is. */
void loop_recall(struct loop *loop, struct loop_post *post);

void loop_add_ticker(struct loop *loop, struct loop_ticker *ticker);
void loop_remove_ticker(struct loop_ticker *ticker);

/* Monotonic milliseconds as of this turn. */
static inline uint64_t loop_now_ms(const struct loop *loop)
{
    return uv_now(&loop->uv);
}

uint64_t loop_read_wall_ms(struct loop *loop);

/* Wall clock as of this turn. */
static inline uint64_t loop_wall_ms(struct loop *loop)
{
    return LIKELY(loop->wall_ms != 0) ? loop->wall_ms : loop_read_wall_ms(loop);
}
