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
