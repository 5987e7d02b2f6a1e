"""Servers that stop, disappear or are killed in every state of a client; logs and descriptors that run
out. Each client is told what happened, with a code of Postgres', and the pool works again afterwards."""

import contextlib
import os
import resource
import signal
import socket
import subprocess

import pytest

import servers
import wire
from between import Between

KEEP = {"server_idle_timeout": "600s", "cache": 0}


@contextlib.contextmanager
def frozen(postgres):
    """The machine of the server stands still: connections are accepted by its kernel, nobody answers."""
    postgres.pause()
    try:
        yield
    finally:
        postgres.resume()


def last_error(client):
    messages = client.read_to_end()
    assert messages, "not a word"
    return wire.errors_of(messages)[-1]


def works_again(proxy):
    def asks():
        try:
            return proxy.query("select 1 from (select pg_backend_pid()) b") == [["1"]]
        except (wire.ServerError, wire.Closed, OSError):
            return False

    assert servers.wait_until(asks, 30), proxy.log()[-3000:]


# ---- a server that stands still -------------------------------------------------------------


def test_a_login_to_a_frozen_server_ends_with_server_connect_timeout(make_proxy, own_postgres):
    postgres = own_postgres()
    proxy = make_proxy(postgres, server_connect_timeout="1s", server_login_retry="30s", home_connections=0, **KEEP)
    with frozen(postgres):
        first = wire.Wire(proxy.port, login=False)
        first.send(wire.startup({"user": "postgres", "database": "postgres"}))
        assert last_error(first) == "08006"
        # Until server_login_retry is over nobody tries again: who comes now is told at once.
        logins = proxy.log().count("login to the server failed")
        for _ in range(3):
            with pytest.raises(wire.ServerError) as told:
                wire.Wire(proxy.port)
            assert told.value.sqlstate == "08006"
        assert proxy.log().count("login to the server failed") == logins
        assert proxy.console("SHOW POOLS")
    proxy.options["server_login_retry"] = "0.2s"
    proxy.write_config()
    proxy.console("RELOAD")
    works_again(proxy)


@pytest.mark.parametrize("extended", [False, True])
def test_a_query_at_a_frozen_server_ends_with_query_timeout(make_proxy, own_postgres, extended):
    postgres = own_postgres()
    proxy = make_proxy(postgres, query_timeout="1s", **KEEP)
    with proxy.connect() as client:
        client.query("begin; select clock_timestamp()")
        with frozen(postgres):
            client.send(wire.extended("select clock_timestamp()") if extended else wire.query("select clock_timestamp()"))
            assert last_error(client) == "57014"
    works_again(proxy)


def test_who_waits_behind_a_frozen_server_is_told_by_query_wait_timeout(make_proxy, own_postgres):
    postgres = own_postgres()
    proxy = make_proxy(postgres, default_pool_size=1, query_wait_timeout="1s", **KEEP)
    with proxy.connect() as busy, proxy.connect() as waits:
        busy.query("begin; select clock_timestamp()")
        with frozen(postgres):
            busy.send(wire.query("select clock_timestamp()"))
            waits.send(wire.query("select clock_timestamp()"))
            assert last_error(waits) == "08P01"
        assert wire.tags_of(busy.read_until(b"Z")) == "TDCZ"
        busy.query("commit")


def test_a_health_check_at_a_frozen_server_hands_out_nothing(make_proxy, own_postgres):
    """The check is on its way when the client leaves its patience; the connection is nobody's meanwhile."""
    postgres = own_postgres()
    proxy = make_proxy(postgres, server_check_delay=0, server_check_query="select 1", default_pool_size=1,
                       query_wait_timeout="1s", home_connections=0, **KEEP)
    proxy.query("select clock_timestamp()")
    with proxy.connect() as client:
        servers.time.sleep(0.3)  # the connection is no more a fresh one
        with frozen(postgres):
            client.send(wire.query("select clock_timestamp()"))
            assert servers.wait_until(lambda: any(row["sv_tested"] != "0" for row in proxy.console("SHOW POOLS")), 20)
            assert last_error(client) == "08P01"
    works_again(proxy)


class Hole(Between):
    """Swallows everything in both directions once it is on."""

    on = False

    def request(self, data, near, far):
        if not self.on:
            far.sendall(data)

    def answer(self, data, near, far):
        if not self.on:
            near.sendall(data)


