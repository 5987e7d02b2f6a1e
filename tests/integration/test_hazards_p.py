"""Hazards of class P: what the protocol owes a client, whoever answers.

Not here:
  P01-P04, P07   of the catalogue's own numbering, never given
"""

import pytest

import hazard
import wire

shared_lab, lab = hazard.laboratory()

X = "create table x (a int); insert into x values (1), (2);"
READ = "select a from x order by a"


def same(lab, client, *parts, ready=1):
    """Asks pgrecall and, in the same state, a new direct connection."""
    return hazard.plain(client.ask(*parts, ready=ready)) == hazard.plain(lab.direct().ask(*parts, ready=ready))


@pytest.mark.parametrize("between", [wire.query(READ), wire.query("select 1"), wire.parse("selekt") + wire.sync(), wire.query("select clock_timestamp()")],
                         ids=["hit", "constant", "failed parse", "miss"])
def test_P05_works_not_26000_after_a_simple_query(lab, between):
    a = lab.setup(X)
    lab.cached(a, READ)
    lab.cached(a, "select 1")
    for client in (lab.direct(), a):
        client.ask(wire.parse("select 7"), wire.sync())
        client.ask(between)
        assert wire.errors_of(client.ask(wire.bind(), wire.execute(), wire.sync())) == ["26000"]
        client.ask(wire.parse("select 7"), wire.sync())
        assert wire.rows_of(client.ask(wire.bind(), wire.execute(), wire.sync())) == [["7"]]


def test_P05_an_extended_hit_leaves_its_unnamed_statement(lab):
    a = lab.setup(X)
    lab.cached_messages(a, wire.extended(READ), READ)
    for client in (lab.direct(), a):
        client.ask(wire.parse("select 7"), wire.sync())
        client.ask(wire.extended(READ))
        assert wire.rows_of(client.ask(wire.bind(), wire.execute(), wire.sync())) == [["1"], ["2"]]
        assert wire.errors_of(client.ask(wire.execute(), wire.sync())) == ["34000"]


@pytest.mark.parametrize("max_rows", [1, 2, 3])
def test_P06_complete_not_portal_suspended(lab, max_rows):
    a = lab.setup(X)
    lab.cached_messages(a, wire.extended(READ), READ)
    for _ in range(2):
        assert same(lab, a, wire.extended(READ, max_rows=max_rows))
    parts = wire.parse(READ), wire.bind(), wire.execute(1), wire.execute(1), wire.execute(1), wire.sync()
    assert same(lab, a, *parts)


def test_P06_what_was_suspended_is_not_stored(lab):
    a = lab.setup(X)
    for _ in range(3):
        a.ask(wire.extended(READ, max_rows=1))
    assert wire.rows_of(a.ask(wire.extended(READ))) == [["1"], ["2"]]


@pytest.mark.parametrize("change", ["alter table x add column b int default 7", "alter table x alter a type bigint", "alter table x rename column a to b"])
def test_P08_rows_not_0A000_of_a_named_statement_after_ddl(lab, change):
    a = lab.setup(X)
    direct = lab.direct()
    read = "select * from x"
    run = wire.bind(statement="s") + wire.describe_portal() + wire.execute() + wire.sync()
    for client in (direct, a):
        client.ask(wire.parse(read, "s"), wire.sync())
        client.ask(run)
    lab.cached_messages(a, run, read)
    lab.connect().query(change)
    right = wire.errors_of(direct.ask(run))
    assert right in (["0A000"], [])
    for _ in range(3):
        messages = a.ask(run)
        assert wire.errors_of(messages) == right, messages
    b = lab.connect()
    b.ask(wire.parse(read, "s"), wire.sync())
    assert wire.rows_of(b.ask(run)) == lab.behind(read)


def test_P08_a_named_statement_goes_on_after_ddl_elsewhere(lab):
    a = lab.setup(X)
    run = wire.bind(statement="s") + wire.execute() + wire.sync()
    a.ask(wire.parse(READ, "s"), wire.sync())
    lab.cached_messages(a, run, READ)
    lab.connect().query("create table z (a int)")
    assert wire.rows_of(a.ask(run)) == [["1"], ["2"]]
    lab.cached_messages(a, run, READ)
    lab.connect().query("update x set a = a + 1")
    assert wire.rows_of(a.ask(run)) == [["2"], ["3"]]


