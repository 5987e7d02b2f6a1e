"""Hazards of class Q: reads that may not be answered from the cache, or not under the key of another.

Where a read must never be cached, its answer is changed behind pgrecall's back or by itself, and the
next read has to show it at once; meanwhile the canary proves that the session's cache works. Where a
read may be cached but a change of names or types alters it, the change goes through pgrecall.

Not here:
  Q07, Q19, Q24, Q30, Q36, Q38-Q41, Q44, Q45   of the catalogue's own numbering, never given
  Q52                                          needs Postgres 16
  Q51                                          is S37
"""

import pathlib
import struct

import pytest

import hazard
import servers
import wire

shared_lab, lab = hazard.laboratory(["max_prepared_transactions = 10"])

ONE = "create table x (a int, s text, t timestamptz, z time, j json); insert into x values (1, 'abc', '2000-01-01', '10:00', '{\"t\": \"2000-01-01\"}');"
VOLATILE = "create function vol(int) returns int language sql volatile as $$ select (random() * 1e9)::int + $1 * 0 $$;"

# id, tables, read: two answers in a row differ.
DIFFERENT_EACH_TIME = [
    ("Q01-old-now", ONE, "select now() from x"),
    ("Q01-current-timestamp", ONE, "select current_timestamp, a from x"),
    ("Q01-localtime", ONE, "select localtime from x"),
    ("Q01-statement-timestamp", ONE, "select statement_timestamp() from x"),
    ("Q01-age-of-one-argument-in-where", ONE, "select a, clock_timestamp() from x where age(t) > '1 year'"),
    ("Q02-old-now-literal", ONE, "select 'now'::timestamp from x"),
    ("Q02-typed-literal", ONE, "select timestamptz 'now' from x"),
    ("Q02-upper-case-and-blanks", ONE, "select '  NOW '::timestamptz from x"),
    ("Q02-escape-string", ONE, "select E'\\x6eow'::timestamptz from x"),
    ("Q02-octal-escape", ONE, "select E'n\\157w'::timestamptz from x"),
    ("Q02-unicode-escape", ONE, "select U&'\\006eow'::timestamptz from x"),
    ("Q02-unicode-escape-of-its-own", ONE, "select U&'!006eow' uescape '!'::timestamptz from x"),
    ("Q02-dollar-quotes", ONE, "select $$now$$::timestamptz from x"),
    ("Q02-array", ONE, "select '{now}'::timestamptz[] from x"),
    ("Q02-range", ONE, "select '[now,infinity)'::tstzrange from x"),
    ("Q02-array-with-a-backslash", ONE, r"select '{n\ow}'::timestamptz[] from x"),
    ("Q02-range-with-quotes", ONE, """select '[n"o"w,infinity)'::tstzrange from x"""),
    ("Q02-multirange-with-a-backslash", ONE, r"select '{[n\ow,infinity)}'::tstzmultirange from x"),
    ("Q02-record", ONE + "create type pair as (a int, t timestamptz);", "select '(1,now)'::pair from x"),
    ("Q02-joined-at-run-time", ONE, "select ('n' || 'ow')::timestamptz from x"),
    ("Q02-case", ONE, "select (case when a = 1 then 'n' else 'x' end || 'ow')::timestamptz from x"),
    ("Q02-functional-notation", ONE, "select timestamptz('n' || 'ow') from x"),
    ("Q02-functional-timestamp", ONE, "select \"timestamp\"('n' || 'ow') from x"),
    ("Q02-pg_catalog-functional", ONE, "select pg_catalog.timestamptz('n' || 'ow') from x"),
    ("Q02-attribute-notation", ONE, "select (y.s).timestamptz from (select 'n' || 'ow' as s from x) y"),
    ("Q02-array-element", ONE, "select (array['n' || 'ow'])::timestamptz[] from x"),
    ("Q02-concat", ONE, "select concat('n', 'ow')::timestamptz from x"),
    ("Q02-replace", ONE, "select cast(replace('nxw', 'x', 'o') as timestamptz) from x"),
    ("Q02-chr", ONE, "select (chr(110) || 'ow')::timestamptz from x"),
    ("Q02-domain", ONE + "create domain moment as timestamptz;", "select ('n' || 'ow')::moment from x"),
    ("Q02-coalesce", ONE, "select coalesce(null, 'n' || 'ow')::timestamptz from x"),
    ("Q04-view-of-clock", ONE + "create view w as select a, clock_timestamp() from x;", "select * from w"),
    ("Q04-view-of-view", ONE + "create view w as select a, clock_timestamp() c from x; create view w2 as select * from w;", "select c from w2"),
    ("Q04-view-of-now", ONE + "create view w as select a, now() n from x;", "select n from w"),
    ("Q05-operator-on-volatile", ONE + VOLATILE + "create function vadd(int, int) returns int language sql as 'select vol($1)';"
     "create operator @+@ (leftarg = int, rightarg = int, procedure = vadd);", "select a @+@ a from x"),
    ("Q05-schema-qualified-operator", ONE + VOLATILE + "create function vadd(int, int) returns int language sql as 'select vol($1)';"
     "create operator @+@ (leftarg = int, rightarg = int, procedure = vadd);", "select a operator(public.@+@) a from x"),
    ("Q06-cast-on-volatile", ONE + "create type box1 as (v int); create function tobox(int) returns box1 language sql volatile as"
     " 'select row((random() * 1e9)::int)::box1'; create cast (int as box1) with function tobox(int);", "select a::box1 from x"),
    ("Q23-tablesample", "create table x as select i as a from generate_series(1, 2000) i;", "select sum(a) from x tablesample bernoulli (50)"),
    ("Q46-attribute-notation", ONE + "create function vol(x) returns double precision language sql volatile as 'select random()';", "select x.vol from x"),
    ("Q46-attribute-notation-of-a-row", ONE + "create function vol(x) returns double precision language sql volatile as 'select random()';", "select (x).vol from x"),
    ("Q46-attribute-notation-of-an-alias", ONE + "create function vol(x) returns double precision language sql volatile as 'select random()';", "select y.vol from x y"),
    ("Q46-in-where", ONE + "create function vol(x) returns double precision language sql volatile as 'select random()';", "select a, y.vol from x as y where y.vol >= 0"),
    ("Q-random", ONE, "select random() from x"),
    ("Q-random-in-order", "create table x as select i as a from generate_series(1, 1000) i;", "select a from x order by random() limit 20"),
    ("Q-gen_random_uuid", ONE, "select gen_random_uuid() from x"),
    ("Q-volatile-in-a-cte", ONE, "with q as (select random() r) select r from q, x"),
    ("Q-volatile-in-a-sub-select", ONE, "select a from x where (select random()) >= 0 union all select (random() * 1e9)::int"),
    ("Q-volatile-in-lateral", ONE, "select r from x, lateral (select random() r) l"),
    ("Q-volatile-in-values", ONE, "values (random())"),
    ("Q-volatile-in-a-range-function", ONE, "select * from random()"),
    ("Q-volatile-in-rows-from", ONE, "select * from rows from (random(), generate_series(1, 2))"),
    ("Q-volatile-in-offset", "create table x as select i as a from generate_series(1, 100000) i;", "select a from x order by a offset (random() * 99999)::int limit 1"),
    ("Q-volatile-in-a-window-frame", ONE, "select sum(random()) over (order by a rows between 1 preceding and current row) from x"),
    ("Q-volatile-in-filter", ONE, "select count(*) filter (where random() >= 0), random() from x"),
    ("Q-volatile-in-array", ONE, "select array[random()] from x"),
    ("Q-volatile-in-xml", ONE, "select xmlelement(name a, random()) from x"),
    ("Q-volatile-in-json-argument", ONE, "select json_build_object('a', random()) from x"),
    ("Q-named-argument", ONE + VOLATILE.replace("vol(int)", "vol(n int)").replace("$1", "n"), "select vol(n => a) from x"),
    ("Q-table-function", ONE + "create function rows_of() returns setof double precision language sql volatile as 'select random() from x';", "select * from rows_of()"),
    ("Q-generated-default-of-domain", ONE + "create domain dm as int check (value >= 0);", "select 1::dm, clock_timestamp() from x"),
    ("Q-txid", ONE, "select txid_current() from x"),
    ("Q-nextval", ONE + "create sequence sq;", "select nextval('sq') from x"),
    ("Q-quoted-function", ONE, "select \"random\"() from x"),
    ("Q-unicode-quoted-function", ONE, "select U&\"r\\0061ndom\"() from x"),
    ("Q46-attribute-of-a-functions-alias", ONE, "select g.timestamptz from x, unnest(array['n' || 'ow']) g"),
    ("Q-sub-second", ONE, "select extract(epoch from clock_timestamp()) from x"),
]


