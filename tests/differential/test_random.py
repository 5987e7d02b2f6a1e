"""Schemas, statements and sessions at random (random_sql.py): three sessions of several roles take turns, in
the simple and the extended protocol, by name and by number, in text and in binary. The same reads come again
and again, twice each, with writes, DDL, settings and blocks in between. Every byte is that of Postgres alone.

Which chance they have says seeds.py.
"""

import re
import struct

import pytest

import compare
import seeds
import servers
import wire
from random_sql import Maker

STEPS = 700
ROLES = "create role alice login; create role bob login"
FORGET = "alter role alice nobypassrls; revoke bob from alice"

# How often what is said: reads, writes, DDL, settings, transaction control, cursors and PREPARE.
MODES = {
    "writes": (50, 40, 0.6, 0.5, 1, 1),
    "mixed": (50, 25, 3, 3, 5, 4),
    "ddl": (50, 10, 8, 3, 2, 1),
    "blocks": (45, 15, 1, 2, 18, 5),
}
# At least so many answers are hits, for a script to say something.
HITS = {"writes": 50, "mixed": 5, "ddl": 5, "blocks": 0}


def with_parameters(chance, sql):
    """Some constants behind "= " become parameters: (text, values, formats, types)."""
    values, formats, types = [], [], []
    declared = chance.random() < 0.5

    def number(match):
        if chance.random() < 0.4:
            return match[0]
        binary = chance.choice([(23, "!i"), (20, "!q"), (21, "!h"), None, None])
        values.append(struct.pack(binary[1], int(match[1])) if binary else match[1])
        formats.append(1 if binary else 0)
        types.append(binary[0] if binary else chance.choice([0, 0, 23, 20, 1700, 25]) if declared else 0)
        return f"= ${len(values)}"

    def text(match):
        if chance.random() < 0.4:
            return match[0]
        values.append(match[1].replace("''", "'"))
        formats.append(0)
        types.append(chance.choice([0, 0, 25, 1043, 19, 1042]) if declared else 0)
        return f"= ${len(values)}"

    sql = re.sub(r"= (\d+)(?= |$|\)|,)", number, sql)
    sql = re.sub(r"= '((?:[^'\\]|'')*)'(?= |$|\))", text, sql)
    return sql, values, formats, types


class Script:
    """The steps: (session, name, bytes). Texts are tried on `judge`, a third database like the other two."""

    def __init__(self, maker, mode, judge):
        self.maker, self.chance, self.judge = maker, maker.chance, judge
        self.names, self.steps = {}, []
        self.users = ["postgres", *(self.chance.choice(["postgres", "postgres", "postgres", "bob", "alice"]) for _ in range(2))]
        self.reads = [self.telling(lambda: maker.by_key()[0]) for _ in range(10)]
        self.reads += [self.telling(maker.read) for _ in range(self.chance.randint(4, 16))]
        self.asked = [with_parameters(self.chance, r) if self.chance.random() < 0.4 else (r, [], [], []) for r in self.reads]
        while len(self.steps) < STEPS:
            what = self.chance.choices(["read", "write", "ddl", "setting", "control", "by_name"], MODES[mode])[0]
            getattr(self, "say_" + what)(self.chance.choice([0, 0, 1, 2]))

    def telling(self, make):
        """One of a few that has rows, or changes some, as long as nobody has changed anything."""
        for _ in range(6):
            sql = make()
            if "from stdin" in sql:
                return sql
            answer = self.judge.ask(wire.query(f"begin; {sql}; rollback"))
            if not wire.errors_of(answer) and any(m.tag == b"C" and re.search(rb" [1-9]\d*\0$", m.body) for m in answer):
                return sql
            self.judge.ask(wire.query("rollback"))
        return sql

    def say(self, session, name, data):
        self.steps.append((session, name, data))

    def say_read(self, session):
        for read in self.chance.sample(self.asked, min(len(self.asked), self.chance.randint(2, 4))):
            how = self.chance.choice(["extended", "named", "binary", *([] if read[1] else ["simple", "simple"])])
            for _ in range(self.chance.choice([1, 2, 2])):
                self.say(session, *self.question(session, how, *read))
            if how != "named" and self.chance.random() < 0.3:
                self.say((session + 1) % 3, *self.question(session, how, *read))

    def question(self, session, how, sql, values, formats, types):
        label = f"{how} {sql} {values} {types}"
        if how == "simple":
            return label, wire.query(sql)
        if how == "named":
            known = (session, sql, tuple(types)) in self.names
            name = self.names.setdefault((session, sql, tuple(types)), f"n{len(self.names)}")
            parse = b"" if known else wire.parse(sql, name, types) + wire.describe_statement(name)
            return f"{label} as {name}", parse + wire.bind(values, name, formats=formats) + wire.describe_portal() + wire.execute() + wire.sync()
        return label, wire.extended(sql, values, formats, (1,) if how == "binary" else (), types)

    def say_write(self, session):
        if self.chance.random() < 0.12:
            sql = "; ".join(self.chance.choice(self.maker.stock))  # else the tables were soon empty
            self.say(session, sql, wire.query(sql))
            return
        make = self.chance.choices([lambda: self.maker.by_key()[1], self.maker.write], [2, 1])[0]
        sql = make() if self.chance.random() < 0.15 else self.telling(make)
        if "from stdin" in sql:
            self.say(session, sql, wire.query(sql) + wire.copy_data(b"7\tcopied\n") + wire.copy_done())
        elif self.chance.random() < 0.5:
            self.say(session, sql, wire.query(sql))
        else:
            sql, values, formats, types = with_parameters(self.chance, sql)
            write = wire.extended(sql, values, formats, types=types)
            if self.chance.random() < 0.15:
                read = self.chance.choice(self.asked)
                write = write[:-5] + wire.extended(read[0], read[1], read[2], types=read[3])
                sql = f"{sql}; {read[0]}"
            self.say(session, f"extended {sql} {values} {types}", write)

    def say_ddl(self, session):
        sql = self.maker.ddl()
        self.say(session, sql, wire.query(sql))
        if self.chance.random() < 0.6:
            self.say(session, "wait", None)  # for the catalog, else little would be cached

    def say_setting(self, session):
        sql = self.maker.setting()
        self.say(session, sql, wire.query(sql))

    def say_control(self, session):
        sql = self.maker.control()
        self.say(session, sql, wire.query(sql))

    def say_by_name(self, session):
        sql = self.maker.by_name(self.reads)
        self.say(session, sql, wire.query(sql))


