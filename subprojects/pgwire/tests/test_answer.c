/* answer.c. Each walker also writes what it read again and compares: see walk.c. */
#include "torture.h"

#include "pgwire/answer.h"

static void reads_what_the_backend_wants_proven(void **state)
{
    struct pgwire_auth auth;
    (void)state;
    assert_int_equal(pgwire_read_auth(BODY("\0\0\0\0"), &auth), PGWIRE_OK);
    assert_int_equal(auth.code, PGWIRE_AUTH_OK);
    assert_int_equal(pgwire_read_auth(BODY("\0\0\0\5salt"), &auth), PGWIRE_OK);
    assert_int_equal(auth.code, PGWIRE_AUTH_MD5);
    assert_slice(auth.data, "salt");
    torture("auth", BODY("\0\0\0\0"), EXACT);
    torture("auth", BODY("\0\0\0\3"), EXACT);
    torture("auth", BODY("\0\0\0\5salt"), EXACT);
    torture("auth", BODY("\0\0\0\12SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"), EXACT);
    torture("auth", BODY("\0\0\0\13r=abc"), 4);
    assert_refused("auth", BODY("\0\0\0\12SCRAM-SHA-256\0"));
    assert_refused("auth", BODY("\0\0\0\12"));
}

static void finds_a_mechanism_by_its_whole_name(void **state)
{
    struct pgwire_auth auth;
    (void)state;
    assert_int_equal(
        pgwire_read_auth(BODY("\0\0\0\12SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"), &auth), PGWIRE_OK);
    assert_true(pgwire_sasl_offers(auth.data, "SCRAM-SHA-256"));
    assert_true(pgwire_sasl_offers(auth.data, "SCRAM-SHA-256-PLUS"));
    assert_false(pgwire_sasl_offers(auth.data, "SCRAM-SHA"));
    assert_false(pgwire_sasl_offers(auth.data, ""));
}

static void reads_key_data_of_either_protocol(void **state)
{
    uint8_t body[4 + PGWIRE_CANCEL_KEY_MAX + 1] = "\0\0\0\7abcdefgh";
    struct pgwire_key_data data;
    (void)state;
    assert_int_equal(pgwire_read_key_data(body, 8, &data), PGWIRE_OK);
    assert_int_equal(data.pid, 7);
    assert_slice(data.key, "abcd");
    torture("key_data", body, 12, 8);
    assert_int_equal(pgwire_read_key_data(body, 4 + PGWIRE_CANCEL_KEY_MAX, &data), PGWIRE_OK);
    assert_refused("key_data", body, sizeof(body));
}

static void reads_a_parameter(void **state)
{
    struct pgwire_param_status status;
    (void)state;
    assert_int_equal(pgwire_read_param_status(BODY("TimeZone\0UTC\0"), &status), PGWIRE_OK);
    assert_slice(status.name, "TimeZone");
    assert_slice(status.value, "UTC");
    torture("param_status", BODY("TimeZone\0UTC\0"), EXACT);
}

static void knows_three_transaction_states(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        uint8_t body = (uint8_t)byte;
        uint8_t status;
        bool known = body == 'I' || body == 'T' || body == 'E';
        assert_int_equal(pgwire_read_ready(&body, 1, &status),
                         known ? PGWIRE_OK : PGWIRE_MALFORMED);
    }
    torture("ready", BODY("T"), EXACT);
}

static void reads_a_command_tag(void **state)
{
    struct pgwire_slice tag;
    (void)state;
    assert_int_equal(pgwire_read_complete(BODY("INSERT 0 1\0"), &tag), PGWIRE_OK);
    assert_slice(tag, "INSERT 0 1");
    torture("complete", BODY("INSERT 0 1\0"), EXACT);
}

static const uint8_t error_body[] = "SERROR\0VERROR\0C42601\0Msyntax error\0P8\0\0";
enum { ERROR_LEN = sizeof(error_body) - 1 };

