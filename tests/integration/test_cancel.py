"""Cancel requests: in every state of a client, in storms, with keys of any length. What is cancelled is
what the client asked for, and nobody else."""

import concurrent.futures
import os
import random
import socket
import struct
import threading

import pytest

import servers
import wire
from between import Between
from test_half_closed import make_known
from test_timeouts import KEEP, running


def cancel(port, pid, key):
    with wire.Wire(port, login=False) as canceller:
        canceller.send(wire.cancel_request(pid, key))
        assert canceller.read_to_end() == []


def is_cancelled(client, ready=b"I"):
    messages = client.read_until(b"Z")
    assert wire.errors_of(messages) == ["57014"]
    assert messages[-1].body == ready


# ---- while nothing is at a backend ----------------------------------------------------------


@pytest.mark.parametrize("extended", [False, True])
def test_a_statement_that_waits_for_a_catalog(make_proxy, postgres, extended):
    """The catalog cannot be loaded, nobody knows what the function does: its statement waits a moment."""
    postgres.query(
        "drop sequence if exists touched; create sequence touched; "
        "create or replace function touch() returns int language plpgsql as "
        "$$ begin perform nextval('touched'), pg_sleep(20); return 1; end $$")
    proxy = make_proxy(postgres, **KEEP)
    make_known(proxy)
    with postgres.connect() as locker, proxy.connect() as client:
        locker.query("begin; lock table pg_catalog.pg_trigger in access exclusive mode")
        client.query("create table if not exists makes_it_stale ()")
        client.send(wire.extended("select touch()") if extended else wire.query("select touch()"))
        assert servers.wait_until(lambda: proxy.row_of(client)["state"] == "active", 20), proxy.row_of(client)
        cancel(proxy.port, client.pid, client.key)
        is_cancelled(client)
        assert postgres.query("select is_called from touched") == [["f"]]
        locker.query("rollback")
        assert client.query("select 1") == [["1"]]
    proxy.stop()
    postgres.query("drop table makes_it_stale; drop function touch; drop sequence touched")


