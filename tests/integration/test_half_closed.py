"""Clients that close their side and go on reading, and clients that are gone: the first get everything,
the others hold nobody up."""

import socket
import time

import pytest

import servers
import wire
from test_timeouts import KEEP, running


def half_close(client, *parts):
    client.send(*parts)
    client.socket.shutdown(socket.SHUT_WR)


def on_unix(proxy, client):
    """The same Wire over the unix socket."""
    client.socket = socket.socket(socket.AF_UNIX)
    client.socket.settimeout(30)
    client.socket.connect(f"{proxy.directory}/.s.PGSQL.{proxy.port}")
    client.login({"user": "postgres", "database": "postgres"})
    return client


def make_known(proxy):
    """Until the catalog is there: without it every function may write."""
    proxy.query("select clock_timestamp()")
    assert servers.wait_until(lambda: proxy.console("SHOW CATALOG")[0]["control_state"] == "ready", 20)


def connect(proxy, kind):
    if kind == "tcp":
        return proxy.connect()
    client = wire.Wire(proxy.port, login=False)
    client.socket.close()
    return on_unix(proxy, client)


KINDS = pytest.mark.parametrize("kind", ["tcp", "unix"])


# ---- half-closed ----------------------------------------------------------------------------


@KINDS
def test_who_only_closes_its_side_gets_the_same_as_from_postgres(make_proxy, postgres, kind):
    proxy = make_proxy(postgres)
    requests = {
        "one": wire.query("select 1 from pg_sleep(0.3)"),
        "many": b"".join(wire.query(f"select {n}, repeat('x', 1000)") for n in range(500)),
        "extended": wire.extended("select 1 from pg_sleep(0.2)") + wire.extended("select 2"),
        "terminated": wire.query("select 1 from pg_sleep(0.3)") + wire.terminate(),
        "block": wire.query("begin") + wire.query("select 3") + wire.query("commit"),
        "error": wire.query("select 1/0") + wire.query("select 4"),
        "big": wire.query("select repeat('y', 100) from generate_series(1, 100000)"),
        "nothing": b"",
        "half a message": wire.query("select 5") + b"Q\0\0",
    }
    for name, request in requests.items():
        answers = []
        for client in (postgres.connect(), connect(proxy, kind)):
            half_close(client, request)
            answers.append([m for m in client.read_to_end() if m.tag not in b"NE"] if name != "error" else
                           wire.rows_of(client.read_to_end()))
            client.close()
        assert answers[0] == answers[1], name


@KINDS
def test_hits_for_who_only_closes_its_side(make_proxy, postgres, kind):
    postgres.query("drop table if exists half_hit; create table half_hit as select repeat('z', 3000) as t from generate_series(1, 30)")
    proxy = make_proxy(postgres)
    proxy.wait_for_catalog()
    sql = "select t from half_hit"
    for _ in range(3):
        proxy.query(sql)
    with connect(proxy, kind) as client:
        half_close(client, wire.query(sql) * 100)
        time.sleep(0.3)  # the answers fill what the kernel takes
        rows = wire.rows_of(client.read_to_end())
        assert len(rows) == 3000 and all(row == ["z" * 3000] for row in rows)
    proxy.stop()
    postgres.query("drop table half_hit")


@KINDS
def test_who_waits_for_a_server_connection_is_served(make_proxy, postgres, kind):
    proxy = make_proxy(postgres, default_pool_size=1, **KEEP)
    with proxy.connect() as holder, connect(proxy, kind) as client:
        holder.query("begin; select clock_timestamp()")
        half_close(client, wire.query("select 7"))
        time.sleep(3)  # it is asked whether it is there, and takes no notice
        holder.query("commit")
        messages = client.read_to_end()
        assert wire.rows_of(messages) == [["7"]]
        assert messages[-1].tag == b"Z"
        assert {m.body for m in messages if m.tag == b"S"} <= {b"integer_datetimes\0on\0"}


@KINDS
def test_a_unit_without_its_end_frees_its_server_connection(make_proxy, postgres, kind):
    proxy = make_proxy(postgres, default_pool_size=1, **KEEP)
    for request in (
        wire.parse("select 1") + wire.bind() + wire.flush(),
        wire.query("copy (select 1) to stdout; create temp table c (n int); copy c from stdin") + wire.copy_data(b"1\n"),
        wire.query("begin; select clock_timestamp()"),
    ):
        with connect(proxy, kind) as client:
            half_close(client, request)
            client.read_to_end()
            assert proxy.query("select 1") == [["1"]]


# ---- gone -----------------------------------------------------------------------------------

LONG = "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b -- abandoned"


def leave(client, how):
    if how == "abort":
        client.abort()
    elif how == "terminate":
        client.close()
    else:
        client.socket.close()


@KINDS
@pytest.mark.parametrize("how", ["terminate", "close", "abort"])
def test_what_an_absent_client_only_reads_is_cancelled(make_proxy, postgres, kind, how):
    proxy = make_proxy(postgres, default_pool_size=1, **KEEP)
    make_known(proxy)
    client = connect(proxy, kind)
    client.send(wire.query(LONG))
    assert servers.wait_until(lambda: running(postgres, "%abandoned") == 1, 20)
    leave(client, how)
    assert servers.wait_until(lambda: running(postgres, "%abandoned") == 0, 20)
    assert proxy.query("select 1") == [["1"]]


def test_what_an_absent_client_reads_in_a_block_is_cancelled(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=1, **KEEP)
    postgres.query("drop table if exists absent; create table absent (n int)")
    make_known(proxy)
    client = proxy.connect()
    client.query("begin; insert into absent values (1)")
    client.send(wire.query(LONG))
    assert servers.wait_until(lambda: running(postgres, "%abandoned") == 1, 20)
    client.close()
    assert servers.wait_until(lambda: running(postgres, "%abandoned") == 0, 20)
    assert proxy.query("select count(*) from absent") == [["0"]]
    proxy.stop()
    postgres.query("drop table absent")


@KINDS
@pytest.mark.parametrize("how", ["terminate", "close", "abort"])
@pytest.mark.parametrize("cache", [0, 1])
def test_what_an_absent_client_writes_is_done(make_proxy, postgres, kind, how, cache):
    proxy = make_proxy(postgres, default_pool_size=1, server_idle_timeout="600s", cache=cache)
    postgres.query("drop table if exists absent; create table absent (n int)")
    make_known(proxy)
    client = connect(proxy, kind)
    client.send(wire.query("insert into absent select 1 from pg_sleep(2.5)"))
    assert servers.wait_until(lambda: running(postgres, "insert into absent%") == 1, 20)
    leave(client, how)
    assert servers.wait_until(lambda: postgres.query("select n from absent") == [["1"]], 20)
    proxy.stop()
    postgres.query("drop table absent")


@pytest.mark.parametrize("how", ["terminate", "close", "abort"])
def test_who_is_gone_leaves_the_queue(make_proxy, postgres, how):
    proxy = make_proxy(postgres, default_pool_size=1, **KEEP)
    postgres.query("drop table if exists absent; create table absent (n int)")

    def waiting():
        return sum(row["state"] == "waiting" for row in proxy.console("SHOW CLIENTS"))

    with proxy.connect() as holder:
        holder.query("begin; select clock_timestamp()")
        client = proxy.connect()
        client.send(wire.query("insert into absent values (1)"))
        assert servers.wait_until(lambda: waiting() == 1, 20)
        leave(client, how)
        assert servers.wait_until(lambda: waiting() == 0, 20)
        holder.query("commit")
    assert proxy.query("select count(*) from absent") == [["0"]]
    proxy.stop()
    postgres.query("drop table absent")
