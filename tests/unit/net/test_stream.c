/* net/stream: what is promised of input, output, the end and moving, on a socket pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/stream.h"

enum { WAIT_MS = 5000, BIG = 4 << 20 };

/* A stream, and what its handler was told. */
struct owner {
    struct stream stream;
    size_t take;     /* how much on_input consumes at most */
    struct buf seen; /* what was consumed */
    size_t shown;    /* bytes of the last on_input */
    unsigned inputs, drained, ends, input_ends, closed, connected;
    enum err end_err;
    int end_errno;
    void (*inside)(struct owner *owner); /* called within on_input */
};

static struct loop loop;
static struct owner owner;
static int peer; /* the other end */

static struct owner *owner_of(struct stream *stream)
{
    return CONTAINER_OF(stream, struct owner, stream);
}

static size_t on_input(struct stream *stream, const uint8_t *data, size_t len)
{
    struct owner *at = owner_of(stream);
    assert_true(len > 0);
    at->inputs++;
    at->shown = len;
    size_t taken = size_min(len, at->take);
    buf_append(&at->seen, data, taken);
    if (at->inside)
        at->inside(at);
    return taken;
}

static void on_drained(struct stream *stream)
{
    assert_int_equal(stream_pending(stream), 0);
    owner_of(stream)->drained++;
}

static void on_end(struct stream *stream, enum err err, int error_number)
{
    struct owner *at = owner_of(stream);
    at->ends++;
    at->end_err = err;
    at->end_errno = error_number;
}

static void on_closed(struct stream *stream)
{
    owner_of(stream)->closed++;
}

static void on_connected(struct stream *stream)
{
    owner_of(stream)->connected++;
}

static const struct stream_handler handler = {on_input,  on_drained,   on_end,
                                              on_closed, on_connected, NULL};

static void on_input_end(struct stream *stream)
{
    owner_of(stream)->input_ends++;
}

static const struct stream_handler half_handler = {on_input,  on_drained,   on_end,
                                                   on_closed, on_connected, on_input_end};

static int setup(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    loop_init(&loop, 0);
    owner = (struct owner){.take = SIZE_MAX};
    assert_int_equal(stream_open(&owner.stream, &loop, pair[0], &handler), ERR_OK);
    peer = pair[1];
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (peer >= 0)
        close(peer);
    stream_close(&owner.stream);
    stream_close(&owner.stream); /* twice is once */
    loop_stop(&loop);
    loop_run(&loop);
    assert_int_equal(owner.closed, 1);
    buf_fini(&owner.seen);
    loop_fini(&loop);
    return 0;
}

#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        uint64_t give_up_us = clock_now_us() + WAIT_MS * 1000ull;                                  \
        while (!(condition) && clock_now_us() < give_up_us)                                        \
            uv_run(&loop.uv, UV_RUN_ONCE);                                                         \
        assert_true(condition);                                                                    \
    } while (0)

/* Some turns: what should not happen has had its chance. */
static void run_turns(void)
{
    for (unsigned i = 0; i < 5; i++)
        uv_run(&loop.uv, UV_RUN_NOWAIT);
}

static void say(const char *text)
{
    assert_int_equal(write(peer, text, strlen(text)), (ssize_t)strlen(text));
}

static void expect_seen(const char *text)
{
    assert_int_equal(buf_len(&owner.seen), strlen(text));
    assert_memory_equal(buf_head(&owner.seen), text, strlen(text));
}

/* ---- input ---- */

static void shows_what_arrives(void **state)
{
    (void)state;
    say("one");
    RUN_UNTIL(owner.inputs == 1);
    say("two");
    RUN_UNTIL(owner.inputs == 2);
    expect_seen("onetwo");
    assert_int_equal(owner.stream.in.cap, 0); /* nothing was kept: no buffer */
}

