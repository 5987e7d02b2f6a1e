#!/usr/bin/python3
"""How long a client waits from its connect to the answer of its first statement.

Directly, and through pgrecall in situations in which a login may have to wait for a server connection: none
is open yet, homes are free, other clients have all homes, others fill the pool with idle or with open
transactions, many come at once. The statement needs a server connection where one can be had; where the
pool is full of open transactions it is answered here, so that only the login is measured.
"""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import socket
import statistics
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/integration"))

import servers  # noqa: E402
import wire  # noqa: E402

ASKS = "select clock_timestamp()"
HERE = "show pgrecall.cache"


def one(port, sql):
    begun = time.monotonic()
    with wire.Wire(port) as client:
        client.query(sql)
        return (time.monotonic() - begun) * 1000


def some(port, count, sql=ASKS):
    return [one(port, sql) for _ in range(count)]


def at_once(port, count, threads):
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda _: one(port, ASKS), range(count)))


class Slow:
    """Stands before Postgres, which takes its time for each new connection."""

    def __init__(self, target):
        self.target, self.delay = target, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            near, _ = self.listener.accept()
            threading.Thread(target=self.open, args=(near,), daemon=True).start()

    def open(self, near):
        time.sleep(self.delay)
        far = socket.create_connection(("127.0.0.1", self.target))
        threading.Thread(target=self.pump, args=(near, far), daemon=True).start()
        self.pump(far, near)

    @staticmethod
    def pump(one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def kept(port, count, sql=None):
    """Clients that stay."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(wire.Wire(port))
            if sql:
                client.query(sql)
        yield


@contextlib.contextmanager
def fresh(postgres, **options):
    binary = os.environ.get("PGRECALL_BIN", servers.RELEASE)
    proxy = servers.Proxy(postgres, binary=binary, **options)
    try:
        yield proxy
    finally:
        proxy.stop()
        proxy.remove()


def situations(postgres, options):
    count = options.count
    yield "directly", some(postgres.port, count)
    yield f"directly, {options.threads} at once", at_once(postgres.port, count, options.threads)
    for name, sql in (("login alone", HERE), ("statement waits for the catalog", ASKS)):
        first = []
        for _ in range(5):
            with fresh(postgres) as proxy:
                first += some(proxy.port, 1, sql)
        yield f"the first client of all: {name}", first
    with fresh(postgres) as proxy:
        some(proxy.port, 5)
        yield "one after the other", some(proxy.port, count)
        yield f"{options.threads} at once", at_once(proxy.port, count, options.threads)
        for clients in (5, 40):
            with kept(proxy.port, clients, ASKS):
                yield f"{clients} others, idle", some(proxy.port, count)
    for clients in (9, 40):
        with fresh(postgres) as proxy, kept(proxy.port, clients, ASKS):
            yield f"each the first behind {clients} others, idle", some(proxy.port, 1)
    with fresh(postgres) as proxy, kept(proxy.port, 20, "begin; " + ASKS):
        yield "20 others in transactions: the login alone", some(proxy.port, count, HERE)
    with fresh(postgres) as proxy, kept(proxy.port, 10), kept(proxy.port, 10, "begin; " + ASKS):
        yield "10 others idle, 10 in transactions", some(proxy.port, count)
    slow = Slow(postgres.port)
    with fresh(postgres, databases={"*": f"host=127.0.0.1 port={slow.port}"}) as proxy:
        with kept(proxy.port, 1):
            slow.delay = 1
            yield "Postgres takes a second for a login: first", some(proxy.port, 1)
            yield "Postgres takes a second for a login: those behind", some(proxy.port, count)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="logins in each situation")
    parser.add_argument("--threads", type=int, default=8)
    options = parser.parse_args()
    postgres = servers.Postgres(settings=("max_connections = 200",))
    postgres.start()
    try:
        print("| ms from connect to the first answer | median | 99 % | longest |")
        print("|---|---:|---:|---:|")
        for name, times in situations(postgres, options):
            times.sort()
            high = times[min(len(times) - 1, int(len(times) * 0.99))]
            print(f"| {name} | {statistics.median(times):.2f} | {high:.2f} | {times[-1]:.2f} |", flush=True)
    finally:
        postgres.stop()
        postgres.remove()


if __name__ == "__main__":
    main()
