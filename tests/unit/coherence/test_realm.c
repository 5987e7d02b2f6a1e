/* The promises of coherence/realm.h: what is closed cannot be stamped, what was bumped is another
 * value for ever, what was rolled back is the old one again, and nothing stays closed by mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "coherence/realm.h"
#include "sql/catalog.h"

enum { IDENTITY = 77, OTHER_IDENTITY = 78 };

static struct catalog *snapshot(uint64_t version)
{
    struct catalog *catalog = NULL;
    assert_int_equal(catalog_builder_finish(catalog_builder_create(), version, &catalog), ERR_OK);
    return catalog;
}

/* A realm that is open: identified, with a fresh snapshot. */
static void open_realm(struct realm *realm, uint64_t identity)
{
    realm_init(realm);
    realm_set_identity(realm, identity, 1);
    realm_set_catalog(realm, snapshot(realm_wanted(realm)));
    assert_true(realm_is_open(realm));
}

static struct write_set tables(uint32_t a, uint32_t b)
{
    struct write_set set = {0};
    write_set_add_table(&set, a);
    if (b)
        write_set_add_table(&set, b);
    return set;
}

static bool fill_holds(struct realm *realm, uint32_t table)
{
    struct stamp stamps[3];
    uint64_t token = token_scan(table);
    return realm_stamp(realm, stamps) == ERR_OK &&
           realm_stamp_tokens(realm, &token, 1, stamps + 2, 1) == ERR_OK;
}

static void closed_table_cannot_be_stamped_until_it_is_finished(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    struct stamp before[3], after[3];
    uint64_t token = token_scan(10);
    assert_int_equal(realm_stamp(&realm, before), ERR_OK);
    assert_int_equal(realm_stamp_tokens(&realm, &token, 1, before + 2, 1), ERR_OK);
    struct closing closing = {0};
    struct write_set set = tables(10, 0);
    realm_close(&realm, &set, realm_wanted(&realm), &closing);
    assert_false(stamps_hold(generation_words, before, 3));
    assert_false(fill_holds(&realm, 10));
    assert_true(fill_holds(&realm, 11));
    realm_finish(&closing, true);
    assert_true(fill_holds(&realm, 10));
    assert_false(stamps_hold(generation_words, before, 3));
    assert_int_equal(realm_stamp_tokens(&realm, &token, 1, after + 2, 1), ERR_OK);
    assert_true(after[2].value > before[2].value);
    realm_fini(&realm);
}

static void proven_rollback_brings_the_old_value_back(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    struct stamp before[2];
    assert_int_equal(realm_stamp(&realm, before), ERR_OK);
    struct closing closing = {0};
    struct write_set set = {.all = true};
    realm_close(&realm, &set, realm_wanted(&realm), &closing);
    assert_false(stamps_hold(generation_words, before, 2));
    realm_finish(&closing, false);
    assert_true(stamps_hold(generation_words, before, 2));
    realm_fini(&realm);
}

static void two_writers_keep_a_table_closed_until_both_are_done(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    struct closing first = {0}, second = {0};
    struct write_set set = tables(20, 21), one = tables(20, 0);
    realm_close(&realm, &set, realm_wanted(&realm), &first);
    realm_close(&realm, &one, realm_wanted(&realm), &second);
    realm_finish(&first, true);
    assert_false(fill_holds(&realm, 20));
    assert_true(fill_holds(&realm, 21));
    realm_finish(&second, false);
    assert_true(fill_holds(&realm, 20));
    realm_fini(&realm);
}

static void set_of_an_older_snapshot_closes_the_database(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    struct closing closing = {0};
    struct write_set set = tables(30, 0);
    realm_close(&realm, &set, realm_wanted(&realm) - 1, &closing);
    assert_false(fill_holds(&realm, 31));
    realm_finish(&closing, true);
    assert_true(fill_holds(&realm, 31));
    realm_fini(&realm);
}

