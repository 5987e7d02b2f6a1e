"""The port for machines: /metrics and /health."""

import re
import subprocess
import time
import urllib.error
import urllib.request

import pytest

import servers
import wire

SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"')


def get(proxy, path):
    """Status and text."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{proxy.options['http_port']}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def metrics(proxy):
    """Values by name and labels; every line of the text must be understood."""
    status, text = get(proxy, "/metrics")
    assert status == 200
    found = {}
    for line in text.splitlines():
        if line.startswith("# "):
            continue
        name, labels, value = SAMPLE.match(line).groups()
        key = (name, frozenset(LABEL.findall(labels or "")))
        assert key not in found, line
        found[key] = float(value)
    return found


def value(found, metric, **labels):
    return found[(metric, frozenset(labels.items()))]


def is_cached(proxy):
    """Whether a read is answered from memory: this database's catalog is loaded."""
    proxy.query("select 1000 + 1")
    before = metrics(proxy)
    proxy.query("select 1000 + 1")
    labels = {"database": "postgres", "tier": "memory"}
    return value(metrics(proxy), "pgrecall_hits_total", **labels) > value(before, "pgrecall_hits_total", **labels)


def wait_until_cached(proxy):
    assert servers.wait_until(lambda: is_cached(proxy), 20), proxy.log()[-3000:]


@pytest.fixture
def watched(make_proxy, postgres, redis):
    proxy = make_proxy(postgres, redis_url=redis.url(), http_port=servers.free_port())
    wait_until_cached(proxy)
    return proxy


def test_counts_hits_misses_bypasses_and_writes(watched):
    watched.query("create table counted (id int primary key); insert into counted values (1)")
    wait_until_cached(watched)
    with watched.connect() as client:
        before = metrics(watched)
        for _ in range(3):
            client.query("select id from counted")
        client.query("select now()")
        client.query("insert into counted values (2)")
        after = metrics(watched)
    watched.query("drop table counted")

    def grown(name, **labels):
        return value(after, name, **labels) - value(before, name, **labels)

    assert grown("pgrecall_hits_total", database="postgres", tier="memory") == 2
    assert grown("pgrecall_misses_total", database="postgres") == 1
    assert grown("pgrecall_bypasses_total", database="postgres") == 2
    assert grown("pgrecall_writes_total", database="postgres") == 1
    assert grown("pgrecall_invalidations_total", database="postgres") == 1
    assert grown("pgrecall_queries_total", database="postgres") == 5
    assert grown("pgrecall_stores_total", tier="memory") == 1
    assert grown("pgrecall_redis_gets_total") >= 1
    assert value(after, "pgrecall_uncached_total", reason="function") >= 1


def test_shows_what_there_is(watched):
    with watched.connect(), watched.connect():
        found = metrics(watched)
    assert value(found, "pgrecall_clients", database="postgres") == 2
    assert value(found, "pgrecall_workers") == 2
    assert value(found, "pgrecall_cache_open", database="postgres") == 1
    assert value(found, "pgrecall_control_state", database="postgres", state="ready") == 1
    assert value(found, "pgrecall_redis_up") == 1
    assert value(found, "pgrecall_lost_backends", database="postgres") == 0
    assert value(found, "pgrecall_servers_max", database="postgres", user="postgres") == 20
    states = ("active", "idle", "login", "tested")
    assert sum(value(found, "pgrecall_servers", database="postgres", user="postgres", state=s) for s in states) >= 1
    assert value(found, "process_open_fds") > 5


def test_agrees_with_the_console(watched):
    for i in range(20):
        watched.query(f"select {i % 4} + 1")
    row = next(r for r in watched.console("SHOW STATS_TOTALS") if r["database"] == "postgres")
    found = metrics(watched)
    assert value(found, "pgrecall_queries_total", database="postgres") == int(row["total_query_count"])
    assert value(found, "pgrecall_transactions_total", database="postgres") == int(row["total_xact_count"])


def test_says_that_a_transaction_waits(make_proxy, postgres):
    proxy = make_proxy(postgres, http_port=servers.free_port(), default_pool_size=1)
    with proxy.connect() as holder, proxy.connect() as waiter:
        holder.query("begin; select clock_timestamp()")
        waiter.send(wire.query("select pg_sleep(0)"))
        assert servers.wait_until(
            lambda: value(metrics(proxy), "pgrecall_clients_waiting", database="postgres", user="postgres") == 1
        )
        time.sleep(0.1)
        assert value(metrics(proxy), "pgrecall_wait_longest_seconds", database="postgres", user="postgres") > 0.05
        holder.query("rollback")
        assert servers.wait_until(
            lambda: value(metrics(proxy), "pgrecall_clients_waiting", database="postgres", user="postgres") == 0
        )


def test_healthy_before_any_client_came(make_proxy, postgres):
    proxy = make_proxy(postgres, http_port=servers.free_port())
    assert get(proxy, "/health") == (200, "ok\n")
    assert value(metrics(proxy), "pgrecall_connections") == 0


def test_unhealthy_while_the_server_is_gone(make_proxy, own_postgres):
    server = own_postgres()
    proxy = make_proxy(server, http_port=servers.free_port())
    wait_until_cached(proxy)
    assert get(proxy, "/health")[0] == 200
    server.stop()
    assert servers.wait_until(lambda: get(proxy, "/health")[0] == 503)
    status, reason = get(proxy, "/health")
    assert 'database "postgres"' in reason and str(server.port) not in reason
    assert value(metrics(proxy), "pgrecall_cache_open", database="postgres") == 0
    server.start()
    assert servers.wait_until(lambda: get(proxy, "/health")[0] == 200, 30)


def test_a_database_that_no_server_knows_is_no_reason(watched):
    with pytest.raises(wire.ServerError):
        watched.connect(database="nobody_has_this")
    assert not servers.wait_until(lambda: get(watched, "/health")[0] != 200, 1.5)


def test_says_that_it_is_stopping(make_proxy, postgres):
    proxy = make_proxy(postgres, http_port=servers.free_port(), shutdown_timeout="20s")
    with proxy.connect() as client:
        client.query("begin")
        proxy.process.terminate()
        assert servers.wait_until(lambda: get(proxy, "/health") == (503, "stopping\n"))
        assert get(proxy, "/metrics")[0] == 200
        client.query("commit")
    proxy.process.wait(20)
    assert proxy.process.returncode == 0


def test_a_port_in_use_is_a_failed_start(watched):
    ports = ["--listen-port", str(servers.free_port()), "--console-port", str(servers.free_port())]
    done = subprocess.run([watched.binary, watched.config, *ports], capture_output=True, text=True, timeout=30)
    assert done.returncode == 1, done.stderr
    assert "HTTP" in done.stdout + done.stderr


def test_the_manual_is_the_programs_own():
    done = subprocess.run([servers.BINARY, "--manual", "metrics"], capture_output=True, text=True, check=True)
    assert done.stdout == (servers.ROOT / "docs/metrics.md").read_text()
