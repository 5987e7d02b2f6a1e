"""Code that a statement sets off is bounded: what it does not write stays cached, and what it writes is
new at once. An application that calls nextval or takes a lock must not flush its cache."""

import pytest

import hazard
import wire

shared_lab, lab = hazard.laboratory()

TABLES = """create table kept (id int primary key, v int); insert into kept values (1, 1);
create table t (id int primary key, v int, updated_at timestamptz); insert into t values (1, 1), (2, 2);
create table log (n int); create table other (n int); create sequence sq;
create function reads(k int) returns int language plpgsql as $$ declare r record; s int := 0;
 begin for r in select v from kept where id <= k loop s := s + r.v; end loop; return s; end $$;
create function reads_sql(k int) returns bigint language sql as $$ select count(*) from kept where id = k $$;
create function writes(k int) returns int language plpgsql as $$ begin update t set v = v + k where id = 1; return k; end $$;
create function touch() returns trigger language plpgsql as $$ begin new.updated_at := now(); return new; end $$;
create trigger touched before update on t for each row execute function touch();
create function audit() returns trigger language plpgsql as $$ begin insert into log values (new.v); return null; end $$;
create trigger audited after insert or update on t for each row execute function audit();
create table orders (id int primary key, n int);
create function late() returns trigger language plpgsql as $$ begin insert into other values (new.n); return null; end $$;
create constraint trigger late after insert on orders deferrable initially deferred for each row execute function late();"""

KEPT = ["select v from kept where id = 1", "select sum(v) from kept"]

# id, the statements that write nothing that is read here
HARMLESS = [
    ("nextval", "select nextval('sq')"),
    ("nextval-in-an-expression", "select nextval('sq'::regclass) + 1 as n"),
    ("setval", "select setval('sq', 7)"),
    ("random", "select random()"),
    ("setseed", "select setseed(0.5)"),
    ("uuid", "select gen_random_uuid()"),
    ("clock", "select now(), clock_timestamp()"),
    ("sleep", "select pg_sleep(0)"),
    ("lock-of-a-transaction", "select pg_advisory_xact_lock(5)"),
    ("try-lock-of-a-transaction", "select pg_try_advisory_xact_lock(5)"),
    ("lock-of-a-session", "select pg_advisory_lock(5), pg_advisory_unlock(5)"),
    ("set_config", "select set_config('app.user', '7', true)"),
    ("set_config-of-the-session", "select set_config('application_name', 'b', false)"),
    ("notify", "select pg_notify('c', 'said')"),
    ("backend-pid", "select pg_backend_pid(), txid_current()"),
    ("plpgsql-that-reads", "select reads(1)"),
    ("plpgsql-in-from", "select * from reads(1) r, reads_sql(1) s"),
    ("sql-that-reads", "select reads_sql(1)"),
    ("do-that-reads", "do $$ begin perform reads(1); end $$"),
    ("row-lock", "select v from kept where id = 1 for update"),
    ("lock-table", "lock table other in share mode"),
    ("insert-elsewhere", "insert into other values (nextval('sq'))"),
]


def run(client, sql, how):
    """One statement: by the simple or the extended protocol, alone or in a block with a write elsewhere."""
    ask = client.query if how.startswith("simple") else lambda text: wire.rows_of(good(client.ask(wire.extended(text))))
    if "block" not in how:
        return ask(sql)
    ask("begin")
    ask("insert into other values (0)")
    rows = ask(sql)
    ask("commit")
    return rows


def good(messages):
    assert not wire.errors_of(messages), messages
    return messages


def stay(lab, client, reads):
    for read in reads:
        (_, asked) = lab.reaches(read, lambda read=read: client.query(read))
        assert asked == 0, f"flushed: {read}"


HOW = ["simple", "extended", "simple block", "extended block"]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("sql", [c[1] for c in HARMLESS], ids=[c[0] for c in HARMLESS])
def test_what_writes_nothing_flushes_nothing(lab, sql, how):
    reader = lab.setup(TABLES)
    for read in KEPT:
        lab.cached(reader, read)
    writer = lab.connect()
    if sql.startswith("lock") and "block" not in how:
        writer.query(f"begin; {sql}; commit")
    else:
        run(writer, sql, how)
    stay(lab, reader, KEPT)


# More of what applications and their keepers send, alone: bodies of every kind that only read, and commands.
MORE = """create extension "uuid-ossp"; create extension pgcrypto;
create table keyed (id uuid default uuid_generate_v4(), salt text default gen_salt('md5'), at timestamptz default now(), n serial);
create function tries(k int) returns int language plpgsql as $$ begin return 1 / (k - k);
 exception when division_by_zero then raise notice 'no'; return (select v from kept where id = k); end $$;
create function by_way_of_a_table() returns bigint language plpgsql as $$ begin create temp table if not exists scratch (n int);
 insert into scratch select v from kept; return (select count(*) from scratch); end $$;
create function opens() returns refcursor language plpgsql as $$ declare c refcursor; begin open c for select * from kept; return c; end $$;
create function rows_of() returns setof kept language plpgsql as $$ begin return query select * from kept where id > 0; end $$;
create function says() returns void language plpgsql as $$ begin perform pg_notify('c', 'x'); raise log 'said'; end $$;
create function locks() returns void language plpgsql as $$ begin perform pg_advisory_xact_lock(3); perform 1 from kept where id = 1 for update; end $$;
create function sets() returns void language plpgsql as $$ begin perform set_config('app.x', '1', true); end $$;
create function next_of() returns bigint language sql as $$ select nextval('sq') $$;
create procedure reads_it() language plpgsql as $$ begin perform reads(1); end $$;
create view seen as select reads(1) as r, random() as s;
create function checked(n int) returns bool language plpgsql as $$ begin return n > 0 and exists (select from kept); end $$;
create table guarded (n int check (checked(n)), m int default next_of());
"""

