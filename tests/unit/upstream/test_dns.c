/* upstream/dns.c: a name that leads elsewhere costs the connections to where it led before, and no others. */
#include "pool_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/clock.h"
#include "dns.h"

static struct addresses list_of(const char *const *texts, unsigned count)
{
    struct addresses all = {.count = 0}, one;
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(addresses_of_text(texts[i], 5432, &one), ERR_OK);
        all.list[all.count] = one.list[0];
        all.lens[all.count++] = one.lens[0];
    }
    return all;
}

/* Where "localhost" leads, and somewhere else. */
static struct addresses here(void)
{
    static const char *const texts[] = {"127.0.0.1", "::1", "192.0.2.1"};
    return list_of(texts, ARRAY_COUNT(texts));
}

static struct addresses elsewhere(void)
{
    static const char *const texts[] = {"192.0.2.1", "2001:db8::1"};
    return list_of(texts, ARRAY_COUNT(texts));
}

static struct database *use(const char *name)
{
    pools.database = database_get(slice_of_text(name));
    return pools.database;
}

static void idle_ones_go_now_and_busy_ones_when_they_are_given_back(void **state)
{
    (void)state;
    struct database *database = use("by_name");
    struct client idle, busy;
    client_init(&idle, 0, "alice", "");
    client_init(&busy, 1, "alice", "");
    client_acquire(&idle);
    client_acquire(&busy);
    client_release(&idle, false);
    client_await(&idle, CLIENT_IDLE);
    AWAIT(pool_counts_of(&idle).idle == 1);
    struct addresses same = here(), other = elsewhere();
    assert_int_equal(dns_follow(database, 0, &same), 0);
    assert_int_equal(dns_follow(database, 1, &other), 0); /* another host of the line */
    assert_int_equal(pool_counts_of(&idle).idle, 1);
    assert_int_equal(dns_follow(database, 0, &other), 2);
    assert_int_equal(dns_follow(database, 0, &other), 0); /* known by now */
    AWAIT(pool_counts_of(&idle).idle == 0);
    assert_string_equal(client_ask(&busy, "SELECT 7"), "7");
    client_release(&busy, false);
    client_await(&busy, CLIENT_IDLE);
    AWAIT(pool_counts_of(&idle).active == 0);
    assert_int_equal(pool_counts_of(&idle).idle, 0);
    client_acquire(&idle); /* a new one, to where the name leads */
    client_fini(&idle);
    client_fini(&busy);
}

static void addresses_and_sockets_are_no_names(void **state)
{
    (void)state;
    static const char *const names[] = {"shop", "by_socket"};
    struct addresses other = elsewhere();
    for (unsigned i = 0; i < ARRAY_COUNT(names); i++) {
        struct database *database = use(names[i]);
        struct client client;
        client_init(&client, 0, "alice", "");
        client_acquire(&client);
        assert_int_equal(dns_follow(database, 0, &other), 0);
        client_release(&client, false);
        client_await(&client, CLIENT_IDLE);
        client_fini(&client);
    }
}

static void an_answer_that_may_not_be_whole_changes_nothing(void **state)
{
    (void)state;
    struct database *database = use("by_name");
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    struct addresses none = {.count = 0}, full = elsewhere();
    while (full.count < ADDRESSES_MAX) {
        full.list[full.count] = full.list[0];
        full.lens[full.count++] = full.lens[0];
    }
    assert_int_equal(dns_follow(database, 0, &none), 0);
    assert_int_equal(dns_follow(database, 0, &full), 0);
    assert_true(dns_leads_to_text(&full, "127.0.0.1"));
    client_release(&client, false);
    client_await(&client, CLIENT_IDLE);
    client_fini(&client);
}

static void texts_are_compared_as_addresses(void **state)
{
    (void)state;
    struct addresses other = elsewhere();
    assert_true(dns_leads_to_text(&other, "192.0.2.1"));
    assert_true(dns_leads_to_text(&other, "2001:0db8:0:0::1"));
    assert_false(dns_leads_to_text(&other, "192.0.2.2"));
    assert_false(dns_leads_to_text(&other, "::1"));
    assert_true(dns_leads_to_text(&other, "")); /* a Unix socket */
}

