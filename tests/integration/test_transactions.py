"""Transaction blocks: BEGIN waits for the first statement that has to go to Postgres, blocks that only
read are served from the cache, and everything a client sees is what it would see without pgrecall.

That Postgres was or was not asked is proved by its log, which has every statement (hazard.Lab).
"""

import re

import pytest

import between
import hazard
import servers
import wire

shared_lab, lab = hazard.laboratory()

X = "create table x (id int primary key, a int); insert into x values (1, 1), (2, 2);"
READ = "select a from x where id = 1"
OTHER = "select a from x where id = 2"

BEGINS = ["begin", "BEGIN WORK;", "start transaction", "begin read only", "begin isolation level read committed",
          "begin transaction isolation level read uncommitted, read write not deferrable", "begin -- as usual"]
ENDS = ["commit", "end", "rollback", "abort work", "COMMIT AND NO CHAIN;", "rollback transaction"]


def complete(tag):
    return wire.Message(b"C", tag.encode() + b"\0")


def ready(status):
    return wire.Message(b"Z", status.encode())


# What the control connection asks now and then is of no account.
SENT = re.compile(r"LOG:  (?:statement|execute [^\n:]*): (?:begin|start|commit|end|rollback|abort|select a )", re.IGNORECASE)


def nothing_reached(lab, ask):
    """The result of `ask`, during which Postgres was sent nothing of a block of these tests."""
    before = len(SENT.findall(lab.postgres.log()))
    result = ask()
    assert len(SENT.findall(lab.postgres.log())) == before, lab.postgres.log()[-1500:]
    return result


# ---- a block that Postgres does not hear of -------------------------------------------------


@pytest.mark.parametrize("begin", BEGINS)
def test_an_empty_block_needs_no_backend(lab, begin):
    a = lab.setup(X)
    for end in ENDS:
        def block():
            return a.ask(wire.query(begin)) + a.ask(wire.query(end))

        expected = lab.direct()
        want = expected.ask(wire.query(begin)) + expected.ask(wire.query(end))
        assert nothing_reached(lab, block) == want


@pytest.mark.parametrize("begin", BEGINS)
def test_a_block_of_hits_needs_no_backend(lab, begin):
    a = lab.setup(X)
    lab.cached(a, READ)

    def block():
        return a.ask(wire.query(begin)) + a.ask(wire.query(READ)) + a.ask(wire.query(READ)) + a.ask(wire.query("commit"))

    direct = lab.direct()
    want = [m for sql in (begin, READ, READ, "commit") for m in direct.ask(wire.query(sql))]
    assert nothing_reached(lab, block) == want


def test_the_first_statement_that_misses_takes_begin_along(lab):
    a = lab.setup(X)
    lab.cached(a, READ)
    a.query("begin /* mine */")
    a.query(READ)
    assert lab.lines_of("begin /* mine */") == 0
    rows, lines = lab.reaches("begin /* mine */", lambda: a.query("update x set a = 5 where id = 2 returning a"))
    assert (rows, lines) == ([["5"]], 1)
    assert lab.behind(OTHER) == [["2"]]
    a.query("commit")
    assert lab.behind(OTHER) == [["5"]]


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_write_in_a_lazy_block_ends_with_it(lab, end):
    a = lab.setup(X)
    b = lab.connect()
    lab.cached(b, READ)
    a.query("begin")
    a.query("update x set a = 7 where id = 1")
    assert b.query(READ) == [["1"]]
    a.query(end)
    assert b.query(READ) == [["7" if end == "commit" else "1"]]
    assert lab.cached(b, READ) == [["7" if end == "commit" else "1"]]


# ---- what is filled and served --------------------------------------------------------------


def test_the_first_read_of_a_block_is_kept(lab):
    a = lab.setup(X)
    a.query("begin")
    a.query(READ)
    a.query("commit")
    (rows, lines) = lab.reaches(READ, lambda: lab.connect().query(READ))
    assert (rows, lines) == ([["1"]], 0)


def test_later_reads_are_kept_only_where_begin_says_read_committed(lab):
    a = lab.setup(X)
    for begin, asked in (("begin", 1), ("begin isolation level repeatable read", 1), ("begin isolation level read committed", 0)):
        lab.behind("select 1")
        text = f"{OTHER} and a > {len(begin)} - 100"
        a.query(begin)
        a.query("select a, 0 from x where id = 1 -- the first")
        a.query(text)
        a.query("commit")
        assert lab.reaches(text, lambda: a.query(text))[1] == asked, begin


