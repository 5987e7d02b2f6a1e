#!/usr/bin/python3
"""A database with ten thousand tables and ten thousand functions: how long its catalog takes to load,
what a snapshot weighs, and the longest pause of a loop that clients see meanwhile.

Two programs ask in a tight loop, each for itself: one for a hit (a worker's loop), one for SHOW CONFIG
on the console (the main loop). The longest wait of each is printed for three spells: nothing happens;
the catalog is loaded for the first time; DDL makes it load again, over and over. What the machine
itself adds is in the first.
"""

import argparse
import contextlib
import itertools
import multiprocessing
import os
import pathlib
import re
import subprocess
import sys
import time

import quick
import servers
import wire

TABLES = """do $$ begin for i in 1..{count} loop
  execute format('create table t%s (id int primary key, a int, b text, c timestamptz default now(), d numeric)', i);
  if i % 10 = 0 then execute format('create view w%s as select x.id, upper(y.b) from t%s x join t%s y using (id)', i, i, i - 1); end if;
  if i % 500 = 0 then commit; end if;
end loop; end $$"""
FUNCTIONS = """do $$ begin for i in 1..{count} loop
  execute format('create function f%s(k int) returns int language plpgsql as %L', i, format($f$
declare n int; r record;
begin
  select count(*) into n from t%s where id = k;
  if n > 10 then insert into t%s (id, b) values (k, 'some text'); update t%s set b = lower(b) where id = k; end if;
  for r in select * from t%s loop perform f%s(r.id); end loop;
  return n;
end $f$, i, i, greatest(i - 7, 1), i, greatest(i - 1, 1)));
  if i % 500 = 0 then commit; end if;
end loop; end $$"""
# A report as programs write them: the stored query of such a view is megabytes of text.
VIEW = """do $$ begin execute 'create view report as ' || (select string_agg('select '
  || (select string_agg(format('x.a + %s as c%s', j, j), ', ') from generate_series(1, 200) j) || ' from t' || i || ' x', ' union all ')
  from generate_series(1, 20) i); end $$"""


def ask_forever(port, database, sql, ends, waits):
    """The longest wait of a spell, that of one in a thousand, and the usual one: a word in `ends` asks for them and begins another."""
    client = wire.Wire(port, database=database)
    found = []
    while True:
        if ends.poll():
            ends.recv()
            found.sort()
            waits.send([found[-1], found[len(found) * 999 // 1000], found[len(found) // 2]])
            found = []
        begun = time.perf_counter()
        client.query(sql)
        found.append((time.perf_counter() - begun) * 1000)


class Asker:
    def __init__(self, stack, port, database, sql):
        ends, self.ends = multiprocessing.Pipe(duplex=False)
        self.waits, waits = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(target=ask_forever, args=(port, database, sql, ends, waits), daemon=True)
        self.process.start()
        hurry(self.process.pid)
        stack.callback(self.process.terminate)

    def spell(self):
        self.ends.send(None)
        return self.waits.recv()


def hurry(pid):
    """Every thread of the process goes before others."""
    with contextlib.suppress(PermissionError):
        for task in os.listdir(f"/proc/{pid}/task"):
            os.setpriority(os.PRIO_PROCESS, int(task), -15)


def show(name, of_worker, of_main):
    print("| " + " | ".join([name, *(f"{ms:.3f}" for ms in of_worker or [])] + ([] if of_worker else [""] * 3) + [f"{ms:.3f}" for ms in of_main]) + " |")


def loads(proxy):
    return [int(ms) for ms in re.findall(r"catalog loaded.*? ms=(\d+)", proxy.log())]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10000, help="tables, and functions")
    parser.add_argument("--seconds", type=int, default=10, help="of DDL")
    arguments = parser.parse_args()
    arguments.clients, arguments.pool = [4], 4
    with contextlib.ExitStack() as stack:
        bench = quick.Bench(stack, arguments)
        for script in (TABLES, FUNCTIONS, VIEW):
            with bench.postgres.connect(timeout=600) as client:
                client.query(script.format(count=arguments.count))
        program = pathlib.Path(bench.binary).parent.parent / "bench/bench_catalog"
        if program.exists():
            print(subprocess.run([program, f"host=127.0.0.1 port={bench.postgres.port} user=postgres dbname=postgres"],
                                 check=True, capture_output=True, text=True).stdout)
        proxy = bench.proxy(admin_users="postgres", catalog_refresh="24h")
        hurry(proxy.process.pid)
        before = proxy.rss_kb()
        hit = "select abalance from pgbench_accounts where aid = 1"
        print("| waits, ms | worker: longest | 1 in 1,000 | usual | main: longest | 1 in 1,000 | usual |\n|---|--:|--:|--:|--:|--:|--:|")
        main_loop = Asker(stack, proxy.port, "pgrecall", "SHOW CONFIG")
        time.sleep(1)
        main_loop.spell()
        with proxy.connect() as client:
            client.query(hit)
        if not servers.wait_until(lambda: loads(proxy), 60):
            sys.exit(proxy.log()[-3000:])
        proxy.wait_for_catalog()
        first = main_loop.spell()
        show("first load", [], first)
        loaded = proxy.rss_kb()
        worker = Asker(stack, proxy.port, "postgres", hit)
        for name, sql in (("nothing happens", "select 1"), ("loads again and again", "create table extra_{} (a int)")):
            time.sleep(0.5)
            worker.spell()
            main_loop.spell()
            end = time.monotonic() + arguments.seconds
            with proxy.connect() as client:
                for i in itertools.count():
                    if time.monotonic() > end:
                        break
                    client.query(sql.format(i))
                    time.sleep(0.2)
            show(name, worker.spell(), main_loop.spell())
        times = loads(proxy)
        print(f"\n{len(times)} loads, of {min(times)} to {max(times)} ms; resident memory {before} kB before,"
              f" {loaded} kB after the first, {proxy.rss_kb()} kB at the end, {proxy.rss_kb(peak=True)} kB at most")


if __name__ == "__main__":
    main()