static void shows_what_was_not_consumed_again_with_more(void **state)
{
    (void)state;
    owner.take = 0;
    say("one");
    RUN_UNTIL(owner.inputs == 1);
    run_turns();
    assert_int_equal(owner.inputs, 1); /* not before more arrives */
    owner.take = 4;
    say("two");
    RUN_UNTIL(owner.inputs == 2);
    assert_int_equal(owner.shown, 6);
    expect_seen("onet");
    owner.take = SIZE_MAX;
    stream_retry(&owner.stream);
    RUN_UNTIL(owner.inputs == 3);
    expect_seen("onetwo");
    stream_retry(&owner.stream); /* nothing is left to show */
    run_turns();
    assert_int_equal(owner.inputs, 3);
}

static void retry_inside(struct owner *at)
{
    if (at->inputs == 1)
        stream_retry(&at->stream);
}

static void retry_from_within_shows_the_rest_once_more(void **state)
{
    (void)state;
    owner.take = 1;
    owner.inside = retry_inside;
    say("abc");
    RUN_UNTIL(owner.inputs == 2);
    run_turns();
    assert_int_equal(owner.inputs, 2);
    expect_seen("ab");
}

static void a_paused_stream_shows_nothing(void **state)
{
    (void)state;
    owner.take = 1;
    say("abc");
    RUN_UNTIL(owner.inputs == 1);
    stream_retry(&owner.stream);
    stream_pause(&owner.stream);
    stream_pause(&owner.stream);
    say("def");
    run_turns();
    assert_int_equal(owner.inputs, 1);
    owner.take = SIZE_MAX;
    stream_resume(&owner.stream);
    RUN_UNTIL(buf_len(&owner.seen) == 6);
    expect_seen("abcdef");
}

static void pause_inside(struct owner *at)
{
    stream_pause(&at->stream);
}

static void may_be_paused_from_within(void **state)
{
    (void)state;
    owner.inside = pause_inside;
    say("abc");
    RUN_UNTIL(owner.inputs == 1);
    say("def");
    run_turns();
    assert_int_equal(owner.inputs, 1);
    owner.inside = NULL;
    stream_resume(&owner.stream);
    RUN_UNTIL(owner.inputs == 2);
    expect_seen("abcdef");
}

static void close_inside(struct owner *at)
{
    stream_close(&at->stream);
    assert_int_equal(at->closed, 0); /* never from within */
}

static void may_be_closed_from_within(void **state)
{
    (void)state;
    owner.inside = close_inside;
    owner.take = 0;
    say("abc");
    RUN_UNTIL(owner.closed == 1);
    assert_int_equal(owner.ends, 0);
    char byte;
    ssize_t got = read(peer, &byte, 1); /* a reset when "abc" was not read */
    assert_true(got == 0 || (got < 0 && errno == ECONNRESET));
}

