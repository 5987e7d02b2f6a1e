"""Hazards of classes T and L: when a write is seen, and what is hidden from whoever reads its text.

Not here:
  T09, T10   need the change stream, which this release does not have
  T11        its first half (a Redis restored from an old dump) is here; a promoted replica is not
"""

import os
import signal

import pytest

import hazard
import servers
import wire

shared_lab, lab = hazard.laboratory()

X = "create table x (a int); insert into x values (1);"
READ = "select a from x"
SLOW = "select a, (select count(*) from generate_series(1, 1500000) i where i % 7 = 3) from x"


def visible(lab, value):
    return servers.wait_until(lambda: lab.behind(READ) == [[str(value)]], 20, 0.005)


@pytest.mark.parametrize("end", ["commit", "end", "commit; select pg_sleep(0.3)", "commit and chain"])
def test_T01_old_hit_not_new_while_the_commit_is_unread(lab, end):
    reader = lab.setup(X)
    writer = lab.connect()
    assert lab.cached(reader, READ) == [["1"]]
    writer.query("begin")
    writer.query("update x set a = 2")
    writer.send(wire.query(end))
    assert visible(lab, 2)
    assert reader.query(READ) == [["2"]]
    writer.read_until(b"Z")
    assert reader.query(READ) == [["2"]]
    if "chain" in end:
        writer.query("rollback")
    assert lab.cached(reader, READ) == [["2"]]


def test_T01_autocommit(lab):
    reader = lab.setup(X)
    writer = lab.connect()
    assert lab.cached(reader, READ) == [["1"]]
    writer.send(wire.query("update x set a = 2; commit; select pg_sleep(0.4)"))
    assert visible(lab, 2)
    for _ in range(20):
        assert reader.query(READ) == [["2"]]
    writer.read_until(b"Z")


def test_T02_old_stored_by_a_read_that_spans_a_commit(lab):
    reader = lab.setup(X)
    slow, writer = lab.connect(), lab.connect()
    (count,) = [row[1] for row in slow.query(SLOW)]
    lab.connect().query("update x set a = 5")
    slow.send(wire.query(SLOW))
    hazard.sleep(0.05)
    writer.query("update x set a = 2")
    first = wire.rows_of(slow.read_until(b"Z"))
    assert first in ([["5", count]], [["2", count]])
    assert reader.query(SLOW) == [["2", count]]
    assert lab.cached(reader, SLOW) == [["2", count]]


def test_T02_of_a_commit_that_begins_before_the_read_and_ends_after(lab):
    reader = lab.setup(X)
    slow, writer = lab.connect(), lab.connect()
    writer.query("begin")
    writer.query("update x set a = 2")
    slow.send(wire.query(SLOW))
    hazard.sleep(0.05)
    writer.query("commit")
    slow.read_until(b"Z")
    assert reader.query(SLOW)[0][0] == "2"


def test_T02_ddl_while_the_read_is_on_its_way(lab):
    reader = lab.setup(X + "create view w as select 1 as a, (select count(*) from generate_series(1, 1500000) i where i % 7 = 3)")
    slow, writer = lab.connect(), lab.connect()
    slow.send(wire.query("select * from w"))
    hazard.sleep(0.1)
    writer.query("create or replace view w as select 2 as a, (select count(*) from generate_series(1, 1500000) i where i % 7 = 3)")
    slow.read_until(b"Z")
    assert reader.query("select * from w")[0][0] == "2"


def test_T03_committed_at_complete_not_only_after_ready(lab):
    reader = lab.setup(X)
    writer = lab.connect()
    assert lab.cached(reader, READ) == [["1"]]
    writer.send(wire.parse("update x set a = 2"), wire.bind(), wire.execute(), wire.flush())
    writer.read_until(b"C")
    # Not committed: the server says 1, and 1 must not be stored for later.
    for _ in range(3):
        assert reader.query(READ) == lab.behind(READ) == [["1"]]
    writer.ask(wire.sync())
    assert reader.query(READ) == [["2"]]
    writer.send(wire.parse("update x set a = 3"), wire.bind(), wire.execute(), wire.flush())
    writer.read_until(b"C")
    reader.query(READ)
    writer.abort()
    lab.clients.remove(writer)
    assert servers.wait_until(lambda: lab.behind("select count(*) from pg_stat_activity where query like 'update x%' and state <> 'idle'") == [["0"]])
    assert reader.query(READ) == lab.behind(READ)


