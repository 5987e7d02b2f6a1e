/* upstream/login against a server that is none, or that lies: whatever it says, the client is told
 * of a failure, the connection is closed, and nothing is left over. */
#include "pool_fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "pgwire/encode.h"

enum { SAYING_MAX = 4096 };

/* What the next connections hear after their startup message; then they are closed. */
static struct {
    int fd, port;
    pthread_t thread;
    pthread_mutex_t mutex;
    uint8_t saying[SAYING_MAX];
    size_t saying_len;
    bool hold; /* keep the connection open until the other side closes it */
} liar = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void speak(int fd)
{
    uint8_t heard[SAYING_MAX], said[SAYING_MAX];
    ssize_t got = read(fd, heard, sizeof(heard));
    pthread_mutex_lock(&liar.mutex);
    size_t len = liar.saying_len;
    bool hold = liar.hold;
    memcpy(said, liar.saying, len);
    pthread_mutex_unlock(&liar.mutex);
    if (got > 0 && send(fd, said, len, MSG_NOSIGNAL) == (ssize_t)len) {
        while (hold && read(fd, heard, sizeof(heard)) > 0)
            continue;
    }
    close(fd);
}

static void *run_liar(void *argument)
{
    (void)argument;
    int fd;
    while ((fd = accept(liar.fd, NULL, NULL)) >= 0)
        speak(fd);
    return NULL;
}

static int group_setup(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    if (pools_group_setup(state) != 0)
        return -1;
    liar.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(liar.fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(liar.fd, 16), 0);
    assert_int_equal(getsockname(liar.fd, (struct sockaddr *)&address, &len), 0);
    /* The silent server's place in the configuration is ours. */
    pools.silent_port = ntohs(address.sin_port);
    return pthread_create(&liar.thread, NULL, run_liar, NULL);
}

static int group_teardown(void **state)
{
    shutdown(liar.fd, SHUT_RDWR);
    pthread_join(liar.thread, NULL);
    close(liar.fd);
    return pools_group_teardown(state);
}

static void say(const void *data, size_t len, bool hold)
{
    assert_true(len <= SAYING_MAX);
    pthread_mutex_lock(&liar.mutex);
    memcpy(liar.saying, data, len);
    liar.saying_len = len;
    liar.hold = hold;
    pthread_mutex_unlock(&liar.mutex);
}

/* A client of `role` ("liar_<n>": no failure of an earlier one is remembered) fails. */
static void expect_failure(const char *sqlstate)
{
    static unsigned count;
    char role[32];
    snprintf(role, sizeof(role), "liar_%u", count++);
    pools.database = database_get(slice_of_text("silent"));
    struct client client;
    client_init(&client, count % WORKERS, role, "");
    client_wait(&client);
    client_await(&client, CLIENT_FAILED);
    if (sqlstate)
        assert_string_equal(client.sqlstate, sqlstate);
    AWAIT(database_busy_count(pools.database) == 0);
    client_fini(&client);
}

static struct pgwire_slice text_slice(const char *text)
{
    return (struct pgwire_slice){(const uint8_t *)text, strlen(text)};
}

static void what_is_no_postgres_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *sqlstate;
    } cases[] = {
        {"", "08006"},
        {"HTTP/1.1 400 Bad Request\r\n\r\n", "08P01"},
        {"SSH-2.0-OpenSSH_9.2\r\n", NULL},
        {"R", "08006"},
        {"R\xff\xff\xff\xff", "08P01"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        say(cases[i].text, strlen(cases[i].text), false);
        expect_failure(cases[i].sqlstate);
    }
}

static void authentications_that_we_do_not_speak_are_refused(void **state)
{
    (void)state;
    static const uint32_t codes[] = {2, 6, 7, 8, 9, 11, 12, 99};
    for (size_t i = 0; i < ARRAY_COUNT(codes); i++) {
        uint8_t memory[256];
        struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
        pgwire_write_auth(&writer, codes[i], (struct pgwire_slice){0});
        say(writer.data, writer.len, true);
        expect_failure(NULL);
    }
    static const char mechanisms[] = "SCRAM-SHA-1\0OTHER\0";
    uint8_t memory[256];
    struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
    pgwire_write_auth(&writer, 10,
                      (struct pgwire_slice){(const uint8_t *)mechanisms, sizeof(mechanisms)});
    say(writer.data, writer.len, true);
    expect_failure("28P01");
}

