/* net/endpoint: both ends of a connection, as PgBouncer's console writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

#include "net/endpoint.h"

static void assert_is(const struct endpoint *end, const char *text, unsigned port, unsigned len)
{
    char out[ENDPOINT_TEXT_MAX];
    assert_string_equal(endpoint_text(end, out), text);
    assert_int_equal(end->port, port);
    assert_int_equal(endpoint_len(end), len);
}

static void addresses_of_both_families_are_numeric(void **state)
{
    (void)state;
    struct sockaddr_storage address = {0};
    struct endpoint end;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(6432)};
    assert_int_equal(inet_pton(AF_INET, "192.0.2.7", &in.sin_addr), 1);
    memcpy(&address, &in, sizeof(in));
    endpoint_of(&address, &end);
    assert_is(&end, "192.0.2.7", 6432, 4);
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(65535)};
    assert_int_equal(inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr), 1);
    memcpy(&address, &in6, sizeof(in6));
    endpoint_of(&address, &end);
    assert_is(&end, "2001:db8::7", 65535, 16);
}

static void the_longest_address_fits(void **state)
{
    (void)state;
    struct endpoint end = {.family = AF_INET6};
    memset(end.address, 0xff, sizeof(end.address));
    assert_is(&end, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0, 16);
}

static void unix_sockets_have_a_port_and_no_address(void **state)
{
    (void)state;
    struct endpoint end;
    endpoint_of_unix(5432, &end);
    assert_is(&end, "unix", 5432, 0);
}

static void what_the_system_does_not_say_is_not_known(void **state)
{
    (void)state;
    struct endpoint end;
    struct sockaddr_storage other = {.ss_family = AF_UNIX};
    endpoint_of(&other, &end);
    assert_is(&end, "", 0, 0);
    endpoint_local(-1, &end);
    assert_is(&end, "", 0, 0);
    endpoint_remote(-1, &end);
    assert_is(&end, "", 0, 0);
}

static void the_ends_of_a_connection_are_each_others(void **state)
{
    (void)state;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    int listening = socket(AF_INET, SOCK_STREAM, 0), near = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&in, &len), 0);
    assert_int_equal(connect(near, (struct sockaddr *)&in, len), 0);
    int far = accept(listening, NULL, NULL);
    assert_true(far >= 0);
    struct endpoint local, remote, far_local, far_remote;
    endpoint_local(near, &local);
    endpoint_remote(near, &remote);
    endpoint_local(far, &far_local);
    endpoint_remote(far, &far_remote);
    assert_is(&remote, "127.0.0.1", ntohs(in.sin_port), 4);
    assert_is(&far_local, "127.0.0.1", ntohs(in.sin_port), 4);
    assert_is(&far_remote, "127.0.0.1", local.port, 4);
    assert_true(local.port != 0 && local.port != remote.port);
    close(far);
    close(near);
    close(listening);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_both_families_are_numeric),
        cmocka_unit_test(the_longest_address_fits),
        cmocka_unit_test(unix_sockets_have_a_port_and_no_address),
        cmocka_unit_test(what_the_system_does_not_say_is_not_known),
        cmocka_unit_test(the_ends_of_a_connection_are_each_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
