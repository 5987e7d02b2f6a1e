"""Concurrent misses of one key send one query, whoever asks on whichever worker, and nobody is told less
than Postgres would have told him: not after a write, not when the one who asks fails or goes away.

A table that is locked from outside holds a fetch for as long as a case needs.
"""

import contextlib

import pytest

import hazard
import servers
import wire

shared_lab, lab = hazard.laboratory(workers=2)

X = "create table x (id int primary key, v int); insert into x values (1, 1), (2, 2)"
READ = "select v from x where id = 1"
CLIENTS = 50


@contextlib.contextmanager
def locked(lab, table="x"):
    holder = lab.direct()
    holder.query(f"begin; lock table {table} in access exclusive mode")
    yield
    holder.query("rollback")


def active(lab):
    return sum(row["state"] == "active" and row["database"] == "postgres" for row in lab.proxy.console("SHOW CLIENTS"))


def cancel(lab, client):
    with wire.Wire(lab.proxy.port, login=False) as canceller:
        canceller.send(wire.cancel_request(client.pid, client.key))
        canceller.read_to_end()


def ask_first(lab, client):
    client.send(wire.query(READ))
    assert servers.wait_until(lambda: hazard.locks_waiting(lab) == 1, 20, 0.05)


def ask_behind_the_first(lab, clients):
    """They wait for the fetch that ask_first began."""
    for client in clients:
        client.send(wire.query(READ))
    assert servers.wait_until(lambda: active(lab) == 1 + len(clients), 20, 0.05)


def ask_all(lab, clients, sql=READ, extended=False):
    """All ask; true when one of them waits in Postgres and the others for it."""
    for client in clients:
        client.send(wire.extended(sql) if extended else wire.query(sql))
    assert servers.wait_until(lambda: active(lab) == len(clients) and hazard.locks_waiting(lab) >= 1, 20, 0.05)


def answers(clients):
    return [wire.rows_of(client.read_until(b"Z")) for client in clients]


@pytest.mark.parametrize("extended", [False, True], ids=["simple", "extended"])
def test_fifty_clients_ask_and_postgres_sees_one(lab, extended):
    lab.setup(X)
    clients = [lab.connect() for _ in range(CLIENTS)]
    before, asked = lab.proxy.cache()["hits_coalesced"], lab.lines_of(READ)
    with locked(lab):
        ask_all(lab, clients, extended=extended)
        assert hazard.locks_waiting(lab) == 1
    assert answers(clients) == [[["1"]]] * CLIENTS
    assert lab.lines_of(READ) - asked == 1
    assert lab.proxy.cache()["hits_coalesced"] - before == CLIENTS - 1


def test_other_keys_do_not_wait(lab):
    lab.setup(X)
    one, two = lab.connect(), lab.connect()
    with locked(lab):
        one.send(wire.query(READ))
        two.send(wire.query("select v from x where id = 2"))
        assert servers.wait_until(lambda: hazard.locks_waiting(lab) == 2, 20, 0.05)
    assert answers([one, two]) == [[["1"]], [["2"]]]


def test_old_not_new_for_a_reader_who_asks_after_a_write_while_a_fetch_is_under_way(lab):
    lab.setup(X)
    # The snapshot is taken before the long part begins.
    read = "select (select v from x where id = 1), count(*) from generate_series(1, 3000) a, generate_series(1, 3000) b"
    first, writer, second = lab.connect(), lab.connect(), lab.connect()
    running = f"select count(*) from pg_stat_activity where state = 'active' and query = $q${read}$q$"
    first.send(wire.query(read))
    assert servers.wait_until(lambda: lab.behind(running) == [["1"]], 20, 0.005)
    writer.query("update x set v = 7 where id = 1")
    second.send(wire.query(read))
    assert answers([second])[0][0][0] == "7"
    assert answers([first])[0][0][0] in ("1", "7")
    assert lab.connect().query(read)[0][0] == "7"


def test_write_that_comes_while_readers_wait_is_seen_by_whoever_asks_after_it(lab):
    lab.setup(X)
    clients = [lab.connect() for _ in range(8)]
    writer = lab.connect()
    with locked(lab):
        ask_all(lab, clients)
        writer.send(wire.query("update x set v = 7 where id = 1"))
        assert servers.wait_until(lambda: hazard.locks_waiting(lab) == 2, 20, 0.05)
        late = lab.connect()
        late.send(wire.query(READ))
        assert servers.wait_until(lambda: hazard.locks_waiting(lab) == 3, 20, 0.05), "it waits for a fetch though a write is under way"
    assert not wire.errors_of(writer.read_until(b"Z"))
    for rows in answers([*clients, late]):
        assert rows in ([["1"]], [["7"]])
    assert [client.query(READ) for client in clients] == [[["7"]]] * 8