@pytest.mark.parametrize(("tables", "read"), [c[1:] for c in DIFFERENT_EACH_TIME], ids=[c[0] for c in DIFFERENT_EACH_TIME])
@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_same_answer_not_another_each_time(lab, tables, read, protocol):
    cold = "create cast" in tables
    a = lab.setup(tables, cold=cold)
    ask = a.query if protocol == "simple" else lambda sql: rows_or_error(a, wire.extended(sql))
    answers = [ask(read) for _ in range(3)]
    assert answers[0] != answers[1] != answers[2] != answers[0]
    if not cold:
        lab.warm()


def rows_or_error(client, request):
    messages = client.ask(request)
    assert not wire.errors_of(messages), wire.errors_of(messages)
    return wire.rows_of(messages)


# ---- answers that a change behind pgrecall's back alters -----------------------------------

# id, tables, read, change
CHANGED_BEHIND = [
    ("Q03-0-not-1-untyped-now", "create table x (t timestamp); insert into x values (clock_timestamp() + '1 hour');", "select count(*) from x where t < 'now'", "update x set t = t - interval '2 hours'"),
    ("Q03-in-between", "create table x (t timestamp); insert into x values (clock_timestamp() + '1 hour');", "select count(*) from x where t between '-infinity' and 'now'", "update x set t = t - interval '2 hours'"),
    ("Q08-1-not-2-immutable-function-reads", ONE + "create function f() returns int language sql immutable as 'select a from x';", "select f()", "update x set a = 2"),
    ("Q08-in-where", ONE + "create table y (a int); insert into y values (1), (2); create function f() returns int language plpgsql immutable as $$ begin return (select a from x); end $$;",
     "select a from y where a = f()", "update x set a = 2"),
    ("Q08-in-a-view", ONE + "create function f() returns int language sql immutable as 'select a from x'; create view w as select f() v;", "select v from w", "update x set a = 2"),
    ("Q08-in-an-operator", ONE + "create function f(int, int) returns int language sql immutable as 'select a from x';"
     "create operator @@@ (leftarg = int, rightarg = int, procedure = f);", "select 1 @@@ 1", "update x set a = 2"),
    ("Q08-in-an-aggregate", ONE + "create function f(int, int) returns int language sql immutable as 'select a from x';"
     "create aggregate ag(int) (sfunc = f, stype = int, initcond = '0');", "select ag(i) from generate_series(1, 3) i", "update x set a = 2"),
    ("Q08-function-in-the-path-before-pg_catalog", ONE + "create schema s; create function s.lower(text) returns text language sql immutable as 'select a::text from public.x';",
     "select s.lower('X')", "update x set a = 2"),
    ("Q09-1-not-2-table_to_xml", ONE, "select table_to_xml('x', true, false, '')", "update x set a = 2"),
    ("Q09-schema_to_xml", ONE, "select schema_to_xml('public', true, false, '')", "update x set a = 2"),
    ("Q10-1-not-2-query_to_xml", ONE, "select query_to_xml('select a from x', true, false, '')", "update x set a = 2"),
    ("Q13-0-not-1-pg_class", ONE, "select count(*) from pg_class where relname = 'later'", "create table later ()"),
    ("Q13-pg_catalog-qualified", ONE, "select count(*) from pg_catalog.pg_class where relname = 'later'", "create table later ()"),
    ("Q13-view-of-pg_class", ONE + "create view w as select relname from pg_class;", "select count(*) from w where relname = 'later'", "create table later ()"),
    ("Q13-joined", ONE, "select count(*) from x join pg_class c on relname = 'later'", "create table later ()"),
    ("Q13-pg_settings", ONE, "select count(*) from pg_prepared_xacts", "begin; create table later (); prepare transaction 'q13'"),
    ("Q14-0-not-1-information_schema", ONE, "select count(*) from information_schema.tables where table_name = 'later'", "create table later ()"),
    ("Q18-x-not-z-regclass-column", ONE + "create table y (r regclass); insert into y values ('x');", "select r from y", "alter table x rename to z"),
    ("Q18-cast", ONE + "create table y (o oid); insert into y values ('x'::regclass);", "select o::regclass from y", "alter table x rename to z"),
    ("Q18-literal", ONE, "select 'public.x'::regclass::oid > 0, to_regclass('z') is null", "alter table x rename to z; create table x ()"),
    ("Q18-regrole", ONE + "create table y (o oid); insert into y select oid from pg_roles where rolname = 'keeper';", "select o::regrole from y", "alter role keeper rename to kept"),
    ("Q20-f-not-t-has_table_privilege", ONE, "select has_table_privilege('alice', 'x', 'select') from x", "grant select on x to alice"),
    ("Q21-f-not-t-sequence", "create sequence sq; select nextval('sq');", "select last_value from sq", "select nextval('sq')"),
    ("Q21-pg_sequences", "create sequence sq;", "select last_value from pg_sequences where sequencename = 'sq'", "select nextval('sq')"),
    ("Q47-view-of-a-sequence", "create sequence sq; create view w as select last_value v from sq; select nextval('sq');", "select v from w", "select nextval('sq')"),
    ("Q-pg_relation_size", ONE, "select pg_relation_size('x')", "insert into x select i from generate_series(1, 5000) i"),
    ("Q-obj_description", ONE, "select obj_description('x'::regclass)", "comment on table x is 'said'"),
    ("Q-col_description", ONE, "select col_description('x'::regclass, 1)", "comment on column x.a is 'said'"),
    ("Q-pg_get_viewdef", ONE + "create view w as select a from x;", "select pg_get_viewdef('w'::regclass)", "alter table x rename column a to b"),
    ("Q-pg_stat", ONE, "select count(*) from pg_stat_activity where application_name = 'seen'", "set application_name = 'seen'"),
]


