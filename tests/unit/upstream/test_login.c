/* upstream/login: against a scratch Postgres. */
#include "pool_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "pgwire/scram.h"

static void write_userlist(const char *text)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/userlist.txt", pools.postgres.dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void configure_with_userlist(const char *userlist, const char *line, const char *more)
{
    char options[TEXT_MAX];
    write_userlist(userlist);
    snprintf(options, sizeof(options), "auth_file = %s/userlist.txt\n%s", pools.postgres.dir, more);
    pools_configure(line, options);
}

/* One client of `role` asks who it is. */
static void expect_login(const char *role, const char *expected)
{
    struct client client;
    client_init(&client, 0, role, "");
    client_acquire(&client);
    assert_string_equal(client_ask(&client, "SELECT session_user"), expected);
    client_release(&client, false);
    client_fini(&client);
}

static void expect_failure(const char *role, const char *sqlstate, const char *message,
                           bool from_server)
{
    struct client client;
    client_init(&client, 0, role, "");
    client_wait(&client);
    client_await(&client, CLIENT_FAILED);
    assert_string_equal(client.sqlstate, sqlstate);
    if (!strstr(client.message, message))
        fail_msg("\"%s\" is not in \"%s\"", message, client.message);
    assert_int_equal(client.from_server, from_server);
    assert_int_equal(client.callbacks, 1);
    client_fini(&client);
    AWAIT(database_busy_count(pools.database) == 0);
}

static void logs_in_where_postgres_trusts(void **state)
{
    (void)state;
    expect_login("alice", "alice");
}

static void logs_in_with_a_plain_secret_by_every_method(void **state)
{
    (void)state;
    configure_with_userlist("\"with_md5\" \"digest\"\n\"with_clear\" \"clear as day\"\n"
                            "\"with_scram\" \"salt & pepper\"\n",
                            "", "");
    expect_login("with_md5", "with_md5");
    expect_login("with_clear", "with_clear");
    expect_login("with_scram", "with_scram");
}

static void logs_in_with_an_md5_secret(void **state)
{
    (void)state;
    char secret[PGWIRE_MD5_LEN + 1], userlist[128];
    pgwire_md5_secret("digest", "with_md5", secret);
    snprintf(userlist, sizeof(userlist), "\"with_md5\" \"%s\"\n", secret);
    configure_with_userlist(userlist, "", "");
    expect_login("with_md5", "with_md5");
}

static void logs_in_with_the_user_of_the_database_line(void **state)
{
    (void)state;
    pools_configure("user=with_scram password='salt & pepper'", "");
    expect_login("alice", "with_scram");
}

static void refuses_a_wrong_password_with_the_servers_words(void **state)
{
    (void)state;
    configure_with_userlist("\"with_md5\" \"wrong\"\n\"with_clear\" \"wrong\"\n"
                            "\"with_scram\" \"wrong\"\n",
                            "", "");
    expect_failure("with_md5", "28P01", "password authentication failed", true);
    expect_failure("with_clear", "28P01", "password authentication failed", true);
    expect_failure("with_scram", "28P01", "password authentication failed", true);
}

static void says_that_it_has_no_secret(void **state)
{
    (void)state;
    expect_failure("with_md5", "28P01", "no secret that fits", false);
    expect_failure("with_clear", "28P01", "no secret that fits", false);
    expect_failure("with_scram", "28P01", "no secret that fits", false);
}

static void passes_on_what_the_server_says_of_unknown_roles(void **state)
{
    (void)state;
    expect_failure("nobody", "28000", "role \"nobody\" does not exist", true);
    expect_failure("refused", "28000", "pg_hba.conf rejects", true);
}

