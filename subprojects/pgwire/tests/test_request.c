/* request.c. Each walker also writes what it read again and compares: see walk.c. */
#include "torture.h"

#include "pgwire/request.h"

static void reads_a_login(void **state)
{
    static const uint8_t body[] = "\0\3\0\0user\0joe\0database\0shop\0options\0\0";
    struct pgwire_startup startup;
    struct pgwire_slice name;
    struct pgwire_slice value;
    size_t at = 0;
    (void)state;

    assert_int_equal(pgwire_read_startup(body, sizeof(body), &startup), PGWIRE_OK);
    assert_int_equal(startup.kind, PGWIRE_STARTUP_LOGIN);
    assert_int_equal(startup.protocol, PGWIRE_PROTOCOL_3_0);
    assert_int_equal(startup.params.len, sizeof(body) - 4 - 1);
    assert_true(pgwire_startup_param(startup.params, &at, &name, &value));
    assert_slice(name, "user");
    assert_slice(value, "joe");
    assert_true(pgwire_startup_param(startup.params, &at, &name, &value));
    assert_slice(name, "database");
    assert_slice(value, "shop");
    assert_true(pgwire_startup_param(startup.params, &at, &name, &value));
    assert_slice(name, "options");
    assert_slice(value, "");
    assert_false(pgwire_startup_param(startup.params, &at, &name, &value));
    torture("startup", body, sizeof(body), EXACT);
}

static void refuses_a_login_whose_last_byte_is_no_terminator(void **state)
{
    (void)state;
    assert_refused("startup", BODY("\0\3\0\0"));
    assert_refused("startup", BODY("\0\3\0\0user\0"));
    assert_refused("startup", BODY("\0\3\0\0user\0joe\0"));
    assert_refused("startup", BODY("\0\3\0\0user\0joe"));
    assert_refused("startup", BODY("\0\3\0\0user"));
    assert_refused("startup", BODY("\0\3\0\0user\0joe\0\0x"));
    assert_refused("startup", BODY("\0\3\0\0user\0joe\0\0\0"));
    assert_refused("startup", BODY("\0\3\0\0\0user\0joe\0\0"));
    torture("startup", BODY("\0\3\0\0\0"), EXACT);
    torture("startup", BODY("\0\3\0\2user\0\0\0"), EXACT);
}

static void leaves_another_major_protocol_to_the_caller(void **state)
{
    struct pgwire_startup startup;
    (void)state;
    assert_int_equal(pgwire_read_startup(BODY("\0\2\0\0anything"), &startup), PGWIRE_OK);
    assert_int_equal(startup.kind, PGWIRE_STARTUP_LOGIN);
    assert_int_equal(startup.protocol >> 16, 2);
    assert_int_equal(startup.params.len, 0);
}

static void reads_a_cancel_key_of_either_protocol(void **state)
{
    uint8_t body[8 + PGWIRE_CANCEL_KEY_MAX + 1] = "\x04\xd2\x16\x2e\0\0\x30\x39secret";
    struct pgwire_startup startup;
    (void)state;

    assert_int_equal(pgwire_read_startup(body, 12, &startup), PGWIRE_OK);
    assert_int_equal(startup.kind, PGWIRE_STARTUP_CANCEL);
    assert_int_equal(startup.cancel_pid, 12345);
    assert_slice(startup.cancel_key, "secr");
    torture("startup", body, 12, 12);
    assert_int_equal(pgwire_read_startup(body, 8 + PGWIRE_CANCEL_KEY_MAX, &startup), PGWIRE_OK);
    assert_refused("startup", body, 8 + PGWIRE_CANCEL_KEY_MAX + 1);
    assert_refused("startup", body, 8);
    assert_refused("startup", body, 11);
}

