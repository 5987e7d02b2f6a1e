"""Clients that break off, interleave and overload. What they are told is what Postgres tells them;
no backend stays with them, and whoever behaves gets right answers all the while."""

import contextlib
import random
import struct
import time

import pytest

import seeds
import servers
import wire

PATIENCE = 5.0


def outline(m):
    if m.tag == b"E":
        fields = wire.fields_of(m.body)
        return (fields["V"], fields["C"])
    return (m.tag, m.body if m.tag in b"DCZ" else len(m.body))


def outcome(connect, units):
    """What one client hears to each of the units, up to one ReadyForQuery each."""
    heard = []
    with connect(timeout=PATIENCE) as client:
        for unit in units:
            try:
                client.send(unit)
                while True:
                    m = client.read()
                    heard.append(outline(m))
                    if m.tag == b"Z":
                        break
            except (wire.Closed, ConnectionError):
                return [*heard, "closed"]
            except wire.Silence:
                return [*heard, "silence"]
    return heard


def all_is_quiet(proxy):
    return len(proxy.console("SHOW CLIENTS")) <= 1 and all(
        row["state"] == "idle" for row in proxy.console("SHOW SERVERS")
    )


@pytest.fixture(scope="module")
def hostile_proxy(postgres):
    """One proxy for all of this file, with few backends and few statements at each."""
    postgres.query("create table if not exists hostile_copy (a int)")
    proxy = servers.Proxy(postgres, default_pool_size=3, max_prepared_statements=2, query_wait_timeout="10s")
    proxy.wait_for_catalog()
    descriptors = proxy.descriptors()
    yield proxy
    try:
        assert servers.wait_until(lambda: all_is_quiet(proxy), 20), proxy.console("SHOW SERVERS")
        assert proxy.descriptors() <= descriptors + 4, "descriptors leak"
    finally:
        try:
            proxy.stop()
        finally:
            proxy.stop_by(9)
            proxy.remove()


@pytest.fixture
def attacked(hostile_proxy):
    """The proxy; after each attack nothing is left of it, and every backend answers rightly."""
    yield hostile_proxy
    assert servers.wait_until(lambda: all_is_quiet(hostile_proxy)), (
        hostile_proxy.console("SHOW CLIENTS"),
        hostile_proxy.console("SHOW SERVERS"),
    )
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(hostile_proxy.connect(timeout=PATIENCE)) for _ in range(3)]
        for client in clients:
            client.query("begin")
        for number, client in enumerate(clients):
            assert client.query(f"select {number}, pg_backend_pid() > 0") == [[str(number), "t"]]
            client.query("commit")


MANY = b"".join(wire.parse(f"select {number}", f"s{number}") for number in range(6))
USE = b"".join(wire.bind([], f"s{number}") + wire.execute() for number in range(6))
COPY = wire.parse("copy hostile_copy from stdin") + wire.bind() + wire.execute()
WIDE = "select " + ", ".join(f'{number} as "{"c" * 50}{number}"' for number in range(1600))
A_IS_1 = wire.parse("select 1", "a") + wire.sync()
ASK_A = wire.bind([], "a") + wire.execute() + wire.sync()
ONE = wire.query("select 1")