static void more_than_the_read_buffer_comes_in_order(void **state)
{
    (void)state;
    uint8_t *text = mem_alloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        text[i] = (uint8_t)(i * 31 >> 4);
    owner.take = 5000; /* less than is shown: the rest is kept */
    size_t sent = 0;
    uint64_t give_up_us = clock_now_us() + WAIT_MS * 1000ull;
    while (buf_len(&owner.seen) < BIG && clock_now_us() < give_up_us) {
        ssize_t put = sent < BIG ? write(peer, text + sent, BIG - sent) : 0;
        sent += put > 0 ? (size_t)put : 0;
        stream_retry(&owner.stream);
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    assert_int_equal(buf_len(&owner.seen), BIG);
    assert_memory_equal(buf_head(&owner.seen), text, BIG);
    assert_true(owner.stream.in.cap <= STREAM_KEEP_BUFFER);
    mem_free(text);
}

/* ---- output ---- */

static size_t hear(uint8_t *into, size_t max)
{
    ssize_t got = read(peer, into, max);
    return got > 0 ? (size_t)got : 0;
}

static void writes_at_once_what_fits(void **state)
{
    (void)state;
    uint8_t heard[16];
    stream_write(&owner.stream, "hello", 5);
    assert_int_equal(stream_pending(&owner.stream), 0);
    assert_int_equal(hear(heard, sizeof(heard)), 5);
    run_turns();
    assert_int_equal(owner.drained, 0); /* nothing had waited */
}

static void queued_bytes_leave_at_flush_and_before_later_ones(void **state)
{
    (void)state;
    uint8_t heard[16];
    stream_queue(&owner.stream, "ab", 2);
    stream_queue(&owner.stream, "cd", 2);
    assert_int_equal(hear(heard, sizeof(heard)), 0);
    assert_int_equal(stream_pending(&owner.stream), 4);
    stream_flush(&owner.stream);
    assert_int_equal(stream_pending(&owner.stream), 0);
    stream_write(&owner.stream, "ef", 2);
    assert_int_equal(hear(heard, sizeof(heard)), 6);
    assert_memory_equal(heard, "abcdef", 6);
}

static void keeps_what_the_kernel_does_not_take_and_says_when_it_is_gone(void **state)
{
    (void)state;
    uint8_t *text = mem_alloc(BIG), *heard = mem_alloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        text[i] = (uint8_t)(i * 17 >> 3);
    stream_write(&owner.stream, text, BIG / 2);
    assert_true(stream_pending(&owner.stream) > 0);
    stream_write(&owner.stream, text + BIG / 2, BIG / 2);
    size_t got = 0;
    uint64_t give_up_us = clock_now_us() + WAIT_MS * 1000ull;
    while (got < BIG && clock_now_us() < give_up_us) {
        got += hear(heard + got, BIG - got);
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    run_turns();
    assert_int_equal(got, BIG);
    assert_memory_equal(heard, text, BIG);
    assert_int_equal(owner.drained, 1);
    mem_free(heard);
    mem_free(text);
}

/* ---- the end ---- */

static void says_once_that_the_other_side_closed(void **state)
{
    (void)state;
    say("bye");
    close(peer);
    peer = -1;
    RUN_UNTIL(owner.ends == 1);
    expect_seen("bye"); /* what came before it was shown */
    assert_int_equal(owner.end_err, ERR_CLOSED);
    run_turns();
    stream_write(&owner.stream, "x", 1); /* goes nowhere */
    stream_queue(&owner.stream, "x", 1);
    stream_flush(&owner.stream);
    run_turns();
    assert_int_equal(owner.ends, 1);
    assert_int_equal(stream_pending(&owner.stream), 0);
}

static void notices_the_end_while_paused(void **state)
{
    (void)state;
    stream_pause(&owner.stream);
    run_turns();
    close(peer);
    peer = -1;
    RUN_UNTIL(owner.ends == 1);
    assert_int_equal(owner.inputs, 0);
}

static void tells_a_paused_owner_of_the_end_before_what_it_has_not_read(void **state)
{
    (void)state;
    stream_pause(&owner.stream);
    say("unread");
    close(peer);
    peer = -1;
    RUN_UNTIL(owner.ends == 1);
    assert_int_equal(owner.inputs, 0);
}

static void with_end_in_order_all_is_read_first(void **state)
{
    (void)state;
    owner.stream.end_in_order = true;
    stream_pause(&owner.stream);
    say("last words");
    close(peer);
    peer = -1;
    run_turns();
    assert_int_equal(owner.ends, 0);
    stream_resume(&owner.stream);
    RUN_UNTIL(owner.ends == 1);
    expect_seen("last words");
    assert_int_equal(owner.end_err, ERR_CLOSED);
}

static void who_asks_for_it_can_write_after_the_last_input(void **state)
{
    (void)state;
    owner.stream.handler = &half_handler;
    say("ask");
    shutdown(peer, SHUT_WR);
    RUN_UNTIL(owner.input_ends == 1);
    expect_seen("ask");
    stream_write(&owner.stream, "answer", 6);
    char heard[8];
    assert_int_equal(read(peer, heard, sizeof(heard)), 6);
    assert_memory_equal(heard, "answer", 6);
    run_turns();
    assert_int_equal(owner.input_ends, 1);
    assert_int_equal(owner.ends, 0);
    close(peer);
    peer = -1;
    RUN_UNTIL(owner.ends == 1);
    assert_int_equal(owner.end_err, ERR_CLOSED);
    assert_int_equal(owner.input_ends, 1);
}

static void half_an_end_comes_after_what_a_paused_owner_has_not_read(void **state)
{
    (void)state;
    owner.stream.handler = &half_handler;
    stream_pause(&owner.stream);
    say("last words");
    shutdown(peer, SHUT_WR);
    run_turns();
    assert_int_equal(owner.input_ends + owner.ends, 0);
    stream_resume(&owner.stream);
    RUN_UNTIL(owner.input_ends == 1);
    expect_seen("last words");
    assert_int_equal(owner.ends, 0);
    stream_pause(&owner.stream); /* the rest is noticed all the same */
    close(peer);
    peer = -1;
    RUN_UNTIL(owner.ends == 1);
}

static void half_an_end_with_nothing_unread_is_told_while_paused(void **state)
{
    (void)state;
    owner.stream.handler = &half_handler;
    stream_pause(&owner.stream);
    run_turns();
    shutdown(peer, SHUT_WR);
    RUN_UNTIL(owner.input_ends == 1);
    assert_int_equal(owner.ends, 0);
}

static void what_waits_to_be_written_leaves_after_the_last_input(void **state)
{
    (void)state;
    owner.stream.handler = &half_handler;
    uint8_t *text = mem_zero(1, BIG);
    stream_write(&owner.stream, text, BIG);
    assert_true(stream_pending(&owner.stream) > 0);
    shutdown(peer, SHUT_WR);
    RUN_UNTIL(owner.input_ends == 1);
    size_t heard = 0;
    while (heard < BIG) {
        ssize_t got = read(peer, text, BIG);
        heard += got > 0 ? (size_t)got : 0;
        uv_run(&loop.uv, UV_RUN_NOWAIT);
    }
    RUN_UNTIL(owner.drained == 1);
    assert_int_equal(owner.ends, 0);
    mem_free(text);
}

static void a_failed_write_ends_it_but_not_from_within(void **state)
{
    (void)state;
    close(peer);
    peer = -1;
    stream_write(&owner.stream, "x", 1);
    assert_int_equal(owner.ends, 0);
    RUN_UNTIL(owner.ends == 1);
    assert_int_equal(owner.end_err, ERR_SYSTEM);
    assert_int_equal(owner.end_errno, EPIPE);
}

static void a_closed_stream_tells_of_no_end(void **state)
{
    (void)state;
    close(peer);
    peer = -1;
    stream_write(&owner.stream, "x", 1);
    stream_close(&owner.stream);
    RUN_UNTIL(owner.closed == 1);
    run_turns();
    assert_int_equal(owner.ends, 0);
}

/* ---- connecting and moving ---- */

static int listening(struct sockaddr_in *address)
{
    socklen_t len = sizeof(*address);
    *address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)address, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
    return fd;
}

static void connect_to(struct owner *at, const struct sockaddr_in *address)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int done = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    assert_true(done == 0 || errno == EINPROGRESS);
    *at = (struct owner){.take = SIZE_MAX};
    assert_int_equal(stream_connect(&at->stream, &loop, fd, &handler), ERR_OK);
}

