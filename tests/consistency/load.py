"""One process of readers and writers: run as a program.

    load.py PORT SEED SECONDS SESSIONS FOCUS FAULTS OUT

Each of SESSIONS threads has a connection and does one thing after another, chosen by the weights of
FOCUS. Every answer goes into the history (history.py), pickled to OUT. FAULTS is the number of
requests in a thousand after which the client goes away, at any point of its exchange.
"""
import pathlib
import pickle
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import wire  # noqa: E402
from history import ROLLED_BACK, Operation  # noqa: E402

KEYS = 40
READS = {
    "read_key": 120, "read_in": 16, "read_sum": 24, "read_view": 40, "read_partition": 24, "read_leaf": 24,
    "read_trace": 24, "read_child": 24, "read_diary": 20, "read_tagged": 16, "read_block": 16,
    "read_uncached": 3, "read_slow": 16, "read_group": 12,
}
WRITES = {
    "write_key": 4, "write_pair": 2, "write_partition": 2, "write_twin": 2, "write_parent": 2,
    "write_diary": 2, "write_group": 0.3, "write_cte": 0.3, "write_two": 0.3, "write_function": 0.3,
    "write_savepoint": 1, "write_pipeline": 1, "write_prepared_transaction": 0.05, "write_chain": 1,
    "roll_back": 2, "write_slow": 0.3,
}
# What a flawed build is looked at with.
FOCUSES = {
    "all": {**READS, **WRITES},
    "key": {"read_key": 40, "write_key": 8, "read_uncached": 4, "read_group": 6, "read_sum": 2},
    "columns": {"read_group": 30, "read_key": 10, "write_key": 6, "read_sum": 10, "read_uncached": 4},
    "two": {"read_view": 30, "write_pair": 8},
    "slow": {"read_slow": 60, "write_slow": 0.5, "read_slow_uncached": 15},
    "lost": {"read_key": 20, "read_both": 20, "write_block": 1},
    "trigger": {"read_derived": 60, "read_derived_uncached": 15},
    "function": {"read_derived": 60, "read_derived_uncached": 15},
}
PROTOCOLS = ("simple", "extended", "prepared")


class Gone(Exception):
    """The client went away on purpose."""


