"""What the differential test says to the server, and what the server must have before.

SETUP makes the tables. SESSIONS is a list of Session: startup parameters and a list of steps. A step
is bytes to send and how many ReadyForQuery end its answer. Nothing here may depend on the time, on
the name of the database, on process or transaction ids, and the whole must leave the database as it
found it, so that it can run again.

`read(...)` sends a step three times in a row: through a cache the first may be a miss, the others hits.
"""

import collections
import struct

import wire

SETUP = r"""
create table numbers (id int primary key, s smallint, i int, b bigint, n numeric, n2 numeric(12,4), r real, d double precision, m money);
insert into numbers values
 (1, 0, 0, 0, 0, 0, 0, 0, 0),
 (2, 32767, 2147483647, 9223372036854775807, 123456789012345678901234567890.123456789, 12345678.1234, 3.4028235e38, 1.7976931348623157e308, 92233720368547758.07),
 (3, -32768, -2147483648, -9223372036854775808, -0.000000000000000000001, -0.0001, -1e-37, -2.2250738585072014e-308, -92233720368547758.08),
 (4, null, null, null, null, null, null, null, null),
 (5, 1, 1, 1, 'NaN', 1.5, 'NaN', 'NaN', 1),
 (6, 2, 2, 2, 'Infinity', 2.5, 'Infinity', '-Infinity', 2),
 (7, 3, 3, 3, 0.1, 0.3, 0.1, 0.30000000000000004, 3.33);
create table texts (id int primary key, t text, v varchar(10), c char(10), n name, b bytea, q "char");
insert into texts values
 (1, 'plain', 'plain', 'plain', 'plain', '\x00010203feff', 'x'),
 (2, '', '', '', '', '', ''),
 (3, null, null, null, null, null, null),
 (4, 'ünïcödé ☃ 😀', 'ü☃', 'é', 'ñame', '\xdeadbeef', 'y'),
 (5, E'line\nfeed\ttab\\back''quote"double', E'a\nb', ' x ', 'a b', E'\\\\', '\'),
 (6, repeat('long ', 4000), 'ten chars.', 'ten chars.', repeat('n', 63), decode(repeat('00ff', 3000), 'hex'), 'z');
create table times (id int primary key, d date, t time, tz timetz, ts timestamp, tstz timestamptz, iv interval);
insert into times values
 (1, '2024-02-29', '12:34:56.789012', '12:34:56+05:30', '2024-02-29 12:34:56.789012', '2024-02-29 12:34:56.789012+02', '1 year 2 mons 3 days 04:05:06.789'),
 (2, 'infinity', '00:00', '00:00+00', 'infinity', 'infinity', '0'),
 (3, '-infinity', '24:00', '24:00-12', '-infinity', '-infinity', '-1 day +2 hours'),
 (4, null, null, null, null, null, null),
 (5, '0044-03-15 BC', '23:59:59.999999', '23:59:59.999999+14', '0001-01-01 00:00:00', '1900-01-01 00:00:00+00', '178000000 years');
create type mood as enum ('sad', 'ok', 'happy');
create type pair as (a int, b text);
create domain positive as int check (value > 0);
create table others (id int primary key, o bool, u uuid, j json, jb jsonb, x xml, a int[], ta text[], m mood, p pair, pos positive,
 ip inet, ci cidr, mac macaddr, mac8 macaddr8, bi bit(5), vb varbit, ir int4range, nr numrange, tr tsrange, mr int4multirange,
 tsv tsvector, tsq tsquery, pt point, bx box, ln line, ls lseg, pth path, pg polygon, cr circle, oi oid, reg regtype, lsn pg_lsn);
insert into others values
 (1, true, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"b": 1, "a" : [1,2, null]}', '{"b": 1, "a" : [1,2, null]}', '<a><b>x</b></a>',
  '{1,2,NULL,4}', '{"a","b c","d\"e",NULL,""}', 'happy', '(1,"x y")', 5, '192.168.1.1/24', '10.0.0.0/8', '08:00:2b:01:02:03',
  '08:00:2b:01:02:03:04:05', '10101', '101', '[1,10)', '(1.5,]', '[2024-01-01,2024-02-01)', '{[1,3),[5,8)}', 'a fat cat', 'fat & (rat | cat)',
  '(1,2)', '(3,4),(1,2)', '{1,2,3}', '[(1,2),(3,4)]', '[(1,2),(3,4)]', '((0,0),(1,1),(2,0))', '<(1,2),3>', 42, 'int4', '16/B374D848'),
 (2, false, null, 'null', 'null', null, '{}', '{}', 'sad', '(,)', 1, '::1', '::/0', null, null, '00000', '', 'empty', '(,)', null, '{}', '', '',
  null, null, null, null, '((1,2),(3,4))', null, null, 0, 'text', '0/0'),
 (3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null,
  null, null, null, null, null, null, null, null, null),
 (4, true, null, '[]', '{"n": 12345678901234567890.5, "u": "☃"}', null, '[0:1][1:2]={{1,2},{3,4}}', '{{a,b},{c,d}}', 'ok', null, null,
  '10.1.2.3', null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null);
create table empty (id int primary key, t text);
create table no_columns ();
insert into no_columns default values;
insert into no_columns default values;
create table items (id serial primary key, name text not null, price numeric(10,2) check (price >= 0), tags text[] default '{}');
insert into items (name, price, tags) select 'item ' || i, i * 1.25, array['t' || i % 3] from generate_series(1, 50) i;
create table parts (id int primary key, item_id int references items on delete cascade, label text unique);
insert into parts select i, 1 + i % 50, 'part ' || i from generate_series(1, 100) i;
create view cheap as select id, name, price from items where price < 10;
create materialized view totals as select count(*) n, sum(price) total from items;
create table log (id serial, what text);
create function noisy(x int) returns int language plpgsql as $$ begin raise notice 'noisy %', x; return x * 2; end $$;
create function warner(x int) returns int language plpgsql as $$ begin raise warning 'careful' using detail = 'some detail', hint = 'some hint'; return x; end $$;
create function logged() returns trigger language plpgsql as $$ begin insert into log (what) values (tg_op || ' ' || coalesce(new.id, old.id)); return coalesce(new, old); end $$;
create table audited (id int primary key, v int);
create trigger audit after insert or update or delete on audited for each row execute function logged();
create function twice(int) returns int language sql immutable as 'select $1 * 2';
create procedure add_log(text) language sql as 'insert into log (what) values ($1)';
create table region (id int, kind text, v int, primary key (id, kind)) partition by list (kind);
create table region_a partition of region for values in ('a');
create table region_b partition of region for values in ('b');
insert into region select i, case when i % 2 = 0 then 'a' else 'b' end, i * 10 from generate_series(1, 20) i;
create table wide (id int primary key, payload text);
insert into wide select i, repeat(md5(i::text), 20) from generate_series(1, 500) i;
analyze;
"""