@pytest.mark.parametrize(("tables", "read", "change"), [c[1:] for c in CHANGED_BEHIND], ids=[c[0] for c in CHANGED_BEHIND])
@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_stale_answer_to_what_changes_unseen(lab, tables, read, change, protocol):
    a = lab.setup(tables)
    ask = a.query if protocol == "simple" else lambda sql: rows_or_error(a, wire.extended(sql))
    try:
        first = [ask(read) for _ in range(3)][-1]
        lab.behind(change)
        right = lab.behind(read)
        assert first != right, "the change changes nothing"
        assert ask(read) == right
        if "create table" not in change and "alter table" not in change:
            lab.warm()
    finally:
        if "prepare transaction" in change:
            lab.behind("rollback prepared 'q13'")
        if "alter role" in change:
            lab.behind("alter role kept rename to keeper")
        lab.behind("reset application_name")


def test_Q11_1_not_99_of_a_temporary_table_in_its_way(lab):
    a = lab.setup(ONE)
    read = "select a from x"
    assert lab.cached(a, read) == [["1"]]
    for make in ("create temp table x as select 99 as a", "select 99 as a into temp x", "create temp view x as select 99 as a",
                 "begin; create temp table x as select 99 as a; commit", "create table pg_temp.x as select 99 as a"):
        b = lab.connect()
        b.query(make)
        for _ in range(2):
            assert b.query(read) == [["99"]], make
            assert a.query(read) == [["1"]]
        b.query("discard temp")
        assert b.query(read) == [["1"]]


