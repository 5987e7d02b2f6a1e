"""Readers and writers on many sessions, faults at random, and a judge who knows when what was asked.

Zero violations with the real program; and each rule of coherence, left out of a build made for it,
is noticed. PGRECALL_SECONDS says how long, seeds.py which chance; the seed is printed.
"""
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import threading
import time

import pytest

import fixtures
import model
import seeds
import servers
import wire
from history import Operation, violations

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = float(os.environ.get("PGRECALL_SECONDS", "20"))
SEED = seeds.some(1)[0]
FLAWED = servers.ROOT / "build/flaws/src/pgrecall"


@pytest.fixture
def shop(own_postgres):
    """A Postgres of its own, which may be crashed, with the tables of schema.sql."""
    server = own_postgres()
    server.query((HERE / "schema.sql").read_text())
    return server


class Cutter:
    """cutter.py between pgrecall and Postgres."""

    def __init__(self, server, cuts, commits=False):
        self.port = servers.free_port()
        arguments = [self.port, server.port, SEED, cuts] + (["commits"] if commits else [])
        self.process = subprocess.Popen([sys.executable, str(HERE / "cutter.py"), *map(str, arguments)],
                                        preexec_fn=servers.die_with_parent)
        assert servers.wait_for_port(self.port)

    def quiet(self):
        self.process.send_signal(signal.SIGUSR1)

    def stop(self):
        self.process.kill()
        self.process.wait()


class Load:
    """Some load.py at once, and what they have seen."""

    def __init__(self, port, directory, seconds, focus="all", processes=3, sessions=8, faults=0):
        self.outs = [directory / f"history.{number}" for number in range(processes)]
        self.processes = [
            subprocess.Popen([sys.executable, str(HERE / "load.py"), str(port), str(SEED + number), str(seconds),
                              str(sessions), focus, str(faults), str(out)], preexec_fn=servers.die_with_parent)
            for number, out in enumerate(self.outs)
        ]
        self.errors = 0
        self.messages = []

    def history(self):
        operations = []
        for process, out in zip(self.processes, self.outs):
            assert process.wait(300) == 0
            some, errors, messages, stuck = pickle.loads(out.read_bytes())
            assert not stuck, "a client never got its answer"
            operations += some
            self.errors += errors
            self.messages += messages
        return operations


class Every(threading.Thread):
    """Does something every so many seconds until it is stopped."""

    def __init__(self, seconds, what):
        super().__init__(daemon=True)
        self.seconds = seconds
        self.what = what
        self.done = threading.Event()
        self.silence = None
        self.start()

    def run(self):
        while not self.done.wait(self.seconds):
            try:
                self.what()
            except (OSError, wire.Closed, wire.ServerError):
                pass
            except wire.Silence as silence:
                self.silence = silence
                return

    def stop(self):
        self.done.set()
        self.join(60)
        assert self.silence is None and not self.is_alive(), "what it asked was never answered"


def show(found):
    lines = [f"seed {SEED}: {len(found)} violations"]
    for violation in found[:10]:
        operation = violation.operation
        lines.append(f"{operation.kind} of {violation.register} invoked {operation.invoked} returned "
                     f"{operation.returned}: version {violation.version}, floor {violation.floor}")
    return "\n".join(lines)