Step = collections.namedtuple("Step", "name data ready")
Session = collections.namedtuple("Session", "name parameters steps")

INT4, INT8, TEXT, BOOL, FLOAT8, NUMERIC, DATE, TIMESTAMP = 23, 20, 25, 16, 701, 1700, 1082, 1114


def simple(sql, ready=1):
    return Step(sql if isinstance(sql, str) else repr(sql), wire.query(sql), ready)


def raw(name, *parts, ready=1):
    return Step(name, b"".join(parts), ready)


def read(step):
    return [step] * 3


def simples(block):
    """One simple query for each line that is not empty."""
    return [simple(line.strip()) for line in block.strip().splitlines() if line.strip()]


def reads(block):
    return [step for one in simples(block) for step in read(one)]


def both_formats(sql, values=(), types=()):
    """One statement in the extended protocol: text, binary, without Describe, with Describe of the
    statement."""
    steps = []
    for formats in ([], [0], [1]):
        steps += read(
            raw(f"extended {formats}: {sql}", wire.extended(sql, values, result_formats=formats, types=types))
        )
    steps += read(raw(f"no describe: {sql}", wire.extended(sql, values, types=types, describe=False)))
    steps.append(
        raw(f"describe: {sql}", wire.parse(sql, types=types), wire.describe_statement(), wire.sync()))
    return steps


# ---- reads ---------------------------------------------------------------------------------

