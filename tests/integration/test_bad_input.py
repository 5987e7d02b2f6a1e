"""Input that no driver sends. The client that sends it is told what Postgres would say, or that it
broke the protocol; nobody else notices."""

import random
import socket
import struct

import pytest

import servers
import wire

LONG = 0x7FFFFFFF
PATIENCE = 0.7  # seconds of silence after which a server is said to wait for more


def startup_of(body, length=None):
    return struct.pack("!I", (len(body) + 4) if length is None else length) + body


STARTUPS = {
    "nothing": b"",
    "one byte": b"\0",
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls client hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 508,
    "zeros": b"\0" * 64,
    "ones": b"\xff" * 64,
    "random": random.Random(1).randbytes(300),
    "length 0": struct.pack("!I", 0),
    "length 4": struct.pack("!I", 4),
    "length 7": struct.pack("!I", 7) + b"\0\3\0",
    "length negative": startup_of(b"\0\3\0\0user\0x\0\0", 0xFFFFFFFF),
    "length huge": startup_of(b"\0\3\0\0user\0x\0\0", LONG),
    "length 10001": startup_of(b"\0\3\0\0user\0x\0\0" + b"\0" * 9983, 10001),
    "protocol 2": startup_of(struct.pack("!I", 2 << 16) + b"\0" * 288),
    "protocol 4": startup_of(struct.pack("!I", 4 << 16) + b"user\0postgres\0\0"),
    "unknown request": startup_of(struct.pack("!I", 80877199)),
    "no user": wire.startup({"database": "postgres"}),
    "empty user": wire.startup({"user": "", "database": "postgres"}),
    "no terminator": startup_of(struct.pack("!I", 3 << 16) + b"user\0postgres\0"),
    "name without value": startup_of(struct.pack("!I", 3 << 16) + b"user\0postgres\0database\0"),
    "value unterminated": startup_of(struct.pack("!I", 3 << 16) + b"user\0postgres"),
    "bytes after the end": startup_of(struct.pack("!I", 3 << 16) + b"user\0postgres\0\0more\0"),
    "unknown parameter": wire.startup({"user": "postgres", "no_such_parameter": "1"}),
    "bad parameter": wire.startup({"user": "postgres", "datestyle": "nonsense"}),
    "bad options": wire.startup({"user": "postgres", "options": "-c no_such=1"}),
    "bad encoding": wire.startup({"user": "postgres", "client_encoding": "EBCDIC"}),
    "cancel for nobody": wire.cancel_request(12345, b"\0\0\0\7"),
    "cancel with a long key": wire.cancel_request(12345, b"k" * 200),
    "ssl twice": wire.SSL_REQUEST + wire.SSL_REQUEST,
    "startup behind ssl": wire.SSL_REQUEST + wire.startup({"user": "postgres", "database": "postgres"}),
    "a query first": wire.query("select 1"),
    "a password first": wire.message(b"p", b"x\0"),
}