/* What a role's secret is at the server, and the key behind it. */
static void read_scram_secret(char out[256], uint8_t client_key[PGWIRE_SCRAM_KEY_LEN])
{
    PGconn *connection = scratch_connect(&pools.postgres, "postgres");
    PGresult *result =
        PQexec(connection, "SELECT rolpassword FROM pg_authid WHERE rolname = 'with_scram'");
    snprintf(out, 256, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    PQfinish(connection);
    /* The client key is not in the secret: a login of ours in both roles shows it. */
    struct pgwire_scram_secret secret;
    assert_int_equal(pgwire_scram_read_secret(out, &secret), PGWIRE_OK);
    struct pgwire_scram_client client = {.password = "salt & pepper"};
    struct pgwire_scram_server server;
    uint8_t chance[18] = {1, 2, 3};
    char first[PGWIRE_SCRAM_TEXT_MAX], final[PGWIRE_SCRAM_TEXT_MAX], last[64];
    size_t len = pgwire_scram_client_first(&client, chance, first);
    assert_int_equal(pgwire_scram_server_first(
                         &server, &secret, (struct pgwire_slice){(uint8_t *)first, len}, chance),
                     PGWIRE_OK);
    struct pgwire_slice server_first = {(uint8_t *)server.server_first,
                                        strlen(server.server_first)};
    assert_int_equal(pgwire_scram_client_final(&client, server_first, final, &len), PGWIRE_OK);
    bool proven = false;
    assert_int_equal(pgwire_scram_server_final(
                         &server, (struct pgwire_slice){(uint8_t *) final, len}, &proven, last),
                     PGWIRE_OK);
    assert_true(proven);
    memcpy(client_key, server.client_key, PGWIRE_SCRAM_KEY_LEN);
}

static void logs_in_with_a_key_learned_from_a_client(void **state)
{
    (void)state;
    char secret[256], userlist[320];
    uint8_t client_key[PGWIRE_SCRAM_KEY_LEN];
    read_scram_secret(secret, client_key);
    snprintf(userlist, sizeof(userlist), "\"with_scram\" \"%s\"\n", secret);
    configure_with_userlist(userlist, "", "");
    expect_failure("with_scram", "28P01", "no secret that fits", false);
    pool_learn_scram(pool_get(pools.database, slice_of_text("with_scram")), client_key, secret);
    expect_login("with_scram", "with_scram");
}

static void connects_by_socket_and_by_name(void **state)
{
    (void)state;
    pools.database = database_get(slice_of_text("by_socket"));
    expect_login("alice", "alice");
    pools.database = database_get(slice_of_text("by_name"));
    expect_login("alice", "alice");
}

static void says_where_nobody_listens(void **state)
{
    (void)state;
    pools.database = database_get(slice_of_text("nowhere"));
    expect_failure("alice", "08006", "host \"127.0.0.1\", port 1: Connection refused", false);
    pools.database = database_get(slice_of_text("missing"));
    expect_failure("alice", "3D000", "database \"missing\" does not exist", true);
}

static void tells_newcomers_of_a_fresh_failure_at_once(void **state)
{
    (void)state;
    expect_failure("nobody", "28000", "does not exist", true);
    struct pool *pool = pool_get(pools.database, slice_of_text("nobody"));
    uint64_t failures = pool->stats->login_failures;
    expect_failure("nobody", "28000", "does not exist", true);
    assert_int_equal(pool->stats->login_failures, failures);
}

static void tries_again_after_server_login_retry(void **state)
{
    (void)state;
    pools_configure("", "server_login_retry = 300ms");
    expect_failure("late", "28000", "does not exist", true);
    scratch_run(&pools.postgres, "CREATE ROLE late LOGIN");
    expect_failure("late", "28000", "does not exist", true);
    sleep_ms(350);
    expect_login("late", "late");
    scratch_run(&pools.postgres, "DROP ROLE late");
}

static void a_bad_parameter_concerns_its_profile_alone(void **state)
{
    (void)state;
    struct client bad, good;
    client_init(&bad, 0, "alice", "no_such_setting=1");
    client_wait(&bad);
    client_await(&bad, CLIENT_FAILED);
    assert_string_equal(bad.sqlstate, "42704");
    client_init(&good, 0, "alice", "");
    client_acquire(&good);
    client_release(&good, false);
    client_fini(&good);
    client_fini(&bad);
}

static void waits_while_a_server_of_its_profile_lives(void **state)
{
    (void)state;
    struct client first, second;
    client_init(&first, 0, "narrow", "");
    client_init(&second, 1, "narrow", "");
    client_acquire(&first);
    client_wait(&second); /* 53300: too many connections for role */
    AWAIT(first.profile->pool->stats->login_failures == 1);
    sleep_ms(50);
    assert_int_equal(client_state(&second), CLIENT_WAITING);
    client_release(&first, false);
    client_await(&second, CLIENT_HOLDING);
    client_release(&second, false);
    client_fini(&second);
    client_fini(&first);
}

static void sends_parameters_and_the_lines_defaults(void **state)
{
    (void)state;
    pools_configure("timezone=Asia/Tokyo datestyle=German application_name=proxy", "");
    struct client client;
    client_init(&client, 0, "alice", "timezone=Europe/Rome search_path=pg_catalog");
    client_acquire(&client);
    assert_string_equal(client_ask(&client, "SHOW TimeZone"), "Europe/Rome");
    assert_string_equal(client_ask(&client, "SHOW search_path"), "pg_catalog");
    assert_string_equal(client_ask(&client, "SHOW DateStyle"), "German, DMY");
    assert_string_equal(client_ask(&client, "SHOW application_name"), "proxy");
    struct profile_facts *facts = profile_facts_ref(client.profile);
    struct slice value;
    assert_true(profile_facts_param(facts, "TimeZone", &value));
    assert_true(slice_is(value, "Europe/Rome"));
    assert_true(profile_facts_param(facts, "server_version", &value));
    assert_false(profile_facts_param(facts, "search_path", &value));
    assert_null(facts->bypass);
    assert_false(facts->lexing_unsafe);
    profile_facts_unref(facts);
    client_release(&client, false);
    client_fini(&client);
}

static void runs_connect_query_and_sees_what_it_set(void **state)
{
    (void)state;
    pools_configure("connect_query='SET timezone = ''Asia/Tokyo'''", "");
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    struct slice value;
    assert_true(profile_facts_param(client.server->facts, "TimeZone", &value));
    assert_true(slice_is(value, "Asia/Tokyo"));
    /* And a reset, which undoes it, does it again. */
    client_release(&client, true);
    AWAIT(client_take(&client));
    assert_string_equal(client_ask(&client, "SHOW TimeZone"), "Asia/Tokyo");
    client_release(&client, false);
    client_fini(&client);
}

static void refuses_a_connect_query_that_fails_or_leaves_a_transaction(void **state)
{
    (void)state;
    pools_configure("connect_query='SELECT 1/0'", "");
    expect_failure("alice", "22012", "division by zero", true);
    pools_configure("connect_query='BEGIN'", "");
    expect_failure("alice", "25001", "left a transaction open", false);
}

static struct profile_facts *facts_with(const char *params)
{
    struct client client;
    client_init(&client, 0, "alice", params);
    client_acquire(&client);
    struct profile_facts *facts = profile_facts_ref(client.profile);
    client_release(&client, false);
    client_fini(&client);
    return facts;
}

static void signatures_differ_where_answers_could(void **state)
{
    (void)state;
    static const char *const params[] = {
        "",
        "app.name=other",
        "work_mem=1MB",
        "search_path=pg_catalog",
        "extra_float_digits=0",
        "bytea_output=escape",
        "quote_all_identifiers=on",
        "default_transaction_read_only=on",
    };
    struct profile_facts *first = facts_with(params[0]);
    for (size_t i = 0; i < ARRAY_COUNT(params); i++) {
        struct profile_facts *facts = facts_with(params[i]);
        assert_int_equal(hash128_equal(first->signature, facts->signature), i < 3);
        assert_null(facts->bypass);
        profile_facts_unref(facts);
    }
    profile_facts_unref(first);
}

static void unsafe_settings_bypass(void **state)
{
    (void)state;
    static const struct {
        const char *params;
        bool lexing_unsafe;
    } cases[] = {
        {"standard_conforming_strings=off", true},
        {"client_encoding=SJIS", true},
        {"client_encoding=gbk", true},
        {"gin_fuzzy_search_limit=5", false},
        {"default_transaction_isolation=serializable", false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct profile_facts *facts = facts_with(cases[i].params);
        assert_non_null(facts->bypass);
        assert_int_equal(facts->lexing_unsafe, cases[i].lexing_unsafe);
        profile_facts_unref(facts);
    }
}

static void other_settings_at_the_server_replace_facts_and_servers(void **state)
{
    (void)state;
    struct client first, second;
    client_init(&first, 0, "alice", "");
    client_init(&second, 0, "alice", "");
    client_acquire(&first);
    struct profile_facts *before = profile_facts_ref(first.profile);
    scratch_run(&pools.postgres, "ALTER ROLE alice SET extra_float_digits = 0");
    client_acquire(&second); /* a new login */
    assert_false(profile_facts_current(first.profile, before));
    int old_pid = first.pid;
    client_release(&first, false);
    AWAIT(pool_counts_of(&first).idle == 0);
    client_release(&second, false);
    client_acquire(&first);
    assert_int_not_equal(first.pid, old_pid);
    client_release(&first, false);
    scratch_run(&pools.postgres, "ALTER ROLE alice RESET extra_float_digits");
    profile_facts_unref(before);
    client_fini(&second);
    client_fini(&first);
}

static void outdated_facts_bypass_until_the_next_login(void **state)
{
    (void)state;
    struct client client;
    client_init(&client, 0, "alice", "");
    client_acquire(&client);
    profile_outdate(client.profile);
    struct profile_facts *facts = profile_facts_ref(client.profile);
    assert_non_null(facts->bypass);
    assert_true(facts->lexing_unsafe);
    struct slice value;
    assert_true(profile_facts_param(facts, "TimeZone", &value));
    profile_facts_unref(facts);
    int pid = client.pid;
    client_release(&client, false);
    client_acquire(&client);
    assert_int_not_equal(client.pid, pid);
    facts = profile_facts_ref(client.profile);
    assert_null(facts->bypass);
    profile_facts_unref(facts);
    client_release(&client, false);
    client_fini(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOLS_TEST(logs_in_where_postgres_trusts),
        POOLS_TEST(logs_in_with_a_plain_secret_by_every_method),
        POOLS_TEST(logs_in_with_an_md5_secret),
        POOLS_TEST(logs_in_with_the_user_of_the_database_line),
        POOLS_TEST(refuses_a_wrong_password_with_the_servers_words),
        POOLS_TEST(says_that_it_has_no_secret),
        POOLS_TEST(passes_on_what_the_server_says_of_unknown_roles),
        POOLS_TEST(logs_in_with_a_key_learned_from_a_client),
        POOLS_TEST(connects_by_socket_and_by_name),
        POOLS_TEST(says_where_nobody_listens),
        POOLS_TEST(tells_newcomers_of_a_fresh_failure_at_once),
        POOLS_TEST(tries_again_after_server_login_retry),
        POOLS_TEST(a_bad_parameter_concerns_its_profile_alone),
        POOLS_TEST(waits_while_a_server_of_its_profile_lives),
        POOLS_TEST(sends_parameters_and_the_lines_defaults),
        POOLS_TEST(runs_connect_query_and_sees_what_it_set),
        POOLS_TEST(refuses_a_connect_query_that_fails_or_leaves_a_transaction),
        POOLS_TEST(signatures_differ_where_answers_could),
        POOLS_TEST(unsafe_settings_bypass),
        POOLS_TEST(other_settings_at_the_server_replace_facts_and_servers),
        POOLS_TEST(outdated_facts_bypass_until_the_next_login),
    };
    return cmocka_run_group_tests(tests, pools_group_setup, pools_group_teardown);
}