def test_hits_go_on_behind_a_miss(lab):
    a = lab.setup(X)
    lab.cached(a, READ)
    a.query("begin")
    a.query("select a + 1 from x")
    assert lab.reaches(READ, lambda: a.query(READ)) == ([["1"]], 0)
    assert lab.reaches(READ, lambda: a.query(READ)) == ([["1"]], 0)
    a.query("commit")


@pytest.mark.parametrize("other", [
    "select now()", "savepoint s", "set local work_mem = '1MB'", "lock x in access share mode", "select 1; select 2",
    "update x set a = a where id = 2", "declare c cursor for select 1", "set transaction read only", "explain select 1",
    "select a from x where id = 1 for update", "prepare p as select 1", "show work_mem", "notify n", "insert into x values (9)",
    "set constraints all immediate", ("select 1/0", "22012"), ("select nonsense", "42703")])
def test_anything_but_a_cacheable_read_ends_the_hits_of_a_block(lab, other):
    a = lab.setup(X)
    lab.cached(a, READ)
    a.query("begin")
    assert lab.reaches(READ, lambda: a.query(READ))[1] == 0
    lab.run(a, other)
    if isinstance(other, tuple):
        assert hazard.outcome(a, READ) == "25P02"
    else:
        assert lab.reaches(READ, lambda: a.query(READ))[1] == 1
    a.query("rollback")


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_snapshot_of_its_own_is_not_served_from_the_cache(lab, level):
    a = lab.setup(X)
    lab.cached(a, READ)
    b = lab.connect()
    b.query(f"begin isolation level {level}")
    assert lab.reaches(READ, lambda: b.query(READ)) == ([["1"]], 1)
    a.query("update x set a = 3 where id = 1")
    assert a.query(READ) == [["3"]]
    assert b.query(READ) == [["1"]]
    b.query("commit")


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_the_default_level_is_known(lab, level):
    a = lab.setup(X)
    b = lab.connect(default_transaction_isolation=level)
    for _ in range(3):
        b.query("begin")
        assert lab.reaches(READ, lambda: b.query(READ))[1] == 1
        b.query("commit")
    if level == "repeatable read":
        lab.cached(b, READ)
        b.query("begin isolation level read committed")
        assert lab.reaches(READ, lambda: b.query(READ))[1] == 0
        b.query("commit")
    a.close()


def test_a_hit_in_a_block_shows_what_was_committed_meanwhile(lab):
    a = lab.setup(X)
    b = lab.connect()
    lab.cached(b, READ)
    b.query("begin")
    assert b.query(READ) == [["1"]]
    a.query("update x set a = 3 where id = 1")
    assert b.query(READ) == [["3"]]
    a.query("update x set a = 4 where id = 1")
    a.query(READ)
    a.query(READ)
    assert lab.reaches(READ, lambda: b.query(READ)) == ([["4"]], 0)
    b.query("commit")


def test_own_writes_are_seen(lab):
    a = lab.setup(X)
    lab.cached(a, READ)
    a.query("begin")
    a.query("update x set a = 8 where id = 1")
    assert a.query(READ) == [["8"]]
    a.query("rollback")
    assert a.query(READ) == [["1"]]


# ---- the extended protocol ------------------------------------------------------------------


def one(sql, name="", describe=True, max_rows=0, with_parse=True):
    out = wire.parse(sql, name) if with_parse else b""
    return out + wire.bind(statement=name) + (wire.describe_portal() if describe else b"") + wire.execute(max_rows)


def test_blocks_in_the_extended_protocol_need_no_backend(lab):
    a = lab.setup(X)
    lab.cached_messages(a, wire.extended(READ), READ)
    steps = [wire.extended("begin"), wire.extended(READ), wire.extended("commit")]
    direct = lab.direct()
    want = [m for step in steps for m in direct.ask(step)]
    assert nothing_reached(lab, lambda: [m for step in steps for m in a.ask(step)]) == want


def test_begin_and_statement_in_one_pipeline_as_pgjdbc_sends_them(lab):
    """Named BEGIN and COMMIT, no Describe of them, a row limit at COMMIT."""
    a = lab.setup(X)
    lab.cached_messages(a, wire.extended(READ), READ)
    first = [one("BEGIN", "S_1", describe=False) + wire.extended(READ), one("COMMIT", "S_2", describe=False, max_rows=1) + wire.sync()]
    later = [one("BEGIN", "S_1", describe=False, with_parse=False) + wire.extended(READ),
             one("COMMIT", "S_2", describe=False, max_rows=1, with_parse=False) + wire.sync()]
    direct = lab.direct()
    want = [m for step in first + later for m in direct.ask(step)]
    assert nothing_reached(lab, lambda: [m for step in first + later for m in a.ask(step)]) == want
    # The names are known where they are needed.
    a.ask(one("BEGIN", "S_1", describe=False, with_parse=False) + wire.extended("update x set a = 6 where id = 1"))
    assert a.ask(one("COMMIT", "S_2", describe=False, max_rows=1, with_parse=False) + wire.sync())[-1] == ready("I")
    assert lab.behind(READ) == [["6"]]
    assert wire.errors_of(a.ask(wire.parse("BEGIN", "S_1") + wire.sync())) == ["42P05"]


