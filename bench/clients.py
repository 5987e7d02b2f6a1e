#!/usr/bin/python3
"""Memory for each client: idle ones, and ones that have asked, of PgBouncer and pgrecall on the same machine.

    idle      logged in, nothing asked
    asked     each has had one answer of a simple query
    prepared  each has a named prepared statement and has run it
    after 8 kB  each has had an answer of 8 kB: what buffers keep afterwards

Resident memory before and after, divided by the number of clients.
"""

import argparse
import contextlib
import resource

import quick
import servers
import wire


def rss_kb(program):
    with open(f"/proc/{program.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def measure(program, count, prepares):
    """Kilobytes more than before, after each step; 0 where a step is left out."""
    base = rss_kb(program)
    clients = [wire.Wire(program.port) for _ in range(count)]
    found = [rss_kb(program) - base]
    for client in clients:
        client.query("select 1")
    found.append(rss_kb(program) - base)
    for client in clients if prepares else ():
        client.ask(wire.parse("select $1::int + 1", "s"), wire.sync())
        client.ask(wire.bind(["1"], "s"), wire.execute(), wire.sync())
    # Debian's PgBouncer 1.18 knows no prepared statements when it pools transactions.
    found.append(rss_kb(program) - base if prepares else 0)
    for client in clients:
        client.query("select repeat('x', 8000)")
    found.append(rss_kb(program) - base)
    for client in clients:
        client.close()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=2000)
    parser.add_argument("--pool", type=int, default=20)
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as stack:
        count, arguments.clients = arguments.clients, [20]
        bench = quick.Bench(stack, arguments)
        programs = {
            "PgBouncer": bench.keep(quick.start_pgbouncer(bench.postgres, "transaction", 20, count + 100)),
            "pgrecall": bench.proxy(max_client_conn=count + 100),
        }
        programs["pgrecall"].wait_for_catalog()
        print("| bytes a client | idle | asked | prepared | after 8 kB |")
        print("|---|---:|---:|---:|---:|")
        for name, program in programs.items():
            kilobytes = measure(program, count, name == "pgrecall")
            print(f"| {name} | " + " | ".join(f"{kb * 1024 / count:,.0f}" if kb else "" for kb in kilobytes) + " |")


if __name__ == "__main__":
    main()