def test_a_write_under_a_fetch_does_not_set_all_who_wait_for_it_free_at_once(lab):
    """The fetch is spoiled; the first who misses again asks, and the others wait for him. What holds the
    fetch is the lock of a table that nobody writes."""
    lab.setup(X + "; create table y (n int)")
    read = "select (select v from x where id = 1), (select count(*) from y)"
    clients = [lab.connect() for _ in range(30)]
    writer = lab.connect()
    asked = lab.lines_of(read)
    with locked(lab, "y"):
        ask_all(lab, clients, read)
        assert hazard.locks_waiting(lab) == 1
        writer.query("update x set v = 7 where id = 1")
    first, *others = [rows[0][0] for rows in answers(clients)]
    assert first in ("1", "7") and others == ["7"] * 29
    assert lab.lines_of(read) - asked <= 4


def test_waiters_ask_for_themselves_when_the_client_who_asked_is_gone(lab):
    lab.setup(X)
    clients = [lab.connect() for _ in range(4)]
    with locked(lab):
        ask_first(lab, clients[0])
        ask_behind_the_first(lab, clients[1:])
        clients[0].abort()
        assert servers.wait_until(lambda: hazard.locks_waiting(lab) >= 2, 20, 0.05)
    assert answers(clients[1:]) == [[["1"]]] * 3


def test_waiters_ask_for_themselves_when_the_one_who_asked_is_cancelled(lab):
    lab.setup(X)
    clients = [lab.connect() for _ in range(4)]
    with locked(lab):
        ask_first(lab, clients[0])
        ask_behind_the_first(lab, clients[1:])
        cancel(lab, clients[0])
        errors = wire.errors_of(clients[0].read_until(b"Z"))
        assert errors == ["57014"]
    assert answers(clients[1:]) == [[["1"]]] * 3


def test_cancelled_waiter_is_told_so_and_goes_on(lab):
    lab.setup(X)
    first, waiter = lab.connect(), lab.connect()
    with locked(lab):
        ask_first(lab, first)
        ask_behind_the_first(lab, [waiter])
        cancel(lab, waiter)
        assert wire.errors_of(waiter.read_until(b"Z")) == ["57014"]
        assert waiter.query("select 1 + 1") == [["2"]]
    assert answers([first]) == [[["1"]]]
    assert waiter.query(READ) == [["1"]]


def test_waiters_may_go_away(lab):
    lab.setup(X)
    clients = [lab.connect() for _ in range(6)]
    with locked(lab):
        ask_all(lab, clients)
        for client in clients[1:]:
            client.abort()
        assert servers.wait_until(lambda: active(lab) <= 2, 20, 0.05)
    assert answers(clients[:1]) == [[["1"]]]
    assert lab.connect().query(READ) == [["1"]]


def test_waiter_of_a_fetch_that_fails_gets_its_own_error(lab):
    lab.setup(X + "; create table y (id int); insert into y values (0)")
    read = "select 1 / id from y"
    clients = [lab.connect() for _ in range(3)]
    with locked(lab, "y"):
        ask_all(lab, clients, read)
    for client in clients:
        assert wire.errors_of(client.read_until(b"Z")) == ["22012"]


def test_waiter_of_an_answer_that_is_too_big_asks_for_itself(lab):
    lab.setup(X + "; create table y (t text); insert into y select repeat('x', 1000) from generate_series(1, 2000)")
    read = "select t from y"
    clients = [lab.connect() for _ in range(3)]
    with locked(lab, "y"):
        ask_all(lab, clients, read)
    assert [len(rows) for rows in answers(clients)] == [2000] * 3


def test_nobody_waits_longer_than_coalesce_wait_max(lab):
    lab.setup(X)
    first, waiter = lab.connect(), lab.connect()
    try:
        lab.proxy.console("SET coalesce_wait_max = '100ms'")
        with locked(lab):
            ask_first(lab, first)
            waiter.send(wire.query(READ))
            assert servers.wait_until(lambda: hazard.locks_waiting(lab) == 2, 20, 0.05)
        assert answers([first, waiter]) == [[["1"]]] * 2
    finally:
        lab.proxy.console("SET coalesce_wait_max = '5s'")


def test_pipeline_behind_a_waiting_read_is_answered_in_order(lab):
    lab.setup(X)
    first, waiter = lab.connect(), lab.connect()
    with locked(lab):
        ask_first(lab, first)
        waiter.send(wire.query(READ) + wire.query("select 'after'") + wire.query(READ))
        assert servers.wait_until(lambda: active(lab) == 2, 20, 0.05)
    assert answers([first]) == [[["1"]]]
    assert [answers([waiter])[0] for _ in range(3)] == [[["1"]], [["after"]], [["1"]]]