SIMPLE_READS = reads(
    r"""
    select * from numbers order by id
    select * from texts order by id
    select * from times order by id
    select * from others order by id
    select * from empty
    select * from no_columns
    select
    select from numbers
    select 1
    select 1 as a, 2 as a, 'x'::text as "A b"
    select null, null::int, ''
    select true, false, 1.5, 1e10, 'x', $$dollar$$, E'\x41', U&'\0041', B'101', X'1F'
    values (1, 'a'), (2, null), (3, 'c')
    table empty
    table cheap
    select id, t from texts where id = 1
    select id, t from texts where id = 2
    select id, t from texts where id = 99
    select id,t from texts where id=1
    select   id ,  t /* a comment */ from texts -- another
    select id, t from texts where id = 1;
    select id as x, t as y from texts where id = 1
    select count(*), sum(i), avg(b), min(n), max(d), stddev(r) from numbers where id < 3
    select i + b, s * 2, n / 3, r + 0.1, d * 2, i % 7, @ i, ~ i from numbers where id = 7
    select 0.1::float8 + 0.2::float8, 1/3.0, 2::numeric ^ 100, sqrt(2), exp(1.0)
    select upper(t), lower(t), length(t), substr(t, 2, 3), t || '!' from texts where id < 6 order by id
    select t like 'p%', t ~ 'l.in', t similar to '%(a|b)%', position('a' in t) from texts where id = 1
    select d + 1, d - date '2024-01-01', ts + interval '1 day', date_trunc('hour', ts), extract(epoch from ts) from times where id = 1
    select a[1], a[2:3], array_length(a, 1), a || 5, unnest(a) from others where id = 1
    select j->'a', jb->>'b', jb @> '{"b":1}', jsonb_pretty(jb) from others where id = 1
    select (p).a, (p).b from others where id = 1
    select m, m > 'sad', m::text from others order by id
    select case when id > 2 then 'big' else 'small' end, coalesce(i, -1), nullif(s, 0), greatest(i, s), least(i, s) from numbers order by id
    select i.name, p.label from items i join parts p on p.item_id = i.id where i.id < 4 order by p.id
    select i.name, p.label from items i left join parts p on p.item_id = i.id and p.id < 5 where i.id < 6 order by 1, 2
    select name from items where id in (1, 2, 3) order by name desc
    select name from items where id = any (array[3, 1, 2]) order by id
    select name from items where exists (select 1 from parts where item_id = items.id and parts.id < 4) order by id
    select (select count(*) from parts where item_id = i.id) from items i where id = 1
    with x as (select id, price from items where price > 50) select count(*), sum(price) from x
    with recursive r(n) as (select 1 union all select n + 1 from r where n < 10) select sum(n) from r
    select distinct tags from items order by tags
    select tags, count(*) from items group by tags having count(*) > 1 order by tags
    select tags, count(*) from items group by rollup (tags) order by 1
    select id, row_number() over (order by price desc), sum(price) over (order by id) from items where id < 5 order by id
    select id from items order by id limit 3
    select id from items order by id offset 3 limit 3
    select id from items order by id fetch first 2 rows only
    select id from items union select id from parts order by id limit 5
    select id from items where id < 5 intersect select id from parts order by 1
    select id from items where id < 5 except select id from parts where id < 3 order by 1
    select * from cheap order by id
    select * from totals
    select * from region order by id, kind
    select * from region_a order by id
    select * from only region
    select * from generate_series(1, 5) as g
    select * from (values (1, 'x'), (2, 'y')) as v(a, b)
    select * from items cross join lateral (select label from parts where item_id = items.id order by id limit 1) l where items.id < 4 order by items.id
    select id, payload from wide order by id
    select * from wide where id = 7
    select length(payload), md5(payload) from wide where id = 500
    select string_agg(name, ',' order by id) from items where id < 4
    select array_agg(id order by id) from items where id < 4
    select json_agg(i order by id) from (select id, name from items where id < 3) i
    select row(1, 'a', null), row(i, s) from numbers where id = 7
    select items from items where id = 1
    select twice(4)
    select cast('12' as int), '12'::int4, int '12', 12::text, '{1,2}'::int[]
    select 'a' 'b'
    select 'it''s', E'it\'s', "name" from items where id = 1
    select 'select 1; -- not a comment'
    select /* nested /* comment */ */ 1
    select 1 where false
    select 1 limit 0
    select pg_catalog.upper('x')
    select * from public.empty
    """
)

UNCACHEABLE_READS = reads(
    r"""
    select noisy(1)
    select noisy(id) from items where id < 4 order by id
    select warner(7)
    select current_setting('server_version_num')::int > 100000
    select count(*) > 100 from pg_class
    select relname from pg_class where relname = 'items'
    select id from items where id = 1 for update
    select id from items where id = 1 for share
    select now() = now()
    select current_user, session_user, current_schema
    show datestyle
    show search_path
    explain (costs off) select * from items where id = 1
    select random() between 0 and 1
    select ctid from items where id = 1
    select tableoid = 'items'::regclass from items where id = 1
    select to_regclass('items') is not null
    select 'now'::timestamp <= now()
    """
)

ERRORS = reads(
    r"""
    select 1/0
    select 1/(id - 3) from items order by id
    selekt 1
    select * from missing
    select missing from items
    select missing(1)
    select 'x'::int
    select 'not a date'::date
    select * from items where id = 'x'
    select 1 +
    select 'unterminated
    select $1
    select id from items group by name
    select 99999999999::int
    select 'x'::mood
    select (-1)::positive
    insert into items (id, name) values (1, 'duplicate')
    insert into items (name) values (null)
    insert into items (name, price) values ('x', -1)
    insert into parts values (1000, 1000, 'x')
    delete from missing
    set no_such_setting = 1
    set datestyle = 'nonsense'
    rollback
    commit
    savepoint x
    fetch all from missing
    execute missing
    deallocate missing
    drop table missing
    drop table if exists missing
    create table items (id int)
    create table if not exists items (id int)
    select 1; select 1/0; select 2
    begin isolation level nonsense
    """
)

