"""Hazards of class K: a write of rows with one key leaves cached answers about rows with other keys
alone, and reaches every answer that it changes.

`stays` are the first half: the answer is still a hit after the write. `goes` are the second: after
the write both sessions read what a direct connection reads. The values of keys come in all spellings
that Postgres takes; the names of cases say the wrong answer that trusting the spelling would give.
"""

import struct

import pytest

import hazard
import servers
import wire

shared_lab, lab = hazard.laboratory()

T = ("create table x (id int primary key, owner int, v int); create index on x (owner);"
     "insert into x select i, i / 10, i from generate_series(1, 100) i")
BIG = "create table x (k bigint primary key, v int); insert into x select i, i from generate_series(1, 10) i"
TEXT = "create table x (k text primary key, v int); insert into x values ('a', 1), ('b', 2), ('c d', 3)"
UUID = ("create table x (k uuid primary key, v int); insert into x values"
        "('00000000-0000-0000-0000-00000000000a', 1), ('00000000-0000-0000-0000-00000000000b', 2)")
PARTS = ("create table x (id int primary key, v int) partition by range (id);"
         "create table x1 partition of x for values from (1) to (10); create table x2 partition of x for values from (10) to (20);"
         "insert into x values (1, 1), (2, 2), (11, 11)")
BY_ID = "select v from x where id = 1"


def hit_after(lab, reader, read, write):
    """The read is cached; then the write; then: rows, and how often the server was asked."""
    lab.cached(reader, read)
    writer = lab.connect()
    for step in [write] if isinstance(write, str) else write:
        writer.ask(step) if isinstance(step, bytes) else writer.query(step)
    return lab.reaches(read, lambda: reader.query(read))


STAYS = [
    ("update-of-another-row", T, BY_ID, "update x set v = 7 where id = 2"),
    ("delete-of-another-row", T, BY_ID, "delete from x where id = 2"),
    ("insert-of-another-row", T, BY_ID, "insert into x (id, owner, v) values (1000, 1, 1)"),
    ("insert-without-names", T, BY_ID, "insert into x values (1000, 1, 1)"),
    ("insert-of-several", T, BY_ID, "insert into x values (1000, 1, 1), (1001, 1, 1)"),
    ("insert-on-conflict-nothing", T, BY_ID, "insert into x values (2, 1, 1) on conflict do nothing"),
    ("update-in-list", T, BY_ID, "update x set v = 7 where id in (2, 3, 4)"),
    ("update-any-array", T, BY_ID, "update x set v = 7 where id = any ('{2,3}')"),
    ("update-any-array-of-constants", T, BY_ID, "update x set v = 7 where id = any (array[2, 3])"),
    ("update-and-more", T, BY_ID, "update x set v = v + 1 where v > 1 and (id = 2 and owner < 5)"),
    ("update-with-alias", T, BY_ID, "update x as y set v = 7 where y.id = 2"),
    ("update-of-the-key", T, BY_ID, "update x set id = 1000 where id = 2"),
    ("update-constant-first", T, BY_ID, "update x set v = 7 where 2 = id"),
    ("update-by-sub-select-of-others", T, BY_ID, "update x set v = (select max(v) from x) where id = 2"),
    ("update-with-cast", T, BY_ID, "update x set v = 7 where id = 2::int"),
    ("update-negative", T, BY_ID, "update x set v = 7 where id = -1"),
    ("update-in-a-block", T, BY_ID, ["begin", "update x set v = 7 where id = 2", "update x set v = 7 where id = 3", "commit"]),
    ("update-as-text", T, BY_ID, "update x set v = 7 where id = '2'"),
    ("comments-and-case", T, BY_ID, "UPDATE /* a 5 */ x SET v = 7 -- 9\nWHERE id =/**/2"),
    ("read-by-owner-write-by-owner", T, "select sum(v) from x where owner = 3", "update x set v = 0 where owner = 4"),
    ("read-aggregate", T, "select count(*), max(v) from x where id in (1, 5)", "delete from x where id = 2"),
    ("read-any", T, "select v from x where id = any ('{1,5}') order by v", "delete from x where id = 2"),
    ("read-with-limit", T, "select * from x where id = 1 order by v limit 1", "delete from x where id = 2"),
    ("read-through-join", T + "; create table y (k int primary key, w int); insert into y values (1, 1), (2, 2)",
     "select x.v, y.w from x join y on y.k = 1 where x.id = 1", ["update x set v = 0 where id = 2", "update y set w = 0 where k = 2"]),
    ("read-comma-join", T + "; create table y (k int primary key, w int); insert into y values (1, 1), (2, 2)",
     "select a.v, b.w from x a, y b where a.id = 1 and b.k = 1", ["update x set v = 0 where id = 2", "update y set w = 0 where k = 2"]),
    ("bigint", BIG, "select v from x where k = 1", "update x set v = 0 where k = 2"),
    ("bigint-wide", BIG, "select v from x where k = 1", "update x set v = 0 where k = 3000000000"),
    ("text", TEXT, "select v from x where k = 'a'", "update x set v = 0 where k = 'b'"),
    ("text-quote", TEXT, "select v from x where k = 'a'", "update x set v = 0 where k = 'b''s'"),
    ("text-cast", TEXT, "select v from x where k = 'a'::text", "update x set v = 0 where k = 'b'::varchar"),
    ("uuid", UUID, "select v from x where k = '00000000-0000-0000-0000-00000000000A'", "update x set v = 0 where k = '00000000-0000-0000-0000-00000000000b'"),
    ("partition", PARTS, BY_ID, "update x set v = 0 where id = 11"),
    ("partition-itself", PARTS, BY_ID, "update x2 set v = 0 where id = 11"),
    ("read-of-a-partition", PARTS, "select v from x1 where id = 1", "update x set v = 0 where id = 2"),
    ("moved-to-another-partition", PARTS, BY_ID, "update x set id = 12 where id = 2"),
    ("cascading-children", T + "; create table c (id int references x on delete cascade); insert into c values (2)", BY_ID, "delete from x where id = 2"),
    ("equality-of-an-extension", "create extension citext; create extension hstore;" + T, BY_ID, "update x set v = 7 where id = 2"),
    ("serial-given", "create table x (id serial primary key, v int); insert into x (v) values (1), (2)", BY_ID, "insert into x (id, v) values (77, 1)"),
]


