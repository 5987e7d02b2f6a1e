"""An hour's worth of everything in a short time: all kinds of load, while backends, Postgres itself, Redis and
clients die, the configuration is loaded again and again and consoles come and go. Afterwards memory and
descriptors are what they were after the round before, and every answer is right. PGRECALL_SECONDS makes the
rounds longer."""
import contextlib
import os
import pathlib
import random
import resource
import signal
import subprocess
import threading
import time

import pytest

import seeds
import servers
import wire

SECONDS = float(os.environ.get("PGRECALL_SECONDS", "20"))
CLIENTS = int(os.environ.get("PGRECALL_HOUR_CLIENTS", "60"))
SEED = seeds.some(1)[0]
ROUNDS = int(os.environ.get("PGRECALL_ROUNDS", "4"))
GROWTH_KB = 8192  # what the allocator may keep more after one round than after another
POOL = 20
KINDS = (("-S", "-M", "prepared"), ("-S", "-M", "extended"), ("-S", "-M", "simple"), ("-M", "prepared"), ("-M", "extended"),
         ("-M", "simple"), ("-S", "-C"), ("-S", "-C", "-M", "prepared"))


class Load:
    """pgbench, over and over: one run ends when a backend or the server dies under it."""

    def __init__(self, proxy, chance):
        self.proxy, self.chance = proxy, chance
        self.done = threading.Event()
        self.process = None
        self.transactions = 0
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.done.is_set():
            kind = self.chance.choice(KINDS)
            # It prepares one statement at a time and waits: for a backend that other clients of the same thread
            # hold in blocks, if there are more of them than backends.
            few = "-C" in kind or kind == ("-M", "prepared")
            clients = min(CLIENTS, POOL // 2 - 1) if few else CLIENTS
            command = [str(servers.postgres_bin() / "pgbench"), "-h", "127.0.0.1", "-p", str(self.proxy.port), "-U", "postgres",
                       "-n", *kind, "-c", str(clients), "-T", "2", "postgres"]
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                                            env={**os.environ, "PGSSLMODE": "disable", "PGGSSENCMODE": "disable"},
                                            preexec_fn=servers.die_with_parent)
            output, _ = self.process.communicate()
            if "actually processed" in output:
                self.transactions += servers.transactions_of(output)
            time.sleep(0.05)

    def kill(self):
        """All its clients at once, wherever they are."""
        if self.process and self.process.poll() is None:
            self.process.kill()

    def stop(self):
        self.done.set()
        self.thread.join(60)
        if self.thread.is_alive():
            found = [self.proxy.console("SHOW POOLS"), self.proxy.console("SHOW CLIENTS"), self.proxy.console("SHOW SERVERS")]
            self.kill()
            pytest.fail(f"clients that nobody answers: {found}", pytrace=False)


class Mischief:
    def __init__(self, proxy, postgres, redis, loads, chance):
        self.proxy, self.postgres, self.redis, self.loads, self.chance = proxy, postgres, redis, loads, chance
        self.counts = {}

    def kill_load(self):
        self.chance.choice(self.loads).kill()

    def kill_backend(self):
        """Postgres ends all other backends, too, and recovers."""
        rows = self.postgres.query("select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()")
        if rows:
            os.kill(int(self.chance.choice(rows)[0]), signal.SIGKILL)

    def terminate_backends(self):
        self.postgres.query("select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' "
                            "and pid <> pg_backend_pid() and random() < 0.3")

    def restart_postgres(self):
        self.chance.choice((self.postgres.crash, self.postgres.stop))()
        time.sleep(0.1)
        self.postgres.start()

    def restart_redis(self):
        self.redis.crash()
        time.sleep(0.1)
        self.redis.start()

    def reload(self):
        for _ in range(20):
            self.proxy.console("RELOAD")
            os.kill(self.proxy.process.pid, signal.SIGHUP)

    def consoles(self):
        """Some say goodbye, some do not, some leave in the middle of an answer."""
        for _ in range(20):
            console = self.proxy.connect_console()
            console.send(wire.query(self.chance.choice(("SHOW POOLS", "SHOW CLIENTS", "SHOW QUERIES", "SHOW CONFIG", "SHOW CACHE"))))
            how = self.chance.randrange(3)
            if how == 0:
                console.read_until(b"Z")
                console.close()
            elif how == 1:
                console.abort()
            else:
                console.socket.close()

    def clients(self):
        for _ in range(50):
            client = self.proxy.connect(login=False)
            client.send(wire.startup({"user": "postgres", "database": "postgres"}))
            if self.chance.random() < 0.5:
                client.send(wire.query("begin; select pg_sleep(0.01)"), wire.query("copy pgbench_history from stdin"))
            client.abort()

    def one(self):
        kind = self.chance.choice((self.kill_load, self.kill_backend, self.terminate_backends, self.restart_postgres,
                                   self.restart_redis, self.reload, self.consoles, self.clients, self.clients))
        self.counts[kind.__name__] = self.counts.get(kind.__name__, 0) + 1
        with contextlib.suppress(wire.ServerError, wire.Closed, ConnectionError):  # what was asked of Postgres itself
            kind()
        assert servers.wait_until(self.postgres.is_ready, 60)
        assert self.proxy.is_alive(), self.proxy.last_words()