class Definer:
    """DDL and privileges through pgrecall, in a history of its own."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.history = []
        self.tag = 0
        self.refused = []

    def replace_view(self):
        start = time.monotonic_ns()
        tag = self.tag + 1
        self.proxy.query(f"create or replace view tagged as select k, v, {tag}::bigint as tag from reg")
        self.tag = tag
        self.history.append(Operation(start, time.monotonic_ns(), "view", ((("tag", 0), tag),)))

    def revoke(self):
        """Between REVOKE and GRANT the reader is told nothing, afterwards it is."""
        with self.proxy.connect(user="consistency_reader") as reader:
            self.proxy.query("revoke select on secret from consistency_reader")
            try:
                for _ in range(20):
                    try:
                        self.refused.append(reader.query("select v from secret where k = 1"))
                    except wire.ServerError as error:
                        assert error.sqlstate == "42501"
            finally:
                self.proxy.query("grant select on secret to consistency_reader")
            for _ in range(20):
                reader.query("select v from secret where k = 1")

    def add_trigger(self):
        """A write that was judged before waits for the lock of the DDL, and then takes its time."""
        with self.proxy.connect() as client, self.proxy.connect() as writer:
            client.query("begin")
            client.query("create trigger derive after update on base for each row execute function derive()")
            writer.send(wire.query("update base set v = v + 1 from pg_sleep(0.7) where k < 5"))
            time.sleep(0.1)
            client.query("commit")
            writer.read_until(b"Z")
        time.sleep(0.3)
        self.proxy.query("drop trigger derive on base")

    def replace_function(self):
        """What the deferred trigger does at COMMIT is not what it did when the write was judged."""
        self.define_late("")
        with self.proxy.connect() as writer:
            writer.query("begin")
            writer.query("update base set v = v + 1 where k < 5")
            self.define_late("update derived set v = v + 1 where k = new.k;")
            time.sleep(0.3)  # the readers find the table as it is, and keep that
            writer.query("commit")
        time.sleep(0.3)

    def define_late(self, body):
        self.proxy.query("create or replace function derive_late() returns trigger language plpgsql as "
                         f"$$ begin {body} return null; end $$")
        self.proxy.wait_for_catalog()

    def step(self):
        self.replace_view()
        self.revoke()


def hit_count(proxy):
    return servers.hits(proxy.cache())


def test_no_answer_is_older_than_what_somebody_was_told(shop, make_proxy, tmp_path):
    print(f"seed {SEED}")
    proxy = make_proxy(shop)
    proxy.wait_for_catalog()
    definer = Definer(proxy)
    load = Load(proxy.port, tmp_path, SECONDS)
    changes = Every(2, definer.step)
    operations = load.history()
    changes.stop()
    found = violations(operations + definer.history)
    assert not found, show(found)
    assert not definer.refused, "a role read what it may not read any more"
    assert definer.tag > 0
    assert len(operations) > 10 * SECONDS
    assert hit_count(proxy) > len(operations) / 10, "nothing was tested: there were few hits"


def test_nor_with_faults_at_every_step(shop, make_proxy, tmp_path):
    """Clients that go away, connections that are cut, backends that are killed, a server that is
    crashed and started again."""
    print(f"seed {SEED}")
    cutter = Cutter(shop, cuts=2)
    try:
        proxy = make_proxy(shop, databases={"*": f"host=127.0.0.1 port={cutter.port}"})
        definer = Definer(proxy)
        load = Load(proxy.port, tmp_path, SECONDS, faults=5)

        def kill_one():
            shop.query("select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend'"
                       " and pid <> pg_backend_pid() order by random() limit 1")

        threads = [Every(0.3, kill_one), Every(0.7, definer.step)]
        time.sleep(SECONDS / 2)
        shop.crash()
        shop.start()
        operations = load.history()
        for thread in threads:
            thread.stop()
        found = violations(operations + definer.history)
        assert not found, show(found)
        assert not definer.refused
        assert len(operations) > 10 * SECONDS
        cutter.quiet()
        # Nothing is left closed for good: what was lost has been found out.
        assert servers.wait_until(lambda: proxy.console("SHOW CACHE") and lost_count(proxy) == 0, 30)
        proxy.wait_for_catalog()
    finally:
        cutter.stop()


def lost_count(proxy):
    return sum(int(row["value"]) for row in proxy.console("SHOW CACHE") if row["name"].startswith("lost"))


FOCUS = {
    "close": "key", "bump": "key", "bump_all": "key", "one_step": "key", "stamps_first": "key", "stamps_open": "key",
    "check_stamps": "key", "stay_closed": "slow", "bump_lost": "lost", "widen": "trigger",
    "old_catalog": "function", "pinned_scan": "columns", "pinned_column": "columns",
}


def test_every_rule_of_the_model_is_left_out_of_the_program_once():
    assert set(FOCUS) == set(model.RULES) - {"join_equal"}


@pytest.mark.parametrize("flaw", FOCUS)
def test_a_build_without_a_rule_is_caught(flaw, shop, tmp_path, monkeypatch):
    """What the checker would miss, it would miss in the real program, too."""
    if not FLAWED.exists():
        fixtures.lacking("build with flaws")
    monkeypatch.setenv("PGRECALL_FLAW", flaw)
    focus = FOCUS[flaw]
    cutter = Cutter(shop, cuts=300, commits=True) if focus in ("slow", "lost") else None
    port = cutter.port if cutter else shop.port
    proxy = servers.Proxy(shop, binary=FLAWED, databases={"*": f"host=127.0.0.1 port={port}"})
    try:
        proxy.wait_for_catalog()
        definer = Definer(proxy)
        found = []
        for _ in range(25):  # chance decides: until it is noticed
            what = {"trigger": definer.add_trigger, "function": definer.replace_function}.get(focus)
            changes = Every(0.1, what) if what else None
            load = Load(proxy.port, tmp_path, 4, focus=focus, processes=2)
            operations = load.history()
            if changes:
                changes.stop()
            found = violations(operations)
            if found:
                break
        assert found, f"{flaw}: not noticed in {len(operations)} operations, {load.errors} errors {load.messages[:3]}"
    finally:
        proxy.stop_by(signal.SIGKILL)
        proxy.remove()
        if cutter:
            cutter.stop()