@pytest.mark.parametrize(("tables", "read", "write"), [c[1:] for c in STAYS], ids=[c[0] for c in STAYS])
def test_answer_about_another_key_stays_a_hit(lab, tables, read, write):
    reader = lab.setup(tables)
    rows, lines = hit_after(lab, reader, read, write)
    assert lines == 0, lab.why(read)
    assert rows == lab.behind(read)


CITEXT = "create extension citext; create table x (k citext primary key, t text, s varchar(9), v int); create index on x (t); create index on x (s); insert into x values ('a', 'a', 'a', 1);"
GOES = [
    ("citext-key", CITEXT, "select v from x where k = 'a'", "update x set v = 7 where k = 'A'"),
    ("citext-beside-text", CITEXT, "select v from x where t = 'a'", "update x set v = 7 where t = 'A'::citext or t = 'a'::citext"),
    ("citext-value-of-a-text-column", CITEXT, "select v from x where t = 'a'", "update x set v = 7 where t::citext = 'A'"),
    ("citext-value-of-a-varchar-column", CITEXT, "select v from x where s = 'a'", "update x set v = 7 where s = 'A'::citext or s = 'a'::citext"),
    ("citext-assigned-to-text", CITEXT, "select v from x where t = 'b'", "insert into x values ('B', 'b'::citext, 'b', 9)"),
    ("the-row-itself", T, BY_ID, "update x set v = 7 where id = 1"),
    ("one-of-the-list", T, BY_ID, "update x set v = 7 where id in (3, 2, 1)"),
    ("one-of-the-array", T, BY_ID, "update x set v = 7 where id = any ('{2,1}')"),
    ("one-of-the-array-of-constants", T, BY_ID, "update x set v = 7 where id = any (array[2, 1])"),
    ("list-read-list-written", T, "select sum(v) from x where id in (4, 5, 6)", "update x set v = 0 where id in (6, 7)"),
    ("too-long-a-list", T, BY_ID, f"update x set v = 7 where id in ({', '.join(str(i) for i in range(1, 40))})"),
    ("too-long-a-list-read", T, f"select sum(v) from x where id in ({', '.join(str(i) for i in range(1, 40))})", "update x set v = 0 where id = 39"),
    ("deleted", T, BY_ID, "delete from x where id = 1"),
    ("not-there-then-there", T, "select v from x where id = 1000", "insert into x values (1000, 1, 1)"),
    ("not-there-then-second-of-the-rows", T, "select v from x where id = 1000", "insert into x values (999, 1, 1), (1000, 1, 1)"),
    ("not-there-insert-select", T, "select v from x where id = 1000", "insert into x select 1000, 1, 1"),
    ("not-there-expression", T, "select v from x where id = 1000", "insert into x values (999 + 1, 1, 1)"),
    ("not-there-columns-turned", T, "select v from x where id = 1000", "insert into x (v, id) values (5, 1000)"),
    ("not-there-with-dropped-column", "create table x (gone int, id int primary key, v int); alter table x drop column gone",
     "select v from x where id = 1", "insert into x values (1, 5)"),
    ("moved-in", T, "select count(*) from x where id = 1000", "update x set id = 1000 where id = 5"),
    ("moved-in-by-expression", T, "select count(*) from x where id = 1005", "update x set id = id + 1000 where id = 5"),
    ("moved-out", T, "select count(*) from x where id = 5", "update x set id = 1000 where id = 5"),
    ("read-by-owner-write-by-id", T, "select sum(v) from x where owner = 0", "update x set v = 50 where id = 3"),
    ("read-by-id-write-by-owner", T, BY_ID, "update x set v = 50 where owner = 0"),
    ("read-by-owner-moved-by-id", T, "select count(*) from x where owner = 3", "update x set owner = 3 where id = 90"),
    ("read-by-owner-moved-to-null", T, "select count(*) from x where owner = 3", "update x set owner = null where id = 30"),
    ("read-by-owner-inserted", T, "select count(*) from x where owner = 3", "insert into x values (1000, 3, 1)"),
    ("read-by-owner-inserted-null", T, "select count(*) from x where owner is null", "insert into x values (1000, null, 1)"),
    ("read-by-owner-deleted-by-id", T, "select count(*) from x where owner = 3", "delete from x where id = 30"),
    ("scan", T, "select count(*) from x", "delete from x where id = 3"),
    ("scan-range", T, "select count(*) from x where id < 5", "delete from x where id = 3"),
    ("scan-or", T, "select count(*) from x where id = 1 or id = 3", "delete from x where id = 3"),
    ("scan-not", T, "select count(*) from x where not (id = 1)", "delete from x where id = 3"),
    ("unknown-rows", T, BY_ID, "update x set v = 7 where v = 1"),
    ("every-row", T, BY_ID, "update x set v = v + 1"),
    ("truncate", T, "select count(*) from x where id = 1", "truncate x"),
    ("outer-join", T + "; create table y (k int primary key); insert into y values (1)", "select count(*) from x left join y on y.k = 1 and x.id = 1", "delete from x where id = 90"),
    ("self-join", T, "select a.v, b.v from x a, x b where a.id = 1 and b.v = 2", "update x set v = 2 where id = 3"),
    ("self-join-both-keys", T, "select a.v, b.v from x a, x b where a.id = 1 and b.id = 2", "update x set v = 0 where id = 2"),
    ("join-other-side", T + "; create table y (k int primary key, w int); insert into y values (1, 1), (2, 2)", "select x.v, y.w from x, y where x.id = 1 and y.w = x.v", "update y set w = 1 where k = 2"),
    ("union", T, "select v from x where id = 1 union all select v from x where id = 2 order by 1", "update x set v = 9 where id = 2"),
    ("cte", T, "with a as (select * from x) select count(*) from a where id > 0", "delete from x where id = 2"),
    ("view-of-all", T + "; create view w as select max(v) as id, count(*) as n from x", "select n from w where id = 100", "delete from x where id = 3"),
    ("window-of-view", T + "; create view w as select id, sum(v) over () s from x", "select s from w where id = 1", "update x set v = 0 where id = 2"),
    ("two-columns", T, "select count(*) from x where id = 5 and owner = 0", "update x set owner = 9 where id = 5"),
    ("two-columns-written-by-both", T, BY_ID, "update x set v = 7 where id = 1 and owner = 0"),
    ("two-columns-owner-read", T, "select sum(v) from x where owner = 0", "update x set v = 70 where id = 1 and owner = 0"),
    ("returning", T, BY_ID, "update x set v = 7 where id = 1 returning v"),
    ("with-writes", T, BY_ID, "with w as (update x set v = 7 where id = 1 returning 1) update x set v = 8 where id = 2"),
    ("on-conflict-update", T, BY_ID, "insert into x values (1, 1, 1) on conflict (id) do update set v = 9"),
    ("merge", T, BY_ID, "merge into x using (values (1)) s (id) on x.id = s.id when matched then update set v = 9"),
    ("in-a-block", T, BY_ID, ["begin", "update x set v = 7 where id = 2", "update x set v = 7 where id = 1", "commit"]),
    ("in-a-block-of-many", T, "select v from x where id = 60", ["begin", *[f"update x set v = 0 where id = {i}" for i in range(1, 70)], "commit"]),
    ("after-a-savepoint", T, BY_ID, ["begin", "update x set v = 7 where id = 1", "savepoint s", "update x set v = 7 where id = 2", "rollback to s", "commit"]),
    ("negative", T + "; insert into x values (-5, 0, 5)", "select v from x where id = -5", "update x set v = 7 where id = -5"),
    ("negative-apart", T + "; insert into x values (-5, 0, 5)", "select v from x where id = -5", "update x set v = 7 where id = - 5"),
    ("negative-text", T + "; insert into x values (-5, 0, 5)", "select v from x where id = -5", "update x set v = 7 where id = '-5'"),
    ("zeros-before", T, BY_ID, "update x set v = 7 where id = 001"),
    ("zeros-before-in-text", T, BY_ID, "update x set v = 7 where id = '001'"),
    ("plus-and-blanks", T, BY_ID, "update x set v = 7 where id = ' +1 '"),
    ("numeric", T, BY_ID, "update x set v = 7 where id = 1.0"),
    ("exponent", T, "select v from x where id = 100", "update x set v = 7 where id = 1e2"),
    ("cast-rounds", T, BY_ID, "update x set v = 7 where id = 1.4::int"),
    ("expression", T, BY_ID, "update x set v = 7 where id = 2 - 1"),
    ("rounded-insert", T, "select v from x where id = 1000", "insert into x values (999.6, 1, 1)"),
    ("bigint-column-int-constant", BIG, "select v from x where k = 1", "update x set v = 0 where k = 1::smallint"),
    ("read-cast-write-plain", BIG, "select v from x where k = 1::int", "update x set v = 0 where k = '1'"),
    ("text-escape", TEXT, "select v from x where k = 'a'", r"update x set v = 0 where k = E'\x61'"),
    ("text-unicode", TEXT, "select v from x where k = 'a'", r"update x set v = 0 where k = U&'\0061'"),
    ("text-dollar", TEXT, "select v from x where k = 'a'", "update x set v = 0 where k = $$a$$"),
    ("text-dollar-read", TEXT, "select v from x where k = $$a$$", "update x set v = 0 where k = 'a'"),
    ("text-over-lines", TEXT, "select v from x where k = 'c d'", "update x set v = 0 where k = 'c'\n' d'"),
    ("text-char-cast", "create table x (k text primary key, v int); insert into x values ('a', 1)", "select v from x where k = 'a'", "update x set v = 0 where k = 'a   '::bpchar"),
    ("text-cut-by-cast", TEXT, "select v from x where k = 'a'", "update x set v = 0 where k = 'abc'::varchar(1)"),
    ("text-concatenated", TEXT, "select v from x where k = 'a'", "update x set v = 0 where k = 'a' || ''"),
    ("text-collated", TEXT, "select v from x where k = 'a'", "update x set v = 0 where k = 'a' collate \"C\""),
    ("text-number-stored", TEXT, "select v from x where k = '5'", "insert into x values (5, 5)"),
    ("varchar-cut", "create table x (k varchar(2) primary key, v int)", "select count(*) from x where k = 'ab'", "insert into x values ('ab   ', 1)"),
    ("varchar-cut-by-update", "create table x (k varchar(2) primary key, v int); insert into x values ('zz', 1)", "select count(*) from x where k = 'ab'", "update x set k = 'ab   ' where k = 'zz'"),
    ("uuid-braces", UUID, "select v from x where k = '00000000-0000-0000-0000-00000000000a'", "update x set v = 0 where k = '{00000000000000000000-00000000000A}'"),
    ("bool", "create table x (k bool, v int); create index on x (k); insert into x values (true, 1)", "select v from x where k = true", "update x set v = 2 where k = 'yes'"),
    ("bool-false", "create table x (k bool, v int); create index on x (k); insert into x values (false, 1)", "select v from x where k = 'f'", "update x set v = 2 where k = false"),
    ("oid-wraps", "create table x (k oid primary key, v int); insert into x values (4294967295, 1)", "select v from x where k = 4294967295", "update x set v = 2 where k = -1"),
    ("partition-read-whole-written", PARTS, "select v from x1 where id = 1", "update x set v = 5 where id = 1"),
    ("partition-written-whole-read", PARTS, BY_ID, "update x1 set v = 5 where id = 1"),
    ("moved-here-from-another-partition", PARTS, "select count(*) from x2 where id = 12", "update x set id = 12 where id = 2"),
    ("serial", "create table x (id serial primary key, v int); insert into x (v) values (1)", "select count(*) from x where id = 2", "insert into x (v) values (1)"),
    ("default-key", "create table x (id int primary key default 5, v int)", "select count(*) from x where id = 5", "insert into x (v) values (1)"),
    ("default-key-named", "create table x (id int primary key default 5, v int)", "select count(*) from x where id = 5", "insert into x values (default, 1)"),
    ("default-values", "create table x (id int primary key default 5, v int)", "select count(*) from x where id = 5", "insert into x default values"),
    ("identity-overridden", "create table x (id int generated by default as identity primary key, v int)", "select count(*) from x where id = 1", "insert into x (id, v) overriding user value values (77, 1)"),
    ("generated-key", "create table x (id int primary key, g int generated always as (v * 2) stored, v int); create index on x (g); insert into x (id, v) values (1, 1)",
     "select count(*) from x where g = 6", "update x set v = 3 where id = 1"),
    ("before-trigger", "create table x (id int primary key, v int); create function t() returns trigger language plpgsql as $$ begin new.id = 5; return new; end $$;"
     "create trigger t before insert on x for each row execute function t()", "select count(*) from x where id = 5", "insert into x values (1, 1)"),
    ("after-trigger-on-itself", "create table x (id int primary key, v int); insert into x values (1, 1), (2, 2);"
     "create function t() returns trigger language plpgsql as $$ begin update x set v = 9 where id = 1 and v <> 9; return null; end $$;"
     "create trigger t after update on x for each row execute function t()", BY_ID, "update x set v = 5 where id = 2"),
    ("rule", T + "; create rule r as on update to x do also insert into x values (5000, 1, 1)", "select count(*) from x where id = 5000", "update x set v = 7 where id = 2"),
    ("rule-instead", T + "; create rule r as on delete to x do instead update x set v = -1 where owner = old.owner", BY_ID, "delete from x where id = 2"),
    ("self-cascade-in-a-circle", "create table x (id int primary key, v int); create table y (id int primary key, x int references x on delete cascade);"
     "alter table x add y int references y on delete cascade; insert into x values (1, 1), (2, 2); insert into y values (1, 2); update x set y = 1 where id = 1",
     "select count(*) from x where id = 1", "delete from x where id = 2"),
    ("cascaded-from-the-parent", "create table p (id int primary key); insert into p values (1), (2); create table x (id int primary key references p on update cascade, v int); insert into x values (1, 1)",
     "select count(*) from x where id = 1", "update p set id = 5 where id = 1"),
    ("children-by-cascade", T + "; create table c (id int primary key references x on delete cascade); insert into c values (2)", "select count(*) from c where id = 2", "delete from x where id = 2"),
    ("through-a-view", T + "; create view w as select id, v from x", BY_ID, "update w set v = 7 where id = 1"),
    ("read-through-a-view", T + "; create view w as select id, v from x", "select v from w where id = 1", "update x set v = 7 where id = 1"),
    ("alias-with-columns", T, "select a from x as y (a, id, c) where y.a = 1 and id = 0", "update x set owner = 5 where id = 1"),
    ("alias-turns-names", T, "select count(*) from x as y (v, id, c) where y.id = 3", "update x set owner = 3 where id = 90"),
    ("other-table-of-that-name", T + "; create schema s; create table s.x (id int primary key, v int); insert into s.x values (1, 5)", "select v from s.x where id = 1", "update s.x set v = 7 where id = 1"),
    ("having-and-group", T, "select owner, count(*) from x where owner = 3 group by owner", "delete from x where id = 33"),
    ("inherited", "create table x (id int primary key, v int); create table y () inherits (x); insert into x values (1, 1); insert into y values (1, 1)", "select sum(v) from x where id = 1", "update y set v = 7 where id = 1"),
    ("user-equality", T + "; create schema o; create function o.eq(int, int) returns bool language sql immutable as 'select true'; create operator o.= (leftarg = int, rightarg = int, function = o.eq)",
     BY_ID, ["set search_path = o, public, pg_catalog", "update x set v = 7 where id = 2"]),
    ("prepare-execute", T, BY_ID, ["prepare q as update x set v = 7 where id = $1", "execute q (1)"]),
    ("copy", T, "select count(*) from x where id = 1000", None),
    ("cursor", T, BY_ID, ["begin", "declare c cursor for select * from x where id = 1 for update", "fetch c", "update x set v = 7 where current of c", "commit"]),
    ("explain-analyze", T, BY_ID, "explain analyze update x set v = 7 where id = 1"),
    ("several-statements", T, BY_ID, "update x set v = 7 where id = 2; update x set v = 7 where id = 1"),
]