static void ddl_makes_the_catalog_stale_for_every_name_of_the_database(void **state)
{
    (void)state;
    struct realm realm, alias;
    open_realm(&realm, IDENTITY);
    open_realm(&alias, IDENTITY);
    struct closing ddl = {0};
    struct write_set set = {.all = true, .ddl = true};
    realm_close(&realm, &set, realm_wanted(&realm), &ddl);
    realm_finish(&ddl, true);
    bool stale = false;
    assert_null(realm_catalog(&realm, &stale));
    assert_true(stale);
    assert_null(realm_catalog(&alias, &stale));
    realm_set_catalog(&realm, snapshot(realm_wanted(&realm)));
    struct catalog *fresh = realm_catalog(&realm, &stale);
    assert_non_null(fresh);
    catalog_unref(fresh);
    realm_fini(&realm);
    realm_fini(&alias);
}

/* naive: the write's tables alone are bumped, though a trigger that the DDL made reached others. */
static void write_that_ddl_overtakes_holds_the_whole_database(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    struct closing write = {0}, ddl = {0};
    struct write_set set = tables(40, 0), all = {.all = true, .ddl = true};
    realm_close(&realm, &set, realm_wanted(&realm), &write);
    realm_close(&realm, &all, realm_wanted(&realm), &ddl);
    realm_finish(&ddl, true);
    assert_false(fill_holds(&realm, 41));
    realm_finish(&write, false);
    assert_true(fill_holds(&realm, 41));
    assert_true(fill_holds(&realm, 40));
    realm_fini(&realm);
}

/* A regression: what closed everything was widened as well, and never opened the database again. */
static void ddl_beside_a_write_of_everything_leaves_nothing_closed(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    struct closing first = {0}, second = {0};
    struct write_set everything = {.everything = true, .all = true, .ddl = true};
    realm_close(&realm, &everything, realm_wanted(&realm), &first);
    realm_close(&realm, &everything, realm_wanted(&realm), &second);
    realm_finish(&first, true);
    assert_false(fill_holds(&realm, 50));
    realm_finish(&second, true);
    assert_true(fill_holds(&realm, 50));
    realm_fini(&realm);
}

static void extended_closing_ends_as_a_whole(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    struct closing closing = {0};
    struct write_set one = tables(60, 0), other = tables(61, 0);
    realm_close(&realm, &one, realm_wanted(&realm), &closing);
    realm_extend(&closing, &other, realm_wanted(&realm));
    assert_false(fill_holds(&realm, 60));
    assert_false(fill_holds(&realm, 61));
    realm_finish(&closing, true);
    assert_true(fill_holds(&realm, 60));
    assert_true(fill_holds(&realm, 61));
    assert_false(closing_is_on(&closing));
    realm_fini(&realm);
}

static void lost_backend_shuts_and_the_same_server_opens_again(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    struct stamp before[2];
    assert_int_equal(realm_stamp(&realm, before), ERR_OK);
    realm_shut(&realm);
    realm_shut(&realm);
    assert_false(stamps_hold(generation_words, before, 2));
    realm_set_identity(&realm, IDENTITY, 1);
    realm_confirm(&realm, 1);
    assert_true(stamps_hold(generation_words, before, 2));
    realm_fini(&realm);
}

/* naive: the old snapshot served on, though nobody looked while the connection was lost. */
static void lost_control_connection_needs_a_new_snapshot(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    realm_lose(&realm);
    realm_set_identity(&realm, IDENTITY, 1);
    realm_confirm(&realm, 1);
    assert_false(realm_is_open(&realm));
    realm_set_catalog(&realm, snapshot(realm_wanted(&realm)));
    assert_true(realm_is_open(&realm));
    realm_fini(&realm);
}

static void restarted_server_drops_what_was_stored_before(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    struct stamp before[2];
    assert_int_equal(realm_stamp(&realm, before), ERR_OK);
    realm_shut(&realm);
    realm_set_identity(&realm, IDENTITY, 2);
    realm_confirm(&realm, 2);
    assert_false(realm_is_open(&realm));
    realm_set_catalog(&realm, snapshot(realm_wanted(&realm)));
    assert_true(realm_is_open(&realm));
    assert_false(stamps_hold(generation_words, before, 2));
    realm_fini(&realm);
}

