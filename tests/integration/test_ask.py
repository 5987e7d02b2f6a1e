"""Asking Postgres before COMMIT what code has written that nobody can bound by reading it: what was
not written stays cached, what was written is seen, and whatever goes wrong with the question, the
COMMIT is not the client's loss."""

import pytest

import hazard
import wire

shared_lab, lab = hazard.laboratory()

# `run` executes whatever it is given: its text alone says nothing.
SETUP = """create table x (id int primary key, a int); insert into x values (1, 1);
create table y (a int); insert into y values (1);
create table z (a int);
create function run(text) returns int language plpgsql as $$ begin execute $1; return 1; end $$;
create function copied() returns trigger language plpgsql as $$ begin execute 'insert into z values (1)'; return null; end $$;
"""
X, Y, Z = "select a from x where id = 1", "select a from y", "select count(*) from z"


@pytest.fixture
def ready(lab):
    """A writer, and a reader to whom all three tables are cached."""
    writer = lab.setup(SETUP)
    reader = lab.connect()
    for read in (X, Y, Z):
        lab.cached(reader, read)
    explained = lab.proxy.console("EXPLAIN CACHE select run('select 1')")
    assert any("before COMMIT" in str(row) for row in explained), "nothing is asked of this statement"
    return lab, writer, reader


def hits(lab, reader):
    """Which of the three tables are still cached."""
    return [lab.reaches(read, lambda r=read: reader.query(r))[1] == 0 for read in (X, Y, Z)]


def asked(lab):
    return lab.postgres.log().count("execute <unnamed>: SAVEPOINT pgrecall_ask")


def send(client, sql, protocol):
    return client.ask(wire.query(sql) if protocol == "simple" else wire.extended(sql))


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize("begin", ["begin", "begin; select 1"])
def test_code_that_only_reads_flushes_nothing(ready, protocol, begin):
    lab, writer, reader = ready
    writer.query(begin)
    writer.query("select run('select count(*) from x')")
    before = asked(lab)
    assert wire.tags_of(send(writer, "commit", protocol)) == ("CZ" if protocol == "simple" else "12nCZ")
    assert asked(lab) == before + 1
    assert hits(lab, reader) == [True, True, True]


@pytest.mark.parametrize("protocol", ["simple", "extended"])
@pytest.mark.parametrize(("steps", "left"), [
    (["select run('update x set a = 2')"], [False, True, True]),
    (["select run('truncate x')"], [False, False, False]),  # it writes the catalog
    (["select run('select 1')", "update y set a = 5"], [True, False, True]),
    (["select run('delete from x')", "insert into y values (2)"], [False, False, True]),
    (["savepoint s", "select run('update x set a = 2')", "release s"], [False, True, True]),
    (["savepoint s", "select run('update x set a = 2')", "rollback to s", "update y set a = 2"], [True, False, True]),
])
def test_what_was_written_is_seen_and_the_rest_is_kept(ready, protocol, steps, left):
    lab, writer, reader = ready
    writer.query("begin")
    for step in steps:
        assert not wire.errors_of(send(writer, step, protocol))
    send(writer, "commit", protocol)
    for read in (X, Y, Z):
        assert reader.query(read) == lab.behind(read)
    for read in (X, Y, Z):
        lab.cached(reader, read)
    writer.query("discard all")
    writer.query("begin")
    for step in steps:
        send(writer, step, protocol)
    send(writer, "commit", protocol)
    assert [kept or not expected for kept, expected in zip(hits(lab, reader), left)] == [True] * 3
    for read in (X, Y, Z):
        assert reader.query(read) == lab.behind(read)


@pytest.mark.parametrize("code", ["create table later (a int)", "alter table x add column b int default 3", "drop table y cascade",
                                  "create function g() returns int language sql as ''select 1''", "grant select on x to alice",
                                  "alter table x rename to w"])
def test_DDL_by_code_reaches_everything(ready, code):
    lab, writer, reader = ready
    writer.query("begin")
    writer.query(f"select run('{code}')")
    writer.query("commit")
    for read in (X, Y, Z, "select * from x"):
        assert hazard.outcome(reader, read) == hazard.sqlstate_of(lambda r=read: lab.direct().query(r))


def test_a_deferred_trigger_runs_behind_the_answer(ready):
    lab, writer, reader = ready
    writer.query("create constraint trigger later after update on x initially deferred for each row execute function copied()")
    for read in (X, Y, Z):
        lab.cached(reader, read)
    writer.query("begin")
    writer.query("select run('update x set a = a + 1')")
    writer.query("commit")
    for read in (X, Y, Z):
        assert reader.query(read) == lab.behind(read)


def test_without_counters_catalog_writes_are_assumed(ready):
    lab, writer, reader = ready
    writer.query("begin")
    writer.query("set local track_counts = off")
    writer.query("select run('create table later (a int); update x set a = 7')")
    writer.query("commit")
    assert reader.query(X) == [["7"]]


@pytest.mark.parametrize("trouble", ["set local statement_timeout = 1", "set local lock_timeout = 1",
                                     "set local search_path = nowhere", "set local session_replication_role = replica"])
def test_trouble_with_the_question_costs_hits_and_not_the_commit(ready, trouble):
    lab, writer, reader = ready
    writer.query("begin")
    writer.query("select run('update x set a = 9')")
    writer.query(trouble)
    assert writer.ask(wire.query("commit"))[0].body == b"COMMIT\0"
    assert lab.behind(X) == reader.query(X) == [["9"]]


def test_a_question_that_is_refused_costs_hits_and_not_the_commit(ready):
    lab, writer, reader = ready
    lab.behind("revoke select on pg_locks from public")
    lab.behind("grant all on x to bob")
    try:
        bob = lab.connect(user="bob")
        bob.query("begin")
        bob.query("select run('update x set a = 9')")
        assert [m.tag for m in bob.ask(wire.query("commit"))] == [b"C", b"Z"]
        assert lab.behind(X) == reader.query(X) == [["9"]]
    finally:
        lab.behind("grant select on pg_locks to public")


def test_a_failed_block_is_not_asked(ready):
    lab, writer, reader = ready
    writer.query("begin")
    writer.query("select run('update x set a = 9')")
    assert hazard.outcome(writer, "select 1/0") == "22012"
    before = asked(lab)
    assert writer.ask(wire.query("commit"))[0].body == b"ROLLBACK\0"
    assert asked(lab) == before
    assert reader.query(X) == [["1"]]