def plain(message):
    """Without what differs by nature: who sent a notification, and of some errors where they were noticed
    (a statement may be parsed anew, on a backend where somebody once had a temporary object)."""
    if message.tag == b"A":
        return wire.Message(b"A", b"")
    if message.tag == b"E":
        code = wire.fields_of(message.body).get("C")
        if code in ("25P02", "55P03") or (code in ("3F000", "42883") and b"pg_temp" in message.body):
            return wire.Message(b"E", code.encode())
    return message


def play(script, connect, wait):
    """`wait` is called where the script waits for the catalog."""
    clients = [connect(user) for user in script.users]
    names, notes = compare.Names(16384), []
    for who, name, data in script.steps:
        if data is None:
            wait()
            continue
        try:
            answer = [plain(compare.rename_oids(m, names)) for m in clients[who].ask(data)]
        except (OSError, wire.Closed) as error:
            raise AssertionError(f"no answer to {name}; before: {[n[1] for n in notes[-8:]]}") from error
        notes.append((f"session {who}", name, [m for m in answer if m.tag != b"A"]))
    for client in clients:
        client.close()
    return notes


def up_to_a_lock(want, have):
    """A hit does not wait for ACCESS EXCLUSIVE, as a statement does: from there on the two are not alike."""
    for at, (expected, got) in enumerate(zip(want, have)):
        if any(m.body == b"55P03" for m in expected[2]) and not any(m.tag == b"E" for m in got[2]):
            return want[:at], have[:at]
    return want, have


def made(postgres, name, maker):
    postgres.query(f"drop database if exists {name} with (force)")
    postgres.query(f"create database {name}")
    postgres.query(f"alter database {name} set lock_timeout = '150ms'")
    with postgres.connect(database=name) as client:
        for text in maker.setup:
            client.ask(wire.query(text))  # some fail


def undo(postgres):
    for gid, database in postgres.query("select gid, database from pg_prepared_xacts"):
        postgres.query(f"rollback prepared '{gid}'", database=database)
    postgres.query(FORGET)


@pytest.fixture(scope="module")
def server():
    """Its own: roles come and go."""
    made_server = servers.Postgres()
    made_server.query(ROLES)
    yield made_server
    made_server.stop()
    made_server.remove()


def is_known(proxy, database):
    """Whether the catalog is up to date. It may not become so, while a block of the script goes on."""
    return any(row["database"] == database and row["cached"] == "yes" for row in proxy.console("SHOW CATALOG"))


def run(server, proxy, mode, seed):
    """How many of the answers were hits."""
    maker = Maker(seed)
    made(server, "random_direct", maker)
    made(server, "random_through", maker)
    made(server, "random_judge", maker)
    with server.connect(database="random_judge") as judge:
        script = Script(maker, mode, judge)
    proxy.wait_for_catalog("random_through")
    want = play(script, lambda user: server.connect(user=user, database="random_direct"), lambda: None)
    undo(server)
    hits = servers.hits(proxy.cache())
    have = play(script, lambda user: proxy.connect(user=user, database="random_through"),
                lambda: servers.wait_until(lambda: is_known(proxy, "random_through"), 1))
    undo(server)
    found = compare.differences(*up_to_a_lock(want, have), limit=3)
    assert not found, f"PGRECALL_SEED={seed}\n" + "\n".join(found)
    return servers.hits(proxy.cache()) - hits


@pytest.mark.parametrize("homes", [0, 10], ids=["any-backend", "its-own"])
@pytest.mark.parametrize("mode", MODES)
def test_statements_at_random(make_proxy, server, mode, homes):
    """Some seed must make a script of which much is cached, for the test to say something."""
    proxy = make_proxy(server, default_pool_size=10, home_connections=homes)
    hits = {seed: run(server, proxy, mode, seed) for seed in seeds.some(2)}
    assert max(hits.values()) >= HITS[mode] or len(hits) == 1, hits