/* With the system's resolver: names keep leading where they led, and a name without an address, or one
 * whose look-up is under way at the end, does no harm. */
static void rounds_close_nothing_that_is_in_its_place(void **state)
{
    (void)state;
    pools_configure("\nno_address = host=nowhere.invalid\ntwo = host=localhost,nowhere.invalid",
                    "dns_max_ttl=1ms");
    use("by_name");
    static struct loop loop;
    loop_init(&loop, LOOP_INDEX_MAIN);
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    assert_non_null(database_get(slice_of_text("no_address")));
    assert_non_null(database_get(slice_of_text("two")));
    dns_start(&loop);
    uint64_t end_us = clock_now_us() + 1000000;
    while (clock_now_us() < end_us)
        uv_run(&loop.uv, UV_RUN_ONCE);
    assert_string_equal(client_ask(&client, "SELECT 8"), "8");
    client_release(&client, false);
    client_await(&client, CLIENT_IDLE);
    AWAIT(pool_counts_of(&client).idle == 1);
    client_fini(&client);
    dns_stop();
    loop_stop(&loop);
    loop_run(&loop);
    loop_fini(&loop);
}

/* ---- names that lead nowhere ---- */

static void a_failure_is_remembered_for_its_time(void **state)
{
    (void)state;
    pools_configure("", "dns_nxdomain_ttl=2s");
    assert_int_equal(unresolved_status("a.invalid", 1000), 0);
    unresolved_note("a.invalid", UV_EAI_NONAME, 1000);
    assert_int_equal(unresolved_status("a.invalid", 2999), UV_EAI_NONAME);
    assert_int_equal(unresolved_status("b.invalid", 2999), 0);
    assert_int_equal(unresolved_status("a.invalid", 3000), 0);
    unresolved_note("a.invalid", UV_EAI_AGAIN, 3000); /* once more: from then on */
    assert_int_equal(unresolved_status("a.invalid", 4999), UV_EAI_AGAIN);
    unresolved_note("a.invalid", 0, 4000);
    assert_int_equal(unresolved_status("a.invalid", 4000), 0);
}

static void without_a_time_nothing_is_remembered(void **state)
{
    (void)state;
    pools_configure("", "dns_nxdomain_ttl=0");
    unresolved_note("a.invalid", UV_EAI_NONAME, 1000);
    assert_int_equal(unresolved_status("a.invalid", 1000), 0);
}

static void of_too_many_names_the_oldest_is_forgotten(void **state)
{
    (void)state;
    char name[CONF_HOST_LEN_MAX];
    pools_configure("", "dns_nxdomain_ttl=1h");
    for (unsigned i = 0; i <= UNRESOLVED_MAX; i++) {
        snprintf(name, sizeof(name), "%u.invalid", i);
        unresolved_note(name, UV_EAI_NONAME, 1000 + i);
    }
    assert_int_equal(unresolved_status("0.invalid", 2000), 0);
    assert_int_equal(unresolved_status("1.invalid", 2000), UV_EAI_NONAME);
    assert_int_equal(unresolved_status(name, 2000), UV_EAI_NONAME);
    unresolved_note("1.invalid", 0, 2000); /* its place is free again */
    unresolved_note("new.invalid", UV_EAI_NONAME, 2000);
    assert_int_equal(unresolved_status("2.invalid", 2000), UV_EAI_NONAME);
    unresolved_clear();
    assert_int_equal(unresolved_status(name, 2000), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOLS_TEST(idle_ones_go_now_and_busy_ones_when_they_are_given_back),
        POOLS_TEST(addresses_and_sockets_are_no_names),
        POOLS_TEST(an_answer_that_may_not_be_whole_changes_nothing),
        POOLS_TEST(texts_are_compared_as_addresses),
        POOLS_TEST(rounds_close_nothing_that_is_in_its_place),
        POOLS_TEST(a_failure_is_remembered_for_its_time),
        POOLS_TEST(without_a_time_nothing_is_remembered),
        POOLS_TEST(of_too_many_names_the_oldest_is_forgotten),
    };
    return cmocka_run_group_tests(tests, pools_group_setup, pools_group_teardown);
}