static void connects(void **state)
{
    (void)state;
    struct sockaddr_in address;
    int listener = listening(&address);
    assert_int_equal(listen(listener, 1), 0);
    struct owner client;
    connect_to(&client, &address);
    RUN_UNTIL(client.connected == 1);
    struct stream_keepalive keepalive = {.on = true, .idle_s = 33, .interval_s = 5, .count = 2};
    stream_set_tcp_options(client.stream.fd, &keepalive);
    int value = 0;
    socklen_t len = sizeof(value);
    assert_int_equal(getsockopt(client.stream.fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &len), 0);
    assert_int_equal(value, 33);
    int accepted = accept(listener, NULL, NULL);
    stream_write(&client.stream, "hi", 2);
    char heard[4];
    assert_int_equal(read(accepted, heard, sizeof(heard)), 2);
    assert_int_equal(write(accepted, "yes", 3), 3);
    RUN_UNTIL(buf_len(&client.seen) == 3);
    close(accepted);
    close(listener);
    RUN_UNTIL(client.ends == 1);
    stream_close(&client.stream);
    RUN_UNTIL(client.closed == 1);
    buf_fini(&client.seen);
}

static void says_that_a_connection_was_refused(void **state)
{
    (void)state;
    struct sockaddr_in address;
    int listener = listening(&address);
    close(listener); /* now nobody is there */
    struct owner client;
    connect_to(&client, &address);
    RUN_UNTIL(client.ends == 1);
    assert_int_equal(client.connected, 0);
    assert_int_equal(client.end_errno, ECONNREFUSED);
    stream_close(&client.stream);
    RUN_UNTIL(client.closed == 1);
}