def test_T03_a_deferred_failure_after_complete(lab):
    reader = lab.setup("create table p (id int primary key); create table x (a int references p deferrable initially deferred)")
    read = "select count(*) from x"
    assert lab.cached(reader, read) == [["0"]]
    messages = lab.connect().ask(wire.extended("insert into x values (5)"))
    assert "C" in wire.tags_of(messages) and wire.errors_of(messages) == ["23503"]
    assert reader.query(read) == [["0"]]


def test_T04_50_stored_and_rolled_back(lab):
    reader = lab.setup(X)
    writer = lab.connect()
    read = "select count(*) from x"
    assert lab.cached(reader, read) == [["1"]]
    parts = [wire.parse(s) + wire.bind() + wire.describe_portal() + wire.execute() for s in ("insert into x select generate_series(1, 49)", read, "select 1/0")]
    messages = writer.ask(*parts, wire.sync())
    assert wire.rows_of(messages) == [["50"]] and wire.errors_of(messages) == ["22012"]
    for client in (reader, writer, lab.connect()):
        assert client.query(read) == [["1"]]
        assert wire.rows_of(client.ask(wire.extended(read))) == [["1"]]
    assert hazard.outcome(writer, f"insert into x values (5); {read}; select 1/0") == "22012"
    assert reader.query(read) == [["1"]]


@pytest.mark.parametrize("how", ["call", "do"])
def test_T05_old_not_77_of_a_procedure_that_sleeps_after_its_commit(lab, how):
    body = "begin update x set a = 77; commit; perform pg_sleep(0.5); update x set a = 78; end"
    reader = lab.setup(X + f"create procedure c() language plpgsql as $$ {body} $$")
    writer = lab.connect()
    assert lab.cached(reader, READ) == [["1"]]
    writer.send(wire.query("call c()" if how == "call" else f"do $$ {body} $$"))
    assert visible(lab, 77)
    for _ in range(3):
        assert reader.query(READ) == [["77"]]
    writer.read_until(b"Z")
    assert reader.query(READ) == [["78"]]


def test_T06_never_invalidated_after_the_socket_died(lab):
    reader = lab.setup(X)
    for value in range(2, 8):
        writer = lab.proxy.connect()
        writer.query("begin")
        writer.query(f"update x set a = {value}")
        lab.cached(reader, READ)
        writer.send(wire.query("commit"))
        writer.abort()
        if servers.wait_until(lambda v=value: lab.behind(READ) == [[str(v)]], 1, 0.005):
            assert reader.query(READ) == [[str(value)]]
        else:
            assert reader.query(READ) == lab.behind(READ)


def test_T06_the_backend_is_killed_after_it_committed(lab):
    reader = lab.setup(X)
    writer = lab.proxy.connect()
    assert lab.cached(reader, READ) == [["1"]]
    writer.send(wire.query("do $$ begin update x set a = 2; commit; perform pg_sleep(20); end $$"))
    assert visible(lab, 2)
    lab.behind("select pg_terminate_backend(pid) from pg_stat_activity where query like 'do $$ begin update x%' and pid <> pg_backend_pid()")
    assert reader.query(READ) == [["2"]]
    writer.read_to_end()
    for _ in range(5):
        assert reader.query(READ) == [["2"]]
    lab.cached(reader, READ)


def test_T06_the_answer_is_lost_before_the_commit_lands(lab):
    """The backend stands still with the commit in its socket, and the client goes away. Whatever is
    stored meanwhile may not outlive the commit that lands later."""
    reader = lab.setup(X)
    assert lab.cached(reader, READ) == [["1"]]
    writer = lab.proxy.connect()
    writer.query("begin")
    ((pid,),) = writer.query("update x set a = 2 returning pg_backend_pid()")
    os.kill(int(pid), signal.SIGSTOP)
    try:
        writer.send(wire.query("commit"))
        hazard.sleep(0.1)
        writer.abort()
        hazard.sleep(0.2)
        for _ in range(5):
            assert reader.query(READ) == [["1"]]
    finally:
        os.kill(int(pid), signal.SIGCONT)
    gone = f"select count(*) from pg_stat_activity where pid = {pid} and state <> 'idle'"
    assert servers.wait_until(lambda: lab.behind(gone) == [["0"]], 20, 0.005)
    for _ in range(20):
        assert reader.query(READ) == lab.behind(READ)
    lab.cached(reader, READ)
    assert reader.query(READ) == lab.behind(READ)


