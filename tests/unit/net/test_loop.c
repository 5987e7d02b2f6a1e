/* net/loop: the order of a turn, posts from threads, and the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/loop.h"

enum { LOG_MAX = 32 };

static struct loop loop;
static char steps[LOG_MAX]; /* what ran, a letter each */
static unsigned step_count;

static void note(char step)
{
    assert_true(step_count < LOG_MAX - 1);
    steps[step_count++] = step;
    steps[step_count] = 0;
}

static int setup(void **state)
{
    (void)state;
    step_count = 0;
    steps[0] = 0;
    loop_init(&loop, 3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_fini(&loop);
    return 0;
}

static void stop_in_task(struct loop_task *task)
{
    (void)task;
    note('.');
    loop_stop(&loop);
}

static struct loop_task stopper = {.run = stop_in_task};

static void task_a(struct loop_task *task)
{
    (void)task;
    note('a');
}

static void task_b(struct loop_task *task)
{
    (void)task;
    note('b');
}

static void tasks_run_once_and_in_order(void **state)
{
    (void)state;
    struct loop_task a = {.run = task_a}, b = {.run = task_b}, forgotten = {.run = task_a};
    loop_defer(&loop, &a);
    loop_defer(&loop, &forgotten);
    loop_defer(&loop, &b);
    loop_defer(&loop, &a);
    loop_forget(&forgotten);
    loop_forget(&forgotten);
    loop_defer(&loop, &stopper);
    loop_run(&loop);
    assert_string_equal(steps, "ab.");
}

static struct loop_task late = {.run = stop_in_task};

static void quiet_defers(struct loop *at)
{
    note('q');
    if (step_count == 1)
        loop_defer(at, &late);
}

/* A task that the quiet callback puts off does not wait for the next event. */
static void a_task_of_the_quiet_callback_runs_before_the_sleep(void **state)
{
    (void)state;
    loop.on_quiet = quiet_defers;
    uint64_t begun_us = clock_now_us();
    loop_run(&loop);
    assert_true(clock_now_us() - begun_us < LOOP_TICK_MS * 1000 / 2);
    assert_memory_equal(steps, "q.q", 3);
}

/* ---- posts ---- */

static void post_p(struct loop *at, struct loop_post *post)
{
    (void)post;
    assert_ptr_equal(at, &loop);
    note('p');
}

static void post_stop(struct loop *at, struct loop_post *post)
{
    (void)post;
    note('.');
    loop_stop(at);
}

static struct loop_post first_post = {.run = post_p}, second_post = {.run = post_p};
static struct loop_post stop_post = {.run = post_stop};

static void *post_from_a_thread(void *argument)
{
    (void)argument;
    assert_true(loop_post(&loop, &first_post));
    assert_true(loop_post(&loop, &second_post));
    assert_true(loop_post(&loop, &stop_post));
    return NULL;
}

static void posts_of_a_thread_run_in_order(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, post_from_a_thread, NULL), 0);
    loop_run(&loop);
    pthread_join(thread, NULL);
    assert_string_equal(steps, "pp.");
    assert_false(loop_post(&loop, &first_post));
}

static void post_to_self(struct loop_task *task)
{
    (void)task;
    assert_true(loop_post(&loop, &first_post));
    assert_true(loop_post(&loop, &second_post));
    loop_recall(&loop, &first_post);
    loop_recall(&loop, &first_post);
    assert_true(loop_post(&loop, &stop_post));
}

static void posts_of_its_own_thread_run_before_the_sleep(void **state)
{
    (void)state;
    struct loop_task task = {.run = post_to_self};
    loop_defer(&loop, &task);
    uint64_t begun_us = clock_now_us();
    loop_run(&loop);
    assert_true(clock_now_us() - begun_us < LOOP_TICK_MS * 1000 / 2);
    assert_string_equal(steps, "p.");
}

static void recall_the_next(struct loop *at, struct loop_post *post)
{
    (void)post;
    note('r');
    loop_recall(at, &second_post);
}

/* The receiver may take one back while those before it run. */
static void a_post_recalled_by_an_earlier_one_does_not_run(void **state)
{
    (void)state;
    struct loop_post recaller = {.run = recall_the_next};
    assert_true(loop_post(&loop, &recaller));
    assert_true(loop_post(&loop, &second_post));
    assert_true(loop_post(&loop, &stop_post));
    loop_run(&loop);
    assert_string_equal(steps, "r.");
}

static void posts_before_the_end_still_run(void **state)
{
    (void)state;
    assert_true(loop_post(&loop, &stop_post));
    assert_true(loop_post(&loop, &first_post));
    loop_run(&loop);
    assert_string_equal(steps, ".p");
}

/* ---- tickers and clocks ---- */

static struct loop_ticker one, two;

static void tick_one(struct loop_ticker *ticker, uint64_t now_ms)
{
    (void)ticker;
    assert_int_equal(now_ms, loop_now_ms(&loop));
    note('1');
    loop_remove_ticker(&two);
    if (step_count == 3)
        loop_stop(&loop);
}

static void tick_two(struct loop_ticker *ticker, uint64_t now_ms)
{
    (void)ticker;
    (void)now_ms;
    note('2');
}

static void a_tick_may_remove_any_ticker(void **state)
{
    (void)state;
    one = (struct loop_ticker){.tick = tick_one};
    two = (struct loop_ticker){.tick = tick_two};
    loop_add_ticker(&loop, &one);
    loop_add_ticker(&loop, &two);
    uint64_t begun_us = clock_now_us();
    loop_run(&loop);
    assert_string_equal(steps, "111");
    assert_true(clock_now_us() - begun_us >= (3 * LOOP_TICK_MS - 10) * 1000);
}

static void the_wall_clock_is_read_once_a_turn(void **state)
{
    (void)state;
    uint64_t before = clock_wall_ms();
    uint64_t read = loop_wall_ms(&loop);
    assert_true(read >= before);
    assert_int_equal(loop_wall_ms(&loop), read);
    assert_int_equal(loop.wall_ms, read);
    loop_defer(&loop, &stopper);
    loop_run(&loop);
    assert_int_equal(loop.wall_ms, 0);
}

/* ---- the end ---- */

static uv_timer_t timer;

static void close_timer(struct loop_task *task)
{
    (void)task;
    note('c');
    uv_close((uv_handle_t *)&timer, NULL);
}

static struct loop_task closer = {.run = close_timer};

static void on_timer(uv_timer_t *handle)
{
    (void)handle;
    note('t');
    loop_defer(&loop, &closer);
}

/* Handles that outlive loop_stop are waited for, and the tasks that close them run. */
static void the_end_waits_for_other_handles(void **state)
{
    (void)state;
    assert_int_equal(uv_timer_init(&loop.uv, &timer), 0);
    assert_int_equal(uv_timer_start(&timer, on_timer, 20, 0), 0);
    loop_defer(&loop, &stopper);
    loop_run(&loop);
    assert_string_equal(steps, ".tc");
}

#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(tasks_run_once_and_in_order),
        LOOP_TEST(a_task_of_the_quiet_callback_runs_before_the_sleep),
        LOOP_TEST(posts_of_a_thread_run_in_order),
        LOOP_TEST(posts_of_its_own_thread_run_before_the_sleep),
        LOOP_TEST(a_post_recalled_by_an_earlier_one_does_not_run),
        LOOP_TEST(posts_before_the_end_still_run),
        LOOP_TEST(a_tick_may_remove_any_ticker),
        LOOP_TEST(the_wall_clock_is_read_once_a_turn),
        LOOP_TEST(the_end_waits_for_other_handles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
