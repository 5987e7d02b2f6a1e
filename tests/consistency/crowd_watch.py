"""Whether what the console says adds up, while a crowd is at work (crowd.py) and while it rests.

While it works, three things hold of every answer, because each part of one is true at some moment between
question and answer:
- SHOW POOLS counts no fewer clients than were logged in all the time, no more than there can be, and never
  more server connections than the pool may have; nor does Postgres.
- SHOW CLIENTS lists everybody who was logged in all the time, and nobody who never came; who has left stays
  listed only until its backend is done, and none for good.
When all rest, SHOW POOLS, CLIENTS, SERVERS, LISTS and pg_stat_activity agree to the last connection.
"""
import asyncio
import collections
import struct
import time

import wire

LOOK_S = 0.1     # between two looks at SHOW POOLS
LIST_S = 2       # between two looks at SHOW CLIENTS and pg_stat_activity
REST_S = 10      # between two rests
AGREE_S = 60     # how long those who have left may take to be gone, and all to come to rest
OPEN_SERVERS = ("sv_active", "sv_being_canceled", "sv_idle", "sv_used", "sv_tested", "sv_login")
STATE_COLUMNS = {"active": "sv_active", "being_canceled": "sv_being_canceled", "idle": "sv_idle", "tested": "sv_tested",
                 "login": "sv_login"}


class Asker:
    """A connection of the watch's own."""

    def __init__(self, port, database):
        self.port, self.database = port, database

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writer.write(wire.startup({"user": "postgres", "database": self.database, "application_name": "watch"}))
        while (await self.message())[0] != b"Z":
            pass
        return self

    async def message(self):
        head = await self.reader.readexactly(5)
        return head[:1], await self.reader.readexactly(struct.unpack("!i", head[1:])[0] - 4)

    async def table(self, sql):
        """Rows as dictionaries."""
        self.writer.write(wire.query(sql))
        names, rows = [], []
        while True:
            tag, body = await self.message()
            if tag == b"E":
                raise wire.ServerError(wire.fields_of(body))
            if tag == b"T":
                names = wire.columns_of(body)
            elif tag == b"D":
                rows.append(dict(zip(names, [v and v.decode() for v in wire.values_of(body)])))
            elif tag == b"Z":
                return rows


def number_of(row, *names):
    return sum(int(row[name]) for name in names)