def test_a_network_that_swallows_everything(make_proxy, postgres):
    hole = Hole(postgres.port)
    proxy = make_proxy(postgres, databases={"*": f"host=127.0.0.1 port={hole.port}"}, query_timeout="1s",
                       server_connect_timeout="1s", default_pool_size=2, home_connections=0, cancel_wait_timeout="1s", **KEEP)
    with proxy.connect() as reads, proxy.connect() as writes:
        reads.query("begin; select clock_timestamp()")
        writes.query("begin; create temporary table x (n int)")
        hole.on = True
        reads.send(wire.query("select clock_timestamp()"))
        writes.send(wire.query("commit"))
        assert last_error(reads) == "57014"
        assert last_error(writes) == "57014"
        with proxy.connect() as late:
            late.send(wire.query("select clock_timestamp()"))
            assert last_error(late) == "08006"
        hole.on = False
    works_again(proxy)
    hole.close()


# ---- a server that is killed ----------------------------------------------------------------


def test_the_server_is_killed_under_clients_in_every_state(make_proxy, own_postgres):
    postgres = own_postgres()
    proxy = make_proxy(postgres, default_pool_size=8, server_connect_timeout="2s", cache_window="1h", home_connections=0)
    postgres.query("create table t (n int); insert into t values (1)")
    proxy.wait_for_catalog()
    with contextlib.ExitStack() as stack:
        new = lambda: stack.enter_context(proxy.connect())
        idle, lazy, block, failed, runs, copies, pipeline, pinned = (new() for _ in range(8))
        idle.query("select 1")
        lazy.query("begin")
        block.query("begin; insert into t values (2)")
        failed.query("begin")
        failed.ask(wire.query("selekt"))
        runs.send(wire.query("insert into t select 3 from pg_sleep(60)"))
        copies.send(wire.query("copy t from stdin"))
        copies.read_until(b"G")
        pipeline.send((wire.extended("insert into t select 4 from pg_sleep(20)")) * 3)
        pinned.query("listen x")
        assert servers.wait_until(lambda: postgres.query(
            "select count(*) from pg_stat_activity where wait_event = 'PgSleep'") == [["2"]], 10)
        pid = postgres.process.pid
        backends = servers.children_of(pid)
        os.kill(pid, signal.SIGKILL)
        for backend in backends:
            with contextlib.suppress(ProcessLookupError):
                os.kill(backend, signal.SIGKILL)
        postgres.process.wait(10)
        for client in (block, failed, runs, copies, pipeline, pinned):
            assert last_error(client) in ("08006", "57P01"), client  # some backends have last words
        postgres.start()
        works_again(proxy)
        # Who held nothing lives on.
        assert idle.query("select n from t order by n") == [["1"]]
        assert lazy.query("select n from t order by n") == [["1"]]
        lazy.query("commit")
    lost = lambda: {row["name"]: row["value"] for row in proxy.console("SHOW CACHE")}["lost_answers"]
    assert servers.wait_until(lambda: lost() == "0", 20), lost()


# ---- what runs out --------------------------------------------------------------------------


def test_a_log_that_takes_nothing_more_costs_nothing_else(postgres, tmp_path):
    config = tmp_path / "full.ini"
    port = servers.free_port()
    config.write_text(f"[databases]\n* = host=127.0.0.1 port={postgres.port}\n[pgrecall]\nlisten_addr = 127.0.0.1\n"
                      f"listen_port = {port}\nconsole_port = 0\nunix_socket_dir =\nauth_type = trust\nlog_connections = 1\n")
    with open("/dev/full", "w") as full:
        process = subprocess.Popen([str(servers.BINARY), str(config)], stdout=full, stderr=full)
    try:
        assert servers.wait_for_port(port, 20, process)
        for _ in range(20):
            with wire.Wire(port) as client:
                assert client.query("select 1") == [["1"]]
        with pytest.raises(wire.ServerError):
            wire.Wire(port, database="there is no such one")
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_no_descriptor_for_a_server_connection(make_proxy, postgres):
    """A client is in, and no server connection can be opened for it: it waits for the one that there is; the
    console answers all the time."""
    proxy = make_proxy(postgres, workers=1, home_connections=0, server_login_retry="0.1s", **KEEP)
    with proxy.connect() as holder, proxy.connect() as client, proxy.connect_console() as console:
        holder.query("begin; select clock_timestamp()")
        pid = proxy.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (proxy.descriptors(), before[1]))
        client.send(wire.query("select clock_timestamp()"))
        assert servers.wait_until(lambda: "Too many open files" in proxy.log() or "out of file" in proxy.log(), 20)
        assert console.query("show version")
        assert holder.query("select 1 from (select clock_timestamp()) c") == [["1"]]
        holder.query("commit")
        assert wire.tags_of(client.read_until(b"Z")) == "TDCZ"
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    works_again(proxy)


