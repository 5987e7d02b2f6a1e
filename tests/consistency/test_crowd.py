"""Many more clients than backends: nobody sees another's rows, nothing is left behind, and SHOW POOLS
adds up at every moment. PGRECALL_CLIENTS and PGRECALL_SECONDS make it the soak that it is named after:
5000 clients, minutes."""
import json
import os
import pathlib
import resource
import subprocess
import sys

import pytest

import seeds
import servers

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = int(os.environ.get("PGRECALL_CLIENTS", "600"))
SECONDS = float(os.environ.get("PGRECALL_SECONDS", "20"))
SEED = seeds.some(1)[0]
BACKENDS = 20
ROUNDS = 3
GROWTH_KB = 4096  # what the allocator may keep more after one round than after another


@pytest.fixture
def descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def pool_of(proxy):
    for row in proxy.console("SHOW POOLS"):
        if row["database"] == row["user"] == "postgres":
            return row
    raise AssertionError("no pool")


def run_crowd(proxy, server, seed, seconds, out):
    words = [proxy.port, proxy.console_port, server.port, seed, seconds, CLIENTS, BACKENDS, out]
    subprocess.run([sys.executable, str(HERE / "crowd.py"), *map(str, words)], check=True, timeout=seconds + 600,
                   preexec_fn=servers.die_with_parent)
    found = json.loads(out.read_text())
    counts = found["counts"]
    if found["problems"]:
        pytest.fail("\n".join([f"seed {seed}: {counts}", *found["problems"]]), pytrace=False)
    assert counts["operations"] > CLIENTS
    assert counts["left"] and counts["cancels"] and counts["cancelled"] and counts["pinned_work"] and counts["looks"]
    return counts


def assert_nothing_is_left(proxy, server, idle_descriptors):
    pool = {}

    def is_quiet():
        pool.update(pool_of(proxy))
        return all(pool[name] == "0" for name in pool if name.startswith(("cl_", "sv_")) and name != "sv_idle")

    assert servers.wait_until(is_quiet, 60), pool
    assert servers.wait_until(lambda: proxy.descriptors() <= idle_descriptors + BACKENDS, 60), proxy.descriptors()
    left = ("select (select count(*) from pg_locks where locktype in ('advisory', 'relation') and pid <> pg_backend_pid()), "
            "(select count(*) from pg_stat_activity where backend_type = 'client backend' and state <> 'idle' "
            "and pid <> pg_backend_pid()), (select count(*) from pg_class where relpersistence = 't')")
    assert servers.wait_until(lambda: server.query(left) == [["0", "0", "0"]], 20), server.query(left)
    assert proxy.query("select 41 + 1") == [["42"]]


def start(own_postgres, make_proxy, binary=None, **options):
    server = own_postgres()
    server.query("create table crowd (m text primary key, n int); create table crowd_copied (m text)")
    proxy = make_proxy(server, binary=binary, default_pool_size=BACKENDS, max_client_conn=2 * CLIENTS + 100,
                       query_wait_timeout="0", **options)
    proxy.wait_for_catalog()
    return server, proxy


def test_a_crowd_on_twenty_backends(own_postgres, make_proxy, tmp_path, descriptors):
    server, proxy = start(own_postgres, make_proxy)
    idle_descriptors = proxy.descriptors()
    counts = run_crowd(proxy, server, SEED, SECONDS, tmp_path / "crowd")
    assert_nothing_is_left(proxy, server, idle_descriptors)
    print(f"seed {SEED}: {counts}")


def test_a_crowd_leaves_no_memory_behind(own_postgres, make_proxy, tmp_path, descriptors):
    if not servers.RELEASE.exists():
        pytest.skip("memory is measured without sanitizers: build/release")
    server, proxy = start(own_postgres, make_proxy, servers.RELEASE, memory_limit="4MB", verdict_memo_size=256)
    idle_descriptors, rss = proxy.descriptors(), [proxy.rss_kb()]
    for number in range(ROUNDS):
        counts = run_crowd(proxy, server, SEED + number, SECONDS / ROUNDS, tmp_path / "crowd")
        assert_nothing_is_left(proxy, server, idle_descriptors)
        rss.append(proxy.rss_kb())
        print(f"seed {SEED + number}: {counts}, {rss[-1]} kB, {proxy.descriptors()} descriptors")
    assert max(rss[2:]) <= rss[1] * 1.1 + GROWTH_KB, rss
    print(f"resident kB before and after each round: {rss}")