def test_Q12_1_not_99_of_a_temporary_table_made_by_a_function(lab):
    a = lab.setup(ONE + "create function f() returns void language plpgsql as $$ begin create temp table x as select 99 as a; end $$")
    assert lab.cached(a, "select a from x") == [["1"]]
    for make in ("select f()", "do $$ begin create temp table x as select 99 as a; end $$"):
        b = lab.connect()
        b.query(make)
        for _ in range(2):
            assert b.query("select a from x") == [["99"]]
            assert a.query("select a from x") == [["1"]]
        b.close()
        lab.clients.remove(b)
        for _ in range(3):
            assert lab.connect().query("select a from x") == [["1"]]


def test_Q15_01_not_02_of_a_large_object(lab):
    a = lab.setup()
    (oid,) = a.query("select lo_from_bytea(0, '\\x01')")[0]
    try:
        assert [a.query(f"select lo_get({oid})") for _ in range(3)] == [[["\\x01"]]] * 3
        lab.behind(f"select lo_put({oid}, 0, '\\x02')")
        assert a.query(f"select lo_get({oid})") == [["\\x02"]]
    finally:
        lab.behind(f"select lo_unlink({oid})")


@pytest.mark.parametrize("column", ["xmax", "x.xmax", "y.xmax", "(select xmax)"])
def test_Q16_0_not_xid_after_a_row_lock(lab, column):
    a = lab.setup(ONE)
    read = f"select {column} from x y" if "y" in column else f"select {column} from x"
    assert [a.query(read) for _ in range(3)] == [[["0"]]] * 3
    lab.behind("select * from x for update")
    assert a.query(read) == lab.behind(read) != [["0"]]


def test_Q48_0_not_xid_after_a_foreign_key_check(lab):
    a = lab.setup("create table x (a int primary key); insert into x values (1); create table y (a int references x)")
    assert [a.query("select xmax from x") for _ in range(3)] == [[["0"]]] * 3
    lab.behind("insert into y values (1)")
    assert a.query("select xmax from x") == lab.behind("select xmax from x") != [["0"]]


def test_Q17_02_not_01_ctid_after_vacuum_full(lab):
    a = lab.setup(ONE)
    a.query("update x set a = 2")
    assert [a.query("select ctid from x") for _ in range(3)] == [[["(0,2)"]]] * 3
    lab.behind("vacuum full x")
    assert a.query("select ctid from x") == [["(0,1)"]]


@pytest.mark.parametrize("column", ["xmin", "cmin", "cmax", "tableoid"])
def test_Q17_system_columns_are_not_cached(lab, column):
    a = lab.setup(ONE)
    lab.never_cached(a, f"select {column} from x")


def test_Q22_1_not_2_of_a_foreign_table_after_its_file_changed(lab):
    file = pathlib.Path(lab.postgres.directory) / "foreign.csv"
    file.write_text("1\n")
    file.chmod(0o644)
    a = lab.setup("drop extension if exists file_fdw cascade; create extension file_fdw; create server files foreign data wrapper file_fdw;"
                  f"create foreign table x (a int) server files options (filename '{file}'); create view w as select a from x;"
                  "create table p (a int); create foreign table c () inherits (p) server files"
                  f" options (filename '{file}')")
    for read in ("select a from x", "select a from w", "select a from p"):
        file.write_text("1\n")
        assert [a.query(read) for _ in range(3)] == [[["1"]]] * 3
        file.write_text("2\n")
        assert a.query(read) == [["2"]]


@pytest.mark.parametrize("function", ["pg_try_advisory_lock(7)", "pg_try_advisory_xact_lock(7)"])
def test_Q25_t_not_f_of_an_advisory_lock_held_elsewhere(lab, function):
    a = lab.setup()
    assert a.query(f"select {function}") == [["t"]]
    if "xact" not in function:
        a.query("select pg_advisory_unlock(7)")
    holder = lab.direct()
    holder.query("select pg_advisory_lock(7)")
    assert a.query(f"select {function}") == [["f"]]


def test_Q26_5_not_23514_of_a_domain_whose_check_reads(lab):
    a = lab.setup("create table y (m int); insert into y values (10); create function f(int) returns bool language sql immutable as"
                  " 'select $1 < (select m from y)'; create domain dm as int check (f(value)); create table x (a int); insert into x values (5)")
    read = "select a::dm from x"
    assert [a.query(read) for _ in range(3)] == [[["5"]]] * 3
    lab.behind("update y set m = 1")
    assert hazard.outcome(a, read) == "23514"


# ---- transactions --------------------------------------------------------------------------


def test_Q27_1_not_25P02_in_an_aborted_block(lab):
    a = lab.setup(ONE)
    assert lab.cached(a, "select a from x") == [["1"]]
    for begin in ("begin", "start transaction read only", "begin isolation level serializable"):
        a.query(begin)
        assert hazard.outcome(a, "select 1/0") == "22012"
        assert hazard.outcome(a, "select a from x") == "25P02"
        assert wire.errors_of(a.ask(wire.extended("select a from x"))) == ["25P02"]
        a.query("rollback")
        assert a.query("select a from x") == [["1"]]


def test_Q27_in_a_pipeline_after_an_error(lab):
    a = lab.setup(ONE)
    lab.cached(a, "select a from x")
    read = wire.parse("select a from x") + wire.bind() + wire.execute()
    messages = a.ask(wire.parse("select 1/0") + wire.bind() + wire.execute() + read + wire.sync())
    assert wire.rows_of(messages) == []
    assert wire.errors_of(messages) == ["22012"]


