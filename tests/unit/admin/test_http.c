/* The HTTP port, as a client with a plain socket sees it. */
#include "admin/http.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"

enum { ANSWER_MAX = 262144 };

static struct http *http;
static const char *sick;     /* why, or NULL */
static unsigned collections; /* times that collect was called */
static unsigned databases;   /* how many it tells of */
static char received[ANSWER_MAX];

static void collect(void *context, struct metrics *out)
{
    assert_ptr_equal(context, &collections);
    collections++;
    metrics_add(out, METRIC_HITS, 42, "tier", "memory", NULL);
    for (unsigned i = 0; i < databases; i++)
        metrics_add(out, METRIC_MISSES, i, "database", "a_database_of_some_length", NULL);
}

static bool healthy(void *context, struct buf *out_reason)
{
    assert_ptr_equal(context, &collections);
    if (sick)
        buf_append_text(out_reason, sick);
    return !sick;
}

static struct http_config config(void)
{
    return (struct http_config){
        .address = "127.0.0.1", .collect = collect, .healthy = healthy, .context = &collections};
}

static int setup(void **state)
{
    (void)state;
    struct http_config chosen = config();
    sick = NULL;
    collections = databases = 0;
    return http_start(&chosen, &http) == ERR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    http_stop(http);
    http = NULL;
    return 0;
}

static int connect_client(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = 5};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)http_port(http))};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until the server closes. */
static const char *read_all(int fd)
{
    size_t len = 0;
    ssize_t got;
    while ((got = recv(fd, received + len, ANSWER_MAX - 1 - len, 0)) > 0)
        len += (size_t)got;
    received[len] = 0;
    assert_int_equal(got, 0);
    return received;
}

static const char *ask(const char *method, const char *path)
{
    char request[256];
    snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
             method, path);
    int fd = connect_client();
    send_text(fd, request);
    read_all(fd);
    close(fd);
    return received;
}

static void assert_begins(const char *text, const char *beginning)
{
    if (strncmp(text, beginning, strlen(beginning)) != 0)
        fail_msg("expected \"%s\", got \"%.60s\"", beginning, text);
}

