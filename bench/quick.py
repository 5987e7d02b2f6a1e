#!/usr/bin/python3
"""pgbench -S against Postgres, PgBouncer, the canned server and pgrecall, side by side.

Rounds are interleaved, so that a slow spell of the machine falls on everyone, and what is printed
is the median of the rounds. All proxies have one thread and the same pool size; pgbench has one
thread too. "Redis" is a pgrecall whose memory holds next to nothing, so that nearly every hit
comes from Redis; "miss" is one with the cache off.

Debian's PgBouncer 1.18 knows no prepared statements in transaction pooling: in that mode it pools
sessions, with as many server connections as there are clients.
"""

import argparse
import contextlib
import os
import pathlib
import pwd
import shutil
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/integration"))

import servers  # noqa: E402

MODES = ("simple", "extended", "prepared")
TARGETS = ("direct", "pgbouncer", "canned", "memory", "redis", "miss")
NAMES = {
    "direct": "Postgres alone",
    "pgbouncer": "PgBouncer",
    "canned": "canned server",
    "memory": "pgrecall, hit in memory",
    "redis": "pgrecall, hit in Redis",
    "miss": "pgrecall, miss",
}
ACCOUNTS = 100000


class Program(servers.Scratch):
    """PgBouncer or the canned server."""

    def run(self, *arguments, **options):
        self.spawn(arguments, **options)
        if not servers.wait_for_port(self.port, 20, self.process):
            sys.exit(f"{arguments[0]} did not start: {self.log()[-2000:]}")
        return self


def start_pgbouncer(postgres, pool_mode, pool_size, clients=1000):
    program = Program("pgbouncer")
    config = program.directory / "pgbouncer.ini"
    config.write_text(
        f"""[databases]
postgres = host=127.0.0.1 port={postgres.port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {program.port}
unix_socket_dir =
auth_type = any
pool_mode = {pool_mode}
default_pool_size = {pool_size}
max_client_conn = {clients}
log_connections = 0
log_disconnections = 0
ignore_startup_parameters = extra_float_digits
"""
    )
    options = {}
    if os.geteuid() == 0:
        entry = pwd.getpwnam("postgres")
        os.chown(program.directory, entry.pw_uid, entry.pw_gid)
        options = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    return program.run(shutil.which("pgbouncer", path="/usr/sbin:/usr/bin"), "-q", config, cwd="/", **options)