@pytest.mark.parametrize("protocol", ["simple", "extended", "pipeline"])
def test_Q28_1_not_2_own_uncommitted_write(lab, protocol):
    a = lab.setup(ONE)
    b = lab.connect()
    read = "select a from x"
    assert lab.cached(a, read) == [["1"]]
    lab.cached_messages(a, wire.extended(read), read)
    if protocol == "pipeline":
        parts = [wire.parse(s) + wire.bind() + wire.execute() for s in ("update x set a = 2", read)]
        assert wire.rows_of(a.ask(*parts, wire.sync())) == [["2"]]
        assert b.query(read) == [["2"]]
        return
    ask = a.query if protocol == "simple" else lambda sql: rows_or_error(a, wire.extended(sql))
    ask("begin")
    ask("update x set a = 2")
    for _ in range(2):
        assert ask(read) == [["2"]]
        assert b.query(read) == [["1"]]
    ask("rollback")
    assert ask(read) == b.query(read) == [["1"]]


def test_Q28_within_one_query_of_several_statements(lab):
    a = lab.setup(ONE)
    assert lab.cached(a, "select a from x") == [["1"]]
    assert a.query("update x set a = 2; select a from x") == [["2"]]
    assert a.query("begin; update x set a = 3; select a from x; rollback; select a from x") == [["3"], ["2"]]
    assert a.query("select a from x") == [["2"]]


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_Q29_2_not_1_in_an_older_snapshot(lab, level):
    a = lab.setup(ONE)
    b, c = lab.connect(), lab.connect()
    read = "select a from x"
    assert lab.cached(a, read) == [["1"]]
    b.query(f"begin isolation level {level}")
    b.query("select clock_timestamp()")
    c.query("update x set a = 2")
    assert lab.cached(c, read) == [["2"]]
    assert b.query(read) == [["1"]]
    assert rows_or_error(b, wire.extended(read)) == [["1"]]
    # What it read of the past is not what others get.
    assert c.query(read) == lab.connect().query(read) == [["2"]]
    b.query("commit")
    assert b.query(read) == [["2"]]


def test_Q29_the_first_read_takes_the_snapshot(lab):
    a = lab.setup(ONE)
    b = lab.connect()
    read = "select a from x"
    assert lab.cached(a, read) == [["1"]]
    b.query("begin isolation level repeatable read")
    assert b.query(read) == [["1"]]
    a.query("update x set a = 2")
    assert b.query("select a, 'again' from x") == [["1", "again"]]
    b.query("commit")


# ---- texts and descriptions ----------------------------------------------------------------


def test_Q31_ab_not_42601_by_white_space(lab):
    a = lab.setup()
    for _ in range(3):
        assert a.query("select 'a'\n'b'") == [["ab"]]
        assert hazard.outcome(a, "select 'a' 'b'") == "42601"
        assert a.query("select 'a' -- said\n'b'") == [["ab"]]
        assert hazard.outcome(a, "select 'a' /* \n */ 'b'") == "42601"


@pytest.mark.parametrize(("one", "other"), [
    ("select a as p from x", "select a as q from x"),
    ("select 1 as a", "select '1' as a"),
    ("select 1 as a", "select 1.0 as a"),
    ("select a from x limit 1", "select a from x limit 0"),
    ("select a from (values (1, 2), (2, 1)) v(a, b) order by 1", "select a from (values (1, 2), (2, 1)) v(a, b) order by b"),
    ("select i from generate_series(1, 3) i order by 1 limit 1", "select i from generate_series(1, 3) i order by 1 desc limit 1"),
    ("select a from x where a in (2)", "select a from x where a in (1, 2, 3)"),
    ("select a AS \"P\" from x", "select a AS P from x"),
    ("select 'X' from x", "select 'x' from x"),
    ("select a from x -- '\n where a = 2", "select a from x -- ' where a = 2"),
    ("select 'a  b'", "select 'a b'"),
    ("select '/* a */'", "select '/* b */'"),
    ("select E'\\''", "select E'\\\\'"),
    ("select -1", "select - - 1"),
    ("select $$ a $$", "select $q$ a  $q$"),
    ("select a\"b\" from x", "select a from x"),
    ("select B'1'", "select X'1'"),
    ("select true", "select 1"),
    ("select null::int", "select null::text"),
    ("select +-1", "select -(+1)::int8"),
    ("select s from x where s like 'a%'", "select s from x where s ilike 'b%'"),
    ("select count(a) from x", "select count(*) from x where false"),
    ("select distinct a from x", "select all a as \"A\" from x"),
], ids=str)
def test_Q34_p_not_q_texts_that_only_look_alike(lab, one, other):
    a = lab.setup(ONE)
    right = {sql: hazard.plain(lab.direct().ask(wire.query(sql))) for sql in (one, other)}
    assert right[one] != right[other]
    for sql in (one, other, one, other, other):
        assert hazard.plain(a.ask(wire.query(sql))) == right[sql]


def test_Q32_old_table_oid_after_drop_and_create(lab):
    a = lab.setup(ONE)
    read = "select a, s from x"
    lab.cached_messages(a, wire.query(read), read)
    lab.connect().query("drop table x; create table x (s varchar(9), a int); insert into x values ('abc', 1)")
    for _ in range(3):
        assert hazard.plain(a.ask(wire.query(read))) == hazard.plain(lab.direct().ask(wire.query(read)))


