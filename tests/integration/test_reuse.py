"""Whoever gets a server connection gets it as it was after login, whatever the one before did and however
that one left: at every step of its requests, with a word, without one, with a reset, or half."""

import contextlib
import socket

import pytest

import servers
import wire
from test_timeouts import KEEP

SETUP = "drop table if exists reused; create table reused (n int); drop function if exists soils; " \
    "create function soils() returns int language plpgsql as " \
    "$$ begin perform set_config('work_mem', '7MB', false), pg_advisory_lock(77); execute 'create temp table soil (n int)'; return 1; end $$"

CLEAN = {
    "select count(*) from pg_class where relname = 'soil' and relpersistence = 't' and pg_table_is_visible(oid)": "0",
    "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()": "0",
    "select count(*) from pg_listening_channels()": "0",
    "select count(*) from pg_cursors": "0",
    "select current_setting('work_mem')": "4MB",
    "select current_setting('search_path')": '"$user", public',
    "select current_setting('transaction_isolation')": "read committed",
    "select pg_current_xact_id_if_assigned() is null": "t",
    "select current_user": "postgres",
}

X = wire.extended
STEPS = {
    "begin": [wire.query("begin"), wire.query("insert into reused values (1)")],
    "failed block": [wire.query("begin"), wire.query("select 1/0"), wire.query("select 1")],
    "set": [wire.query("set work_mem = '9MB'"), wire.query("set search_path = pg_catalog"), wire.query("select 1")],
    "set local": [wire.query("begin; set local work_mem = '9MB'"), wire.query("select 1")],
    "function": [wire.query("select soils()"), wire.query("select count(*) from soil")],
    "temp": [wire.query("create temp table soil (n int)"), wire.query("insert into soil values (1)")],
    "listen": [wire.query("listen soil"), wire.query("select 1")],
    "lock": [wire.query("select pg_advisory_lock(77)"), wire.query("select 1")],
    "cursor": [wire.query("begin; declare c cursor with hold for select 1; commit"), wire.query("fetch c")],
    "role": [wire.query("set role pg_monitor"), wire.query("select 1")],
    "prepare": [wire.query("prepare p as select 1"), wire.query("execute p"), wire.parse("select 2", name="q") + wire.sync()],
    "copy": [wire.query("copy reused from stdin"), wire.copy_data(b"1\n"), wire.copy_data(b"2\n")],
    "late copy": [wire.query("select pg_sleep(0.1); copy reused from stdin")],
    "copy out": [wire.query("copy (select generate_series(1, 300000)) to stdout")],
    "rows": [wire.query("select generate_series(1, 300000)")],
    "batch": [wire.parse("insert into reused values (1)"), wire.bind(), wire.execute(), wire.flush(), wire.parse("select 1/0") + wire.sync()],
    "portal": [X("begin"), wire.parse("select generate_series(1, 100)") + wire.bind() + wire.execute(10) + wire.flush(), wire.execute(10) + wire.flush()],
    "pipeline": [(X("select 1") + wire.query("select 2") + X("select 1/0")) * 50],
    "half a query": [wire.query("select clock_timestamp()"), wire.query("select " + "1" * 100)[:50]],
    "half a long one": [wire.query("select 1 -- " + "x" * (2 << 20))[: 1 << 20]],
    "garbage": [wire.parse("select 1") + b"\x01\x02\x03\x04\x05\x06"],
}


def leave(client, how):
    if how == "terminate":
        client.close()
    elif how == "abort":
        client.abort()
    elif how == "half":
        client.socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while client.socket.recv(1 << 20):
                pass
        client.close()
    else:
        client.socket.close()


@pytest.mark.parametrize("mode", ["transaction", "session"])
@pytest.mark.parametrize("how", ["terminate", "close", "abort", "half"])
def test_nothing_of_one_client_is_left_for_the_next(make_proxy, postgres, mode, how):
    postgres.query(SETUP)
    proxy = make_proxy(postgres, default_pool_size=1, pool_mode=mode, **KEEP)
    for name, steps in STEPS.items():
        for count in range(1, len(steps) + 1):
            for pause in (False, True):
                client = proxy.connect()
                try:
                    for step in steps[:count]:
                        client.send(step)
                        if pause:
                            client.is_silent(0.02)
                except (ConnectionResetError, BrokenPipeError):
                    pass
                leave(client, how)
                with proxy.connect() as next_one:
                    for sql, expected in CLEAN.items():
                        assert next_one.query(sql) == [[expected]], (name, count, pause, sql)
    assert postgres.query("select count(*) from pg_stat_activity where state like 'idle in%'") == [["0"]]
    proxy.stop()
    postgres.query("drop table reused; drop function soils")


def test_a_cancel_that_is_on_its_way_meets_nobody_else(make_proxy, postgres):
    """The client leaves, cancelled or not, and the next one has the connection at once."""
    proxy = make_proxy(postgres, default_pool_size=1, **KEEP)
    for turn in range(40):
        client = proxy.connect()
        client.send(wire.query("select pg_sleep(0.01)"))
        with wire.Wire(proxy.port, login=False) as canceller:
            canceller.send(wire.cancel_request(client.pid, client.key))
            leave(client, ("terminate", "close", "abort")[turn % 3])
            with proxy.connect() as next_one:
                assert next_one.query(f"select {turn} from pg_sleep(0.02)") == [[str(turn)]]
    assert servers.wait_until(lambda: proxy.query("select 1") == [["1"]])