def startup_outcome(port, data):
    """What becomes of a client that begins so: the SQLSTATE it is told, "closed", "ready",
    or "waits" where the server wants to hear more."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
        answer, end = b"", "closed"
        try:
            connection.sendall(data)
            while chunk := connection.recv(65536):
                answer += chunk
        except TimeoutError:
            end = "waits"
        except ConnectionError:
            pass
    answer = answer.lstrip(b"NG") if data[:8] in (wire.SSL_REQUEST, wire.GSS_REQUEST) else answer
    while len(answer) > 5:
        tag, (length,) = answer[:1], struct.unpack("!i", answer[1:5])
        if tag == b"E":
            # Before protocol 3 an error is a bare text.
            return wire.fields_of(answer[5 : 1 + length]).get("C") if 4 < length < 10000 else "old error"
        if tag == b"Z":
            return "ready"
        answer = answer[1 + length :]
    return end


@pytest.mark.parametrize("name", STARTUPS)
def test_startup(bad_proxy, postgres, name):
    """As Postgres does it, except that an error may come where Postgres only closes."""
    with bad_proxy.connect() as bystander:
        expected = startup_outcome(postgres.port, STARTUPS[name])
        got = startup_outcome(bad_proxy.port, STARTUPS[name])
        if expected in ("closed", "waits"):
            assert got in (expected, "closed", "08P01")
        elif expected == "old error":
            assert got in ("closed", "old error", "0A000")
        else:
            assert got == expected
        assert bystander.query("select 1") == [["1"]]


MESSAGES = {
    "length 0": b"Q" + struct.pack("!I", 0),
    "length 3": b"Q" + struct.pack("!I", 3),
    "length negative": b"Q" + struct.pack("!I", 0xFFFFFFFF) + b"select 1\0",
    "length of a query huge": b"Q" + struct.pack("!I", LONG) + b"select 1\0",
    "length of a sync huge": b"S" + struct.pack("!I", LONG),
    "length of a password huge": b"p" + struct.pack("!I", LONG),
    "unknown type": wire.message(b"z", b"x"),
    "zero type": wire.message(b"\0", b"x"),
    "type of the server": wire.message(b"Z", b"I"),
    "high type": wire.message(b"\xf0", b"x"),
    "query without terminator": wire.message(b"Q", b"select 1"),
    "query with two": wire.message(b"Q", b"select 1\0\0"),
    "query with bytes after": wire.message(b"Q", b"select 1\0select 2\0"),
    "empty query message": wire.message(b"Q", b""),
    "parse empty": wire.message(b"P", b""),
    "parse without query": wire.message(b"P", b"name\0"),
    "parse without types": wire.message(b"P", b"\0select 1\0"),
    "parse with fewer types": wire.message(b"P", b"\0select 1\0\0\5\0\0\0\27"),
    "parse with negative types": wire.message(b"P", b"\0select 1\0\xff\xff"),
    "parse with bytes after": wire.message(b"P", b"\0select 1\0\0\0x"),
    "bind empty": wire.message(b"B", b""),
    "bind with formats only": wire.message(b"B", b"\0\0\0\1"),
    "bind with negative formats": wire.message(b"B", b"\0\0\xff\xff\0\0\0\0"),
    "bind with a value too long": wire.parse("select $1::text") + wire.message(b"B", b"\0\0\0\0\0\1\0\0\0\x63x\0\0"),
    "bind with length -2": wire.parse("select $1::text") + wire.message(b"B", b"\0\0\0\0\0\1\xff\xff\xff\xfe\0\0"),
    "bind with too many values": wire.parse("select 1") + wire.message(b"B", b"\0\0\0\0\x7f\xff"),
    "bind with bytes after": wire.parse("select 1") + wire.message(b"B", b"\0\0\0\0\0\0\0\0x"),
    "describe nothing": wire.message(b"D", b""),
    "describe x": wire.message(b"D", b"x\0"),
    "describe unterminated": wire.message(b"D", b"Sname"),
    "execute empty": wire.message(b"E", b""),
    "execute without limit": wire.message(b"E", b"\0"),
    "close x": wire.message(b"C", b"x\0"),
    "close empty": wire.message(b"C", b""),
    "sync with a body": wire.message(b"S", b"body"),
    "flush with a body": wire.message(b"H", b"body"),
    "password after login": wire.message(b"p", b"secret\0"),
    "copy data without copy": wire.copy_data(b"x"),
    "copy done without copy": wire.copy_done(),
    "copy fail without copy": wire.copy_fail("x"),
    "execute first": wire.execute(),
    "bind first": wire.bind(),
    "function call empty": wire.message(b"F", b""),
    "function call short": wire.message(b"F", struct.pack("!I", 1598) + b"\0\1"),
    "startup again": wire.startup({"user": "postgres"}),
    "ssl request again": wire.SSL_REQUEST,
    "garbage": random.Random(2).randbytes(200),
    "name of 100 kB": wire.parse("select 1", "n" * 100000) + wire.bind([], "n" * 100000) + wire.execute(),
    "zero byte in a query": wire.message(b"Q", b"select\0 1\0"),
    "bytes that are no UTF-8": wire.query(b"select '\xff\xc0'"),
}


# Wrong only in their place or their content: these must go as they do with Postgres.
WELL_FORMED = {
    "copy data without copy",
    "copy done without copy",
    "copy fail without copy",
    "execute first",
    "bind first",
    "name of 100 kB",
    "bytes that are no UTF-8",
}


def message_outcome(connect, data):
    """What came back, in outline: tags, with SQLSTATE and severity of errors, until the marker was
    answered, the connection was closed, or the server waits for more."""
    outline = []
    with connect(timeout=PATIENCE) as client:
        try:
            client.send(data, wire.sync(), wire.query("select 'marker'"))
            while True:
                m = client.read()
                if m.tag == b"E":
                    fields = wire.fields_of(m.body)
                    outline.append((fields["V"], fields["C"]))
                else:
                    outline.append(m.tag)
                if m.tag == b"D" and b"marker" in m.body:
                    return outline
        except (wire.Closed, ConnectionError):
            return [*outline, "closed"]
        except wire.Silence:
            return [*outline, "waits"]


@pytest.mark.parametrize("name", MESSAGES)
def test_message(bad_proxy, postgres, name):
    with bad_proxy.connect() as bystander:
        expected = message_outcome(postgres.connect, MESSAGES[name])
        got = message_outcome(bad_proxy.connect, MESSAGES[name])
        if name in WELL_FORMED:
            assert got == expected
        else:
            # What cannot be read may end the connection, if it is said why: no client can rely on more.
            assert got == expected or got[-2:] == [("FATAL", "08P01"), "closed"]
        assert bystander.query("select 1") == [["1"]]


@pytest.fixture(scope="module")
def bad_proxy(postgres):
    """One proxy for all of this file: what piles up shows at its end."""
    proxy = servers.Proxy(postgres, client_login_timeout="5s")
    proxy.wait_for_catalog()
    descriptors = proxy.descriptors()
    yield proxy
    try:
        assert servers.wait_until(lambda: proxy.descriptors() <= descriptors + 5, 20), "connections leak"
        with proxy.connect() as client:
            assert client.query("select 1") == [["1"]]
    finally:
        try:
            proxy.stop()
        finally:
            proxy.stop_by(9)
            proxy.remove()


def test_bytes_one_by_one(bad_proxy):
    with bad_proxy.connect(login=False) as client:
        for byte in wire.startup({"user": "postgres", "database": "postgres"}):
            client.send(bytes([byte]))
        client.read_until(b"Z")
        for _ in range(2):
            for byte in wire.query("select 'slow'") + wire.extended("select $1::text", ["too"]):
                client.send(bytes([byte]))
            assert wire.rows_of(client.read_until(b"Z", 2)) == [["slow"], ["too"]]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 12, 100])
def test_truncated_messages(bad_proxy, size):
    data = wire.extended("select abalance from pgbench_accounts where aid = $1", ["1"]) + wire.query("select 1")
    with bad_proxy.connect() as bystander:
        for cut in range(0, len(data), size if size > 1 else 3):
            with bad_proxy.connect() as client:
                client.send(data[:cut])
                client.abort()
        assert bystander.query("select 1") == [["1"]]


def test_a_client_that_never_logs_in_is_closed(make_proxy, postgres):
    proxy = make_proxy(postgres, client_login_timeout="1s")
    with proxy.connect(login=False, timeout=10) as client:
        client.send(b"\0\0")
        assert client.socket.recv(1000)[:1] in (b"", b"E")


def test_random_bytes_do_no_harm(bad_proxy):
    chance = random.Random(3)
    good = wire.extended("select abalance from pgbench_accounts where aid = $1", ["1"]) + wire.query("select 1")
    with bad_proxy.connect() as bystander:
        for turn in range(150):
            data = bytearray(good)
            for _ in range(chance.randrange(1, 8)):
                data[chance.randrange(len(data))] = chance.randrange(256)
            with bad_proxy.connect() as client:
                client.socket.settimeout(0.1)
                try:
                    client.send(bytes(data))
                    client.read_until(b"Z", 2)
                except (OSError, ValueError, wire.Closed, wire.Silence):
                    pass
            if turn % 20 == 0:
                assert bystander.query("select 1") == [["1"]]
    assert bad_proxy.is_alive()


def test_bad_input_does_not_grow_the_process(make_proxy, postgres):
    proxy = make_proxy(postgres)
    if proxy.is_sanitized():
        turns, bound_kb = 3, 200000
    else:
        turns, bound_kb = 20, 8000

    def all_of_it():
        for data in STARTUPS.values():
            with proxy.connect(login=False) as client:
                client.send(data)
        for data in MESSAGES.values():
            with proxy.connect() as client:
                client.send(data, wire.sync())
                client.abort()

    all_of_it()
    before = proxy.rss_kb()
    for _ in range(turns):
        all_of_it()
    assert proxy.rss_kb() - before < bound_kb