static void reads_a_request_for_encryption(void **state)
{
    struct pgwire_startup startup;
    (void)state;
    assert_int_equal(pgwire_read_startup(BODY("\x04\xd2\x16\x2f"), &startup), PGWIRE_OK);
    assert_int_equal(startup.kind, PGWIRE_STARTUP_SSL);
    assert_int_equal(pgwire_read_startup(BODY("\x04\xd2\x16\x30"), &startup), PGWIRE_OK);
    assert_int_equal(startup.kind, PGWIRE_STARTUP_GSSENC);
    torture("startup", BODY("\x04\xd2\x16\x2f"), EXACT);
}

static void reads_parse(void **state)
{
    struct pgwire_parse parse;
    (void)state;
    assert_int_equal(pgwire_read_parse(BODY("s1\0select $1, $2\0\0\2\0\0\0\x17\0\0\0\x19"), &parse),
                     PGWIRE_OK);
    assert_slice(parse.name, "s1");
    assert_slice(parse.query, "select $1, $2");
    assert_int_equal(parse.type_count, 2);
    assert_int_equal(pgwire_get_u32(parse.types.data + 4), 25);
    torture("parse", BODY("s1\0select $1, $2\0\0\2\0\0\0\x17\0\0\0\x19"), EXACT);
    torture("parse", BODY("\0\0\0\0"), EXACT);
    assert_refused("parse", BODY("\0select\0\xff\xff\0\0\0\0"));
}

static const uint8_t bind_body[] = "p1\0s1\0"
                                   "\0\2\0\0\0\1"
                                   "\0\3\0\0\0\2hi\xff\xff\xff\xff\0\0\0\0"
                                   "\0\1\0\1";

static void reads_bind(void **state)
{
    struct pgwire_bind bind;
    struct pgwire_slice value;
    size_t at = 0;
    (void)state;

    assert_int_equal(pgwire_read_bind(bind_body, sizeof(bind_body) - 1, &bind), PGWIRE_OK);
    assert_slice(bind.portal, "p1");
    assert_slice(bind.statement, "s1");
    assert_int_equal(bind.param_format_count, 2);
    assert_int_equal(pgwire_get_u16(bind.param_formats.data + 2), 1);
    assert_int_equal(bind.param_count, 3);
    assert_int_equal(bind.result_format_count, 1);
    assert_int_equal(pgwire_get_u16(bind.result_formats.data), 1);
    assert_ptr_equal(bind.arguments.data, bind_body + 6);
    assert_int_equal(bind.arguments.len, sizeof(bind_body) - 1 - 6);
    assert_true(pgwire_bind_param(&bind, &at, &value));
    assert_slice(value, "hi");
    assert_true(pgwire_bind_param(&bind, &at, &value));
    assert_null(value.data);
    assert_true(pgwire_bind_param(&bind, &at, &value));
    assert_non_null(value.data);
    assert_int_equal(value.len, 0);
    assert_false(pgwire_bind_param(&bind, &at, &value));
    torture("bind", bind_body, sizeof(bind_body) - 1, EXACT);
    torture("bind", BODY("\0\0\0\0\0\0\0\0"), EXACT);
}

static void refuses_a_parameter_of_negative_length_but_null(void **state)
{
    (void)state;
    assert_refused("bind", BODY("\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"));
    assert_refused("bind", BODY("\0\0\0\0\0\1\x80\0\0\0\0\0"));
    assert_refused("bind", BODY("\0\0\0\0\0\1\x7f\xff\xff\xff\0\0"));
    torture("bind", BODY("\0\0\0\0\0\1\xff\xff\xff\xff\0\0"), EXACT);
}

static void reads_targets(void **state)
{
    struct pgwire_target target;
    (void)state;
    assert_int_equal(pgwire_read_target(BODY("Ss1\0"), &target), PGWIRE_OK);
    assert_int_equal(target.kind, 'S');
    assert_slice(target.name, "s1");
    torture("target", BODY("Ss1\0"), EXACT);
    torture("target", BODY("P\0"), EXACT);
    assert_refused("target", BODY("Xs1\0"));
    assert_refused("target", BODY("\0\0"));
}