@pytest.mark.parametrize("how", ["startup", "begin"])
def test_T07_both_commit_not_40001_in_a_write_skew(lab, how):
    lab.setup("create table x (id int, a int); insert into x values (1, 1), (2, 1)")
    read = "select sum(a) from x"
    lab.cached(lab.connect(), read)
    settings = {"default_transaction_isolation": "serializable"} if how == "startup" else {}
    begin = "begin" if how == "startup" else "begin isolation level serializable"
    a, b = lab.connect(**settings), lab.connect(**settings)
    for client in (a, b):
        assert client.query(read) == [["2"]]
        client.query(begin)
        assert client.query(read) == [["2"]]
    a.query("update x set a = 0 where id = 1")
    outcomes = [hazard.outcome(b, "update x set a = 0 where id = 2"), hazard.outcome(a, "commit"), hazard.outcome(b, "commit")]
    assert "40001" in outcomes
    assert lab.connect().query(read) == [["1"]]


def test_T07_single_reads_under_serializable_are_asked(lab):
    lab.setup(X)
    a = lab.connect(default_transaction_isolation="serializable")
    lab.never_cached(a, READ)
    b = lab.connect()
    b.query("set session characteristics as transaction isolation level serializable")
    lab.never_cached(b, READ)


@pytest.fixture
def crashing():
    made = hazard.Lab(["wal_writer_delay = 10s"], server_login_retry="0.2s")
    yield made
    made.close_clients()
    made.outside = made.postgres.connect()
    made.end()


def test_T08_2_not_1_after_a_crash_lost_an_asynchronous_commit(crashing):
    lab = crashing
    reader = lab.setup(X)
    lab.behind("checkpoint")
    writer = lab.connect()
    writer.query("set synchronous_commit = off; update x set a = 2")
    assert lab.cached(reader, READ) == [["2"]]
    lab.postgres.crash()
    lab.postgres.start()
    with lab.postgres.connect() as direct:
        right = direct.query(READ)
    assert right == [["1"]], "the crash lost nothing"
    seen = []

    def answers():
        with lab.proxy.connect() as client:
            seen[:] = [hazard.outcome(client, READ)]
        return seen[0] == right

    hazard.sleep(0.2)
    assert servers.wait_until(answers, 20, 0.1), seen
    for _ in range(5):
        assert lab.proxy.query(READ) == right


def test_T11_T12_a_killed_proxy_leaves_nothing_stale_in_redis(own_redis):
    """Killed between the closing of a write's tables and its end, and started again on the same Redis,
    whose memory then holds what was stored before."""
    lab = hazard.Lab(redis_url=own_redis.url())
    try:
        reader = lab.setup(X)
        assert lab.cached(reader, READ) == [["1"]]
        assert servers.wait_until(lambda: own_redis.keys() > 0)
        writer = lab.proxy.connect()
        writer.query("begin; update x set a = 2")
        writer.send(wire.query("commit"))
        lab.proxy.stop_by(9)
        lab.close_clients()
        lab.behind("update x set a = 3")
        lab.proxy.start()
        for _ in range(5):
            assert lab.proxy.query(READ) == [["3"]]
        lab.warm()
        for _ in range(5):
            lab.proxy.query("update x set a = a + 1")
            assert lab.proxy.query(READ) == lab.behind(READ)
    finally:
        lab.end()


