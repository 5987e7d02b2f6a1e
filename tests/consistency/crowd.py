"""Thousands of clients in one process: run as a program.

    crowd.py PORT CONSOLE_PORT SERVER_PORT SEED SECONDS CLIENTS BACKENDS OUT

Every client has a mark, puts it into everything that it asks, and looks at every row, notification and
setting that it gets for the marks of others. It has a row of its own and knows what must be in it. It asks
in all protocols, keeps settings, pins its backend, opens blocks, copies, cancels with right and wrong keys,
and goes away wherever it is: in the middle of a message, of a login, of an answer, of COPY. OUT gets the
counts, then what was wrong.

Every few seconds all clients rest wherever they are, and crowd_watch.py compares what the console and
Postgres say with what is known here; some of it also while they work.
"""
import asyncio
import collections
import json
import pathlib
import random
import resource
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import crowd_watch  # noqa: E402
import wire  # noqa: E402

GONE_SHARE = 0.004  # of messages, sent or read: there the client goes away
HOLDERS_MAX = 12    # clients that keep a backend while they rest: the others still have some
ANSWER_WAIT_S = 300


class Gone(Exception):
    """The connection ended, by us or (that is noted) by the other side."""


class World:
    """What all clients share, and what the watch needs to know of them."""

    def __init__(self, ports, seed, seconds, clients):
        self.port, self.console_port, self.server_port = ports
        self.seed = seed
        self.deadline = time.monotonic() + seconds
        self.size = clients
        self.counts = collections.Counter()
        self.problems = []
        self.clients = []
        self.inside = {}                      # by local port: those that have logged in
        self.arriving = collections.Counter()  # local ports on their way in
        self.open = collections.Counter()      # local ports that the proxy may still show
        self.opened_at = {}
        self.holders = 0                       # clients that keep a backend while they rest
        self.go = asyncio.Event()
        self.go.set()
        self.resting = 0
        self.ended = 0

    def is_over(self):
        return time.monotonic() >= self.deadline

    def problem(self, *what):
        self.counts["problems"] += 1
        if len(self.problems) < 50:
            self.problems.append(repr(what))

    async def dial(self):
        """A socket's streams, and its local port, which is noted as arriving."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        local = writer.get_extra_info("sockname")[1]
        self.arriving[local] += 1
        self.open[local] += 1
        self.opened_at[local] = time.monotonic()
        return reader, writer, local

    def arrived(self, local):
        self.arriving[local] -= 1
        if not self.arriving[local]:
            del self.arriving[local]


class Client:
    def __init__(self, world, number):
        self.world = world
        self.chance = random.Random(world.seed * 100003 + number)
        self.mark = f"mark{number:06}x"
        self.writer = None
        # The number of its row: a new one when a write's fate is unknown, and in another round.
        self.row = world.seed * 100000
        self.value = None     # what is in it; None: it is not made yet
        self.doing = None     # its kind of work, unless it rests
        self.forget()

    def forget(self):
        self.buffer = b""
        self.local = None
        self.named = set()
        self.settled = False      # app.mark is set
        self.cancelling = 0       # cancels of ours that may still hit
        self.holding = False      # a backend stays with it between requests; None: it may
        self.pinned = False
        self.notified = 0
        self.asked = collections.deque(maxlen=6)  # to tell where something was wrong

    # ---- the connection ----

    async def connect(self):
        reader, writer, local = await self.world.dial()
        self.forget()
        self.reader, self.writer, self.local = reader, writer, local
        arriving = True
        try:
            await self.send(wire.startup({"user": "postgres", "database": "postgres"}))
            while True:
                tag, body = await self.message()
                if tag == b"E":
                    self.world.problem(self.mark, "login", wire.fields_of(body))
                    raise Gone
                if tag == b"K":
                    self.pid, self.key = struct.unpack_from("!i", body)[0], body[4:]
                if tag == b"Z":
                    break
            arriving = False
            self.world.arrived(local)
            self.world.inside[local] = self
            self.world.counts["logins"] += 1
        finally:
            if arriving:
                self.leave()
                self.world.arrived(local)

    def leave(self):
        if not self.writer:
            return
        self.world.inside.pop(self.local, None)
        if self.chance.random() < 0.5:
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        self.writer = None

    def maybe_go(self):
        if self.chance.random() < GONE_SHARE:
            self.world.counts["left"] += 1
            self.leave()
            raise Gone

    async def send(self, *parts):
        data = b"".join(parts)
        if self.chance.random() < GONE_SHARE:
            self.writer.write(data[: self.chance.randrange(len(data) + 1)])
            self.world.counts["left"] += 1
            self.leave()
            raise Gone
        self.writer.write(data)

    async def message(self):
        while True:
            if len(self.buffer) >= 5:
                end = 1 + struct.unpack_from("!i", self.buffer, 1)[0]
                if len(self.buffer) >= end:
                    tag, body = self.buffer[:1], self.buffer[5:end]
                    self.buffer = self.buffer[end:]
                    return tag, body
            data = await self.reader.read(1 << 16)
            if not data:
                self.world.problem(self.mark, "the connection was closed")
                raise Gone
            self.buffer += data
            self.maybe_go()

    # ---- what it asks ----

    def look_at(self, tag, body):
        """No other's mark in anything that we get."""
        if body.count(b"mark") != body.count(self.mark.encode()):
            self.world.counts["foreign"] += 1
            self.world.problem(self.mark, "foreign", tag, body)

    async def ask(self, *parts, ready=1, errors=()):
        """The rows. Errors must be among `errors`, or a cancel of our own."""
        self.asked.append(parts)
        await self.send(*parts)
        rows, self.errors = [], []
        while ready:
            tag, body = await self.message()
            self.look_at(tag, body)
            if tag == b"D":
                rows.append(wire.values_of(body))
            elif tag == b"d":
                rows.append(body)
            elif tag == b"A":
                self.notified += 1
            elif tag == b"E":
                code = wire.fields_of(body)["C"]
                self.errors.append(code)
                if code not in errors and not (code == "57014" and self.cancelling):
                    self.world.problem(self.mark, "error", wire.fields_of(body), parts)
            elif tag == b"G":
                break
            elif tag == b"Z":
                ready -= 1
        self.world.counts["operations"] += 1
        return rows

    async def query(self, sql, errors=()):
        return await self.ask(wire.query(sql), errors=errors)

    def must(self, found, *wanted):
        """Wrong unless it is one of the wanted, or a cancel of ours came between."""
        if found not in wanted and not (self.errors == ["57014"]):
            self.world.counts["foreign"] += 1
            self.world.problem(self.mark, "wrong", found, wanted)

    async def rest(self):
        """Where it may stay with its backend while the others come to rest, too."""
        self.maybe_go()
        await asyncio.sleep(self.chance.random() * 0.1)
        await self.world_rests()

    async def world_rests(self):
        if self.world.go.is_set():
            return
        doing, self.doing = self.doing, None
        self.world.resting += 1
        await self.world.go.wait()
        self.world.resting -= 1
        self.doing = doing

    async def settle(self):
        if not self.settled:
            await self.query(f"set app.mark = '{self.mark}'")
            self.settled = True

    # ---- kinds of work: free ----

    async def simple(self):
        rows = await self.query(f"select '{self.mark}'::text, i from generate_series(1, 3) i")
        self.must(len(rows), 3)

    async def many_answers(self):
        rows = await self.query(f"select '{self.mark}'; select 1/1; select '{self.mark}', 2")
        self.must(len(rows), 3)

    async def extended(self):
        self.must(await self.ask(wire.extended("select $1::text || ''", [self.mark])), [[self.mark.encode()]])

    async def prepared(self):
        name = f"s{self.chance.randrange(3)}"
        parts = []
        if name not in self.named:
            parts = [wire.parse(f"select '{self.mark}{name}' || $1", name)]
        rows = await self.ask(*parts, wire.bind(["."], name), wire.execute(), wire.sync())
        self.named.add(name)
        self.must(rows, [[f"{self.mark}{name}.".encode()]])
        if self.chance.random() < 0.1:
            self.named.discard(name)
            await self.ask(wire.close_statement(name), wire.sync())

    async def pipeline(self):
        """Several batches at once, an error in the middle of one."""
        one = wire.parse("select $1::text") + wire.bind([self.mark]) + wire.execute()
        bad = wire.parse("select 1 / $1::int") + wire.bind(["0"]) + wire.execute()
        count = self.chance.randrange(1, 6)
        rows = await self.ask(one, wire.sync(), one, bad, one, wire.sync(), *[one, wire.sync()] * count, ready=2 + count,
                              errors=("22012",))
        self.must(len(rows), 2 + count)
        self.must(self.errors, ["22012"])

    async def portal(self):
        """Rows in portions, in one batch."""
        sql = f"select '{self.mark}' from generate_series(1, 10)"
        rows = await self.ask(wire.parse(sql), wire.bind(), wire.execute(3), wire.execute(3), wire.execute(), wire.sync())
        self.must(len(rows), 10)

    async def large(self):
        rows = await self.query(f"select repeat('{self.mark}', 2000), i from generate_series(1, 5) i")
        self.must(len(rows), 5)

    async def clean(self):
        """The backend at hand has our settings, and nothing that another left."""
        await self.settle()
        rows = await self.query(
            "select current_setting('app.mark', true), "
            "(select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'), "
            "(select count(*) from pg_listening_channels()), (select count(*) from pg_cursors where is_holdable), "
            "(select count(*) from pg_class where relnamespace = pg_my_temp_schema())")
        self.must(rows, [[self.mark.encode(), b"0", b"0", b"0", b"0"]])

    async def setting(self):
        await self.query(f"set app.other = '{self.mark}'")
        await self.world_rests()
        self.must(await self.query("select current_setting('app.other')"), [[self.mark.encode()]])
        await self.query("reset app.other")

    async def local_setting(self):
        await self.settle()
        await self.query("begin")
        await self.query(f"set local app.mark = '{self.mark}local'")
        self.must(await self.query("select current_setting('app.mark')"), [[f"{self.mark}local".encode()]])
        await self.query("rollback")
        self.must(await self.query("select current_setting('app.mark')"), [[self.mark.encode()]])

    async def error(self):
        await self.query(f"select '{self.mark}'::int", errors=("22P02",))
        self.must(self.errors, ["22P02"])

    # ---- its row: reads must see the last write that was acknowledged ----

    def row_name(self):
        return f"{self.mark}-{self.row}"

    async def write(self):
        """If the fate of the write stays unknown, it goes on with another row."""
        row, value = self.row, self.value
        self.row, self.value = self.row + 1, None
        name = f"{self.mark}-{row}"
        if value is None:
            await self.query(f"insert into crowd values ('{name}', 0)")
            value = 0
        elif self.chance.random() < 0.5:
            await self.query(f"update crowd set n = n + 1 where m = '{name}'")
            value += 1
        else:
            await self.ask(wire.extended("update crowd set n = n + 1 where m = $1", [name]))
            value += 1
        if not self.errors:
            self.row, self.value = row, value

    async def read(self):
        if self.value is None:
            await self.write()
        sql, wanted = "select m, n from crowd where m = ", [[self.row_name().encode(), str(self.value).encode()]]
        if self.chance.random() < 0.5:
            self.must(await self.query(f"{sql}'{self.row_name()}'"), wanted)
        else:
            self.must(await self.ask(wire.extended(f"{sql}$1", [self.row_name()])), wanted)

    async def block(self):
        if self.value is None:
            await self.write()
        row, value = self.row, self.value
        self.row, self.value = self.row + 1, None
        name = f"{self.mark}-{row}"
        self.holding = None
        await self.query(self.chance.choice(("begin", "begin isolation level repeatable read", "start transaction")))
        await self.query(f"update crowd set n = n + 1 where m = '{name}'")
        self.holding = True
        await self.rest()
        self.must(await self.query(f"select n from crowd where m = '{name}'"), [[str(value + 1).encode()]])
        gained = 1
        if self.chance.random() < 0.5:
            await self.query(f"savepoint a; update crowd set n = n + 5 where m = '{name}'")
            await self.rest()
            await self.query("rollback to a")
        if self.chance.random() < 0.2:
            await self.query("select 1/0", errors=("22012",))
            await self.query(f"select '{self.mark}'", errors=("25P02",))
            gained = 0
        elif self.chance.random() < 0.5:
            gained = 0
        await self.rest()
        await self.query("commit" if gained else "rollback")
        self.holding = False
        self.row, self.value = row, value + gained
        self.must(await self.query(f"select n from crowd where m = '{name}'"), [[str(self.value).encode()]])

    async def empty_block(self):
        """Postgres may never hear of it."""
        self.holding = None
        await self.query("begin")
        await self.rest()
        self.must(await self.query(f"select '{self.mark}'"), [[self.mark.encode()]])
        await self.rest()
        await self.query(self.chance.choice(("commit", "rollback")))
        self.holding = False

    # ---- COPY ----

    async def copy_out(self):
        lines = await self.query(f"copy (select '{self.mark}', i from generate_series(1, 20) i) to stdout")
        self.must(len(lines), 20)

    async def copy_in(self):
        await self.query(f"copy crowd_copied from stdin")
        lines = self.chance.randrange(1, 5)
        for _ in range(lines):
            await self.send(wire.copy_data(f"{self.mark}\n".encode() * 3))
            await asyncio.sleep(0)
        if self.chance.random() < 0.3:
            await self.ask(wire.copy_fail("enough"), errors=("57014",))
        else:
            await self.ask(wire.copy_done())

    # ---- pinned ----

    async def pinned_work(self):
        """A backend of its own for a while. It goes away in the end: DISCARD ALL gives the backend back only
        where nothing was done meanwhile that pgrecall cannot judge."""
        kind = self.chance.choice((self.temporary, self.lock, self.listen, self.hold))
        self.holding = None
        end = await kind()
        self.pinned = self.holding = True
        for _ in range(self.chance.randrange(4)):
            await self.rest()
            await self.chance.choice((self.simple, self.extended, self.prepared, self.read))()
        self.holding, self.pinned = None, False
        await end()
        if self.chance.random() < 0.7:
            await self.query("discard all")
            self.settled = False
            self.named.clear()
            await self.clean()
        self.leave()
        raise Gone

    async def temporary(self):
        await self.query(f"create temp table mine as select '{self.mark}'::text as m")

        async def end():
            self.must(await self.query("select m from mine"), [[self.mark.encode()]])

        return end

    async def lock(self):
        number = int(self.mark[4:10])
        await self.query(f"select pg_advisory_lock({number})")

        async def end():
            self.must(await self.query(f"select '{self.mark}', pg_advisory_unlock({number})"), [[self.mark.encode(), b"t"]])

        return end

    async def listen(self):
        await self.query(f"listen {self.mark}")
        before = self.notified

        async def end():
            await self.query(f"notify {self.mark}, '{self.mark}'")
            self.must(self.notified, before + 1)
            await self.query("unlisten *")

        return end

    async def hold(self):
        await self.query(f"declare c cursor with hold for select '{self.mark}', i from generate_series(1, 4) i")

        async def end():
            rows = await self.query("fetch 2 from c") + await self.query("fetch all from c")
            self.must(len(rows), 4)
            await self.query("close c")

        return end

    # ---- cancels ----

    async def send_cancel(self, pid, key):
        """Until the other side has closed: then it has hit what it could hit."""
        reader, writer, local = await self.world.dial()
        try:
            writer.write(wire.cancel_request(pid, key))
            if await reader.read(100):
                self.world.problem(self.mark, "an answer to a cancel")
        except ConnectionResetError:
            pass
        finally:
            writer.transport.abort()
            self.world.arrived(local)
        self.world.counts["cancels"] += 1

    async def cancel(self):
        sleeping = asyncio.ensure_future(self.query(f"select '{self.mark}', pg_sleep(0.3)"))
        try:
            await asyncio.sleep(self.chance.random() * 0.2)
            self.cancelling += 1
            await self.send_cancel(self.pid, self.key)
        finally:
            await sleeping
            self.cancelling -= 1
        self.world.counts["cancelled"] += self.errors == ["57014"]

    async def cancel_wrongly(self):
        """A key that is not ours, or a number that is nobody's: nothing is cancelled."""
        sleeping = asyncio.ensure_future(self.query(f"select '{self.mark}', pg_sleep(0.1)"))
        try:
            wrong = bytes(byte ^ self.chance.randrange(1, 256) for byte in self.key)
            await self.send_cancel(*self.chance.choice(((self.pid, wrong), (self.pid ^ 1 << 30, self.key))))
        finally:
            await sleeping

    async def cancel_late(self):
        """The answer is there: the next request is not hit."""
        await self.simple()
        await self.send_cancel(self.pid, self.key)
        await self.simple()

    # ---- its life ----

    async def run(self):
        work = {self.simple: 20, self.many_answers: 5, self.extended: 15, self.prepared: 20, self.pipeline: 6, self.portal: 4,
                self.large: 2, self.clean: 6, self.setting: 3, self.local_setting: 2, self.error: 2, self.write: 8,
                self.read: 20, self.block: 3, self.empty_block: 3, self.copy_out: 2, self.copy_in: 2, self.pinned_work: 1.5,
                self.cancel: 1, self.cancel_wrongly: 0.5, self.cancel_late: 1}
        kinds, weights = list(work), list(work.values())
        keeps = (self.block, self.empty_block, self.pinned_work)
        while not self.world.is_over():
            try:
                await self.world_rests()
                self.doing = "connect"
                if self.writer is None:
                    await self.connect()
                kind = self.chance.choices(kinds, weights)[0]
                if kind in keeps and self.world.holders == HOLDERS_MAX:
                    kind = self.simple
                self.world.counts[kind.__name__] += 1
                self.doing = kind.__name__
                self.world.holders += kind in keeps
                try:
                    await asyncio.wait_for(kind(), ANSWER_WAIT_S)
                finally:
                    self.world.holders -= kind in keeps
                self.doing = "sleep"
                await asyncio.sleep(self.chance.random() * 2)
            except asyncio.TimeoutError:
                self.world.problem(self.mark, "no answer", kind.__name__)
                self.leave()
            except (Gone, OSError, asyncio.IncompleteReadError) as end:
                if not isinstance(end, Gone) and self.writer:
                    self.world.problem(self.mark, repr(end))
                self.leave()
                await asyncio.sleep(self.chance.random())
        self.leave()
        self.world.ended += 1


async def main():
    port, console_port, server_port, seed = (int(word) for word in sys.argv[1:5])
    seconds, size, backends = float(sys.argv[5]), int(sys.argv[6]), int(sys.argv[7])
    world = World((port, console_port, server_port), seed, seconds, size)
    world.clients = [Client(world, number) for number in range(size)]
    watch = asyncio.ensure_future(crowd_watch.watch(world, backends))
    everybody = []
    for number, client in enumerate(world.clients):
        everybody.append(asyncio.ensure_future(client.run()))
        if number % 50 == 49:
            await asyncio.sleep(0.05)
    await asyncio.gather(*everybody)
    await watch
    with open(sys.argv[8], "w") as out:
        json.dump({"counts": world.counts, "problems": world.problems}, out)


if __name__ == "__main__":
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    asyncio.run(main())