static void finds_fields_of_an_error(void **state)
{
    struct pgwire_slice text = {.data = NULL};
    (void)state;
    assert_true(pgwire_error_field(error_body, ERROR_LEN, 'C', &text));
    assert_slice(text, "42601");
    assert_true(pgwire_error_field(error_body, ERROR_LEN, 'P', &text));
    assert_slice(text, "8");
    assert_false(pgwire_error_field(error_body, ERROR_LEN, 'D', &text));
    assert_slice(text, "8");
    torture("error", error_body, ERROR_LEN, EXACT);
}

static void finds_no_field_in_a_malformed_error(void **state)
{
    struct pgwire_slice text;
    (void)state;
    assert_false(pgwire_error_field(error_body, ERROR_LEN - 1, 'S', &text));
    assert_false(pgwire_error_field(BODY("SERROR\0C"), 'S', &text));
    assert_false(pgwire_error_field(BODY("\0"), 'S', &text));
    assert_false(pgwire_error_field(BODY("\0"), '\0', &text));
    assert_false(pgwire_error_field(NULL, 0, 'S', &text));
}

static const uint8_t description[] = "\0\2"
                                     "id\0\0\0\x40\x05\0\1\0\0\0\x17\0\4\xff\xff\xff\xff\0\1"
                                     "name\0\0\0\0\0\0\0\0\0\4\x13\xff\xff\0\0\0\x24\0\0";
enum { DESCRIPTION_LEN = sizeof(description) - 1 };

static void walks_a_row_description(void **state)
{
    struct pgwire_column column;
    uint16_t count;
    size_t at = 0;
    (void)state;
    assert_int_equal(pgwire_read_row_count(description, DESCRIPTION_LEN, &count), PGWIRE_OK);
    assert_int_equal(count, 2);
    assert_true(pgwire_row_column(description, DESCRIPTION_LEN, &at, &column));
    assert_slice(column.name, "id");
    assert_int_equal(column.table_oid, 16389);
    assert_int_equal(column.attribute, 1);
    assert_int_equal(column.type_oid, 23);
    assert_int_equal(column.type_len, 4);
    assert_int_equal(column.type_mod, -1);
    assert_int_equal(column.format, 1);
    assert_true(pgwire_row_column(description, DESCRIPTION_LEN, &at, &column));
    assert_slice(column.name, "name");
    assert_int_equal(column.type_oid, 1043);
    assert_int_equal(column.type_len, -1);
    assert_int_equal(column.type_mod, 36);
    assert_false(pgwire_row_column(description, DESCRIPTION_LEN, &at, &column));
    assert_int_equal(at, DESCRIPTION_LEN);
    torture("row_description", description, DESCRIPTION_LEN, EXACT);
    torture("row_description", BODY("\0\0"), EXACT);
}

static void sees_a_count_that_lies(void **state)
{
    uint8_t body[DESCRIPTION_LEN];
    (void)state;
    memcpy(body, description, sizeof(body));
    for (int count = 0; count < 4; count++) {
        struct pgwire_column column;
        size_t at = 0;
        body[1] = (uint8_t)count;
        assert_int_equal(pgwire_row_column(body, sizeof(body), &at, &column), count == 2);
        assert_int_equal(at == SIZE_MAX, count != 2);
    }
    assert_refused("row", BODY("\0\1"));
    assert_refused("row", BODY("\0\0\xff\xff\xff\xff"));
    assert_refused("row", BODY("\xff\xff\xff\xff\xff\xff"));
}

static void stops_where_a_body_changed_during_a_walk(void **state)
{
    uint8_t columns[DESCRIPTION_LEN];
    uint8_t row[] = {0, 2, 0, 0, 0, 1, '7', 0, 0, 0, 1, '8'};
    struct pgwire_column column;
    struct pgwire_slice value;
    size_t at = 0;
    (void)state;
    memcpy(columns, description, sizeof(columns));
    assert_true(pgwire_row_column(columns, sizeof(columns), &at, &column));
    memset(columns + at, 'x', sizeof(columns) - at);
    assert_false(pgwire_row_column(columns, sizeof(columns), &at, &column));
    assert_int_equal(at, SIZE_MAX);
    at = 0;
    assert_true(pgwire_row_value(row, sizeof(row), &at, &value));
    row[at + 3] = 2;
    assert_false(pgwire_row_value(row, sizeof(row), &at, &value));
    assert_int_equal(at, SIZE_MAX);
}