def test_T11_an_old_dump_in_redis_is_a_miss(own_redis):
    lab = hazard.Lab(redis_url=own_redis.url())
    try:
        reader = lab.setup(X)
        assert lab.cached(reader, READ) == [["1"]]
        assert servers.wait_until(lambda: own_redis.keys() > 0)
        hazard.sleep(0.1)
        names = [word for word in own_redis.command("KEYS", "*").split("\r\n")[1:] if word and not word.startswith("$")]
        for name in names:
            own_redis.command("COPY", name, "old:" + name)
        lab.connect().query("update x set a = 2")
        assert reader.query(READ) == [["2"]]
        for name in names:
            own_redis.command("COPY", "old:" + name, name, "REPLACE")
        lab.proxy.console("FLUSH MEMORY")
        assert reader.query(READ) == [["2"]]
        with lab.proxy.connect() as other:
            assert other.query(READ) == [["2"]]
    finally:
        lab.end()


@pytest.mark.parametrize(("step", "sqlstate"), [
    (["begin", "update x set a = 2", "commit and chain", "rollback"], None),
    (["begin", "update x set a = 2", "commit; begin", "rollback"], None),
    ("update x set a = 2; commit; select 1/0", "22012"),
    ("begin; update x set a = 2; commit; select 1/0", "22012"),
    ("begin; update x set a = 2; end; begin; update x set a = 3; select 1/0", "22012"),
], ids=["chain", "commit-begin", "error-after-commit", "block-then-error", "two-blocks"])
def test_T13_not_bumped_for_its_status_or_error(lab, step, sqlstate):
    reader = lab.setup(X)
    writer = lab.connect()
    assert lab.cached(reader, READ) == [["1"]]
    if isinstance(step, list):
        lab.run(writer, step[:-1])
        assert reader.query(READ) == [["2"]]
        lab.run(writer, step[-1])
    else:
        lab.run(writer, (step, sqlstate))
    assert reader.query(READ) == lab.behind(READ) == [["2"]]


def test_T13_a_pipelined_commit_is_visible_before_its_sync(lab):
    reader = lab.setup(X)
    writer = lab.connect()
    assert lab.cached(reader, READ) == [["1"]]
    writer.send(*[wire.parse(s) + wire.bind() + wire.execute() for s in ("begin", "update x set a = 2", "commit")], wire.flush())
    assert visible(lab, 2)
    for _ in range(3):
        assert reader.query(READ) == [["2"]]
    writer.ask(wire.sync())
    assert reader.query(READ) == [["2"]]


# ---- L: what a text hides ------------------------------------------------------------------


@pytest.mark.parametrize("how", ["startup", "set", "set names", "client_encoding parameter"])
@pytest.mark.parametrize("encoding", ["SJIS", "BIG5", "GBK"])
def test_L01_update_missed_behind_half_a_character(lab, encoding, how):
    reader = lab.setup(X)
    assert lab.cached(reader, READ) == [["1"]]
    if how == "startup":
        writer = lab.connect(client_encoding=encoding)
    elif how == "client_encoding parameter":
        writer = lab._kept(lab.proxy.connect(parameters={"client_encoding": encoding}))
    else:
        writer = lab.connect()
        writer.query(f"set client_encoding = '{encoding}'" if how == "set" else f"set names '{encoding}'")
    half = {"SJIS": b"\x95\x5c", "BIG5": b"\xa5\x5c", "GBK": b"\x95\x5c"}[encoding]
    writer.ask(wire.query(b"select E'" + half + b"'; update x set a = 2; --'"))
    right = lab.behind(READ)
    assert right == [["2"]], "nothing was hidden"
    for _ in range(2):
        assert reader.query(READ) == writer.query(READ) == right


@pytest.mark.parametrize("how", ["startup", "set"])
def test_L01_update_missed_behind_a_backslash(lab, how):
    reader = lab.setup(X)
    assert lab.cached(reader, READ) == [["1"]]
    writer = lab.connect(**({"standard_conforming_strings": "off"} if how == "startup" else {}))
    if how == "set":
        writer.query("set standard_conforming_strings = off")
    writer.query("select 'a\\'; --'; update x set a = 3; --'")
    assert reader.query(READ) == lab.behind(READ)
    writer.query("select '\\''; update x set a = 2; --'")
    assert lab.behind(READ) == [["2"]]
    assert reader.query(READ) == [["2"]]


