"""Many more clients than backends: nobody sees another's rows, nothing is left behind, and SHOW POOLS
adds up at every moment. PGRECALL_CLIENTS and PGRECALL_SECONDS make it the soak that it is named after:
5000 clients, minutes."""
import os
import pathlib
import random
import resource
import subprocess
import sys
import time

import servers

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = int(os.environ.get("PGRECALL_CLIENTS", "600"))
SECONDS = float(os.environ.get("PGRECALL_SECONDS", "20"))
SEED = int(os.environ.get("PGRECALL_SEED", random.randrange(1 << 30)))
BACKENDS = 20


def pools(proxy):
    """Clients and servers of the pool that the crowd uses, in any state."""
    clients = backends = 0
    for row in proxy.console("SHOW POOLS"):
        if row["database"] != "postgres":
            continue
        clients += sum(int(row[name]) for name in ("cl_active", "cl_waiting"))
        backends += sum(int(value) for name, value in row.items() if name.startswith("sv_") and value)
    return clients, backends


def test_a_crowd_on_twenty_backends(own_postgres, make_proxy, tmp_path):
    print(f"seed {SEED}")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = own_postgres()
    server.query("create table crowd (m text)")
    proxy = make_proxy(server, default_pool_size=BACKENDS, max_client_conn=CLIENTS + 100, query_wait_timeout="0")
    proxy.wait_for_catalog()
    idle_descriptors = proxy.descriptors()
    out = tmp_path / "crowd"
    crowd = subprocess.Popen([sys.executable, str(HERE / "crowd.py"), str(proxy.port), str(SEED), str(SECONDS),
                              str(CLIENTS), str(out)], preexec_fn=servers.die_with_parent)
    most = 0
    end = time.monotonic() + SECONDS + 300
    while crowd.poll() is None:
        assert time.monotonic() < end, "the crowd does not come to an end"
        clients, backends = pools(proxy)
        assert backends <= BACKENDS
        assert clients <= CLIENTS + 20  # who goes and comes back may be counted twice for a moment
        most = max(most, clients)
        time.sleep(0.2)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert crowd.returncode == 0
    first, *problems = out.read_text().splitlines()
    operations, errors, foreign, cancelled = (int(word) for word in first.split())
    assert not foreign, problems
    assert not errors, problems
    assert operations > CLIENTS
    assert cancelled or SECONDS < 10
    # Everybody is gone, and so is what was theirs.
    assert servers.wait_until(lambda: pools(proxy)[0] == 0, 60)
    assert servers.wait_until(lambda: proxy.descriptors() <= idle_descriptors + BACKENDS + 4, 60), proxy.descriptors()
    assert server.query("select count(*) from pg_locks where locktype = 'advisory'") == [["0"]]
    assert proxy.query("select 41 + 1") == [["42"]]
    print(f"{operations} operations of {most} clients at once, {cancelled} cancels")