def test_P08_after_the_table_was_dropped(lab):
    a = lab.setup(X)
    run = wire.bind(statement="s") + wire.execute() + wire.sync()
    a.ask(wire.parse(READ, "s"), wire.sync())
    lab.cached_messages(a, run, READ)
    lab.connect().query("drop table x")
    assert wire.errors_of(a.ask(run)) == ["42P01"]
    assert hazard.outcome(a, READ) == "42P01"


def test_P09_rows_not_rows_and_notice(lab):
    a = lab.setup(X + "create function f(int) returns int language plpgsql immutable as $$ begin raise notice 'said %', $1; return $1; end $$")
    read = "select f(a) from x order by a"
    for _ in range(3):
        messages = a.ask(wire.query(read))
        assert wire.tags_of(messages).count("N") == 2
        assert hazard.plain(messages) == hazard.plain(lab.direct().ask(wire.query(read)))


@pytest.mark.parametrize("read", ["select 1 / (2 - a) from x order by a", "select 10 / (i - 3000) from generate_series(1, 4000) i"])
def test_P10_stored_rows_not_error(lab, read):
    a = lab.setup(X)
    for _ in range(3):
        for request in (wire.query(read), wire.extended(read)):
            messages = a.ask(request)
            assert wire.errors_of(messages) == ["22012"]
            assert hazard.plain(messages) == hazard.plain(lab.direct().ask(request))
    a.query("delete from x where a = 2")
    if "from x" in read:
        assert lab.cached(a, read) == [["1"]]


def test_P_formats_and_shapes_are_kept_apart(lab):
    a = lab.setup(X)
    sql = "select a, a::text from x where a = $1"
    requests = [wire.extended(sql, ["1"], result_formats=f, types=t, describe=d) for f in ([], [0], [1], [0, 1], [1, 0]) for t in ((), (23,), (20,)) for d in (True, False)]
    requests.append(wire.extended(sql, [b"\0\0\0\1"], formats=[1], types=(23,)))
    for request in requests * 2 + requests[::-1]:
        assert same(lab, a, request)


def test_P_simple_and_extended_do_not_share_their_messages(lab):
    a = lab.setup(X)
    for _ in range(3):
        assert same(lab, a, wire.query(READ))
        assert same(lab, a, wire.extended(READ))
        assert same(lab, a, wire.extended(READ, describe=False))
        assert same(lab, a, wire.parse(READ), wire.describe_statement(), wire.bind(), wire.execute(), wire.sync())
        assert same(lab, a, wire.query(READ), wire.extended(READ), wire.query("select 5"), ready=3)


@pytest.mark.parametrize("sql", ["", " ", ";", "-- nothing", "/* */", "select", "select from x", "select 1;;", ";select 1", "select 1; select 2", "values (1); table x"])
def test_P_what_is_hardly_a_query(lab, sql):
    a = lab.setup(X)
    for _ in range(3):
        assert same(lab, a, wire.query(sql))
        assert same(lab, a, wire.extended(sql))


def test_P_hits_between_misses_keep_their_order(lab):
    a = lab.setup(X)
    lab.cached(a, READ)
    lab.cached_messages(a, wire.extended(READ), READ)
    parts = []
    for i in range(20):
        parts += [wire.query(READ), wire.query(f"select {i}, pg_sleep(0.001)"), wire.extended(READ), wire.extended(f"select {i} + 1, pg_sleep(0)")]
    assert same(lab, a, *parts, ready=80)


def test_P_a_login_that_is_refused_gets_no_hit(lab):
    lab.setup(X + "grant select on x to public")
    u = lab.connect("alice")
    lab.warm(u)
    lab.cached(u, READ)
    lab.connect().query("alter role alice nologin")
    try:
        with pytest.raises(wire.ServerError) as failure:
            lab.connect("alice").query(READ)
        assert failure.value.sqlstate == "28000"
    finally:
        lab.connect().query("alter role alice login")