@pytest.mark.parametrize("change", [
    "select set_config('standard_conforming_strings', 'off', false)",
    "do $$ begin set standard_conforming_strings = off; end $$",
    "begin; set local standard_conforming_strings = off",
])
def test_L01_update_missed_behind_a_backslash_after_a_hidden_setting(lab, change):
    reader = lab.setup(X)
    assert lab.cached(reader, READ) == [["1"]]
    writer = lab.connect()
    writer.query(change)
    writer.query("select 'a\\'; --'; update x set a = 3; commit; --'")
    assert lab.behind(READ) == [["3"]]
    assert reader.query(READ) == [["3"]]


def test_L01_update_missed_behind_a_backslash_within_one_pipeline(lab):
    reader = lab.setup(X)
    assert lab.cached(reader, READ) == [["1"]]
    writer = lab.connect()
    hidden = "with q as (select '\\' --'), w as (update x set a = 3 returning 1), z as (select 1\n) select 2"
    parts = [wire.parse(s) + wire.bind() + wire.execute() for s in ("set standard_conforming_strings = off", hidden)]
    assert wire.errors_of(writer.ask(*parts, wire.sync())) == []
    assert reader.query(READ) == lab.behind(READ) == [["3"]]


@pytest.mark.parametrize("text", [
    "select $a$ ; $b$ ; $a$; update x set a = 2; --$b$",
    "select 'it''s'; update x set a = 2; select ''''",
    "select 1 /* /* nested */ ' */; update x set a = 2 -- '",
    "select \"a\"\"b; \" from (select 1 as \"a\"\"b; \") q; update x set a = 2",
    "select U&'\\0027'; update x set a = 2",
    "select E'\\\\'; update x set a = 2 --'",
    "select 1 -- \r; update x set a = 2",
    "select 1\f;\tupdate x set a = 2",
    "select $$'$$; update x set a = 2",
    "select 'a' -- '\n 'b'; update x set a = 2",
    ";;; update x set a = 2",
    "select $1$2$ from x; update x set a = 2",
    "/* pgrecall: never */ update x set a = 2",
    "select 1; do 'begin update x set a = 2; end'",
    "explain (analyze) update x set a = 2",
    "select B'1'; update x set a = 2; select X'1F'",
    "select 1 where 1 <@> 2; update x set a = 2",
    "SeLeCt 1;UpDaTe X SET A=2",
    "select 1;update/**/x/**/set/**/a=2",
])
def test_L_update_missed_between_quotes_and_comments(lab, text):
    reader = lab.setup(X)
    assert lab.cached(reader, READ) == [["1"]]
    hazard.outcome(lab.connect(), text)
    assert reader.query(READ) == lab.behind(READ)


@pytest.mark.parametrize("text", [
    "select " + "1+" * 100_000 + "1",
    "select " + "(" * 50_000 + "1" + ")" * 50_000,
    "select 1" + " union all select 1" * 20_000,
    "select a from x where " + "not " * 50_000 + "true",
    "select " + "case when true then " * 5_000 + "1" + " end" * 5_000,
    "select " + "-" * 1 + " - " * 30_000 + "1",
    "select a from x where a in (" + ",".join(["1"] * 100_000) + ")",
    "select array" + "[" * 3_000 + "1" + "]" * 3_000,
    "select * from " + "(" * 5_000 + "select 1" + ") q" * 1,
    "select '" + "x" * 2_000_000 + "'",
], ids=["plus", "parentheses", "unions", "nots", "cases", "minuses", "in-list", "arrays", "unclosed", "long"])
def test_L02_sigsegv_not_forwarded(lab, text):
    reader = lab.setup(X)
    client = lab.connect()
    direct = lab.direct()
    for request in (wire.query(text), wire.extended(text)):
        here, there = client.ask(request), direct.ask(request)
        assert wire.errors_of(here) == wire.errors_of(there)
        assert wire.rows_of(here) == wire.rows_of(there)
    assert lab.proxy.is_alive()
    # As a write it is unknown, and so reaches everything.
    assert lab.cached(reader, READ) == [["1"]]
    hazard.outcome(lab.connect(), "update x set a = 2 where 1 = " + "0+" * 50_000 + "1")
    assert reader.query(READ) == lab.behind(READ) == reader.query(READ)


# ---- code that is replaced under a statement on its way ------------------------------------

