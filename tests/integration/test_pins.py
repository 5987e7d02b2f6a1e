"""Pins and their ends: a session gives its backend back as soon as nothing is left of what it kept it for,
and not before.

All with one server connection: another client that is answered has shown that it was given back.
"""

import contextlib

import pytest

import servers
import wire


@pytest.fixture
def alone(make_proxy, postgres):
    made = make_proxy(postgres, home_connections=0, default_pool_size=1, query_wait_timeout="30s")
    made.wait_for_catalog()
    return made


@pytest.fixture
def pair(alone):
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(alone.connect()) for _ in range(2)]


def pins(proxy):
    return [row["pin"] for row in proxy.console("SHOW CLIENTS") if row["pin"]]


def tell(client, statements):
    for sql in statements:
        client.ask(wire.query(sql))


def is_served(proxy, client):
    """True if an answer that was just given comes from the cache now."""
    before = servers.hits(proxy.cache())
    client.query("select bbalance from pgbench_branches where bid = 1")
    client.query("select bbalance from pgbench_branches where bid = 1")
    return servers.hits(proxy.cache()) > before


# What pins, what ends it, and the word for it.
ENDS = [
    ("advisory", ["select pg_advisory_lock(1)"], ["select pg_advisory_unlock(1)"]),
    ("advisory", ["select pg_advisory_lock(1)", "select pg_advisory_lock(1), pg_advisory_lock_shared(2)"],
     ["select pg_advisory_unlock(1)", "select pg_advisory_unlock(1), pg_advisory_unlock_shared(2)"]),
    ("advisory", ["select pg_advisory_lock(1), pg_advisory_lock(2)"], ["select pg_advisory_unlock_all()"]),
    ("LISTEN", ["listen a"], ["unlisten a"]),
    ("LISTEN", ["listen a", "listen b"], ["unlisten *"]),
    ("cursor", ["begin; declare c cursor with hold for select 1; commit"], ["close c"]),
    ("cursor", ["begin; declare c cursor with hold for select 1; declare d cursor with hold for select 1; commit"], ["close all"]),
    ("temporary", ["create temp table pin_t (a int)"], ["drop table pin_t"]),
    ("temporary", ["create temp table pin_t (a int)"], ["discard temp"]),
    ("temporary", ["create temp sequence pin_s", "create temp view pin_v as select 1"], ["drop sequence pin_s", "drop view pin_v"]),
    ("PREPARE", ["prepare pin_p as select 1"], ["deallocate pin_p"]),
    ("PREPARE", ["prepare pin_p as select 1", "prepare pin_q as select 2"], ["deallocate all"]),
    ("advisory", ["select pg_advisory_lock(1)", "listen a", "create temp table pin_t (a int)"],
     ["unlisten a", "drop table pin_t", "select pg_advisory_unlock(1)"]),
]  # fmt: skip


@pytest.mark.parametrize("word, begin, end", ENDS, ids=range(len(ENDS)))
def test_a_pin_lasts_up_to_the_end_of_what_it_is_for(alone, pair, word, begin, end):
    client, other = pair
    tell(client, begin)
    (pin,) = pins(alone)
    assert word in pin
    (row,) = [row for row in alone.console("SHOW CLIENTS") if row["pin"]]
    assert row["pin_since"] >= row["connect_time"]
    other.send(wire.query("select 2"))
    assert other.is_silent(0.5)
    tell(client, end[:-1])
    if end[:-1]:
        assert other.is_silent(0.3)
    tell(client, end[-1:])
    assert wire.rows_of(other.read_until()) == [["2"]]
    assert pins(alone) == []


