"""Hazards of classes S, Q and P from the other side: next to each statement that must not be cached stands one that
differs in little, and is. A proof that refuses both would be right and of no use.

Not here, because this Postgres has no such thing:
  Q52   SYSTEM_USER, of PostgreSQL 16; tests/unit/sql/test_classify.c holds the verdict on its text
"""

import pytest

import hazard
import wire

shared_lab, lab = hazard.laboratory()

ONE = "create table x (a int, t timestamptz, s text); insert into x values (1, '2024-01-01 12:00+00', 'now');"

# id, tables, the near-by statement, what it answers
NEAR = [
    ("Q01-age-of-two-arguments", ONE, "select age(t, '2023-01-01 12:00+00') from x", "1 year"),
    ("Q02-a-day-in-place-of-today", ONE, "select '2024-01-01'::timestamp, E'\\x32024-01-01'::date from x", "2024-01-01 00:00:00"),
    ("Q02-now-within-a-word", ONE, "select 'nowhere', 'know' from x", "nowhere"),
    ("Q03-untyped-constant", ONE, "select count(*) from x where t < '2025-01-01'", "1"),
    ("Q04-view-without-a-clock", ONE + "create view w as select a, t + interval '1 day' from x;", "select a from w", "1"),
    ("Q05-built-in-operator", ONE + "create schema o; create function o.vol(int, int) returns int language sql volatile as 'select 1';"
     "create operator o.+ (leftarg = int, rightarg = int, function = o.vol);", "select a + 1 from x", "2"),
    ("Q06-built-in-cast", ONE, "select a::text::int from x", "1"),
    ("Q08-built-in-function", ONE + "create schema o; create function o.abs(int) returns int language sql immutable as 'select a from public.x';", "select abs(a) from x", "1"),
    ("Q09-xml-of-rows", ONE, "select xmlelement(name a, a) from x", "<a>1</a>"),
    ("Q10-query-spelled-out", ONE, "select xmlagg(xmlforest(a)) from x", "<a>1</a>"),
    ("Q13-table-named-pg_class", "create schema s; create table s.pg_class (relname text); insert into s.pg_class values ('r');", "select relname from s.pg_class", "r"),
    ("Q14-table-named-tables", "create table tables (n int); insert into tables values (3);", "select n from tables", "3"),
    ("Q15-bytea", "create table x (b bytea); insert into x values ('\\x01');", "select b from x", "\\x01"),
    ("Q16-alias-named-xmax", ONE, "select a as xmax from x", "1"),
    ("Q17-alias-named-ctid", ONE, "select a as ctid from x", "1"),
    ("Q18-oid-column", "create table y (o oid); insert into y values (7);", "select o from y", "7"),
    ("Q20-what-privileges-allow", ONE, "select a from x where a is not null", "1"),
    ("Q21-column-with-a-sequence", "create table x (id serial, a int); insert into x (a) values (5);", "select max(id) from x", "1"),
    ("Q23-limit-in-place-of-a-sample", ONE, "select a from x order by a limit 1", "1"),
    ("Q26-domain-in-a-column", "create domain dm as int check (value > 0); create table x (a dm); insert into x values (5);", "select a from x", "5"),
    ("Q31-one-constant-over-two-lines", ONE, "select 'a'\n'b' from x", "ab"),
    ("Q34-other-comments", ONE, "select /* p */ a as p from x", "1"),
    ("Q46-column-beside-a-function-of-the-row", ONE + "create function vol(x) returns float8 language sql volatile as 'select random()';", "select x.a, (x).a from x", "1"),
    ("Q47-row-security-with-a-sub-select", "create table acl (u name); insert into acl values ('postgres'); create table x (a int); insert into x values (1); alter table x enable row level security;"
     "create policy p on x using (exists (select from acl where u = current_user));", "select a from x", "1"),
    ("Q49-now-stays-text", ONE, "select s, s::varchar(9), upper(s) from x", "now"),
    ("Q50-record-of-numbers", "create table y (j json); insert into y values ('{\"a\": 1}');", "select r.a from y, json_to_record(j) as r(a int)", "1"),
]


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize(("tables", "read", "answer"), [c[1:] for c in NEAR], ids=[c[0] for c in NEAR])
def test_what_differs_in_little_is_cached(lab, tables, read, answer, protocol):
    a = lab.setup(tables)
    request = wire.query(read) if protocol == "simple" else wire.extended(read)
    messages = lab.cached_messages(a, request, read)
    assert wire.rows_of(messages)[0][0] == answer
    assert hazard.plain(messages) == hazard.plain(lab.direct().ask(request))


def test_Q11_Q12_who_has_no_temporary_table_goes_on_hitting(lab):
    a = lab.setup(ONE)
    b = lab.connect()
    assert lab.cached(a, "select a from x") == [["1"]]
    b.query("create temp table x as select 99 as a")
    assert lab.cached(a, "select a from x") == [["1"]]
    assert b.query("select a from x") == [["99"]]
    b.query("discard all")
    assert lab.cached(b, "select a from x") == [["1"]]