@pytest.mark.parametrize(("tables", "read", "write"), [c[1:] for c in GOES], ids=[c[0] for c in GOES])
def test_answer_that_the_write_changes_is_not_given_again(lab, tables, read, write):
    reader = lab.setup(tables)
    before = lab.cached(reader, read)
    writer = lab.connect()
    if write is None:
        writer.send(wire.query("copy x from stdin"))
        writer.read_until(b"G")
        writer.ask(wire.copy_data(b"1000\t1\t1\n") + wire.copy_done())
    for step in [] if write is None else [write] if isinstance(write, str) else write:
        writer.query(step)
    assert reader.query(read) == lab.behind(read) != before


# ---- parameters ----


def int4(value):
    return struct.pack("!i", value)


def int8(value):
    return struct.pack("!q", value)


def int_array(values, oid=23):
    head = struct.pack("!iiIii", 1, 0, oid, len(values), 1)
    return head + b"".join(struct.pack("!ii", 4, value) for value in values)


UPDATE = "update x set v = 7 where id = $1"
PARAMETERS = [
    ("text", UPDATE, lambda i: dict(values=[str(i)])),
    ("text-typed", UPDATE, lambda i: dict(values=[str(i)], types=(23,))),
    ("text-int8", UPDATE, lambda i: dict(values=[str(i)], types=(20,))),
    ("binary", UPDATE, lambda i: dict(values=[int4(i)], formats=[1])),
    ("binary-int8", UPDATE, lambda i: dict(values=[int8(i)], formats=[1], types=(20,))),
    ("second", "update x set v = $1 where id = $2", lambda i: dict(values=["7", int4(i)], formats=[0, 1])),
    ("one-format-for-all", "update x set v = $1 where id = $2", lambda i: dict(values=[int4(7), int4(i)], formats=[1])),
    ("cast", "update x set v = 7 where id = $1::int", lambda i: dict(values=[str(i)])),
    ("list", "update x set v = 7 where id in ($1, $2)", lambda i: dict(values=["50", str(i)])),
    ("array-text", "update x set v = 7 where id = any ($1)", lambda i: dict(values=["{50,%d}" % i])),
    ("array-cast", "update x set v = 7 where id = any ($1::int[])", lambda i: dict(values=["{50,%d}" % i])),
    ("array-binary", "update x set v = 7 where id = any ($1)", lambda i: dict(values=[int_array([50, i])], formats=[1])),
    ("set-key", "update x set id = $1 where id = 60", lambda i: dict(values=[str(i + 1000)])),
    ("insert", "insert into x (id, owner, v) values ($1, $2, $3)", lambda i: dict(values=[str(i + 1000), "1", "1"])),
    ("insert-binary", "insert into x (id, owner, v) values ($1, 1, 1)", lambda i: dict(values=[int4(i + 1000)], formats=[1])),
    ("delete", "delete from x where id = $1", lambda i: dict(values=[str(i)])),
]