QUIET = [
    "select uuid_generate_v4(), gen_salt('md5'), crypt('a', 'bc')", "insert into keyed default values", "insert into guarded (n) values (1)",
    "select tries(1)", "select by_way_of_a_table()", "select * from rows_of()", "select says()", "select locks()", "select sets()", "select next_of()",
    "call reads_it()", "select * from seen", "begin; select opens(); commit", "select reads(v) from kept where reads(id) > 0 order by random()",
    "do $$ declare r record; begin for r in select * from kept loop raise log '%', r.v; end loop; end $$",
    "explain analyze select reads(1) from kept", "explain select writes(1)", "copy kept to stdout", "copy (select reads(1)) to stdout",
    "begin; declare c cursor for select reads(1) from kept; fetch c; commit", "begin; savepoint s; select random(); rollback to s; release s; commit",
    "begin; lock table kept in share mode; commit", "begin isolation level serializable; select * from kept; commit",
    "analyze kept", "vacuum kept", "comment on table kept is 'x'", "checkpoint", "reindex table other", "truncate other",
    "listen c", "notify c, 'x'", "unlisten *", "show all", "set work_mem = '5MB'", "select set_config('search_path', 'public', false)",
    "create temp table mine (a int)", "discard all", "select pg_advisory_unlock_all()", "select pg_stat_reset()", "select pg_cancel_backend(0)",
    "select count(*) from pg_stat_activity", "select txid_current(), pg_export_snapshot()", "set role alice", "values (random(), clock_timestamp())",
]


def test_what_only_reads_or_keeps_house_flushes_nothing(lab):
    reader = lab.setup(TABLES + MORE)
    flushed = []
    for sql in QUIET:
        for read in KEPT:
            lab.cached(reader, read)
        with lab.proxy.connect() as writer:
            writer.query(sql)
        flushed += [sql for read in KEPT if lab.reaches(read, lambda: reader.query(read))[1]]  # noqa: B023
    assert not flushed


# id, statement, reads whose answers it changes, reads that stay
WRITES = [
    ("function-that-writes-one-table", "select writes(3)", ["select v from t where id = 1", "select count(*) from log"], [*KEPT, "select count(*) from orders"]),
    ("function-in-where", "select 1 where writes(3) > 0", ["select v from t where id = 1"], KEPT),
    ("call-in-do", "do $$ begin perform writes(3); end $$", ["select v from t where id = 1", "select count(*) from log"], [*KEPT, "select count(*) from orders"]),
    ("before-trigger", "update t set v = 5 where id = 2", ["select updated_at is null from t where id = 2", "select v from t where id = 2"], [*KEPT, "select count(*) from orders"]),
    ("audit-trigger", "update t set v = 9 where id = 2", ["select count(*) from log", "select sum(v) from t"], [*KEPT, "select count(*) from orders"]),
    ("audit-trigger-of-an-insert", "insert into t values (3, 3)", ["select count(*) from log", "select count(*) from t"], [*KEPT, "select count(*) from orders"]),
    ("deferred-constraint-trigger", "insert into orders values (1, 4)", ["select count(*) from orders", "select max(n) from other"], [*KEPT, "select count(*) from log", "select sum(v) from t"]),
]


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize(("sql", "new", "kept"), [c[1:] for c in WRITES], ids=[c[0] for c in WRITES])
def test_what_is_written_is_new_at_once_and_nothing_else(lab, sql, new, kept, how):
    reader = lab.setup(TABLES)
    if "block" in how:
        new, kept = [*new], [read for read in kept if "other" not in read]
    before = {read: lab.cached(reader, read) for read in [*new, *kept]}
    writer = lab.connect()
    run(writer, sql, how)
    for read in new:
        right = lab.behind(read)
        assert reader.query(read) == writer.query(read) == right, read
        assert right != before[read], f"unchanged: {read}"
    stay(lab, reader, kept)


def test_a_deferred_trigger_is_seen_at_commit_and_not_before(lab):
    reader = lab.setup(TABLES)
    read = "select count(*) from other"
    assert lab.cached(reader, read) == [["0"]]
    writer = lab.connect()
    writer.query("begin")
    writer.query("insert into orders values (1, 4)")
    assert reader.query(read) == [["0"]]
    for kept in KEPT:
        lab.cached(reader, kept)
    writer.query("commit")
    assert reader.query(read) == [["1"]]
    stay(lab, reader, KEPT)


def test_a_function_that_comes_to_write_is_noticed(lab):
    reader = lab.setup(TABLES)
    writer = lab.connect()
    lab.cached(reader, KEPT[0])
    writer.query("select reads(1)")
    stay(lab, reader, KEPT[:1])
    writer.query("create or replace function reads(k int) returns int language plpgsql as $$ begin update kept set v = v + k; return k; end $$")
    lab.cached(reader, KEPT[0])
    writer.query("select reads(1)")
    assert reader.query(KEPT[0]) == [["2"]]