static void unknown_server_closes_everything(void **state)
{
    (void)state;
    struct realm known, unknown;
    open_realm(&known, OTHER_IDENTITY);
    realm_init(&unknown);
    struct closing closing = {0};
    struct write_set set = tables(70, 0);
    realm_close(&unknown, &set, 0, &closing);
    assert_false(fill_holds(&known, 1));
    realm_finish(&closing, true);
    assert_true(fill_holds(&known, 1));
    realm_fini(&known);
    realm_fini(&unknown);
}

static void moved_closing_is_finished_in_its_new_place(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    struct closing from = {0}, to = {0};
    struct write_set set = tables(80, 0);
    realm_close(&realm, &set, realm_wanted(&realm), &from);
    closing_move(&from, &to);
    assert_false(closing_is_on(&from));
    assert_false(fill_holds(&realm, 80));
    realm_finish(&to, true);
    assert_true(fill_holds(&realm, 80));
    realm_fini(&realm);
}

static void barred_realm_gives_no_stamps_and_what_was_stored_before_is_dead(void **state)
{
    (void)state;
    struct realm realm;
    struct stamp before[2];
    open_realm(&realm, IDENTITY);
    assert_int_equal(realm_stamp(&realm, before), ERR_OK);
    realm_bar(&realm, true);
    realm_bar(&realm, true); /* once is enough */
    assert_false(fill_holds(&realm, 12));
    assert_false(stamps_hold(generation_words, before, 2));
    assert_true(realm_is_unused(&realm)); /* nobody's write */
    realm_set_identity(&realm, OTHER_IDENTITY, 2);
    realm_bar(&realm, true);
    realm_set_catalog(&realm, snapshot(realm_wanted(&realm)));
    assert_false(fill_holds(&realm, 12)); /* the bar goes along */
    realm_bar(&realm, false);
    assert_true(fill_holds(&realm, 12));
    assert_false(stamps_hold(generation_words, before, 2));
    realm_fini(&realm);
}

static void forgotten_realm_knows_nothing_and_leaves_its_database_open_for_other_names(void **state)
{
    (void)state;
    struct realm realm, other;
    struct stamp before[2];
    open_realm(&realm, IDENTITY);
    open_realm(&other, IDENTITY);
    assert_int_equal(realm_stamp(&realm, before), ERR_OK);
    struct closing closing = {0};
    struct write_set set = tables(40, 0);
    realm_close(&realm, &set, realm_wanted(&realm), &closing);
    assert_false(realm_is_unused(&realm));
    realm_finish(&closing, true);
    assert_true(realm_is_unused(&realm));
    realm_lose(&realm);
    realm_forget(&realm);
    assert_false(fill_holds(&realm, 40));
    assert_false(realm_is_open(&realm));
    bool stale;
    assert_null(realm_catalog(&realm, &stale));
    assert_false(stale);
    assert_true(fill_holds(&other, 40));
    assert_false(stamps_hold(generation_words, before, 2));
    realm_set_identity(&realm, OTHER_IDENTITY, 1);
    assert_false(fill_holds(&realm, 40)); /* no catalog yet */
    realm_set_catalog(&realm, snapshot(realm_wanted(&realm)));
    assert_true(fill_holds(&realm, 40));
    assert_true(fill_holds(&other, 40));
    realm_fini(&realm);
    realm_fini(&other);
}

static void set_of_too_many_tables_is_the_whole_database(void **state)
{
    (void)state;
    struct write_set set = {0};
    for (uint32_t i = 1; i <= WRITE_SET_TABLES_MAX; i++)
        write_set_add_table(&set, i);
    write_set_add_table(&set, 1);
    assert_false(set.all);
    write_set_add_table(&set, WRITE_SET_TABLES_MAX + 1);
    assert_true(set.all);
}