def test_a_full_disk_at_the_server_is_an_error_as_any_other(make_proxy, postgres):
    """Postgres writes to a place that takes nothing: its own error comes through, and the session goes on."""
    proxy = make_proxy(postgres, **KEEP)
    with proxy.connect() as client:
        messages = client.ask(wire.query("copy (select generate_series(1, 100000)) to '/dev/full'"))
        assert wire.errors_of(messages) == ["53100"]
        assert client.query("select 1") == [["1"]]


# ---- options of sockets ---------------------------------------------------------------------


def sockets_of(proxy):
    """The proxy's own TCP sockets, by the port of the other side."""
    pidfd = os.pidfd_open(proxy.process.pid)
    libc = __import__("ctypes").CDLL(None, use_errno=True)
    found = {}
    for entry in os.listdir(f"/proc/{proxy.process.pid}/fd"):
        copy = libc.syscall(438, pidfd, int(entry), 0)  # pidfd_getfd
        if copy < 0:
            continue
        with contextlib.suppress(OSError):
            copied = socket.socket(fileno=copy)
            found[copied.getsockname()[1], copied.getpeername()[1]] = copied
    os.close(pidfd)
    return found


@pytest.mark.parametrize("keepalive", [0, 1])
def test_options_of_tcp_are_set_on_both_sides(make_proxy, postgres, keepalive):
    proxy = make_proxy(postgres, tcp_keepalive=keepalive, tcp_keepidle=111, tcp_keepintvl=22, tcp_keepcnt=7,
                       tcp_user_timeout=54321, **KEEP)
    with proxy.connect() as client:
        own = int(client.query("select inet_client_port()")[0][0])
        sockets = sockets_of(proxy)
        if not sockets:
            pytest.skip("this user may not look at another process' sockets")
        for ends in ((own, postgres.port), (proxy.port, client.socket.getsockname()[1])):
            at = sockets[ends]
            assert bool(at.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) == bool(keepalive)
            if keepalive:
                assert at.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 111
                assert at.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 22
                assert at.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 7
            assert at.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 54321
            assert at.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        for each in sockets.values():
            each.close()


# ---- pool_mode of one database or role ------------------------------------------------------


def test_pool_mode_of_a_role_comes_before_that_of_its_database(make_proxy, postgres):
    for role in ("mode_session", "mode_none"):
        postgres.query(f"drop role if exists {role}; create role {role} login")
    line = f"host=127.0.0.1 port={postgres.port} dbname=postgres"
    proxy = make_proxy(postgres, databases={"plain": line, "stated": line + " pool_mode=statement"},
                       users={"mode_session": "pool_mode=session"}, home_connections=0, **KEEP)

    def mode(database, user):
        with proxy.connect(database=database, user=user) as client:
            client.query("set application_name to 'mine'")
            shown = {(row["database"], row["user"]): row["pool_mode"] for row in proxy.console("SHOW POOLS")}
            held = [row for row in proxy.console("SHOW SERVERS") if row["user"] == user and row["state"] == "active"]
            client.send(wire.query("begin; select clock_timestamp()"))
            client.read_until(b"Z")
            refused = not client.is_silent(0.3) and last_error(client) == "08P01"
            return shown[database, user], bool(held), refused

    assert mode("plain", "mode_none") == ("transaction", False, False)
    assert mode("plain", "mode_session") == ("session", True, False)
    assert mode("stated", "mode_none") == ("statement", False, True)
    assert mode("stated", "mode_session") == ("session", True, False)
    proxy.stop()
    postgres.query("drop role mode_session; drop role mode_none")