SEVERAL = [
    simple(""),
    simple(" "),
    simple(";"),
    simple("-- only a comment"),
    simple("select 1; select 2"),
    simple("select 1;; select 2;"),
    simple("select 1; insert into log (what) values ('a'); select count(*) from log; delete from log"),
    simple("begin; select 1; commit"),
    simple("begin; select 1; rollback"),
    simple("insert into log (what) values ('lost'); select 1/0"),
    simple("select count(*) from log"),
    simple("select 1; selekt 2"),
    simple("set datestyle = german; select d from times where id = 1; reset datestyle; select d from times where id = 1"),
    simple("select 1; begin; select 2"),
    simple("select 3"),
    simple("commit"),
]

# ---- writes and what reads see afterwards --------------------------------------------------


def around(write, *questions):
    """Warm the questions, write, ask again."""
    steps = [step for q in questions for step in read(simple(q))]
    return steps + [simple(write)] + [step for q in questions for step in read(simple(q))]


WRITES = [
    *around("insert into items (id, name, price) values (1001, 'new', 1.00)", "select count(*) from items", "select * from cheap where id > 1000"),
    *around("update items set price = 2 where id = 1001", "select price from items where id = 1001", "select sum(price) from items"),
    *around("update items set name = 'x' where id = -1", "select name from items where id = 1001"),
    *around("insert into parts values (1001, 1001, 'new part')", "select label from parts where item_id = 1001"),
    *around("delete from items where id = 1001", "select label from parts where item_id = 1001", "select count(*) from items"),
    *around("insert into items (id, name) values (1, 'upsert') on conflict (id) do update set name = excluded.name returning id, name",
            "select name from items where id = 1"),
    *around("update items set name = 'item 1' where id = 1 returning *", "select name from items where id = 1"),
    *around("with w as (update items set price = price + 1 where id = 2 returning id) select * from w", "select price from items where id = 2"),
    *around("update items set price = price - 1 where id = 2", "select price from items where id = 2"),
    *around("insert into audited values (1, 1), (2, 2)", "select count(*) from log", "select * from audited order by id"),
    *around("update audited set v = v + 1", "select what from log order by id", "select * from audited order by id"),
    *around("delete from audited", "select what from log order by id", "select count(*) from audited"),
    *around("truncate log restart identity", "select count(*) from log"),
    *around("insert into region values (100, 'a', 1)", "select count(*) from region", "select count(*) from region_a", "select count(*) from region_b"),
    *around("update region set kind = 'b' where id = 100", "select count(*) from region_a", "select count(*) from region_b"),
    *around("delete from region_b where id = 100", "select count(*) from region"),
    *around("call add_log('called')", "select what from log order by id"),
    *around("do $$ begin insert into log (what) values ('done'); end $$", "select what from log order by id"),
    *around("refresh materialized view totals", "select * from totals"),
    *around("merge into items i using (values (1, 'merged'), (1002, 'made')) as s(id, name) on i.id = s.id "
            "when matched then update set name = s.name when not matched then insert (id, name) values (s.id, s.name)",
            "select name from items where id in (1, 1002) order by id"),
    *around("update items set name = 'item 1' where id = 1", "select name from items where id = 1"),
    *around("delete from items where id = 1002", "select count(*) from items"),
    *around("truncate log restart identity", "select count(*) from log"),
    *around("explain (analyze, costs off, timing off, summary off) insert into log (what) values ('explained')", "select what from log"),
    *around("create table log2 as select * from log", "select what from log"),
    *around("drop table log2", "select count(*) from log"),
    *around("truncate log restart identity", "select count(*) from log"),
    simple("select setval('items_id_seq', 50)"),
]