@pytest.mark.parametrize("change", [
    "alter table x alter a type bigint",
    "alter table x alter s type varchar(77)",
    "alter table x drop column a; alter table x add column a int default 1",
    "alter table x rename column s to s2; alter table x rename column a to s; alter table x rename column s2 to a",
])
def test_Q33_old_type_after_retype(lab, change):
    a = lab.setup(ONE)
    read = "select a, s from x"
    before = lab.cached_messages(a, wire.query(read), read)
    lab.cached_messages(a, wire.extended(read), read)
    lab.connect().query(change)
    right = hazard.plain(lab.direct().ask(wire.query(read)))
    assert right != before
    for _ in range(3):
        assert hazard.plain(a.ask(wire.query(read))) == right
        assert hazard.plain(a.ask(wire.extended(read))) == hazard.plain(lab.direct().ask(wire.extended(read)))


def test_Q35_text_not_varchar_after_an_overload(lab):
    a = lab.setup("create function g(text) returns text language sql immutable as $$ select 'text' $$; create table x (v varchar); insert into x values ('a')")
    read = "select g(v) from x"
    assert [a.query(read) for _ in range(3)] == [[["text"]]] * 3
    lab.connect().query("create function g(varchar) returns text language sql immutable as $$ select 'varchar' $$")
    assert a.query(read) == [["varchar"]]


def test_Q35_a_function_of_ours_before_the_built_in(lab):
    a = lab.setup("create table x (v varchar(5)); insert into x values ('a')")
    read = "select upper(v) from x"
    assert lab.cached(a, read) == [["A"]]
    lab.connect().query("create function upper(varchar) returns text language sql as $$ select 'ours' $$")
    assert a.query(read) == lab.behind(read)
    lab.connect().query("create function length(varchar) returns int language sql as 'select (random() * 1e9)::int'")
    assert a.query("select length(v) from x") == lab.behind("select length(v) from x") or a.query("select length(v) from x") != a.query("select length(v) from x")


@pytest.mark.parametrize(("change", "answer"), [
    ("alter table x add column b int default 7", [["1", "7"]]),
    ("alter table x drop column a; alter table x add column b int default 7", [["7"]]),
])
@pytest.mark.parametrize("read", ["select * from x", "table x", "select x.* from x", "select y.* from x y"])
def test_Q37_1_not_17_after_add_column(lab, read, change, answer):
    a = lab.setup("create table x (a int); insert into x values (1)")
    assert lab.cached(a, read) == [["1"]]
    lab.connect().query(change)
    assert a.query(read) == answer


def test_Q42_1_not_2_fetch_twice(lab):
    a = lab.setup("create table x (a int); insert into x values (1), (2)")
    lab.cached(a, "select a from x order by a")
    a.query("begin")
    a.query("declare c cursor for select a from x order by a")
    assert [a.query("fetch c"), a.query("fetch c"), a.query("fetch c")] == [[["1"]], [["2"]], []]
    a.query("commit")
    a.query("declare h cursor with hold for select a from x order by a")
    assert [a.query("fetch h"), a.query("fetch h")] == [[["1"]], [["2"]]]


def test_Q43_1_not_2_execute_q_in_two_sessions(lab):
    lab.setup()
    a, b = lab.connect(), lab.connect()
    a.query("prepare q as select 1")
    b.query("prepare q as select 2")
    for _ in range(3):
        assert a.query("execute q") == [["1"]]
        assert b.query("execute q") == [["2"]]
    assert hazard.outcome(lab.connect(), "execute q") == "26000"


def test_Q43_one_name_for_two_statements_of_the_protocol(lab):
    lab.setup()
    a, b = lab.connect(), lab.connect()
    for client, value in ((a, 1), (b, 2)):
        client.ask(wire.parse(f"select {value}", "q"), wire.sync())
    run = wire.bind(statement="q") + wire.execute() + wire.sync()
    for _ in range(3):
        assert wire.rows_of(a.ask(run)) == [["1"]]
        assert wire.rows_of(b.ask(run)) == [["2"]]


def test_Q47_none_not_row_under_row_security_with_a_sub_select(lab):
    lab.setup("create table acl (who text); create table x (a int); insert into x values (1); grant select on x, acl to public;"
              "alter table x enable row level security; create policy p on x using (exists (select from acl where who = 'alice'))")
    u, b = lab.connect("alice"), lab.connect()
    assert lab.cached(u, "select a from x") == []
    b.query("insert into acl values ('alice')")
    assert lab.cached(u, "select a from x") == [["1"]]
    b.query("delete from acl")
    assert u.query("select a from x") == []


TEXT_TIMES = [
    ("Q49-column", "select s::timestamptz from y"),
    ("Q49-varchar-column", "select v::timestamptz from y"),
    ("Q49-cast-spelled-out", "select cast(s as timestamptz) from y"),
    ("Q49-functional", "select timestamptz(s) from y"),
    ("Q49-attribute-of-a-column", "select (s).timestamptz from y"),
    ("Q49-in-a-view", "select t from w"),
    ("Q49-in-a-function-argument", "select date_trunc('microseconds', s::timestamptz) from y"),
    ("Q49-to-char", "select to_char(s::timestamptz, 'YYYY-MM-DD HH24:MI:SS.US') from y"),
    ("Q49-array", "select string_to_array(s, ',')::timestamptz[] from y"),
    ("Q49-array-agg", "select array_agg(s)::timestamptz[] from y"),
    ("Q49-range", "select ('[' || s || ',)')::tstzrange from y"),
    ("Q49-json-value", "select (js ->> 't')::timestamptz from y"),
    ("Q49-composite", "select ('(' || s || ')')::box1 from y"),
    ("Q50-json_to_record", "select t from y, json_to_record(js) as r(t timestamptz)"),
    ("Q50-json_to_recordset", "select t from y, json_to_recordset(json_build_array(js)) as r(t timestamptz)"),
    ("Q50-jsonb_populate_record", "select (jsonb_populate_record(null::box1, js::jsonb)).t from y"),
    ("Q50-json_populate_record-star", "select * from json_populate_record(null::box1, (select js from y))"),
    ("Q50-json_populate_recordset", "select * from json_populate_recordset(null::box1, (select json_build_array(js) from y))"),
]


