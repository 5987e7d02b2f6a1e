"""Redis, Postgres and clients die under load, and come back."""

import concurrent.futures
import os
import random
import resource
import signal
import socket
import struct
import threading
import time

import servers
import wire


def background(*arguments, **options):
    """pgbench in a thread; .result() gives its output or its failure."""
    pool = concurrent.futures.ThreadPoolExecutor(1)
    try:
        return pool.submit(servers.run_pgbench, *arguments, **options)
    finally:
        pool.shutdown(wait=False)


def redis_state(proxy):
    return next(row["value"] for row in proxy.console("SHOW CACHE") if row["name"] == "redis_state")


# ---- Redis ---------------------------------------------------------------------------------


def test_redis_dies_and_returns_under_load(make_proxy, postgres, own_redis):
    proxy = make_proxy(postgres, redis_url=own_redis.url(), memory_limit="1MB")
    proxy.wait_for_catalog()
    load = background(proxy.port, "-n", "-S", "-c", "8", "-T", "5")
    assert servers.wait_until(lambda: proxy.cache()["redis_gets"] > 100, 60)
    own_redis.crash()
    assert servers.wait_until(lambda: redis_state(proxy) != "up", 20)
    asked = proxy.cache()["misses"]
    assert servers.wait_until(lambda: load.done() or proxy.cache()["misses"] > asked, 20)
    own_redis.start()
    load.result()
    # It is used again.
    with proxy.connect() as client:

        def is_used():
            before = proxy.cache()["hits_redis"]
            for aid in range(1, 20):
                client.query(f"select abalance, 'back' from pgbench_accounts where aid = {aid}")
            proxy.console("FLUSH MEMORY")
            for aid in range(1, 20):
                client.query(f"select abalance, 'back' from pgbench_accounts where aid = {aid}")
            return proxy.cache()["hits_redis"] > before

        assert servers.wait_until(is_used, 30, 0.5)


def test_a_frozen_redis_costs_no_more_than_its_deadline(make_proxy, postgres, own_redis):
    proxy = make_proxy(postgres, redis_url=own_redis.url(), redis_timeout="50ms", memory_limit="1MB")
    proxy.wait_for_catalog()
    with proxy.connect(timeout=10) as client:
        client.query("select abalance from pgbench_accounts where aid = 1")
        os.kill(own_redis.process.pid, signal.SIGSTOP)
        try:
            for aid in range(100, 300):
                client.query(f"select abalance, 'frozen' from pgbench_accounts where aid = {aid}")
            counters = proxy.cache()
            assert counters["misses"] >= 200
            # The breaker opens: not every query pays the deadline.
            assert 0 < counters["redis_timeouts"] < 100 and counters["redis_breaker_opens"] > 0
        finally:
            os.kill(own_redis.process.pid, signal.SIGCONT)


def test_no_redis_at_start(make_proxy, postgres):
    proxy = make_proxy(postgres, redis_url=f"redis://127.0.0.1:{servers.free_port()}")
    proxy.wait_for_catalog()
    servers.run_pgbench(proxy.port, "-n", "-S", "-c", "8", "-t", "200")


def test_what_speaks_no_redis(make_proxy, postgres):
    """The URL leads to a Postgres."""
    proxy = make_proxy(postgres, redis_url=f"redis://127.0.0.1:{postgres.port}")
    proxy.wait_for_catalog()
    servers.run_pgbench(proxy.port, "-n", "-S", "-c", "4", "-t", "100")


# ---- Postgres ------------------------------------------------------------------------------

# What a client may be told while its server is gone: class 08 (connection), 57P0x (shutdown, crash,
# starting up), 53300.
GONE = ("08", "57P", "53300", "58")


def ask_forever(proxy, stop, problems, answered):
    """Connects, asks, and again; errors that say the server is gone are in order."""
    while not stop.is_set():
        try:
            with proxy.connect(timeout=30) as client:
                while not stop.is_set():
                    aid = random.randrange(1, 100000)
                    rows = client.query(f"select aid from pgbench_accounts where aid = {aid}")
                    if rows != [[str(aid)]]:
                        problems.append(f"asked for {aid}, got {rows}")
                    answered.append(time.monotonic())
        except wire.ServerError as error:
            if not error.sqlstate.startswith(GONE):
                problems.append(str(error))
            time.sleep(0.02)
        except (wire.Closed, ConnectionError):
            time.sleep(0.02)
        except OSError as error:
            problems.append(repr(error))