TRANSACTIONS = [
    *simples(
        r"""
        begin
        select count(*) from items
        insert into items (id, name) values (2001, 'tx')
        select count(*) from items
        select name from items where id = 2001
        rollback
        """
    ),
    *read(simple("select count(*) from items")),
    *simples(
        r"""
        begin
        select name from items where id = 3
        select name from items where id = 3
        update items set name = 'changed' where id = 3
        select name from items where id = 3
        savepoint a
        update items set name = 'again' where id = 3
        select name from items where id = 3
        rollback to savepoint a
        select name from items where id = 3
        release savepoint a
        commit
        """
    ),
    *read(simple("select name from items where id = 3")),
    *simples(
        r"""
        begin
        select 1/0
        select name from items where id = 3
        select 1
        commit
        """
    ),
    *read(simple("select name from items where id = 3")),
    simple("update items set name = 'item 3' where id = 3"),
    *read(simple("select name from items where id = 3")),
    *simples(
        r"""
        begin isolation level repeatable read
        select count(*) from items
        commit
        begin isolation level serializable read only
        select count(*) from items
        commit
        start transaction read only
        insert into log (what) values ('refused')
        rollback
        begin
        begin
        commit
        commit
        begin
        commit and chain
        select 1
        rollback
        begin; insert into log (what) values ('one')
        commit; select count(*) from log; delete from log
        begin
        declare c cursor for select id from items order by id
        fetch 2 from c
        fetch 2 from c
        move 5 in c
        fetch backward 1 from c
        close c
        commit
        begin
        lock table items in share mode
        select count(*) from items
        commit
        prepare transaction 'nothing'
        """
    ),
]

SETTINGS = [
    *read(simple("select d, ts, tstz, iv from times where id = 1")),
    simple("set datestyle = 'German, DMY'"),
    *read(simple("select d, ts, tstz, iv from times where id = 1")),
    simple("set intervalstyle = iso_8601"),
    *read(simple("select d, ts, tstz, iv from times where id = 1")),
    simple("set timezone = 'Asia/Tokyo'"),
    *read(simple("select d, ts, tstz, iv from times where id = 1")),
    simple("set extra_float_digits = 0"),
    *read(simple("select 0.1::float8 + 0.2::float8, d from numbers where id = 7")),
    simple("set extra_float_digits to default"),
    *read(simple("select 0.1::float8 + 0.2::float8, d from numbers where id = 7")),
    simple("set bytea_output = escape"),
    *read(simple("select b from texts where id = 1")),
    simple("reset all"),
    *read(simple("select b from texts where id = 1")),
    *read(simple("select d, ts, tstz, iv from times where id = 1")),
    *simples(
        r"""
        begin
        set local datestyle = 'SQL, MDY'
        select d from times where id = 1
        commit
        select d from times where id = 1
        begin
        set datestyle = 'SQL, MDY'
        select d from times where id = 1
        rollback
        select d from times where id = 1
        set search_path = pg_catalog
        select count(*) from items
        set search_path = public
        select count(*) from items
        reset search_path
        set application_name = 'differential'
        show application_name
        select set_config('datestyle', 'German', false)
        select d from times where id = 1
        reset datestyle
        set standard_conforming_strings = off
        select 'a\\b'
        reset standard_conforming_strings
        select 'a\\b'
        set client_encoding = latin1
        select t from texts where id = 1
        reset client_encoding
        set role postgres
        reset role
        set session authorization default
        set client_min_messages = error
        select warner(1)
        reset client_min_messages
        discard plans
        discard all
        select 1
        """
    ),
]

DDL = [
    *simples(
        r"""
        create table made (id int primary key, v text)
        insert into made values (1, 'one'), (2, 'two')
        select * from made order by id
        select * from made order by id
        select * from made order by id
        alter table made add column w int default 7
        select * from made order by id
        select * from made order by id
        select * from made order by id
        alter table made rename column v to vv
        select * from made order by id
        select * from made order by id
        alter table made alter column vv type varchar(20)
        select * from made order by id
        alter table made drop column w
        select * from made order by id
        create view made_view as select id from made
        select * from made_view order by id
        select * from made_view order by id
        create or replace view made_view as select id + 1 - 1 as id from made where id > 1
        select * from made_view order by id
        drop table made
        drop table made cascade
        select * from made
        create table made (id text)
        insert into made values ('again')
        select * from made
        select * from made
        drop table made
        create temp table items (id int, shadow text)
        insert into items values (1, 'temporary')
        select * from items
        select * from items
        drop table items
        select name from items where id = 1
        create schema other
        create table other.items (id int)
        insert into other.items values (77)
        set search_path = other, public
        select * from items
        select * from items
        reset search_path
        select name from items where id = 1
        drop schema other cascade
        create index made_index on items (name)
        drop index made_index
        create function made_function(int) returns int language sql immutable as 'select $1 + 1'
        select made_function(1)
        select made_function(1)
        create or replace function made_function(int) returns int language sql immutable as 'select $1 + 2'
        select made_function(1)
        drop function made_function
        create type made_enum as enum ('a', 'b')
        create table made (e made_enum)
        insert into made values ('a'), ('b')
        select * from made order by e
        select * from made order by e
        alter type made_enum rename value 'a' to 'z'
        select * from made order by e
        drop table made
        drop type made_enum
        create sequence made_sequence
        select nextval('made_sequence')
        select nextval('made_sequence')
        select last_value from made_sequence
        drop sequence made_sequence
        comment on table items is 'things'
        comment on table items is null
        analyze items
        vacuum empty
        begin
        create table made (id int)
        select * from made
        rollback
        select * from made
        """
    )
]