@pytest.mark.parametrize(("sql", "arguments"), [c[1:] for c in PARAMETERS], ids=[c[0] for c in PARAMETERS])
def test_key_of_a_parameter_reaches_its_rows_alone(lab, sql, arguments):
    reader = lab.setup(T)
    far, near = "select count(*), sum(v) from x where id = 5", "select count(*), sum(v) from x where id in (3, 1003)"
    lab.cached(reader, far)
    before = lab.cached(reader, near)
    assert not wire.errors_of(lab.connect().ask(wire.extended(sql, **arguments(3))))
    rows, lines = lab.reaches(far, lambda: reader.query(far))
    assert lines == 0 and rows == lab.behind(far)
    assert reader.query(near) == lab.behind(near) != before


@pytest.mark.parametrize(("sql", "arguments"), [c[1:] for c in PARAMETERS if c[0] in ("text", "text-int8", "binary", "cast", "list", "array-text", "array-binary")],
                         ids=["text", "text-int8", "binary", "cast", "list", "array-text", "array-binary"])
def test_read_by_a_parameter_dies_with_its_rows_alone(lab, sql, arguments):
    reader = lab.setup(T)
    sql = sql.replace("update x set v = 7", "select sum(v) from x")
    request = wire.extended(sql, **arguments(3))
    lab.cached_messages(reader, request, sql)
    lab.connect().query("update x set v = 7 where id = 4")
    _, lines = lab.reaches(sql, lambda: reader.ask(request))
    assert lines == 0
    lab.connect().query("update x set v = 700 where id = 3")
    answer, lines = lab.reaches(sql, lambda: reader.ask(request))
    assert lines == 1 and int(wire.rows_of(answer)[0][0]) >= 700