def test_Q22_a_table_beside_a_foreign_one_is_cached(lab):
    a = lab.setup("drop extension if exists file_fdw cascade; create extension file_fdw; create server files foreign data wrapper file_fdw;"
                  "create foreign table f (a int) server files options (filename '/dev/null');" + ONE)
    assert lab.cached(a, "select a from x") == [["1"]]
    a.query("drop extension file_fdw cascade")


def test_Q25_reads_are_cached_while_a_lock_is_held_elsewhere(lab):
    a = lab.setup(ONE)
    lab.direct().query("select pg_advisory_lock(7)")
    assert lab.cached(a, "select a from x") == [["1"]]
    a.query("begin; select pg_try_advisory_xact_lock(8); commit")
    assert lab.reaches("select a from x", lambda: a.query("select a from x")) == ([["1"]], 0)


def test_Q27_Q28_the_session_hits_again_when_its_block_is_over(lab):
    a = lab.setup(ONE)
    read = "select a from x"
    for body, end in (("select 1/0", "rollback"), ("update x set a = 2", "rollback"), ("update x set a = 1", "commit")):
        lab.cached(a, read)
        a.query("begin")
        hazard.outcome(a, body)
        a.query(end)
        assert lab.cached(a, read) == [["1"]], body


def test_Q29_a_block_with_a_new_snapshot_for_each_statement_hits(lab):
    a = lab.setup(ONE)
    read = "select a from x"
    lab.cached(a, read)
    a.query("begin isolation level read committed")
    assert lab.reaches(read, lambda: a.query(read)) == ([["1"]], 0)
    a.query("commit")


@pytest.mark.parametrize(("change", "read", "answer"), [
    ("drop table x; create table x as select 7 as a", "select a from x", [["7"]]),
    ("alter table x alter a type bigint", "select a from x", [["1"]]),
    ("create function g(varchar) returns text language sql immutable as 'select $1'", "select lower(s) from x", [["now"]]),
    ("alter table x drop column t, drop column s, add column b int default 7", "select * from x", [["1", "7"]]),
], ids=["Q32", "Q33", "Q35", "Q37"])
def test_the_new_answer_is_cached_after_ddl(lab, change, read, answer):
    a = lab.setup(ONE)
    lab.cached(a, read)
    lab.connect().query(change)
    assert a.query(read) == answer
    assert lab.cached(a, read) == answer


def test_Q42_Q43_the_query_of_a_cursor_or_of_prepare_is_cached_after_them(lab):
    a = lab.setup(ONE)
    read = "select a from x"
    a.query(f"begin; declare c cursor for {read}; fetch c; commit")
    a.query(f"prepare q as {read}")
    a.query("discard all")
    assert lab.cached(a, read) == [["1"]]
    assert lab.cached_messages(a, wire.extended(read), read)


def test_Q48_a_write_of_the_child_leaves_the_columns_of_the_parent_cached(lab):
    a = lab.setup("create table p (a int primary key, n int); insert into p values (1, 5); create table c (a int references p)")
    assert lab.cached(a, "select n from p") == [["5"]]
    lab.connect().query("insert into c values (1)")
    assert lab.reaches("select n from p", lambda: a.query("select n from p")) == ([["5"]], 0)


def test_P06_P09_all_rows_and_no_notice_are_cached(lab):
    a = lab.setup(ONE)
    read = "select a from x"
    assert wire.rows_of(lab.cached_messages(a, wire.extended(read, max_rows=0), read)) == [["1"]]
    assert "N" not in wire.tags_of(a.ask(wire.query(read)))


# ---- what the session is ----


def test_S09_row_security_that_asks_no_setting_is_cached(lab):
    lab.setup("create table x (t int); insert into x values (1), (2); grant select on x to public;"
              "alter table x enable row level security; create policy p on x using (t < length(current_user) - 3)")
    u = lab.connect("alice")
    lab.warm(u)
    assert lab.cached(u, "select t from x") == [["1"]]


def test_S21_similarity_itself_is_cached_where_the_operator_is_not(lab):
    a = lab.setup("create extension pg_trgm; create table x (a text); insert into x values ('abcd')")
    assert lab.cached(a, "select a from x where similarity(a, 'abc') > 0.3 order by a <-> 'abc'") == [["abcd"]]
    lab.never_cached(a, "select a from x where a % 'abc'")


def test_S29_a_name_that_is_just_short_enough_is_cached(lab):
    a = lab.setup(ONE)
    assert lab.cached(a, f"select a as {'n' * 63} from x") == [["1"]]


def test_S37_tables_are_cached_after_discard_all(lab):
    a = lab.setup(ONE)
    a.query("set app.z = 1")
    a.query("discard all")
    assert lab.cached(a, "select a from x") == [["1"]]