/* AuthenticationOk in the middle of SCRAM proves nothing about the server. */
static void a_server_that_skips_its_own_proof_is_refused(void **state)
{
    (void)state;
    pools.database = database_get(slice_of_text("silent"));
    struct pool *pool = pool_get(pools.database, slice_of_text("skipped"));
    static const uint8_t key[32] = {1};
    pool_learn_scram(pool, key,
                     "SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$"
                     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
                     "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    static const char mechanisms[] = "SCRAM-SHA-256\0";
    uint8_t memory[256];
    struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
    pgwire_write_auth(&writer, 10,
                      (struct pgwire_slice){(const uint8_t *)mechanisms, sizeof(mechanisms)});
    pgwire_write_auth(&writer, 0, (struct pgwire_slice){0});
    say(writer.data, writer.len, true);
    struct client client;
    client_init(&client, 0, "skipped", "");
    client_wait(&client);
    client_await(&client, CLIENT_FAILED);
    assert_string_equal(client.sqlstate, "28000");
    client_fini(&client);
}

/* The beginning of a good login. */
static void write_welcome(struct pgwire_writer *writer)
{
    static const uint8_t key[4] = {1, 2, 3, 4};
    pgwire_write_auth(writer, 0, (struct pgwire_slice){0});
    pgwire_write_param_status(writer, text_slice("server_version"), text_slice("15.0"));
    pgwire_write_param_status(writer, text_slice("client_encoding"), text_slice("UTF8"));
    pgwire_write_key_data(writer, 77, (struct pgwire_slice){key, sizeof(key)});
}

static void messages_out_of_place_are_refused(void **state)
{
    (void)state;
    static const uint8_t types[] = {'D', 'C', 'T', 'I', '1', '2', '3', 'G', 'H', 'W',
                                    'n', 's', 't', 'c', 'd', 'R', 'V', 'z', 0};
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        uint8_t memory[512];
        struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
        write_welcome(&writer);
        uint8_t message[] = {types[i], 0, 0, 0, 4};
        pgwire_put_bytes(&writer, message, sizeof(message));
        say(writer.data, writer.len, true);
        expect_failure("08P01");
    }
}

static void a_transaction_at_the_beginning_is_refused(void **state)
{
    (void)state;
    uint8_t memory[512];
    struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
    write_welcome(&writer);
    pgwire_write_ready(&writer, 'T');
    say(writer.data, writer.len, true);
    expect_failure("25001");
}

static void bytes_behind_ready_for_query_are_refused(void **state)
{
    (void)state;
    uint8_t memory[512];
    struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
    write_welcome(&writer);
    pgwire_write_ready(&writer, 'I');
    pgwire_write_ready(&writer, 'I');
    say(writer.data, writer.len, true);
    expect_failure("08P01");
}

static void an_error_without_fields_is_told(void **state)
{
    (void)state;
    static const uint8_t message[] = {'E', 0, 0, 0, 5, 0};
    say(message, sizeof(message), false);
    expect_failure("08006");
    uint8_t memory[256];
    struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
    pgwire_write_error(&writer, 'E', "FATAL", "57P03", "the database system is starting up", NULL,
                       NULL);
    say(writer.data, writer.len, false);
    expect_failure("57P03");
}

/* Closed after every prefix of a login; some bits flipped. */
static void every_prefix_and_flipped_bits_end_in_a_failure(void **state)
{
    (void)state;
    uint8_t memory[512];
    struct pgwire_writer writer = pgwire_writer_of(memory, sizeof(memory));
    write_welcome(&writer);
    pgwire_write_ready(&writer, 'I');
    for (size_t len = 0; len <= writer.len; len++) {
        say(writer.data, len, false);
        expect_failure(NULL);
    }
    for (size_t bit = 0; bit < writer.len * 8; bit += 5) {
        writer.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        say(writer.data, writer.len, false);
        expect_failure(NULL);
        writer.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOLS_TEST(what_is_no_postgres_is_refused),
        POOLS_TEST(authentications_that_we_do_not_speak_are_refused),
        POOLS_TEST(a_server_that_skips_its_own_proof_is_refused),
        POOLS_TEST(messages_out_of_place_are_refused),
        POOLS_TEST(a_transaction_at_the_beginning_is_refused),
        POOLS_TEST(bytes_behind_ready_for_query_are_refused),
        POOLS_TEST(an_error_without_fields_is_told),
        POOLS_TEST(every_prefix_and_flipped_bits_end_in_a_failure),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