/* ---- keys ---- */

enum { TABLE = 70, ID = 1, OWNER = 2 };

/* A read of the rows with `column` = `value`. */
static void stamp_key(struct realm *realm, uint32_t column, uint64_t value, struct stamp stamps[5])
{
    const uint64_t tokens[] = {token_all(TABLE), token_column(TABLE, column),
                               token_key(TABLE, column, value)};
    assert_int_equal(realm_stamp(realm, stamps), ERR_OK);
    assert_int_equal(realm_stamp_tokens(realm, tokens, 3, stamps + 2, 3), ERR_OK);
}

static void stamp_scan(struct realm *realm, struct stamp stamps[3])
{
    const uint64_t token = token_scan(TABLE);
    assert_int_equal(realm_stamp(realm, stamps), ERR_OK);
    assert_int_equal(realm_stamp_tokens(realm, &token, 1, stamps + 2, 1), ERR_OK);
}

/* UPDATE .. WHERE id = value, of a table with the key columns id and owner. */
static struct write_set write_by_id(uint64_t value)
{
    struct write_set set = {0};
    write_set_add_key(&set, TABLE, token_scan(TABLE));
    write_set_add_key(&set, TABLE, token_key(TABLE, ID, value));
    write_set_add_key(&set, TABLE, token_column(TABLE, OWNER));
    return set;
}

static void write_by_key_moves_its_key_every_scan_and_the_other_columns(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    struct stamp same[5], other[5], owner[5], scan[3];
    stamp_key(&realm, ID, 1, same);
    stamp_key(&realm, ID, 2, other);
    stamp_key(&realm, OWNER, 2, owner);
    stamp_scan(&realm, scan);
    struct closing closing = {0};
    struct write_set set = write_by_id(1);
    realm_close(&realm, &set, realm_wanted(&realm), &closing);
    assert_false(stamps_hold(generation_words, same, 5));
    realm_finish(&closing, true);
    assert_false(stamps_hold(generation_words, same, 5));
    assert_true(stamps_hold(generation_words, other, 5));
    assert_false(stamps_hold(generation_words, owner, 5));
    assert_false(stamps_hold(generation_words, scan, 3));
    realm_fini(&realm);
}

static void write_of_unknown_rows_moves_every_key_and_every_scan(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    struct stamp key[5], scan[3];
    stamp_key(&realm, ID, 1, key);
    stamp_scan(&realm, scan);
    struct write_set set = tables(TABLE, 0);
    realm_bump(&realm, &set);
    assert_false(stamps_hold(generation_words, key, 5));
    assert_false(stamps_hold(generation_words, scan, 3));
    realm_fini(&realm);
}

static void write_by_key_on_an_older_snapshot_closes_the_database(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    struct stamp other[5];
    stamp_key(&realm, ID, 2, other);
    struct closing closing = {0};
    struct write_set set = write_by_id(1);
    realm_close(&realm, &set, realm_wanted(&realm) - 1, &closing);
    assert_false(stamps_hold(generation_words, other, 5));
    realm_finish(&closing, true);
    assert_false(stamps_hold(generation_words, other, 5));
    realm_fini(&realm);
}

static void keys_give_way_to_their_table_within_one_closing(void **state)
{
    (void)state;
    struct realm realm;
    open_realm(&realm, IDENTITY);
    struct stamp same[5], other[5];
    stamp_key(&realm, ID, 1, same);
    stamp_key(&realm, ID, 2, other);
    struct closing closing = {0};
    struct write_set set = write_by_id(1);
    realm_close(&realm, &set, realm_wanted(&realm), &closing);
    struct write_set more = tables(TABLE, 0);
    realm_extend(&closing, &more, realm_wanted(&realm));
    assert_false(stamps_hold(generation_words, same, 5));
    assert_false(stamps_hold(generation_words, other, 5));
    realm_finish(&closing, true);
    assert_false(stamps_hold(generation_words, same, 5));
    assert_false(stamps_hold(generation_words, other, 5));
    stamp_key(&realm, ID, 1, same); /* nothing is left closed */
    realm_fini(&realm);
}