IDLE_G = X + "create function g() returns void language sql as 'select 1';"
WRITING_G = "create or replace function g() returns void language sql as 'update x set a = 99'"
HELD_F = ("create function f() returns void language plpgsql as $$begin perform pg_advisory_lock(7), pg_advisory_unlock(7); perform g();"
          " perform pg_advisory_lock(8), pg_advisory_unlock(8); end$$;")


@pytest.mark.parametrize("block", [False, True], ids=["alone", "in-a-block"])
def test_a_function_that_is_replaced_while_its_caller_runs(lab, block):
    """It wrote nothing when the call was judged. While a call alone is on its way nothing is served."""
    reader = lab.setup(IDLE_G + HELD_F)
    caller, keeper = lab.connect(), lab.direct()
    keeper.query("select pg_advisory_lock(7), pg_advisory_lock(8)")
    if block:
        caller.query("begin")
    with hazard.in_background(lambda: caller.query("select f()")):
        assert servers.wait_until(lambda: hazard.locks_waiting(lab) == 1, 20, 0.01)
        lab.connect().query(WRITING_G)
        keeper.query("select pg_advisory_unlock(7)")
        assert servers.wait_until(lambda: lab.behind("select count(*) from pg_locks where not granted and objid = 8") == [["1"]], 20, 0.01)
        if block:
            lab.warm(reader)
            lab.cached(reader, READ)
        assert reader.query(READ) == [["1"]]
        keeper.query("select pg_advisory_unlock(8)")
    if block:
        assert reader.query(READ) == [["1"]]
        caller.query("commit")
    assert reader.query(READ) == [["99"]]


def test_a_function_that_is_replaced_between_bind_and_execute(lab):
    reader = lab.setup(IDLE_G + "create function f() returns void language plpgsql as $$begin perform g(); end$$;")
    caller = lab.connect()
    caller.query("begin")
    caller.ask(wire.parse("select f()", name="s"), wire.bind(statement="s", portal="p"), wire.sync())
    lab.connect().query(WRITING_G)
    caller.ask(wire.execute(portal="p"), wire.sync())
    lab.warm(reader)
    assert lab.cached(reader, READ) == [["1"]]
    caller.query("commit")
    assert reader.query(READ) == [["99"]]


HELD_P = ("create procedure p() language plpgsql as $$begin perform pg_advisory_xact_lock(7); perform g(); commit;"
          " perform pg_advisory_xact_lock(8); end$$;")


def call_that_committed_what_it_was_not_known_to_write(lab, reader):
    """CALL p() is at its second lock: g() was replaced while it waited for the first one, and what the new
    one wrote is committed. Yields (the caller, who holds the locks)."""
    caller, keeper = lab.proxy.connect(), lab.direct()
    keeper.query("select pg_advisory_lock(7), pg_advisory_lock(8)")
    caller.send(wire.query("call p()"))
    assert servers.wait_until(lambda: hazard.locks_waiting(lab) == 1, 20, 0.01)
    lab.connect().query(WRITING_G)
    for _ in range(20):
        assert reader.query(READ) == [["1"]]
        hazard.sleep(0.02)
    keeper.query("select pg_advisory_unlock(7)")
    assert visible(lab, 99)
    return caller, keeper


def test_old_not_99_of_a_replaced_function_whose_caller_commits_and_goes_on(lab):
    reader = lab.setup(IDLE_G + HELD_P)
    caller, keeper = call_that_committed_what_it_was_not_known_to_write(lab, reader)
    try:
        assert lab.connect().query(READ + " limit 1") == [["99"]]
        assert reader.query(READ) == [["99"]]
    finally:
        keeper.query("select pg_advisory_unlock(8)")
        caller.read_until(b"Z")
        caller.close()
    assert lab.cached(reader, READ) == [["99"]]


def test_old_not_99_of_a_replaced_function_whose_callers_answer_is_lost(lab):
    reader = lab.setup(IDLE_G + HELD_P)
    caller, keeper = call_that_committed_what_it_was_not_known_to_write(lab, reader)
    lab.behind("select pg_terminate_backend(pid) from pg_locks where not granted and locktype = 'advisory'")
    caller.read_to_end()
    keeper.query("select pg_advisory_unlock(8)")
    for _ in range(5):
        assert reader.query(READ) == [["99"]]
    assert lab.cached(reader, READ) == [["99"]]
