"""What may take how long: requests, transactions, idle clients, idle server connections. Each ends with
the code that Postgres would give, and never leaves a server connection that somebody else gets."""

import contextlib
import time

import pytest

import servers
import wire
from test_pool import pool_row

KEEP = {"server_idle_timeout": "600s", "cache": 0}


def ends_with(client, sqlstate, send=None):
    """The client is told this code, and its connection ends."""
    if send:
        client.send(send)
    last = client.read_to_end()[-1]
    assert last.tag == b"E"
    fields = wire.fields_of(last.body)
    assert (fields["S"], fields["C"]) == ("FATAL", sqlstate), fields


def running(postgres, pattern):
    return int(
        postgres.query(f"select count(*) from pg_stat_activity where state <> 'idle' and query like '{pattern}' and pid <> pg_backend_pid()")[0][0]
    )


def test_query_timeout_ends_the_request_in_postgres_too(make_proxy, postgres):
    proxy = make_proxy(postgres, query_timeout="1s", default_pool_size=1, **KEEP)
    with proxy.connect() as client:
        ends_with(client, "57014", wire.query("select pg_sleep(100), 'too long'"))
    assert servers.wait_until(lambda: running(postgres, "%too long%") == 0, 20)
    assert proxy.query("select 1") == [["1"]]


def test_query_timeout_leaves_quick_requests_alone(make_proxy, postgres):
    proxy = make_proxy(postgres, query_timeout="1s", **KEEP)
    with proxy.connect() as client:
        for _ in range(30):
            assert client.query("select 1 from pg_sleep(0.1)") == [["1"]]


def test_query_timeout_of_a_write_never_leaves_old_answers(make_proxy, postgres):
    """Whether it was committed is not known at first: nobody may hit until it is."""
    proxy = make_proxy(postgres, query_timeout="1s")
    proxy.query("drop table if exists slow_write; create table slow_write (n int); insert into slow_write values (1)")
    proxy.wait_for_catalog()
    for _ in range(3):
        assert proxy.query("select n from slow_write") == [["1"]]
    with proxy.connect() as client:
        ends_with(client, "57014", wire.query("update slow_write set n = 2 from pg_sleep(30)"))
    truth = postgres.query("select n from slow_write")
    assert proxy.query("select n from slow_write") == truth
    postgres.query("drop table slow_write")


def test_waiting_for_a_server_connection_is_no_part_of_query_timeout(make_proxy, postgres):
    proxy = make_proxy(postgres, query_timeout="2s", default_pool_size=1, **KEEP)
    with proxy.connect() as holder, proxy.connect() as waiter:
        holder.query("begin; select clock_timestamp()")
        waiter.send(wire.query("select 7"))
        assert waiter.is_silent(3.5)
        holder.query("commit")
        assert wire.rows_of(waiter.read_until(b"Z")) == [["7"]]


def test_idle_transaction_timeout(make_proxy, postgres):
    proxy = make_proxy(postgres, idle_transaction_timeout="1s", default_pool_size=1, **KEEP)
    with proxy.connect() as client:
        client.query("begin; create temp table t (n int)")
        ends_with(client, "25P03")
    assert proxy.query("select count(*) from pg_class where relname = 't' and relpersistence = 't'") == [["0"]]


def test_transaction_timeout_counts_over_statements(make_proxy, postgres):
    proxy = make_proxy(postgres, transaction_timeout="1s", default_pool_size=1, **KEEP)
    with proxy.connect() as client:
        client.query("begin")
        ends_with(client, "25P04", wire.query("select pg_sleep(0.1)") * 100)
    with proxy.connect() as client:
        for _ in range(15):
            client.query("select pg_sleep(0.1)")


def test_timeouts_of_one_role(make_proxy, postgres):
    postgres.query("drop role if exists hasty; create role hasty login")
    proxy = make_proxy(
        postgres, users={"hasty": "query_timeout=1s client_idle_timeout=2s"}, query_timeout="100s", **KEEP)
    with proxy.connect(user="hasty") as client:
        ends_with(client, "57014", wire.query("select pg_sleep(50)"))
    with proxy.connect(user="hasty") as client, proxy.connect() as other:
        client.query("select 1")
        ends_with(client, "57P05")
        assert other.query("select 1 from pg_sleep(2)") == [["1"]]
    proxy.stop()
    postgres.query("drop role hasty")