# What looks as if it pinned, and leaves nothing.
NOTHING = [
    ["select pg_try_advisory_lock(77)"],  # another has it
    ["select pg_advisory_xact_lock(1)"],
    ["begin", "listen a", "rollback"],
    ["begin", "create temp table pin_t (a int) on commit drop", "commit"],
    ["begin", "create temp table pin_t (a int)", "rollback"],
    ["create temp table pg_class_too as select 1/0"],
    ["begin; declare c cursor with hold for select 1; rollback"],
    ["selec 1"],
    ["select * from there_is_no_such_table"],
    ["select there_is_no_such_function(1)"],
    ["execute there_is_no_such_statement"],
    ["set syntax error here"],
]


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
@pytest.mark.parametrize("statements", NOTHING, ids=range(len(NOTHING)))
def test_what_leaves_nothing_pins_nobody_for_long(alone, postgres, pair, statements, extended):
    client, other = pair
    with postgres.connect() as holder:
        holder.query("select pg_advisory_lock(77)")
        for sql in statements:
            if extended and ";" not in sql:
                client.ask(wire.parse(sql), wire.bind(), wire.execute(), wire.sync())
            else:
                client.ask(wire.query(sql))
        assert other.query("select 2") == [["2"]]
    assert servers.wait_until(lambda: pins(alone) == [])


def test_after_a_typo_answers_still_come_from_the_cache(alone, pair):
    client, _ = pair
    for typo in "selec 1", "select no_such_column from pgbench_branches", "execute nothing":
        assert wire.errors_of(client.ask(wire.query(typo)))
        assert servers.wait_until(lambda: pins(alone) == [])
        assert servers.wait_until(lambda: is_served(alone, client))


def test_an_error_inside_of_a_function_is_no_proof(alone, postgres, pair):
    postgres.query(
        "create or replace function pin_locks() returns int language plpgsql as"
        " $$begin perform pg_advisory_lock(5); execute 'selec 1'; return 1; end$$"
    )
    alone.wait_for_catalog()
    client, other = pair
    assert servers.wait_until(lambda: wire.errors_of(client.ask(wire.query("select pin_locks()"))) == ["42601"])
    assert pins(alone)
    other.send(wire.query("select 2"))
    assert other.is_silent(0.4)
    client.close()
    assert wire.rows_of(other.read_until()) == [["2"]]


def test_a_locked_client_that_goes_on_keeps_its_lock(alone, pair):
    client, other = pair
    client.query("select pg_advisory_lock(9)")
    for _ in range(5):
        client.query("select 1")
        assert client.is_silent(0.15)
    assert other.is_silent(0.05) and pins(alone)
    assert client.query("select pg_advisory_unlock(9)") == [["t"]]
    assert other.query("select pg_try_advisory_lock(9), pg_advisory_unlock(9)") == [["t", "t"]]


def test_statements_prepared_while_it_was_pinned_go_on(alone, pair):
    client, other = pair
    client.query("create temp table pin_t (a int)")
    client.query("prepare s2 as select 5")
    assert client.query("execute s2") == [["5"]]
    client.query("discard all")
    client.query("prepare s2 as select 6")
    client.ask(wire.parse("select $1::int + 2", name="s3"), wire.sync())
    client.query("deallocate s2")
    assert other.query("select 2") == [["2"]]
    answer = client.ask(wire.bind(["40"], statement="s3"), wire.execute(), wire.sync())
    assert wire.rows_of(answer) == [["42"]]


def test_what_sql_prepared_and_executed_is_over_with_its_names(alone, pair):
    client, other = pair
    for end in "deallocate pin_p", "deallocate all", "discard all":
        client.query("prepare pin_p (int) as update pgbench_branches set filler = null where bid = $1")
        client.query("execute pin_p (1)")
        client.query("execute pin_p (1 + 1)")
        client.query(end)
        assert servers.wait_until(lambda: pins(alone) == [])
        assert other.query("select 2") == [["2"]]
        assert servers.wait_until(lambda: is_served(alone, client))


def test_what_was_prepared_may_have_locked(alone, pair):
    client, other = pair
    client.query("prepare pin_p as select pg_advisory_lock(4)")
    client.query("execute pin_p")
    client.query("deallocate pin_p")
    other.send(wire.query("select 2"))
    assert other.is_silent(0.5)
    client.query("select pg_advisory_unlock(4)")
    assert wire.rows_of(other.read_until()) == [["2"]]


def test_a_client_that_leaves_while_it_is_asked_takes_nothing_along(alone, pair):
    _, other = pair
    for _ in range(20):
        with alone.connect() as client:
            client.query("select pg_advisory_lock(3)")
            assert client.is_silent(0.1)
    assert other.query("select pg_try_advisory_lock(3), pg_advisory_unlock(3)") == [["t", "t"]]