class Bench:
    def __init__(self, stack, arguments):
        self.arguments = arguments
        self.stack = stack
        self.binary = pathlib.Path(os.environ.get("PGRECALL_BIN", servers.RELEASE))
        self.programs = {}  # by target, or by (target, mode)
        self.started = []
        self.postgres = self.keep(servers.Postgres(settings=["shared_buffers = 256MB"]))
        self.postgres.pgbench_init(1)

    def keep(self, program):
        self.stack.callback(program.remove)
        self.stack.callback(program.stop_by, 2 if isinstance(program, servers.Postgres) else 15)
        return program

    def proxy(self, **options):
        return self.keep(
            servers.Proxy(
                self.postgres,
                binary=self.binary,
                workers=1,
                cache_window="24h",
                default_pool_size=self.arguments.pool,
                log_connections=0,
                log_disconnections=0,
                **options,
            )
        )

    def start(self, targets):
        self.programs["direct"] = self.postgres
        if "canned" in targets:
            canned = self.binary.parent.parent / "bench/canned"
            if not canned.exists():
                canned = ROOT / "build/release/bench/canned"
            program = self.keep(Program("canned"))
            self.programs["canned"] = program.run(canned, "--port", program.port)
        if "pgbouncer" in targets:
            most = max(self.arguments.clients)
            pooling = self.keep(start_pgbouncer(self.postgres, "transaction", self.arguments.pool))
            sessions = self.keep(start_pgbouncer(self.postgres, "session", most))
            for mode in MODES:
                self.programs["pgbouncer", mode] = sessions if mode == "prepared" else pooling
        if "miss" in targets:
            self.programs["miss"] = self.proxy(cache=0)
        if "memory" in targets:
            self.programs["memory"] = self.proxy(memory_limit="1GB")
            self.programs["memory"].wait_for_catalog()
        if "redis" in targets:
            redis = self.keep(servers.Redis())
            self.programs["redis"] = self.proxy(redis_url=redis.url(), memory_limit="1MB")
            self.programs["redis"].wait_for_catalog()

    def program(self, target, mode):
        return self.programs.get(target) or self.programs[target, mode]

    def fill(self, target, mode):
        """Asks for every account once, in the words of pgbench -S."""
        clients = 8
        script = self.postgres.directory / "fill.sql"
        script.write_text(
            f"\\set turn :turn + 1\n\\set aid :turn * {clients} + :client_id + 1\n"
            "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"
        )
        each = str(ACCOUNTS // clients)
        arguments = ["-n", "-M", mode, "-c", str(clients), "-D", "turn=-1", "-t", each, "-f", str(script)]
        servers.run_pgbench(self.programs[target].port, *arguments)

    def measure(self, target, mode, clients):
        """Queries per second, CPU microseconds of the proxy per query, and share of hits."""
        program = self.program(target, mode)
        is_proxy = isinstance(program, servers.Proxy)
        counters = program.cache() if is_proxy else {}
        cpu = servers.cpu_seconds(program.process.pid)
        output = servers.run_pgbench(
            program.port, "-n", "-S", "-M", mode, "-c", str(clients), "-j", "1", "-T", str(self.arguments.seconds)
        )
        count = servers.transactions_of(output)
        cpu = (servers.cpu_seconds(program.process.pid) - cpu) / count * 1e6
        hits = {}
        if is_proxy:
            now = program.cache()
            for tier in ("memory", "redis"):
                hits[tier] = (now.get(f"hits_{tier}", 0) - counters.get(f"hits_{tier}", 0)) / count
        return servers.tps_of(output), None if target == "direct" else cpu, hits.get(target)


def print_table(results, mode, clients, targets):
    tps = {t: statistics.median(r[0] for r in results[t]) for t in targets}
    print(f"\n{mode}, {clients} clients\n")
    print("| | queries/s | of canned | of PgBouncer | CPU µs/query | hits |")
    print("|---|---:|---:|---:|---:|---:|")
    for target in targets:
        cpus = [r[1] for r in results[target] if r[1] is not None]
        shares = [r[2] for r in results[target] if r[2] is not None]
        cells = [
            NAMES[target],
            f"{tps[target]:,.0f}",
            f"{tps[target] / tps['canned']:.2f}" if "canned" in tps else "",
            f"{tps[target] / tps['pgbouncer']:.2f}" if "pgbouncer" in tps else "",
            f"{statistics.median(cpus):.1f}" if cpus else "",
            f"{100 * statistics.median(shares):.1f} %" if shares else "",
        ]
        print("| " + " | ".join(cells) + " |")
    sys.stdout.flush()


def words(choices):
    def split(value):
        chosen = value.split(",")
        for word in chosen:
            if word not in choices:
                raise argparse.ArgumentTypeError(f"{word} is none of {', '.join(choices)}")
        return chosen

    return split


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of one run")
    parser.add_argument("--pool", type=int, default=20, help="server connections of each proxy")
    parser.add_argument("--clients", type=lambda v: [int(n) for n in v.split(",")], default=[8, 64])
    parser.add_argument("--modes", type=words(MODES), default=MODES)
    parser.add_argument("--targets", type=words(TARGETS), default=TARGETS)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    with contextlib.ExitStack() as stack:
        bench = Bench(stack, arguments)
        bench.start(arguments.targets)
        for mode in arguments.modes:
            for target in ("memory", "redis"):
                if target in arguments.targets:
                    bench.fill(target, mode)
            for clients in arguments.clients:
                results = {target: [] for target in arguments.targets}
                for _ in range(arguments.rounds):
                    for target in arguments.targets:
                        results[target].append(bench.measure(target, mode, clients))
                print_table(results, mode, clients, arguments.targets)


if __name__ == "__main__":
    main()