def test_a_reload_changes_timeouts(make_proxy, postgres):
    proxy = make_proxy(postgres, **KEEP)
    with proxy.connect() as client:
        client.send(wire.query("select pg_sleep(100)"))
        time.sleep(0.2)
        proxy.console("SET query_timeout = '1s'")
        ends_with(client, "57014")


# ---- server connections ----------------------------------------------------------------------


def kill_backends(postgres):
    postgres.query(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
        "where backend_type = 'client backend' and pid <> pg_backend_pid() and application_name <> 'pgrecall'")


def test_a_server_connection_that_has_ended_is_never_handed_out(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=2, **KEEP)
    with proxy.connect() as one, proxy.connect() as two:
        for turn in range(25):
            assert one.query(f"select {turn}") == [[str(turn)]]
            assert servers.wait_until(lambda: pool_row(proxy)["sv_login"] == 0)  # a login that is killed is another matter
            kill_backends(postgres)
            assert two.query(f"select {turn}") == [[str(turn)]]
            assert one.query(f"select {turn}") == [[str(turn)]]


def test_server_check_query_is_asked_after_server_check_delay(make_proxy, postgres):
    postgres.query("select pg_stat_statements_reset()")
    proxy = make_proxy(postgres, server_check_delay="0.3s", server_check_query="select 4711 + 1 as checked", **KEEP)
    with proxy.connect() as client:
        for _ in range(5):
            client.query("select 1")
        assert postgres.calls_of("%as checked%") == 0
        time.sleep(0.5)
        pid = client.query("select pg_backend_pid()")
        assert postgres.calls_of("%as checked%") == 1
        time.sleep(0.5)
        assert client.query("select pg_backend_pid()") == pid
        assert postgres.calls_of("%as checked%") == 2


def test_a_failing_check_costs_the_connection_and_not_the_client(make_proxy, postgres):
    proxy = make_proxy(postgres, server_check_delay="0", server_check_query="select 1/0", **KEEP)
    with proxy.connect() as client:
        pids = set()
        for _ in range(3):
            pids.add(client.query("select pg_backend_pid()")[0][0])
            time.sleep(0.05)
        assert len(pids) == 3


def test_the_empty_check(make_proxy, postgres):
    proxy = make_proxy(postgres, server_check_delay="0", **KEEP)
    with proxy.connect() as client:
        pids = {client.query("select pg_backend_pid()")[0][0] for _ in range(5)}
        assert len(pids) == 1


def test_server_reset_query_always(make_proxy, postgres):
    postgres.query("select pg_stat_statements_reset()")
    proxy = make_proxy(postgres, server_reset_query_always=1, server_reset_query="select 4712 + 1 + 1 as reset", **KEEP)
    with proxy.connect() as client:
        for _ in range(3):
            client.query("select 1")
    assert servers.wait_until(lambda: postgres.calls_of("%as reset%") >= 3, 20)


@pytest.mark.parametrize("round_robin, expected", [(0, 1), (1, 3)])
def test_server_round_robin(make_proxy, postgres, round_robin, expected):
    proxy = make_proxy(postgres, server_round_robin=round_robin, workers=1, default_pool_size=3, **KEEP)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(proxy.connect()) for _ in range(3)]
        for client in clients:
            client.query("begin; select clock_timestamp()")
        for client in clients:
            client.query("commit")
        pids = {clients[0].query("select pg_backend_pid()")[0][0] for _ in range(6)}
        assert len(pids) == expected


def test_server_fast_close(make_proxy, postgres):
    proxy = make_proxy(postgres, pool_mode="session", server_fast_close=1, **KEEP)
    with proxy.connect() as idle, proxy.connect() as busy:
        idle.query("select 1")
        busy.query("begin; select clock_timestamp()")
        proxy.console("RECONNECT")
        ends_with(idle, "57P01")
        assert busy.query("select 2") == [["2"]]
        busy.query("commit")
        ends_with(busy, "57P01")


def test_server_lifetime_of_one_database(make_proxy, postgres):
    where = f"host=127.0.0.1 port={postgres.port}"
    proxy = make_proxy(postgres, databases={"postgres": f"{where} server_lifetime=0", "*": where}, **KEEP)
    with proxy.connect() as client:
        assert len({client.query("select pg_backend_pid()")[0][0] for _ in range(4)}) == 4
    with proxy.connect(database="template1") as client:
        assert len({client.query("select pg_backend_pid()")[0][0] for _ in range(4)}) == 1