# Units, each up to one ReadyForQuery.
DIALOGUES = {
    "local answers behind a long one": [
        wire.parse(WIDE) + wire.describe_statement() + wire.close_statement("x") * 2 + wire.sync(),
        ONE,
    ],
    "an error undoes close and parse": [
        A_IS_1,
        wire.bind([], "none") + wire.close_statement("a") + wire.parse("select 2", "a") + wire.sync(),
        ASK_A,
    ],
    "an error undoes close, parse and close": [
        A_IS_1,
        wire.parse("selec")
        + wire.close_statement("a")
        + wire.parse("select 2", "a")
        + wire.close_statement("a")
        + wire.sync(),
        ASK_A,
    ],
    "an error before statements that are new to the backend": [
        MANY + wire.sync(),
        wire.parse("selec") + USE + wire.sync(),
        USE + wire.sync(),
        USE + wire.sync(),
    ],
    "an error between them": [
        MANY + wire.sync(),
        wire.bind([], "s0") + wire.execute() + wire.parse("selec") + USE + wire.sync(),
        USE + wire.sync(),
        USE + wire.sync(),
    ],
    "copy data before the copy has begun": [
        COPY + wire.copy_data(b"1\n") + wire.copy_done() + wire.sync(),
        wire.query("select count(*) > 0 from hostile_copy"),
    ],
    "copy data behind what is no copy": [
        wire.parse("select 1") + wire.bind() + wire.execute() + wire.copy_data(b"1\n") + wire.copy_done() + wire.sync(),
        ONE,
    ],
    "copy data behind an error": [wire.parse("selec") + wire.copy_data(b"1\n") * 50 + wire.sync(), ONE],
    "copy with everything at once": [
        wire.query("copy hostile_copy from stdin") + wire.copy_data(b"1\n") + wire.copy_done(),
        ONE,
    ],
    "copy with sync and flush inside": [
        wire.query("copy hostile_copy from stdin")
        + wire.copy_data(b"1\n")
        + wire.sync()
        + wire.flush()
        + wire.copy_done(),
        ONE,
    ],
    "copy with a query inside": [wire.query("copy hostile_copy from stdin") + ONE, ONE],
    "copy with a bind inside": [COPY + wire.sync() + wire.bind(), ONE],
    "copy that the client fails": [wire.query("copy hostile_copy from stdin") + wire.copy_fail("no"), ONE],
    "copy with bad data and more": [
        COPY + wire.sync() + wire.copy_data(b"x\n") * 3 + wire.copy_done() + wire.sync(),
        ONE,
    ],
    "copy out": [wire.query("copy (select generate_series(1, 1000)) to stdout"), ONE],
    "a query inside a batch": [
        wire.parse("select 1") + wire.bind() + wire.query("select 2"),
        wire.execute() + wire.sync(),
        ONE,
    ],
    "a query inside a failed batch": [wire.parse("selec") + wire.query("select 2") + wire.execute() + wire.sync(), ONE],
    "a function call inside a failed batch": [
        wire.parse("selec") + wire.message(b"F", struct.pack("!Ihhh", 1598, 0, 0, 0)) + wire.sync(),
        ONE,
    ],
    "names that exist already": [
        wire.query("begin"),
        wire.parse("select 1", "n") + wire.bind([], "n", "p") + wire.bind([], "n", "p") + wire.sync(),
        wire.query("rollback"),
        wire.parse("select 2", "n") + wire.sync(),
    ],
    "too few values": [wire.parse("select $1::int") + wire.bind() + wire.sync(), ONE],
    "too many values": [wire.parse("select $1::int") + wire.bind(["1", "2"]) + wire.sync(), ONE],
    "too many formats": [wire.parse("select $1::int") + wire.bind(["1"], formats=[0, 0]) + wire.sync(), ONE],
    "an unknown format": [
        wire.parse("select $1::int") + wire.bind(["1"], result_formats=[7]) + wire.execute() + wire.sync(),
        ONE,
    ],
    "a value of the wrong length": [
        wire.parse("select $1::int") + wire.bind([b"\0\0"], formats=[1]) + wire.execute() + wire.sync(),
        ONE,
    ],
    "a portal in pieces and closed": [
        wire.parse("select generate_series(1, 5)")
        + wire.bind()
        + wire.execute(2) * 2
        + wire.close_portal()
        + wire.execute(2)
        + wire.sync(),
        ONE,
    ],
    "3,000 closes": [wire.parse("select 1") + wire.close_statement("none") * 3000 + wire.sync(), ONE],
}


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(attacked, postgres, name):
    expected = outcome(postgres.connect, DIALOGUES[name])
    got = outcome(attacked.connect, DIALOGUES[name])
    if expected[-1] == "closed":
        assert got[-2:] == [("FATAL", "08P01"), "closed"] or got == expected
    else:
        assert got == expected


def test_copy_that_fails_inside_a_message_leaves_no_backend_waiting(attacked):
    with attacked.connect(timeout=PATIENCE) as client:
        client.send(wire.query("copy hostile_copy from stdin"))
        assert client.read().tag == b"G"
        client.send(wire.copy_data(b"nonsense\n"), b"d" + struct.pack("!i", 100000), b"xxx")
        assert [m.tag for m in client.read_until(b"Z")] == [b"E", b"Z"]
        for number in range(6):
            assert attacked.query(f"select {number} + 300000") == [[str(number + 300000)]]
        client.send(b"y" * (100000 - 4 - 3), wire.query("select 'after'"))
        assert wire.rows_of(client.read_until(b"Z")) == [["after"]]


def test_copy_that_fails_inside_a_message_of_a_client_that_goes(attacked):
    with attacked.connect(timeout=PATIENCE) as client:
        client.send(wire.query("copy hostile_copy from stdin"))
        assert client.read().tag == b"G"
        client.send(wire.copy_data(b"nonsense\n"), b"d" + struct.pack("!i", 100000), b"xxx")
        client.read_until(b"Z")


@pytest.mark.parametrize("extended", [False, True])
def test_copy_that_begins_when_the_client_is_gone(attacked, extended):
    slow = "select pg_sleep(0.3)"
    client = attacked.connect(timeout=PATIENCE)
    if extended:
        client.send(wire.parse(slow) + wire.bind() + wire.execute() + COPY + wire.sync())
    else:
        client.send(wire.query(f"{slow}; copy hostile_copy from stdin"))
    time.sleep(0.1)
    client.socket.close()


def bind_for(connection):
    connection.send(wire.parse("select 1") + wire.bind() + wire.execute() + wire.flush())
    assert [connection.read().tag for _ in range(4)] == [b"1", b"2", b"D", b"C"]


def test_half_a_message_after_flush_then_close(attacked):
    client = attacked.connect(timeout=PATIENCE)
    bind_for(client)
    client.send(wire.bind()[:7])
    time.sleep(0.1)
    client.socket.close()