@pytest.mark.parametrize("read", [c[1] for c in TEXT_TIMES], ids=[c[0] for c in TEXT_TIMES])
def test_old_time_of_a_text_that_is_now(lab, read):
    a = lab.setup("create type box1 as (t timestamptz); create table y (s text, v varchar, js json); insert into y values ('now', 'now', '{\"t\": \"now\"}');"
                  "create view w as select s::timestamptz t from y")
    answers = [a.query(read) for _ in range(3)]
    assert answers[0] != answers[1] != answers[2]
    lab.warm()


@pytest.mark.parametrize("value", ["now", " NoW ", b"now", "today now"])
@pytest.mark.parametrize("types", [(), (1184,), (25,), (1114,), (705,)], ids=str)
def test_Q02_parameters_that_mean_now(lab, value, types):
    a = lab.setup(ONE)
    texts = ["select $1::timestamptz from x", "select t < $1 from x"]
    for sql in texts[:1] if value != "today now" else texts[1:]:
        answers = [a.ask(wire.extended(sql, [value], types=types)) for _ in range(3)]
        if wire.errors_of(answers[0]):
            assert wire.errors_of(answers[0]) == wire.errors_of(lab.direct().ask(wire.extended(sql, [value], types=types)))
        elif value != "today now":
            assert answers[0] != answers[1] != answers[2]


@pytest.mark.parametrize("value", ["[n\\ow,)", '[n"o"w,)'], ids=["backslash", "quotes"])
def test_Q02_ranges_as_parameters_that_mean_now(lab, value):
    a = lab.setup(ONE)
    answers = [wire.rows_of(a.ask(wire.extended("select $1::tstzrange from x", [value]))) for _ in range(3)]
    assert answers[0] != answers[1] != answers[2]


def test_Q02_tomorrow_is_not_cached(lab):
    a = lab.setup(ONE)
    for sql in ("select 'today'::date", "select 'tomorrow'::date", "select 'yesterday'::timestamp", "select '{today}'::date[]", "select '[today,tomorrow)'::daterange",
                "select date 'today'", "select current_date", "select a from x where t < 'today'", "select '10:00'::timetz", "select z::timetz from x",
                "select timetz '2024-07-01 10:00 America/New_York'", "select z at time zone 'America/New_York' from x", "select timezone('America/New_York', z) from x",
                "select t::timetz::text from x where z::timetz > '09:00'", "select date('to' || 'day')", "select ('to' || 'day')::date"):
        lab.never_cached(a, sql, 2)


# ---- what is provable is cached ------------------------------------------------------------

TYPED = ("create table x (id int primary key, a int, b bigint, f float8, n numeric(12,2), s text, v varchar(20), d date, ts timestamp, t timestamptz, i interval,"
         " j jsonb, u uuid, o bool, arr int[], by bytea, m money); insert into x select g, g % 7, g * 1000000000000, g / 3.0, g * 1.25, 'text ' || g, 'v' || g, '2024-01-01'::date + g,"
         " '2024-01-01'::timestamp + g * interval '1 hour', '2024-01-01 00:00+00'::timestamptz + g * interval '1 day', g * interval '1 minute', jsonb_build_object('k', g, 'l', array[g, g + 1]),"
         " ('00000000-0000-0000-0000-' || lpad(g::text, 12, '0'))::uuid, g % 2 = 0, array[g, g * 2], decode(lpad(to_hex(g), 4, '0'), 'hex'), g from generate_series(1, 50) g;"
         "create table y (id int primary key, xid int references x, k text); insert into y select g, g % 50 + 1, 'k' || g % 5 from generate_series(1, 100) g;"
         "create view w as select x.id, x.s, y.k from x join y on y.xid = x.id where x.a > 2; create view w2 as select k, count(*) c from w group by k;"
         "create materialized view mv as select a, count(*) c from x group by a;"
         "create table p (k int, v text) partition by range (k); create table p1 partition of p for values from (0) to (10); create table p2 partition of p default;"
         "insert into p select g, 'p' || g from generate_series(1, 20) g; create table parent (a int); create table child (b int) inherits (parent); insert into child values (1, 2);"
         "create type mood as enum ('sad', 'ok', 'happy'); create table en (m mood); insert into en values ('ok'), ('sad');")