static void walks_a_row(void **state)
{
    static const uint8_t body[] = "\0\3\0\0\0\1"
                                  "7\xff\xff\xff\xff\0\0\0\0";
    struct pgwire_slice value;
    size_t at = 0;
    (void)state;
    assert_true(pgwire_row_value(body, sizeof(body) - 1, &at, &value));
    assert_slice(value, "7");
    assert_true(pgwire_row_value(body, sizeof(body) - 1, &at, &value));
    assert_null(value.data);
    assert_true(pgwire_row_value(body, sizeof(body) - 1, &at, &value));
    assert_non_null(value.data);
    assert_int_equal(value.len, 0);
    assert_false(pgwire_row_value(body, sizeof(body) - 1, &at, &value));
    assert_int_equal(at, sizeof(body) - 1);
    torture("row", body, sizeof(body) - 1, EXACT);
    torture("row", BODY("\0\0"), EXACT);
}

static void reads_the_rarer_answers(void **state)
{
    struct pgwire_param_types types;
    struct pgwire_copy copy;
    struct pgwire_notification notification;
    struct pgwire_negotiate negotiate;
    struct pgwire_slice value;
    (void)state;

    assert_int_equal(pgwire_read_param_types(BODY("\0\1\0\0\0\x17"), &types), PGWIRE_OK);
    assert_int_equal(types.count, 1);
    torture("param_types", BODY("\0\1\0\0\0\x17"), EXACT);

    assert_int_equal(pgwire_read_copy(BODY("\1\0\2\0\1\0\1"), &copy), PGWIRE_OK);
    assert_int_equal(copy.format, 1);
    assert_int_equal(copy.column_count, 2);
    torture("copy", BODY("\1\0\2\0\1\0\1"), EXACT);

    assert_int_equal(pgwire_read_notification(BODY("\0\0\0\7jobs\0go\0"), &notification),
                     PGWIRE_OK);
    assert_slice(notification.channel, "jobs");
    assert_slice(notification.payload, "go");
    torture("notification", BODY("\0\0\0\7jobs\0go\0"), EXACT);

    assert_int_equal(pgwire_read_negotiate(BODY("\0\3\0\0\0\0\0\2_pq_.a\0_pq_.b\0"), &negotiate),
                     PGWIRE_OK);
    assert_int_equal(negotiate.option_count, 2);
    torture("negotiate", BODY("\0\3\0\0\0\0\0\2_pq_.a\0_pq_.b\0"), EXACT);
    assert_refused("negotiate", BODY("\0\3\0\0\xff\xff\xff\xff_pq_.a\0"));

    assert_int_equal(pgwire_read_function_result(BODY("\0\0\0\2ok"), &value), PGWIRE_OK);
    assert_slice(value, "ok");
    torture("function_result", BODY("\0\0\0\2ok"), EXACT);
    torture("function_result", BODY("\xff\xff\xff\xff"), EXACT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_backend_wants_proven),
        cmocka_unit_test(finds_a_mechanism_by_its_whole_name),
        cmocka_unit_test(reads_key_data_of_either_protocol),
        cmocka_unit_test(reads_a_parameter),
        cmocka_unit_test(knows_three_transaction_states),
        cmocka_unit_test(reads_a_command_tag),
        cmocka_unit_test(finds_fields_of_an_error),
        cmocka_unit_test(finds_no_field_in_a_malformed_error),
        cmocka_unit_test(walks_a_row_description),
        cmocka_unit_test(sees_a_count_that_lies),
        cmocka_unit_test(stops_where_a_body_changed_during_a_walk),
        cmocka_unit_test(walks_a_row),
        cmocka_unit_test(reads_the_rarer_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