class MuteRedis:
    """Greets, and never answers what it is asked for."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked = threading.Event()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            threading.Thread(target=self.read, args=(near,), daemon=True).start()

    def read(self, near):
        seen = b""
        while data := near.recv(65536):
            seen += data
            if seen.endswith(b":probe\r\n"):
                near.sendall(b"$-1\r\n")
                seen = b""
            elif b"GET" in seen:
                self.asked.set()


def wait_for_redis(proxy):
    def state():
        return {row["name"]: row["value"] for row in proxy.console("SHOW CACHE")}["redis_state"]

    assert servers.wait_until(lambda: state() == "up", 20), state()


@pytest.mark.parametrize("in_block", [False, True])
@pytest.mark.parametrize("extended", [False, True])
def test_a_statement_that_waits_for_redis(make_proxy, postgres, extended, in_block):
    postgres.query("drop table if exists looked_up; create table looked_up as select 7 as n")
    redis = MuteRedis()
    proxy = make_proxy(postgres, redis_url=f"redis://127.0.0.1:{redis.port}", redis_timeout="20s")
    make_known(proxy)
    wait_for_redis(proxy)
    sql = "select n from looked_up"
    with proxy.connect() as client:
        if in_block:
            client.query("begin")
        client.send(wire.extended(sql) if extended else wire.query(sql))
        assert redis.asked.wait(20)
        cancel(proxy.port, client.pid, client.key)
        is_cancelled(client, b"E" if in_block else b"I")
        if in_block:
            assert wire.errors_of(client.ask(wire.query(sql))) == ["25P02"]
            client.query("commit")
        assert client.query("select pg_backend_pid() is not null") == [["t"]]
    proxy.stop()
    postgres.query("drop table looked_up")


@pytest.mark.parametrize("kind", ["query", "extended", "long query", "batch"])
def test_a_unit_that_waits_is_skipped_to_its_end(make_proxy, postgres, kind):
    proxy = make_proxy(postgres, default_pool_size=1, **KEEP)
    unit = {
        "query": wire.query("select 1; select 2"),
        "extended": wire.extended("select 1"),
        "long query": wire.query("select 1 -- " + "x" * (3 << 20)),
        "batch": b"".join(wire.extended("select 1")[:-5] for _ in range(200)) + wire.sync(),
    }[kind]
    with proxy.connect() as holder, proxy.connect() as waiter:
        holder.query("begin; select clock_timestamp()")
        half = len(unit) - 3
        waiter.send(unit[:half])
        if kind in ("query", "extended", "batch"):
            waiter.send(unit[half:])
        assert servers.wait_until(lambda: any(row["state"] == "waiting" for row in proxy.console("SHOW CLIENTS")), 20)
        cancel(proxy.port, waiter.pid, waiter.key)
        if kind == "long query":
            waiter.send(unit[half:])
        waiter.send(wire.query("select 'next'"))
        is_cancelled(waiter)
        holder.query("commit")
        assert wire.rows_of(waiter.read_until(b"Z")) == [["next"]]


# ---- in a block that Postgres does not know of ----------------------------------------------


def cancel_waiter(proxy, waiter, unit):
    waiter.send(unit)
    assert servers.wait_until(lambda: any(row["state"] == "waiting" for row in proxy.console("SHOW CLIENTS")), 20)
    cancel(proxy.port, waiter.pid, waiter.key)
    is_cancelled(waiter, b"E")


ENDS = [
    (wire.query("commit"), [b"C", b"Z"], "ROLLBACK"),
    (wire.query("end"), [b"C", b"Z"], "ROLLBACK"),
    (wire.query("rollback"), [b"C", b"Z"], "ROLLBACK"),
    (wire.extended("commit"), [b"1", b"2", b"n", b"C", b"Z"], "ROLLBACK"),
    (wire.query("rollback and chain"), [b"C", b"Z"], "ROLLBACK"),
    (wire.query("commit and chain"), [b"C", b"Z"], "ROLLBACK"),
    (wire.query("prepare transaction 'x'"), [b"C", b"Z"], "ROLLBACK"),
]


@pytest.mark.parametrize("end, answer, tag", ENDS)
@pytest.mark.parametrize("extended", [False, True])
def test_a_deferred_block_fails_as_one_at_postgres_does(make_proxy, postgres, extended, end, answer, tag):
    """It answers what a failed block answers, then ends as one does, and the session is as it was."""
    proxy = make_proxy(postgres, default_pool_size=1, **KEEP)
    with proxy.connect() as holder, proxy.connect() as waiter:
        waiter.query("set statement_timeout to '77s'")
        holder.query("begin; select clock_timestamp()")
        waiter.query("begin isolation level repeatable read")
        sql = "select clock_timestamp()"
        cancel_waiter(proxy, waiter, wire.extended(sql) if extended else wire.query(sql))
        holder.query("commit")
        for unit in (wire.query(sql), wire.query("savepoint s"), wire.query("begin"), wire.extended(sql),
                     wire.query("set statement_timeout to '5s'"), wire.query("set pgrecall.cache to off")):
            waiter.send(unit)
            messages = waiter.read_until(b"Z")
            assert wire.errors_of(messages) == ["25P02"], unit
            assert messages[-1].body == b"E"
        waiter.send(wire.query("selekt"))
        assert wire.errors_of(waiter.read_until(b"Z")) == ["42601"]
        waiter.send(end)
        messages = waiter.read_until(b"Z")
        assert [m.tag for m in messages] == answer
        assert [m.body for m in messages if m.tag == b"C"] == [tag.encode() + b"\0"]
        if messages[-1].body == b"T":
            with postgres.connect() as direct:
                direct.query("begin isolation level repeatable read")
                direct.send(wire.query("selekt"))
                direct.read_until(b"Z")
                direct.send(end)
                direct.read_until(b"Z")
                isolation = direct.query("show transaction_isolation")
            assert waiter.query("show transaction_isolation") == isolation
            waiter.query("rollback")
        assert waiter.query("show statement_timeout") == [["77s"]]
        assert waiter.query("select 1") == [["1"]]


@pytest.mark.parametrize("end", ["commit", "rollback", "abort work", "end transaction"])
def test_a_deferred_block_that_failed_ends_without_a_backend(make_proxy, postgres, end):
    proxy = make_proxy(postgres, default_pool_size=1, **KEEP)
    with proxy.connect() as holder, proxy.connect() as waiter:
        holder.query("begin; select clock_timestamp()")
        waiter.query("begin")
        waiter.query("set pgrecall.cache to off")
        cancel_waiter(proxy, waiter, wire.query("select clock_timestamp()"))
        waiter.send(wire.query(end))
        messages = waiter.read_until(b"Z")
        assert wire.tags_of(messages) == "CZ" and messages[0].body == b"ROLLBACK\0" and messages[1].body == b"I"
        assert waiter.query("show pgrecall.cache") == [["on"]]
        holder.query("commit")
        assert waiter.query("select 1") == [["1"]]


def test_in_a_deferred_block_that_failed_a_client_may_be_cancelled_again_or_leave(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=1, **KEEP)
    with proxy.connect() as holder, proxy.connect() as waiter:
        holder.query("begin; select clock_timestamp()")
        for _ in range(3):
            waiter.query("begin")
            for _ in range(3):
                cancel_waiter(proxy, waiter, wire.query("select clock_timestamp()"))
            waiter.query("rollback")
        waiter.query("begin")
        cancel_waiter(proxy, waiter, wire.extended("select clock_timestamp()"))
        waiter.close()
        holder.query("commit")
        assert holder.query("select 1") == [["1"]]


def test_a_pipeline_behind_a_cancelled_statement_finds_a_failed_block(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=1, **KEEP)
    postgres.query("drop table if exists behind; create table behind (n int)")
    with proxy.connect() as holder, proxy.connect() as waiter:
        holder.query("begin; select clock_timestamp()")
        waiter.query("begin")
        cancel_waiter(proxy, waiter, wire.query("insert into behind values (1)"))
        waiter.send(wire.query("insert into behind values (2)") + wire.extended("insert into behind values (3)")
                    + wire.query("commit") + wire.query("insert into behind values (4)"))
        assert waiter.is_silent(0.2)
        holder.query("commit")
        assert wire.errors_of(waiter.read_until(b"Z")) == ["25P02"]
        assert wire.errors_of(waiter.read_until(b"Z")) == ["25P02"]
        assert waiter.read_until(b"Z")[0].body == b"ROLLBACK\0"
        assert waiter.read_until(b"Z")[-1].body == b"I"
    assert postgres.query("select n from behind") == [["4"]]
    proxy.stop()
    postgres.query("drop table behind")


# ---- what the end of the request's connection says ------------------------------------------


def test_a_cancel_whose_connection_has_ended_hits_no_later_statement(make_proxy, postgres):
    """In a block the client keeps its backend: a cancel that came late would hit what it does next."""
    proxy = make_proxy(postgres, **KEEP)
    with proxy.connect() as client:
        for turn in range(60):
            client.query("begin; savepoint s")
            client.send(wire.query("select clock_timestamp()"))
            cancel(proxy.port, client.pid, client.key)
            client.read_until(b"Z")
            client.query("rollback")
            assert client.query(f"select {turn} from pg_sleep(0.01)") == [[str(turn)]]


def test_a_request_waits_no_longer_than_cancel_wait_timeout(make_proxy, postgres):
    proxy = make_proxy(postgres, cancel_wait_timeout="1s", **KEEP)
    with proxy.connect() as client:
        client.send(wire.query("select pg_sleep(20)"))
        assert servers.wait_until(lambda: running(postgres, "select pg_sleep(20)") == 1, 20)
        pid = int((postgres.data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, 19)
        try:
            cancel(proxy.port, client.pid, client.key)
        finally:
            os.kill(pid, 18)
        is_cancelled(client)


# ---- storms ---------------------------------------------------------------------------------


def test_storms_hit_only_whom_they_mean(make_proxy, postgres):
    """Hundreds of requests at once, with made-up keys and those of idle clients; few places for clients."""
    proxy = make_proxy(postgres, default_pool_size=4, max_client_conn=20, **KEEP)
    chance = random.Random(5)
    idle = [proxy.connect() for _ in range(6)]
    for client in idle:
        client.query("select clock_timestamp()")
    done = threading.Event()

    def storm():
        while not done.is_set():
            sockets = []
            for _ in range(40):
                victim = chance.choice(idle)
                request = chance.choice([
                    wire.cancel_request(victim.pid, victim.key),
                    wire.cancel_request(victim.pid, os.urandom(4)),
                    wire.cancel_request(chance.randrange(1 << 31), os.urandom(chance.choice([4, 32, 256]))),
                ])
                asker = wire.Wire(proxy.port, login=False)
                asker.send(request)
                sockets.append(asker)
            for asker in sockets:
                assert asker.read_to_end() == []
                asker.close()

    def work(number):
        with proxy.connect() as client:
            for turn in range(60):
                assert client.query(f"select {number}, {turn} from pg_sleep(0.005)") == [[str(number), str(turn)]]

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        storms = [threads.submit(storm) for _ in range(4)]
        workers = [threads.submit(work, number) for number in range(4)]
        try:
            for worker in workers:
                worker.result(60)
        finally:
            done.set()
        for each in storms:
            each.result(60)
    for client in idle:
        assert client.query("select 1") == [["1"]]
        client.close()
    assert servers.wait_until(lambda: all(row["sv_active_cancel"] == "0" for row in proxy.console("SHOW POOLS")), 20)


# ---- keys -----------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol, length", [(wire.PROTOCOL_3_0, 4), (wire.PROTOCOL_3_2, 32)])
def test_the_length_of_a_key_is_that_of_the_protocol(proxy, protocol, length):
    with proxy.connect(protocol=protocol) as client:
        assert len(client.key) == length
        client.send(wire.query("select pg_sleep(1), 'done'"))
        for wrong in (client.key[:-1], client.key + b"\0", client.key[:4] + bytes(length), b""):
            with wire.Wire(proxy.port, login=False) as canceller:
                canceller.send(wire.cancel_request(client.pid, wrong))
                canceller.read_to_end()
        assert wire.rows_of(client.read_until(b"Z")) == [["", "done"]]


def test_a_newer_protocol_is_negotiated_down_with_its_key(proxy, postgres):
    with proxy.connect(protocol=3 << 16 | 9) as client:
        negotiated = [m for m in client.greeting if m.tag == b"v"]
        assert struct.unpack("!i", negotiated[0].body[:4]) in [(3 << 16 | 2,), (2,)]
        assert len(client.key) == 32
        client.send(wire.query("select pg_sleep(20), 'of a newer protocol'"))
        postgres.wait_for_running("%of a newer protocol%")
        cancel(proxy.port, client.pid, client.key)
        is_cancelled(client)


class Rekeyed(Between):
    """The server's cancel keys are others here, of any length, and are known again in a CancelRequest."""

    def __init__(self, target, length):
        super().__init__(target)
        self.length, self.real, self.unknown = length, {}, []

    def answer(self, data, near, far):
        at = data.find(b"K\0\0\0\x0c")
        if at >= 0:
            pid, real = data[at + 5 : at + 9], data[at + 9 : at + 13]
            key = os.urandom(self.length)
            self.real[pid + key] = pid + real
            message = wire.message(b"K", pid + key) if self.length else b""
            data = data[:at] + message + data[at + 13 :]
        near.sendall(data)

    def request(self, data, near, far):
        if data[4:8] == struct.pack("!i", 80877102):
            assert struct.unpack("!i", data[:4])[0] == len(data)
            real = self.real.get(data[8:])
            if not real:
                self.unknown.append(data)
            data = struct.pack("!ii", 16, 80877102) + (real or bytes(8))
        far.sendall(data)