SPELLED = [
    ("plus", UPDATE, dict(values=["+3"])),
    ("blanks", UPDATE, dict(values=[" 3 "])),
    ("zeros", UPDATE, dict(values=["003"])),
    ("numeric", UPDATE, dict(values=["3.0"], types=(1700,))),
    ("float8", UPDATE, dict(values=["3"], types=(701,))),
    ("float8-binary", UPDATE, dict(values=[struct.pack("!d", 3)], formats=[1], types=(701,))),
    ("float-by-another-place", "update x set v = 7 where id = $1 and owner < $1::float8 + 9", dict(values=["3"])),
    ("float-binary-by-another-place", "update x set v = 7 where 4::float8 > $1 and id = $1", dict(values=[struct.pack("!d", 3)], formats=[1])),
    ("array-quoted", "update x set v = 7 where id = any ($1)", dict(values=['{"3"}'])),
    ("array-blanks", "update x set v = 7 where id = any ($1)", dict(values=["{ 3 }"])),
    ("array-bounds", "update x set v = 7 where id = any ($1)", dict(values=["[2:2]={3}"])),
    ("array-two-dimensions", "update x set v = 7 where id = any ($1)", dict(values=["{{3},{4}}"])),
    ("array-long", "update x set v = 7 where id = any ($1)", dict(values=["{%s}" % ",".join(str(i) for i in range(3, 60))])),
    ("array-of-int8", "update x set v = 7 where id = any ($1)", dict(values=["{3}"], types=(1016,))),
]


