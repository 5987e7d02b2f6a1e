"""Many clients on few server connections: nobody starves, everyone waits in turn, the numbers add up."""

import collections
import concurrent.futures
import threading
import time

import pytest

import servers
import wire


def pool_row(proxy, database="postgres", user="postgres"):
    """The numbers of SHOW POOLS for one pool."""
    for row in proxy.console("SHOW POOLS"):
        if row["database"] == database and row["user"] == user:
            return {name: int(value) for name, value in row.items() if value and value.isdigit()}
    return {}


def clients_of(row):
    return row.get("cl_active", 0) + row.get("cl_waiting", 0)


def servers_of(row):
    return sum(row.get(name, 0) for name in ("sv_active", "sv_being_canceled", "sv_idle", "sv_used", "sv_tested", "sv_login"))


def test_500_clients_on_5_server_connections(make_proxy, postgres, tmp_path):
    proxy = make_proxy(postgres, default_pool_size=5, cache=0)
    prefix = tmp_path / "transactions"
    pool = concurrent.futures.ThreadPoolExecutor(1)
    load = pool.submit(
        servers.run_pgbench, proxy.port, "-n", "-S", "-c", "500", "-j", "2", "-T", "5", "-l", f"--log-prefix={prefix}")
    rows = []
    assert servers.wait_until(lambda: clients_of(pool_row(proxy)) == 500, 60), pool_row(proxy)
    while not load.done():
        rows.append(pool_row(proxy))
        assert int(postgres.query("select count(*) from pg_stat_activity where backend_type = 'client backend'")[0][0]) < 5 + 10
        time.sleep(0.1)
    load.result()
    # They are all there, up to the moment when they leave.
    counts = [clients_of(row) for row in rows]
    assert counts[0] == 500 and counts == sorted(counts, reverse=True), counts
    assert all(servers_of(row) <= 5 for row in rows), rows
    counts = collections.Counter()
    for log in tmp_path.glob("transactions*"):
        counts.update(line.split()[0] + log.suffix for line in log.read_text().splitlines())
    assert len(counts) == 500
    mean = sum(counts.values()) / 500
    assert min(counts.values()) > mean / 5, (min(counts.values()), mean)
    assert servers.wait_until(lambda: clients_of(pool_row(proxy)) == 0, 20)


def test_clients_are_served_in_the_order_in_which_they_came(make_proxy, postgres):
    """Across workers: one server connection, held; thirty clients queue up one after the other."""
    proxy = make_proxy(postgres, default_pool_size=1, workers=2)
    holder = proxy.connect()
    holder.query("begin; select clock_timestamp()")
    waiting = [proxy.connect() for _ in range(30)]
    for number, client in enumerate(waiting, 1):
        client.send(wire.query("select extract(epoch from clock_timestamp())"))
        assert servers.wait_until(lambda n=number: pool_row(proxy)["cl_waiting"] == n)
    holder.query("commit")
    times = [float(wire.rows_of(client.read_until(b"Z"))[0][0]) for client in waiting]
    assert times == sorted(times)
    for client in [holder, *waiting]:
        client.close()


def test_a_waiting_client_is_told_after_query_wait_timeout(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=1, query_wait_timeout="1s")
    with proxy.connect() as holder, proxy.connect() as waiter:
        holder.query("begin; select clock_timestamp()")
        begin = time.monotonic()
        with pytest.raises((wire.ServerError, wire.Closed)) as caught:
            waiter.query("select clock_timestamp()")
        assert 0.8 < time.monotonic() - begin < 5
        if caught.type is wire.ServerError:
            assert "timeout" in str(caught.value)
        assert holder.query("select 1") == [["1"]]
        holder.query("commit")
    assert proxy.query("select 1") == [["1"]]