@pytest.mark.parametrize("protocol", [wire.PROTOCOL_3_0, wire.PROTOCOL_3_2])
@pytest.mark.parametrize("length", [4, 5, 32, 255, 256])
def test_the_server_may_have_keys_of_any_length(make_proxy, postgres, length, protocol):
    between = Rekeyed(postgres.port, length)
    proxy = make_proxy(postgres, databases={"*": f"host=127.0.0.1 port={between.port}"}, **KEEP)
    with proxy.connect(protocol=protocol) as client:
        client.send(wire.query("select pg_sleep(20), 'to be cancelled'"))
        assert servers.wait_until(lambda: running(postgres, "%to be cancelled%") == 1, 20)
        cancel(proxy.port, client.pid, client.key)
        is_cancelled(client)
        assert client.query("select 1") == [["1"]]
    assert not between.unknown
    proxy.stop()
    between.close()


def test_a_server_without_keys_cannot_be_cancelled_and_is_used_all_the_same(make_proxy, postgres):
    between = Rekeyed(postgres.port, 0)
    proxy = make_proxy(postgres, databases={"*": f"host=127.0.0.1 port={between.port}"}, **KEEP)
    with proxy.connect() as client:
        client.send(wire.query("select pg_sleep(2), 'not cancelled'"))
        assert servers.wait_until(lambda: running(postgres, "%not cancelled%") == 1, 20)
        cancel(proxy.port, client.pid, client.key)
        assert wire.rows_of(client.read_until(b"Z")) == [["", "not cancelled"]]
    proxy.stop()
    between.close()


@pytest.mark.parametrize("length", [1, 3, 257])
def test_a_key_that_no_protocol_allows_is_refused(make_proxy, postgres, length):
    between = Rekeyed(postgres.port, length)
    proxy = make_proxy(postgres, databases={"*": f"host=127.0.0.1 port={between.port}"}, **KEEP)
    with pytest.raises(wire.ServerError) as told:
        proxy.connect()
    assert told.value.sqlstate == "08P01"
    proxy.stop()
    between.close()