static void a_detached_socket_goes_on_elsewhere(void **state)
{
    (void)state;
    int fd = stream_detach(&owner.stream);
    assert_int_equal(owner.closed, 0);
    say("meanwhile");
    RUN_UNTIL(owner.closed == 1);
    assert_int_equal(owner.inputs, 0);
    struct loop other;
    loop_init(&other, 1);
    owner = (struct owner){.take = SIZE_MAX};
    assert_int_equal(stream_open(&owner.stream, &other, fd, &handler), ERR_OK);
    uint64_t give_up_us = clock_now_us() + WAIT_MS * 1000ull;
    while (!owner.inputs && clock_now_us() < give_up_us)
        uv_run(&other.uv, UV_RUN_ONCE);
    expect_seen("meanwhile");
    stream_close(&owner.stream);
    loop_stop(&other);
    loop_run(&other);
    loop_fini(&other);
    assert_int_equal(owner.closed, 1);
}

static void refuses_a_descriptor_that_cannot_be_polled(void **state)
{
    (void)state;
    struct owner file = {0};
    int fd = dup(STDIN_FILENO);
    close(fd);
    assert_int_equal(stream_open(&file.stream, &loop, fd, &handler), ERR_SYSTEM);
    assert_false(file.stream.open);
    stream_close(&file.stream);
}

#define STREAM_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(shows_what_arrives),
        STREAM_TEST(shows_what_was_not_consumed_again_with_more),
        STREAM_TEST(retry_from_within_shows_the_rest_once_more),
        STREAM_TEST(a_paused_stream_shows_nothing),
        STREAM_TEST(may_be_paused_from_within),
        STREAM_TEST(may_be_closed_from_within),
        STREAM_TEST(more_than_the_read_buffer_comes_in_order),
        STREAM_TEST(writes_at_once_what_fits),
        STREAM_TEST(queued_bytes_leave_at_flush_and_before_later_ones),
        STREAM_TEST(keeps_what_the_kernel_does_not_take_and_says_when_it_is_gone),
        STREAM_TEST(says_once_that_the_other_side_closed),
        STREAM_TEST(notices_the_end_while_paused),
        STREAM_TEST(tells_a_paused_owner_of_the_end_before_what_it_has_not_read),
        STREAM_TEST(with_end_in_order_all_is_read_first),
        STREAM_TEST(who_asks_for_it_can_write_after_the_last_input),
        STREAM_TEST(half_an_end_comes_after_what_a_paused_owner_has_not_read),
        STREAM_TEST(half_an_end_with_nothing_unread_is_told_while_paused),
        STREAM_TEST(what_waits_to_be_written_leaves_after_the_last_input),
        STREAM_TEST(a_failed_write_ends_it_but_not_from_within),
        STREAM_TEST(a_closed_stream_tells_of_no_end),
        STREAM_TEST(connects),
        STREAM_TEST(says_that_a_connection_was_refused),
        STREAM_TEST(a_detached_socket_goes_on_elsewhere),
        STREAM_TEST(refuses_a_descriptor_that_cannot_be_polled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