def test_a_pipeline_from_begin_to_commit(lab):
    a = lab.setup(X)
    step = one("begin") + one(READ) + one("update x set a = 9 where id = 1") + one("commit") + wire.sync()
    direct = lab.direct()
    want = direct.ask(step)
    direct.query("update x set a = 1")
    lab.cached(a, READ)
    assert a.ask(step) == want
    assert a.query(READ) == [["9"]]


# ---- pools ----------------------------------------------------------------------------------


def test_a_lazy_block_holds_no_backend(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=1)
    clients = [proxy.connect() for _ in range(5)]
    for client in clients:
        client.query("begin")
    # One after the other: none of them waits for another's block.
    for client in clients:
        assert client.query("select pg_backend_pid() > 0") == [["t"]]
        client.query("commit")


def test_a_client_that_waits_in_a_lazy_block_is_served_and_can_be_cancelled(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=1)

    def begun(waiter):
        waiter.query("begin")
        waiter.send(wire.query("select pg_backend_pid()"))
        assert servers.wait_until(lambda: "waiting" in str(proxy.console("SHOW CLIENTS")), 20)
        return waiter

    holder = proxy.connect()
    holder.query("begin")
    holder.query("select pg_backend_pid()")
    waiter = begun(proxy.connect())
    holder.query("commit")
    assert wire.tags_of(waiter.read_until(b"Z")) == "TDCZ"
    cancelled = begun(proxy.connect())
    canceller = wire.Wire(proxy.port, login=False)
    canceller.send(wire.cancel_request(cancelled.pid, cancelled.key))
    assert wire.errors_of(cancelled.read_until(b"Z")) == ["57014"]
    waiter.query("commit")
    assert proxy.connect().query("select 1") == [["1"]]


def test_session_and_statement_modes(make_proxy, postgres):
    statement = make_proxy(postgres, pool_mode="statement").connect()
    statement.send(wire.query("begin"))
    messages = statement.read_to_end()
    assert (wire.tags_of(messages), wire.errors_of(messages)) == ("CZE", ["08P01"])
    session = make_proxy(postgres, pool_mode="session").connect()
    (pid,) = session.query("select pg_backend_pid()")
    session.query("begin")
    assert session.query("select pg_backend_pid()") == [pid]
    session.query("commit")
    session.query("begin")
    session.query("rollback")
    assert session.query("select pg_backend_pid()") == [pid]


# ---- a proven rollback ----------------------------------------------------------------------


NOTHING_HAPPENED = [
    ["begin", "update x set a = 5", "rollback"],
    ["begin", "insert into x values (3, 3)", "abort"],
    ["begin", "update x set a = 5", ("select 1/0", "22012"), "rollback"],
    ["begin", "update x set a = 5", ("select 1/0", "22012"), "commit"],
    ["begin", "update x set a = 5", "savepoint s", "delete from x", "rollback to s", "rollback"],
    [("insert into x values (1, 1)", "23505")],
    [("update x set a = 1 / 0", "22012")],
]


@pytest.mark.parametrize("steps", NOTHING_HAPPENED, ids=[str(i) for i in range(len(NOTHING_HAPPENED))])
@pytest.mark.parametrize("protocol", ["simple", "extended"])
def test_what_was_rolled_back_costs_nobody_a_hit(lab, steps, protocol):
    a = lab.setup(X)
    b = lab.connect()
    lab.cached(b, READ)
    for step in steps:
        sql, sqlstate = (step, None) if isinstance(step, str) else step
        messages = a.ask(wire.query(sql) if protocol == "simple" else wire.extended(sql))
        assert wire.errors_of(messages) == ([sqlstate] if sqlstate else [])
    assert lab.reaches(READ, lambda: b.query(READ)) == ([["1"]], 0)