class Watch:
    def __init__(self, world, backends):
        self.world, self.backends = world, backends
        self.most = 0
        self.missing = set()  # local ports that the last list lacked ...
        self.strange = set()  # ... and those that nobody had opened

    async def connect(self):
        self.console = await Asker(self.world.console_port, "pgrecall").connect()
        self.server = await Asker(self.world.server_port, "postgres").connect()

    async def pool(self):
        for row in await self.console.table("SHOW POOLS"):
            if row["database"] == row["user"] == "postgres":
                return row
        return None

    async def clients(self):
        return [row for row in await self.console.table("SHOW CLIENTS") if row["database"] != "pgrecall"]

    # ---- while they work ----

    async def look(self):
        world = self.world
        before, upper = set(world.inside.values()), sum(world.open.values())
        locals_before = {client: client.local for client in before}
        row = await self.pool()
        if row is None:
            return
        stayed = sum(client.local == locals_before[client] and client.writer is not None for client in before)
        upper = max(upper, sum(world.open.values()))
        clients = number_of(row, "cl_active", "cl_waiting")
        self.most = max(self.most, clients)
        self.world.counts["looks"] += 1
        self.world.counts["waiting seen"] = max(self.world.counts["waiting seen"], int(row["cl_waiting"]))
        if not stayed <= clients <= upper:
            world.problem("SHOW POOLS", clients, "clients", stayed, upper)
        if number_of(row, *OPEN_SERVERS) > self.backends:
            world.problem("SHOW POOLS", row)

    async def list(self):
        """Also finds out who is gone at last."""
        world = self.world
        begun = time.monotonic()
        before = dict(world.inside)
        known = collections.Counter(world.open)
        rows = await self.clients()
        found = collections.Counter(int(row["port"]) for row in rows)
        for local, client in before.items():
            if client.local == local and client.writer is not None and not found[local]:
                world.problem("SHOW CLIENTS lacks", client.mark, local)
        # The kernel lets somebody in before the client hears of it: asked once more, it must be known.
        strange = {local for local, count in found.items() if count > max(known[local], world.open[local])}
        for local in strange & self.strange:
            world.problem("SHOW CLIENTS has", local, found[local], world.open[local])
        self.strange = strange
        # Whoever left before it was accepted may be listed a little later than it came.
        missing = set()
        for local in list(world.open):
            if local not in world.arriving and world.opened_at[local] < begun and found[local] < world.open[local]:
                missing.add(local)
                if local in self.missing:
                    world.open[local] = found[local]
                    if not found[local]:
                        del world.open[local], world.opened_at[local]
        self.missing = missing
        self.world.counts["lists"] += 1
        rows = await self.server.table("select count(*) as n from pg_stat_activity "
                                       "where backend_type = 'client backend' and application_name not in ('watch', 'pgrecall')")
        # A backend ends after its connection does, so that its successor may be seen beside it.
        if int(rows[0]["n"]) > 2 * self.backends + 4:
            world.problem("pg_stat_activity", rows)

    # ---- while they rest ----

    async def differences(self):
        """What does not agree now; nothing in the end."""
        world, found = self.world, []
        inside = dict(world.inside)
        clients, servers = await self.clients(), await self.console.table("SHOW SERVERS")
        servers = [row for row in servers if row["database"] == row["user"] == "postgres"]
        pool = await self.pool()
        lists = {row["list"]: int(row["items"]) for row in await self.console.table("SHOW LISTS")}
        at_postgres = {row["pid"]: row["state"] for row in await self.server.table(
            "select pid, state from pg_stat_activity where backend_type = 'client backend'")}
        ports = collections.Counter(int(row["port"]) for row in clients)
        if ports != collections.Counter(inside.keys()):
            return [f"{len(clients)} listed, {len(inside)} inside"]
        if number_of(pool, "cl_active") != len(inside) or number_of(pool, "cl_waiting"):
            found.append(("clients", pool, len(inside)))
        if lists["used_clients"] != len(inside) + 1 or lists["login_clients"]:
            found.append(("lists", lists, len(inside)))
        states = collections.Counter(row["state"] for row in servers)
        if states.get("closing") or any(number_of(pool, column) != states[state] for state, column in STATE_COLUMNS.items()):
            found.append(("servers", pool, states))
        held_by = {row["ptr"]: row["link"] for row in servers if row["link"]}
        holds = {row["link"]: row["ptr"] for row in clients if row["link"]}
        if {client: server for server, client in held_by.items()} != {client: server for server, client in holds.items()}:
            found.append(("links", held_by, holds))
        if number_of(pool, "sv_active") != len(holds):
            found.append(("held", pool, holds))
        for row in clients:
            client = inside[int(row["port"])]
            if client.holding is not None and client.holding != bool(row["link"]):
                found.append(("holding", client.mark, client.holding, row, client.asked))
            if client.pinned and not row["pin"]:
                found.append(("pin", client.mark, row))
        for row in servers:
            state = at_postgres.get(row["remote_pid"])
            if state != "idle" and not (row["link"] and state and state.startswith("idle in transaction")):
                found.append(("at Postgres", row, state))
        return found

    async def come_to_rest(self):
        world = self.world
        world.go.clear()
        end = time.monotonic() + AGREE_S
        try:
            while world.resting + world.ended < world.size:
                if time.monotonic() > end:
                    world.problem("they do not come to rest", world.resting, world.ended, await self.pool(),
                                  collections.Counter(str(client.doing) for client in world.clients if client.doing))
                    return
                await asyncio.sleep(0.02)
            while True:
                found = await self.differences()
                if not found:
                    world.counts["rests"] += 1
                    return
                if time.monotonic() > end:
                    world.problem("at rest", found[:5])
                    return
                await asyncio.sleep(0.05)
        finally:
            world.go.set()


async def watch(world, backends):
    eye = Watch(world, backends)
    await eye.connect()
    listed = rested = time.monotonic()
    while world.ended < world.size:
        await eye.look()
        if time.monotonic() > listed + LIST_S:
            await eye.list()
            listed = time.monotonic()
        if time.monotonic() > rested + REST_S and not world.is_over():
            await eye.come_to_rest()
            rested = time.monotonic()
        await asyncio.sleep(LOOK_S)
    world.counts["most clients"] = eye.most