static const char *body(void)
{
    const char *end = strstr(received, "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

static void health_is_ok(void **state)
{
    (void)state;
    assert_begins(ask("GET", "/health"), "HTTP/1.1 200 ");
    assert_string_equal(body(), "ok\n");
}

static void sickness_comes_with_its_reason(void **state)
{
    (void)state;
    sick = "no server of \"shop\" can be reached";
    assert_begins(ask("GET", "/health"), "HTTP/1.1 503 ");
    assert_string_equal(body(), "no server of \"shop\" can be reached\n");
}

static void metrics_are_text_of_version_0_0_4(void **state)
{
    (void)state;
    assert_begins(ask("GET", "/metrics"), "HTTP/1.1 200 ");
    assert_non_null(strstr(received, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_non_null(strstr(body(), "\npgrecall_hits_total{tier=\"memory\"} 42\n"));
    assert_non_null(strstr(body(), "\nprocess_resident_memory_bytes "));
    assert_int_equal(collections, 1);
}

static void a_long_text_comes_whole(void **state)
{
    (void)state;
    databases = 2000;
    ask("GET", "/metrics?a=b");
    unsigned lines = 0;
    for (const char *at = body(); (at = strstr(at, "\npgrecall_misses_total{")) != NULL; at++)
        lines++;
    assert_int_equal(lines, 2000);
}

static void head_has_no_body(void **state)
{
    (void)state;
    assert_begins(ask("HEAD", "/health"), "HTTP/1.1 200 ");
    assert_non_null(strstr(received, "Content-Length: 3\r\n"));
    assert_string_equal(body(), "");
}

static void other_paths_are_not_found(void **state)
{
    (void)state;
    static const char *const paths[] = {"/", "/metric", "/metrics/", "/health/../x", "/%00"};
    for (size_t i = 0; i < ARRAY_COUNT(paths); i++)
        assert_begins(ask("GET", paths[i]), "HTTP/1.1 404 ");
}

static void other_methods_are_not_allowed(void **state)
{
    (void)state;
    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "BREW"};
    for (size_t i = 0; i < ARRAY_COUNT(methods); i++) {
        assert_begins(ask(methods[i], "/metrics"), "HTTP/1.1 405 ");
        assert_non_null(strstr(received, "Allow: GET, HEAD\r\n"));
    }
    assert_int_equal(collections, 0);
}

static void a_body_is_not_waited_for(void **state)
{
    (void)state;
    int fd = connect_client();
    send_text(fd, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc");
    assert_begins(read_all(fd), "HTTP/1.1 405 ");
    close(fd);
}

static void one_connection_serves_several_requests(void **state)
{
    (void)state;
    int fd = connect_client();
    send_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
                  "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    read_all(fd);
    close(fd);
    const char *second = strstr(received + 1, "HTTP/1.1 200 ");
    assert_non_null(second);
    assert_non_null(strstr(second, "\r\n\r\nok\n"));
}

static void a_request_may_come_in_pieces(void **state)
{
    (void)state;
    static const char request[] = "GET /health HTTP/1.0\r\nA: b\r\n\r\n";
    int fd = connect_client();
    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        assert_int_equal(send(fd, request + i, 1, MSG_NOSIGNAL), 1);
        usleep(500);
    }
    assert_non_null(strstr(read_all(fd), " 200 "));
    close(fd);
}

static void nonsense_harms_nobody(void **state)
{
    (void)state;
    static char longest[200000];
    memset(longest, 'a', sizeof(longest) - 1);
    memcpy(longest, "GET /", 5);
    int fd = connect_client();
    (void)!send(fd, longest, sizeof(longest), MSG_NOSIGNAL);
    shutdown(fd, SHUT_WR);
    while (recv(fd, received, sizeof(received), 0) > 0)
        ;
    close(fd);
    fd = connect_client();
    send_text(fd, "\x16\x03\x01\r\n\r\n \r\n\r\n");
    close(fd);
    assert_begins(ask("GET", "/health"), "HTTP/1.1 200 ");
}

static void stops_with_open_connections(void **state)
{
    (void)state;
    int idle = connect_client();
    int half = connect_client();
    send_text(half, "GET /heal");
    http_stop(http);
    http = NULL;
    char byte;
    assert_true(recv(idle, &byte, 1, 0) <= 0);
    close(idle);
    close(half);
}

static void a_port_in_use_is_an_error(void **state)
{
    (void)state;
    struct http_config chosen = config();
    struct http *second = NULL;
    chosen.port = http_port(http);
    assert_int_equal(http_start(&chosen, &second), ERR_SYSTEM);
    chosen.address = "no-such-host.invalid";
    assert_int_equal(http_start(&chosen, &second), ERR_INVALID);
    assert_null(second);
}

static void all_addresses_and_ipv6(void **state)
{
    (void)state;
    static const char *const addresses[] = {"*", "", "localhost", "::1"};
    for (size_t i = 0; i < ARRAY_COUNT(addresses); i++) {
        struct http_config chosen = config();
        struct http *other;
        chosen.address = addresses[i];
        bool ipv6 = strchr(addresses[i], ':') != NULL;
        enum err err = http_start(&chosen, &other);
        if (err != ERR_OK && ipv6)
            continue; /* a machine without IPv6 */
        assert_int_equal(err, ERR_OK);
        assert_true(http_port(other) > 0);
        http_stop(other);
    }
}

int main(void)
{
    log_set_level(LOG_ERROR);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(health_is_ok),
        TEST(sickness_comes_with_its_reason),
        TEST(metrics_are_text_of_version_0_0_4),
        TEST(a_long_text_comes_whole),
        TEST(head_has_no_body),
        TEST(other_paths_are_not_found),
        TEST(other_methods_are_not_allowed),
        TEST(a_body_is_not_waited_for),
        TEST(one_connection_serves_several_requests),
        TEST(a_request_may_come_in_pieces),
        TEST(nonsense_harms_nobody),
        TEST(stops_with_open_connections),
        TEST(a_port_in_use_is_an_error),
        TEST(all_addresses_and_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
