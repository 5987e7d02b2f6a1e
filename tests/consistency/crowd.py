"""Thousands of clients in one process: run as a program.

    crowd.py PORT SEED SECONDS CLIENTS OUT

Every client has a mark, puts it into everything that it asks, and looks at every row that it gets for
the marks of others. It asks in all protocols, sets settings, makes temporary tables, takes locks,
opens blocks, cancels, and goes away in the middle. OUT gets "operations errors foreign".
"""
import asyncio
import pathlib
import random
import resource
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

import wire  # noqa: E402

COUNTS = {"operations": 0, "errors": 0, "foreign": 0, "cancelled": 0}
PROBLEMS = []
EXPECTED = {"57014", "53300", "08006", "57P01", "25P02"}


class Gone(Exception):
    pass


class Client:
    def __init__(self, port, number, seed, deadline):
        self.port = port
        self.chance = random.Random(seed * 100003 + number)
        self.mark = f"mark{number:06}x"
        self.deadline = deadline
        self.reader = self.writer = None
        self.named = False

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.named = False
        self.writer.write(wire.startup({"user": "postgres", "database": "postgres"}))
        while True:
            tag, body = await self.read()
            if tag == b"E":
                raise Gone
            if tag == b"K":
                self.pid, self.key = struct.unpack_from("!i", body)[0], body[4:]
            if tag == b"Z":
                return

    async def read(self):
        head = await self.reader.readexactly(5)
        (length,) = struct.unpack("!i", head[1:])
        return head[:1], await self.reader.readexactly(length - 4)

    async def ask(self, *parts, ready=1):
        """Rows; every field that looks like a mark must be ours."""
        self.writer.write(b"".join(parts))
        if self.chance.random() < 0.01:
            self.writer.transport.abort()
            raise Gone
        rows = []
        while ready:
            tag, body = await self.read()
            if tag == b"D":
                if b"mark" in body and body.count(b"mark") != body.count(self.mark.encode()):
                    COUNTS["foreign"] += 1
                    PROBLEMS.append((self.mark, body))
                rows.append(body)
            elif tag == b"E":
                code = wire.fields_of(body).get("C")
                if code not in EXPECTED:
                    COUNTS["errors"] += 1
                    PROBLEMS.append((self.mark, wire.fields_of(body)))
            elif tag == b"Z":
                ready -= 1
        COUNTS["operations"] += 1
        return rows

    def must(self, rows, count):
        if len(rows) != count:
            COUNTS["foreign"] += 1
            PROBLEMS.append((self.mark, count, rows))

    async def simple(self):
        self.must(await self.ask(wire.query(f"select '{self.mark}'::text, i from generate_series(1, 3) i")), 3)

    async def extended(self):
        self.must(await self.ask(wire.extended("select $1::text || ''", [self.mark])), 1)

    async def prepared(self):
        if not self.named:
            await self.ask(wire.parse(f"select '{self.mark}' || $1", "s"), wire.sync())
            self.named = True
        self.must(await self.ask(wire.bind(["."], "s"), wire.execute(), wire.sync()), 1)

    async def setting(self):
        await self.ask(wire.query(f"set app.mark = '{self.mark}'"))
        self.must(await self.ask(wire.query("select current_setting('app.mark')")), 1)
        await self.ask(wire.query("reset app.mark"))

    async def temporary(self):
        await self.ask(wire.query(f"create temp table mine as select '{self.mark}'::text as m"))
        self.must(await self.ask(wire.query("select m from mine")), 1)
        self.named = False
        await self.ask(wire.query("discard all"))

    async def lock(self):
        await self.ask(wire.query(f"select pg_advisory_lock({hash(self.mark) % 100000})"))
        await self.ask(wire.query("select pg_advisory_unlock_all()"))
        self.named = False
        await self.ask(wire.query("discard all"))

    async def block(self):
        end = self.chance.choice(("commit", "rollback"))
        await self.ask(wire.query("begin"))
        await self.ask(wire.query(f"insert into crowd values ('{self.mark}')"))
        rows = await self.ask(wire.query(f"select m from crowd where m = '{self.mark}'"))
        if not rows:
            self.must(rows, 1)
        await self.ask(wire.query(end))

    async def cancel(self):
        sleeping = asyncio.ensure_future(self.ask(wire.query(f"select '{self.mark}', pg_sleep(0.3)")))
        await asyncio.sleep(self.chance.random() * 0.2)
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(struct.pack("!iii", 16, 80877102, self.pid) + self.key)
            await writer.drain()
            writer.close()
            COUNTS["cancelled"] += 1
        except OSError:
            pass
        await sleeping

    async def run(self):
        kinds = [self.simple, self.extended, self.prepared, self.setting, self.temporary, self.lock, self.block,
                 self.cancel]
        weights = [30, 15, 20, 6, 1, 1, 4, 0.5]
        while time.monotonic() < self.deadline:
            try:
                if self.writer is None:
                    await self.connect()
                await asyncio.wait_for(self.chance.choices(kinds, weights)[0](), 120)
                await asyncio.sleep(self.chance.random() * 2)
            except asyncio.TimeoutError:
                COUNTS["errors"] += 1
                PROBLEMS.append((self.mark, "no answer in two minutes"))
                self.leave()
            except (Gone, OSError, asyncio.IncompleteReadError):
                self.leave()
                await asyncio.sleep(self.chance.random())
        self.leave()

    def leave(self):
        if self.writer:
            self.writer.transport.abort()
        self.writer = None


async def main():
    port, seed, seconds, clients = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    deadline = time.monotonic() + seconds
    everybody = []
    for number in range(clients):
        everybody.append(asyncio.ensure_future(Client(port, number, seed, deadline).run()))
        if number % 50 == 49:
            await asyncio.sleep(0.05)
    await asyncio.gather(*everybody)
    with open(sys.argv[5], "w") as out:
        out.write(f"{COUNTS['operations']} {COUNTS['errors']} {COUNTS['foreign']} {COUNTS['cancelled']}\n")
        for problem in PROBLEMS[:20]:
            out.write(f"{problem!r}\n")


if __name__ == "__main__":
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    asyncio.run(main())