@pytest.mark.parametrize(("sql", "arguments"), [c[1:] for c in SPELLED], ids=[c[0] for c in SPELLED])
def test_stale_not_new_by_another_spelling_of_a_parameter(lab, sql, arguments):
    reader = lab.setup(T)
    read = "select v from x where id = 3"
    before = lab.cached(reader, read)
    assert not wire.errors_of(lab.connect().ask(wire.extended(sql, **arguments)))
    assert reader.query(read) == lab.behind(read) != before


def test_stale_not_new_by_the_same_text_in_another_encoding(lab):
    reader = lab.setup("create table x (k text primary key, v int); insert into x values ('\u00e9', 1), ('a', 1)")
    read = "select v from x where k = '\u00e9'"
    for settings in ({"client_encoding": "LATIN1"}, {}):
        before = lab.cached(reader, read)
        writer = lab.connect(**settings)
        if not settings:
            writer.query("set client_encoding = latin1")
        writer.ask(wire.parse("update x set v = v + 1 where k = $1") + wire.bind([b"\xe9"]) + wire.execute() + wire.sync())
        assert reader.query(read) == lab.behind(read) != before


def test_named_statement_with_another_value_each_time(lab):
    reader = lab.setup(T)
    reads = [f"select v from x where id = {i}" for i in (1, 2, 3)]
    for read in reads:
        lab.cached(reader, read)
    writer = lab.connect()
    writer.ask(wire.parse(UPDATE, name="u", types=(23,)) + wire.sync())
    for i in (1, 2, 3):
        asked = []
        writer.ask(wire.bind([str(i)], statement="u") + wire.execute() + wire.sync())
        for read in reads:
            rows, lines = lab.reaches(read, lambda r=read: reader.query(r))
            asked.append(lines)
            assert rows == lab.behind(read)
        assert asked == [1 if at == i else 0 for at in (1, 2, 3)]