def test_query_behind_an_error_without_sync_then_close(attacked):
    client = attacked.connect(timeout=PATIENCE)
    client.send(wire.parse("select pg_sleep(0.3)") + wire.bind() + wire.execute() + wire.parse("selec"))
    client.send(wire.query("select 1"))
    time.sleep(0.1)
    client.socket.close()


@pytest.mark.parametrize("rest", [b"", b"Q\0\0", wire.bind()])
def test_what_was_asked_before_the_close_is_done_and_nothing_stays(attacked, postgres, rest):
    postgres.query("create table if not exists hostile_done (a int)")
    before = int(postgres.query("select count(*) from hostile_done")[0][0])
    client = attacked.connect(timeout=PATIENCE)
    client.send(wire.query("select pg_sleep(0.3)") + wire.query("insert into hostile_done values (1)") + rest)
    time.sleep(0.1)
    client.socket.close()
    assert servers.wait_until(lambda: int(postgres.query("select count(*) from hostile_done")[0][0]) == before + 1)


def test_more_requests_than_may_be_owed(attacked):
    """Far more messages than the queue of owed answers holds, before the first answer is asked for."""
    count = 150000
    with attacked.connect(timeout=60) as client:
        client.send(wire.parse("select 1"))
        for _ in range(count // 1000):
            client.send(wire.close_portal("none") * 1000)
        client.send(wire.sync())
        assert len(client.read_until(b"Z")) == count + 2
        assert client.query("select 1") == [["1"]]


@pytest.mark.parametrize("reset", [False, True])
def test_every_prefix_of_a_session(attacked, reset):
    data = (
        wire.startup({"user": "postgres", "database": "postgres"})
        + wire.extended("select aid from pgbench_accounts where aid = $1", ["7"])
        + COPY
        + wire.copy_data(b"1\n")
        + wire.copy_fail("x")
        + wire.sync()
        + ONE
    )
    with attacked.connect() as bystander:
        for cut in range(0, len(data), 2 if reset else 3):
            with attacked.connect(login=False) as client:
                client.send(data[:cut])
                if reset:
                    client.abort()
            if cut % 50 == 0:
                assert bystander.query(f"select {cut} + 500000") == [[str(cut + 500000)]]


def mutate(chance, data):
    data = bytearray(data)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(data))
        what = chance.randrange(4)
        if what == 0:
            data[at] = chance.randrange(256)
        elif what == 1:
            del data[at : at + chance.randrange(1, 9)]
        elif what == 2:
            data[at:at] = data[chance.randrange(len(data)) :][: chance.randrange(1, 40)]
        else:
            data[at : at + 4] = struct.pack("!i", chance.choice([0, 3, 4, 5, -1, 2**31 - 1, 65536]))
        if not data:
            return b"\0"
    return bytes(data)


TRAFFIC = [
    wire.extended("select abalance from pgbench_accounts where aid = $1", ["1"]),
    MANY + USE + wire.sync(),
    COPY + wire.copy_data(b"1\n") + wire.copy_done() + wire.sync(),
    wire.query("begin") + wire.query("select 1/0") + wire.query("rollback"),
    wire.query("copy hostile_copy from stdin") + wire.copy_data(b"1\n") + wire.copy_done(),
    wire.parse("select generate_series(1, 9)") + wire.bind([], "", "p") + wire.execute(3, "p") * 4 + wire.sync(),
    wire.message(b"F", struct.pack("!Ihhh", 1598, 0, 0, 0)),
    wire.query("set statement_timeout = 0") + wire.query("deallocate all"),
]


@seeds.each(4)
def test_mutated_traffic(attacked, seed):
    chance = random.Random(seed)
    with attacked.connect() as bystander:
        for turn in range(60):
            data = b"".join(chance.choices(TRAFFIC, k=3))
            with attacked.connect() as client:
                client.socket.settimeout(0.05)
                with contextlib.suppress(OSError, ValueError, wire.Closed, wire.Silence):
                    client.send(mutate(chance, data))
                    client.read_until(b"Z", 3)
                if turn % 2:
                    client.abort()
            if turn % 10 == 0:
                assert bystander.query(f"select {turn} + 600000") == [[str(turn + 600000)]]
    assert attacked.is_alive(), attacked.last_words()


def test_a_login_that_a_client_spoils_is_not_held_against_others(make_proxy, postgres):
    """connect_query runs under the client's settings: that it fails there says nothing of the server."""
    line = f"host=127.0.0.1 port={postgres.port} connect_query='select pg_sleep(0.05)'"
    proxy = make_proxy(postgres, databases={"*": line}, server_login_retry="5s", default_pool_size=2)
    with pytest.raises(wire.ServerError, match="57014"):
        proxy.connect(parameters={"options": "-c statement_timeout=1ms"}, timeout=PATIENCE)
    for _ in range(3):
        assert proxy.query("select 1") == [["1"]]
