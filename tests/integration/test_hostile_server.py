"""A backend that lies. Between pgrecall and a real Postgres stands a liar that passes everything on,
logins and the control connection too, until a statement holds the name of a lie: that one it answers
itself. Whatever it says, the client that asked hears no whole row that is wrong, nothing of it is
kept, no backend stays taken, and everybody else gets right answers."""

import contextlib
import socket
import struct
import time

import pytest

import between
import servers
import wire

PATIENCE = 3.0
RIGHT = [["0"]]


def row(value):
    return wire.message(b"D", struct.pack("!hi", 1, len(value)) + value)


READY = wire.message(b"Z", b"I")
DONE = wire.message(b"C", b"SELECT 1\0")
COLUMNS = wire.message(b"T", struct.pack("!h", 1) + b"abalance\0" + struct.pack("!ihihih", 0, 0, 23, 4, -1, 0))
ANSWER = COLUMNS + row(b"666") + DONE + READY
CLOSE = None  # at the end of a lie: the connection

# What the liar says in place of an answer, piece by piece.
LIES = {
    "garbage": [bytes(range(256))],
    "unknown type": [wire.message(b"\1", b"x"), READY],
    "length 0": [b"T\0\0\0\0"],
    "length 3": [b"D\0\0\0\3"],
    "length negative": [b"D\xff\xff\xff\xff"],
    "ready of 2 GB": [b"Z\x7f\xff\xff\xff", b"I" * 1000],
    "complete of 2 GB": [b"C\x7f\xff\xff\xff", b"I" * 1000, CLOSE],
    "ready without status": [COLUMNS, wire.message(b"Z")],
    "ready with another status": [COLUMNS, wire.message(b"Z", b"X")],
    "ready alone": [READY],
    "ready without complete": [COLUMNS + row(b"666") + READY],
    "ready says transaction": [COLUMNS + row(b"666") + DONE + wire.message(b"Z", b"T"), CLOSE],
    "parse complete unasked": [wire.message(b"1") + ANSWER],
    "bind complete unasked": [wire.message(b"2") + ANSWER],
    "close complete unasked": [wire.message(b"3") + ANSWER],
    "authentication again": [wire.message(b"R", struct.pack("!i", 3)) + ANSWER],
    "another key": [wire.message(b"K", struct.pack("!ii", 1, 1)) + ANSWER],
    "closes at once": [CLOSE],
    "closes inside a header": [COLUMNS + b"D\0\0", CLOSE],
    "closes inside a row": [COLUMNS + b"D" + struct.pack("!ihi", 4 + 6 + 300, 1, 300) + b"6" * 100, CLOSE],
    "closes behind a row": [COLUMNS + row(b"666"), CLOSE],
    "closes behind complete": [COLUMNS + row(b"666") + DONE, CLOSE],
    "error of 1 MB, then closes": [wire.message(b"E", b"SERROR\0VERROR\0CXX000\0M" + b"m" * 1000000 + b"\0\0"), CLOSE],
    "fatal": [wire.message(b"E", b"SFATAL\0VFATAL\0C57P01\0Mgone\0\0"), CLOSE],
    "error without fields": [wire.message(b"E") + READY],
    "error unterminated": [wire.message(b"E", b"SERROR") + READY],
    "notices": [wire.message(b"N", b"SNOTICE\0C00000\0Mno\0\0") * 20000 + wire.message(b"E", b"CXX000\0\0") + READY],
    "copy in, then ready": [wire.message(b"G", b"\0\0\0") + READY],
    "copy in, then closes": [wire.message(b"G", b"\0\0\0"), CLOSE],
    "copy both": [wire.message(b"W", b"\0\0\0"), CLOSE],
    "copy out without end": [wire.message(b"H", b"\0\0\0") + wire.message(b"d", b"x") * 10, CLOSE],
    "a setting of nothing": [wire.message(b"S", b"") + wire.message(b"E", b"CXX000\0\0") + READY],
    "row behind ready": [wire.message(b"E", b"CXX000\0\0") + READY + row(b"666")],
    "ready twice": [wire.message(b"E", b"CXX000\0\0") + READY + READY],
    "silence": [],
}


class Liar(between.Between):
    def request(self, data, near, far):
        lie = next((lie for name, lie in LIES.items() if f"lie: {name} *".encode() in data), None)
        if lie is None:
            far.sendall(data)
            return
        for piece in lie:
            if piece is CLOSE:
                near.shutdown(socket.SHUT_RDWR)
                far.shutdown(socket.SHUT_RDWR)
                return
            near.sendall(piece)
            time.sleep(0.02)


@pytest.fixture(scope="module")
def lied_to(postgres):
    liar = Liar(postgres.port)
    proxy = servers.Proxy(
        postgres,
        databases={"*": f"host=127.0.0.1 port={liar.port}"},
        default_pool_size=3,
        query_wait_timeout="10s",
        shutdown_timeout="1s",
        server_connect_timeout="5s",
    )
    try:
        proxy.wait_for_catalog()
        yield proxy
        proxy.stop()
    finally:
        proxy.stop_by(9)
        proxy.remove()
        liar.close()


def taken(proxy):
    return sum(row["state"] == "active" for row in proxy.console("SHOW SERVERS"))


def rows_heard(client):
    """Rows until the first ReadyForQuery or the end."""
    rows = []
    with contextlib.suppress(wire.Closed, OSError, ValueError):
        while True:
            m = client.read()
            if m.tag == b"D":
                rows += wire.rows_of([m])
            if m.tag == b"Z":
                break
    return rows


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("name", LIES)
def test_lie(lied_to, name, extended):
    account = 1000 + 2 * list(LIES).index(name) + extended
    sql = f"select abalance from pgbench_accounts where aid = {account}"
    lie = f"{sql} /* lie: {name} */"
    with lied_to.connect(timeout=PATIENCE) as bystander:
        with lied_to.connect(timeout=0.5 if name == "silence" else PATIENCE) as client:
            client.send(wire.extended(lie) if extended else wire.query(lie))
            rows = []
            with contextlib.suppress(wire.Silence) if name == "silence" else contextlib.nullcontext():
                rows = rows_heard(client)
            # A row of the liar's own may pass; a row that it broke off must not.
            assert rows in ([], [["666"]])
            client.abort()
        for _ in range(2):
            assert bystander.query(f"select {account} + 700000") == [[str(account + 700000)]]
        for _ in range(6):
            with lied_to.connect(timeout=PATIENCE) as client:
                assert client.query(sql) == RIGHT
                client.send(wire.extended(sql))
                assert wire.rows_of(client.read_until(b"Z")) == RIGHT
        if name == "silence":
            return  # that backend still has a statement to answer
        assert servers.wait_until(lambda: taken(lied_to) == 0)
        assert servers.wait_until(lambda: len(lied_to.console("SHOW CLIENTS")) <= 2)
    assert lied_to.is_alive(), lied_to.last_words()


def test_settings_that_change_tie_no_client_to_its_backend(lied_to):
    """A setting that the server reports by itself outdates what is known of all its backends. The
    statement for which a new one is opened is judged by what that one says."""
    before = taken(lied_to)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(lied_to.connect(timeout=PATIENCE)) for _ in range(8)]
        with lied_to.connect(timeout=PATIENCE) as client:
            client.send(wire.query("select 1 /* lie: a setting of nothing */"))
            rows_heard(client)
        for turn in range(2):
            for number, client in enumerate(clients):
                assert client.query(f"select {number} + 900000 + {turn}") == [[str(number + 900000 + turn)]]
        assert servers.wait_until(lambda: taken(lied_to) <= before)