SOMETHING_HAPPENED = [
    # A savepoint that is rolled back, then a COMMIT, in one Query: the tags are ROLLBACK and COMMIT.
    [wire.query("begin"), wire.query("update x set a = 5 where id = 1"), wire.query("savepoint s"), wire.query("select 1/0"),
     wire.query("rollback to s; commit")],
    # ROLLBACK first, then a write whose portal is left suspended: Sync commits it.
    [wire.query("begin"),
     wire.parse("rollback") + wire.bind() + wire.execute() + wire.parse("update x set a = 5 returning a") + wire.bind() + wire.execute(1) + wire.sync()],
    [wire.query("begin"), wire.query("rollback; update x set a = 5 where id = 1")],
    [wire.query("update x set a = 5 where id = 1; select 1"), wire.query("select 1/0; update x set a = 6")],
    [wire.query("begin; update x set a = 5 where id = 1; commit; select 1/0")],
    [wire.query("begin"), wire.query("update x set a = 5 where id = 1"), wire.query("commit and chain"), wire.query("rollback")],
    [wire.query("begin"), wire.query("update x set a = 5 where id = 1"), wire.query("commit; begin"), wire.query("rollback")],
    [wire.query("call p()")],
]


@pytest.mark.parametrize("steps", SOMETHING_HAPPENED, ids=[str(i) for i in range(len(SOMETHING_HAPPENED))])
def test_what_looks_like_a_rollback_and_is_none_is_seen(lab, steps):
    a = lab.setup(X + "create procedure p() language plpgsql as $$ begin update x set a = 5; commit; perform 1/0; end $$;")
    b = lab.connect()
    lab.cached(b, READ)
    for step in steps:
        a.ask(step)
    assert lab.behind(READ) == [["5"]]
    assert b.query(READ) == [["5"]]


# ---- what only Postgres can say -------------------------------------------------------------


@pytest.mark.parametrize("late", ["set transaction isolation level repeatable read", "set transaction read only", "set transaction deferrable",
                                  "select set_config('transaction_isolation', 'serializable', false)", "savepoint s",
                                  "set transaction_isolation = 'repeatable read'", "lock x", "fetch c", "values (1)"])
@pytest.mark.parametrize("protocol", ["simple", "extended", "named"])
def test_a_hit_counts_as_the_first_query_of_its_block(lab, late, protocol):
    """Some statements may only come before the first query."""
    a = lab.setup(X)
    lab.cached(a, READ)
    direct = lab.direct()
    for client in (a, direct):
        client.ask(wire.parse(late, "late") + wire.sync())
    step = {"simple": wire.query(late), "extended": wire.extended(late),
            "named": wire.bind(statement="late") + wire.execute() + wire.sync()}[protocol]
    steps = [wire.query("begin"), wire.query(READ), step, wire.query(READ), wire.query("rollback")]
    assert [a.ask(s) for s in steps] == [direct.ask(s) for s in steps]


def test_a_warning_comes_from_postgres(lab):
    a = lab.setup(X)
    direct = lab.direct()
    for steps in (["begin", "begin", "commit"], ["commit"], ["rollback"], ["begin", READ, "start transaction", "rollback"],
                  ["begin", "commit", "commit"], ["begin", "rollback and chain", "rollback"], ["begin", "commit and chain", READ, "commit"],
                  ["begin", "rollback to s", "rollback"], ["begin", "release s", "commit"], ["begin read only", "insert into x values (9)", "commit"]):
        assert [a.ask(wire.query(s)) for s in steps] == [direct.ask(wire.query(s)) for s in steps], steps


def test_hits_keep_a_block_from_being_idle_and_a_lazy_block_may_be_idle(make_proxy, postgres):
    proxy = make_proxy(postgres, idle_transaction_timeout="2s", cache_window="1h")
    proxy.wait_for_catalog()
    postgres.query("drop table if exists patient; create table patient (a int); insert into patient values (1)")
    read = "select a from patient"
    lazy, open_block, idle = proxy.connect(), proxy.connect(), proxy.connect()
    idle.query("begin")
    idle.query("select pg_backend_pid()")
    for client in (lazy, open_block):
        client.query("begin isolation level read committed")
    open_block.query(read)

    def idle_is_told():
        open_block.query(read)
        return not idle.is_silent(0.02)

    assert servers.wait_until(idle_is_told, 20, 0)
    assert wire.errors_of(idle.read_to_end()) == ["25P03"]
    assert open_block.query(read) == lazy.query(read) == [["1"]]
    postgres.query("drop table patient")


class Spoiler(between.Between):
    """What is sent passes, but for BEGINs that are to fail."""

    def request(self, data, near, far):
        far.sendall(data.replace(b"begin /* fails */", b"bogus /* fails */"))


