/* The builder and the look-ups, on rows of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sql/catalog.h"

enum { QUERY_RELATIONS = 6, QUERY_INHERITS = 7, QUERY_CODE = 11 };

static enum err add(struct catalog_builder *builder, unsigned query, unsigned count,
                    const char *const *texts)
{
    struct slice values[16];

    for (unsigned i = 0; i < count; i++)
        values[i] = texts[i] ? slice_of_text(texts[i]) : (struct slice){0};
    return catalog_builder_add(builder, query, values, count);
}

static void relation_add(struct catalog_builder *builder, const char *oid, const char *schema,
                         const char *name, const char *kind)
{
    const char *row[] = {oid, schema, name, kind, "p", "f", "f", "10"};

    assert_int_equal(add(builder, QUERY_RELATIONS, 8, row), ERR_OK);
}

static struct catalog *small_catalog(void)
{
    struct catalog_builder *builder = catalog_builder_create();
    struct catalog *catalog = NULL;

    relation_add(builder, "20010", "public", "root", "p");
    relation_add(builder, "20005", "public", "leaf", "r");
    relation_add(builder, "20020", "s", "leaf", "p");
    relation_add(builder, "20030", "s", "alone", "r");
    relation_add(builder, "1259", "pg_catalog", "pg_class", "r");
    assert_int_equal(add(builder, QUERY_INHERITS, 2, (const char *[]){"20005", "20020"}), ERR_OK);
    assert_int_equal(add(builder, QUERY_INHERITS, 2, (const char *[]){"20020", "20010"}), ERR_OK);
    assert_int_equal(add(builder, QUERY_INHERITS, 2, (const char *[]){"30000", "30001"}), ERR_OK);
    assert_int_equal(catalog_builder_finish(builder, 42, &catalog), ERR_OK);
    return catalog;
}

static void finds_relations_and_their_roots(void **state)
{
    struct catalog *catalog = small_catalog();
    uint32_t oids[2];

    (void)state;
    assert_int_equal(catalog_version(catalog), 42);
    assert_true(catalog_bytes(catalog) > 0);
    assert_int_equal(catalog_root(catalog, 20010), 20005);
    assert_int_equal(catalog_root(catalog, 20020), 20005);
    assert_int_equal(catalog_root(catalog, 20005), 20005);
    assert_int_equal(catalog_root(catalog, 20030), 20030);
    assert_int_equal(catalog_root(catalog, 99), 99);
    assert_string_equal(catalog_relation_name(catalog, 20030), "s.alone");
    assert_null(catalog_relation_name(catalog, 99));
    assert_int_equal(catalog_relations_named(catalog, slice_of_text("leaf"), oids, 2), 2);
    assert_int_equal(oids[0], 20005);
    assert_int_equal(oids[1], 20020);
    assert_int_equal(catalog_relations_named(catalog, slice_of_text("leaf"), oids, 1), 2);
    assert_int_equal(catalog_relations_named(catalog, slice_of_text("s.leaf"), oids, 2), 1);
    assert_int_equal(oids[0], 20020);
    assert_int_equal(catalog_relations_named(catalog, slice_of_text("pg_class"), oids, 2), 0);
    assert_int_equal(catalog_relations_named(catalog, slice_of_text(""), oids, 2), 0);
    catalog_unref(catalog);
}

static void lives_until_the_last_reference(void **state)
{
    struct catalog *catalog = small_catalog();

    (void)state;
    assert_ptr_equal(catalog_ref(catalog), catalog);
    catalog_unref(catalog);
    assert_string_equal(catalog_relation_name(catalog, 20030), "s.alone");
    catalog_unref(catalog);
    catalog_unref(NULL);
}

static void an_empty_catalog_is_one(void **state)
{
    struct catalog *catalog = NULL;
    uint32_t oid;

    (void)state;
    assert_int_equal(catalog_builder_finish(catalog_builder_create(), 1, &catalog), ERR_OK);
    assert_int_equal(catalog_root(catalog, 5), 5);
    assert_int_equal(catalog_relations_named(catalog, slice_of_text("a"), &oid, 1), 0);
    catalog_unref(catalog);
}

static void refuses_malformed_rows(void **state)
{
    static const char *const bad[][8] = {
        {"x", "public", "t", "r", "p", "f", "f", "10"},
        {"", "public", "t", "r", "p", "f", "f", "10"},
        {"4294967296", "public", "t", "r", "p", "f", "f", "10"},
        {NULL, "public", "t", "r", "p", "f", "f", "10"},
        {"-1", "public", "t", "r", "p", "f", "f", "10"},
        {"1", NULL, "t", "r", "p", "f", "f", "10"},
        {"1", "public", "t", "rr", "p", "f", "f", "10"},
        {"1", "public", "t", "r", "", "f", "f", "10"},
        {"1", "public", "t", "r", "p", "true", "f", "10"},
        {"99999999999", "public", "t", "r", "p", "f", "f", "10"},
        {"1", "public", "t", "r", "p", "f", "", "10"},
        {"1", "public", "t", "r", "p", "f", "f", NULL},
    };
    static const char *const good[] = {"1", "public", "t", "r", "p", "f", "f", "10"};
    static const char *const bad_roles[] = {NULL,     "",    "{",    "16384",
                                            "{16384", "{x}", "{1,}", "{,1}"};
    struct catalog_builder *builder = catalog_builder_create();

    (void)state;
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_int_equal(add(builder, QUERY_RELATIONS, 8, bad[i]), ERR_MALFORMED);
    assert_int_equal(add(builder, QUERY_RELATIONS, 8, good), ERR_OK);
    assert_int_equal(add(builder, QUERY_RELATIONS, 7, good), ERR_MALFORMED);
    assert_int_equal(add(builder, catalog_query_count(), 8, good), ERR_MALFORMED);
    for (size_t i = 0; i < ARRAY_COUNT(bad_roles); i++) {
        const char *policy[] = {"p", "1", "{CONST}", bad_roles[i]};

        assert_int_equal(add(builder, QUERY_CODE, 4, policy), ERR_MALFORMED);
    }
    catalog_builder_destroy(builder);
    catalog_builder_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_relations_and_their_roots),
        cmocka_unit_test(lives_until_the_last_reference),
        cmocka_unit_test(an_empty_catalog_is_one),
        cmocka_unit_test(refuses_malformed_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