# ---- the extended protocol -----------------------------------------------------------------

EXTENDED = [
    *both_formats("select * from numbers order by id"),
    *both_formats("select * from texts order by id"),
    *both_formats("select * from times order by id"),
    *both_formats("select * from empty"),
    *both_formats("select id, o, u, j, jb, a, ta, m, p, pos, ip, ci, bi, vb, ir, nr, oi from others order by id"),
    *both_formats("select $1::int + 1, $2::text", ["41", "x"]),
    *both_formats("select $1::int + 1, $2::text", [None, None]),
    *both_formats("select name from items where id = $1", ["1"]),
    *both_formats("select name from items where id = $1", ["2"]),
    *both_formats("select name from items where id = $1", ["99"]),
    *both_formats("select name from items where id = $1", [None]),
    *both_formats("select name from items where id = $1", ["1"], types=[INT8]),
    *both_formats("select name from items where id = any($1)", ["{1,2,3}"]),
    *both_formats("select $1", ["x"]),
    *both_formats("select $1", ["x"], types=[TEXT]),
    *both_formats("select count(*) from parts where label like $1", ["part 1%"]),
    *both_formats("select 1 where $1", ["t"], types=[BOOL]),
    *both_formats("show datestyle"),
    *both_formats("select 1/$1::int", ["0"]),
    *both_formats("select noisy($1)", ["3"]),
    *both_formats(""),
    *both_formats("select 1; select 2"),
    *both_formats("selekt"),
    *both_formats("select $1::int", ["x"]),
    *both_formats("update items set price = price where id = $1", ["5"]),
    *both_formats("update items set price = price where id = $1 returning id, price", ["5"]),
    *read(raw("binary parameter", wire.extended("select name from items where id = $1", [struct.pack("!i", 4)], formats=[1]))),
    *read(raw("binary parameter of the wrong length", wire.extended("select name from items where id = $1", [b"\0\4"], formats=[1]))),
    *read(raw("mixed formats", wire.extended("select id, name, price from items where id = $1 and name = $2", [struct.pack("!i", 4), "item 4"], formats=[1, 0], result_formats=[1, 0, 1]))),
    *read(raw("too many formats", wire.extended("select id from items where id = $1", ["4"], formats=[0, 0]))),
    *read(raw("too many result formats", wire.extended("select id from items where id = 4", result_formats=[0, 0, 1]))),
    *read(raw("too few parameters", wire.extended("select $1::int, $2::int", ["4"]))),
    *read(raw("format 7", wire.extended("select 1", result_formats=[7]))),
    # Row limits.
    *read(raw("two rows, suspended", wire.extended("select id from items order by id", max_rows=2))),
    *read(raw("as many rows as there are", wire.extended("select id from items where id < 3 order by id", max_rows=2))),
    *read(raw("more than there are", wire.extended("select id from items where id < 3 order by id", max_rows=3))),
    raw("a suspended portal goes on", wire.parse("select id from items order by id"), wire.bind(), wire.execute(2), wire.execute(2), wire.execute(0), wire.sync()),
    raw("a negative limit", wire.extended("select id from items where id < 3 order by id", max_rows=-1)),
    raw("execute twice", wire.parse("select id from items where id < 3 order by id"), wire.bind(), wire.execute(), wire.execute(), wire.sync()),
    # Named statements and portals.
    raw("parse s1", wire.parse("select id, name from items where id = $1", "s1"), wire.sync()),
    raw("parse s1 again", wire.parse("select 1", "s1"), wire.sync()),
    *read(raw("bind s1", wire.bind(["1"], "s1"), wire.describe_portal(), wire.execute(), wire.sync())),
    *read(raw("bind s1 in binary", wire.bind(["1"], "s1", result_formats=[1]), wire.describe_portal(), wire.execute(), wire.sync())),
    *read(raw("bind s1, no describe", wire.bind(["2"], "s1"), wire.execute(), wire.sync())),
    raw("describe s1", wire.describe_statement("s1"), wire.sync()),
    raw("write behind s1", wire.query("update items set name = 'changed' where id = 1")),
    *read(raw("bind s1", wire.bind(["1"], "s1"), wire.execute(), wire.sync())),
    raw("write back", wire.query("update items set name = 'item 1' where id = 1")),
    *read(raw("bind s1", wire.bind(["1"], "s1"), wire.execute(), wire.sync())),
    raw("bind a missing statement", wire.bind([], "missing"), wire.execute(), wire.sync()),
    raw("describe a missing statement", wire.describe_statement("missing"), wire.sync()),
    raw("describe a missing portal", wire.describe_portal("missing"), wire.sync()),
    raw("execute a missing portal", wire.execute(0, "missing"), wire.sync()),
    raw("close a missing statement", wire.close_statement("missing"), wire.sync()),
    raw("close s1", wire.close_statement("s1"), wire.sync()),
    raw("bind after close", wire.bind(["1"], "s1"), wire.execute(), wire.sync()),
    raw("named portals", wire.query("begin")),
    raw("two portals", wire.parse("select id from items order by id", "s2"), wire.bind([], "s2", "p1"), wire.bind([], "s2", "p2"), wire.execute(1, "p1"), wire.execute(2, "p2"), wire.execute(1, "p1"), wire.sync()),
    raw("the portal lives in the transaction", wire.execute(1, "p1"), wire.close_portal("p1"), wire.execute(1, "p1"), wire.sync()),
    raw("failed", wire.query("select 1")),
    raw("end", wire.query("rollback")),
    raw("the portal died with it", wire.execute(1, "p2"), wire.sync()),
    raw("s2 lives on", wire.bind([], "s2"), wire.execute(1), wire.sync()),
    raw("SQL drops s2", wire.query("deallocate s2")),
    raw("gone", wire.bind([], "s2"), wire.execute(1), wire.sync()),
    raw("parse s3", wire.parse("select id from items where id < 4 order by id", "s3"), wire.sync()),
    *read(raw("bind s3", wire.bind([], "s3"), wire.execute(), wire.sync())),
    raw("deallocate all", wire.query("deallocate all")),
    raw("gone too", wire.bind([], "s3"), wire.execute(), wire.sync()),
    # The unnamed statement.
    raw("unnamed parse", wire.parse("select id from items where id = $1"), wire.sync()),
    *read(raw("unnamed bind", wire.bind(["3"]), wire.execute(), wire.sync())),
    *read(simple("select 5")),
    raw("a simple query drops the unnamed statement", wire.bind(["3"]), wire.execute(), wire.sync()),
    raw("unnamed parse", wire.parse("select 1"), wire.sync()),
    raw("failing parse", wire.parse("selekt"), wire.sync()),
    raw("dropped by it", wire.bind(), wire.execute(), wire.sync()),
    # DDL under a prepared statement.
    simple("create table shifting (id int, v int)"),
    simple("insert into shifting values (1, 2)"),
    raw("parse s4", wire.parse("select * from shifting", "s4"), wire.sync()),
    *read(raw("bind s4", wire.bind([], "s4"), wire.describe_portal(), wire.execute(), wire.sync())),
    simple("alter table shifting add column w int"),
    *read(raw("bind s4 after DDL", wire.bind([], "s4"), wire.describe_portal(), wire.execute(), wire.sync())),
    raw("close s4", wire.close_statement("s4"), wire.sync()),
    simple("drop table shifting"),
    # SQL PREPARE.
    simple("prepare q as select name from items where id = $1"),
    *read(simple("execute q (1)")),
    simple("deallocate q"),
]

