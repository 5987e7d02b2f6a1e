#!/usr/bin/python3
"""Hit rates of point reads beside point writes, with invalidation by key and by table.

One table of a million rows, keys drawn from a Zipf distribution with exponent 0.99, reads by key and, in
a tenth of the statements, updates by key. The same statements in the same order go through a fresh
pgrecall three times: reads alone (the writes are left out), and all of them, with key_invalidation on and
off. Only the rates are of interest: one client asks one statement after the other.
"""

import argparse
import bisect
import itertools
import os
import pathlib
import random
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/integration"))

import servers  # noqa: E402
import wire  # noqa: E402

READ = "select v from items where id = %d"
WRITE = "update items set v = v + 1 where id = %d"


def statements(options):
    """(id, is it a write), drawn with a fixed seed; ranks are spread over the table."""
    chance = random.Random(options.seed)
    weights = list(itertools.accumulate(1 / rank**options.exponent for rank in range(1, options.rows + 1)))
    ids = list(range(1, options.rows + 1))
    chance.shuffle(ids)
    for _ in range(options.count):
        at = ids[bisect.bisect_left(weights, chance.random() * weights[-1])]
        yield at, chance.random() < options.writes


def run(postgres, options, drawn, writes, by_key):
    binary = os.environ.get("PGRECALL_BIN", servers.RELEASE)
    proxy = servers.Proxy(postgres, binary=binary, key_invalidation=int(by_key), memory_limit="1GB", workers=1)
    try:
        proxy.wait_for_catalog()
        with proxy.connect() as client:
            client.query("select 1 from items where id = 0")
            before, begun = proxy.cache(), time.monotonic()
            for at, is_write in drawn:
                if is_write and not writes:
                    continue
                client.ask(wire.query((WRITE if is_write else READ) % at))
            seconds, after = time.monotonic() - begun, proxy.cache()
    finally:
        proxy.stop()
        proxy.remove()
    hits, misses, bypasses = (after[name] - before[name] for name in ("hits_memory", "misses", "bypasses"))
    reads = sum(not is_write for _, is_write in drawn)
    return {"hits": hits / reads, "misses": misses, "bypasses": bypasses, "rate": (reads + (len(drawn) - reads) * writes) / seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000000)
    parser.add_argument("--count", type=int, default=200000, help="statements of each run")
    parser.add_argument("--writes", type=float, default=0.1, help="share of the statements")
    parser.add_argument("--exponent", type=float, default=0.99)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    postgres = servers.Postgres(settings=["synchronous_commit = off", "fsync = off"])
    try:
        postgres.query(f"create table items (id int primary key, v int); insert into items select i, 0 from generate_series(1, {options.rows}) i; analyze items")
        drawn = list(statements(options))
        alone = run(postgres, options, drawn, writes=False, by_key=True)
        print(f"{options.count} statements, {options.writes:.0%} writes, {options.rows} rows, Zipf {options.exponent}, seed {options.seed}\n")
        print("| | reads that were hits | of those of reads alone | statements/s |\n|---|---:|---:|---:|")
        print(f"| reads alone | {alone['hits']:.1%} | 100 % | {alone['rate']:,.0f} |")
        for name, by_key in (("key_invalidation = 1", True), ("key_invalidation = 0", False)):
            one = run(postgres, options, drawn, writes=True, by_key=by_key)
            print(f"| {name} | {one['hits']:.1%} | {one['hits'] / alone['hits']:.1%} | {one['rate']:,.0f} |", flush=True)
    finally:
        postgres.stop()
        postgres.remove()


if __name__ == "__main__":
    main()
