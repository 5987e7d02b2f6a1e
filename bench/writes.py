#!/usr/bin/python3
"""What coherence costs writers, and what blocks of reads gain: pgbench against Postgres, PgBouncer and
pgrecall, side by side.

    tpcb   pgbench's TPC-B: five writes and a read in a block; every transaction closes, bumps and opens
    block  BEGIN, a read that may be a hit, COMMIT

Rounds are interleaved and medians printed, as in quick.py, whose programs these are.
"""

import argparse
import contextlib
import statistics
import sys

import quick
import servers

NAMES = {"direct": "Postgres alone", "pgbouncer": "PgBouncer", "memory": "pgrecall", "miss": "pgrecall, cache off"}
TARGETS = tuple(NAMES)
SCRIPTS = {
    "tpcb": None,
    "block": "\\set aid random(1, 1000)\nBEGIN;\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\nCOMMIT;\n",
}


def measure(bench, target, script, mode, clients):
    program = bench.program(target, mode)
    arguments = ["-n", "-M", mode, "-c", str(clients), "-j", "1", "-T", str(bench.arguments.seconds)]
    if SCRIPTS[script]:
        path = bench.postgres.directory / "script.sql"
        path.write_text(SCRIPTS[script])
        arguments += ["-f", str(path)]
    return servers.tps_of(servers.run_pgbench(program.port, *arguments))


def print_table(script, mode, clients, results):
    print(f"\n{script}, {mode}, {clients} clients\n")
    print("| | transactions/s | of PgBouncer, median of rounds |")
    print("|---|---:|---:|")
    for target in TARGETS:
        ratios = [own / other for own, other in zip(results[target], results["pgbouncer"])]
        print(f"| {NAMES[target]} | {statistics.median(results[target]):,.0f} | {statistics.median(ratios):.2f} |")
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of one run")
    parser.add_argument("--pool", type=int, default=20)
    parser.add_argument("--clients", type=lambda v: [int(n) for n in v.split(",")], default=[8, 32])
    parser.add_argument("--modes", type=quick.words(quick.MODES), default=quick.MODES)
    parser.add_argument("--scripts", type=quick.words(tuple(SCRIPTS)), default=tuple(SCRIPTS))
    arguments = parser.parse_args()
    with contextlib.ExitStack() as stack:
        bench = quick.Bench(stack, arguments)
        bench.postgres.query("vacuum analyze")
        bench.start(TARGETS)
        for script in arguments.scripts:
            for mode in arguments.modes:
                for clients in arguments.clients:
                    results = {target: [] for target in TARGETS}
                    for _ in range(arguments.rounds):
                        for target in TARGETS:
                            results[target].append(measure(bench, target, script, mode, clients))
                    print_table(script, mode, clients, results)


if __name__ == "__main__":
    main()