static void set_of_too_many_keys_is_their_tables(void **state)
{
    (void)state;
    struct write_set set = {0};
    write_set_add_key(&set, 5, token_scan(5));
    for (unsigned i = 1; i < WRITE_SET_KEYS_MAX; i++)
        write_set_add_key(&set, TABLE, token_key(TABLE, ID, i));
    write_set_add_key(&set, 5, token_scan(5));
    assert_int_equal(set.count, 0);
    assert_int_equal(set.key_count, WRITE_SET_KEYS_MAX);
    write_set_add_key(&set, TABLE, token_key(TABLE, ID, 1000));
    assert_int_equal(set.key_count, 0);
    assert_int_equal(set.count, 2);
    assert_false(set.all);
    write_set_add_key(&set, TABLE, token_key(TABLE, ID, 7));
    assert_int_equal(set.key_count, 0);
}

static void whole_table_takes_the_place_of_its_keys_alone(void **state)
{
    (void)state;
    struct write_set set = {0};
    write_set_add_key(&set, 5, token_key(5, ID, 1));
    write_set_add_key(&set, 6, token_key(6, ID, 1));
    write_set_add_table(&set, 5);
    assert_int_equal(set.key_count, 1);
    assert_int_equal(set.keys[0].table, 6);
    assert_int_equal(set.count, 1);
}

static void tokens_of_kinds_columns_and_values_differ(void **state)
{
    (void)state;
    const uint64_t tokens[] = {
        token_scan(1),      token_all(1),       token_column(1, 1), token_column(1, 2),
        token_key(1, 1, 1), token_key(1, 1, 2), token_key(1, 2, 1), token_key(2, 1, 1),
        token_scan(2),      token_all(2),       token_column(2, 1),
    };
    for (unsigned i = 0; i < ARRAY_COUNT(tokens); i++)
        for (unsigned at = 0; at < i; at++)
            assert_true(tokens[i] != tokens[at]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_by_key_moves_its_key_every_scan_and_the_other_columns),
        cmocka_unit_test(write_of_unknown_rows_moves_every_key_and_every_scan),
        cmocka_unit_test(write_by_key_on_an_older_snapshot_closes_the_database),
        cmocka_unit_test(keys_give_way_to_their_table_within_one_closing),
        cmocka_unit_test(set_of_too_many_keys_is_their_tables),
        cmocka_unit_test(whole_table_takes_the_place_of_its_keys_alone),
        cmocka_unit_test(tokens_of_kinds_columns_and_values_differ),
        cmocka_unit_test(closed_table_cannot_be_stamped_until_it_is_finished),
        cmocka_unit_test(proven_rollback_brings_the_old_value_back),
        cmocka_unit_test(two_writers_keep_a_table_closed_until_both_are_done),
        cmocka_unit_test(set_of_an_older_snapshot_closes_the_database),
        cmocka_unit_test(ddl_makes_the_catalog_stale_for_every_name_of_the_database),
        cmocka_unit_test(write_that_ddl_overtakes_holds_the_whole_database),
        cmocka_unit_test(ddl_beside_a_write_of_everything_leaves_nothing_closed),
        cmocka_unit_test(extended_closing_ends_as_a_whole),
        cmocka_unit_test(lost_backend_shuts_and_the_same_server_opens_again),
        cmocka_unit_test(lost_control_connection_needs_a_new_snapshot),
        cmocka_unit_test(restarted_server_drops_what_was_stored_before),
        cmocka_unit_test(unknown_server_closes_everything),
        cmocka_unit_test(moved_closing_is_finished_in_its_new_place),
        cmocka_unit_test(barred_realm_gives_no_stamps_and_what_was_stored_before_is_dead),
        cmocka_unit_test(
            forgotten_realm_knows_nothing_and_leaves_its_database_open_for_other_names),
        cmocka_unit_test(set_of_too_many_tables_is_the_whole_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