def test_pipeline_of_writes_closes_each_key(lab):
    reader = lab.setup(T)
    near, far = "select sum(v) from x where id in (1, 2)", "select v from x where id = 3"
    lab.cached(reader, near)
    lab.cached(reader, far)
    pair = wire.parse(UPDATE) + wire.bind(["1"]) + wire.execute() + wire.bind(["2"]) + wire.execute() + wire.sync()
    lab.connect().ask(pair)
    assert reader.query(near) == [["14"]]
    _, lines = lab.reaches(far, lambda: reader.query(far))
    assert lines == 0


def test_write_that_waits_keeps_its_key_closed_and_no_other(lab):
    reader = lab.setup(T)
    near, far = "select v from x where id = 1", "select v from x where id = 2"
    lab.cached(reader, near)
    lab.cached(reader, far)
    blocker = lab.direct()
    blocker.query("begin; select * from x where id = 1 for update")
    with hazard.in_background(lambda: lab.connect().query("update x set v = 7 where id = 1")):
        assert servers.wait_until(lambda: hazard.locks_waiting(lab) > 0, 20, 0.02)
        _, lines = lab.reaches(near, lambda: reader.query(near))
        assert lines == 1
        _, lines = lab.reaches(far, lambda: reader.query(far))
        assert lines == 0
        blocker.query("rollback")
    assert reader.query(near) == [["7"]]


def test_index_that_comes_makes_a_key_and_one_that_goes_ends_it(lab):
    reader = lab.setup("create table x (k int, v int); insert into x values (1, 1), (2, 2)")
    read = "select v from x where k = 1"
    _, lines = hit_after(lab, reader, read, "update x set v = 3 where k = 2")
    assert lines == 1
    lab.connect().query("create index i on x (k)")
    _, lines = hit_after(lab, reader, read, "update x set v = 4 where k = 2")
    assert lines == 0
    lab.connect().query("drop index i")
    _, lines = hit_after(lab, reader, read, "update x set v = 5 where k = 2")
    assert lines == 1
    lab.connect().query("update x set v = 6 where k = 1")
    assert reader.query(read) == [["6"]]


def test_switched_off_every_write_reaches_the_whole_table(lab):
    reader = lab.setup(T)
    try:
        lab.proxy.console("SET key_invalidation = 0")
        _, lines = hit_after(lab, reader, BY_ID, "update x set v = 7 where id = 2")
        assert lines == 1
    finally:
        lab.proxy.console("SET key_invalidation = 1")