@pytest.fixture(scope="module")
def spoiled(postgres):
    spoiler = Spoiler(postgres.port)
    proxy = servers.Proxy(postgres, databases={"*": f"host=127.0.0.1 port={spoiler.port}"}, default_pool_size=2)
    postgres.query("create table spoiled (a int)")
    try:
        proxy.wait_for_catalog()
        yield proxy
        proxy.stop()
    finally:
        proxy.stop_by(9)
        proxy.remove()
        spoiler.close()
        postgres.query("drop table spoiled")


INSERT = "insert into spoiled values (1)"
SPOILED = {
    "simple": wire.query(INSERT),
    "extended": wire.extended(INSERT),
    "pipeline": one(INSERT) + one(INSERT) + wire.sync(),
    "settings": wire.query("set work_mem = '1MB'"),
    "several": wire.query(INSERT + "; commit"),
    "long": wire.query(INSERT + " -- " + "x" * 500000),
    "prepare": wire.query(f"prepare q as {INSERT}"),
    "copy": wire.query("copy spoiled from stdin"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_no_statement_runs_outside_a_block_whose_begin_fails(spoiled, postgres, name):
    client = spoiled.connect()
    client.ask(wire.parse("select 'folded'::text", "held") + wire.sync())
    client.query("begin /* fails */")
    messages = client.ask(SPOILED[name])
    assert (wire.tags_of(messages), wire.errors_of(messages), messages[-1]) == ("EZ", ["42601"], ready("I"))
    assert postgres.query("select count(*) from spoiled") == [["0"]]
    assert client.query("select 1") == [["1"]]
    client.query("begin")
    client.query("select clock_timestamp()")
    assert client.query("rollback") == []


@pytest.mark.parametrize("asks", (wire.query("select 'seen'"), wire.extended("select 'seen'")), ids=("simple", "extended"))
def test_nothing_runs_when_a_block_that_failed_cannot_begin(make_proxy, postgres, asks):
    """It failed before Postgres knew of it. BEGIN and an error are sent for it, and the first is refused: what
    comes behind them must not run outside of a block."""
    spoiler = Spoiler(postgres.port)
    proxy = make_proxy(postgres, databases={"*": f"host=127.0.0.1 port={spoiler.port}"}, default_pool_size=1)
    client, holder = proxy.connect(), proxy.connect()
    holder.query("begin")
    holder.query("select clock_timestamp()")
    client.query("begin /* fails */")
    client.send(wire.query("select clock_timestamp()"))
    assert servers.wait_until(lambda: "waiting" in str(proxy.console("SHOW CLIENTS")), 20)
    canceller = wire.Wire(proxy.port, login=False)
    canceller.send(wire.cancel_request(client.pid, client.key))
    answer = client.read_until(b"Z")
    assert (wire.errors_of(answer), answer[-1]) == (["57014"], ready("E"))
    holder.close()
    client.send(asks)
    assert wire.errors_of(client.read_to_end()) == ["08006"]
    assert proxy.query("select 1") == [["1"]]
    spoiler.close()


def test_a_long_query_in_a_block_whose_begin_fails_ends_the_session(spoiled, postgres):
    """A failure that arrives while part of the Query is still to come."""
    client = spoiled.connect()
    client.query("begin /* fails */")
    long = wire.query(INSERT + " -- " + "x" * 8000000)
    client.send(long[: len(long) // 2])
    assert wire.errors_of(client.read_to_end())[-1] == "08006"
    assert postgres.query("select count(*) from spoiled") == [["0"]]


class Broken(between.Between):
    """The query that stands for a Parse which was answered here fails, as when it is cancelled."""

    def request(self, data, near, far):
        far.sendall(data.replace(b"\0SELECT\0", b"\0SELEKT\0"))


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
def test_a_snapshot_that_fails_fails_what_stands_behind_it(make_proxy, postgres, extended):
    gate = Broken(postgres.port)
    proxy = make_proxy(postgres, databases={"*": f"host=127.0.0.1 port={gate.port}"})
    try:
        with proxy.connect() as client:
            client.ask(wire.parse("select 1 as one", "a"), wire.sync())
            client.query("begin")
            client.ask(wire.parse("select 1 as one", "b"), wire.sync())
            read_only = "set transaction read only"
            answer = client.ask(wire.extended(read_only)) if extended else client.ask(wire.query(read_only))
            assert wire.errors_of(answer) == ["42601"]
            assert answer[-1] == ready("E")
            client.query("rollback")
            assert client.query("select 1 as one") == [["1"]]
    finally:
        gate.close()