class Session(threading.Thread):
    def __init__(self, port, seed, deadline, weights, faults):
        super().__init__(daemon=True)
        self.port = port
        self.chance = random.Random(seed)
        self.deadline = deadline
        self.names = list(weights)
        self.weights = list(weights.values())
        self.faults = faults / 1000
        self.history = []
        self.errors = 0
        self.unanswered = 0
        self.connection = None
        self.prepared = {}
        self.number = seed

    # ---- the connection

    def connect(self):
        while time.monotonic() < self.deadline:
            try:
                self.connection = wire.Wire(self.port, timeout=30)
                self.prepared = {}
                return
            except (OSError, wire.Closed, wire.ServerError):
                time.sleep(0.05)
        raise Gone

    def leave(self):
        if self.connection:
            self.connection.abort()
        self.connection = None

    def send(self, *parts):
        data = b"".join(parts)
        if self.faults and self.chance.random() < self.faults:
            self.connection.socket.sendall(data[:self.chance.randrange(len(data) + 1)])
            if self.chance.random() < 0.5:
                time.sleep(self.chance.random() * 0.01)
            raise Gone
        self.connection.socket.sendall(data)

    def request(self, sql, *values):
        """The bytes of one statement with $1... in the protocol that chance picks."""
        protocol = self.chance.choice(PROTOCOLS)
        if protocol == "simple":
            for number, value in enumerate(values, 1):
                sql = sql.replace(f"${number}", str(value))
            return wire.query(sql)
        texts = [str(value) for value in values]
        if protocol == "extended":
            return wire.extended(sql, texts, describe=self.chance.random() < 0.5)
        name = self.prepared.get(sql)
        before = b""
        if name is None:
            name = self.prepared[sql] = f"s{len(self.prepared)}"
            before = wire.parse(sql, name) + wire.sync()
        return before + wire.bind(texts, name) + wire.execute() + wire.sync()

    def run_sql(self, sql, *values):
        """The rows; ServerError if one came."""
        data = self.request(sql, *values)
        self.send(data)
        ready = data.count(wire.sync()) if data[:1] != b"Q" else 1
        messages = self.connection.read_until(b"Z", ready)
        self.status = messages[-1].body
        for message in messages:
            if message.tag == b"E":
                raise wire.ServerError(wire.fields_of(message.body))
        return wire.rows_of(messages)

    def run_simple(self, sql):
        self.send(wire.query(sql))
        messages = self.connection.read_until(b"Z")
        for message in messages:
            if message.tag == b"E":
                raise wire.ServerError(wire.fields_of(message.body))
        return messages

    # ---- the history

    def note(self, kind, invoked, *seen):
        self.history.append(Operation(invoked, time.monotonic_ns(), kind, seen))

    def key(self):
        # Few keys take most: hits and conflicts.
        return min(int(self.chance.paretovariate(0.8)), KEYS)

    def run(self):
        while time.monotonic() < self.deadline:
            name = self.chance.choices(self.names, self.weights)[0]
            try:
                if self.connection is None:
                    self.connect()
                getattr(self, name)(time.monotonic_ns(), self.key())
            except wire.ServerError as error:
                self.errors += 1
                self.last_error = error
                if getattr(self, "status", b"I") != b"I":
                    self.leave()
            except (Gone, OSError, wire.Closed):
                self.leave()
            except wire.Silence:
                self.unanswered += 1
                self.leave()
        if self.connection:
            self.connection.close()

    # ---- reads

    def read_register(self, start, register, sql, *values):
        rows = self.run_sql(sql, *values)
        self.note("read", start, (register, int(rows[0][0])))

    def read_key(self, start, k):
        self.read_register(start, ("reg", k), "select v from reg where k = $1", k)

    def read_uncached(self, start, k):
        sql = "select v from reg where k = $1 and pg_backend_pid() > 0"
        self.read_register(start, ("reg", k), sql, k)

    def read_both(self, start, k):
        """What Postgres has told somebody is the least that a stored answer may say."""
        self.read_uncached(start, k)
        self.read_key(time.monotonic_ns(), k)

    def read_in(self, start, k):
        other = self.key()
        rows = self.run_sql("select k, v from reg where k in ($1, $2)", k, other)
        self.note("read in", start, *[(("reg", int(row[0])), int(row[1])) for row in rows])

    def read_group(self, start, k):
        rows = self.run_sql("select k, v from reg where grp = $1 order by k", k % 5)
        self.note("read group", start, *[(("reg", int(row[0])), int(row[1])) for row in rows])

    def read_sum(self, start, _):
        self.read_register(start, ("sum", "reg"), "select sum(v)::bigint from reg")

    def read_view(self, start, k):
        (a, b), = self.run_sql("select av, bv from pair where k = $1", k)
        # Written together: unequal is as bad as a version that was rolled back.
        seen = int(a) if a == b else ROLLED_BACK
        self.note("read view", start, (("pair", k), seen))

    def read_partition(self, start, k):
        self.read_register(start, ("part", k), "select v from part where k = $1", k)

    def read_leaf(self, start, k):
        self.read_register(start, ("part", k), f"select v from part_{k % 3} where k = $1", k)

    def read_trace(self, start, k):
        self.read_register(start, ("twin", k), "select v from trace where k = $1", k)

    def read_child(self, start, k):
        self.read_register(start, ("parent", k), "select v from child where k = $1", k)

    def read_diary(self, start, k):
        self.read_register(start, ("diary", k), "select count(*) from diary where k = $1", k)

    def read_tagged(self, start, k):
        (v, tag), = self.run_sql("select v, tag from tagged where k = $1", k)
        self.note("read tagged", start, (("reg", k), int(v)), (("tag", 0), int(tag)))

    def read_slow(self, start, k):
        k = k % 4 + 1
        self.read_register(start, ("slow", k), "select v from slow where k = $1", k)

    def read_slow_uncached(self, start, k):
        k = k % 4 + 1
        sql = "select v from slow where k = $1 and pg_backend_pid() > 0"
        self.read_register(start, ("slow", k), sql, k)

    def read_derived(self, start, k):
        k = k % 4 + 1
        self.read_register(start, ("derived", k), "select v from derived where k = $1", k)

    def read_derived_uncached(self, start, k):
        k = k % 4 + 1
        sql = "select v from derived where k = $1 and pg_backend_pid() > 0"
        self.read_register(start, ("derived", k), sql, k)

    def read_block(self, start, k):
        self.run_sql("begin")
        for _ in range(2):
            start = time.monotonic_ns()
            self.read_key(start, k)
            self.read_partition(time.monotonic_ns(), self.key())
        self.run_sql("commit")

    # ---- writes: every version comes from RETURNING, and is noted when the commit is acknowledged

    def write_key(self, start, k):
        rows = self.run_sql("update reg set v = v + 1 where k = $1 returning v", k)
        self.note("update", start, (("reg", k), int(rows[0][0])))

    def write_group(self, start, k):
        rows = self.run_sql("update reg set v = v + 1 where k in "
                            "(select k from reg where grp = $1 order by k for update) returning k, v", k % 5)
        self.note("update group", start, *[(("reg", int(row[0])), int(row[1])) for row in rows])

    def write_cte(self, start, k):
        rows = self.run_sql("with x as (update reg set v = v + 1 where k = $1 returning v) select v from x", k)
        self.note("update in WITH", start, (("reg", k), int(rows[0][0])))

    def write_function(self, start, k):
        rows = self.run_sql("select bump($1)", k)
        self.note("function", start, (("reg", k), int(rows[0][0])))

    def write_two(self, start, k):
        update = f"update reg set v = v + 1 where k = {k} returning v"
        rows = wire.rows_of(self.run_simple(f"{update}; {update}; select 1"))
        self.note("two in one", start, (("reg", k), int(rows[0][0])), (("reg", k), int(rows[1][0])))

    def write_pipeline(self, start, k):
        sql = "update reg set v = v + 1 where k = $1 returning v"
        once = wire.parse(sql) + wire.bind([str(k)]) + wire.execute()
        self.send(once, once, wire.sync())
        messages = self.connection.read_until(b"Z")
        if any(message.tag == b"E" for message in messages):
            return
        for row in wire.rows_of(messages):
            self.note("pipeline", start, (("reg", k), int(row[0])))

    def block(self, *statements, end="commit"):
        """The rows of each statement of a block that commits."""
        self.run_sql("begin")
        found = [self.run_sql(*statement) for statement in statements]
        self.run_sql(end)
        return found

    def write_pair(self, start, k):
        a, b = self.block(("update pair_a set v = v + 1 where k = $1 returning v", k),
                          ("update pair_b set v = v + 1 where k = $1 returning v", k))
        self.note("pair", start, (("pair", k), int(a[0][0])), (("pair", k), int(b[0][0])))

    def write_partition(self, start, k):
        rows = self.run_sql("update part set v = v + 1 where k = $1 returning v", k)
        self.note("partition", start, (("part", k), int(rows[0][0])))

    def write_twin(self, start, k):
        rows = self.run_sql("update twin set v = v + 1 where k = $1 returning v", k)
        self.note("trigger", start, (("twin", k), int(rows[0][0])))

    def write_parent(self, start, k):
        rows = self.run_sql("update parent set v = v + 1 where k = $1 returning v", k)
        self.note("cascade", start, (("parent", k), int(rows[0][0])))

    def write_diary(self, start, k):
        # The count behind an insert of one's own is at least what a later reader must see.
        self.run_sql("begin")
        self.run_sql("select pg_advisory_xact_lock($1)", k)
        self.run_sql("insert into diary values ($1, 'x')", k)
        rows = self.run_sql("select count(*) from diary where k = $1", k)
        self.run_sql("commit")
        self.note("insert", start, (("diary", k), int(rows[0][0])))

    def write_slow(self, start, k):
        k = k % 4 + 1
        (rows,) = self.block(("update slow set v = v + 1 where k = $1 returning v", k))
        self.note("slow commit", start, (("slow", k), int(rows[0][0])))

    def write_block(self, start, k):
        (rows,) = self.block(("update reg set v = v + 1 where k = $1 returning v", k))
        self.note("commit", start, (("reg", k), int(rows[0][0])))

    def write_savepoint(self, start, k):
        first, *_ = self.block(("update reg set v = v + 1 where k = $1 returning v", k), ("savepoint s",),
                               (f"update reg set v = v + {ROLLED_BACK} where k = $1", k),
                               ("rollback to savepoint s",))
        self.note("savepoint", start, (("reg", k), int(first[0][0])))

    def write_chain(self, start, k):
        self.run_sql("begin")
        rows = self.run_sql("update reg set v = v + 1 where k = $1 returning v", k)
        self.run_sql("commit and chain")
        self.note("chain", start, (("reg", k), int(rows[0][0])))
        self.run_sql(f"update reg set v = v + {ROLLED_BACK} where k = $1", k)
        self.run_sql("rollback")

    def roll_back(self, start, k):
        sql = f"update reg set v = v + {ROLLED_BACK} where k = $1"
        self.block((sql, k), end="rollback")

    def write_prepared_transaction(self, start, k):
        name = f"g{self.number}_{start}"
        self.run_sql("begin")
        rows = self.run_sql("update reg set v = v + 1 where k = $1 returning v", k)
        self.run_simple(f"prepare transaction '{name}'")
        self.run_simple(f"commit prepared '{name}'")
        self.note("two phases", start, (("reg", k), int(rows[0][0])))


def main():
    port, seed, seconds, sessions = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    weights, faults, out = FOCUSES[sys.argv[5]], float(sys.argv[6]), sys.argv[7]
    deadline = time.monotonic() + seconds
    threads = [Session(port, seed * 1000 + i, deadline, weights, faults) for i in range(sessions)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 60)
    history = [operation for thread in threads for operation in thread.history]
    errors = sum(thread.errors for thread in threads)
    messages = [str(thread.last_error) for thread in threads if thread.errors]
    with open(out, "wb") as file:
        stuck = sum(thread.is_alive() + thread.unanswered for thread in threads)
        pickle.dump((history, errors, messages, stuck), file)


if __name__ == "__main__":
    main()