static void reads_execute(void **state)
{
    struct pgwire_execute execute;
    (void)state;
    assert_int_equal(pgwire_read_execute(BODY("p1\0\0\0\1\0"), &execute), PGWIRE_OK);
    assert_slice(execute.portal, "p1");
    assert_int_equal(execute.row_max, 256);
    assert_int_equal(pgwire_read_execute(BODY("\0\xff\xff\xff\xff"), &execute), PGWIRE_OK);
    assert_int_equal(execute.row_max, 0);
    torture("execute", BODY("p1\0\0\0\1\0"), EXACT);
}

static void reads_one_text(void **state)
{
    struct pgwire_slice text;
    (void)state;
    assert_int_equal(pgwire_read_text(BODY("select 1\0"), &text), PGWIRE_OK);
    assert_slice(text, "select 1");
    torture("text", BODY("select 1\0"), EXACT);
    torture("text", BODY("\0"), EXACT);
    assert_refused("text", BODY("select\0001\0"));
    assert_int_equal(pgwire_read_text(NULL, 0, &text), PGWIRE_MALFORMED);
}

static void reads_the_first_word_of_sasl(void **state)
{
    struct pgwire_sasl_initial initial;
    (void)state;
    assert_int_equal(pgwire_read_sasl_initial(BODY("SCRAM-SHA-256\0\0\0\0\4n,,n"), &initial),
                     PGWIRE_OK);
    assert_slice(initial.mechanism, "SCRAM-SHA-256");
    assert_slice(initial.response, "n,,n");
    torture("sasl", BODY("SCRAM-SHA-256\0\0\0\0\4n,,n"), EXACT);
    assert_int_equal(pgwire_read_sasl_initial(BODY("X\0\xff\xff\xff\xff"), &initial), PGWIRE_OK);
    assert_null(initial.response.data);
    assert_refused("sasl", BODY("X\0\xff\xff\xff\xfe"));
}

static void reads_a_function_call(void **state)
{
    struct pgwire_function_call call;
    (void)state;
    assert_int_equal(pgwire_read_function_call(BODY("\0\0\3\xbb\0\1\0\1\0\1\0\0\0\2ab\0\1"), &call),
                     PGWIRE_OK);
    assert_int_equal(call.function_oid, 955);
    assert_int_equal(call.argument_count, 1);
    assert_int_equal(call.result_format, 1);
    torture("function_call", BODY("\0\0\3\xbb\0\1\0\1\0\1\0\0\0\2ab\0\1"), EXACT);
}

static void lets_nothing_follow_an_empty_message(void **state)
{
    (void)state;
    assert_int_equal(pgwire_read_empty(0), PGWIRE_OK);
    assert_int_equal(pgwire_read_empty(1), PGWIRE_MALFORMED);
}

static void leaves_its_output_alone_when_it_refuses(void **state)
{
    struct pgwire_bind bind;
    struct pgwire_bind before;
    (void)state;
    memset(&bind, 0x5a, sizeof(bind));
    memcpy(&before, &bind, sizeof(bind));
    assert_int_equal(pgwire_read_bind(bind_body, sizeof(bind_body) - 2, &bind), PGWIRE_MALFORMED);
    assert_memory_equal(&bind, &before, sizeof(bind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_login),
        cmocka_unit_test(refuses_a_login_whose_last_byte_is_no_terminator),
        cmocka_unit_test(leaves_another_major_protocol_to_the_caller),
        cmocka_unit_test(reads_a_cancel_key_of_either_protocol),
        cmocka_unit_test(reads_a_request_for_encryption),
        cmocka_unit_test(reads_parse),
        cmocka_unit_test(reads_bind),
        cmocka_unit_test(refuses_a_parameter_of_negative_length_but_null),
        cmocka_unit_test(reads_targets),
        cmocka_unit_test(reads_execute),
        cmocka_unit_test(reads_one_text),
        cmocka_unit_test(reads_the_first_word_of_sasl),
        cmocka_unit_test(reads_a_function_call),
        cmocka_unit_test(lets_nothing_follow_an_empty_message),
        cmocka_unit_test(leaves_its_output_alone_when_it_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