PROVABLE = [
    "select * from x where id = 3",
    "select id, s from x where id in (1, 2, 3) order by id desc",
    "select count(*), sum(a), avg(n), min(t), max(d) from x",
    "select a, count(*) filter (where o), string_agg(s, ',' order by id) from x group by a having count(*) > 1 order by a",
    "select x.s, y.k from x join y on y.xid = x.id where y.id < 10 order by y.id",
    "select x.id, (select count(*) from y where y.xid = x.id) from x order by 1 limit 5 offset 2",
    "select id from x where exists (select 1 from y where y.xid = x.id and y.k = 'k1') order by id",
    "with q as (select id, a from x where a > 3) select q.a, count(*) from q group by 1 order by 1",
    "with recursive q(n) as (select 1 union all select n + 1 from q where n < 5) select n from q",
    "select a, row_number() over (partition by a order by id), sum(n) over w1 from x window w1 as (order by id) order by id limit 9",
    "select s from x where s like 'text 1%' order by s",
    "select upper(s), lower(v), length(s), substring(s from 1 for 3), trim(v), replace(s, 'text', 't'), s || v from x where id = 5",
    "select coalesce(null, a), nullif(a, 1), greatest(a, 3), case when o then 'even' else 'odd' end from x where id < 5 order by id",
    "select round(n, 1), abs(-a), f * 2, b % 7, power(a, 2), ceil(f) from x where id < 4 order by id",
    "select date_trunc('month', ts), extract(year from d), to_char(t, 'YYYY-MM-DD'), t at time zone 'UTC' from x where id = 9",
    "select id from x where d between '2024-01-05' and '2024-01-09' order by 1",
    "select id from x where t >= '2024-01-20 00:00+00' and ts < '2024-01-03' order by 1",
    "select id from x where d > date '2024-02-01' - interval '3 days' order by 1",
    "select j -> 'k', j ->> 'k', j @> '{\"k\": 3}' from x where id = 3",
    "select jsonb_array_elements(j -> 'l') from x where id = 2",
    "select json_agg(y) from y where id < 3",
    "select row_to_json(q) from (select id, s from x where id = 1) q",
    "select arr[1], array_length(arr, 1), 4 = any (arr), unnest(arr) from x where id = 2",
    "select array_agg(id order by id) from x where a = 1",
    "select u, by, m, o from x where id = 4",
    "select a::text, s::varchar(3), n::int, '5'::int, d::timestamp from x where id = 6",
    "select distinct a from x order by a",
    "select distinct on (a) a, id from x order by a, id",
    "select id from x where a = 1 union select id from y where id < 3 order by 1",
    "select id from x except select xid from y where id < 20 order by 1",
    "select * from w where id < 20 order by 1, 3",
    "select * from w2 order by k",
    "select * from mv order by a",
    "select * from p order by k",
    "select v from p1 order by 1",
    "select * from parent",
    "select a, b from child",
    "select m from en order by m",
    "values (1, 'a'), (2, 'b')",
    "table y",
    "select 1",
    "select i from generate_series(1, 5) i",
    "select md5(s), encode(by, 'hex') from x where id = 8",
    "select count(*) from x, y where x.id = y.xid and x.s <> y.k",
    "select x.id, l.k from x left join lateral (select k from y where y.xid = x.id order by id limit 1) l on true order by 1 limit 4",
    "select a, s from x order by s collate \"C\" limit 3",
    "select position('x' in s), overlay(s placing 'T' from 1 for 1), s similar to 'te%', s ~ '^t' from x where id = 7",
    "select id from x where (a, o) = (1, true) order by 1",
    "select count(distinct a), bool_and(o), percentile_cont(0.5) within group (order by f) from x",
    "select grouping(a), a, count(*) from x group by rollup (a) order by 1, 2",
]


def test_what_is_provable_is_cached_and_right(lab):
    a = lab.setup(TYPED)
    refused = []
    for sql in PROVABLE:
        direct = lab.direct()
        try:
            lab.cached(a, sql, seconds=0.3)
            assert hazard.plain(a.ask(wire.query(sql))) == hazard.plain(direct.ask(wire.query(sql))), sql
            lab.cached_messages(a, wire.extended(sql), sql)
            assert hazard.plain(a.ask(wire.extended(sql))) == hazard.plain(direct.ask(wire.extended(sql))), sql
        except AssertionError as error:
            if "not cached" not in str(error):
                raise
            refused.append(str(error)[:400])
        direct.close()
    assert not refused, "\n".join(refused)


@pytest.mark.parametrize(("sql", "values", "types"), [
    ("select s from x where id = $1", ["3"], ()),
    ("select s from x where id = $1", [struct.pack("!i", 3)], (23,)),
    ("select id from x where s = $1 and d > $2", ["text 3", "2024-01-01"], ()),
    ("select count(*) from x where id = any($1)", ["{1,2,3}"], ()),
    ("select $1::text || s from x where id = 1", ["p"], ()),
    ("select id from x where t > $1 order by 1 limit $2", ["2024-02-01 00:00+00", "3"], ()),
], ids=str)
def test_what_is_provable_with_parameters_is_cached(lab, sql, values, types):
    a = lab.setup(TYPED)
    formats = [1] if isinstance(values[0], bytes) else []
    for result_formats in ([], [1]):
        request = wire.extended(sql, values, types=types, formats=formats, result_formats=result_formats)
        messages = lab.cached_messages(a, request, sql)
        assert hazard.plain(messages) == hazard.plain(lab.direct().ask(request))


def test_values_of_parameters_keep_answers_apart(lab):
    a = lab.setup(TYPED)
    sql = "select s, $2::text from x where id = $1"
    for _ in range(2):
        for values in (["1", "1"], ["11", ""], ["1", "11"], ["1", None], ["1", "null"], ["2", "1"]):
            request = wire.extended(sql, values)
            assert hazard.plain(a.ask(request)) == hazard.plain(lab.direct().ask(request)), values