def quiet_row(proxy):
    """The pool's row of SHOW POOLS when nobody is there any more."""
    for row in proxy.console("SHOW POOLS"):
        if row["database"] == row["user"] == "postgres":
            busy = [name for name in row if name.startswith(("cl_", "sv_")) and name != "sv_idle" and row[name] != "0"]
            return None if busy else row
    return None


def fill(proxy):
    """The cache is full: what grows from here on is something else."""

    def is_full():
        servers.run_pgbench(proxy.port, "-n", "-S", "-c", "8", "-t", "1000")
        return proxy.cache()["evictions"] > 10000

    assert servers.wait_until(is_full, 120), proxy.cache()


def test_memory_and_descriptors_after_an_hour_of_everything(own_postgres, own_redis, make_proxy):
    if not servers.RELEASE.exists():
        pytest.skip("memory is measured without sanitizers: build/release")
    chance = random.Random(SEED)
    print(f"seed {SEED}")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    postgres = own_postgres()
    postgres.pgbench_init(2)
    binary = pathlib.Path(os.environ.get("PGRECALL_HOUR_BIN", servers.RELEASE))
    proxy = make_proxy(postgres, binary=binary, default_pool_size=POOL, redis_url=own_redis.url(), memory_limit="2MB", verdict_memo_size=256,
                       max_client_conn=1000)
    proxy.wait_for_catalog()
    base = proxy.descriptors()
    fill(proxy)
    rss, descriptors, transactions = [], [], 0
    for number in range(ROUNDS):
        loads = [Load(proxy, random.Random(SEED + 10 * number + each)) for each in range(2)]
        mischief = Mischief(proxy, postgres, own_redis, loads, chance)
        end = time.monotonic() + SECONDS / ROUNDS
        done = 0
        try:
            while time.monotonic() < end or done < 10:
                mischief.one()
                done += 1
                time.sleep(chance.random() * 0.3)
        finally:
            for load in loads:
                load.stop()
        assert servers.wait_until(lambda: quiet_row(proxy), 60), proxy.console("SHOW POOLS")
        proxy.wait_for_catalog()
        rows = postgres.query("select (select sum(abalance) from pgbench_accounts), (select sum(delta) from pgbench_history)")
        with proxy.connect() as client:
            assert client.query("select (select sum(abalance) from pgbench_accounts), (select sum(delta) from pgbench_history)") == rows
        rss.append(proxy.rss_kb())
        descriptors.append(proxy.descriptors())
        transactions += sum(load.transactions for load in loads)
        print(f"{sum(load.transactions for load in loads)} transactions, {mischief.counts}, {rss[-1]} kB, {descriptors[-1]} descriptors")
    assert transactions
    assert max(descriptors) <= base + POOL + 4, (base, descriptors)
    assert max(rss[2:]) <= max(rss[:2]) * 1.1 + GROWTH_KB, rss