def test_postgres_dies_and_returns_under_load(make_proxy, own_postgres):
    postgres = own_postgres()
    postgres.pgbench_init(1)
    proxy = make_proxy(postgres, server_login_retry="0.2s")
    proxy.wait_for_catalog()
    stop, problems, answered = threading.Event(), [], []
    threads = [threading.Thread(target=ask_forever, args=(proxy, stop, problems, answered)) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        for die in (postgres.crash, postgres.stop):
            time.sleep(0.5)
            die()
            time.sleep(0.5)
            postgres.start()
            back = time.monotonic()
            assert servers.wait_until(lambda: any(t > back for t in answered[-50:]), 30), "nobody was answered again"
        time.sleep(0.5)
    finally:
        stop.set()
        for thread in threads:
            thread.join(40)
    assert not problems, problems[:5]
    proxy.wait_for_catalog()


def test_backends_killed_one_by_one(proxy, postgres):
    stop, problems, answered = threading.Event(), [], []
    threads = [threading.Thread(target=ask_forever, args=(proxy, stop, problems, answered)) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            postgres.query("select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()")
            time.sleep(0.1)
    finally:
        stop.set()
        for thread in threads:
            thread.join(40)
    assert not problems, problems[:5]
    with proxy.connect() as client:
        assert client.query("select count(*) from pgbench_branches") == [["1"]]


def test_a_restarted_postgres_is_another_server(make_proxy, own_postgres):
    """What was lost or changed in between is not answered from the cache."""
    postgres = own_postgres()
    postgres.query("create table t (v int); insert into t values (1)")
    proxy = make_proxy(postgres)
    proxy.wait_for_catalog()
    with proxy.connect() as client:
        for _ in range(3):
            assert client.query("select v from t") == [["1"]]
    postgres.stop()
    postgres.start()
    postgres.query("update t set v = 2")

    def sees_two():
        try:
            return proxy.query("select v from t") == [["2"]]
        except (wire.ServerError, wire.Closed):
            return False

    assert servers.wait_until(sees_two, 30)
    assert all(sees_two() for _ in range(5))


def test_no_postgres_at_start(make_proxy, own_postgres):
    postgres = own_postgres()
    postgres.stop()
    proxy = make_proxy(postgres)
    try:
        proxy.query("select 1")
        raise AssertionError("an answer out of nothing")
    except wire.ServerError as error:
        assert error.sqlstate.startswith(GONE)
    except wire.Closed:
        pass
    postgres.start()

    def works():
        try:
            return proxy.query("select 1") == [["1"]]
        except (wire.ServerError, wire.Closed):
            return False

    assert servers.wait_until(works, 30)


# ---- clients -------------------------------------------------------------------------------


def test_clients_killed_under_load(make_proxy, postgres):
    proxy = make_proxy(postgres, default_pool_size=5)
    proxy.wait_for_catalog()
    chance = random.Random(7)
    requests = [
        wire.query("select * from pgbench_accounts where aid < 1000"),
        wire.query("select pg_sleep(0.05)"),
        wire.query("begin; update pgbench_tellers set tbalance = tbalance where tid = 1"),
        wire.query("copy pgbench_accounts to stdout"),
        wire.query("copy pgbench_history from stdin"),
        wire.extended("select * from pgbench_accounts where aid = $1", ["5"]) * 20,
        wire.parse("select 1", "named") + wire.sync(),
        wire.query("select 1")[:-3],
        struct.pack("!ci", b"Q", 1 << 20) + b"select",
        wire.query("listen somewhere"),
    ]
    work = ("-n", "-S", "-c", "4", "-t", "500")
    load = background(proxy.port, *work)
    end = time.monotonic() + 120
    descriptors = proxy.descriptors()
    killed = rounds = 0
    while killed < 60 or rounds < 2:
        assert time.monotonic() < end, f"{killed} killed"
        if load.done():
            load.result()
            load = background(proxy.port, *work)
            rounds += 1
        # All are in before the first asks: a login may wait for what is half sent, as it may change settings.
        clients = [proxy.connect(login=chance.random() < 0.8) for _ in range(20)]
        for client in clients:
            client.send(chance.choice(requests))
        time.sleep(chance.random() * 0.05)
        for client in clients:
            killed += 1
            if chance.random() < 0.5:
                client.abort()
            else:
                client.socket.close()
    load.result()
    assert servers.wait_until(lambda: proxy.descriptors() <= descriptors + 10, 20), "connections leak"
    # Nothing of theirs is left on the server: no lock, no open transaction.
    assert servers.wait_until(
        lambda: postgres.query("select count(*) from pg_stat_activity where state like 'idle in transaction%'") == [["0"]], 10)
    servers.run_pgbench(proxy.port, "-n", "-S", "-c", "8", "-t", "50")
    assert postgres.query("select count(*) from pgbench_tellers") == [["10"]]


def test_no_descriptor_for_a_connection(make_proxy, postgres):
    """Connections beyond the limit wait; the listener neither spins nor gives up."""
    proxy = make_proxy(postgres)
    assert proxy.query("select 1") == [["1"]]
    pid = proxy.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    few = proxy.descriptors() + 4
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, before[1]))
    clients = [socket.create_connection(("127.0.0.1", proxy.port)) for _ in range(20)]
    assert servers.wait_until(lambda: "out of file descriptors" in proxy.log(), 20)
    time.sleep(1)
    assert proxy.log().count("out of file descriptors") < 100
    for client in clients:
        client.close()
    assert servers.wait_until(lambda: proxy.descriptors() < few, 20)
    assert proxy.query("select 2") == [["2"]]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