PIPELINES = [
    *read(raw("three reads, three syncs", *[wire.extended("select name from items where id = $1", [str(i)]) for i in (1, 2, 3)], ready=3)),
    *read(raw("three reads, one sync", *[wire.extended("select name from items where id = $1", [str(i)])[:-5] for i in (1, 2, 3)], wire.sync())),
    *read(raw("two simple queries", wire.query("select 1"), wire.query("select name from items where id = 1"), ready=2)),
    *read(raw("mixed", wire.query("select 1"), wire.extended("select 2"), wire.query("select 3"), ready=3)),
    raw("write, then read, one sync", wire.extended("update items set name = 'p' where id = 1")[:-5], wire.extended("select name from items where id = 1")),
    raw("write, then read, two syncs", wire.extended("update items set name = 'item 1' where id = 1"), wire.extended("select name from items where id = 1"), ready=2),
    raw("read, write, read", wire.extended("select name from items where id = 1"), wire.query("update items set name = 'q' where id = 1"),
        wire.query("select name from items where id = 1"), wire.query("update items set name = 'item 1' where id = 1"), wire.query("select name from items where id = 1"), ready=5),
    raw("an error skips to sync", wire.extended("select 1/0")[:-5], wire.extended("select 1")[:-5], wire.sync()),
    raw("an error, then a good one", wire.extended("select 1/0"), wire.extended("select 1"), ready=2),
    raw("write and error in one sync", wire.extended("insert into log (what) values ('lost')")[:-5], wire.extended("select count(*) from log")[:-5], wire.extended("select 1/0")),
    *read(simple("select count(*) from log")),
    raw("begin in a pipeline", wire.extended("begin")[:-5], wire.extended("insert into log (what) values ('lost')")[:-5], wire.extended("rollback")),
    *read(simple("select count(*) from log")),
    raw("sync alone", wire.sync()),
    raw("three syncs", wire.sync(), wire.sync(), wire.sync(), ready=3),
    raw("flush", wire.parse("select 1"), wire.flush(), wire.bind(), wire.execute(), wire.flush(), wire.sync()),
    raw("copy messages without copy", wire.copy_data(b"x"), wire.copy_done(), wire.sync()),
]