def test_hits_do_not_wait_for_a_server_connection(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=1)
    proxy.wait_for_catalog()
    sql = "select abalance from pgbench_accounts where aid = 4711"
    with proxy.connect() as holder, proxy.connect() as reader:
        reader.query(sql)
        holder.query("begin; select clock_timestamp()")
        for _ in range(100):
            assert reader.query(sql) == [["0"]]
        holder.query("commit")


def test_single_statements_share_one_server_connection(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=1, cache=0)
    clients = [proxy.connect() for _ in range(20)]
    pids = set()
    for turn in range(5):
        for client in clients:
            ask = wire.query if turn % 2 else wire.extended
            pids.update(row[0] for row in wire.rows_of(client.ask(ask("select pg_backend_pid()"))))
    assert len(pids) == 1
    for client in clients:
        client.close()


def test_transactions_keep_their_server_connection(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=3)
    proxy.query("drop table if exists pool_test; create table pool_test (n int)")

    def work(number):
        with proxy.connect() as client:
            for _ in range(10):
                client.query("begin")
                pid = client.query("select pg_backend_pid()")
                client.query(f"insert into pool_test values ({number})")
                assert client.query("select pg_backend_pid()") == pid
                client.query("rollback" if number % 2 else "commit")

    try:
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            list(pool.map(work, range(12)))
        assert proxy.query("select count(*), count(distinct n) from pool_test") == [["60", "6"]]
    finally:
        proxy.query("drop table pool_test")


def test_pools_are_kept_apart_by_database_and_role(make_proxy, postgres):
    postgres.query("drop role if exists pool_role; create role pool_role login")
    try:
        proxy = make_proxy(postgres, default_pool_size=2)
        with proxy.connect(user="pool_role") as one, proxy.connect() as two, proxy.connect(database="template1") as three:
            for _ in range(3):
                assert one.query("select current_user, current_database()") == [["pool_role", "postgres"]]
                assert two.query("select current_user, current_database()") == [["postgres", "postgres"]]
                assert three.query("select current_user, current_database()") == [["postgres", "template1"]]
            names = {(row["database"], row["user"]) for row in proxy.console("SHOW POOLS")}
            assert {("postgres", "pool_role"), ("postgres", "postgres"), ("template1", "postgres")} <= names
        proxy.stop()
    finally:
        postgres.query("drop role pool_role")


def test_idle_server_connections_are_closed(make_proxy, postgres):
    proxy = make_proxy(postgres, server_idle_timeout="1s", cache=0)
    threads = [threading.Thread(target=proxy.query, args=("select pg_sleep(0.3)",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert servers.wait_until(lambda: servers_of(pool_row(proxy)) >= 4, 20)
    for thread in threads:
        thread.join()
    assert servers.wait_until(lambda: servers_of(pool_row(proxy)) == 0, 20), pool_row(proxy)
    assert proxy.query("select 1") == [["1"]]


def test_pause_and_resume(make_proxy, postgres):
    proxy = make_proxy(postgres, cache=0)
    with proxy.connect() as client:
        client.query("select 1")
        proxy.console("PAUSE")
        client.send(wire.query("select 2"))
        assert client.is_silent(0.5)
        proxy.console("RESUME")
        assert wire.rows_of(client.read_until(b"Z")) == [["2"]]


def test_shutdown_by_the_console(make_proxy, postgres):
    proxy = make_proxy(postgres)
    assert proxy.query("select 1") == [["1"]]
    try:
        proxy.console("SHUTDOWN")
    except (wire.Closed, OSError, wire.ServerError):
        pass
    assert servers.wait_until(lambda: not proxy.is_alive(), 20)
    proxy.stop()


def test_reload_drops_nobody(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=2)
    with proxy.connect() as client:
        client.query("begin; select clock_timestamp()")
        proxy.options["default_pool_size"] = 7
        proxy.write_config()
        proxy.console("RELOAD")
        values = {row["key"]: row["value"] for row in proxy.console("SHOW CONFIG")}
        assert values["default_pool_size"] == "7"
        assert client.query("select 1") == [["1"]]
        client.query("commit")