COPY = [
    simple("copy items (id, name) to stdout"),
    simple("copy (select id, name from items where id < 4 order by id) to stdout with csv header"),
    simple("copy (select * from others where id = 1) to stdout"),
    simple("copy (select id, name from items where id < 3 order by id) to stdout (format binary)"),
    simple("copy empty to stdout"),
    simple("copy missing to stdout"),
    simple("copy (select 1/(id - 2) from items order by id) to stdout"),
    raw("extended copy out", wire.extended("copy (select 1) to stdout")),
    *read(simple("select count(*), max(t) from empty")),
    raw("copy in", wire.query("copy empty from stdin"), wire.copy_data(b"1\tone\n2\t\\N\n"), wire.copy_data(b"3\tthr"), wire.copy_data(b"ee\n"), wire.copy_done()),
    *read(simple("select * from empty order by id")),
    raw("copy in, failed by us", wire.query("copy empty from stdin"), wire.copy_data(b"4\tfour\n"), wire.copy_fail("no more")),
    raw("copy in, wrong data", wire.query("copy empty from stdin"), wire.copy_data(b"x\tbad\n"), wire.copy_done()),
    raw("copy in, duplicate", wire.query("copy empty from stdin"), wire.copy_data(b"1\tagain\n"), wire.copy_done()),
    raw("copy in, csv", wire.query("copy empty from stdin with (format csv)"), wire.copy_data(b'5,"f,ive"\n'), wire.copy_done()),
    raw("copy in, extended", wire.parse("copy empty from stdin"), wire.bind(), wire.execute(), wire.copy_data(b"6\tsix\n"), wire.copy_done(), wire.sync()),
    *read(simple("select * from empty order by id")),
    raw("copy nothing", wire.query("copy empty from stdin"), wire.copy_done()),
    raw("copy in and more statements", wire.query("copy empty from stdin; select count(*) from empty"), wire.copy_data(b"7\tseven\n"), wire.copy_done()),
    *read(simple("select count(*) from empty")),
    simple("truncate empty"),
    *read(simple("select count(*) from empty")),
]

OTHERS = [
    simple("listen channel_a"),
    simple("unlisten channel_a"),
    simple("select pg_advisory_lock(1)"),
    simple("select pg_advisory_unlock(1)"),
    simple("select pg_advisory_unlock(1)"),
    simple("set statement_timeout = '20ms'"),
    simple("select pg_sleep(2)"),
    simple("reset statement_timeout"),
    simple("select pg_sleep(0)"),
    simple("checkpoint"),
    simple("select repeat('x', 2000000)"),
    simple("select repeat('y', 100000) from generate_series(1, 30)"),
    *read(simple("select i, repeat('z', 100) from generate_series(1, 5000) i")),
    simple("select '" + "q" * 200000 + "'"),
    simple(b"select '\xff\xfe'"),
    simple(b"select 'caf\xc3\xa9'"),
    simple("select 1 " + "+ 1" * 300),
    simple("select " + ", ".join(str(i) for i in range(1600))),
    simple("select " + ", ".join(str(i) for i in range(1700))),
]

SESSIONS = [
    Session("reads", {}, SIMPLE_READS),
    Session("uncacheable reads", {}, UNCACHEABLE_READS),
    Session("errors", {}, ERRORS),
    Session("several statements", {}, SEVERAL),
    Session("writes", {}, WRITES),
    Session("transactions", {}, TRANSACTIONS),
    Session("settings", {}, SETTINGS),
    Session("ddl", {}, DDL),
    Session("extended", {}, EXTENDED),
    Session("pipelines", {}, PIPELINES),
    Session("copy", {}, COPY),
    Session("others", {}, OTHERS),
    # The same reads under other settings: the cache must keep them apart.
    Session("reads, other settings", {"datestyle": "German", "timezone": "America/New_York", "application_name": "x"}, SIMPLE_READS[:60]),
    Session("reads, options", {"options": "-c extra_float_digits=0 -c intervalstyle=iso_8601 -c bytea_output=escape"}, SIMPLE_READS[:60]),
    Session("reads, latin1", {"client_encoding": "LATIN1"}, reads("select t from texts where id < 3\nselect t from texts where id = 4\nselect 'x'")),
    Session("reads again", {}, SIMPLE_READS),
]
